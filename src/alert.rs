//! Turns an incident into messages for people and machines.
//!
//! An [`Alert`] holds the content in parts: what happened, where and when, why, what to do next, and the details. Each
//! [`Format`] arranges these parts: text for email, a notification for chat, JSON for machines. Every string from a
//! record is neutralized when it becomes part of an alert: see [`sanitize`].
//!
//! A message is within the limits of SNS by construction: every value has a maximum length, every list has at most ten
//! values, and a message says what was truncated.

mod access_denied;
mod attributes;
mod brief;
mod cause;
mod chat;
mod content;
mod context;
mod esm_changed;
mod esm_disabled;
mod esm_failing;
mod esm_recovered;
mod esm_resolved;
mod fix;
mod json;
mod many_denials;
mod many_stopped;
mod mapping;
mod message;
mod next_steps;
mod text;
mod watched;
mod wording;

pub mod explain;
pub mod sanitize;

pub use attributes::Attribute;
pub use brief::Brief;
pub use content::Alert;
pub use message::{Format, Message};

use crate::detect::FindingKind;
use crate::triage::{Incident, Lifecycle, Scope};

impl<'a> Alert<'a> {
    /// The alert about an incident.
    #[must_use]
    pub fn of(incident: &'a Incident) -> Self {
        let alert = match &incident.finding.kind {
            FindingKind::AccessDenied(denied) if matches!(incident.scope, Scope::Caller { .. }) => {
                many_denials::alert(incident, denied)
            }
            FindingKind::AccessDenied(denied) => access_denied::alert(incident, denied),
            FindingKind::EsmDisabled(esm) if incident.follows_up.is_some() => cause::follow_up(incident, esm),
            FindingKind::EsmDisabled(esm) => match &incident.scope {
                Scope::Mappings { listed } => many_stopped::alert(incident, listed),
                Scope::Event | Scope::Cause { .. } | Scope::Caller { .. } => esm_disabled::alert(incident, esm),
            },
            FindingKind::EsmChanged(esm) => match incident.lifecycle {
                Some(Lifecycle::Resolves(stop)) => esm_resolved::alert(incident, esm, stop),
                Some(
                    Lifecycle::Open | Lifecycle::OverSince(_) | Lifecycle::Reported { .. } | Lifecycle::Reminder(..),
                )
                | None => esm_changed::alert(incident, esm),
            },
            FindingKind::EsmFailing(esm) => esm_failing::alert(incident, esm),
            FindingKind::EsmRecovered(esm) => {
                let stop = match incident.lifecycle {
                    Some(Lifecycle::Resolves(stop)) => Some(stop),
                    _ => None,
                };
                esm_recovered::alert(incident, esm, stop)
            }
            FindingKind::Watched(watched) => watched::alert(incident, watched),
        };
        if incident.is_test { alert.marked_as_test() } else { alert }
    }
}
