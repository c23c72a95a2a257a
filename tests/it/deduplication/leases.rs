//! Leases: overlapping invocations publish an alert once, and a crash or a failed topic loses none.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};
use trailwarden::triage::LEASE;

use crate::fakes::LedgerFaults;
use crate::fixture::Fixture;
use crate::fixture::records::{denied, disabled_mapping};

/// An object with a denial and a disabled mapping.
fn two_incidents() -> Fixture {
    let records = [denied(1, "GetFunction", "orders"), disabled_mapping(2, "orders", "AUTHORIZATION_ERROR")];
    Fixture::new().object("a", records)
}

#[tokio::test(start_paused = true)]
async fn seventeen_concurrent_invocations_alert_once() {
    let fixture =
        two_incidents().ledger_faults(LedgerFaults { latency: Duration::from_millis(20), ..LedgerFaults::default() });
    let runs = join_all((0..17).map(|_| fixture.invoke(&["a"]))).await;
    assert_eq!(runs.iter().map(|it| it.counters.alerts).sum::<u64>(), 2);
    assert!(runs.iter().all(|it| it.failures.error_type().is_none() && it.counters.ledger_errors == 0));
    assert_eq!(fixture.subjects().len(), 2);
}

/// An invocation that crashes while it publishes holds the lease, and has recorded nothing.
#[tokio::test(start_paused = true)]
async fn the_lease_of_a_crashed_invocation_delays_an_alert_but_loses_none() {
    let fixture = two_incidents().configure(|it| it.topics.alert.latency = Duration::from_secs(1));
    let crashed = timeout(Duration::from_millis(500), fixture.invoke(&["a"])).await;
    assert!(crashed.is_err() && fixture.subjects().is_empty());
    let fixture = fixture.configure(|it| it.topics.alert.latency = Duration::ZERO);
    let started = Instant::now();
    let next = fixture.invoke(&["a"]).await;
    assert_eq!((next.failures.error_type(), next.alerts.len()), (None, 2));
    let waited = started.elapsed();
    assert!(waited > Duration::from_secs(3) && waited < LEASE + Duration::from_secs(1), "{waited:?}");
    assert_eq!(fixture.invoke(&["a"]).await.counters.alerts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_retry_publishes_only_to_the_topic_that_failed() {
    let fixture = two_incidents().with_chat_topic();
    let confirmed = || (fixture.subjects().len(), fixture.chat_topic().confirmed().len());
    fixture.chat_topic().down.set(true);
    for _ in 0..3 {
        let run = fixture.invoke(&["a"]).await;
        assert_eq!((run.failures.error_type(), run.counters.alerts_failed), (Some("AlertNotPublished"), 2));
        tokio::time::sleep(LEASE).await;
    }
    assert_eq!(confirmed(), (2, 0));
    fixture.chat_topic().down.set(false);
    assert_eq!(fixture.invoke(&["a"]).await.failures.error_type(), None);
    assert_eq!(confirmed(), (2, 2));
    assert_eq!(fixture.invoke(&["a"]).await.counters.alerts, 0);
}
