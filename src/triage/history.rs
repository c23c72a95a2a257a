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
