//! From the payload of an invocation to the log objects that it announces and the records that it holds.
//!
//! | path | payload | keys |
//! |---|---|---|
//! | S3 | `Records[].s3` | form-encoded |
//! | S3, SNS | `Records[].Sns.Message` holds the above | form-encoded |
//! | S3, SQS; S3, SNS, SQS, raw or not | `Records[].body` holds one of the others | of the inner payload |
//! | EventBridge, direct or through SQS or SNS | `detail.bucket`, `detail.object` | plain |
//! | CloudTrail notice, through SNS or SQS | `{"s3Bucket", "s3ObjectKey": […]}` | plain |
//! | CloudTrail events through EventBridge, direct or through SQS or SNS | `detail` is an inline record | – |
//! | Lambda failure record | `requestPayload` holds one of the others | of the inner payload |
//! | S3 Batch Operations, 1.0 and 2.0 | `tasks[]`, each with its own result | form-encoded |
//! | manual test | `{"trailwarden": "test-alert"}` | – |
//!
//! The path is recognised from the payload. Every part of a payload becomes a log object to read, an inline record, a
//! count of skipped parts, or a problem that fails the invocation. Nothing is ignored silently.

mod batch_job;
mod cloudtrail_notice;
mod envelope;
mod eventbridge;
mod object_key;
mod s3_notification;

pub use object_key::KeyKind;

use std::collections::HashMap;

use serde_json::Value;

use crate::trail::{LogObject, Record, is_lambda};

/// The decoded payload of an invocation.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Objects to read, each once, in the order of the payload.
    pub objects: Vec<LogObject>,
    /// Counts of the parts that need no reading.
    pub skipped: Skipped,
    /// Parts that cannot be decoded or are not accepted.
    pub problems: Vec<PayloadError>,
    /// The messages of an SQS queue, each with its own result; `None` on other paths.
    pub messages: Option<Vec<QueueMessage>>,
    /// Messages of a queue without an ID, which no result can name.
    pub unnamed_messages: u64,
    /// Inline records: CloudTrail records that the payload itself holds, as JSON.
    pub records: Vec<String>,
    /// The job of S3 Batch Operations that the payload belongs to.
    pub job: Option<BatchJob>,
    /// The payload requests a test alert.
    pub is_test: bool,
}

/// Which parts of a payload are accepted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Buckets whose objects may be read.
    pub trail_buckets: Vec<String>,
    /// Accept inline records of AWS Lambda: the fast path is on. Whoever may invoke the function or send to its queue can
    /// forge such a record, while forging one in a log object takes write access to the bucket.
    pub inline_records: bool,
    /// Accept tasks of S3 Batch Operations. Their findings are published on the topic for machines only, so that topic is
    /// required.
    pub batch_jobs: bool,
}

/// A part of a job of S3 Batch Operations.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct BatchJob {
    /// Version of the payload, which the response repeats.
    pub schema_version: String,
    /// ID of the invocation, which the response repeats.
    pub invocation_id: String,
    /// Its tasks.
    pub tasks: Vec<BatchTask>,
}

/// An object of a job of S3 Batch Operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchTask {
    /// The ID to report the result with.
    pub id: String,
    /// Index of the object in [`Delivery::objects`]; `None` if it is not a log object; or why it cannot be read.
    pub object: Result<Option<usize>, PayloadError>,
}

/// A message of an SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// The ID to report a failure with.
    pub id: String,
    /// Indexes of its objects in [`Delivery::objects`].
    pub objects: Vec<usize>,
    /// False if a part of it has a problem.
    pub understood: bool,
}

/// Counts of the parts of a payload that need no reading.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Messages that S3 and CloudTrail send to test a notification.
    pub test_events: u64,
    /// Notifications of anything but the creation of an object.
    pub other_events: u64,
    /// Digest files of log file validation.
    pub digests: u64,
    /// Other keys: Insights and aggregated events, folder markers, other services, unrelated keys.
    pub foreign_keys: u64,
    /// Objects that the payload announces more than once.
    pub repeated: u64,
}

