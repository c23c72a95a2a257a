//! The pipeline over real sockets, with everything that goes wrong on them: after each fault, either all alerts have
//! arrived, or the invocation has failed and a retry brings them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "lambda")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use futures_util::stream::{self, StreamExt as _};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use support::generator::{disabled_mapping, gzip, gzip_stored, key, log_file, ordinary};
use support::memory::{MemoryLedger, TestClock};
use support::server::{Fault, Server, Service};
use trailwarden::aws::{AlertTopic, Deadline, TrailBuckets, http_client};
use trailwarden::delivery::Accepted;
use trailwarden::detect::Detector;
use trailwarden::outcome::Outcome;
use trailwarden::pipeline::{Invocation, Pipeline};
use trailwarden::publish::Topics;
use trailwarden::rules::Rules;
use trailwarden::trail::Limits;
use trailwarden::triage::WindowLength;

const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:alerts";
const OF_S3: [Fault; 8] = [
    Fault::Internal,
    Fault::SlowDown,
    Fault::NoAnswer,
    Fault::Silence,
    Fault::Reset,
    Fault::Close,
    Fault::Stall,
    Fault::HalfLength,
];
const OF_SNS: [Fault; 6] =
    [Fault::Internal, Fault::SlowDown, Fault::NoAnswer, Fault::Reset, Fault::Close, Fault::Refuse];

/// Cases at the same time: most of their time is waiting.
const AT_ONCE: usize = 6;

/// As the function's own, with less patience.
async fn configuration(endpoint: &str) -> SdkConfig {
    let patience = Duration::from_millis(800);
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .http_client(http_client())
        .credentials_provider(Credentials::new("id", "secret", None, None, "tests"))
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1)))
        .timeout_config(TimeoutConfig::builder().connect_timeout(patience).read_timeout(patience).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(patience).build())
        .endpoint_url(endpoint)
        .load()
        .await
}

async fn pipeline(s3: &str, sns: &str) -> Pipeline<TrailBuckets, AlertTopic, MemoryLedger, TestClock> {
    let deadline = Deadline::default();
    Pipeline {
        accepted: Accepted { trail_buckets: vec!["trail".to_owned()], ..Accepted::default() },
        detector: Detector::default(),
        limits: Limits::default(),
        object_concurrency: 8,
        windows: WindowLength::default(),
        source: TrailBuckets::new(&configuration(s3).await, deadline.clone()),
        topics: Topics {
            alert: AlertTopic::new(&configuration(sns).await, TOPIC.to_owned(), deadline),
            chat: None,
            event: None,
        },
        ledger: MemoryLedger::default(),
        clock: TestClock,
    }
}

/// Puts objects with disabled mappings among much else; returns their names.
fn put(server: &Server, from: u64, objects: u64) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for object in from..from + objects {
        let mut records: Vec<_> = (0..200).map(ordinary).collect();
        for n in 0..3 {
            let name = format!("q{object}-{n}");
            records.insert(60 * n as usize, disabled_mapping(10 * object + n, &name, "AUTHORIZATION_ERROR"));
            names.insert(name);
        }
        // Large enough that half of it is more than a socket holds, and small.
        let file = log_file(&records);
        let stored = if object % 2 == 0 { gzip_stored(file) } else { gzip(file) };
        server.put(format!("/trail/{}", key(&object.to_string())), stored);
    }
    names
}

fn payload(from: u64, objects: u64) -> String {
    let record = |object: u64| {
        json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
               "s3": {"bucket": {"name": "trail"}, "object": {"key": key(&object.to_string())}}})
    };
    json!({"Records": (from..from + objects).map(record).collect::<Vec<_>>()}).to_string()
}

async fn run(pipeline: &Pipeline<TrailBuckets, AlertTopic, MemoryLedger, TestClock>, payload: &str) -> Outcome {
    let (rules, time_up) = (&Rules::default(), std::future::pending());
    pipeline.run(Invocation { id: "test", payload, rules, without_rules: false, time_up }).await
}

/// Names of the functions that an alert was confirmed about.
fn alerted(server: &Server) -> BTreeSet<String> {
    let name = |subject: &String| subject.split(' ').nth(3).expect("a function").to_owned();
    server.published().iter().map(name).collect()
}

/// All alerts have arrived, or the invocation has failed.
fn assert_alerted_or_failed(outcome: &Outcome, names: &BTreeSet<String>, server: &Server, what: &str) {
    let missing: Vec<_> = names.difference(&alerted(server)).cloned().collect();
    let failed = outcome.error_type().is_some();
    assert!(missing.is_empty() || failed, "{what}: {missing:?} lost without a failure");
    assert_eq!(failed, outcome.failures().count() > 0, "{what}: a failure is named");
}

/// Injects a fault so many times; returns how the invocation ended, and how many faults there were. The retry without
/// faults brings the rest.
async fn heals_or_is_seen(service: Service, fault: Fault, times: usize, object: u64) -> (String, usize) {
    let server = Server::start();
    let pipeline = pipeline(&server.url, &server.url).await;
    let names = put(&server, object, 3);
    let mut left = times;
    server.plan(move |of| {
        let goes_wrong = of == service && left > 0;
        left -= usize::from(goes_wrong);
        goes_wrong.then_some(fault)
    });
    let outcome = run(&pipeline, &payload(object, 3)).await;
    let what = format!("{service:?} {fault:?} {}", if times == 1 { "once" } else { "always" });
    assert_alerted_or_failed(&outcome, &names, &server, &what);
    let faults = server.injected().len();
    assert!(faults > 0, "{what}");
    let end = outcome.error_type().unwrap_or("healed");
    server.plan(|_| None);
    let outcome = run(&pipeline, &payload(object, 3)).await;
    assert_eq!((outcome.error_type(), alerted(&server)), (None, names), "{what}: the retry publishes the rest");
    (format!("{what}: {end}"), faults)
}

