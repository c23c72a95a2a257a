//! Converts errors of the SDK to [`ServiceError`]s.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::service::{Fault, ServiceError};

/// Converts the error of a call, without the headers and the body of the response.
pub(super) fn service_error<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> ServiceError
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

/// Error codes, of any HTTP status, after which a later call with the same parameters may succeed.
///
/// Sources: "Error responses" in the Amazon S3 API Reference; "Error handling with DynamoDB"; "Common errors" of each
/// service; the errors of `Publish` in the Amazon SNS API Reference.
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
    // Lambda replaces expiring credentials, and another environment has a different clock.
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    // Another transaction is using the item.
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// Classifies an error by its code, or otherwise by the HTTP status of the response.
pub(super) fn fault(code: &str, status: Option<u16>) -> Fault {
    match (code, status) {
        (code, _) if TRANSIENT.contains(&code) => Fault::Unavailable,
        ("NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "NotFound", _) => Fault::Missing,
        // The status is 403, but the cause is the storage class of the object.
        ("InvalidObjectState", _) => Fault::Archived,
        // The object was replaced before its transfer was resumed. A new invocation reads the new object from the
        // start.
        ("PreconditionFailed", _) | ("", Some(412)) => Fault::Interrupted,
        (_, Some(429 | 500..)) => Fault::Unavailable,
        (code, _) if code.starts_with("KMS") || code.contains("AccessDenied") => Fault::Denied,
        (_, Some(403)) => Fault::Denied,
        (_, Some(404)) => Fault::Missing,
        _ => Fault::Other,
    }
}

/// An error and its sources, on one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
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
