//! What the outside must do for the [`pipeline`](crate::pipeline).

use std::error::Error;
use std::future::Future;

use bytes::Bytes;

use crate::alert::Message;
use crate::trail::LogObject;

/// Where log objects are read from.
pub trait ObjectSource {
    /// The bytes of one object.
    type Body: ObjectBody;

    /// Opens an object for one reading from its first byte. Reads the version that the object
    /// names, else the current one.
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
    /// If the transfer broke off or stalled, or the bytes do not have the checksum that the store
    /// keeps of them. No further bytes come.
    fn next_chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, ServiceError>>;
}

/// Where messages are published.
pub trait AlertSink {
    /// Publishes a batch that is within [`publish::MAX_ENTRIES`](crate::publish::MAX_ENTRIES) and
    /// [`publish::MAX_BYTES`](crate::publish::MAX_BYTES). Returns a result for each message, in
    /// their order: `Ok` only for one that the topic has confirmed.
    fn publish(&self, batch: &[Message]) -> impl Future<Output = Vec<Result<(), ServiceError>>>;
}

/// A service, or the way to it, failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {code}{}", with_detail(.source.as_deref()))]
pub struct ServiceError {
    /// The operation, such as `s3:GetObject`.
    pub operation: &'static str,
    /// The service's error code, or what failed on the way to it.
    pub code: String,
    /// True if the same call may succeed now and has not been tried again.
    pub retryable: bool,
    /// The error below.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

fn with_detail(source: Option<&(dyn Error + Send + Sync)>) -> String {
    source.map(|it| format!(": {it}")).unwrap_or_default()
}
