//! The steps of a sweep for a mapping, given the state that earlier sweeps and invocations recorded.
//!
//! CloudTrail logs who enabled a mapping and, for most kinds of event sources, why AWS disabled it. Its events arrive
//! some minutes late, so a sweep waits for the events of recent changes.

use std::time::Duration;

use jiff::Timestamp;

use super::fingerprint::DedupKey;
use super::mapping_state::{KnownMapping, MappingKey, MappingState, Stop, Transition};
use crate::clock::{time_between, whole_seconds};
use crate::detect::{EventSourceKind, FailingCategory, Recovery};
use crate::sweep::{Condition, Mapping};

/// How long a sweep waits for the event of a change. CloudTrail delivers events within about five minutes on average,
/// without a guarantee ("How CloudTrail works", CloudTrail User Guide).
const EVENT_DELAY: Duration = Duration::from_mins(15);
/// If a stop is at least this old, the list of mappings counts as newer than the stop, even if the time of the last
/// change does not show this.
const LIST_DELAY: Duration = Duration::from_hours(1);
/// Ages of a stop at which reminders are due, in days. Further reminders are weekly.
const REMINDER_DAYS: [u64; 4] = [1, 3, 7, 14];
const DAY: u64 = 86_400;

/// A step of a sweep for a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Record the stop, and alert on it unless another invocation has already recorded a stop.
    ReportStop(Timestamp),
    /// Alert on the stop, which was recorded but not alerted.
    AlertStop(Stop),
    /// Send this reminder of the stop.
    Remind(Stop, u64),
    /// Record the end of the stop, and alert that it is over.
    EndStop(Stop, Timestamp, Recovery),
    /// Alert that the mapping has been failing since this time.
    AlertFailing(Stop, FailingCategory, String),
    /// Alert that the mapping no longer fails, and record this.
    EndFailing(Stop, Timestamp, Recovery),
    /// Record the transition.
    Record(Transition),
}

/// The steps for a mapping that the API lists. `known` is `None` if it is neither stopped nor failing as far as is known.
pub(crate) fn steps_for_listed(
    mapping: &Mapping,
    key: &MappingKey,
    known: Option<&KnownMapping>,
    now: Timestamp,
) -> Vec<Step> {
    let state = known.map(|it| it.state).unwrap_or_default();
    let mut steps: Vec<_> = state.missing.map(|_| Step::Record(Transition::Present)).into_iter().collect();
    match mapping.condition() {
        Condition::Stopped => steps.extend(for_stopped(mapping, state, now)),
        Condition::Running => {
            steps.extend(for_running(mapping, state, now));
            steps.extend(end_of_failing(key, state, now, Recovery::Processing));
        }
        Condition::DisabledByUser => steps.extend(end_of_failing(key, state, now, Recovery::Disabled)),
        // A stop remains open until the mapping processes its source.
        Condition::Failing { category, problem } => steps.extend(for_failing(key, state, category, problem, now)),
        Condition::Changing => {}
    }
    steps
}

/// The steps for a known mapping that the API did not list. A single list may be incomplete, so the mapping counts as
/// deleted only if a second list does not contain it either.
pub(crate) fn steps_for_missing(known: &KnownMapping, now: Timestamp) -> Vec<Step> {
    let state = known.state;
    if state.missing.is_none() {
        return vec![Step::Record(Transition::Missing(now))];
    }
    let end = state.open().map(|stop| Step::EndStop(stop, now, Recovery::Deleted));
    end.into_iter().chain(end_of_failing(&known.key, state, now, Recovery::Deleted)).collect()
}

fn for_stopped(mapping: &Mapping, state: MappingState, now: Timestamp) -> Option<Step> {
    let Some(stop) = state.open() else {
        let since = mapping.modified.map_or(now, whole_seconds);
        let is_logged = mapping.source_kind().is_some_and(EventSourceKind::is_logged);
        let is_on_its_way = is_logged && mapping.modified.is_some() && time_between(since, now) < EVENT_DELAY;
        // The list may be older than the end.
        let is_over = state.ended.is_some_and(|ended| ended >= since);
        return (!is_on_its_way && !is_over).then_some(Step::ReportStop(since));
    };
    if state.is_found && state.reported.is_none() {
        return Some(Step::AlertStop(stop));
    }
    // The mapping may have been enabled and stopped again. The events about this may be on their way.
    let is_recent = |modified: Timestamp| modified > stop.at && time_between(modified, now) < EVENT_DELAY;
    if mapping.modified.is_some_and(is_recent) {
        return None;
    }
    let number = reminders_due(time_between(stop.at, now));
    (number > state.reported.unwrap_or_default()).then_some(Step::Remind(stop, number))
}

