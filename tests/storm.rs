//! A storm of denials and disabled mappings, and all that happens to invocations in it: objects are delivered again, in
//! any order, cut short, several at once, and invocations crash at any step.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use support::generator::{ACCOUNT, denied, disabled_mapping, gzip_stored, key, log_file};
use support::memory::{MemoryBucket, MemoryTopic};
use trailwarden::delivery::Accepted;
use trailwarden::detect::Detector;
use trailwarden::outcome::Outcome;
use trailwarden::pipeline::Pipeline;
use trailwarden::ports::{Ledger, ServiceError, Sightings};
use trailwarden::publish::Topics;
use trailwarden::trail::{Entry, Limits, LogObject, RecordReader};
use trailwarden::triage::{Audience, CaseId, Incident, MemoryLedger, Triage, WindowLength, step};

const BUCKET: &str = "trail";
const OBJECTS: usize = 300;
const DENIALS: usize = 100_000;
const DISABLED: usize = 60;

/// A ledger that others reach between any two of its steps, and that knows who was in the way of whom.
#[derive(Default)]
struct Table {
    ledger: MemoryLedger,
    /// Invocations that have seen a case, and have not yet noted that they told of it.
    busy: RefCell<HashMap<CaseId, Vec<usize>>>,
    /// Times that an invocation saw a case while another one was busy with it.
    overlaps: RefCell<HashMap<CaseId, u64>>,
    /// Crashes of invocations that were busy with a case.
    crashes: RefCell<HashMap<CaseId, u64>>,
    /// The invocation that runs.
    running: RefCell<usize>,
}

impl Table {
    fn enter(&self, case: CaseId) {
        let running = *self.running.borrow();
        let mut busy = self.busy.borrow_mut();
        let busy = busy.entry(case).or_default();
        if !busy.contains(&running) {
            *self.overlaps.borrow_mut().entry(case).or_default() += u64::from(!busy.is_empty());
            busy.push(running);
        }
    }

    /// The invocation is over: what it was busy with is left as it is.
    fn leave(&self, invocation: usize, crashed: bool) {
        for (case, busy) in &mut *self.busy.borrow_mut() {
            if busy.contains(&invocation) {
                busy.retain(|it| *it != invocation);
                *self.crashes.borrow_mut().entry(*case).or_default() += u64::from(crashed);
            }
        }
    }
}

impl Ledger for Table {
    async fn contribute(&self, incident: &Incident, object: &str, events: u64) -> Result<Sightings, ServiceError> {
        self.enter(incident.case);
        tokio::task::yield_now().await;
        let sightings = self.ledger.contribute(incident, object, events).await;
        tokio::task::yield_now().await;
        sightings
    }

    async fn look_up(&self, incident: &Incident) -> Result<Sightings, ServiceError> {
        self.enter(incident.case);
        tokio::task::yield_now().await;
        let sightings = self.ledger.look_up(incident).await;
        tokio::task::yield_now().await;
        sightings
    }

    async fn raise_alerted(&self, incident: &Incident, to: u64) -> Result<(), ServiceError> {
        tokio::task::yield_now().await;
        let result = self.ledger.raise_alerted(incident, to).await;
        let running = *self.running.borrow();
        self.busy.borrow_mut().entry(incident.case).or_default().retain(|it| *it != running);
        tokio::task::yield_now().await;
        result
    }
}

struct World {
    pipeline: Pipeline<MemoryBucket, MemoryTopic, Table>,
    names: Vec<String>,
    /// Events of each case, and whether it is a group.
    cases: BTreeMap<String, (Incident, u64)>,
}

