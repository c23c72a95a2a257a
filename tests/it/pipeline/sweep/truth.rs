//! Trail events and sweeps in any order, with losses and repetitions, end in the true state.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use trailwarden::alert::Message;
use trailwarden::sweep::Mapping;

use super::{here, mapping, pass, sweep};
use crate::fakes::TestClock;
use crate::fixture::Fixture;
use crate::fixture::records::{ACCOUNT, REGION, about_mapping, disabled_mapping, enabled_mapping, mapping_uuid};

/// Length of a story, in minutes. Afterward, sweeps follow until the state is known.
pub(crate) const STORY: u64 = 180;

/// The mapping stops or is enabled.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) minute: u64,
    pub(crate) is_stop: bool,
    /// The minutes in which the trail delivers the event; none if it is lost.
    pub(crate) delivered: Vec<u64>,
}

/// What happens to a mapping, and when sweeps run.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) changes: Vec<Change>,
    /// The minutes in which sweeps run, and whether the topic is down.
    pub(crate) sweeps: BTreeMap<u64, bool>,
    /// Whether CloudTrail logs the stops of this kind of source.
    pub(crate) is_logged: bool,
}

/// Stops and their ends alternate. The delay of an event is up to an hour, and an event is delivered up to twice.
fn stories() -> impl Strategy<Value = Story> {
    let change = (1_u64..30, prop::collection::vec(0_u64..60, 0..3));
    let changes = prop::collection::vec(change, 0..8).prop_map(|changes| {
        let mut minute = 0;
        let timed = changes.into_iter().enumerate().map(move |(n, (gap, delays))| {
            minute += gap;
            Change { minute, is_stop: n % 2 == 0, delivered: delays.iter().map(|delay| minute + delay).collect() }
        });
        timed.collect()
    });
    let sweeps = prop::collection::btree_map(1..STORY, prop::bool::weighted(0.3), 0..12);
    (changes, sweeps, any::<bool>()).prop_map(|(changes, sweeps, is_logged)| Story { changes, sweeps, is_logged })
}

fn at(minute: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(i64::try_from(minute).expect("a minute"))
}

impl Story {
    /// The latest change before the end of a minute.
    fn latest(&self, minute: u64) -> Option<&Change> {
        self.changes.iter().rev().find(|it| it.minute <= minute)
    }

    fn is_stopped(&self, minute: u64) -> bool {
        self.latest(minute).is_some_and(|it| it.is_stop)
    }

    fn listed(&self, minute: u64) -> Mapping {
        let (state, reason) =
            if self.is_stopped(minute) { ("Disabled", "Lambda initiated") } else { ("Enabled", "User action") };
        let queue = Some(format!("arn:aws:sqs:{REGION}:{ACCOUNT}:q0"));
        let modified = Some(at(self.latest(minute).map_or(0, |it| it.minute)));
        Mapping { modified, event_source_arn: queue.filter(|_| self.is_logged), ..mapping(0, state, reason, "OK") }
    }
}

impl Change {
    fn record(&self) -> Value {
        let mut record = if self.is_stop {
            disabled_mapping(self.minute, "f0", "AUTHORIZATION_ERROR")
        } else {
            enabled_mapping(1_000 + self.minute, "f0")
        };
        record["eventTime"] = json!(at(self.minute).to_string());
        about_mapping(&mapping_uuid(0), record)
    }
}

/// The times in the line of an alert that says when the mapping stopped, and when this ended if the alert names it.
fn times(message: &Message) -> Vec<String> {
    let line = message.body.lines().nth(1).expect("a second line");
    let words = line.split_whitespace();
    let dated = words.clone().zip(words.skip(1)).filter(|(date, _)| date.starts_with("1970-"));
    dated.map(|(_, time)| time.to_owned()).collect()
}

/// When the mapping stopped, as an alert says.
fn stopped_at(message: &Message) -> String {
    times(message).first().expect("a time").clone()
}

fn clock(minute: u64) -> String {
    at(minute).strftime("%H:%M:%S").to_string()
}

/// Runs a story, and checks that its alerts end in the true state of the mapping.
pub(crate) async fn assert_true_story(story: &Story) {
    TestClock::restart();
    let objects = story.changes.iter().enumerate().map(|(n, change)| (n.to_string(), [change.record()]));
    let fixture = Fixture::new().objects(objects);
    fixture.pipeline.api.list.mappings.borrow_mut().insert(here(), vec![story.listed(0)]);
    assert_eq!(sweep(&fixture).await.alerts.len(), 0, "the first sweep");
    let mut delivered: BTreeMap<usize, u64> = BTreeMap::new();
    let mut published = Published::default();
    let last = story.changes.iter().flat_map(|it| &it.delivered).copied().max().unwrap_or_default().max(STORY);
    for minute in 1..=last + 90 {
        pass(1).await;
        for (n, change) in story.changes.iter().enumerate() {
            for _ in change.delivered.iter().filter(|it| **it == minute) {
                delivered.entry(n).or_insert(minute);
                let run = fixture.invoke(&[n.to_string()]).await;
                let resolves = run.subjects().iter().any(|it| it.starts_with("Resolved: "));
                published.resolved.extend(resolves.then_some(minute));
                let latest_stop = story
                    .changes
                    .iter()
                    .enumerate()
                    .filter(|(n, it)| it.is_stop && delivered.contains_key(n))
                    .map(|(_, it)| it.minute)
                    .max();
                assert!(!resolves || latest_stop < Some(change.minute), "resolved while it is known to be stopped");
            }
        }
        let is_swept = story.sweeps.contains_key(&minute) || minute > last && (minute - last).is_multiple_of(15);
        if is_swept {
            fixture.topic().down.set(story.sweeps.get(&minute) == Some(&true));
            fixture.pipeline.api.list.mappings.borrow_mut().insert(here(), vec![story.listed(minute)]);
            let run = sweep(&fixture).await;
            fixture.topic().down.set(false);
            let resolves = run.subjects().iter().any(|it| it.starts_with("Resolved: "));
            assert!(!resolves || !story.is_stopped(minute), "resolved while it is stopped");
            published.resolved.extend(resolves.then_some(minute));
            let found = run.alerts.iter().find(|it| it.subject.starts_with("Stopped: "));
            published.found.extend(found.map(|it| Found { minute, since: stopped_at(it) }));
        }
    }
    published.confirmed = fixture.topic().confirmed();
    let known = |(n, change): (usize, &Change)| delivered.contains_key(&n).then_some(change.minute);
    let known = story.changes.iter().enumerate().filter_map(known).collect();
    check(story, &known, &published);
}

