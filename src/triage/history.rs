//! The incidents in a set of log objects that is complete, for people who look back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;

use super::Triage;
use super::cause_search::{MAX_CAUSES, changes_before, resources_of};
use super::causes::{CAUSE_WINDOW, LikelyCause, MAX_KEPT_CAUSES, StoppedMapping};
use super::incident::Incident;
use super::mapping_state::{Lifecycle, MappingKey, Stop};
use crate::clock::after;
use crate::detect::{Change, EsmChange, EsmChanged, Finding, FindingKind, ResourceKey};

/// Maximum number of incidents about mappings, and of other incidents.
const MAX_INCIDENTS: usize = 10_000;
/// Maximum number of changes that are kept, with repetitions for each resource, and of ends of stops.
const MAX_CHANGES: usize = 100_000;
/// Number of log objects after which the contributions of log objects are dropped. Only the ledger needs them.
const OBJECTS: u64 = 1_000;

/// Groups findings into incidents, and joins the stops of mappings with their ends and their likely causes, in whatever
/// order they are added. Events are counted regardless of time.
///
/// Memory is bounded: it keeps at most 10,000 incidents about mappings, 10,000 others and 100,000 changes, and counts
/// what it does not keep.
#[derive(Debug, Default)]
pub struct History {
    triage: Triage,
    /// The changes of each resource.
    changes: HashMap<ResourceKey, Vec<Arc<Change>>>,
    /// Number of changes in `changes`.
    kept: usize,
    /// The events that ended stops, by mapping.
    ends: HashMap<MappingKey, Vec<(Timestamp, Finding)>>,
    objects: u64,
    omitted: Omitted,
}

/// What a [`History`] did not keep.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Omitted {
    /// Findings of incidents that are not listed.
    pub findings: u64,
    /// Changes that are not considered as causes or ends of stops.
    pub changes: u64,
}

impl History {
    /// Adds a finding.
    pub fn add(&mut self, finding: Finding) {
        if self.triage.has_room_for(&finding, MAX_INCIDENTS) {
            self.triage.add(finding);
        } else {
            self.omitted.findings += 1;
        }
    }

    /// Adds a change that may have caused a stop.
    pub fn add_change(&mut self, change: Change) {
        let change = Arc::new(change);
        for resource in &change.resources {
            if self.kept >= MAX_CHANGES {
                self.omitted.changes += 1;
                return;
            }
            self.kept += 1;
            self.changes.entry(resource.clone()).or_default().push(Arc::clone(&change));
        }
    }

    /// Adds a finding about a mapping that a user changed. It is an incident only if it ends a stop.
    pub fn add_mapping_change(&mut self, finding: Finding) {
        let at = finding.event.time.as_deref().and_then(|time| time.parse().ok());
        let (Some(key), Some(at)) = (MappingKey::of(&finding), at) else { return };
        if !is_end(&finding) {
            return;
        }
        if self.kept >= MAX_CHANGES {
            self.omitted.changes += 1;
            return;
        }
        self.kept += 1;
        self.ends.entry(key).or_default().push((at, finding));
    }

    /// Marks the end of a log object. No more findings from it follow.
    pub fn end_of(&mut self, object: &str) {
        self.triage.end_of(object);
        self.objects += 1;
        if self.objects.is_multiple_of(OBJECTS) {
            self.triage.drop_contributions();
        }
    }

    /// What was not kept.
    #[must_use]
    pub fn omitted(&self) -> Omitted {
        self.omitted
    }

    /// All incidents, most severe first, and then by time. A stop that has ended is followed by its resolution.
    #[must_use]
    pub fn into_incidents(mut self) -> Vec<Incident> {
        self.changes.values_mut().for_each(|changes| changes.sort_by_key(|it| it.at));
        self.ends.values_mut().for_each(|ends| ends.sort_by_key(|(at, _)| *at));
        let incidents = self.triage.take_incidents();
        incidents.into_iter().flat_map(|incident| self.joined(incident)).collect()
    }

    /// The incident with what is known about it, and its resolution.
    fn joined(&self, mut incident: Incident) -> Vec<Incident> {
        if let Some(stop) = StoppedMapping::of(&incident) {
            incident.likely_causes = self.causes_of(&stop, &incident);
        }
        let Some((end, stop)) = self.end_of_stop(&incident) else { return vec![incident] };
        let (at, finding) = end;
        let resolution = Incident::of_resolution(stop, finding.clone());
        incident.lifecycle = Some(Lifecycle::OverSince(*at));
        vec![incident, resolution]
    }

