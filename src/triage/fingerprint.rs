//! Keys that identify findings with one cause.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::audience::Audience;
use super::window::Window;
use crate::detect::{Effect, Finding, FindingKind, PolicyType, Severity};
use crate::identity::Identity;

/// Identifies the cause of a finding. Findings with the same fingerprint are one incident: a caller was denied an
/// action for the same reason in the same account, or repeated an action that a rule watches for.
///
/// The fingerprint contains neither the Region nor the resource, so a scanner that tries thousands of functions causes
/// one alert.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint {
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
    pub(crate) fn of(finding: &Finding) -> Option<Self> {
        let event = &finding.event;
        let (action, cause, policy) = match &finding.kind {
            FindingKind::EsmDisabled(_)
            | FindingKind::EsmChanged(_)
            | FindingKind::EsmFailing(_)
            | FindingKind::EsmRecovered(_) => return None,
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

/// Identifies an incident in the ledger: a fingerprint in a window, an event that is never grouped, or a caller in a
/// window.
///
/// It is a collision-resistant hash, because callers choose text in their records. It is the same in every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DedupKey(Identity);

impl DedupKey {
    pub(super) fn of_group(audience: Audience, fingerprint: &Fingerprint, window: Option<Window>) -> Self {
        let Fingerprint { alert_type, account, principal, action, cause, policy_type, effect } = fingerprint;
        let [start, end] = bounds(window);
        Self(Identity::of_strings(&[
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
        Self(Identity::of_strings(&[audience.as_str(), finding.alert_type(), finding.event.identity()]))
    }

    /// The key of an alert to people, which these strings identify.
    pub(super) fn of_alert(strings: &[&str]) -> Self {
        let strings: Vec<_> = [Audience::All.as_str()].into_iter().chain(strings.iter().copied()).collect();
        Self(Identity::of_strings(&strings))
    }

    /// The key of a likely cause: this change may have caused the stop of this alert.
    pub(super) fn of_cause(stop: Self, change: &str) -> Self {
        Self(Identity::of_strings(&["cause", &stop.to_string(), change]))
    }

    /// The key under which the follow-ups of an alert about a stop are counted.
    pub(super) fn of_follow_ups(stop: Self) -> Self {
        Self(Identity::of_strings(&["follow-ups", &stop.to_string()]))
    }

    /// Parses the 32 hexadecimal digits that [`Display`](fmt::Display) writes. Returns `None` for any other string.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        Identity::parse(digits).map(Self)
    }

    pub(super) fn of_caller(audience: Audience, caller: &Caller, window: Option<Window>) -> Self {
        let Caller { account, principal, severity } = caller;
        let [start, end] = bounds(window);
        let account = account.as_deref().unwrap_or_default();
        Self(Identity::of_strings(&[audience.as_str(), "caller", severity.as_str(), account, principal, &start, &end]))
    }
}

fn bounds(window: Option<Window>) -> [String; 2] {
    window.map_or_else(Default::default, |it| [it.start(), it.end()].map(|time| time.to_string()))
}

/// A denied caller, with the severity of its denials. Only incidents of the same severity are summarized together. A
/// summary of implicit denials therefore never hides an explicit deny, and denials with invalid credentials never
/// count toward the limit of an authenticated caller.
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

impl From<DedupKey> for String {
    fn from(key: DedupKey) -> Self {
        key.to_string()
    }
}

/// A string that is not a dedup key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 hexadecimal digits")]
pub struct DedupKeyError;

impl TryFrom<String> for DedupKey {
    type Error = DedupKeyError;

    fn try_from(digits: String) -> Result<Self, DedupKeyError> {
        Self::parse(&digits).ok_or(DedupKeyError)
    }
}

impl fmt::Display for DedupKey {
    /// Writes 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
