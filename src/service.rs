//! Errors of AWS services, without the SDK.

use std::error::Error;

/// An error of a call to a service.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {code}{}", with_source(.source.as_deref()))]
pub struct ServiceError {
    /// The operation, such as `s3:GetObject`.
    pub operation: &'static str,
    /// The kind of fault.
    pub fault: Fault,
    /// The error code of the service, or a description of the fault if there is none.
    pub code: String,
    /// True if the same call may succeed immediately and has not been retried.
    pub retryable: bool,
    /// The underlying error.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// Kinds of faults, by what resolves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The requested resource does not exist.
    Missing,
    /// A policy or a key denies the call.
    Denied,
    /// The object is archived and must be restored first.
    Archived,
    /// The service throttles, has an internal fault, or is unreachable.
    Unavailable,
    /// The transfer was interrupted or stalled.
    Interrupted,
    /// The time for the call is used up.
    OutOfTime,
    /// Anything else, such as an invalid parameter.
    Other,
}

impl Fault {
    /// Returns true if the same call may succeed later, even if nothing changes.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unavailable | Self::Interrupted | Self::OutOfTime)
    }
}

impl ServiceError {
    /// Creates an error that has no source and is not retryable.
    pub fn new(operation: &'static str, fault: Fault, code: impl Into<String>) -> Self {
        Self { operation, fault, code: code.into(), retryable: false, source: None }
    }

    /// Sets the source.
    #[must_use]
    pub fn with_source(mut self, source: Option<impl Into<Box<dyn Error + Send + Sync>>>) -> Self {
        self.source = source.map(Into::into);
        self
    }
}

fn with_source(source: Option<&(dyn Error + Send + Sync)>) -> String {
    source.map(|it| format!(": {it}")).unwrap_or_default()
}
