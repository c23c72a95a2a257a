//! The alert about an event source mapping that AWS disabled.

use super::content::Alert;
use super::context;
use super::mapping::{Source, mapping_subject, source_and_function};
use super::wording::{details, place, time};
use super::{cause, next_steps, sanitize};
use crate::detect::{EsmCategory, EsmDisabled, Origin};
use crate::triage::{Context, Incident, Lifecycle};

pub(super) fn alert<'a>(incident: &'a Incident, esm: &EsmDisabled) -> Alert<'a> {
    let event = &incident.finding.event;
    let source = Source::of(esm.event_source_arn.as_deref());
    let uuid = esm.mapping_uuid.as_deref();
    let (word, verb) = match incident.lifecycle {
        Some(Lifecycle::Reminder(..)) => ("Still stopped", "still does not read"),
        _ => ("Stopped", "stopped reading"),
    };
    let subject = mapping_subject(incident, word, &source, uuid, Some(esm.category.as_str()));
    let headline = match (&event.function_name, uuid) {
        (None, Some(uuid)) => {
            format!("Lambda {verb} {} for mapping {}.", source.named(), sanitize::name(uuid))
        }
        _ => format!("Lambda {verb} {}.", source_and_function(incident, &source)),
    };
    let known = incident.context.as_ref();
    let (mapping, function) = (known.and_then(|it| it.mapping.as_ref()), known.and_then(|it| it.function.as_ref()));
    let mut details = details(
        incident,
        [
            ("Owner", &known.and_then(context::owner)),
            ("Mapping", &esm.mapping_uuid),
            ("Function", &esm.function_arn),
            ("Role", &function.and_then(|it| it.role_arn.clone())),
            ("Event source", &esm.event_source_arn),
            ("Last result", &mapping.and_then(|it| it.last_processing_result.clone())),
        ],
    );
    details.splice(1..1, cause::events(incident));
    Alert {
        situation: situation(incident, &source),
        why: why(incident, esm).into_iter().chain(cause::sentences(incident)).collect(),
        next_steps: next_steps::of_disabled_mapping(event, esm, known),
        details,
        ..Alert::new(incident, subject, headline, None)
    }
}

/// When and where AWS disabled the mapping, its present state, and the consequence.
fn situation(incident: &Incident, source: &Source<'_>) -> Vec<String> {
    let known = incident.context.as_ref();
    let present = known.and_then(context::present_state);
    let consequence = match incident.lifecycle {
        Some(Lifecycle::OverSince(ended)) => Some(format!(
            "A user enabled or deleted the mapping at {}, so it is no longer stopped.",
            time(Some(&ended.to_string()))
        )),
        _ if known.is_some_and(Context::is_enabled) => None,
        _ => Some(source.consequence().to_owned()),
    };
    [Some(disabled(incident)), present, consequence].into_iter().flatten().collect()
}

/// When and where the mapping was disabled.
fn disabled(incident: &Incident) -> String {
    let event = &incident.finding.event;
    let (since, place) = (time(event.time.as_deref()), place(event.region.as_deref(), event.account.as_deref()));
    match (incident.lifecycle, event.origin) {
        (Some(Lifecycle::Reminder(..)), _) => {
            format!("The event source mapping has been disabled since {since} in {place}.")
        }
        (_, Origin::LambdaApi) => {
            format!("The Lambda API reports that the event source mapping has been disabled since {since} in {place}.")
        }
        (_, Origin::Record) => format!("AWS disabled the event source mapping at {since} in {place}."),
    }
}

fn why(incident: &Incident, esm: &EsmDisabled) -> Vec<String> {
    let meaning = match esm.category {
        EsmCategory::Unknown if incident.finding.event.origin == Origin::LambdaApi => {
            "the Lambda API reports no known reason"
        }
        EsmCategory::Unknown if esm.reason.is_none() => "the event contains no reason",
        category => meaning(category),
    };
    let mut lines = vec![format!("{}: {meaning}.", esm.category.as_str())];
    let said = esm.reason.as_deref().filter(|reason| *reason != esm.category.as_str());
    lines.extend(said.map(|reason| format!("AWS says: \"{}\"", sanitize::line(reason))));
    if let Some(Lifecycle::Reminder(stop, _)) = incident.lifecycle {
        lines.push(format!("This is a reminder of the alert {}.", stop.alert));
    }
    lines
}

/// What a category means, as the end of a sentence.
pub(super) fn meaning(category: EsmCategory) -> &'static str {
    match category {
        EsmCategory::ResourceNotFound => "the event source, or another resource that the mapping uses, does not exist",
        EsmCategory::FunctionNotFound => "the function does not exist",
        EsmCategory::RegionNameNotValid => "the Region of the event source or the function is not valid",
        EsmCategory::AuthorizationError => "the permissions to read the event source are missing or incorrect",
        EsmCategory::FunctionInFailedState => "the function is in the Failed state",
        EsmCategory::Unknown => "the Lambda documentation does not list this reason",
    }
}
