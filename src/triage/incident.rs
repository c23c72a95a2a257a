//! Incidents: findings that are alerted together.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use super::audience::Audience;
use super::causes::{LikelyCause, StoppedMapping};
use super::context::Context;
use super::fingerprint::DedupKey;
use super::ledger::LedgerKey;
use super::mapping_state::{Lifecycle, Stop};
use super::threshold::{alert_threshold, next_alert_threshold, next_summary_threshold, summary_threshold};
use super::window::Window;
use crate::detect::{Arn, Finding, FindingKind, Severity};

/// Maximum number of values that a [`Tally`] keeps. It counts all values.
const MAX_KEPT: usize = 10;
/// Maximum number of actions that the summary of a caller keeps.
const MAX_KEPT_ACTIONS: usize = 20;
/// Maximum number of mappings in an incident about several of them.
pub(crate) const MAX_LISTED: usize = 50;
/// Maximum number of distinct values that a [`Tally`] counts.
const MAX_DISTINCT: usize = 10_000;

/// What an alert is about: a finding, several findings with one cause, or the incidents of one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Identifies the incident in the ledger.
    pub dedup_key: DedupKey,
    /// The window in which the events are counted; `None` for a single event, or if the events have no time.
    pub window: Option<Window>,
    /// The findings that the incident covers.
    pub scope: Scope,
    /// The first finding; in a summary of a caller, the most severe one.
    pub finding: Finding,
    /// Number of findings in this invocation; in a summary of a caller, number of incidents.
    pub count: u64,
    /// Number of findings in the window so far, including those in earlier log objects; in a summary of a caller,
    /// number of incidents.
    pub total: u64,
    /// Time of the earliest event.
    pub first: Option<String>,
    /// Time of the latest event.
    pub last: Option<String>,
    /// Regions of the events.
    pub regions: Tally,
    /// Resources, as denial messages name them.
    pub resources: Tally,
    /// Functions that the events are about.
    pub functions: Tally,
    /// The lifecycle of the mapping that the incident is about; `None` if it is unknown, or the incident is not about a
    /// stopped mapping.
    pub lifecycle: Option<Lifecycle>,
    /// Context of the mapping and its function; `None` if it was not looked up, or if no response arrived in time.
    pub context: Option<Context>,
    /// Likely causes of the stop that the incident is about, latest first.
    pub likely_causes: Vec<LikelyCause>,
    /// In a follow-up: the alert about the stop. A likely cause became known after it.
    pub follows_up: Option<DedupKey>,
    /// The incident is fictitious, for a test of alert delivery.
    pub is_test: bool,
}

/// The findings that an incident covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One event about an event source mapping.
    Event,
    /// Events with one cause.
    Cause {
        /// Number of distinct events in each log object.
        contributions: Contributions,
    },
    /// Several stopped mappings of an account that are alerted together.
    Mappings {
        /// The mappings.
        listed: Vec<ListedMapping>,
    },
    /// The incidents of a caller that has too many for individual alerts.
    Caller {
        /// The incidents, each with a count of one.
        contributions: Contributions,
        /// The denied actions that this invocation found.
        actions: Tally,
    },
}

/// A stopped mapping in an incident about several of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMapping {
    /// Identifies the alert about its stop, which later alerts about the mapping refer to.
    pub alert: DedupKey,
    /// The stop.
    pub finding: Finding,
}

/// Event counts by the name of the contributor.
pub type Contributions = BTreeMap<Arc<str>, u64>;

impl Incident {
    pub(super) fn of(dedup_key: DedupKey, window: Option<Window>, scope: Scope, finding: Finding) -> Self {
        let event = &finding.event;
        Self {
            dedup_key,
            window,
            scope,
            count: 1,
            total: 1,
            first: event.time.clone(),
            last: event.time.clone(),
            regions: Tally::of(event.region.as_deref()),
            resources: Tally::of(resource(&finding)),
            functions: Tally::of(event.function_name.as_deref()),
            lifecycle: None,
            context: None,
            likely_causes: Vec::new(),
            follows_up: None,
            is_test: false,
            finding,
        }
    }

