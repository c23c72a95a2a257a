//! Services whose events are examined.

use std::str::FromStr;

use memchr::memmem::Finder;

const LAMBDA: &str = "lambda.amazonaws.com";

/// Services whose events are examined, by their `eventSource`.
///
/// Most records of a trail belong to other services. [`may_select`](Self::may_select) rejects them with a search in
/// their bytes, without parsing. [`selects`](Self::selects) decides by the parsed field.
#[derive(Debug, Clone)]
pub struct EventSources(Option<Vec<Finder<'static>>>);

impl EventSources {
    /// All services.
    #[must_use]
    pub fn all() -> Self {
        Self(None)
    }

    /// AWS Lambda and the services with these event sources, such as `s3.amazonaws.com`. Lambda is always included: a
    /// list that is meant for denials must not turn off the alerts about stopped mappings.
    pub fn lambda_and<'a>(sources: impl IntoIterator<Item = &'a str>) -> Self {
        let others = sources.into_iter().filter(|source| *source != LAMBDA);
        Self(Some([LAMBDA].into_iter().chain(others).map(|source| Finder::new(source).into_owned()).collect()))
    }

    /// Only the services with these event sources.
    #[must_use]
    pub fn only<'a>(sources: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<_> = sources.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self(Some(names.into_iter().map(|source| Finder::new(source).into_owned()).collect()))
    }

    /// Returns false if these bytes cannot be a record of one of the services. Expects the event source to be written
    /// without JSON escapes, as CloudTrail writes it.
    #[must_use]
    pub fn may_select(&self, bytes: &[u8]) -> bool {
        match &self.0 {
            None => true,
            Some(finders) => finders.iter().any(|finder| finder.find(bytes).is_some()),
        }
    }

    /// Returns true if `event_source` is one of the services, in any partition. In the China Regions, the name ends in
    /// `.cn`.
    #[must_use]
    pub fn selects(&self, event_source: &str) -> bool {
        match &self.0 {
            None => true,
            Some(finders) => finders.iter().any(|finder| is_source(event_source, finder.needle())),
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
    is_source(event_source, LAMBDA.as_bytes())
}

fn is_source(event_source: &str, wanted: &[u8]) -> bool {
    let event_source = event_source.as_bytes();
    event_source == wanted || event_source.strip_suffix(b".cn") == Some(wanted)
}
