//! The alert about an event source mapping that AWS disabled.

use super::content::Alert;
use super::context;
use super::mapping::{Source, mapping_subject, source_and_function};
use super::wording::{details, place, time};
use super::{next_steps, sanitize};
use crate::detect::{EsmCategory, EsmDisabled};
use crate::triage::{Context, Incident, Lifecycle};

pub(super) fn alert<'a>(incident: &'a Incident, esm: &EsmDisabled) -> Alert<'a> {
    let event = &incident.finding.event;
    let source = Source::of(esm.event_source_arn.as_deref());
    let uuid = esm.mapping_uuid.as_deref();
    let subject = mapping_subject(incident, "Stopped", &source, uuid, Some(esm.category.as_str()));
    let headline = match (&event.function_name, uuid) {
        (None, Some(uuid)) => {
            format!("Lambda stopped reading {} for mapping {}.", source.named(), sanitize::name(uuid))
        }
        _ => format!("Lambda stopped reading {}.", source_and_function(incident, &source)),
    };
    let known = incident.context.as_ref();
    let (mapping, function) = (known.and_then(|it| it.mapping.as_ref()), known.and_then(|it| it.function.as_ref()));
    Alert {
        situation: situation(incident, &source),
        why: why(esm),
        next_steps: next_steps::of_disabled_mapping(event, esm, known),
        details: details(
            incident,
            [
                ("Owner", &known.and_then(context::owner)),
                ("Mapping", &esm.mapping_uuid),
                ("Function", &esm.function_arn),
                ("Role", &function.and_then(|it| it.role_arn.clone())),
                ("Event source", &esm.event_source_arn),
                ("Last result", &mapping.and_then(|it| it.last_processing_result.clone())),
            ],
        ),
        ..Alert::new(incident, subject, headline, None)
    }
}

/// Where and when AWS disabled the mapping, its present state, and what follows while it is disabled.
fn situation(incident: &Incident, source: &Source<'_>) -> Vec<String> {
    let event = &incident.finding.event;
    let stopped = format!(
        "AWS disabled the event source mapping at {} in {}.",
        time(event.time.as_deref()),
        place(event.region.as_deref(), event.account.as_deref())
    );
    let known = incident.context.as_ref();
    let present = known.and_then(context::present_state);
    let consequence = match incident.lifecycle {
        Some(Lifecycle::OverSince(ended)) => Some(format!(
            "A user enabled or deleted the mapping at {}, so it is no longer stopped.",
            time(Some(&ended.to_string()))
        )),
        Some(Lifecycle::Open | Lifecycle::Resolves(_)) | None if known.is_some_and(Context::is_enabled) => None,
        Some(Lifecycle::Open | Lifecycle::Resolves(_)) | None => Some(source.consequence().to_owned()),
    };
    [Some(stopped), present, consequence].into_iter().flatten().collect()
}

fn why(esm: &EsmDisabled) -> Vec<String> {
    let meaning = match esm.category {
        EsmCategory::ResourceNotFound => "the event source, or another resource that the mapping uses, does not exist",
        EsmCategory::FunctionNotFound => "the function does not exist",
        EsmCategory::RegionNameNotValid => "the Region of the event source or the function is not valid",
        EsmCategory::AuthorizationError => "the permissions to read the event source are missing or incorrect",
        EsmCategory::FunctionInFailedState => "the function is in the Failed state",
        EsmCategory::Unknown if esm.reason.is_some() => "the Lambda documentation does not list this reason",
        EsmCategory::Unknown => "the event contains no reason",
    };
    let mut lines = vec![format!("{}: {meaning}.", esm.category.as_str())];
    let said = esm.reason.as_deref().filter(|reason| *reason != esm.category.as_str());
    lines.extend(said.map(|reason| format!("AWS says: \"{}\"", sanitize::line(reason))));
    lines
}
