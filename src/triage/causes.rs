//! The state that invocations share to find the likely causes of stopped mappings.
//!
//! The events of a change and of the stop that it causes are in different log objects, and may arrive in any order and
//! more than once. For each resource, the shared state therefore keeps its newest changes and the newest stops of
//! mappings that depend on it. Adding a change returns the stops, and adding a stop returns the changes, so the later
//! one of the two finds the earlier one.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fingerprint::DedupKey;
use crate::clock::time_between;
use crate::detect::{
    Change, ESM_DISABLED, EsmCategory, EsmDisabled, Event, Finding, FindingKind, LAMBDA, Origin, Principal, ResourceKey,
};
use crate::service::ServiceError;

/// Maximum time between a cause and its stop, and minimum time for which changes and stops are kept.
pub const CAUSE_WINDOW: Duration = Duration::from_hours(48);
/// Number of changes, and of stops, that are kept for a resource.
pub const MAX_KEPT_CAUSES: usize = 10;

/// The changes and the stops that all invocations share.
///
/// Each call is one attempt and is idempotent: a change or a stop that is already kept is not added again. Of any two
/// calls about the same resource, the later one returns the element that the earlier one added, unless ten newer
/// elements have replaced it. A call may be slow or hang, so callers limit its time.
pub trait Causes {
    /// Adds a change of the resource, and returns the newest stops of mappings that depend on it.
    ///
    /// # Errors
    /// If the store is unavailable.
    fn add_change(
        &self,
        resource: &ResourceKey,
        change: &Change,
    ) -> impl Future<Output = Result<Vec<StoppedMapping>, ServiceError>>;

    /// Adds the stop of a mapping that depends on the resource, and returns the newest changes of the resource.
    ///
    /// # Errors
    /// If the store is unavailable.
    fn add_stop(
        &self,
        resource: &ResourceKey,
        stop: &StoppedMapping,
    ) -> impl Future<Output = Result<Vec<Change>, ServiceError>>;
}

/// A change that may have caused a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikelyCause {
    /// The change.
    pub change: Change,
    /// How long before the stop it was made.
    pub before: Duration,
}

impl LikelyCause {
    /// Orders causes by how long before the stop they were made, shortest first.
    pub(super) fn cmp_latest_first(&self, other: &Self) -> Ordering {
        self.before.cmp(&other.before).then_with(|| self.change.id.cmp(&other.change.id))
    }
}

/// A stop, with the fields that a follow-up needs. It is stored as JSON with short names, and its strings have a
/// maximum length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedMapping {
    /// The alert about the stop.
    #[serde(rename = "k")]
    pub alert: DedupKey,
    /// When AWS disabled the mapping.
    #[serde(rename = "t", with = "jiff::fmt::serde::timestamp::second::required")]
    pub at: Timestamp,
    /// Category of the reason.
    #[serde(rename = "g", serialize_with = "write_category", deserialize_with = "read_category")]
    pub category: EsmCategory,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub(super) event_id: Option<String>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<String>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(super) mapping_uuid: Option<String>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(super) function_name: Option<String>,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub(super) function_arn: Option<String>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(super) event_source_arn: Option<String>,
}

impl StoppedMapping {
    /// The finding about the stop, without its reason. `object` is the log object of the follow-up.
    pub(super) fn finding(&self, object: &Arc<str>) -> Finding {
        let event = Event {
            id: self.event_id.clone(),
            record_hash: None,
            time: Some(self.at.to_string()),
            source: LAMBDA.to_owned(),
            name: ESM_DISABLED.to_owned(),
            api_action: ESM_DISABLED.to_owned(),
            account: self.account.clone(),
            region: self.region.clone(),
            function_name: self.function_name.clone(),
            principal: Principal::service(LAMBDA),
            source_ip_address: None,
            object: Arc::clone(object),
            origin: Origin::Record,
        };
        let kind = FindingKind::EsmDisabled(EsmDisabled {
            category: self.category,
            reason: None,
            mapping_uuid: self.mapping_uuid.clone(),
            function_arn: self.function_arn.clone(),
            event_source_arn: self.event_source_arn.clone(),
        });
        Finding { event, kind }
    }

    /// The change as a likely cause of the stop. `None` if it was made after the stop or more than two days before it,
    /// or if it cannot cause a stop of this category.
    pub(super) fn caused_by(&self, change: &Change) -> Option<LikelyCause> {
        let before = time_between(change.at, self.at);
        let is_cause = change.at <= self.at && before <= CAUSE_WINDOW && change.can_cause(self.category);
        is_cause.then(|| LikelyCause { change: change.clone(), before })
    }
}

// `serde` requires this signature.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn write_category<S: Serializer>(category: &EsmCategory, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(category.as_str())
}

/// A category that this version does not know is read as unknown.
fn read_category<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EsmCategory, D::Error> {
    String::deserialize(deserializer).map(|code| EsmCategory::of_reason(&code))
}