/// Why a payload, or a part of it, is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The payload has the shape of no delivery path.
    #[error("unknown payload: expected a notification of a log object, found {found}")]
    UnknownShape {
        /// The shape of the payload, without its values.
        found: String,
    },
    /// A notification lacks a part or has one of the wrong type.
    #[error("expected {expected}")]
    Incomplete {
        /// The part, and what it must be.
        expected: &'static str,
    },
    /// The object is in a bucket that may not be read.
    #[error("bucket {bucket} is not in TRAIL_BUCKETS")]
    ForeignBucket {
        /// The bucket's name, escaped.
        bucket: String,
    },
    /// The payload holds an inline record, but the fast path is off.
    #[error("CloudTrail record in the payload, but FAST_PATH is off")]
    InlineRecord,
    /// The payload holds a task of S3 Batch Operations, but there is no topic for its findings.
    #[error("EVENT_TOPIC_ARN is not set: findings of S3 Batch Operations are published on that topic only")]
    BatchJob,
    /// The notification is nested deeper than on any path.
    #[error("payload nested more than {} levels deep", envelope::MAX_LEVELS)]
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

/// Decodes a payload.
///
/// ```
/// use trailwarden::delivery::{self, Accepted};
///
/// let accepted = Accepted { trail_buckets: vec!["trail".to_owned()], ..Accepted::default() };
/// let payload = r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{
///     "bucket":{"name":"trail"},
///     "object":{"key":"AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/a+b.json.gz"}}}]}"#;
/// let delivery = delivery::decode(payload, &accepted);
/// assert_eq!(delivery.objects[0].key, "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/a b.json.gz");
/// assert!(delivery.problems.is_empty());
/// ```
#[must_use]
pub fn decode(payload: &str, accepted: &Accepted) -> Delivery {
    let mut decoder = Decoder::new(accepted);
    match serde_json::from_str::<Value>(payload) {
        Ok(payload) => envelope::decode(&payload, &mut decoder),
        Err(error) => {
            let found = format!("invalid JSON at column {}", error.column());
            decoder.delivery.problems.push(PayloadError::UnknownShape { found });
        }
    }
    decoder.delivery
}

/// A payload during decoding.
struct Decoder<'a> {
    accepted: &'a Accepted,
    delivery: Delivery,
    /// Indexes of the objects, for all objects of the payload: a queue may redeliver thousands of them at once.
    indexes: HashMap<LogObject, usize>,
    /// Indexes of the objects that the current message announced.
    announced: Vec<usize>,
}

impl<'a> Decoder<'a> {
    fn new(accepted: &'a Accepted) -> Self {
        Self { accepted, delivery: Delivery::default(), indexes: HashMap::new(), announced: Vec::new() }
    }

    /// Adds an announced object, unless the payload has announced it before. A notification about a bucket without versions
    /// may have an empty version ID, which S3 would refuse in a request.
    fn announce(&mut self, bucket: &str, key: String, version: Option<String>) -> Result<(), PayloadError> {
        if !self.accepted.trail_buckets.iter().any(|it| it == bucket) {
            return Err(PayloadError::ForeignBucket { bucket: bucket.escape_default().to_string() });
        }
        let version = version.filter(|version| !version.is_empty());
        match KeyKind::of(&key) {
            KeyKind::Log => self.announce_log(LogObject { bucket: bucket.to_owned(), key, version }),
            KeyKind::Digest => self.delivery.skipped.digests += 1,
            KeyKind::Foreign => self.delivery.skipped.foreign_keys += 1,
        }
        Ok(())
    }

    /// Adds an inline record, which `source` has sent to EventBridge. Only AWS can send events of the source `aws.lambda`.
    fn announce_record(&mut self, source: Option<&str>, record: &Value) -> Result<(), PayloadError> {
        if !self.accepted.inline_records {
            return Err(PayloadError::InlineRecord);
        }
        let text = record.to_string();
        // The parser would accept an array as a list of fields.
        let is_of_lambda = record.is_object()
            && Record::parse(text.as_bytes()).is_ok_and(|record| record.event_source.is_some_and(|it| is_lambda(&it)));
        if source != Some("aws.lambda") || !is_of_lambda {
            let expected = "a CloudTrail record of AWS Lambda in detail, from the source aws.lambda";
            return Err(PayloadError::Incomplete { expected });
        }
        self.delivery.records.push(text);
        Ok(())
    }

