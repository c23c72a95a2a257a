//! The counters of an invocation. Every test that invokes a [`Fixture`] checks that they add up.

use serde_json::json;

use crate::fixture::Fixture;
use crate::fixture::records::{denied, denied_to, disabled_mapping, distinct_denials, ordinary};

/// The invocation combines findings, faults and repetitions, so that no sum is trivial.
#[tokio::test(start_paused = true)]
async fn the_counters_of_an_invocation_add_up() {
    let other = denied_to("other", 42, "GetFunction", "orders");
    let records = distinct_denials(0..30).chain([
        denied(40, "GetFunction", "orders"),
        ordinary(41),
        json!("not a record"),
        other.clone(),
        other,
        disabled_mapping(43, "orders", "x"),
        disabled_mapping(44, "returns", "x"),
    ]);
    let fixture = Fixture::new().object("a", records).stored("b", "not a log file").rules(
        r#"{"suppress": [{"name": "n", "reason": "r", "pattern": {"finding": {"denied_action": ["lambda:Action0"]}}}]}"#,
    );
    *fixture.topic().rejects.borrow_mut() = Some(("returns", 3));
    for some_are_known in [false, true] {
        let it = fixture.invoke(&["a", "b", "a"]).await.outcome.counters;
        assert_eq!((it.objects_read, it.objects_failed, it.skipped.repeated), (0, 2, 1), "{it:?}");
        assert_eq!((it.records, it.records_skipped, it.records_unreadable), (37, 1, 1), "{it:?}");
        assert_eq!((it.findings, it.suppressed, it.repeated, it.incidents_summarized), (35, 1, 1, 30), "{it:?}");
        assert_eq!((it.incidents, it.incidents_known > 0, it.alerts > 0), (34, some_are_known, true), "{it:?}");
        let in_incidents = it.findings - it.suppressed - it.repeated;
        assert_eq!(in_incidents, it.incidents - 1, "an incident for each finding, and the summary: {it:?}");
    }
}
