//! Which objects of a trail a scan needs, as far as their keys show.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::key_layout;

/// How long after an event CloudTrail may deliver it. It takes about 5 minutes on average, without a guarantee ("How
/// CloudTrail works", CloudTrail User Guide).
const MAX_DELAY_HOURS: i64 = 2;

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

/// The part of a trail that a scan needs.
#[derive(Debug, Default, Clone)]
pub(crate) struct Narrowing {
    /// No events before this time are needed.
    pub(crate) since: Option<Timestamp>,
    /// No events at or after this time are needed.
    pub(crate) until: Option<Timestamp>,
    /// The accounts; all if empty.
    pub(crate) accounts: Vec<String>,
    /// The Regions; all if empty.
    pub(crate) regions: Vec<String>,
    /// Only objects after this one are needed.
    pub(crate) start_after: Option<String>,
}

impl Narrowing {
    /// How to list the objects whose keys start with a prefix.
    pub(super) fn visit(&self, prefix: &str) -> Visit {
        let folder = prefix.rfind('/').map_or("", |end| prefix.split_at(end + 1).0);
        let Some((parent, segments)) = key_layout::split_at_account(folder) else { return Visit::Descend };
        match segments.as_slice() {
            [account, ..] if !self.includes_account(account) => Visit::Skip,
            [_] if folder == prefix => Visit::Into(FOLDERS.map(|it| format!("{prefix}{it}/")).to_vec()),
            [_, folder, ..] if !FOLDERS.contains(folder) => Visit::Skip,
            [_, _, region, ..] if !self.includes_region(region) => Visit::Skip,
            [account, folder, region, ..] => Visit::List(self.first_day().map(|day| {
                let day = day.strftime("%Y/%m/%d");
                format!("{parent}{account}/{folder}/{region}/{day}")
            })),
            _ => Visit::Descend,
        }
    }

    fn includes_account(&self, account: &str) -> bool {
        self.accounts.is_empty() || self.accounts.iter().any(|it| it == account)
    }

    fn includes_region(&self, region: &str) -> bool {
        self.regions.is_empty() || self.regions.iter().any(|it| it == region)
    }

    /// Returns true if the object with this key may contain events that are needed. An object that was delivered at a
    /// time contains events before that time.
    pub(super) fn includes(&self, key: &str) -> bool {
        let Some(delivered) = key_layout::delivered_at(key) else { return self.includes_day_of(key) };
        // The name of the object has no seconds.
        let end = delivered.checked_add(1.minute()).unwrap_or(Timestamp::MAX);
        let is_late_enough = self.since.is_none_or(|since| end > since);
        is_late_enough && self.latest_delivery().is_none_or(|latest| delivered <= latest)
    }

    fn includes_day_of(&self, key: &str) -> bool {
        let Some(day) = key_layout::day_of(key) else { return true };
        self.first_day().is_none_or(|first| day >= first) && !self.is_after_last_day(key)
    }

    /// The first day whose folder contains objects that are needed.
    fn first_day(&self) -> Option<Date> {
        self.since.map(day)
    }

    /// Returns true if the key is in the folder of a day after the last one that is needed.
    pub(super) fn is_after_last_day(&self, key: &str) -> bool {
        let (Some(latest), Some(day_of_key)) = (self.latest_delivery(), key_layout::day_of(key)) else { return false };
        day_of_key > day(latest)
    }

    fn latest_delivery(&self) -> Option<Timestamp> {
        self.until.and_then(|until| until.checked_add(MAX_DELAY_HOURS.hours()).ok())
    }
}

fn day(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn narrowing() -> Narrowing {
        Narrowing {
            since: Some("2026-01-05T09:00:00Z".parse().expect("a time")),
            accounts: vec!["111122223333".to_owned()],
            regions: vec!["us-east-1".to_owned()],
            ..Narrowing::default()
        }
    }

    #[test]
    fn folders_above_regions_are_visited_and_regions_are_listed() {
        let into = |prefix: &str| Visit::Into(FOLDERS.map(|it| format!("{prefix}{it}/")).to_vec());
        let list = |prefix: &str| Visit::List(Some(format!("{prefix}2026/01/05")));
        let region = "x/AWSLogs/o-abc/111122223333/CloudTrail/us-east-1/";
        for (prefix, expected) in [
            ("", Visit::Descend),
            ("x", Visit::Descend),
            ("x/AWSLogs", Visit::Descend),
            ("x/AWSLogs/", Visit::Descend),
            ("x/AWSLogs/o-abc/", Visit::Descend),
            ("x/AWSLogs/1111", Visit::Descend),
            ("AWSLogs/111122223333/", into("AWSLogs/111122223333/")),
            ("x/AWSLogs/o-abc/111122223333/", into("x/AWSLogs/o-abc/111122223333/")),
            ("x/AWSLogs/o-abc/111122223333/Cloud", Visit::Descend),
            ("x/AWSLogs/o-abc/111122223333/CloudTrail/", Visit::Descend),
            ("x/AWSLogs/o-abc/444455556666/", Visit::Skip),
            ("x/AWSLogs/o-abc/111122223333/Config/", Visit::Skip),
            ("x/AWSLogs/o-abc/111122223333/CloudTrail-Digest/", Visit::Skip),
            (region, list(region)),
            ("x/AWSLogs/o-abc/111122223333/CloudTrail/us-east-1/2026/0", list(region)),
            ("x/AWSLogs/o-abc/111122223333/CloudTrail/us-east-1/2026/01/05/", list(region)),
            ("x/AWSLogs/o-abc/111122223333/CloudTrail/eu-west-1/", Visit::Skip),
            ("xAWSLogs/111122223333/", Visit::Descend),
            ("a/AWSLogs/444455556666/AWSLogs/111122223333/", into("a/AWSLogs/444455556666/AWSLogs/111122223333/")),
        ] {
            assert_eq!(narrowing().visit(prefix), expected, "{prefix}");
        }
    }

    #[test]
    fn objects_outside_of_the_period_are_not_needed() {
        let until = Some("2026-01-05T11:00:00Z".parse().expect("a time"));
        let narrowing = Narrowing { until, ..narrowing() };
        let folder = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01";
        for (key, expected) in [
            ("05/111122223333_CloudTrail_us-east-1_20260105T0858Z_x.json.gz", false),
            // The time of delivery is rounded down, so the object may contain an event of 09:00:30.
            ("05/111122223333_CloudTrail_us-east-1_20260105T0900Z_x.json.gz", true),
            ("05/111122223333_CloudTrail_us-east-1_20260105T1300Z_x.json.gz", true),
            ("05/111122223333_CloudTrail_us-east-1_20260105T1301Z_x.json.gz", false),
            ("04/x.json.gz", false),
            ("05/x.json.gz", true),
            ("06/x.json.gz", false),
        ] {
            assert_eq!(narrowing.includes(&format!("{folder}/{key}")), expected, "{key}");
        }
        assert!(narrowing.includes("copies/trail.json"));
        assert!(!narrowing.includes("copies/1_CloudTrail_x_99991230T2200Z_x.json"));
    }
}
