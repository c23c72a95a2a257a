//! A ledger that fails, hangs or is slow delays alerts by a bounded time and loses none.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use crate::fakes::LedgerFaults;
use crate::fixture::Fixture;
use crate::fixture::records::{denied, denied_to, disabled_mapping, distinct_denials, gzip_stored, log_file};

fn mapping(n: u64) -> serde_json::Value {
    disabled_mapping(n, &format!("f{n}"), "AUTHORIZATION_ERROR")
}

/// A stop of a mapping. Each call of the ledger conflicts with another writer.
fn stop_with_conflicts() -> Fixture {
    let faults = LedgerFaults { conflicts: 1.0, ..LedgerFaults::default() };
    Fixture::new().object("a", [mapping(1)]).ledger_faults(faults)
}

fn times_of_alerts(fixture: &Fixture, since: Instant) -> Vec<Duration> {
    fixture.topic().confirmed_at.borrow().iter().map(|at| *at - since).collect()
}

#[tokio::test(start_paused = true)]
async fn without_the_ledger_alerts_are_published_and_errors_counted() {
    let fixture = Fixture::new()
        .object("a", (0..12).map(|n| denied(n, "GetFunction", "orders")).chain([mapping(20)]))
        .ledger_faults(LedgerFaults { failures: 1.0, ..LedgerFaults::default() });
    for _ in 0..2 {
        let run = fixture.invoke(&["a"]).await;
        assert_eq!((run.failures.error_type(), run.alerts.len()), (None, 2));
        assert_eq!(
            run.counters.ledger_errors, 6,
            "one transition, one claim, two counts (incident and caller), two records"
        );
        assert_eq!(run.ledger_error.as_ref().expect("an error").to_string(), "ledger: down");
        assert!(run.subjects().iter().any(|it| it.contains(" x12 ")), "{:?}", run.subjects());
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_ledger_each_invocation_publishes_one_summary() {
    let fixture = Fixture::new()
        .object("a", distinct_denials(0..2_000))
        .ledger_faults(LedgerFaults { hangs: 1.0, ..LedgerFaults::default() });
    let run = fixture.invoke(&["a"]).await;
    assert_eq!((run.alerts.len(), run.failures.error_type()), (1, None));
}

#[tokio::test(start_paused = true)]
async fn if_the_ledger_hangs_all_alerts_are_published_within_ten_seconds() {
    let fixture = Fixture::new()
        .object("a", distinct_denials(0..15).chain([mapping(1)]))
        .ledger_faults(LedgerFaults { hangs: 1.0, ..LedgerFaults::default() });
    let started = Instant::now();
    let run = fixture.invoke(&["a"]).await;
    assert_eq!((run.alerts.len(), run.failures.error_type()), (16, None));
    assert!(run.alerts[0].subject.starts_with("Stopped"), "{:?}", run.subjects());
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", times_of_alerts(&fixture, started));
    assert_eq!(run.counters.ledger_errors, 1, "the ledger is not called again");
}

/// A single timeout may be due to a broken connection.
#[tokio::test(start_paused = true)]
async fn after_a_single_timeout_the_ledger_is_called_again() {
    let fixture = Fixture::new().object("a", [mapping(1)]);
    fixture.pipeline.ledger.hanging_calls.set(1);
    let run = fixture.invoke(&["a"]).await;
    assert_eq!((run.alerts.len(), run.counters.ledger_errors), (1, 0));
    assert_eq!(fixture.invoke(&["a"]).await.alerts.len(), 0, "the alert was recorded");
}

/// Every call takes slightly less than its time limit. An object has many mappings, in one chunk or several, or many
/// denials. An earlier invocation crashed while it held their leases.
#[tokio::test(start_paused = true)]
async fn if_the_ledger_is_slow_alerts_are_published_within_its_budget() {
    let slow = Duration::from_millis(1_900);
    let record = LedgerFaults { record: slow, ..LedgerFaults::default() };
    let both = LedgerFaults { claim: slow, record: slow, ..LedgerFaults::default() };
    let conflicts = LedgerFaults { claim: slow, conflicts: 0.9, ..LedgerFaults::default() };
    let mappings: Vec<_> = (0..401).map(mapping).collect();
    let callers: Vec<_> = (0..600).map(|n| denied_to(&format!("r{n}"), n, "GetFunction", "orders")).collect();
    for (faults, records, chunk, seconds) in [
        (record, &mappings, 1 << 20, 10),
        (both, &mappings, 8_192, 10),
        (conflicts, &mappings, 1 << 20, 10),
        (record, &callers, 1 << 20, 25),
        (both, &callers, 1 << 20, 25),
    ] {
        let fixture = Fixture::new()
            .stored("a", gzip_stored(log_file(records)))
            .chunks_of(chunk)
            .configure(|it| it.topics.alert.latency = Duration::from_secs(30));
        assert!(timeout(Duration::from_secs(1), fixture.invoke(&["a"])).await.is_err(), "crashed");
        let fixture = fixture.ledger_faults(faults).configure(|it| it.topics.alert.latency = Duration::ZERO);
        let started = Instant::now();
        let run = fixture.invoke(&["a"]).await;
        assert_eq!((run.failures.error_type(), run.alerts.len()), (None, records.len()));
        let last = times_of_alerts(&fixture, started).into_iter().max().expect("an alert");
        assert!(last < Duration::from_secs(seconds), "{faults:?}: {last:?}");
        assert!(started.elapsed() < Duration::from_secs(seconds + 5), "{faults:?}: {:?}", started.elapsed());
    }
}

/// Ten attempts have nine pauses between them, which take at most 2.62 seconds together.
#[tokio::test(start_paused = true)]
async fn no_pause_follows_the_last_attempt() {
    let fixture = stop_with_conflicts();
    let started = Instant::now();
    let run = fixture.invoke(&["a"]).await;
    assert_eq!((run.alerts.len(), run.counters.ledger_errors), (1, 2), "a claim and a record");
    assert_eq!(run.ledger_error.as_ref().expect("an error").to_string(), "ledger: TransactionConflict");
    let published = times_of_alerts(&fixture, started)[0];
    assert!(published > Duration::from_millis(1_300) && published < Duration::from_millis(2_650), "{published:?}");
}

/// Invocations that waited equally long would conflict again at each attempt.
#[tokio::test(start_paused = true)]
async fn the_pauses_of_conflicting_invocations_differ() {
    let fixture = stop_with_conflicts();
    let started = Instant::now();
    join_all((0..8).map(|_| fixture.invoke(&["a"]))).await;
    let published = times_of_alerts(&fixture, started);
    let different: BTreeSet<_> = published.iter().collect();
    assert!(published.len() == 8 && different.len() > 4, "{published:?}");
}
