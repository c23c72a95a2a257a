//! S3 event notifications, as S3 sends them to a function.
//!
//! Source: "Event message structure" in the Amazon S3 User Guide. Keys are form-encoded in them: a
//! plus sign stands for a space, and everything else outside of ASCII is percent-encoded.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;

use super::{Delivery, PayloadError};
use crate::trail::LogObject;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    event_source: String,
    event_name: String,
    s3: Option<Entity>,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    key: String,
    version_id: Option<String>,
}

/// Reads a notification, or the message by which S3 tests one.
pub(super) fn decode(payload: &str, trail_buckets: &[String], delivery: &mut Delivery) -> Result<(), PayloadError> {
    let payload: Value = serde_json::from_str(payload)
        .map_err(|error| PayloadError::UnknownShape { found: format!("invalid JSON at column {}", error.column()) })?;
    if payload.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        delivery.skipped.test_events += 1;
        return Ok(());
    }
    let Some(records) = payload.get("Records").and_then(Value::as_array).filter(|it| !it.is_empty()) else {
        return Err(PayloadError::UnknownShape { found: shape(&payload) });
    };
    for (index, record) in records.iter().enumerate() {
        if let Err(problem) = announce(record, index, trail_buckets, delivery) {
            delivery.problems.push(problem);
        }
    }
    Ok(())
}

fn announce(
    record: &Value,
    index: usize,
    trail_buckets: &[String],
    delivery: &mut Delivery,
) -> Result<(), PayloadError> {
    let wrong = |expected| PayloadError::Record { index, expected };
    let notification = Notification::deserialize(record)
        .map_err(|_| wrong("an S3 notification with eventSource, eventName, s3.bucket.name and s3.object.key"))?;
    if notification.event_source != "aws:s3" {
        return Err(wrong("the eventSource aws:s3"));
    }
    if !is_creation(&notification.event_name) {
        delivery.skipped.other_events += 1;
        return Ok(());
    }
    let Entity { bucket, object } = notification.s3.ok_or(wrong("s3.bucket.name and s3.object.key"))?;
    if !trail_buckets.contains(&bucket.name) {
        return Err(PayloadError::ForeignBucket { index, bucket: bucket.name.escape_default().to_string() });
    }
    let key = form_decode(&object.key).ok_or(wrong("a key that decodes to UTF-8"))?;
    delivery.announce(LogObject { bucket: bucket.name, key, version: object.version_id });
    Ok(())
}

/// Names of the event, with and without the `s3:` that the configuration has in front of them.
fn is_creation(event_name: &str) -> bool {
    event_name.strip_prefix("s3:").unwrap_or(event_name).starts_with("ObjectCreated:")
}

fn form_decode(key: &str) -> Option<String> {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}

/// Describes a payload by its keys. Values are not ours to log; keys are cut short.
fn shape(payload: &Value) -> String {
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

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;
    use crate::delivery::{Skipped, decode};

    const FOLDER: &str = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02";

    fn record(event_name: &str, bucket: &str, key: &str) -> Value {
        json!({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event_name,
               "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 0}}})
    }

    fn deliver(records: &[Value]) -> Delivery {
        decode(&json!({"Records": records}).to_string(), &["trail".to_owned()])
    }

    #[test]
    fn keys_are_form_decoded() {
        for (encoded, decoded) in [
            ("a+b.json.gz", "a b.json.gz"),
            ("a%2Bb.json.gz", "a+b.json.gz"),
            ("a%20b.json.gz", "a b.json.gz"),
            ("a%252Bb.json.gz", "a%2Bb.json.gz"),
            ("%C3%A9t%C3%A9.json.gz", "été.json.gz"),
            ("a%26b%3Dc.json.gz", "a&b=c.json.gz"),
            ("100%.json.gz", "100%.json.gz"),
        ] {
            let delivery = deliver(&[record("ObjectCreated:Put", "trail", &format!("{FOLDER}/{encoded}"))]);
            let keys: Vec<_> = delivery.objects.iter().map(|it| it.key.clone()).collect();
            assert_eq!(keys, [format!("{FOLDER}/{decoded}")]);
        }
    }

    #[test]
    fn every_record_is_accounted_for() {
        let log = format!("{FOLDER}/a.json.gz");
        let delivery = deliver(&[
            record("ObjectCreated:Put", "trail", &log),
            record("ObjectCreated:CompleteMultipartUpload", "trail", &log),
            record("s3:ObjectCreated:Copy", "trail", &format!("{FOLDER}/b.json.gz")),
            record("ObjectCreated:Put", "other", &log),
            record("ObjectRemoved:Delete", "trail", &log),
            record("ObjectCreated:Put", "trail", &log.replace("/CloudTrail/", "/CloudTrail-Digest/")),
            record("ObjectCreated:Put", "trail", "photo.jpg"),
            record("ObjectCreated:Put", "trail", "%ff"),
            json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}),
            json!({"eventSource": "aws:sqs", "eventName": ""}),
            json!("text"),
        ]);
        assert_eq!(delivery.objects.len(), 2);
        assert_eq!(
            delivery.skipped,
            Skipped { test_events: 0, other_events: 1, digests: 1, foreign_keys: 1, repeated: 1 }
        );
        let problems: Vec<_> = delivery.problems.iter().map(ToString::to_string).collect();
        assert_snapshot!(problems.join("\n"), @"
        record 3 of the payload: bucket other is not in TRAIL_BUCKETS
        record 7 of the payload: expected a key that decodes to UTF-8
        record 8 of the payload: expected s3.bucket.name and s3.object.key
        record 9 of the payload: expected the eventSource aws:s3
        record 10 of the payload: expected an S3 notification with eventSource, eventName, s3.bucket.name and s3.object.key
        ");
    }

    #[test]
    fn versions_of_an_object_are_different_objects() {
        let with_version = |version: &str| {
            let mut record = record("ObjectCreated:Put", "trail", &format!("{FOLDER}/a.json.gz"));
            record["s3"]["object"]["versionId"] = json!(version);
            record
        };
        let delivery = deliver(&[with_version("1"), with_version("2"), with_version("1")]);
        assert_eq!((delivery.objects.len(), delivery.skipped.repeated), (2, 1));
    }

    #[test]
    fn test_events_are_acknowledged() {
        let payload = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "trail"}).to_string();
        let delivery = decode(&payload, &["trail".to_owned()]);
        assert_eq!((delivery.skipped.test_events, delivery.problems.len()), (1, 0));
    }

    #[test]
    fn unknown_payloads_are_errors() {
        let mut errors = Vec::new();
        for payload in ["{}", "[]", "7", "{", r#"{"Records":[]}"#, r#"{"Records":{}}"#, r#"{"hello":"secret","z\n":1}"#]
        {
            let delivery = decode(payload, &[]);
            errors.extend(delivery.problems.iter().map(ToString::to_string));
        }
        assert_snapshot!(errors.join("\n"), @r"
        payload not understood: expected an S3 notification, found an empty object
        payload not understood: expected an S3 notification, found an array
        payload not understood: expected an S3 notification, found a single value
        payload not understood: expected an S3 notification, found invalid JSON at column 1
        payload not understood: expected an S3 notification, found an object with the keys Records
        payload not understood: expected an S3 notification, found an object with the keys Records
        payload not understood: expected an S3 notification, found an object with the keys hello, z\n
        ");
    }
}
