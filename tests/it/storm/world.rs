//! A bucket of log objects, deliveries of these objects, and bounds on the alerts that they may cause.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::SignedDuration;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use trailwarden::detect::{Detector, WatchRules};
use trailwarden::pipeline::Outcome;
use trailwarden::triage::{Incident, Scope, TopicRole, alert_threshold};

use crate::fakes::{Invocation, MemoryLedger};
use crate::fixture::findings::{findings, incidents};
use crate::fixture::payload::notification;
use crate::fixture::records::{denied_to, disabled_mapping, gzip_stored, key, log_file};
use crate::fixture::{BUCKET, Fixture};

/// The role that tries 40 different actions.
const PROBER: &str = "prober";

pub(super) struct World {
    pub(super) fixture: Fixture,
    /// Names of the objects.
    pub(super) names: Vec<String>,
    /// The incidents and their numbers of events, by dedup key.
    pub(super) incidents: BTreeMap<String, (Incident, u64)>,
    /// The dedup keys of the incidents of each object.
    keys_by_object: HashMap<String, BTreeSet<String>>,
}

/// Objects to deliver. A delivery is retried until it succeeds.
pub(super) struct Delivery {
    pub(super) names: Vec<String>,
    /// The invocation crashes after this many steps.
    pub(super) crashes_at: Option<usize>,
    /// The transfer of the first object is interrupted.
    pub(super) is_cut: bool,
}

/// What happened in a storm.
#[derive(Debug, Default)]
pub(super) struct Storm {
    pub(super) invocations: usize,
    pub(super) crashes: usize,
    pub(super) failures: usize,
    ledger_errors: u64,
    /// Invocations that crashed or could not use the ledger, by the dedup keys of their incidents.
    pub(super) troubled: HashMap<String, u64>,
}

/// The records of each object: denials on two days, about half of them of one caller and a tenth of the prober; and
/// disabled mappings, every fifth of them twice.
fn records(random: &mut SmallRng, objects: usize, denials: usize, mappings: usize) -> Vec<Vec<Value>> {
    let mut files = vec![Vec::new(); objects];
    for n in 0..denials as u64 {
        let caller = if random.random_bool(0.5) { 0 } else { random.random_range(1..40) };
        let mut record = if random.random_bool(0.1) {
            denied_to(PROBER, n, &format!("Probe{}", random.random_range(0..40)), "orders")
        } else {
            denied_to(&format!("r{caller}"), n, "GetFunction", "orders")
        };
        record["eventTime"] = json!(format!("2026-01-0{}T03:00:00Z", random.random_range(1..3)));
        files[random.random_range(0..objects)].push(record);
    }
    for n in 0..mappings {
        let record = disabled_mapping(n as u64, &format!("f{n}"), "AUTHORIZATION_ERROR");
        if n % 5 == 0 {
            files[random.random_range(0..objects)].push(record.clone());
        }
        files[random.random_range(0..objects)].push(record);
    }
    for records in &mut files {
        records.shuffle(random);
    }
    files
}

impl World {
    pub(super) fn new(seed: u64, objects: usize, denials: usize, mappings: usize) -> Self {
        let names: Vec<_> = (0..objects).map(|n| n.to_string()).collect();
        let mut fixture = Fixture::new().chunks_of(64 * 1024).configure(|it| {
            it.object_concurrency = 3;
            it.topics.alert.latency = Duration::from_millis(30);
            it.topics.alert.read_at = Some(Rc::clone(&it.source.read_at));
            it.ledger = MemoryLedger::seeded(seed);
        });
        let (mut all, mut keys_by_object) = (BTreeMap::new(), HashMap::<_, BTreeSet<_>>::new());
        let files = records(&mut SmallRng::seed_from_u64(seed), objects, denials, mappings);
        for (name, records) in names.iter().zip(files) {
            let object = format!("s3://{BUCKET}/{}", key(name));
            let find = |record| findings(&Detector::default(), &WatchRules::default(), &object, record);
            for incident in incidents(records.iter().flat_map(find)) {
                let dedup_key = incident.dedup_key.to_string();
                let (_, events) = all.entry(dedup_key.clone()).or_insert((incident.clone(), 0));
                *events += incident.count;
                keys_by_object.entry(name.clone()).or_default().insert(dedup_key);
            }
            fixture = fixture.stored(name, gzip_stored(log_file(&records)));
        }
        Self { fixture, names, incidents: all, keys_by_object }
    }

    /// Deliveries of every object twice, in random order, one to four objects at a time.
    pub(super) fn deliveries(&self, seed: u64) -> VecDeque<Delivery> {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut names: Vec<_> = self.names.iter().chain(&self.names).cloned().collect();
        names.shuffle(&mut random);
        let mut deliveries = VecDeque::new();
        while !names.is_empty() {
            let some = names.split_off(names.len() - random.random_range(1..5).min(names.len()));
            deliveries.push_back(Delivery { names: some, crashes_at: None, is_cut: false });
        }
        deliveries
    }

    /// Deliveries as above, but some invocations crash, and some transfers are interrupted.
    pub(super) fn deliveries_with_faults(&self, seed: u64) -> VecDeque<Delivery> {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut deliveries = self.deliveries(seed);
        for delivery in &mut deliveries {
            delivery.crashes_at = random.random_bool(0.4).then(|| random.random_range(0..150));
            delivery.is_cut = random.random_bool(0.2);
        }
        deliveries
    }

