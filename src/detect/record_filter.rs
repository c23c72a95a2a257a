//! Rejects records by their bytes, without parsing them.
//!
//! A filter never rejects a record that could matter. JSON can write any character as an escape sequence, such as
//! `\u0041`. CloudTrail hardly uses them, so a filter accepts every record that contains one instead of decoding it.

use std::fmt;

use aho_corasick::packed::{self, Searcher};
use memchr::memmem::Finder;

use super::change_table::is_event_name as is_change;
use super::{access_denied, esm_changed, esm_disabled};
use crate::trail::RecordBytes;

/// Built-in detection finds nothing in a record unless one of its strings starts with one of these.
const BUILT_IN: [&str; 4] = [access_denied::FIELD, esm_disabled::EVENT_NAME, esm_changed::UPDATE, esm_changed::DELETE];

/// The keys of the service and of the name of an event, with their quotes.
const SOURCE_KEY: &str = "\"eventSource\"";
const NAME_KEY: &str = "\"eventName\"";

/// Maximum number of needles of a [`Searcher`], which supports 128.
const MAX_NEEDLES: usize = 100;

/// Accepts records by the strings that they contain, keys as well as values.
#[derive(Clone)]
pub(super) enum RecordFilter {
    /// Accepts no record.
    Nothing,
    /// Accepts every record.
    Everything,
    One(Box<Finder<'static>>),
    OneOf(Vec<Searcher>),
    /// Accepts the events of services, and changes.
    SourceOrChange(Box<SourceOrChange>),
    /// Accepts records in which built-in detection may find something, changes included, and records with other texts.
    EventOr(Box<EventNames>, Box<Self>),
}

impl RecordFilter {
    /// Accepts records with a string that starts with one of these texts. May accept others, too.
    pub(super) fn starting_with<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut texts: Vec<&str> = texts.into_iter().collect();
        texts.sort_unstable();
        texts.dedup();
        if !texts.iter().all(|text| is_written_verbatim(text)) {
            return Self::Everything;
        }
        // The quote makes false candidates rarer: the searcher verifies where the first four bytes occur.
        let needles: Vec<String> = texts.iter().map(|text| format!("\"{text}")).collect();
        match needles.as_slice() {
            [] => Self::Nothing,
            [needle] => Self::One(Box::new(Finder::new(needle).into_owned())),
            needles => {
                needles.chunks(MAX_NEEDLES).map(searcher).collect::<Option<_>>().map_or(Self::Everything, Self::OneOf)
            }
        }
    }

    /// Accepts records that built-in detection may find something in, and those with a string that starts with one of
    /// these texts.
    pub(super) fn built_in_or<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::starting_with(BUILT_IN.into_iter().chain(texts))
    }

    /// Accepts records of these services, and records with the name of a change.
    pub(super) fn sources_and_changes<'a>(sources: impl IntoIterator<Item = &'a str>) -> Self {
        let sources: Vec<String> = sources.into_iter().map(str::to_owned).collect();
        if !sources.iter().all(|text| is_written_verbatim(text)) {
            return Self::Everything;
        }
        Self::SourceOrChange(Box::new(SourceOrChange {
            sources,
            source_key: finder(SOURCE_KEY),
            name_key: finder(NAME_KEY),
        }))
    }

    /// Accepts records in which built-in detection may find something, changes included, and records with a string that
    /// starts with one of these texts.
    ///
    /// There are too many event names to search for each of them. Instead, a search for the key locates the name, and a
    /// table decides.
    pub(super) fn built_in_and_changes_or<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let error_code = finder(&format!("\"{}", access_denied::FIELD));
        let names = EventNames { error_code, name_key: finder(NAME_KEY) };
        Self::EventOr(Box::new(names), Box::new(Self::starting_with(texts)))
    }

    pub(super) fn accepts(&self, record: RecordBytes<'_>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            _ if record.has_unicode_escapes() => true,
            Self::One(finder) => finder.find(&record).is_some(),
            Self::OneOf(searchers) => searchers.iter().any(|searcher| searcher.find(&*record).is_some()),
            Self::SourceOrChange(search) => search.matches(&record),
            Self::EventOr(names, others) => names.match_in(&record) || others.accepts(record),
        }
    }
}

