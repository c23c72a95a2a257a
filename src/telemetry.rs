//! Counts of what an invocation did, as CloudWatch metrics.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::delivery::Skipped;

/// Namespace of the metrics.
const NAMESPACE: &str = "Trailwarden";

/// Counts of one invocation. These sums hold, so nothing is lost between the stages:
///
/// - `objects` = `objects_read` + `objects_failed`
/// - `records` = `records_selected` + `records_skipped` + `records_unreadable`
/// - `findings` = `disabled_mappings` + `changed_mappings` + `denials` + `watched_events`; each finding is part of an
///   incident, or counted in `repeated` or `suppressed`
/// - `incidents` = `alerts` + `incidents_known` + `incidents_summarized`
/// - `alerts` = `alerts_published` + `alerts_failed`
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Log objects to read.
    pub objects: u64,
    /// Log objects that were read completely, including every record.
    pub objects_read: u64,
    /// Log objects that were not read completely.
    pub objects_failed: u64,
    /// Parts of the payload that need no reading.
    pub skipped: Skipped,
    /// Parts of the payload that were not understood.
    pub payload_problems: u64,
    /// Inflated bytes read.
    pub inflated_bytes: u64,
    /// Elements of `Records`, whether readable or not.
    pub records: u64,
    /// Records of the services to examine.
    pub records_selected: u64,
    /// Records of other services.
    pub records_skipped: u64,
    /// Elements that are not readable records.
    pub records_unreadable: u64,
    /// Records in the payload.
    pub inline_records: u64,
    /// Findings of all kinds.
    pub findings: u64,
    /// Event source mappings that AWS disabled.
    pub disabled_mappings: u64,
    /// Event source mappings that users changed.
    pub changed_mappings: u64,
    /// Calls that were denied.
    pub denials: u64,
    /// Events that match a watch rule.
    pub watched_events: u64,
    /// Findings that a rule suppressed.
    pub suppressed: u64,
    /// Findings of an event that was already found.
    pub repeated: u64,
    /// Incidents: single events that are never grouped, and groups of findings with one cause.
    pub incidents: u64,
    /// Incidents without a due alert, because it has been published before.
    pub incidents_known: u64,
    /// Incidents that were replaced by a summary of their caller.
    pub incidents_summarized: u64,
    /// Calls to the ledger that failed. Their alerts are published anyway.
    pub ledger_errors: u64,
    /// Checks that found the rules object unavailable or invalid.
    pub rules_errors: u64,
    /// Alerts to publish.
    pub alerts: u64,
    /// Alerts that every topic confirmed.
    pub alerts_published: u64,
    /// Alerts that a topic did not confirm.
    pub alerts_failed: u64,
}

impl Counters {
    /// Names and values of the metrics.
    #[must_use]
    pub fn metrics(&self) -> [(&'static str, u64); 30] {
        [
            ("Objects", self.objects),
            ("ObjectsRead", self.objects_read),
            ("ObjectsFailed", self.objects_failed),
            ("TestEventsSkipped", self.skipped.test_events),
            ("OtherEventsSkipped", self.skipped.other_events),
            ("DigestsSkipped", self.skipped.digests),
            ("OtherKeysSkipped", self.skipped.other_keys),
            ("RepeatedObjectsSkipped", self.skipped.repeated),
            ("PayloadProblems", self.payload_problems),
            ("InflatedBytes", self.inflated_bytes),
            ("Records", self.records),
            ("RecordsSelected", self.records_selected),
            ("RecordsSkipped", self.records_skipped),
            ("RecordsUnreadable", self.records_unreadable),
            ("InlineRecords", self.inline_records),
            ("Findings", self.findings),
            ("DisabledMappings", self.disabled_mappings),
            ("ChangedMappings", self.changed_mappings),
            ("Denials", self.denials),
            ("WatchedEvents", self.watched_events),
            ("SuppressedFindings", self.suppressed),
            ("RepeatedFindings", self.repeated),
            ("Incidents", self.incidents),
            ("IncidentsKnown", self.incidents_known),
            ("IncidentsSummarized", self.incidents_summarized),
            ("LedgerErrors", self.ledger_errors),
            ("RulesErrors", self.rules_errors),
            ("Alerts", self.alerts),
            ("AlertsPublished", self.alerts_published),
            ("AlertsFailed", self.alerts_failed),
        ]
    }

    /// The counts as one line in CloudWatch embedded metric format, from which CloudWatch Logs creates metrics.
    ///
    /// `timestamp` is in milliseconds since 1970. `suppressed` has the number of suppressed findings by rule name.
    #[must_use]
    pub fn embedded_metrics(&self, timestamp: u64, function_name: &str, suppressed: &BTreeMap<String, u64>) -> String {
        let unit = |name| if name == "InflatedBytes" { "Bytes" } else { "Count" };
        let definitions: Vec<Value> =
            self.metrics().iter().map(|(name, _)| json!({"Name": name, "Unit": unit(*name)})).collect();
        let directive = json!({
            "Timestamp": timestamp,
            "CloudWatchMetrics": [
                {"Namespace": NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": definitions}
            ]
        });
        let mut line = Map::new();
        line.insert("_aws".to_owned(), directive);
        line.insert("FunctionName".to_owned(), json!(function_name));
        if !suppressed.is_empty() {
            line.insert("SuppressedByRule".to_owned(), json!(suppressed));
        }
        line.extend(self.metrics().iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        Value::Object(line).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_a_metric_with_its_definition() {
        let counters = Counters { records: 7, inflated_bytes: 4_096, ..Counters::default() };
        let line = counters.embedded_metrics(1_700_000_000_000, "trailwarden", &BTreeMap::from([("s".to_owned(), 3)]));
        assert!(!line.contains('\n'));
        let parsed: Value = serde_json::from_str(&line).expect("JSON");
        let directive = &parsed["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "Trailwarden");
        let defined: Vec<_> =
            directive["Metrics"].as_array().expect("a list").iter().map(|it| it["Name"].clone()).collect();
        assert_eq!(defined.len(), counters.metrics().len());
        for (name, value) in counters.metrics() {
            assert!(defined.contains(&json!(name)), "{name}");
            assert_eq!(parsed[name], value, "{name}");
        }
        assert_eq!(parsed["SuppressedByRule"], json!({"s": 3}));
        assert_eq!((&parsed["Records"], &parsed["FunctionName"]), (&json!(7), &json!("trailwarden")));
    }
}
