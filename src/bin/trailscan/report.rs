//! Prints the findings and the summary.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::time::Duration;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use trailwarden::alert::{Alert, Format as AlertFormat, sanitize};
use trailwarden::detect::FindingKind;
use trailwarden::triage::{Incident, Triage};

use crate::inputs::Inputs;
use crate::scan::Scanned;

/// Number of callers, of actions and of functions that the summary lists.
const TOP: usize = 5;
/// Width of a table that is not printed to a terminal, in columns.
const WIDTH: u16 = 160;

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table with a row for each incident
    Table,
    /// A JSON object for each finding, one per line
    Jsonl,
    /// The text of the alert for each incident
    Text,
}

/// Prints findings as they arrive, or collects them, and counts everything.
pub(crate) struct Report {
    format: Format,
    out: BufWriter<Stdout>,
    triage: Triage,
    totals: Totals,
}

#[derive(Debug, Default)]
struct Totals {
    objects: u64,
    records: u64,
    lambda_events: u64,
    inflated_bytes: u64,
    problems: u64,
    findings: BTreeMap<&'static str, u64>,
    suppressed: BTreeMap<String, u64>,
    not_selected: u64,
    principals: HashMap<String, u64>,
    actions: HashMap<String, u64>,
    functions: HashMap<String, u64>,
}

impl Report {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, out: BufWriter::new(io::stdout()), triage: Triage::default(), totals: Totals::default() }
    }

    /// Returns true if every input was read without problems.
    pub(crate) fn is_complete(&self) -> bool {
        self.totals.problems == 0
    }

    /// Adds the result of an input.
    pub(crate) fn add(&mut self, scanned: Scanned) -> io::Result<()> {
        for problem in &scanned.problems {
            eprintln!("trailscan: {}: {problem}", sanitize::line(&scanned.name));
        }
        let unlisted = scanned.problem_count - scanned.problems.len() as u64;
        if unlisted > 0 {
            eprintln!("trailscan: {}: and {unlisted} more problems", sanitize::line(&scanned.name));
        }
        self.totals.count(&scanned);
        for finding in scanned.findings {
            match self.format {
                Format::Jsonl => {
                    serde_json::to_writer(&mut self.out, &finding.to_json())?;
                    self.out.write_all(b"\n")?;
                }
                Format::Table | Format::Text => self.triage.add(finding),
            }
        }
        self.triage.end_of(&scanned.name);
        Ok(())
    }

    /// Prints the collected findings and the summary.
    pub(crate) fn finish(&mut self, inputs: &Inputs, elapsed: Duration) -> io::Result<()> {
        for (path, error) in &inputs.unreadable {
            eprintln!("trailscan: {}: {error}", path.display());
            self.totals.problems += 1;
        }
        let incidents = self.triage.take_incidents();
        match self.format {
            Format::Jsonl => {}
            Format::Table if incidents.is_empty() => {}
            Format::Table => writeln!(self.out, "{}", table(&incidents).trim_fmt())?,
            Format::Text => {
                for incident in &incidents {
                    let message = Alert::of(incident).message(AlertFormat::Text);
                    writeln!(self.out, "Subject: {}\n\n{}", message.subject, message.body)?;
                }
            }
        }
        self.out.flush()?;
        eprint!("{}", self.totals.summary(inputs, elapsed));
        Ok(())
    }
}

impl Totals {
    fn count(&mut self, scanned: &Scanned) {
        self.objects += 1;
        self.records += scanned.records;
        self.lambda_events += scanned.lambda_events;
        self.inflated_bytes += scanned.inflated_bytes;
        self.problems += scanned.problem_count;
        self.not_selected += scanned.not_selected;
        for (rule, count) in &scanned.suppressed {
            *self.suppressed.entry(rule.clone()).or_default() += count;
        }
        for finding in &scanned.findings {
            *self.findings.entry(finding.alert_type()).or_default() += 1;
            let event = &finding.event;
            let action = match &finding.kind {
                FindingKind::AccessDenied(denied) => denied.action.as_ref(),
                _ => None,
            };
            add(&mut self.principals, &event.principal.key);
            add(&mut self.actions, action.unwrap_or(&event.api_action));
            event.function_name.iter().for_each(|function| add(&mut self.functions, function));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn summary(&self, inputs: &Inputs, elapsed: Duration) -> String {
        let megabytes = self.inflated_bytes as f64 / 1e6;
        let seconds = elapsed.as_secs_f64().max(1e-6);
        let mut lines = vec![
            format!(
                "objects        {} read, {} other files skipped, {} problems",
                self.objects, inputs.skipped, self.problems
            ),
            format!("records        {}, {} of them from AWS Lambda", self.records, self.lambda_events),
            format!(
                "findings       {}",
                or_none(&self.findings.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>())
            ),
        ];
        if self.not_selected > 0 {
            lines.push(format!("not selected   {}", self.not_selected));
        }
        if !self.suppressed.is_empty() {
            let rules = self.suppressed.iter().map(|(rule, count)| format!("{count} by {}", sanitize::name(rule)));
            lines.push(format!("suppressed     {}", or_none(&rules.collect::<Vec<_>>())));
        }
        for (label, counts) in
            [("callers", &self.principals), ("actions", &self.actions), ("functions", &self.functions)]
        {
            if !counts.is_empty() {
                lines.push(format!("top {label:11}{}", or_none(&top(counts))));
            }
        }
        lines.push(format!(
            "throughput     {megabytes:.1} MB of inflated JSON in {seconds:.3} s, {:.0} MB/s",
            megabytes / seconds
        ));
        lines.join("\n") + "\n"
    }
}

fn add(counts: &mut HashMap<String, u64>, value: &str) {
    match counts.get_mut(value) {
        Some(count) => *count += 1,
        None => {
            counts.insert(value.to_owned(), 1);
        }
    }
}

/// The most frequent values, in alphabetical order where the counts are equal.
fn top(counts: &HashMap<String, u64>) -> Vec<String> {
    let mut values: Vec<_> = counts.iter().collect();
    values.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    values.into_iter().take(TOP).map(|(value, count)| format!("{count} {}", sanitize::name(value))).collect()
}

fn or_none(parts: &[String]) -> String {
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn table(incidents: &[Incident]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if !io::stdout().is_terminal() {
        table.set_width(WIDTH);
    }
    table.set_header(["Severity", "First seen", "Count", "What happened", "Why"]);
    for incident in incidents {
        let alert = Alert::of(incident);
        table.add_row([
            incident.finding.severity().as_str().to_owned(),
            incident.first.as_deref().map(sanitize::name).unwrap_or_default(),
            incident.count.to_string(),
            alert.headline,
            alert.why.into_iter().next().unwrap_or_default(),
        ]);
    }
    table
}