impl fmt::Debug for RecordFilter {
    /// Omits the searchers, which print their tables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordFilter").finish_non_exhaustive()
    }
}

/// A search for the events of services and for changes.
///
/// It finds every service. It also finds every change, unless a record repeats a key, which CloudTrail never does.
/// Usually, `eventName` directly follows `eventSource`. If it does not, a second search looks for `eventName`.
#[derive(Clone)]
pub(super) struct SourceOrChange {
    sources: Vec<String>,
    source_key: Finder<'static>,
    name_key: Finder<'static>,
}

impl SourceOrChange {
    fn matches(&self, record: &[u8]) -> bool {
        let mut is_usual = true;
        for at in self.source_key.find_iter(record) {
            let Some(source) = value_after(record.get(at..).unwrap_or_default(), SOURCE_KEY) else { continue };
            if self.sources.iter().any(|it| source.starts_with(it.as_bytes())) {
                return true;
            }
            match name_after(source) {
                Some(name) if is_change(name) => return true,
                Some(_) => {}
                None => is_usual = false,
            }
        }
        !is_usual && names_in(record, &self.name_key).any(is_change)
    }
}

/// A search for events in which built-in detection may find something. Two searches for one text each are faster than
/// one search for both.
#[derive(Clone)]
pub(super) struct EventNames {
    error_code: Finder<'static>,
    name_key: Finder<'static>,
}

impl EventNames {
    fn match_in(&self, record: &[u8]) -> bool {
        self.error_code.find(record).is_some() || names_in(record, &self.name_key).any(is_event_name)
    }
}

fn finder(text: &str) -> Finder<'static> {
    Finder::new(text).into_owned()
}

/// The values of `eventName` in a record, each with the JSON after it.
fn names_in<'r>(record: &'r [u8], name_key: &Finder<'_>) -> impl Iterator<Item = &'r [u8]> {
    let values = name_key.find_iter(record).map(|at| value_after(record.get(at..).unwrap_or_default(), NAME_KEY));
    values.flatten()
}

/// The value of `eventName`, with the JSON after it, if it directly follows the string at the start of `json`.
fn name_after(json: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr(b'"', json)?;
    let rest = json.get(end + 1..)?.trim_ascii_start().strip_prefix(b",")?;
    value_after(rest.trim_ascii_start(), NAME_KEY)
}

/// Returns true if built-in detection may find something in an event whose name starts with this text.
fn is_event_name(start: &[u8]) -> bool {
    let names = [esm_disabled::EVENT_NAME, esm_changed::UPDATE, esm_changed::DELETE];
    is_change(start) || names.iter().any(|name| start.starts_with(name.as_bytes()))
}

/// The JSON after the opening quote of the string that follows `key` and a colon; `None` if it does not.
fn value_after<'r>(json: &'r [u8], key: &str) -> Option<&'r [u8]> {
    let value = json.strip_prefix(key.as_bytes())?.trim_ascii_start().strip_prefix(b":")?;
    value.trim_ascii_start().strip_prefix(b"\"")
}

/// Returns true if JSON writes the text as it is, or with `\u` escapes. An empty text may also mean an absent field.
fn is_written_verbatim(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b >= b' ' && !b"\"\\/".contains(&b))
}

/// A searcher for all needles in one pass; `None` if it does not support the processor.
fn searcher(needles: &[String]) -> Option<Searcher> {
    // The default limits are for speed: above them, another algorithm would be faster than this one, but slower than
    // parsing.
    packed::Config::new().heuristic_pattern_limits(false).builder().extend(needles).build()
}
