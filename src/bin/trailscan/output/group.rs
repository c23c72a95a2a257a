//! The groups in which incidents are shown.

use trailwarden::detect::{Finding, FindingKind};
use trailwarden::triage::{Incident, Lifecycle};

/// A group of findings or incidents, in the order in which people read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Stopped,
    Changed,
    Denied,
    Watched,
}

impl Group {
    pub(crate) const ALL: [Self; 4] = [Self::Stopped, Self::Changed, Self::Denied, Self::Watched];

    pub(crate) fn of(finding: &Finding) -> Self {
        match finding.kind {
            FindingKind::EsmDisabled(_) | FindingKind::EsmFailing(_) => Self::Stopped,
            FindingKind::EsmChanged(_) | FindingKind::EsmRecovered(_) => Self::Changed,
            FindingKind::AccessDenied(_) => Self::Denied,
            FindingKind::Watched(_) => Self::Watched,
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Stopped => "Stopped event source mappings",
            Self::Changed => "Event source mappings that users changed",
            Self::Denied => "Denied calls",
            Self::Watched => "Watched events",
        }
    }
}

/// Returns true if an incident is listed by itself. A resolution is shown with the stop that it resolves.
pub(crate) fn is_listed(incident: &Incident) -> bool {
    !matches!(incident.lifecycle, Some(Lifecycle::Resolves(_)))
}
