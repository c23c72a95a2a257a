//! The Lambda runtime around the pipeline.

use std::time::{SystemTime, UNIX_EPOCH};

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;

use crate::pipeline::{Outcome, Pipeline};
use crate::ports::{AlertSink, ObjectSource};

/// Hands invocations to the pipeline until the runtime ends.
///
/// # Errors
/// If the runtime API cannot be reached.
pub async fn run<S: ObjectSource, A: AlertSink>(pipeline: &Pipeline<S, A>) -> Result<(), Error> {
    lambda_runtime::run(service_fn(|event| Box::pin(handle(pipeline, event)))).await
}

async fn handle<S: ObjectSource, A: AlertSink>(
    pipeline: &Pipeline<S, A>,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<(), Diagnostic> {
    let outcome = pipeline.run(event.payload.get()).await;
    report(&outcome, &event.context.env_config.function_name);
    answer(&outcome)
}

/// Writes the counts to the log. What failed is the answer, which the runtime logs.
fn report(outcome: &Outcome, function_name: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    println!("{}", outcome.counters.embedded_metrics(now.as_millis() as u64, function_name));
}

/// The invocation succeeds only if everything did.
fn answer(outcome: &Outcome) -> Result<(), Diagnostic> {
    match outcome.error_type() {
        None => Ok(()),
        Some(error_type) => Err(Diagnostic {
            error_type: error_type.to_owned(),
            error_message: outcome.failures().collect::<Vec<_>>().join("\n"),
        }),
    }
}
