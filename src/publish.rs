//! From alerts to the topics.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future;
use futures_util::stream::{self, StreamExt as _};

use crate::alert::{Alert, Format, Message};
use crate::ports::{AlertSink, Clock, Fault, ServiceError};
use crate::triage::TopicRole;

/// The most messages that SNS accepts in one batch.
pub const MAX_ENTRIES: usize = 10;
/// The most bytes that SNS accepts in one message, and in one batch: bodies and attributes.
pub const MAX_BYTES: usize = 256 * 1024;
/// How often a message is sent if the topic rejects it for a transient reason.
const ATTEMPTS: u32 = 3;
/// The first pause before a rejected message is sent again. It doubles each time.
const PAUSE: Duration = Duration::from_millis(100);

/// Concurrent batches to a standard topic. A FIFO topic gets one after another, because the messages of a group stay in
/// the order in which they are sent.
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
    /// The topic of a role, if there is one.
    pub fn get(&self, role: TopicRole) -> Option<&A> {
        match role {
            TopicRole::Alert => Some(&self.alert),
            TopicRole::Chat => self.chat.as_ref(),
            TopicRole::Event => self.event.as_ref(),
        }
    }

    /// The roles that have a topic.
    pub fn roles(&self) -> impl Iterator<Item = TopicRole> {
        TopicRole::ALL.into_iter().filter(|role| self.get(*role).is_some())
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

/// The result of publishing an alert on its topics.
#[derive(Debug, Default)]
pub struct Published {
    /// Topics that confirmed it.
    pub confirmed: Vec<TopicRole>,
    /// Topics that did not.
    pub failures: Vec<PublishFailure>,
}

/// Publishes each alert in batches on its topics. A message that is rejected individually is sent again without the
/// others of its batch. Returns a result for each alert, in their order.
pub async fn publish<A: AlertSink>(
    topics: &Topics<A>,
    alerts: &[(Alert<'_>, &[TopicRole])],
    clock: &impl Clock,
) -> Vec<Published> {
    let published = RefCell::new(alerts.iter().map(|_| Published::default()).collect::<Vec<_>>());
    let publish_on = async |role: TopicRole| {
        let Some(topic) = topics.get(role) else { return };
        let settle = |at: usize, result: Result<(), PublishFailure>| {
            let mut published = published.borrow_mut();
            match (published.get_mut(at), result) {
                (Some(it), Ok(())) => it.confirmed.push(role),
                (Some(it), Err(failure)) => it.failures.push(failure),
                (None, _) => {}
            }
        };
        let messages = alerts.iter().enumerate().filter(|(_, (_, roles))| roles.contains(&role));
        let messages = messages.map(|(at, (alert, _))| (at, alert.message(Format::of(role))));
        let at_once = if topic.is_fifo() { 1 } else { BATCHES };
        stream::iter(batches(messages))
            .for_each_concurrent(at_once, |batch| publish_batch(topic, batch, clock, &settle))
            .await;
    };
    future::join_all(TopicRole::ALL.map(publish_on)).await;
    published.into_inner()
}

/// Messages with the indexes of their alerts.
type Batch = Vec<(usize, Message)>;

async fn publish_batch(
    topic: &impl AlertSink,
    batch: Batch,
    clock: &impl Clock,
    settle: &impl Fn(usize, Result<(), PublishFailure>),
) {
    let (mut places, mut messages): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    for attempt in 0..ATTEMPTS {
        let mut results = topic.publish(&messages).await.into_iter();
        let mut again = Batch::new();
        for (at, message) in places.into_iter().zip(messages) {
            match results.next().unwrap_or_else(|| Err(unanswered())) {
                Ok(()) => settle(at, Ok(())),
                Err(error) if error.retryable && attempt + 1 < ATTEMPTS => again.push((at, message)),
                Err(source) => {
                    let failure = PublishFailure { subject: message.subject, topic: topic.arn().to_owned(), source };
                    settle(at, Err(failure));
                }
            }
        }
        if again.is_empty() {
            return;
        }
        (places, messages) = again.into_iter().unzip();
        clock.sleep(PAUSE * 2_u32.pow(attempt)).await;
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
