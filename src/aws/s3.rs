//! Log objects from Amazon S3. Takes `s3:GetObject`, and `s3:GetObjectVersion` for versions.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::{chain, service_error};
use crate::ports::{ObjectBody, ObjectSource, ServiceError};
use crate::trail::LogObject;

const OPERATION: &str = "s3:GetObject";

/// The buckets that CloudTrail delivers to.
#[derive(Debug, Clone)]
pub struct TrailBuckets {
    client: Client,
}

impl TrailBuckets {
    /// Reads with this configuration.
    #[must_use]
    pub fn new(configuration: &SdkConfig) -> Self {
        Self { client: Client::new(configuration) }
    }
}

impl ObjectSource for TrailBuckets {
    type Body = ObjectStream;

    async fn open(&self, object: &LogObject) -> Result<ObjectStream, ServiceError> {
        let request = self.client.get_object().bucket(&object.bucket).key(&object.key);
        let response = request.set_version_id(object.version.clone()).send().await;
        response.map(|it| ObjectStream(it.body)).map_err(|error| service_error(OPERATION, &error))
    }
}

/// The body of an object. The SDK ends a transfer that stalls, and compares the bytes with their
/// length and with the checksum that S3 keeps.
#[derive(Debug)]
pub struct ObjectStream(ByteStream);

impl ObjectBody for ObjectStream {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, ServiceError> {
        self.0.next().await.transpose().map_err(|error| ServiceError {
            operation: OPERATION,
            code: "transfer broke off".to_owned(),
            retryable: false,
            source: Some(chain(&error).into()),
        })
    }
}
