//! A rules object in Amazon S3. Needs `s3:GetObject`.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;

use super::deadline::Deadline;
use super::errors::{chain, service_error};
use crate::rules::{Fetched, MAX_RULES_BYTES, RulesObject};
use crate::s3_object::S3Object;
use crate::service::{Fault, ServiceError};

const OPERATION: &str = "s3:GetObject";
const NOT_MODIFIED: u16 = 304;

/// A rules object in Amazon S3.
#[derive(Debug, Clone)]
pub struct RulesInBucket {
    client: Client,
    object: S3Object,
    deadline: Deadline,
}

impl RulesInBucket {
    /// Creates a reader of this object.
    #[must_use]
    pub fn new(configuration: &SdkConfig, object: S3Object, deadline: Deadline) -> Self {
        Self { client: Client::new(configuration), object, deadline }
    }
}

impl RulesObject for RulesInBucket {
    fn location(&self) -> String {
        self.object.to_string()
    }

    async fn fetch(&self, known_tag: Option<&str>) -> Result<Fetched, ServiceError> {
        let request = self.client.get_object().bucket(&self.object.bucket).key(&self.object.key);
        let request = request.set_if_none_match(known_tag.map(str::to_owned));
        let response = match self.deadline.hold(OPERATION, request.send()).await? {
            Ok(response) => response,
            Err(error) if error.raw_response().is_some_and(|it| it.status().as_u16() == NOT_MODIFIED) => {
                return Ok(Fetched::Unchanged);
            }
            Err(error) => return Err(service_error(OPERATION, &error)),
        };
        let (tag, mut body, mut bytes) = (response.e_tag, response.body, Vec::new());
        while let Some(chunk) = self.deadline.hold(OPERATION, body.next()).await? {
            let interrupted = ServiceError::new(OPERATION, Fault::Interrupted, "transfer interrupted");
            bytes.extend_from_slice(&chunk.map_err(|error| interrupted.with_source(Some(chain(&error))))?);
            if bytes.len() > MAX_RULES_BYTES {
                break;
            }
        }
        Ok(Fetched::Changed { tag, bytes })
    }
}
