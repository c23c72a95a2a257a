//! Payloads of invocations: everything in them is accounted for, and envelopes change nothing.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::runtime::Builder;
use trailwarden::delivery::{Accepted, PayloadError};
use trailwarden::pipeline::Outcome;

use super::Input;
use crate::fixture::{BUCKET, Fixture};

pub(super) fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let accepted = Accepted {
        trail_buckets: vec![BUCKET.to_owned(), "trailwarden-local".to_owned()],
        inline_records: input.flag(),
        batch_jobs: input.flag(),
    };
    let envelope = input.pick([failure_record, queue_message, sns_message, sns_message_in_a_queue]);
    let payload = String::from_utf8_lossy(input.rest());
    let outcome = invoke(&accepted, &payload);
    for object in outcome.objects.iter().map(|it| &it.object) {
        assert!(accepted.trail_buckets.contains(&object.bucket) && !object.key.is_empty(), "{object}");
    }
    assert_eq!(announced(&invoke(&accepted, &payload)), announced(&outcome), "a second time");

    let Ok(value) = serde_json::from_str::<Value>(&payload) else {
        assert_eq!((outcome.failures.payload.len(), outcome.objects.len()), (1, 0), "not JSON");
        return false;
    };
    if !depends_on_its_envelope(&value) {
        let wrapped = invoke(&accepted, &envelope(&value).to_string());
        let is_too_deep = may_be_too_deep(&payload) && wrapped.failures.payload.iter().any(is_too_many_levels);
        assert!(is_too_deep || announced(&wrapped) == announced(&outcome), "{payload}");
    }
    true
}

/// Four envelopes are allowed, and the target adds at most two. An escaped name may be that of an envelope.
fn may_be_too_deep(payload: &str) -> bool {
    let envelopes = ["requestPayload", "body", "Message", "\\u"].map(|name| payload.matches(name).count());
    envelopes.into_iter().sum::<usize>() > 2
}

fn is_too_many_levels(error: &PayloadError) -> bool {
    match error {
        PayloadError::At { source, .. } => is_too_many_levels(source),
        error => matches!(error, PayloadError::TooManyLevels),
    }
}

/// Commands and jobs are accepted only without an envelope. In a batch of a queue, every record must be a message with an
/// ID.
fn depends_on_its_envelope(payload: &Value) -> bool {
    let is_from_a_queue = |it: &Value| it["eventSource"] == "aws:sqs" || it["EventSource"] == "aws:sqs";
    let is_message = |it: &Value| it["eventSource"] == "aws:sqs" && it["messageId"].is_string();
    let records = payload["Records"].as_array().map_or([].as_slice(), Vec::as_slice);
    let is_command_or_job = ["trailwarden", "invocationSchemaVersion"].iter().any(|name| payload.get(name).is_some());
    is_command_or_job || records.first().is_some_and(is_from_a_queue) && !records.iter().all(is_message)
}

/// Invokes a pipeline whose bucket is empty.
fn invoke(accepted: &Accepted, payload: &str) -> Outcome {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let fixture = Fixture::new().with_event_topic().configure(|it| it.accepted = accepted.clone());
    runtime.block_on(fixture.run_any("1", payload, std::future::pending()))
}

/// The objects that a payload announced, and the numbers of everything else in it.
fn announced(outcome: &Outcome) -> (BTreeSet<String>, [u64; 4]) {
    let objects = outcome.objects.iter().map(|it| it.object.to_string()).collect();
    let it = &outcome.counters;
    (objects, [it.objects, it.records, it.findings, it.payload_problems])
}

fn failure_record(payload: &Value) -> Value {
    json!({"version": "1.0", "requestContext": {}, "requestPayload": payload})
}

fn queue_message(payload: &Value) -> Value {
    json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": payload.to_string()}]})
}

fn sns_message(payload: &Value) -> Value {
    json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Type": "Notification", "Message": payload.to_string()}}]})
}

fn sns_message_in_a_queue(payload: &Value) -> Value {
    queue_message(&json!({"Type": "Notification", "Message": payload.to_string()}))
}
