//! A ledger that behaves like the DynamoDB table, including its faults.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use trailwarden::clock::Clock as _;
use trailwarden::delivery::AccountRegion;
use trailwarden::detect::{Change, MappingNames, ResourceKey};
use trailwarden::heartbeat::{Heartbeat, Heartbeats};
use trailwarden::service::{Fault, ServiceError};
use trailwarden::triage::{
    CAUSE_WINDOW, Causes, Claim, Claimed, Contribution, DedupKey, KnownMapping, Ledger, LedgerEntry, LedgerKey,
    MAPPING_RETENTION, MAX_CONTRIBUTIONS, MAX_KEPT_CAUSES, MappingKey, MappingState, MappingStates, StoppedMapping,
    SweepState, TopicRole, Transition,
};

use super::clock::TestClock;
use super::dice::Dice;

/// How long an entry must be kept after its window, and the state of a mapping after its last transition. These are not the
/// constants of the library, so that a shorter time fails.
const ENTRY_IS_KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);
const MAPPING_IS_KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Faults of a [`MemoryLedger`]: shares of all calls, and delays.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct LedgerFaults {
    /// Another transaction is using the entry: nothing is written.
    pub(crate) conflicts: f64,
    /// The call takes effect, but its acknowledgement is lost. The SDK repeats it, at most twice.
    pub(crate) lost: f64,
    /// The call fails, and nothing is written.
    pub(crate) failures: f64,
    /// No response arrives, whether or not the call takes effect.
    pub(crate) hangs: f64,
    /// The longest delay before a call takes effect, and again before its acknowledgement.
    pub(crate) latency: Duration,
    /// The additional time that a claim takes.
    pub(crate) claim: Duration,
    /// The additional time that recording takes.
    pub(crate) record: Duration,
    /// The additional time that a call takes if it adds a change or a stop of a resource.
    pub(crate) causes: Duration,
}

/// The deduplication state, in memory.
pub(crate) struct MemoryLedger {
    entries: RefCell<HashMap<LedgerKey, Entry>>,
    expired_entries: RefCell<Vec<(LedgerKey, Entry)>>,
    mappings: RefCell<BTreeMap<MappingKey, Tracked>>,
    expired_mappings: RefCell<Vec<(MappingKey, Tracked)>>,
    swept: RefCell<BTreeSet<AccountRegion>>,
    resources: RefCell<HashMap<ResourceKey, Resource>>,
    heartbeats: RefCell<BTreeMap<AccountRegion, Timestamp>>,
    pub(crate) faults: Cell<LedgerFaults>,
    dice: Dice,
    /// Contributions that fail before any succeeds.
    pub(crate) failing_contributions: Cell<usize>,
    /// Calls that hang before any returns.
    pub(crate) hanging_calls: Cell<usize>,
    /// When the first contribution was made.
    pub(crate) first_contribution: Cell<Option<Instant>>,
    /// Number of calls that added a change or a stop.
    pub(crate) cause_calls: Cell<usize>,
}

/// A mapping.
#[derive(Default)]
struct Tracked {
    state: MappingState,
    names: MappingNames,
    updated: Timestamp,
    expires: Timestamp,
}

impl Tracked {
    fn was_kept(&self) -> bool {
        self.expires >= self.updated + MAPPING_IS_KEPT
    }
}

/// The JSON of changes and stops, by time.
#[derive(Default)]
struct Resource {
    expires: Timestamp,
    changes: BTreeSet<(Timestamp, String)>,
    stops: BTreeSet<(Timestamp, String)>,
}

struct Entry {
    created: Timestamp,
    expires: Timestamp,
    contributions: HashMap<String, u64>,
    alerted: BTreeSet<(TopicRole, u64)>,
    lease: Option<Lease>,
    /// Leases that were granted after the lease of another holder expired: that holder, and when.
    expired_leases: Vec<(String, Instant)>,
}

struct Lease {
    threshold: u64,
    holder: String,
    until: Timestamp,
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::seeded(0)
    }
}

