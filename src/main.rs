//! The function: settings, clients, pipeline, runtime.

use std::process::ExitCode;

use trailwarden::aws::{self, AlertTopic, Deadline, LedgerTable, TrailBuckets};
use trailwarden::delivery::Accepted;
use trailwarden::detect::Detector;
use trailwarden::lambda;
use trailwarden::pipeline::Pipeline;
use trailwarden::publish::Topics;
use trailwarden::settings::Settings;
use trailwarden::triage::EitherLedger;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda_runtime::tracing::init_default_subscriber();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            lambda_runtime::tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::from_lookup(|name| std::env::var(name).ok())?;
    let configuration = aws::configuration().await;
    let deadline = Deadline::default();
    let source = TrailBuckets::new(&configuration, deadline.clone());
    let rules = lambda::load_rules(settings.rules, &source).await?;
    let topic = |arn| AlertTopic::new(&configuration, arn, deadline.clone());
    let table = |name| LedgerTable::new(&configuration, name, deadline.clone());
    let pipeline = Pipeline {
        accepted: Accepted {
            trail_buckets: settings.trail_buckets,
            inline_records: settings.fast_path,
            batch_jobs: settings.event_topic_arn.is_some(),
        },
        detector: Detector {
            event_sources: settings.event_sources,
            esm_changes: settings.esm_changes,
            authentication_failures: settings.authentication_failures,
            watch: rules.watch,
        },
        suppress: rules.suppress,
        limits: settings.limits,
        object_concurrency: settings.object_concurrency,
        windows: settings.windows,
        source,
        topics: Topics {
            alert: topic(settings.alert_topic_arn),
            chat: settings.chat_topic_arn.map(topic),
            event: settings.event_topic_arn.map(topic),
        },
        ledger: EitherLedger::Shared(table(settings.ledger_table)),
    };
    lambda::run(&pipeline, &deadline).await
}
