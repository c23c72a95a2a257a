//! The fuzz targets. Each is a function of bytes that panics if a property does not hold for this input.
//!
//! libFuzzer runs them from the crate in `fuzz/`, which compiles this module (`make fuzz`). `cargo test`
//! runs them on their seeds, on all inputs in `fuzz/regressions/` and on random mutations: see [`short_form`].

mod alert;
mod gzip;
mod input;
mod lifecycle;
mod mapping_state;
mod messages;
mod pattern;
mod payload;
mod record;
mod rules;
pub(crate) mod seeds;
mod settings;
#[cfg(test)]
mod short_form;
mod splitter;

use input::Input;

/// A fuzz target.
pub(crate) struct Target {
    /// The name, which is also that of its file in `fuzz/fuzz_targets/`.
    pub(crate) name: &'static str,
    /// The part of the code that it tests.
    pub(crate) group: &'static str,
    /// Panics if a property does not hold for the input. Returns false if the input is rejected before most properties apply.
    pub(crate) run: fn(&[u8]) -> bool,
    /// Inputs to start from.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Number of mutations that `cargo test` runs, in proportion to the speed of the target.
    pub(crate) mutations: u32,
}

impl Target {
    const fn new(name: &'static str, group: &'static str, run: fn(&[u8]) -> bool, seeds: fn() -> Vec<Vec<u8>>) -> Self {
        Self { name, group, run, seeds, mutations: 1_000 }
    }

    const fn slow(self) -> Self {
        Self { mutations: 50, ..self }
    }
}

/// All targets, by group.
pub(crate) const TARGETS: [Target; 12] = [
    Target::new("gzip", "reading", gzip::run, seeds::gzip),
    Target::new("splitter", "reading", splitter::run, seeds::splitter),
    Target::new("record", "parsing", record::run, seeds::record),
    Target::new("denial", "parsing", messages::denial, seeds::denial),
    Target::new("reason", "parsing", messages::reason, seeds::reason),
    Target::new("payload", "parsing", payload::run, seeds::payload),
    Target::new("pattern", "parsing", pattern::run, seeds::pattern),
    Target::new("rules", "parsing", rules::run, seeds::rules),
    Target::new("settings", "parsing", settings::run, seeds::settings),
    Target::new("alert", "alerts", alert::run, seeds::alert).slow(),
    Target::new("mapping_state", "alerts", mapping_state::run, seeds::mapping_state),
    Target::new("lifecycle", "alerts", lifecycle::run, seeds::lifecycle).slow(),
];
