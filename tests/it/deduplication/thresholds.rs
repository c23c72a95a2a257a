//! Alert thresholds: the 1st, 10th, 100th, 1,000th … event of an incident in its window.

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::json;
use tokio::time::Instant;
use trailwarden::detect::{Detector, WatchRules};

use crate::fakes::LedgerFaults;
use crate::fixture::Fixture;
use crate::fixture::findings::{findings, incidents};
use crate::fixture::records::{denied, log_file};

#[tokio::test(start_paused = true)]
async fn denials_are_alerted_at_powers_of_ten_in_each_window() {
    let on = |day: u64, n: u64| {
        let mut record = denied(1_000 * day + n, "GetFunction", "orders");
        record["eventTime"] = json!(format!("2026-01-0{day}T23:59:59Z"));
        record
    };
    let names: Vec<_> = (0..12).map(|n| n.to_string()).collect();
    let denials = |object: u64| (0..9).map(move |n| on(1, 10 * object + n)).chain([on(2, 10 * object)]);
    let fixture = Fixture::new().objects(names.iter().zip((0..).map(denials)));
    for name in names {
        assert_eq!(fixture.invoke(&[name]).await.failures.error_type(), None);
    }
    let counts: Vec<_> = fixture
        .topic()
        .confirmed()
        .iter()
        .map(|it| it.body.lines().nth(1).expect("a count").replace(" in us-east-1 (account 111122223333).", ""))
        .collect();
    assert_snapshot!(counts.join("\n"), @"
    9 times, at 2026-01-01 23:59:59 UTC
    Once, at 2026-01-02 23:59:59 UTC
    18 times since 2026-01-01 00:00:00 UTC, most recently 9 times at 2026-01-01 23:59:59 UTC
    10 times since 2026-01-02 00:00:00 UTC, most recently at 2026-01-02 23:59:59 UTC
    108 times since 2026-01-01 00:00:00 UTC, most recently 9 times at 2026-01-01 23:59:59 UTC
    ");
}

#[tokio::test(start_paused = true)]
async fn an_event_counts_once_for_each_log_object() {
    let records: Vec<_> = (0..6).map(|n| denied(n % 5, "GetFunction", "orders")).collect();
    let run = Fixture::new().objects([("a", records.clone()), ("b", records)]).invoke(&["a", "b"]).await;
    assert_eq!((run.counters.denials, run.counters.repeated), (12, 2));
    assert!(run.subjects()[0].contains(" x10 "), "{:?}", run.subjects());
}

/// The count of a log object is the largest recorded so far, because a part contains no more events than the whole.
#[tokio::test(start_paused = true)]
async fn an_object_that_is_delivered_again_or_read_completely_after_a_part_counts_once() {
    let records: Vec<_> = (0..200).map(|n| denied(n, "GetFunction", "orders")).collect();
    let found =
        records.iter().flat_map(|it| findings(&Detector::default(), &WatchRules::default(), "s3://trail/a", it));
    let key = incidents(found)[0].ledger_key();
    let file = log_file(&records);
    let half = file.len() / 2;
    let fixture = Fixture::new().stored("a", file).interrupted("a", half);
    for expected in [100, 100] {
        fixture.invoke(&["a"]).await;
        assert_eq!(fixture.pipeline.ledger.entry(&key).count, expected);
    }
    fixture.pipeline.source.interrupted.borrow_mut().clear();
    for expected in [200, 200] {
        fixture.invoke(&["a"]).await;
        assert_eq!(fixture.pipeline.ledger.entry(&key).count, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn denials_without_a_time_are_counted_without_a_window() {
    let without_time = |n| {
        let mut record = denied(n, "GetFunction", "orders");
        record.as_object_mut().expect("an object").remove("eventTime");
        record
    };
    let fixture = Fixture::new().object("a", (0..9).map(without_time)).object("b", [without_time(9)]);
    assert_eq!(fixture.invoke(&["a"]).await.alerts.len(), 1);
    let tenth = fixture.invoke(&["b"]).await;
    assert!(tenth.subjects()[0].contains(" x10 "), "{:?}", tenth.subjects());
    assert!(!tenth.alerts[0].body.contains("The next alert"), "{}", tenth.alerts[0].body);
}

#[tokio::test(start_paused = true)]
async fn transaction_conflicts_do_not_repeat_a_threshold() {
    let names: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    let fixture = Fixture::new()
        .objects(names.iter().zip((0..).map(|n| [denied(n, "GetFunction", "orders")])))
        .ledger_faults(LedgerFaults { conflicts: 0.3, ..LedgerFaults::default() });
    for name in names {
        let run = fixture.invoke(&[name]).await;
        assert_eq!((run.failures.error_type(), run.counters.ledger_errors), (None, 0));
    }
    assert_eq!(fixture.subjects().len(), 3, "{:?}", fixture.subjects());
}

/// An incident in 7,000 objects takes 71 transactions, not 7,000.
#[tokio::test(start_paused = true)]
async fn contributions_of_many_objects_are_recorded_in_batches() {
    let names: Vec<_> = (0..7_000).map(|n| n.to_string()).collect();
    let fixture = Fixture::new()
        .objects(names.iter().zip((0..).map(|n| [denied(n, "GetFunction", "orders")])))
        .ledger_faults(LedgerFaults { latency: Duration::from_millis(20), ..LedgerFaults::default() });
    let started = Instant::now();
    let run = fixture.invoke(&names).await;
    assert_eq!((run.alerts.len(), run.counters.ledger_errors), (1, 0));
    assert!(run.subjects()[0].contains("x7000"));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}
