//! What is said about an event source mapping that a user changed.

use super::esm_disabled::Source;
use super::{Alert, details_of, how_often, next_steps, sanitize};
use crate::detect::{EsmChange, EsmChanged};
use crate::triage::Incident;

pub(super) fn alert<'a>(incident: &'a Incident, esm: &EsmChanged) -> Alert<'a> {
    let finding = &incident.finding;
    let source = Source::of(esm.event_source_arn.as_deref());
    let who = sanitize::name(&finding.event.principal.display);
    let mapping = esm.mapping_uuid.as_deref().map_or_else(|| "of unknown ID".to_owned(), sanitize::name);
    let (word, outcome, consequence) = match esm.change {
        EsmChange::Disabled => ("Disabled", "no longer reads", source.consequence()),
        EsmChange::Deleted => ("Deleted", "no longer reads", "What the source holds waits for another mapping."),
        EsmChange::Enabled => ("Enabled again", "reads", "If it had been disabled, that is over."),
    };
    let subject = super::esm_disabled::subject(incident, word, &source, esm.mapping_uuid.as_deref());
    let headline = format!("{word} by {who}: Lambda {}.", super::esm_disabled::reading(incident, &source, outcome));
    Alert {
        situation: vec![format!("Mapping {mapping}. {}", how_often(incident).join(" ")), consequence.to_owned()],
        why: vec!["A user's call, not a decision of AWS.".to_owned()],
        next_steps: next_steps::of_changed_mapping(&finding.event, esm),
        details: details_of(
            incident,
            [("Mapping", &esm.mapping_uuid), ("Function", &esm.function_arn), ("Event source", &esm.event_source_arn)],
        ),
        ..Alert::with(incident, subject, headline, None)
    }
}
