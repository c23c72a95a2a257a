//! Envelopes of notifications: SQS messages, SNS messages, Lambda failure records.
//!
//! Sources: "Using Lambda with Amazon SQS", "Using Lambda with Amazon SNS" and "Capturing records of Lambda
//! asynchronous invocations" in the Lambda Developer Guide; "Amazon SNS message and JSON formats" in the SNS Developer
//! Guide.

use serde_json::Value;

use super::announced::Collector;
use super::problem::{MAX_LEVELS, PayloadError, incomplete, unknown_shape};
use super::{cloudtrail_notice, eventbridge, s3_notification};

/// The message that CloudTrail sends to a topic when a trail is set up. It is not JSON.
const CLOUDTRAIL_TEST: &str = "CloudTrail validation message.";

/// The value of `trailwarden` in a payload that requests a check for silence.
pub(super) const SILENCE_CHECK: &str = "silence-check";
/// The value of `trailwarden` in a payload that requests a sweep.
pub(super) const SWEEP: &str = "sweep";

/// Decodes a notification in up to [`MAX_LEVELS`] envelopes.
pub(super) fn unwrap(value: &Value, level: usize, collector: &mut Collector<'_>) -> Result<(), PayloadError> {
    if level > MAX_LEVELS {
        return Err(PayloadError::TooManyLevels);
    }
    let has = |name: &str| value.get(name).is_some();
    if let Some(records) = records(value) {
        unwrap_records(records, level, collector);
        return Ok(());
    }
    match value.get("Type").and_then(Value::as_str) {
        Some("Notification") => return unwrap_text(value.get("Message"), level, collector),
        Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") => {
            collector.announced.skipped.other_events += 1;
            return Ok(());
        }
        _ => {}
    }
    match value.get("requestPayload") {
        Some(payload) if has("requestContext") => unwrap(payload, level + 1, collector),
        _ if value.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") => {
            collector.announced.skipped.test_events += 1;
            Ok(())
        }
        // The failure record of a scheduled check is not processed again: the next check follows within an hour.
        _ if is_scheduled(value) => {
            collector.announced.skipped.other_events += 1;
            Ok(())
        }
        _ if has("s3Bucket") => cloudtrail_notice::decode(value, collector),
        _ if has("detail-type") => eventbridge::decode(value, collector),
        _ => Err(unknown_shape(value)),
    }
}

/// Returns true if the payload comes from a schedule.
fn is_scheduled(value: &Value) -> bool {
    value.get("trailwarden").and_then(Value::as_str).is_some_and(|command| [SILENCE_CHECK, SWEEP].contains(&command))
}

fn unwrap_records(records: &[Value], level: usize, collector: &mut Collector<'_>) {
    for (index, record) in records.iter().enumerate() {
        collector.part(format_args!("record {index}"), |collector| match record {
            _ if is_from(record, "aws:s3") => s3_notification::decode(record, collector),
            _ if is_from(record, "aws:sqs") => unwrap_body(record, level, collector),
            _ if is_from(record, "aws:sns") => {
                unwrap_text(record.get("Sns").and_then(|it| it.get("Message")), level, collector)
            }
            _ => Err(incomplete("the eventSource aws:s3, aws:sns or aws:sqs")),
        });
    }
}

/// Decodes the body of an SQS message.
pub(super) fn unwrap_body(message: &Value, level: usize, collector: &mut Collector<'_>) -> Result<(), PayloadError> {
    unwrap_text(message.get("body"), level, collector)
}

fn unwrap_text(text: Option<&Value>, level: usize, collector: &mut Collector<'_>) -> Result<(), PayloadError> {
    let text = text.and_then(Value::as_str).ok_or(incomplete("a message with text"))?;
    if text.trim() == CLOUDTRAIL_TEST {
        collector.announced.skipped.test_events += 1;
        return Ok(());
    }
    match serde_json::from_str(text) {
        Ok(inner) => unwrap(&inner, level + 1, collector),
        Err(_) => Err(PayloadError::UnknownShape { found: "text that is not JSON".to_owned() }),
    }
}

/// The elements of `Records`, if there are any.
pub(super) fn records(value: &Value) -> Option<&[Value]> {
    value.get("Records")?.as_array().map(Vec::as_slice).filter(|records| !records.is_empty())
}

/// Returns true if the record comes from this source. SNS capitalizes the name of the field.
pub(super) fn is_from(record: &Value, source: &str) -> bool {
    let field = |name| record.get(name).and_then(Value::as_str);
    field("eventSource").or(field("EventSource")) == Some(source)
}
