//! What an invocation did, and what failed: an error, or a result for each message or task.

use std::collections::BTreeMap;
use std::fmt;

use crate::delivery::{BatchJob, BatchTask, PayloadError, QueueMessage};
use crate::ports::ServiceError;
use crate::publish::{PublishFailure, Published};
use crate::telemetry::Counters;
use crate::trail::{EntryError, LogObject, RecordError, TrailError};

/// Unpublished alerts that a failure names individually; it counts all.
const NAMED_ALERTS: usize = 10;

/// The error message of an invocation without rules.
const WITHOUT_RULES: &str =
    "rules unavailable: no valid rules object was read since this environment started; the log names the problem";

/// What an invocation did, and what failed.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Counts of everything.
    pub counters: Counters,
    /// Suppressed findings, by the name of the rule.
    pub suppressed: BTreeMap<String, u64>,
    /// Parts of the payload that were not understood.
    pub payload: Vec<PayloadError>,
    /// Objects that were not read completely, by their index in the payload.
    pub objects: BTreeMap<usize, ObjectFailure>,
    /// Alerts that a topic did not confirm.
    pub alerts: Vec<PublishFailure>,
    /// The first error of the ledger. It does not fail the invocation: alerts are published without the ledger.
    pub ledger: Option<ServiceError>,
    /// The user's rules are unavailable, so the events that they watch for were not found.
    pub without_rules: bool,
    /// What the response to the invocation must contain.
    pub answer: Answer,
}

/// What the response to an invocation must contain, by its delivery path.
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
    /// The result of a test of alert delivery.
    Test {
        /// Subjects of the alerts that were published.
        published: Vec<String>,
        /// What the user should know about the topics.
        warnings: Vec<String>,
    },
}

/// The result of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskResult {
    /// ID of the task.
    pub id: String,
    /// Whether it succeeded.
    pub code: ResultCode,
    /// The result in words.
    pub text: String,
}

/// The result of a task, in the terms of S3 Batch Operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultCode {
    /// It succeeded.
    Succeeded,
    /// It may succeed later and should be retried.
    TemporaryFailure,
    /// It cannot succeed until something changes.
    PermanentFailure,
}

impl ResultCode {
    /// The name in the response.
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
    pub(crate) fn count_alerts(&mut self, published: Vec<Published>) {
        for Published { failures, .. } in published {
            self.counters.alerts += 1;
            self.counters.alerts_failed += u64::from(!failures.is_empty());
            self.counters.alerts_published += u64::from(failures.is_empty());
            self.alerts.extend(failures);
        }
    }

    /// The response to a queue. An alert cannot be traced to a message: if one is not published, all messages fail. If
    /// a message has no ID, only an error of the invocation returns all messages to the queue.
    pub(crate) fn queue_answer(&self, messages: Vec<QueueMessage>, unnamed: u64) -> Answer {
        if unnamed > 0 {
            return Answer::None;
        }
        let all_fail = !self.alerts.is_empty() || self.without_rules;
        let unread = |at: &usize| self.objects.contains_key(at);
        let fails = |it: &QueueMessage| all_fail || !it.understood || it.objects.iter().any(unread);
        Answer::FailedMessages(messages.into_iter().filter(fails).map(|it| it.id).collect())
    }

    /// The result of each task. If an alert is not published, all tasks fail temporarily.
    pub(crate) fn job_answer(&self, job: BatchJob) -> Answer {
        let result = |task: BatchTask| {
            let (code, text) = self.task_result(&task);
            TaskResult { id: task.id, code, text }
        };
        let results = job.tasks.into_iter().map(result).collect();
        Answer::Job { schema_version: job.schema_version, invocation_id: job.invocation_id, results }
    }

    fn task_result(&self, task: &BatchTask) -> (ResultCode, String) {
        let at = match &task.object {
            Ok(Some(at)) => *at,
            Ok(None) => return (ResultCode::Succeeded, "skipped: not a log object".to_owned()),
            Err(error) => return (ResultCode::PermanentFailure, error.to_string()),
        };
        match (self.objects.get(&at), self.alerts.first()) {
            (Some(failure), None) if !failure.is_transient() => (ResultCode::PermanentFailure, failure.to_string()),
            (Some(failure), _) => (ResultCode::TemporaryFailure, failure.to_string()),
            (None, Some(alert)) => (ResultCode::TemporaryFailure, alert.to_string()),
            (None, None) if self.without_rules => (ResultCode::TemporaryFailure, WITHOUT_RULES.to_owned()),
            (None, None) => (ResultCode::Succeeded, "read".to_owned()),
        }
    }

    /// The name of the error that the invocation ends with; `None` if it succeeded. Alarms can rely on the names. The
    /// most severe comes first: an alert that was not published.
    #[must_use]
    pub fn error_type(&self) -> Option<&'static str> {
        match self {
            Self { alerts, .. } if !alerts.is_empty() => Some("AlertNotPublished"),
            Self { objects, .. } if objects.values().any(|it| !it.is_transient()) => Some("ObjectUnreadable"),
            Self { objects, .. } if !objects.is_empty() => Some("ObjectUnavailable"),
            Self { payload, .. } if !payload.is_empty() => Some("PayloadNotUnderstood"),
            Self { without_rules: true, .. } => Some("RulesUnavailable"),
            _ => None,
        }
    }

    /// Everything that failed, one line each: every object, and the first ten alerts.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        let objects = self.objects.values().map(ToString::to_string);
        let alerts = self.alerts.iter().take(NAMED_ALERTS).map(ToString::to_string);
        let unnamed = self.alerts.len().saturating_sub(NAMED_ALERTS);
        let more = (unnamed > 0).then(|| format!("and {unnamed} more alerts that were not published"));
        let rules = self.without_rules.then(|| WITHOUT_RULES.to_owned());
        objects.chain(self.payload.iter().map(ToString::to_string)).chain(alerts).chain(more).chain(rules)
    }
}

/// An object that was not read completely.
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
    /// True if reading the object again may find more with nothing changed: the rest of an object after a transient
    /// error has not been examined, whatever came before it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.end.as_ref().is_some_and(ReadError::is_transient)
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

/// Why reading stopped before the end of an object.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The object was unavailable, or a part of it.
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
    /// True if reading it again may reach the end with nothing changed.
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
    /// The reader skipped it.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// It does not parse.
    #[error(transparent)]
    Record(#[from] RecordError),
}
