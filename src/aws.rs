//! The ports over the AWS SDK.
//!
//! How long a call may take and how often it is tried is set here for all of them: within bounds that suit a service in
//! the same Region, and never beyond the [`Deadline`] of the invocation.

mod dynamodb;
mod http;
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
pub use s3::TrailBuckets;
pub use sns::AlertTopic;

use crate::ports::{Fault, ServiceError};

/// How long a call may take, with its retries.
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a call may take to connect, and then to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long no byte of a body may come.
const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a call is tried if the service has a fault of its own, or cannot be reached.
const ATTEMPTS: u32 = 3;

/// Credentials, Region and endpoints from the environment, with bounds on how long a call may take.
/// The SDK retries what is worth it.
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
    // Lambda sets both; elsewhere, profiles and what else the SDK knows are asked too.
    match (std::env::var("AWS_REGION"), std::env::var_os("AWS_SESSION_TOKEN")) {
        (Ok(region), Some(_)) => {
            let loader = loader.region(Region::new(region));
            loader.credentials_provider(EnvironmentVariableCredentialsProvider::new()).load().await
        }
        _ => loader.load().await,
    }
}

/// When the invocation must be over. The clients share it; it is set anew for each invocation.
#[derive(Debug, Default, Clone)]
pub struct Deadline(Rc<Cell<Option<Instant>>>);

impl Deadline {
    /// No call goes on beyond this.
    pub fn set(&self, at: Instant) {
        self.0.set(Some(at));
    }

    /// Waits for a call until the deadline.
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

/// The error of a call, without headers and bodies.
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

/// What an error code, or else the status of the response, says about what mends it.
fn fault(code: &str, status: Option<u16>) -> Fault {
    match (code, status) {
        ("NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "NotFound", _) => Fault::Missing,
        // 403, as a denial, but of the state of the object.
        ("InvalidObjectState", _) => Fault::Archived,
        ("SlowDown" | "ThrottlingException" | "Throttling" | "RequestTimeout", _) => Fault::Unavailable,
        (_, Some(429 | 500..)) => Fault::Unavailable,
        (code, _) if code.starts_with("KMS") || code.contains("AccessDenied") => Fault::Denied,
        (_, Some(403)) => Fault::Denied,
        (_, Some(404)) => Fault::Missing,
        _ => Fault::Other,
    }
}

/// An error and what led to it, on one line.
fn chain(error: &dyn Error) -> String {
    std::iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
