//! A topic in Amazon SNS. Needs `sns:Publish` on the topic, and `sns:GetTopicAttributes` to count its subscriptions.

use std::collections::HashMap;

use aws_config::{Region, SdkConfig};
use aws_sdk_sns::Client;
use aws_sdk_sns::config::Builder;
use aws_sdk_sns::operation::publish_batch::PublishBatchOutput;
use aws_sdk_sns::types::{BatchResultErrorEntry, MessageAttributeValue, PublishBatchRequestEntry};

use super::deadline::Deadline;
use super::errors::{fault, service_error};
use crate::alert::{Attribute, Message};
use crate::publish::{Subscriptions, Topic};
use crate::service::{Fault, ServiceError};

const OPERATION: &str = "sns:PublishBatch";

/// A topic that alerts are published to.
#[derive(Debug, Clone)]
pub struct AlertTopic {
    client: Client,
    arn: String,
    deadline: Deadline,
}

impl AlertTopic {
    /// Creates a client of the topic with this ARN, in the topic's Region.
    #[must_use]
    pub fn new(configuration: &SdkConfig, arn: String, deadline: Deadline) -> Self {
        let mut builder = Builder::from(configuration);
        if let Some(region) = region_of(&arn) {
            builder = builder.region(region);
        }
        Self { client: Client::from_conf(builder.build()), arn, deadline }
    }
}

impl Topic for AlertTopic {
    fn arn(&self) -> &str {
        &self.arn
    }

    async fn publish(&self, batch: &[Message]) -> Vec<Result<(), ServiceError>> {
        let is_fifo = self.is_fifo();
        let entries = batch.iter().enumerate().filter_map(|(id, message)| entry(id, message, is_fifo)).collect();
        let request = self.client.publish_batch().topic_arn(&self.arn).set_publish_batch_request_entries(Some(entries));
        let response = self.deadline.hold(OPERATION, request.send()).await;
        match response.and_then(|response| response.map_err(|error| service_error(OPERATION, &error))) {
            Ok(output) => results(&output, batch.len()),
            Err(error) => {
                let (fault, code) = (error.fault, error.code.clone());
                let mut results = vec![Err(error)];
                results.resize_with(batch.len(), || Err(ServiceError::new(OPERATION, fault, code.clone())));
                results
            }
        }
    }

    async fn subscriptions(&self) -> Result<Subscriptions, ServiceError> {
        let operation = "sns:GetTopicAttributes";
        let request = self.client.get_topic_attributes().topic_arn(&self.arn);
        let response = self.deadline.hold(operation, request.send()).await?;
        let response = response.map_err(|error| service_error(operation, &error))?;
        let number = |name| {
            let text = response.attributes().and_then(|attributes| attributes.get(name));
            text.and_then(|text| text.parse().ok())
                .ok_or_else(|| ServiceError::new(operation, Fault::Other, format!("no {name} in the response")))
        };
        Ok(Subscriptions { confirmed: number("SubscriptionsConfirmed")?, pending: number("SubscriptionsPending")? })
    }
}

/// The Region of an ARN.
fn region_of(arn: &str) -> Option<Region> {
    arn.split(':').nth(3).filter(|region| !region.is_empty()).map(|region| Region::new(region.to_owned()))
}

/// An entry of a batch. Its ID is its index in the batch. A FIFO topic needs a group ID, because it keeps the messages
/// of a group in order, and a deduplication ID.
fn entry(id: usize, message: &Message, is_fifo: bool) -> Option<PublishBatchRequestEntry> {
    let mut entry =
        PublishBatchRequestEntry::builder().id(id.to_string()).subject(&message.subject).message(&message.body);
    for attribute in &message.attributes {
        entry = entry.message_attributes(attribute.name, attribute_value(attribute)?);
    }
    if is_fifo {
        entry = entry.message_group_id(&message.group_id).message_deduplication_id(&message.deduplication_id);
    }
    entry.build().ok()
}

/// Converts an attribute. One value becomes a string. Several values become a list, and a filter policy matches if it
/// matches any of them.
fn attribute_value(attribute: &Attribute) -> Option<MessageAttributeValue> {
    let value = MessageAttributeValue::builder();
    let value = match attribute.values.as_slice() {
        [one] => value.data_type("String").string_value(one),
        several => value.data_type("String.Array").string_value(serde_json::to_string(several).ok()?),
    };
    value.build().ok()
}

/// The result of each entry. An entry that is missing from the response counts as not published.
fn results(output: &PublishBatchOutput, entries: usize) -> Vec<Result<(), ServiceError>> {
    let rejected: HashMap<&str, &BatchResultErrorEntry> = output.failed().iter().map(|it| (it.id(), it)).collect();
    let confirmed = |id: &str| output.successful().iter().any(|it| it.id() == Some(id));
    (0..entries)
        .map(|id| match rejected.get(id.to_string().as_str()) {
            Some(it) => Err(rejection(it)),
            None if confirmed(&id.to_string()) => Ok(()),
            None => Err(ServiceError::new(OPERATION, Fault::Other, "no result for the entry")),
        })
        .collect()
}

/// The error of a rejected entry. The SDK retries calls, not entries, so a retryable entry needs another call.
fn rejection(entry: &BatchResultErrorEntry) -> ServiceError {
    let fault = if entry.sender_fault() { fault(entry.code(), None) } else { Fault::Unavailable };
    let error = ServiceError::new(OPERATION, fault, entry.code()).with_source(entry.message().map(str::to_owned));
    ServiceError { retryable: !entry.sender_fault(), ..error }
}
