//! From alerts to the topics.

use std::cell::RefCell;

use futures_util::future;
use futures_util::stream::{self, StreamExt as _};

use crate::alert::{Alert, Format, Message};
use crate::ports::{AlertSink, Fault, ServiceError};
use crate::triage::Audience;

/// Messages that SNS takes in one batch.
pub const MAX_ENTRIES: usize = 10;
/// Bytes that SNS takes in one message, and in one batch: bodies and attributes.
pub const MAX_BYTES: usize = 256 * 1024;
/// How often a message is sent that the topic refuses for a passing reason.
const ATTEMPTS: usize = 3;

/// Batches that are on their way to a topic at the same time.
const BATCHES: usize = 4;

/// The topics, each for messages of one format.
#[derive(Debug)]
pub struct Topics<A> {
    /// Text for people.
    pub alert: A,
    /// Notifications for chat.
    pub chat: Option<A>,
    /// JSON for machines.
    pub event: Option<A>,
}

impl<A> Topics<A> {
    /// The topics for an audience, with their formats.
    pub fn of(&self, audience: Audience) -> Vec<(Format, &A)> {
        let event = self.event.iter().map(|topic| (Format::Json, topic));
        match audience {
            Audience::Machines => event.collect(),
            Audience::All => {
                let chat = self.chat.iter().map(|topic| (Format::Chat, topic));
                [(Format::Text, &self.alert)].into_iter().chain(chat).chain(event).collect()
            }
        }
    }
}

/// An alert that a topic did not confirm.
#[derive(Debug, thiserror::Error)]
#[error("alert \"{subject}\" to {topic}: {source}")]
pub struct PublishFailure {
    /// Its subject.
    pub subject: String,
    /// ARN of the topic.
    pub topic: String,
    /// Why.
    pub source: ServiceError,
}

/// Publishes alerts in batches on every topic. A message that is refused by itself is sent again by itself, and holds up
/// no other. Returns for each alert, in their order, whether every topic has confirmed it.
pub async fn publish<A: AlertSink>(topics: &[(Format, &A)], alerts: &[Alert<'_>]) -> Vec<Result<(), PublishFailure>> {
    let results = RefCell::new(alerts.iter().map(|_| Ok(())).collect::<Vec<_>>());
    let settle = |at: usize, failure: PublishFailure| {
        if let Some(result) = results.borrow_mut().get_mut(at) {
            *result = Err(failure);
        }
    };
    let publish_on = async |&(format, topic): &(Format, &A)| {
        let messages = alerts.iter().map(|alert| alert.message(format)).enumerate();
        stream::iter(batches(messages))
            .for_each_concurrent(BATCHES, |batch| publish_batch(topic, batch, &settle))
            .await;
    };
    future::join_all(topics.iter().map(publish_on)).await;
    results.into_inner()
}

/// Messages with the places of their alerts.
type Batch = Vec<(usize, Message)>;

async fn publish_batch(topic: &impl AlertSink, batch: Batch, settle: &impl Fn(usize, PublishFailure)) {
    let (mut places, mut messages): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    for attempt in 1..=ATTEMPTS {
        let mut results = topic.publish(&messages).await.into_iter();
        let mut again = Batch::new();
        for (at, message) in places.into_iter().zip(messages) {
            match results.next().unwrap_or_else(|| Err(unanswered())) {
                Ok(()) => {}
                Err(error) if error.retryable && attempt < ATTEMPTS => again.push((at, message)),
                Err(source) => {
                    settle(at, PublishFailure { subject: message.subject, topic: topic.arn().to_owned(), source });
                }
            }
        }
        if again.is_empty() {
            return;
        }
        (places, messages) = again.into_iter().unzip();
    }
}

fn unanswered() -> ServiceError {
    ServiceError::new("publish", Fault::Other, "no result")
}

/// Splits messages so that each batch is within the limits.
fn batches(messages: impl IntoIterator<Item = (usize, Message)>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut bytes = 0;
    for (at, message) in messages {
        let size = message.bytes();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && bytes + size <= MAX_BYTES => {
                bytes += size;
                batch.push((at, message));
            }
            _ => {
                bytes = size;
                batches.push(vec![(at, message)]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Message {
        Message { body: "x".repeat(bytes), ..Message::default() }
    }

    #[test]
    fn batches_keep_to_both_limits() {
        for (sizes, expected) in [
            (vec![1; 25], vec![10, 10, 5]),
            (vec![100 * 1024; 5], vec![2, 2, 1]),
            (vec![MAX_BYTES, 1, MAX_BYTES - 1, 1], vec![1, 2, 1]),
            (vec![], vec![]),
        ] {
            let found: Vec<_> = batches(sizes.into_iter().map(message).enumerate()).iter().map(Vec::len).collect();
            assert_eq!(found, expected);
        }
    }
}
