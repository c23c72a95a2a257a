//! The alert about an event source mapping that AWS disabled.

use super::content::Alert;
use super::mapping::{Source, mapping_subject, source_and_function};
use super::wording::{details, place, time};
use super::{next_steps, sanitize};
use crate::detect::{EsmCategory, EsmDisabled};
use crate::triage::{Incident, Lifecycle};

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
    Alert {
        situation: vec![
            format!(
                "AWS disabled the event source mapping at {} in {}.",
                time(event.time.as_deref()),
                place(event.region.as_deref(), event.account.as_deref())
            ),
            match incident.lifecycle {
                Some(Lifecycle::OverSince(ended)) => format!(
                    "A user enabled or deleted the mapping at {}, so it is no longer stopped.",
                    time(Some(&ended.to_string()))
                ),
                Some(Lifecycle::Open | Lifecycle::Resolves(_)) | None => source.consequence().to_owned(),
            },
        ],
        why: why(esm),
        next_steps: next_steps::of_disabled_mapping(event, esm),
        details: details(
            incident,
            [("Mapping", &esm.mapping_uuid), ("Function", &esm.function_arn), ("Event source", &esm.event_source_arn)],
        ),
        ..Alert::new(incident, subject, headline, None)
    }
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
