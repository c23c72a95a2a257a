//! What a scan does with the records of an object, and what it passes on.

use std::sync::Arc;

use trailwarden::trail::{RecordBytes, RecordError};

/// Examines the records of objects.
pub(crate) trait Examine: Sync {
    /// What was found in some records.
    type Found: Default + Send;

    /// Examines a record of the object with this name, and adds what was found. Returns an error that makes the result
    /// incomplete.
    ///
    /// # Errors
    /// If the record does not parse.
    fn examine(
        &self,
        record: RecordBytes<'_>,
        object: &Arc<str>,
        found: &mut Self::Found,
    ) -> Result<Option<RecordError>, RecordError>;

    /// Number of elements that were found, for the limit on memory.
    fn size(found: &Self::Found) -> usize;
}

/// A part of the result of one object.
#[derive(Debug)]
pub(crate) enum Update<F> {
    /// What was found in some of its records.
    Found(F),
    /// What was found in the rest of its records, and what was counted.
    End(F, Ended),
    /// The object cannot be opened.
    Unreadable { name: String, problem: String },
    /// The scan was stopped before the end of the object.
    Stopped,
}

impl<F> Update<F> {
    /// Returns true if the update contains a problem, which is printed.
    pub(crate) fn has_problem(&self) -> bool {
        match self {
            Self::Found(_) | Self::Stopped => false,
            Self::End(_, ended) => ended.problem_count > 0,
            Self::Unreadable { .. } => true,
        }
    }
}

/// What the output takes.
pub(crate) enum Event<U> {
    Update(U),
    /// No update has arrived for a while, so the output should print what it has.
    Idle,
}

/// What was counted in an object.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Name of the object.
    pub(crate) name: String,
    pub(crate) records: u64,
    pub(crate) inflated_bytes: u64,
    /// The first problems.
    pub(crate) problems: Vec<String>,
    /// The number of all problems.
    pub(crate) problem_count: u64,
}
