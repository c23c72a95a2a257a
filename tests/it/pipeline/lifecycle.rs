//! A mapping that AWS disabled, until a user enables or deletes it.

use std::collections::BTreeSet;
use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::fakes::LedgerFaults;
use crate::fixture::Fixture;
use crate::fixture::records::{disabled_mapping, enabled_mapping};

/// The time of minute `n`.
fn time(n: u64) -> Value {
    json!(format!("2026-01-02T{:02}:{:02}:00Z", 3 + n / 60, n % 60))
}

/// AWS disables the mapping at minute `n`.
fn stopped(n: u64) -> Value {
    let mut record = disabled_mapping(60 * n, "orders", "AUTHORIZATION_ERROR");
    record["eventTime"] = time(n);
    record["resources"][0]["ARN"] = json!(format!("arn:aws:lambda:us-east-1:111122223333:event-source-mapping:{UUID}"));
    record
}

const UUID: &str = "863d0ee4-2f3c-4994-8005-000000000005";

/// A user enables or deletes the mapping at minute `n`.
fn ended(n: u64, action: &str) -> Value {
    let mut record = enabled_mapping(60 * n, "orders");
    record["eventTime"] = time(n);
    record["eventName"] = json!(format!("{action}20150331"));
    record["requestParameters"]["uUID"] = json!(UUID);
    record["responseElements"]["uUID"] = json!(UUID);
    record
}

const ENABLE: &str = "UpdateEventSourceMapping";

