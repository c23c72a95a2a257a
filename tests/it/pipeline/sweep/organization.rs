//! A sweep of an organization, with faults.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use trailwarden::delivery::AccountRegion;
use trailwarden::sweep::{Mapping, SweepAccounts, SweepRegions};

use super::{pass, place, running, stopped, sweep};
use crate::fakes::LedgerFaults;
use crate::fixture::Fixture;

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];
const ACCOUNTS: usize = 50;
const MAPPINGS: usize = 5_000;

/// The mappings, distributed over accounts and Regions.
fn mappings(is_stopped: impl Fn(usize) -> bool) -> BTreeMap<AccountRegion, Vec<Mapping>> {
    let mut mappings: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for n in 0..MAPPINGS {
        let place = place(&format!("{:012}", n % ACCOUNTS), REGIONS[n / ACCOUNTS % REGIONS.len()]);
        mappings.entry(place).or_default().push(if is_stopped(n) { stopped(n) } else { running(n) });
    }
    mappings
}

/// Consecutive calls to a place are at least the interval apart.
fn assert_paced(fixture: &Fixture) {
    let mut last = HashMap::new();
    for (at, place) in fixture.pipeline.api.list.calls.borrow().iter() {
        if let Some(before) = last.insert(place.clone(), *at) {
            assert!(*at - before >= Duration::from_millis(250), "{place:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_stopped_mapping_of_an_organization_is_alerted_once() {
    let fixture = Fixture::new().configure(|it| {
        it.sweep.accounts = SweepAccounts::Listed((0..ACCOUNTS).map(|n| format!("{n:012}")).collect());
        it.sweep.regions = SweepRegions::Listed(REGIONS.map(str::to_owned).to_vec());
    });
    let api = &fixture.pipeline.api.list;
    api.page.set(10);
    api.latency.set(Duration::from_millis(80));
    *api.mappings.borrow_mut() = mappings(|_| false);
    let run = sweep(&fixture).await;
    assert_eq!((run.counters.places_swept, run.counters.mappings_swept), (150, MAPPINGS as u64));

    let mut random = SmallRng::seed_from_u64(1);
    let is_stopped: Vec<bool> = (0..MAPPINGS).map(|_| random.random_bool(0.1)).collect();
    *api.mappings.borrow_mut() = mappings(|n| is_stopped[n]);
    pass(16).await;
    for n in 0..6 {
        // Each sweep has different faults: throttled and denied lists, a ledger that conflicts or loses
        // acknowledgements, and a topic that is down.
        api.failures.set(if n == 5 { 0.0 } else { 0.05 });
        let faults = LedgerFaults { conflicts: 0.1, lost: 0.1, failures: 0.01, ..LedgerFaults::default() };
        fixture.pipeline.ledger.faults.set(if n == 5 { LedgerFaults::default() } else { faults });
        *api.denied.borrow_mut() = if n < 2 { vec![place("000000000007", REGIONS[0])] } else { Vec::new() };
        fixture.topic().down.set(n == 1);
        let run = sweep(&fixture).await;
        assert_eq!(
            run.counters.places_swept + run.counters.sweep_failures,
            if run.failures.error_type() == Some("SweepFailed") { 0 } else { 150 }
        );
        pass(15).await;
    }
    let mut alerted: BTreeMap<String, usize> = BTreeMap::new();
    for message in fixture.topic().confirmed() {
        let function = message.attributes.iter().find(|it| it.name == "function_name").expect("a function");
        *alerted.entry(function.values[0].clone()).or_default() += 1;
    }
    let expected: BTreeMap<_, _> =
        is_stopped.iter().enumerate().filter(|(_, it)| **it).map(|(n, _)| (format!("f{n}"), 1)).collect();
    let missed: Vec<_> = expected.keys().filter(|it| !alerted.contains_key(*it)).collect();
    assert_eq!(missed, [] as [&String; 0]);
    assert_eq!(alerted, expected);
    assert_paced(&fixture);
}
