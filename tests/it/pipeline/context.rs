//! Context of stopped mappings: the lookups before an alert, and their failures.

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tokio::time::Instant;
use trailwarden::enrich::{LOOKUP_TIME, OwnerTagKeys};
use trailwarden::service::Fault;
use trailwarden::triage::{FunctionNow, MappingNow, PresentState, Tag};

use crate::fakes::ApiFaults;
use crate::fixture::records::{denied, disabled_mapping, enabled_mapping};
use crate::fixture::{Fixture, Run};

const CALLS: [&str; 3] = ["GetEventSourceMapping", "GetFunctionConfiguration", "ListTags"];

/// The UUID of a mapping in a record.
fn uuid(record: &Value) -> String {
    let arn = record["resources"][0]["ARN"].as_str().expect("an ARN");
    arn.rsplit(':').next().expect("a UUID").to_owned()
}

fn stopped(n: u64) -> Value {
    disabled_mapping(n, &format!("orders-{n}"), "AUTHORIZATION_ERROR")
}

/// A fixture with context, whose API knows `mappings` mappings in this state and their functions.
fn fixture(mappings: u64, state: &str) -> Fixture {
    Fixture::new().configure(|pipeline| {
        pipeline.context = Some(OwnerTagKeys::default());
        for n in 0..mappings {
            let record = stopped(n);
            let arn = |at: usize| record["resources"][at]["ARN"].as_str().map(str::to_owned);
            let mapping = MappingNow {
                state: PresentState::of_api(state),
                state_reason: Some("USER_INITIATED".to_owned()),
                last_processing_result: Some("OK".to_owned()),
                function_arn: arn(1),
                event_source_arn: arn(2),
            };
            let function = FunctionNow {
                role_arn: Some(format!("arn:aws:iam::111122223333:role/orders-{n}")),
                ..FunctionNow::default()
            };
            let tags = vec![Tag { key: "Owner".to_owned(), value: format!("team-{n}") }];
            pipeline.api.mappings.insert(uuid(&record), mapping);
            pipeline.api.functions.insert(format!("orders-{n}"), (function, tags));
        }
    })
}

impl Fixture {
    fn api_faults(self, faults: ApiFaults) -> Self {
        self.pipeline.api.faults.set(faults);
        self
    }

    /// The number of calls to the Lambda API.
    fn calls(&self) -> usize {
        self.pipeline.api.calls.borrow().len()
    }

    /// One object for each mapping.
    fn in_objects(self, mappings: u64) -> (Self, Vec<String>) {
        let names: Vec<_> = (0..mappings).map(|n| format!("o{n}")).collect();
        let objects = names.iter().zip(0..).map(|(name, n)| (name.clone(), [stopped(n)]));
        let fixture = self.objects(objects.collect::<Vec<_>>());
        (fixture, names)
    }
}

