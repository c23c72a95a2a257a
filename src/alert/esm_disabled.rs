//! What is said about a disabled event source mapping.

use super::{Alert, details_of, function_or_functions, next_steps, place, sanitize, time};
use crate::detect::{Arn, EsmCategory, EsmDisabled, EventSourceKind};
use crate::triage::Incident;

pub(super) fn alert<'a>(incident: &'a Incident, esm: &EsmDisabled) -> Alert<'a> {
    let finding = &incident.finding;
    let event = &finding.event;
    let source = Source::of(esm.event_source_arn.as_deref());
    let uuid = esm.mapping_uuid.as_deref();
    let subject = subject(incident, "Stopped", &source, uuid);
    let headline = match (&event.function_name, uuid) {
        (None, Some(uuid)) => {
            format!("Lambda no longer reads {} for the mapping {}.", source.named(), sanitize::name(uuid))
        }
        _ => format!("Lambda {}.", reading(incident, &source, "no longer reads")),
    };
    Alert {
        situation: vec![
            format!(
                "AWS disabled the event source mapping at {} in {}.",
                time(event.time.as_deref()),
                place(event.region.as_deref(), event.account.as_deref())
            ),
            source.consequence().to_owned(),
        ],
        why: why(esm),
        next_steps: next_steps::of_disabled_mapping(event, esm),
        details: details_of(
            incident,
            [("Mapping", &esm.mapping_uuid), ("Function", &esm.function_arn), ("Event source", &esm.event_source_arn)],
        ),
        ..Alert::with(incident, subject, headline, None)
    }
}

/// What a mapping reads.
pub(super) struct Source<'a> {
    kind: Option<EventSourceKind>,
    name: Option<&'a str>,
}

impl<'a> Source<'a> {
    pub(super) fn of(arn: Option<&'a str>) -> Self {
        let arn = arn.and_then(Arn::parse);
        Self { kind: arn.and_then(|it| it.event_source()), name: arn.map(|it| it.short_name()) }
    }

    /// With its kind and its name.
    fn named(&self) -> String {
        match self.name {
            Some(name) => format!("{} {}", self.noun(), sanitize::name(name)),
            None => self.noun().to_owned(),
        }
    }

    /// With its article.
    fn noun(&self) -> &'static str {
        match self.kind {
            Some(EventSourceKind::Queue) => "the SQS queue",
            Some(EventSourceKind::Stream) => "the Kinesis stream",
            Some(EventSourceKind::Table) => "the stream of the DynamoDB table",
            None if self.name.is_some() => "the event source",
            None => "an event source",
        }
    }

    pub(super) fn consequence(&self) -> &'static str {
        match self.kind {
            Some(EventSourceKind::Queue) => {
                "Messages pile up in the queue, and expire, until the mapping is enabled again."
            }
            Some(EventSourceKind::Stream | EventSourceKind::Table) => {
                "Records wait in the stream, and expire, until the mapping is enabled again."
            }
            None => "What the source holds is not processed, and may expire, until the mapping is enabled again.",
        }
    }
}

/// What is read no longer, or again, and for whom.
pub(super) fn reading(incident: &Incident, source: &Source<'_>, verb: &str) -> String {
    let target = function_or_functions(incident).unwrap_or_else(|| "one of its functions".to_owned());
    format!("{verb} {} for {target}", source.named())
}

/// What stopped comes first.
pub(super) fn subject(incident: &Incident, word: &str, source: &Source<'_>, uuid: Option<&str>) -> String {
    let finding = &incident.finding;
    let target = finding.event.function_name.as_deref().or(uuid).unwrap_or("unknown mapping");
    let category = match word {
        "Stopped" => finding.category(),
        _ => "by a user",
    };
    match source.name {
        Some(name) => super::subject(incident, word, &[(name, 24), ("->", 2), (target, 24), (category, 30)]),
        None => super::subject(incident, word, &[(target, 36), (category, 30)]),
    }
}

fn why(esm: &EsmDisabled) -> Vec<String> {
    let meaning = match esm.category {
        EsmCategory::ResourceNotFound => "the event source, or something else that the mapping names, does not exist",
        EsmCategory::FunctionNotFound => "the function of the mapping does not exist",
        EsmCategory::RegionNameNotValid => "a Region named for the source or the function is invalid",
        EsmCategory::AuthorizationError => "permissions are missing or wrong",
        EsmCategory::FunctionInFailedState => "the function is in a failed state",
        EsmCategory::Unknown if esm.reason.is_some() => "the reason is none that the Lambda documentation lists",
        EsmCategory::Unknown => "the event gives no reason",
    };
    let mut lines = vec![format!("{}: {meaning}.", esm.category.as_str())];
    let said = esm.reason.as_deref().filter(|reason| *reason != esm.category.as_str());
    lines.extend(said.map(|reason| format!("AWS says: \"{}\"", sanitize::line(reason))));
    lines
}
