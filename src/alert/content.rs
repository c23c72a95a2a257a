//! The content of an alert, before it has a format.

use super::attributes::{Attribute, attributes_of};
use super::fix::Fix;
use super::next_steps::Step;
use super::sanitize;
use crate::detect::Severity;
use crate::triage::{DedupKey, Incident};

/// The content of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert<'a> {
    /// The incident.
    pub(super) incident: &'a Incident,
    /// How urgent it is.
    pub(super) severity: Severity,
    /// Subject: at most 99 characters of printable ASCII.
    pub(crate) subject: String,
    /// What happened, in a sentence.
    pub headline: String,
    /// Where, when and how often it happened, and its consequences.
    pub(super) situation: Vec<String>,
    /// Why it happened, as far as the record says.
    pub why: Vec<String>,
    /// What to do next.
    pub(super) next_steps: Vec<Step>,
    /// The statement that would allow a denied call.
    pub(super) fix: Option<Fix>,
    /// Labels and values.
    pub(super) details: Vec<(&'static str, String)>,
    /// Attributes that subscriptions can filter on.
    pub(super) attributes: Vec<Attribute>,
}

impl<'a> Alert<'a> {
    /// Creates an alert with the parts that every alert has.
    pub(super) fn new(incident: &'a Incident, subject: String, headline: String, error_code: Option<&str>) -> Self {
        Self {
            incident,
            severity: incident.severity(),
            subject,
            headline,
            situation: Vec::new(),
            why: Vec::new(),
            next_steps: Vec::new(),
            fix: None,
            details: Vec::new(),
            attributes: attributes_of(incident, error_code),
        }
    }

    /// The ID that all alerts about the same incident have.
    pub(crate) fn id(&self) -> DedupKey {
        self.incident.alert_id()
    }

    /// The type of the alert.
    pub(crate) fn alert_type(&self) -> &'static str {
        self.incident.alert_type()
    }

    /// The first value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&String> {
        self.attributes.iter().find(|it| it.name == name).and_then(|it| it.values.first())
    }

    pub(super) fn marked_as_test(mut self) -> Self {
        self.subject = sanitize::subject(&format!("[Test] {}", self.subject));
        self.headline = format!("This is a test alert. No action is needed. {}", self.headline);
        self
    }
}
