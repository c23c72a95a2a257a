//! A storm of denials and stopped mappings with faults: objects are delivered again, in any order, cut short, several
//! at once; invocations crash at any step; and the ledger has conflicts, loses acknowledgements and hangs.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use support::generator::{ACCOUNT, denied, disabled_mapping, gzip_stored, key, log_file};
use support::memory::{LedgerFaults, MemoryBucket, MemoryLedger, RUNNING};
use support::{BUCKET, Memory, invoke, payload};
use trailwarden::detect::Detector;
use trailwarden::outcome::Outcome;
use trailwarden::rules::Rules;
use trailwarden::trail::{Entry, Limits, LogObject, RecordReader};
use trailwarden::triage::{Audience, Incident, Scope, TopicRole, Triage, WindowLength, alert_threshold};

struct World {
    pipeline: Memory,
    names: Vec<String>,
    /// Events of each case, by its key.
    cases: BTreeMap<String, (Incident, u64)>,
    /// The cases of each object.
    cases_of: HashMap<String, BTreeSet<String>>,
}

/// Denials of a few callers, of whom one makes half of all and one tries 40 actions, on two days; and stopped mappings, some
/// of them in two objects.
fn world(seed: u64, objects: usize, denials: usize, disabled: usize) -> World {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut files = vec![Vec::new(); objects];
    for n in 0..denials {
        let caller = if random.random_bool(0.5) { 0 } else { random.random_range(1..40) };
        let is_probe = random.random_bool(0.1);
        let action = if is_probe { format!("Probe{}", random.random_range(0..40)) } else { "GetFunction".to_owned() };
        let caller = if is_probe { 99 } else { caller };
        let mut record = denied(n as u64, &action, "orders");
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
    let (mut cases, mut cases_of) = (BTreeMap::new(), HashMap::<_, BTreeSet<_>>::new());
    let names: Vec<_> = (0..objects).map(|n| n.to_string()).collect();
    for (name, records) in names.iter().zip(&mut files) {
        records.shuffle(&mut random);
        let stored = gzip_stored(log_file(records.iter()));
        for incident in alone(name, &stored) {
            let case = incident.dedup_key.to_string();
            let (_, events) = cases.entry(case.clone()).or_insert((incident.clone(), 0));
            *events += incident.count;
            cases_of.entry(name.clone()).or_default().insert(case);
        }
        bucket.put(key(name), stored);
    }
    let mut pipeline = support::pipeline(bucket);
    pipeline.object_concurrency = 3;
    pipeline.topics.alert.latency = Duration::from_millis(30);
    pipeline.topics.alert.read_at = Some(Rc::clone(&pipeline.source.read_at));
    pipeline.ledger = MemoryLedger::seeded(seed);
    World { pipeline, names, cases, cases_of }
}

/// The incidents of one object, read on its own.
fn alone(name: &str, stored: &[u8]) -> Vec<Incident> {
    let mut triage = Triage::new(Audience::All, WindowLength::default());
    let object = Arc::from(LogObject::new(BUCKET, key(name)).to_string());
    let mut reader = RecordReader::new(Limits::default());
    let entry = |entry: Entry<'_>| {
        let Entry::Record { bytes, .. } = entry else { panic!("a record") };
        let examined = Detector::default().examine(bytes, &object, &Rules::default()).expect("a record");
        examined.findings.into_iter().for_each(|finding| triage.add(finding));
    };
    reader.push(stored, entry).expect("a log file");
    triage.take_incidents()
}

/// A delivery of some objects, which is retried until it succeeds.
struct Delivery {
    names: Vec<String>,
    /// It crashes after this many steps.
    crash_at: Option<usize>,
    /// Its first object is cut short.
    cut: bool,
}

/// An invocation that may crash.
struct Invocation<'a> {
    id: usize,
    delivery: Option<Delivery>,
    steps: usize,
    future: Pin<Box<dyn Future<Output = Outcome> + 'a>>,
}

impl Future for Invocation<'_> {
    /// The delivery, and the outcome unless the invocation crashed.
    type Output = (Delivery, Option<Outcome>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let crashes = self.delivery.as_ref().is_some_and(|it| it.crash_at == Some(self.steps));
        self.steps += 1;
        RUNNING.set(self.id);
        let outcome = match self.future.as_mut().poll(context) {
            _ if crashes => None,
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => return Poll::Pending,
        };
        Poll::Ready((self.delivery.take().expect("polled once after its end"), outcome))
    }
}

/// What happened in a storm.
#[derive(Debug, Default)]
struct Storm {
    invocations: usize,
    crashes: usize,
    cuts: usize,
    ledger_errors: u64,
    /// Invocations that crashed or could not use the ledger, by the cases that they contained.
    troubled: HashMap<String, u64>,
}

