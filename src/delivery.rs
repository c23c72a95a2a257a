//! From the payload of an invocation to the log objects it announces, and the records it holds.
//!
//! | path | payload | keys |
//! |---|---|---|
//! | S3 | `Records[].s3` | form-encoded |
//! | S3, SNS | `Records[].Sns.Message` holds the above | form-encoded |
//! | S3, SQS; S3, SNS, SQS, raw or not | `Records[].body` holds one of the others | as inside |
//! | EventBridge, direct or through SQS or SNS | `detail.bucket`, `detail.object` | plain |
//! | CloudTrail's own notice, through SNS or SQS | `{"s3Bucket", "s3ObjectKey": […]}` | plain |
//! | CloudTrail events through EventBridge, direct or through SQS or SNS | `detail` is a record: inline | – |
//! | Lambda's failure record | `requestPayload` holds one of the others | as inside |
//! | S3 Batch Operations, 1.0 and 2.0 | `tasks[]`, each with a result of its own | form-encoded |
//! | a test, by hand | `{"trailwarden": "test-alert"}` | – |
//!
//! The path is recognised from the payload. Everything that a payload holds is accounted for: a log
//! object to read, something that is skipped and counted, or a problem that fails the invocation.
//! Nothing is passed over in silence.

mod batch_job;
mod cloudtrail_notice;
mod envelope;
mod eventbridge;
mod object_key;
mod s3_notification;

pub use object_key::KeyKind;

use serde_json::Value;

use crate::trail::{LogObject, Record};

/// What a payload comes to.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Objects to read, each once, in the order of the payload.
    pub objects: Vec<LogObject>,
    /// What needs no reading.
    pub skipped: Skipped,
    /// What should have been readable and is not.
    pub problems: Vec<PayloadError>,
    /// The messages of an SQS queue, each of which has its own result; `None` on other paths.
    pub messages: Option<Vec<QueueMessage>>,
    /// CloudTrail records that came in the payload itself, as JSON.
    pub records: Vec<String>,
    /// The job of S3 Batch Operations that the payload is a part of.
    pub job: Option<BatchJob>,
    /// A test alert is asked for.
    pub is_test: bool,
}

/// What a payload may be about.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Buckets whose objects may be read.
    pub trail_buckets: Vec<String>,
    /// Records may come in the payload. Each comes in a log object too, so that this takes a ledger that all invocations
    /// share.
    pub inline_records: bool,
    /// Tasks of S3 Batch Operations may come. What they find goes to machines alone, so that this takes a topic for those.
    pub batch_jobs: bool,
}

/// A part of a job of S3 Batch Operations.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct BatchJob {
    /// Version of the payload, which the answer repeats.
    pub schema_version: String,
    /// ID of the invocation, which the answer repeats.
    pub invocation_id: String,
    /// Its tasks.
    pub tasks: Vec<BatchTask>,
}

/// An object of a job of S3 Batch Operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchTask {
    /// Its ID, by which the result is reported.
    pub id: String,
    /// Place of the object in [`Delivery::objects`]; `None` if it is no log object; or why it cannot be read.
    pub object: Result<Option<usize>, PayloadError>,
}

/// A message of an SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// Its ID, by which a failure is reported.
    pub id: String,
    /// Places of its objects in [`Delivery::objects`].
    pub objects: Vec<usize>,
    /// False if a part of it has a problem.
    pub understood: bool,
}

/// Counts of what needs no reading.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Messages by which S3 and CloudTrail test a notification.
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

/// Why a payload, or a part of it, is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The payload has a shape that no delivery path has.
    #[error("payload not understood: expected the notification of an object, found {found}")]
    UnknownShape {
        /// What it is instead, without its values.
        found: String,
    },
    /// A notification lacks what it needs.
    #[error("expected {expected}")]
    Incomplete {
        /// What is missing or wrong.
        expected: &'static str,
    },
    /// The object is in a bucket that is not to be read.
    #[error("bucket {bucket} is not in TRAIL_BUCKETS")]
    ForeignBucket {
        /// The bucket's name, escaped.
        bucket: String,
    },
    /// A record came in the payload, where that is not accepted.
    #[error("a CloudTrail record in the payload: this takes LEDGER_TABLE, as the record comes in a log object too")]
    InlineRecord,
    /// A task came, where that is not accepted.
    #[error("EVENT_TOPIC_ARN is not set: what S3 Batch Operations finds goes to that topic alone")]
    BatchJob,
    /// The notification is wrapped more often than any path wraps one.
    #[error("payload wrapped more than {} times", envelope::MAX_LEVELS)]
    TooManyLevels,
    /// One of several records, or of several messages, has a problem.
    #[error("{place}: {source}")]
    At {
        /// Which: `record` and its place, from 0, or `message` and its ID.
        place: String,
        /// The problem.
        source: Box<PayloadError>,
    },
}

