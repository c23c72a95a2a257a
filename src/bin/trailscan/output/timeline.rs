//! Counts findings by time and group, in bounded memory.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use crate::output::group::Group;

/// Maximum number of units with a count. If there are more, the timeline counts in the next larger unit. There are
/// fewer days than this between [`FIRST_YEAR`] and [`LAST_YEAR`].
const MAX_UNITS: usize = 40_000;
/// Years of events. CloudTrail logs events since 2013.
const FIRST_YEAR: i16 = 2013;
const LAST_YEAR: i16 = 2099;
/// Maximum number of bars in a chart.
const MAX_BARS: i64 = 60;
/// Minimum number of bars, so that one bar does not fill a chart.
const MIN_BARS: i64 = 12;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// The epoch was a Thursday, and weeks start on Monday.
const MONDAY: i64 = 3 * DAY;

/// The number of findings over time.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// Length of a unit, in seconds.
    unit: i64,
    /// Counts by the number of the unit since the epoch.
    counts: BTreeMap<i64, Counts>,
    /// Times of the earliest and the latest finding.
    period: Option<(Timestamp, Timestamp)>,
    /// Number of findings without a plausible time.
    without_time: u64,
}

/// Numbers of findings by group.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    stopped: u64,
    changed: u64,
    denied: u64,
    watched: u64,
}

/// The timeline as consecutive bars.
#[derive(Debug)]
pub(crate) struct Bars {
    /// Length of a bar.
    pub(crate) step: Step,
    /// Start and counts of each bar.
    pub(crate) bars: Vec<(Timestamp, Counts)>,
}

/// The length of a bar, or the distance between two labels of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Seconds(i64),
    Months(i64),
}

impl Default for Timeline {
    fn default() -> Self {
        Self { unit: MINUTE, counts: BTreeMap::new(), period: None, without_time: 0 }
    }
}

impl Timeline {
    /// Counts a finding.
    pub(crate) fn count(&mut self, time: Option<&str>, group: Group) {
        let plausible = |it: &Timestamp| (FIRST_YEAR..=LAST_YEAR).contains(&civil(*it).year());
        let Some(time) = time.and_then(|it| it.parse().ok()).filter(plausible) else {
            self.without_time += 1;
            return;
        };
        let (first, last) = self.period.unwrap_or((time, time));
        self.period = Some((first.min(time), last.max(time)));
        self.counts.entry(time.as_second().div_euclid(self.unit)).or_default().add(group, 1);
        while self.counts.len() > MAX_UNITS && self.unit < DAY {
            self.coarsen();
        }
    }

    /// Times of the earliest and the latest finding.
    pub(crate) fn period(&self) -> Option<(Timestamp, Timestamp)> {
        self.period
    }

    /// Number of findings that are not counted, because they have no time, or one before 2013 or after 2099.
    pub(crate) fn without_time(&self) -> u64 {
        self.without_time
    }

    /// The bars of a chart; `None` if nothing was counted.
    pub(crate) fn bars(&self) -> Option<Bars> {
        let (first, last) = self.period?;
        let range = |step: Step| (step.index(first), step.index(last));
        let fits = |step: &Step| {
            let (first, last) = range(*step);
            !step.is_shorter_than(self.unit) && last - first < MAX_BARS
        };
        let step = Step::LENGTHS.into_iter().find(fits).unwrap_or(Step::YEAR);
        let (first, last) = range(step);
        let missing = (MIN_BARS - (last - first + 1)).max(0);
        let (first, last) = (first - missing / 2, last + (missing - missing / 2));
        let mut counts = BTreeMap::<i64, Counts>::new();
        for (unit, count) in &self.counts {
            let start = Timestamp::from_second(unit * self.unit).ok()?;
            counts.entry(step.index(start)).or_default().add_all(*count);
        }
        let bar = |index| Some((step.start(index)?, counts.get(&index).copied().unwrap_or_default()));
        Some(Bars { step, bars: (first..=last).filter_map(bar).collect() })
    }

    /// Counts in the next larger unit.
    fn coarsen(&mut self) {
        let larger = if self.unit == MINUTE { HOUR } else { DAY };
        for (unit, count) in std::mem::take(&mut self.counts) {
            self.counts.entry((unit * self.unit).div_euclid(larger)).or_default().add_all(count);
        }
        self.unit = larger;
    }
}

impl Counts {
    pub(crate) fn of(&self, group: Group) -> u64 {
        match group {
            Group::Stopped => self.stopped,
            Group::Changed => self.changed,
            Group::Denied => self.denied,
            Group::Watched => self.watched,
        }
    }

    pub(crate) fn sum(&self) -> u64 {
        Group::ALL.into_iter().map(|group| self.of(group)).sum()
    }

