//! Suppression of findings that the user wants no alert about.

use crate::detect::{Finding, FindingKind};
use crate::rules::SuppressRule;

/// The first rule that suppresses a finding. `record` is the JSON of its record.
///
/// A finding about an event source mapping is suppressed only by a rule that names its type, with
/// `{"finding": {"alert_type": ["esm_disabled"]}}`, so that no rule meant for denials can hide it.
#[must_use]
pub fn suppressing_rule<'r>(rules: &'r [SuppressRule], finding: &Finding, record: &[u8]) -> Option<&'r SuppressRule> {
    if rules.is_empty() {
        return None;
    }
    // A record that does not parse cannot be matched, so its finding is not suppressed.
    let subject = finding.pattern_subject(record)?;
    let must_name = matches!(finding.kind, FindingKind::EsmDisabled(_) | FindingKind::EsmChanged(_));
    let may = |rule: &&SuppressRule| {
        let names = || rule.pattern.requires(&["finding", "alert_type"], finding.alert_type());
        rule.holds_at(finding.event.time.as_deref()) && (!must_name || names()) && rule.pattern.matches(&subject)
    };
    rules.iter().find(may)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::detect::Detector;
    use crate::rules::Rules;

    #[test]
    fn mappings_are_suppressed_only_by_name() {
        let denied = r#"{"eventSource":"lambda.amazonaws.com","eventName":"GetFunction","errorCode":"AccessDenied",
                         "eventTime":"2026-01-02T03:04:05Z"}"#;
        let disabled = r#"{"eventSource":"lambda.amazonaws.com","eventName":"LambdaESMDisabled",
                           "eventTime":"2026-01-02T03:04:05Z","serviceEventDetails":{"ESMDisableReason":"x"}}"#;
        for (pattern, expires, denial, mapping) in [
            (r#"{"eventSource":["lambda.amazonaws.com"]}"#, "", true, false),
            (r#"{"finding":{"alert_type":[{"prefix":""}]}}"#, "", true, false),
            (r#"{"finding":{"alert_type":["access_denied"]}}"#, "", true, false),
            (r#"{"finding":{"alert_type":["esm_disabled"]}}"#, "", false, true),
            (r#"{"finding":{"alert_type":["esm_disabled"],"category":["UNKNOWN"]}}"#, "", false, true),
            (r#"{"finding":{"alert_type":["esm_disabled"],"category":["AUTHORIZATION_ERROR"]}}"#, "", false, false),
            (r#"{"eventSource":["lambda.amazonaws.com"]}"#, r#","expires":"2026-01-02""#, true, false),
            (r#"{"eventSource":["lambda.amazonaws.com"]}"#, r#","expires":"2026-01-01""#, false, false),
            (r#"{"eventName":["GetFunction20150331"]}"#, "", false, false),
        ] {
            let rules = format!(r#"{{"suppress":[{{"name":"n","reason":"r"{expires},"pattern":{pattern}}}]}}"#);
            let rules = Rules::parse(&rules).expect("rules");
            for (record, expected) in [(denied, denial), (disabled, mapping)] {
                let examined = Detector::default()
                    .examine(record.as_bytes(), &Arc::from("key"), &Rules::default())
                    .expect("a record");
                let rule = suppressing_rule(&rules.suppress, &examined.findings[0], record.as_bytes());
                assert_eq!(rule.is_some(), expected, "{pattern} {record}");
            }
        }
    }
}
