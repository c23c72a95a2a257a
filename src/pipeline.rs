//! The way from an invocation's payload to published alerts, and what a failure on it means.
//!
//! One failure holds up nothing else: the other parts of the payload, the other objects and what
//! was found in front of a fault go on to alerts. Then the invocation fails and names all that
//! failed, so that the retry, and at last the on-failure queue, gets it. A retry may repeat an
//! alert; nothing is lost.

use std::fmt;
use std::sync::Arc;

use crate::alert::{Alert, Message};
use crate::delivery::{self, PayloadError};
use crate::detect::{Detector, FindingKind};
use crate::ports::{AlertSink, ObjectBody, ObjectSource, ServiceError};
use crate::publish::{self, PublishFailure};
use crate::telemetry::Counters;
use crate::trail::{Entry, EntryError, Limits, LogObject, RecordError, RecordReader, TrailError};
use crate::triage::Triage;

/// Unreadable records that a failure names for one object; it counts all.
const NAMED_RECORDS: usize = 10;

/// The pipeline with its ports.
#[derive(Debug)]
pub struct Pipeline<S, A> {
    /// Buckets that may be read.
    pub trail_buckets: Vec<String>,
    /// What is looked for.
    pub detector: Detector,
    /// Bounds of what is read of one object.
    pub limits: Limits,
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
    /// Parts of the payload that were not understood.
    pub payload: Vec<PayloadError>,
    /// Objects that were not read, or not all of it.
    pub objects: Vec<ObjectFailure>,
    /// Alerts that were not published.
    pub alerts: Vec<PublishFailure>,
}

impl<S: ObjectSource, A: AlertSink> Pipeline<S, A> {
    /// Handles the payload of one invocation.
    pub async fn run(&self, payload: &str) -> Outcome {
        let delivery = delivery::decode(payload, &self.trail_buckets);
        let mut outcome = Outcome { payload: delivery.problems, ..Outcome::default() };
        outcome.counters.skipped = delivery.skipped;
        let mut triage = Triage::default();
        for object in delivery.objects {
            if let Err(failure) = self.read(object, &mut triage, &mut outcome.counters).await {
                outcome.objects.push(failure);
            }
        }
        outcome.counters.repeated = triage.repeated();
        let messages = triage.into_incidents().map(|incident| Alert::of(&incident).message()).collect();
        outcome.publish(&self.sink, messages).await;
        outcome
    }

    /// Reads an object to its end, and gives what is found in it to triage.
    async fn read(&self, object: LogObject, triage: &mut Triage, counters: &mut Counters) -> Result<(), ObjectFailure> {
        let object = Arc::new(object);
        let mut reading = Reading { object: &object, triage, counters, unreadable: Vec::new(), count: 0 };
        let end = self.read_entries(&mut reading).await;
        let Reading { unreadable, count, .. } = reading;
        counters.objects += 1;
        if end.is_ok() && count == 0 {
            counters.objects_read += 1;
            return Ok(());
        }
        counters.objects_failed += 1;
        Err(ObjectFailure { object: LogObject::clone(&object), unreadable, count, end: end.err() })
    }

    async fn read_entries(&self, reading: &mut Reading<'_>) -> Result<(), ReadError> {
        let mut body = self.source.open(reading.object).await?;
        let mut reader = RecordReader::new(self.limits);
        let mut read = async || {
            while let Some(chunk) = body.next_chunk().await? {
                reader.push(&chunk, |entry| reading.examine(&self.detector, entry))?;
            }
            Ok(reader.finish()?)
        };
        let end = read().await;
        reading.counters.inflated_bytes += reader.inflated_bytes();
        end
    }
}

/// An object while it is read.
struct Reading<'a> {
    object: &'a Arc<LogObject>,
    triage: &'a mut Triage,
    counters: &'a mut Counters,
    unreadable: Vec<UnreadableRecord>,
    count: u64,
}

impl Reading<'_> {
    fn examine(&mut self, detector: &Detector, entry: Entry<'_>) {
        self.counters.records += 1;
        let (offset, bytes) = match entry {
            Entry::Record { offset, bytes } => (offset, bytes),
            Entry::Unreadable { offset, error } => return self.unreadable(offset, error.into()),
        };
        let examined = match detector.examine(bytes, self.object) {
            Ok(examined) => examined,
            Err(error) => return self.unreadable(offset, error.into()),
        };
        self.counters.records_selected += u64::from(examined.selected);
        self.counters.records_passed_over += u64::from(!examined.selected);
        if let Some(finding) = examined.finding {
            self.counters.findings += 1;
            match finding.kind {
                FindingKind::EsmDisabled(_) => self.counters.disabled_mappings += 1,
                FindingKind::AccessDenied(_) => self.counters.denials += 1,
            }
            self.triage.add(finding);
        }
    }

    fn unreadable(&mut self, offset: u64, source: UnreadableError) {
        self.counters.records_unreadable += 1;
        self.count += 1;
        if self.unreadable.len() < NAMED_RECORDS {
            self.unreadable.push(UnreadableRecord { offset, source });
        }
    }
}

impl Outcome {
    /// Publishes messages and notes what became of them.
    async fn publish(&mut self, sink: &impl AlertSink, messages: Vec<Message>) {
        self.counters.alerts = messages.len() as u64;
        let published = publish::publish(sink, messages).await;
        self.counters.alerts_published = published.confirmed;
        self.counters.alerts_failed = published.failures.len() as u64;
        self.counters.payload_problems = self.payload.len() as u64;
        self.alerts = published.failures;
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

    /// Everything that failed, a line each.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        let alerts = self.alerts.iter().map(ToString::to_string);
        let objects = self.objects.iter().map(ToString::to_string);
        alerts.chain(objects).chain(self.payload.iter().map(ToString::to_string))
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
