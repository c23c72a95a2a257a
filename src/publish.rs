//! Publishes alerts to topics, in batches.

mod topic;

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future;
use futures_util::stream::{self, StreamExt as _};

pub use topic::{MAX_BYTES, MAX_ENTRIES, Subscriptions, Topic, Topics};

use crate::alert::{Alert, Format, Message};
use crate::clock::Clock;
use crate::service::{Fault, ServiceError};
use crate::triage::{DedupKey, TopicRole};

/// Maximum number of times that a message is sent, if the topic rejects it for a transient reason.
const ATTEMPTS: u32 = 3;
/// The pause before a rejected message is sent again. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Maximum number of concurrent batches to a standard topic. Batches to a FIFO topic are sent one after another, so
/// that the messages of a group stay in order.
const CONCURRENT_BATCHES: usize = 4;

/// An alert that a topic did not confirm. It is logged, so it contains nothing from a record: not even the subject.
#[derive(Debug, thiserror::Error)]
#[error("alert {alert_id} ({alert_type}) was not published to {topic}: {source}")]
pub struct PublishFailure {
    /// ID of the alert.
    pub alert_id: DedupKey,
    /// Type of the alert.
    pub alert_type: &'static str,
    /// ARN of the topic.
    pub topic: String,
    /// The cause.
    pub source: ServiceError,
}

/// The result of publishing an alert to its topics.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// The topics that confirmed it.
    pub(crate) confirmed: Vec<TopicRole>,
    /// The failures of the other topics.
    pub(crate) failures: Vec<PublishFailure>,
}

/// Publishes each alert to its topics. If a topic rejects a single message for a transient reason, the message is sent
/// again without the rest of its batch. Returns a result for each alert, in order.
pub(crate) async fn publish<T: Topic>(
    topics: &Topics<T>,
    alerts: &[(Alert<'_>, &[TopicRole])],
    clock: &impl Clock,
) -> Vec<Published> {
    let published = RefCell::new(alerts.iter().map(|_| Published::default()).collect::<Vec<_>>());
    let publish_on = async |role: TopicRole| {
        let Some(topic) = topics.get(role) else { return };
        let settle = |at: usize, result: Result<(), ServiceError>| {
            let mut published = published.borrow_mut();
            let (Some(it), Some((alert, _))) = (published.get_mut(at), alerts.get(at)) else { return };
            match result {
                Ok(()) => it.confirmed.push(role),
                Err(source) => it.failures.push(PublishFailure {
                    alert_id: alert.id(),
                    alert_type: alert.alert_type(),
                    topic: topic.arn().to_owned(),
                    source,
                }),
            }
        };
        let messages = alerts.iter().enumerate().filter(|(_, (_, roles))| roles.contains(&role));
        let messages = messages.map(|(at, (alert, _))| (at, alert.message(Format::of(role))));
        let concurrency = if topic.is_fifo() { 1 } else { CONCURRENT_BATCHES };
        stream::iter(batches(messages))
            .for_each_concurrent(concurrency, |batch| publish_batch(topic, batch, clock, &settle))
            .await;
    };
    future::join_all(TopicRole::ALL.map(publish_on)).await;
    published.into_inner()
}

/// Messages, each with the index of its alert.
type Batch = Vec<(usize, Message)>;

async fn publish_batch(
    topic: &impl Topic,
    batch: Batch,
    clock: &impl Clock,
    settle: &impl Fn(usize, Result<(), ServiceError>),
) {
    let (mut indexes, mut messages): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    for attempt in 0..ATTEMPTS {
        let mut results = topic.publish(&messages).await.into_iter();
        let mut retries = Batch::new();
        for (at, message) in indexes.into_iter().zip(messages) {
            match results.next().unwrap_or_else(|| Err(no_result())) {
                Err(error) if error.retryable && attempt + 1 < ATTEMPTS => retries.push((at, message)),
                result => settle(at, result),
            }
        }
        if retries.is_empty() {
            return;
        }
        (indexes, messages) = retries.into_iter().unzip();
        clock.sleep(FIRST_PAUSE * 2_u32.pow(attempt)).await;
    }
}

fn no_result() -> ServiceError {
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
    fn batches_are_within_both_limits() {
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
