//! Likely causes of stopped mappings: who changed a resource that the mapping depends on.

use std::collections::BTreeMap;
use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::time::Instant;
use trailwarden::enrich::OwnerTagKeys;
use trailwarden::triage::FunctionNow;

use crate::fakes::{LedgerFaults, MemoryLedger};
use crate::fixture::records::{called_by_alice, disabled_mapping, enabled_mapping, gzip_stored, log_file, queue_url};
use crate::fixture::{Fixture, Run};

fn fixture() -> Fixture {
    Fixture::new().configure(|it| it.detector.causes = true)
}

/// The time of minute `n`, which may be on another day.
fn time(n: i64) -> Value {
    let start: jiff::Timestamp = "2026-01-04T03:00:00Z".parse().expect("a time");
    json!((start + jiff::SignedDuration::from_mins(n)).to_string())
}

/// AWS disables the mapping from the queue to the function `orders` at minute `n`.
fn stopped(n: i64) -> Value {
    let mut record = disabled_mapping(n.unsigned_abs(), "orders", "AUTHORIZATION_ERROR");
    record["eventTime"] = time(n);
    record
}

/// Alice deletes the queue at minute `n`. Each `n` gives a different event.
fn deleted(n: i64) -> Value {
    change(n, "sqs", "DeleteQueue", &json!({"queueUrl": queue_url("orders")}))
}

fn change(n: i64, service: &str, event_name: &str, parameters: &Value) -> Value {
    let mut record = called_by_alice(10_000 + n.unsigned_abs(), service, event_name, parameters);
    record["eventTime"] = time(n);
    record
}

/// The lines about likely causes in the alerts of an invocation.
fn causes(run: &Run) -> Vec<String> {
    let lines = run.alerts.iter().flat_map(|it| it.body.lines());
    lines.filter_map(|line| line.trim().strip_prefix("Likely cause: ").map(str::to_owned)).collect()
}

