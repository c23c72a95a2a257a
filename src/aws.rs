//! AWS services, through the SDK: S3, SNS, DynamoDB and Lambda.
//!
//! No call continues after the [`Deadline`] of the invocation.

mod configuration;
#[cfg(feature = "lambda")]
mod context;
mod deadline;
#[cfg(feature = "lambda")]
mod dynamodb;
mod errors;
mod http;
#[cfg(feature = "lambda")]
mod lambda_api;
#[cfg(feature = "lambda")]
mod mapping_list;
#[cfg(feature = "lambda")]
mod mapping_states;
#[cfg(feature = "lambda")]
mod rules;
mod s3;
#[cfg(feature = "lambda")]
mod sns;

#[cfg(feature = "lambda")]
pub(crate) use configuration::OPERATION_TIMEOUT;
pub use configuration::{configuration, configuration_of_profile, in_region};
pub use deadline::Deadline;
#[cfg(feature = "lambda")]
pub use dynamodb::LedgerTable;
pub use errors::chain;
pub use http::http_client;
#[cfg(feature = "lambda")]
pub use lambda_api::{Accounts, LambdaApi};
#[cfg(feature = "lambda")]
pub use rules::RulesInBucket;
pub use s3::TrailBuckets;
#[cfg(feature = "lambda")]
pub use sns::AlertTopic;
