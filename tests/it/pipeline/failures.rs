//! Failures: what is still alerted, and how the invocation fails.

use insta::assert_snapshot;
use serde_json::{Value, json};
use trailwarden::reply::Reply;

use crate::fixture::Fixture;
use crate::fixture::payload::{batch_job, notification, s3_test_event};
use crate::fixture::records::{denied, disabled_mapping, gzip, gzip_stored, key, log_file, one_mapping};

#[tokio::test(start_paused = true)]
async fn siblings_of_a_failed_object_are_alerted() {
    let mut broken = gzip_stored(log_file(&[disabled_mapping(98, "b", "x")]));
    let checksum = broken.len() - 8;
    broken[checksum] ^= 1;
    let bad_records = log_file(&[disabled_mapping(99, "c", "x")])
        .replace("]}", r#",{"eventSource":"lambda.amazonaws.com",}]}"#)
        .replacen(r#"{"Records":["#, r#"{"Records":[{"eventSource":"lambda.amazonaws.com""a"},"#, 1);
    let fixture = Fixture::new()
        .object("a", one_mapping("a"))
        .stored("b", broken)
        .stored("c", bad_records)
        .stored("d", "not a log file")
        .object("f", one_mapping("f"));
    let run = fixture.invoke(&["a", "b", "c", "d", "missing", "f"]).await;
    assert_eq!(run.failures.error_type(), Some("ObjectUnreadable"));
    assert_eq!((run.counters.objects_read, run.counters.objects_failed), (2, 4));
    assert_snapshot!(run.failed().replace(&key("")[..86], "…"), @"
    s3://trail/…_20260102T0305Z_b.json.gz; gzip checksum mismatch in the member that ends at stored byte 1033: expected 93287680, found 93287681
    s3://trail/…_20260102T0305Z_c.json.gz; record at inflated byte 12: invalid JSON at byte 37 of the record; record at inflated byte 1051: invalid JSON at byte 38 of the record
    s3://trail/…_20260102T0305Z_d.json.gz; expected gzip, or a JSON object with `Records`, found `n` at inflated byte 0
    s3://trail/…_20260102T0305Z_missing.json.gz; s3:GetObject: NoSuchKey
    ");
    let mut names: Vec<_> = run.subjects().iter().map(|it| it[9..10].to_owned()).collect();
    names.sort();
    assert_eq!(names, ["a", "b", "c", "f"], "findings before a fault are alerted too");
}

fn two_hundred_denials() -> String {
    log_file(&(0..200).map(|n| denied(n, "GetFunction", "orders")).collect::<Vec<_>>())
}

#[tokio::test(start_paused = true)]
async fn findings_before_an_interruption_are_alerted_and_the_object_fails() {
    let stored = two_hundred_denials();
    let half = stored.len() / 2;
    let run = Fixture::new().stored("a", stored).interrupted("a", half).invoke(&["a"]).await;
    assert_eq!(run.failures.error_type(), Some("ObjectUnavailable"));
    assert!(run.failed().ends_with("s3:GetObject: transfer broke off"), "{}", run.failed());
    assert_eq!((run.counters.denials, run.counters.alerts_published), (100, 1));
}

/// The rest of the object has not been examined, even though an earlier record is unreadable.
#[tokio::test(start_paused = true)]
async fn an_interruption_after_an_unreadable_record_is_transient() {
    let stored = two_hundred_denials().replacen(r#"{"Records":["#, r#"{"Records":[7,"#, 1);
    let half = stored.len() / 2;
    let fixture = Fixture::new()
        .stored("a", stored)
        .interrupted("a", half)
        .with_event_topic()
        .configure(|it| it.accepted.batch_jobs = true);
    assert_eq!(fixture.invoke(&["a"]).await.failures.error_type(), Some("ObjectUnavailable"));
    let job = fixture.invoke_with(&batch_job(&["a"])).await;
    let Reply::JobResults { results, .. } = &job.reply else { panic!("a job") };
    assert_eq!(results[0].code.as_str(), "TemporaryFailure");
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_bucket_fails_the_invocation() {
    let fixture = Fixture::new().object("a", one_mapping("a"));
    fixture.pipeline.source.down.set(true);
    let run = fixture.invoke(&["a"]).await;
    assert_eq!(run.failures.error_type(), Some("ObjectUnavailable"));
    assert!(run.failed().ends_with("s3:GetObject: ServiceUnavailable"), "{}", run.failed());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_payload_fails_and_its_siblings_are_alerted() {
    let fixture = Fixture::new().object("a", one_mapping("a"));
    let mut payload: Value = serde_json::from_str(&notification(&["a"])).expect("JSON");
    payload["Records"].as_array_mut().expect("a list").insert(0, json!({"eventSource": "aws:s3"}));
    for (payload, error_type, alerts) in [
        (payload.to_string(), Some("PayloadNotUnderstood"), 1),
        ("{}".to_owned(), Some("PayloadNotUnderstood"), 0),
        (s3_test_event(), None, 0),
    ] {
        let run = fixture.invoke_with(&payload).await;
        assert_eq!((run.failures.error_type(), run.alerts.len()), (error_type, alerts), "{payload}");
    }
}

#[tokio::test(start_paused = true)]
async fn unreadable_records_fail_their_object_but_hide_no_finding() {
    let good = disabled_mapping(1, "orders", "AUTHORIZATION_ERROR").to_string();
    let lambda = r#""eventSource":"lambda.amazonaws.com""#;
    let deep = format!("{{{lambda},\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let mut stored = format!("{{\"Records\":[{good},{deep},{{{lambda},}},").into_bytes();
    stored.extend(format!("{{{lambda},\"a\":\"").into_bytes());
    stored.extend(b"\xff\"},");
    stored.extend(format!("{}]}}", disabled_mapping(2, "returns", "AUTHORIZATION_ERROR")).into_bytes());
    let run = Fixture::new().stored("a", gzip(&stored)).invoke(&["a"]).await;
    assert_eq!(run.failures.error_type(), Some("ObjectUnreadable"));
    assert_eq!((run.counters.alerts_published, run.counters.records_unreadable), (2, 3));
    assert_snapshot!(run.failed(), @"s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz; record at inflated byte 1037: record nested more than 100 levels deep; record at inflated byte 201081: invalid JSON at byte 38 of the record; record at inflated byte 201121: invalid UTF-8 at byte 43 of the record");
}

#[tokio::test(start_paused = true)]
async fn unreadable_records_are_counted_and_the_first_ten_named() {
    let stored = gzip(format!(r#"{{"Records":[{}1]}}"#, "null,".repeat(5_000)));
    let run = Fixture::new().stored("a", stored).invoke(&["a"]).await;
    assert_eq!(run.counters.records_unreadable, 5_001);
    let failed = run.failed();
    assert_eq!(failed.matches("; record at inflated byte").count(), 10);
    assert!(failed.ends_with("; and 4991 more unreadable records"), "{failed}");
}
