//! The reply to an invocation, which depends on the delivery path.

use std::fmt;

use crate::delivery::{AccountRegion, BatchTask, QueueMessage};
use crate::failure::Failures;
use crate::heartbeat::Heartbeat;

/// The reply to an invocation.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Reply {
    /// No content: the invocation succeeds or fails as a whole.
    #[default]
    Empty,
    /// The IDs of the SQS messages that failed.
    BatchItemFailures(Vec<String>),
    /// A result for each task of S3 Batch Operations.
    JobResults {
        /// Version of the payload.
        schema_version: String,
        /// ID of the invocation.
        invocation_id: String,
        /// The results.
        results: Vec<TaskResult>,
    },
    /// The result of a test of alert delivery.
    TestAlert {
        /// Subjects of the alerts that were published.
        published: Vec<String>,
        /// Problems with the subscriptions of the topics.
        warnings: Vec<String>,
    },
    /// The result of a check for silence.
    Silence {
        /// Number of accounts and Regions with a heartbeat.
        known: u64,
        /// Those whose heartbeats have stopped, the most recent first.
        silent: Vec<Heartbeat>,
    },
    /// The result of a sweep.
    Sweep {
        /// Number of accounts and Regions to sweep; an account in two Regions counts as two.
        places: u64,
        /// Number of mappings that were listed.
        mappings: u64,
        /// The accounts and Regions that could not be swept.
        failed: Vec<PlaceFailure>,
    },
}

/// An account in a Region that could not be swept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceFailure {
    /// The account and Region.
    pub place: AccountRegion,
    /// The cause.
    pub error: String,
}

impl fmt::Display for PlaceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.place.account, self.place.region, self.error)
    }
}

/// The result of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskResult {
    /// ID of the task.
    pub id: String,
    /// Whether it succeeded.
    pub code: ResultCode,
    /// A description of the result.
    pub text: String,
}

/// The result of a task, as S3 Batch Operations names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultCode {
    /// The task succeeded.
    Succeeded,
    /// The task may succeed later and should be retried.
    TemporaryFailure,
    /// The task cannot succeed until something changes.
    PermanentFailure,
}

impl ResultCode {
    /// The name in the reply.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::TemporaryFailure => "TemporaryFailure",
            Self::PermanentFailure => "PermanentFailure",
        }
    }
}

impl Reply {
    /// The reply to a queue. An alert cannot be traced to a message, so if one is not published, all messages fail. If
    /// a message has no ID, only an error of the whole invocation returns it to the queue.
    pub(crate) fn to_queue(messages: Vec<QueueMessage>, without_id: u64, failures: &Failures) -> Self {
        if without_id > 0 {
            return Self::Empty;
        }
        let all_fail = !failures.alerts.is_empty() || failures.without_rules;
        let is_unread = |at: &usize| failures.objects.contains_key(at);
        let fails = |it: &QueueMessage| all_fail || !it.understood || it.objects.iter().any(is_unread);
        Self::BatchItemFailures(messages.into_iter().filter(fails).map(|it| it.id).collect())
    }

    /// The reply to a job of S3 Batch Operations. If an alert is not published, all tasks fail temporarily.
    pub(crate) fn to_job(
        schema_version: String,
        invocation_id: String,
        tasks: Vec<BatchTask>,
        failures: &Failures,
    ) -> Self {
        let result = |task: BatchTask| {
            let (code, text) = task_result(&task, failures);
            TaskResult { id: task.id, code, text }
        };
        Self::JobResults { schema_version, invocation_id, results: tasks.into_iter().map(result).collect() }
    }
}

fn task_result(task: &BatchTask, failures: &Failures) -> (ResultCode, String) {
    let at = match &task.object {
        Ok(Some(at)) => *at,
        Ok(None) => return (ResultCode::Succeeded, "skipped: not a log object".to_owned()),
        Err(error) => return (ResultCode::PermanentFailure, error.to_string()),
    };
    match (failures.objects.get(&at), failures.alerts.first(), failures.rules()) {
        (Some(object), None, _) if !object.is_transient() => (ResultCode::PermanentFailure, object.to_string()),
        (Some(object), _, _) => (ResultCode::TemporaryFailure, object.to_string()),
        (None, Some(alert), _) => (ResultCode::TemporaryFailure, alert.to_string()),
        (None, None, Some(rules)) => (ResultCode::TemporaryFailure, rules),
        (None, None, None) => (ResultCode::Succeeded, "read".to_owned()),
    }
}