impl MemoryLedger {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            entries: RefCell::default(),
            expired_entries: RefCell::default(),
            mappings: RefCell::default(),
            expired_mappings: RefCell::default(),
            swept: RefCell::default(),
            resources: RefCell::default(),
            heartbeats: RefCell::default(),
            faults: Cell::default(),
            dice: Dice::seeded(seed),
            failing_contributions: Cell::default(),
            hanging_calls: Cell::default(),
            first_contribution: Cell::default(),
            cause_calls: Cell::default(),
        }
    }

    /// The holders of leases that expired before another lease was granted, and when it was, in all windows of a dedup key.
    pub(crate) fn expired_leases_in_all_windows(&self, dedup_key: DedupKey) -> Vec<(String, Instant)> {
        let (entries, expired) = (self.entries.borrow(), self.expired_entries.borrow());
        let entries = entries.iter().chain(expired.iter().map(|(key, entry)| (key, entry)));
        entries.filter(|(key, _)| key.dedup_key == dedup_key).flat_map(|(_, it)| it.expired_leases.clone()).collect()
    }

    /// How many entries with this dedup key were deleted after they had been kept for two weeks.
    pub(crate) fn expired_entries(&self, dedup_key: DedupKey) -> u64 {
        let expired = self.expired_entries.borrow();
        expired.iter().filter(|(key, it)| key.dedup_key == dedup_key && it.was_kept(key)).count() as u64
    }

    /// Returns true if the state of a mapping with this UUID was deleted after it had been kept for 90 days.
    pub(crate) fn has_mapping_expired(&self, uuid: &str) -> bool {
        self.expired_mappings.borrow().iter().any(|(key, it)| key.uuid == uuid && it.was_kept())
    }

    /// Returns true if anything was deleted after it had been kept for two weeks.
    pub(crate) fn has_expired(&self) -> bool {
        self.expired_entries.borrow().iter().any(|(key, it)| it.was_kept(key))
    }

    /// The entry of a key.
    pub(crate) fn entry(&self, key: &LedgerKey) -> LedgerEntry {
        self.entries.borrow().get(key).map(Entry::shown).unwrap_or_default()
    }

    /// How many leases for a key were granted after the lease of another holder expired.
    pub(crate) fn expired_leases(&self, key: &LedgerKey) -> u64 {
        self.entries.borrow().get(key).map_or(0, |entry| entry.expired_leases.len() as u64)
    }

    /// Deletes everything that has expired.
    pub(crate) fn expire(&self) {
        let now = TestClock.now();
        self.expired_entries.borrow_mut().extend(self.entries.borrow_mut().extract_if(|_, it| it.expires <= now));
        self.expired_mappings.borrow_mut().extend(self.mappings.borrow_mut().extract_if(.., |_, it| it.expires <= now));
        self.resources.borrow_mut().retain(|_, it| it.expires > now);
    }

    fn fail(&self) -> Result<(), ServiceError> {
        if self.dice.roll(self.faults.get().failures) {
            Err(ServiceError::new("ledger", Fault::Unavailable, "down"))
        } else {
            Ok(())
        }
    }

    /// Applies a call, with the faults.
    async fn call<V>(&self, key: &LedgerKey, apply: impl Fn(&mut Entry) -> V) -> Result<V, ServiceError> {
        let conflicts = self.faults.get().conflicts;
        self.with_faults(conflicts, || apply(self.entries.borrow_mut().entry(*key).or_insert_with(|| Entry::of(key))))
            .await
    }

    async fn with_faults<V>(&self, conflicts: f64, apply: impl Fn() -> V) -> Result<V, ServiceError> {
        let faults = self.faults.get();
        self.dice.wait(faults.latency).await;
        let hangs_first = self.hanging_calls.replace(self.hanging_calls.get().saturating_sub(1)) > 0;
        let (hangs, takes_effect) = (self.dice.roll(faults.hangs) || hangs_first, self.dice.roll(0.5));
        if hangs && !takes_effect {
            std::future::pending::<()>().await;
        }
        self.fail()?;
        if self.dice.roll(conflicts) {
            let error = ServiceError::new("ledger", Fault::Unavailable, "TransactionConflict");
            return Err(ServiceError { retryable: true, ..error });
        }
        for _ in 0..3 {
            let value = apply();
            if hangs {
                std::future::pending::<()>().await;
            }
            self.dice.wait(faults.latency).await;
            if !self.dice.roll(faults.lost) {
                return Ok(value);
            }
        }
        Err(ServiceError::new("ledger", Fault::Unavailable, "no acknowledgement"))
    }
}

impl Entry {
    fn of(key: &LedgerKey) -> Self {
        let created = TestClock.now();
        Self {
            created,
            expires: key.expires(created),
            contributions: HashMap::new(),
            alerted: BTreeSet::new(),
            lease: None,
            expired_leases: Vec::new(),
        }
    }

    fn was_kept(&self, key: &LedgerKey) -> bool {
        let since = key.window.map_or(self.created, |window| window.end().max(self.created));
        self.expires >= since + ENTRY_IS_KEPT
    }

    fn shown(&self) -> LedgerEntry {
        LedgerEntry {
            count: self.contributions.values().sum(),
            alerted: self.alerted.clone(),
            claimed: self.lease.is_some(),
        }
    }
}

impl MappingStates for MemoryLedger {
    async fn record_transition(
        &self,
        mapping: &MappingKey,
        names: &MappingNames,
        transition: Transition,
    ) -> Result<MappingState, ServiceError> {
        // No transaction uses these items, so nothing conflicts.
        self.with_faults(0.0, || {
            let mut states = self.mappings.borrow_mut();
            let tracked = states.entry(mapping.clone()).or_default();
            let (before, after) = (tracked.state, tracked.state.after(transition));
            if (after.stopped, after.failing) != (before.stopped, before.failing) {
                tracked.names = names.clone();
            }
            tracked.state = after;
            tracked.updated = TestClock.now();
            tracked.expires = tracked.updated + MAPPING_RETENTION;
            after
        })
        .await
    }

