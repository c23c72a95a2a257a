//! The way from an invocation's payload to published alerts, and what a failure on it means.
//!
//! One failure holds up nothing else: the other parts of the payload, the other objects and what
//! was found in front of a fault go on to alerts. Then the invocation fails and names all that
//! failed, so that the retry, and at last the on-failure queue, gets it. A retry may repeat an
//! alert; nothing is lost.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{self, Either, FutureExt as _, Shared};
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;

use crate::alert::Alert;
use crate::delivery::{self, Accepted, Delivery};
use crate::detect::{Detector, Finding, FindingKind};
use crate::outcome::{Answer, ObjectFailure, Outcome, ReadError, UnreadableError, UnreadableRecord};
use crate::ports::{AlertSink, Ledger, ObjectBody, ObjectSource, ServiceError};
use crate::publish::{self, Topics};
use crate::rules::SuppressRule;
use crate::telemetry::Counters;
use crate::test_alert;
use crate::trail::{Entry, Limits, LogObject, RecordReader};
use crate::triage::{self, Audience, Decision, Incident, Triage, WindowLength, suppressing_rule};

/// Unreadable records that a failure names for one object; it counts all.
const NAMED_RECORDS: usize = 10;
/// Calls of the ledger that are made at the same time.
const LEDGER_CALLS: usize = 16;
/// Incidents whose alerts are written and published at once.
const TOLD_AT_ONCE: usize = 200;
/// Where a record was found that came in the payload.
const INLINE: &str = "none yet: the event came through EventBridge";

/// The pipeline with its ports.
#[derive(Debug)]
pub struct Pipeline<S, A, L> {
    /// What a payload may be about.
    pub accepted: Accepted,
    /// What is looked for.
    pub detector: Detector,
    /// What is found and not wanted.
    pub suppress: Vec<SuppressRule>,
    /// Bounds of what is read of one object.
    pub limits: Limits,
    /// Objects that are read at the same time.
    pub object_concurrency: usize,
    /// How long the windows are in which denials are counted.
    pub windows: WindowLength,
    /// Where log objects are read from.
    pub source: S,
    /// Where alerts are published.
    pub topics: Topics<A>,
    /// What keeps account of what was found and told.
    pub ledger: L,
}

impl<S: ObjectSource, A: AlertSink, L: Ledger> Pipeline<S, A, L> {
    /// Handles the payload of one invocation. When `time_up` comes, reading ends: what was found is published, and the
    /// objects that were not read to their end fail.
    pub async fn run(&self, payload: &str, now: Timestamp, time_up: impl Future<Output = ()>) -> Outcome {
        let delivery = delivery::decode(payload, &self.accepted);
        if delivery.is_test {
            return self.test(now).await;
        }
        let audience = if delivery.job.is_some() { Audience::Machines } else { Audience::All };
        let gathered = RefCell::new(Gathered::new(Triage::new(audience, self.windows)));
        self.read_all(&delivery, &gathered, &time_up.shared()).await;
        self.tell(&gathered).await;
        gathered.into_inner().outcome(delivery)
    }

    async fn read_all<T: Future<Output = ()>>(
        &self,
        delivery: &Delivery,
        gathered: &RefCell<Gathered>,
        time_up: &Shared<T>,
    ) {
        delivery.records.iter().for_each(|record| self.examine_inline(record, &mut gathered.borrow_mut()));
        stream::iter(&delivery.objects)
            .for_each_concurrent(self.object_concurrency, |object| self.read(object, gathered, time_up))
            .await;
    }

    /// Reads an object to its end, and gives what is found in it to triage.
    async fn read<T: Future<Output = ()>>(
        &self,
        object: &LogObject,
        gathered: &RefCell<Gathered>,
        time_up: &Shared<T>,
    ) {
        let mut reading = Reading { pipeline: self, name: object.to_string().into(), unreadable: Vec::new(), count: 0 };
        let end = self.read_entries(object, &mut reading, gathered, time_up).await.err();
        let Reading { unreadable, count, name, .. } = reading;
        let Gathered { outcome, triage, .. } = &mut *gathered.borrow_mut();
        triage.end_of(&name);
        outcome.counters.objects += 1;
        if end.is_none() && count == 0 {
            outcome.counters.objects_read += 1;
        } else {
            outcome.counters.objects_failed += 1;
            outcome.objects.push(ObjectFailure { object: object.clone(), unreadable, count, end });
        }
    }

