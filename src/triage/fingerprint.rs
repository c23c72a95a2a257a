//! What makes two findings one cause.

use std::fmt;

use super::Window;
use crate::detect::{Effect, Finding, FindingKind, PolicyType};
use crate::identity::Identity;

/// Findings with the same fingerprint are one alert: the same principal was denied the same action for the same reason
/// in the same account, or did again what a rule watches for. Region and resource are not part of it, so that a scanner
/// that tries thousands of functions is one alert.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    alert_type: &'static str,
    account: Option<String>,
    principal: String,
    action: String,
    /// The error code of a denial, or the name of a rule.
    cause: String,
    policy_type: Option<PolicyType>,
    effect: Option<Effect>,
}

impl Fingerprint {
    /// The fingerprint of a finding; `None` for one that is never grouped: about an event source mapping.
    #[must_use]
    pub fn of(finding: &Finding) -> Option<Self> {
        let event = &finding.event;
        let (action, cause, policy) = match &finding.kind {
            FindingKind::EsmDisabled(_) | FindingKind::EsmChanged(_) => return None,
            FindingKind::AccessDenied(denied) => {
                (denied.action.as_ref(), &denied.error_code, (denied.policy_type, denied.effect))
            }
            FindingKind::Watched(watched) => (None, &watched.rule, (None, None)),
        };
        Some(Self {
            alert_type: finding.alert_type(),
            account: event.account.clone(),
            principal: event.principal.key.clone(),
            action: action.cloned().unwrap_or_else(|| format!("{}:{}", event.source, event.api_action)),
            cause: cause.clone(),
            policy_type: policy.0,
            effect: policy.1,
        })
    }
}

/// Whom alerts of a case go to. What one audience was told says nothing about the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Audience {
    /// Everybody: all topics.
    #[default]
    All,
    /// Machines alone: what is found in old objects.
    Machines,
}

/// What the ledger keeps account of: a fingerprint in a window, or an event that is never grouped. Texts of a record
/// decide about it, so it is a hash whose collisions nobody can make, and the same in every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CaseId(Identity);

impl CaseId {
    pub(super) fn of_group(audience: Audience, fingerprint: &Fingerprint, window: Option<Window>) -> Self {
        let Fingerprint { alert_type, account, principal, action, cause, policy_type, effect } = fingerprint;
        let [start, end] =
            window.map_or_else(Default::default, |it| [it.start(), it.end()].map(|time| time.to_string()));
        Self(Identity::of_texts(&[
            audience.as_str(),
            alert_type,
            account.as_deref().unwrap_or_default(),
            principal,
            action,
            cause,
            policy_type.map(PolicyType::as_str).unwrap_or_default(),
            effect.map(Effect::as_str).unwrap_or_default(),
            &start,
            &end,
        ]))
    }

    pub(super) fn of_event(audience: Audience, finding: &Finding) -> Self {
        Self(Identity::of_texts(&[audience.as_str(), finding.alert_type(), finding.event.identity()]))
    }
}

impl fmt::Display for CaseId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Audience {
    fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Machines => "machines",
        }
    }
}