/// Reads a payload.
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
    let mut decoder = Decoder { accepted, delivery: Delivery::default(), announced: Vec::new() };
    match serde_json::from_str::<Value>(payload) {
        Ok(payload) => envelope::decode(&payload, &mut decoder),
        Err(error) => {
            let found = format!("invalid JSON at column {}", error.column());
            decoder.delivery.problems.push(PayloadError::UnknownShape { found });
        }
    }
    decoder.delivery
}

/// A payload while it is decoded.
struct Decoder<'a> {
    accepted: &'a Accepted,
    delivery: Delivery,
    /// Places of the objects that the current message announced.
    announced: Vec<usize>,
}

impl Decoder<'_> {
    /// Takes an object that was announced. One that was announced before is read once.
    fn announce(&mut self, bucket: &str, key: String, version: Option<String>) -> Result<(), PayloadError> {
        if !self.accepted.trail_buckets.iter().any(|it| it == bucket) {
            return Err(PayloadError::ForeignBucket { bucket: bucket.escape_default().to_string() });
        }
        match KeyKind::of(&key) {
            KeyKind::Log => self.announce_log(LogObject { bucket: bucket.to_owned(), key, version }),
            KeyKind::Digest => self.delivery.skipped.digests += 1,
            KeyKind::Foreign => self.delivery.skipped.foreign_keys += 1,
        }
        Ok(())
    }

    /// Takes a record that came in the payload.
    fn announce_record(&mut self, record: &Value) -> Result<(), PayloadError> {
        if !self.accepted.inline_records {
            return Err(PayloadError::InlineRecord);
        }
        let text = record.to_string();
        let is_record = Record::parse(text.as_bytes()).is_ok_and(|record| record.event_source.is_some());
        if !is_record {
            return Err(PayloadError::Incomplete { expected: "a CloudTrail record in detail" });
        }
        self.delivery.records.push(text);
        Ok(())
    }

    fn announce_log(&mut self, object: LogObject) {
        let objects = &mut self.delivery.objects;
        let known = objects.iter().position(|it| *it == object);
        self.delivery.skipped.repeated += u64::from(known.is_some());
        self.announced.push(known.unwrap_or(objects.len()));
        if known.is_none() {
            objects.push(object);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;

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
    fn records_come_in_the_payload_where_a_ledger_is_shared() {
        let record = json!({"eventSource": "lambda.amazonaws.com", "eventName": "LambdaESMDisabled"});
        for kind in ["AWS Service Event via CloudTrail", "AWS API Call via CloudTrail"] {
            let event = json!({"detail-type": kind, "source": "aws.lambda", "detail": record});
            for payload in [event.clone(), sqs(&event), sns(&event), sqs(&sns_in_a_queue(&event)), failed(&event)] {
                let delivery = deliver(&payload);
                assert_eq!((delivery.records, delivery.problems), (vec![record.to_string()], vec![]), "{payload}");
                let without = decode(&payload.to_string(), &Accepted::default());
                let [problem] = without.problems.as_slice() else { panic!("a problem, found {without:?}") };
                assert!(problem.to_string().ends_with("as the record comes in a log object too"), "{problem}");
                assert_eq!(without.records, [""; 0]);
            }
        }
    }

    #[test]
    fn what_needs_no_reading_is_acknowledged() {
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
        message 2: payload not understood: expected the notification of an object, found an object with the keys hello
        message 4: bucket elsewhere is not in TRAIL_BUCKETS
        message 5: payload not understood: expected the notification of an object, found a text that is not JSON
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
            json!({"s3Bucket": "trail", "s3ObjectKey": [7]}),
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
        payload not understood: expected the notification of an object, found an empty object
        payload not understood: expected the notification of an object, found an array
        payload not understood: expected the notification of an object, found a single value
        payload not understood: expected the notification of an object, found a single value
        payload not understood: expected the notification of an object, found an object with the keys Records
        payload not understood: expected the notification of an object, found an object with the keys Records
        record 0: expected the eventSource aws:s3, aws:sns or aws:sqs
        payload not understood: expected the notification of an object, found an object with the keys hello, z\n
        expected a CloudTrail notice with s3Bucket and s3ObjectKey
        expected a CloudTrail notice with s3Bucket and s3ObjectKey
        expected an EventBridge event with detail.bucket.name and detail.object.key
        expected a CloudTrail record in detail
        payload not understood: expected the notification of an object, found a single value
        payload wrapped more than 4 times
        payload not understood: expected the notification of an object, found invalid JSON at column 1
        ");
    }

    /// The payloads that the project ships announce what they say.
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
