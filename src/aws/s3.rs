//! Log objects from Amazon S3. Needs `s3:GetObject`, and `s3:GetObjectVersion` for versions.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use jiff::Timestamp;

use super::deadline::Deadline;
use super::errors::{chain, service_error};
use crate::s3_object::S3Object;
use crate::service::{Fault, ServiceError};
use crate::trail::{ObjectBody, ObjectSource};

const OPERATION: &str = "s3:GetObject";
/// Maximum number of times that an interrupted transfer is resumed.
const MAX_RESUMES: u32 = 3;
/// The pause before a transfer is resumed for the first time. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The buckets that CloudTrail delivers to.
#[derive(Debug, Clone)]
pub struct TrailBuckets {
    client: Client,
    owner: Option<String>,
    deadline: Deadline,
}

impl TrailBuckets {
    /// Creates a source with this configuration.
    #[must_use]
    pub fn new(configuration: &SdkConfig, deadline: Deadline) -> Self {
        Self { client: Client::new(configuration), owner: None, deadline }
    }

    /// Reads only buckets of this account. S3 rejects a request for a bucket of another account with `AccessDenied`.
    #[must_use]
    pub fn owned_by(self, account: Option<String>) -> Self {
        Self { owner: account, ..self }
    }

    /// Requests the bytes of an object from `offset` on, provided that it still has the entity tag `tag`.
    async fn get(&self, object: &S3Object, offset: u64, tag: Option<&str>) -> Result<GetObjectOutput, ServiceError> {
        let request = self.client.get_object().bucket(&object.bucket).key(&object.key);
        let request = request.set_version_id(object.version.clone()).set_if_match(tag.map(str::to_owned));
        let request = request.set_expected_bucket_owner(self.owner.clone());
        let range = (offset > 0).then(|| format!("bytes={offset}-"));
        let response = self.deadline.hold(OPERATION, request.set_range(range).send()).await?;
        response.map_err(|error| service_error(OPERATION, &error))
    }
}

impl ObjectSource for TrailBuckets {
    type Body = ObjectStream;

    async fn open(&self, object: &S3Object) -> Result<ObjectStream, ServiceError> {
        let response = self.get(object, 0, None).await?;
        Ok(ObjectStream {
            source: self.clone(),
            object: object.clone(),
            tag: response.e_tag,
            stored: response.last_modified.and_then(|time| Timestamp::new(time.secs(), 0).ok()),
            length: response.content_length.and_then(|length| u64::try_from(length).ok()),
            body: response.body,
            read: 0,
            resumes: 0,
        })
    }
}

/// The body of an object. An interrupted transfer is resumed at the first missing byte.
///
/// The SDK aborts a stalled transfer. It verifies the length and, unless the transfer was resumed, the checksum that S3
/// stores.
#[derive(Debug)]
pub struct ObjectStream {
    source: TrailBuckets,
    object: S3Object,
    /// Entity tag. If the object has been replaced, S3 rejects the request to resume the transfer.
    tag: Option<String>,
    stored: Option<Timestamp>,
    length: Option<u64>,
    body: ByteStream,
    /// Number of bytes returned so far.
    read: u64,
    resumes: u32,
}

impl ObjectBody for ObjectStream {
    fn stored(&self) -> Option<Timestamp> {
        self.stored
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, ServiceError> {
        loop {
            match self.source.deadline.hold(OPERATION, self.body.next()).await? {
                None => return Ok(None),
                Some(Ok(bytes)) => {
                    self.read += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Some(Err(error)) => {
                    let interrupted = ServiceError::new(OPERATION, Fault::Interrupted, "transfer interrupted");
                    self.resume(interrupted.with_source(Some(chain(&error)))).await?;
                }
            }
        }
    }
}

impl ObjectStream {
    async fn resume(&mut self, interrupted: ServiceError) -> Result<(), ServiceError> {
        let is_at_end = self.length.is_some_and(|length| self.read >= length);
        if self.resumes >= MAX_RESUMES || self.tag.is_none() || is_at_end {
            return Err(interrupted);
        }
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(self.resumes)).await;
        self.resumes += 1;
        let response = self.source.get(&self.object, self.read, self.tag.as_deref()).await?;
        let rest = response.content_length.and_then(|length| u64::try_from(length).ok());
        // A server that ignores the range would send the whole object again.
        if self.read > 0 && rest != self.length.map(|length| length - self.read) {
            return Err(interrupted);
        }
        self.body = response.body;
        Ok(())
    }
}
