//! The pipeline over sockets, with every fault that a connection can have. After each fault, either all alerts have
//! been confirmed, or the invocation has failed and a retry publishes the rest.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use trailwarden::aws::{AlertTopic, TrailBuckets};
use trailwarden::pipeline::Outcome;

use crate::fakes::sockets::Sdk;
use crate::fakes::sockets::server::{Fault, Server, Service};
use crate::fixture::payload::notification;
use crate::fixture::records::{disabled_mapping, gzip, gzip_stored, key, log_file, ordinary};
use crate::fixture::{BUCKET, Fixture};

const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:alerts";
const S3_FAULTS: [Fault; 8] = [
    Fault::Internal,
    Fault::SlowDown,
    Fault::NoAnswer,
    Fault::Silence,
    Fault::Reset,
    Fault::Close,
    Fault::Stall,
    Fault::HalfLength,
];
const SNS_FAULTS: [Fault; 6] =
    [Fault::Internal, Fault::SlowDown, Fault::NoAnswer, Fault::Reset, Fault::Close, Fault::Refuse];

/// Number of concurrent deliveries. They spend most of their time waiting.
const CONCURRENCY: usize = 6;

async fn fixture(s3: &str, sns: &str) -> Fixture<TrailBuckets, AlertTopic> {
    let timeout = Duration::from_millis(800);
    let (s3, sns) = (Sdk::with_timeouts(s3, timeout).await, Sdk::with_timeouts(sns, timeout).await);
    Fixture::over(s3.buckets(), sns.topic(TOPIC))
}

impl Fixture<TrailBuckets, AlertTopic> {
    async fn announce(&self, objects: &[Object]) -> Outcome {
        let names: Vec<_> = objects.iter().map(|it| it.name.as_str()).collect();
        self.run(names[0], &notification(&names), std::future::pending()).await
    }
}

/// A log object on a server, and the functions of the disabled mappings in it.
struct Object {
    name: String,
    functions: [String; 3],
}

/// Puts objects with three disabled mappings among ordinary records. Half of an uncompressed object is more than the
/// buffers of a socket hold.
fn put(server: &Server, range: std::ops::Range<u64>) -> Vec<Object> {
    let put = |object: u64| {
        let functions = [0, 1, 2].map(|n| format!("q{object}-{n}"));
        let mut records: Vec<_> = (0..200).map(ordinary).collect();
        for (n, function) in (0..).zip(&functions) {
            let record = disabled_mapping(10 * object + n, function, "AUTHORIZATION_ERROR");
            records.insert(60 * n as usize, record);
        }
        let file = log_file(&records);
        let stored = if object.is_multiple_of(2) { gzip_stored(file) } else { gzip(file) };
        let name = object.to_string();
        server.put(format!("/{BUCKET}/{}", key(&name)), stored);
        Object { name, functions }
    };
    range.map(put).collect()
}

fn functions(objects: &[Object]) -> BTreeSet<String> {
    objects.iter().flat_map(|it| it.functions.clone()).collect()
}

/// The functions that confirmed alerts are about.
fn alerted(server: &Server) -> BTreeSet<String> {
    let function = |subject: &String| subject.split(' ').nth(3).expect("a function").to_owned();
    server.published().iter().map(function).collect()
}

fn assert_alerted_or_failed(outcome: &Outcome, objects: &[Object], server: &Server, what: &str) {
    let missing: Vec<_> = functions(objects).difference(&alerted(server)).cloned().collect();
    let failed = outcome.failures.error_type().is_some();
    assert!(missing.is_empty() || failed, "{what}: {missing:?} lost without a failure");
    assert_eq!(failed, outcome.failures.lines().count() > 0, "{what}: a failure is named");
}

