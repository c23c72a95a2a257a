//! Storms of denials and stopped mappings, with faults: log objects are delivered twice, in any order, concurrently,
//! and sometimes cut short; invocations crash at any step; and the ledger has conflicts, loses acknowledgements and
//! hangs.

mod world;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::fakes::LedgerFaults;
use world::{Delivery, World};

const LATENCY: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn sequential_invocations_alert_each_threshold_once() {
    let world = World::new(1, 60, 5_000, 40);
    let storm = world.run(world.deliveries(2), 1).await;
    let alerts = world.check(&storm);
    assert_eq!(storm.troubled, HashMap::new());
    let thresholds: u64 = world.incidents.values().map(|(_, events)| u64::from(events.ilog10()) + 1).sum();
    assert!(alerts as u64 <= thresholds, "{alerts} alerts, {thresholds} thresholds");
}

#[tokio::test(start_paused = true)]
async fn overlapping_invocations_alert_each_threshold_once() {
    let world = World::new(3, 60, 5_000, 40);
    world.fixture.pipeline.ledger.faults.set(LedgerFaults { latency: LATENCY, ..LedgerFaults::default() });
    let storm = world.run(world.deliveries(4), 17).await;
    assert_eq!((&storm.troubled, world.expired_leases()), (&HashMap::new(), 0));
    world.check(&storm);
}

#[tokio::test(start_paused = true)]
async fn a_storm_with_crashes_is_alerted_at_powers_of_ten() {
    let world = World::new(11, 300, 100_000, 60);
    let faults = LedgerFaults { conflicts: 0.1, latency: LATENCY, ..LedgerFaults::default() };
    world.fixture.pipeline.ledger.faults.set(faults);
    let storm = world.run(world.deliveries_with_faults(12), 5).await;
    let alerts = world.check(&storm);
    println!("{storm}: {alerts} alerts of {} incidents", world.incidents.len());
    assert!(storm.crashes > 50 && storm.failures > 20, "{storm}");
}

#[tokio::test(start_paused = true)]
async fn with_any_ledger_fault_alerts_are_bounded_and_mappings_are_not_delayed() {
    let calm = LedgerFaults { latency: LATENCY, ..LedgerFaults::default() };
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
        for seed in 0..3 {
            let world = World::new(100 + seed, 30, 1_000, 30);
            world.fixture.pipeline.ledger.faults.set(faults);
            let storm = world.run(world.deliveries_with_faults(seed), 8).await;
            let alerts = world.check(&storm);
            let delay = world.longest_delay_of_a_mapping();
            println!("{name}: {storm}: {alerts} alerts, mappings within {delay:?}");
            assert!(delay < Duration::from_secs(10), "{name}: {delay:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_step_loses_no_alert() {
    for step in 0.. {
        let world = World::new(21, 2, 1_000, 4);
        let delivery = Delivery { names: world.names.clone(), crashes_at: Some(step), is_cut: false };
        let storm = world.run(VecDeque::from([delivery]), 1).await;
        world.check(&storm);
        if storm.crashes == 0 {
            assert!(step > 60, "only {step} steps");
            return;
        }
    }
}