    fn add(&mut self, group: Group, count: u64) {
        let total = match group {
            Group::Stopped => &mut self.stopped,
            Group::Changed => &mut self.changed,
            Group::Denied => &mut self.denied,
            Group::Watched => &mut self.watched,
        };
        *total += count;
    }

    fn add_all(&mut self, other: Self) {
        for group in Group::ALL {
            self.add(group, other.of(group));
        }
    }
}

impl Bars {
    /// The positions of at most `most` labels, each at the start of a bar, and the distance between them.
    pub(crate) fn labels(&self, most: usize) -> (Step, Vec<usize>) {
        let starts = |step: Step| -> Vec<usize> {
            let pairs = self.bars.iter().zip(self.bars.iter().skip(1)).zip(1..);
            let is_start = |((a, _), (b, _)): (&(Timestamp, _), &(Timestamp, _))| step.index(*a) != step.index(*b);
            pairs.filter(|(pair, _)| is_start(*pair)).map(|(_, at)| at).collect()
        };
        let mut candidates = Step::DISTANCES.into_iter().map(|step| (step, starts(step)));
        candidates.find(|(_, at)| !at.is_empty() && at.len() <= most).unwrap_or((self.step, vec![0]))
    }
}

impl Step {
    const YEAR: Self = Self::Months(12);
    /// Lengths of bars, shortest first.
    const LENGTHS: [Self; 13] = [
        Self::Seconds(MINUTE),
        Self::Seconds(5 * MINUTE),
        Self::Seconds(10 * MINUTE),
        Self::Seconds(30 * MINUTE),
        Self::Seconds(HOUR),
        Self::Seconds(3 * HOUR),
        Self::Seconds(6 * HOUR),
        Self::Seconds(DAY),
        Self::Seconds(WEEK),
        Self::Months(1),
        Self::Months(3),
        Self::Months(6),
        Self::YEAR,
    ];
    /// Distances between labels, shortest first.
    const DISTANCES: [Self; 18] = [
        Self::Seconds(MINUTE),
        Self::Seconds(5 * MINUTE),
        Self::Seconds(10 * MINUTE),
        Self::Seconds(30 * MINUTE),
        Self::Seconds(HOUR),
        Self::Seconds(3 * HOUR),
        Self::Seconds(6 * HOUR),
        Self::Seconds(12 * HOUR),
        Self::Seconds(DAY),
        Self::Seconds(2 * DAY),
        Self::Seconds(WEEK),
        Self::Months(1),
        Self::Months(3),
        Self::YEAR,
        Self::Months(2 * 12),
        Self::Months(5 * 12),
        Self::Months(10 * 12),
        Self::Months(50 * 12),
    ];

    /// The length in words, after "per".
    pub(crate) fn name(self) -> String {
        match self {
            Self::Seconds(MINUTE) => "minute".to_owned(),
            Self::Seconds(HOUR) => "hour".to_owned(),
            Self::Seconds(DAY) => "day".to_owned(),
            Self::Seconds(WEEK) => "week".to_owned(),
            Self::Seconds(seconds) if seconds < HOUR => format!("{} minutes", seconds / MINUTE),
            Self::Seconds(seconds) => format!("{} hours", seconds / HOUR),
            Self::Months(1) => "month".to_owned(),
            Self::Months(3) => "quarter".to_owned(),
            Self::YEAR => "year".to_owned(),
            Self::Months(months) => format!("{months} months"),
        }
    }

    /// The start of a bar of this length.
    pub(crate) fn label(self, start: Timestamp) -> String {
        let format = match self {
            Self::Seconds(seconds) if seconds < DAY => "%Y-%m-%d %H:%M",
            Self::Seconds(_) => "%Y-%m-%d",
            Self::Months(_) => "%Y-%m",
        };
        civil(start).strftime(format).to_string()
    }

    /// The start of a bar at an axis whose labels have this distance.
    pub(crate) fn short_label(self, start: Timestamp) -> String {
        let start = civil(start);
        let format = match self {
            Self::Seconds(length) if length < DAY && start.time() != Time::midnight() => "%H:%M",
            Self::Seconds(_) => "%b %-d",
            Self::Months(months) if months >= 12 => "%Y",
            Self::Months(_) => "%b %Y",
        };
        start.strftime(format).to_string()
    }

    fn is_shorter_than(self, seconds: i64) -> bool {
        matches!(self, Self::Seconds(length) if length < seconds)
    }

    /// The number of the step that contains a time.
    fn index(self, time: Timestamp) -> i64 {
        match self {
            Self::Seconds(length) => (time.as_second() + offset(length)).div_euclid(length),
            Self::Months(length) => {
                let date = civil(time);
                (i64::from(date.year()) * 12 + i64::from(date.month()) - 1).div_euclid(length)
            }
        }
    }

