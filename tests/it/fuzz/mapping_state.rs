//! The state of a mapping, after any sequence of transitions.

use jiff::{SignedDuration, Timestamp};
use trailwarden::triage::{DedupKey, MappingState, Stop, Transition};

use super::Input;

pub(super) fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let mut transitions = Vec::new();
    while !input.is_empty() && transitions.len() < 64 {
        transitions.push(transition(&mut input));
    }
    let mut state = MappingState::default();
    for transition in &transitions {
        let next = state.after(*transition);
        assert_eq!(next.after(*transition), next, "{transition:?} twice, after {state:?}");
        assert_follows(state, *transition, next);
        state = next;
    }
    assert_order_is_irrelevant(&transitions);
    true
}

fn transition(input: &mut Input<'_>) -> Transition {
    let kind = input.below(10);
    let seconds = input.byte();
    let time = at(seconds);
    match kind {
        0 => Transition::Stopped(stop(seconds)),
        1 => Transition::Ended(time),
        2 => Transition::FoundStopped(stop(seconds)),
        3 => Transition::Reported { alert: stop(seconds).alert, number: input.byte().into(), at: at(input.byte()) },
        4 => Transition::Failing(time),
        5 => Transition::FailingNotified(time),
        6 => Transition::NotFailing,
        7 => Transition::Missing(time),
        8 => Transition::Present,
        _ => Transition::Unchanged,
    }
}

/// A quarter of a minute is one unit, because stops within a minute may be the same.
fn at(units: u8) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(15 * i64::from(units))
}

fn stop(units: u8) -> Stop {
    Stop { at: at(units), alert: DedupKey::parse(&format!("{units:032x}")).expect("a key") }
}

/// Checks what holds for every transition.
fn assert_follows(before: MappingState, transition: Transition, after: MappingState) {
    let context = || format!("{transition:?} from {before:?} to {after:?}");
    assert!(after.stopped.is_some() || !after.is_found && after.reported.is_none(), "{}", context());
    assert!(after.failing.is_some() || !after.failing_notified, "{}", context());
    assert!(after.ended >= before.ended, "an end is never forgotten: {}", context());
    assert!(after.stopped.is_some() >= before.stopped.is_some(), "a stop is never forgotten: {}", context());
    let has_ended = after.stopped.is_some_and(|it| Some(it.at) < after.ended);
    assert!(!has_ended || after.reported_at <= after.ended, "a stop is not reported after its end: {}", context());
    match transition {
        Transition::Stopped(stop) => {
            let latest = after.stopped.expect("a stop");
            // The event of a stop that a sweep found may have an earlier time.
            let is_found = before.is_found && before.reported.is_none() && before.open().is_some();
            let may_precede = |it: Stop| is_found && it.at <= stop.at + SignedDuration::from_mins(1);
            assert!(latest.at >= stop.at, "{}", context());
            assert!(before.stopped.is_none_or(|it| it.at <= latest.at || may_precede(it)), "{}", context());
            assert_eq!(after.ended, before.ended, "{}", context());
        }
        Transition::FoundStopped(stop) if before.open().is_some() || before.ended >= Some(stop.at) => {
            assert_eq!(after, before);
        }
        Transition::FoundStopped(stop) => {
            assert_eq!((after.open(), after.is_found), (Some(stop), true), "{}", context());
        }
        Transition::Ended(end) => {
            let reported_at = after.reported_at;
            assert_eq!(after, MappingState { ended: before.ended.max(Some(end)), reported_at, ..before });
            let is_kept = reported_at == before.reported_at || reported_at == after.ended;
            assert!(is_kept && reported_at <= before.reported_at, "{}", context());
        }
        Transition::Reported { alert, number, .. } => {
            let is_known = before.stopped.is_some_and(|it| it.alert == alert);
            assert!(if is_known { after.reported >= Some(number) } else { after == before }, "{}", context());
        }
        Transition::Failing(since) => assert_eq!(after.failing, before.failing.or(Some(since))),
        Transition::FailingNotified(since) => {
            assert!(
                after.failing_notified == (before.failing_notified || before.failing == Some(since)),
                "{}",
                context()
            );
        }
        Transition::NotFailing => assert_eq!(after, MappingState { failing: None, failing_notified: false, ..before }),
        Transition::Missing(since) => {
            assert_eq!(after, MappingState { missing: before.missing.or(Some(since)), ..before });
        }
        Transition::Present => assert_eq!(after, MappingState { missing: None, ..before }),
        Transition::Unchanged => assert_eq!(after, before),
    }
}

/// Checks that without sweeps, the latest stop and the latest end remain, in whatever order they are recorded.
fn assert_order_is_irrelevant(transitions: &[Transition]) {
    let mut logged = transitions.to_vec();
    logged.retain(|it| matches!(it, Transition::Stopped(_) | Transition::Ended(_)));
    let state = |logged: &[Transition]| logged.iter().fold(MappingState::default(), |state, it| state.after(*it));
    let in_order = state(&logged);
    let stops = logged.iter().filter_map(|it| if let Transition::Stopped(stop) = it { Some(*stop) } else { None });
    let ends = logged.iter().filter_map(|it| if let Transition::Ended(end) = it { Some(*end) } else { None });
    assert_eq!((in_order.stopped, in_order.ended), (stops.max_by_key(|it| it.at), ends.max()));
    logged.reverse();
    assert_eq!(state(&logged), in_order, "{logged:?}");
}
