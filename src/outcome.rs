//! What an invocation did, and what of it failed: an error, or a result for each message or task.

use std::collections::BTreeMap;
use std::fmt;

use crate::delivery::{BatchJob, BatchTask, PayloadError, QueueMessage};
use crate::ports::ServiceError;
use crate::publish::PublishFailure;
use crate::telemetry::Counters;
use crate::trail::{EntryError, LogObject, RecordError, TrailError};

/// Alerts that were not published which a failure names; it counts all.
const NAMED_ALERTS: usize = 10;

/// What an invocation did, and what of it failed.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Counts of everything.
    pub counters: Counters,
    /// Suppressed findings, by the name of the rule.
    pub suppressed: BTreeMap<String, u64>,
    /// Parts of the payload that were not understood.
    pub payload: Vec<PayloadError>,
    /// Objects that were not read, or not all of it.
    pub objects: Vec<ObjectFailure>,
    /// Alerts that a topic did not confirm.
    pub alerts: Vec<PublishFailure>,
    /// The first error of the ledger. It fails nothing: alerts are published without it.
    pub ledger: Option<ServiceError>,
    /// What the answer to the invocation must hold.
    pub answer: Answer,
}

/// What the answer to an invocation must hold, by the path that its payload came by.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: the invocation succeeds or fails.
    #[default]
    None,
    /// The IDs of the SQS messages that failed.
    FailedMessages(Vec<String>),
    /// A result for each task of S3 Batch Operations.
    Job {
        /// Version of the payload.
        schema_version: String,
        /// ID of the invocation.
        invocation_id: String,
        /// The results.
        results: Vec<TaskResult>,
    },
    /// What a test found.
    Test {
        /// Subjects of the alerts that were published.
        published: Vec<String>,
        /// What the user should know of the topics.
        warnings: Vec<String>,
    },
}

/// The result of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskResult {
    /// ID of the task.
    pub id: String,
    /// What became of it.
    pub code: ResultCode,
    /// The same in words.
    pub text: String,
}

/// What became of a task, as S3 Batch Operations names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultCode {
    /// It is done.
    Succeeded,
    /// It may succeed later, and is to be tried again.
    TemporaryFailure,
    /// It cannot succeed as things are.
    PermanentFailure,
}

impl ResultCode {
    /// The name in the answer.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::TemporaryFailure => "TemporaryFailure",
            Self::PermanentFailure => "PermanentFailure",
        }
    }
}

impl Outcome {
    pub(crate) fn ledger_error(&mut self, error: ServiceError) {
        self.counters.ledger_errors += 1;
        self.ledger.get_or_insert(error);
    }

    pub(crate) fn count_alerts(&mut self, results: Vec<Result<(), PublishFailure>>) {
        self.counters.alerts += results.len() as u64;
        self.alerts.extend(results.into_iter().filter_map(Result::err));
        self.counters.alerts_failed = self.alerts.len() as u64;
        self.counters.alerts_published = self.counters.alerts - self.counters.alerts_failed;
    }

    /// The IDs of those messages that a failure concerns. An alert cannot be traced to a message: if one is not
    /// published, all of them fail.
    pub(crate) fn failed_messages(&self, messages: Vec<QueueMessage>, objects: &[LogObject]) -> Vec<String> {
        let unread = |at: &usize| objects.get(*at).is_none_or(|object| self.failure_of(object).is_some());
        let fails = |it: &QueueMessage| !self.alerts.is_empty() || !it.understood || it.objects.iter().any(unread);
        messages.into_iter().filter(fails).map(|it| it.id).collect()
    }

    /// The result of each task. If an alert is not published, all tasks fail for a while.
    pub(crate) fn task_results(&self, job: BatchJob, objects: &[LogObject]) -> Answer {
        let result = |task: BatchTask| {
            let (code, text) = self.task_result(&task, objects);
            TaskResult { id: task.id, code, text }
        };
        let results = job.tasks.into_iter().map(result).collect();
        Answer::Job { schema_version: job.schema_version, invocation_id: job.invocation_id, results }
    }