impl World {
    /// Runs all deliveries, `at_once` of them concurrently.
    async fn run(&self, mut deliveries: VecDeque<Delivery>, at_once: usize) -> Storm {
        let mut storm = Storm::default();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < at_once
                && let Some(delivery) = deliveries.pop_front()
            {
                storm.invocations += 1;
                running.push(self.invoke(storm.invocations, delivery));
            }
            let Some((delivery, outcome)) = running.next().await else { return storm };
            if delivery.cut {
                self.pipeline.source.cut.borrow_mut().remove(&key(&delivery.names[0]));
            }
            let ledger_errors = outcome.as_ref().map_or(0, |it| it.counters.ledger_errors);
            let failed = outcome.as_ref().is_none_or(|it| it.error_type().is_some());
            storm.ledger_errors += ledger_errors;
            storm.crashes += usize::from(outcome.is_none());
            storm.cuts += usize::from(outcome.is_some() && failed);
            if outcome.is_none() || ledger_errors > 0 {
                for case in delivery.names.iter().filter_map(|name| self.cases_of.get(name)).flatten() {
                    *storm.troubled.entry(case.clone()).or_default() += 1;
                }
            }
            if failed {
                deliveries.push_back(Delivery { names: delivery.names, crash_at: None, cut: false });
            }
        }
    }

    fn invoke(&self, id: usize, delivery: Delivery) -> Invocation<'_> {
        if delivery.cut {
            self.pipeline.source.cut.borrow_mut().insert(key(&delivery.names[0]), 15_000);
        }
        let payload = payload(&delivery.names);
        let future = async move { invoke(&self.pipeline, &id.to_string(), &payload, &Rules::default()).await };
        Invocation { id, delivery: Some(delivery), steps: 0, future: Box::pin(future) }
    }

    /// Each case is alerted by itself or in a summary about its caller, and not more often than documented: once for each
    /// threshold, and once more for each invocation that crashed or could not use the ledger, and for each lease that expired.
    /// Returns the number of alerts.
    fn check(&self, storm: &Storm) -> usize {
        let mut alerts: HashMap<String, u64> = HashMap::new();
        let mut summaries: HashMap<String, u64> = HashMap::new();
        for message in self.pipeline.topics.alert.confirmed() {
            let (case, _) = message.deduplication_id.split_once('-').expect("a case and a threshold");
            let is_summary = message.subject.contains("different calls");
            *if is_summary { &mut summaries } else { &mut alerts }.entry(case.to_owned()).or_default() += 1;
        }
        let is_probe = |case: &String| self.cases[case].0.finding.event.principal.key.ends_with("/r99");
        let unalerted: Vec<_> = self.cases.iter().filter(|(case, _)| !alerts.contains_key(*case)).collect();
        assert!(unalerted.iter().all(|(case, _)| is_probe(case)), "every case has its alert: {unalerted:?}");
        let days: BTreeSet<_> = unalerted.iter().map(|(_, (incident, _))| incident.window).collect();
        assert!(summaries.len() >= days.len(), "or a summary of its day: {summaries:?}");
        let probes = self.cases.keys().filter(|case| is_probe(case)).map(|case| storm.troubled.get(case).unwrap_or(&0));
        let troubled: u64 = probes.sum();
        assert!(summaries.len() <= 2 && summaries.values().all(|count| *count <= 1 + troubled), "{summaries:?}");
        assert!(alerts.keys().all(|case| self.cases.contains_key(case)), "and no other");
        for (case, (incident, events)) in &self.cases {
            let is_event = incident.scope == Scope::Event;
            let thresholds = if is_event { 1 } else { u64::from(events.ilog10()) + 1 };
            let expired_leases = self.pipeline.ledger.expired_leases(&incident.ledger_key());
            let most = thresholds + storm.troubled.get(case).copied().unwrap_or_default() + expired_leases;
            let found = alerts.get(case).copied().unwrap_or_default();
            assert!(found <= most, "{case}: {found} alerts, at most {most}");
            let entry = self.pipeline.ledger.entry(&incident.ledger_key());
            if storm.ledger_errors == 0 {
                let (count, threshold) = if is_event { (0, 1) } else { (*events, alert_threshold(*events)) };
                let alerted = entry.alerted_on(TopicRole::Alert);
                let is_summarized = is_probe(case) && alerted == 0;
                assert!(entry.count == count && (alerted == threshold || is_summarized), "{case}: {entry:?}");
            }
            assert!(entry.count <= *events, "{case}: {} of {events}", entry.count);
        }
        (alerts.values().sum::<u64>() + summaries.values().sum::<u64>()) as usize
    }

    /// The longest time from reading the event of a mapping to its published alert, in one invocation.
    fn longest_delay_of_a_mapping(&self) -> Duration {
        let delays = self.pipeline.topics.alert.delays.borrow();
        let mappings = delays.iter().filter(|(subject, _)| subject.starts_with("Stopped"));
        mappings.map(|(_, delay)| *delay).max().expect("a mapping")
    }
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

