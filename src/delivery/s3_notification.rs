//! S3 event notifications.
//!
//! Source: "Event message structure" in the Amazon S3 User Guide. Keys are form-encoded: a plus sign represents a
//! space, and other special characters are percent-encoded.

use serde::Deserialize;
use serde_json::Value;

use super::announced::Collector;
use super::object_key::form_decode;
use super::problem::{PayloadError, incomplete};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
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

/// Decodes one record of a notification.
pub(super) fn decode(record: &Value, collector: &mut Collector<'_>) -> Result<(), PayloadError> {
    let notification = Notification::deserialize(record)
        .map_err(|_| incomplete("an S3 notification with eventName, s3.bucket.name and s3.object.key"))?;
    if !is_creation(&notification.event_name) {
        collector.announced.skipped.other_events += 1;
        return Ok(());
    }
    let Entity { bucket, object } = notification.s3.ok_or(incomplete("s3.bucket.name and s3.object.key"))?;
    let key = form_decode(&object.key).ok_or(incomplete("a key that decodes to UTF-8"))?;
    collector.object(&bucket.name, key, object.version_id)
}

/// Returns true for events that create an object. Event names have the prefix `s3:` in the configuration of a bucket,
/// but not in notifications. Both forms are accepted.
fn is_creation(event_name: &str) -> bool {
    event_name.strip_prefix("s3:").unwrap_or(event_name).starts_with("ObjectCreated:")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;
    use crate::delivery::tests::notification;
    use crate::delivery::{Accepted, Announced, Skipped, decode};

    const FOLDER: &str = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02";

    fn record(event_name: &str, bucket: &str, key: &str) -> Value {
        json!({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event_name,
               "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 0}}})
    }

    fn deliver(records: &[Value]) -> Announced {
        let accepted = Accepted { trail_buckets: vec!["trail".to_owned()], ..Accepted::default() };
        notification(decode(&json!({"Records": records}).to_string(), &accepted))
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
            Skipped { test_events: 0, other_events: 1, digests: 1, other_keys: 1, repeated: 1 }
        );
        let problems: Vec<_> = delivery.problems.iter().map(ToString::to_string).collect();
        assert_snapshot!(problems.join("\n"), @"
        record 3: bucket other is not in TRAIL_BUCKETS
        record 7: expected a key that decodes to UTF-8
        record 8: expected s3.bucket.name and s3.object.key
        record 9: expected a message with text
        record 10: expected the eventSource aws:s3, aws:sns or aws:sqs
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
}