    fn task_result(&self, task: &BatchTask, objects: &[LogObject]) -> (ResultCode, String) {
        let at = match &task.object {
            Ok(Some(at)) => *at,
            Ok(None) => return (ResultCode::Succeeded, "skipped: no log object".to_owned()),
            Err(error) => return (ResultCode::PermanentFailure, error.to_string()),
        };
        let failure = objects.get(at).and_then(|object| self.failure_of(object));
        match (failure, self.alerts.first()) {
            (Some(failure), None) if !failure.is_transient() => (ResultCode::PermanentFailure, failure.to_string()),
            (Some(failure), _) => (ResultCode::TemporaryFailure, failure.to_string()),
            (None, Some(alert)) => (ResultCode::TemporaryFailure, alert.to_string()),
            (None, None) => (ResultCode::Succeeded, "read".to_owned()),
        }
    }

    fn failure_of(&self, object: &LogObject) -> Option<&ObjectFailure> {
        self.objects.iter().find(|it| it.object == *object)
    }

    /// The name of the error that the invocation ends with; `None` if it succeeded. Alarms may
    /// rely on the names. The gravest comes first: an alert that nobody got.
    #[must_use]
    pub fn error_type(&self) -> Option<&'static str> {
        match self {
            Self { alerts, .. } if !alerts.is_empty() => Some("AlertNotPublished"),
            Self { objects, .. } if objects.iter().any(|it| !it.is_transient()) => Some("ObjectUnreadable"),
            Self { objects, .. } if !objects.is_empty() => Some("ObjectUnavailable"),
            Self { payload, .. } if !payload.is_empty() => Some("PayloadNotUnderstood"),
            _ => None,
        }
    }

    /// Everything that failed, a line each: every object, the first ten of the alerts.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        let objects = self.objects.iter().map(ToString::to_string);
        let alerts = self.alerts.iter().take(NAMED_ALERTS).map(ToString::to_string);
        let unnamed = self.alerts.len().saturating_sub(NAMED_ALERTS);
        let more = (unnamed > 0).then(|| format!("and {unnamed} more alerts that were not published"));
        objects.chain(self.payload.iter().map(ToString::to_string)).chain(alerts).chain(more)
    }
}

/// An object that was not read, or not all of it.
#[derive(Debug)]
pub struct ObjectFailure {
    /// The object.
    pub object: LogObject,
    /// The first ten records that are unreadable.
    pub unreadable: Vec<UnreadableRecord>,
    /// How many there are in all.
    pub count: u64,
    /// Why reading ended early.
    pub end: Option<ReadError>,
}

impl ObjectFailure {
    /// True if the object may be readable later with nothing changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.count == 0 && self.end.as_ref().is_some_and(ReadError::is_transient)
    }
}

impl fmt::Display for ObjectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.object)?;
        for UnreadableRecord { offset, source } in &self.unreadable {
            write!(f, "; record at inflated byte {offset}: {source}")?;
        }
        let unnamed = self.count - self.unreadable.len() as u64;
        if unnamed > 0 {
            write!(f, "; and {unnamed} more unreadable records")?;
        }
        match &self.end {
            Some(error) => write!(f, "; {error}"),
            None => Ok(()),
        }
    }
}

/// Why reading an object ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The object could not be had, or not all of it.
    #[error(transparent)]
    Source(#[from] ServiceError),
    /// The time of the invocation was up.
    #[error("out of time: the invocation ended before the object was read")]
    OutOfTime,
    /// Its bytes are not a log file.
    #[error(transparent)]
    Trail(#[from] TrailError),
}

impl ReadError {
    /// True if a later reading may come to the end with nothing changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Source(error) => error.fault.is_transient(),
            Self::OutOfTime => true,
            Self::Trail(_) => false,
        }
    }
}

/// A record that is unreadable.
#[derive(Debug)]
pub struct UnreadableRecord {
    /// Offset of its first byte in the inflated object.
    pub offset: u64,
    /// Why.
    pub source: UnreadableError,
}

/// Why a record is unreadable.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableError {
    /// The reader passed it over.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// It does not parse.
    #[error(transparent)]
    Record(#[from] RecordError),
}
