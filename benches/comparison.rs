//! Compares the pipeline with alternatives in one run.
//!
//! Each time is the best of several rounds. The contenders take turns, so that other load on the machine affects all of
//! them equally.

#![allow(
    missing_docs,
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a benchmark that uses only some of the shared code"
)]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod contenders;
mod inputs;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use inputs::Input;

/// Rounds in which each contender runs once: enough for some rounds to miss a short burst of other load.
const ROUNDS: usize = 21;
/// Rounds of the slow contenders. They are compared with the pipeline in the same rounds.
const SLOW_ROUNDS: usize = 4;
/// Megabytes that a round reads to measure growth, for any size of the objects.
const GROWTH_MEGABYTES: usize = 1_000;
const GROWTH_ROUNDS: usize = 6;

/// Maximum time of the pipeline, as a multiple of libdeflate's and of `serde_json::Value`'s.
const BOUNDS: [(&str, f64, f64); 7] = [
    ("rare, large", 1.4, 0.09),
    ("pathological, large", 5.0, f64::MAX),
    ("usual, large", 1.6, f64::MAX),
    ("usual, large, all services", 1.5, f64::MAX),
    ("changes, large, causes", 1.6, f64::MAX),
    ("changes, large, all services, causes", 1.5, f64::MAX),
    ("rare, small", 1.5, f64::MAX),
];
/// Maximum time per byte of a larger object, as a multiple of the time per byte of the smallest object.
const GROWTH: f64 = 1.1;

fn main() -> ExitCode {
    // `cargo test --benches` runs benchmarks too.
    if std::env::args().any(|it| it == "--test") {
        return ExitCode::SUCCESS;
    }
    let (mut ratios, mut exceeded) = (Vec::new(), Vec::new());
    println!(
        "| input | stored | inflated | libdeflate alone | zlib-rs alone | pipeline | ratio | typed serde_json | serde_json::Value | pipeline to Value |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (name, ..) in inputs::SHARES {
        ratios.push((name, compare(&inputs::generated(name, 1))));
    }
    for (name, limit, value) in BOUNDS {
        let (_, (to_limit, to_value)) = ratios.iter().find(|(it, _)| *it == name).expect("a share of this name");
        exceeded.extend((*to_limit > limit || *to_value > value).then_some(name));
    }
    if let Some(input) = inputs::corpus() {
        compare(&input);
    }
    if grows() > GROWTH {
        exceeded.push("growth");
    }
    if exceeded.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("bounds exceeded: {}", exceeded.join("; "));
    ExitCode::FAILURE
}

/// Prints a row of the table. Returns the pipeline's time as a multiple of libdeflate's and of `serde_json::Value`'s.
fn compare(input: &Input) -> (f64, f64) {
    let Input { name, objects, inflated, .. } = input;
    let (mut buffer, mut step) = (vec![0; input.largest()], vec![0; 256 * 1024]);
    let mut best = [Duration::MAX; 6];
    let mut findings = [0; 3];
    for round in 0..ROUNDS {
        let mut run = |at: usize, contender: &mut dyn FnMut() -> usize| {
            let (time, result) = time(contender);
            best[at] = best[at].min(time);
            result
        };
        assert_eq!(run(0, &mut || contenders::libdeflate(objects, &mut buffer)), *inflated);
        assert_eq!(run(4, &mut || contenders::zlib_rs(objects, &mut step)), *inflated);
        findings[0] = run(1, &mut || contenders::pipeline(input));
        if round < SLOW_ROUNDS {
            findings[1] = run(2, &mut || contenders::typed(input));
            findings[2] = run(3, &mut || contenders::value(input));
            run(5, &mut || contenders::pipeline(input));
        }
    }
    assert!(findings.iter().all(|it| *it == findings[0]), "{name}: {findings:?}");
    let [limit, pipeline, typed, value, zlib_rs, beside_value] = best.map(|it| it.as_secs_f64() * 1e3);
    println!(
        "| {name} | {:.1} MB | {:.1} MB | {limit:.1} ms | {zlib_rs:.1} ms | {pipeline:.1} ms | {:.2} | {typed:.0} ms | {value:.0} ms | {:.3} |",
        input.stored() as f64 / 1e6,
        *inflated as f64 / 1e6,
        pipeline / limit,
        beside_value / value
    );
    (pipeline / limit, beside_value / value)
}

/// Prints the time per megabyte for objects of several sizes. Returns the longest, as a multiple of the smallest
/// object's.
fn grows() -> f64 {
    let sizes = [1, 10, 100, 1_000].map(|megabytes| (megabytes, inputs::megabytes(megabytes)));
    let mut best = [f64::MAX; 4];
    for _ in 0..GROWTH_ROUNDS {
        for (best, (megabytes, input)) in best.iter_mut().zip(&sizes) {
            let times = GROWTH_MEGABYTES / megabytes;
            let (time, _) = time(|| (0..times).map(|_| contenders::pipeline(input)).sum::<usize>());
            *best = best.min(time.as_secs_f64() * 1e12 / (times * input.inflated) as f64);
        }
    }
    println!("\n| inflated | pipeline, per megabyte | ratio to the first |\n|---:|---:|---:|");
    for ((megabytes, _), each) in sizes.iter().zip(best) {
        println!("| {megabytes} MB | {each:.0} us | {:.3} |", each / best[0]);
    }
    best.into_iter().fold(0.0, f64::max) / best[0]
}

fn time<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = run();
    (started.elapsed(), result)
}
