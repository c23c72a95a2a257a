//! The alert about an event source mapping that a user changed.

use super::content::Alert;
use super::mapping::{Source, UNTIL_ANOTHER, mapping_subject, source_and_function};
use super::wording::{caller, details, period_and_place};
use super::{next_steps, sanitize};
use crate::detect::{EsmChange, EsmChanged};
use crate::triage::Incident;

pub(super) fn alert<'a>(incident: &'a Incident, esm: &EsmChanged) -> Alert<'a> {
    let source = Source::of(esm.event_source_arn.as_deref());
    let mapping = esm.mapping_uuid.as_deref();
    let (word, verb, outcome) = match esm.change {
        EsmChange::Disabled => ("Disabled by user", "disabled", "Lambda stopped reading"),
        EsmChange::Deleted => ("Deleted by user", "deleted", "Lambda stopped reading"),
        EsmChange::Enabled => ("Enabled by user", "enabled", "Lambda now reads"),
    };
    let subject = mapping_subject(incident, word, &source, mapping, None);
    let headline = format!(
        "{} {verb} an event source mapping: {outcome} {}.",
        caller(incident),
        source_and_function(incident, &source)
    );
    let mapping =
        mapping.map_or_else(|| "An unknown mapping".to_owned(), |it| format!("Mapping {}", sanitize::name(it)));
    Alert {
        situation: vec![
            format!("{mapping} was changed {}.", period_and_place(incident)),
            consequence(esm.change, &source).to_owned(),
        ],
        why: vec!["This change was made by a user, not by AWS.".to_owned()],
        next_steps: next_steps::of_changed_mapping(&incident.finding.event, esm),
        details: details(
            incident,
            [("Mapping", &esm.mapping_uuid), ("Function", &esm.function_arn), ("Event source", &esm.event_source_arn)],
        ),
        ..Alert::new(incident, subject, headline, None)
    }
}

/// What happens to the events of the source.
pub(super) fn consequence(change: EsmChange, source: &Source<'_>) -> &'static str {
    match change {
        EsmChange::Disabled => source.consequence(),
        EsmChange::Deleted => UNTIL_ANOTHER,
        EsmChange::Enabled => "If the mapping was disabled before, processing has resumed.",
    }
}