/// Invokes the fixture, and returns how long it took.
async fn timed(fixture: &Fixture, names: &[impl AsRef<str>]) -> (Run, Duration) {
    let started = Instant::now();
    let run = fixture.invoke(names).await;
    (run, started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_stopped_mapping_is_alerted_with_its_state_role_and_owner() {
    let run = fixture(1, "Disabled").object("a", [stopped(0)]).invoke(&["a"]).await;
    assert_eq!(run.counters.context_errors, 0);
    assert_snapshot!(run.rendered(), @r#"
    Subject: Stopped: orders-0-queue -> orders-0 AUTHORIZATION_ERROR 111122223333 us-east-1
    alert_type: esm_disabled
    severity: critical
    category: AUTHORIZATION_ERROR
    status: open
    account: 111122223333
    region: us-east-1
    function_name: orders-0
    owner: team-0
    api_action: LambdaESMDisabled

    Lambda stopped reading the SQS queue orders-0-queue for function orders-0.
    AWS disabled the event source mapping at 2026-01-02 03:00:00 UTC in us-east-1 (account 111122223333).
    When this alert was sent, the mapping was still disabled (StateTransitionReason: "USER_INITIATED").
    Until the mapping is enabled again, messages accumulate in the queue and eventually expire.

    Why
      AUTHORIZATION_ERROR: the permissions to read the event source are missing or incorrect.

    What to do
      1. Check the state of the mapping:
         aws lambda get-event-source-mapping --region us-east-1 --uuid c1fe070d-07ea-4cfb-8000-000000000000
      2. Grant the function's execution role arn:aws:iam::111122223333:role/orders-0 the permissions to read the event source: sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes.
      3. Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:
         aws lambda update-event-source-mapping --region us-east-1 --uuid c1fe070d-07ea-4cfb-8000-000000000000 --enabled

    Details
      Severity      critical
      Owner         team-0 (Owner tag)
      Mapping       c1fe070d-07ea-4cfb-8000-000000000000
      Function      arn:aws:lambda:us-east-1:111122223333:function:orders-0
      Role          arn:aws:iam::111122223333:role/orders-0
      Event source  arn:aws:sqs:us-east-1:111122223333:orders-0-queue
      Last result   OK
      Event         LambdaESMDisabled a8d10475-614c-4ca2-8000-000000000000
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_is_enabled_again_is_alerted_as_open_until_the_trail_says_so() {
    let run = fixture(1, "Enabled").object("a", [stopped(0)]).invoke(&["a"]).await;
    let rendered = run.rendered();
    assert!(rendered.contains("\nstatus: open\n"), "{rendered}");
    assert!(
        rendered.contains("the mapping had already been enabled again (StateTransitionReason: \"USER_INITIATED\").")
    );
    assert!(!rendered.contains("Until the mapping is enabled again") && !rendered.contains("Enable the mapping."));
}

#[tokio::test(start_paused = true)]
async fn a_mapping_and_a_function_that_do_not_exist_are_no_errors() {
    let run = fixture(0, "").object("a", [stopped(0)]).invoke(&["a"]).await;
    assert_eq!(run.counters.context_errors, 0);
    assert!(run.rendered().contains("When this alert was sent, the mapping no longer existed."));
}

#[tokio::test(start_paused = true)]
async fn names_that_the_record_lacks_are_those_of_the_mapping() {
    let mut record = stopped(0);
    record["resources"].as_array_mut().expect("a list").truncate(1);
    let fixture = fixture(1, "Disabled").object("a", [record]);
    let run = fixture.invoke(&["a"]).await;
    let rendered = run.rendered();
    for line in
        ["function_name: orders-0", "owner: team-0", "reading the SQS queue orders-0-queue for function orders-0."]
    {
        assert!(rendered.contains(line), "{line} in {rendered}");
    }
    assert_eq!(fixture.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn context_that_arrives_is_used_and_the_rest_delays_an_alert_by_at_most_a_second() {
    for (call, missing) in CALLS.iter().zip(["the mapping was still disabled", "Role ", "Owner "]) {
        let faults = ApiFaults { latency: Duration::from_millis(200), hangs: Some(call), ..ApiFaults::default() };
        let fixture = fixture(1, "Disabled").object("a", [stopped(0)]).api_faults(faults);
        let (run, elapsed) = timed(&fixture, &["a"]).await;
        assert_eq!((run.counters.alerts_published, run.counters.context_errors), (1, 1), "{call}");
        assert!(elapsed <= LOOKUP_TIME + Duration::from_millis(100), "{call}: {elapsed:?}");
        let rendered = run.rendered();
        for part in ["the mapping was still disabled", "Role ", "Owner "] {
            assert_eq!(rendered.contains(part), part != missing, "{part}: {rendered}");
        }
        let error = run.context_error.as_ref().expect("an error");
        assert_eq!(error.to_string(), "context: no response in time");
    }
}

#[tokio::test(start_paused = true)]
async fn any_failure_of_the_lambda_api_is_counted_and_loses_no_alert() {
    for call in CALLS {
        for fault in [Fault::Denied, Fault::Unavailable, Fault::Other, Fault::OutOfTime] {
            let faults = ApiFaults { fails: Some((call, fault)), ..ApiFaults::default() };
            let fixture = fixture(1, "Disabled").object("a", [stopped(0)]).api_faults(faults);
            let run = fixture.invoke(&["a"]).await;
            assert_eq!((run.failed().as_str(), run.counters.alerts_published), ("", 1), "{call} {fault:?}");
            assert_eq!(run.counters.context_errors, 1, "{call} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lookups_delay_the_alerts_of_an_invocation_by_a_second_in_total() {
    let (without, names) = Fixture::new().in_objects(40);
    let (_, base) = timed(&without, &names).await;
    for latency in [Duration::from_millis(300), Duration::from_hours(1)] {
        let (fixture, names) = fixture(40, "Disabled").in_objects(40);
        let fixture = fixture.api_faults(ApiFaults { latency, ..ApiFaults::default() });
        let fixture = fixture.configure(|pipeline| pipeline.object_concurrency = 1);
        let (run, elapsed) = timed(&fixture, &names).await;
        assert_eq!(run.counters.alerts_published, 40);
        assert!(run.counters.context_errors > 30, "{}", run.counters.context_errors);
        assert!(elapsed <= base + LOOKUP_TIME + Duration::from_millis(200), "{latency:?}: {elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_denies_or_throttles_a_call_is_not_asked_again() {
    for fault in [Fault::Denied, Fault::Unavailable] {
        let (fixture, names) = fixture(40, "Disabled").in_objects(40);
        let fixture = fixture.api_faults(ApiFaults { fails: Some(("lambda:", fault)), ..ApiFaults::default() });
        let fixture = fixture.configure(|pipeline| pipeline.object_concurrency = 1);
        let run = fixture.invoke(&names).await;
        assert_eq!((run.counters.alerts_published, run.counters.context_errors), (40, 3), "{fault:?}");
        assert_eq!(fixture.calls(), 3);
        fixture.object("again", [stopped(41)]).invoke(&["again"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_does_not_prevent_the_others() {
    let faults = ApiFaults { fails: Some(("GetFunctionConfiguration", Fault::Denied)), ..ApiFaults::default() };
    let fixture = fixture(20, "Disabled").object("a", (0..20).map(stopped)).api_faults(faults);
    let run = fixture.invoke(&["a"]).await;
    assert_eq!(run.rendered().matches("\nowner: team-").count(), 20);
}

#[tokio::test(start_paused = true)]
async fn mappings_are_looked_up_concurrently_up_to_the_limit() {
    let faults = ApiFaults { latency: Duration::from_millis(100), ..ApiFaults::default() };
    let fixture = fixture(40, "Disabled").object("a", (0..40).map(stopped)).api_faults(faults);
    let (run, elapsed) = timed(&fixture, &["a"]).await;
    assert_eq!((run.counters.alerts_published, run.counters.context_errors), (40, 0));
    assert_eq!(fixture.pipeline.api.in_flight.get(), (0, 24), "eight mappings with three calls");
    assert!(elapsed < Duration::from_millis(700), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn only_stops_are_looked_up_and_only_if_context_is_on() {
    let mut later = enabled_mapping(0, "orders-0");
    later["eventTime"] = json!("2026-01-02T05:00:00Z");
    let fixture = fixture(1, "Disabled")
        .object("others", [denied(1, "GetFunction", "orders"), later])
        .object("stop", [stopped(0)])
        .configure(|pipeline| pipeline.esm_changes = true);
    fixture.invoke(&["others"]).await;
    assert_eq!(fixture.calls(), 0, "a denial and a change");
    fixture.invoke(&["stop"]).await;
    assert_eq!(fixture.calls(), 0, "a stop that is over");
    let off = Fixture::new().object("stop", [stopped(0)]);
    assert_eq!(off.invoke(&["stop"]).await.counters.alerts_published, 1);
    assert_eq!(off.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_scan_of_old_objects_asks_nothing() {
    let fixture = fixture(1, "Disabled").object("a", [stopped(0)]).with_event_topic();
    let fixture = fixture.configure(|pipeline| pipeline.accepted.batch_jobs = true);
    let run = fixture.invoke_with(&crate::fixture::payload::batch_job(&["a"])).await;
    assert_eq!((run.counters.alerts_published, fixture.calls()), (1, 0));
}
