//! Phrases about event source mappings.

use super::sanitize;
use super::wording::{functions, subject};
use crate::detect::{Arn, EventSourceKind};
use crate::triage::Incident;

/// What happens after a mapping was deleted.
pub(super) const UNTIL_ANOTHER: &str =
    "Until another mapping reads the source, its events are not processed and may expire.";

/// The event source of a mapping.
pub(super) struct Source<'a> {
    kind: Option<EventSourceKind>,
    name: Option<&'a str>,
}

impl<'a> Source<'a> {
    /// The source with this ARN.
    pub(super) fn of(arn: Option<&'a str>) -> Self {
        let arn = arn.and_then(Arn::parse);
        Self { kind: arn.and_then(|it| it.event_source()), name: arn.map(|it| it.short_name()) }
    }

    pub(super) fn name(&self) -> Option<&'a str> {
        self.name
    }

    /// A source of this kind, without a name.
    pub(super) fn of_kind(kind: EventSourceKind) -> Self {
        Self { kind: Some(kind), name: None }
    }

    /// The kind and the name of the source, with an article.
    pub(super) fn named(&self) -> String {
        match self.name {
            Some(name) => format!("{} {}", self.noun(), sanitize::name(name)),
            None => self.noun().to_owned(),
        }
    }

    fn noun(&self) -> &'static str {
        match self.kind {
            Some(EventSourceKind::Queue) => "the SQS queue",
            Some(EventSourceKind::Stream) => "the Kinesis stream",
            Some(EventSourceKind::Table) => "the stream of the DynamoDB table",
            Some(EventSourceKind::Kafka) => "the Kafka cluster",
            Some(EventSourceKind::Broker) => "the Amazon MQ broker",
            Some(EventSourceKind::Documents) => "the DocumentDB cluster",
            None if self.name.is_some() => "the event source",
            None => "an event source",
        }
    }

    /// What happens while no mapping reads the source.
    pub(super) fn consequence(&self) -> &'static str {
        match self.kind {
            Some(EventSourceKind::Queue) => {
                "Until the mapping is enabled again, messages accumulate in the queue and eventually expire."
            }
            Some(EventSourceKind::Stream | EventSourceKind::Table) => {
                "Until the mapping is enabled again, records remain unprocessed in the stream and eventually expire."
            }
            Some(EventSourceKind::Kafka | EventSourceKind::Broker | EventSourceKind::Documents) | None => {
                "Until the mapping is enabled again, its events are not processed and may expire."
            }
        }
    }

    /// What happens while the mapping that reads the source fails.
    pub(super) fn unprocessed(&self) -> &'static str {
        match self.kind {
            Some(EventSourceKind::Queue) => "Messages accumulate in the queue and eventually expire.",
            Some(EventSourceKind::Stream | EventSourceKind::Table) => {
                "Records remain unprocessed in the stream and eventually expire."
            }
            Some(EventSourceKind::Kafka | EventSourceKind::Broker | EventSourceKind::Documents) | None => {
                "Its events are not processed and may expire."
            }
        }
    }
}

/// The source and the function: `the SQS queue … for function …`.
pub(super) fn source_and_function(incident: &Incident, source: &Source<'_>) -> String {
    let function = functions(incident).unwrap_or_else(|| "an unknown function".to_owned());
    format!("{} for {function}", source.named())
}

/// A subject that starts with the source and the function.
pub(super) fn mapping_subject(
    incident: &Incident,
    word: &str,
    source: &Source<'_>,
    uuid: Option<&str>,
    cause: Option<&str>,
) -> String {
    let target = incident.finding.event.function_name.as_deref().or(uuid).unwrap_or("unknown mapping");
    let mut parts = match source.name {
        Some(name) => vec![(name, 24), ("->", 2), (target, 24)],
        None => vec![(target, 36)],
    };
    parts.extend(cause.map(|cause| (cause, 30)));
    subject(incident, word, &parts)
}
