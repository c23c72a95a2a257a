//! Metrics of an invocation in CloudWatch embedded metric format.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::counters::Counters;
use super::lag::Lag;

/// Namespace of the metrics.
const NAMESPACE: &str = "Trailwarden";

/// Number of findings by alert type and category.
pub type FindingCounts = BTreeMap<(&'static str, String), u64>;

/// The metrics of an invocation. A metric without a value is 0, or unknown if it is a duration.
#[derive(Debug, Clone, Copy)]
pub struct Metrics<'a> {
    /// What the invocation did.
    pub counters: &'a Counters,
    /// The longest delays.
    pub lag: Lag,
    /// Number of findings by alert type and category. The number of categories is bounded by the number of the user's rules.
    pub findings: &'a FindingCounts,
    /// Number of suppressed findings by rule.
    pub suppressed: &'a BTreeMap<String, u64>,
}

impl Metrics<'_> {
    /// Lines in CloudWatch embedded metric format, from which CloudWatch Logs creates metrics: one with all metrics that
    /// are not 0, and one for each category that was found.
    #[must_use]
    pub fn lines(&self, time: Timestamp, function_name: &str) -> Vec<String> {
        let function = ("FunctionName", function_name);
        let measured = self.measured();
        let total = (!measured.is_empty()).then(|| {
            let mut line = embedded(time, &[function], &measured);
            if !self.suppressed.is_empty() {
                line.insert("SuppressedByRule".to_owned(), json!(self.suppressed));
            }
            line
        });
        let by_category = self.findings.iter().map(|((alert_type, category), count)| {
            let dimensions = [function, ("AlertType", alert_type), ("Category", category)];
            embedded(time, &dimensions, &[("Findings", *count, None)])
        });
        total.into_iter().chain(by_category).map(|line| Value::Object(line).to_string()).collect()
    }

    /// The metrics with their units.
    fn measured(&self) -> Vec<(&'static str, u64, Option<&'static str>)> {
        let unit = |name| (name == "InflatedBytes").then_some("Bytes");
        let counted = self.counters.metrics().into_iter().filter(|(_, count)| *count > 0);
        let lags = [("ObjectLag", self.lag.object), ("AlertLag", self.lag.alert)];
        let lags = lags.into_iter().filter_map(|(name, lag)| Some((name, lag?.as_secs(), Some("Seconds"))));
        counted.map(|(name, count)| (name, count, unit(name))).chain(lags).collect()
    }
}

/// A line with metrics only. Counts have no unit, because CloudWatch charges for every byte of the log.
fn embedded(time: Timestamp, dimensions: &[(&str, &str)], metrics: &[(&str, u64, Option<&str>)]) -> Map<String, Value> {
    let definition = |(name, _, unit): &(&str, u64, Option<&str>)| match unit {
        Some(unit) => json!({"Name": name, "Unit": unit}),
        None => json!({"Name": name}),
    };
    let names: Vec<_> = dimensions.iter().map(|(name, _)| name).collect();
    let definitions: Vec<_> = metrics.iter().map(definition).collect();
    let directive = json!({
        "Timestamp": time.as_millisecond(),
        "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": definitions}],
    });
    let mut line = Map::from_iter([("_aws".to_owned(), directive)]);
    line.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    line.extend(metrics.iter().map(|(name, value, _)| ((*name).to_owned(), json!(value))));
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lines(counters: &Counters, lag: Lag, findings: &FindingCounts, suppressed: &BTreeMap<String, u64>) -> String {
        let metrics = Metrics { counters, lag, findings, suppressed };
        metrics.lines(Timestamp::constant(1_767_323_100, 0), "trailwarden").join("\n")
    }

    #[test]
    fn only_metrics_with_a_value_are_logged() {
        let counters = Counters { records: 7, inflated_bytes: 4_096, findings: 3, ..Counters::default() };
        let lag = Lag { object: Some(Duration::from_millis(1_900)), alert: None };
        let findings = FindingCounts::from([(("access_denied", "policy".to_owned()), 3)]);
        let suppressed = BTreeMap::from([("scanner".to_owned(), 2)]);
        insta::assert_snapshot!(lines(&counters, lag, &findings, &suppressed), @r#"
        {"Findings":3,"FunctionName":"trailwarden","InflatedBytes":4096,"ObjectLag":1,"Records":7,"SuppressedByRule":{"scanner":2},"_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName"]],"Metrics":[{"Name":"InflatedBytes","Unit":"Bytes"},{"Name":"Records"},{"Name":"Findings"},{"Name":"ObjectLag","Unit":"Seconds"}],"Namespace":"Trailwarden"}],"Timestamp":1767323100000}}
        {"AlertType":"access_denied","Category":"policy","Findings":3,"FunctionName":"trailwarden","_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName","AlertType","Category"]],"Metrics":[{"Name":"Findings"}],"Namespace":"Trailwarden"}],"Timestamp":1767323100000}}
        "#);
        let nothing = lines(&Counters::default(), Lag::default(), &FindingCounts::new(), &BTreeMap::new());
        assert_eq!(nothing, "");
    }

    /// The length of the line about most invocations. local/costs.py calculates the cost of the log from it.
    #[test]
    fn an_invocation_without_findings_logs_few_bytes() {
        let counters = Counters {
            objects: 1,
            objects_read: 1,
            inflated_bytes: 123_456,
            records: 100,
            records_selected: 20,
            records_skipped: 80,
            ..Counters::default()
        };
        let lag = Lag { object: Some(Duration::from_secs(1)), alert: None };
        let metrics =
            Metrics { counters: &counters, lag, findings: &FindingCounts::new(), suppressed: &BTreeMap::new() };
        let lines = metrics.lines(Timestamp::constant(1_767_323_100, 0), "trailwarden-Function-0123456789AB").concat();
        assert_eq!(lines.len(), 493, "{lines}");
    }
}
