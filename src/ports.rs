//! What the [`pipeline`](crate::pipeline) needs from outside.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::alert::Message;
use crate::trail::LogObject;

/// A store that objects are read from.
pub trait ObjectSource {
    /// The bytes of one object.
    type Body: ObjectBody;

    /// Opens an object for reading from its first byte. Reads the version that the object names, otherwise the current one,
    /// and the same one to its end.
    ///
    /// # Errors
    /// If the object is unavailable. Retryable failures have already been retried.
    fn open(&self, object: &LogObject) -> impl Future<Output = Result<Self::Body, ServiceError>>;
}

/// The bytes of an object, as they arrive.
pub trait ObjectBody {
    /// The next bytes, in order and without gaps; `None` after the last one, and only if all bytes of the object were
    /// returned.
    ///
    /// # Errors
    /// If the transfer broke off or stalled and could not be resumed, or the checksum that the store keeps does not match.
    /// No further bytes come.
    fn next_chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, ServiceError>>;
}

/// A topic that messages are published to.
pub trait AlertSink {
    /// ARN of the topic.
    fn arn(&self) -> &str;

    /// True for a FIFO topic, in which messages of a group stay in the order in which they are sent. Its name ends with
    /// `.fifo` ("Amazon SNS message ordering details for FIFO topics", SNS Developer Guide).
    fn is_fifo(&self) -> bool {
        self.arn().rsplit('.').next() == Some("fifo")
    }

    /// Publishes a batch that is within [`publish::MAX_ENTRIES`](crate::publish::MAX_ENTRIES) and
    /// [`publish::MAX_BYTES`](crate::publish::MAX_BYTES). Returns a result for each message, in
    /// their order: `Ok` only for one that the topic has confirmed.
    fn publish(&self, batch: &[Message]) -> impl Future<Output = Vec<Result<(), ServiceError>>>;

    /// How many subscriptions the topic has.
    ///
    /// # Errors
    /// If the service is unavailable, or the caller may not ask.
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

/// Time.
pub trait Clock {
    /// The present time.
    fn now(&self) -> Timestamp;

    /// Waits for a time.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;
}

/// A service failed, or could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {code}{}", with_detail(.source.as_deref()))]
pub struct ServiceError {
    /// The operation, such as `s3:GetObject`.
    pub operation: &'static str,
    /// What kind of fault it is.
    pub fault: Fault,
    /// The service's error code, or what failed before the service was reached.
    pub code: String,
    /// True if the same call may succeed now and has not been retried.
    pub retryable: bool,
    /// The underlying error.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// Kinds of faults of services, by what resolves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What was asked for does not exist.
    Missing,
    /// A policy or a key denies it.
    Denied,
    /// The object is archived and must be restored first.
    Archived,
    /// The service throttles, has an internal fault, or cannot be reached.
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
    /// An error that is not worth an immediate retry, without a source.
    pub fn new(operation: &'static str, fault: Fault, code: impl Into<String>) -> Self {
        Self { operation, fault, code: code.into(), retryable: false, source: None }
    }

    /// The same with a source.
    #[must_use]
    pub fn with_source(mut self, source: Option<impl Into<Box<dyn Error + Send + Sync>>>) -> Self {
        self.source = source.map(Into::into);
        self
    }
}

fn with_detail(source: Option<&(dyn Error + Send + Sync)>) -> String {
    source.map(|it| format!(": {it}")).unwrap_or_default()
}
