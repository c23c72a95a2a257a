//! The deduplication state that all invocations share.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::audience::TopicRole;
use super::fingerprint::DedupKey;
use super::window::Window;
use crate::clock::after;
use crate::service::ServiceError;

/// Maximum number of contributions in a call of [`Ledger::contribute`]. A DynamoDB transaction has at most 100 actions,
/// and one of them updates the entry itself.
pub const MAX_CONTRIBUTIONS: usize = 99;

/// How long the ledger keeps an entry after the end of its window, or after it is created if that is later.
pub const RETENTION: Duration = Duration::from_hours(14 * 24);

/// The deduplication state that all invocations share.
///
/// The count and the alerted thresholds of an entry determine whether an alert is due.
///
/// Each call is one attempt. It is idempotent, so it can be repeated if the acknowledgement was lost. Its result is at
/// least as recent as the start of the call. It may be slow or hang, so callers limit its time.
///
/// A [`retryable`](ServiceError::retryable) error means that another writer was using the entry, and that nothing was
/// written.
pub trait Ledger {
    /// Records how many distinct events each contributor has for the key. Only the largest number of each contributor
    /// counts, so a log object can be read repeatedly and in parts. Accepts at most [`MAX_CONTRIBUTIONS`].
    ///
    /// # Errors
    /// If the ledger is unavailable, or another writer was using the entry.
    fn contribute(
        &self,
        key: &LedgerKey,
        contributions: &[Contribution<'_>],
    ) -> impl Future<Output = Result<LedgerEntry, ServiceError>>;

    /// Requests the lease to publish the alert for a threshold of the key. It is granted unless another holder has an
    /// unexpired lease for this threshold or a higher one.
    ///
    /// # Errors
    /// If the ledger is unavailable, or another writer was using the entry.
    fn claim(&self, key: &LedgerKey, claim: &Claim<'_>) -> impl Future<Output = Result<Claimed, ServiceError>>;

    /// Records that these topics confirmed the alert for a threshold. Never removes recorded topics or thresholds.
    ///
    /// # Errors
    /// If the ledger is unavailable, or another writer was using the entry.
    fn record_alerted(
        &self,
        key: &LedgerKey,
        threshold: u64,
        topics: &[TopicRole],
    ) -> impl Future<Output = Result<(), ServiceError>>;
}

/// The key of an entry in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LedgerKey {
    /// The deduplication key.
    pub dedup_key: DedupKey,
    /// The window in which events are counted.
    pub window: Option<Window>,
}

impl LedgerKey {
    /// When an entry that is created now expires.
    #[must_use]
    pub fn expires(&self, now: Timestamp) -> Timestamp {
        after(self.window.map_or(now, |window| window.end().max(now)), RETENTION)
    }
}

/// The number of distinct events that a contributor has for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contribution<'a> {
    /// The contributor: a log object, or an incident of a caller.
    pub from: &'a str,
    /// Number of events.
    pub events: u64,
}

/// A request for the lease to publish an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The threshold of the alert.
    pub threshold: u64,
    /// The requester. If a holder repeats its request, the lease is granted again.
    pub holder: &'a str,
    /// The time of the request.
    pub now: Timestamp,
    /// When the lease expires.
    pub until: Timestamp,
}

/// The result of a [`Claim`], with the entry at that time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The requester has the lease.
    Granted(LedgerEntry),
    /// Another holder has the lease.
    Held(LedgerEntry),
}

/// What the ledger holds for a key.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Events of all contributors.
    pub count: u64,
    /// Topics and the thresholds they confirmed.
    pub alerted: BTreeSet<(TopicRole, u64)>,
    /// An invocation has requested the lease to publish an alert.
    pub claimed: bool,
}

impl LedgerEntry {
    /// The highest threshold that a topic confirmed; 0 if there is none.
    #[must_use]
    pub fn alerted_on(&self, topic: TopicRole) -> u64 {
        self.alerted.iter().filter(|(it, _)| *it == topic).map(|(_, threshold)| *threshold).max().unwrap_or_default()
    }
}
