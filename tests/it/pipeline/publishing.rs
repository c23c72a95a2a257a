//! Order, batches and retries of publishing.

use std::time::Duration;

use tokio::time::Instant;

use crate::fakes::LedgerFaults;
use crate::fixture::Fixture;
use crate::fixture::records::{denied_to, disabled_mapping, distinct_denials, gzip_stored, log_file, one_mapping};

fn mappings(range: std::ops::Range<u64>) -> impl Iterator<Item = serde_json::Value> {
    range.map(|n| disabled_mapping(n, &format!("f{n}"), "AUTHORIZATION_ERROR"))
}

#[tokio::test(start_paused = true)]
async fn a_mapping_alert_is_published_while_objects_are_still_being_read() {
    let fixture = Fixture::new()
        .object("whole", one_mapping("orders"))
        .stored("stalled", gzip_stored(log_file(&mappings(0..9).collect::<Vec<_>>())))
        .chunks_of(1_000)
        .stalled("stalled", 3);
    let started = Instant::now();
    let run = fixture.invoke_until(&["stalled", "whole"], tokio::time::sleep(Duration::from_secs(80))).await;
    assert_eq!((run.failures.error_type(), run.alerts.len()), (Some("ObjectUnavailable"), 3));
    let published = fixture.topic().confirmed_at.borrow().iter().map(|at| *at - started).max();
    assert!(published < Some(Duration::from_secs(1)), "{published:?}");
}

#[tokio::test(start_paused = true)]
async fn mapping_alerts_are_published_before_denials_are_counted() {
    let records = distinct_denials(0..2).chain(mappings(9..10)).chain(distinct_denials(2..5));
    let fixture = Fixture::new()
        .object("a", records)
        .ledger_faults(LedgerFaults { latency: Duration::from_millis(20), ..LedgerFaults::default() });
    let run = fixture.invoke(&["a"]).await;
    assert!(run.alerts.len() == 6 && run.alerts[0].subject.starts_with("Stopped"), "{:?}", run.subjects());
    let counted = fixture.pipeline.ledger.first_contribution.get().expect("a contribution");
    assert!(fixture.topic().confirmed_at.borrow()[0] <= counted);
}

/// Enough incidents for several chunks, with the same mapping event at both ends of the object.
fn thousands_of_incidents() -> Fixture {
    let denials = (0..6_000).map(|n| denied_to(&format!("r{n}"), n, "GetFunction", "orders"));
    Fixture::new().object("a", mappings(1..2).chain(denials).chain(mappings(1..2)))
}

#[tokio::test(start_paused = true)]
async fn thousands_of_incidents_are_published_most_severe_first() {
    let run = thousands_of_incidents().invoke(&["a"]).await;
    assert_eq!((run.counters.denials, run.counters.repeated, run.failures.error_type()), (6_000, 1, None));
    assert_eq!(run.alerts.len(), 6_001);
    assert!(run.subjects()[..200].iter().any(|it| it.starts_with("Stopped: f1-queue")));
}

#[tokio::test(start_paused = true)]
async fn the_first_ten_unpublished_alerts_are_named_and_all_are_counted() {
    let fixture = thousands_of_incidents();
    fixture.topic().down.set(true);
    let run = fixture.invoke(&["a"]).await;
    assert_eq!((run.counters.alerts_failed, run.failures.lines().count()), (6_001, 11));
    assert!(run.failed().ends_with("and 5991 more alerts that were not published"), "{}", run.failed());
}

#[tokio::test(start_paused = true)]
async fn no_alert_counts_as_published_if_the_topic_is_down() {
    let fixture = Fixture::new().object("a", one_mapping("a")).object("b", one_mapping("b"));
    fixture.topic().down.set(true);
    let run = fixture.invoke(&["a", "b"]).await;
    assert_eq!(run.failures.error_type(), Some("AlertNotPublished"));
    assert_eq!((run.counters.alerts, run.counters.alerts_published, run.alerts.len()), (2, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_entry_is_sent_again_without_the_rest_of_its_batch() {
    for (rejections, calls, error_type) in [(2, 3, None), (3, 3, Some("AlertNotPublished"))] {
        let fixture = Fixture::new().object("a", mappings(0..3));
        *fixture.topic().rejects.borrow_mut() = Some(("f1-queue", rejections));
        let run = fixture.invoke(&["a"]).await;
        assert_eq!((run.failures.error_type(), fixture.topic().calls.get()), (error_type, calls));
        assert_eq!(run.counters.alerts_failed, u64::from(error_type.is_some()));
        assert_eq!(run.alerts.len() as u64, run.counters.alerts_published);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_entry_is_sent_again_after_a_pause() {
    let fixture = Fixture::new().object("a", mappings(1..2));
    *fixture.topic().rejects.borrow_mut() = Some(("Stopped", 2));
    let started = Instant::now();
    assert_eq!(fixture.invoke(&["a"]).await.failures.error_type(), None);
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn batches_are_sent_concurrently_but_sequentially_to_a_fifo_topic() {
    for (arn, most) in [(None, 4), (Some("arn:aws:sns:us-east-1:111122223333:alerts.fifo"), 1)] {
        let fixture = Fixture::new().object("a", mappings(0..100)).configure(|it| {
            it.topics.alert.arn = arn;
            it.topics.alert.latency = Duration::from_millis(30);
        });
        assert_eq!(fixture.invoke(&["a"]).await.alerts.len(), 100);
        assert_eq!(fixture.topic().in_flight.get(), (0, most));
    }
}