    async fn sweep_state(&self) -> Result<SweepState, ServiceError> {
        self.fail()?;
        let mappings = self.mappings.borrow();
        let known = mappings.iter().filter(|(_, it)| it.state.open().is_some() || it.state.failing.is_some());
        let known = known.map(|(key, it)| KnownMapping { key: key.clone(), names: it.names.clone(), state: it.state });
        let digests = self.heartbeats.borrow().keys().cloned().collect();
        Ok(SweepState { mappings: known.collect(), swept: self.swept.borrow().clone(), digests })
    }

    async fn record_swept(&self, place: &AccountRegion) -> Result<(), ServiceError> {
        self.fail()?;
        self.swept.borrow_mut().insert(place.clone());
        Ok(())
    }
}

impl Causes for MemoryLedger {
    async fn add_change(&self, resource: &ResourceKey, change: &Change) -> Result<Vec<StoppedMapping>, ServiceError> {
        self.cause_calls.set(self.cause_calls.get() + 1);
        tokio::time::sleep(self.faults.get().causes).await;
        self.with_faults(0.0, || {
            let mut resources = self.resources.borrow_mut();
            let item = resources.entry(resource.clone()).or_default();
            item.expires = TestClock.now() + CAUSE_WINDOW;
            add_element(&mut item.changes, change.at, change);
            read_elements(&item.stops)
        })
        .await
    }

    async fn add_stop(&self, resource: &ResourceKey, stop: &StoppedMapping) -> Result<Vec<Change>, ServiceError> {
        self.cause_calls.set(self.cause_calls.get() + 1);
        tokio::time::sleep(self.faults.get().causes).await;
        self.with_faults(0.0, || {
            let mut resources = self.resources.borrow_mut();
            let item = resources.entry(resource.clone()).or_default();
            item.expires = TestClock.now() + CAUSE_WINDOW;
            add_element(&mut item.stops, stop.at, stop);
            read_elements(&item.changes)
        })
        .await
    }
}

fn add_element(set: &mut BTreeSet<(Timestamp, String)>, at: Timestamp, element: &impl Serialize) {
    set.insert((at, serde_json::to_string(element).expect("JSON")));
    if set.len() > MAX_KEPT_CAUSES {
        set.pop_first();
    }
}

fn read_elements<T: DeserializeOwned>(set: &BTreeSet<(Timestamp, String)>) -> Vec<T> {
    set.iter().rev().map(|(_, json)| serde_json::from_str(json).expect("an element")).collect()
}

impl Heartbeats for MemoryLedger {
    async fn record_heartbeats(&self, of: &[AccountRegion], now: Timestamp) -> Result<(), ServiceError> {
        self.fail()?;
        if self.dice.roll(self.faults.get().hangs) {
            std::future::pending::<()>().await;
        }
        self.heartbeats.borrow_mut().extend(of.iter().map(|it| (it.clone(), now)));
        Ok(())
    }

    async fn heartbeats(&self) -> Result<Vec<Heartbeat>, ServiceError> {
        self.fail()?;
        let heartbeats = self.heartbeats.borrow();
        Ok(heartbeats.iter().map(|(of, at)| Heartbeat { of: of.clone(), at: *at }).collect())
    }
}

impl Ledger for MemoryLedger {
    async fn contribute(
        &self,
        key: &LedgerKey,
        contributions: &[Contribution<'_>],
    ) -> Result<LedgerEntry, ServiceError> {
        assert!(contributions.len() <= MAX_CONTRIBUTIONS, "{} contributions", contributions.len());
        self.first_contribution.set(self.first_contribution.get().or(Some(Instant::now())));
        if let Some(left) = self.failing_contributions.get().checked_sub(1) {
            self.failing_contributions.set(left);
            return Err(ServiceError::new("ledger", Fault::Unavailable, "InternalServerError"));
        }
        self.call(key, |entry| {
            for Contribution { from, events } in contributions {
                let recorded = entry.contributions.entry((*from).to_owned()).or_default();
                *recorded = (*recorded).max(*events);
            }
            entry.shown()
        })
        .await
    }

    async fn claim(&self, key: &LedgerKey, claim: &Claim<'_>) -> Result<Claimed, ServiceError> {
        tokio::time::sleep(self.faults.get().claim).await;
        self.call(key, |entry| match &entry.lease {
            Some(lease)
                if lease.until > claim.now && lease.threshold >= claim.threshold && lease.holder != claim.holder =>
            {
                Claimed::Held(entry.shown())
            }
            lease => {
                let is_other = |it: &Lease| it.holder != claim.holder && it.threshold >= claim.threshold;
                let expired = lease.as_ref().filter(|it| is_other(it)).map(|it| (it.holder.clone(), Instant::now()));
                entry.expired_leases.extend(expired);
                let (threshold, holder, until) = (claim.threshold, claim.holder.to_owned(), claim.until);
                entry.lease = Some(Lease { threshold, holder, until });
                Claimed::Granted(entry.shown())
            }
        })
        .await
    }

    async fn record_alerted(&self, key: &LedgerKey, threshold: u64, topics: &[TopicRole]) -> Result<(), ServiceError> {
        tokio::time::sleep(self.faults.get().record).await;
        self.call(key, |entry| entry.alerted.extend(topics.iter().map(|topic| (*topic, threshold)))).await
    }
}
