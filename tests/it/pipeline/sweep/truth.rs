//! Trail events and sweeps in any order, with losses and repetitions, end in the true state.

use std::collections::BTreeMap;

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

/// The time in the line of the alert that says when the mapping stopped.
fn stopped_at(message: &Message) -> String {
    let line = message.body.lines().nth(1).expect("a second line");
    line.split_whitespace()
        .zip(line.split_whitespace().skip(1))
        .find(|(date, _)| date.starts_with("1970-"))
        .map(|(_, time)| time.to_owned())
        .expect("a time")
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
            published.found.extend(run.subjects().iter().any(|it| it.starts_with("Stopped: ")).then_some(minute));
        }
    }
    check(story, &fixture, &delivered, &published);
}

/// The minutes in which alerts were published.
#[derive(Default)]
struct Published {
    /// A sweep found the mapping stopped.
    found: Vec<u64>,
    /// The mapping is no longer stopped.
    resolved: Vec<u64>,
}

impl Published {
    /// Returns true if a sweep reported a stop while it lasted. If it has not ended, no later alert may deny it.
    fn reports(&self, stop: u64, end: Option<u64>) -> bool {
        let is_denied = |found: u64| end.is_none() && self.resolved.iter().any(|it| *it >= found);
        let lasted = stop..end.unwrap_or(u64::MAX);
        self.found.iter().any(|found| lasted.contains(found) && !is_denied(*found))
    }
}

fn check(story: &Story, fixture: &Fixture, delivered: &BTreeMap<usize, u64>, published: &Published) {
    let alerts = fixture.topic().confirmed();
    let about =
        |word: &str| alerts.iter().filter(|it| it.subject.starts_with(word)).map(stopped_at).collect::<Vec<_>>();
    let (stopped, resolved) = (about("Stopped: "), about("Resolved: "));
    for (n, change) in story.changes.iter().enumerate().filter(|(_, it)| it.is_stop) {
        let time = clock(change.minute);
        let alerted = stopped.iter().filter(|it| **it == time).count();
        // If the event of an earlier stop arrives after a sweep has reported a later stop, its alert may be repeated.
        let is_superseded = story.changes.iter().any(|it| it.is_stop && it.minute > change.minute);
        assert!(alerted <= 1 || alerted == 2 && is_superseded, "{time} was alerted {alerted} times");
        // A sweep that finds a later stop reports that the mapping is stopped. If the end of an earlier stop is unknown, the
        // alert about it still holds.
        let holds = |alert: &String| {
            let ends = story
                .changes
                .iter()
                .enumerate()
                .filter(|(_, it)| !it.is_stop && (alert..&time).contains(&&clock(it.minute)));
            *alert < time && !resolved.contains(alert) && ends.into_iter().all(|(n, _)| !delivered.contains_key(&n))
        };
        let end = story.changes.get(n + 1).map(|it| it.minute);
        // The alert of a sweep that found an earlier stop still holds too.
        let is_known_end = |minute: u64| {
            story
                .changes
                .iter()
                .enumerate()
                .any(|(n, it)| it.minute == minute && !it.is_stop && delivered.contains_key(&n))
        };
        let still_holds = |found: &u64| {
            !published.resolved.iter().any(|it| it >= found) && !(*found..change.minute).any(is_known_end)
        };
        let is_reported = stopped.iter().any(|it| *it >= time || holds(it))
            || published.reports(change.minute, end)
            || published.found.iter().any(|found| *found < change.minute && still_holds(found));
        let is_last = n + 1 == story.changes.len();
        assert!(is_reported || !(is_last || delivered.contains_key(&n)), "{time} was not alerted");
        assert!(resolved.iter().filter(|it| **it == time).count() <= 1, "{time} was resolved twice");
    }
    let is_stopped = story.changes.last().is_some_and(|it| it.is_stop);
    let says_over = |it: &&Message| it.subject.starts_with("Resolved: ") || it.body.contains("no longer stopped");
    let latest = stopped.iter().max();
    if let Some(latest) = latest.filter(|_| !is_stopped) {
        let is_over = alerts.iter().filter(says_over).any(|it| stopped_at(it) >= *latest);
        assert!(is_over, "nothing says that the stop at {latest} is over");
    }
    if is_stopped {
        let time = clock(story.changes.last().expect("a change").minute);
        assert!(!resolved.contains(&time), "the last stop is resolved");
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
