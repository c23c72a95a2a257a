//! Clients of the Lambda API in all accounts and Regions. Needs `sts:AssumeRole` for other accounts.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{Region, SdkConfig};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::SharedCredentialsProvider;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::deadline::Deadline;
use super::errors::{fault, service_error};
use crate::service::{Fault, ServiceError};

const ASSUME_ROLE: &str = "sts:AssumeRole";
/// Name of the sessions in other accounts, which their trails show.
const SESSION_NAME: &str = "trailwarden";
/// Maximum number of attempts of a call.
const MAX_ATTEMPTS: u32 = 3;
/// Maximum delay before the first retry. A lookup for an alert has less than a second, so with the SDK's default of one
/// second, retries would be useless.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Maximum number of clients that are kept. An organization may have thousands of accounts, each with many Regions.
const MAX_CLIENTS: usize = 128;

/// The accounts whose mappings can be read: the function's own account directly, and member accounts through a role.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// Account of the function. Without it, every account is a member account.
    pub own: Option<String>,
    /// Name of the role in member accounts, with its path if it has one. Without it, they cannot be read.
    pub member_role: Option<String>,
}

/// The Lambda API in all accounts and Regions. All clients share the connections of the configuration.
#[derive(Debug)]
pub struct LambdaApi {
    configuration: SdkConfig,
    accounts: Accounts,
    pub(super) deadline: Deadline,
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Configurations of member accounts. Each has its own cache of credentials, so its clients share a session.
    members: HashMap<String, SdkConfig>,
    /// Clients by account and Region.
    clients: HashMap<(String, String), Client>,
}

impl LambdaApi {
    /// Creates the clients' shared configuration. No call is made.
    #[must_use]
    pub fn new(configuration: &SdkConfig, accounts: Accounts, deadline: Deadline) -> Self {
        let retries = RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS).with_initial_backoff(FIRST_BACKOFF);
        let configuration = configuration.to_builder().retry_config(retries).build();
        Self { configuration, accounts, deadline, kept: RefCell::default() }
    }

    /// The client for an account and a Region. For a member account, its first call assumes the member role.
    ///
    /// Both names may come from a log, and become part of an ARN and of a host name. Anything but an account ID and a
    /// Region is therefore rejected.
    ///
    /// # Errors
    /// If a name is invalid, or if the account is a member account and no member role is configured.
    pub(super) async fn client(&self, account: &str, region: &str) -> Result<Client, ServiceError> {
        if !is_account(account) || !is_region(region) {
            return Err(ServiceError::new(ASSUME_ROLE, Fault::Other, "invalid account ID or Region"));
        }
        let key = (account.to_owned(), region.to_owned());
        if let Some(known) = self.kept.borrow().clients.get(&key).cloned() {
            return Ok(known);
        }
        if self.kept.borrow().clients.len() >= MAX_CLIENTS {
            self.kept.take();
        }
        let configuration = self.configuration_for(account).await?;
        let configuration = configuration.to_builder().region(Region::new(region.to_owned())).build();
        let client = Client::new(&configuration);
        self.kept.borrow_mut().clients.insert(key, Client::clone(&client));
        Ok(client)
    }

    async fn configuration_for(&self, account: &str) -> Result<SdkConfig, ServiceError> {
        if self.accounts.own.as_deref() == Some(account) {
            return Ok(self.configuration.clone());
        }
        if let Some(member) = self.kept.borrow().members.get(account) {
            return Ok(member.clone());
        }
        let Some(role) = &self.accounts.member_role else {
            return Err(ServiceError::new(ASSUME_ROLE, Fault::Denied, "no member role is configured"));
        };
        let partition = partition(self.configuration.region().map_or("", Region::as_ref));
        let provider = AssumeRoleProvider::builder(format!("arn:{partition}:iam::{account}:role/{role}"))
            .configure(&self.configuration)
            .session_name(SESSION_NAME)
            .build()
            .await;
        let member = self
            .configuration
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(provider))
            .identity_cache(IdentityCache::lazy().build())
            .build();
        self.kept.borrow_mut().members.insert(account.to_owned(), member.clone());
        Ok(member)
    }
}

/// Converts the error of a call. If `AssumeRole` failed, the SDK reports that the request could not be sent. The result
/// is then the error of `AssumeRole`.
pub(super) fn api_error<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> ServiceError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let mut causes = std::iter::successors(Some(error as &dyn Error), |error| (*error).source());
    match causes.find_map(|it| it.downcast_ref::<AssumeRoleError>()) {
        Some(refused) => {
            let code = refused.code().unwrap_or("request failed");
            ServiceError::new(ASSUME_ROLE, fault(code, None), code).with_source(refused.message().map(str::to_owned))
        }
        None => service_error(operation, error),
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_region(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (3..=4).contains(&text.split('-').count()) && text.len() <= 32 && text.split('-').all(is_part)
}

/// The partition of a Region. A role can only be assumed in the partition of the caller. Source: `partitions.json` of
/// the AWS SDKs.
fn partition(region: &str) -> &'static str {
    const OTHERS: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("eusc-", "aws-eusc"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
    ];
    OTHERS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "111122223333";
    const OTHER: &str = "444455556666";

    async fn api(member_role: Option<&str>) -> LambdaApi {
        let loader = aws_config::defaults(aws_config::BehaviorVersion::latest()).region(Region::new("us-east-1"));
        let accounts = Accounts { own: Some(OWN.to_owned()), member_role: member_role.map(str::to_owned) };
        LambdaApi::new(&loader.http_client(crate::aws::http_client()).load().await, accounts, Deadline::default())
    }

    #[tokio::test]
    async fn other_accounts_need_a_member_role() {
        let without = api(None).await;
        assert!(without.client(OWN, "eu-west-1").await.is_ok());
        let error = without.client(OTHER, "eu-west-1").await.expect_err("denied");
        assert_eq!(
            (error.fault, error.to_string().as_str()),
            (Fault::Denied, "sts:AssumeRole: no member role is configured")
        );
        assert!(api(Some("reader")).await.client(OTHER, "eu-west-1").await.is_ok());
    }

    #[tokio::test]
    async fn accounts_and_regions_from_a_log_are_checked() {
        let api = api(Some("reader")).await;
        for (account, region) in [
            ("11112222333", "us-east-1"),
            ("111122223333:role/x", "us-east-1"),
            (OWN, "us-east"),
            (OWN, "us-east-1.example.com"),
            (OWN, "us-east-1/"),
            (OWN, ""),
        ] {
            assert_eq!(
                api.client(account, region).await.expect_err("invalid").fault,
                Fault::Other,
                "{account} {region}"
            );
        }
    }

    #[tokio::test]
    async fn the_number_of_clients_is_bounded() {
        let api = api(Some("reader")).await;
        for n in 0..3 * MAX_CLIENTS {
            api.client(&format!("{n:012}"), "us-east-1").await.expect("a client");
            let kept = api.kept.borrow();
            assert!(kept.clients.len() <= MAX_CLIENTS && kept.members.len() <= MAX_CLIENTS, "{n}");
        }
    }

    #[test]
    fn partitions_follow_from_regions() {
        for (region, expected) in [
            ("eu-west-1", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("cn-north-1", "aws-cn"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(partition(region), expected);
        }
    }
}