    async fn read_entries<T: Future<Output = ()>>(
        &self,
        object: &LogObject,
        reading: &mut Reading<'_, S, A, L>,
        gathered: &RefCell<Gathered>,
        time_up: &Shared<T>,
    ) -> Result<(), ReadError> {
        let mut body = before(time_up, self.source.open(object)).await?;
        let reader = gathered.borrow_mut().readers.pop();
        let mut reader = reader.unwrap_or_else(|| RecordReader::new(self.limits));
        let mut read = async || {
            while let Some(chunk) = before(time_up, body.next_chunk()).await? {
                reader.push(&chunk, |entry| reading.examine(entry, &mut gathered.borrow_mut()))?;
                if gathered.borrow().triage.is_full() {
                    self.tell(gathered).await;
                }
            }
            Ok(reader.finish()?)
        };
        let end = read().await;
        let Gathered { outcome, readers, .. } = &mut *gathered.borrow_mut();
        outcome.counters.inflated_bytes += reader.inflated_bytes();
        reader.reset();
        readers.push(reader);
        end
    }

    /// A record that came in the payload comes in a log object too. What cannot wait for that is found here.
    fn examine_inline(&self, record: &str, gathered: &mut Gathered) {
        gathered.outcome.counters.inline_records += 1;
        let examined = self.detector.examine(record.as_bytes(), &Arc::from(INLINE)).unwrap_or_default();
        let urgent = |it: &Finding| matches!(it.kind, FindingKind::EsmDisabled(_) | FindingKind::EsmChanged(_));
        let urgent = examined.findings.into_iter().filter(urgent);
        urgent.for_each(|finding| gathered.take(finding, record.as_bytes(), &self.suppress));
    }

    /// Publishes the alerts that are due about what triage holds.
    async fn tell(&self, gathered: &RefCell<Gathered>) {
        let audience = gathered.borrow().triage.audience();
        let mut incidents = gathered.borrow_mut().triage.take_incidents().into_iter();
        loop {
            let some: Vec<_> = incidents.by_ref().take(TOLD_AT_ONCE).collect();
            if some.is_empty() {
                return;
            }
            let due = self.due(some, gathered).await;
            self.publish(audience, &due, gathered).await;
        }
    }

    /// Enters incidents into the ledger; returns those that an alert is due about, and of how many events it tells.
    async fn due(&self, incidents: Vec<Incident>, gathered: &RefCell<Gathered>) -> Vec<(Incident, u64)> {
        let decide = async |mut incident| {
            let decision = triage::decide(&self.ledger, &mut incident).await;
            (incident, decision)
        };
        let decided: Vec<_> = stream::iter(incidents).map(decide).buffered(LEDGER_CALLS).collect().await;
        let outcome = &mut gathered.borrow_mut().outcome;
        let mut due = Vec::new();
        for (incident, Decision { due: step, error }) in decided {
            outcome.counters.incidents += 1;
            if let Some(error) = error {
                outcome.ledger_error(error);
            }
            match step {
                Some(step) => due.push((incident, step)),
                None => outcome.counters.incidents_known += 1,
            }
        }
        due
    }

    /// Publishes an alert about each incident, and notes in the ledger what was published.
    async fn publish(&self, audience: Audience, due: &[(Incident, u64)], gathered: &RefCell<Gathered>) {
        let alerts: Vec<_> = due.iter().map(|(incident, _)| Alert::of(incident)).collect();
        let results = publish::publish(&self.topics.of(audience), &alerts).await;
        let published = due.iter().zip(&results).filter(|(_, result)| result.is_ok());
        let note =
            async |((incident, step), _): (&(Incident, u64), _)| self.ledger.raise_alerted(incident, *step).await;
        let notes: Vec<_> = stream::iter(published).map(note).buffered(LEDGER_CALLS).collect().await;
        let outcome = &mut gathered.borrow_mut().outcome;
        notes.into_iter().filter_map(Result::err).for_each(|error| outcome.ledger_error(error));
        outcome.count_alerts(results);
    }

    /// Publishes a test alert of each kind, without regard to what was told before.
    async fn test(&self, now: Timestamp) -> Outcome {
        let incidents = test_alert::incidents(self.topics.alert.arn(), now);
        let alerts: Vec<_> = incidents.iter().map(Alert::of).collect();
        let topics = self.topics.of(Audience::All);
        let results = publish::publish(&topics, &alerts).await;
        let confirmed = alerts.iter().zip(&results).filter(|(_, result)| result.is_ok());
        let published = confirmed.map(|(alert, _)| alert.subject.clone()).collect();
        let subscriptions = topics.iter().map(async |(_, topic)| (topic.arn(), topic.subscriptions().await));
        let subscriptions = future::join_all(subscriptions).await;
        let warnings =
            subscriptions.into_iter().filter_map(|(topic, found)| test_alert::warning(topic, &found)).collect();
        let mut outcome = Outcome { answer: Answer::Test { published, warnings }, ..Outcome::default() };
        outcome.counters.incidents = incidents.len() as u64;
        outcome.count_alerts(results);
        outcome
    }
}

