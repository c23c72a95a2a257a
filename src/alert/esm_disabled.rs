//! What is said about a disabled event source mapping.

use super::{Alert, Severity, attributes, details, next_steps, one, place, sanitize, time};
use crate::detect::{Arn, EsmCategory, EsmDisabled, Event, EventSourceKind};
use crate::triage::Disabled;

pub(super) fn alert(Disabled { event, esm }: &Disabled) -> Alert {
    let severity = Severity::Critical;
    let source = Source::of(esm);
    Alert {
        severity,
        subject: subject(event, esm, &source),
        headline: headline(event, esm, &source),
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
        details: details([
            ("Severity", Some(severity.as_str().to_owned())),
            ("Mapping", esm.mapping_uuid.as_deref().map(sanitize::name)),
            ("Function", esm.function_arn.as_deref().map(sanitize::name)),
            ("Event source", esm.event_source_arn.as_deref().map(sanitize::name)),
            ("Event", Some(event_line(event))),
            ("Log object", Some(sanitize::line(&event.object.to_string()))),
        ]),
        attributes: attributes([
            ("alert_type", one(Some("esm_disabled"))),
            ("severity", one(Some(severity.as_str()))),
            ("category", one(Some(esm.category.as_str()))),
            ("account", one(event.account.as_deref())),
            ("region", one(event.region.as_deref())),
            ("function_name", one(event.function_name.as_deref())),
            ("api_action", one(Some(&event.api_action))),
        ]),
    }
}

/// Name of the event and its ID.
pub(super) fn event_line(event: &Event) -> String {
    let id = event.id.as_deref().unwrap_or("without ID");
    format!("{} {}", sanitize::name(&event.name), sanitize::name(id))
}

/// What the mapping reads.
struct Source<'a> {
    kind: Option<EventSourceKind>,
    name: Option<&'a str>,
}

impl<'a> Source<'a> {
    fn of(esm: &'a EsmDisabled) -> Self {
        let arn = esm.event_source_arn.as_deref().and_then(Arn::parse);
        Self { kind: arn.and_then(|it| it.event_source()), name: arn.map(|it| it.short_name()) }
    }

    /// With its article.
    fn noun(&self) -> &'static str {
        match self.kind {
            Some(EventSourceKind::Queue) => "the SQS queue",
            Some(EventSourceKind::Stream) => "the Kinesis stream",
            Some(EventSourceKind::Table) => "the stream of the DynamoDB table",
            None => "an event source",
        }
    }

    fn consequence(&self) -> &'static str {
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

fn headline(event: &Event, esm: &EsmDisabled, source: &Source<'_>) -> String {
    let named = |noun: &str, name: Option<&str>| match name {
        Some(name) => format!("{noun} {}", sanitize::name(name)),
        None => noun.to_owned(),
    };
    let source = named(source.noun(), source.name);
    match (&event.function_name, &esm.mapping_uuid) {
        (Some(function), _) => {
            format!("Lambda no longer reads {source} for {}.", named("the function", Some(function)))
        }
        (None, Some(uuid)) => format!("Lambda no longer reads {source} for the mapping {}.", sanitize::name(uuid)),
        (None, None) => format!("Lambda no longer reads {source} for one of its functions."),
    }
}

/// Useful when cut to 40 characters: what stopped comes first.
fn subject(event: &Event, esm: &EsmDisabled, source: &Source<'_>) -> String {
    let target = event.function_name.as_deref().or(esm.mapping_uuid.as_deref()).unwrap_or("unknown mapping");
    let target = sanitize::short(target, 24);
    let what = match source.name {
        Some(name) => format!("{} -> {target}", sanitize::short(name, 24)),
        None => target,
    };
    let account = event.account.as_deref().unwrap_or("?");
    let region = event.region.as_deref().unwrap_or("?");
    sanitize::subject(&format!("Stopped: {what} {} {account} {region}", esm.category.as_str()))
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
