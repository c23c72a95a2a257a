//! The topics that alerts are published to.

use crate::alert::Message;
use crate::service::ServiceError;
use crate::triage::TopicRole;

/// Maximum number of messages that SNS accepts in one batch.
pub const MAX_ENTRIES: usize = 10;
/// Maximum number of bytes that SNS accepts in one message and in one batch, counting bodies and attributes.
pub const MAX_BYTES: usize = 256 * 1024;

/// A topic that alerts are published to.
pub trait Topic {
    /// ARN of the topic.
    fn arn(&self) -> &str;

    /// Returns true for a FIFO topic, which keeps the messages of a group in the order in which they are sent. Its name
    /// ends in `.fifo` ("Amazon SNS message ordering details for FIFO topics", SNS Developer Guide).
    fn is_fifo(&self) -> bool {
        self.arn().rsplit('.').next() == Some("fifo")
    }

    /// Publishes a batch within [`MAX_ENTRIES`] and [`MAX_BYTES`]. Returns a result for each message, in order: `Ok`
    /// only for a message that the topic has confirmed.
    fn publish(&self, batch: &[Message]) -> impl Future<Output = Vec<Result<(), ServiceError>>>;

    /// Counts the subscriptions of the topic.
    ///
    /// # Errors
    /// If the service is unavailable or denies the call.
    fn subscriptions(&self) -> impl Future<Output = Result<Subscriptions, ServiceError>>;
}

/// The number of subscriptions of a topic.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Subscriptions {
    /// Confirmed subscriptions, which receive messages.
    pub confirmed: u64,
    /// Subscriptions that await confirmation.
    pub pending: u64,
}

/// The topics, each for messages in one format.
#[derive(Debug)]
pub struct Topics<T> {
    /// Text for people.
    pub alert: T,
    /// Notifications for chat.
    pub chat: Option<T>,
    /// JSON for machines.
    pub event: Option<T>,
}

impl<T> Topics<T> {
    /// The topic with this role, if there is one.
    pub(crate) fn get(&self, role: TopicRole) -> Option<&T> {
        match role {
            TopicRole::Alert => Some(&self.alert),
            TopicRole::Chat => self.chat.as_ref(),
            TopicRole::Event => self.event.as_ref(),
        }
    }

    /// The roles that have a topic.
    pub(crate) fn roles(&self) -> impl Iterator<Item = TopicRole> {
        TopicRole::ALL.into_iter().filter(|role| self.get(*role).is_some())
    }
}