    /// The incident about a mapping that a sweep observed.
    pub(crate) fn of_mapping(dedup_key: DedupKey, lifecycle: Lifecycle, finding: Finding) -> Self {
        Self { lifecycle: Some(lifecycle), ..Self::of(dedup_key, None, Scope::Event, finding) }
    }

    /// The incident about several mappings of an account that are alerted together. Returns `None` if there are none.
    pub(crate) fn of_mappings(dedup_key: DedupKey, lifecycle: Lifecycle, listed: Vec<ListedMapping>) -> Option<Self> {
        let (first, others) = listed.split_first()?;
        let mut incident = Self::of_mapping(dedup_key, lifecycle, first.finding.clone());
        for ListedMapping { finding, .. } in others {
            let event = &finding.event;
            incident.count += 1;
            incident.extend_period(event.time.as_deref());
            incident.regions.add(event.region.as_deref());
            incident.functions.add(event.function_name.as_deref());
        }
        incident.total = incident.count;
        incident.scope = Scope::Mappings { listed };
        Some(incident)
    }

    /// The resolution of a stop: the finding ended it.
    pub(super) fn of_resolution(stop: Stop, finding: Finding) -> Self {
        let dedup_key = DedupKey::of_event(Audience::All, &finding);
        Self::of_mapping(dedup_key, Lifecycle::Resolves(stop), finding)
    }

    /// A follow-up of the alert about a stop, with a likely cause from a record in this log object. Its dedup key is
    /// the key of the alert, which identifies the stop.
    pub(super) fn follow_up(stop: &StoppedMapping, cause: LikelyCause, object: &Arc<str>) -> Self {
        let incident = Self::of(stop.alert, None, Scope::Event, stop.finding(object));
        // The stop was alerted before, so it does not count for the alert lag.
        Self { likely_causes: vec![cause], follows_up: Some(stop.alert), first: None, last: None, ..incident }
    }

    /// Summarizes the incidents of a caller, which must be in order of severity. Returns `None` if there are none.
    pub(super) fn of_caller(dedup_key: DedupKey, incidents: &[&Self]) -> Option<Self> {
        let (most_severe, _) = incidents.split_first()?;
        let contributions = incidents.iter().map(|it| (Arc::from(it.dedup_key.to_string()), 1)).collect();
        let mut actions = Tally { max_kept: MAX_KEPT_ACTIONS, ..Tally::default() };
        let mut summary =
            Self { dedup_key, count: incidents.len() as u64, total: incidents.len() as u64, ..(*most_severe).clone() };
        for incident in incidents {
            actions.add(Some(&incident.finding.action()));
            summary.extend_period(incident.first.as_deref());
            summary.extend_period(incident.last.as_deref());
            summary.regions.merge(&incident.regions);
            summary.resources.merge(&incident.resources);
            summary.functions.merge(&incident.functions);
        }
        summary.scope = Scope::Caller { contributions, actions };
        Some(summary)
    }

    /// Adds a finding. `events` is the number of distinct events in its log object so far. Returns the number of new
    /// values in the tallies.
    pub(super) fn add(&mut self, finding: &Finding, object: &Arc<str>, events: u64) -> usize {
        let event = &finding.event;
        self.count += 1;
        self.total = self.count;
        if let Scope::Cause { contributions } = &mut self.scope {
            contributions.insert(Arc::clone(object), events);
        }
        self.extend_period(event.time.as_deref());
        let new = [
            self.regions.add(event.region.as_deref()),
            self.functions.add(event.function_name.as_deref()),
            self.resources.add(resource(finding)),
        ];
        new.into_iter().filter(|it| *it).count()
    }

    /// Drops the number of events in each log object, which only the ledger needs.
    pub(super) fn drop_contributions(&mut self) {
        if let Scope::Cause { contributions } = &mut self.scope {
            contributions.clear();
        }
    }

