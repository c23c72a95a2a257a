//! The tags that name the owner of a function.

use std::fmt;
use std::str::FromStr;

use crate::triage::Tag;

/// Maximum number of keys.
pub const MAX_OWNER_TAG_KEYS: usize = 10;
/// Maximum length of a key, in characters ("Tag naming limits and requirements", Tagging AWS Resources).
const MAX_KEY: usize = 128;

/// Keys of the tags that name the owner, most significant first. Not case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerTagKeys(Vec<String>);

impl Default for OwnerTagKeys {
    fn default() -> Self {
        Self(["owner", "team", "service"].map(str::to_owned).to_vec())
    }
}

impl OwnerTagKeys {
    /// The tags that name the owner, in the order of the keys, at most one for each key. Tags without a value are
    /// omitted.
    pub(super) fn select(&self, mut tags: Vec<Tag>) -> Vec<Tag> {
        // Keys that differ only in case are different tags. The choice must not depend on the order of the response.
        tags.sort_by(|a, b| a.key.cmp(&b.key));
        tags.retain(|tag| !tag.value.trim().is_empty());
        let of_key = |key: &String| tags.iter().find(|tag| tag.key.eq_ignore_ascii_case(key)).cloned();
        self.0.iter().filter_map(of_key).collect()
    }
}

/// An invalid list of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerTagKeysError(String);

impl fmt::Display for OwnerTagKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OwnerTagKeysError {}

impl FromStr for OwnerTagKeys {
    type Err = OwnerTagKeysError;

    /// Parses a comma-separated list of distinct keys.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let keys: Vec<_> = text.split(',').map(|key| key.trim().to_owned()).collect();
        if keys.len() > MAX_OWNER_TAG_KEYS {
            return Err(OwnerTagKeysError(format!("expected at most {MAX_OWNER_TAG_KEYS} keys, found {}", keys.len())));
        }
        let is_key = |key: &str| {
            let is_allowed = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
            (1..=MAX_KEY).contains(&key.chars().count()) && key.chars().all(is_allowed)
        };
        let is_repeated = |at: usize, key: &str| keys.iter().take(at).any(|it| it.eq_ignore_ascii_case(key));
        match keys.iter().enumerate().find(|(at, key)| !is_key(key) || is_repeated(*at, key)) {
            Some((_, key)) => Err(OwnerTagKeysError(format!("expected distinct tag keys, found {key:?}"))),
            None => Ok(Self(keys)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: key.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn tags_are_selected_in_the_order_of_the_keys_and_in_any_case() {
        let tags = vec![tag("Service", "s"), tag("x", "x"), tag("TEAM", " "), tag("owner", "b"), tag("Owner", "a")];
        let expected = [tag("Owner", "a"), tag("Service", "s")];
        assert_eq!(OwnerTagKeys::default().select(tags), expected);
    }

    #[test]
    fn keys_are_checked() {
        assert_eq!("owner,team, service".parse(), Ok(OwnerTagKeys::default()));
        assert!("cost-center,aws:cloudformation:stack-name".parse::<OwnerTagKeys>().is_ok());
        for text in ["", "owner,,team", "owner,Owner", "own;er", "a,b,c,d,e,f,g,h,i,j,k"] {
            assert!(text.parse::<OwnerTagKeys>().is_err(), "{text}");
        }
    }
}
