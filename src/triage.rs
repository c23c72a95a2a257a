//! Groups findings into incidents, and decides which alerts are due.
//!
//! A finding about an event source mapping is never grouped, but an event that is delivered twice is one incident.
//! Other findings are grouped by fingerprint and [`Window`] as they arrive, so memory grows with the number of
//! incidents and not with the number of findings. The deduplication compares incidents with the [`Ledger`], the state
//! that all invocations share, to decide which alerts are due.

mod audience;
mod cause_search;
mod causes;
mod context;
mod deduplication;
mod fingerprint;
mod history;
mod incident;
mod ledger;
mod lifecycle;
mod mapping_state;
mod observation;
mod suppression;
mod threshold;
mod window;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

pub use audience::{Audience, TopicRole};
pub(crate) use cause_search::{CauseSearch, Considered};
pub use causes::{CAUSE_WINDOW, Causes, LikelyCause, MAX_KEPT_CAUSES, StoppedMapping};
pub use context::{Context, FunctionNow, MappingNow, PresentState, Tag};
pub use deduplication::LEASE;
pub(crate) use deduplication::{Candidate, Deduplication, Due, LedgerBudget, Verdict};
pub use fingerprint::{DedupKey, DedupKeyError};
pub use history::{History, Omitted};
pub(crate) use incident::MAX_LISTED;
pub use incident::{Contributions, Incident, ListedMapping, Scope, Tally};
pub use ledger::{Claim, Claimed, Contribution, Ledger, LedgerEntry, LedgerKey, MAX_CONTRIBUTIONS, RETENTION};
pub use mapping_state::{
    KnownMapping, Lifecycle, MAPPING_RETENTION, MappingKey, MappingState, MappingStates, Stop, SweepState, Transition,
};
pub(crate) use observation::{Step, reminders_due, steps_for_listed, steps_for_missing};
pub use suppression::{SuppressRule, suppressing_rule};
pub use threshold::{MAX_INCIDENTS_PER_CALLER, alert_threshold};
pub use window::{Window, WindowLength};

use crate::detect::Finding;
use fingerprint::Fingerprint;

/// Maximum number of events of a log object that are deduplicated. Further events always count.
const DISTINCT_EVENTS: usize = 100_000;

/// Approximate size of all incidents, in bytes, above which they should be taken.
const FULL: usize = 8 << 20;
/// Approximate size of an incident without its strings, in bytes: the finding, its fingerprint and its tallies.
const INCIDENT_BYTES: usize = 2_048;
/// Approximate size of a value in a tally, in bytes.
const TALLY_BYTES: usize = 24;

/// Groups findings into incidents.
#[derive(Debug, Default)]
pub struct Triage {
    audience: Audience,
    windows: Option<WindowLength>,
    /// Incidents about mappings.
    mappings: Vec<Incident>,
    /// Changes of mappings that users made, which are not alerted by themselves.
    changes: Vec<Incident>,
    /// All other incidents.
    incidents: Vec<Incident>,
    /// Indexes into `incidents`.
    by_fingerprint: HashMap<(Fingerprint, Option<Window>), usize>,
    /// Keys of the mapping events seen so far.
    events: HashSet<DedupKey>,
    objects: HashMap<Arc<str>, Contributor>,
    repeated: u64,
    /// Approximate bytes of the incidents.
    bytes: usize,
}

/// A log object that contributes findings.
#[derive(Debug, Default)]
struct Contributor {
    /// Hashes of the events counted so far, each with the dedup key of its incident.
    seen: HashSet<u64>,
    /// Number of distinct events of each incident.
    events: HashMap<DedupKey, u64>,
}

impl Triage {
    /// Creates the triage for an audience. Grouped events are counted in windows of this length. The default value
    /// counts them regardless of time.
    #[must_use]
    pub fn new(audience: Audience, windows: WindowLength) -> Self {
        Self { audience, windows: Some(windows), ..Self::default() }
    }

    /// Adds a finding.
    pub fn add(&mut self, finding: Finding) {
        match Fingerprint::of(&finding) {
            Some(fingerprint) => self.add_to_group(fingerprint, finding),
            None => self.add_event(finding),
        }
    }

    /// Returns true if the finding belongs to an incident that is already known, or if there are fewer than `most`
    /// incidents of its kind: those about mappings, or those with one cause.
    fn has_room_for(&self, finding: &Finding, most: usize) -> bool {
        match Fingerprint::of(finding) {
            Some(fingerprint) => {
                let window = self.window_of(finding);
                self.incidents.len() < most || self.by_fingerprint.contains_key(&(fingerprint, window))
            }
            None => self.mappings.len() < most || self.events.contains(&DedupKey::of_event(self.audience, finding)),
        }
    }

