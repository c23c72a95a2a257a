//! Findings: records that matter, and why.

use super::access_denied::{AccessDenied, DenialKind};
use super::denial_message::Effect;
use super::esm_changed::{EsmChange, EsmChanged};
use super::esm_disabled::EsmDisabled;
use super::esm_failing::EsmFailing;
use super::esm_recovered::{EsmRecovered, Trouble};
use super::event::Event;
use super::severity::Severity;

/// A record that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The event that the record describes.
    pub event: Event,
    /// Why it matters.
    pub kind: FindingKind,
}

/// Why a record matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// AWS disabled an event source mapping.
    EsmDisabled(EsmDisabled),
    /// A user disabled, deleted or enabled an event source mapping.
    EsmChanged(EsmChanged),
    /// An event source mapping is enabled but does not process its source.
    EsmFailing(EsmFailing),
    /// An event source mapping is no longer stopped or failing.
    EsmRecovered(EsmRecovered),
    /// A call was denied.
    AccessDenied(AccessDenied),
    /// A rule watches for the event.
    Watched(Watched),
}

/// A match of a watch rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Name of the rule.
    pub rule: String,
    /// Title of the alert.
    pub title: String,
    /// Severity of the alert.
    pub severity: Severity,
}

/// A type of alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertType {
    /// AWS disabled an event source mapping.
    EsmDisabled,
    /// A user disabled, deleted or enabled an event source mapping.
    EsmChanged,
    /// An event source mapping is enabled but does not process its source.
    EsmFailing,
    /// A call was denied.
    AccessDenied,
    /// A rule watches for the event.
    Watch,
}

impl AlertType {
    /// All types.
    pub const ALL: [Self; 5] = [Self::EsmDisabled, Self::EsmChanged, Self::EsmFailing, Self::AccessDenied, Self::Watch];

    /// The name in attributes, JSON and rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EsmDisabled => "esm_disabled",
            Self::EsmChanged => "esm_changed",
            Self::EsmFailing => "esm_failing",
            Self::AccessDenied => "access_denied",
            Self::Watch => "watch",
        }
    }
}

impl Finding {
    /// The type of alert, as attributes and rules name it.
    #[must_use]
    pub fn alert_type(&self) -> &'static str {
        let alert_type = match self.kind {
            FindingKind::EsmDisabled(_) | FindingKind::EsmRecovered(EsmRecovered { from: Trouble::Stopped, .. }) => {
                AlertType::EsmDisabled
            }
            FindingKind::EsmChanged(_) => AlertType::EsmChanged,
            FindingKind::EsmFailing(_) | FindingKind::EsmRecovered(EsmRecovered { from: Trouble::Failing, .. }) => {
                AlertType::EsmFailing
            }
            FindingKind::AccessDenied(_) => AlertType::AccessDenied,
            FindingKind::Watched(_) => AlertType::Watch,
        };
        alert_type.as_str()
    }

    /// The approximate length of its strings in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        let bytes = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let of_kind = match &self.kind {
            FindingKind::EsmDisabled(esm) => bytes(&esm.reason),
            FindingKind::AccessDenied(denied) => bytes(&denied.message) + bytes(&denied.resource),
            FindingKind::EsmFailing(esm) => esm.problem.len(),
            FindingKind::EsmChanged(_) | FindingKind::EsmRecovered(_) | FindingKind::Watched(_) => 0,
        };
        // The fingerprint repeats the caller and the action.
        of_kind + 2 * (self.event.principal.key.len() + self.event.name.len())
    }

    /// The action that was called, as IAM names it: `service:Action`.
    #[must_use]
    pub fn action(&self) -> String {
        match &self.kind {
            FindingKind::AccessDenied(AccessDenied { action: Some(action), .. }) => action.clone(),
            _ => format!("{}:{}", self.event.service(), self.event.api_action),
        }
    }

    /// How urgent it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match &self.kind {
            FindingKind::EsmDisabled(_) => Severity::Critical,
            FindingKind::EsmFailing(_) => Severity::High,
            FindingKind::EsmChanged(EsmChanged { change: EsmChange::Enabled, .. }) | FindingKind::EsmRecovered(_) => {
                Severity::Low
            }
            FindingKind::EsmChanged(_) => Severity::Medium,
            FindingKind::AccessDenied(denied) => match (denied.kind, denied.effect) {
                (DenialKind::Authentication, _) => Severity::Low,
                (DenialKind::Dependency, _) | (_, Some(Effect::Explicit)) => Severity::High,
                (DenialKind::Policy, _) => Severity::Medium,
            },
            FindingKind::Watched(rule) => rule.severity,
        }
    }

    /// The reason for which a mapping was disabled, the change that a user made to a mapping, the problem of a failing
    /// mapping, the kind of recovery, the kind of a denial, or the name of a watch rule.
    #[must_use]
    pub fn category(&self) -> &str {
        match &self.kind {
            FindingKind::EsmDisabled(esm) => esm.category.as_str(),
            FindingKind::EsmChanged(esm) => esm.change.as_str(),
            FindingKind::EsmFailing(esm) => esm.category.as_str(),
            FindingKind::EsmRecovered(esm) => esm.recovery.as_str(),
            FindingKind::AccessDenied(denied) => denied.kind.as_str(),
            FindingKind::Watched(rule) => &rule.rule,
        }
    }

    /// UUID of the mapping that the finding is about, if it is known.
    pub(crate) fn mapping_uuid(&self) -> Option<&str> {
        self.mapping().and_then(|[uuid, _, _]| uuid)
    }

    /// UUID, function ARN and event source ARN of the mapping that the finding is about; `None` if it is not about one.
    pub(crate) fn mapping(&self) -> Option<[Option<&str>; 3]> {
        let names = match &self.kind {
            FindingKind::EsmDisabled(esm) => [&esm.mapping_uuid, &esm.function_arn, &esm.event_source_arn],
            FindingKind::EsmChanged(esm) => [&esm.mapping_uuid, &esm.function_arn, &esm.event_source_arn],
            FindingKind::EsmFailing(EsmFailing { names, .. })
            | FindingKind::EsmRecovered(EsmRecovered { names, .. }) => {
                [&names.mapping_uuid, &names.function_arn, &names.event_source_arn]
            }
            FindingKind::AccessDenied(_) | FindingKind::Watched(_) => return None,
        };
        Some(names.map(|name| name.as_deref()))
    }
}
