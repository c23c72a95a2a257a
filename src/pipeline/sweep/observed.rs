//! What a sweep observes about a mapping, as an alert.

use jiff::Timestamp;

use crate::clock::time_between;
use crate::detect::{
    EsmCategory, EsmDisabled, EsmFailing, EsmRecovered, Event, Finding, FindingKind, MappingNames, Recovery, Trouble,
};
use crate::sweep::Mapping;
use crate::triage::{
    DedupKey, Incident, KnownMapping, Lifecycle, ListedMapping, MappingKey, Step, Stop, Transition, reminders_due,
};

/// The mapping that a step is about.
pub(super) struct Subject<'a> {
    pub(super) key: MappingKey,
    pub(super) names: MappingNames,
    /// The reason that the API gives for the mapping's state.
    reason: Option<&'a str>,
}

/// Something to alert, and what to record when the alert is published.
#[derive(Debug, Clone)]
pub(super) struct Observed {
    pub(super) mapping: MappingKey,
    pub(super) names: MappingNames,
    pub(super) finding: Finding,
    /// The stop that it is about, or the beginning of a failure.
    pub(super) stop: Stop,
    /// What to record when the alert is published.
    pub(super) published: Transition,
    dedup_key: DedupKey,
    lifecycle: Lifecycle,
}

/// Mappings that are alerted together. Subscriptions filter by account, so each account has its own alert.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) account: String,
    pub(super) is_reminder: bool,
}

impl<'a> Subject<'a> {
    /// A mapping that the API lists.
    pub(super) fn listed(key: &MappingKey, mapping: &'a Mapping) -> Self {
        let names = MappingNames {
            mapping_uuid: Some(key.uuid.clone()),
            function_arn: mapping.function_arn.clone(),
            event_source_arn: mapping.event_source_arn.clone(),
        };
        let reason = mapping.reason.as_deref().filter(|it| !it.trim().is_empty());
        Self { key: key.clone(), names, reason }
    }

    /// A mapping that the API does not list.
    pub(super) fn known(known: &KnownMapping) -> Self {
        Self { key: known.key.clone(), names: known.names.clone(), reason: None }
    }

    /// What a step alerts; `None` if it alerts nothing.
    pub(super) fn observe(&self, next: Step, now: Timestamp) -> Option<Observed> {
        match next {
            Step::Record(_) => None,
            Step::ReportStop(at) => {
                Some(self.stopped(Stop { at, alert: DedupKey::of_found_stop(&self.key, at) }, None, now))
            }
            Step::AlertStop(stop) => Some(self.stopped(stop, None, now)),
            Step::Remind(stop, number) => Some(self.stopped(stop, Some(number), now)),
            Step::EndStop(stop, at, recovery) => {
                Some(self.recovered(stop, at, Trouble::Stopped, recovery, Transition::Ended(at)))
            }
            Step::AlertFailing(stop, category, problem) => {
                let failing = EsmFailing { category, problem, names: self.names.clone() };
                let finding = self.finding(FindingKind::EsmFailing(failing), stop.at);
                Some(self.observed(finding, stop, stop.alert, Lifecycle::Open, Transition::FailingNotified(stop.at)))
            }
            Step::EndFailing(stop, at, recovery) => {
                Some(self.recovered(stop, at, Trouble::Failing, recovery, Transition::NotFailing))
            }
        }
    }

    /// The mapping is stopped. Without the number of a reminder, this is the alert about the stop. The reminders that would
    /// be due by now are not sent after it.
    fn stopped(&self, stop: Stop, reminder: Option<u64>, now: Timestamp) -> Observed {
        let MappingNames { mapping_uuid, function_arn, event_source_arn } = self.names.clone();
        let reason = self.reason.map(str::to_owned);
        let category = self.reason.map_or(EsmCategory::Unknown, EsmCategory::of_reason);
        let disabled = EsmDisabled { category, reason, mapping_uuid, function_arn, event_source_arn };
        let finding = self.finding(FindingKind::EsmDisabled(disabled), stop.at);
        let number = reminder.unwrap_or_else(|| reminders_due(time_between(stop.at, now)));
        let (dedup_key, lifecycle) = match reminder {
            Some(number) => (DedupKey::of_reminder(stop.alert, number), Lifecycle::Reminder(stop, number)),
            None => (stop.alert, Lifecycle::Open),
        };
        self.observed(finding, stop, dedup_key, lifecycle, Transition::Reported { alert: stop.alert, number, at: now })
    }

    /// The mapping is no longer stopped or failing.
    fn recovered(
        &self,
        stop: Stop,
        at: Timestamp,
        from: Trouble,
        recovery: Recovery,
        published: Transition,
    ) -> Observed {
        let recovered = EsmRecovered { from, recovery, names: self.names.clone() };
        let finding = self.finding(FindingKind::EsmRecovered(recovered), at);
        let dedup_key = DedupKey::of_resolution(&self.key, stop.alert);
        self.observed(finding, stop, dedup_key, Lifecycle::Resolves(stop), published)
    }

    fn finding(&self, kind: FindingKind, at: Timestamp) -> Finding {
        let MappingKey { account, region, .. } = &self.key;
        Finding { event: Event::of_sweep(account, region, self.names.function_arn.as_deref(), at), kind }
    }

    fn observed(
        &self,
        finding: Finding,
        stop: Stop,
        dedup_key: DedupKey,
        lifecycle: Lifecycle,
        published: Transition,
    ) -> Observed {
        let (mapping, names) = (self.key.clone(), self.names.clone());
        Observed { mapping, names, finding, stop, published, dedup_key, lifecycle }
    }
}

impl Observed {
    /// The group to alert it with; `None` if it is alerted by itself. Reminders are grouped, and so are the stops that the
    /// first sweep of a place finds.
    pub(super) fn group(&self, is_first: bool) -> Option<Group> {
        let is_reminder = match self.lifecycle {
            Lifecycle::Reminder(..) => true,
            Lifecycle::Open if is_first && matches!(self.finding.kind, FindingKind::EsmDisabled(_)) => false,
            _ => return None,
        };
        Some(Group { account: self.mapping.account.clone(), is_reminder })
    }

    /// Returns true if the mapping is no longer stopped or failing.
    pub(super) fn is_recovery(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::Resolves(_))
    }

    /// The incident about the mapping.
    pub(super) fn incident(&self) -> Incident {
        Incident::of_mapping(self.dedup_key, self.lifecycle, self.finding.clone())
    }

    /// The incident about several mappings, or about one. Its key depends on all of them, so that a list with other members
    /// is another alert.
    pub(super) fn incident_of(observed: &[Self]) -> Option<Incident> {
        let [first, _, ..] = observed else { return observed.first().map(Self::incident) };
        let dedup_key = DedupKey::of_several(observed.iter().map(|it| it.dedup_key));
        let listed = observed.iter().map(|it| ListedMapping { alert: it.stop.alert, finding: it.finding.clone() });
        Incident::of_mappings(dedup_key, first.lifecycle, listed.collect())
    }
}