/// Injects a fault once or always, then retries without faults. Returns how the first invocation ended.
async fn inject(service: Service, fault: Fault, always: bool, first_object: u64) -> String {
    let server = Server::start();
    let fixture = fixture(&server.url, &server.url).await;
    let objects = put(&server, first_object..first_object + 3);
    let mut left = if always { usize::MAX } else { 1 };
    server.plan(move |of| {
        let fails = of == service && left > 0;
        left -= usize::from(fails);
        fails.then_some(fault)
    });
    let outcome = fixture.announce(&objects).await;
    let what = format!("{service:?} {fault:?} {}", if always { "always" } else { "once" });
    assert!(!server.injected().is_empty(), "{what}");
    assert_alerted_or_failed(&outcome, &objects, &server, &what);
    let end = outcome.failures.error_type().unwrap_or("healed");
    server.plan(|_| None);
    let retry = fixture.announce(&objects).await;
    assert_eq!((retry.failures.error_type(), alerted(&server)), (None, functions(&objects)), "{what}: the retry");
    format!("{what}: {end}")
}

#[tokio::test]
async fn after_each_fault_alerts_are_confirmed_or_the_invocation_fails() {
    let of_s3 = S3_FAULTS.map(|fault| (Service::S3, fault));
    let faults = of_s3.into_iter().chain(SNS_FAULTS.map(|fault| (Service::Sns, fault)));
    let faults = faults.flat_map(|(service, fault)| [false, true].map(|always| (service, fault, always)));
    let injections = faults.zip((0..).step_by(3));
    let injections = injections.map(|((service, fault, always), object)| inject(service, fault, always, object));
    let mut ends: Vec<_> = stream::iter(injections).buffered(CONCURRENCY).collect().await;
    ends.sort();
    insta::assert_snapshot!(ends.join("\n"), @"
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
async fn permanent_faults_are_distinguished_from_transient_ones() {
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
        let objects = put(&server, 0..1);
        server.plan(move |_| Some(fault));
        let outcome = fixture(&server.url, &server.url).await.announce(&objects).await;
        let [failure] = outcome.failures.objects.values().collect::<Vec<_>>()[..] else {
            panic!("{fault:?}: one failure, found {outcome:?}")
        };
        assert_eq!(failure.is_transient(), is_transient, "{fault:?}: {failure}");
        assert!(failure.to_string().contains(code), "{fault:?}: {failure}");
    }
}

#[tokio::test]
async fn an_address_that_does_not_resolve_fails_the_invocation() {
    let server = Server::start();
    let objects = put(&server, 0..2);
    let nowhere = "http://no-such-host.invalid:1";
    for (s3, sns, error_type) in
        [(nowhere, server.url.as_str(), "ObjectUnavailable"), (server.url.as_str(), nowhere, "AlertNotPublished")]
    {
        let outcome = fixture(s3, sns).await.announce(&objects).await;
        assert_eq!((outcome.failures.error_type(), outcome.counters.alerts_published), (Some(error_type), 0));
    }
    let retry = fixture(&server.url, &server.url).await.announce(&objects).await;
    assert_eq!((retry.failures.error_type(), alerted(&server)), (None, functions(&objects)));
}

/// Every second request fails at random, and each delivery is retried until it succeeds.
#[tokio::test]
async fn random_faults_lose_no_alert() {
    let server = Server::start();
    let fixture = fixture(&server.url, &server.url).await;
    let objects = put(&server, 0..60);
    let mut random = SmallRng::seed_from_u64(1);
    server.plan(move |service| {
        let faults: &[Fault] = if service == Service::S3 { &S3_FAULTS } else { &SNS_FAULTS };
        random.random_bool(0.5).then(|| *faults.choose(&mut random).expect("a fault"))
    });
    let deliver = async |delivery: &[Object]| {
        let mut failed = 0;
        loop {
            let outcome = fixture.announce(delivery).await;
            assert_alerted_or_failed(&outcome, delivery, &server, "random faults");
            if outcome.failures.error_type().is_none() {
                return failed;
            }
            failed += 1;
        }
    };
    let deliveries: Vec<_> = stream::iter(objects.chunks(3).map(deliver)).buffered(CONCURRENCY).collect().await;
    let (failed, faults) = (deliveries.iter().sum::<usize>(), server.injected().len());
    println!("{faults} faults injected, {failed} invocations failed");
    assert_eq!(alerted(&server), functions(&objects));
    assert!(faults > 100 && failed > 5, "{faults} {failed}");
}
