//! The page around the sections.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};
use trailwarden::alert::sanitize;
use trailwarden::triage::{Incident, Lifecycle};

use super::shown::{counted, isolated, moment, number, within};
use super::{chart, incidents, rankings, stops};
use crate::output::Results;
use crate::output::group::{Group, is_listed};
use crate::output::totals::{Ranking, Totals};
use crate::scan::reading::{Damaged, Reading};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Maximum number of bytes of the list of problems.
const MAX_PROBLEM_BYTES: usize = 300_000;

/// What a report is about.
pub(crate) struct Scan<'a> {
    pub(crate) results: &'a Results,
    /// Number of files that were skipped.
    pub(crate) skipped: u64,
    /// The scan was interrupted.
    pub(crate) is_interrupted: bool,
    /// When the report was generated.
    pub(crate) at: Timestamp,
}

/// The page.
pub(super) fn page(scan: &Scan<'_>) -> Markup {
    let results = scan.results;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(content_security_policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                title { "trailscan report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(scan))
                main {
                    (tiles(scan))
                    (chart::section(&results.totals.timeline))
                    (stops::section(&results.incidents))
                    @if findings(&results.totals) > 0 { (rankings::section(&results.totals)) }
                    (incidents::section(results))
                    (problems(&results.reading))
                }
                (footer(scan))
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// A policy that allows only the style sheet and the script of the page.
fn content_security_policy() -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn findings(totals: &Totals) -> u64 {
    totals.findings.values().sum()
}

fn header(scan: &Scan<'_>) -> Markup {
    let (reading, totals) = (&scan.results.reading, &scan.results.totals);
    html! {
        header {
            p.product { "trailscan" }
            h1 { "CloudTrail scan report" }
            @if let Some((first, last)) = totals.timeline.period() {
                p.period { "Findings from " (moment(first)) " to " (moment(last)) " UTC" }
            }
            p.note {
                "Scanned " (counted(reading.objects, "log object", "log objects")) " with "
                (counted(reading.records, "record", "records")) ", " (number(totals.lambda_events)) " of them from AWS Lambda."
                @if scan.skipped > 0 { " " (counted(scan.skipped, "other file was", "other files were")) " skipped." }
            }
            (warning(scan))
        }
    }
}

/// Why the report may be incomplete.
fn warning(scan: &Scan<'_>) -> Markup {
    let Results { reading, totals, omitted, .. } = scan.results;
    let suppressed: u64 = totals.suppressed.values().sum();
    let reasons = [
        (reading.objects == 0).then(|| "No log object was read.".to_owned()),
        scan.is_interrupted.then(|| "The scan was interrupted.".to_owned()),
        (reading.problems > 0).then(|| {
            format!(
                "{} could not be read; see the end of the page.",
                counted(reading.problems, "object or record", "objects or records")
            )
        }),
        (omitted.findings > 0).then(|| {
            format!(
                "{} exceeded the limit on incidents and were only counted.",
                counted(omitted.findings, "finding", "findings")
            )
        }),
        (omitted.changes > 0).then(|| {
            format!(
                "{} not considered as causes or ends of stops.",
                counted(omitted.changes, "change was", "changes were")
            )
        }),
    ];
    let reasons: Vec<_> = reasons.into_iter().flatten().collect();
    html! {
        @if !reasons.is_empty() {
            .warning role="note" { strong { "This report is incomplete." } @for reason in reasons { " " (reason) } }
        }
        @if totals.not_selected > 0 || suppressed > 0 {
            p.note {
                @if totals.not_selected > 0 { (counted(totals.not_selected, "finding was", "findings were")) " not selected by the options. " }
                @if suppressed > 0 { (counted(suppressed, "finding was", "findings were")) " suppressed by rules." }
            }
        }
    }
}

/// The key numbers.
fn tiles(scan: &Scan<'_>) -> Markup {
    let results = scan.results;
    let totals = &results.totals;
    if findings(totals) == 0 {
        return html! {
            .nothing {
                p { strong { "Nothing was found." } }
                p { "No record is about a stopped event source mapping, a denied call of the examined services, or an event that a rule watches for." }
            }
        };
    }
    let of = |kind| totals.findings.get(kind).copied().unwrap_or_default();
    let incidents =
        |group| results.incidents.iter().filter(|it| is_listed(it) && Group::of(&it.finding) == group).count() as u64;
    // Incidents that exceeded the limit are only counted as findings.
    let stopped = if results.omitted.findings == 0 { incidents(Group::Stopped) } else { of("esm_disabled") };
    let resumed = results.incidents.iter().filter(|it| is_over(it)).count() as u64;
    let in_incidents = |group| html! { "in " (counted(incidents(group), "incident", "incidents")) };
    html! {
        section aria-label="Key numbers" {
            dl.tiles {
                @if stopped > 0 && resumed < stopped {
                    (tile("Stopped mappings", stopped, "alarming", &html! { @if resumed == 0 { "none" } @else { (number(resumed)) } " enabled or deleted since" }))
                } @else {
                    (tile("Stopped mappings", stopped, "", &html! { @if stopped > 0 { "all enabled or deleted since" } @else { "none found" } }))
                }
                (tile("Denied calls", of("access_denied"), "", &in_incidents(Group::Denied)))
                @if of("esm_changed") > 0 { (tile("Changed mappings", of("esm_changed"), "", &html! { "by users" })) }
                @if of("watch") > 0 { (tile("Watch matches", of("watch"), "", &in_incidents(Group::Watched))) }
                (tile("Callers", totals.callers.distinct() as u64, "", &with_findings(&totals.callers)))
                (tile("Accounts", totals.accounts.distinct() as u64, "", &with_findings(&totals.accounts)))
            }
        }
    }
}

fn with_findings(ranking: &Ranking) -> Markup {
    html! { @if ranking.is_full() { "or more " } "with findings" }
}

fn tile(label: &str, value: u64, class: &str, note: &Markup) -> Markup {
    html! { div class=(class) { dt { (label) } dd.value { (number(value)) } dd.note { (note) } } }
}

fn is_over(incident: &Incident) -> bool {
    matches!(incident.lifecycle, Some(Lifecycle::OverSince(_)))
}

/// The objects that could not be read.
fn problems(reading: &Reading) -> Markup {
    if reading.damaged.is_empty() {
        return html! {};
    }
    let item = |it: &Damaged| {
        let more = it.count - it.problems.len() as u64;
        html! {
            li {
                (isolated(&sanitize::line(&it.name)))
                ul {
                    @for problem in &it.problems { li { (isolated(&sanitize::line(problem))) } }
                    @if more > 0 { li { "and " (number(more)) " more" } }
                }
            }
        }
    };
    let (items, shown) = within(MAX_PROBLEM_BYTES, reading.damaged.iter().map(item));
    html! {
        section aria-labelledby="problems" {
            h2 #problems { "Not read" }
            p.note {
                (counted(reading.problems, "problem", "problems")) ". Findings in these objects or records may be missing."
                @if shown == reading.damaged.len() as u64 { } @else { " Only the first objects are listed." }
            }
            ul.problems { (items) }
        }
    }
}

fn footer(scan: &Scan<'_>) -> Markup {
    html! {
        footer {
            p { "Generated by trailscan " (env!("CARGO_PKG_VERSION")) " at " (moment(scan.at)) " UTC. All times are UTC." }
            p {
                "Denied calls of one caller with the same action, error code and type of policy are one incident. \
                 Each stop of a mapping is an incident of its own."
            }
            p {
                "Names, messages and user agents come from logs. Callers choose some of them, and may have chosen them to \
                 mislead. Links in them are broken, and invisible characters are replaced."
            }
        }
    }
}
