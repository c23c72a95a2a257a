//! Runs the pipeline in the Lambda runtime.

mod log;

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lambda_runtime::tracing::{Level, enabled};
use lambda_runtime::{Context, Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

pub use log::init_log;

use crate::aws::{Deadline, OPERATION_TIMEOUT};
use crate::clock::Clock;
use crate::enrich::ContextSource;
use crate::heartbeat::Heartbeats;
use crate::pipeline::{Invocation, Outcome, Pipeline};
use crate::publish::Topic;
use crate::reply::{Reply, ResultCode, TaskResult};
use crate::rules::{Current, RulesCache, RulesObject};
use crate::service::ServiceError;
use crate::sweep::MappingSource;
use crate::telemetry::{Metrics, ObjectReport, ObjectResult, VERSION};
use crate::trail::ObjectSource;
use crate::triage::{Causes, Ledger, MappingStates};

/// Maximum timeout of a Lambda function. It replaces a deadline in the past, which some local runtimes send.
const MAX_TIMEOUT: Duration = Duration::from_mins(15);
/// Maximum size of an error message in bytes. SQS messages and asynchronous payloads are limited to 1 MiB, and the
/// on-failure record also contains the payload.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// Maximum length of the text of a task's result, in characters.
const MAX_RESULT_CHARACTERS: usize = 1_000;
/// Maximum number of silent accounts and Regions in the log, and of those that could not be swept. The response
/// contains all of them.
const MAX_PLACES_LOGGED: usize = 20;
/// Time reserved for the response at the end of an invocation. All calls end before it. At most a tenth of the
/// remaining time is reserved.
const RESPONSE_MARGIN: Duration = Duration::from_secs(1);

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        timestamp(SystemTime::now())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Runs the pipeline for each invocation until the runtime ends.
///
/// # Errors
/// If the runtime API cannot be reached.
pub async fn run<
    S: ObjectSource,
    T: Topic,
    L: Ledger + MappingStates + Causes + Heartbeats,
    C: Clock,
    A: ContextSource + MappingSource,
    O: RulesObject,
>(
    pipeline: &Pipeline<S, T, L, C, A>,
    rules: &RulesCache<O>,
    deadline: &Deadline,
) -> Result<(), Error> {
    let mut is_first = true;
    let handler = service_fn(move |event| {
        let is_cold_start = std::mem::take(&mut is_first);
        Box::pin(handle(pipeline, rules, deadline, is_cold_start, event))
    });
    lambda_runtime::run(handler).await
}

async fn handle<
    S: ObjectSource,
    T: Topic,
    L: Ledger + MappingStates + Causes + Heartbeats,
    C: Clock,
    A: ContextSource + MappingSource,
    O: RulesObject,
>(
    pipeline: &Pipeline<S, T, L, C, A>,
    rules: &RulesCache<O>,
    deadline: &Deadline,
    is_cold_start: bool,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Value, Diagnostic> {
    let now = SystemTime::now();
    let remaining = event.context.deadline().duration_since(now).unwrap_or(MAX_TIMEOUT);
    deadline.set(Instant::now() + remaining.saturating_sub(RESPONSE_MARGIN.min(remaining / 10)));
    let time_up = tokio::time::sleep(remaining.saturating_sub(reserve(remaining)));
    let Current { rules, without_rules, problem } = rules.current(&pipeline.clock).await;
    // Lambda may deliver an asynchronous event twice at the same time, with the same request ID. Each environment has
    // its own log stream and runs one invocation at a time.
    let id = format!("{}/{}", event.context.request_id, event.context.env_config.log_stream);
    let invocation = Invocation { id: &id, payload: event.payload.get(), rules: &rules, without_rules, time_up };
    let mut outcome = pipeline.run(invocation).await;
    if let Some(problem) = problem {
        outcome.counters.rules_errors += 1;
        lambda_runtime::tracing::error!("{problem}");
    }
    outcome.counters.cold_starts = u64::from(is_cold_start);
    report(&outcome, &event.context);
    reply(&outcome)
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or_default()
}

/// Time reserved for publishing at the end of an invocation: a third of the remaining time, but at most the time limit
/// of a call.
fn reserve(remaining: Duration) -> Duration {
    (remaining / 3).min(OPERATION_TIMEOUT)
}

/// Logs the result of each object, the metrics, and errors of the ledger and of lookups, which do not fail the
/// invocation. The runtime and [`reply`] log all other failures.
fn report(outcome: &Outcome, context: &Context) {
    let now = SystemClock.now();
    if let Some(error) = &outcome.ledger_error {
        let errors = outcome.counters.ledger_errors;
        lambda_runtime::tracing::warn!("{errors} ledger calls failed, so alerts may be repeated; first error: {error}");
    }
    // The message of the error may contain text from the record, so only the operation and the code are logged.
    if let Some(ServiceError { operation, code, .. }) = &outcome.context_error {
        let errors = outcome.counters.context_errors;
        lambda_runtime::tracing::warn!(
            "{errors} context lookups failed, so alerts contain less context; first error: {operation}: {code}"
        );
    }
    if let Some(ServiceError { operation, code, .. }) = &outcome.cause_error {
        let errors = outcome.counters.cause_errors;
        lambda_runtime::tracing::warn!(
            "{errors} calls about likely causes failed, so alerts may lack causes; first error: {operation}: {code}"
        );
    }
    match &outcome.reply {
        Reply::Silence { silent, .. } => {
            for heartbeat in silent.iter().take(MAX_PLACES_LOGGED) {
                lambda_runtime::tracing::warn!("silent: {heartbeat}");
            }
        }
        Reply::Sweep { failed, .. } => {
            for failure in failed.iter().take(MAX_PLACES_LOGGED) {
                lambda_runtime::tracing::warn!("not swept: {failure}");
            }
        }
        Reply::Empty | Reply::BatchItemFailures(_) | Reply::JobResults { .. } | Reply::TestAlert { .. } => {}
    }
    let is_logged = |it: &&ObjectReport| it.result != ObjectResult::Read || enabled!(Level::INFO);
    for object in outcome.objects.iter().filter(is_logged) {
        println!("{}", object.line(now, &context.request_id));
    }
    let Outcome { counters, lag, findings, suppressed, .. } = outcome;
    let metrics = Metrics { counters, lag: *lag, findings, suppressed };
    for line in metrics.lines(now, &context.env_config.function_name) {
        println!("{line}");
    }
}

/// Joins lines up to [`MAX_ERROR_BYTES`], and counts the lines left out.
fn bounded(lines: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    let mut left_out = 0_usize;
    for line in lines {
        if text.len() + line.len() < MAX_ERROR_BYTES {
            text.push_str(if text.is_empty() { "" } else { "\n" });
            text.push_str(&line);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 { format!("{text}\nand {left_out} more failures") } else { text }
}

/// Converts the outcome to the function's response, or to an error if the invocation fails as a whole. The runtime logs an
/// error but not a response, so failures that the response names are logged here.
fn reply(outcome: &Outcome) -> Result<Value, Diagnostic> {
    let failures = &outcome.failures;
    if let Some(error_type) = outcome.error_type() {
        return Err(Diagnostic { error_type: error_type.to_owned(), error_message: bounded(failures.lines()) });
    }
    failures.lines().for_each(|failure| lambda_runtime::tracing::error!("{failure}"));
    Ok(match &outcome.reply {
        Reply::Empty => Value::Null,
        Reply::TestAlert { published, warnings } => {
            json!({"published": published, "warnings": warnings, "version": VERSION})
        }
        Reply::BatchItemFailures(ids) => {
            let ids: Vec<_> = ids.iter().map(|id| json!({"itemIdentifier": id})).collect();
            json!({"batchItemFailures": ids})
        }
        Reply::Silence { known, silent } => {
            let silent = silent
                .iter()
                .map(|it| json!({"account": it.of.account, "region": it.of.region, "last_digest": it.at.to_string()}));
            json!({"known": known, "silent": silent.collect::<Vec<_>>()})
        }
        Reply::Sweep { places, mappings, failed } => {
            let failed = failed
                .iter()
                .map(|it| json!({"account": it.place.account, "region": it.place.region, "error": it.error}));
            json!({"places": places, "mappings": mappings, "failed": failed.collect::<Vec<_>>()})
        }
        Reply::JobResults { schema_version, invocation_id, results } => json!({
            "invocationSchemaVersion": schema_version,
            "treatMissingKeysAs": ResultCode::PermanentFailure.as_str(),
            "invocationId": invocation_id,
            "results": results.iter().map(result).collect::<Vec<_>>(),
        }),
    })
}

/// The result of a task as JSON. S3 Batch Operations copies the text to its report.
fn result(task: &TaskResult) -> Value {
    let text: String = task.text.chars().take(MAX_RESULT_CHARACTERS).collect();
    json!({"taskId": task.id, "resultCode": task.code.as_str(), "resultString": text})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::PayloadError;
    use crate::failure::Failures;

    fn outcome(problems: usize, failed_messages: Option<Vec<String>>) -> Outcome {
        let problem = PayloadError::Incomplete { expected: "a messageId" };
        let failures = Failures { payload: vec![problem; problems], ..Failures::default() };
        let reply = failed_messages.map_or(Reply::Empty, Reply::BatchItemFailures);
        Outcome { failures, reply, ..Outcome::default() }
    }

    #[test]
    fn a_failure_is_an_error_or_names_the_messages() {
        assert_eq!(reply(&outcome(0, None)), Ok(Value::Null));
        assert_eq!(reply(&outcome(0, Some(Vec::new()))), Ok(json!({"batchItemFailures": []})));
        let named = json!({"batchItemFailures": [{"itemIdentifier": "1"}]});
        assert_eq!(reply(&outcome(1, Some(vec!["1".to_owned()]))), Ok(named));
        for unnamed in [outcome(1, None), outcome(1, Some(Vec::new()))] {
            let error = reply(&unnamed).expect_err("an error");
            assert_eq!(
                (error.error_type.as_str(), error.error_message.as_str()),
                ("PayloadNotUnderstood", "expected a messageId")
            );
        }
    }

    #[test]
    fn error_messages_are_bounded_and_say_so() {
        let lines = (0..5_000).map(|n| format!("{n:0100}"));
        let text = bounded(lines);
        assert!(text.len() < MAX_ERROR_BYTES + 100, "{}", text.len());
        assert!(text.ends_with(" more failures"), "{text}");
        assert_eq!(bounded(["a".to_owned(), "b".to_owned()].into_iter()), "a\nb");
    }
}
