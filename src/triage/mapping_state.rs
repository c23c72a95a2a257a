//! The state that invocations share about event source mappings that are stopped or failing.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::fingerprint::DedupKey;
use crate::clock::after;
use crate::delivery::AccountRegion;
use crate::detect::MappingNames;
use crate::service::ServiceError;

/// If the Lambda API and an event give times for a stop that differ by at most this, they mean the same stop.
pub(super) const SAME_STOP: Duration = Duration::from_mins(1);
/// How long the state of a mapping is kept after its last transition. Each weekly reminder is a transition. If mappings
/// are swept, a stop is therefore kept as long as it lasts.
pub const MAPPING_RETENTION: Duration = Duration::from_hours(90 * 24);

/// Identifies a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MappingKey {
    /// ID of the account.
    pub account: String,
    /// Name of the Region.
    pub region: String,
    /// UUID of the mapping, in lower case.
    pub uuid: String,
}

/// A change of a mapping's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// CloudTrail logged that AWS disabled the mapping. Replaces an earlier stop, and the same stop if a sweep found it and has
    /// not reported it. If a sweep has reported since then that the mapping is stopped, and the earlier stop had not ended
    /// before this one, the alert of the sweep is about this stop.
    Stopped(Stop),
    /// The mapping was enabled or deleted at this time. Replaces an earlier end.
    Ended(Timestamp),
    /// A sweep found the mapping stopped. Has no effect if a stop is known that has not ended, or if an end after this
    /// stop is known.
    FoundStopped(Stop),
    /// A sweep found the mapping stopped, and published the alert about the stop or a reminder.
    Reported {
        /// The alert about the stop. Has no effect on another stop.
        alert: DedupKey,
        /// 0 for the alert, otherwise the number of the reminder.
        number: u64,
        /// When the sweep found the mapping stopped.
        at: Timestamp,
    },
    /// A sweep found the mapping failing. Has no effect if the mapping is already known to fail.
    Failing(Timestamp),
    /// The alert about the mapping, which has been failing since this time, was published.
    FailingNotified(Timestamp),
    /// A sweep found that the mapping no longer fails.
    NotFailing,
    /// A sweep did not find the mapping. Has no effect if an earlier sweep did not find it either.
    Missing(Timestamp),
    /// A sweep found the mapping again, after an earlier sweep had not found it.
    Present,
    /// Nothing has changed: the state is only read.
    Unchanged,
}

/// AWS disabled a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// When.
    pub at: Timestamp,
    /// The alert about it.
    pub alert: DedupKey,
}

/// The latest transitions of a mapping.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct MappingState {
    /// The latest stop.
    pub stopped: Option<Stop>,
    /// When the mapping was last enabled or deleted.
    pub ended: Option<Timestamp>,
    /// True if a sweep found the latest stop, false if CloudTrail logged it.
    pub is_found: bool,
    /// The last alert of a sweep about the latest stop: 0 for the first alert, otherwise the number of the reminder.
    pub reported: Option<u64>,
    /// When a sweep last found the mapping stopped and published an alert or a reminder about it. At most the end of the
    /// latest stop: a sweep that found the mapping stopped after this end found another stop.
    pub reported_at: Option<Timestamp>,
    /// When a sweep first found the mapping failing.
    pub failing: Option<Timestamp>,
    /// The alert about the failing mapping was published.
    pub failing_notified: bool,
    /// When a sweep first found the mapping missing.
    pub missing: Option<Timestamp>,
}

impl MappingState {
    /// The latest stop, if it has not ended.
    #[must_use]
    pub fn open(&self) -> Option<Stop> {
        self.stopped.filter(|stop| self.ended.is_none_or(|ended| ended <= stop.at))
    }

    /// The state after a transition. A [`MappingStates`] applies it atomically.
    #[must_use]
    pub fn after(self, transition: Transition) -> Self {
        let next = self.with(transition);
        let ended = next.ended.filter(|ended| next.stopped.is_some_and(|stop| stop.at < *ended));
        let until_end = |reported: Timestamp| ended.map_or(reported, |ended| reported.min(ended));
        Self { reported_at: next.reported_at.map(until_end), ..next }
    }

