//! Envelopes of notifications: SQS messages, SNS messages, Lambda failure records.
//!
//! Sources: "Using Lambda with Amazon SQS", "Using Lambda with Amazon SNS" and "Capturing records of
//! Lambda asynchronous invocations" in the Lambda Developer Guide; "Amazon SNS message and JSON
//! formats" in the SNS Developer Guide.

use serde_json::Value;

use super::{Decoder, PayloadError, QueueMessage, batch_job, cloudtrail_notice, eventbridge, s3_notification};

/// Levels of envelopes around a notification. A failure record of an SNS message within SQS has three.
pub(super) const MAX_LEVELS: usize = 4;

/// Requests a test alert.
const TEST: &str = "test-alert";

/// The message that CloudTrail sends to a topic when a trail is set up. It is not JSON.
const CLOUDTRAIL_TEST: &str = "CloudTrail validation message.";

/// Decodes a payload. Each message of a queue and each task of a job has its own result, so neither may be in an envelope:
/// nobody would read the results.
pub(super) fn decode(payload: &Value, decoder: &mut Decoder<'_>) {
    match records(payload) {
        Some(records) if of(records.first(), "aws:sqs") => decode_messages(records, decoder),
        _ if payload.get("trailwarden").and_then(Value::as_str) == Some(TEST) => decoder.delivery.is_test = true,
        _ if payload.get("invocationSchemaVersion").is_some() => {
            note(decoder, "", |decoder| batch_job::decode(payload, decoder));
        }
        _ => note(decoder, "", |decoder| unwrap(payload, 0, decoder)),
    }
}

fn decode_messages(records: &[Value], decoder: &mut Decoder<'_>) {
    let mut messages = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let Some(id) = record.get("messageId").and_then(Value::as_str) else {
            note(decoder, &format!("record {index}"), |_| Err(incomplete("a messageId")));
            decoder.delivery.unnamed_messages += 1;
            continue;
        };
        decoder.announced.clear();
        let known = decoder.delivery.problems.len();
        note(decoder, &format!("message {}", id.escape_default()), |decoder| unwrap_body(record, 0, decoder));
        let understood = decoder.delivery.problems.len() == known;
        messages.push(QueueMessage { id: id.to_owned(), objects: decoder.announced.clone(), understood });
    }
    decoder.delivery.messages = Some(messages);
}

/// Decodes a part and records its problem, if any. The problems of its own parts, and its own, get the place of the part.
pub(super) fn note(
    decoder: &mut Decoder<'_>,
    place: &str,
    decode: impl FnOnce(&mut Decoder<'_>) -> Result<(), PayloadError>,
) {
    let known = decoder.delivery.problems.len();
    let outcome = decode(decoder);
    decoder.delivery.problems.extend(outcome.err());
    if !place.is_empty() {
        for problem in decoder.delivery.problems.iter_mut().skip(known) {
            let source = Box::new(std::mem::replace(problem, PayloadError::TooManyLevels));
            *problem = PayloadError::At { place: place.to_owned(), source };
        }
    }
}

fn unwrap(value: &Value, level: usize, decoder: &mut Decoder<'_>) -> Result<(), PayloadError> {
    if level > MAX_LEVELS {
        return Err(PayloadError::TooManyLevels);
    }
    let has = |name: &str| value.get(name).is_some();
    if let Some(records) = records(value) {
        unwrap_records(records, level, decoder);
        return Ok(());
    }
    match value.get("Type").and_then(Value::as_str) {
        Some("Notification") => return unwrap_text(value.get("Message"), level, decoder),
        Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") => {
            decoder.delivery.skipped.other_events += 1;
            return Ok(());
        }
        _ => {}
    }
    match value.get("requestPayload") {
        Some(payload) if has("requestContext") => unwrap(payload, level + 1, decoder),
        _ if value.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") => {
            decoder.delivery.skipped.test_events += 1;
            Ok(())
        }
        _ if has("s3Bucket") => cloudtrail_notice::decode(value, decoder),
        _ if has("detail-type") => eventbridge::decode(value, decoder),
        _ => Err(PayloadError::UnknownShape { found: shape(value) }),
    }
}

fn unwrap_records(records: &[Value], level: usize, decoder: &mut Decoder<'_>) {
    for (index, record) in records.iter().enumerate() {
        note(decoder, &format!("record {index}"), |decoder| match record {
            _ if of(Some(record), "aws:s3") => s3_notification::decode(record, decoder),
            _ if of(Some(record), "aws:sqs") => unwrap_body(record, level, decoder),
            _ if of(Some(record), "aws:sns") => {
                unwrap_text(record.get("Sns").and_then(|it| it.get("Message")), level, decoder)
            }
            _ => Err(incomplete("the eventSource aws:s3, aws:sns or aws:sqs")),
        });
    }
}

fn unwrap_body(record: &Value, level: usize, decoder: &mut Decoder<'_>) -> Result<(), PayloadError> {
    unwrap_text(record.get("body"), level, decoder)
}

fn unwrap_text(text: Option<&Value>, level: usize, decoder: &mut Decoder<'_>) -> Result<(), PayloadError> {
    let text = text.and_then(Value::as_str).ok_or(incomplete("a message with text"))?;
    if text.trim() == CLOUDTRAIL_TEST {
        decoder.delivery.skipped.test_events += 1;
        return Ok(());
    }
    match serde_json::from_str(text) {
        Ok(inner) => unwrap(&inner, level + 1, decoder),
        Err(_) => Err(PayloadError::UnknownShape { found: "text that is not JSON".to_owned() }),
    }
}

fn records(value: &Value) -> Option<&[Value]> {
    value.get("Records")?.as_array().map(Vec::as_slice).filter(|records| !records.is_empty())
}

/// SNS capitalises the name of the field.
fn of(record: Option<&Value>, source: &str) -> bool {
    let field = |name| record.and_then(|it| it.get(name)).and_then(Value::as_str);
    field("eventSource").or(field("EventSource")) == Some(source)
}

pub(super) fn incomplete(expected: &'static str) -> PayloadError {
    PayloadError::Incomplete { expected }
}

/// Describes a payload by its keys, shortened. Values may be confidential, so they are not logged.
pub(super) fn shape(payload: &Value) -> String {
    match payload {
        Value::Object(members) if members.is_empty() => "an empty object".to_owned(),
        Value::Object(members) => {
            let key = |key: &String| key.chars().take(40).collect::<String>().escape_default().to_string();
            let keys: Vec<String> = members.keys().take(8).map(key).collect();
            format!("an object with the keys {}", keys.join(", "))
        }
        Value::Array(_) => "an array".to_owned(),
        _ => "a single value".to_owned(),
    }
}
