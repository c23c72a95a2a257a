//! Simulations of the pipeline. A seed determines what happens: which mappings stop and are enabled, who is denied what,
//! when CloudTrail delivers which records, when sweeps run, and which faults occur at which step. After each simulation, the
//! guarantees of `docs/SEMANTICS.md` are checked.
//!
//! `make simulate SEEDS=100000` runs many simulations, and `make simulate SEED=42` one of them, with a trace.

mod alerts;
mod checks;
mod plan;
mod world;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use plan::Plan;
use tokio::runtime::Builder;
use world::Summary;

/// Number of simulations in a run of all tests.
const SEEDS: u64 = 500;
/// Maximum number of failures that are reported.
const MAX_FAILURES: usize = 10;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

fn run(seed: u64, is_traced: bool) -> Summary {
    let plan = Plan::of(seed);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(world::simulate(&plan, seed, is_traced))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned())).unwrap_or_default()
}

#[test]
fn guarantees_hold_in_any_simulation() {
    if let Some(seed) = number("SIMULATION_SEED") {
        run(seed, true);
        return;
    }
    let first = number("SIMULATION_FIRST").unwrap_or(0);
    let last = first + number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let (next, failures) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    let totals = Mutex::new([0; 5]);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= last || failures.lock().expect("no panic").len() >= MAX_FAILURES {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| run(seed, false))) {
                Ok(it) => {
                    let counts = [it.invocations, it.crashes, it.alerts.len(), usize::from(it.is_strict), it.causes];
                    totals.lock().expect("no panic").iter_mut().zip(counts).for_each(|(total, it)| *total += it);
                }
                Err(panic) => failures.lock().expect("no panic").push((seed, message(&*panic))),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    let [invocations, crashes, alerts, strict, causes] = totals.into_inner().expect("no panic");
    println!("{} seeds: {invocations} invocations, {crashes} crashes or timeouts, {alerts} alerts", last - first);
    println!("{strict} seeds without a failure of the ledger, and {causes} stops with a cause and without faults");
    let failures = failures.into_inner().expect("no panic");
    let lines: Vec<_> = failures.iter().map(|(seed, why)| format!("make simulate SEED={seed}: {why}")).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    // A few seeds may have no faults at all, or nothing else.
    let is_too_little = [crashes, alerts, invocations - crashes, strict, causes].contains(&0);
    assert!(last - first < SEEDS || !is_too_little, "some checks were never made");
}

#[test]
fn a_seed_determines_what_happens() {
    for seed in 0..20 {
        assert_eq!(run(seed, false), run(seed, false), "seed {seed}");
    }
}
