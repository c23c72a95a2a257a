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
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

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
    let time = strtime::parse("%Y%m%dT%H%MZ", time).and_then(|it| it.to_datetime()).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|it| it.timestamp())
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

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const FILE: &str = "111122223333_CloudTrail_us-east-1_20260102T0305Z_abcdefghijklmnop.json.gz";

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
            assert_eq!(visit(prefix, &narrowing()), expected, "{prefix}");
        }
    }

    #[test]
    fn the_names_of_files_and_folders_say_when_they_were_delivered() {
        let time = |key: &str| delivered_at(key).map(|it| it.to_string()).unwrap_or_default();
        assert_eq!(
            time(&format!("AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/{FILE}")),
            "2026-01-02T03:05:00Z"
        );
        assert_eq!(time(FILE), "2026-01-02T03:05:00Z");
        for key in ["", "trail.json.gz", "1_CloudTrail_us-east-1_20261302T0305Z_x.json.gz", "1_CloudTrail_20260102T03Z"]
        {
            assert_eq!(time(key), "", "{key}");
        }
        let day = |key: &str| day_of(key).map(|it| it.to_string()).unwrap_or_default();
        assert_eq!(day("AWSLogs/o-abc/111122223333/CloudTrail/us-east-1/2026/01/02/x.json"), "2026-01-02");
        for key in ["", "2026/01/02/x.json", "AWSLogs/111122223333/CloudTrail/us-east-1/2026/13/02/x.json"] {
            assert_eq!(day(key), "", "{key}");
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
    }
}
