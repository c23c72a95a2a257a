//! Credentials, Region, timeouts and retries for all services.
//!
//! The timeouts are chosen for services in the same Region.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};

use super::http::http_client;
use crate::telemetry::VERSION;

/// Time limit of a call, including its retries.
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(40);
/// Time limit of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Time limit for a response.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that the transfer of a body may stall.
const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of attempts of a call.
const MAX_ATTEMPTS: u32 = 3;

/// Loads credentials, Region and endpoints from the environment, and sets timeouts and retries. The SDK retries
/// transient failures.
pub async fn configuration() -> SdkConfig {
    let loader = loader();
    // Lambda sets both variables. Elsewhere, the SDK's default provider chain applies.
    match (std::env::var("AWS_REGION"), std::env::var_os("AWS_SESSION_TOKEN")) {
        (Ok(region), Some(_)) => {
            let loader = loader.region(Region::new(region));
            loader.credentials_provider(EnvironmentVariableCredentialsProvider::new()).load().await
        }
        _ => loader.load().await,
    }
}

/// Loads the credentials and settings of a profile of the AWS CLI, or those of the SDK's default provider chain. Timeouts
/// and retries are as in [`configuration`].
pub async fn configuration_of_profile(profile: Option<&str>) -> SdkConfig {
    match profile {
        Some(profile) => loader().profile_name(profile).load().await,
        None => loader().load().await,
    }
}

fn loader() -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(STALL_TIMEOUT).build())
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS));
    match AppName::new(format!("trailwarden-{VERSION}")) {
        Ok(name) => loader.app_name(name),
        Err(_) => loader,
    }
}

/// The configuration for another Region, if one is given.
#[must_use]
pub fn in_region(configuration: &SdkConfig, region: Option<String>) -> SdkConfig {
    match region {
        Some(region) => configuration.to_builder().region(Region::new(region)).build(),
        None => configuration.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_name_the_version() {
        let configuration = configuration().await;
        assert_eq!(configuration.app_name(), Some(&AppName::new(format!("trailwarden-{VERSION}")).expect("a name")));
    }
}
