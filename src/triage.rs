//! From findings to incidents: one cause, one alert.
//!
//! A disabled mapping is never grouped; the same event delivered twice is one incident. Denials
//! are grouped by [`Fingerprint`] as they come in, so that memory grows with the number of causes
//! and not with the number of denials.

mod fingerprint;

use std::collections::{HashMap, HashSet};

pub use fingerprint::Fingerprint;

use crate::detect::{AccessDenied, EsmDisabled, Event, Finding, FindingKind};

/// Values of a kind that an incident keeps; it counts all.
const KEPT: usize = 10;
/// Distinct values beyond which [`Tally`] no longer tells new ones from known ones.
const TOLD_APART: usize = 10_000;

/// Something that one alert is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there are few at a time")]
pub enum Incident {
    /// AWS disabled an event source mapping.
    EsmDisabled(Disabled),
    /// Calls were denied.
    AccessDenied(Denials),
}

/// The event that a mapping was disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disabled {
    /// The event.
    pub event: Event,
    /// What it says.
    pub esm: EsmDisabled,
}

/// Denials with the same fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denials {
    /// The first event that came in.
    pub event: Event,
    /// What it says.
    pub denied: AccessDenied,
    /// Number of events.
    pub count: u64,
    /// Earliest time of an event.
    pub first: Option<String>,
    /// Latest time of an event.
    pub last: Option<String>,
    /// Regions of the events.
    pub regions: Tally,
    /// Resources, as messages name them.
    pub resources: Tally,
    /// Functions that the events are about.
    pub functions: Tally,
}

/// Distinct values: the first ten as they came, and how many there are.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    kept: Vec<String>,
    seen: HashSet<String>,
}

impl Tally {
    /// The first ten.
    #[must_use]
    pub fn kept(&self) -> &[String] {
        &self.kept
    }

    /// How many more there are; a lower bound beyond ten thousand.
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

    fn add(&mut self, value: Option<&str>) {
        let Some(value) = value else { return };
        if self.seen.len() < TOLD_APART && self.seen.insert(value.to_owned()) && self.kept.len() < KEPT {
            self.kept.push(value.to_owned());
        }
    }
}

/// Collects the findings of one invocation.
#[derive(Debug, Default)]
pub struct Triage {
    disabled: Vec<Disabled>,
    /// Event IDs of the disabled mappings.
    disabled_ids: HashSet<String>,
    denials: Vec<Denials>,
    /// Places in `denials`.
    by_fingerprint: HashMap<Fingerprint, usize>,
    repeated: u64,
}

impl Triage {
    /// Takes a finding.
    pub fn add(&mut self, finding: Finding) {
        let Finding { event, kind } = finding;
        match kind {
            FindingKind::EsmDisabled(esm) => self.add_disabled(event, esm),
            FindingKind::AccessDenied(denied) => self.add_denial(event, denied),
        }
    }

    /// Findings that were the same event again.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// What alerts are to be made of: disabled mappings first.
    pub fn into_incidents(self) -> impl Iterator<Item = Incident> {
        let disabled = self.disabled.into_iter().map(Incident::EsmDisabled);
        disabled.chain(self.denials.into_iter().map(Incident::AccessDenied))
    }

    /// An event without an ID cannot be told from another one: rather twice than not at all.
    fn add_disabled(&mut self, event: Event, esm: EsmDisabled) {
        let is_new = event.id.as_ref().is_none_or(|id| self.disabled_ids.insert(id.clone()));
        if is_new {
            self.disabled.push(Disabled { event, esm });
        } else {
            self.repeated += 1;
        }
    }

    fn add_denial(&mut self, event: Event, denied: AccessDenied) {
        let next = self.denials.len();
        let at = *self.by_fingerprint.entry(Fingerprint::of(&event, &denied)).or_insert(next);
        match self.denials.get_mut(at) {
            Some(group) => group.add(&event, &denied),
            None => self.denials.push(Denials::of(event, denied)),
        }
    }
}

impl Denials {
    fn of(event: Event, denied: AccessDenied) -> Self {
        Self {
            count: 1,
            first: event.time.clone(),
            last: event.time.clone(),
            regions: Tally::of(event.region.as_deref()),
            resources: Tally::of(denied.resource.as_deref()),
            functions: Tally::of(event.function_name.as_deref()),
            event,
            denied,
        }
    }

    fn add(&mut self, event: &Event, denied: &AccessDenied) {
        self.count += 1;
        // Times are written so that their order as texts is their order.
        let times = || self.first.iter().chain(&self.last).chain(&event.time);
        let (first, last) = (times().min().cloned(), times().max().cloned());
        (self.first, self.last) = (first, last);
        self.regions.add(event.region.as_deref());
        self.resources.add(denied.resource.as_deref());
        self.functions.add(event.function_name.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::detect::Detector;
    use crate::trail::LogObject;

    fn finding(record: &str) -> Finding {
        let object = Arc::new(LogObject::new("trail", "key"));
        let examined = Detector::default().examine(record.as_bytes(), &object).expect("a record");
        examined.finding.expect("a finding")
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
        let incidents: Vec<_> = triage.into_incidents().collect();
        let [Incident::AccessDenied(all), Incident::AccessDenied(other)] = incidents.as_slice() else {
            panic!("two groups of denials, found {incidents:?}");
        };
        assert_eq!((all.count, other.count), (5_001, 1));
        assert_eq!(all.first.as_deref(), Some("2026-01-02T03:00:00Z"));
        assert_eq!(all.last.as_deref(), Some("2026-01-02T04:00:00Z"));
        assert_eq!(all.regions.kept(), ["us-east-1", "eu-west-1"]);
        assert_eq!((all.functions.kept().len(), all.functions.more()), (10, 4_990));
        assert_eq!((other.functions.only(), all.functions.only()), (Some("f1"), None));
    }

    #[test]
    fn disabled_mappings_are_never_grouped() {
        let disabled = |id: &str| {
            finding(&format!(r#"{{"eventSource":"lambda.amazonaws.com","eventName":"LambdaESMDisabled"{id}}}"#))
        };
        let mut triage = Triage::default();
        for id in [r#","eventID":"a""#, r#","eventID":"b""#, r#","eventID":"a""#, "", ""] {
            triage.add(disabled(id));
        }
        assert_eq!(triage.repeated(), 1);
        assert_eq!(triage.into_incidents().count(), 4);
    }
}
