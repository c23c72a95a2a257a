//! What an invocation reports about itself.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use trailwarden::telemetry::ObjectResult::{Read, Unavailable, Unreadable};

use crate::fixture::Fixture;
use crate::fixture::payload::batch_job;
use crate::fixture::records::{denied, disabled_mapping, ordinary};

/// The test clock starts at the first second of 1970.
fn fixture_stored_five_minutes_ago() -> Fixture {
    let mut record = denied(1, "GetFunction", "orders");
    record["eventTime"] = json!("1969-12-31T23:50:00Z");
    let fixture = Fixture::new().object("a", [record]).object("quiet", [ordinary(2)]);
    fixture.pipeline.source.stored.set(Timestamp::constant(-300, 0));
    fixture
}

#[tokio::test(start_paused = true)]
async fn lag_is_measured_from_the_object_and_from_the_event() {
    let fixture = fixture_stored_five_minutes_ago();
    let quiet = fixture.invoke(&["quiet"]).await.lag;
    assert_eq!((quiet.object, quiet.alert), (Some(Duration::from_mins(5)), None));
    let lag = fixture.invoke(&["quiet", "a"]).await.lag;
    assert_eq!((lag.object, lag.alert), (Some(Duration::from_mins(5)), Some(Duration::from_mins(10))));
    let again = fixture.invoke(&["a"]).await.lag;
    assert_eq!(again.alert, None, "the alert is known");
}

#[tokio::test(start_paused = true)]
async fn a_scan_of_old_objects_has_no_lag() {
    let fixture = fixture_stored_five_minutes_ago().with_event_topic();
    let fixture = fixture.configure(|pipeline| pipeline.accepted.batch_jobs = true);
    let run = fixture.invoke_with(&batch_job(&["a"])).await;
    assert_eq!((run.counters.alerts_published, run.lag.object, run.lag.alert), (1, None, None));
}

#[tokio::test(start_paused = true)]
async fn each_object_is_reported_with_its_result_and_findings() {
    let fixture = Fixture::new()
        .object(
            "found",
            [denied(1, "GetFunction", "orders"), disabled_mapping(2, "orders", "AUTHORIZATION_ERROR"), ordinary(3)],
        )
        .object("quiet", [ordinary(4)])
        .object("cut", (0..500).map(ordinary))
        .interrupted("cut", 2_000)
        .stored("broken", "not a log file");
    let run = fixture.invoke(&["found", "quiet", "cut", "broken"]).await;
    let mut reports: Vec<_> = run.objects.iter().collect();
    reports.sort_by_key(|report| &report.object.key);
    let results: Vec<_> = reports.iter().map(|report| report.result).collect();
    assert_eq!(results, [Unreadable, Unavailable, Read, Read]);
    assert_eq!((reports[2].records, reports[3].records), (3, 1));
    assert_eq!(
        reports[2].findings.clone().into_iter().collect::<Vec<_>>(),
        [("access_denied", 1), ("esm_disabled", 1)]
    );
    let categories: Vec<_> =
        run.findings.iter().map(|((kind, category), count)| (*kind, &**category, *count)).collect();
    assert_eq!(categories, [("access_denied", "policy", 1), ("esm_disabled", "AUTHORIZATION_ERROR", 1)]);
}
