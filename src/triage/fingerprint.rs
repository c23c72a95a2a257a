//! Which findings have one cause.

use std::fmt;

use super::{TopicRole, Window};
use crate::detect::{Effect, Finding, FindingKind, PolicyType};
use crate::identity::Identity;
use crate::rules::Severity;

/// Findings with the same fingerprint are one incident: the same caller was denied the same action for the same reason in
/// the same account, or repeated what a rule watches for. Region and resource are not part of it, so that a scanner that
/// tries thousands of functions is one alert.
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
    /// The fingerprint of a finding; `None` for a finding about an event source mapping, which is never grouped.
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

/// Who receives the alerts of a case. What one audience received says nothing about the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Audience {
    /// All topics.
    #[default]
    All,
    /// The topic for machines: findings in old objects.
    Machines,
}

/// Identifies a case in the ledger: a fingerprint in a window, an event that is never grouped, or a caller in a window.
/// Callers choose text in their records, so it is a collision-resistant hash. It is the same in every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DedupKey(Identity);

impl DedupKey {
    pub(super) fn of_group(audience: Audience, fingerprint: &Fingerprint, window: Option<Window>) -> Self {
        let Fingerprint { alert_type, account, principal, action, cause, policy_type, effect } = fingerprint;
        let [start, end] = bounds(window);
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

    pub(crate) fn of_event(audience: Audience, finding: &Finding) -> Self {
        Self(Identity::of_texts(&[audience.as_str(), finding.alert_type(), finding.event.identity()]))
    }

    pub(super) fn of_caller(audience: Audience, caller: &Caller, window: Option<Window>) -> Self {
        let Caller { account, principal, severity } = caller;
        let [start, end] = bounds(window);
        let account = account.as_deref().unwrap_or_default();
        Self(Identity::of_texts(&[audience.as_str(), "caller", severity.as_str(), account, principal, &start, &end]))
    }
}

fn bounds(window: Option<Window>) -> [String; 2] {
    window.map_or_else(Default::default, |it| [it.start(), it.end()].map(|time| time.to_string()))
}

/// Who was denied, and how severely. Cases of one caller with the same severity in a window are summarized together, so that
/// a summary of implicit denials never hides an explicit deny, and invalid credentials never use up the cases of a caller
/// that AWS asserts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    account: Option<String>,
    principal: String,
    severity: Severity,
}

impl Caller {
    /// The caller of a denial; `None` for a finding of another kind.
    pub(super) fn of(finding: &Finding) -> Option<Self> {
        let event = &finding.event;
        matches!(finding.kind, FindingKind::AccessDenied(_)).then(|| Self {
            account: event.account.clone(),
            principal: event.principal.key.clone(),
            severity: finding.severity(),
        })
    }
}

impl fmt::Display for DedupKey {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Audience {
    /// True if alerts go to topics of this role.
    #[must_use]
    pub fn includes(self, role: TopicRole) -> bool {
        self == Self::All || role == TopicRole::Event
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Machines => "machines",
        }
    }
}
