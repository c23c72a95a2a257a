//! Services whose events are examined.

use std::str::FromStr;

use super::record_filter::RecordFilter;
use crate::trail::{Record, RecordBytes};

pub(crate) const LAMBDA: &str = "lambda.amazonaws.com";

/// Services whose events are examined, by their `eventSource`.
///
/// Most records of a trail belong to other services. A search in their bytes rejects them without parsing.
/// [`selects`](Self::selects) decides by the parsed field.
#[derive(Debug, Clone)]
pub struct EventSources(Option<Listed>);

#[derive(Debug, Clone)]
struct Listed {
    names: Vec<String>,
    /// Accepts the records that contain one of the names.
    filter: RecordFilter,
    /// Accepts the records of these services, and those that may be changes.
    with_changes: RecordFilter,
}

impl EventSources {
    /// All services.
    #[must_use]
    pub fn all() -> Self {
        Self(None)
    }

    /// AWS Lambda and the services with these event sources, such as `s3.amazonaws.com`. Lambda is always included: a
    /// list that is meant for denials must not turn off the alerts about stopped mappings.
    pub fn lambda_and<'a>(sources: impl IntoIterator<Item = &'a str>) -> Self {
        Self::only([LAMBDA].into_iter().chain(sources))
    }

    /// Only the services with these event sources.
    #[must_use]
    pub fn only<'a>(sources: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<_> = sources.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        let filter = RecordFilter::starting_with(names.iter().copied());
        let with_changes = RecordFilter::sources_and_changes(names.iter().copied());
        Self(Some(Listed { names: names.into_iter().map(str::to_owned).collect(), filter, with_changes }))
    }

    /// Returns true if these are all services.
    pub(super) fn are_all(&self) -> bool {
        self.0.is_none()
    }

    /// Returns false if the record belongs to none of the services. May also return true if it does not.
    pub(super) fn may_select(&self, record: RecordBytes<'_>) -> bool {
        self.0.as_ref().is_none_or(|listed| listed.filter.accepts(record))
    }

    /// Returns false only if the record neither belongs to one of the services nor is a change of another service. May
    /// return true even then.
    pub(super) fn may_select_or_change(&self, record: RecordBytes<'_>) -> bool {
        self.0.as_ref().is_none_or(|listed| listed.with_changes.accepts(record))
    }

    /// Returns true if the record belongs to one of the services, and false if it does not parse.
    #[must_use]
    pub fn includes(&self, record: RecordBytes<'_>) -> bool {
        let selects = |record: Record<'_>| self.selects(record.event_source.as_deref().unwrap_or_default());
        self.may_select(record) && Record::parse(record.as_slice()).is_ok_and(selects)
    }

    /// Returns true if `event_source` is one of the services, in any partition. In the China Regions, the name ends in
    /// `.cn`.
    #[must_use]
    pub fn selects(&self, event_source: &str) -> bool {
        match &self.0 {
            None => true,
            Some(listed) => listed.names.iter().any(|name| is_source(event_source, name)),
        }
    }
}

impl Default for EventSources {
    /// AWS Lambda.
    fn default() -> Self {
        Self::lambda_and([])
    }
}

/// A string that is not a list of event sources.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected event sources such as lambda.amazonaws.com, or only *, found {found:?}")]
pub struct EventSourcesError {
    /// The invalid element.
    pub found: String,
}

impl FromStr for EventSources {
    type Err = EventSourcesError;

    /// Parses a comma-separated list, or `*`.
    fn from_str(text: &str) -> Result<Self, EventSourcesError> {
        if text.trim() == "*" {
            return Ok(Self::all());
        }
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
        let is_source = |name: &&str| name.contains('.') && name.bytes().all(is_plain);
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        match names.iter().find(|name| !is_source(name)) {
            Some(found) => Err(EventSourcesError { found: (*found).to_owned() }),
            None => Ok(Self::lambda_and(names)),
        }
    }
}

/// Returns true if the event source is AWS Lambda, in any partition.
#[must_use]
pub(crate) fn is_lambda(event_source: &str) -> bool {
    is_source(event_source, LAMBDA)
}

fn is_source(event_source: &str, wanted: &str) -> bool {
    event_source == wanted || event_source.strip_suffix(".cn") == Some(wanted)
}