/// The alerts of a story.
#[derive(Default)]
struct Published {
    confirmed: Vec<Message>,
    /// Those of sweeps that found the mapping stopped.
    found: Vec<Found>,
    /// The minutes in which an alert said that the mapping is no longer stopped.
    resolved: Vec<u64>,
}

/// An alert of a sweep that found the mapping stopped.
struct Found {
    minute: u64,
    /// Since when, as the alert says.
    since: String,
}

impl Published {
    fn about(&self, word: &str) -> impl Iterator<Item = &Message> {
        self.confirmed.iter().filter(move |it| it.subject.starts_with(word))
    }

    fn stopped(&self) -> Vec<String> {
        self.about("Stopped: ").map(stopped_at).collect()
    }

    fn resolved(&self) -> Vec<String> {
        self.about("Resolved: ").map(stopped_at).collect()
    }

    /// Returns true if an alert says that the mapping was stopped in this minute. `ends` are the ends that the trail delivered.
    fn reports(&self, minute: u64, ends: &[u64]) -> bool {
        let time = clock(minute);
        // The alert about an earlier stop holds until its end is known.
        let holds = |alert: &String| {
            let is_over = ends.iter().any(|it| (alert..&time).contains(&&clock(*it)));
            *alert < time && !is_over && !self.resolved().contains(alert)
        };
        self.stopped().iter().any(|it| *it >= time || holds(it))
            || self.found.iter().any(|it| self.covers(it, minute, ends))
    }

    /// Returns true if the alert of a sweep is also about a stop in this minute. It is about all stops from the time that it
    /// names until the sweep, unless its resolution says that the mapping was enabled before, and later until an end is known.
    fn covers(&self, found: &Found, minute: u64, ends: &[u64]) -> bool {
        let time = clock(minute);
        if minute <= found.minute {
            let says_over =
                |it: &Message| stopped_at(it) == found.since && times(it).last().is_some_and(|end| *end < time);
            found.since <= time && !self.about("Resolved: ").any(says_over)
        } else {
            let is_over = ends.iter().any(|it| (found.minute..minute).contains(it));
            !is_over && !self.resolved.iter().any(|it| *it >= found.minute)
        }
    }
}

/// `known` are the minutes of the changes that the trail delivered.
fn check(story: &Story, known: &BTreeSet<u64>, published: &Published) {
    let (stopped, resolved) = (published.stopped(), published.resolved());
    let ends: Vec<_> =
        story.changes.iter().filter(|it| !it.is_stop && known.contains(&it.minute)).map(|it| it.minute).collect();
    let last = story.changes.last();
    for change in story.changes.iter().filter(|it| it.is_stop) {
        let time = clock(change.minute);
        let alerted = stopped.iter().filter(|it| **it == time).count();
        // If the event of an earlier stop arrives after a sweep has reported a later stop, its alert may be repeated.
        let is_superseded = story.changes.iter().any(|it| it.is_stop && it.minute > change.minute);
        assert!(alerted <= 1 || alerted == 2 && is_superseded, "{time} was alerted {alerted} times");
        let must_be_reported = known.contains(&change.minute) || last.is_some_and(|it| it.minute == change.minute);
        assert!(!must_be_reported || published.reports(change.minute, &ends), "{time} was not alerted");
        assert!(resolved.iter().filter(|it| **it == time).count() <= 1, "{time} was resolved twice");
    }
    let is_stopped = last.is_some_and(|it| it.is_stop);
    let says_over = |it: &&Message| it.subject.starts_with("Resolved: ") || it.body.contains("no longer stopped");
    if let Some(latest) = stopped.iter().max().filter(|_| !is_stopped) {
        let is_over = published.confirmed.iter().filter(says_over).any(|it| stopped_at(it) >= *latest);
        assert!(is_over, "nothing says that the stop at {latest} is over");
    }
    if let Some(last) = last.filter(|it| it.is_stop) {
        assert!(!resolved.contains(&clock(last.minute)), "the last stop is resolved");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn trail_and_sweeps_end_in_the_true_state(story in stories()) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(assert_true_story(&story));
    }
}