    /// The first event that ended the stop that an incident is about.
    fn end_of_stop(&self, incident: &Incident) -> Option<(&(Timestamp, Finding), Stop)> {
        let FindingKind::EsmDisabled(_) = &incident.finding.kind else { return None };
        let stop = Stop { at: incident.finding.event.time.as_deref()?.parse().ok()?, alert: incident.dedup_key };
        let ends = self.ends.get(&MappingKey::of(&incident.finding)?)?;
        ends.iter().find(|(at, _)| *at > stop.at).map(|end| (end, stop))
    }

    /// The likely causes of a stop, latest first.
    fn causes_of(&self, stop: &StoppedMapping, incident: &Incident) -> Vec<LikelyCause> {
        let lookup = async |resource: &ResourceKey| self.changes_in_window(resource, stop.at);
        // The lookups are immediate.
        let changes = changes_before(resources_of(incident).collect(), lookup).now_or_never().unwrap_or_default();
        let mut causes: Vec<_> = changes.values().filter_map(|change| stop.caused_by(change)).collect();
        causes.sort_by(LikelyCause::cmp_latest_first);
        causes.truncate(MAX_CAUSES);
        causes
    }

    /// The newest changes of a resource that may have caused a stop at this time.
    fn changes_in_window(&self, resource: &ResourceKey, stop: Timestamp) -> Vec<Change> {
        let Some(changes) = self.changes.get(resource) else { return Vec::new() };
        let (before, _) = changes.split_at(changes.partition_point(|it| it.at <= stop));
        let recent = before.iter().rev().take_while(|it| after(it.at, CAUSE_WINDOW + Duration::from_secs(1)) > stop);
        recent.take(MAX_KEPT_CAUSES).map(|it| Change::clone(it)).collect()
    }
}

