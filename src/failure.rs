//! Everything that failed in an invocation.

use std::collections::BTreeMap;
use std::fmt;

use crate::delivery::PayloadError;
use crate::publish::PublishFailure;
use crate::s3_object::S3Object;
use crate::service::ServiceError;
use crate::trail::{EntryError, RecordError, TrailError};

/// Maximum number of unpublished alerts that an error message lists. It counts the others.
const LISTED_ALERTS: usize = 10;
/// Maximum number of unreadable records that the failure of an object lists. It counts the others.
const LISTED_RECORDS: usize = 10;

/// The error message of an invocation whose rules are unavailable.
const WITHOUT_RULES: &str = "rules unavailable: this execution environment has not read a valid rules object since it started; see the log for the problem";

/// Everything that failed in an invocation.
#[derive(Debug, Default)]
pub struct Failures {
    /// Parts of the payload that were rejected.
    pub payload: Vec<PayloadError>,
    /// Objects that were not read completely, by their index in the payload.
    pub objects: BTreeMap<usize, ObjectFailure>,
    /// Alerts that a topic did not confirm.
    pub alerts: Vec<PublishFailure>,
    /// The heartbeats are unavailable, so silent accounts and Regions were not found.
    pub heartbeats: Option<ServiceError>,
    /// The sweep did not start, because the ledger is unavailable or there are no accounts and Regions to sweep.
    pub sweep: Option<ServiceError>,
    /// The user's rules are unavailable, so the events that they watch for were not found.
    pub without_rules: bool,
}

impl Failures {
    /// The stable name of the most severe failure, for alarms; `None` if nothing failed. An unpublished alert is more severe
    /// than any other failure.
    #[must_use]
    pub fn error_type(&self) -> Option<&'static str> {
        match self {
            Self { alerts, .. } if !alerts.is_empty() => Some("AlertNotPublished"),
            Self { objects, .. } if objects.values().any(|it| !it.is_transient()) => Some("ObjectUnreadable"),
            Self { objects, .. } if !objects.is_empty() => Some("ObjectUnavailable"),
            Self { payload, .. } if !payload.is_empty() => Some("PayloadNotUnderstood"),
            Self { without_rules: true, .. } => Some("RulesUnavailable"),
            Self { heartbeats: Some(_), .. } => Some("HeartbeatsUnavailable"),
            Self { sweep: Some(_), .. } => Some("SweepFailed"),
            _ => None,
        }
    }

    /// A line for each failure. Of the unpublished alerts, the first ten are listed and the others are counted.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let objects = self.objects.values().map(ToString::to_string);
        let payload = self.payload.iter().map(ToString::to_string);
        let alerts = self.alerts.iter().take(LISTED_ALERTS).map(ToString::to_string);
        let unlisted = self.alerts.len().saturating_sub(LISTED_ALERTS);
        let more = (unlisted > 0).then(|| format!("and {unlisted} more alerts that were not published"));
        let heartbeats = self.heartbeats.iter().map(|error| format!("heartbeats unavailable: {error}"));
        let sweep = self.sweep.iter().map(|error| format!("sweep failed: {error}"));
        objects.chain(payload).chain(alerts).chain(more).chain(self.rules()).chain(heartbeats).chain(sweep)
    }

    /// The error message if the user's rules are unavailable.
    pub(crate) fn rules(&self) -> Option<String> {
        self.without_rules.then(|| WITHOUT_RULES.to_owned())
    }
}

/// An object that was not read completely.
#[derive(Debug)]
pub struct ObjectFailure {
    /// The object.
    pub object: S3Object,
    /// Its unreadable records.
    pub unreadable: UnreadableRecords,
    /// Why reading ended early.
    pub end: Option<ReadError>,
}

impl ObjectFailure {
    /// Returns true if reading the object again may find more, even if nothing changes. After a transient error, the
    /// rest of the object has not been examined, whether or not earlier records were unreadable.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.end.as_ref().is_some_and(ReadError::is_transient)
    }
}

impl fmt::Display for ObjectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.object)?;
        for UnreadableRecord { offset, source } in &self.unreadable.listed {
            write!(f, "; record at inflated byte {offset}: {source}")?;
        }
        let unlisted = self.unreadable.count - self.unreadable.listed.len() as u64;
        if unlisted > 0 {
            write!(f, "; and {unlisted} more unreadable records")?;
        }
        match &self.end {
            Some(error) => write!(f, "; {error}"),
            None => Ok(()),
        }
    }
}

/// The unreadable records of an object: the first ten, and the number of all.
#[derive(Debug, Default)]
pub struct UnreadableRecords {
    listed: Vec<UnreadableRecord>,
    count: u64,
}

impl UnreadableRecords {
    /// Adds a record. `offset` is the offset of its first byte in the inflated object.
    pub(crate) fn add(&mut self, offset: u64, source: UnreadableError) {
        self.count += 1;
        if self.listed.len() < LISTED_RECORDS {
            self.listed.push(UnreadableRecord { offset, source });
        }
    }

    /// Returns true if there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[derive(Debug)]
struct UnreadableRecord {
    offset: u64,
    source: UnreadableError,
}

/// Why reading an object ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The object, or a part of it, was unavailable.
    #[error(transparent)]
    Source(#[from] ServiceError),
    /// The invocation ran out of time.
    #[error("out of time before the object was read completely")]
    OutOfTime,
    /// The object is not a log file.
    #[error(transparent)]
    Trail(#[from] TrailError),
}

impl ReadError {
    /// Returns true if reading the object again may succeed, even if nothing changes.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Source(error) => error.fault.is_transient(),
            Self::OutOfTime => true,
            Self::Trail(_) => false,
        }
    }
}

/// Why a record is unreadable.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableError {
    /// The reader skipped it.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// It does not parse.
    #[error(transparent)]
    Record(#[from] RecordError),
}