/// Denials of a few callers, of whom one makes half of all, on two days; and disabled mappings, some of them in two
/// objects.
fn world(seed: u64, objects: usize, denials: usize, disabled: usize) -> World {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut files = vec![Vec::new(); objects];
    for n in 0..denials {
        let caller = if random.random_bool(0.5) { 0 } else { random.random_range(1..40) };
        let mut record = denied(n as u64, "GetFunction", "orders");
        record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] =
            json!(format!("arn:aws:iam::{ACCOUNT}:role/r{caller}"));
        record["eventTime"] = json!(format!("2026-01-0{}T03:00:00Z", random.random_range(1..3)));
        files[random.random_range(0..objects)].push(record);
    }
    for n in 0..disabled {
        let record = disabled_mapping(n as u64, &format!("f{n}"), "AUTHORIZATION_ERROR");
        if n % 5 == 0 {
            files[random.random_range(0..objects)].push(record.clone());
        }
        files[random.random_range(0..objects)].push(record);
    }
    let mut bucket = MemoryBucket::default();
    bucket.chunk = Some(64 * 1024);
    let mut cases = BTreeMap::new();
    let names: Vec<_> = (0..objects).map(|n| n.to_string()).collect();
    for (name, records) in names.iter().zip(&mut files) {
        records.shuffle(&mut random);
        let stored = gzip_stored(log_file(records.iter()));
        for incident in alone(name, &stored) {
            let (_, events) = cases.entry(incident.case.to_string()).or_insert((incident.clone(), 0));
            *events += incident.count;
        }
        bucket.put(key(name), stored);
    }
    let pipeline = Pipeline {
        accepted: Accepted { trail_buckets: vec![BUCKET.to_owned()], ..Accepted::default() },
        detector: Detector::default(),
        suppress: Vec::new(),
        limits: Limits::default(),
        object_concurrency: 3,
        windows: WindowLength::default(),
        source: bucket,
        topics: Topics { alert: MemoryTopic::default(), chat: None, event: None },
        ledger: Table::default(),
    };
    World { pipeline, names, cases }
}

/// What an object holds, found by nobody but one reader.
fn alone(name: &str, stored: &[u8]) -> Vec<Incident> {
    let mut triage = Triage::new(Audience::All, WindowLength::default());
    let object = Arc::from(LogObject::new(BUCKET, key(name)).to_string());
    let mut reader = RecordReader::new(Limits::default());
    let entry = |entry: Entry<'_>| {
        let Entry::Record { bytes, .. } = entry else { panic!("a record") };
        let examined = Detector::default().examine(bytes, &object).expect("a record");
        examined.findings.into_iter().for_each(|finding| triage.add(finding));
    };
    reader.push(stored, entry).expect("a log file");
    triage.take_incidents()
}

fn payload(names: &[String]) -> String {
    let record = |name: &String| {
        json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
               "s3": {"bucket": {"name": BUCKET}, "object": {"key": key(name)}}})
    };
    json!({"Records": names.iter().map(record).collect::<Vec<_>>()}).to_string()
}

/// A delivery of some objects, which is tried until it succeeds.
struct Delivery {
    names: Vec<String>,
    /// It crashes when it has been polled so often.
    crash_at: Option<usize>,
    /// Its first object is cut short.
    cut: bool,
}

struct Invocation<'a> {
    id: usize,
    delivery: Delivery,
    polls: usize,
    future: Pin<Box<dyn Future<Output = Outcome> + 'a>>,
}

/// What came of a storm.
#[derive(Debug, Default)]
struct Storm {
    invocations: usize,
    crashes: usize,
    cuts: usize,
}

impl World {
    /// Runs all deliveries, `at_once` at the same time, each a step at a time, in an order that nobody knows.
    fn run(&self, seed: u64, mut deliveries: VecDeque<Delivery>, at_once: usize) -> Storm {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut storm = Storm::default();
        let mut running: Vec<Invocation<'_>> = Vec::new();
        while !deliveries.is_empty() || !running.is_empty() {
            while running.len() < at_once
                && let Some(delivery) = deliveries.pop_front()
            {
                running.push(self.invoke(storm.invocations, delivery));
                storm.invocations += 1;
            }
            let at = random.random_range(0..running.len());
            let Some(ended) = self.step(&mut running[at]) else { continue };
            let Invocation { id, delivery, .. } = running.swap_remove(at);
            self.pipeline.ledger.leave(id, matches!(ended, End::Crashed));
            if delivery.cut {
                self.pipeline.source.cut.borrow_mut().remove(&key(&delivery.names[0]));
            }
            match ended {
                End::Done => {}
                End::Failed => storm.cuts += 1,
                End::Crashed => storm.crashes += 1,
            }
            if !matches!(ended, End::Done) {
                deliveries.push_back(Delivery { names: delivery.names, crash_at: None, cut: false });
            }
        }
        storm
    }