/// Waits for a service, but not beyond the time. Only such waits end early: what is being published is not cut off.
async fn before<V>(
    time_up: &Shared<impl Future<Output = ()>>,
    call: impl Future<Output = Result<V, ServiceError>>,
) -> Result<V, ReadError> {
    match future::select(pin!(call), time_up.clone()).await {
        Either::Left((result, _)) => Ok(result?),
        Either::Right(((), _)) => Err(ReadError::OutOfTime),
    }
}

/// What the objects of an invocation come to. Objects are read at the same time, but on one thread, and none keeps this
/// across a wait.
#[derive(Debug)]
struct Gathered {
    triage: Triage,
    outcome: Outcome,
    /// Readers that have read an object, for the next ones.
    readers: Vec<RecordReader>,
}

impl Gathered {
    fn new(triage: Triage) -> Self {
        Self { triage, outcome: Outcome::default(), readers: Vec::new() }
    }

    /// What the invocation came to.
    fn outcome(self, delivery: Delivery) -> Outcome {
        let Self { triage, mut outcome, .. } = self;
        let Delivery { objects, skipped, problems, messages, job, .. } = delivery;
        outcome.counters.skipped = skipped;
        outcome.counters.repeated = triage.repeated();
        outcome.counters.payload_problems = problems.len() as u64;
        outcome.payload = problems;
        outcome.objects.sort_by_key(|failure| objects.iter().position(|it| *it == failure.object));
        outcome.answer = match (messages, job) {
            (Some(messages), _) => Answer::FailedMessages(outcome.failed_messages(messages, &objects)),
            (None, Some(job)) => outcome.task_results(job, &objects),
            (None, None) => Answer::None,
        };
        outcome
    }
}

/// An object while it is read.
struct Reading<'a, S, A, L> {
    pipeline: &'a Pipeline<S, A, L>,
    name: Arc<str>,
    unreadable: Vec<UnreadableRecord>,
    count: u64,
}

impl<S, A, L> Reading<'_, S, A, L> {
    fn examine(&mut self, entry: Entry<'_>, gathered: &mut Gathered) {
        let counters = &mut gathered.outcome.counters;
        counters.records += 1;
        let (offset, bytes) = match entry {
            Entry::Record { offset, bytes } => (offset, bytes),
            Entry::Unreadable { offset, error } => return self.unreadable(offset, error.into(), counters),
        };
        match self.pipeline.detector.examine(bytes, &self.name) {
            Ok(examined) => {
                counters.records_selected += u64::from(examined.selected);
                counters.records_passed_over += u64::from(!examined.selected);
                let suppress = &self.pipeline.suppress;
                examined.findings.into_iter().for_each(|finding| gathered.take(finding, bytes, suppress));
            }
            Err(error) => self.unreadable(offset, error.into(), counters),
        }
    }

    fn unreadable(&mut self, offset: u64, source: UnreadableError, counters: &mut Counters) {
        counters.records_unreadable += 1;
        self.count += 1;
        if self.unreadable.len() < NAMED_RECORDS {
            self.unreadable.push(UnreadableRecord { offset, source });
        }
    }
}

impl Gathered {
    /// Counts a finding of a record, and hands it on unless a rule suppresses it.
    fn take(&mut self, finding: Finding, record: &[u8], suppress: &[SuppressRule]) {
        let Self { triage, outcome, .. } = self;
        outcome.counters.findings += 1;
        *match finding.kind {
            FindingKind::EsmDisabled(_) => &mut outcome.counters.disabled_mappings,
            FindingKind::EsmChanged(_) => &mut outcome.counters.changed_mappings,
            FindingKind::AccessDenied(_) => &mut outcome.counters.denials,
            FindingKind::Watched(_) => &mut outcome.counters.watched_events,
        } += 1;
        match suppressing_rule(suppress, &finding, record) {
            Some(rule) => {
                outcome.counters.suppressed += 1;
                *outcome.suppressed.entry(rule.name.clone()).or_default() += 1;
            }
            None => triage.add(finding),
        }
    }
}
