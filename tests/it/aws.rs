//! S3, SNS and DynamoDB through the AWS SDK, against servers on loopback.

mod dynamodb;
mod rules_object;
mod s3;
mod sns;