    /// Extends the period to include `time`. The lexical order of event times is chronological.
    fn extend_period(&mut self, time: Option<&str>) {
        let Some(time) = time else { return };
        if self.first.as_deref().is_none_or(|first| time < first) {
            self.first = Some(time.to_owned());
        }
        if self.last.as_deref().is_none_or(|last| time > last) {
            self.last = Some(time.to_owned());
        }
    }

    /// Sets the context. If the record of a stopped mapping lacks names, they are taken from the context.
    pub(crate) fn set_context(&mut self, context: Context) {
        if let (FindingKind::EsmDisabled(esm), Some(mapping)) = (&mut self.finding.kind, &context.mapping) {
            let function =
                mapping.function_arn.as_deref().and_then(Arn::parse).filter(|it| it.function_name().is_some());
            if let (None, Some(function)) = (&esm.function_arn, function) {
                esm.function_arn = Some(function.text.to_owned());
                if self.finding.event.function_name.is_none() {
                    self.finding.event.function_name = function.function_name().map(str::to_owned);
                    self.functions.add(function.function_name());
                }
            }
            let source = mapping.event_source_arn.as_deref().and_then(Arn::parse);
            esm.event_source_arn = esm.event_source_arn.take().or_else(|| source.map(|it| it.text.to_owned()));
        }
        self.context = Some(context);
    }

    /// Orders incidents by severity, most severe first, and then by time.
    pub(super) fn cmp_urgency(&self, other: &Self) -> Ordering {
        let severity = other.finding.severity().cmp(&self.finding.severity());
        severity.then_with(|| self.first.cmp(&other.first))
    }

    /// Identifies the alert for people and machines. A resolution, a follow-up and a reminder have the ID of the alert
    /// about the stop.
    #[must_use]
    pub fn alert_id(&self) -> DedupKey {
        match self.lifecycle {
            _ if matches!(self.scope, Scope::Mappings { .. }) => self.dedup_key,
            Some(Lifecycle::Resolves(stop) | Lifecycle::Reminder(stop, _)) => stop.alert,
            Some(Lifecycle::Open | Lifecycle::OverSince(_) | Lifecycle::Reported { .. }) | None => {
                self.follows_up.unwrap_or(self.dedup_key)
            }
        }
    }

    /// The type of alert. An incident that resolves a stop belongs to the alert about it.
    #[must_use]
    pub fn alert_type(&self) -> &'static str {
        match self.finding.kind {
            FindingKind::EsmChanged(_) if self.resolves() => "esm_disabled",
            _ => self.finding.alert_type(),
        }
    }

    /// How urgent it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.resolves() || self.follows_up.is_some() { Severity::Low } else { self.finding.severity() }
    }

    /// Whether the mapping is stopped or failing; `None` if the incident is not about a stopped or failing mapping.
    #[must_use]
    pub fn status(&self) -> Option<&'static str> {
        match (&self.finding.kind, self.lifecycle) {
            (_, Some(Lifecycle::Resolves(_) | Lifecycle::OverSince(_))) => Some("resolved"),
            (_, Some(Lifecycle::Reminder(..))) => Some("reminder"),
            (
                FindingKind::EsmDisabled(_) | FindingKind::EsmFailing(_),
                Some(Lifecycle::Open | Lifecycle::Reported { .. }) | None,
            ) => Some("open"),
            (_, Some(Lifecycle::Open | Lifecycle::Reported { .. }) | None) => None,
        }
    }

    /// In a resolution or a reminder: when the mapping stopped or began to fail.
    #[must_use]
    pub fn stopped_at(&self) -> Option<String> {
        match self.lifecycle {
            _ if matches!(self.scope, Scope::Mappings { .. }) => None,
            Some(Lifecycle::Resolves(stop) | Lifecycle::Reminder(stop, _)) => Some(stop.at.to_string()),
            Some(Lifecycle::Open | Lifecycle::OverSince(_) | Lifecycle::Reported { .. }) | None => None,
        }
    }

    /// When the mapping was enabled or deleted, or began to process its source again.
    #[must_use]
    pub fn ended_at(&self) -> Option<String> {
        match self.lifecycle {
            Some(Lifecycle::Resolves(_)) => self.finding.event.time.clone(),
            Some(Lifecycle::OverSince(ended)) => Some(ended.to_string()),
            Some(Lifecycle::Open | Lifecycle::Reported { .. } | Lifecycle::Reminder(..)) | None => None,
        }
    }

    fn resolves(&self) -> bool {
        matches!(self.lifecycle, Some(Lifecycle::Resolves(_)))
    }

    /// The key of the incident's entry in the ledger.
    #[must_use]
    pub fn ledger_key(&self) -> LedgerKey {
        LedgerKey { dedup_key: self.dedup_key, window: self.window }
    }

    /// The contributions to the incident's count; `None` for a single event.
    #[must_use]
    pub fn contributions(&self) -> Option<&Contributions> {
        match &self.scope {
            Scope::Event | Scope::Mappings { .. } => None,
            Scope::Cause { contributions } | Scope::Caller { contributions, .. } => Some(contributions),
        }
    }

    /// The highest alert threshold that the total reaches; 0 if it reaches none.
    #[must_use]
    pub fn threshold(&self) -> u64 {
        match self.scope {
            Scope::Event | Scope::Mappings { .. } => 1,
            Scope::Cause { .. } => alert_threshold(self.total),
            Scope::Caller { .. } => summary_threshold(self.total),
        }
    }

    /// The next alert threshold; `None` for a single event.
    #[must_use]
    pub fn next_threshold(&self) -> Option<u64> {
        match self.scope {
            Scope::Event | Scope::Mappings { .. } => None,
            Scope::Cause { .. } => Some(next_alert_threshold(self.total)),
            Scope::Caller { .. } => Some(next_summary_threshold(self.total)),
        }
    }
}

