//! The lifecycle of an event source mapping that AWS disabled: it is stopped until it is enabled or deleted.
//!
//! Events may arrive late, more than once and in any order, and a sweep may find a stop before its event arrives. The
//! shared state therefore keeps only the latest stop and the latest end of each mapping. Each transition replaces an
//! older one of its kind, and the later one of a stop and its end finds the other.

use jiff::Timestamp;

use super::audience::Audience;
use super::deduplication::{Deduplication, LedgerBudget};
use super::fingerprint::DedupKey;
use super::incident::Incident;
use super::ledger::Ledger;
use super::mapping_state::{Lifecycle, MappingKey, MappingState, MappingStates, SAME_STOP, Stop, Transition};
use crate::clock::{Clock, after, time_between};
use crate::delivery::AccountRegion;
use crate::detect::{EsmChange, Finding, FindingKind, MappingNames, is_uuid};

impl MappingKey {
    /// The mapping of a finding; `None` if the record does not identify it.
    pub(crate) fn of(finding: &Finding) -> Option<Self> {
        let uuid = finding.mapping_uuid().filter(|uuid| is_uuid(uuid))?.to_ascii_lowercase();
        Some(Self { account: finding.event.account.clone()?, region: finding.event.region.clone()?, uuid })
    }

    /// The key of an alert about the mapping.
    fn alert(&self, kind: &str, more: &str) -> DedupKey {
        let Self { account, region, uuid } = self;
        DedupKey::of_alert(&[kind, account, region, uuid, more])
    }
}

impl DedupKey {
    /// The key of the alert about a stop that a sweep found. Each sweep that finds the stop computes the same key.
    pub(crate) fn of_found_stop(mapping: &MappingKey, at: Timestamp) -> Self {
        mapping.alert("stopped", &at.to_string())
    }

    /// The key of an alert about several mappings. `keys` are the keys of separate alerts about them.
    pub(crate) fn of_several(keys: impl Iterator<Item = Self>) -> Self {
        let keys: Vec<_> = keys.map(|key| key.to_string()).collect();
        let strings: Vec<_> = ["several"].into_iter().chain(keys.iter().map(String::as_str)).collect();
        Self::of_alert(&strings)
    }

    /// The key of the alert about a mapping that has been failing since this time.
    pub(crate) fn of_failing(mapping: &MappingKey, since: Timestamp) -> Self {
        mapping.alert("failing", &since.to_string())
    }

    /// The key of the resolution of this alert: the mapping is no longer stopped or failing.
    pub(crate) fn of_resolution(mapping: &MappingKey, alert: Self) -> Self {
        mapping.alert("resolved", &alert.to_string())
    }

    /// The key of a reminder of this alert.
    pub(crate) fn of_reminder(alert: Self, number: u64) -> Self {
        Self::of_alert(&["reminder", &alert.to_string(), &number.to_string()])
    }
}

/// The names of the mapping of a finding.
fn names_of(finding: &Finding) -> MappingNames {
    let [mapping_uuid, function_arn, event_source_arn] =
        finding.mapping().unwrap_or_default().map(|name| name.map(str::to_owned));
    MappingNames { mapping_uuid, function_arn, event_source_arn }
}

impl Transition {
    /// The transition that an incident about a mapping is; `None` if it does not change whether AWS has stopped it.
    fn of(incident: &Incident) -> Option<Self> {
        let at = incident.finding.event.time.as_deref()?.parse().ok()?;
        match &incident.finding.kind {
            FindingKind::EsmDisabled(_) => Some(Self::Stopped(Stop { at, alert: incident.dedup_key })),
            FindingKind::EsmChanged(esm) => match esm.change {
                EsmChange::Enabled | EsmChange::Deleted => Some(Self::Ended(at)),
                EsmChange::Disabled => None,
            },
            FindingKind::EsmFailing(_)
            | FindingKind::EsmRecovered(_)
            | FindingKind::AccessDenied(_)
            | FindingKind::Watched(_) => None,
        }
    }

    /// What the state after this transition says about the incident.
    fn lifecycle(self, state: MappingState) -> Option<Lifecycle> {
        match self {
            Self::Stopped(stop) => Some(lifecycle_of_stop(stop, state)),
            Self::Ended(at) => {
                state.stopped.filter(|stop| state.ended == Some(at) && stop.at < at).map(Lifecycle::Resolves)
            }
            _ => None,
        }
    }
}

