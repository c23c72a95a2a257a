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
    let pipeline = Pipeline {
        trail_buckets: settings.trail_buckets,
        detector: Detector::new(settings.event_sources),
        limits: settings.limits,
        source: TrailBuckets::new(&configuration),
        sink: AlertTopic::new(&configuration, settings.alert_topic_arn),
    };
    lambda::run(&pipeline).await
}
