//! The function: settings, clients, pipeline, runtime.

use std::process::ExitCode;

use trailwarden::aws::{self, Accounts, AlertTopic, Deadline, LambdaApi, LedgerTable, RulesInBucket, TrailBuckets};
use trailwarden::delivery::Accepted;
use trailwarden::lambda::{self, SystemClock};
use trailwarden::pipeline::Pipeline;
use trailwarden::publish::Topics;
use trailwarden::rules::RulesCache;
use trailwarden::settings::{RulesSetting, Settings};
use trailwarden::telemetry::VERSION;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::init_log();
    lambda_runtime::tracing::info!("trailwarden {}", VERSION);
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
    let rules = match settings.rules {
        RulesSetting::Inline(rules) => RulesCache::fixed(rules),
        RulesSetting::Object(object) => {
            RulesCache::of_object(RulesInBucket::new(&configuration, object, deadline.clone()))
        }
    };
    let buckets = aws::in_region(&configuration, settings.trail_bucket_region);
    let topic = |arn| AlertTopic::new(&configuration, arn, deadline.clone());
    let accounts = Accounts { own: settings.account_id, member_role: settings.member_role_name };
    let pipeline = Pipeline {
        accepted: Accepted {
            trail_buckets: settings.trail_buckets,
            inline_records: settings.fast_path,
            batch_jobs: settings.event_topic_arn.is_some(),
        },
        detector: settings.detector,
        esm_changes: settings.esm_changes,
        limits: settings.limits,
        object_concurrency: settings.object_concurrency,
        windows: settings.windows,
        source: TrailBuckets::new(&buckets, deadline.clone()).owned_by(settings.trail_bucket_owner),
        topics: Topics {
            alert: topic(settings.alert_topic_arn),
            chat: settings.chat_topic_arn.map(topic),
            event: settings.event_topic_arn.map(topic),
        },
        ledger: LedgerTable::new(&configuration, settings.ledger_table, deadline.clone()),
        heartbeats: settings.silence_check,
        context: settings.context,
        api: LambdaApi::new(&configuration, accounts, deadline.clone()),
        sweep: settings.sweep,
        clock: SystemClock,
    };
    lambda::run(&pipeline, &rules, &deadline).await
}
