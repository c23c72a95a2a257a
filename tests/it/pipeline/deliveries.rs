//! Queue messages, tasks of S3 Batch Operations, and test alerts.

use insta::assert_snapshot;
use trailwarden::publish::Subscriptions;
use trailwarden::reply::Reply;

use crate::fakes::MemoryLedger;
use crate::fixture::payload::{batch_job, notification, queue, s3_test_event};
use crate::fixture::records::one_mapping;
use crate::fixture::{Fixture, Run};

/// SQS deletes the messages of a batch that the reply does not name.
#[tokio::test(start_paused = true)]
async fn a_message_without_an_id_fails_the_whole_batch() {
    let without_id = (None, notification(&["b"]));
    let (broken, good) = ((Some("broken"), "{}".to_owned()), (Some("good"), notification(&["a"])));
    let run =
        Fixture::new().object("a", one_mapping("a")).invoke_with(&queue([broken, without_id.clone(), good])).await;
    assert_eq!((run.failures.error_type().is_some(), &run.reply, run.alerts.len()), (true, &Reply::Empty, 1));
    let run = Fixture::new().object("b", one_mapping("b")).invoke_with(&queue([without_id])).await;
    assert_eq!((run.failures.error_type(), &run.reply), (Some("PayloadNotUnderstood"), &Reply::Empty));
}

#[tokio::test(start_paused = true)]
async fn queue_messages_fail_individually() {
    let queue = queue([
        (Some("good"), notification(&["a"])),
        (Some("broken"), notification(&["b"])),
        (Some("both"), notification(&["a", "b"])),
        (Some("unknown"), "{}".to_owned()),
        (Some("test"), s3_test_event()),
    ]);
    let fixture = Fixture::new().object("a", one_mapping("a")).stored("b", "not a log file");
    let run = fixture.invoke_with(&queue).await;
    assert_eq!(run.reply, Reply::BatchItemFailures(["broken", "both", "unknown"].map(str::to_owned).to_vec()));
    assert_eq!((run.counters.objects, run.alerts.len()), (2, 1), "each object is read once");
    assert_eq!(fixture.invoke_with(&queue).await.counters.incidents_known, 1, "a published alert is not repeated");
    assert_eq!(fixture.invoke(&["a"]).await.reply, Reply::Empty);
    let fixture = fixture.configure(|it| it.ledger = MemoryLedger::default());
    fixture.topic().down.set(true);
    let run = fixture.invoke_with(&queue).await;
    assert!(
        matches!(&run.reply, Reply::BatchItemFailures(all) if all.len() == 5),
        "an unpublished alert fails every message"
    );
}

fn job_fixture() -> Fixture {
    Fixture::new()
        .object("a", one_mapping("a"))
        .object("b", one_mapping("b"))
        .stored("c", "not a log file")
        .with_event_topic()
        .configure(|it| it.accepted.batch_jobs = true)
}

/// ID, code and text of each result, without the folder of the object.
fn results(job: &Run) -> String {
    let Reply::JobResults { results, .. } = &job.reply else { panic!("a job, found {:?}", job.reply) };
    let result = results
        .iter()
        .map(|it| format!("{}: {} {}", it.id, it.code.as_str(), it.text.rsplit('/').next().unwrap_or_default()));
    result.collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn findings_of_a_batch_job_go_only_to_the_topic_for_machines_and_are_counted_separately() {
    let fixture = job_fixture();
    let job = fixture.invoke_with(&batch_job(&["a"])).await;
    assert_eq!((job.counters.alerts_published, job.alerts.len()), (1, 0), "not to people");
    let events = fixture.event_topic().confirmed();
    assert!(events.len() == 1 && events[0].body.starts_with('{'), "{events:?}");
    let live = fixture.invoke(&["a"]).await;
    assert_eq!((live.alerts.len(), fixture.event_topic().confirmed().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn batch_tasks_fail_temporarily_or_permanently() {
    let fixture = job_fixture().interrupted("b", 100);
    assert_snapshot!(results(&fixture.invoke_with(&batch_job(&["a", "b", "c", "missing"])).await), @"
    a: Succeeded read
    b: TemporaryFailure 111122223333_CloudTrail_us-east-1_20260102T0305Z_b.json.gz; s3:GetObject: transfer broke off
    c: PermanentFailure 111122223333_CloudTrail_us-east-1_20260102T0305Z_c.json.gz; expected gzip, or a JSON object with `Records`, found `n` at inflated byte 0
    missing: PermanentFailure 111122223333_CloudTrail_us-east-1_20260102T0305Z_missing.json.gz; s3:GetObject: NoSuchKey
    ");
    fixture.pipeline.source.interrupted.borrow_mut().clear();
    fixture.event_topic().down.set(true);
    assert_snapshot!(results(&fixture.invoke_with(&batch_job(&["a", "b"])).await), @"
    a: TemporaryFailure alert 4f00a43b4769362b15e68bf37054b959 (esm_disabled) was not published to arn:aws:sns:us-east-1:111122223333:alerts: sns:PublishBatch: request failed
    b: TemporaryFailure alert 4f00a43b4769362b15e68bf37054b959 (esm_disabled) was not published to arn:aws:sns:us-east-1:111122223333:alerts: sns:PublishBatch: request failed
    ");
}

#[tokio::test(start_paused = true)]
async fn a_test_alert_of_each_kind_is_published_every_time() {
    let fixture = Fixture::new().with_chat_topic();
    fixture.topic().subscriptions.set(Subscriptions { confirmed: 1, pending: 0 });
    for _ in 0..2 {
        let run = fixture.invoke_with(r#"{"trailwarden":"test-alert"}"#).await;
        assert_eq!((run.failures.error_type(), run.counters.alerts_published, run.alerts.len()), (None, 4, 4));
        let Reply::TestAlert { published, warnings } = &run.reply else { panic!("a test") };
        assert_eq!(
            *warnings,
            ["arn:aws:sns:us-east-1:111122223333:alerts has no subscriptions, so nobody receives its alerts"]
        );
        insta::allow_duplicates!(assert_snapshot!(published.join("\n"), @"
        [Test] Stopped: trailwarden-test -> trailwarden-test AUTHORIZATION_ERROR 111122223333 us-east-1
        [Test] Watched: A Lambda function was deleted DeleteFunction 111122223333 us-east-1
        [Test] Deleted by user: trailwarden-test -> trailwarden-test 111122223333 us-east-1
        [Test] Denied: user trailwarden-test lambda:GetFunction 111122223333 us-east-1
        "));
    }
    fixture.topic().down.set(true);
    assert_eq!(
        fixture.invoke_with(r#"{"trailwarden":"test-alert"}"#).await.failures.error_type(),
        Some("AlertNotPublished")
    );
}
