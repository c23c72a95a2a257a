//! The alert that an event source mapping is no longer stopped.

use super::content::Alert;
use super::mapping::{Source, mapping_subject, source_and_function};
use super::next_steps;
use super::wording::{caller, details, duration, place, time};
use crate::clock::time_between;
use crate::detect::{EsmChange, EsmChanged};
use crate::triage::{Incident, Stop};

pub(super) fn alert<'a>(incident: &'a Incident, esm: &EsmChanged, stop: Stop) -> Alert<'a> {
    let event = &incident.finding.event;
    let source = Source::of(esm.event_source_arn.as_deref());
    let subject =
        mapping_subject(incident, "Resolved", &source, esm.mapping_uuid.as_deref(), Some(esm.change.as_str()));
    let target = source_and_function(incident, &source);
    let (headline, consequence) = match esm.change {
        EsmChange::Deleted => (
            format!("{} deleted the event source mapping that AWS had disabled: {target}.", caller(incident)),
            "Until another mapping reads the source, its events are not processed and may expire.",
        ),
        EsmChange::Enabled | EsmChange::Disabled => (
            format!("{} enabled the event source mapping again: Lambda now reads {target}.", caller(incident)),
            "Events that accumulated are processed now. Events that expired are lost.",
        ),
    };
    let ended = event.time.as_deref().and_then(|time| time.parse().ok()).unwrap_or(stop.at);
    let situation = format!(
        "It was stopped for {}, from {} to {} in {}.",
        duration(time_between(stop.at, ended)),
        time(Some(&stop.at.to_string())),
        time(event.time.as_deref()),
        place(event.region.as_deref(), event.account.as_deref()),
    );
    Alert {
        situation: vec![situation, consequence.to_owned()],
        why: vec![format!("This resolves the alert {}.", stop.alert)],
        next_steps: next_steps::of_changed_mapping(event, esm),
        details: details(
            incident,
            [("Mapping", &esm.mapping_uuid), ("Function", &esm.function_arn), ("Event source", &esm.event_source_arn)],
        ),
        ..Alert::new(incident, subject, headline, None)
    }
}
