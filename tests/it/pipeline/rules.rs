//! The user's rules.

use insta::assert_snapshot;
use serde_json::json;
use trailwarden::reply::Reply;

use crate::fixture::Fixture;
use crate::fixture::payload::{notification, queue, s3_test_event};
use crate::fixture::records::{allowed, denied, disabled_mapping, one_mapping};

#[tokio::test(start_paused = true)]
async fn rules_watch_for_events_and_suppress_findings() {
    let mut records: Vec<_> =
        (0..3).map(|n| allowed(n, "DeleteFunction", &json!({"functionName": "orders"}))).collect();
    records.extend((0..2).map(|n| denied(n, "DeleteFunction", "orders")));
    records.push(disabled_mapping(1, "returns", "AUTHORIZATION_ERROR"));
    let fixture = Fixture::new().object("a", records).rules(
        r#"{"watch": [
              {"name": "deleted", "title": "A Lambda function was deleted", "severity": "high",
               "pattern": {"finding": {"api_action": ["DeleteFunction"]}, "errorCode": [{"exists": false}]}},
              {"name": "any-denial", "title": "Denied", "severity": "low", "pattern": {"finding": {"alert_type": ["access_denied"]}}}],
            "suppress": [
              {"name": "deployer", "reason": "known", "pattern": {"finding": {"alert_type": ["access_denied"], "principal": [{"suffix": ":role/deployer"}]}}},
              {"name": "everything", "reason": "too much", "expires": "2026-01-01", "pattern": {"eventSource": [{"exists": true}]}},
              {"name": "all-of-lambda", "reason": "too much", "pattern": {"finding": {"function_name": ["returns"]}}}]}"#,
    );
    let run = fixture.invoke(&["a"]).await;
    assert_eq!((run.counters.watched_events, run.counters.denials), (5, 2));
    assert_eq!(run.suppressed.iter().collect::<Vec<_>>(), [(&"deployer".to_owned(), &2)]);
    let rendered = run.rendered();
    let (stopped, _) = rendered.split_at(rendered.find("Subject: Watched: A Lambda").expect("a watched event"));
    assert!(stopped.starts_with("Subject: Stopped: returns-queue -> returns") && run.alerts.len() == 3, "{stopped}");
    assert_snapshot!(&rendered[stopped.len()..], @r#"
    Subject: Watched: A Lambda function was deleted DeleteFunction x3 111122223333 us-east-1
    alert_type: watch
    severity: high
    category: deleted
    account: 111122223333
    region: us-east-1
    function_name: orders
    api_action: DeleteFunction

    A Lambda function was deleted: role deployer called DeleteFunction on function orders.
    3 times, from 2026-01-02 03:00:00 UTC to 2026-01-02 03:00:02 UTC in us-east-1 (account 111122223333).
    The next alert will be sent at the 10th occurrence, or at the first occurrence after 2026-01-03 00:00:00 UTC.

    Why
      The watch rule "deleted" matches this event.

    What to do
      1. If this call was unexpected, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=5ea303e4-3498-4c74-8000-000000000000

    Details
      Severity      high
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-0 (chosen by the caller)
      Source IP     203.0.113.0
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
    2 times, from 2026-01-02 03:00:00 UTC to 2026-01-02 03:00:01 UTC in us-east-1 (account 111122223333).
    The next alert will be sent at the 10th occurrence, or at the first occurrence after 2026-01-03 00:00:00 UTC.

    Why
      The watch rule "any-denial" matches this event.

    What to do
      1. If this call was unexpected, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=5ea303e4-3498-4c74-8000-000000000000

    Details
      Severity      low
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-0 (chosen by the caller)
      Source IP     203.0.113.0
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Event         DeleteFunction20150331 5ea303e4-3498-4c74-8000-000000000000
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz
    "#);
}

#[tokio::test(start_paused = true)]
async fn without_rules_builtin_findings_are_alerted_and_the_invocation_fails() {
    let fixture = Fixture::new().object("a", one_mapping("a")).without_rules();
    let run = fixture.invoke(&["a"]).await;
    assert_eq!((run.failures.error_type(), run.alerts.len()), (Some("RulesUnavailable"), 1));
    let run = fixture.invoke_with(&queue([(Some("m"), notification(&["a"]))])).await;
    assert_eq!(run.reply, Reply::BatchItemFailures(vec!["m".to_owned()]));
    assert_eq!(fixture.invoke_with(&s3_test_event()).await.failures.error_type(), None);
}
