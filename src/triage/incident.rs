//! What one alert is about.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use super::threshold::{alert_threshold, next_alert_threshold, next_summary_threshold, summary_threshold};
use super::{DedupKey, LedgerKey, Window};
use crate::detect::{Finding, FindingKind};

/// Values that a [`Tally`] keeps; it counts all.
const KEPT: usize = 10;
/// Actions that the summary of a caller keeps.
const KEPT_ACTIONS: usize = 20;
/// Distinct values that a [`Tally`] distinguishes.
const DISTINCT: usize = 10_000;

/// What one alert is about: a finding, several findings with one cause, or the cases of one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// What identifies it in the ledger.
    pub dedup_key: DedupKey,
    /// The window in which its events are counted; `None` if it is a single event, or its events have no time.
    pub window: Option<Window>,
    /// What it covers.
    pub scope: Scope,
    /// The first finding; in a summary of a caller, the most severe one.
    pub finding: Finding,
    /// Findings in this invocation; in a summary of a caller, cases.
    pub count: u64,
    /// Findings in the window so far, including those of earlier log objects; in a summary of a caller, cases.
    pub total: u64,
    /// Earliest time of an event.
    pub first: Option<String>,
    /// Latest time of an event.
    pub last: Option<String>,
    /// Regions of the events.
    pub regions: Tally,
    /// Resources, as denial messages name them.
    pub resources: Tally,
    /// Functions that the events are about.
    pub functions: Tally,
    /// It is fictitious and tests alert delivery.
    pub is_test: bool,
}

/// What an incident covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One event about an event source mapping.
    Event,
    /// Events with one cause.
    Cause {
        /// Distinct events of each log object.
        contributions: Contributions,
    },
    /// The cases of a caller that has too many of them to alert each one.
    Caller {
        /// The cases, each once.
        contributions: Contributions,
        /// The denied actions, as far as this invocation found them.
        actions: Tally,
    },
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
            is_test: false,
            finding,
        }
    }

    /// The summary about the caller of these cases, which are in order of severity; `None` without a case.
    pub(super) fn of_caller(dedup_key: DedupKey, cases: &[&Self]) -> Option<Self> {
        let (worst, _) = cases.split_first()?;
        let contributions = cases.iter().map(|case| (Arc::from(case.dedup_key.to_string()), 1)).collect();
        let mut actions = Tally { kept_at_most: KEPT_ACTIONS, ..Tally::default() };
        let mut summary = Self {
            dedup_key,
            scope: Scope::Event,
            count: cases.len() as u64,
            total: cases.len() as u64,
            ..(*worst).clone()
        };
        for case in cases {
            actions.add(Some(&case.finding.action()));
            summary.extend_period(case.first.as_deref());
            summary.extend_period(case.last.as_deref());
            summary.regions.merge(&case.regions);
            summary.resources.merge(&case.resources);
            summary.functions.merge(&case.functions);
        }
        summary.scope = Scope::Caller { contributions, actions };
        Some(summary)
    }

    /// Adds a finding. `events` is the number of distinct events in its log object so far. Returns how many values were
    /// new.
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

    /// Times are written so that lexical order is chronological order.
    fn extend_period(&mut self, time: Option<&str>) {
        let Some(time) = time else { return };
        if self.first.as_deref().is_none_or(|first| time < first) {
            self.first = Some(time.to_owned());
        }
        if self.last.as_deref().is_none_or(|last| time > last) {
            self.last = Some(time.to_owned());
        }
    }

    /// The most severe first, then by time.
    pub(super) fn cmp_urgency(&self, other: &Self) -> Ordering {
        let severity = other.finding.severity().cmp(&self.finding.severity());
        severity.then_with(|| self.first.cmp(&other.first))
    }

    /// The key of its entry in the ledger.
    #[must_use]
    pub fn ledger_key(&self) -> LedgerKey {
        LedgerKey { dedup_key: self.dedup_key, window: self.window }
    }

    /// The contributions to its count; `None` for a single event.
    #[must_use]
    pub fn contributions(&self) -> Option<&Contributions> {
        match &self.scope {
            Scope::Event => None,
            Scope::Cause { contributions } | Scope::Caller { contributions, .. } => Some(contributions),
        }
    }

    /// The highest alert threshold that its total reaches; 0 if it reaches none.
    #[must_use]
    pub fn threshold(&self) -> u64 {
        match self.scope {
            Scope::Event => 1,
            Scope::Cause { .. } => alert_threshold(self.total),
            Scope::Caller { .. } => summary_threshold(self.total),
        }
    }

    /// The next alert threshold; `None` for a single event.
    #[must_use]
    pub fn next_threshold(&self) -> Option<u64> {
        match self.scope {
            Scope::Event => None,
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

/// Distinct values: the first ones in order of arrival, and the number of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    kept: Vec<String>,
    kept_at_most: usize,
    /// Hashes of all.
    seen: HashSet<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { kept: Vec::new(), kept_at_most: KEPT, seen: HashSet::new() }
    }
}

impl Tally {
    /// The first values: ten, or twenty actions of a caller.
    #[must_use]
    pub fn kept(&self) -> &[String] {
        &self.kept
    }

    /// How many there are; a lower bound above ten thousand.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seen.len()
    }

    /// How many there are besides those kept.
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
        let is_new = self.see(BuildHasherDefault::<DefaultHasher>::default().hash_one(value));
        if is_new && self.kept.len() < self.kept_at_most {
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
            self.see(*hash);
        });
    }

    fn see(&mut self, hash: u64) -> bool {
        self.seen.len() < DISTINCT && self.seen.insert(hash)
    }
}
