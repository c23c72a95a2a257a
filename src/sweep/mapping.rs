//! An event source mapping as the Lambda API reports it.
//!
//! Source: `EventSourceMappingConfiguration`, AWS Lambda API Reference. AWS documents only some values of
//! `StateTransitionReason` and `LastProcessingResult`, so a value counts as harmless only if it is known to be.

use jiff::Timestamp;

use crate::detect::{Arn, EventSourceKind, FailingCategory};

/// `StateTransitionReason` of a change that a user made, in lower case and with spaces.
const BY_USER: [&str; 2] = ["user action", "user initiated"];
/// Codes in `StateTransitionReason` of a mapping whose consumer Lambda stopped ("Troubleshoot Amazon MQ event source
/// mapping errors", Lambda Developer Guide).
const STOP_CODES: [&str; 4] =
    ["ESM_CONFIG_NOT_VALID", "EVENT_SOURCE_AUTHN_ERROR", "EVENT_SOURCE_AUTHZ_ERROR", "FUNCTION_CONFIG_NOT_VALID"];
/// `LastProcessingResult` of a mapping that processes its source.
const SUCCESSFUL: [&str; 2] = ["OK", "No records processed"];

/// An event source mapping.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its UUID.
    pub uuid: String,
    /// ARN of the function, with its version or alias if there is one.
    pub function_arn: Option<String>,
    /// ARN of the event source; self-managed Kafka has none.
    pub event_source_arn: Option<String>,
    /// `State`, such as `Enabled`.
    pub state: Option<String>,
    /// `StateTransitionReason`: who or what made the last change.
    pub reason: Option<String>,
    /// `LastProcessingResult`, such as `OK`.
    pub last_result: Option<String>,
    /// `LastModified`: when the mapping was last updated or its state last changed.
    pub modified: Option<Timestamp>,
    /// `FilterCriteriaError`.
    pub filter_error: Option<FilterError>,
}

/// Why Lambda cannot use the filter criteria of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// Code, such as `FILTER_CRITERIA_KMS_DECRYPT_ERROR`.
    pub code: String,
    /// Message.
    pub message: String,
}

/// The condition of a mapping, according to the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It processes its source.
    Running,
    /// It is disabled, and the API does not report that a user disabled it.
    Stopped,
    /// A user disabled it.
    DisabledByUser,
    /// It is enabled but does not process its source.
    Failing {
        /// Category of the problem.
        category: FailingCategory,
        /// The problem, as the API reports it.
        problem: String,
    },
    /// Its state is changing, so the next sweep decides.
    Changing,
}

impl Mapping {
    /// The condition of the mapping, according to the API.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match self.state.as_deref() {
            Some("Disabled" | "Disabling") if self.is_by_user() => Condition::DisabledByUser,
            Some("Disabled" | "Disabling") => Condition::Stopped,
            Some("Enabled") => self.failure().unwrap_or(Condition::Running),
            Some("Creating" | "Enabling" | "Updating" | "Deleting") | None => Condition::Changing,
            Some(state) => Condition::Failing { category: FailingCategory::UnknownState, problem: state.to_owned() },
        }
    }

    /// The kind of event source; `None` if its ARN is missing or is not the ARN of a known kind.
    #[must_use]
    pub(crate) fn source_kind(&self) -> Option<EventSourceKind> {
        self.event_source_arn.as_deref().and_then(Arn::parse).and_then(|arn| arn.event_source())
    }

    fn is_by_user(&self) -> bool {
        let reason = self.reason.as_deref().unwrap_or_default().trim().to_ascii_lowercase().replace('_', " ");
        BY_USER.contains(&reason.as_str())
    }

    fn failure(&self) -> Option<Condition> {
        let failing = |category, problem: String| Some(Condition::Failing { category, problem });
        if let Some(FilterError { code, message }) = &self.filter_error {
            return failing(FailingCategory::FilterCriteriaError, format!("{code}: {message}"));
        }
        let reason = self.reason.as_deref().unwrap_or_default();
        if STOP_CODES.iter().any(|code| reason.contains(code)) {
            return failing(FailingCategory::ConsumerStopped, reason.to_owned());
        }
        let result = self.last_result.as_deref().map(str::trim).filter(|result| !result.is_empty())?;
        let is_successful = SUCCESSFUL.iter().any(|it| result.trim_end_matches('.').eq_ignore_ascii_case(it));
        if is_successful { None } else { failing(FailingCategory::ProcessingProblem, result.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(state: &str, reason: &str, last_result: &str) -> Condition {
        let some = |text: &str| Some(text.to_owned());
        Mapping { state: some(state), reason: some(reason), last_result: some(last_result), ..Mapping::default() }
            .condition()
    }

    fn failing(category: FailingCategory, problem: &str) -> Condition {
        Condition::Failing { category, problem: problem.to_owned() }
    }

    #[test]
    fn only_known_reasons_of_users_are_theirs() {
        for reason in ["User action", "USER_INITIATED", "User initiated", " user_initiated "] {
            assert_eq!(condition("Disabled", reason, ""), Condition::DisabledByUser, "{reason}");
        }
        for reason in ["", "Lambda initiated", "User action required", "EVENT_SOURCE_AUTHN_ERROR", "new"] {
            assert_eq!(condition("Disabled", reason, ""), Condition::Stopped, "{reason}");
            assert_eq!(condition("Disabling", reason, ""), Condition::Stopped, "{reason}");
        }
        assert_eq!(
            Mapping { state: Some("Disabled".to_owned()), ..Mapping::default() }.condition(),
            Condition::Stopped
        );
    }

    #[test]
    fn only_known_results_are_successful() {
        for result in ["", "OK", "ok", "No records processed", "No records processed."] {
            assert_eq!(condition("Enabled", "User action", result), Condition::Running, "{result}");
        }
        for result in ["PROBLEM: Function call failed", "Cluster failed to authorize Lambda", "OK but"] {
            let expected = failing(FailingCategory::ProcessingProblem, result);
            assert_eq!(condition("Enabled", "User action", result), expected);
        }
    }

    #[test]
    fn stopped_consumers_and_unknown_states_fail() {
        let reason = "ESM_CONFIG_NOT_VALID: the queue does not exist";
        assert_eq!(condition("Enabled", reason, "OK"), failing(FailingCategory::ConsumerStopped, reason));
        assert_eq!(condition("Paused", "", "OK"), failing(FailingCategory::UnknownState, "Paused"));
        for state in ["Creating", "Enabling", "Updating", "Deleting"] {
            assert_eq!(condition(state, "", "PROBLEM: x"), Condition::Changing, "{state}");
        }
    }

    #[test]
    fn an_unusable_filter_is_more_specific_than_the_last_result() {
        let filter_error = Some(FilterError { code: "CODE".to_owned(), message: "why".to_owned() });
        let mapping = Mapping { state: Some("Enabled".to_owned()), filter_error, ..Mapping::default() };
        let mapping = Mapping { last_result: Some("PROBLEM: x".to_owned()), ..mapping };
        assert_eq!(mapping.condition(), failing(FailingCategory::FilterCriteriaError, "CODE: why"));
    }
}
