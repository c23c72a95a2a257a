//! Decodes the payload of an invocation.
//!
//! | delivery path | payload | keys |
//! |---|---|---|
//! | S3 | `Records[].s3` | form-encoded |
//! | S3, SNS | `Records[].Sns.Message` contains the above | form-encoded |
//! | S3, SQS; S3, SNS, SQS, raw or not | `Records[].body` contains one of the others | of the inner payload |
//! | EventBridge, direct or through SQS or SNS | `detail.bucket`, `detail.object` | plain |
//! | CloudTrail notice, through SNS or SQS | `{"s3Bucket", "s3ObjectKey": […]}` | plain |
//! | CloudTrail events through EventBridge, direct or through SQS or SNS | `detail` is an inline record | – |
//! | Lambda failure record | `requestPayload` contains one of the others | of the inner payload |
//! | S3 Batch Operations, 1.0 and 2.0 | `tasks[]`, each with its own result | form-encoded |
//! | manual test | `{"trailwarden": "test-alert"}` | – |
//! | schedule | `{"trailwarden": "silence-check"}`, `{"trailwarden": "sweep"}` | – |
//!
//! The path is recognized from the payload. Every part of a payload becomes a log object to read, an inline record, a
//! skipped part that is counted, or a problem that fails the invocation. Nothing is ignored silently.

mod announced;
mod batch_job;
mod cloudtrail_notice;
mod envelope;
mod eventbridge;
mod object_key;
mod problem;
mod queue;
mod s3_notification;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub(crate) use announced::Announced;
pub use announced::{Accepted, Skipped};
pub(crate) use batch_job::{BatchJob, BatchTask};
pub(crate) use object_key::account as account_in_key;
pub use object_key::{AccountRegion, KeyKind};
pub use problem::PayloadError;
pub(crate) use queue::{Queue, QueueMessage};

use announced::Collector;
use envelope::{SILENCE_CHECK, SWEEP};

/// The value of `trailwarden` in a payload that requests a test alert.
const TEST_ALERT: &str = "test-alert";

/// The decoded payload of an invocation. Its kind determines the reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Notifications or CloudTrail events. The invocation succeeds or fails as a whole.
    Notification(Announced),
    /// Messages of an SQS queue. The reply names the messages that failed.
    Queue(Queue),
    /// Tasks of a job of S3 Batch Operations. The reply contains a result for each task.
    BatchJob(BatchJob),
    /// A request for a test alert.
    TestAlert,
    /// A request to find the accounts and Regions whose digests have stopped.
    SilenceCheck,
    /// A request to compare the mappings in the Lambda API with the ledger.
    Sweep,
}

/// Decodes a payload.
///
/// Messages of a queue and tasks of a job have individual results only at the top level, because nothing reads results
/// from within an envelope. In an envelope, queue messages are decoded as notifications, and a job is rejected.
#[must_use]
pub(crate) fn decode(payload: &str, accepted: &Accepted) -> Delivery {
    let delivery = match serde_json::from_str(payload) {
        Ok(payload) => decode_value(&payload, Collector::new(accepted)),
        Err(error) => Err(PayloadError::UnknownShape { found: format!("invalid JSON at column {}", error.column()) }),
    };
    let rejected = |problem| Announced { problems: vec![problem], ..Announced::default() };
    delivery.unwrap_or_else(|problem| Delivery::Notification(rejected(problem)))
}

fn decode_value(payload: &Value, mut collector: Collector<'_>) -> Result<Delivery, PayloadError> {
    match payload.get("trailwarden").and_then(Value::as_str) {
        Some(TEST_ALERT) => return Ok(Delivery::TestAlert),
        Some(SILENCE_CHECK) => return Ok(Delivery::SilenceCheck),
        Some(SWEEP) => return Ok(Delivery::Sweep),
        Some(_) | None => {}
    }
    if payload.get("invocationSchemaVersion").is_some() {
        return batch_job::decode(payload, collector).map(Delivery::BatchJob);
    }
    if let Some(messages) = queue::messages(payload) {
        return Ok(Delivery::Queue(queue::decode(messages, collector)));
    }
    let unwrapped = envelope::unwrap(payload, 0, &mut collector);
    collector.announced.problems.extend(unwrapped.err());
    Ok(Delivery::Notification(collector.announced))
}
