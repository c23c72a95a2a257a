//! Collects what a payload announces.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;

use serde_json::Value;

use super::object_key::{AccountRegion, KeyKind};
use super::problem::{PayloadError, incomplete};
use crate::detect::is_lambda;
use crate::s3_object::S3Object;
use crate::trail::Record;

/// What a payload announces. Every part of a payload is counted in exactly one of the fields.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Announced {
    /// Log objects to read, each once, in the order of the payload.
    pub(crate) objects: Vec<S3Object>,
    /// Inline records: CloudTrail records in the payload itself, as JSON.
    pub(crate) records: Vec<String>,
    /// Accounts and Regions of the digest files.
    pub(crate) digests: BTreeSet<AccountRegion>,
    /// Number of parts that do not need to be read.
    pub(crate) skipped: Skipped,
    /// Parts that cannot be decoded or are not accepted.
    pub(crate) problems: Vec<PayloadError>,
}

/// Number of parts of a payload that do not need to be read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Messages that S3 and CloudTrail send to test a notification.
    pub test_events: u64,
    /// Notifications about anything other than the creation of an object.
    pub other_events: u64,
    /// Digest files of log file validation.
    pub digests: u64,
    /// Other keys: Insights and aggregated events, folder markers, logs of other services, unrelated keys.
    pub other_keys: u64,
    /// Repeated announcements of an object in the same payload.
    pub repeated: u64,
}

/// What the function accepts in a payload.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Buckets whose objects may be read.
    pub trail_buckets: Vec<String>,
    /// Accept inline records of AWS Lambda: the fast path is on. Anyone who may invoke the function or send to its
    /// queue can forge such a record, whereas forging one in a log object takes write access to the bucket.
    pub inline_records: bool,
    /// Accept tasks of S3 Batch Operations. Their findings are published only to the topic for machines, so that topic
    /// is required.
    pub batch_jobs: bool,
}

/// Collects the parts of a payload as they are decoded.
pub(super) struct Collector<'a> {
    pub(super) accepted: &'a Accepted,
    pub(super) announced: Announced,
    /// Indexes of the objects. A queue may redeliver thousands of objects in one payload, so each lookup must be fast.
    indexes: HashMap<S3Object, usize>,
    /// Indexes of the objects that the current message or task announced.
    current: Vec<usize>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(accepted: &'a Accepted) -> Self {
        Self { accepted, announced: Announced::default(), indexes: HashMap::new(), current: Vec::new() }
    }

    /// Adds an announced object, unless the payload has announced it before.
    pub(super) fn object(&mut self, bucket: &str, key: String, version: Option<String>) -> Result<(), PayloadError> {
        if !self.accepted.trail_buckets.iter().any(|it| it == bucket) {
            return Err(PayloadError::OtherBucket { bucket: bucket.escape_default().to_string() });
        }
        // For a bucket without versioning, the version ID may be empty. S3 rejects a request with an empty version ID.
        let version = version.filter(|version| !version.is_empty());
        match KeyKind::of(&key) {
            KeyKind::Log => self.log_object(S3Object { bucket: bucket.to_owned(), key, version }),
            KeyKind::Digest => {
                self.announced.skipped.digests += 1;
                self.announced.digests.extend(AccountRegion::of_digest(&key));
            }
            KeyKind::Other => self.announced.skipped.other_keys += 1,
        }
        Ok(())
    }

    fn log_object(&mut self, object: S3Object) {
        let objects = &mut self.announced.objects;
        let known = self.indexes.get(&object).copied();
        self.announced.skipped.repeated += u64::from(known.is_some());
        self.current.push(known.unwrap_or(objects.len()));
        if known.is_none() {
            self.indexes.insert(object.clone(), objects.len());
            objects.push(object);
        }
    }

    /// Adds an inline record that `source` sent to EventBridge. Only AWS can send events with the source `aws.lambda`.
    pub(super) fn inline_record(&mut self, source: Option<&str>, record: &Value) -> Result<(), PayloadError> {
        if !self.accepted.inline_records {
            return Err(PayloadError::InlineRecord);
        }
        let text = record.to_string();
        let is_of_lambda = record.is_object()
            && Record::parse(text.as_bytes()).is_ok_and(|record| record.event_source.is_some_and(|it| is_lambda(&it)));
        if source != Some("aws.lambda") || !is_of_lambda {
            return Err(incomplete("an AWS Lambda CloudTrail record in detail, from the source aws.lambda"));
        }
        self.announced.records.push(text);
        Ok(())
    }

    /// Decodes a part of the payload. Adds `place` to its problems.
    pub(super) fn part(&mut self, place: impl Display, decode: impl FnOnce(&mut Self) -> Result<(), PayloadError>) {
        let first = self.announced.problems.len();
        let result = decode(self);
        let problems = self.announced.problems.split_off(first).into_iter().chain(result.err());
        let at_place = |problem| PayloadError::At { place: place.to_string(), source: Box::new(problem) };
        self.announced.problems.extend(problems.map(at_place));
    }

    /// Decodes a message or task. Returns the indexes of the objects that it announced, including repetitions.
    pub(super) fn objects_of<V>(&mut self, decode: impl FnOnce(&mut Self) -> V) -> (V, Vec<usize>) {
        self.current.clear();
        let value = decode(self);
        (value, std::mem::take(&mut self.current))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// Comparing each object with all others would take ten times as long for one large payload as for ten small ones.
    #[test]
    fn announcing_objects_takes_linear_time() {
        let accepted = Accepted { trail_buckets: vec!["trail".to_owned()], ..Accepted::default() };
        let key = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/a.json.gz";
        let announce = |objects: usize| {
            let started = Instant::now();
            let mut collector = Collector::new(&accepted);
            for n in 0..objects {
                collector.object("trail", format!("{key}{n}"), None).expect("announced");
            }
            assert_eq!(collector.announced.objects.len(), objects);
            started.elapsed()
        };
        // Both sides take about the same time, so that other processes slow them down equally.
        let is_linear = || {
            let in_tenths: Duration = (0..10).map(|_| announce(1_000)).sum();
            announce(10_000) < 4 * in_tenths
        };
        assert!((0..5).any(|_| is_linear()));
    }
}