    fn invoke(&self, id: usize, delivery: Delivery) -> Invocation<'_> {
        if delivery.cut {
            self.pipeline.source.cut.borrow_mut().insert(key(&delivery.names[0]), 50_000);
        }
        let payload = payload(&delivery.names);
        let future = async move { self.pipeline.run(&payload, Timestamp::UNIX_EPOCH, std::future::pending()).await };
        Invocation { id, delivery, polls: 0, future: Box::pin(future) }
    }

    fn step(&self, invocation: &mut Invocation<'_>) -> Option<End> {
        if invocation.delivery.crash_at == Some(invocation.polls) {
            return Some(End::Crashed);
        }
        invocation.polls += 1;
        *self.pipeline.ledger.running.borrow_mut() = invocation.id;
        match invocation.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => None,
            Poll::Ready(outcome) if outcome.error_type().is_none() => Some(End::Done),
            Poll::Ready(_) => Some(End::Failed),
        }
    }

    /// Every case is told of, and not more often than it must be; every count is right. Returns the number of alerts.
    fn check(&self) -> usize {
        let mut alerts: HashMap<String, u64> = HashMap::new();
        for message in self.pipeline.topics.alert.confirmed() {
            let (case, _) = message.deduplication_id.split_once('-').expect("a case and a step");
            *alerts.entry(case.to_owned()).or_default() += 1;
        }
        assert_eq!(alerts.len(), self.cases.len(), "every case, and no other");
        let Table { ledger, overlaps, crashes, .. } = &self.pipeline.ledger;
        for (case, (incident, events)) in &self.cases {
            let told = alerts[case];
            let of = |counts: &RefCell<HashMap<CaseId, u64>>| {
                counts.borrow().get(&incident.case).copied().unwrap_or_default()
            };
            let Poll::Ready(sightings) =
                std::pin::pin!(ledger.look_up(incident)).poll(&mut Context::from_waker(Waker::noop()))
            else {
                panic!("memory is at hand")
            };
            let Sightings { count, alerted } = sightings.expect("sightings");
            let due = if incident.is_group() {
                assert_eq!((count, alerted), (*events, step(*events)), "{case}");
                u64::from(events.ilog10()) + 1
            } else {
                assert_eq!(alerted, 1, "{case}");
                1
            };
            let most = due + of(crashes) + of(overlaps);
            assert!((1..=most).contains(&told), "{case}: {told} alerts, at most {most}");
        }
        alerts.values().sum::<u64>() as usize
    }
}

enum End {
    Done,
    Failed,
    Crashed,
}

/// Every object twice, in any order, one to four at a time.
fn deliveries(world: &World, random: &mut SmallRng) -> VecDeque<Delivery> {
    let mut names: Vec<_> = world.names.iter().chain(&world.names).cloned().collect();
    names.shuffle(random);
    let mut deliveries = VecDeque::new();
    while !names.is_empty() {
        let some = names.split_off(names.len() - random.random_range(1..5).min(names.len()));
        deliveries.push_back(Delivery { names: some, crash_at: None, cut: false });
    }
    deliveries
}

#[test]
fn without_crash_and_overlap_each_step_is_told_once() {
    let world = world(1, 60, 10_000, 40);
    let deliveries = deliveries(&world, &mut SmallRng::seed_from_u64(2));
    world.run(3, deliveries, 1);
    let alerts = world.check();
    let events: u64 = world.cases.values().filter(|(incident, _)| !incident.is_group()).map(|_| 1).sum();
    assert_eq!(events, 40);
    assert!(alerts < 40 + 4 * (world.cases.len() - 40), "{alerts}");
}

#[test]
fn a_storm_is_told_in_powers_of_ten() {
    let world = world(11, OBJECTS, DENIALS, DISABLED);
    let mut random = SmallRng::seed_from_u64(12);
    let mut deliveries = deliveries(&world, &mut random);
    for delivery in &mut deliveries {
        delivery.crash_at = random.random_bool(0.4).then(|| random.random_range(0..150));
        delivery.cut = random.random_bool(0.2);
    }
    let storm = world.run(13, deliveries, 5);
    let alerts = world.check();
    println!("{storm:?}: {alerts} alerts of {} cases, {DENIALS} denials", world.cases.len());
    assert!(storm.crashes > 50 && storm.cuts > 20, "{storm:?}");
    assert!(!world.pipeline.ledger.overlaps.borrow().is_empty());
}

#[test]
fn a_crash_at_any_step_loses_nothing() {
    for crash_at in 0.. {
        let world = world(21, 2, 30, 4);
        let delivery = Delivery { names: world.names.clone(), crash_at: Some(crash_at), cut: false };
        let storm = world.run(22, VecDeque::from([delivery]), 1);
        world.check();
        if storm.crashes == 0 {
            assert!(crash_at > 30, "only {crash_at} steps");
            return;
        }
    }
}
