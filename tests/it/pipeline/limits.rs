//! Limits of an invocation: concurrent objects, and time.

use std::time::Duration;

use crate::fixture::Fixture;
use crate::fixture::records::{disabled_mapping, gzip_stored, key, log_file, one_mapping};

#[tokio::test(start_paused = true)]
async fn objects_are_read_concurrently_up_to_the_limit() {
    let names: Vec<_> = ('a'..='t').map(String::from).collect();
    for limit in [1, 3, 64] {
        let fixture = Fixture::new()
            .objects(names.iter().map(|name| (name, one_mapping(name))))
            .chunks_of(100)
            .interrupted("q", 50)
            .interrupted("c", 900)
            .configure(|it| it.object_concurrency = limit);
        let run = fixture.invoke(&names).await;
        assert_eq!(fixture.pipeline.source.most_open.get(), limit.min(names.len()));
        assert_eq!((run.counters.objects_read, run.counters.objects_failed), (18, 2));
        let failed: Vec<_> = run.failures.objects.values().map(|it| it.object.key.clone()).collect();
        assert_eq!(failed, [key("c"), key("q")], "in the order of the payload");
        assert_eq!(run.counters.alerts_published, run.counters.disabled_mappings);
        assert!((18..=20).contains(&run.counters.disabled_mappings));
    }
}

/// A body that stalls is abandoned at the deadline. Findings before the stall are published.
#[tokio::test(start_paused = true)]
async fn findings_before_the_deadline_are_published() {
    let fixture = Fixture::new()
        .object("a", one_mapping("a"))
        .stored("b", gzip_stored(log_file(&vec![disabled_mapping(2, "b", "x"); 9])))
        .chunks_of(1_000)
        .stalled("b", 3);
    let run = fixture.invoke_until(&["b", "a", "a"], tokio::time::sleep(Duration::from_secs(80))).await;
    assert_eq!(run.failures.error_type(), Some("ObjectUnavailable"));
    assert!(run.failed().ends_with("_b.json.gz; out of time before the object was read completely"));
    assert_eq!(run.subjects().len(), 2, "one alert for each object");
}

#[tokio::test(start_paused = true)]
async fn no_object_is_opened_after_the_deadline() {
    let fixture = Fixture::new().object("0", one_mapping("a"));
    let names: Vec<_> = (0..7_001).map(|n| n.to_string()).collect();
    let run = fixture.invoke_until(&names, std::future::ready(())).await;
    assert_eq!((run.counters.objects_failed, run.counters.alerts), (7_001, 0));
    assert_eq!(fixture.pipeline.source.opened.get(), 0);
}
