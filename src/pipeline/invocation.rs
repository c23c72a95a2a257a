//! The state of one invocation.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::wiring::{Invocation, Pipeline};
use crate::clock::Clock;
use crate::delivery::{PayloadError, Skipped};
use crate::detect::{Finding, FindingKind};
use crate::enrich::{ContextSource, Enrichment};
use crate::failure::Failures;
use crate::publish::{Published, Topic};
use crate::reply::Reply;
use crate::rules::Rules;
use crate::service::ServiceError;
use crate::telemetry::{Counters, FindingCounts, Lag, ObjectReport};
use crate::trail::{ObjectSource, RecordReader};
use crate::triage::{Audience, CauseSearch, Deduplication, Ledger, LedgerBudget, TopicRole, Triage, suppressing_rule};

/// Time limit of all ledger calls of an invocation for alerts about mappings. When it is used up, these alerts are
/// published without the ledger.
const MAPPING_LEDGER_TIME: Duration = Duration::from_secs(8);

/// What an invocation did, what failed, and the reply.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Counts of everything that happened.
    pub counters: Counters,
    /// The longest delays. Not measured for a job of S3 Batch Operations, which reads old log objects.
    pub lag: Lag,
    /// Number of findings by alert type and category.
    pub findings: FindingCounts,
    /// Number of suppressed findings, by the name of the rule.
    pub suppressed: BTreeMap<String, u64>,
    /// What the invocation found in each log object, in the order in which they were finished.
    pub objects: Vec<ObjectReport>,
    /// Everything that failed.
    pub failures: Failures,
    /// The first error of the context lookups. It does not fail the invocation: alerts are published without context.
    pub context_error: Option<ServiceError>,
    /// The first error of a lookup of likely causes, which are optional.
    pub cause_error: Option<ServiceError>,
    /// The first error of the ledger. It does not fail the invocation: alerts are published without the ledger.
    pub ledger_error: Option<ServiceError>,
    /// The reply.
    pub reply: Reply,
}

impl Outcome {
    /// The type of the error with which the invocation fails. `None` if nothing failed, or if the reply names what failed: SQS
    /// and S3 Batch Operations then retry only that.
    #[must_use]
    pub fn error_type(&self) -> Option<&'static str> {
        let is_named = match &self.reply {
            Reply::BatchItemFailures(ids) => !ids.is_empty(),
            Reply::JobResults { .. } => true,
            Reply::Empty | Reply::TestAlert { .. } | Reply::Silence { .. } | Reply::Sweep { .. } => false,
        };
        self.failures.error_type().filter(|_| !is_named)
    }

    pub(super) fn count_published(&mut self, published: Vec<Published>) {
        for Published { failures, .. } in published {
            self.counters.alerts += 1;
            self.counters.alerts_failed += u64::from(!failures.is_empty());
            self.counters.alerts_published += u64::from(failures.is_empty());
            self.failures.alerts.extend(failures);
        }
    }
}

/// A running invocation.
pub(super) struct Running<'a, S, T, L, C, A> {
    pub(super) pipeline: &'a Pipeline<S, T, L, C, A>,
    pub(super) rules: &'a Rules,
    without_rules: bool,
    pub(super) audience: Audience,
    /// The topics that receive the alerts.
    pub(super) topics: Vec<TopicRole>,
    pub(super) deduplication: Deduplication<'a, L, C>,
    pub(super) causes: CauseSearch<'a, L, C>,
    /// The ledger budget for all alerts about mappings.
    pub(super) mapping_budget: LedgerBudget,
    pub(super) enrichment: Enrichment<'a, A, C>,
    pub(super) state: RefCell<State>,
}

/// What an invocation has found and done so far. Objects are read concurrently on one thread. No borrow of the state is
/// held across an `.await`.
#[derive(Debug)]
pub(super) struct State {
    pub(super) triage: Triage,
    pub(super) outcome: Outcome,
    /// When the oldest object was stored, of those that were read completely.
    pub(super) oldest_object: Option<Timestamp>,
    /// Why heartbeats were not recorded.
    pub(super) heartbeat_error: Option<ServiceError>,
    /// Idle readers, for reuse.
    pub(super) readers: Vec<RecordReader>,
}

