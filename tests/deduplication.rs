//! Which alerts are published, repeated or held back: leases, topics, summaries and the order of publishing.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};
use support::generator::{ACCOUNT, denied, disabled_mapping, gzip, gzip_stored, key, log_file};
use support::memory::{LedgerFaults, MemoryBucket, MemoryTopic};
use support::{Memory, invoke, payload};
use tokio::time::Instant;
use trailwarden::outcome::Outcome;
use trailwarden::pipeline::Invocation;
use trailwarden::rules::Rules;
use trailwarden::triage::LEASE;

fn pipeline(objects: impl IntoIterator<Item = (String, Vec<Value>)>) -> Memory {
    let mut bucket = MemoryBucket::default();
    for (name, records) in objects {
        bucket.put(key(&name), gzip(log_file(&records)));
    }
    support::pipeline(bucket)
}

fn one(name: &str, records: Vec<Value>) -> Memory {
    pipeline([(name.to_owned(), records)])
}

async fn run(pipeline: &Memory, id: &str, names: &[&str]) -> Outcome {
    invoke(pipeline, id, &payload(names), &Rules::default()).await
}

fn subjects(topic: &MemoryTopic) -> Vec<String> {
    topic.confirmed().into_iter().map(|it| it.subject).collect()
}

/// Denials of one caller, each for a different action.
fn distinct_denials(from: u64, to: u64) -> Vec<Value> {
    (from..to).map(|n| denied(n, &format!("Action{n}"), "orders")).collect()
}

fn of_another_caller(mut record: Value, n: u64) -> Value {
    record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] =
        json!(format!("arn:aws:iam::{ACCOUNT}:role/r{n}"));
    record
}

fn mapping(n: u64) -> Value {
    disabled_mapping(n, &format!("f{n}"), "AUTHORIZATION_ERROR")
}

