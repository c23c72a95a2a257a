//! What invocations share about the event source mappings that AWS disabled.

use jiff::Timestamp;

use super::fingerprint::DedupKey;
use crate::service::ServiceError;

/// Identifies a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
    /// AWS disabled the mapping.
    Stopped(Stop),
    /// A user enabled or deleted the mapping at this time.
    Ended(Timestamp),
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
    /// When a user last enabled or deleted the mapping.
    pub ended: Option<Timestamp>,
}

/// The state of mappings that all invocations share.
pub trait MappingStates {
    /// Records a transition, unless a later one of its kind is recorded, and returns the state afterwards. A transition
    /// can be recorded repeatedly.
    ///
    /// # Errors
    /// If the store is unavailable.
    fn record_transition(
        &self,
        mapping: &MappingKey,
        transition: Transition,
    ) -> impl Future<Output = Result<MappingState, ServiceError>>;
}

/// What is known about the lifecycle of a mapping when its alert is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// The mapping is stopped, as far as is known.
    Open,
    /// The mapping was stopped, but a user has enabled or deleted it since.
    OverSince(Timestamp),
    /// The user's change ended this stop.
    Resolves(Stop),
}
