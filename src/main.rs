//! The function: settings, clients, pipeline, runtime.

use std::process::ExitCode;

use trailwarden::aws::{self, AlertTopic, TrailBuckets};
use trailwarden::detect::Detector;
use trailwarden::lambda;
use trailwarden::pipeline::Pipeline;
use trailwarden::settings::Settings;

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
    let source = TrailBuckets::new(&configuration);
    let rules = lambda::load_rules(settings.rules, &source).await?;
    let pipeline = Pipeline {
        trail_buckets: settings.trail_buckets,
        detector: Detector {
            event_sources: settings.event_sources,
            esm_changes: settings.esm_changes,
            authentication_failures: settings.authentication_failures,
            watch: rules.watch,
        },
        suppress: rules.suppress,
        limits: settings.limits,
        object_concurrency: settings.object_concurrency,
        source,
        sink: AlertTopic::new(&configuration, settings.alert_topic_arn),
    };
    lambda::run(&pipeline).await
}
