//! Rejects records by their bytes, without parsing them.
//!
//! A filter never rejects a record that could matter. JSON can write any character as an escape sequence, such as
//! `\u0041`. CloudTrail hardly uses them, so a filter accepts every record that contains one instead of decoding it.

use std::fmt;

use aho_corasick::packed::{self, Searcher};
use memchr::memmem::Finder;

use super::{access_denied, esm_changed, esm_disabled};
use crate::trail::RecordBytes;

/// Built-in detection finds nothing in a record unless one of its strings starts with one of these.
const BUILT_IN: [&str; 4] = [access_denied::FIELD, esm_disabled::EVENT_NAME, esm_changed::UPDATE, esm_changed::DELETE];

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

    pub(super) fn accepts(&self, record: RecordBytes<'_>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            _ if record.has_unicode_escapes() => true,
            Self::One(finder) => finder.find(&record).is_some(),
            Self::OneOf(searchers) => searchers.iter().any(|searcher| searcher.find(&*record).is_some()),
        }
    }
}

impl fmt::Debug for RecordFilter {
    /// Omits the searchers, which print their tables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordFilter").finish_non_exhaustive()
    }
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
