//! From findings to incidents: one cause, one alert.
//!
//! A finding about an event source mapping is never grouped; the same event delivered twice is one incident. Other
//! findings are grouped by [`Fingerprint`] as they come in, so that memory grows with the number of causes and not with
//! the number of findings.

mod fingerprint;
mod suppression;

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

pub use fingerprint::Fingerprint;
pub use suppression::suppressing_rule;

use crate::detect::{Finding, FindingKind};

/// Values of a kind that an incident keeps; it counts all.
const KEPT: usize = 10;
/// Distinct values beyond which [`Tally`] no longer tells new ones from known ones.
const TOLD_APART: usize = 10_000;

/// Bytes of incidents beyond which they should be taken.
const FULL: usize = 8 << 20;
/// Bytes of an incident besides its texts, about: the finding, its fingerprint and its tallies.
const INCIDENT_BYTES: usize = 2_048;
/// Bytes of a value in a tally, about.
const TALLY_BYTES: usize = 24;

/// What one alert is about: a finding, or several of one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The first that came in.
    pub finding: Finding,
    /// Number of findings.
    pub count: u64,
    /// Earliest time of an event.
    pub first: Option<String>,
    /// Latest time of an event.
    pub last: Option<String>,
    /// Regions of the events.
    pub regions: Tally,
    /// Resources, as the messages of denials name them.
    pub resources: Tally,
    /// Functions that the events are about.
    pub functions: Tally,
}

/// Distinct values: the first ten as they came, and how many there are.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    kept: Vec<String>,
    /// Hashes of all.
    seen: HashSet<u64>,
}

impl Tally {
    /// The first ten.
    #[must_use]
    pub fn kept(&self) -> &[String] {
        &self.kept
    }

    /// How many there are; a lower bound beyond ten thousand.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seen.len()
    }

    /// How many there are besides the first ten.
    #[must_use]
    pub fn more(&self) -> usize {
        self.seen.len() - self.kept.len()
    }

    /// The value, if there is exactly one.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        match self.kept.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }

    fn of(value: Option<&str>) -> Self {
        let mut tally = Self::default();
        tally.add(value);
        tally
    }

    /// True if the value was new.
    fn add(&mut self, value: Option<&str>) -> bool {
        let Some(value) = value else { return false };
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let is_new = self.seen.len() < TOLD_APART && self.seen.insert(hasher.finish());
        if is_new && self.kept.len() < KEPT {
            self.kept.push(value.to_owned());
        }
        is_new
    }
}

/// Collects findings.
#[derive(Debug, Default)]
pub struct Triage {
    incidents: Vec<Incident>,
    /// Places in `incidents`.
    by_fingerprint: HashMap<Fingerprint, usize>,
    /// Event IDs of the findings that are not grouped.
    ungrouped_ids: HashSet<String>,
    repeated: u64,
    /// Bytes that the incidents take, about.
    bytes: usize,
}

impl Triage {
    /// Takes a finding.
    pub fn add(&mut self, finding: Finding) {
        let next = self.incidents.len();
        let at = match Fingerprint::of(&finding) {
            Some(fingerprint) => *self.by_fingerprint.entry(fingerprint).or_insert(next),
            None if self.is_repetition(&finding) => {
                self.repeated += 1;
                return;
            }
            None => next,
        };
        if let Some(incident) = self.incidents.get_mut(at) {
            self.bytes += TALLY_BYTES * incident.add(&finding);
        } else {
            self.bytes += INCIDENT_BYTES + finding.text_bytes();
            self.incidents.push(Incident::of(finding));
        }
    }

    /// Findings that were the same event again.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// True if the incidents should be taken before more is added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes > FULL
    }

    /// Takes what alerts are to be made of, the most urgent first, then by time.
    pub fn take_incidents(&mut self) -> Vec<Incident> {
        self.by_fingerprint.clear();
        self.bytes = 0;
        let mut incidents = std::mem::take(&mut self.incidents);
        incidents.sort_by(|a, b| {
            let severity = b.finding.severity().cmp(&a.finding.severity());
            severity.then_with(|| a.first.cmp(&b.first))
        });
        incidents
    }

    /// An event without an ID cannot be told from another one: rather twice than not at all.
    fn is_repetition(&mut self, finding: &Finding) -> bool {
        finding.event.id.as_ref().is_some_and(|id| !self.ungrouped_ids.insert(id.clone()))
    }
}

impl Incident {
    fn of(finding: Finding) -> Self {
        let event = &finding.event;
        Self {
            count: 1,
            first: event.time.clone(),
            last: event.time.clone(),
            regions: Tally::of(event.region.as_deref()),
            resources: Tally::of(resource(&finding)),
            functions: Tally::of(event.function_name.as_deref()),
            finding,
        }
    }

    /// Returns how many values were new.
    fn add(&mut self, finding: &Finding) -> usize {
        let event = &finding.event;
        self.count += 1;
        // Times are written so that their order as texts is their order.
        let times = || self.first.iter().chain(&self.last).chain(&event.time);
        let (first, last) = (times().min().cloned(), times().max().cloned());
        (self.first, self.last) = (first, last);
        let new = [
            self.regions.add(event.region.as_deref()),
            self.functions.add(event.function_name.as_deref()),
            self.resources.add(resource(finding)),
        ];
        new.into_iter().filter(|it| *it).count()
    }
}

fn resource(finding: &Finding) -> Option<&str> {
    match &finding.kind {
        FindingKind::AccessDenied(denied) => denied.resource.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::detect::Detector;

    fn finding(record: &str) -> Finding {
        let examined = Detector::default().examine(record.as_bytes(), &Arc::from("key")).expect("a record");
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
    fn mappings_are_never_grouped() {
        let disabled = |id: &str| {
            finding(&format!(r#"{{"eventSource":"lambda.amazonaws.com","eventName":"LambdaESMDisabled"{id}}}"#))
        };
        let mut triage = Triage::default();
        triage.add(denial("run-1", "DeleteFunction", "f1", "2026-01-02T04:00:00Z", "eu-west-1"));
        for id in [r#","eventID":"a""#, r#","eventID":"b""#, r#","eventID":"a""#, "", ""] {
            triage.add(disabled(id));
        }
        assert_eq!(triage.repeated(), 1);
        let types: Vec<_> = triage.take_incidents().iter().map(|it| it.finding.alert_type()).collect();
        assert_eq!(types, ["esm_disabled", "esm_disabled", "esm_disabled", "esm_disabled", "access_denied"]);
    }
}
