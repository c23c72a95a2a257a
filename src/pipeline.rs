//! From an invocation's payload to published alerts, and what a failure on the way means.
//!
//! One failure blocks nothing else: the other parts of the payload, the other objects and what was found before a fault
//! still lead to alerts. Then the invocation fails and names everything that failed, so that the retry, and finally the
//! dead-letter queue, receives it. A retry may repeat an alert; nothing is lost.

mod publishing;
mod reading;

use std::cell::RefCell;

use futures_util::future::{self, FutureExt as _};

use crate::alert::Alert;
use crate::delivery::{self, Accepted, Delivery};
use crate::detect::{Detector, Finding, FindingKind};
use crate::outcome::{Answer, Outcome};
use crate::ports::{AlertSink, Clock, ObjectSource};
use crate::publish::{self, Topics};
use crate::rules::Rules;
use crate::test_alert;
use crate::trail::{Limits, RecordReader};
use crate::triage::{
    Audience, Deduplication, Ledger, LedgerBudget, LedgerErrors, TopicRole, Triage, WindowLength, suppressing_rule,
};

/// The pipeline with its ports.
#[derive(Debug)]
pub struct Pipeline<S, A, L, C> {
    /// What a payload may be about.
    pub accepted: Accepted,
    /// Finds what matters in records.
    pub detector: Detector,
    /// Limits for reading one object.
    pub limits: Limits,
    /// How many objects are read concurrently.
    pub object_concurrency: usize,
    /// Length of the windows in which denials are counted.
    pub windows: WindowLength,
    /// Where log objects are read from.
    pub source: S,
    /// Where alerts are published.
    pub topics: Topics<A>,
    /// The deduplication state that all invocations share.
    pub ledger: L,
    /// The clock.
    pub clock: C,
}

/// The input of one invocation.
#[derive(Debug)]
pub struct Invocation<'a, T> {
    /// ID that no other running invocation has.
    pub id: &'a str,
    /// The payload.
    pub payload: &'a str,
    /// The user's rules that are in effect.
    pub rules: &'a Rules,
    /// No valid rules could be read: `rules` is empty although the user has some.
    pub without_rules: bool,
    /// Resolves when reading must end. What was found until then is published, and the objects that were not read to their
    /// end fail.
    pub time_up: T,
}

impl<S: ObjectSource, A: AlertSink, L: Ledger, C: Clock> Pipeline<S, A, L, C> {
    /// Handles one invocation.
    pub async fn run(&self, invocation: Invocation<'_, impl Future<Output = ()>>) -> Outcome {
        let Invocation { id, payload, rules, without_rules, time_up } = invocation;
        let delivery = delivery::decode(payload, &self.accepted);
        if delivery.is_test {
            return self.test().await;
        }
        let audience = if delivery.job.is_some() { Audience::Machines } else { Audience::All };
        let run = Run {
            pipeline: self,
            rules,
            topics: self.topics.roles().filter(|role| audience.includes(*role)).collect(),
            deduplication: Deduplication::new(&self.ledger, &self.clock, audience, id),
            mapping_budget: LedgerBudget::new(publishing::MAPPING_LEDGER_TIME),
            state: RefCell::new(InvocationState::new(Triage::new(audience, self.windows))),
        };
        run.examine_inline(&delivery.records);
        run.publish_mappings().await;
        run.read_all(&delivery.objects, time_up.shared()).await;
        run.publish_incidents().await;
        let errors = run.deduplication.errors();
        run.state.into_inner().outcome(delivery, errors, without_rules)
    }

    /// Publishes a test alert of each kind, regardless of earlier alerts.
    async fn test(&self) -> Outcome {
        let incidents = test_alert::incidents(self.topics.alert.arn(), self.clock.now());
        let roles: Vec<TopicRole> = self.topics.roles().collect();
        let alerts: Vec<_> = incidents.iter().map(|incident| (Alert::of(incident), roles.as_slice())).collect();
        let results = publish::publish(&self.topics, &alerts, &self.clock).await;
        let confirmed = alerts.iter().zip(&results).filter(|(_, result)| result.failures.is_empty());
        let published = confirmed.map(|((alert, _), _)| alert.subject.clone()).collect();
        let topics = roles.iter().filter_map(|role| self.topics.get(*role));
        let subscriptions =
            future::join_all(topics.map(async |topic| (topic.arn(), topic.subscriptions().await))).await;
        let warnings =
            subscriptions.into_iter().filter_map(|(topic, found)| test_alert::warning(topic, &found)).collect();
        let mut outcome = Outcome { answer: Answer::Test { published, warnings }, ..Outcome::default() };
        outcome.counters.incidents = incidents.len() as u64;
        outcome.count_alerts(results);
        outcome
    }
}

/// One invocation, while it runs.
struct Run<'a, S, A, L, C> {
    pipeline: &'a Pipeline<S, A, L, C>,
    rules: &'a Rules,
    /// The topics that alerts go to.
    topics: Vec<TopicRole>,
    deduplication: Deduplication<'a, L, C>,
    /// Time that the ledger may take for all alerts about mappings.
    mapping_budget: LedgerBudget,
    state: RefCell<InvocationState>,
}

/// What an invocation has found and done so far. Objects are read concurrently on one thread, and no borrow of this is
/// held across an `.await`.
#[derive(Debug)]
struct InvocationState {
    triage: Triage,
    outcome: Outcome,
    /// Idle readers, for reuse.
    readers: Vec<RecordReader>,
}

impl InvocationState {
    fn new(triage: Triage) -> Self {
        Self { triage, outcome: Outcome::default(), readers: Vec::new() }
    }

    /// Counts a finding of a record, and passes it to triage unless a rule suppresses it.
    fn take(&mut self, finding: Finding, record: &[u8], rules: &Rules) {
        let Self { triage, outcome, .. } = self;
        outcome.counters.findings += 1;
        *match finding.kind {
            FindingKind::EsmDisabled(_) => &mut outcome.counters.disabled_mappings,
            FindingKind::EsmChanged(_) => &mut outcome.counters.changed_mappings,
            FindingKind::AccessDenied(_) => &mut outcome.counters.denials,
            FindingKind::Watched(_) => &mut outcome.counters.watched_events,
        } += 1;
        match suppressing_rule(&rules.suppress, &finding, record) {
            Some(rule) => {
                outcome.counters.suppressed += 1;
                *outcome.suppressed.entry(rule.name.clone()).or_default() += 1;
            }
            None => triage.add(finding),
        }
    }

    fn outcome(self, delivery: Delivery, ledger: LedgerErrors, without_rules: bool) -> Outcome {
        let Self { triage, mut outcome, .. } = self;
        let Delivery { skipped, problems, messages, unnamed_messages, job, .. } = delivery;
        outcome.counters.skipped = skipped;
        outcome.counters.repeated = triage.repeated();
        outcome.counters.payload_problems = problems.len() as u64;
        outcome.counters.ledger_errors = ledger.count;
        outcome.ledger = ledger.first;
        outcome.payload = problems;
        // Without objects there was nothing to examine with the rules.
        outcome.without_rules = without_rules && outcome.counters.objects > 0;
        outcome.answer = match (messages, job) {
            (Some(messages), _) => outcome.queue_answer(messages, unnamed_messages),
            (None, Some(job)) => outcome.job_answer(job),
            (None, None) => Answer::None,
        };
        outcome
    }
}
