//! Suppression of findings by the user's rules.

use jiff::civil::Date;

use crate::detect::Finding;
use crate::pattern::Pattern;

/// A rule that suppresses findings.
#[derive(Debug, Clone, PartialEq)]
pub struct SuppressRule {
    /// Name of the rule. Suppressed findings are counted by this name.
    pub name: String,
    /// Why the user suppresses the findings.
    pub reason: String,
    /// The last day on which the rule is in effect, in UTC, by the time of the event.
    pub expires: Option<Date>,
    /// The findings to suppress.
    pub pattern: Pattern,
}

impl SuppressRule {
    /// Returns true if the rule is in effect for an event of this time. A rule that expires does not suppress an event
    /// of unknown time.
    pub(crate) fn holds_at(&self, event_time: Option<&str>) -> bool {
        let day = || event_time?.get(..10)?.parse::<Date>().ok();
        self.expires.is_none_or(|last| day().is_some_and(|day| day <= last))
    }
}

/// The first rule that suppresses a finding. `record` is the JSON of its record.
///
/// A finding about an event source mapping is suppressed only by a rule that names its alert type, with
/// `{"finding": {"alert_type": ["esm_disabled"]}}`, so that no rule meant for denials can hide it.
#[must_use]
pub fn suppressing_rule<'r>(rules: &'r [SuppressRule], finding: &Finding, record: &[u8]) -> Option<&'r SuppressRule> {
    if rules.is_empty() {
        return None;
    }
    // A record that does not parse cannot be matched, so its finding is not suppressed.
    let subject = finding.pattern_subject(record)?;
    let must_name_type = finding.mapping().is_some();
    let suppresses = |rule: &&SuppressRule| {
        let names_type = || rule.pattern.requires(&["finding", "alert_type"], finding.alert_type());
        rule.holds_at(finding.event.time.as_deref())
            && (!must_name_type || names_type())
            && rule.pattern.matches(&subject)
    };
    rules.iter().find(suppresses)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::detect::{Detector, WatchRules};

    #[test]
    fn mappings_are_suppressed_only_by_rules_that_name_their_alert_type() {
        let denied = r#"{"eventSource":"lambda.amazonaws.com","eventName":"GetFunction","errorCode":"AccessDenied",
                         "eventTime":"2026-01-02T03:04:05Z"}"#;
        let disabled = r#"{"eventSource":"lambda.amazonaws.com","eventName":"LambdaESMDisabled",
                           "eventTime":"2026-01-02T03:04:05Z","serviceEventDetails":{"ESMDisableReason":"x"}}"#;
        for (pattern, expires, denial, mapping) in [
            (r#"{"eventSource":["lambda.amazonaws.com"]}"#, None, true, false),
            (r#"{"finding":{"alert_type":[{"prefix":""}]}}"#, None, true, false),
            (r#"{"finding":{"alert_type":["access_denied"]}}"#, None, true, false),
            (r#"{"finding":{"alert_type":["esm_disabled"]}}"#, None, false, true),
            (r#"{"finding":{"alert_type":["esm_disabled"],"category":["UNKNOWN"]}}"#, None, false, true),
            (r#"{"finding":{"alert_type":["esm_disabled"],"category":["AUTHORIZATION_ERROR"]}}"#, None, false, false),
            (r#"{"eventSource":["lambda.amazonaws.com"]}"#, Some("2026-01-02"), true, false),
            (r#"{"eventSource":["lambda.amazonaws.com"]}"#, Some("2026-01-01"), false, false),
            (r#"{"eventName":["GetFunction20150331"]}"#, None, false, false),
        ] {
            let pattern_json = serde_json::from_str(pattern).expect("JSON");
            let rule = SuppressRule {
                name: "n".to_owned(),
                reason: "r".to_owned(),
                expires: expires.map(|day| day.parse().expect("a date")),
                pattern: Pattern::parse(&pattern_json, "pattern").expect("a pattern"),
            };
            for (record, expected) in [(denied, denial), (disabled, mapping)] {
                let examined = Detector::default()
                    .examine(record.as_bytes(), &Arc::from("key"), &WatchRules::default())
                    .expect("a record");
                let found = suppressing_rule(std::slice::from_ref(&rule), &examined.findings[0], record.as_bytes());
                assert_eq!(found.is_some(), expected, "{pattern} {record}");
            }
        }
    }
}
