//! What one alert is about.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use super::{CaseId, Window};
use crate::detect::{Finding, FindingKind};

/// Values of a kind that an incident keeps; it counts all.
const KEPT: usize = 10;
/// Distinct values beyond which [`Tally`] no longer tells new ones from known ones.
const TOLD_APART: usize = 10_000;

/// What one alert is about: a finding, or several of one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// What the ledger knows it by.
    pub case: CaseId,
    /// The window in which its events are counted; `None` if it is no group, or its events have no time.
    pub window: Option<Window>,
    /// The first finding that came in.
    pub finding: Finding,
    /// Number of findings.
    pub count: u64,
    /// Number of findings in the window so far, with those of earlier log objects.
    pub total: u64,
    /// Distinct events that each log object has of it; empty if it is no group.
    pub contributions: BTreeMap<Arc<str>, u64>,
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
    /// It is invented, to test the way of an alert.
    pub is_test: bool,
}

impl Incident {
    pub(super) fn of(case: CaseId, window: Option<Window>, finding: Finding) -> Self {
        let event = &finding.event;
        Self {
            case,
            window,
            count: 1,
            total: 1,
            contributions: BTreeMap::new(),
            first: event.time.clone(),
            last: event.time.clone(),
            regions: Tally::of(event.region.as_deref()),
            resources: Tally::of(resource(&finding)),
            functions: Tally::of(event.function_name.as_deref()),
            is_test: false,
            finding,
        }
    }

    /// Returns how many values were new.
    pub(super) fn add(&mut self, finding: &Finding) -> usize {
        let event = &finding.event;
        self.count += 1;
        self.total = self.count;
        // Times are written so that their order as texts is their order.
        if let Some(time) = &event.time {
            if self.first.as_ref().is_none_or(|first| time < first) {
                self.first = Some(time.clone());
            }
            if self.last.as_ref().is_none_or(|last| time > last) {
                self.last = Some(time.clone());
            }
        }
        let new = [
            self.regions.add(event.region.as_deref()),
            self.functions.add(event.function_name.as_deref()),
            self.resources.add(resource(finding)),
        ];
        new.into_iter().filter(|it| *it).count()
    }

    /// True if it stands for a fingerprint, of which there may be more events.
    #[must_use]
    pub fn is_group(&self) -> bool {
        !self.contributions.is_empty()
    }
}

fn resource(finding: &Finding) -> Option<&str> {
    match &finding.kind {
        FindingKind::AccessDenied(denied) => denied.resource.as_deref(),
        _ => None,
    }
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
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(value);
        let is_new = self.seen.len() < TOLD_APART && self.seen.insert(hash);
        if is_new && self.kept.len() < KEPT {
            self.kept.push(value.to_owned());
        }
        is_new
    }
}
