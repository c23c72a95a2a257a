//! The stopped event source mappings, each with its end and its likely causes.

use maud::{Markup, html};
use trailwarden::alert::{Alert, Brief};
use trailwarden::detect::{EsmChange, EsmChanged, FindingKind};
use trailwarden::triage::Incident;

use super::shown::{isolated, name, number, time, within};
use crate::output::group::{Group, is_listed};

/// Maximum number of bytes of this section. The table of incidents lists stops that do not fit.
const MAX_BYTES: usize = 1_500_000;
/// Maximum number of stops in this section.
const MAX_STOPS: usize = 500;

/// A stop, and the incident that resolved it.
struct Stopped<'a> {
    stop: &'a Incident,
    resolution: Option<&'a Incident>,
}

/// The section with the stops.
pub(super) fn section(incidents: &[Incident]) -> Markup {
    let stops = stopped(incidents);
    if stops.is_empty() {
        return html! {};
    }
    let (items, shown) = within(MAX_BYTES, stops.iter().take(MAX_STOPS).map(item));
    let more = stops.len() as u64 - shown;
    html! {
        section aria-labelledby="stops" {
            h2 #stops { "Stopped event source mappings" }
            p.note { "AWS disabled these mappings. Lambda does not read an event source until someone enables its mapping. Times are UTC." }
            ol.stops { (items) }
            @if more > 0 { p.note { (number(more)) " more are in the table of incidents." } }
        }
    }
}

/// The stops, each with its resolution, which follows it.
fn stopped(incidents: &[Incident]) -> Vec<Stopped<'_>> {
    let next = incidents.iter().skip(1).map(Some).chain([None]);
    let pairs = incidents.iter().zip(next).filter(|(it, _)| is_listed(it) && Group::of(&it.finding) == Group::Stopped);
    pairs.map(|(stop, next)| Stopped { stop, resolution: next.filter(|it| !is_listed(it)) }).collect()
}

fn item(stopped: &Stopped<'_>) -> Markup {
    let stop = stopped.stop;
    let brief = Brief::of(stop);
    let event = &stop.finding.event;
    let why = Alert::of(stop).why;
    let reasons = why.len().saturating_sub(brief.causes.len());
    html! {
        li {
            .mapping {
                h3 { (isolated(&brief.subject)) }
                p.place {
                    (name(event.account.as_deref().unwrap_or("unknown account"))) " · "
                    (name(event.region.as_deref().unwrap_or("unknown Region")))
                }
                @match stopped.resolution {
                    Some(resolution) => p.state.over { (end(resolution)) },
                    None => p.state.open { "Not resumed" },
                }
            }
            dl {
                div {
                    div { dt { "Stopped" } dd { (time(event.time.as_deref())) } }
                    @if let Some(resolution) = stopped.resolution {
                        div {
                            dt { (end(resolution)) }
                            dd { (time(resolution.finding.event.time.as_deref())) }
                            dd.quiet { "by " (name(&resolution.finding.event.principal.display)) ", " (isolated(&brief.state.unwrap_or_default())) }
                        }
                    }
                }
                div {
                    div {
                        dt { "Reason" }
                        @for reason in why.iter().take(reasons) { dd { (isolated(reason)) } }
                    }
                    @if !brief.causes.is_empty() {
                        div {
                            dt { @if brief.causes.len() == 1 { "Likely cause" } @else { "Likely causes" } }
                            @for cause in &brief.causes { dd { (isolated(cause)) } }
                        }
                    }
                }
            }
        }
    }
}

/// How a stop ended.
fn end(resolution: &Incident) -> &'static str {
    match resolution.finding.kind {
        FindingKind::EsmChanged(EsmChanged { change: EsmChange::Deleted, .. }) => "Deleted",
        _ => "Resumed",
    }
}
