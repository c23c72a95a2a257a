//! What rules matched, and its text.

use std::collections::BTreeMap;

use jiff::Zoned;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use trailwarden::alert::sanitize;
use trailwarden::detect::Finding;
use trailwarden::rules::Rules;

/// What the rules matched.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    pub(crate) findings: u64,
    pub(super) watch: BTreeMap<String, Tally>,
    pub(super) suppress: BTreeMap<String, Suppressed>,
}

/// How often a rule matched, and an example.
#[derive(Debug, Default)]
pub(super) struct Tally {
    count: u64,
    /// The ID of the first event.
    example: Option<String>,
}

/// The findings that a suppression matched.
#[derive(Debug, Default)]
pub(super) struct Suppressed {
    /// Findings that no earlier rule suppresses.
    pub(super) findings: Tally,
    /// Findings that an earlier rule suppresses.
    pub(super) by_earlier: u64,
    /// Findings after the last day of the rule, or without a time.
    pub(super) too_late: u64,
}

impl Tally {
    pub(super) fn add(&mut self, finding: &Finding) {
        self.count += 1;
        let id = || finding.event.id.as_deref().map_or_else(|| "(no event ID)".to_owned(), sanitize::name);
        self.example.get_or_insert_with(id);
    }

    fn extend(&mut self, later: Self) {
        self.count += later.count;
        self.example = self.example.take().or(later.example);
    }
}

impl Suppressed {
    fn extend(&mut self, later: Self) {
        self.findings.extend(later.findings);
        self.by_earlier += later.by_earlier;
        self.too_late += later.too_late;
    }
}

impl Matches {
    /// A line for each rule, and the rules that matched nothing.
    pub(crate) fn text(&self, rules: &Rules) -> String {
        let today = Zoned::now().with_time_zone(TimeZone::UTC).date();
        let none = Tally::default();
        let watch = rules.watch.rules().iter().map(|rule| {
            let tally = self.watch.get(&rule.name).unwrap_or(&none);
            Line { rule: &rule.name, tally, notes: Vec::new() }
        });
        let suppress = rules.suppress.iter().map(|rule| {
            let suppressed = self.suppress.get(&rule.name);
            let notes = notes(rule.expires, today, suppressed);
            Line { rule: &rule.name, tally: suppressed.map_or(&none, |it| &it.findings), notes }
        });
        let (watch, suppress): (Vec<_>, Vec<_>) = (watch.collect(), suppress.collect());
        let unmatched = watch.iter().chain(&suppress).filter(|it| it.tally.count == 0);
        let unmatched: Vec<_> = unmatched.map(|it| sanitize::name(it.rule)).collect();
        let mut parts = vec![table("watch rules", "records", &watch), table("suppressions", "findings", &suppress)];
        parts.retain(|it| !it.is_empty());
        if !unmatched.is_empty() {
            parts.push(format!("matched nothing: {}\n", unmatched.join(", ")));
        }
        parts.join("\n")
    }

    /// Adds what the rules matched in later records.
    pub(crate) fn extend(&mut self, later: Self) {
        self.findings += later.findings;
        for (rule, tally) in later.watch {
            self.watch.entry(rule).or_default().extend(tally);
        }
        for (rule, suppressed) in later.suppress {
            self.suppress.entry(rule).or_default().extend(suppressed);
        }
    }
}

/// A rule in a table.
struct Line<'a> {
    rule: &'a str,
    tally: &'a Tally,
    notes: Vec<String>,
}

/// Why a suppression suppresses fewer findings than its pattern matches.
fn notes(expires: Option<Date>, today: Date, suppressed: Option<&Suppressed>) -> Vec<String> {
    let (by_earlier, too_late) = suppressed.map_or((0, 0), |it| (it.by_earlier, it.too_late));
    let mut notes = Vec::new();
    notes.extend(expires.filter(|last| *last < today).map(|last| format!("expired on {last}")));
    notes.extend((too_late > 0).then(|| format!("{too_late} more after its last day")));
    notes.extend((by_earlier > 0).then(|| format!("{by_earlier} more that earlier rules suppress")));
    notes
}

/// A table with the number of matches and an example for each rule; empty without rules.
fn table(title: &str, counted: &str, lines: &[Line<'_>]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let names: Vec<_> = lines.iter().map(|it| sanitize::name(it.rule)).collect();
    let width = names.iter().map(|it| it.chars().count() + 2).chain([title.len()]).max().unwrap_or_default();
    let heading = format!("{title:width$}  {counted:>8}  example");
    let rows = names.iter().zip(lines).map(|(name, line)| {
        let example = line.tally.example.as_ref().map_or("none", String::as_str);
        let shown = [example].into_iter().chain(line.notes.iter().map(String::as_str)).collect::<Vec<_>>().join("; ");
        format!("{:width$}  {:>8}  {shown}", format!("  {name}"), line.tally.count)
    });
    [heading].into_iter().chain(rows).collect::<Vec<_>>().join("\n") + "\n"
}
