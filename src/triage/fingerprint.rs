//! What makes two findings one cause.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::Window;
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
pub struct CaseId([u8; 16]);

impl CaseId {
    pub(super) fn of_group(audience: Audience, fingerprint: &Fingerprint, window: Option<Window>) -> Self {
        let Fingerprint { alert_type, account, principal, action, cause, policy_type, effect } = fingerprint;
        let [start, end] =
            window.map_or_else(Default::default, |it| [it.start(), it.end()].map(|time| time.to_string()));
        Self::of_texts(&[
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
        ])
    }

    pub(super) fn of_event(audience: Audience, finding: &Finding) -> Self {
        Self::of_texts(&[audience.as_str(), finding.alert_type(), finding.event.identity()])
    }

    /// Each text with its length, so that no two lists of texts are the same bytes.
    fn of_texts(texts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for text in texts {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        let mut id = [0; 16];
        id.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl fmt::Display for CaseId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
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
