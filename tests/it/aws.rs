//! S3, SNS, DynamoDB and the Lambda API through the AWS SDK, against servers on loopback.

mod dynamodb;
mod lambda_api;
mod mapping_states;
mod rules_object;
mod s3;
mod sns;
mod sweep;