/// Returns true if the finding is about a mapping that was enabled or deleted.
fn is_end(finding: &Finding) -> bool {
    matches!(finding.kind, FindingKind::EsmChanged(EsmChanged { change: EsmChange::Enabled | EsmChange::Deleted, .. }))
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::detect::{Detector, WatchRules};

    const ACCOUNT: &str = r#""awsRegion":"us-east-1","recipientAccountId":"111122223333""#;
    const FUNCTION: &str = "arn:aws:lambda:us-east-1:111122223333:function:orders";

    fn add(history: &mut History, record: &str) {
        let detector = Detector { esm_changes: true, causes: true, ..Detector::default() };
        let object = Arc::from("a.json");
        let examined = detector.examine(record.as_bytes(), &object, &WatchRules::default()).expect("a record");
        examined.change.into_iter().for_each(|change| history.add_change(*change));
        for finding in examined.findings {
            match finding.kind {
                FindingKind::EsmChanged(_) => history.add_mapping_change(finding),
                _ => history.add(finding),
            }
        }
    }

    fn stop(n: usize, time: &str) -> String {
        format!(
            r#"{{"eventSource":"lambda.amazonaws.com","eventName":"LambdaESMDisabled","eventTime":"{time}",{ACCOUNT},
                 "eventID":"stop-{n}","resources":[{{"ARN":"{FUNCTION}"}},
                 {{"ARN":"arn:aws:lambda:us-east-1:111122223333:event-source-mapping:00000000-0000-4000-8000-{n:012}"}}]}}"#
        )
    }

    fn enable(n: usize, time: &str) -> String {
        update(n, time, true)
    }

    fn update(n: usize, time: &str, enabled: bool) -> String {
        format!(
            r#"{{"eventSource":"lambda.amazonaws.com","eventName":"UpdateEventSourceMapping20150331","eventTime":"{time}",
                 {ACCOUNT},"eventID":"update-{n}-{time}",
                 "requestParameters":{{"uUID":"00000000-0000-4000-8000-{n:012}","enabled":{enabled}}}}}"#
        )
    }

    fn delete_function(n: usize, time: &str) -> String {
        format!(
            r#"{{"eventSource":"lambda.amazonaws.com","eventName":"DeleteFunction20150331","eventTime":"{time}",{ACCOUNT},
                 "eventID":"delete-{n}","requestParameters":{{"functionName":"orders"}}}}"#
        )
    }

    fn denial(caller: usize) -> String {
        format!(
            r#"{{"eventSource":"lambda.amazonaws.com","eventName":"GetFunction20150331v2","eventID":"denial-{caller}",
                 {ACCOUNT},"errorCode":"AccessDenied",
                 "userIdentity":{{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/u{caller}"}}}}"#
        )
    }

    /// Times at which the mappings stopped, and when they were enabled, if they were.
    fn stops(incidents: &[Incident]) -> Vec<(&str, Option<String>)> {
        let stops = incidents.iter().filter(|it| it.alert_type() == "esm_disabled" && it.stopped_at().is_none());
        stops.map(|it| (it.first.as_deref().unwrap_or_default(), it.ended_at())).collect()
    }

    #[test]
    fn a_stop_ends_with_the_first_enabling_after_it() {
        let (morning, noon, evening) = ("2026-01-02T06:00:00Z", "2026-01-02T12:00:00Z", "2026-01-02T18:00:00Z");
        let mut history = History::default();
        for record in [
            enable(1, evening),
            stop(1, noon),
            stop(1, morning),
            enable(1, "2026-01-02T07:00:00Z"),
            enable(1, "2026-01-01T00:00:00Z"),
            enable(2, evening),
            stop(3, noon),
            // Neither an event in the same second nor a user who disables the mapping ends a stop.
            enable(3, noon),
            update(3, evening, false),
        ] {
            add(&mut history, &record);
        }
        // Both events of the first mapping have one ID, and are one incident.
        let incidents = history.into_incidents();
        assert_eq!(stops(&incidents), [(noon, Some(evening.to_owned())), (noon, None)]);
    }

    #[test]
    fn likely_causes_are_the_latest_changes_of_the_two_days_before_the_stop() {
        let mut history = History::default();
        add(&mut history, &stop(1, "2026-01-03T12:00:00Z"));
        for (n, time) in [
            "2026-01-03T12:00:01Z",
            "2026-01-03T11:00:00Z",
            "2026-01-03T10:00:00Z",
            "2026-01-03T09:00:00Z",
            "2026-01-01T11:59:59Z",
        ]
        .into_iter()
        .enumerate()
        {
            add(&mut history, &delete_function(n, time));
        }
        let incidents = history.into_incidents();
        let causes: Vec<_> = incidents.iter().flat_map(|it| &it.likely_causes).collect();
        let hours: Vec<_> = causes.iter().map(|it| it.before.as_secs() / 3_600).collect();
        assert_eq!(hours, [1, 2, 3]);
    }

    #[test]
    fn a_change_48_hours_before_the_stop_is_a_likely_cause() {
        for (time, hours) in [("2026-01-01T12:00:00Z", &[48][..]), ("2026-01-01T11:59:59Z", &[])] {
            let mut history = History::default();
            add(&mut history, &stop(1, "2026-01-03T12:00:00Z"));
            add(&mut history, &delete_function(1, time));
            let incidents = history.into_incidents();
            let causes = incidents.iter().flat_map(|it| &it.likely_causes);
            assert_eq!(causes.map(|it| it.before.as_secs() / 3_600).collect::<Vec<_>>(), hours);
        }
    }

    #[test]
    fn memory_is_bounded_and_what_is_not_kept_is_counted() {
        let mut history = History::default();
        add(&mut history, &enable(0, "2026-01-02T07:00:00Z"));
        for n in 0..MAX_INCIDENTS + 7 {
            add(&mut history, &stop(n, "2026-01-02T06:00:00Z"));
            add(&mut history, &denial(n));
        }
        // Further events of known incidents are counted by the incidents.
        add(&mut history, &denial(0).replace("denial-0", "denial-x"));
        add(&mut history, &delete_function(0, "2026-01-02T05:00:00Z"));
        let change = history.changes.values().flatten().next().map(|it| Change::clone(it)).expect("a change");
        (1..MAX_CHANGES + 5).for_each(|_| history.add_change(change.clone()));
        add(&mut history, &enable(1, "2026-01-02T07:00:00Z"));
        assert_eq!(history.omitted(), Omitted { findings: 14, changes: 7 });
        assert_eq!(history.into_incidents().len(), 2 * MAX_INCIDENTS + 1, "a stop has ended");
    }

    #[test]
    fn contributions_of_finished_objects_are_dropped() {
        let mut history = History::default();
        add(&mut history, &denial(1));
        (0..OBJECTS).for_each(|n| history.end_of(&n.to_string()));
        let incidents = history.into_incidents();
        assert!(incidents.iter().all(|it| it.contributions().is_none_or(std::collections::BTreeMap::is_empty)));
    }
}
