//! From the payload of an invocation to the log objects it announces.
//!
//! Everything that a payload holds is accounted for: a log object to read, something that is
//! skipped and counted, or a problem that fails the invocation. Nothing is passed over in silence.

mod object_key;
mod s3_notification;

pub use object_key::KeyKind;

use crate::trail::LogObject;

/// What a payload comes to.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Objects to read, each once, in the order of the payload.
    pub objects: Vec<LogObject>,
    /// What needs no reading.
    pub skipped: Skipped,
    /// What should have been readable and is not.
    pub problems: Vec<PayloadError>,
}

/// Counts of what needs no reading.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Messages by which S3 tests a notification.
    pub test_events: u64,
    /// Notifications of something other than the creation of an object.
    pub other_events: u64,
    /// Digest files of log file validation.
    pub digests: u64,
    /// Other keys that are not of log files: Insights and aggregated events, folder markers, other
    /// services, foreign keys.
    pub foreign_keys: u64,
    /// Objects that the payload names again.
    pub repeated: u64,
}

impl Skipped {
    /// All that was skipped.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.test_events + self.other_events + self.digests + self.foreign_keys + self.repeated
    }
}

/// Why a payload, or a part of it, is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The payload has a shape that no delivery path has.
    #[error("payload not understood: expected an S3 notification, found {found}")]
    UnknownShape {
        /// What it is instead, without its values.
        found: String,
    },
    /// A record of the payload lacks what it needs.
    #[error("record {index} of the payload: expected {expected}")]
    Record {
        /// Its place among the payload's records, from 0.
        index: usize,
        /// What is missing or wrong.
        expected: &'static str,
    },
    /// The object is in a bucket that is not to be read.
    #[error("record {index} of the payload: bucket {bucket} is not in TRAIL_BUCKETS")]
    ForeignBucket {
        /// Its place among the payload's records, from 0.
        index: usize,
        /// The bucket's name, escaped.
        bucket: String,
    },
}

/// Reads a payload. `trail_buckets` are the buckets whose objects may be read.
///
/// ```
/// use trailwarden::delivery;
///
/// let payload = r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{
///     "bucket":{"name":"trail"},
///     "object":{"key":"AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/a+b.json.gz"}}}]}"#;
/// let delivery = delivery::decode(payload, &["trail".to_owned()]);
/// assert_eq!(delivery.objects[0].key, "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/a b.json.gz");
/// assert!(delivery.problems.is_empty());
/// ```
#[must_use]
pub fn decode(payload: &str, trail_buckets: &[String]) -> Delivery {
    let mut delivery = Delivery::default();
    if let Err(problem) = s3_notification::decode(payload, trail_buckets, &mut delivery) {
        delivery.problems.push(problem);
    }
    delivery
}

impl Delivery {
    /// Takes an object that was announced, once.
    fn announce(&mut self, object: LogObject) {
        match KeyKind::of(&object.key) {
            KeyKind::Log if self.objects.contains(&object) => self.skipped.repeated += 1,
            KeyKind::Log => self.objects.push(object),
            KeyKind::Digest => self.skipped.digests += 1,
            KeyKind::Foreign => self.skipped.foreign_keys += 1,
        }
    }
}