#[tokio::test(start_paused = true)]
async fn many_denied_calls_of_one_caller_are_one_summary() {
    let mut pipeline = one("a", distinct_denials(0, 2_000));
    pipeline.topics.event = Some(MemoryTopic::default());
    let outcome = run(&pipeline, "1", &["a"]).await;
    let it = &outcome.counters;
    assert_eq!((it.denials, it.incidents, it.incidents_summarized, it.alerts_published), (2_000, 2_001, 2_000, 1));
    let [message] = &pipeline.topics.alert.confirmed()[..] else { panic!("one alert") };
    let (front, _) = message.body.split_once("  Functions").expect("functions");
    assert_snapshot!(format!("Subject: {}\n\n{front}", message.subject), @r#"
    Subject: Denied: role deployer 2000 different calls 111122223333 us-east-1

    Denied: 2000 different calls by role deployer.
    Seen from 2026-01-02 03:00:00 UTC to 2026-01-02 03:33:19 UTC, in us-east-1, account 111122223333.
    The next alert about this caller comes after 10000 different calls, or after 2026-01-03 00:00:00 UTC.

    Why
      More than 20 different denied calls by one caller are summarized in one alert.
      Usual causes: a permission scanner, stolen credentials, or a role that lost a policy.

    What to do
      1. If the caller is a known scanner or deployment, correct its policies, or suppress its denials with a rule.
      2. Otherwise treat its credentials as stolen: revoke the sessions of the role, or disable the keys of the user.
      3. See one of the calls in full:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=5ea303e4-3498-4c74-8000-000000000000

    Details
      Severity      medium
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-0 (chosen by the caller)
      From          203.0.113.0
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Calls         lambda:Action0, lambda:Action1, lambda:Action2, lambda:Action3, lambda:Action4, lambda:Action5, lambda:Action6, lambda:Action7, lambda:Action8, lambda:Action9, lambda:Action10, lambda:Action11, lambda:Action12, lambda:Action13, lambda:Action14, lambda:Action15, lambda:Action16, lambda:Action17, lambda:Action18, lambda:Action19 and 1980 more
    "#);
    let event: Value =
        serde_json::from_str(&pipeline.topics.event.as_ref().expect("a topic").confirmed()[0].body).expect("JSON");
    assert_eq!((&event["category"], &event["count"]), (&json!("many_denials"), &json!(2_000)));
    assert_eq!(event["denied_actions"].as_array().map(Vec::len), Some(20));
    assert_eq!((&event["denied_action_count"], &event["cut"]), (&json!(2_000), &json!(["denied_actions"])));
    let again = run(&pipeline, "2", &["a"]).await;
    assert_eq!(
        (again.counters.alerts, again.counters.incidents_known, again.counters.incidents_summarized),
        (0, 1, 2_000)
    );
}

#[tokio::test(start_paused = true)]
async fn denied_calls_that_come_one_by_one_are_summarized_from_the_21st() {
    let objects: Vec<_> = (0..2_000).map(|n| (n.to_string(), distinct_denials(n, n + 1))).collect();
    let pipeline = pipeline(objects);
    for n in 0..2_000 {
        let outcome = run(&pipeline, &n.to_string(), &[&n.to_string()]).await;
        assert_eq!(outcome.error_type(), None);
    }
    let subjects = subjects(&pipeline.topics.alert);
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
async fn twenty_denied_calls_of_one_caller_alert_one_by_one() {
    let pipeline = one("a", distinct_denials(0, 20));
    assert_eq!(run(&pipeline, "1", &["a"]).await.counters.alerts_published, 20);
}

#[tokio::test(start_paused = true)]
async fn a_case_that_has_alerted_is_not_summarized() {
    let records = [distinct_denials(0, 1), distinct_denials(1, 40)];
    let mut nine = vec![records[0][0].clone(); 9];
    for (n, record) in nine.iter_mut().enumerate() {
        record["eventID"] = json!(format!("e{n}"));
    }
    let pipeline =
        pipeline([("a".to_owned(), records[0].clone()), ("b".to_owned(), records[1].clone()), ("c".to_owned(), nine)]);
    for (id, alerts) in [("a", 1), ("b", 1), ("c", 1)] {
        assert_eq!(run(&pipeline, id, &[id]).await.counters.alerts_published, alerts, "{id}");
    }
    assert!(
        subjects(&pipeline.topics.alert)[2].contains("lambda:Action0 x10"),
        "{:?}",
        subjects(&pipeline.topics.alert)
    );
}

/// The ledger has the state of a case, and one call that fails says nothing about it.
#[tokio::test(start_paused = true)]
async fn a_case_that_the_ledger_did_not_count_is_alerted_in_another_summary() {
    let mut nine = vec![distinct_denials(0, 1).remove(0); 9];
    for (n, record) in nine.iter_mut().enumerate() {
        record["eventID"] = json!(format!("e{n}"));
    }
    let objects = [("a", distinct_denials(0, 1)), ("b", distinct_denials(1, 40)), ("c", nine)];
    let pipeline = pipeline(objects.map(|(name, records)| (name.to_owned(), records)));
    run(&pipeline, "1", &["a"]).await;
    run(&pipeline, "2", &["b"]).await;
    pipeline.ledger.failing_contributions.set(1);
    let outcome = run(&pipeline, "3", &["c"]).await;
    assert_eq!((outcome.counters.ledger_errors, outcome.counters.alerts_published), (1, 1));
}

/// They were due one by one; a summary that somebody else published since does not name them.
#[tokio::test(start_paused = true)]
async fn cases_that_a_topic_did_not_confirm_are_alerted_by_the_retry() {
    let objects = [("a", distinct_denials(0, 20)), ("b", distinct_denials(20, 21))];
    let pipeline = pipeline(objects.map(|(name, records)| (name.to_owned(), records)));
    pipeline.topics.alert.down.set(true);
    assert_eq!(run(&pipeline, "1", &["a"]).await.error_type(), Some("AlertNotPublished"));
    pipeline.topics.alert.down.set(false);
    assert_eq!(run(&pipeline, "2", &["b"]).await.counters.alerts_published, 1);
    tokio::time::sleep(LEASE).await;
    let retry = run(&pipeline, "1", &["a"]).await;
    assert_eq!((retry.error_type(), retry.counters.alerts_published), (None, 20));
}

#[tokio::test(start_paused = true)]
async fn an_explicit_deny_is_not_summarized_with_what_no_policy_allows() {
    let mut explicit = denied(99, "DeleteFunction", "orders");
    let message = explicit["errorMessage"].as_str().expect("a message");
    let (front, _) = message.split_once(" because ").expect("a reason");
    explicit["errorMessage"] = json!(format!("{front} with an explicit deny in a service control policy"));
    let pipeline = pipeline([("a".to_owned(), distinct_denials(0, 30)), ("b".to_owned(), vec![explicit])]);
    run(&pipeline, "1", &["a"]).await;
    run(&pipeline, "2", &["b"]).await;
    let topic = &pipeline.topics.alert;
    assert_snapshot!(subjects(topic).join("\n"), @"
    Denied: role deployer 30 different calls 111122223333 us-east-1
    Denied: role deployer lambda:DeleteFunction 111122223333 us-east-1
    ");
    assert!(topic.confirmed()[1].attributes.iter().any(|it| it.name == "severity" && it.values == ["high"]));
}

#[tokio::test(start_paused = true)]
async fn without_the_ledger_a_flood_is_one_summary_of_each_invocation() {
    let pipeline = one("a", distinct_denials(0, 2_000));
    pipeline.ledger.faults.set(LedgerFaults { hangs: 1.0, ..LedgerFaults::default() });
    let outcome = run(&pipeline, "1", &["a"]).await;
    assert_eq!((outcome.counters.alerts_published, outcome.error_type()), (1, None));
}

#[tokio::test(start_paused = true)]
async fn seventeen_invocations_at_once_alert_once() {
    let pipeline = one("a", vec![denied(1, "GetFunction", "orders"), mapping(2)]);
    pipeline.ledger.faults.set(LedgerFaults { latency: Duration::from_millis(20), ..LedgerFaults::default() });
    let ids: Vec<_> = (0..17).map(|n| n.to_string()).collect();
    let outcomes = join_all(ids.iter().map(|id| run(&pipeline, id, &["a"]))).await;
    assert_eq!(outcomes.iter().map(|it| it.counters.alerts).sum::<u64>(), 2);
    assert!(outcomes.iter().all(|it| it.error_type().is_none() && it.counters.ledger_errors == 0));
}

#[tokio::test(start_paused = true)]
async fn conflicts_of_transactions_do_not_repeat_a_threshold() {
    let objects: Vec<_> = (0..100_u64).map(|n| (n.to_string(), vec![denied(n, "GetFunction", "orders")])).collect();
    let pipeline = pipeline(objects);
    pipeline.ledger.faults.set(LedgerFaults { conflicts: 0.3, ..LedgerFaults::default() });
    for n in 0..100 {
        let outcome = run(&pipeline, &n.to_string(), &[&n.to_string()]).await;
        assert_eq!((outcome.error_type(), outcome.counters.ledger_errors), (None, 0));
    }
    assert_eq!(subjects(&pipeline.topics.alert).len(), 3, "{:?}", subjects(&pipeline.topics.alert));
}

/// Ten attempts with nine pauses, of at most 2.62 seconds together.
#[tokio::test(start_paused = true)]
async fn no_pause_follows_the_last_attempt() {
    let pipeline = one("a", vec![mapping(1)]);
    pipeline.ledger.faults.set(LedgerFaults { conflicts: 1.0, ..LedgerFaults::default() });
    let started = Instant::now();
    let outcome = run(&pipeline, "1", &["a"]).await;
    assert_eq!((outcome.counters.alerts_published, outcome.counters.ledger_errors), (1, 2), "a claim and a record");
    let published = pipeline.topics.alert.confirmed_at.borrow()[0] - started;
    assert!(published > Duration::from_millis(1_300) && published < Duration::from_millis(2_650), "{published:?}");
}

/// An invocation that dies while publishing holds the lease and has recorded nothing.
#[tokio::test(start_paused = true)]
async fn a_lease_of_a_dead_invocation_delays_an_alert_and_loses_none() {
    let mut pipeline = one("a", vec![denied(1, "GetFunction", "orders"), mapping(2)]);
    pipeline.topics.alert.latency = Duration::from_secs(1);
    let dead = tokio::time::timeout(Duration::from_millis(500), run(&pipeline, "dead", &["a"])).await;
    assert!(dead.is_err() && subjects(&pipeline.topics.alert).is_empty());
    pipeline.topics.alert.latency = Duration::ZERO;
    let started = Instant::now();
    let outcome = run(&pipeline, "next", &["a"]).await;
    assert_eq!((outcome.error_type(), outcome.counters.alerts_published), (None, 2));
    let waited = started.elapsed();
    assert!(waited > Duration::from_secs(3) && waited < LEASE + Duration::from_secs(1), "{waited:?}");
    assert_eq!(run(&pipeline, "dead", &["a"]).await.counters.alerts, 0);
}

#[tokio::test(start_paused = true)]
async fn only_the_topic_that_failed_receives_an_alert_again() {
    let mut pipeline = one("a", vec![denied(1, "GetFunction", "orders"), mapping(2)]);
    pipeline.topics.chat = Some(MemoryTopic::default());
    let chat = || pipeline.topics.chat.as_ref().expect("a topic");
    chat().down.set(true);
    for retry in 0..3 {
        let outcome = run(&pipeline, &retry.to_string(), &["a"]).await;
        assert_eq!((outcome.error_type(), outcome.counters.alerts_failed), (Some("AlertNotPublished"), 2));
        tokio::time::sleep(LEASE).await;
    }
    assert_eq!((subjects(&pipeline.topics.alert).len(), chat().confirmed().len()), (2, 0));
    chat().down.set(false);
    assert_eq!(run(&pipeline, "3", &["a"]).await.error_type(), None);
    assert_eq!((subjects(&pipeline.topics.alert).len(), chat().confirmed().len()), (2, 2));
    assert_eq!(run(&pipeline, "4", &["a"]).await.counters.alerts, 0);
}

#[tokio::test(start_paused = true)]
async fn batches_of_a_fifo_topic_are_sent_one_after_another() {
    for (arn, most) in [(None, 4), (Some("arn:aws:sns:us-east-1:111122223333:alerts.fifo"), 1)] {
        let mut pipeline = one("a", (0..100).map(mapping).collect());
        pipeline.topics.alert.arn = arn;
        pipeline.topics.alert.latency = Duration::from_millis(30);
        assert_eq!(run(&pipeline, "1", &["a"]).await.counters.alerts_published, 100);
        assert_eq!(pipeline.topics.alert.under_way.get(), (0, most));
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_refused_is_sent_again_after_a_pause() {
    let pipeline = one("a", vec![mapping(1)]);
    *pipeline.topics.alert.refuse.borrow_mut() = Some(("Stopped", 2));
    let started = Instant::now();
    assert_eq!(run(&pipeline, "1", &["a"]).await.error_type(), None);
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn mappings_are_published_before_any_denial_is_counted() {
    let mut records = distinct_denials(0, 5);
    records.insert(2, mapping(9));
    let pipeline = one("a", records);
    pipeline.ledger.faults.set(LedgerFaults { latency: Duration::from_millis(20), ..LedgerFaults::default() });
    assert_eq!(run(&pipeline, "1", &["a"]).await.counters.alerts_published, 6);
    let published = pipeline.topics.alert.confirmed_at.borrow()[0];
    let counted = pipeline.ledger.first_contribution.get().expect("a contribution");
    assert!(subjects(&pipeline.topics.alert)[0].starts_with("Stopped"));
    assert!(published <= counted);
}

#[tokio::test(start_paused = true)]
async fn with_a_ledger_that_hangs_a_mapping_is_published_within_ten_seconds_and_all_else_follows() {
    let mut records = distinct_denials(0, 15);
    records.push(mapping(1));
    let pipeline = one("a", records);
    pipeline.ledger.faults.set(LedgerFaults { hangs: 1.0, ..LedgerFaults::default() });
    let started = Instant::now();
    let outcome = run(&pipeline, "1", &["a"]).await;
    let published: Vec<_> = pipeline.topics.alert.confirmed_at.borrow().iter().map(|at| *at - started).collect();
    assert!(published[0] < Duration::from_secs(10), "{published:?}");
    assert_eq!((published.len(), outcome.error_type()), (16, None));
    assert!(started.elapsed() < Duration::from_secs(10), "the ledger is asked no more: {:?}", started.elapsed());
    assert_eq!(outcome.counters.ledger_errors, 1);
}

/// Calls that are just within their time limit, of many mappings: in one chunk, in many, and with a lease of a dead
/// invocation among them. And of many denials.
#[tokio::test(start_paused = true)]
async fn with_a_ledger_that_is_slow_or_conflicts_alerts_are_published_within_its_budget() {
    let slow = Duration::from_millis(1_900);
    let record = LedgerFaults { record: slow, ..LedgerFaults::default() };
    let both = LedgerFaults { claim: slow, record: slow, ..LedgerFaults::default() };
    let conflicts = LedgerFaults { claim: slow, conflicts: 0.9, ..LedgerFaults::default() };
    let mappings: Vec<_> = (0..401).map(mapping).collect();
    let callers: Vec<_> = (0..600).map(|n| of_another_caller(denied(n, "GetFunction", "orders"), n)).collect();
    for (faults, records, chunk, seconds) in [
        (record, &mappings, 1 << 20, 10),
        (both, &mappings, 8_192, 10),
        (conflicts, &mappings, 1 << 20, 10),
        (record, &callers, 1 << 20, 25),
        (both, &callers, 1 << 20, 25),
    ] {
        let mut bucket = MemoryBucket::default();
        bucket.chunk = Some(chunk);
        bucket.put(key("a"), gzip_stored(log_file(records)));
        let mut pipeline = support::pipeline(bucket);
        pipeline.topics.alert.latency = Duration::from_secs(30);
        let dead = tokio::time::timeout(Duration::from_secs(1), run(&pipeline, "dead", &["a"])).await;
        assert!(dead.is_err());
        pipeline.topics.alert.latency = Duration::ZERO;
        pipeline.ledger.faults.set(faults);
        let started = Instant::now();
        let outcome = run(&pipeline, "next", &["a"]).await;
        assert_eq!((outcome.error_type(), outcome.counters.alerts_published), (None, records.len() as u64));
        let last = pipeline.topics.alert.confirmed_at.borrow().iter().max().expect("an alert").duration_since(started);
        assert!(last < Duration::from_secs(seconds), "{faults:?}: {last:?}");
        assert!(started.elapsed() < Duration::from_secs(seconds + 5), "{faults:?}: {:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_mapping_is_published_while_other_objects_are_read() {
    let mut bucket = MemoryBucket::default();
    bucket.chunk = Some(1_000);
    bucket.put(key("a"), gzip_stored(log_file(&(0..9).map(mapping).collect::<Vec<_>>())));
    bucket.stall.insert(key("a"), 3);
    let pipeline = support::pipeline(bucket);
    let started = Instant::now();
    let (payload, rules) = (payload(&["a"]), Rules::default());
    let time_up = tokio::time::sleep(Duration::from_secs(80));
    let invocation = Invocation { id: "1", payload: &payload, rules: &rules, without_rules: false, time_up };
    let outcome = pipeline.run(invocation).await;
    assert_eq!((outcome.error_type(), outcome.counters.alerts_published), (Some("ObjectUnavailable"), 2));
    let published = pipeline.topics.alert.confirmed_at.borrow().iter().map(|at| *at - started).max();
    assert!(published < Some(Duration::from_secs(1)), "{published:?}");
}

/// One case in 7,000 objects takes 71 transactions, not 7,000.
#[tokio::test(start_paused = true)]
async fn contributions_of_many_objects_are_recorded_in_batches() {
    let objects: Vec<_> = (0..7_000_u64).map(|n| (n.to_string(), vec![denied(n, "GetFunction", "orders")])).collect();
    let names: Vec<_> = objects.iter().map(|(name, _)| name.clone()).collect();
    let pipeline = pipeline(objects);
    pipeline.ledger.faults.set(LedgerFaults { latency: Duration::from_millis(20), ..LedgerFaults::default() });
    let started = Instant::now();
    let outcome = invoke(&pipeline, "1", &payload(&names), &Rules::default()).await;
    assert_eq!((outcome.counters.alerts_published, outcome.counters.ledger_errors), (1, 0));
    assert!(subjects(&pipeline.topics.alert)[0].contains("x7000"));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn without_rules_everything_else_is_alerted_and_the_invocation_fails() {
    let pipeline = one("a", vec![mapping(1)]);
    let rules = Rules::default();
    let run = async |payload: &str| {
        let time_up = std::future::pending();
        pipeline.run(Invocation { id: "1", payload, rules: &rules, without_rules: true, time_up }).await
    };
    let outcome = run(&payload(&["a"])).await;
    assert_eq!((outcome.error_type(), outcome.counters.alerts_published), (Some("RulesUnavailable"), 1));
    let record = json!({"eventSource": "aws:sqs", "messageId": "m", "body": payload(&["a"])});
    let outcome = run(&json!({"Records": [record]}).to_string()).await;
    assert_eq!(outcome.answer, trailwarden::outcome::Answer::FailedMessages(vec!["m".to_owned()]));
    assert_eq!(run(&json!({"Event": "s3:TestEvent"}).to_string()).await.error_type(), None);
}
