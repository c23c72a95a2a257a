//! The lifecycle of an event source mapping that AWS disabled: it is stopped until a user enables or deletes it.
//!
//! The events may arrive late, twice and in any order. The shared state therefore keeps only the latest stop and the
//! latest end of each mapping, and each transition replaces an older one of its kind. Whichever event comes second finds
//! the other.

use jiff::Timestamp;

use super::audience::Audience;
use super::deduplication::{Deduplication, LedgerBudget};
use super::fingerprint::DedupKey;
use super::incident::Incident;
use super::ledger::Ledger;
use super::mapping_state::{Lifecycle, MappingKey, MappingState, MappingStates, Stop, Transition};
use crate::clock::{Clock, after, time_between};
use crate::detect::{EsmChange, Finding, FindingKind, is_uuid};

impl MappingKey {
    /// The mapping of a finding; `None` if the record does not identify it.
    fn of(finding: &Finding) -> Option<Self> {
        let uuid = match &finding.kind {
            FindingKind::EsmDisabled(esm) => esm.mapping_uuid.as_deref(),
            FindingKind::EsmChanged(esm) => esm.mapping_uuid.as_deref(),
            FindingKind::AccessDenied(_) | FindingKind::Watched(_) => None,
        };
        let uuid = uuid.filter(|uuid| is_uuid(uuid))?.to_ascii_lowercase();
        Some(Self { account: finding.event.account.clone()?, region: finding.event.region.clone()?, uuid })
    }
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
            FindingKind::AccessDenied(_) | FindingKind::Watched(_) => None,
        }
    }

    /// What the state after this transition says about the incident.
    fn lifecycle(self, state: MappingState) -> Option<Lifecycle> {
        match (self, state.stopped, state.ended) {
            (Self::Stopped(stop), _, Some(ended)) if ended > stop.at => Some(Lifecycle::OverSince(ended)),
            (Self::Stopped(_), _, _) => Some(Lifecycle::Open),
            (Self::Ended(at), Some(stop), Some(ended)) if ended == at && stop.at < at => {
                Some(Lifecycle::Resolves(stop))
            }
            (Self::Ended(_), _, _) => None,
        }
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
        let record = || self.ledger.record_transition(&mapping, transition);
        let state = self.call("ledger:RecordTransition", until, record).await;
        incident.lifecycle = state.and_then(|state| transition.lifecycle(state));
        if let (Some(Lifecycle::Resolves(_)), Transition::Ended(at)) = (incident.lifecycle, transition) {
            let MappingKey { account, region, uuid } = &mapping;
            incident.dedup_key = DedupKey::of_resolution(self.audience, [account, region, uuid], at);
        }
        incident
    }
}
