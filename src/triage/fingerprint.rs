//! What makes two denials one cause.

use crate::detect::{AccessDenied, Event, PolicyType};

/// Denials with the same fingerprint are one alert: the same principal was denied the same action
/// for the same reason in the same account. Region and resource are not part of it, so that a
/// scanner that tries thousands of functions is one alert.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    account: Option<String>,
    principal: String,
    action: String,
    error_code: String,
    policy_type: Option<PolicyType>,
}

impl Fingerprint {
    /// The fingerprint of a denial.
    #[must_use]
    pub fn of(event: &Event, denied: &AccessDenied) -> Self {
        Self {
            account: event.account.clone(),
            principal: event.principal.key.clone(),
            action: denied.action.clone().unwrap_or_else(|| format!("{}:{}", event.source, event.api_action)),
            error_code: denied.error_code.clone(),
            policy_type: denied.policy_type,
        }
    }
}