impl State {
    /// Counts a finding of a record, and adds it to triage unless a rule suppresses it.
    pub(super) fn add(&mut self, finding: Finding, record: &[u8], rules: &Rules) {
        self.count(&finding);
        match suppressing_rule(&rules.suppress, &finding, record) {
            Some(rule) => self.count_suppressed(&rule.name),
            None => self.triage.add(finding),
        }
    }

    /// Adds the change of a mapping, which becomes a finding if it ends a stop. A suppressed change never does.
    pub(super) fn add_change(&mut self, finding: Finding, record: &[u8], rules: &Rules) {
        if suppressing_rule(&rules.suppress, &finding, record).is_none() {
            self.triage.add_change(finding);
        }
    }

    /// Counts a finding that a rule suppressed.
    pub(super) fn count_suppressed(&mut self, rule: &str) {
        self.outcome.counters.suppressed += 1;
        *self.outcome.suppressed.entry(rule.to_owned()).or_default() += 1;
    }

    pub(super) fn count(&mut self, finding: &Finding) {
        let outcome = &mut self.outcome;
        outcome.counters.findings += 1;
        *match finding.kind {
            FindingKind::EsmDisabled(_) => &mut outcome.counters.disabled_mappings,
            FindingKind::EsmChanged(_) | FindingKind::EsmRecovered(_) => &mut outcome.counters.changed_mappings,
            FindingKind::EsmFailing(_) => &mut outcome.counters.failing_mappings,
            FindingKind::AccessDenied(_) => &mut outcome.counters.denials,
            FindingKind::Watched(_) => &mut outcome.counters.watched_events,
        } += 1;
        *outcome.findings.entry((finding.alert_type(), finding.category().to_owned())).or_default() += 1;
    }
}

impl<'a, S: ObjectSource, T: Topic, L: Ledger, C: Clock, A: ContextSource> Running<'a, S, T, L, C, A> {
    pub(super) fn new<F>(
        pipeline: &'a Pipeline<S, T, L, C, A>,
        audience: Audience,
        invocation: &Invocation<'a, F>,
    ) -> Self {
        let triage = Triage::new(audience, pipeline.windows);
        Self {
            pipeline,
            rules: invocation.rules,
            without_rules: invocation.without_rules,
            audience,
            topics: pipeline.topics.roles().filter(|role| audience.includes(*role)).collect(),
            deduplication: Deduplication::new(&pipeline.ledger, &pipeline.clock, audience, invocation.id),
            causes: CauseSearch::new(&pipeline.ledger, &pipeline.clock, invocation.id),
            mapping_budget: LedgerBudget::new(MAPPING_LEDGER_TIME),
            enrichment: Enrichment::new(&pipeline.api, &pipeline.clock, pipeline.context.as_ref()),
            state: RefCell::new(State {
                triage,
                outcome: Outcome::default(),
                oldest_object: None,
                heartbeat_error: None,
                readers: Vec::new(),
            }),
        }
    }

    /// Ends the invocation. `skipped` and `problems` are the parts of the payload that are neither log objects nor
    /// inline records.
    pub(super) fn finish(self, skipped: Skipped, problems: Vec<PayloadError>) -> Outcome {
        let ledger_errors = self.deduplication.errors();
        let context_errors = self.enrichment.into_errors();
        let cause_errors = self.causes.errors();
        let State { triage, mut outcome, oldest_object, heartbeat_error, .. } = self.state.into_inner();
        match (self.audience, oldest_object) {
            (Audience::All, Some(stored)) => outcome.lag.add_object(stored, self.pipeline.clock.now()),
            (Audience::Machines, _) => outcome.lag = Lag::default(),
            (Audience::All, None) => {}
        }
        outcome.counters.skipped = skipped;
        outcome.counters.repeated = triage.repeated();
        outcome.counters.payload_problems = problems.len() as u64;
        outcome.counters.ledger_errors = ledger_errors.count + u64::from(heartbeat_error.is_some());
        outcome.counters.context_errors = context_errors.count;
        outcome.context_error = context_errors.first;
        outcome.counters.cause_errors = cause_errors.count;
        outcome.cause_error = cause_errors.first;
        outcome.ledger_error = ledger_errors.first.or(heartbeat_error);
        outcome.failures.payload = problems;
        // Without objects, there was nothing for the rules to match.
        outcome.failures.without_rules = self.without_rules && outcome.counters.objects > 0;
        outcome
    }
}
