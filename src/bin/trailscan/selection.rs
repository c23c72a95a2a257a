//! Selects findings by the options on the command line.

use clap::{Args, ValueEnum};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use trailwarden::detect::Finding;
use trailwarden::pattern::Pattern;
use trailwarden::triage::CAUSE_WINDOW;

use crate::sources::Narrowing;

/// The Region in which CloudTrail logs events of IAM in the partition `aws`.
const IAM_REGION: &str = "us-east-1";

/// Options that select findings. A finding must match all options that are given, and one value of each.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct Selection {
    /// Only findings whose records match PATTERN, in the language of rules
    ///
    /// PATTERN is JSON in the language of EventBridge event patterns, such as {"userAgent": [{"prefix": "Boto3"}]}. The
    /// field "finding" of a record contains the finding as JSON.
    #[arg(long = "where", value_name = "PATTERN", value_parser = pattern)]
    pattern: Option<Pattern>,
    /// Only findings at or after TIME
    ///
    /// TIME is an RFC 3339 time (2026-01-31T09:00:00Z), a date or a time in UTC (2026-01-31, 2026-01-31T09:00), or how long
    /// ago (90m, 12h, 7d).
    /// A finding without a time is always selected.
    #[arg(long, value_name = "TIME", value_parser = start)]
    since: Option<Timestamp>,
    /// Only findings before TIME, or until the end of a date
    #[arg(long, value_name = "TIME", value_parser = end)]
    until: Option<Timestamp>,
    /// Only findings in these accounts, separated by commas
    #[arg(long, value_name = "ACCOUNTS", value_delimiter = ',')]
    account: Vec<String>,
    /// Only findings in these Regions, separated by commas
    #[arg(long, value_name = "REGIONS", value_delimiter = ',')]
    region: Vec<String>,
    /// Only findings of these kinds, separated by commas
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_enum)]
    kind: Vec<Kind>,
    /// Only findings about callers whose ARN or name contains TEXT, case-insensitive
    #[arg(long, value_name = "TEXT")]
    caller: Option<String>,
    /// Only findings about these Lambda functions, separated by commas
    #[arg(long, value_name = "FUNCTIONS", value_delimiter = ',')]
    function: Vec<String>,
}

/// The kinds of findings in a trail. Their names are those of the field `alert_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Kind {
    /// AWS disabled an event source mapping
    EsmDisabled,
    /// A user disabled, deleted or enabled an event source mapping
    EsmChanged,
    /// A call was denied
    AccessDenied,
    /// A watch rule matched
    Watch,
}

impl Kind {
    fn alert_type(self) -> &'static str {
        match self {
            Self::EsmDisabled => "esm_disabled",
            Self::EsmChanged => "esm_changed",
            Self::AccessDenied => "access_denied",
            Self::Watch => "watch",
        }
    }
}

impl Selection {
    /// The part of a trail that may contain selected findings, and their likely causes if they are searched for.
    /// `start_after` is the last object that needs no scan.
    pub(crate) fn narrowing(&self, searches_causes: bool, start_after: Option<String>) -> Narrowing {
        let [accounts, mut regions] = [&self.account, &self.region].map(Clone::clone);
        let mut since = self.since;
        if searches_causes {
            since = since.map(|since| since.checked_sub(CAUSE_WINDOW).unwrap_or(Timestamp::MIN));
            // CloudTrail logs changes of roles and policies there.
            regions.extend((!regions.is_empty()).then(|| IAM_REGION.to_owned()));
        }
        Narrowing { since, until: self.until, accounts, regions, start_after }
    }

    /// Returns true if findings of a kind that is off by default are selected.
    pub(crate) fn selects_esm_changes(&self) -> bool {
        self.kind.contains(&Kind::EsmChanged)
    }

    /// Why no finding can be selected; `None` if one can.
    pub(crate) fn contradiction(&self, has_rules: bool) -> Option<&'static str> {
        if self.since.zip(self.until).is_some_and(|(since, until)| since >= until) {
            return Some("--since must be before --until");
        }
        let watches_only = !self.kind.is_empty() && self.kind.iter().all(|kind| *kind == Kind::Watch);
        (watches_only && !has_rules).then_some("--kind watch needs --rules")
    }

    /// Returns true if the options select the finding. `record` is the JSON of its record.
    pub(crate) fn includes(&self, finding: &Finding, record: &[u8]) -> bool {
        let event = &finding.event;
        self.includes_time(event.time.as_deref())
            && includes(&self.account, event.account.as_deref())
            && includes(&self.region, event.region.as_deref())
            && includes(&self.function, event.function_name.as_deref())
            && (self.kind.is_empty() || self.kind.iter().any(|kind| kind.alert_type() == finding.alert_type()))
            && self
                .caller
                .as_deref()
                .is_none_or(|text| [&event.principal.key, &event.principal.display].iter().any(|it| contains(it, text)))
            && self.pattern.as_ref().is_none_or(|pattern| finding.matches(pattern, record))
    }

    fn includes_time(&self, time: Option<&str>) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let Some(time) = time.and_then(|it| it.parse::<Timestamp>().ok()) else { return true };
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }
}