/// The lifecycle of a stop that CloudTrail logged.
fn lifecycle_of_stop(stop: Stop, state: MappingState) -> Lifecycle {
    let latest = state.stopped.unwrap_or(stop);
    let ended = state.ended.filter(|ended| *ended > stop.at);
    // A sweep found the mapping stopped after this event, and it was not enabled in between. If the sweep reported a later
    // stop, an end in between may have been forgotten, so its report does not count for this stop.
    let is_earlier = after(stop.at, SAME_STOP) < latest.at;
    // A reminder of this stop does not replace its alert, which a topic may not have confirmed.
    let is_own = state.stopped.is_some_and(|it| it.alert == stop.alert) && !state.is_found;
    let is_reported = state.reported_at.is_some_and(|reported| {
        let is_of_later_stop = is_earlier && latest.at <= reported;
        stop.at <= reported && ended.is_none_or(|ended| ended >= reported) && !is_of_later_stop
    });
    match ended {
        _ if is_reported && !is_own => Lifecycle::Reported { ended },
        Some(ended) if ended > latest.at => Lifecycle::OverSince(ended),
        _ => Lifecycle::Open,
    }
}

impl<L: Ledger + MappingStates, C: Clock> Deduplication<'_, L, C> {
    /// Records the transitions of incidents about mappings, and sets their lifecycle. If the shared state is
    /// unavailable, the lifecycle remains unknown. The order of the incidents is kept, so the end of a stop finds a stop
    /// before it.
    pub(crate) async fn follow(&self, incidents: Vec<Incident>, budget: &LedgerBudget) -> Vec<Incident> {
        if self.audience == Audience::Machines {
            return incidents;
        }
        let started = self.clock.now();
        let until = after(started, budget.left());
        let mut followed = Vec::with_capacity(incidents.len());
        for incident in incidents {
            followed.push(self.follow_one(incident, until).await);
        }
        budget.spend(time_between(started, self.clock.now()));
        followed
    }

    async fn follow_one(&self, mut incident: Incident, until: Timestamp) -> Incident {
        let (Some(mapping), Some(transition)) = (MappingKey::of(&incident.finding), Transition::of(&incident)) else {
            return incident;
        };
        let state = self.transition(&mapping, &names_of(&incident.finding), transition, until).await;
        incident.lifecycle = state.and_then(|state| transition.lifecycle(state));
        if let Some(Lifecycle::Resolves(stop)) = incident.lifecycle {
            incident.dedup_key = DedupKey::of_resolution(&mapping, stop.alert);
        }
        incident
    }

    /// Sets the lifecycle of an incident about a stop that was recorded before. Records nothing: if a sweep found the stop and
    /// has not reported it, the stop must not count as logged.
    pub(crate) async fn look_up(&self, mut incident: Incident, budget: &LedgerBudget) -> Incident {
        let transition = Transition::of(&incident);
        let (Some(mapping), Some(Transition::Stopped(stop))) = (MappingKey::of(&incident.finding), transition) else {
            return incident;
        };
        let started = self.clock.now();
        let until = after(started, budget.left());
        let state = self.transition(&mapping, &names_of(&incident.finding), Transition::Unchanged, until).await;
        budget.spend(time_between(started, self.clock.now()));
        incident.lifecycle = state.map(|state| lifecycle_of_stop(stop, state));
        incident
    }

    /// Records that an account in a Region was swept.
    pub(crate) async fn record_swept(&self, place: &AccountRegion, until: Timestamp) {
        self.call("ledger:RecordSwept", until, || self.ledger.record_swept(place)).await;
    }

    /// Records a transition; `None` if the shared state is unavailable.
    pub(crate) async fn transition(
        &self,
        mapping: &MappingKey,
        names: &MappingNames,
        transition: Transition,
        until: Timestamp,
    ) -> Option<MappingState> {
        let record = || self.ledger.record_transition(mapping, names, transition);
        self.call("ledger:RecordTransition", until, record).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(second, 0)
    }

    fn stop(second: i64) -> Stop {
        let alert = DedupKey::parse(&format!("{second:032x}")).expect("a key");
        Stop { at: at(second), alert }
    }

    fn state(transitions: &[Transition]) -> MappingState {
        transitions.iter().fold(MappingState::default(), |state, transition| state.after(*transition))
    }

    fn of_stop(earlier: &[Transition], second: i64) -> Lifecycle {
        let transition = Transition::Stopped(stop(second));
        transition.lifecycle(state(earlier).after(transition)).expect("a lifecycle")
    }

    #[test]
    fn a_stop_that_a_sweep_found_is_reported_once() {
        let found = Transition::FoundStopped(stop(100));
        let reported = Transition::Reported { alert: stop(100).alert, number: 0, at: at(200) };
        for second in [50, 100, 150, 200] {
            assert_eq!(of_stop(&[found, reported], second), Lifecycle::Reported { ended: None }, "{second}");
            let latest = Stop { at: at(second.max(100)), ..stop(100) };
            assert_eq!(state(&[found, reported, Transition::Stopped(stop(second))]).stopped, Some(latest));
        }
        assert_eq!(of_stop(&[found], 100), Lifecycle::Open, "its alert was not published");
        assert_eq!(of_stop(&[found, reported], 201), Lifecycle::Open, "a later stop");
        assert_eq!(of_stop(&[found, reported, Transition::Ended(at(70))], 50), Lifecycle::Open, "an earlier stop");
        let ended = Some(at(300));
        assert_eq!(of_stop(&[found, reported, Transition::Ended(at(300))], 90), Lifecycle::Reported { ended });
        let later = [found, reported, Transition::Ended(at(300)), Transition::Stopped(stop(400))];
        assert_eq!(of_stop(&later, 100), Lifecycle::Reported { ended }, "stopped again");
    }

    #[test]
    fn a_reminder_does_not_replace_the_alert_about_a_stop_that_was_logged() {
        let reminded = Transition::Reported { alert: stop(100).alert, number: 1, at: at(90_000) };
        let transitions = [Transition::Stopped(stop(100)), reminded];
        assert_eq!(of_stop(&transitions, 100), Lifecycle::Open);
        let ended = [transitions.as_slice(), &[Transition::Ended(at(95_000))]].concat();
        assert_eq!(of_stop(&ended, 100), Lifecycle::OverSince(at(95_000)));
    }

    #[test]
    fn an_alert_of_a_sweep_is_recorded_only_for_its_stop() {
        let stopped = Transition::Stopped(stop(100));
        let reported = |alert| Transition::Reported { alert, number: 1, at: at(90_000) };
        assert_eq!(state(&[stopped, reported(stop(100).alert)]).reported, Some(1));
        assert_eq!(state(&[stopped, reported(stop(50).alert)]), state(&[stopped]));
        let again = Transition::Stopped(stop(100_000));
        assert_eq!(state(&[stopped, reported(stop(100).alert), again]).reported, None);
        assert_eq!(state(&[Transition::Missing(at(50)), stopped]).missing, None);
    }

    #[test]
    fn the_event_of_a_found_stop_replaces_it_until_it_is_reported() {
        let found = Transition::FoundStopped(stop(1_000));
        let reported = Transition::Reported { alert: stop(1_000).alert, number: 0, at: at(1_100) };
        for second in [940, 1_000, 1_060] {
            let latest = state(&[found, Transition::Stopped(stop(second))]);
            assert_eq!((latest.open(), latest.is_found), (Some(stop(second)), false));
            assert!(state(&[found, reported, Transition::Stopped(stop(second))]).is_found);
        }
        assert_eq!(state(&[found, Transition::Stopped(stop(939))]), state(&[found]), "an earlier stop");
    }

    /// The state keeps only the latest end, so the end of the first stop is forgotten.
    #[test]
    fn a_stop_is_alerted_even_if_a_sweep_reported_a_later_one() {
        let found = Transition::FoundStopped(stop(1_000));
        let reported = Transition::Reported { alert: stop(1_000).alert, number: 0, at: at(1_100) };
        let transitions = [Transition::Ended(at(200)), found, reported, Transition::Ended(at(1_200))];
        assert_eq!(of_stop(&transitions, 100), Lifecycle::OverSince(at(1_200)));
        assert_eq!(of_stop(&transitions, 939), Lifecycle::OverSince(at(1_200)));
        for second in [940, 1_000] {
            let expected = Lifecycle::Reported { ended: Some(at(1_200)) };
            assert_eq!(of_stop(&transitions, second), expected, "within a minute, times mean the same stop");
        }
        assert_eq!(of_stop(&transitions[..3], 100), Lifecycle::Open);
    }

    /// The sweep reported the second stop with the alert about the first, which was then resolved.
    #[test]
    fn a_stop_after_a_resolved_one_is_alerted_even_if_a_sweep_reported_it() {
        let reported = Transition::Reported { alert: stop(100).alert, number: 0, at: at(190) };
        let ended = [Transition::FoundStopped(stop(100)), reported, Transition::Ended(at(150))];
        let again = [ended.as_slice(), &[Transition::Stopped(stop(180))]].concat();
        assert_eq!(of_stop(&ended, 180), Lifecycle::Open);
        assert_eq!(state(&again).open(), Some(stop(180)));
        assert_eq!(of_stop(&again, 180), Lifecycle::Open, "the event is repeated");
        assert_eq!(of_stop(&again, 100), Lifecycle::Reported { ended: Some(at(150)) }, "the event of the first stop");
        let end = Transition::Ended(at(300));
        assert_eq!(end.lifecycle(state(&again).after(end)), Some(Lifecycle::Resolves(stop(180))));
        let before_end = [ended.as_slice(), &[Transition::Stopped(stop(120))]].concat();
        assert_eq!(state(&before_end).stopped, Some(Stop { at: at(120), ..stop(100) }), "the stop that was resolved");
    }

    #[test]
    fn a_stop_in_the_second_of_an_end_follows_it() {
        let reported = Transition::Reported { alert: stop(100).alert, number: 0, at: at(300) };
        let transitions = [Transition::FoundStopped(stop(100)), reported, Transition::Ended(at(200))];
        assert_eq!(of_stop(&transitions, 199), Lifecycle::Reported { ended: Some(at(200)) });
        assert_eq!(of_stop(&transitions, 200), Lifecycle::Open);
    }

    #[test]
    fn a_stop_that_is_known_is_not_found_again() {
        let found = |second| Transition::FoundStopped(stop(second));
        for (earlier, expected) in [
            (vec![], Some(stop(500))),
            (vec![Transition::Stopped(stop(100))], Some(stop(100))),
            (vec![Transition::Stopped(stop(100)), Transition::Ended(at(200))], Some(stop(500))),
            (vec![Transition::Ended(at(500))], None),
            (vec![Transition::Ended(at(600))], None),
            (vec![Transition::Stopped(stop(100)), Transition::Ended(at(600))], Some(stop(100))),
        ] {
            assert_eq!(state(&earlier).after(found(500)).stopped, expected, "{earlier:?}");
        }
    }

    #[test]
    fn an_earlier_stop_does_not_hide_that_the_mapping_is_stopped() {
        let later = [Transition::Stopped(stop(300)), Transition::Ended(at(200))];
        assert_eq!(of_stop(&later, 100), Lifecycle::Open);
        assert_eq!(of_stop(&[Transition::Ended(at(200))], 100), Lifecycle::OverSince(at(200)));
    }

    #[test]
    fn of_stops_without_an_end_the_latest_is_known() {
        let stops =
            |seconds: &[i64]| state(&seconds.iter().map(|it| Transition::Stopped(stop(*it))).collect::<Vec<_>>());
        assert_eq!(stops(&[100, 400]).stopped, Some(stop(400)));
        assert_eq!(stops(&[400, 100]).stopped, Some(stop(400)));
        assert_eq!(stops(&[400, 390]).stopped, Some(stop(400)), "CloudTrail logged both");
        let same_second = Stop { at: at(400), ..stop(100) };
        assert_eq!(state(&[Transition::Stopped(stop(400)), Transition::Stopped(same_second)]).stopped, Some(stop(400)));
        let ended = [Transition::Stopped(stop(300)), Transition::Ended(at(200)), Transition::Stopped(stop(250))];
        assert_eq!(state(&ended).stopped, Some(stop(300)));
    }

    /// The mapping counts as stopped.
    #[test]
    fn an_end_in_the_second_of_the_stop_does_not_end_it() {
        let end = Transition::Ended(at(100));
        let stopped = state(&[Transition::Stopped(stop(100)), end]);
        assert_eq!((stopped.open(), end.lifecycle(stopped)), (Some(stop(100)), None));
        assert_eq!(of_stop(&[end], 100), Lifecycle::Open);
        assert_eq!(of_stop(&[Transition::Stopped(stop(100)), end], 50), Lifecycle::Open, "an earlier stop");
        let reported = Transition::Reported { alert: stop(100).alert, number: 0, at: at(200) };
        let found = [Transition::FoundStopped(stop(100)), end, reported];
        assert_eq!(of_stop(&found, 100), Lifecycle::Reported { ended: None });
        let later = state(&found).after(Transition::Stopped(stop(150)));
        assert_eq!(later.stopped, Some(Stop { at: at(150), ..stop(100) }), "the sweep reported this stop");
    }
}
