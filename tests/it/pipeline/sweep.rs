//! Sweeps: the mappings in the Lambda API, compared with the ledger.

mod kinds;
mod organization;
pub(crate) mod truth;

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tokio::time::Instant;
use trailwarden::clock::Clock as _;
use trailwarden::delivery::AccountRegion;
use trailwarden::reply::Reply;
use trailwarden::sweep::{FilterError, Mapping, SweepAccounts, SweepRegions};

use crate::fakes::{LedgerFaults, TestClock};
use crate::fixture::records::{
    ACCOUNT, REGION, about_mapping, called_by_alice, disabled_mapping, enabled_mapping, mapping_uuid, queue_url,
};
use crate::fixture::{Fixture, Run};

const SWEEP: &str = r#"{"trailwarden":"sweep"}"#;

pub(super) fn place(account: &str, region: &str) -> AccountRegion {
    AccountRegion { account: account.to_owned(), region: region.to_owned() }
}

fn here() -> AccountRegion {
    place(ACCOUNT, REGION)
}

/// A mapping of a queue, whose state changed now.
fn mapping(n: usize, state: &str, reason: &str, last_result: &str) -> Mapping {
    Mapping {
        uuid: mapping_uuid(n),
        function_arn: Some(format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:f{n}")),
        event_source_arn: Some(format!("arn:aws:sqs:{REGION}:{ACCOUNT}:q{n}")),
        state: Some(state.to_owned()),
        reason: Some(reason.to_owned()),
        last_result: Some(last_result.to_owned()),
        modified: Some(TestClock.now()),
        filter_error: None,
    }
}

fn running(n: usize) -> Mapping {
    mapping(n, "Enabled", "USER_INITIATED", "OK")
}

fn stopped(n: usize) -> Mapping {
    mapping(n, "Disabled", "Lambda initiated", "PROBLEM: Function call failed")
}

fn failing(n: usize) -> Mapping {
    mapping(n, "Enabled", "USER_INITIATED", "PROBLEM: Connection error")
}

/// Replaces the mappings that the API lists.
fn list(fixture: &Fixture, mappings: Vec<Mapping>) {
    fixture.pipeline.api.list.mappings.borrow_mut().insert(here(), mappings);
}

async fn sweep(fixture: &Fixture) -> Run {
    fixture.invoke_with(SWEEP).await
}

async fn pass(minutes: u64) {
    tokio::time::sleep(Duration::from_mins(minutes)).await;
}

/// A fixture whose account and Region were swept before, when all mappings were running.
async fn swept() -> Fixture {
    let fixture = Fixture::new().with_event_topic();
    list(&fixture, (0..5).map(running).collect());
    let run = sweep(&fixture).await;
    assert_eq!((run.alerts.len(), run.counters.mappings_swept, run.counters.places_swept), (0, 5, 1));
    fixture
}

fn json_alerts(fixture: &Fixture) -> Vec<Value> {
    fixture.event_topic().confirmed().iter().map(|it| serde_json::from_str(&it.body).expect("JSON")).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_sweep_lists_what_is_stopped_already_in_one_alert() {
    let fixture = Fixture::new().with_event_topic();
    list(&fixture, vec![stopped(0), running(1), stopped(2)]);
    pass(20).await;
    let run = sweep(&fixture).await;
    assert_snapshot!(run.rendered(), @r#"
    Subject: Stopped: 2 mappings 111122223333 us-east-1
    alert_type: esm_disabled
    severity: critical
    category: many_mappings
    status: open
    account: 111122223333
    region: us-east-1
    function_name: f0 | f2
    api_action: ListEventSourceMappings

    2 event source mappings are stopped: Lambda does not read their sources.
      - the SQS queue q0 for function f0, mapping 863d0ee4-2f3c-4994-8005-000000000000, in us-east-1 (account 111122223333), stopped since 1970-01-01 00:00:00 UTC: "Lambda initiated"
      - the SQS queue q2 for function f2, mapping 863d0ee4-2f3c-4994-8005-000000000002, in us-east-1 (account 111122223333), stopped since 1970-01-01 00:00:00 UTC: "Lambda initiated"

    Why
      This was the first sweep of these Regions. Each mapping that stops from now on causes its own alert.
      AWS disabled these mappings, or the Lambda API does not report that a user did.

    What to do
      1. Show the mappings with the reasons of their states, in each account and Region:
         aws lambda list-event-source-mappings --region us-east-1 --query "EventSourceMappings[?State=='Disabled']"
      2. Fix the cause, then enable each mapping. Delete the mappings that are no longer needed.

    Details
      Severity      critical
      Regions       us-east-1
      Functions     f0, f2
    "#);
    assert_eq!((run.counters.findings, run.counters.incidents, run.counters.alerts_published), (2, 1, 1));
    let alerts = json_alerts(&fixture);
    assert_eq!(alerts[0]["mappings"][1]["mapping_uuid"], json!(mapping_uuid(2)));
    assert_eq!(
        (&alerts[0]["status"], &alerts[0]["category"], &alerts[0]["count"]),
        (&json!("open"), &json!("many_mappings"), &json!(2))
    );
    assert_eq!(sweep(&fixture).await.alerts.len(), 0, "known");
    list(&fixture, vec![running(0), running(1), stopped(2)]);
    pass(16).await;
    let run = sweep(&fixture).await;
    assert_eq!(run.subjects(), ["Resolved: q0 -> f0 enabled 111122223333 us-east-1"]);
    let alerts = json_alerts(&fixture);
    assert_eq!(alerts[0]["mappings"][0]["alert_id"], alerts[1]["alert_id"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_the_trail_does_not_report_is_alerted_by_a_sweep_until_it_is_over() {
    let fixture = swept().await;
    list(&fixture, vec![stopped(0)]);
    pass(14).await;
    assert_eq!(sweep(&fixture).await.alerts.len(), 0, "the event may be on its way");
    pass(1).await;
    let run = sweep(&fixture).await;
    assert_snapshot!(run.rendered(), @r#"
    Subject: Stopped: q0 -> f0 UNKNOWN 111122223333 us-east-1
    alert_type: esm_disabled
    severity: critical
    category: UNKNOWN
    status: open
    account: 111122223333
    region: us-east-1
    function_name: f0
    api_action: ListEventSourceMappings

    Lambda stopped reading the SQS queue q0 for function f0.
    The Lambda API reports that the event source mapping has been disabled since 1970-01-01 00:00:00 UTC in us-east-1 (account 111122223333).
    Until the mapping is enabled again, messages accumulate in the queue and eventually expire.

    Why
      UNKNOWN: the Lambda API reports no known reason.
      AWS says: "Lambda initiated"

    What to do
      1. Check the state of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000000
      2. Check that the function and the event source exist, that the function is in the Active state, and that its execution role can read the event source:
         aws lambda get-function-configuration --region us-east-1 --function-name f0 --query "[State,StateReason,Role]"
      3. Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:
         aws lambda update-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000000 --enabled

    Details
      Severity      critical
      Mapping       863d0ee4-2f3c-4994-8005-000000000000
      Function      arn:aws:lambda:us-east-1:111122223333:function:f0
      Event source  arn:aws:sqs:us-east-1:111122223333:q0
      Reported by   the Lambda API, in a sweep
    "#);
    assert_eq!(sweep(&fixture).await.alerts.len(), 0);
    pass(20).await;
    list(&fixture, vec![running(0)]);
    assert_eq!(sweep(&fixture).await.alerts.len(), 0, "the event may be on its way");
    pass(15).await;
    let run = sweep(&fixture).await;
    assert_snapshot!(run.rendered(), @"
    Subject: Resolved: q0 -> f0 enabled 111122223333 us-east-1
    alert_type: esm_disabled
    severity: low
    category: enabled
    status: resolved
    account: 111122223333
    region: us-east-1
    function_name: f0
    api_action: ListEventSourceMappings

    The event source mapping is enabled again: Lambda now reads the SQS queue q0 for function f0.
    It was stopped for 35 minutes, from 1970-01-01 00:00:00 UTC to 1970-01-01 00:35:00 UTC in us-east-1 (account 111122223333).
    Events that accumulated are processed now. Events that expired are lost.

    Why
      This resolves the alert c8cee17a4c31ca2173efea3de55ea94d.
      The Lambda API reported this state in a sweep.

    What to do
      1. No action is needed. To check that events are being processed:
         aws lambda get-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000000

    Details
      Severity      low
      Mapping       863d0ee4-2f3c-4994-8005-000000000000
      Function      arn:aws:lambda:us-east-1:111122223333:function:f0
      Event source  arn:aws:sqs:us-east-1:111122223333:q0
      Reported by   the Lambda API, in a sweep
    ");
    assert_eq!(sweep(&fixture).await.alerts.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_cloudtrail_never_logs_is_alerted_at_once() {
    let fixture = swept().await;
    let source = format!("arn:aws:kafka:{REGION}:{ACCOUNT}:cluster/clicks/1-2");
    list(&fixture, vec![Mapping { event_source_arn: Some(source), ..stopped(0) }]);
    let run = sweep(&fixture).await;
    assert_eq!(run.subjects(), ["Stopped: clicks -> f0 UNKNOWN 111122223333 us-east-1"]);
    assert!(run.alerts[0].body.starts_with("Lambda stopped reading the Kafka cluster clicks for function f0.\n"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_a_sweep_finds_has_a_likely_cause() {
    let mut change = called_by_alice(1, "sqs", "DeleteQueue", &json!({"queueUrl": queue_url("f0")}));
    change["eventTime"] = json!(TestClock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let fixture = swept().await.configure(|it| it.detector.causes = true).object("change", [change]);
    fixture.invoke(&["change"]).await;
    pass(4).await;
    let source = Some(format!("arn:aws:sqs:{REGION}:{ACCOUNT}:f0-queue"));
    list(&fixture, vec![Mapping { event_source_arn: source, ..stopped(0) }]);
    pass(20).await;
    let run = sweep(&fixture).await;
    let said =
        "Likely cause: role deployer (session alice) called sqs:DeleteQueue on f0-queue 4 minutes before the stop.";
    assert!(run.alerts[0].body.contains(said), "{}", run.rendered());
}

/// Mapping 0 has been stopped for 20 minutes. The object `change` contains a likely cause.
async fn stopped_with_a_cause() -> Fixture {
    let mut change = called_by_alice(1, "sqs", "DeleteQueue", &json!({"queueUrl": queue_url("f0")}));
    change["eventTime"] = json!(TestClock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let fixture = swept().await.configure(|it| it.detector.causes = true).object("change", [change]);
    let source = Some(format!("arn:aws:sqs:{REGION}:{ACCOUNT}:f0-queue"));
    pass(1).await;
    list(&fixture, vec![Mapping { event_source_arn: source, ..stopped(0) }]);
    pass(20).await;
    fixture
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_does_not_replace_the_alert_of_a_sweep() {
    let fixture = stopped_with_a_cause().await;
    fixture.topic().down.set(true);
    assert_eq!(sweep(&fixture).await.alerts.len(), 0);
    fixture.topic().down.set(false);
    let run = fixture.invoke(&["change"]).await;
    assert_eq!(run.subjects(), ["Likely cause: f0-queue -> f0 sqs:DeleteQueue 111122223333 us-east-1"]);
    assert_eq!(sweep(&fixture).await.subjects(), ["Stopped: f0-queue -> f0 UNKNOWN 111122223333 us-east-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_late_cause_of_a_stop_that_is_over_says_so() {
    let fixture = stopped_with_a_cause().await;
    assert_eq!(sweep(&fixture).await.alerts.len(), 1);
    let fixture = event(fixture, "enable", false);
    fixture.invoke(&["enable"]).await;
    let run = fixture.invoke(&["change"]).await;
    assert_eq!(run.subjects(), ["Likely cause: f0-queue -> f0 sqs:DeleteQueue 111122223333 us-east-1"]);
    assert!(run.rendered().contains("status: resolved"), "{}", run.rendered());
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_reminded_of_after_days_and_then_weekly() {
    let fixture = swept().await;
    list(&fixture, vec![stopped(0)]);
    let started = TestClock.now();
    let mut reminded = Vec::new();
    for _ in 0..30 * 24 {
        pass(60).await;
        let run = sweep(&fixture).await;
        let day = TestClock.now().duration_since(started).as_hours() / 24;
        let mut lines: Vec<_> = run.subjects().iter().map(|it| format!("day {day}: {it}")).collect();
        lines.sort();
        reminded.extend(lines);
    }
    assert_snapshot!(reminded.join("\n"), @"
    day 0: Stopped: q0 -> f0 UNKNOWN 111122223333 us-east-1
    day 1: Still stopped: q0 -> f0 UNKNOWN 111122223333 us-east-1
    day 3: Still stopped: q0 -> f0 UNKNOWN 111122223333 us-east-1
    day 7: Still stopped: q0 -> f0 UNKNOWN 111122223333 us-east-1
    day 14: Still stopped: q0 -> f0 UNKNOWN 111122223333 us-east-1
    day 21: Still stopped: q0 -> f0 UNKNOWN 111122223333 us-east-1
    day 28: Still stopped: q0 -> f0 UNKNOWN 111122223333 us-east-1
    ");
    let alerts = json_alerts(&fixture);
    assert!(alerts.iter().all(|it| it["alert_id"] == alerts[0]["alert_id"]), "one thread");
    assert_eq!(
        alerts.iter().map(|it| it["status"].as_str().expect("text")).collect::<Vec<_>>()[..3],
        ["open", "reminder", "reminder"]
    );
    assert_eq!(alerts[1]["stopped_at"], alerts[2]["stopped_at"]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_missed_the_alert_about_a_stop_receives_it_after_a_reminder() {
    let fixture = event(swept().await, "stop", true);
    list(&fixture, vec![stopped(0)]);
    fixture.event_topic().down.set(true);
    assert_eq!(fixture.invoke(&["stop"]).await.failures.error_type(), Some("AlertNotPublished"));
    fixture.event_topic().down.set(false);
    pass(24 * 60).await;
    assert_eq!(sweep(&fixture).await.alerts.len(), 1, "a reminder");
    assert_eq!(fixture.invoke(&["stop"]).await.failures.error_type(), None);
    let statuses: Vec<_> = json_alerts(&fixture).iter().map(|it| it["status"].clone()).collect();
    assert_eq!(statuses, ["reminder", "open"]);
    assert_eq!(fixture.topic().confirmed().len(), 2, "the alert is not repeated");
}

#[tokio::test(start_paused = true)]
async fn reminders_of_one_list_are_one_alert() {
    let fixture = Fixture::new().with_event_topic();
    list(&fixture, (0..60).map(stopped).collect());
    pass(20).await;
    sweep(&fixture).await;
    pass(24 * 60).await;
    let run = sweep(&fixture).await;
    assert_eq!(
        run.subjects(),
        ["Still stopped: 50 mappings 111122223333 us-east-1", "Still stopped: 10 mappings 111122223333 us-east-1"]
    );
    for reminder in &json_alerts(&fixture)[2..] {
        assert_eq!(reminder["origin"], "lambda_api");
        let mappings = reminder["mappings"].as_array().expect("mappings");
        assert!(mappings.iter().all(|it| it["alert_id"] != reminder["alert_id"]), "its own alert");
        assert_eq!(reminder.get("stopped_at"), None);
    }
}

/// Mappings whose stops are of different ages, in two accounts.
fn old_stops(fixture: &Fixture) {
    let at = |days: i64| Some(TestClock.now() - jiff::SignedDuration::from_hours(24 * days));
    let stops = |numbers: std::ops::Range<usize>| -> Vec<Mapping> {
        let aged = |n: usize| Mapping { modified: at(i64::try_from(n).expect("days")), ..stopped(n) };
        numbers.map(aged).collect()
    };
    let mut mappings = fixture.pipeline.api.list.mappings.borrow_mut();
    mappings.insert(here(), stops(1..61));
    mappings.insert(place(OTHER, REGION), stops(61..64));
}

const OTHER: &str = "444455556666";

fn with_two_accounts() -> Fixture {
    Fixture::new().with_event_topic().configure(|it| {
        it.sweep.accounts = SweepAccounts::Listed(vec![ACCOUNT.to_owned(), OTHER.to_owned()]);
    })
}

/// The UUIDs in all alerts about several mappings.
fn listed(fixture: &Fixture) -> Vec<String> {
    let alerts = json_alerts(fixture);
    let mappings = alerts.iter().filter_map(|it| it["mappings"].as_array()).flatten();
    let mut uuids: Vec<_> = mappings.map(|it| it["mapping_uuid"].as_str().expect("a UUID").to_owned()).collect();
    uuids.sort();
    uuids
}

#[tokio::test(start_paused = true)]
async fn the_first_sweep_names_every_mapping_in_alerts_for_each_account() {
    pass(2 * 24 * 60 * 40).await;
    let fixture = with_two_accounts();
    old_stops(&fixture);
    let mut subjects = sweep(&fixture).await.alerts.into_iter().map(|it| it.subject).collect::<Vec<_>>();
    subjects.sort();
    assert_eq!(
        subjects,
        [
            "Stopped: 10 mappings 111122223333 us-east-1",
            "Stopped: 3 mappings 444455556666 us-east-1",
            "Stopped: 50 mappings 111122223333 us-east-1",
        ]
    );
    assert_eq!(listed(&fixture), (1..64).map(mapping_uuid).collect::<Vec<_>>());
    pass(15).await;
    assert_eq!(sweep(&fixture).await.subjects(), [] as [&str; 0], "no reminders of old stops");
    pass(24 * 60 * 7).await;
    let reminders = sweep(&fixture).await.alerts.len();
    assert!((1..=3).contains(&reminders), "{reminders}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_retried_with_other_members_loses_none() {
    pass(2 * 24 * 60 * 40).await;
    let fixture = with_two_accounts();
    old_stops(&fixture);
    fixture.topic().down.set(true);
    sweep(&fixture).await;
    fixture.topic().down.set(false);
    fixture.pipeline.api.list.denied.borrow_mut().push(here());
    sweep(&fixture).await;
    fixture.pipeline.api.list.denied.borrow_mut().clear();
    sweep(&fixture).await;
    let alerts = fixture.topic().confirmed();
    let named = |n: usize| alerts.iter().filter(|it| it.body.contains(&mapping_uuid(n))).count();
    assert!((1..64).all(|n| named(n) == 1));
}

#[tokio::test(start_paused = true)]
async fn reminders_of_mappings_that_stopped_at_different_times_are_not_lost() {
    let fixture = swept().await;
    let first = stopped(0);
    pass(60 * 24 * 2).await;
    list(&fixture, vec![first, stopped(1)]);
    for _ in 0..24 * 30 {
        pass(60).await;
        sweep(&fixture).await;
    }
    let about = |n: usize| fixture.topic().confirmed().iter().filter(|it| it.body.contains(&mapping_uuid(n))).count();
    // The first stop was two days old when a sweep found it.
    assert_eq!([about(0), about(1)], [1 + 5, 1 + 6]);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_mapping_that_is_enabled_and_fails_is_not_resolved() {
    let fixture = swept().await;
    list(&fixture, vec![stopped(0)]);
    pass(20).await;
    sweep(&fixture).await;
    for (state, result) in [("Enabled", "PROBLEM: x"), ("Paused", "OK"), ("Enabled", "PROBLEM: x")] {
        list(&fixture, vec![mapping(0, state, "User action", result)]);
        pass(90).await;
        assert!(sweep(&fixture).await.subjects().iter().all(|it| !it.starts_with("Resolved")), "{state}");
    }
    list(&fixture, vec![running(0)]);
    pass(20).await;
    assert_eq!(sweep(&fixture).await.alerts.len(), 2, "the stop and the failure are resolved");
}

#[tokio::test(start_paused = true)]
async fn a_suppressed_stop_is_not_resolved() {
    let rules =
        r#"{"suppress": [{"name": "n", "reason": "r", "pattern": {"finding": {"alert_type": ["esm_disabled"]}}}]}"#;
    let fixture = swept().await.rules(rules);
    list(&fixture, vec![stopped(0)]);
    pass(20).await;
    sweep(&fixture).await;
    let fixture = event(fixture, "enable", false).rules("{}");
    assert_eq!(fixture.invoke(&["enable"]).await.alerts.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reminder_waits_for_events_that_are_on_their_way() {
    let fixture = event(swept().await, "stop", true);
    fixture.invoke(&["stop"]).await;
    pass(24 * 60).await;
    // The mapping was enabled and stopped again, minutes ago.
    let fixture = event(fixture, "enable", false);
    pass(1).await;
    let fixture = event(fixture, "again", true);
    list(&fixture, vec![stopped(0)]);
    pass(1).await;
    assert_eq!(sweep(&fixture).await.alerts.len(), 0);
    fixture.invoke(&["enable"]).await;
    fixture.invoke(&["again"]).await;
    assert_eq!(statuses(&fixture), ["Stopped", "Resolved", "Stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_fails_in_two_sweeps_is_alerted_until_it_processes_its_source() {
    let fixture = swept().await;
    let unusable = FilterError { code: "FILTER_CRITERIA_KMS_DECRYPT_ERROR".to_owned(), message: "denied".to_owned() };
    list(&fixture, vec![failing(0), Mapping { filter_error: Some(unusable), ..running(1) }]);
    assert_eq!(sweep(&fixture).await.alerts.len(), 0, "the first sweep");
    pass(15).await;
    let run = sweep(&fixture).await;
    assert_snapshot!(run.rendered(), @r#"
    Subject: Failing: q0 -> f0 PROCESSING_PROBLEM 111122223333 us-east-1
    alert_type: esm_failing
    severity: high
    category: PROCESSING_PROBLEM
    status: open
    account: 111122223333
    region: us-east-1
    function_name: f0
    api_action: ListEventSourceMappings

    Lambda does not process the SQS queue q0 for function f0.
    The event source mapping is enabled but has been failing since 1970-01-01 00:00:00 UTC or earlier in us-east-1 (account 111122223333).
    Messages accumulate in the queue and eventually expire.

    Why
      PROCESSING_PROBLEM: the last attempt to read the source or to invoke the function failed.
      AWS says: "PROBLEM: Connection error"

    What to do
      1. Show the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000000
      2. If the function call failed, look for errors of the function. Otherwise, check the network, the credentials and the permissions that the mapping needs to read its source:
         aws logs tail /aws/lambda/f0 --region us-east-1 --since 1h --filter-pattern ERROR

    Details
      Severity      high
      Mapping       863d0ee4-2f3c-4994-8005-000000000000
      Function      arn:aws:lambda:us-east-1:111122223333:function:f0
      Event source  arn:aws:sqs:us-east-1:111122223333:q0
      Reported by   the Lambda API, in a sweep

    Subject: Failing: q1 -> f1 FILTER_CRITERIA_ERROR 111122223333 us-east-1
    alert_type: esm_failing
    severity: high
    category: FILTER_CRITERIA_ERROR
    status: open
    account: 111122223333
    region: us-east-1
    function_name: f1
    api_action: ListEventSourceMappings

    Lambda does not process the SQS queue q1 for function f1.
    The event source mapping is enabled but has been failing since 1970-01-01 00:00:00 UTC or earlier in us-east-1 (account 111122223333).
    Messages accumulate in the queue and eventually expire.

    Why
      FILTER_CRITERIA_ERROR: Lambda cannot decrypt or evaluate the filter criteria of the mapping.
      AWS says: "FILTER_CRITERIA_KMS_DECRYPT_ERROR: denied"

    What to do
      1. Show the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000001
      2. Correct the filter criteria. If they are encrypted with a KMS key, Lambda must be allowed to decrypt with it.

    Details
      Severity      high
      Mapping       863d0ee4-2f3c-4994-8005-000000000001
      Function      arn:aws:lambda:us-east-1:111122223333:function:f1
      Event source  arn:aws:sqs:us-east-1:111122223333:q1
      Reported by   the Lambda API, in a sweep
    "#);
    assert_eq!((run.counters.failing_mappings, sweep(&fixture).await.alerts.len()), (2, 0));
    pass(45).await;
    list(&fixture, vec![running(0), mapping(1, "Disabled", "User action", "OK")]);
    let run = sweep(&fixture).await;
    assert_snapshot!(run.rendered(), @"
    Subject: Resolved: q0 -> f0 processing 111122223333 us-east-1
    alert_type: esm_failing
    severity: low
    category: processing
    status: resolved
    account: 111122223333
    region: us-east-1
    function_name: f0
    api_action: ListEventSourceMappings

    Lambda processes the SQS queue q0 for function f0 again.
    It was failing for 1 hour, from 1970-01-01 00:00:00 UTC to 1970-01-01 01:00:00 UTC in us-east-1 (account 111122223333).
    Events that accumulated are processed now. Events that expired are lost.

    Why
      This resolves the alert 363bad9b8e7a0ddef74588e0d7efa851.
      The Lambda API reported this state in a sweep.

    What to do
      1. No action is needed. To check that events are being processed:
         aws lambda get-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000000

    Details
      Severity      low
      Mapping       863d0ee4-2f3c-4994-8005-000000000000
      Function      arn:aws:lambda:us-east-1:111122223333:function:f0
      Event source  arn:aws:sqs:us-east-1:111122223333:q0
      Reported by   the Lambda API, in a sweep

    Subject: Resolved: q1 -> f1 disabled 111122223333 us-east-1
    alert_type: esm_failing
    severity: low
    category: disabled
    status: resolved
    account: 111122223333
    region: us-east-1
    function_name: f1
    api_action: ListEventSourceMappings

    A user disabled the event source mapping that was failing: the SQS queue q1 for function f1.
    It was failing for 1 hour, from 1970-01-01 00:00:00 UTC to 1970-01-01 01:00:00 UTC in us-east-1 (account 111122223333).
    Until the mapping is enabled again, messages accumulate in the queue and eventually expire.

    Why
      This resolves the alert f5d7730747a545708a65535461a0c64c.
      The Lambda API reported this state in a sweep.

    What to do
      1. After the cause has been fixed, enable the mapping again:
         aws lambda update-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000001 --enabled

    Details
      Severity      low
      Mapping       863d0ee4-2f3c-4994-8005-000000000001
      Function      arn:aws:lambda:us-east-1:111122223333:function:f1
      Event source  arn:aws:sqs:us-east-1:111122223333:q1
      Reported by   the Lambda API, in a sweep
    ");
    let alerts = json_alerts(&fixture);
    assert_eq!((&alerts[0]["alert_id"], &alerts[0]["alert_type"]), (&alerts[2]["alert_id"], &alerts[2]["alert_type"]));
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_fails_once_is_not_alerted() {
    let fixture = swept().await;
    for mappings in [vec![failing(0)], vec![running(0)], vec![failing(0)], vec![mapping(0, "Updating", "", "")]] {
        list(&fixture, mappings);
        assert_eq!(sweep(&fixture).await.alerts.len(), 0);
        pass(15).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_two_sweeps_do_not_find_is_deleted() {
    let fixture = swept().await;
    list(&fixture, vec![stopped(0)]);
    pass(20).await;
    assert_eq!(sweep(&fixture).await.alerts.len(), 1);
    for expected in [&[] as &[&str], &["Resolved: q0 -> f0 deleted 111122223333 us-east-1"], &[]] {
        list(&fixture, vec![]);
        assert_eq!(sweep(&fixture).await.subjects(), expected);
        pass(15).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_one_sweep_does_not_find_remains_stopped() {
    let fixture = swept().await;
    let stopped = stopped(0);
    pass(20).await;
    for mappings in [vec![stopped.clone()], vec![], vec![stopped.clone()], vec![], vec![stopped]] {
        list(&fixture, mappings);
        sweep(&fixture).await;
        pass(15).await;
    }
    assert_eq!(fixture.subjects(), ["Stopped: q0 -> f0 UNKNOWN 111122223333 us-east-1"]);
}

/// A log object in which AWS disables or a user enables mapping 0, now.
fn event(fixture: Fixture, name: &str, is_stop: bool) -> Fixture {
    // Each minute has its own event.
    let n = TestClock.now().as_second().unsigned_abs();
    let mut record = if is_stop { disabled_mapping(n, "f0", "AUTHORIZATION_ERROR") } else { enabled_mapping(n, "f0") };
    record["eventTime"] = json!(TestClock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    fixture.object(name, [about_mapping(&mapping_uuid(0), record)])
}

/// The first word of the subject of each alert.
fn statuses(fixture: &Fixture) -> Vec<String> {
    fixture.subjects().iter().map(|it| it.split(':').next().expect("a word").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_the_trail_reports_is_known_to_sweeps() {
    let fixture = event(swept().await, "stop", true);
    list(&fixture, vec![stopped(0)]);
    fixture.invoke(&["stop"]).await;
    pass(20).await;
    assert_eq!(sweep(&fixture).await.alerts.len(), 0);
    let fixture = event(fixture, "enable", false);
    list(&fixture, vec![running(0)]);
    fixture.invoke(&["enable"]).await;
    pass(20).await;
    assert_eq!(sweep(&fixture).await.alerts.len(), 0);
    assert_eq!(fixture.subjects().len(), 2);
}

/// The names are those in the event of the stop.
#[tokio::test(start_paused = true)]
async fn a_stop_that_the_trail_reports_is_resolved_if_the_mapping_is_deleted() {
    let fixture = event(swept().await, "stop", true);
    fixture.invoke(&["stop"]).await;
    list(&fixture, vec![]);
    pass(20).await;
    assert_eq!(sweep(&fixture).await.alerts.len(), 0, "a single list may be incomplete");
    pass(20).await;
    assert_eq!(sweep(&fixture).await.subjects(), ["Resolved: f0-queue -> f0 deleted 111122223333 us-east-1"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_arrives_after_the_sweep_is_not_alerted_again() {
    let fixture = event(swept().await, "stop", true);
    list(&fixture, vec![stopped(0)]);
    pass(20).await;
    assert_eq!(sweep(&fixture).await.alerts.len(), 1);
    let run = fixture.invoke(&["stop"]).await;
    assert_eq!((run.alerts.len(), run.counters.incidents_known), (0, 1));
    let fixture = event(fixture, "enable", false);
    list(&fixture, vec![running(0)]);
    pass(20).await;
    assert_eq!(sweep(&fixture).await.subjects(), ["Resolved: q0 -> f0 enabled 111122223333 us-east-1"]);
    assert_eq!(fixture.invoke(&["enable", "stop"]).await.subjects(), [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_cannot_be_listed_hides_nothing_in_the_others() {
    let fixture = Fixture::new().configure(|it| {
        it.sweep.accounts = SweepAccounts::Listed(vec!["444455556666".to_owned(), ACCOUNT.to_owned()]);
    });
    fixture.pipeline.api.list.denied.borrow_mut().push(place("444455556666", REGION));
    list(&fixture, vec![stopped(0), stopped(1)]);
    pass(20).await;
    let run = sweep(&fixture).await;
    assert_eq!(run.subjects(), ["Stopped: 2 mappings 111122223333 us-east-1"]);
    assert_eq!((run.counters.sweep_failures, run.counters.places_swept, run.failures.error_type()), (1, 1, None));
    let Reply::Sweep { places: 2, mappings: 2, failed } = &run.reply else { panic!("a sweep, found {:?}", run.reply) };
    assert_eq!(failed[0].to_string(), "444455556666 us-east-1: lambda:ListEventSourceMappings: AccessDeniedException");
    fixture.pipeline.api.list.denied.borrow_mut().clear();
    fixture.pipeline.api.list.mappings.borrow_mut().insert(place("444455556666", REGION), vec![stopped(7), stopped(8)]);
    pass(20).await;
    assert_eq!(sweep(&fixture).await.subjects(), ["Stopped: 2 mappings 444455556666 us-east-1"], "its first sweep");
}

#[tokio::test(start_paused = true)]
async fn the_trail_can_name_the_accounts_and_regions() {
    let fixture = Fixture::new().configure(|it| {
        it.sweep.accounts = SweepAccounts::OfTrail;
        it.sweep.regions = SweepRegions::OfTrail;
    });
    assert_eq!(sweep(&fixture).await.failed(), "sweep failed: sweep: no accounts and Regions to sweep");
    let digests = ["us-east-1", "eu-west-1"]
        .map(|region| format!("AWSLogs/{ACCOUNT}/CloudTrail-Digest/{region}/2026/01/02/d.json.gz"));
    fixture.invoke_with(&crate::fixture::payload::notification_of(&digests)).await;
    assert_eq!(sweep(&fixture).await.counters.places_swept, 2);
}

#[tokio::test(start_paused = true)]
async fn without_the_ledger_a_sweep_fails_and_the_next_one_alerts() {
    let fixture = swept().await;
    list(&fixture, vec![stopped(0)]);
    pass(20).await;
    fixture.pipeline.ledger.faults.set(LedgerFaults { failures: 1.0, ..LedgerFaults::default() });
    let run = sweep(&fixture).await;
    assert_eq!((run.alerts.len(), run.failures.error_type()), (0, Some("SweepFailed")));
    fixture.pipeline.ledger.faults.set(LedgerFaults::default());
    assert_eq!(sweep(&fixture).await.alerts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_a_topic_did_not_confirm_is_published_by_the_next_sweep() {
    for first in [true, false] {
        let fixture = if first { Fixture::new() } else { swept().await };
        list(&fixture, vec![stopped(0), stopped(1)]);
        pass(20).await;
        fixture.topic().down.set(true);
        let run = sweep(&fixture).await;
        assert_eq!((run.alerts.len(), run.failures.error_type()), (0, Some("AlertNotPublished")));
        fixture.topic().down.set(false);
        assert_eq!(sweep(&fixture).await.alerts.len(), if first { 1 } else { 2 });
        assert_eq!(sweep(&fixture).await.alerts.len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_suppressed_mapping_is_not_alerted() {
    let rules = format!(
        r#"{{"suppress": [{{"name": "n", "reason": "r", "pattern": {{"finding": {{"alert_type": ["esm_disabled"], "mapping_uuid": ["{}"]}}}}}}]}}"#,
        mapping_uuid(0)
    );
    let fixture = swept().await.rules(&rules);
    list(&fixture, vec![stopped(0), stopped(1)]);
    pass(20).await;
    assert_eq!(sweep(&fixture).await.subjects(), ["Stopped: q1 -> f1 UNKNOWN 111122223333 us-east-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_a_suppressed_recovery_is_alerted() {
    let rules = r#"{"suppress": [{"name": "n", "reason": "r", "pattern": {"finding": {"alert_type": ["esm_failing"], "category": ["processing"]}}}]}"#;
    let fixture = swept().await.rules(rules);
    let mut counted = Vec::new();
    for state in [failing(0), failing(0), running(0), failing(0), failing(0)] {
        list(&fixture, vec![state]);
        pass(15).await;
        let counters = sweep(&fixture).await.counters;
        counted.push((counters.alerts_published, counters.suppressed));
    }
    assert_eq!(counted, [(0, 0), (1, 0), (0, 1), (0, 0), (1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_after_a_resolved_one_is_alerted_even_if_a_sweep_reported_it() {
    for meanwhile in ["nothing", "found by another sweep", "over"] {
        let fixture = swept().await;
        list(&fixture, vec![stopped(0)]);
        pass(20).await;
        fixture.topic().down.set(true);
        sweep(&fixture).await;
        fixture.topic().down.set(false);
        pass(1).await;
        let fixture = event(fixture, "enable", false);
        pass(1).await;
        let fixture = event(fixture, "again", true);
        list(&fixture, vec![stopped(0)]);
        pass(1).await;
        sweep(&fixture).await;
        fixture.invoke(&["enable"]).await;
        pass(20).await;
        let fixture = match meanwhile {
            "found by another sweep" => {
                fixture.topic().down.set(true);
                assert_eq!(sweep(&fixture).await.failures.error_type(), Some("AlertNotPublished"));
                fixture.topic().down.set(false);
                fixture
            }
            "over" => {
                let fixture = event(fixture, "end", false);
                fixture.invoke(&["end"]).await;
                fixture
            }
            _ => fixture,
        };
        fixture.invoke(&["again"]).await;
        assert_eq!(statuses(&fixture), ["Stopped", "Resolved", "Stopped"], "{meanwhile}");
    }
}

#[tokio::test(start_paused = true)]
async fn pages_are_listed_below_the_quota() {
    let fixture = Fixture::new();
    list(&fixture, (0..1_000).map(running).collect());
    let started = Instant::now();
    let run = sweep(&fixture).await;
    assert_eq!((run.counters.mappings_swept, fixture.pipeline.api.list.calls.borrow().len()), (1_000, 10));
    assert_eq!(started.elapsed(), Duration::from_millis(9 * 250));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_ends_in_time_and_reports_what_it_did_not_sweep() {
    let fixture = Fixture::new().configure(|it| {
        it.sweep.accounts = SweepAccounts::Listed((0..400).map(|n| format!("{n:012}")).collect());
    });
    fixture.pipeline.api.list.latency.set(Duration::from_secs(1));
    let time_up = tokio::time::sleep(Duration::from_millis(4_500));
    let outcome = fixture.run("1", SWEEP, time_up).await;
    assert_eq!((outcome.counters.places_swept, outcome.counters.sweep_failures), (128, 272));
    let order: Vec<_> = fixture.pipeline.api.list.calls.borrow().iter().map(|(_, place)| place.clone()).collect();
    pass(15).await;
    fixture.run("2", SWEEP, tokio::time::sleep(Duration::from_millis(4_500))).await;
    assert_ne!(fixture.pipeline.api.list.calls.borrow()[order.len()].1, order[0]);
}
