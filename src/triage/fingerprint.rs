//! What makes two findings one cause.

use crate::detect::{Effect, Finding, FindingKind, PolicyType};

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