    /// The start of a step; `None` if it is out of range.
    fn start(self, index: i64) -> Option<Timestamp> {
        match self {
            Self::Seconds(length) => Timestamp::from_second(index * length - offset(length)).ok(),
            Self::Months(length) => {
                let months = index * length;
                let year = i16::try_from(months.div_euclid(12)).ok()?;
                let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
                let start = Date::new(year, month, 1).ok()?.to_datetime(Time::midnight());
                Offset::UTC.to_timestamp(start).ok()
            }
        }
    }
}

/// Seconds from the start of a step to the epoch.
fn offset(length: i64) -> i64 {
    if length == WEEK { MONDAY } else { 0 }
}

fn civil(time: Timestamp) -> DateTime {
    Offset::UTC.to_datetime(time)
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn timeline<'a>(times: impl IntoIterator<Item = &'a str>) -> Timeline {
        let mut timeline = Timeline::default();
        times.into_iter().for_each(|time| timeline.count(Some(time), Group::Denied));
        timeline
    }

    #[test]
    fn the_period_determines_the_length_of_a_bar() {
        for (first, last, step, bars) in [
            ("2026-01-02T03:00:00Z", "2026-01-02T03:00:00Z", "minute", 12),
            ("2026-01-02T03:00:00Z", "2026-01-02T03:59:59Z", "minute", 60),
            ("2026-01-02T03:00:00Z", "2026-01-02T04:00:00Z", "5 minutes", 13),
            ("2026-01-02T03:00:00Z", "2026-01-03T03:00:00Z", "30 minutes", 49),
            ("2026-01-02T03:00:00Z", "2026-01-09T03:00:00Z", "3 hours", 57),
            ("2026-01-02T03:00:00Z", "2026-02-09T03:00:00Z", "day", 39),
            ("2026-01-04T23:00:00Z", "2026-12-31T03:00:00Z", "week", 53),
            ("2022-01-02T03:00:00Z", "2026-12-31T03:00:00Z", "month", 60),
            ("2013-01-01T00:00:00Z", "2099-12-31T23:59:59Z", "year", 87),
        ] {
            let found = timeline([first, last]).bars().expect("bars");
            assert_eq!((found.step.name().as_str(), found.bars.len()), (step, bars), "{first} {last}");
            assert_eq!(found.bars.iter().map(|(_, counts)| counts.sum()).sum::<u64>(), 2, "{first} {last}");
        }
    }

    #[test]
    fn labels_start_hours_days_and_years() {
        for (first, last, most, labels) in [
            ("2026-01-02T03:00:00Z", "2026-01-02T03:59:59Z", 8, "03:10 03:20 03:30 03:40 03:50"),
            ("2026-01-02T03:00:00Z", "2026-01-03T03:00:00Z", 3, "12:00 Jan 3"),
            ("2025-12-02T03:00:00Z", "2026-01-09T03:00:00Z", 8, "Dec 8 Dec 15 Dec 22 Dec 29 Jan 5"),
            ("2022-01-02T03:00:00Z", "2026-12-31T03:00:00Z", 8, "2023 2024 2025 2026"),
            ("2015-03-18T19:03:36Z", "2025-01-01T00:00:00Z", 4, "2020 2025"),
            ("2013-01-01T00:00:00Z", "2099-12-31T23:59:59Z", 4, "2050"),
        ] {
            let bars = timeline([first, last]).bars().expect("bars");
            let (step, at) = bars.labels(most);
            let found: Vec<_> = at.into_iter().map(|at| step.short_label(bars.bars[at].0)).collect();
            assert_eq!(found.join(" "), labels, "{first} {last}");
        }
    }

    #[test]
    fn implausible_times_are_counted_but_not_drawn() {
        let hostile = ["", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2012-12-31T23:59:59Z", "2026-13-01", "-1"];
        let mut timeline = timeline(hostile);
        timeline.count(None, Group::Stopped);
        assert_eq!((timeline.without_time(), timeline.period()), (7, None));
        assert!(timeline.bars().is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let mut timeline = Timeline::default();
        let start = Timestamp::from_second(1_400_000_000).expect("a time").as_second();
        for n in 0..200_000 {
            let time = Timestamp::from_second(start + n * 13_000).expect("a time").to_string();
            timeline.count(Some(&time), Group::Watched);
        }
        assert!(timeline.counts.len() <= MAX_UNITS, "{}", timeline.counts.len());
        let bars = timeline.bars().expect("bars");
        assert_eq!(bars.bars.iter().map(|(_, counts)| counts.of(Group::Watched)).sum::<u64>(), 200_000);
    }
}