    fn announce_log(&mut self, object: LogObject) {
        let objects = &mut self.delivery.objects;
        let known = self.indexes.get(&object).copied();
        self.delivery.skipped.repeated += u64::from(known.is_some());
        self.announced.push(known.unwrap_or(objects.len()));
        if known.is_none() {
            self.indexes.insert(object.clone(), objects.len());
            objects.push(object);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Instant;

    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;
    use crate::detect::Detector;

    const KEY: &str = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/a b+c.json.gz";
    const FORM: &str = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/a+b%2Bc.json.gz";

    fn deliver(payload: &Value) -> Delivery {
        decode(&payload.to_string(), &accepted("trail"))
    }

    fn accepted(bucket: &str) -> Accepted {
        Accepted { trail_buckets: vec![bucket.to_owned()], inline_records: true, batch_jobs: true }
    }

    fn s3() -> Value {
        json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                            "s3": {"bucket": {"name": "trail"}, "object": {"key": FORM}}}]})
    }

    fn event_bridge() -> Value {
        json!({"detail-type": "Object Created", "source": "aws.s3",
               "detail": {"bucket": {"name": "trail"}, "object": {"key": KEY, "version-id": "v"}}})
    }

    fn cloudtrail() -> Value {
        json!({"s3Bucket": "trail", "s3ObjectKey": [KEY]})
    }

    fn sns(inner: &Value) -> Value {
        json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Type": "Notification", "Message": inner.to_string()}}]})
    }

    fn sns_in_a_queue(inner: &Value) -> Value {
        json!({"Type": "Notification", "MessageId": "m", "Message": inner.to_string()})
    }

    fn sqs(inner: &Value) -> Value {
        json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": inner.to_string()}]})
    }

    fn failed(inner: &Value) -> Value {
        json!({"version": "1.0", "requestContext": {}, "requestPayload": inner, "responsePayload": {}})
    }

    #[test]
    fn every_path_announces_the_object() {
        let inner = [s3(), event_bridge(), cloudtrail()];
        let wrapped = inner.iter().flat_map(|it| [it.clone(), sns(it), sqs(it), sqs(&sns_in_a_queue(it))]);
        for payload in wrapped.flat_map(|it| [failed(&it), it]) {
            let delivery = deliver(&payload);
            let keys: Vec<_> = delivery.objects.iter().map(|it| it.key.as_str()).collect();
            assert_eq!((keys.as_slice(), delivery.problems.as_slice()), ([KEY].as_slice(), [].as_slice()), "{payload}");
            assert_eq!(delivery.messages.is_some(), payload["Records"][0]["eventSource"] == "aws:sqs", "{payload}");
        }
    }

    #[test]
    fn inline_records_are_accepted_on_the_fast_path_only() {
        let record = json!({"eventSource": "lambda.amazonaws.com", "eventName": "LambdaESMDisabled"});
        for kind in ["AWS Service Event via CloudTrail", "AWS API Call via CloudTrail"] {
            let event = json!({"detail-type": kind, "source": "aws.lambda", "detail": record});
            for payload in [event.clone(), sqs(&event), sns(&event), sqs(&sns_in_a_queue(&event)), failed(&event)] {
                let delivery = deliver(&payload);
                assert_eq!((delivery.records, delivery.problems), (vec![record.to_string()], vec![]), "{payload}");
                let without = decode(&payload.to_string(), &Accepted { inline_records: false, ..accepted("trail") });
                let [problem] = without.problems.as_slice() else { panic!("a problem, found {without:?}") };
                assert!(problem.to_string().ends_with("but FAST_PATH is off"), "{problem}");
                assert_eq!(without.records, [""; 0]);
            }
        }
    }

    #[test]
    fn inline_records_of_other_sources_and_services_are_refused() {
        let record = |source: &str| json!({"eventSource": source, "eventName": "LambdaESMDisabled"});
        let lambda = record("lambda.amazonaws.com");
        for (source, detail) in [
            (json!("aws.sqs"), lambda.clone()),
            (json!("custom.lambda"), lambda.clone()),
            (json!(null), lambda.clone()),
            (json!("aws.lambda"), record("s3.amazonaws.com")),
            (json!("aws.lambda"), record("lambda.amazonaws.com.example")),
            (json!("aws.lambda"), json!({"eventName": "LambdaESMDisabled"})),
            (json!("aws.lambda"), json!([lambda])),
            // As an array, a record is a list of the fields that the parser knows.
            (json!("aws.lambda"), json!(["lambda.amazonaws.com", "LambdaESMDisabled"])),
            (json!("aws.lambda"), json!("lambda.amazonaws.com")),
        ] {
            let event = json!({"detail-type": "AWS Service Event via CloudTrail", "source": source, "detail": detail});
            let delivery = deliver(&event);
            assert_eq!((delivery.records.len(), delivery.problems.len()), (0, 1), "{event}");
        }
    }

    #[test]
    fn a_record_without_event_id_has_one_identity_inline_and_in_a_log_object() {
        let stored = br#"{ "userIdentity": {"type": "AWSService", "invokedBy": "lambda.amazonaws.com"},
            "eventSource": "lambda.amazonaws.com", "eventName": "LambdaESMDisabled",
            "requestParameters": {"b": [1, 2.5], "a": "\u00e9"} }"#;
        let event = r#"{"source":"aws.lambda","detail-type":"AWS Service Event via CloudTrail","detail":{
            "eventName":"LambdaESMDisabled","requestParameters":{"a":"é","b":[1,2.50]},
            "userIdentity":{"invokedBy":"lambda.amazonaws.com","type":"AWSService"},
            "eventSource":"lambda.amazonaws.com"}}"#;
        let delivery = decode(event, &accepted("trail"));
        let [inline] = delivery.records.as_slice() else { panic!("a record, found {delivery:?}") };
        let identity = |record: &[u8]| {
            let examined = Detector::default()
                .examine(record, &Arc::from("s3://trail/key"), &crate::rules::Rules::default())
                .expect("a record");
            let [finding] = examined.findings.as_slice() else { panic!("a finding, found {examined:?}") };
            finding.event.identity().to_owned()
        };
        assert_eq!(identity(inline.as_bytes()), identity(stored));
        let other = String::from_utf8_lossy(stored).replace("2.5", "2.6");
        assert_ne!(identity(inline.as_bytes()), identity(other.as_bytes()));
    }

    #[test]
    fn an_empty_version_id_is_no_version() {
        let mut notification = s3();
        notification["Records"][0]["s3"]["object"]["versionId"] = json!("");
        let mut event = event_bridge();
        event["detail"]["object"]["version-id"] = json!("");
        let task = json!({"taskId": "1", "s3Key": FORM, "s3Bucket": "trail", "s3VersionId": ""});
        let job = json!({"invocationSchemaVersion": "2.0", "invocationId": "i", "tasks": [task]});
        for payload in [notification, event, job] {
            let delivery = deliver(&payload);
            assert_eq!(delivery.objects, [LogObject::new("trail", KEY)], "{payload}");
        }
    }

    #[test]
    fn a_bad_key_of_a_notice_hides_no_other() {
        let other = KEY.replace("a b", "other");
        let notice = json!({"s3Bucket": "trail", "s3ObjectKey": [KEY, 7, other, null]});
        let delivery = deliver(&sqs(&notice));
        assert_eq!(delivery.objects, [LogObject::new("trail", KEY), LogObject::new("trail", other)]);
        let problems: Vec<_> = delivery.problems.iter().map(ToString::to_string).collect();
        assert_snapshot!(problems.join("\n"), @"
        message 1: key 1: expected a string in s3ObjectKey
        message 1: key 3: expected a string in s3ObjectKey
        ");
        let messages = delivery.messages.expect("messages");
        assert_eq!((messages[0].objects.as_slice(), messages[0].understood), ([0, 1].as_slice(), false));
    }

    /// A comparison of each object with all others would take a hundred times as long for ten times the objects.
    #[test]
    fn announcing_takes_time_linear_in_the_objects() {
        let accepted = accepted("trail");
        let announce = |objects: usize| {
            let started = Instant::now();
            let mut decoder = Decoder::new(&accepted);
            for n in 0..objects {
                decoder.announce("trail", format!("{KEY}{n}"), None).expect("announced");
            }
            assert_eq!(decoder.delivery.objects.len(), objects);
            started.elapsed()
        };
        let fastest = |objects| (0..5).map(|_| announce(objects)).min().expect("a time");
        let (few, many) = (fastest(1_000), fastest(10_000));
        assert!(many < 40 * few, "{few:?} for 1,000 objects, {many:?} for 10,000");
    }

    #[test]
    fn parts_that_need_no_reading_are_counted() {
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "trail"});
        for (payload, test_events, other_events) in [
            (test.clone(), 1, 0),
            (sqs(&test), 1, 0),
            (sqs(&sns_in_a_queue(&test)), 1, 0),
            (
                json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "CloudTrail validation message."}}]}),
                1,
                0,
            ),
            (
                json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "CloudTrail validation message."}]}),
                1,
                0,
            ),
            (sqs(&json!({"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe"})), 0, 1),
            (json!({"detail-type": "Object Deleted", "source": "aws.s3", "detail": {}}), 0, 1),
        ] {
            let delivery = deliver(&payload);
            assert_eq!(
                (delivery.skipped.test_events, delivery.skipped.other_events),
                (test_events, other_events),
                "{payload}"
            );
            assert_eq!((delivery.objects.len(), delivery.problems.len()), (0, 0), "{payload}");
        }
    }

    #[test]
    fn each_message_of_a_queue_has_its_own_result() {
        let record =
            |id: &str, body: &Value| json!({"eventSource": "aws:sqs", "messageId": id, "body": body.to_string()});
        let elsewhere = json!({"s3Bucket": "elsewhere", "s3ObjectKey": [KEY]});
        let payload = json!({"Records": [
            record("1", &s3()), record("2", &json!({"hello": 1})), record("3", &cloudtrail()), record("4", &elsewhere),
            {"eventSource": "aws:sqs", "messageId": "5", "body": "text"}, {"eventSource": "aws:sqs", "body": "{}"}
        ]});
        let delivery = deliver(&payload);
        let messages = delivery.messages.expect("messages");
        let shown: Vec<_> = messages.iter().map(|it| (it.id.as_str(), it.objects.clone(), it.understood)).collect();
        assert_eq!(
            shown,
            [
                ("1", vec![0], true),
                ("2", vec![], false),
                ("3", vec![0], true),
                ("4", vec![], false),
                ("5", vec![], false)
            ]
        );
        assert_eq!((delivery.objects.len(), delivery.skipped.repeated), (1, 1));
        let problems: Vec<_> = delivery.problems.iter().map(ToString::to_string).collect();
        assert_snapshot!(problems.join("\n"), @"
        message 2: unknown payload: expected a notification of a log object, found an object with the keys hello
        message 4: bucket elsewhere is not in TRAIL_BUCKETS
        message 5: unknown payload: expected a notification of a log object, found text that is not JSON
        record 5: expected a messageId
        ");
    }

    #[test]
    fn unknown_payloads_are_errors() {
        let mut deep = s3();
        for _ in 0..5 {
            deep = failed(&deep);
        }
        let mut errors = Vec::new();
        for payload in [
            json!({}),
            json!([]),
            json!(7),
            json!("text"),
            json!({"Records": []}),
            json!({"Records": {}}),
            json!({"Records": [{"eventSource": "aws:dynamodb"}]}),
            json!({"hello": "secret", "z\n": 1}),
            json!({"s3Bucket": "trail"}),
            json!({"s3Bucket": "trail", "s3ObjectKey": []}),
            json!({"detail-type": "Object Created", "source": "aws.s3", "detail": {"bucket": "trail"}}),
            json!({"detail-type": "AWS Service Event via CloudTrail", "source": "aws.lambda", "detail": {}}),
            json!({"requestPayload": 7, "requestContext": {}}),
            deep,
        ] {
            let delivery = deliver(&payload);
            assert_eq!(delivery.problems.len(), 1, "{payload}");
            errors.extend(delivery.problems.iter().map(ToString::to_string));
        }
        errors.extend(decode("{", &Accepted::default()).problems.iter().map(ToString::to_string));
        assert_snapshot!(errors.join("\n"), @r"
        unknown payload: expected a notification of a log object, found an empty object
        unknown payload: expected a notification of a log object, found an array
        unknown payload: expected a notification of a log object, found a single value
        unknown payload: expected a notification of a log object, found a single value
        unknown payload: expected a notification of a log object, found an object with the keys Records
        unknown payload: expected a notification of a log object, found an object with the keys Records
        record 0: expected the eventSource aws:s3, aws:sns or aws:sqs
        unknown payload: expected a notification of a log object, found an object with the keys hello, z\n
        expected a CloudTrail notice with s3Bucket and s3ObjectKey
        expected a CloudTrail notice with s3Bucket and s3ObjectKey
        expected an EventBridge event with detail.bucket.name and detail.object.key
        expected a CloudTrail record of AWS Lambda in detail, from the source aws.lambda
        unknown payload: expected a notification of a log object, found a single value
        payload nested more than 4 levels deep
        unknown payload: expected a notification of a log object, found invalid JSON at column 1
        ");
    }

    /// Each payload in `events/` holds an object, a record or the request for a test alert.
    #[test]
    fn shipped_payloads_are_understood() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let payload = std::fs::read_to_string(&path).expect("a file");
            let delivery = decode(&payload, &accepted("trailwarden-local"));
            assert_eq!(delivery.problems, [], "{}", path.display());
            let holds = delivery.objects.len() + delivery.records.len() + usize::from(delivery.is_test);
            assert_eq!(holds == 0, path.ends_with("s3_test_event.json"), "{}", path.display());
            seen += 1;
        }
        assert_eq!(seen, 12);
    }
}
