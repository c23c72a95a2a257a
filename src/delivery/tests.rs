use std::path::Path;
use std::sync::Arc;

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::detect::{Detector, WatchRules};
use crate::s3_object::S3Object;

const KEY: &str = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/a b+c.json.gz";
const FORM: &str = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/a+b%2Bc.json.gz";

fn deliver(payload: &Value) -> Delivery {
    decode(&payload.to_string(), &accepted("trail"))
}

/// What a delivery of any kind announces.
fn announced(delivery: Delivery) -> Announced {
    match delivery {
        Delivery::Notification(announced) => announced,
        Delivery::Queue(queue) => queue.announced,
        Delivery::BatchJob(job) => job.announced,
        Delivery::TestAlert | Delivery::SilenceCheck | Delivery::Sweep => Announced::default(),
    }
}

pub(super) fn notification(delivery: Delivery) -> Announced {
    let Delivery::Notification(announced) = delivery else { panic!("a notification, found {delivery:?}") };
    announced
}

fn queue(delivery: Delivery) -> Queue {
    let Delivery::Queue(queue) = delivery else { panic!("messages of a queue, found {delivery:?}") };
    queue
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
    let one_key = json!({"s3Bucket": "trail", "s3ObjectKey": KEY});
    let inner = [s3(), event_bridge(), cloudtrail(), one_key];
    let wrapped = inner.iter().flat_map(|it| [it.clone(), sns(it), sqs(it), sqs(&sns_in_a_queue(it))]);
    for payload in wrapped.flat_map(|it| [failed(&it), it]) {
        let delivery = deliver(&payload);
        let is_queue = matches!(delivery, Delivery::Queue(_));
        assert_eq!(is_queue, payload["Records"][0]["eventSource"] == "aws:sqs", "{payload}");
        let announced = announced(delivery);
        let keys: Vec<_> = announced.objects.iter().map(|it| it.key.as_str()).collect();
        assert_eq!((keys.as_slice(), announced.problems.as_slice()), ([KEY].as_slice(), [].as_slice()), "{payload}");
    }
}

/// EventBridge and CloudTrail send keys as they are, so a key may contain what looks like an encoding.
#[test]
fn keys_that_are_not_encoded_are_not_decoded() {
    let key = KEY.replace("a b+c", "a+b%2Bc%20d%");
    let mut event = event_bridge();
    event["detail"]["object"]["key"] = json!(key);
    for payload in [event, json!({"s3Bucket": "trail", "s3ObjectKey": [key]})] {
        let found = announced(deliver(&payload));
        let keys: Vec<_> = found.objects.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(keys, [key.as_str()], "{payload}");
    }
}

/// The last element of each list announces an object, whatever precedes it.
#[test]
fn no_element_of_a_payload_hides_a_later_one() {
    let digest = json!({"s3Bucket": "trail", "s3ObjectKey": [KEY.replace("/CloudTrail/", "/CloudTrail-Digest/")]});
    let elsewhere = json!({"s3Bucket": "elsewhere", "s3ObjectKey": [KEY]});
    for before in [digest, elsewhere, cloudtrail(), json!({"hello": 1}), json!({"s3Bucket": "trail"}), json!(7)] {
        for wrap in [sqs, sns, |it: &Value| sqs(&sns_in_a_queue(it))] {
            let [mut first, mut last] = [before.clone(), cloudtrail()].map(|it| wrap(&it)["Records"].take());
            let records = [first[0].take(), last[0].take()];
            let found = announced(deliver(&json!({"Records": records})));
            assert_eq!(found.objects, [S3Object::new("trail", KEY)], "{records:?}");
        }
    }
    let mut mixed = s3();
    let after = mixed["Records"][0].clone();
    for before in [json!({"eventSource": "aws:s3"}), json!({"eventSource": "aws:dynamodb"}), json!(null)] {
        mixed["Records"] = json!([before, after]);
        assert_eq!(announced(deliver(&mixed)).objects.len(), 1, "{mixed}");
    }
}

/// The size in a notification is optional, and not always that of the object.
#[test]
fn objects_announced_with_size_0_are_read() {
    let (mut notification, mut event) = (s3(), event_bridge());
    notification["Records"][0]["s3"]["object"]["size"] = json!(0);
    event["detail"]["object"]["size"] = json!(0);
    for payload in [notification, event] {
        assert_eq!(announced(deliver(&payload)).objects.len(), 1, "{payload}");
    }
}