/// Deliveries of which some crash, and some hold an object that is cut short.
fn rough_deliveries(world: &World, seed: u64) -> VecDeque<Delivery> {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut deliveries = deliveries(world, &mut random);
    for delivery in &mut deliveries {
        delivery.crash_at = random.random_bool(0.4).then(|| random.random_range(0..150));
        delivery.cut = random.random_bool(0.2);
    }
    deliveries
}

#[tokio::test(start_paused = true)]
async fn without_crash_and_overlap_each_threshold_is_alerted_once() {
    let world = world(1, 60, 5_000, 40);
    let storm = world.run(deliveries(&world, &mut SmallRng::seed_from_u64(2)), 1).await;
    let alerts = world.check(&storm);
    let thresholds: u64 = world.cases.values().map(|(_, events)| u64::from(events.ilog10()) + 1).sum();
    assert!(alerts as u64 <= thresholds, "{alerts} alerts, {thresholds} thresholds");
}

#[tokio::test(start_paused = true)]
async fn overlapping_invocations_alert_each_threshold_once() {
    let world = world(3, 60, 5_000, 40);
    world.pipeline.ledger.faults.set(LedgerFaults { latency: Duration::from_millis(20), ..LedgerFaults::default() });
    let storm = world.run(deliveries(&world, &mut SmallRng::seed_from_u64(4)), 17).await;
    assert_eq!(storm.troubled, HashMap::new());
    let keys = world.cases.values().map(|(incident, _)| incident.ledger_key());
    assert_eq!(keys.map(|key| world.pipeline.ledger.expired_leases(&key)).sum::<u64>(), 0);
    world.check(&storm);
}

#[tokio::test(start_paused = true)]
async fn a_storm_is_alerted_in_powers_of_ten() {
    let world = world(11, 300, 100_000, 60);
    world.pipeline.ledger.faults.set(LedgerFaults {
        conflicts: 0.1,
        latency: Duration::from_millis(20),
        ..LedgerFaults::default()
    });
    let storm = world.run(rough_deliveries(&world, 12), 5).await;
    let alerts = world.check(&storm);
    let Storm { invocations, crashes, cuts, .. } = &storm;
    println!(
        "{invocations} invocations, {crashes} crashes, {cuts} cut: {alerts} alerts of {} cases",
        world.cases.len()
    );
    assert!(*crashes > 50 && *cuts > 20, "{crashes} {cuts}");
}

#[tokio::test(start_paused = true)]
async fn whatever_the_ledger_does_alerts_are_bounded_and_mappings_do_not_wait() {
    let calm = LedgerFaults { latency: Duration::from_millis(20), ..LedgerFaults::default() };
    let mut total = (0, 0);
    for (name, faults) in [
        ("conflicts in 10 % of calls", LedgerFaults { conflicts: 0.1, ..calm }),
        ("conflicts in 50 % of calls", LedgerFaults { conflicts: 0.5, ..calm }),
        ("lost acknowledgements in 30 % of calls", LedgerFaults { lost: 0.3, ..calm }),
        ("hangs in 2 % of calls", LedgerFaults { hangs: 0.02, ..calm }),
        ("hangs in all calls", LedgerFaults { hangs: 1.0, ..calm }),
        ("calls of up to 1.9 s", LedgerFaults { latency: Duration::from_millis(950), ..calm }),
        ("failures in 20 % of calls", LedgerFaults { failures: 0.2, ..calm }),
        ("everything", LedgerFaults { conflicts: 0.3, lost: 0.1, failures: 0.05, hangs: 0.01, ..calm }),
    ] {
        let (mut invocations, mut alerts, mut cases, mut delay) = (0, 0, 0, Duration::ZERO);
        for seed in 0..3 {
            let world = world(100 + seed, 30, 1_000, 30);
            world.pipeline.ledger.faults.set(faults);
            let storm = world.run(rough_deliveries(&world, seed), 8).await;
            alerts += world.check(&storm);
            cases += world.cases.len();
            invocations += storm.invocations;
            delay = delay.max(world.longest_delay_of_a_mapping());
        }
        println!("{name}: {invocations} invocations, {alerts} alerts of {cases} cases, mappings within {delay:?}");
        assert!(delay < Duration::from_secs(10), "{name}: {delay:?}");
        total = (total.0 + invocations, total.1 + alerts);
    }
    println!("{} invocations, {} alerts", total.0, total.1);
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_step_loses_nothing() {
    for crash_at in 0.. {
        let world = world(21, 2, 1_000, 4);
        let delivery = Delivery { names: world.names.clone(), crash_at: Some(crash_at), cut: false };
        let storm = world.run(VecDeque::from([delivery]), 1).await;
        world.check(&storm);
        if storm.crashes == 0 {
            assert!(crash_at > 60, "only {crash_at} steps");
            return;
        }
    }
}
