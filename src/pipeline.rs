//! The way from an invocation's payload to published alerts, and what a failure on it means.
//!
//! One failure holds up nothing else: the other parts of the payload, the other objects and what
//! was found in front of a fault go on to alerts. Then the invocation fails and names all that
//! failed, so that the retry, and at last the on-failure queue, gets it. A retry may repeat an
//! alert; nothing is lost.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{self, Either, FutureExt as _, Shared};
use futures_util::stream::{self, StreamExt as _};

use crate::alert::Alert;
use crate::delivery::{self, PayloadError, QueueMessage};
use crate::detect::{Detector, Finding, FindingKind};
use crate::ports::{AlertSink, ObjectBody, ObjectSource, ServiceError};
use crate::publish::{self, PublishFailure};
use crate::rules::SuppressRule;
use crate::telemetry::Counters;
use crate::trail::{Entry, EntryError, Limits, LogObject, RecordError, RecordReader, TrailError};
use crate::triage::{Triage, suppressing_rule};

/// Alerts that were not published which a failure names; it counts all.
const NAMED_ALERTS: usize = 10;
/// Unreadable records that a failure names for one object; it counts all.
const NAMED_RECORDS: usize = 10;

/// The pipeline with its ports.
#[derive(Debug)]
pub struct Pipeline<S, A> {
    /// Buckets that may be read.
    pub trail_buckets: Vec<String>,
    /// What is looked for.
    pub detector: Detector,
    /// What is found and not wanted.
    pub suppress: Vec<SuppressRule>,
    /// Bounds of what is read of one object.
    pub limits: Limits,
    /// Objects that are read at the same time.
    pub object_concurrency: usize,
    /// Where log objects are read from.
    pub source: S,
    /// Where alerts are published.
    pub sink: A,
}

/// What an invocation did, and what of it failed.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Counts of everything.
    pub counters: Counters,
    /// Suppressed findings, by the name of the rule.
    pub suppressed: BTreeMap<String, u64>,
    /// Parts of the payload that were not understood.
    pub payload: Vec<PayloadError>,
    /// Objects that were not read, or not all of it.
    pub objects: Vec<ObjectFailure>,
    /// Alerts that were not published.
    pub alerts: Vec<PublishFailure>,
    /// IDs of the SQS messages that failed; `None` if the payload held no messages.
    pub failed_messages: Option<Vec<String>>,
}

impl<S: ObjectSource, A: AlertSink> Pipeline<S, A> {
    /// Handles the payload of one invocation. When `time_up` comes, reading ends: what was found is published, and the
    /// objects that were not read to their end fail.
    pub async fn run(&self, payload: &str, time_up: impl Future<Output = ()>) -> Outcome {
        let time_up = time_up.shared();
        let delivery = delivery::decode(payload, &self.trail_buckets);
        let gathered = RefCell::new(Gathered::default());
        gathered.borrow_mut().outcome.counters.skipped = delivery.skipped;
        stream::iter(&delivery.objects)
            .for_each_concurrent(self.object_concurrency, |object| self.read(object, &gathered, &time_up))
            .await;
        self.publish(&gathered).await;
        let Gathered { triage, mut outcome } = gathered.into_inner();
        outcome.counters.repeated = triage.repeated();
        outcome.counters.payload_problems = delivery.problems.len() as u64;
        outcome.payload = delivery.problems;
        outcome.objects.sort_by_key(|failure| delivery.objects.iter().position(|it| *it == failure.object));
        outcome.failed_messages = delivery.messages.map(|messages| outcome.failed(messages, &delivery.objects));
        outcome
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
        let Reading { unreadable, count, .. } = reading;
        let Gathered { outcome, .. } = &mut *gathered.borrow_mut();
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
        reading: &mut Reading<'_, S, A>,
        gathered: &RefCell<Gathered>,
        time_up: &Shared<T>,
    ) -> Result<(), ReadError> {
        let mut body = before(time_up, self.source.open(object)).await?;
        let mut reader = RecordReader::new(self.limits);
        let mut read = async || {
            while let Some(chunk) = before(time_up, body.next_chunk()).await? {
                reader.push(&chunk, |entry| reading.examine(entry, &mut gathered.borrow_mut()))?;
                if gathered.borrow().triage.is_full() {
                    self.publish(gathered).await;
                }
            }
            Ok(reader.finish()?)
        };
        let end = read().await;
        gathered.borrow_mut().outcome.counters.inflated_bytes += reader.inflated_bytes();
        end
    }

