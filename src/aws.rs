//! AWS services, through the SDK: S3, SNS, DynamoDB and Lambda.
//!
//! No call continues after the [`Deadline`] of the invocation.

mod configuration;
mod context;
mod deadline;
mod dynamodb;
mod errors;
mod http;
mod lambda_api;
mod mapping_list;
mod mapping_states;
mod rules;
mod s3;
mod sns;

pub(crate) use configuration::OPERATION_TIMEOUT;
pub use configuration::{configuration, in_region};
pub use deadline::Deadline;
pub use dynamodb::LedgerTable;
pub use http::http_client;
pub use lambda_api::{Accounts, LambdaApi};
pub use rules::RulesInBucket;
pub use s3::TrailBuckets;
pub use sns::AlertTopic;
