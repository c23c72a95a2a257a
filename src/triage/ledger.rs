//! The deduplication state that all invocations share.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{DedupKey, Window};
use crate::ports::ServiceError;

/// The most contributions in one call of [`Ledger::contribute`]: a DynamoDB transaction has at most 100 actions, of
/// which one updates the entry itself.
pub const MAX_CONTRIBUTIONS: usize = 99;

/// The deduplication state that all invocations share.
///
/// Whether an alert is due follows from an entry: from its count and from the thresholds that have been alerted. Each
/// call is one attempt. It is idempotent, so that a caller may repeat it if the acknowledgement was lost. Its result is
/// at least as recent as the start of the call. It may be slow or hang, so callers limit its time.
///
/// An error that is [`retryable`](ServiceError::retryable) means that another writer was using the entry, and that nothing
/// was written.
pub trait Ledger {
    /// Records how many distinct events each contributor has for the key. Only the largest number of a contributor
    /// counts, so that a log object may be read repeatedly and in parts. Takes at most [`MAX_CONTRIBUTIONS`].
    ///
    /// # Errors
    /// If the ledger is unavailable, or another writer was using the entry.
    fn contribute(
        &self,
        key: &LedgerKey,
        contributions: &[Contribution<'_>],
    ) -> impl Future<Output = Result<LedgerEntry, ServiceError>>;

    /// Requests the lease on publishing a threshold of the key. It is granted unless another holder has an unexpired
    /// lease for this threshold or a higher one.
    ///
    /// # Errors
    /// If the ledger is unavailable, or another writer was using the entry.
    fn claim(&self, key: &LedgerKey, claim: &Claim<'_>) -> impl Future<Output = Result<Claimed, ServiceError>>;

    /// Records that the alert for a threshold was confirmed by these topics. Never removes what is recorded.
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
    /// The window in which events are counted. An entry is kept for some time after its end.
    pub window: Option<Window>,
}

/// Distinct events that a contributor has for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contribution<'a> {
    /// The contributor: a log object, or a case of a caller.
    pub from: &'a str,
    /// How many events it has.
    pub events: u64,
}

/// A request for the lease on publishing an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The threshold that the alert is about.
    pub threshold: u64,
    /// Who requests it. A holder that repeats a request is granted its own lease.
    pub holder: &'a str,
    /// The time of the request.
    pub now: Timestamp,
    /// When the lease expires.
    pub until: Timestamp,
}

/// The result of a [`Claim`], with the entry at that time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The lease is the caller's.
    Granted(LedgerEntry),
    /// Another holder has it.
    Held(LedgerEntry),
}

/// What the ledger holds for a key.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Events of all contributors.
    pub count: u64,
    /// Topics and the thresholds they confirmed.
    pub alerted: BTreeSet<(TopicRole, u64)>,
    /// An invocation has asked for a lease on an alert.
    pub claimed: bool,
}

impl LedgerEntry {
    /// The highest threshold that a topic confirmed; 0 if there is none.
    #[must_use]
    pub fn alerted_on(&self, topic: TopicRole) -> u64 {
        self.alerted.iter().filter(|(it, _)| *it == topic).map(|(_, threshold)| *threshold).max().unwrap_or_default()
    }
}

/// What a topic is for. Each has one format, and its own record of what it confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicRole {
    /// Text for people.
    Alert,
    /// Notifications for chat.
    Chat,
    /// JSON for machines.
    Event,
}

impl TopicRole {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Alert, Self::Chat, Self::Event];

    /// The name in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Chat => "chat",
            Self::Event => "event",
        }
    }
}