    /// Publishes what triage holds, and notes what became of it.
    async fn publish(&self, gathered: &RefCell<Gathered>) {
        let incidents = gathered.borrow_mut().triage.take_incidents();
        let messages: Vec<_> = incidents.iter().map(|incident| Alert::of(incident).message()).collect();
        let alerts = messages.len() as u64;
        let published = publish::publish(&self.sink, messages).await;
        let Gathered { outcome, .. } = &mut *gathered.borrow_mut();
        outcome.counters.alerts += alerts;
        outcome.counters.alerts_published += published.confirmed;
        outcome.counters.alerts_failed += published.failures.len() as u64;
        outcome.alerts.extend(published.failures);
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
#[derive(Debug, Default)]
struct Gathered {
    triage: Triage,
    outcome: Outcome,
}

/// An object while it is read.
struct Reading<'a, S, A> {
    pipeline: &'a Pipeline<S, A>,
    name: Arc<str>,
    unreadable: Vec<UnreadableRecord>,
    count: u64,
}

impl<S, A> Reading<'_, S, A> {
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
                examined.findings.into_iter().for_each(|finding| self.take(finding, bytes, gathered));
            }
            Err(error) => self.unreadable(offset, error.into(), counters),
        }
    }

    /// Counts a finding, and hands it on unless a rule suppresses it.
    fn take(&self, finding: Finding, record: &[u8], gathered: &mut Gathered) {
        let Gathered { triage, outcome } = gathered;
        outcome.counters.findings += 1;
        *match finding.kind {
            FindingKind::EsmDisabled(_) => &mut outcome.counters.disabled_mappings,
            FindingKind::EsmChanged(_) => &mut outcome.counters.changed_mappings,
            FindingKind::AccessDenied(_) => &mut outcome.counters.denials,
            FindingKind::Watched(_) => &mut outcome.counters.watched_events,
        } += 1;
        match suppressing_rule(&self.pipeline.suppress, &finding, record) {
            Some(rule) => {
                outcome.counters.suppressed += 1;
                *outcome.suppressed.entry(rule.name.clone()).or_default() += 1;
            }
            None => triage.add(finding),
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

impl Outcome {
    /// The IDs of those messages that a failure concerns. An alert cannot be traced to a message: if one is not
    /// published, all of them fail.
    fn failed(&self, messages: Vec<QueueMessage>, objects: &[LogObject]) -> Vec<String> {
        let unread =
            |at: &usize| objects.get(*at).is_none_or(|object| self.objects.iter().any(|it| it.object == *object));
        let fails = |it: &QueueMessage| !self.alerts.is_empty() || !it.understood || it.objects.iter().any(unread);
        messages.into_iter().filter(fails).map(|it| it.id).collect()
    }

    /// The name of the error that the invocation ends with; `None` if it succeeded. Alarms may
    /// rely on the names. The gravest comes first: an alert that nobody got.
    #[must_use]
    pub fn error_type(&self) -> Option<&'static str> {
        match self {
            Self { alerts, .. } if !alerts.is_empty() => Some("AlertNotPublished"),
            Self { objects, .. } if !objects.is_empty() => Some("ObjectUnreadable"),
            Self { payload, .. } if !payload.is_empty() => Some("PayloadNotUnderstood"),
            _ => None,
        }
    }

    /// Everything that failed, a line each: every object, the first ten of the alerts.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        let objects = self.objects.iter().map(ToString::to_string);
        let alerts = self.alerts.iter().take(NAMED_ALERTS).map(ToString::to_string);
        let unnamed = self.alerts.len().saturating_sub(NAMED_ALERTS);
        let more = (unnamed > 0).then(|| format!("and {unnamed} more alerts that were not published"));
        objects.chain(self.payload.iter().map(ToString::to_string)).chain(alerts).chain(more)
    }
}

/// An object that was not read, or not all of it.
#[derive(Debug)]
pub struct ObjectFailure {
    /// The object.
    pub object: LogObject,
    /// The first ten records that are unreadable.
    pub unreadable: Vec<UnreadableRecord>,
    /// How many there are in all.
    pub count: u64,
    /// Why reading ended early.
    pub end: Option<ReadError>,
}

impl fmt::Display for ObjectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.object)?;
        for UnreadableRecord { offset, source } in &self.unreadable {
            write!(f, "; record at inflated byte {offset}: {source}")?;
        }
        let unnamed = self.count - self.unreadable.len() as u64;
        if unnamed > 0 {
            write!(f, "; and {unnamed} more unreadable records")?;
        }
        match &self.end {
            Some(error) => write!(f, "; {error}"),
            None => Ok(()),
        }
    }
}

/// Why reading an object ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The object could not be had, or not all of it.
    #[error(transparent)]
    Source(#[from] ServiceError),
    /// The time of the invocation was up.
    #[error("out of time: the invocation ended before the object was read")]
    OutOfTime,
    /// Its bytes are not a log file.
    #[error(transparent)]
    Trail(#[from] TrailError),
}

/// A record that is unreadable.
#[derive(Debug)]
pub struct UnreadableRecord {
    /// Offset of its first byte in the inflated object.
    pub offset: u64,
    /// Why.
    pub source: UnreadableError,
}

/// Why a record is unreadable.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableError {
    /// The reader passed it over.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// It does not parse.
    #[error(transparent)]
    Record(#[from] RecordError),
}
