//! The pipeline from payload to topic, with ports in memory.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::{Value, json};
use support::generator::{ACCOUNT, REGION, denied, disabled_mapping, gzip, gzip_stored, key, log_file, ordinary};
use support::memory::{LedgerFaults, MemoryBucket, MemoryLedger, MemoryTopic};
use support::{BUCKET, Memory, invoke, payload};
use trailwarden::outcome::{Answer, Outcome};
use trailwarden::pipeline::{Invocation, Pipeline};
use trailwarden::ports::Subscriptions;
use trailwarden::rules::Rules;
use trailwarden::trail::EventSources;

fn pipeline(objects: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Memory {
    let mut bucket = MemoryBucket::default();
    for (name, bytes) in objects {
        bucket.put(key(name), bytes);
    }
    support::pipeline(bucket)
}

fn run(pipeline: &Memory, payload: &str) -> Outcome {
    run_with(pipeline, payload, &Rules::default())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn run_with(pipeline: &Memory, payload: &str, rules: &Rules) -> Outcome {
    let outcome = invoke(pipeline, "test", payload, rules).await;
    reconcile(&outcome);
    outcome
}

/// What enters a stage leaves it. Every test here that runs the pipeline checks it.
fn reconcile(outcome: &Outcome) {
    let it = &outcome.counters;
    assert_eq!(it.objects, it.objects_read + it.objects_failed, "{it:?}");
    assert_eq!(it.objects_failed, outcome.objects.len() as u64, "{it:?}");
    assert_eq!(it.records, it.records_selected + it.records_passed_over + it.records_unreadable, "{it:?}");
    assert_eq!(it.findings, it.disabled_mappings + it.changed_mappings + it.denials + it.watched_events, "{it:?}");
    assert_eq!(it.suppressed, outcome.suppressed.values().sum::<u64>(), "{it:?}");
    assert_eq!(it.incidents, it.alerts + it.incidents_known + it.incidents_summarized, "{it:?}");
    assert_eq!(it.alerts, it.alerts_published + it.alerts_failed, "{it:?}");
    assert_eq!(it.alerts_failed > 0, !outcome.alerts.is_empty(), "{it:?}");
    assert_eq!(it.payload_problems, outcome.payload.len() as u64, "{it:?}");
}

fn file(records: &[Value]) -> Vec<u8> {
    gzip(log_file(records))
}

fn one_disabled(name: &str) -> Vec<u8> {
    file(&[ordinary(1), disabled_mapping(u64::from(name.as_bytes()[0]), name, "AUTHORIZATION_ERROR"), ordinary(2)])
}

fn failures(outcome: &Outcome) -> String {
    outcome.failures().collect::<Vec<_>>().join("\n")
}

fn subjects(pipeline: &Memory) -> Vec<String> {
    pipeline.topics.alert.confirmed().into_iter().map(|it| it.subject).collect()
}

fn shown(pipeline: &Memory) -> String {
    let mut out = String::new();
    for message in pipeline.topics.alert.confirmed() {
        writeln!(out, "Subject: {}", message.subject).expect("text");
        for attribute in &message.attributes {
            writeln!(out, "{}: {}", attribute.name, attribute.values.join(" | ")).expect("text");
        }
        writeln!(out, "\n{}", message.body).expect("text");
    }
    out
}

#[test]
fn an_alert_about_a_disabled_mapping() {
    let reason = "Lambda does not have required permissions to poll the queue";
    let pipeline = pipeline([("a", file(&[disabled_mapping(1, "orders", reason)]))]);
    assert_eq!(run(&pipeline, &payload(&["a"])).error_type(), None);
    assert_snapshot!(shown(&pipeline), @r#"
    Subject: Stopped: orders-queue -> orders AUTHORIZATION_ERROR 111122223333 us-east-1
    alert_type: esm_disabled
    severity: critical
    category: AUTHORIZATION_ERROR
    account: 111122223333
    region: us-east-1
    function_name: orders
    api_action: LambdaESMDisabled

    Lambda no longer reads the SQS queue orders-queue for the function orders.
    AWS disabled the event source mapping at 2026-01-02 03:00:01 UTC in us-east-1, account 111122223333.
    Messages pile up in the queue, and expire, until the mapping is enabled again.

    Why
      AUTHORIZATION_ERROR: permissions are missing or wrong.
      AWS says: "Lambda does not have required permissions to poll the queue"

    What to do
      1. See what Lambda says of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid d46904b0-0f95-48b0-8001-000000000001
      2. Give the function's role what reading the source takes: sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes. The role is:
         aws lambda get-function-configuration --region us-east-1 --function-name orders --query "Role"
      3. Enable the mapping again. It stays disabled until then, even when its cause is gone:
         aws lambda update-event-source-mapping --region us-east-1 --uuid d46904b0-0f95-48b0-8001-000000000001 --enabled

    Details
      Severity      critical
      Mapping       d46904b0-0f95-48b0-8001-000000000001
      Function      arn:aws:lambda:us-east-1:111122223333:function:orders
      Event source  arn:aws:sqs:us-east-1:111122223333:orders-queue
      Event         LambdaESMDisabled bd4607c8-6933-48e9-8001-000000000001
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz
    "#);
}

#[test]
fn an_alert_about_denials() {
    let mut records: Vec<_> = (0..12).map(|n| denied(n, "DeleteFunction", &format!("orders-{n}"))).collect();
    records[3]["awsRegion"] = json!("eu-west-1");
    let pipeline = pipeline([("a", file(&records))]);
    assert_eq!(run(&pipeline, &payload(&["a"])).error_type(), None);
    assert_snapshot!(shown(&pipeline), @r#"
    Subject: Denied: role deployer lambda:DeleteFunction x12 111122223333 several Regions
    alert_type: access_denied
    severity: medium
    category: policy
    account: 111122223333
    region: us-east-1 | eu-west-1
    function_name: orders-0 | orders-1 | orders-2 | orders-3 | orders-4 | orders-5 | orders-6 | orders-7 | orders-8 | orders-9
    error_code: AccessDenied
    api_action: DeleteFunction

    Denied: role deployer may not call lambda:DeleteFunction on 12 resources.
    12 times, from 2026-01-02 03:00:00 UTC to 2026-01-02 03:00:11 UTC, in us-east-1, eu-west-1, account 111122223333.
    The next alert about it comes at 100 times, or after 2026-01-03 00:00:00 UTC.

    Why
      No identity-based policy allows it (AccessDenied).
      AWS says: "User: arn:aws:sts::111122223333:assumed-role/deployer/run-0 is not authorized to perform: lambda:DeleteFunction on resource: arn:aws:lambda:us-east-1:111122223333:function:orders-0 because no identity-based policy allows the lambda:DeleteFunction action"

    What to do
      1. If the call should work, allow it in a policy of the user or role.
      2. If nobody expects this call, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=5ea303e4-3498-4c74-8000-000000000000

    Details
      Severity      medium
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-0 (chosen by the caller)
      From          203.0.113.0
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Error code    AccessDenied
      Functions     orders-0, orders-1, orders-2, orders-3, orders-4, orders-5, orders-6, orders-7, orders-8, orders-9 and 2 more
      Resources     arn:aws:lambda:us-east-1:111122223333:function:orders-0, arn:aws:lambda:us-east-1:111122223333:function:orders-1, arn:aws:lambda:us-east-1:111122223333:function:orders-2, arn:aws:lambda:us-east-1:111122223333:function:orders-3, arn:aws:lambda:us-east-1:111122223333:function:orders-4, arn:aws:lambda:us-east-1:111122223333:function:orders-5, arn:aws:lambda:us-east-1:111122223333:function:orders-6, arn:aws:lambda:us-east-1:111122223333:function:orders-7, arn:aws:lambda:us-east-1:111122223333:function:orders-8, arn:aws:lambda:us-east-1:111122223333:function:orders-9 and 2 more
      Event         DeleteFunction20150331 5ea303e4-3498-4c74-8000-000000000000
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz
    "#);
}

#[test]
fn every_category_has_its_alert() {
    let reasons = [
        "RESOURCE_NOT_FOUND",
        "FUNCTION_NOT_FOUND",
        "REGION_NAME_NOT_VALID",
        "AUTHORIZATION_ERROR",
        "FUNCTION_IN_FAILED_STATE",
        "something new",
    ];
    let records: Vec<_> = (0..).zip(reasons).map(|(n, reason)| disabled_mapping(n, "orders", reason)).collect();
    let pipeline = pipeline([("a", file(&records))]);
    assert_eq!(run(&pipeline, &payload(&["a"])).counters.alerts_published, 6);
    let mut out = String::new();
    for message in pipeline.topics.alert.confirmed() {
        let (_, steps) = message.body.split_once("Why\n").expect("a reason");
        let (steps, _) = steps.split_once("\nDetails").expect("details");
        writeln!(out, "{}\n{steps}", message.subject).expect("text");
    }
    assert_snapshot!(out, @r#"
    Stopped: orders-queue -> orders RESOURCE_NOT_FOUND 111122223333 us-east-1
      RESOURCE_NOT_FOUND: the event source, or something else that the mapping names, does not exist.

    What to do
      1. See what Lambda says of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid c1fe070d-07ea-4cfb-8000-000000000000
      2. Create what is missing again, or delete the mapping if it is no longer needed. See whether the source exists:
         aws sqs get-queue-url --region us-east-1 --queue-name orders-queue
      3. Enable the mapping again. It stays disabled until then, even when its cause is gone:
         aws lambda update-event-source-mapping --region us-east-1 --uuid c1fe070d-07ea-4cfb-8000-000000000000 --enabled

    Stopped: orders-queue -> orders FUNCTION_NOT_FOUND 111122223333 us-east-1
      FUNCTION_NOT_FOUND: the function of the mapping does not exist.

    What to do
      1. See what Lambda says of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid d46904b0-0f95-48b0-8001-000000000001
      2. Deploy the function again under this name, with the alias or version that the mapping names; or delete the mapping if it is no longer needed. See what is there:
         aws lambda list-aliases --region us-east-1 --function-name orders
      3. Enable the mapping again. It stays disabled until then, even when its cause is gone:
         aws lambda update-event-source-mapping --region us-east-1 --uuid d46904b0-0f95-48b0-8001-000000000001 --enabled

    Stopped: orders-queue -> orders REGION_NAME_NOT_VALID 111122223333 us-east-1
      REGION_NAME_NOT_VALID: a Region named for the source or the function is invalid.

    What to do
      1. See what Lambda says of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid e8d40227-17be-4469-8002-000000000002
      2. Compare the Regions in the ARNs of the mapping, its function and its source. A mapping with a wrong one must be deleted and created anew.
      3. Enable the mapping again. It stays disabled until then, even when its cause is gone:
         aws lambda update-event-source-mapping --region us-east-1 --uuid e8d40227-17be-4469-8002-000000000002 --enabled

    Stopped: orders-queue -> orders AUTHORIZATION_ERROR 111122223333 us-east-1
      AUTHORIZATION_ERROR: permissions are missing or wrong.

    What to do
      1. See what Lambda says of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid ff4703ca-1f69-4026-8003-000000000003
      2. Give the function's role what reading the source takes: sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes. The role is:
         aws lambda get-function-configuration --region us-east-1 --function-name orders --query "Role"
      3. Enable the mapping again. It stays disabled until then, even when its cause is gone:
         aws lambda update-event-source-mapping --region us-east-1 --uuid ff4703ca-1f69-4026-8003-000000000003 --enabled

    Stopped: orders-queue -> orders FUNCTION_IN_FAILED_STATE 111122223333 us-east-1
      FUNCTION_IN_FAILED_STATE: the function is in a failed state.

    What to do
      1. See what Lambda says of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid f3b20171-2713-4ddf-8004-000000000004
      2. Find out why the function failed, correct it and deploy it again:
         aws lambda get-function-configuration --region us-east-1 --function-name orders --query "[State,StateReasonCode,StateReason,LastUpdateStatusReason]"
      3. Enable the mapping again. It stays disabled until then, even when its cause is gone:
         aws lambda update-event-source-mapping --region us-east-1 --uuid f3b20171-2713-4ddf-8004-000000000004 --enabled

    Stopped: orders-queue -> orders UNKNOWN 111122223333 us-east-1
      UNKNOWN: the reason is none that the Lambda documentation lists.
      AWS says: "something new"

    What to do
      1. See what Lambda says of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000005
      2. Check that the function and the source exist, that the function is Active, and that its role may read the source:
         aws lambda get-function-configuration --region us-east-1 --function-name orders --query "[State,StateReason,Role]"
      3. Enable the mapping again. It stays disabled until then, even when its cause is gone:
         aws lambda update-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000005 --enabled
    "#);
}

#[test]
fn a_record_that_says_nothing_still_alerts() {
    let bare = json!({"eventSource": "lambda.amazonaws.com", "eventName": "LambdaESMDisabled"});
    let pipeline = pipeline([("a", file(&[bare]))]);
    assert_eq!(run(&pipeline, &payload(&["a"])).error_type(), None);
    assert_snapshot!(shown(&pipeline), @r#"
    Subject: Stopped: unknown mapping UNKNOWN ? ?
    alert_type: esm_disabled
    severity: critical
    category: UNKNOWN
    api_action: LambdaESMDisabled

    Lambda no longer reads an event source for one of its functions.
    AWS disabled the event source mapping at an unknown time in an unknown Region.
    What the source holds is not processed, and may expire, until the mapping is enabled again.

    Why
      UNKNOWN: the event gives no reason.

    What to do
      1. See what Lambda says of the mapping:
         aws lambda list-event-source-mappings --region REGION --query "EventSourceMappings[?State=='Disabled']"
      2. Check that the function and the source exist, that the function is Active, and that its role may read the source:
         aws lambda get-function-configuration --region REGION --function-name FUNCTION --query "[State,StateReason,Role]"
      3. Enable the mapping again. It stays disabled until then, even when its cause is gone:
         aws lambda update-event-source-mapping --region REGION --uuid UUID --enabled

    Details
      Severity      critical
      Event         LambdaESMDisabled without ID
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz
    "#);
}

#[test]
fn siblings_of_a_failed_object_are_alerted() {
    let mut broken = gzip_stored(log_file(&[disabled_mapping(98, "b", "x")]));
    let checksum = broken.len() - 8;
    broken[checksum] ^= 1;
    let bad_record =
        log_file(&[disabled_mapping(99, "c", "x")]).replace("]}", r#",{"eventSource":"lambda.amazonaws.com",}]}"#);
    let bad_record =
        bad_record.replacen(r#"{"Records":["#, r#"{"Records":[{"eventSource":"lambda.amazonaws.com""a"},"#, 1);
    let pipeline = pipeline([
        ("a", one_disabled("a")),
        ("b", broken),
        ("c", bad_record.into_bytes()),
        ("d", b"not a log file".to_vec()),
        ("f", one_disabled("f")),
    ]);
    let outcome = run(&pipeline, &payload(&["a", "b", "c", "d", "missing", "f"]));
    assert_eq!(outcome.error_type(), Some("ObjectUnreadable"));
    assert_eq!((outcome.counters.objects_read, outcome.counters.objects_failed), (2, 4));
    assert_snapshot!(failures(&outcome).replace(&key("")[..86], "…"), @"
    s3://trail/…_20260102T0305Z_b.json.gz; gzip checksum of the member that ends at stored byte 1033: expected 93287680, found 93287681
    s3://trail/…_20260102T0305Z_c.json.gz; record at inflated byte 12: invalid JSON at byte 37 of the record; record at inflated byte 1051: invalid JSON at byte 38 of the record
    s3://trail/…_20260102T0305Z_d.json.gz; expected gzip, or a JSON object with `Records`, found `n` at inflated byte 0
    s3://trail/…_20260102T0305Z_missing.json.gz; s3:GetObject: NoSuchKey
    ");
    let mut names: Vec<_> = subjects(&pipeline).iter().map(|it| it[9..10].to_owned()).collect();
    names.sort();
    assert_eq!(names, ["a", "b", "c", "f"], "what comes before a fault is alerted too");
}

/// The rest of the object has not been examined, whatever is wrong with its beginning.
#[test]
fn a_transfer_that_breaks_off_after_an_unreadable_record_is_transient() {
    let records: Vec<_> = (0..200).map(|n| denied(n, "GetFunction", "orders")).collect();
    let stored = log_file(&records).replacen(r#"{"Records":["#, r#"{"Records":[7,"#, 1).into_bytes();
    let mut pipeline = pipeline([("a", stored.clone())]);
    pipeline.accepted.batch_jobs = true;
    pipeline.topics.event = Some(MemoryTopic::default());
    pipeline.source.cut.get_mut().insert(key("a"), stored.len() / 2);
    assert_eq!(run(&pipeline, &payload(&["a"])).error_type(), Some("ObjectUnavailable"));
    let Answer::Job { results, .. } = run(&pipeline, &job(&["a"])).answer else { panic!("a job") };
    assert_eq!(results[0].code.as_str(), "TemporaryFailure");
}

#[test]
fn a_transfer_that_breaks_off_fails_after_what_came_before() {
    let records: Vec<_> = (0..200).map(|n| denied(n, "GetFunction", "orders")).collect();
    let stored = log_file(&records).into_bytes();
    let mut pipeline = pipeline([("a", stored.clone())]);
    pipeline.source.cut.get_mut().insert(key("a"), stored.len() / 2);
    let outcome = run(&pipeline, &payload(&["a"]));
    assert_eq!(outcome.error_type(), Some("ObjectUnavailable"));
    assert!(failures(&outcome).ends_with("s3:GetObject: transfer broke off"), "{}", failures(&outcome));
    assert_eq!((outcome.counters.denials, outcome.counters.alerts_published), (100, 1));
}

#[test]
fn nothing_counts_as_published_when_the_topic_is_down() {
    let pipeline = pipeline([("a", one_disabled("a")), ("b", one_disabled("b"))]);
    pipeline.topics.alert.down.set(true);
    let outcome = run(&pipeline, &payload(&["a", "b"]));
    assert_eq!(outcome.error_type(), Some("AlertNotPublished"));
    assert_eq!((outcome.counters.alerts, outcome.counters.alerts_published), (2, 0));
    assert_eq!(pipeline.topics.alert.confirmed(), []);
}

#[test]
fn an_entry_that_is_refused_is_sent_again_by_itself() {
    for (times, calls, error_type) in [(2, 3, None), (3, 3, Some("AlertNotPublished"))] {
        let records: Vec<_> = (0..).zip(["a", "b", "c"]).map(|(n, name)| disabled_mapping(n, name, "x")).collect();
        let pipeline = pipeline([("a", file(&records))]);
        *pipeline.topics.alert.refuse.borrow_mut() = Some(("b-queue", times));
        let outcome = run(&pipeline, &payload(&["a"]));
        assert_eq!((outcome.error_type(), pipeline.topics.alert.calls.get()), (error_type, calls));
        assert_eq!(outcome.counters.alerts_failed, u64::from(error_type.is_some()));
        assert_eq!(subjects(&pipeline).len() as u64, outcome.counters.alerts_published);
    }
}

#[test]
fn nothing_is_read_when_the_bucket_is_down() {
    let pipeline = pipeline([("a", one_disabled("a"))]);
    pipeline.source.down.set(true);
    let outcome = run(&pipeline, &payload(&["a"]));
    assert_eq!(outcome.error_type(), Some("ObjectUnavailable"));
    assert!(failures(&outcome).ends_with("s3:GetObject: ServiceUnavailable"));
}

#[test]
fn payloads_that_are_not_understood_fail() {
    let pipeline = pipeline([("a", one_disabled("a"))]);
    let mut payload: Value = serde_json::from_str(&payload(&["a"])).expect("JSON");
    payload["Records"].as_array_mut().expect("a list").insert(0, json!({"eventSource": "aws:s3"}));
    let outcome = run(&pipeline, &payload.to_string());
    assert_eq!(outcome.error_type(), Some("PayloadNotUnderstood"));
    assert_eq!(outcome.counters.alerts_published, 1, "the sibling's alert");
    assert_eq!(run(&pipeline, "{}").error_type(), Some("PayloadNotUnderstood"));
    let test_event = json!({"Event": "s3:TestEvent"}).to_string();
    assert_eq!(run(&pipeline, &test_event).error_type(), None);
}

#[test]
fn a_text_that_looks_like_a_record_finds_nothing() {
    let fake = disabled_mapping(1, "orders", "AUTHORIZATION_ERROR");
    let texts = [fake.to_string(), log_file([&fake]), format!("\"}},{fake},{{\"a\":\""), format!("\\\"}}]}}{fake}")];
    let mut records = Vec::new();
    for text in texts {
        for place in ["userAgent", "requestParameters", "responseElements", "additionalEventData", "errorMessage"] {
            let mut record = ordinary(1);
            record["eventSource"] = json!("lambda.amazonaws.com");
            record[place] = json!(text);
            records.push(record);
        }
    }
    for nested in [fake.clone(), json!({"Records": [fake]}), json!([fake]), denied(1, "GetFunction", "orders")] {
        let mut record = ordinary(1);
        record["requestParameters"] = nested.clone();
        record["responseElements"] = json!({"deep": [{"er": nested}]});
        records.push(record);
    }
    let pipeline = pipeline([("a", file(&records))]);
    let outcome = run(&pipeline, &payload(&["a"]));
    assert_eq!((outcome.error_type(), outcome.counters.findings), (None, 0));
    assert_eq!(outcome.counters.records, 24);
}

#[test]
fn hostile_texts_reach_nobody_as_they_are() {
    let hostile = "x\r\nBcc: all@example.com\u{202e}\u{0}";
    let mut disabled = disabled_mapping(1, "orders", hostile);
    disabled["awsRegion"] = json!("us-east-1; rm -rf ~");
    disabled["recipientAccountId"] = json!(hostile);
    disabled["eventID"] = json!(hostile);
    disabled["eventTime"] = json!(hostile.repeat(10_000));
    let mut denial = denied(1, "GetFunction", "orders");
    denial["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] = json!(hostile);
    denial["sourceIPAddress"] = json!(hostile);
    denial["eventName"] = json!(hostile);
    denial["eventID"] = json!("$(reboot)");
    denial["errorMessage"] = json!(format!(
        "User: {hostile} is not authorized to perform: {hostile} on resource: {}",
        hostile.repeat(5_000)
    ));
    let pipeline = pipeline([("a", file(&[disabled, denial]))]);
    assert_eq!(run(&pipeline, &payload(&["a"])).counters.alerts_published, 2);
    for message in pipeline.topics.alert.confirmed() {
        assert!(message.bytes() < 20_000, "{}", message.bytes());
        let texts =
            [&message.subject, &message.body].into_iter().chain(message.attributes.iter().flat_map(|it| &it.values));
        for text in texts {
            assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
            assert!(!text.contains(['\r', '\u{202e}', '\u{0}']), "{text}");
        }
        let commands: Vec<_> = message.body.lines().filter(|line| line.trim_start().starts_with("aws ")).collect();
        assert!(!commands.is_empty());
        assert!(commands.iter().all(|it| !it.contains("rm -rf") && !it.contains("$(")), "{commands:?}");
    }
}

#[test]
fn unreadable_records_fail_their_object_and_hide_nothing() {
    let good = disabled_mapping(1, "orders", "AUTHORIZATION_ERROR").to_string();
    let lambda = r#""eventSource":"lambda.amazonaws.com""#;
    let deep = format!("{{{lambda},\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let mut stored = format!("{{\"Records\":[{good},{deep},{{{lambda},}},").into_bytes();
    stored.extend(format!("{{{lambda},\"a\":\"").into_bytes());
    stored.extend(b"\xff\"},");
    stored.extend(format!("{}]}}", disabled_mapping(2, "returns", "AUTHORIZATION_ERROR")).into_bytes());
    let pipeline = pipeline([("a", gzip(&stored))]);
    let outcome = run(&pipeline, &payload(&["a"]));
    assert_eq!((outcome.counters.alerts_published, outcome.counters.records_unreadable), (2, 3));
    assert_snapshot!(failures(&outcome), @"s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz; record at inflated byte 1037: record nested more than 100 deep; record at inflated byte 201081: invalid JSON at byte 38 of the record; record at inflated byte 201121: invalid UTF-8 at byte 43 of the record");
}

#[test]
fn many_unreadable_records_are_counted_and_the_first_named() {
    let stored = format!(r#"{{"Records":[{}1]}}"#, "null,".repeat(5_000));
    let pipeline = pipeline([("a", gzip(&stored))]);
    let outcome = run(&pipeline, &payload(&["a"]));
    assert_eq!(outcome.counters.records_unreadable, 5_001);
    let text = failures(&outcome);
    assert_eq!(text.matches("; record at inflated byte").count(), 10);
    assert!(text.ends_with("; and 4991 more unreadable records"), "{text}");
}

#[test]
fn the_generator_makes_what_the_tests_say_it_makes() {
    let records = support::oracle::records(&support::generator::large_log_file(10 << 20));
    assert!(records.len() > 4_000);
    assert_eq!(records.iter().filter(|it| it["eventName"] == "LambdaESMDisabled").count(), 1);
    assert!(key("a").starts_with(&format!("AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/")));
}

fn lambda_call(n: u64, api: &str, parameters: &Value) -> Value {
    let mut record = denied(n, api, "orders");
    for field in ["errorCode", "errorMessage"] {
        record.as_object_mut().expect("a record").remove(field);
    }
    record["requestParameters"] = parameters.clone();
    record
}

fn mapping_calls() -> Vec<Value> {
    let arns = json!({
        "uUID": "11111111-2222-3333-4444-555555555555",
        "functionArn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders"),
        "eventSourceArn": format!("arn:aws:kafka:{REGION}:{ACCOUNT}:cluster/clicks/1-2")
    });
    let changes = [
        ("UpdateEventSourceMapping", json!({"uUID": arns["uUID"], "enabled": false})),
        ("UpdateEventSourceMapping", json!({"uUID": arns["uUID"], "enabled": true})),
        ("DeleteEventSourceMapping", json!({"uUID": arns["uUID"]})),
        ("UpdateEventSourceMapping", json!({"uUID": arns["uUID"], "batchSize": 5})),
    ];
    let call = |(n, (api, parameters)): (u64, (&str, Value))| {
        let mut record = lambda_call(n, api, &parameters);
        record["responseElements"] = arns.clone();
        record
    };
    (0..).zip(changes).map(call).collect()
}

#[test]
fn mappings_that_users_change_alert_if_asked_for() {
    let mut pipeline = pipeline([("a", file(&mapping_calls()))]);
    assert_eq!(run(&pipeline, &payload(&["a"])).counters.findings, 0);
    pipeline.detector.esm_changes = true;
    let outcome = run(&pipeline, &payload(&["a"]));
    assert_eq!((outcome.counters.changed_mappings, outcome.counters.alerts_published), (3, 3));
    assert_snapshot!(shown(&pipeline), @r#"
    Subject: Disabled: clicks -> orders by a user 111122223333 us-east-1
    alert_type: esm_changed
    severity: medium
    category: disabled
    account: 111122223333
    region: us-east-1
    function_name: orders
    api_action: UpdateEventSourceMapping

    Disabled by role deployer: Lambda no longer reads the event source clicks for the function orders.
    Mapping 11111111-2222-3333-4444-555555555555. Once, at 2026-01-02 03:00:00 UTC, in us-east-1, account 111122223333.
    What the source holds is not processed, and may expire, until the mapping is enabled again.

    Why
      A user's call, not a decision of AWS.

    What to do
      1. If it was not meant, enable the mapping again:
         aws lambda update-event-source-mapping --region us-east-1 --uuid 11111111-2222-3333-4444-555555555555 --enabled
      2. If nobody expects this call, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=5ea303e4-3498-4c74-8000-000000000000

    Details
      Severity      medium
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-0 (chosen by the caller)
      From          203.0.113.0
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Mapping       11111111-2222-3333-4444-555555555555
      Function      arn:aws:lambda:us-east-1:111122223333:function:orders
      Event source  arn:aws:kafka:us-east-1:111122223333:cluster/clicks/1-2
      Event         UpdateEventSourceMapping20150331 5ea303e4-3498-4c74-8000-000000000000
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz

    Subject: Deleted: clicks -> orders by a user 111122223333 us-east-1
    alert_type: esm_changed
    severity: medium
    category: deleted
    account: 111122223333
    region: us-east-1
    function_name: orders
    api_action: DeleteEventSourceMapping

    Deleted by role deployer: Lambda no longer reads the event source clicks for the function orders.
    Mapping 11111111-2222-3333-4444-555555555555. Once, at 2026-01-02 03:00:02 UTC, in us-east-1, account 111122223333.
    What the source holds waits for another mapping.

    Why
      A user's call, not a decision of AWS.

    What to do
      1. If it was not meant, create the mapping anew.
      2. If nobody expects this call, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=778906ce-24cc-44e6-8002-000000000002

    Details
      Severity      medium
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-2 (chosen by the caller)
      From          203.0.113.2
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Mapping       11111111-2222-3333-4444-555555555555
      Function      arn:aws:lambda:us-east-1:111122223333:function:orders
      Event source  arn:aws:kafka:us-east-1:111122223333:cluster/clicks/1-2
      Event         DeleteEventSourceMapping20150331 778906ce-24cc-44e6-8002-000000000002
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz

    Subject: Enabled again: clicks -> orders by a user 111122223333 us-east-1
    alert_type: esm_changed
    severity: low
    category: enabled
    account: 111122223333
    region: us-east-1
    function_name: orders
    api_action: UpdateEventSourceMapping

    Enabled again by role deployer: Lambda reads the event source clicks for the function orders.
    Mapping 11111111-2222-3333-4444-555555555555. Once, at 2026-01-02 03:00:01 UTC, in us-east-1, account 111122223333.
    If it had been disabled, that is over.

    Why
      A user's call, not a decision of AWS.

    What to do
      1. Nothing, if it was meant. See that records are processed again:
         aws lambda get-event-source-mapping --region us-east-1 --uuid 11111111-2222-3333-4444-555555555555
      2. If nobody expects this call, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=4b340059-3ce7-483f-8001-000000000001

    Details
      Severity      low
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-1 (chosen by the caller)
      From          203.0.113.1
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Mapping       11111111-2222-3333-4444-555555555555
      Function      arn:aws:lambda:us-east-1:111122223333:function:orders
      Event source  arn:aws:kafka:us-east-1:111122223333:cluster/clicks/1-2
      Event         UpdateEventSourceMapping20150331 4b340059-3ce7-483f-8001-000000000001
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz
    "#);
}

#[test]
fn denials_of_other_services_name_the_function_that_called() {
    let mut record = denied(1, "GetItem", "x");
    record["eventSource"] = json!("dynamodb.amazonaws.com");
    record["eventName"] = json!("GetItem");
    record["userIdentity"]["arn"] = json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/orders-role/orders"));
    record["userIdentity"]["sessionContext"]["sessionIssuer"] =
        json!({"type": "Role", "arn": format!("arn:aws:iam::{ACCOUNT}:role/orders-role"), "userName": "orders-role"});
    record["userIdentity"]["inScopeOf"] = json!({
        "issuerType": "AWS::Lambda::Function",
        "credentialsIssuedTo": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders")
    });
    record["errorMessage"] = json!(format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/orders-role/orders is not authorized to perform: dynamodb:GetItem on \
         resource: arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders with an explicit deny in a service control policy: \
         arn:aws:organizations::999999999999:policy/o-x/service_control_policy/p-x"
    ));
    let mut expired = record.clone();
    expired["errorCode"] = json!("ExpiredTokenException");
    expired["errorMessage"] = json!("The security token included in the request is expired");
    let mut pipeline = pipeline([("a", file(&[record, expired]))]);
    assert_eq!(run(&pipeline, &payload(&["a"])).counters.findings, 0);
    pipeline.detector.event_sources = EventSources::all();
    pipeline.detector.authentication_failures = true;
    assert_eq!(run(&pipeline, &payload(&["a"])).counters.denials, 2);
    assert_snapshot!(shown(&pipeline), @r#"
    Subject: Denied: function orders dynamodb:GetItem 111122223333 us-east-1
    alert_type: access_denied
    severity: high
    category: policy
    account: 111122223333
    region: us-east-1
    function_name: orders
    error_code: AccessDenied
    api_action: GetItem

    Denied: function orders with role orders-role may not call dynamodb:GetItem on arn:aws:dynamodb:us-east-1:111122223333:table/orders.
    Once, at 2026-01-02 03:00:01 UTC, in us-east-1, account 111122223333.
    The next alert about it comes at 10 times, or after 2026-01-03 00:00:00 UTC.

    Why
      A service control policy denies it explicitly (AccessDenied).
      AWS says: "User: arn:aws:sts::111122223333:assumed-role/orders-role/orders is not authorized to perform: dynamodb:GetItem on resource: arn:aws:dynamodb:us-east-1:111122223333:table/orders with an explicit deny in a service control policy: arn:aws:organizations::999999999999:policy/o-x/service_control_policy/p-x"

    What to do
      1. If the call should work, change the statement that denies it in the service control policies of the organization. An allow elsewhere does not help.
      2. If nobody expects this call, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=4b340059-3ce7-483f-8001-000000000001

    Details
      Severity      high
      Caller        arn:aws:iam::111122223333:role/orders-role
      Session name  orders (chosen by the caller)
      From          203.0.113.1
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Error code    AccessDenied
      Functions     orders
      Resources     arn:aws:dynamodb:us-east-1:111122223333:table/orders
      Policy        arn:aws:organizations::999999999999:policy/o-x/service_control_policy/p-x
      Event         GetItem 4b340059-3ce7-483f-8001-000000000001
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz

    Subject: Denied: function orders dynamodb:GetItem 111122223333 us-east-1
    alert_type: access_denied
    severity: low
    category: authentication
    account: 111122223333
    region: us-east-1
    function_name: orders
    error_code: ExpiredTokenException
    api_action: GetItem

    Denied: function orders with role orders-role may not call dynamodb:GetItem.
    Once, at 2026-01-02 03:00:01 UTC, in us-east-1, account 111122223333.
    The next alert about it comes at 10 times, or after 2026-01-03 00:00:00 UTC.

    Why
      The caller's credentials were not accepted (ExpiredTokenException).
      AWS says: "The security token included in the request is expired"

    What to do
      1. If the caller is yours, renew its credentials: they are expired, revoked, or not enabled for the service.
      2. If nobody expects this call, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=4b340059-3ce7-483f-8001-000000000001

    Details
      Severity      low
      Caller        arn:aws:iam::111122223333:role/orders-role
      Session name  orders (chosen by the caller)
      From          203.0.113.1
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Error code    ExpiredTokenException
      Functions     orders
      Event         GetItem 4b340059-3ce7-483f-8001-000000000001
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz
    "#);
}

/// Any role session can be named after a function, and any client can send the user agent of one.
#[test]
fn a_session_name_and_a_user_agent_pose_as_nobody() {
    let mut record = denied(1, "GetItem", "x");
    record["eventSource"] = json!("dynamodb.amazonaws.com");
    record["userAgent"] = json!("Boto3/1.34 exec-env/AWS_Lambda_python3.12 Botocore/1.34");
    record["userIdentity"]["arn"] = json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/deployer/payments"));
    record["errorMessage"] = json!("Access denied");
    let mut pipeline = pipeline([("a", file(&[record]))]);
    pipeline.detector.event_sources = EventSources::all();
    let pattern = json!({"finding": {"alert_type": ["access_denied"], "function_name": ["payments"]}});
    let rules = json!({"suppress": [{"name": "payments", "reason": "known", "pattern": pattern}]});
    let outcome = run_with(&pipeline, &payload(&["a"]), &Rules::parse(&rules.to_string()).expect("rules"));
    assert_eq!((outcome.counters.suppressed, outcome.counters.alerts_published), (0, 1));
    let message = &pipeline.topics.alert.confirmed()[0];
    assert_eq!(message.subject, "Denied: role deployer dynamodb:GetItem20150331 111122223333 us-east-1");
    assert!(message.attributes.iter().all(|it| it.name != "function_name"));
    let named: Vec<_> =
        message.body.lines().filter(|it| it.contains("payments") || it.contains("AWS_Lambda")).collect();
    assert_snapshot!(named.join("\n"), @"
    Session name  payments (chosen by the caller)
    User agent    Boto3/1.34 exec-env/AWS_Lambda_python3.12 Botocore/1.34 (chosen by the caller)
    ");
}

#[test]
fn rules_watch_and_suppress() {
    let rules = Rules::parse(
        r#"{"watch": [
              {"name": "deleted", "title": "A Lambda function was deleted", "severity": "high",
               "pattern": {"finding": {"api_action": ["DeleteFunction"]}, "errorCode": [{"exists": false}]}},
              {"name": "any-denial", "title": "Denied", "severity": "low", "pattern": {"finding": {"alert_type": ["access_denied"]}}}],
            "suppress": [
              {"name": "deployer", "reason": "known", "pattern": {"finding": {"alert_type": ["access_denied"], "principal": [{"suffix": ":role/deployer"}]}}},
              {"name": "everything", "reason": "too much", "expires": "2026-01-01", "pattern": {"eventSource": [{"exists": true}]}},
              {"name": "all-of-lambda", "reason": "too much", "pattern": {"finding": {"function_name": ["returns"]}}}]}"#,
    )
    .expect("rules");
    let mut records: Vec<_> =
        (0..3).map(|n| lambda_call(n, "DeleteFunction", &json!({"functionName": "orders"}))).collect();
    records.extend((0..2).map(|n| denied(n, "DeleteFunction", "orders")));
    records.push(disabled_mapping(1, "returns", "AUTHORIZATION_ERROR"));
    let pipeline = pipeline([("a", file(&records))]);
    let outcome = run_with(&pipeline, &payload(&["a"]), &rules);
    assert_eq!((outcome.counters.watched_events, outcome.counters.denials), (5, 2));
    assert_eq!(outcome.suppressed.into_iter().collect::<Vec<_>>(), [("deployer".to_owned(), 2)]);
    let shown = shown(&pipeline);
    assert_eq!(subjects(&pipeline).len(), 3);
    let watched = shown.find("Subject: Watched: A Lambda").expect("a watched event");
    assert_snapshot!(&shown[watched..], @r#"
    Subject: Watched: A Lambda function was deleted DeleteFunction x3 111122223333 us-east-1
    alert_type: watch
    severity: high
    category: deleted
    account: 111122223333
    region: us-east-1
    function_name: orders
    api_action: DeleteFunction

    A Lambda function was deleted: role deployer called DeleteFunction on the function orders.
    3 times, from 2026-01-02 03:00:00 UTC to 2026-01-02 03:00:02 UTC, in us-east-1, account 111122223333.
    The next alert about it comes at 10 times, or after 2026-01-03 00:00:00 UTC.

    Why
      The rule "deleted" watches for it.

    What to do
      1. If nobody expects this call, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=5ea303e4-3498-4c74-8000-000000000000

    Details
      Severity      high
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-0 (chosen by the caller)
      From          203.0.113.0
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Event         DeleteFunction20150331 5ea303e4-3498-4c74-8000-000000000000
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz

    Subject: Watched: Denied DeleteFunction x2 111122223333 us-east-1
    alert_type: watch
    severity: low
    category: any-denial
    account: 111122223333
    region: us-east-1
    api_action: DeleteFunction

    Denied: role deployer called DeleteFunction.
    2 times, from 2026-01-02 03:00:00 UTC to 2026-01-02 03:00:01 UTC, in us-east-1, account 111122223333.
    The next alert about it comes at 10 times, or after 2026-01-03 00:00:00 UTC.

    Why
      The rule "any-denial" watches for it.

    What to do
      1. If nobody expects this call, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=5ea303e4-3498-4c74-8000-000000000000

    Details
      Severity      low
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-0 (chosen by the caller)
      From          203.0.113.0
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Event         DeleteFunction20150331 5ea303e4-3498-4c74-8000-000000000000
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz
    "#);
}

#[test]
fn many_causes_are_published_in_parts() {
    let record = |n: u64| {
        let mut record = denied(n, "GetFunction", "orders");
        record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] =
            json!(format!("arn:aws:iam::{ACCOUNT}:role/r{n}"));
        record
    };
    let mut records = vec![disabled_mapping(1, "orders", "AUTHORIZATION_ERROR")];
    records.extend((0..6_000).map(record));
    records.push(disabled_mapping(1, "orders", "AUTHORIZATION_ERROR"));
    let pipeline = pipeline([("a", file(&records))]);
    let outcome = run(&pipeline, &payload(&["a"]));
    assert_eq!((outcome.counters.denials, outcome.counters.repeated), (6_000, 1));
    assert_eq!((outcome.counters.alerts_published, outcome.error_type()), (6_001, None));
    assert!(subjects(&pipeline)[..200].iter().any(|it| it.starts_with("Stopped: orders-queue")), "the gravest first");
    let pipeline = Pipeline { ledger: MemoryLedger::default(), ..pipeline };
    pipeline.topics.alert.down.set(true);
    let outcome = run(&pipeline, &payload(&["a"]));
    assert_eq!((outcome.counters.alerts_failed, outcome.failures().count()), (6_001, 11));
}

#[test]
fn objects_are_read_at_the_same_time_within_bounds() {
    let names: Vec<&'static str> = "abcdefghijklmnopqrst".split("").filter(|it| !it.is_empty()).collect();
    for concurrency in [1, 3, 64] {
        let mut pipeline = pipeline(names.iter().map(|name| (*name, one_disabled(name))));
        pipeline.source.chunk = Some(100);
        pipeline.source.cut.get_mut().insert(key("q"), 50);
        pipeline.source.cut.get_mut().insert(key("c"), 900);
        pipeline.object_concurrency = concurrency;
        let outcome = run(&pipeline, &payload(&names));
        assert_eq!(pipeline.source.most_open.get(), concurrency.min(names.len()));
        assert_eq!((outcome.counters.objects_read, outcome.counters.objects_failed), (18, 2));
        let failed: Vec<_> = outcome.objects.values().map(|it| it.object.key.clone()).collect();
        assert_eq!(failed, [key("c"), key("q")], "in the order of the payload");
        assert_eq!(outcome.counters.alerts_published, outcome.counters.disabled_mappings);
        assert!((18..=20).contains(&outcome.counters.disabled_mappings));
    }
}

/// Runs an invocation whose time is up when `time_up` resolves.
async fn run_until(pipeline: &Memory, payload: &str, time_up: impl Future<Output = ()>) -> Outcome {
    let rules = &Rules::default();
    let outcome = pipeline.run(Invocation { id: "test", payload, rules, without_rules: false, time_up }).await;
    reconcile(&outcome);
    outcome
}

/// A body that stalls is abandoned when the time is up; what came before it is published.
#[tokio::test(start_paused = true)]
async fn with_time_running_out_what_was_found_is_published() {
    let mut pipeline =
        pipeline([("a", one_disabled("a")), ("b", gzip_stored(log_file(&vec![disabled_mapping(2, "b", "x"); 9])))]);
    pipeline.source.chunk = Some(1_000);
    pipeline.source.stall.insert(key("b"), 3);
    let time_up = tokio::time::sleep(std::time::Duration::from_secs(80));
    let outcome = run_until(&pipeline, &payload(&["b", "a", "a"]), time_up).await;
    assert_eq!(outcome.error_type(), Some("ObjectUnavailable"));
    assert!(failures(&outcome).ends_with("_b.json.gz; out of time: the invocation ended before the object was read"));
    assert_eq!(subjects(&pipeline).len(), 2, "one of each object");
}

#[tokio::test(start_paused = true)]
async fn no_object_is_opened_after_the_time_is_up() {
    let pipeline = pipeline([("a", one_disabled("a"))]);
    let names = vec!["a".to_owned(); 1].into_iter().chain((0..7_000).map(|n| n.to_string())).collect::<Vec<_>>();
    let outcome = run_until(&pipeline, &payload(&names), std::future::ready(())).await;
    assert_eq!((outcome.counters.objects_failed, outcome.counters.alerts), (7_001, 0));
    assert_eq!(pipeline.source.opened.get(), 0);
}

/// An invocation with something of everything: the sums hold, and no part of them is zero.
#[test]
fn every_invocation_adds_up() {
    let mut records: Vec<_> = (0..30).map(|n| denied(n, &format!("Action{n}"), "orders")).collect();
    records.extend([denied(40, "GetFunction", "orders"), ordinary(41), json!(7)]);
    let mut other = denied(42, "GetFunction", "orders");
    other["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] =
        json!(format!("arn:aws:iam::{ACCOUNT}:role/other"));
    records.extend([other.clone(), other, disabled_mapping(43, "orders", "x"), disabled_mapping(44, "returns", "x")]);
    let suppress = r#"{"suppress": [{"name": "n", "reason": "r", "pattern": {"finding": {"denied_action": ["lambda:Action0"]}}}]}"#;
    let rules = Rules::parse(suppress).expect("rules");
    let pipeline = pipeline([("a", file(&records)), ("b", b"not a log file".to_vec())]);
    *pipeline.topics.alert.refuse.borrow_mut() = Some(("returns", 3));
    for known in [false, true] {
        let it = run_with(&pipeline, &payload(&["a", "b", "a"]), &rules).counters;
        assert!(it.objects_read == 0 && it.objects_failed == 2 && it.skipped.repeated == 1, "{it:?}");
        assert!(it.records_selected > 0 && it.records_passed_over == 1 && it.records_unreadable == 1, "{it:?}");
        assert_eq!((it.findings, it.suppressed, it.repeated, it.incidents_summarized), (35, 1, 1, 30), "{it:?}");
        assert_eq!((it.incidents, it.incidents_known > 0, it.alerts > 0), (34, known, true), "{it:?}");
        let in_cases = it.findings - it.suppressed - it.repeated;
        assert_eq!(in_cases, it.incidents - 1, "each is a case of its own here, and one is the summary: {it:?}");
    }
}

/// SQS deletes the messages of a batch that a result does not name.
#[test]
fn a_message_without_an_id_fails_the_whole_batch() {
    let record = |id: &str, body: &str| json!({"eventSource": "aws:sqs", "messageId": id, "body": body});
    let nameless = json!({"eventSource": "aws:sqs", "body": payload(&["b"])});
    let queue = json!({"Records": [record("broken", "{}"), nameless, record("good", &payload(&["a"]))]}).to_string();
    let outcome = run(&pipeline([("a", one_disabled("a"))]), &queue);
    assert_eq!((outcome.answer, outcome.counters.alerts_published), (Answer::None, 1));
    let nameless = json!({"Records": [{"eventSource": "aws:sqs", "body": payload(&["a"])}]}).to_string();
    let outcome = run(&pipeline([("a", one_disabled("a"))]), &nameless);
    assert_eq!((outcome.error_type(), outcome.answer), (Some("PayloadNotUnderstood"), Answer::None));
}

#[test]
fn messages_of_a_queue_fail_by_themselves() {
    let record = |id: &str, body: &str| json!({"eventSource": "aws:sqs", "messageId": id, "body": body});
    let queue = json!({"Records": [
        record("good", &payload(&["a"])),
        record("broken", &payload(&["b"])),
        record("both", &payload(&["a", "b"])),
        record("unknown", "{}"),
        record("test", &json!({"Event": "s3:TestEvent"}).to_string()),
    ]})
    .to_string();
    let pipeline = pipeline([("a", one_disabled("a")), ("b", b"not a log file".to_vec())]);
    let outcome = run(&pipeline, &queue);
    assert_eq!(outcome.answer, Answer::FailedMessages(["broken", "both", "unknown"].map(str::to_owned).to_vec()));
    assert_eq!((outcome.counters.objects, outcome.counters.alerts_published), (2, 1), "each object is read once");
    assert_eq!(run(&pipeline, &queue).counters.incidents_known, 1, "what was told is not told again");
    let pipeline = Pipeline { ledger: MemoryLedger::default(), ..pipeline };
    pipeline.topics.alert.down.set(true);
    assert!(matches!(run(&pipeline, &queue).answer, Answer::FailedMessages(all) if all.len() == 5));
    assert_eq!(run(&pipeline, &payload(&["a"])).answer, Answer::None);
}

#[test]
fn without_the_ledger_alerts_are_published_and_errors_counted() {
    let mut records: Vec<_> = (0..12).map(|n| denied(n, "GetFunction", "orders")).collect();
    records.push(disabled_mapping(20, "orders", "AUTHORIZATION_ERROR"));
    let pipeline = pipeline([("a", file(&records))]);
    pipeline.ledger.faults.set(LedgerFaults { failures: 1.0, ..LedgerFaults::default() });
    for round in 1..3 {
        let outcome = run(&pipeline, &payload(&["a"]));
        assert_eq!((outcome.error_type(), outcome.counters.alerts_published), (None, 2));
        assert_eq!(
            outcome.counters.ledger_errors, 5,
            "a claim, the count of a case and of its caller, and two records"
        );
        assert_eq!(outcome.ledger.expect("an error").to_string(), "ledger: down");
        assert_eq!(pipeline.topics.alert.confirmed().len(), 2 * round);
    }
    assert!(pipeline.topics.alert.confirmed().iter().any(|it| it.subject.contains(" x12 ")));
}

#[test]
fn denials_are_alerted_at_powers_of_ten_in_each_window() {
    let names: Vec<&'static str> = "abcdefghijkl".split("").filter(|it| !it.is_empty()).collect();
    let denials = |object: u64| -> Vec<_> {
        let on = |day: u64, n: u64| {
            let mut record = denied(1_000 * day + 10 * object + n, "GetFunction", "orders");
            record["eventTime"] = json!(format!("2026-01-0{day}T23:59:59Z"));
            record
        };
        (0..9).map(|n| on(1, n)).chain([on(2, 0)]).collect()
    };
    let pipeline = pipeline(names.iter().zip(0..).map(|(name, n)| (*name, file(&denials(n)))));
    for name in names {
        assert_eq!(run(&pipeline, &payload(&[name])).error_type(), None);
    }
    let told: Vec<_> = pipeline
        .topics
        .alert
        .confirmed()
        .iter()
        .map(|it| it.body.lines().nth(1).expect("how often").replace(", in us-east-1, account 111122223333.", ""))
        .collect();
    assert_snapshot!(told.join("\n"), @"
    9 times, at 2026-01-01 23:59:59 UTC
    Once, at 2026-01-02 23:59:59 UTC
    18 times since 2026-01-01 00:00:00 UTC; the latest 9 at 2026-01-01 23:59:59 UTC
    10 times since 2026-01-02 00:00:00 UTC; the latest at 2026-01-02 23:59:59 UTC
    108 times since 2026-01-01 00:00:00 UTC; the latest 9 at 2026-01-01 23:59:59 UTC
    ");
}

#[test]
fn an_event_in_two_objects_counts_twice_and_in_one_once() {
    let records: Vec<_> = (0..6).map(|n| denied(n % 5, "GetFunction", "orders")).collect();
    let pipeline = pipeline([("a", file(&records)), ("b", file(&records))]);
    let outcome = run(&pipeline, &payload(&["a", "b"]));
    assert_eq!((outcome.counters.denials, outcome.counters.repeated), (12, 2));
    assert!(subjects(&pipeline)[0].contains(" x10 "), "{:?}", subjects(&pipeline));
}

fn job(names: &[&str]) -> String {
    let task = |name: &&str| json!({"taskId": name, "s3Key": key(name), "s3Bucket": BUCKET, "s3VersionId": null});
    let tasks: Vec<_> = names.iter().map(task).collect();
    json!({"invocationSchemaVersion": "2.0", "invocationId": "i", "job": {"id": "j"}, "tasks": tasks}).to_string()
}

#[test]
fn tasks_go_to_machines_alone_and_fail_for_good_or_for_now() {
    let mut pipeline =
        pipeline([("a", one_disabled("a")), ("b", one_disabled("b")), ("c", b"not a log file".to_vec())]);
    pipeline.accepted.batch_jobs = true;
    pipeline.topics.event = Some(MemoryTopic::default());
    pipeline.source.cut.get_mut().insert(key("b"), 100);
    let results = |outcome: &Outcome| match &outcome.answer {
        Answer::Job { results, .. } => results
            .iter()
            .map(|it| format!("{}: {} {}", it.id, it.code.as_str(), it.text.rsplit('/').next().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join("\n"),
        other => panic!("a job, found {other:?}"),
    };
    assert_snapshot!(results(&run(&pipeline, &job(&["a", "b", "c", "missing"]))), @"
    a: Succeeded read
    b: TemporaryFailure 111122223333_CloudTrail_us-east-1_20260102T0305Z_b.json.gz; s3:GetObject: transfer broke off
    c: PermanentFailure 111122223333_CloudTrail_us-east-1_20260102T0305Z_c.json.gz; expected gzip, or a JSON object with `Records`, found `n` at inflated byte 0
    missing: PermanentFailure 111122223333_CloudTrail_us-east-1_20260102T0305Z_missing.json.gz; s3:GetObject: NoSuchKey
    ");
    assert_eq!(subjects(&pipeline), [""; 0], "nobody wants years of mail");
    let events = pipeline.topics.event.as_ref().expect("a topic").confirmed();
    assert_eq!(events.iter().filter(|it| it.body.starts_with('{')).count(), 1);
    // What machines were told of history says nothing of what people were told.
    assert_eq!(run(&pipeline, &payload(&["a"])).counters.alerts_published, 1);
    assert_eq!(subjects(&pipeline).len(), 1);
    pipeline.topics.event.as_ref().expect("a topic").down.set(true);
    pipeline.source.cut.get_mut().clear();
    assert_snapshot!(results(&run(&pipeline, &job(&["a", "b"]))), @r#"
    a: TemporaryFailure alert "Stopped: b-queue -> b AUTHORIZATION_ERROR 111122223333 us-east-1" to arn:aws:sns:us-east-1:111122223333:alerts: sns:PublishBatch: request failed
    b: TemporaryFailure alert "Stopped: b-queue -> b AUTHORIZATION_ERROR 111122223333 us-east-1" to arn:aws:sns:us-east-1:111122223333:alerts: sns:PublishBatch: request failed
    "#);
}

#[test]
fn the_fast_path_alerts_a_mapping_once() {
    let mut pipeline = pipeline([("a", one_disabled("a"))]);
    pipeline.accepted.inline_records = true;
    let event = |record: &Value| {
        json!({"detail-type": "AWS API Call via CloudTrail", "source": "aws.lambda", "detail": record}).to_string()
    };
    let record = disabled_mapping(u64::from(b'a'), "a", "AUTHORIZATION_ERROR");
    assert_eq!(run(&pipeline, &event(&record)).counters.alerts_published, 1);
    let outcome = run(&pipeline, &payload(&["a"]));
    assert_eq!((outcome.counters.incidents_known, outcome.counters.alerts), (1, 0));
    let outcome = run(&pipeline, &event(&denied(1, "GetFunction", "orders")));
    assert_eq!((outcome.counters.inline_records, outcome.counters.findings), (1, 0), "denials come with their object");
    assert_eq!(subjects(&pipeline).len(), 1);
}

#[test]
fn a_test_alert_of_each_kind() {
    let mut pipeline = pipeline([]);
    pipeline.topics.alert.subscriptions.set(Subscriptions { confirmed: 1, pending: 0 });
    pipeline.topics.chat = Some(MemoryTopic::default());
    for round in 1..3 {
        let outcome = run(&pipeline, r#"{"trailwarden":"test-alert"}"#);
        assert_eq!((outcome.error_type(), outcome.counters.alerts_published), (None, 4));
        let Answer::Test { published, warnings } = outcome.answer else { panic!("a test") };
        assert_eq!(subjects(&pipeline).len(), 4 * round, "every time anew");
        assert_eq!(
            warnings,
            ["arn:aws:sns:us-east-1:111122223333:alerts has no subscription: nobody receives its alerts"]
        );
        insta::allow_duplicates!(assert_snapshot!(published.join("\n"), @"
        [Test] Stopped: trailwarden-test -> trailwarden-test AUTHORIZATION_ERROR 111122223333 us-east-1
        [Test] Watched: A Lambda function was deleted DeleteFunction 111122223333 us-east-1
        [Test] Deleted: trailwarden-test -> trailwarden-test by a user 111122223333 us-east-1
        [Test] Denied: user trailwarden-test lambda:GetFunction 111122223333 us-east-1
        "));
    }
    pipeline.topics.alert.down.set(true);
    assert_eq!(run(&pipeline, r#"{"trailwarden":"test-alert"}"#).error_type(), Some("AlertNotPublished"));
}
