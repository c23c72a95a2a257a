//! The Lambda runtime around the pipeline.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::aws::{Deadline, OPERATION_TIMEOUT};
use crate::outcome::{Answer, Outcome, ResultCode, TaskResult};
use crate::pipeline::Pipeline;
use crate::ports::{AlertSink, Ledger, ObjectBody, ObjectSource};
use crate::rules::Rules;
use crate::settings::RulesSetting;

/// The longest that Lambda lets a function run. It stands for a deadline that was over before the invocation began:
/// runtimes for local use send such.
const LONGEST: Duration = Duration::from_mins(15);
/// Bytes of an error message. The on-failure queue takes 256 KiB, and holds the payload as well.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// Characters of the text of a task's result.
const MAX_RESULT_CHARACTERS: usize = 1_000;
/// The end of an invocation's time in which no call may go on, so that it can still be answered; or a tenth of it.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes that an object with rules may have.
const MAX_RULES_BYTES: usize = 1 << 20;

/// Reads the user's own rules from where the settings say they are.
///
/// # Errors
/// If the object cannot be read, or the rules are wrong.
pub async fn load_rules(setting: RulesSetting, source: &impl ObjectSource) -> Result<Rules, Error> {
    let object = match setting {
        RulesSetting::Inline(rules) => return Ok(rules),
        RulesSetting::Object(object) => object,
    };
    let mut body = source.open(&object).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next_chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_RULES_BYTES {
            return Err(format!("{object}: rules of more than {MAX_RULES_BYTES} bytes").into());
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{object}: rules are not UTF-8"))?;
    Rules::parse(&text).map_err(|error| format!("{object}: {error}").into())
}

/// Hands invocations to the pipeline until the runtime ends.
///
/// # Errors
/// If the runtime API cannot be reached.
pub async fn run<S: ObjectSource, A: AlertSink, L: Ledger>(
    pipeline: &Pipeline<S, A, L>,
    deadline: &Deadline,
) -> Result<(), Error> {
    lambda_runtime::run(service_fn(|event| Box::pin(handle(pipeline, deadline, event)))).await
}

async fn handle<S: ObjectSource, A: AlertSink, L: Ledger>(
    pipeline: &Pipeline<S, A, L>,
    deadline: &Deadline,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Value, Diagnostic> {
    let now = SystemTime::now();
    let remaining = event.context.deadline().duration_since(now).unwrap_or(LONGEST);
    deadline.set(Instant::now() + remaining.saturating_sub(FAREWELL.min(remaining / 10)));
    let time_up = tokio::time::sleep(remaining.saturating_sub(reserve(remaining)));
    let outcome = pipeline.run(event.payload.get(), timestamp(now), time_up).await;
    report(&outcome, now, &event.context.env_config.function_name);
    answer(&outcome)
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or_default()
}

/// The end of an invocation's time that is kept for publishing: a third, but no more than a call may take.
fn reserve(remaining: Duration) -> Duration {
    (remaining / 3).min(OPERATION_TIMEOUT)
}

/// Writes the counts to the log. What failed is the answer, which the runtime logs; what failed without consequence is
/// logged here.
fn report(outcome: &Outcome, now: SystemTime, function_name: &str) {
    if let Some(error) = &outcome.ledger {
        let others = outcome.counters.ledger_errors - 1;
        lambda_runtime::tracing::warn!("ledger: {error}; and {others} more errors; alerts may be repeated");
    }
    let milliseconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    println!("{}", outcome.counters.embedded_metrics(milliseconds, function_name, &outcome.suppressed));
}

/// Joins lines up to what an on-failure record holds beside the payload.
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

/// The invocation succeeds only if everything did. SQS is told which messages failed instead, and S3 Batch Operations what
/// became of each task, and they try those again; the runtime logs an error, but no answer, so what failed is logged
/// here. A message without an ID cannot be named, so that all of them fail.
fn answer(outcome: &Outcome) -> Result<Value, Diagnostic> {
    let error_type = outcome.error_type();
    let value = match (&outcome.answer, error_type) {
        (Answer::None, None) => return Ok(Value::Null),
        (Answer::Test { published, warnings }, None) => json!({"published": published, "warnings": warnings}),
        (Answer::FailedMessages(failed), error_type) if error_type.is_none() || !failed.is_empty() => {
            let failed: Vec<_> = failed.iter().map(|id| json!({"itemIdentifier": id})).collect();
            json!({"batchItemFailures": failed})
        }
        (Answer::Job { schema_version, invocation_id, results }, _) => json!({
            "invocationSchemaVersion": schema_version,
            "treatMissingKeysAs": ResultCode::PermanentFailure.as_str(),
            "invocationId": invocation_id,
            "results": results.iter().map(result).collect::<Vec<_>>(),
        }),
        (Answer::None | Answer::Test { .. } | Answer::FailedMessages(_), error_type) => {
            return Err(Diagnostic {
                error_type: error_type.unwrap_or_default().to_owned(),
                error_message: bounded(outcome.failures()),
            });
        }
    };
    outcome.failures().for_each(|failure| lambda_runtime::tracing::error!("{failure}"));
    Ok(value)
}

/// S3 Batch Operations writes the text into its report.
fn result(task: &TaskResult) -> Value {
    let text: String = task.text.chars().take(MAX_RESULT_CHARACTERS).collect();
    json!({"taskId": task.id, "resultCode": task.code.as_str(), "resultString": text})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::PayloadError;

    fn outcome(problems: usize, failed_messages: Option<Vec<String>>) -> Outcome {
        let problem = PayloadError::Incomplete { expected: "a messageId" };
        let answer = failed_messages.map_or(Answer::None, Answer::FailedMessages);
        Outcome { payload: vec![problem; problems], answer, ..Outcome::default() }
    }

    #[test]
    fn a_failure_is_an_error_or_names_its_messages() {
        assert_eq!(answer(&outcome(0, None)), Ok(Value::Null));
        assert_eq!(answer(&outcome(0, Some(Vec::new()))), Ok(json!({"batchItemFailures": []})));
        let named = json!({"batchItemFailures": [{"itemIdentifier": "1"}]});
        assert_eq!(answer(&outcome(1, Some(vec!["1".to_owned()]))), Ok(named));
        for nameless in [outcome(1, None), outcome(1, Some(Vec::new()))] {
            let error = answer(&nameless).expect_err("an error");
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
