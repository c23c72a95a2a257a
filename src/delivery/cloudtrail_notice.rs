//! CloudTrail notices of delivered log files.
//!
//! Source: "Configuring Amazon SNS notifications for CloudTrail" in the CloudTrail User Guide. A notice may contain
//! several keys. They are not encoded.

use serde_json::Value;

use super::announced::Collector;
use super::problem::{PayloadError, incomplete};

pub(super) fn decode(notice: &Value, collector: &mut Collector<'_>) -> Result<(), PayloadError> {
    let expected = || incomplete("a CloudTrail notice with s3Bucket and s3ObjectKey");
    let bucket = notice.get("s3Bucket").and_then(Value::as_str).ok_or_else(expected)?;
    let keys = match notice.get("s3ObjectKey") {
        Some(Value::Array(keys)) if !keys.is_empty() => keys.as_slice(),
        Some(key @ Value::String(_)) => std::slice::from_ref(key),
        _ => return Err(expected()),
    };
    for (index, key) in keys.iter().enumerate() {
        match key.as_str() {
            Some(key) => collector.object(bucket, key.to_owned(), None)?,
            None => {
                collector.part(format_args!("key {index}"), |_| Err(incomplete("a string in s3ObjectKey")));
            }
        }
    }
    Ok(())
}
