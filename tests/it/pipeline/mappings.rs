//! Alerts about event source mappings.

use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::fixture::payload::inline;
use crate::fixture::records::{ACCOUNT, REGION, allowed, denied, disabled_mapping, one_mapping};

#[tokio::test(start_paused = true)]
async fn a_disabled_mapping_is_alerted_with_its_reason_and_next_steps() {
    let reason = "Lambda does not have required permissions to poll the queue";
    let run = Fixture::new().object("a", [disabled_mapping(1, "orders", reason)]).invoke(&["a"]).await;
    assert_eq!(run.failures.error_type(), None);
    assert_snapshot!(run.rendered(), @r#"
    Subject: Stopped: orders-queue -> orders AUTHORIZATION_ERROR 111122223333 us-east-1
    alert_type: esm_disabled
    severity: critical
    category: AUTHORIZATION_ERROR
    status: open
    account: 111122223333
    region: us-east-1
    function_name: orders
    api_action: LambdaESMDisabled

    Lambda stopped reading the SQS queue orders-queue for function orders.
    AWS disabled the event source mapping at 2026-01-02 03:00:01 UTC in us-east-1 (account 111122223333).
    Until the mapping is enabled again, messages accumulate in the queue and eventually expire.

    Why
      AUTHORIZATION_ERROR: the permissions to read the event source are missing or incorrect.
      AWS says: "Lambda does not have required permissions to poll the queue"

    What to do
      1. Check the state of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid d46904b0-0f95-48b0-8001-000000000001
      2. Grant the function's execution role the permissions to read the event source: sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes. To find the role:
         aws lambda get-function-configuration --region us-east-1 --function-name orders --query "Role"
      3. Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:
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

#[tokio::test(start_paused = true)]
async fn each_reason_has_its_own_next_steps() {
    let reasons = [
        "RESOURCE_NOT_FOUND",
        "FUNCTION_NOT_FOUND",
        "REGION_NAME_NOT_VALID",
        "AUTHORIZATION_ERROR",
        "FUNCTION_IN_FAILED_STATE",
        "something new",
    ];
    let records = (0..).zip(reasons).map(|(n, reason)| disabled_mapping(n, "orders", reason));
    let run = Fixture::new().object("a", records).invoke(&["a"]).await;
    assert_eq!(run.counters.alerts_published, 6);
    let mut out = String::new();
    for message in &run.alerts {
        let (_, steps) = message.body.split_once("Why\n").expect("a reason");
        let (steps, _) = steps.split_once("\nDetails").expect("details");
        writeln!(out, "{}\n{steps}", message.subject).expect("a string");
    }
    assert_snapshot!(out, @r#"
    Stopped: orders-queue -> orders RESOURCE_NOT_FOUND 111122223333 us-east-1
      RESOURCE_NOT_FOUND: the event source, or another resource that the mapping uses, does not exist.

    What to do
      1. Check the state of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid c1fe070d-07ea-4cfb-8000-000000000000
      2. Recreate the missing resource, or delete the mapping if it is no longer needed. To check whether the event source exists:
         aws sqs get-queue-url --region us-east-1 --queue-name orders-queue
      3. Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:
         aws lambda update-event-source-mapping --region us-east-1 --uuid c1fe070d-07ea-4cfb-8000-000000000000 --enabled

    Stopped: orders-queue -> orders FUNCTION_NOT_FOUND 111122223333 us-east-1
      FUNCTION_NOT_FOUND: the function does not exist.

    What to do
      1. Check the state of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid d46904b0-0f95-48b0-8001-000000000001
      2. Redeploy the function under the same name, with the alias or version that the mapping uses, or delete the mapping if it is no longer needed. To list the existing aliases:
         aws lambda list-aliases --region us-east-1 --function-name orders
      3. Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:
         aws lambda update-event-source-mapping --region us-east-1 --uuid d46904b0-0f95-48b0-8001-000000000001 --enabled

    Stopped: orders-queue -> orders REGION_NAME_NOT_VALID 111122223333 us-east-1
      REGION_NAME_NOT_VALID: the Region of the event source or the function is not valid.

    What to do
      1. Check the state of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid e8d40227-17be-4469-8002-000000000002
      2. Compare the Regions in the ARNs of the mapping, its function and its event source. A mapping with an invalid Region must be deleted and recreated.
      3. Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:
         aws lambda update-event-source-mapping --region us-east-1 --uuid e8d40227-17be-4469-8002-000000000002 --enabled

    Stopped: orders-queue -> orders AUTHORIZATION_ERROR 111122223333 us-east-1
      AUTHORIZATION_ERROR: the permissions to read the event source are missing or incorrect.

    What to do
      1. Check the state of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid ff4703ca-1f69-4026-8003-000000000003
      2. Grant the function's execution role the permissions to read the event source: sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes. To find the role:
         aws lambda get-function-configuration --region us-east-1 --function-name orders --query "Role"
      3. Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:
         aws lambda update-event-source-mapping --region us-east-1 --uuid ff4703ca-1f69-4026-8003-000000000003 --enabled

    Stopped: orders-queue -> orders FUNCTION_IN_FAILED_STATE 111122223333 us-east-1
      FUNCTION_IN_FAILED_STATE: the function is in the Failed state.

    What to do
      1. Check the state of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid f3b20171-2713-4ddf-8004-000000000004
      2. Find out why the function is in the Failed state, fix the cause and redeploy the function. To show the reason:
         aws lambda get-function-configuration --region us-east-1 --function-name orders --query "[State,StateReasonCode,StateReason,LastUpdateStatusReason]"
      3. Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:
         aws lambda update-event-source-mapping --region us-east-1 --uuid f3b20171-2713-4ddf-8004-000000000004 --enabled

    Stopped: orders-queue -> orders UNKNOWN 111122223333 us-east-1
      UNKNOWN: the Lambda documentation does not list this reason.
      AWS says: "something new"

    What to do
      1. Check the state of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000005
      2. Check that the function and the event source exist, that the function is in the Active state, and that its execution role can read the event source:
         aws lambda get-function-configuration --region us-east-1 --function-name orders --query "[State,StateReason,Role]"
      3. Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:
         aws lambda update-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000005 --enabled
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_record_without_details_is_still_alerted() {
    let bare = json!({"eventSource": "lambda.amazonaws.com", "eventName": "LambdaESMDisabled"});
    let run = Fixture::new().object("a", [bare]).invoke(&["a"]).await;
    assert_eq!(run.failures.error_type(), None);
    assert_snapshot!(run.rendered(), @r#"
    Subject: Stopped: unknown mapping UNKNOWN ? ?
    alert_type: esm_disabled
    severity: critical
    category: UNKNOWN
    status: open
    api_action: LambdaESMDisabled

    Lambda stopped reading an event source for an unknown function.
    AWS disabled the event source mapping at an unknown time in an unknown Region.
    Until the mapping is enabled again, its events are not processed and may expire.

    Why
      UNKNOWN: the event contains no reason.

    What to do
      1. Check the state of the mapping:
         aws lambda list-event-source-mappings --region REGION --query "EventSourceMappings[?State=='Disabled']"
      2. Check that the function and the event source exist, that the function is in the Active state, and that its execution role can read the event source:
         aws lambda get-function-configuration --region REGION --function-name FUNCTION --query "[State,StateReason,Role]"
      3. Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:
         aws lambda update-event-source-mapping --region REGION --uuid UUID --enabled

    Details
      Severity      critical
      Event         LambdaESMDisabled (no event ID)
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_mapping_event_on_the_fast_path_and_in_a_log_object_is_alerted_once() {
    let fixture = Fixture::new().object("a", one_mapping("a")).configure(|it| it.accepted.inline_records = true);
    let [_, record, _] = one_mapping("a");
    assert_eq!(fixture.invoke_with(&inline(&record)).await.counters.alerts_published, 1);
    let copy = fixture.invoke(&["a"]).await;
    assert_eq!((copy.counters.incidents_known, copy.counters.alerts), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_denial_on_the_fast_path_does_not_count() {
    let fixture = Fixture::new().configure(|it| it.accepted.inline_records = true);
    let run = fixture.invoke_with(&inline(&denied(1, "GetFunction", "orders"))).await;
    assert_eq!((run.counters.inline_records, run.counters.findings, run.alerts.len()), (1, 0, 0));
}

/// Calls that disable, enable, delete and otherwise change a mapping.
fn mapping_calls() -> impl Iterator<Item = Value> {
    let mapping = json!({
        "uUID": "11111111-2222-3333-4444-555555555555",
        "functionArn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders"),
        "eventSourceArn": format!("arn:aws:kafka:{REGION}:{ACCOUNT}:cluster/clicks/1-2")
    });
    let calls = [
        ("UpdateEventSourceMapping", json!({"uUID": mapping["uUID"], "enabled": false})),
        ("UpdateEventSourceMapping", json!({"uUID": mapping["uUID"], "enabled": true})),
        ("DeleteEventSourceMapping", json!({"uUID": mapping["uUID"]})),
        ("UpdateEventSourceMapping", json!({"uUID": mapping["uUID"], "batchSize": 5})),
    ];
    (0..).zip(calls).map(move |(n, (action, parameters))| {
        let mut record = allowed(n, action, &parameters);
        record["responseElements"] = mapping.clone();
        record
    })
}

#[tokio::test(start_paused = true)]
async fn mappings_that_users_change_are_not_alerted_by_default() {
    let run = Fixture::new().object("a", mapping_calls()).invoke(&["a"]).await;
    assert_eq!((run.counters.findings, run.alerts.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn mappings_that_users_change_are_alerted_if_enabled() {
    let fixture = Fixture::new().object("a", mapping_calls()).configure(|it| it.esm_changes = true);
    let run = fixture.invoke(&["a"]).await;
    assert_eq!((run.counters.changed_mappings, run.counters.alerts_published), (3, 3));
    assert_snapshot!(run.rendered(), @r#"
    Subject: Disabled by user: clicks -> orders 111122223333 us-east-1
    alert_type: esm_changed
    severity: medium
    category: disabled
    account: 111122223333
    region: us-east-1
    function_name: orders
    api_action: UpdateEventSourceMapping

    Role deployer disabled an event source mapping: Lambda stopped reading the Kafka cluster clicks for function orders.
    Mapping 11111111-2222-3333-4444-555555555555 was changed at 2026-01-02 03:00:00 UTC in us-east-1 (account 111122223333).
    Until the mapping is enabled again, its events are not processed and may expire.

    Why
      This change was made by a user, not by AWS.

    What to do
      1. If this was not intended, enable the mapping again:
         aws lambda update-event-source-mapping --region us-east-1 --uuid 11111111-2222-3333-4444-555555555555 --enabled
      2. If this call was unexpected, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=5ea303e4-3498-4c74-8000-000000000000

    Details
      Severity      medium
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-0 (chosen by the caller)
      Source IP     203.0.113.0
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Mapping       11111111-2222-3333-4444-555555555555
      Function      arn:aws:lambda:us-east-1:111122223333:function:orders
      Event source  arn:aws:kafka:us-east-1:111122223333:cluster/clicks/1-2
      Event         UpdateEventSourceMapping20150331 5ea303e4-3498-4c74-8000-000000000000
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz

    Subject: Deleted by user: clicks -> orders 111122223333 us-east-1
    alert_type: esm_changed
    severity: medium
    category: deleted
    account: 111122223333
    region: us-east-1
    function_name: orders
    api_action: DeleteEventSourceMapping

    Role deployer deleted an event source mapping: Lambda stopped reading the Kafka cluster clicks for function orders.
    Mapping 11111111-2222-3333-4444-555555555555 was changed at 2026-01-02 03:00:02 UTC in us-east-1 (account 111122223333).
    Until another mapping reads the source, its events are not processed and may expire.

    Why
      This change was made by a user, not by AWS.

    What to do
      1. If this was not intended, recreate the mapping.
      2. If this call was unexpected, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=778906ce-24cc-44e6-8002-000000000002

    Details
      Severity      medium
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-2 (chosen by the caller)
      Source IP     203.0.113.2
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Mapping       11111111-2222-3333-4444-555555555555
      Function      arn:aws:lambda:us-east-1:111122223333:function:orders
      Event source  arn:aws:kafka:us-east-1:111122223333:cluster/clicks/1-2
      Event         DeleteEventSourceMapping20150331 778906ce-24cc-44e6-8002-000000000002
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz

    Subject: Enabled by user: clicks -> orders 111122223333 us-east-1
    alert_type: esm_changed
    severity: low
    category: enabled
    account: 111122223333
    region: us-east-1
    function_name: orders
    api_action: UpdateEventSourceMapping

    Role deployer enabled an event source mapping: Lambda now reads the Kafka cluster clicks for function orders.
    Mapping 11111111-2222-3333-4444-555555555555 was changed at 2026-01-02 03:00:01 UTC in us-east-1 (account 111122223333).
    If the mapping was disabled before, processing has resumed.

    Why
      This change was made by a user, not by AWS.

    What to do
      1. If this was intended, no action is needed. To check that events are being processed:
         aws lambda get-event-source-mapping --region us-east-1 --uuid 11111111-2222-3333-4444-555555555555
      2. If this call was unexpected, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=4b340059-3ce7-483f-8001-000000000001

    Details
      Severity      low
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-1 (chosen by the caller)
      Source IP     203.0.113.1
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Mapping       11111111-2222-3333-4444-555555555555
      Function      arn:aws:lambda:us-east-1:111122223333:function:orders
      Event source  arn:aws:kafka:us-east-1:111122223333:cluster/clicks/1-2
      Event         UpdateEventSourceMapping20150331 4b340059-3ce7-483f-8001-000000000001
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz
    "#);
}

/// A version is not a number: as one, 1.10 would precede 1.9.
#[tokio::test(start_paused = true)]
async fn records_of_every_event_version_are_examined() {
    let versions = ["1.0", "1.08", "1.9", "1.10", "1.11", "2.0", "10.1", "one", ""].map(|it| json!(it));
    let versions = versions.into_iter().chain([json!(1.1), json!(7), json!(null), json!([1, 10])]);
    let records: Vec<_> = (0..)
        .zip(versions)
        .map(|(n, version)| {
            let mut record = disabled_mapping(n, &format!("f{n}"), "AUTHORIZATION_ERROR");
            record["eventVersion"] = version;
            record
        })
        .collect();
    let run = Fixture::new().object("a", records.clone()).invoke(&["a"]).await;
    assert_eq!((run.alerts.len(), run.failures.error_type()), (records.len(), None));
}
