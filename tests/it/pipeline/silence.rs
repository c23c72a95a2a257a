//! Heartbeats, and the check for silent accounts and Regions.

use std::time::Duration;

use trailwarden::reply::Reply;

use crate::fakes::LedgerFaults;
use crate::fixture::payload::notification_of;
use crate::fixture::{Fixture, Run};

const CHECK: &str = r#"{"trailwarden":"silence-check"}"#;

/// The key of a digest file of a Region.
fn digest(region: &str) -> String {
    format!("AWSLogs/o-abc123/111122223333/CloudTrail-Digest/{region}/2026/01/02/d.json.gz")
}

async fn receive_digests(fixture: &Fixture, regions: &[&str]) -> Run {
    let keys: Vec<_> = regions.iter().map(|region| digest(region)).collect();
    fixture.invoke_with(&notification_of(&keys)).await
}

async fn sleep_minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_mins(minutes)).await;
}

#[tokio::test(start_paused = true)]
async fn a_region_whose_digests_stop_is_silent_until_they_resume() {
    let fixture = Fixture::new();
    let silent = async || {
        let run = fixture.invoke_with(CHECK).await;
        let Reply::Silence { known, silent } = &run.reply else { panic!("a check") };
        assert_eq!((*known, run.counters.silent_regions), (2, silent.len() as u64));
        silent.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(receive_digests(&fixture, &["us-east-1", "eu-west-1"]).await.counters.skipped.digests, 2);
    sleep_minutes(120).await;
    receive_digests(&fixture, &["us-east-1"]).await;
    assert_eq!(silent().await, [] as [&str; 0]);
    sleep_minutes(61).await;
    assert_eq!(silent().await, ["111122223333 eu-west-1, last digest 1970-01-01 00:00:00 UTC"]);
    receive_digests(&fixture, &["eu-west-1"]).await;
    assert_eq!(silent().await, [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn without_the_check_no_heartbeats_are_recorded() {
    let fixture = Fixture::new().configure(|pipeline| pipeline.heartbeats = false);
    receive_digests(&fixture, &["us-east-1"]).await;
    let run = fixture.invoke_with(CHECK).await;
    assert_eq!(run.reply, Reply::Silence { known: 0, silent: Vec::new() });
}

#[tokio::test(start_paused = true)]
async fn unavailable_heartbeats_are_counted_and_fail_only_the_check() {
    let fixture = Fixture::new();
    for faults in [
        LedgerFaults { failures: 1.0, ..LedgerFaults::default() },
        LedgerFaults { hangs: 1.0, ..LedgerFaults::default() },
    ] {
        fixture.pipeline.ledger.faults.set(faults);
        let run = receive_digests(&fixture, &["us-east-1"]).await;
        assert_eq!((run.counters.ledger_errors, run.failures.error_type()), (1, None));
    }
    fixture.pipeline.ledger.faults.set(LedgerFaults { failures: 1.0, ..LedgerFaults::default() });
    let run = fixture.invoke_with(CHECK).await;
    assert_eq!(run.failures.error_type(), Some("HeartbeatsUnavailable"));
    assert_eq!(run.failed(), "heartbeats unavailable: ledger: down");
}