    /// Runs all deliveries, up to `concurrency` of them concurrently.
    pub(super) async fn run(&self, mut deliveries: VecDeque<Delivery>, concurrency: usize) -> Storm {
        let mut storm = Storm::default();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < concurrency
                && let Some(delivery) = deliveries.pop_front()
            {
                storm.invocations += 1;
                running.push(self.invoke(storm.invocations, delivery));
            }
            let Some((delivery, outcome)) = running.next().await else { return storm };
            if delivery.is_cut {
                self.fixture.pipeline.source.interrupted.borrow_mut().remove(&key(&delivery.names[0]));
            }
            let ledger_errors = outcome.as_ref().map_or(0, |it| it.counters.ledger_errors);
            let failed = outcome.as_ref().is_none_or(|it| it.failures.error_type().is_some());
            storm.ledger_errors += ledger_errors;
            storm.crashes += usize::from(outcome.is_none());
            storm.failures += usize::from(outcome.is_some() && failed);
            if outcome.is_none() || ledger_errors > 0 {
                for key in delivery.names.iter().filter_map(|name| self.keys_by_object.get(name)).flatten() {
                    *storm.troubled.entry(key.clone()).or_default() += 1;
                }
            }
            if failed {
                deliveries.push_back(Delivery { names: delivery.names, crashes_at: None, is_cut: false });
            }
        }
    }

    /// Runs an invocation. If it crashes, there is no outcome.
    async fn invoke(&self, id: usize, delivery: Delivery) -> (Delivery, Option<Outcome>) {
        if delivery.is_cut {
            self.fixture.pipeline.source.interrupted.borrow_mut().insert(key(&delivery.names[0]), 15_000);
        }
        let payload = notification(&delivery.names);
        let id_text = id.to_string();
        let run = self.fixture.run(&id_text, &payload, std::future::pending());
        let outcome = Invocation { id, skew: SignedDuration::ZERO }.run(delivery.crashes_at, run).await;
        (delivery, outcome)
    }

    /// Checks that each incident is alerted, by itself or in a summary about its caller, and not more often than
    /// documented: once for each threshold, and once more for each invocation that crashed or could not use the ledger,
    /// and for each lease that expired. Returns the number of alerts.
    pub(super) fn check(&self, storm: &Storm) -> usize {
        let (mut alerts, mut summaries) = (HashMap::<String, u64>::new(), HashMap::<String, u64>::new());
        for message in self.fixture.topic().confirmed() {
            let (key, _) = message.deduplication_id.split_once('-').expect("a dedup key and a threshold");
            let is_summary = message.subject.contains("different calls");
            *if is_summary { &mut summaries } else { &mut alerts }.entry(key.to_owned()).or_default() += 1;
        }
        assert!(alerts.keys().all(|key| self.incidents.contains_key(key)), "no alert without an incident");
        self.check_summaries(storm, &alerts, &summaries);
        for (key, (incident, events)) in &self.incidents {
            let alerts = alerts.get(key).copied().unwrap_or_default();
            self.check_incident(storm, incident, *events, alerts);
        }
        (alerts.values().sum::<u64>() + summaries.values().sum::<u64>()) as usize
    }

    fn check_summaries(&self, storm: &Storm, alerts: &HashMap<String, u64>, summaries: &HashMap<String, u64>) {
        let of_prober = || self.incidents.iter().filter(|(_, (incident, _))| is_of_prober(incident));
        let unalerted: Vec<_> = self.incidents.iter().filter(|(key, _)| !alerts.contains_key(*key)).collect();
        assert!(unalerted.iter().all(|(_, (incident, _))| is_of_prober(incident)), "no alert: {unalerted:?}");
        let days: BTreeSet<_> = unalerted.iter().map(|(_, (incident, _))| incident.window).collect();
        assert!(summaries.len() >= days.len(), "no summary: {unalerted:?}");
        let troubled: u64 = of_prober().filter_map(|(key, _)| storm.troubled.get(key)).sum();
        assert!(summaries.len() <= 2 && summaries.values().all(|count| *count <= 1 + troubled), "{summaries:?}");
    }

    fn check_incident(&self, storm: &Storm, incident: &Incident, events: u64, alerts: u64) {
        let is_event = incident.scope == Scope::Event;
        let key = incident.dedup_key.to_string();
        let thresholds = if is_event { 1 } else { u64::from(events.ilog10()) + 1 };
        let expired_leases = self.fixture.pipeline.ledger.expired_leases(&incident.ledger_key());
        let most = thresholds + storm.troubled.get(&key).copied().unwrap_or_default() + expired_leases;
        assert!(alerts <= most, "{key}: {alerts} alerts, at most {most}");
        let entry = self.fixture.pipeline.ledger.entry(&incident.ledger_key());
        assert!(entry.count <= events, "{key}: {} of {events}", entry.count);
        if storm.ledger_errors == 0 {
            let (count, threshold) = if is_event { (0, 1) } else { (events, alert_threshold(events)) };
            let alerted = entry.alerted_on(TopicRole::Alert);
            let is_summarized = is_of_prober(incident) && alerted == 0;
            assert!(entry.count == count && (alerted == threshold || is_summarized), "{key}: {entry:?}");
        }
    }

    /// How many leases were granted after the lease of another invocation expired.
    pub(super) fn expired_leases(&self) -> u64 {
        let keys = self.incidents.values().map(|(incident, _)| incident.ledger_key());
        keys.map(|key| self.fixture.pipeline.ledger.expired_leases(&key)).sum()
    }

    /// The longest time from reading a mapping event to its alert, within an invocation.
    pub(super) fn longest_delay_of_a_mapping(&self) -> Duration {
        let delays = self.fixture.topic().delays.borrow();
        let mappings = delays.iter().filter(|(subject, _)| subject.starts_with("Stopped"));
        mappings.map(|(_, delay)| *delay).max().expect("a mapping")
    }
}

fn is_of_prober(incident: &Incident) -> bool {
    incident.finding.event.principal.key.ends_with(PROBER)
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} invocations, {} crashes, {} failures", self.invocations, self.crashes, self.failures)
    }
}