    /// Number of findings about events that were added before.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Returns true if the incidents should be taken before more findings are added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes > FULL
    }

    /// Takes all incidents, ordered by severity, most severe first, and then by time.
    pub fn take_incidents(&mut self) -> Vec<Incident> {
        self.by_fingerprint.clear();
        self.bytes = 0;
        let mut incidents = std::mem::take(&mut self.mappings);
        incidents.append(&mut self.incidents);
        incidents.sort_by(Incident::cmp_urgency);
        incidents
    }

    /// Takes the incidents about event source mappings, in the same order. They are never grouped, so they are
    /// complete.
    pub fn take_mappings(&mut self) -> Vec<Incident> {
        let mut incidents = std::mem::take(&mut self.mappings);
        incidents.sort_by(Incident::cmp_urgency);
        incidents
    }

    /// Marks the end of a log object. No more findings from it follow.
    pub fn end_of(&mut self, object: &str) {
        self.objects.remove(object);
    }

    /// Adds a finding about a mapping that is no incident by itself. It becomes one if the change ends a stop.
    pub(crate) fn add_change(&mut self, finding: Finding) {
        let dedup_key = DedupKey::of_event(self.audience, &finding);
        self.changes.push(Incident::of(dedup_key, None, Scope::Event, finding));
    }

    /// Takes the changes of mappings that are no incidents by themselves.
    pub(crate) fn take_changes(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.changes)
    }

    /// Drops the number of events in each log object, which only the ledger needs.
    fn drop_contributions(&mut self) {
        self.incidents.iter_mut().for_each(Incident::drop_contributions);
    }

    fn window_of(&self, finding: &Finding) -> Option<Window> {
        self.windows.zip(finding.event.time.as_deref()).and_then(|(length, time)| length.window_of(time))
    }

    fn add_event(&mut self, finding: Finding) {
        let dedup_key = DedupKey::of_event(self.audience, &finding);
        if self.events.insert(dedup_key) {
            self.mappings.push(Incident::of(dedup_key, None, Scope::Event, finding));
        } else {
            self.repeated += 1;
        }
    }

    fn add_to_group(&mut self, fingerprint: Fingerprint, finding: Finding) {
        let window = self.window_of(&finding);
        let key = (fingerprint, window);
        let known = self.by_fingerprint.get(&key).and_then(|at| self.incidents.get_mut(*at));
        let dedup_key =
            known.as_ref().map_or_else(|| DedupKey::of_group(self.audience, &key.0, window), |it| it.dedup_key);
        let object = Arc::clone(&finding.event.object);
        let contributor = self.objects.entry(Arc::clone(&object)).or_default();
        let Some(events) = contributor.add(dedup_key, finding.event.id.as_deref()) else {
            self.repeated += 1;
            return;
        };
        if let Some(incident) = known {
            self.bytes += TALLY_BYTES * incident.add(&finding, &object, events);
        } else {
            self.by_fingerprint.insert(key, self.incidents.len());
            self.bytes += INCIDENT_BYTES + finding.text_bytes();
            let scope = Scope::Cause { contributions: Contributions::from([(object, events)]) };
            self.incidents.push(Incident::of(dedup_key, window, scope, finding));
        }
    }
}