/// The end of the stop of a mapping that is enabled.
fn for_running(mapping: &Mapping, state: MappingState, now: Timestamp) -> Option<Step> {
    let stop = state.open()?;
    let enabled = mapping.modified.map(whole_seconds).filter(|modified| *modified > stop.at);
    match enabled {
        Some(at) => (time_between(at, now) >= EVENT_DELAY).then_some(Step::EndStop(stop, at, Recovery::Enabled)),
        None => (time_between(stop.at, now) >= LIST_DELAY).then_some(Step::EndStop(stop, now, Recovery::Enabled)),
    }
}

fn for_failing(
    key: &MappingKey,
    state: MappingState,
    category: FailingCategory,
    problem: String,
    now: Timestamp,
) -> Option<Step> {
    match state.failing {
        None => Some(Step::Record(Transition::Failing(now))),
        Some(since) => (!state.failing_notified).then(|| Step::AlertFailing(failure(key, since), category, problem)),
    }
}

/// The end of a failure. If the failure was not alerted, its end is only recorded.
fn end_of_failing(key: &MappingKey, state: MappingState, now: Timestamp, recovery: Recovery) -> Option<Step> {
    let since = state.failing?;
    Some(if state.failing_notified {
        Step::EndFailing(failure(key, since), now, recovery)
    } else {
        Step::Record(Transition::NotFailing)
    })
}

/// The failure of a mapping, as a stop.
fn failure(key: &MappingKey, since: Timestamp) -> Stop {
    Stop { at: since, alert: DedupKey::of_failing(key, since) }
}

/// The number of reminders that are due when a mapping has been stopped for this long.
pub(crate) fn reminders_due(stopped: Duration) -> u64 {
    let days = stopped.as_secs() / DAY;
    let listed = REMINDER_DAYS.iter().filter(|it| **it <= days).count() as u64;
    let [.., last] = REMINDER_DAYS;
    listed + days.saturating_sub(last) / 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::MappingNames;

    #[test]
    fn reminders_are_due_after_days_and_then_weekly() {
        let due = |days: u64| reminders_due(Duration::from_secs(days * DAY));
        let expected =
            [(0, 0), (1, 1), (2, 1), (3, 2), (6, 2), (7, 3), (13, 3), (14, 4), (20, 4), (21, 5), (28, 6), (90, 14)];
        for (days, number) in expected {
            assert_eq!(due(days), number, "{days} days");
        }
        assert_eq!(reminders_due(Duration::from_secs(DAY - 1)), 0);
    }

    const NOW: i64 = 10 * DAY.cast_signed();

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(second, 0)
    }

    /// A stop this many seconds ago.
    fn stop(seconds_ago: i64) -> Stop {
        Stop { at: at(NOW - seconds_ago), alert: DedupKey::parse(&"0".repeat(32)).expect("a key") }
    }

    /// The step for a mapping in this state that the API last modified this many seconds ago.
    fn step(state: &str, modified: Option<i64>, earlier: &[Transition]) -> Option<Step> {
        let key = MappingKey { account: String::new(), region: String::new(), uuid: String::new() };
        let mapping = Mapping {
            state: Some(state.to_owned()),
            modified: modified.map(|seconds_ago| at(NOW - seconds_ago)),
            ..Mapping::default()
        };
        let state = earlier.iter().fold(MappingState::default(), |state, it| state.after(*it));
        let known = KnownMapping { key: key.clone(), names: MappingNames::default(), state };
        let mut steps = steps_for_listed(&mapping, &key, Some(&known), at(NOW));
        assert!(steps.len() < 2, "{steps:?}");
        steps.pop()
    }

    #[test]
    fn a_list_that_is_older_than_the_end_of_a_stop_reports_no_stop() {
        for (ended, expected) in [(501, Some(Step::ReportStop(at(NOW - 500)))), (500, None), (499, None)] {
            assert_eq!(step("Disabled", Some(500), &[Transition::Ended(at(NOW - ended))]), expected, "{ended}");
        }
    }

    #[test]
    fn a_reminder_waits_for_the_events_of_the_last_fifteen_minutes() {
        let stop = stop(DAY.cast_signed());
        let reminder = Some(Step::Remind(stop, 1));
        for (modified, expected) in [(899, None), (900, reminder.clone()), (3_600, reminder.clone())] {
            assert_eq!(step("Disabled", Some(modified), &[Transition::Stopped(stop)]), expected, "{modified}");
        }
        assert_eq!(step("Disabled", None, &[Transition::Stopped(stop)]), reminder);
    }

    #[test]
    fn an_enabled_mapping_ends_its_stop_after_fifteen_minutes_or_an_hour() {
        let end = |stopped, ended| Some(Step::EndStop(stop(stopped), at(NOW - ended), Recovery::Enabled));
        for (stopped, modified, expected) in [
            (1_800, Some(899), None),
            (1_800, Some(900), end(1_800, 900)),
            // The list does not show that it is newer than the stop.
            (1_800, Some(1_800), None),
            (3_599, None, None),
            (3_600, None, end(3_600, 0)),
        ] {
            let stopped = [Transition::Stopped(stop(stopped))];
            assert_eq!(step("Enabled", modified, &stopped), expected, "{stopped:?}, {modified:?}");
        }
    }
}