fn resource(finding: &Finding) -> Option<&str> {
    match &finding.kind {
        FindingKind::AccessDenied(denied) => denied.resource.as_deref(),
        _ => None,
    }
}

/// Distinct values: the first few in order of arrival, and the number of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    kept: Vec<String>,
    max_kept: usize,
    /// Hashes of all values.
    seen: HashSet<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { kept: Vec::new(), max_kept: MAX_KEPT, seen: HashSet::new() }
    }
}

impl Tally {
    /// The first values: up to ten, or up to twenty actions in the summary of a caller.
    #[must_use]
    pub fn kept(&self) -> &[String] {
        &self.kept
    }

    /// The number of distinct values, up to ten thousand.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seen.len()
    }

    /// The number of values that were counted but not kept.
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

    /// Adds a value. Returns true if it is new.
    fn add(&mut self, value: Option<&str>) -> bool {
        let Some(value) = value else { return false };
        let is_new = self.count_hash(BuildHasherDefault::<DefaultHasher>::default().hash_one(value));
        if is_new && self.kept.len() < self.max_kept {
            self.kept.push(value.to_owned());
        }
        is_new
    }

    /// Adds all values of another tally.
    fn merge(&mut self, other: &Self) {
        other.kept.iter().for_each(|value| {
            self.add(Some(value));
        });
        other.seen.iter().for_each(|hash| {
            self.count_hash(*hash);
        });
    }

    fn count_hash(&mut self, hash: u64) -> bool {
        self.seen.len() < MAX_DISTINCT && self.seen.insert(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_tallies_counts_each_value_once() {
        let tally = |values: std::ops::Range<u32>| {
            let mut tally = Tally::default();
            values.for_each(|n| {
                tally.add(Some(&n.to_string()));
            });
            tally
        };
        let mut merged = tally(0..8);
        merged.merge(&tally(6..30));
        assert_eq!((merged.count(), merged.kept().len()), (30, 10));
        assert_eq!(merged.kept(), tally(0..10).kept());
    }

    #[test]
    fn a_tally_counts_ten_thousand_values_and_keeps_ten() {
        let mut tally = Tally::default();
        let new = (0..=MAX_DISTINCT).filter(|n| tally.add(Some(&n.to_string()))).count();
        assert_eq!((new, tally.count()), (10_000, 10_000));
        assert_eq!((tally.kept().len(), tally.more()), (10, 9_990));
    }
}
