//! Batches of messages from an Amazon SQS queue.
//!
//! Source: "Using Lambda with Amazon SQS" in the Lambda Developer Guide.

use serde_json::Value;

use super::announced::{Announced, Collector};
use super::envelope::{is_from, records, unwrap_body};
use super::problem::incomplete;

/// A batch of messages. Each message fails or succeeds individually.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    /// What the messages announce.
    pub(crate) announced: Announced,
    /// The messages that have an ID.
    pub(crate) messages: Vec<QueueMessage>,
    /// Number of messages without an ID. A reply cannot name them.
    pub(crate) without_id: u64,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueMessage {
    /// ID of the message in the reply, if the message fails.
    pub(crate) id: String,
    /// Indexes of its objects in [`Announced::objects`].
    pub(crate) objects: Vec<usize>,
    /// False if a part of the message has a problem.
    pub(crate) understood: bool,
}

/// The messages of a payload that comes from a queue.
pub(super) fn messages(payload: &Value) -> Option<&[Value]> {
    records(payload).filter(|records| records.first().is_some_and(|first| is_from(first, "aws:sqs")))
}

/// Decodes the messages of a queue.
pub(super) fn decode(messages: &[Value], mut collector: Collector<'_>) -> Queue {
    let mut queue = Queue::default();
    for (index, message) in messages.iter().enumerate() {
        let Some(id) = message.get("messageId").and_then(Value::as_str) else {
            collector.part(format_args!("record {index}"), |_| Err(incomplete("a messageId")));
            queue.without_id += 1;
            continue;
        };
        let problems = collector.announced.problems.len();
        let place = format!("message {}", id.escape_default());
        let ((), objects) =
            collector.objects_of(|collector| collector.part(place, |collector| unwrap_body(message, 0, collector)));
        let understood = collector.announced.problems.len() == problems;
        queue.messages.push(QueueMessage { id: id.to_owned(), objects, understood });
    }
    Queue { announced: collector.announced, ..queue }
}
