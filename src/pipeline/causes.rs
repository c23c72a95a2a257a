//! Names the likely causes of stopped mappings, and records changes that may have caused other stops.

use super::invocation::Running;
use crate::clock::{Clock, time_between};
use crate::enrich::ContextSource;
use crate::publish::Topic;
use crate::trail::ObjectSource;
use crate::triage::{Audience, Causes, Considered, Due, Ledger, LedgerBudget, Lifecycle, MappingStates};

impl<S: ObjectSource, T: Topic, L: Ledger + MappingStates + Causes, C: Clock, A: ContextSource>
    Running<'_, S, T, L, C, A>
{
    /// Adds the likely causes to incidents about stopped mappings. The search uses time of the ledger budget, so it
    /// does not increase the maximum delay of alerts.
    pub(super) async fn name_causes(&self, due: &mut [Due], budget: &LedgerBudget) -> Considered {
        if !self.searches_causes() {
            return Considered::default();
        }
        let started = self.pipeline.clock.now();
        let considered = self.causes.name_causes(due, budget.left()).await;
        budget.spend(time_between(started, self.pipeline.clock.now()));
        considered
    }

    /// Records the changes that were found, and publishes follow-ups of alerts about stops that they may have caused.
    /// Alerts about findings do not wait for this.
    pub(super) async fn record_changes(&self) {
        if !self.searches_causes() {
            return;
        }
        let due = self.causes.record_changes(&self.topics).await;
        if due.is_empty() {
            return;
        }
        let budget = self.deduplication.budget();
        let mut follow_ups = Vec::new();
        for mut due in due {
            // The mapping may have been enabled since.
            let mut incident = self.deduplication.look_up(due.incident, budget).await;
            if let Some(Lifecycle::Reported { ended: Some(ended) }) = incident.lifecycle {
                incident.lifecycle = Some(Lifecycle::OverSince(ended));
            }
            due.incident = incident;
            follow_ups.push(due.with_own_key());
        }
        self.state.borrow_mut().outcome.counters.incidents += follow_ups.len() as u64;
        self.publish_due(follow_ups, budget).await;
    }

    /// A scan of old log objects, whose alerts go only to machines, does not search for causes: old changes explain no
    /// recent stop.
    pub(super) fn searches_causes(&self) -> bool {
        self.pipeline.detector.causes && self.audience == Audience::All
    }
}