    fn with(self, transition: Transition) -> Self {
        let with_stop = |stop, is_found| Self { stopped: Some(stop), is_found, reported: None, missing: None, ..self };
        match transition {
            Transition::Stopped(stop) if self.is_replaced_by(stop) => with_stop(stop, false),
            Transition::Stopped(stop) => {
                Self { stopped: self.stopped.map(|it| Stop { at: it.at.max(stop.at), ..it }), ..self }
            }
            Transition::FoundStopped(stop) if self.open().is_none() && self.ended.is_none_or(|it| it < stop.at) => {
                with_stop(stop, true)
            }
            Transition::FoundStopped(_) => self,
            Transition::Ended(at) => Self { ended: self.ended.max(Some(at)), ..self },
            Transition::Reported { alert, number, at } if self.stopped.is_some_and(|it| it.alert == alert) => {
                Self { reported: self.reported.max(Some(number)), reported_at: self.reported_at.max(Some(at)), ..self }
            }
            Transition::Reported { .. } => self,
            Transition::Failing(at) => Self { failing: self.failing.or(Some(at)), ..self },
            Transition::FailingNotified(since) => {
                Self { failing_notified: self.failing_notified || self.failing == Some(since), ..self }
            }
            Transition::NotFailing => Self { failing: None, failing_notified: false, ..self },
            Transition::Missing(at) => Self { missing: self.missing.or(Some(at)), ..self },
            Transition::Present => Self { missing: None, ..self },
            Transition::Unchanged => self,
        }
    }

    /// Returns true if a stop that CloudTrail logged replaces the latest one.
    fn is_replaced_by(&self, stop: Stop) -> bool {
        // The API may give a slightly later time. The event has the reason, so its alert replaces one that is not published.
        let is_unpublished = self.is_found && self.reported.is_none() && self.open().is_some();
        let is_same = |latest: Stop| is_unpublished && latest.at <= after(stop.at, SAME_STOP);
        // A stop in the same second as an end follows it.
        let is_reported = |reported| stop.at <= reported && self.ended != Some(stop.at);
        self.stopped.is_none_or(|it| it.at < stop.at || is_same(it)) && !self.reported_at.is_some_and(is_reported)
    }
}

/// A mapping that is stopped or failing, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMapping {
    /// The mapping.
    pub key: MappingKey,
    /// Its names.
    pub names: MappingNames,
    /// Its state.
    pub state: MappingState,
}

/// The state that earlier sweeps and invocations recorded.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SweepState {
    /// The mappings that are stopped or failing.
    pub mappings: Vec<KnownMapping>,
    /// The accounts and Regions that were swept before.
    pub swept: BTreeSet<AccountRegion>,
    /// The accounts and Regions whose digests have arrived within two weeks.
    pub digests: BTreeSet<AccountRegion>,
}

/// The state of mappings that all invocations share.
pub trait MappingStates {
    /// Records a transition, and returns the state [`after`](MappingState::after) it. Recording the same
    /// transition twice is safe. The names are kept if the transition begins a stop or a failure.
    ///
    /// # Errors
    /// If the store is unavailable.
    fn record_transition(
        &self,
        mapping: &MappingKey,
        names: &MappingNames,
        transition: Transition,
    ) -> impl Future<Output = Result<MappingState, ServiceError>>;

    /// The mappings that are stopped or failing, the accounts and Regions that were swept, and those whose digests arrive.
    ///
    /// # Errors
    /// If the store is unavailable.
    fn sweep_state(&self) -> impl Future<Output = Result<SweepState, ServiceError>>;

    /// Records that an account in a Region was swept.
    ///
    /// # Errors
    /// If the store is unavailable.
    fn record_swept(&self, place: &AccountRegion) -> impl Future<Output = Result<(), ServiceError>>;
}

/// What is known about the lifecycle of a mapping when its alert is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// The mapping is stopped, as far as is known.
    Open,
    /// The mapping was stopped, but it has been enabled or deleted since.
    OverSince(Timestamp),
    /// The change ended this stop.
    Resolves(Stop),
    /// A sweep has already reported the stop.
    Reported {
        /// When the mapping was enabled or deleted, if that is known.
        ended: Option<Timestamp>,
    },
    /// The mapping is still stopped. The reminders about a stop are numbered from 1.
    Reminder(Stop, u64),
}
