//! S3 events and CloudTrail events through EventBridge.
//!
//! Sources: "EventBridge event message structure" in the Amazon S3 User Guide: keys are not encoded; "AWS service
//! events delivered via AWS CloudTrail" in the EventBridge User Guide: `detail` is a record.

use serde::Deserialize;
use serde_json::Value;

use super::announced::Collector;
use super::problem::{PayloadError, incomplete, unknown_shape};

#[derive(Deserialize)]
struct Detail {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Object {
    key: String,
    version_id: Option<String>,
}

pub(super) fn decode(event: &Value, collector: &mut Collector<'_>) -> Result<(), PayloadError> {
    let field = |name| event.get(name).and_then(Value::as_str);
    match (field("source"), field("detail-type")) {
        (Some("aws.s3"), Some("Object Created")) => {}
        (Some("aws.s3"), Some(_)) => {
            collector.announced.skipped.other_events += 1;
            return Ok(());
        }
        (source, Some("AWS Service Event via CloudTrail" | "AWS API Call via CloudTrail")) => {
            return collector.inline_record(source, event.get("detail").unwrap_or(&Value::Null));
        }
        _ => return Err(unknown_shape(event)),
    }
    let detail = event.get("detail").unwrap_or(&Value::Null);
    let Detail { bucket, object } = Detail::deserialize(detail)
        .map_err(|_| incomplete("an EventBridge event with detail.bucket.name and detail.object.key"))?;
    collector.object(&bucket.name, object.key, object.version_id)
}
