//! Publishes the alerts that are due.

use std::time::Duration;

use super::invocation::Running;
use crate::alert::Alert;
use crate::clock::Clock;
use crate::enrich::ContextSource;
use crate::publish::{self, Topic};
use crate::trail::ObjectSource;
use crate::triage::{Audience, Candidate, Causes, Due, Ledger, LedgerBudget, Lifecycle, MappingStates, Verdict};

/// Maximum number of incidents whose alerts are rendered and published together.
const PUBLISH_CHUNK: usize = 200;
/// The first pause before the lease of another invocation is checked again. It doubles each time, up to
/// [`LONGEST_LEASE_PAUSE`].
const LEASE_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_LEASE_PAUSE: Duration = Duration::from_millis(500);

impl<S: ObjectSource, T: Topic, L: Ledger + MappingStates + Causes, C: Clock, A: ContextSource>
    Running<'_, S, T, L, C, A>
{
    /// Publishes the alerts about mappings found so far. They do not wait for other alerts, and only briefly for the
    /// ledger.
    pub(super) async fn publish_mappings(&self) {
        let mappings = self.state.borrow_mut().triage.take_mappings();
        let mut mappings = self.deduplication.follow(mappings, &self.mapping_budget).await;
        let found = mappings.len();
        mappings.retain(|it| !matches!(it.lifecycle, Some(Lifecycle::Reported { .. })));
        {
            let counters = &mut self.state.borrow_mut().outcome.counters;
            let reported = (found - mappings.len()) as u64;
            counters.incidents += reported;
            counters.incidents_known += reported;
        }
        self.publish_candidates(self.deduplication.events(mappings), &self.mapping_budget).await;
        self.publish_resolutions().await;
    }

    /// Publishes the alerts about changes that end a stop. The other changes are no findings. Their number does not delay
    /// alerts about mappings, and they do not use the budget of these alerts.
    async fn publish_resolutions(&self) {
        let changes = self.state.borrow_mut().triage.take_changes();
        let budget = self.deduplication.budget();
        let mut resolving = self.deduplication.follow(changes, budget).await;
        resolving.retain(|it| matches!(it.lifecycle, Some(Lifecycle::Resolves(_))));
        for incident in &resolving {
            self.state.borrow_mut().count(&incident.finding);
        }
        self.publish_candidates(self.deduplication.events(resolving), budget).await;
    }

    /// Publishes the alerts that are due for everything found so far.
    pub(super) async fn publish_incidents(&self) {
        self.publish_mappings().await;
        let incidents = self.state.borrow_mut().triage.take_incidents();
        let budget = self.deduplication.budget();
        let counted = self.deduplication.count(incidents, budget).await;
        {
            let counters = &mut self.state.borrow_mut().outcome.counters;
            counters.incidents += counted.summarized;
            counters.incidents_summarized += counted.summarized;
        }
        self.publish_candidates(counted.candidates, budget).await;
    }

    /// Publishes the alerts that are due. If another invocation holds the lease on an alert, waits until it has
    /// recorded the alert or the lease has expired.
    pub(super) async fn publish_candidates(&self, mut waiting: Vec<Candidate>, budget: &LedgerBudget) {
        let mut pause = LEASE_PAUSE;
        loop {
            let mut held = Vec::new();
            while !waiting.is_empty() {
                let rest = waiting.split_off(waiting.len().min(PUBLISH_CHUNK));
                let chunk = std::mem::replace(&mut waiting, rest);
                let due = self.claim(chunk, &mut held, budget).await;
                self.publish_due(due, budget).await;
            }
            if held.is_empty() {
                return;
            }
            budget.spend(pause);
            self.pipeline.clock.sleep(pause).await;
            pause = (2 * pause).min(LONGEST_LEASE_PAUSE);
            waiting = held;
        }
    }

    /// Asks the ledger which alerts are due. Candidates whose lease another invocation holds are added to `held`.
    async fn claim(&self, chunk: Vec<Candidate>, held: &mut Vec<Candidate>, budget: &LedgerBudget) -> Vec<Due> {
        let verdicts = self.deduplication.claim_all(chunk, &self.topics, budget).await;
        let mut due = Vec::new();
        let counters = &mut self.state.borrow_mut().outcome.counters;
        for verdict in verdicts {
            match verdict {
                Verdict::Held(candidate) => held.push(candidate),
                Verdict::Due(alert) => {
                    counters.incidents += 1;
                    due.push(alert);
                }
                Verdict::Known => {
                    counters.incidents += 1;
                    counters.incidents_known += 1;
                }
            }
        }
        due
    }

    /// Publishes alerts, and records in the ledger which topics confirmed them. A scan of old log objects does not look
    /// up the present state of mappings.
    pub(super) async fn publish_due(&self, mut due: Vec<Due>, budget: &LedgerBudget) {
        if self.audience == Audience::All {
            self.enrichment.add_context(due.iter_mut().map(|it| &mut it.incident)).await;
        }
        let considered = self.name_causes(&mut due, budget).await;
        let alerts: Vec<_> = due.iter().map(|it| (Alert::of(&it.incident), it.topics.as_slice())).collect();
        let published = publish::publish(&self.pipeline.topics, &alerts, &self.pipeline.clock).await;
        let confirmed = due.iter().zip(&published).filter(|(_, it)| !it.confirmed.is_empty());
        let confirmed: Vec<_> = confirmed.map(|(due, it)| (due, it.confirmed.as_slice())).collect();
        let now = self.pipeline.clock.now();
        self.deduplication.record_all(&confirmed, budget).await;
        self.causes.record_considered(&confirmed, &considered).await;
        let outcome = &mut self.state.borrow_mut().outcome;
        for (due, _) in due.iter().zip(&published).filter(|(_, it)| it.failures.is_empty()) {
            outcome.lag.add_alert(due.incident.last.as_deref(), now);
        }
        outcome.count_published(published);
    }
}
