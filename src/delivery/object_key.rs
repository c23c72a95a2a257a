//! Keys of the objects that CloudTrail delivers.
//!
//! ```text
//! key = [ prefix "/" ] "AWSLogs/" [ organization "/" ] account "/" folder "/" … file
//! ```
//!
//! Source: "Finding your CloudTrail log files" in the CloudTrail User Guide. Only the folder determines the kind of an
//! object, because users choose the prefix.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The kind of an object, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// A log object: management and data events, or network activity events.
    Log,
    /// A digest file of log file validation. CloudTrail delivers one every hour.
    Digest,
    /// Anything else.
    Other,
}

impl KeyKind {
    /// The kind of the object with this decoded key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        let segments: Vec<&str> = key.split('/').collect();
        let is_marker = segments.last().is_none_or(|file| file.is_empty());
        match account_and_folder(&segments) {
            _ if is_marker => Self::Other,
            Some((_, "CloudTrail" | "CloudTrail-NetworkActivity")) => Self::Log,
            Some((_, "CloudTrail-Digest")) => Self::Digest,
            _ => Self::Other,
        }
    }
}

/// An account in a Region, which a trail logs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountRegion {
    /// ID of the account.
    pub account: String,
    /// Name of the Region.
    pub region: String,
}

impl AccountRegion {
    /// The account and Region of the digest file with this decoded key. `None` if they do not look like ones.
    pub(super) fn of_digest(key: &str) -> Option<Self> {
        let is_region = |it: &str| it.len() <= 32 && it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let (_, rest) = key.rsplit_once("/CloudTrail-Digest/")?;
        let region = rest.split('/').next().filter(|region| !region.is_empty() && is_region(region))?;
        Some(Self { account: account(key)?.to_owned(), region: region.to_owned() })
    }
}

/// The account whose events the object with this decoded key contains.
pub(crate) fn account(key: &str) -> Option<&str> {
    let segments: Vec<&str> = key.split('/').collect();
    account_and_folder(&segments).map(|(account, _)| account)
}

/// The account, which follows `AWSLogs`, and the segment after it. The last match counts, because a prefix may contain
/// the same names.
fn account_and_folder<'a>(segments: &[&'a str]) -> Option<(&'a str, &'a str)> {
    (0..segments.len()).rev().filter(|at| segments.get(*at) == Some(&"AWSLogs")).find_map(|at| {
        match segments.get(at + 1..)? {
            [account, folder, _, ..] if is_account(account) => Some((*account, *folder)),
            [organization, account, folder, _, ..] if organization.starts_with("o-") && is_account(account) => {
                Some((*account, *folder))
            }
            _ => None,
        }
    })
}

fn is_account(segment: &str) -> bool {
    segment.len() == 12 && segment.bytes().all(|b| b.is_ascii_digit())
}

/// Decodes a form-encoded key. Returns `None` if the result is not UTF-8.
pub(super) fn form_decode(key: &str) -> Option<String> {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::AccountRegion;
    use super::KeyKind::{self, Digest, Log, Other};

    #[test]
    fn the_folder_after_the_account_decides() {
        let file = "111122223333_CloudTrail_us-east-1_20260102T0305Z_abcdefghijklmnop.json.gz";
        for (key, kind) in [
            ("AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/", Other),
            ("AWSLogs/111122223333/CloudTrail/", Other),
            ("AWSLogs/111122223333/CloudTrail", Other),
            ("", Other),
            (&format!("AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/{file}"), Log),
            (&format!("a/b/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/{file}"), Log),
            (&format!("AWSLogs/o-abc123/111122223333/CloudTrail/us-east-1/2026/01/02/{file}"), Log),
            (&format!("CloudTrail-Digest/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/{file}"), Log),
            (&format!("AWSLogs/999999999999/CloudTrail-Digest/AWSLogs/111122223333/CloudTrail/us-east-1/{file}"), Log),
            (&format!("AWSLogs/111122223333/CloudTrail-NetworkActivity/us-east-1/2026/01/02/{file}"), Log),
            (&format!("CloudTrail/AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/01/02/{file}"), Digest),
            (&format!("AWSLogs/111122223333/CloudTrail-Insight/us-east-1/2026/01/02/{file}"), Other),
            (&format!("AWSLogs/111122223333/CloudTrail-Aggregated/us-east-1/2026/01/02/{file}"), Other),
            (&format!("AWSLogs/111122223333/Config/us-east-1/CloudTrail/2026/1/2/{file}"), Other),
            (&format!("AWSLogs/11112222333/CloudTrail/us-east-1/{file}"), Other),
            (&format!("CloudTrail/{file}"), Other),
            (file, Other),
        ] {
            assert_eq!(KeyKind::of(key), kind, "{key}");
        }
    }

    #[test]
    fn a_digest_names_its_account_and_region() {
        let of = |key: &str| AccountRegion::of_digest(key).map(|it| format!("{} {}", it.account, it.region));
        let known = Some("111122223333 eu-west-1".to_owned());
        for (key, expected) in [
            ("AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/01/02/d.json.gz", &known),
            ("x/AWSLogs/o-abc123/111122223333/CloudTrail-Digest/eu-west-1/2026/01/02/d.json.gz", &known),
            ("AWSLogs/team/111122223333/CloudTrail-Digest/eu-west-1/2026/01/02/d.json.gz", &None),
            ("AWSLogs/o-abc123/team/CloudTrail-Digest/eu-west-1/2026/01/02/d.json.gz", &None),
            ("AWSLogs/111122223333/CloudTrail-Digest/e\nu/2026/01/02/d.json.gz", &None),
            ("AWSLogs/111122223333/CloudTrail-Digest//2026/01/02/d.json.gz", &None),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/02/d.json.gz", &None),
        ] {
            assert_eq!(of(key), *expected, "{key}");
        }
    }
}