/// Returns true if the values include this one, or if there are none.
fn includes(values: &[String], value: Option<&str>) -> bool {
    values.is_empty() || value.is_some_and(|value| values.iter().any(|it| it == value))
}

/// Returns true if `text` contains `part`, in upper or lower case.
fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

fn pattern(text: &str) -> Result<Pattern, String> {
    let value = serde_json::from_str(text).map_err(|error| format!("invalid JSON: {error}"))?;
    Pattern::parse(&value, "pattern").map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(|it| format!("{}: {}", it.path, it.problem)).collect();
        problems.join("; ")
    })
}

fn start(text: &str) -> Result<Timestamp, String> {
    moment(text, 0.days())
}

/// The end of a time range: the start of the next day for a date.
fn end(text: &str) -> Result<Timestamp, String> {
    moment(text, 1.day())
}

/// Parses a time, a date plus a span, or how long ago.
fn moment(text: &str, after_midnight: Span) -> Result<Timestamp, String> {
    let moment = if let Ok(time) = text.parse::<Timestamp>() {
        Some(time)
    } else if let Some(date) = text.parse::<Date>().ok().filter(|_| text.len() == "YYYY-MM-DD".len()) {
        let start = date.checked_add(after_midnight).and_then(|it| it.to_zoned(TimeZone::UTC));
        start.ok().map(|it| it.timestamp())
    } else {
        // A time without an offset, or an age.
        if let Ok(time) = text.parse::<DateTime>() {
            return time.to_zoned(TimeZone::UTC).map(|it| it.timestamp()).map_err(|error| error.to_string());
        }
        let ago = text.parse::<Span>().ok();
        let now = Timestamp::now().to_zoned(TimeZone::UTC);
        ago.and_then(|ago| now.checked_sub(ago.abs()).ok()).map(|it| it.timestamp())
    };
    moment.ok_or_else(|| "expected a time (2026-01-31T09:00:00Z), a date (2026-01-31) or an age (7d)".to_owned())
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn times_are_parsed() {
        let parsed = |text: &str| [start(text), end(text)].map(|it| it.map(|it| it.to_string()).unwrap_or_default());
        let time = "2026-01-31T08:00:00Z";
        assert_eq!(parsed("2026-01-31T09:00:00+01:00"), [time, time]);
        assert_eq!(parsed("2026-01-31T08:00:00"), [time, time]);
        assert_eq!(parsed("2026-01-31 08:00"), [time, time]);
        assert_eq!(parsed("2026-01-31"), ["2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"]);
        for text in ["", "yesterday", "2026-01-32", "7", "9999-12-31T", "9999-12-31T23:59:59", "99999999999d"] {
            assert_eq!(parsed(text), ["", ""], "{text}");
        }
    }

    #[test]
    fn a_search_for_causes_needs_earlier_events_and_those_of_iam() {
        let selection = Selection {
            since: Some(start("2026-01-31").expect("a time")),
            region: vec!["eu-west-1".to_owned()],
            ..Selection::default()
        };
        let needed = |searches_causes| {
            let narrowing = selection.narrowing(searches_causes, None);
            (narrowing.since.map(|it| it.to_string()).unwrap_or_default(), narrowing.regions.join(" "))
        };
        assert_eq!(needed(false), ("2026-01-31T00:00:00Z".to_owned(), "eu-west-1".to_owned()));
        assert_eq!(needed(true), ("2026-01-29T00:00:00Z".to_owned(), "eu-west-1 us-east-1".to_owned()));
        assert!(Selection::default().narrowing(true, None).regions.is_empty());
    }

    #[test]
    fn ages_are_counted_from_now() {
        for (text, minutes) in [("7d", 10_080), ("12h", 720), ("-12h", 720), ("90m", 90), ("1 week", 10_080)] {
            let time = start(text).expect("a time");
            assert_eq!(Timestamp::now().duration_since(time).as_mins(), minutes, "{text}");
        }
    }
}
