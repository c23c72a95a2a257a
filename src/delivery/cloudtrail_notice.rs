//! CloudTrail notices of delivered log files.
//!
//! Source: "Configuring Amazon SNS notifications for CloudTrail" in the CloudTrail User Guide. A notice may hold several
//! keys. They are not encoded.

use serde_json::Value;

use super::envelope::{incomplete, note};
use super::{Decoder, PayloadError};

pub(super) fn decode(notice: &Value, decoder: &mut Decoder<'_>) -> Result<(), PayloadError> {
    let expected = || incomplete("a CloudTrail notice with s3Bucket and s3ObjectKey");
    let bucket = notice.get("s3Bucket").and_then(Value::as_str).ok_or_else(expected)?;
    let keys = match notice.get("s3ObjectKey") {
        Some(Value::Array(keys)) if !keys.is_empty() => keys.as_slice(),
        Some(key @ Value::String(_)) => std::slice::from_ref(key),
        _ => return Err(expected()),
    };
    for (index, key) in keys.iter().enumerate() {
        match key.as_str() {
            Some(key) => decoder.announce(bucket, key.to_owned(), None)?,
            None => note(decoder, &format!("key {index}"), |_| Err(incomplete("a string in s3ObjectKey"))),
        }
    }
    Ok(())
}