#[tokio::test(start_paused = true)]
async fn enabling_a_stopped_mapping_resolves_its_alert_once() {
    let fixture = Fixture::new().object("stop", [stopped(0)]).object("enable", [ended(133, ENABLE)]).with_event_topic();
    fixture.invoke(&["stop"]).await;
    let run = fixture.invoke(&["enable"]).await;
    assert_eq!((run.counters.findings, run.counters.changed_mappings), (1, 1));
    assert_snapshot!(run.rendered(), @r#"
    Subject: Resolved: orders-queue -> orders enabled 111122223333 us-east-1
    alert_type: esm_disabled
    severity: low
    category: enabled
    status: resolved
    account: 111122223333
    region: us-east-1
    function_name: orders
    api_action: UpdateEventSourceMapping

    Role deployer enabled the event source mapping again: Lambda now reads the SQS queue orders-queue for function orders.
    It was stopped for 2 hours 13 minutes, from 2026-01-02 03:00:00 UTC to 2026-01-02 05:13:00 UTC in us-east-1 (account 111122223333).
    Events that accumulated are processed now. Events that expired are lost.

    Why
      This resolves the alert fc92e864304dc2b342a815059ecb7181.

    What to do
      1. If this was intended, no action is needed. To check that events are being processed:
         aws lambda get-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000005
      2. If this call was unexpected, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=f50e2816-dce9-48a0-89b8-0000000029b8

    Details
      Severity      low
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-10680 (chosen by the caller)
      Source IP     203.0.113.184
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Mapping       863d0ee4-2f3c-4994-8005-000000000005
      Function      arn:aws:lambda:us-east-1:111122223333:function:orders
      Event source  arn:aws:sqs:us-east-1:111122223333:orders-queue
      Event         UpdateEventSourceMapping20150331 f50e2816-dce9-48a0-89b8-0000000029b8
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_enable.json.gz
    "#);
    assert_eq!(fixture.invoke(&["enable", "stop"]).await.subjects(), [] as [&str; 0]);
    let bodies: Vec<Value> =
        fixture.event_topic().confirmed().iter().map(|it| serde_json::from_str(&it.body).expect("JSON")).collect();
    let [open, resolved] = bodies.as_slice() else { panic!("two alerts") };
    assert_eq!((&open["status"], &resolved["status"]), (&json!("open"), &json!("resolved")));
    assert_eq!((&open["alert_id"], &open["alert_type"]), (&resolved["alert_id"], &resolved["alert_type"]));
    assert_eq!((&resolved["stopped_at"], &resolved["ended_at"]), (&time(0), &time(133)));
}

#[tokio::test(start_paused = true)]
async fn a_resolved_alert_is_in_the_thread_of_the_stop() {
    let fixture = Fixture::new().object("a", [stopped(0), ended(5, "DeleteEventSourceMapping")]).with_chat_topic();
    fixture.invoke(&["a"]).await;
    assert_eq!(
        fixture.subjects(),
        [
            "Stopped: orders-queue -> orders AUTHORIZATION_ERROR 111122223333 us-east-1",
            "Resolved: orders-queue -> orders deleted 111122223333 us-east-1",
        ]
    );
    let thread = |body: &str| serde_json::from_str::<Value>(body).expect("JSON")["metadata"]["threadId"].clone();
    let threads: Vec<_> = fixture.chat_topic().confirmed().iter().map(|it| thread(&it.body)).collect();
    assert_eq!(threads[0], threads[1]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_arrives_after_its_end_says_so() {
    let fixture = Fixture::new().object("stop", [stopped(0)]).object("enable", [ended(5, ENABLE)]);
    assert_eq!(fixture.invoke(&["enable"]).await.counters.findings, 0);
    let run = fixture.invoke(&["stop"]).await;
    let body = &run.alerts[0].body;
    assert!(
        body.contains("A user enabled or deleted the mapping at 2026-01-02 03:05:00 UTC, so it is no longer stopped.")
    );
    assert!(run.rendered().contains("status: resolved"));
}

#[tokio::test(start_paused = true)]
async fn changes_of_mappings_that_aws_did_not_disable_are_not_alerted() {
    let fixture = Fixture::new().object("enable", [ended(0, ENABLE), ended(9, ENABLE)]).object("stop", [stopped(20)]);
    assert_eq!(fixture.invoke(&["enable"]).await.alerts.len(), 0);
    fixture.invoke(&["stop"]).await;
    assert_eq!(fixture.invoke(&["enable"]).await.alerts.len(), 0, "older than the stop");
}

#[tokio::test(start_paused = true)]
async fn with_esm_changes_a_change_that_resolves_is_alerted_once() {
    let fixture = Fixture::new().object("a", [stopped(0), ended(5, ENABLE)]).configure(|it| it.esm_changes = true);
    let run = fixture.invoke(&["a"]).await;
    assert_eq!((run.counters.findings, run.counters.alerts_published), (2, 2));
    assert!(run.subjects().iter().any(|it| it.starts_with("Resolved: ")));
}

#[tokio::test(start_paused = true)]
async fn without_the_ledger_the_stop_is_alerted_and_the_end_is_not() {
    let faults = LedgerFaults { failures: 1.0, ..LedgerFaults::default() };
    let fixture = Fixture::new().object("a", [stopped(0), ended(5, ENABLE)]).ledger_faults(faults);
    let run = fixture.invoke(&["a"]).await;
    assert_eq!(run.subjects(), ["Stopped: orders-queue -> orders AUTHORIZATION_ERROR 111122223333 us-east-1"]);
    assert!(run.counters.ledger_errors > 0);
}

#[tokio::test(start_paused = true)]
async fn changes_of_other_mappings_do_not_delay_a_stop() {
    let slow = LedgerFaults { latency: Duration::from_secs(1), ..LedgerFaults::default() };
    let records = (100..150).map(|n| enabled_mapping(n, "other")).chain([stopped(0)]);
    let fixture = Fixture::new().object("a", records).ledger_faults(slow);
    let started = Instant::now();
    fixture.invoke(&["a"]).await;
    let published = fixture.topic().confirmed_at.borrow()[0] - started;
    assert!(published < Duration::from_secs(5), "{published:?}");
}

#[tokio::test(start_paused = true)]
async fn a_suppressed_change_resolves_nothing() {
    let rules =
        r#"{"suppress": [{"name": "n", "reason": "r", "pattern": {"finding": {"alert_type": ["esm_changed"]}}}]}"#;
    let fixture = Fixture::new().object("a", [stopped(0), ended(5, ENABLE)]).rules(rules);
    assert_eq!(fixture.invoke(&["a"]).await.alerts.len(), 1);
}

/// An event at a minute: a stop, or an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Event {
    pub(crate) minute: u64,
    pub(crate) is_stop: bool,
}

impl Event {
    fn record(self) -> Value {
        if self.is_stop { stopped(self.minute) } else { ended(self.minute, ENABLE) }
    }
}

/// Alternating stops and ends, delivered in any order, some of them twice.
fn deliveries() -> impl Strategy<Value = Vec<Event>> {
    let events = (1_u64..8, any::<bool>()).prop_map(|(count, first)| {
        (0..count).map(move |n| Event { minute: n, is_stop: first == (n % 2 == 0) }).collect::<Vec<_>>()
    });
    let repeated = (events, prop::collection::vec(any::<prop::sample::Index>(), 0..4));
    let repeated = repeated.prop_map(|(mut events, again)| {
        let copies: Vec<_> = again.iter().map(|index| *index.get(&events)).collect();
        events.extend(copies);
        events
    });
    repeated.prop_shuffle()
}

/// Delivers events in this order, and checks that the alerts end in the true state of the mapping.
pub(crate) async fn assert_true_state(deliveries: &[Event]) {
    let objects = deliveries.iter().enumerate().map(|(n, event)| (n.to_string(), [event.record()]));
    let fixture = Fixture::new().objects(objects);
    let mut latest_stop = None;
    for (n, event) in deliveries.iter().enumerate() {
        if event.is_stop {
            latest_stop = latest_stop.max(Some(event.minute));
        }
        let run = fixture.invoke(&[n.to_string()]).await;
        for message in &run.alerts {
            let resolves = message.subject.starts_with("Resolved: ");
            assert!(!resolves || latest_stop < Some(event.minute), "resolved while it is stopped");
        }
    }
    let alerts = fixture.topic().confirmed();
    let about = |word: &str| alerts.iter().filter(|it| it.subject.starts_with(word)).count();
    let mut distinct = deliveries.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let stops = distinct.iter().filter(|it| it.is_stop).count();
    assert_eq!(about("Stopped: "), stops, "one alert for each stop");
    let resolved =
        alerts.iter().filter_map(|it| it.body.split_once("This resolves the alert ")).map(|(_, id)| &id[..32]);
    let distinct_resolved: BTreeSet<_> = resolved.collect();
    assert_eq!(about("Resolved: "), distinct_resolved.len(), "at most one for each stop");
    // If the last event is the end of a stop, an alert says so.
    if let [.., stop, end] = distinct.as_slice()
        && stop.is_stop
        && !end.is_stop
    {
        let said =
            alerts.iter().any(|it| it.subject.starts_with("Resolved: ") || it.body.contains("no longer stopped"));
        assert!(said, "{deliveries:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_deliveries_ends_in_the_true_state(deliveries in deliveries()) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(assert_true_state(&deliveries));
    }
}
