//! Alerts to Amazon SNS. Takes `sns:Publish` on the topic.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::config::Builder;
use aws_sdk_sns::operation::publish_batch::PublishBatchOutput;
use aws_sdk_sns::types::{BatchResultErrorEntry, MessageAttributeValue, PublishBatchRequestEntry};

use super::{region_of, service_error};
use crate::alert::{Attribute, Message};
use crate::ports::{AlertSink, ServiceError};

const OPERATION: &str = "sns:PublishBatch";

/// The topic that alerts are published to.
#[derive(Debug, Clone)]
pub struct AlertTopic {
    client: Client,
    arn: String,
}

impl AlertTopic {
    /// Publishes to the topic with this ARN, in its own Region.
    #[must_use]
    pub fn new(configuration: &SdkConfig, arn: String) -> Self {
        let mut builder = Builder::from(configuration);
        if let Some(region) = region_of(&arn) {
            builder = builder.region(region);
        }
        Self { client: Client::from_conf(builder.build()), arn }
    }
}

impl AlertSink for AlertTopic {
    async fn publish(&self, batch: &[Message]) -> Vec<Result<(), ServiceError>> {
        let entries: Vec<_> = batch.iter().enumerate().filter_map(|(id, message)| entry(id, message)).collect();
        let request = self.client.publish_batch().topic_arn(&self.arn).set_publish_batch_request_entries(Some(entries));
        match request.send().await {
            Ok(output) => results(&output, batch.len()),
            Err(error) => {
                let error = service_error(OPERATION, &error);
                let code = error.code.clone();
                let mut results = vec![Err(error)];
                results.resize_with(batch.len(), || Err(failed(code.clone(), None, false)));
                results
            }
        }
    }
}

/// An entry is told from the others by its place in the batch.
fn entry(id: usize, message: &Message) -> Option<PublishBatchRequestEntry> {
    let mut entry =
        PublishBatchRequestEntry::builder().id(id.to_string()).subject(&message.subject).message(&message.body);
    for attribute in &message.attributes {
        entry = entry.message_attributes(attribute.name, attribute_value(attribute)?);
    }
    entry.build().ok()
}

/// One value is a string; several are a list, of which a filter policy matches any.
fn attribute_value(attribute: &Attribute) -> Option<MessageAttributeValue> {
    let value = MessageAttributeValue::builder();
    let value = match attribute.values.as_slice() {
        [one] => value.data_type("String").string_value(one),
        several => value.data_type("String.Array").string_value(serde_json::to_string(several).ok()?),
    };
    value.build().ok()
}

/// The result of each entry. One that the response does not mention is not published.
fn results(output: &PublishBatchOutput, entries: usize) -> Vec<Result<(), ServiceError>> {
    let refused: HashMap<&str, &BatchResultErrorEntry> = output.failed().iter().map(|it| (it.id(), it)).collect();
    let confirmed = |id: &str| output.successful().iter().any(|it| it.id() == Some(id));
    (0..entries)
        .map(|id| match refused.get(id.to_string().as_str()) {
            Some(it) => Err(failed(it.code().to_owned(), it.message(), !it.sender_fault())),
            None if confirmed(&id.to_string()) => Ok(()),
            None => Err(failed("no result for the entry".to_owned(), None, false)),
        })
        .collect()
}

fn failed(code: String, message: Option<&str>, retryable: bool) -> ServiceError {
    ServiceError { operation: OPERATION, code, retryable, source: message.map(|it| it.to_owned().into()) }
}