#[tokio::test]
async fn each_fault_heals_or_is_seen() {
    let of_s3 = OF_S3.map(|fault| (Service::S3, fault));
    let faults = of_s3.into_iter().chain(OF_SNS.map(|fault| (Service::Sns, fault)));
    let cases = faults.flat_map(|(service, fault)| [1, usize::MAX].map(|times| (service, fault, times)));
    let cases = cases
        .zip((0..).step_by(3))
        .map(|((service, fault, times), object)| heals_or_is_seen(service, fault, times, object));
    let seen: Vec<_> = stream::iter(cases).buffered(AT_ONCE).collect().await;
    let faults: usize = seen.iter().map(|(_, faults)| faults).sum();
    println!("{faults} faults injected, 0 findings lost");
    let mut seen: Vec<_> = seen.into_iter().map(|(seen, _)| seen).collect();
    seen.sort();
    insta::assert_snapshot!(seen.join("\n"), @"
    S3 Close always: ObjectUnavailable
    S3 Close once: healed
    S3 HalfLength always: ObjectUnreadable
    S3 HalfLength once: ObjectUnreadable
    S3 Internal always: ObjectUnavailable
    S3 Internal once: healed
    S3 NoAnswer always: ObjectUnavailable
    S3 NoAnswer once: healed
    S3 Reset always: ObjectUnavailable
    S3 Reset once: healed
    S3 Silence always: ObjectUnavailable
    S3 Silence once: healed
    S3 SlowDown always: ObjectUnavailable
    S3 SlowDown once: healed
    S3 Stall always: ObjectUnavailable
    S3 Stall once: healed
    Sns Close always: AlertNotPublished
    Sns Close once: healed
    Sns Internal always: AlertNotPublished
    Sns Internal once: healed
    Sns NoAnswer always: AlertNotPublished
    Sns NoAnswer once: healed
    Sns Refuse always: healed
    Sns Refuse once: healed
    Sns Reset always: AlertNotPublished
    Sns Reset once: healed
    Sns SlowDown always: AlertNotPublished
    Sns SlowDown once: healed
    ");
}

#[tokio::test]
async fn permanent_causes_are_distinguished_from_transient_ones() {
    for (fault, is_transient, code) in [
        (Fault::Missing, false, "NoSuchKey"),
        (Fault::Denied, false, "AccessDenied"),
        (Fault::Archived, false, "InvalidObjectState"),
        (Fault::SlowDown, true, "SlowDown"),
        (Fault::Internal, true, "InternalError"),
        (Fault::NoAnswer, true, "request failed"),
        (Fault::Close, true, "transfer interrupted"),
    ] {
        let server = Server::start();
        put(&server, 0, 1);
        server.plan(move |_| Some(fault));
        let outcome = run(&pipeline(&server.url, &server.url).await, &payload(0, 1)).await;
        let [failure] = outcome.objects.values().collect::<Vec<_>>()[..] else {
            panic!("{fault:?}: one failure, found {outcome:?}")
        };
        assert_eq!(failure.is_transient(), is_transient, "{fault:?}: {failure}");
        assert!(failure.to_string().contains(code), "{fault:?}: {failure}");
    }
}

#[tokio::test]
async fn an_address_that_does_not_resolve_fails_visibly() {
    let server = Server::start();
    let names = put(&server, 0, 2);
    let nowhere = "http://no-such-host.invalid:1";
    for (s3, sns, error_type) in
        [(nowhere, server.url.as_str(), "ObjectUnavailable"), (server.url.as_str(), nowhere, "AlertNotPublished")]
    {
        let outcome = run(&pipeline(s3, sns).await, &payload(0, 2)).await;
        assert_eq!(outcome.error_type(), Some(error_type));
        assert_eq!(outcome.counters.alerts_published, 0);
    }
    assert_eq!(run(&pipeline(&server.url, &server.url).await, &payload(0, 2)).await.error_type(), None);
    assert_eq!(alerted(&server), names);
}

/// Nothing but chance: each request may fail in each way, until deliveries have been tried often enough.
#[tokio::test]
async fn a_bad_day_loses_nothing() {
    let server = Server::start();
    let pipeline = pipeline(&server.url, &server.url).await;
    let names = put(&server, 0, 60);
    let mut random = SmallRng::seed_from_u64(1);
    server.plan(move |service| {
        let faults: &[Fault] = if service == Service::S3 { &OF_S3 } else { &OF_SNS };
        random.random_bool(0.5).then(|| *faults.choose(&mut random).expect("a fault"))
    });
    let (mut invocations, mut failed) = (0, 0);
    for delivery in 0..20 {
        let of_delivery =
            (3 * delivery..3 * delivery + 3).flat_map(|object| (0..3).map(move |n| format!("q{object}-{n}")));
        let of_delivery: BTreeSet<_> = of_delivery.collect();
        loop {
            invocations += 1;
            let outcome = run(&pipeline, &payload(3 * delivery, 3)).await;
            assert_alerted_or_failed(&outcome, &of_delivery, &server, "a bad day");
            if outcome.error_type().is_none() {
                break;
            }
            failed += 1;
        }
    }
    let lost = names.difference(&alerted(&server)).count();
    let faults = server.injected().len();
    println!("{faults} faults injected in {invocations} invocations, of which {failed} failed; {lost} findings lost");
    assert_eq!(lost, 0);
    assert!(faults > 100 && failed > 5, "{faults} {failed}");
}