impl Contributor {
    /// Counts an event. Returns the number of distinct events of the incident, or `None` if the event was counted
    /// before. Events without an ID cannot be distinguished, so each of them counts.
    fn add(&mut self, dedup_key: DedupKey, id: Option<&str>) -> Option<u64> {
        let is_new = id.is_none_or(|id| {
            let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((dedup_key, id));
            !self.seen.contains(&hash) && (self.seen.len() >= DISTINCT_EVENTS || self.seen.insert(hash))
        });
        let events = self.events.entry(dedup_key).or_default();
        *events += u64::from(is_new);
        is_new.then_some(*events)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::detect::{Detector, WatchRules};

    fn finding(record: &str) -> Finding {
        let examined = Detector::default()
            .examine(record.as_bytes(), &Arc::from("key"), &WatchRules::default())
            .expect("a record");
        examined.findings.into_iter().next().expect("a finding")
    }

    fn denial(session: &str, action: &str, function: &str, time: &str, region: &str) -> Finding {
        finding(&format!(
            r#"{{"eventSource":"lambda.amazonaws.com","eventName":"{action}","eventTime":"{time}","awsRegion":"{region}",
                 "recipientAccountId":"111122223333","errorCode":"AccessDenied",
                 "errorMessage":"User: x is not authorized to perform: lambda:{action} on resource: arn:aws:lambda:{region}:111122223333:function:{function}",
                 "userIdentity":{{"type":"AssumedRole","accountId":"111122223333","arn":"arn:aws:sts::111122223333:assumed-role/ci/{session}"}}}}"#
        ))
    }

    #[test]
    fn one_cause_is_one_incident() {
        let mut triage = Triage::default();
        for n in 0..5_000 {
            let time = format!("2026-01-02T03:{:02}:00Z", (n + 30) % 60);
            triage.add(denial(&format!("run-{n}"), "GetFunction", &format!("f{n}"), &time, "us-east-1"));
        }
        triage.add(denial("run-1", "GetFunction", "f1", "2026-01-02T04:00:00Z", "eu-west-1"));
        triage.add(denial("run-1", "DeleteFunction", "f1", "2026-01-02T04:00:00Z", "eu-west-1"));
        let incidents = triage.take_incidents();
        let [all, other] = incidents.as_slice() else { panic!("two incidents, found {incidents:?}") };
        assert_eq!((all.count, other.count), (5_001, 1));
        assert_eq!(all.first.as_deref(), Some("2026-01-02T03:00:00Z"));
        assert_eq!(all.last.as_deref(), Some("2026-01-02T04:00:00Z"));
        assert_eq!(all.regions.kept(), ["us-east-1", "eu-west-1"]);
        assert_eq!((all.functions.kept().len(), all.functions.more()), (10, 4_990));
        assert_eq!((other.functions.only(), all.functions.only()), (Some("f1"), None));
    }

    #[test]
    fn incidents_should_be_taken_above_eight_mebibytes() {
        let mut triage = Triage { bytes: 8_388_608, ..Triage::default() };
        assert!(!triage.is_full());
        triage.bytes += 1;
        assert!(triage.is_full());
        triage.take_incidents();
        assert!(!triage.is_full());
    }

    #[test]
    fn an_incident_has_a_size_and_grows_with_new_values() {
        let mut triage = Triage::default();
        let first = denial("run-1", "GetFunction", "f1", "2026-01-02T04:00:00Z", "eu-west-1");
        let (message, resource) = (
            "User: x is not authorized to perform: lambda:GetFunction on resource: arn:aws:lambda:eu-west-1:111122223333:function:f1",
            "arn:aws:lambda:eu-west-1:111122223333:function:f1",
        );
        let size =
            INCIDENT_BYTES + message.len() + resource.len() + 2 * ("111122223333:role/ci".len() + "GetFunction".len());
        triage.add(first);
        assert_eq!(triage.bytes, size);
        triage.add(denial("run-2", "GetFunction", "f1", "2026-01-02T04:00:00Z", "eu-west-1"));
        assert_eq!(triage.bytes, size);
        // The function and the resource are new.
        triage.add(denial("run-3", "GetFunction", "f2", "2026-01-02T04:00:00Z", "eu-west-1"));
        assert_eq!(triage.bytes, size + 2 * TALLY_BYTES);
    }

    #[test]
    fn the_events_of_an_object_are_forgotten_at_its_end() {
        let mut triage = Triage::default();
        triage.add(denial("run-1", "GetFunction", "f1", "2026-01-02T04:00:00Z", "eu-west-1"));
        triage.end_of("another key");
        assert_eq!(triage.objects.len(), 1);
        triage.end_of("key");
        assert_eq!(triage.objects.len(), 0);
    }

    #[test]
    fn mappings_are_never_grouped() {
        let disabled = |id: &str| {
            finding(&format!(r#"{{"eventSource":"lambda.amazonaws.com","eventName":"LambdaESMDisabled"{id}}}"#))
        };
        let mut triage = Triage::default();
        triage.add(denial("run-1", "DeleteFunction", "f1", "2026-01-02T04:00:00Z", "eu-west-1"));
        for id in [r#","eventID":"a""#, r#","eventID":"b""#, r#","eventID":"a""#, "", ""] {
            triage.add(disabled(id));
        }
        assert_eq!(triage.repeated(), 2);
        let types: Vec<_> = triage.take_incidents().iter().map(|it| it.finding.alert_type()).collect();
        assert_eq!(types, ["esm_disabled", "esm_disabled", "esm_disabled", "access_denied"]);
    }
}
