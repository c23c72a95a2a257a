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
pub(super) fn split_at_account(folder: &str) -> Option<(&str, Vec<&str>)> {
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
mod tests {
    use super::*;

    const FILE: &str = "111122223333_CloudTrail_us-east-1_20260102T0305Z_abcdefghijklmnop.json.gz";

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
}
