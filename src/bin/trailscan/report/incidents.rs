//! The table of incidents.

use maud::{Markup, html};
use trailwarden::alert::{Alert, Brief, Format};
use trailwarden::detect::Severity;
use trailwarden::triage::Incident;

use super::shown::{counted, isolated, name, number, time, within};
use crate::output::Results;
use crate::output::group::{Group, is_listed};

/// Maximum number of rows.
const MAX_ROWS: usize = 5_000;
/// Maximum number of bytes of the table.
const MAX_BYTES: usize = 7_000_000;
/// Number of bytes after which rows have no alert text.
const MAX_BYTES_WITH_TEXTS: usize = 4_000_000;

/// The section with the table.
pub(super) fn section(results: &Results) -> Markup {
    let incidents: Vec<_> = results.incidents.iter().filter(|it| is_listed(it)).collect();
    if incidents.is_empty() {
        return html! {};
    }
    let mut bytes = 0;
    let rows = incidents.iter().take(MAX_ROWS).map(|incident| {
        let text = (bytes < MAX_BYTES_WITH_TEXTS).then(|| Alert::of(incident).message(Format::Text).body);
        let row = row(incident, text.as_deref());
        bytes += row.0.len();
        row
    });
    let (rows, shown) = within(MAX_BYTES, rows);
    let more = incidents.len() as u64 - shown;
    html! {
        section aria-labelledby="incidents" {
            h2 #incidents { "Incidents" }
            p.note {
                (counted(incidents.len() as u64, "incident", "incidents")) ", most severe first. Times are UTC."
                span.screen { " Open one to see what to do next." }
                @if more > 0 { " The " (number(more)) " least severe are not shown." }
                @if results.omitted.findings > 0 {
                    " " (counted(results.omitted.findings, "finding", "findings")) " of further incidents were only counted."
                }
            }
            (controls())
            table.incidents role="table" {
                caption.unseen { "Incidents, most severe first" }
                thead role="rowgroup" {
                    tr role="row" {
                        th.level scope="col" role="columnheader" aria-sort="descending" { "Severity" }
                        th.time scope="col" role="columnheader" { "First seen" }
                        th.time scope="col" role="columnheader" { "Last seen" }
                        th.number scope="col" role="columnheader" { "Count" }
                        th.place scope="col" role="columnheader" { "Account, Region" }
                        th.caller scope="col" role="columnheader" { "Caller" }
                        th.what scope="col" role="columnheader" { "What and why" }
                    }
                }
                tbody role="rowgroup" { (rows) }
            }
        }
    }
}

/// The filters, which only work with the script.
fn controls() -> Markup {
    html! {
        .controls hidden role="search" aria-label="Filter incidents" {
            label { "Text" input #filter-text type="search" autocomplete="off" spellcheck="false" placeholder="Caller, action, function, event ID…"; }
            label {
                "Severity"
                select #filter-severity {
                    option value="" { "All" }
                    @for severity in [Severity::Critical, Severity::High, Severity::Medium, Severity::Low] {
                        option { (severity.as_str()) }
                    }
                }
            }
            label {
                "Kind"
                select #filter-kind {
                    option value="" { "All" }
                    @for group in Group::ALL { option { (kind(group)) } }
                }
            }
            output #matches for="filter-text filter-severity filter-kind" {}
        }
    }
}

fn kind(group: Group) -> &'static str {
    match group {
        Group::Stopped => "stopped",
        Group::Changed => "changed",
        Group::Denied => "denied",
        Group::Watched => "watch",
    }
}

fn row(incident: &Incident, text: Option<&str>) -> Markup {
    let event = &incident.finding.event;
    let severity = incident.finding.severity();
    let brief = Brief::of(incident);
    html! {
        tr role="row" {
            td.level role="cell" data-value=(severity as u8) {
                span class={ "severity " (severity.as_str()) } { (severity.as_str()) }
                " " span.kind { (kind(Group::of(&incident.finding))) }
            }
            td.time.first role="cell" { (time(incident.first.as_deref())) }
            td.time.last role="cell" { (time(incident.last.as_deref())) }
            td.number role="cell" data-value=(incident.count) { (number(incident.count)) }
            td.place role="cell" {
                @if let Some(account) = &event.account { (name(account)) " " }
                @if let Some(region) = &event.region { span.quiet { (name(region)) } }
            }
            td.caller role="cell" { @if let Some(caller) = &brief.caller { (isolated(caller)) } @else { span.quiet { "AWS Lambda" } } }
            td.what role="cell" { (what(&brief, text)) }
        }
    }
}

/// What happened and why, and the text of the alert.
fn what(brief: &Brief, text: Option<&str>) -> Markup {
    let state = brief.state.iter().map(|state| format!(", {state}"));
    let reason = [brief.reason.clone()].into_iter().chain(state).collect::<String>();
    let short = html! { b { (isolated(&brief.subject)) } " " span.quiet { (isolated(&reason)) } };
    html! {
        @match text {
            Some(text) => details { summary { span { (short) } } pre { (text) } },
            None => p { (short) },
        }
    }
}
