//! The alert about an event source mapping that is enabled but does not process its source.

use super::content::Alert;
use super::context;
use super::mapping::{Source, mapping_subject, source_and_function};
use super::wording::{details, place, time};
use super::{next_steps, sanitize};
use crate::detect::{EsmFailing, FailingCategory};
use crate::triage::Incident;

pub(super) fn alert<'a>(incident: &'a Incident, esm: &EsmFailing) -> Alert<'a> {
    let event = &incident.finding.event;
    let names = &esm.names;
    let source = Source::of(names.event_source_arn.as_deref());
    let subject =
        mapping_subject(incident, "Failing", &source, names.mapping_uuid.as_deref(), Some(esm.category.as_str()));
    let headline = format!("Lambda does not process {}.", source_and_function(incident, &source));
    let known = incident.context.as_ref();
    let function = known.and_then(|it| it.function.as_ref());
    Alert {
        situation: vec![
            format!(
                "The event source mapping is enabled but has been failing since {} or earlier in {}.",
                time(event.time.as_deref()),
                place(event.region.as_deref(), event.account.as_deref())
            ),
            source.unprocessed().to_owned(),
        ],
        why: vec![
            format!("{}: {}.", esm.category.as_str(), meaning(esm.category)),
            format!("AWS says: \"{}\"", sanitize::line(&esm.problem)),
        ],
        next_steps: next_steps::of_failing_mapping(event, esm),
        details: details(
            incident,
            [
                ("Owner", &known.and_then(context::owner)),
                ("Mapping", &names.mapping_uuid),
                ("Function", &names.function_arn),
                ("Role", &function.and_then(|it| it.role_arn.clone())),
                ("Event source", &names.event_source_arn),
            ],
        ),
        ..Alert::new(incident, subject, headline, None)
    }
}

/// What a category means, as the end of a sentence.
pub(super) fn meaning(category: FailingCategory) -> &'static str {
    match category {
        FailingCategory::FilterCriteriaError => "Lambda cannot decrypt or evaluate the filter criteria of the mapping",
        FailingCategory::ConsumerStopped => "Lambda stopped the consumer of the mapping",
        FailingCategory::ProcessingProblem => "the last attempt to read the source or to invoke the function failed",
        FailingCategory::UnknownState => "the Lambda documentation does not list this state",
    }
}
