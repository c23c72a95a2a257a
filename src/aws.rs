//! The ports over the AWS SDK.
//!
//! Timeouts and retries are configured here for all services. They suit a service in the same Region, and no call
//! outlasts the [`Deadline`] of the invocation.

mod dynamodb;
mod http;
mod rules;
mod s3;
mod sns;

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::Instant;

pub use dynamodb::LedgerTable;
pub use http::http_client;
pub use rules::RulesInBucket;
pub use s3::TrailBuckets;
pub use sns::AlertTopic;

use crate::ports::{Fault, ServiceError};

/// How long a call may take, including its retries.
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a connection attempt, and then the wait for a response, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a body may stall.
const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a call is attempted if the service fails or is unreachable.
const ATTEMPTS: u32 = 3;

/// Credentials, Region and endpoints from the environment, with timeouts. The SDK retries retryable failures.
pub async fn configuration() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(STALL_TIMEOUT).build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
    // Lambda sets both. Elsewhere, the default provider chain of the SDK applies.
    match (std::env::var("AWS_REGION"), std::env::var_os("AWS_SESSION_TOKEN")) {
        (Ok(region), Some(_)) => {
            let loader = loader.region(Region::new(region));
            loader.credentials_provider(EnvironmentVariableCredentialsProvider::new()).load().await
        }
        _ => loader.load().await,
    }
}

/// When the invocation must end. All clients share it; it is set for each invocation.
#[derive(Debug, Default, Clone)]
pub struct Deadline(Rc<Cell<Option<Instant>>>);

impl Deadline {
    /// Ends every call at this time.
    pub fn set(&self, at: Instant) {
        self.0.set(Some(at));
    }

    /// Waits for a call, at most until the deadline.
    async fn hold<V>(&self, operation: &'static str, call: impl Future<Output = V>) -> Result<V, ServiceError> {
        match self.0.get() {
            None => Ok(call.await),
            Some(at) => tokio::time::timeout_at(at, call)
                .await
                .map_err(|_| ServiceError::new(operation, Fault::OutOfTime, "out of time")),
        }
    }
}

/// The Region of an ARN.
fn region_of(arn: &str) -> Option<Region> {
    arn.split(':').nth(3).filter(|region| !region.is_empty()).map(|region| Region::new(region.to_owned()))
}

/// The error of a call, without its headers and body.
fn service_error<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> ServiceError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    if let Some(code) = error.code() {
        let message = error.message().map(str::to_owned);
        return ServiceError::new(operation, fault(code, status), code).with_source(message);
    }
    let fault = status.map_or(Fault::Unavailable, |status| fault("", Some(status)));
    ServiceError::new(operation, fault, "request failed").with_source(Some(chain(error)))
}

/// Error codes that a later call with the same parameters may not return, whatever their HTTP status. Sources: "Error
/// responses" in the Amazon S3 API Reference; "Error handling with DynamoDB"; "Common errors" of each service; the errors
/// of `Publish` in the Amazon SNS API Reference.
const TRANSIENT: [&str; 18] = [
    "InternalError",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    // Throttling.
    "KMS.ThrottlingException",
    "KMSThrottling",
    "KMSThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "Throttled",
    "Throttling",
    "ThrottlingException",
    // Lambda replaces expiring credentials, and another environment has another clock.
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    // Another transaction holds the item.
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// Classifies an error by its code, or else by the HTTP status of the response.
fn fault(code: &str, status: Option<u16>) -> Fault {
    match (code, status) {
        (code, _) if TRANSIENT.contains(&code) => Fault::Unavailable,
        ("NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "NotFound", _) => Fault::Missing,
        // The status is 403, but the cause is the storage class of the object.
        ("InvalidObjectState", _) => Fault::Archived,
        // Another object has replaced the one whose transfer was resumed. A new invocation reads it from the start.
        ("PreconditionFailed", _) | ("", Some(412)) => Fault::Interrupted,
        (_, Some(429 | 500..)) => Fault::Unavailable,
        (code, _) if code.starts_with("KMS") || code.contains("AccessDenied") => Fault::Denied,
        (_, Some(403)) => Fault::Denied,
        (_, Some(404)) => Fault::Missing,
        _ => Fault::Other,
    }
}

/// An error and its sources, on one line.
fn chain(error: &dyn Error) -> String {
    std::iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_was_replaced_during_its_transfer_is_an_interruption() {
        assert_eq!(fault("PreconditionFailed", Some(412)), Fault::Interrupted);
        assert_eq!(fault("", Some(412)), Fault::Interrupted);
        assert!(Fault::Interrupted.is_transient());
    }

    #[test]
    fn expired_credentials_throttling_and_conflicts_are_transient() {
        for (code, status) in [
            ("ExpiredToken", 400),
            ("ExpiredTokenException", 400),
            ("InternalError", 200),
            ("KMS.ThrottlingException", 400),
            ("KMSThrottling", 400),
            ("KMSThrottlingException", 400),
            ("ProvisionedThroughputExceededException", 400),
            ("RequestExpired", 400),
            ("RequestLimitExceeded", 400),
            ("RequestTimeTooSkewed", 403),
            ("ServiceUnavailable", 400),
            ("TransactionConflictException", 400),
            ("AnythingElse", 429),
            ("AnythingElse", 500),
        ] {
            assert_eq!(fault(code, Some(status)), Fault::Unavailable, "{code} {status}");
        }
    }

    #[test]
    fn other_errors_are_permanent() {
        for (code, status, expected) in [
            ("NoSuchKey", 404, Fault::Missing),
            ("AccessDenied", 403, Fault::Denied),
            ("KMSAccessDenied", 400, Fault::Denied),
            ("KMS.DisabledException", 400, Fault::Denied),
            ("InvalidObjectState", 403, Fault::Archived),
            ("InvalidAccessKeyId", 403, Fault::Denied),
            ("InvalidParameter", 400, Fault::Other),
        ] {
            assert_eq!(fault(code, Some(status)), expected, "{code} {status}");
            assert!(!expected.is_transient(), "{code}");
        }
    }
}