/// The record of the stop does not name the role.
#[tokio::test(start_paused = true)]
async fn the_role_that_the_lambda_api_names_leads_to_a_cause_in_either_order() {
    let said = "role deployer (session alice) called iam:DeleteRolePolicy on orders-role 4 minutes before";
    for (first, second) in [("change", "stop"), ("stop", "change")] {
        let fixture = fixture().configure(|it| {
            let role_arn = Some("arn:aws:iam::111122223333:role/service-role/orders-role".to_owned());
            it.api.functions.insert("orders".to_owned(), (FunctionNow { role_arn, ..FunctionNow::default() }, vec![]));
            it.context = Some(OwnerTagKeys::default());
        });
        let parameters = json!({"roleName": "orders-role", "policyName": "read-queue"});
        let fixture = fixture.object("change", [change(-4, "iam", "DeleteRolePolicy", &parameters)]);
        let fixture = fixture.object("stop", [stopped(0)]);
        let bodies =
            [fixture.invoke(&[first]).await, fixture.invoke(&[second]).await].map(|run| run.rendered()).concat();
        assert_eq!(bodies.to_lowercase().matches(said.to_lowercase().as_str()).count(), 1, "{bodies}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_alert_names_the_likely_cause() {
    let fixture = fixture().object("change", [deleted(-4)]).object("stop", [stopped(0)]);
    assert_eq!(fixture.invoke(&["change"]).await.alerts.len(), 0);
    let run = fixture.with_chat_topic().with_event_topic().invoke_all("stop").await;
    assert_snapshot!(run.0.rendered(), @r#"
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
    AWS disabled the event source mapping at 2026-01-04 03:00:00 UTC in us-east-1 (account 111122223333).
    Until the mapping is enabled again, messages accumulate in the queue and eventually expire.

    Why
      AUTHORIZATION_ERROR: the permissions to read the event source are missing or incorrect.
      Likely cause: role deployer (session alice) called sqs:DeleteQueue on orders-queue 4 minutes before the stop.

    What to do
      1. Check the state of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid c1fe070d-07ea-4cfb-8000-000000000000
      2. Grant the function's execution role the permissions to read the event source: sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes. To find the role:
         aws lambda get-function-configuration --region us-east-1 --function-name orders --query "Role"
      3. Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:
         aws lambda update-event-source-mapping --region us-east-1 --uuid c1fe070d-07ea-4cfb-8000-000000000000 --enabled

    Details
      Severity      critical
      Likely cause  DeleteQueue d0e66976-0dc1-4271-8714-000000002714, 2026-01-04 02:56:00 UTC
      Mapping       c1fe070d-07ea-4cfb-8000-000000000000
      Function      arn:aws:lambda:us-east-1:111122223333:function:orders
      Event source  arn:aws:sqs:us-east-1:111122223333:orders-queue
      Event         LambdaESMDisabled a8d10475-614c-4ca2-8000-000000000000
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_stop.json.gz
    "#);
    assert_snapshot!(run.1, @r#"
    Lambda stopped reading the SQS queue orders-queue for function orders.
    AWS disabled the event source mapping at 2026-01-04 03:00:00 UTC in us-east-1 (account 111122223333).
    Until the mapping is enabled again, messages accumulate in the queue and eventually expire.
    AUTHORIZATION_ERROR: the permissions to read the event source are missing or incorrect.
    Likely cause: role deployer (session alice) called sqs:DeleteQueue on orders-queue 4 minutes before the stop.
    "#);
    assert_snapshot!(run.2, @r#"
    {
      "alert_type": "esm_disabled",
      "follow_up": null,
      "likely_causes": [
        {
          "action": "sqs:DeleteQueue",
          "actor": "role deployer",
          "event_id": "d0e66976-0dc1-4271-8714-000000002714",
          "event_time": "2026-01-04T02:56:00Z",
          "region": "us-east-1",
          "resources": [
            {
              "account": "111122223333",
              "name": "orders-queue",
              "type": "queue"
            }
          ],
          "seconds_before": 240,
          "session_name": "alice"
        }
      ],
      "severity": "critical",
      "status": "open"
    }
    "#);
}

impl Fixture {
    /// Invokes, and returns the outcome with the description for chat and the likely causes in JSON.
    async fn invoke_all(&self, name: &str) -> (Run, String, String) {
        let run = self.invoke(&[name]).await;
        let body = |bodies: Vec<trailwarden::alert::Message>| -> Value {
            serde_json::from_str(&bodies.last().expect("a message").body).expect("JSON")
        };
        let (chat, event) = (body(self.chat_topic().confirmed()), body(self.event_topic().confirmed()));
        let chat = chat["content"]["description"].as_str().expect("text").to_owned();
        let kept = ["alert_type", "follow_up", "likely_causes", "severity", "status"];
        let event: BTreeMap<_, _> = kept.iter().map(|name| (*name, event[*name].clone())).collect();
        (run, chat, format!("{:#}", json!(event)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_cause_that_arrives_after_the_alert_follows_it_up() {
    let fixture = fixture().object("change", [deleted(-4)]).object("stop", [stopped(0)]);
    let fixture = fixture.with_chat_topic().with_event_topic();
    assert_eq!(causes(&fixture.invoke(&["stop"]).await), [""; 0]);
    let run = fixture.invoke_all("change").await;
    assert_eq!(run.0.lag.alert, None, "the stop was alerted before");
    let event: Value = serde_json::from_str(&fixture.event_topic().confirmed()[1].body).expect("JSON");
    assert_eq!((event.get("first_event_time"), event.get("last_event_time")), (None, None));
    assert_snapshot!(run.0.rendered(), @r#"
    Subject: Likely cause: orders-queue -> orders sqs:DeleteQueue 111122223333 us-east-1
    alert_type: esm_disabled
    severity: low
    category: AUTHORIZATION_ERROR
    status: open
    account: 111122223333
    region: us-east-1
    function_name: orders
    api_action: LambdaESMDisabled

    Role deployer (session alice) called sqs:DeleteQueue on orders-queue 4 minutes before Lambda stopped reading the SQS queue orders-queue for function orders.
    AWS disabled the event source mapping at 2026-01-04 03:00:00 UTC in us-east-1 (account 111122223333).

    Why
      This follows up on the alert fc92e864304dc2b342a815059ecb7181. The log of this call arrived after the alert was sent.

    What to do
      1. If this call was unexpected, find out who made it, and undo it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=d0e66976-0dc1-4271-8714-000000002714

    Details
      Severity      low
      Likely cause  DeleteQueue d0e66976-0dc1-4271-8714-000000002714, 2026-01-04 02:56:00 UTC
      Mapping       c1fe070d-07ea-4cfb-8000-000000000000
      Function      arn:aws:lambda:us-east-1:111122223333:function:orders
      Event source  arn:aws:sqs:us-east-1:111122223333:orders-queue
      Event         LambdaESMDisabled a8d10475-614c-4ca2-8000-000000000000
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_change.json.gz
    "#);
    assert_snapshot!(run.1, @r#"
    Role deployer (session alice) called sqs:DeleteQueue on orders-queue 4 minutes before Lambda stopped reading the SQS queue orders-queue for function orders.
    AWS disabled the event source mapping at 2026-01-04 03:00:00 UTC in us-east-1 (account 111122223333).
    This follows up on the alert fc92e864304dc2b342a815059ecb7181. The log of this call arrived after the alert was sent.
    "#);
    assert_snapshot!(run.2, @r#"
    {
      "alert_type": "esm_disabled",
      "follow_up": true,
      "likely_causes": [
        {
          "action": "sqs:DeleteQueue",
          "actor": "role deployer",
          "event_id": "d0e66976-0dc1-4271-8714-000000002714",
          "event_time": "2026-01-04T02:56:00Z",
          "region": "us-east-1",
          "resources": [
            {
              "account": "111122223333",
              "name": "orders-queue",
              "type": "queue"
            }
          ],
          "seconds_before": 240,
          "session_name": "alice"
        }
      ],
      "severity": "low",
      "status": "open"
    }
    "#);
    let events: Vec<Value> =
        fixture.event_topic().confirmed().iter().map(|it| serde_json::from_str(&it.body).expect("JSON")).collect();
    assert_eq!(events[0]["alert_id"], events[1]["alert_id"]);
    let thread = |body: &str| serde_json::from_str::<Value>(body).expect("JSON")["metadata"]["threadId"].clone();
    let threads: Vec<_> = fixture.chat_topic().confirmed().iter().map(|it| thread(&it.body)).collect();
    assert_eq!(threads[0], threads[1]);
    let ids: Vec<_> = fixture.topic().confirmed().into_iter().map(|it| it.deduplication_id).collect();
    assert_ne!(ids[0], ids[1], "a FIFO topic delivers both");
    assert_eq!(fixture.invoke(&["change", "stop"]).await.alerts.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cause_in_the_same_object_is_named_in_the_alert() {
    for records in [[deleted(-4), stopped(0)], [stopped(0), deleted(-4)]] {
        let fixture = fixture().object("a", records);
        let run = fixture.invoke(&["a"]).await;
        assert_eq!(
            causes(&run),
            ["role deployer (session alice) called sqs:DeleteQueue on orders-queue 4 minutes before the stop."]
        );
        assert_eq!(fixture.invoke(&["a"]).await.alerts.len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn only_earlier_changes_that_fit_the_reason_are_named() {
    let days = |n: i64| n * 24 * 60;
    for (record, expected) in [
        (deleted(0), 1),
        (deleted(1), 0),
        (deleted(-days(2)), 1),
        (deleted(-days(2) - 1), 0),
        (change(-4, "lambda", "DeleteFunction20150331", &json!({"functionName": "orders"})), 0),
        (change(-4, "lambda", "UpdateFunctionCode20150331v2", &json!({"functionName": "orders:live"})), 1),
        (change(-4, "lambda", "UpdateFunctionCode20150331v2", &json!({"functionName": "invoices"})), 0),
        (change(-4, "sqs", "DeleteQueue", &json!({"queueUrl": queue_url("invoices")})), 0),
    ] {
        for order in [["change", "stop"], ["stop", "change"]] {
            let fixture = fixture().object("change", [record.clone()]).object("stop", [stopped(0)]);
            for name in order {
                fixture.invoke(&[name]).await;
            }
            assert_eq!(fixture.subjects().len() - 1 + named_in_alert(&fixture), expected, "{order:?} {record}");
        }
    }
}

/// 1 if the alert about the stop names a cause.
fn named_in_alert(fixture: &Fixture) -> usize {
    fixture.topic().confirmed().iter().filter(|it| it.body.contains("Likely cause: ")).count()
}

#[tokio::test(start_paused = true)]
async fn the_latest_changes_are_named_first() {
    let attributes = |n| change(n, "sqs", "SetQueueAttributes", &json!({"queueUrl": queue_url("orders")}));
    let fixture = fixture()
        .object("changes", [attributes(-50), attributes(-3), attributes(5), attributes(-40), attributes(-30)])
        .object("stop", [stopped(0)]);
    fixture.invoke(&["changes"]).await;
    let run = fixture.invoke(&["stop"]).await;
    let minutes: Vec<_> = causes(&run).iter().map(|it| it.rsplit(' ').nth(4).expect("minutes").to_owned()).collect();
    assert_eq!(minutes, ["3", "30", "40"]);
    assert_eq!(fixture.invoke(&["changes"]).await.alerts.len(), 0, "a redelivery names no other cause");
}

#[tokio::test(start_paused = true)]
async fn an_alert_is_followed_up_at_most_three_times() {
    let changes = (1..=9).map(deleted_before);
    let fixture = fixture().object("stop", [stopped(0)]).objects(changes);
    fixture.invoke(&["stop"]).await;
    let names: Vec<_> = (1..=9).map(|n| n.to_string()).collect();
    let mut follow_ups = 0;
    for name in names.iter().chain(&names) {
        follow_ups += fixture.invoke(&[name]).await.alerts.len();
    }
    assert_eq!(follow_ups, 3);
}

fn deleted_before(n: i64) -> (String, [Value; 1]) {
    (n.to_string(), [deleted(-n)])
}

/// The stop and the change are each delivered twice at the same time.
#[tokio::test(start_paused = true)]
async fn overlapping_invocations_name_a_cause_once() {
    let faults = LedgerFaults { latency: Duration::from_millis(40), ..LedgerFaults::default() };
    let mut follow_ups = 0;
    for seed in 0..200 {
        let fixture = fixture()
            .configure(|it| it.ledger = MemoryLedger::seeded(seed))
            .object("change", [deleted(-4)])
            .object("stop", [stopped(0)])
            .with_event_topic()
            .ledger_faults(faults);
        let [stop, change] = [["stop"], ["change"]];
        let later = async |n: u64| {
            tokio::time::sleep(Duration::from_millis(n * seed % 200)).await;
            fixture.invoke(&change).await
        };
        tokio::join!(fixture.invoke(&stop), later(1), later(7), fixture.invoke(&stop));
        assert_eq!(named(&fixture), [(0, -4)], "seed {seed}");
        follow_ups += fixture.subjects().len() - 1;
    }
    assert!((20..180).contains(&follow_ups), "both orders occur: {follow_ups}");
}

#[tokio::test(start_paused = true)]
async fn the_role_of_a_function_is_known_from_its_changes() {
    let mut configured =
        change(-90, "lambda", "UpdateFunctionConfiguration20150331v2", &json!({"functionName": "orders"}));
    configured["responseElements"] = json!({"role": "arn:aws:iam::111122223333:role/service-role/orders-role"});
    let policy = "arn:aws:iam::111122223333:policy/reads";
    let attached = change(-80, "iam", "AttachRolePolicy", &json!({"roleName": "orders-role", "policyArn": policy}));
    let version = change(-2, "iam", "SetDefaultPolicyVersion", &json!({"policyArn": policy, "versionId": "v2"}));
    let fixture =
        fixture().object("changes", [configured, attached]).object("policy", [version]).object("stop", [stopped(0)]);
    fixture.invoke(&["changes"]).await;
    let run = fixture.invoke(&["stop"]).await;
    assert_eq!(causes(&run).len(), 2);
    let run = fixture.invoke(&["policy"]).await;
    assert!(run.alerts[0].body.starts_with(
        "Role deployer (session alice) called iam:SetDefaultPolicyVersion on reads 2 minutes before Lambda stopped"
    ));
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_says_that_the_mapping_runs_again() {
    let enabled = enabled_mapping(0, "orders");
    let mut stop = stopped(0);
    stop["eventTime"] = json!("2026-01-02T03:00:00Z");
    let mut delete = deleted(0);
    delete["eventTime"] = json!("2026-01-02T02:56:00Z");
    let fixture = fixture().object("stop", [stop]).object("enable", [enabled]).object("change", [delete]);
    fixture.invoke(&["stop"]).await;
    fixture.invoke(&["enable"]).await;
    let run = fixture.invoke(&["change"]).await;
    assert!(run.alerts[0].body.contains("so it is no longer stopped."), "{}", run.rendered());
    assert!(run.rendered().contains("status: resolved"));
}

#[tokio::test(start_paused = true)]
async fn without_causes_changes_are_not_recorded() {
    let fixture = Fixture::new().object("a", [deleted(-4), stopped(0)]);
    let run = fixture.invoke(&["a"]).await;
    assert_eq!((causes(&run).len(), fixture.pipeline.ledger.cause_calls.get()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn changes_of_other_services_are_not_selected() {
    let fixture = fixture().object("a", [deleted(-4), deleted(-5)]);
    let run = fixture.invoke(&["a"]).await;
    assert_eq!((run.counters.records_selected, run.counters.records_skipped), (0, 2));
}

/// At most ten changes of a resource are recorded, regardless of how many an invocation finds.
#[tokio::test(start_paused = true)]
async fn each_change_is_one_write_and_at_most_ten_of_a_resource() {
    let of_queue = |n: u64| called_by_alice(n, "sqs", "DeleteQueue", &json!({"queueUrl": queue_url(&n.to_string())}));
    let of_role = |n: u64| called_by_alice(1_000 + n, "iam", "PutRolePolicy", &json!({"roleName": "orders-role"}));
    let fixture = fixture().object("a", (0..500).map(of_queue).chain((0..500).map(of_role)));
    let run = fixture.invoke(&["a"]).await;
    assert_eq!((fixture.pipeline.ledger.cause_calls.get(), run.counters.cause_errors), (510, 0));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_fault_delays_no_alert_and_loses_none() {
    let second = Duration::from_secs(1);
    for faults in [
        LedgerFaults { failures: 1.0, ..LedgerFaults::default() },
        LedgerFaults { hangs: 1.0, ..LedgerFaults::default() },
        LedgerFaults { latency: Duration::from_secs(3), ..LedgerFaults::default() },
        LedgerFaults { failures: 0.5, hangs: 0.2, latency: second, ..LedgerFaults::default() },
    ] {
        let stops = (1..20).map(|n| {
            let mut record = disabled_mapping(n, &format!("f{n}"), "AUTHORIZATION_ERROR");
            record["eventTime"] = time(0);
            record
        });
        let url = |n: u64| json!({"queueUrl": queue_url(&format!("f{n}"))});
        let changes = (1..200_u64).map(|n| change(-n.cast_signed(), "sqs", "DeleteQueue", &url(n)));
        let fixture = fixture().object("a", changes.chain(stops)).ledger_faults(faults);
        let started = Instant::now();
        let run = fixture.invoke(&["a"]).await;
        let stopped = |it: &&str| it.starts_with("Stopped: ");
        assert_eq!((run.subjects().into_iter().filter(stopped).count(), run.failures.error_type()), (19, None));
        let times = fixture.topic().confirmed_at.borrow();
        let last = times.iter().map(|at| *at - started).take(19).max().expect("an alert");
        assert!(last < Duration::from_secs(10), "{faults:?} {last:?}");
        assert!(started.elapsed() < Duration::from_secs(25), "{faults:?} {:?}", started.elapsed());
        assert!(run.counters.cause_errors > 0, "{faults:?}");
        // The invocation knows these changes itself.
        let named = run.alerts.iter().filter(|it| it.body.contains("Likely cause: ")).count();
        assert_eq!(named, 19, "{faults:?}");
    }
}

/// Each part of the object contains a stop.
#[tokio::test(start_paused = true)]
async fn causes_delay_an_alert_by_half_a_second_and_an_invocation_by_two() {
    let hour = Duration::from_hours(1);
    let stops: Vec<_> = (1..50).map(|n| disabled_mapping(n, &format!("f{n}"), "AUTHORIZATION_ERROR")).collect();
    let fixture = fixture()
        .stored("a", gzip_stored(log_file(&stops)))
        .chunks_of(1_024)
        .ledger_faults(LedgerFaults { causes: hour, ..LedgerFaults::default() });
    let started = Instant::now();
    let run = fixture.invoke(&["a"]).await;
    let times: Vec<_> = fixture.topic().confirmed_at.borrow().iter().map(|at| *at - started).collect();
    assert_eq!(times.len(), 49);
    assert!(times[0] >= Duration::from_millis(500) && times[0] < Duration::from_millis(510), "{times:?}");
    assert!(times[48] >= Duration::from_secs(2) && times[48] < Duration::from_millis(2_100), "{times:?}");
    assert_eq!(run.counters.ledger_errors, 0);
}

#[tokio::test(start_paused = true)]
async fn hostile_names_of_callers_and_sessions_are_neutralized() {
    let attack = "\u{202e}evil\r\nBcc: x <!channel> https://evil.example *b*";
    let mut record = deleted(-4);
    record["userIdentity"]["arn"] = json!(format!("arn:aws:sts::111122223333:assumed-role/deployer/{attack}"));
    record["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] = json!(attack);
    record["userIdentity"]["principalId"] = json!(format!("AROAEXAMPLE:{attack}"));
    record["eventID"] = json!(attack);
    for order in [["change", "stop"], ["stop", "change"]] {
        let fixture = fixture().object("change", [record.clone()]).object("stop", [stopped(0)]);
        let fixture = fixture.with_chat_topic().with_event_topic();
        for name in order {
            fixture.invoke(&[name]).await;
        }
        let topics = [fixture.topic(), fixture.chat_topic(), fixture.event_topic()];
        let bodies: Vec<_> = topics.iter().flat_map(|it| it.confirmed()).map(|it| it.subject + &it.body).collect();
        assert!(bodies.iter().any(|it| it.contains("evil")));
        for body in bodies {
            assert!(!body.contains('\u{202e}') && !body.contains('\r') && !body.contains("\nBcc"), "{body}");
        }
        for body in fixture.chat_topic().confirmed() {
            assert!(!body.body.contains("<!channel>") && !body.body.contains("https://evil"), "{}", body.body);
        }
    }
}

/// An event of the property test: the change or the stop of a resource at a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Change(i64),
    Stop(i64),
}

impl Event {
    fn record(self) -> Value {
        match self {
            Self::Change(minute) => deleted(minute),
            Self::Stop(minute) => stopped(minute),
        }
    }
}

/// Up to three changes and two stops within four days, some of them twice, each in an invocation and an object.
fn deliveries() -> impl Strategy<Value = Vec<(Event, usize)>> {
    let minutes = |count| prop::collection::btree_set(0_i64..5_760, count);
    let events = (minutes(0..4), minutes(1..3)).prop_map(|(changes, stops)| {
        let changes = changes.into_iter().map(Event::Change);
        changes.chain(stops.into_iter().map(Event::Stop)).collect::<Vec<_>>()
    });
    let repeated = (events, prop::collection::vec(any::<prop::sample::Index>(), 0..4));
    let repeated = repeated.prop_map(|(mut events, again)| {
        let copies: Vec<_> = again.iter().map(|index| *index.get(&events)).collect();
        events.extend(copies);
        events
    });
    repeated.prop_shuffle().prop_flat_map(|events| {
        let objects = prop::collection::vec(0_usize..4, events.len());
        (Just(events), objects).prop_map(|(events, objects)| events.into_iter().zip(objects).collect())
    })
}

/// The minutes of the changes that the messages about a stop name, by the minute of the stop.
fn named(fixture: &Fixture) -> Vec<(i64, i64)> {
    let start: jiff::Timestamp = time(0).as_str().expect("text").parse().expect("a time");
    let minute = |text: &Value| {
        let at: jiff::Timestamp = text.as_str().expect("a time").parse().expect("a time");
        at.duration_since(start).as_secs() / 60
    };
    let mut named = Vec::new();
    for message in fixture.event_topic().confirmed() {
        let body: Value = serde_json::from_str(&message.body).expect("JSON");
        for cause in body["likely_causes"].as_array().into_iter().flatten() {
            named.push((minute(&body["event_time"]), minute(&cause["event_time"])));
        }
    }
    named.sort_unstable();
    named
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn each_cause_is_named_once_in_any_order_of_deliveries(deliveries in deliveries(), together in any::<bool>()) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            // Consecutive events with the same number are in one object.
            let objects: Vec<Vec<_>> = deliveries.chunk_by(|a, b| a.1 == b.1).map(<[_]>::to_vec).collect();
            let records = objects.iter().map(|object| object.iter().map(|(event, _)| event.record()).collect::<Vec<_>>());
            let fixture = fixture().with_event_topic().objects(records.enumerate().map(|(n, it)| (n.to_string(), it)));
            let names: Vec<_> = (0..objects.len()).map(|n| n.to_string()).collect();
            if together {
                fixture.invoke(&names).await;
            }
            for name in &names {
                fixture.invoke(&[name]).await;
            }
            let mut events: Vec<_> = deliveries.iter().map(|(event, _)| *event).collect();
            events.sort_unstable();
            events.dedup();
            let mut expected = Vec::new();
            for event in &events {
                let Event::Stop(stop) = *event else { continue };
                let is_cause = |at: i64| at <= stop && stop - at <= 48 * 60;
                expected.extend(events.iter().filter_map(|it| match *it {
                    Event::Change(at) if is_cause(at) => Some((stop, at)),
                    Event::Change(_) | Event::Stop(_) => None,
                }));
            }
            expected.sort_unstable();
            assert_eq!(named(&fixture), expected, "{deliveries:?}");
        });
    }
}
