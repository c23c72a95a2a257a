//! What the outside must do for the [`pipeline`](crate::pipeline).

use std::error::Error;
use std::future::Future;

use bytes::Bytes;

use crate::alert::Message;
use crate::trail::LogObject;
use crate::triage::Incident;

/// Where log objects are read from.
pub trait ObjectSource {
    /// The bytes of one object.
    type Body: ObjectBody;

    /// Opens an object for one reading from its first byte. Reads the version that the object
    /// names, else the current one, and the same one to its end.
    ///
    /// # Errors
    /// If the object cannot be had. What a retry can mend has been retried.
    fn open(&self, object: &LogObject) -> impl Future<Output = Result<Self::Body, ServiceError>>;
}

/// The bytes of an object, as they come in.
pub trait ObjectBody {
    /// The next bytes, in order and without gaps; `None` behind the last one, and only if all
    /// bytes of the object were handed over.
    ///
    /// # Errors
    /// If the transfer broke off or stalled and could not be taken up again, or the bytes do not have
    /// the checksum that the store keeps of them. No further bytes come.
    fn next_chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, ServiceError>>;
}

/// A topic that messages are published to.
pub trait AlertSink {
    /// ARN of the topic.
    fn arn(&self) -> &str;

    /// Publishes a batch that is within [`publish::MAX_ENTRIES`](crate::publish::MAX_ENTRIES) and
    /// [`publish::MAX_BYTES`](crate::publish::MAX_BYTES). Returns a result for each message, in
    /// their order: `Ok` only for one that the topic has confirmed.
    fn publish(&self, batch: &[Message]) -> impl Future<Output = Vec<Result<(), ServiceError>>>;

    /// How many subscriptions the topic has.
    ///
    /// # Errors
    /// If the service cannot be had, or does not allow to ask.
    fn subscriptions(&self) -> impl Future<Output = Result<Subscriptions, ServiceError>>;
}

/// Subscriptions of a topic.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Subscriptions {
    /// Those that get messages.
    pub confirmed: u64,
    /// Those that somebody has yet to confirm.
    pub pending: u64,
}

/// Keeps account of what was found and told, for all invocations.
///
/// The need for an alert follows from what is kept: [`triage::decide`](crate::triage::decide) says how. Each call is
/// idempotent, and what it returns is at least as new as its beginning.
pub trait Ledger {
    /// Enters that a log object holds this many distinct events of an incident's case. An object counts once, however
    /// often and in however many parts it is read: what counts is the most that was entered for it.
    ///
    /// # Errors
    /// If the ledger cannot be had.
    fn contribute(
        &self,
        incident: &Incident,
        object: &str,
        events: u64,
    ) -> impl Future<Output = Result<Sightings, ServiceError>>;

    /// What is kept of an incident's case.
    ///
    /// # Errors
    /// If the ledger cannot be had.
    fn look_up(&self, incident: &Incident) -> impl Future<Output = Result<Sightings, ServiceError>>;

    /// Notes that an alert about so many events was published on every topic. It never lowers what is kept.
    ///
    /// # Errors
    /// If the ledger cannot be had.
    fn raise_alerted(&self, incident: &Incident, to: u64) -> impl Future<Output = Result<(), ServiceError>>;
}

/// What a ledger keeps of a case.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sightings {
    /// Events of all log objects.
    pub count: u64,
    /// Events that the last alert told of, as a power of ten; 0 if there was none.
    pub alerted: u64,
}

/// A service, or the way to it, failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {code}{}", with_detail(.source.as_deref()))]
pub struct ServiceError {
    /// The operation, such as `s3:GetObject`.
    pub operation: &'static str,
    /// What kind of fault it is.
    pub fault: Fault,
    /// The service's error code, or what failed on the way to it.
    pub code: String,
    /// True if the same call may succeed now and has not been tried again.
    pub retryable: bool,
    /// The error below.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// Kinds of faults of services, by what mends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What was asked for does not exist.
    Missing,
    /// A policy or a key denies it.
    Denied,
    /// The object is archived and must be restored first.
    Archived,
    /// The service is asked too much, has a fault of its own, or cannot be reached.
    Unavailable,
    /// The transfer broke off or stalled.
    Interrupted,
    /// The time of the invocation was up.
    OutOfTime,
    /// Anything else: the call itself is wrong.
    Other,
}

impl Fault {
    /// True if the same call may succeed later with nothing changed.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unavailable | Self::Interrupted | Self::OutOfTime)
    }
}

impl ServiceError {
    /// An error that is not worth trying again now, without an error below.
    pub fn new(operation: &'static str, fault: Fault, code: impl Into<String>) -> Self {
        Self { operation, fault, code: code.into(), retryable: false, source: None }
    }

    /// The same with the error below.
    #[must_use]
    pub fn with_source(mut self, source: Option<impl Into<Box<dyn Error + Send + Sync>>>) -> Self {
        self.source = source.map(Into::into);
        self
    }
}

fn with_detail(source: Option<&(dyn Error + Send + Sync)>) -> String {
    source.map(|it| format!(": {it}")).unwrap_or_default()
}
