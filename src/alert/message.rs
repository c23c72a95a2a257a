//! A message: an alert in one format.

use super::attributes::Attribute;
use super::chat::chat;
use super::content::Alert;
use super::json::json;
use super::text::text;
use crate::triage::TopicRole;

/// The format of a message. A subscriber to one format cannot read the others, so each format has its own topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Text,
    /// A custom notification of Amazon Q Developer in chat applications.
    Chat,
    /// Flat JSON for machines.
    Json,
}

impl Format {
    /// The format of a topic.
    #[must_use]
    pub fn of(role: TopicRole) -> Self {
        match role {
            TopicRole::Alert => Self::Text,
            TopicRole::Chat => Self::Chat,
            TopicRole::Event => Self::Json,
        }
    }
}

/// A message to a topic.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Message {
    /// Subject of an email.
    pub subject: String,
    /// Body.
    pub body: String,
    /// Attributes that subscriptions can filter on.
    pub attributes: Vec<Attribute>,
    /// The message group in a FIFO topic: the account. Messages of a group stay in order.
    pub group_id: String,
    /// The deduplication ID in a FIFO topic. SNS drops a message whose ID was used within the last five minutes.
    pub deduplication_id: String,
}

impl Alert<'_> {
    /// The message in a format.
    #[must_use]
    pub fn message(&self, format: Format) -> Message {
        let account = self.attribute("account");
        let is_id = |text: &&String| text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        Message {
            subject: self.subject.clone(),
            body: match format {
                Format::Text => text(self),
                Format::Chat => chat(self),
                Format::Json => json(self),
            },
            attributes: self.attributes.clone(),
            group_id: account.filter(is_id).map_or("unknown", String::as_str).to_owned(),
            deduplication_id: format!("{}-{}", self.incident.dedup_key, self.incident.threshold()),
        }
    }
}

impl Message {
    /// The size that counts toward the limit of SNS, in bytes: the body, and the names, types and values of the
    /// attributes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // A list is written as JSON, with quotes and a comma around each value.
        let of_value = |value: &String| 2 * value.len() + 3;
        let of_attribute =
            |it: &Attribute| it.name.len() + "String.Array".len() + 2 + it.values.iter().map(of_value).sum::<usize>();
        self.body.len() + self.subject.len() + self.attributes.iter().map(of_attribute).sum::<usize>()
    }
}
