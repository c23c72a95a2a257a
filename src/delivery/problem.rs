//! Parts of a payload that cannot be decoded or are not accepted.

use serde_json::Value;

/// Maximum number of envelopes around a notification. The failure record of an SNS message in an SQS queue has three.
pub(super) const MAX_LEVELS: usize = 4;

/// Why a payload, or a part of it, is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The payload does not have the shape of any delivery path.
    #[error("unrecognized payload: expected a notification of a log object, found {found}")]
    UnknownShape {
        /// The shape of the payload, without its values.
        found: String,
    },
    /// A part is missing or has the wrong type.
    #[error("expected {expected}")]
    Incomplete {
        /// What was expected.
        expected: &'static str,
    },
    /// The object is in a bucket that may not be read.
    #[error("bucket {bucket} is not in TRAIL_BUCKETS")]
    OtherBucket {
        /// Name of the bucket, escaped.
        bucket: String,
    },
    /// The payload contains an inline record, but the fast path is off.
    #[error("payload contains a CloudTrail record, but FAST_PATH is off")]
    InlineRecord,
    /// The payload contains a task of S3 Batch Operations, but there is no topic for its findings.
    #[error("EVENT_TOPIC_ARN is not set: findings from S3 Batch Operations are published only to that topic")]
    BatchJob,
    /// The notification is in more envelopes than on any delivery path.
    #[error("payload nested more than {MAX_LEVELS} levels deep")]
    TooManyLevels,
    /// One of several records, messages or keys has a problem.
    #[error("{place}: {source}")]
    At {
        /// `record` or `key` with its index, from 0, or `message` with its ID.
        place: String,
        /// The problem.
        source: Box<PayloadError>,
    },
}

pub(super) fn incomplete(expected: &'static str) -> PayloadError {
    PayloadError::Incomplete { expected }
}

pub(super) fn unknown_shape(payload: &Value) -> PayloadError {
    PayloadError::UnknownShape { found: shape(payload) }
}

/// Describes a payload by its keys, shortened. Its values may be confidential, so they are left out.
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
