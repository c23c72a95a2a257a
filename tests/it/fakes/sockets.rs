//! AWS services on loopback, and the SDK configured for them.

pub(crate) mod lambda_api;
pub(crate) mod responses;
pub(crate) mod runtime;
pub(crate) mod server;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use trailwarden::aws::{
    Accounts, AlertTopic, Deadline, LambdaApi, LedgerTable, RulesInBucket, TrailBuckets, http_client, in_region,
};
use trailwarden::s3_object::S3Object;

/// The SDK, with the settings of the function and short pauses between its three attempts.
pub(crate) struct Sdk(SdkConfig);

impl Sdk {
    pub(crate) async fn new(endpoint: &str) -> Self {
        Self::with_timeouts(endpoint, Duration::from_secs(30)).await
    }

    /// Uses one timeout for connecting, for a response, and for a stalled body.
    pub(crate) async fn with_timeouts(endpoint: &str, timeout: Duration) -> Self {
        let configuration = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .http_client(http_client())
            .credentials_provider(Credentials::new("id", "secret", None, None, "tests"))
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1)))
            .timeout_config(TimeoutConfig::builder().connect_timeout(timeout).read_timeout(timeout).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(timeout).build())
            .endpoint_url(endpoint);
        Self(configuration.load().await)
    }

    pub(crate) fn in_region(self, region: &str) -> Self {
        Self(in_region(&self.0, Some(region.to_owned())))
    }

    pub(crate) fn buckets(&self) -> TrailBuckets {
        TrailBuckets::new(&self.0, Deadline::default())
    }

    pub(crate) fn topic(&self, arn: &str) -> AlertTopic {
        AlertTopic::new(&self.0, arn.to_owned(), Deadline::default())
    }

    pub(crate) fn ledger(&self) -> LedgerTable {
        LedgerTable::new(&self.0, "ledger".to_owned(), Deadline::default())
    }

    pub(crate) fn lambda_api(&self, accounts: Accounts) -> LambdaApi {
        LambdaApi::new(&self.0, accounts, Deadline::default())
    }

    pub(crate) fn rules_object(&self, object: S3Object) -> RulesInBucket {
        RulesInBucket::new(&self.0, object, Deadline::default())
    }
}
