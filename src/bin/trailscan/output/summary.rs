//! The summary of a scan, for people and for tickets.

use std::collections::BTreeMap;
use std::time::Duration;

use trailwarden::alert::sanitize;

use super::Results;
use crate::output::group::is_listed;
use crate::output::totals::Ranking;
use crate::scan::reading::Reading;

/// Number of callers, of actions, of functions and of accounts that the summary lists.
const TOP: usize = 5;

impl Results {
    /// The summary: what was read and found, with the most frequent values.
    pub(crate) fn summary(&self, skipped: u64, elapsed: Duration) -> String {
        let totals = &self.totals;
        let mut lines = Lines::default();
        if let Some((first, last)) = &totals.period {
            lines.add("Period", [format!("{} to {}", sanitize::name(first), sanitize::name(last))]);
        }
        lines.add_reading(&self.reading, Some(totals.lambda_events), skipped);
        lines.add("Findings", [or_none(totals.findings.iter().map(|(kind, count)| format!("{count} {kind}")))]);
        if !self.incidents.is_empty() {
            lines
                .add("Incidents", [or_none(self.by_severity().map(|(severity, count)| format!("{count} {severity}")))]);
        }
        if self.omitted.findings > 0 {
            lines.add("Not listed", [format!("{} findings of further incidents", self.omitted.findings)]);
        }
        if self.omitted.changes > 0 {
            let omitted = self.omitted.changes;
            lines.add("Incomplete", [format!("{omitted} changes were not considered as causes or ends of stops")]);
        }
        if totals.not_selected > 0 {
            lines.add("Not selected", [totals.not_selected.to_string()]);
        }
        let suppressed = totals.suppressed.iter().map(|(rule, count)| format!("{count} by {}", sanitize::name(rule)));
        lines.add("Suppressed", suppressed);
        for (label, ranking) in [
            ("Callers", &totals.callers),
            ("Actions", &totals.actions),
            ("Functions", &totals.functions),
            ("Accounts", &totals.accounts),
        ] {
            lines.add(label, ranked(ranking));
        }
        lines.add("Speed", [speed(self.reading.inflated_bytes, elapsed)]);
        lines.0
    }

    /// Number of incidents by severity, most severe first.
    fn by_severity(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut counts = BTreeMap::new();
        for incident in self.incidents.iter().filter(|it| is_listed(it)) {
            *counts.entry(incident.finding.severity()).or_default() += 1;
        }
        counts.into_iter().rev().map(|(severity, count)| (severity.as_str(), count))
    }
}

/// The summary of reading without a search: what was read and the number of findings.
pub(crate) fn of_reading(reading: &Reading, findings: u64, skipped: u64) -> String {
    let mut lines = Lines::default();
    lines.add_reading(reading, None, skipped);
    lines.add("Findings", [findings.to_string()]);
    lines.0
}

/// Lines with a label and a value.
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Adds what was read.
    fn add_reading(&mut self, reading: &Reading, lambda_events: Option<u64>, skipped: u64) {
        let Reading { objects, records, problems, .. } = reading;
        let lambda = lambda_events.map(|count| format!(", {count} of them from AWS Lambda")).unwrap_or_default();
        let others = if skipped > 0 { format!("; {} skipped", counted(skipped, "other file")) } else { String::new() };
        let (objects, records) = (counted(*objects, "object"), counted(*records, "record"));
        self.add("Read", [format!("{objects} with {records}{lambda}{others}")]);
        self.add("Problems", [or_none([*problems].into_iter().filter(|it| *it > 0).map(|it| it.to_string()))]);
    }

    /// Adds values. Only the first line has the label.
    fn add(&mut self, label: &str, values: impl IntoIterator<Item = String>) {
        let mut label = label;
        for value in values {
            self.0.extend([format!("{label:14}{value}\n")]);
            label = "";
        }
    }
}

/// A number of things, in the singular or the plural.
fn counted(count: u64, singular: &str) -> String {
    format!("{count} {singular}{}", if count == 1 { "" } else { "s" })
}

fn ranked(ranking: &Ranking) -> Vec<String> {
    let top = ranking.top(TOP);
    let width = top.first().map_or(0, |(_, count)| count.to_string().len());
    top.into_iter().map(|(value, count)| format!("{count:width$}  {}", sanitize::name(value))).collect()
}

fn or_none(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn speed(inflated_bytes: u64, elapsed: Duration) -> String {
    let megabytes = inflated_bytes as f64 / 1e6;
    let seconds = elapsed.as_secs_f64().max(1e-6);
    format!("{megabytes:.1} MB of inflated JSON in {seconds:.3} s, {:.0} MB/s", megabytes / seconds)
}
