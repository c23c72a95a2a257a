//! The ports over the AWS SDK.

mod s3;
mod sns;

use std::error::Error;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

pub use s3::TrailBuckets;
pub use sns::AlertTopic;

use crate::ports::ServiceError;

/// How long a call may take, with its retries.
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(40);

/// Credentials, Region and endpoints from the environment, with bounds on how long a call may take.
/// The SDK retries what is worth it.
pub async fn configuration() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .read_timeout(Duration::from_secs(10))
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .load()
        .await
}

/// The Region of an ARN.
fn region_of(arn: &str) -> Option<Region> {
    arn.split(':').nth(3).filter(|region| !region.is_empty()).map(|region| Region::new(region.to_owned()))
}

/// The error of a call, without headers and bodies.
fn service_error<E>(operation: &'static str, error: &E) -> ServiceError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), message) => ServiceError {
            operation,
            code: code.to_owned(),
            retryable: false,
            source: message.map(|message| message.to_owned().into()),
        },
        (None, _) => ServiceError {
            operation,
            code: "request failed".to_owned(),
            retryable: false,
            source: Some(chain(error).into()),
        },
    }
}

/// An error and what led to it, on one line.
fn chain(error: &dyn Error) -> String {
    std::iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
