//! From messages to the topic.

use crate::alert::Message;
use crate::ports::{AlertSink, ServiceError};

/// Messages that SNS takes in one batch.
pub const MAX_ENTRIES: usize = 10;
/// Bytes that SNS takes in one message, and in one batch: bodies and attributes.
pub const MAX_BYTES: usize = 256 * 1024;
/// How often a message is sent that the topic refuses for a passing reason.
const ATTEMPTS: usize = 3;

/// What became of messages.
#[derive(Debug, Default)]
pub struct Published {
    /// Messages that the topic has confirmed.
    pub confirmed: u64,
    /// The others.
    pub failures: Vec<PublishFailure>,
}

/// A message that is not published.
#[derive(Debug, thiserror::Error)]
#[error("alert \"{subject}\": {source}")]
pub struct PublishFailure {
    /// Its subject.
    pub subject: String,
    /// Why.
    pub source: ServiceError,
}

/// Publishes messages in batches. A message that is refused by itself is sent again by itself, and
/// holds up no other.
pub async fn publish(sink: &impl AlertSink, messages: Vec<Message>) -> Published {
    let mut published = Published::default();
    for batch in batches(messages) {
        publish_batch(sink, batch, &mut published).await;
    }
    published
}

async fn publish_batch(sink: &impl AlertSink, mut batch: Vec<Message>, published: &mut Published) {
    for attempt in 1..=ATTEMPTS {
        let mut results = sink.publish(&batch).await.into_iter();
        let mut again = Vec::new();
        for message in batch {
            match results.next().unwrap_or_else(|| Err(unanswered())) {
                Ok(()) => published.confirmed += 1,
                Err(error) if error.retryable && attempt < ATTEMPTS => again.push(message),
                Err(source) => published.failures.push(PublishFailure { subject: message.subject, source }),
            }
        }
        if again.is_empty() {
            return;
        }
        batch = again;
    }
}

fn unanswered() -> ServiceError {
    ServiceError { operation: "publish", code: "NoResult".to_owned(), retryable: false, source: None }
}

/// Splits messages so that each batch is within the limits.
fn batches(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut batches: Vec<Vec<Message>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = message.bytes();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && bytes + size <= MAX_BYTES => {
                bytes += size;
                batch.push(message);
            }
            _ => {
                bytes = size;
                batches.push(vec![message]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Message {
        Message { subject: String::new(), body: "x".repeat(bytes), attributes: Vec::new() }
    }

    #[test]
    fn batches_keep_to_both_limits() {
        for (sizes, expected) in [
            (vec![1; 25], vec![10, 10, 5]),
            (vec![100 * 1024; 5], vec![2, 2, 1]),
            (vec![MAX_BYTES, 1, MAX_BYTES - 1, 1], vec![1, 2, 1]),
            (vec![], vec![]),
        ] {
            let found: Vec<_> = batches(sizes.into_iter().map(message).collect()).iter().map(Vec::len).collect();
            assert_eq!(found, expected);
        }
    }
}
