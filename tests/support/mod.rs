//! Shared by the tests: test doubles of the ports, and log objects to read.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use serde_json::json;
use trailwarden::delivery::Accepted;
use trailwarden::detect::Detector;
use trailwarden::outcome::Outcome;
use trailwarden::pipeline::{Invocation, Pipeline};
use trailwarden::publish::Topics;
use trailwarden::rules::Rules;
use trailwarden::trail::Limits;
use trailwarden::triage::WindowLength;

use generator::key;
use memory::{MemoryBucket, MemoryLedger, MemoryTopic, TestClock};

pub mod generator;
pub mod memory;
pub mod oracle;
pub mod server;

/// The bucket that the pipeline reads.
pub const BUCKET: &str = "trail";

/// The pipeline with all its ports in memory.
pub type Memory = Pipeline<MemoryBucket, MemoryTopic, MemoryLedger, TestClock>;

/// A pipeline with one topic. Its clock needs a tokio runtime.
pub fn pipeline(source: MemoryBucket) -> Memory {
    Pipeline {
        accepted: Accepted { trail_buckets: vec![BUCKET.to_owned()], ..Accepted::default() },
        detector: Detector::default(),
        limits: Limits::default(),
        object_concurrency: 8,
        windows: WindowLength::default(),
        source,
        topics: Topics { alert: MemoryTopic::default(), chat: None, event: None },
        ledger: MemoryLedger::default(),
        clock: TestClock,
    }
}

/// The notification that objects were created.
pub fn payload(names: &[impl AsRef<str>]) -> String {
    let record = |name: &str| {
        json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
               "s3": {"bucket": {"name": BUCKET}, "object": {"key": key(name)}}})
    };
    json!({"Records": names.iter().map(|name| record(name.as_ref())).collect::<Vec<_>>()}).to_string()
}

/// Runs an invocation without a time limit.
pub async fn invoke(pipeline: &Memory, id: &str, payload: &str, rules: &Rules) -> Outcome {
    let time_up = std::future::pending();
    pipeline.run(Invocation { id, payload, rules, without_rules: false, time_up }).await
}