/// A sequencer orders the events of one key. Those of different keys may be equal, and a lower one may arrive later.
#[test]
fn objects_are_not_identified_by_their_sequencer() {
    let record = |name: &str, sequencer: &str| {
        let mut record = s3()["Records"][0].take();
        record["s3"]["object"] = json!({"key": FORM.replace("a+b", name), "sequencer": sequencer});
        record
    };
    let found = announced(deliver(&json!({"Records": [record("a", "0F"), record("b", "0F"), record("c", "0E")]})));
    assert_eq!((found.objects.len(), found.skipped.repeated), (3, 0));
}

#[test]
fn inline_records_are_accepted_on_the_fast_path_only() {
    let record = json!({"eventSource": "lambda.amazonaws.com", "eventName": "LambdaESMDisabled"});
    for kind in ["AWS Service Event via CloudTrail", "AWS API Call via CloudTrail"] {
        let event = json!({"detail-type": kind, "source": "aws.lambda", "detail": record});
        for payload in [event.clone(), sqs(&event), sns(&event), sqs(&sns_in_a_queue(&event)), failed(&event)] {
            let delivery = announced(deliver(&payload));
            assert_eq!((delivery.records, delivery.problems), (vec![record.to_string()], vec![]), "{payload}");
            let without = decode(&payload.to_string(), &Accepted { inline_records: false, ..accepted("trail") });
            let without = announced(without);
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
        // Serde can deserialize a struct from an array of its fields.
        (json!("aws.lambda"), json!(["lambda.amazonaws.com", "LambdaESMDisabled"])),
        (json!("aws.lambda"), json!("lambda.amazonaws.com")),
    ] {
        let event = json!({"detail-type": "AWS Service Event via CloudTrail", "source": source, "detail": detail});
        let delivery = notification(deliver(&event));
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
    let delivery = notification(decode(event, &accepted("trail")));
    let [inline] = delivery.records.as_slice() else { panic!("a record, found {delivery:?}") };
    let identity = |record: &[u8]| {
        let examined = Detector::default()
            .examine(record, &Arc::from("s3://trail/key"), &WatchRules::default())
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
        let delivery = announced(deliver(&payload));
        assert_eq!(delivery.objects, [S3Object::new("trail", KEY)], "{payload}");
    }
}

#[test]
fn a_bad_key_in_a_notice_hides_no_other_key() {
    let other = KEY.replace("a b", "other");
    let notice = json!({"s3Bucket": "trail", "s3ObjectKey": [KEY, 7, other, null]});
    let Queue { announced, messages, .. } = queue(deliver(&sqs(&notice)));
    assert_eq!(announced.objects, [S3Object::new("trail", KEY), S3Object::new("trail", other)]);
    let problems: Vec<_> = announced.problems.iter().map(ToString::to_string).collect();
    assert_snapshot!(problems.join("\n"), @"
    message 1: key 1: expected a string in s3ObjectKey
    message 1: key 3: expected a string in s3ObjectKey
    ");
    assert_eq!((messages[0].objects.as_slice(), messages[0].understood), ([0, 1].as_slice(), false));
}

#[test]
fn parts_that_need_no_reading_are_counted() {
    let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "trail"});
    for (payload, test_events, other_events) in [
        (test.clone(), 1, 0),
        (sqs(&test), 1, 0),
        (sqs(&sns_in_a_queue(&test)), 1, 0),
        (json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "CloudTrail validation message."}}]}), 1, 0),
        (
            json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "CloudTrail validation message."}]}),
            1,
            0,
        ),
        (sqs(&json!({"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe"})), 0, 1),
        (json!({"detail-type": "Object Deleted", "source": "aws.s3", "detail": {}}), 0, 1),
    ] {
        let delivery = announced(deliver(&payload));
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
    let record = |id: &str, body: &Value| json!({"eventSource": "aws:sqs", "messageId": id, "body": body.to_string()});
    let elsewhere = json!({"s3Bucket": "elsewhere", "s3ObjectKey": [KEY]});
    let payload = json!({"Records": [
        record("1", &s3()), record("2", &json!({"hello": 1})), record("3", &cloudtrail()), record("4", &elsewhere),
        {"eventSource": "aws:sqs", "messageId": "5", "body": "text"}, {"eventSource": "aws:sqs", "body": "{}"}
    ]});
    let Queue { announced, messages, without_id } = queue(deliver(&payload));
    let shown: Vec<_> = messages.iter().map(|it| (it.id.as_str(), it.objects.clone(), it.understood)).collect();
    assert_eq!(
        shown,
        [("1", vec![0], true), ("2", vec![], false), ("3", vec![0], true), ("4", vec![], false), ("5", vec![], false)]
    );
    assert_eq!((announced.objects.len(), announced.skipped.repeated, without_id), (1, 1, 1));
    let problems: Vec<_> = announced.problems.iter().map(ToString::to_string).collect();
    assert_snapshot!(problems.join("\n"), @"
    message 2: unrecognized payload: expected a notification of a log object, found an object with the keys hello
    message 4: bucket elsewhere is not in TRAIL_BUCKETS
    message 5: unrecognized payload: expected a notification of a log object, found text that is not JSON
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
        json!({"requestPayload": s3()}),
        deep,
    ] {
        let delivery = notification(deliver(&payload));
        assert_eq!(delivery.problems.len(), 1, "{payload}");
        errors.extend(delivery.problems.iter().map(ToString::to_string));
    }
    errors.extend(notification(decode("{", &Accepted::default())).problems.iter().map(ToString::to_string));
    assert_snapshot!(errors.join("\n"), @r"
    unrecognized payload: expected a notification of a log object, found an empty object
    unrecognized payload: expected a notification of a log object, found an array
    unrecognized payload: expected a notification of a log object, found a single value
    unrecognized payload: expected a notification of a log object, found a single value
    unrecognized payload: expected a notification of a log object, found an object with the keys Records
    unrecognized payload: expected a notification of a log object, found an object with the keys Records
    record 0: expected the eventSource aws:s3, aws:sns or aws:sqs
    unrecognized payload: expected a notification of a log object, found an object with the keys hello, z\n
    expected a CloudTrail notice with s3Bucket and s3ObjectKey
    expected a CloudTrail notice with s3Bucket and s3ObjectKey
    expected an EventBridge event with detail.bucket.name and detail.object.key
    expected an AWS Lambda CloudTrail record in detail, from the source aws.lambda
    unrecognized payload: expected a notification of a log object, found a single value
    unrecognized payload: expected a notification of a log object, found an object with the keys requestPayload
    payload nested more than 4 levels deep
    unrecognized payload: expected a notification of a log object, found invalid JSON at column 1
    ");
}

#[test]
fn up_to_four_envelopes_are_opened() {
    for envelope in [failed, sns, sns_in_a_queue] {
        let four = (0..4).fold(s3(), |inner, _| envelope(&inner));
        assert_eq!(notification(deliver(&four)).objects, [S3Object::new("trail", KEY)], "{four}");
        let five = notification(deliver(&envelope(&four)));
        assert_eq!(five.objects, [], "{four}");
        let problems: Vec<_> = five.problems.iter().map(ToString::to_string).collect();
        assert!(problems[0].ends_with("payload nested more than 4 levels deep"), "{problems:?}");
    }
}

#[test]
fn a_scheduled_check_that_failed_is_skipped_when_it_is_redriven() {
    for command in ["silence-check", "sweep"] {
        let check = json!({"trailwarden": command});
        let failed = json!({"requestContext": {}, "requestPayload": check});
        for body in [check.to_string(), failed.to_string()] {
            let found =
                queue(deliver(&json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": body}]})));
            assert_eq!((found.announced.skipped.other_events, found.announced.problems.len()), (1, 0), "{body}");
        }
    }
}

/// Each payload in `events/` announces an object or a record, or is a command.
#[test]
fn example_payloads_are_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let payload = std::fs::read_to_string(&path).expect("a file");
        let delivery = decode(&payload, &accepted("trailwarden-local"));
        let is_command = [Delivery::TestAlert, Delivery::SilenceCheck, Delivery::Sweep].contains(&delivery);
        let announced = announced(delivery);
        assert_eq!(announced.problems, [], "{}", path.display());
        let is_empty = announced.objects.is_empty() && announced.records.is_empty() && !is_command;
        assert_eq!(is_empty, path.ends_with("s3_test_event.json"), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 12, "found {seen}");
}
