//! Summaries: one alert about a caller with many denied actions.

use insta::assert_snapshot;
use serde_json::{Value, json};
use trailwarden::triage::LEASE;

use crate::fixture::Fixture;
use crate::fixture::records::{denied, distinct_denials};

#[tokio::test(start_paused = true)]
async fn many_denied_actions_of_one_caller_are_one_summary() {
    let fixture = Fixture::new().object("a", distinct_denials(0..2_000)).with_event_topic();
    let run = fixture.invoke(&["a"]).await;
    let it = &run.counters;
    assert_eq!((it.denials, it.incidents, it.incidents_summarized, it.alerts_published), (2_000, 2_001, 2_000, 1));
    let [message] = &run.alerts[..] else { panic!("one alert") };
    let (front, _) = message.body.split_once("  Functions").expect("functions");
    assert_snapshot!(format!("Subject: {}\n\n{front}", message.subject), @r#"
    Subject: Denied: role deployer 2000 different calls 111122223333 us-east-1

    Role deployer was denied 2000 different calls.
    The calls were made from 2026-01-02 03:00:00 UTC to 2026-01-02 03:33:19 UTC in us-east-1 (account 111122223333).
    The next alert about this caller will be sent at 10000 different calls, or at the first denied call after 2026-01-03 00:00:00 UTC.

    Why
      More than 20 different denied calls by one caller are summarized in one alert.
      Common causes: a permissions scanner, stolen credentials, or a policy that was removed from the role.

    What to do
      1. If the caller is a known scanner or deployment pipeline, correct its permissions or suppress its denials with a rule.
      2. Otherwise, treat its credentials as compromised: revoke the role's sessions or deactivate the user's access keys.
      3. To show one of the calls in full:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=5ea303e4-3498-4c74-8000-000000000000

    Details
      Severity      medium
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-0 (chosen by the caller)
      Source IP     203.0.113.0
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Calls         lambda:Action0, lambda:Action1, lambda:Action2, lambda:Action3, lambda:Action4, lambda:Action5, lambda:Action6, lambda:Action7, lambda:Action8, lambda:Action9, lambda:Action10, lambda:Action11, lambda:Action12, lambda:Action13, lambda:Action14, lambda:Action15, lambda:Action16, lambda:Action17, lambda:Action18, lambda:Action19 and 1980 more
    "#);
    let event: Value = serde_json::from_str(&fixture.event_topic().confirmed()[0].body).expect("JSON");
    assert_eq!((&event["category"], &event["count"]), (&json!("many_denials"), &json!(2_000)));
    assert_eq!(event["denied_actions"].as_array().map(Vec::len), Some(20));
    assert_eq!(
        (&event["denied_action_count"], &event["truncated_fields"]),
        (&json!(2_000), &json!(["denied_actions"]))
    );
    let again = fixture.invoke(&["a"]).await.outcome.counters;
    assert_eq!((again.alerts, again.incidents_known, again.incidents_summarized), (0, 1, 2_000));
}

#[tokio::test(start_paused = true)]
async fn denied_actions_that_arrive_one_by_one_are_summarized_from_the_21st() {
    let names: Vec<_> = (0..2_000).map(|n| n.to_string()).collect();
    let fixture = Fixture::new().objects(names.iter().zip((0..).map(|n| distinct_denials(n..n + 1))));
    for name in names {
        assert_eq!(fixture.invoke(&[name]).await.failures.error_type(), None);
    }
    let subjects = fixture.subjects();
    let is_summary = |it: &&String| it.contains("different calls");
    assert_eq!((subjects.len(), subjects.iter().filter(is_summary).count()), (23, 3));
    assert_snapshot!(subjects[19..].join("\n"), @"
    Denied: role deployer lambda:Action19 111122223333 us-east-1
    Denied: role deployer 21 different calls 111122223333 us-east-1
    Denied: role deployer 100 different calls 111122223333 us-east-1
    Denied: role deployer 1000 different calls 111122223333 us-east-1
    ");
}

#[tokio::test(start_paused = true)]
async fn twenty_denied_actions_of_one_caller_are_alerted_individually() {
    let run = Fixture::new().object("a", distinct_denials(0..20)).invoke(&["a"]).await;
    assert_eq!(run.alerts.len(), 20);
}

/// Three objects: the first denial of an action, denials of 39 other actions, and nine more denials of the first
/// action.
fn first_incident_grows_after_a_summary() -> Fixture {
    let nine = (0..9).map(|n| {
        let mut record = denied(0, "Action0", "orders");
        record["eventID"] = json!(format!("e{n}"));
        record
    });
    Fixture::new()
        .object("first", distinct_denials(0..1))
        .object("others", distinct_denials(1..40))
        .object("nine more", nine)
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_was_alerted_is_not_summarized() {
    let fixture = first_incident_grows_after_a_summary();
    for name in ["first", "others", "nine more"] {
        assert_eq!(fixture.invoke(&[name]).await.alerts.len(), 1, "{name}");
    }
    let subjects = fixture.subjects();
    assert!(subjects[1].contains("40 different calls") && subjects[2].contains("lambda:Action0 x10"), "{subjects:?}");
}

/// If a ledger call fails, it is unknown whether the incident has been alerted.
#[tokio::test(start_paused = true)]
async fn an_incident_that_the_ledger_did_not_count_is_alerted_in_another_summary() {
    let fixture = first_incident_grows_after_a_summary();
    fixture.invoke(&["first"]).await;
    fixture.invoke(&["others"]).await;
    fixture.pipeline.ledger.failing_contributions.set(1);
    let run = fixture.invoke(&["nine more"]).await;
    assert_eq!((run.counters.ledger_errors, run.alerts.len()), (1, 1));
}

/// The incidents were due individually. The summary that another invocation has published in the meantime does not list
/// them.
#[tokio::test(start_paused = true)]
async fn incidents_that_a_topic_did_not_confirm_are_alerted_by_the_retry() {
    let fixture = Fixture::new().object("a", distinct_denials(0..20)).object("b", distinct_denials(20..21));
    fixture.topic().down.set(true);
    assert_eq!(fixture.invoke(&["a"]).await.failures.error_type(), Some("AlertNotPublished"));
    fixture.topic().down.set(false);
    assert_eq!(fixture.invoke(&["b"]).await.alerts.len(), 1);
    tokio::time::sleep(LEASE).await;
    let retry = fixture.invoke(&["a"]).await;
    assert_eq!((retry.failures.error_type(), retry.alerts.len()), (None, 20));
}

#[tokio::test(start_paused = true)]
async fn an_explicit_deny_is_not_summarized_with_implicit_denials() {
    let mut explicit = denied(99, "DeleteFunction", "orders");
    let message = explicit["errorMessage"].as_str().expect("a message");
    let (front, _) = message.split_once(" because ").expect("a reason");
    explicit["errorMessage"] = json!(format!("{front} with an explicit deny in a service control policy"));
    let fixture = Fixture::new().object("a", distinct_denials(0..30)).object("b", [explicit]);
    fixture.invoke(&["a"]).await;
    let run = fixture.invoke(&["b"]).await;
    assert_snapshot!(fixture.subjects().join("\n"), @"
    Denied: role deployer 30 different calls 111122223333 us-east-1
    Denied: role deployer lambda:DeleteFunction 111122223333 us-east-1
    ");
    assert!(run.alerts[0].attributes.iter().any(|it| it.name == "severity" && it.values == ["high"]));
}
