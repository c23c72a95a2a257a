//! The components of the pipeline, and its input.

use crate::delivery::Accepted;
use crate::detect::Detector;
use crate::enrich::OwnerTagKeys;
use crate::publish::Topics;
use crate::rules::Rules;
use crate::sweep::SweepPlaces;
use crate::trail::Limits;
use crate::triage::WindowLength;

/// The pipeline, with the services that it uses.
#[derive(Debug)]
pub struct Pipeline<S, T, L, C, A> {
    /// What a payload may contain.
    pub accepted: Accepted,
    /// Examines records for findings.
    pub detector: Detector,
    /// Alert on mappings that users change. Without it, only changes that end a stop are alerted.
    pub esm_changes: bool,
    /// Limits for reading one object.
    pub limits: Limits,
    /// Maximum number of objects that are read concurrently.
    pub object_concurrency: usize,
    /// Length of the windows in which denials are counted.
    pub windows: WindowLength,
    /// The store that log objects are read from.
    pub source: S,
    /// The topics that alerts are published to.
    pub topics: Topics<T>,
    /// The state that all invocations share: deduplication and heartbeats.
    pub ledger: L,
    /// Record a heartbeat for each digest, so that silence can be detected.
    pub heartbeats: bool,
    /// The Lambda API, for lookups and sweeps.
    pub api: A,
    /// Keys of the tags that name an owner, to look up context before alerting on a stopped mapping; `None` to look up
    /// no context.
    pub context: Option<OwnerTagKeys>,
    /// The accounts and Regions to sweep.
    pub sweep: SweepPlaces,
    /// The clock.
    pub clock: C,
}

/// The input of one invocation.
#[derive(Debug)]
pub struct Invocation<'a, F> {
    /// An ID that no other running invocation has.
    pub id: &'a str,
    /// The payload.
    pub payload: &'a str,
    /// The user's rules that are in effect.
    pub rules: &'a Rules,
    /// The user has rules, but no valid ones could be read, so `rules` is empty.
    pub without_rules: bool,
    /// Resolves when reading must end. Alerts about earlier findings are still published. Objects that were not read to
    /// their end fail.
    pub time_up: F,
}
