//! The layout of the keys in a bucket that CloudTrail delivers to.
//!
//! ```text
//! [ prefix "/" ] "AWSLogs/" [ organization "/" ] account "/" folder "/" region "/" year "/" month "/" day "/" file
//! file = account "_CloudTrail_" region "_" YYYYMMDDTHHmmZ "_" unique ".json.gz"
//! ```
//!
//! Source: "Finding your CloudTrail log files" and "CloudTrail log file examples" in the CloudTrail User Guide.

use jiff::Timestamp;
use jiff::civil::Date;

use super::Narrowing;

/// The folders of an account that contain log objects.
const FOLDERS: [&str; 2] = ["CloudTrail", "CloudTrail-NetworkActivity"];

/// How to list the objects whose keys start with a prefix.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// List the objects directly in the folder, and visit its subfolders.
    Descend,
    /// Visit these folders, which need not be listed to know their names.
    Into(Vec<String>),
    /// List all objects, from this key on.
    List(Option<String>),
    /// No object is needed.
    Skip,
}

/// How to list the objects whose keys start with a prefix.
pub(super) fn visit(prefix: &str, narrowing: &Narrowing) -> Visit {
    let folder = prefix.rfind('/').map_or("", |end| prefix.split_at(end + 1).0);
    let Some((parent, segments)) = split_at_account(folder) else { return Visit::Descend };
    match segments.as_slice() {
        [account, ..] if !narrowing.includes_account(account) => Visit::Skip,
        [_] if folder == prefix => Visit::Into(FOLDERS.map(|it| format!("{prefix}{it}/")).to_vec()),
        [_, folder, ..] if !FOLDERS.contains(folder) => Visit::Skip,
        [_, _, region, ..] if !narrowing.includes_region(region) => Visit::Skip,
        [account, folder, region, ..] => Visit::List(narrowing.first_day().map(|day| {
            let day = day.strftime("%Y/%m/%d");
            format!("{parent}{account}/{folder}/{region}/{day}")
        })),
        _ => Visit::Descend,
    }
}

/// The day of the folder of an object.
pub(super) fn day_of(key: &str) -> Option<Date> {
    let (folder, _) = key.rsplit_once('/')?;
    match split_at_account(&format!("{folder}/"))?.1.as_slice() {
        [_, _, _, year, month, day] => Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok(),
        _ => None,
    }
}

/// When CloudTrail delivered an object, by its file name, to the minute.
pub(super) fn delivered_at(key: &str) -> Option<Timestamp> {
    let file = key.rsplit('/').next()?;
    let (_, rest) = file.split_once("_CloudTrail")?;
    let time = rest.split('_').find(|it| it.len() == "YYYYMMDDTHHmmZ".len() && it.ends_with('Z'))?;
    jiff::fmt::strtime::parse("%Y%m%dT%H%MZ", time).ok()?.to_datetime().ok()?.in_tz("UTC").ok().map(|it| it.timestamp())
}

/// Splits a folder into the part before the account, and its segments from the account on. `None` if the folder is not in
/// one of an account. The last `AWSLogs` counts, because a prefix may contain the same names.
fn split_at_account(folder: &str) -> Option<(&str, Vec<&str>)> {
    let is_account = |it: &str| it.len() == 12 && it.bytes().all(|b| b.is_ascii_digit());
    let logs = folder.rfind("AWSLogs/").filter(|at| *at == 0 || folder.as_bytes().get(at - 1) == Some(&b'/'))?;
    let mut start = logs + "AWSLogs/".len();
    let rest = folder.get(start..)?;
    if let Some((organization, _)) = rest.split_once('/').filter(|(it, _)| it.starts_with("o-")) {
        start += organization.len() + 1;
    }
    let (parent, rest) = folder.split_at_checked(start)?;
    let segments: Vec<_> = rest.strip_suffix('/')?.split('/').collect();
    segments.first().is_some_and(|it| is_account(it)).then_some((parent, segments))
}
