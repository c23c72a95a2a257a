//! From an incident to what a person reads.
//!
//! An [`Alert`] holds what is said, in parts: what happened, where and when, why, what to do next,
//! and the details. The formats only arrange these parts. All texts of a record are neutralised
//! when they become part of an alert: see [`sanitize`].

mod access_denied;
mod esm_disabled;
mod next_steps;
mod text;

pub mod sanitize;

pub use next_steps::Step;
pub use text::text;

use crate::triage::{Incident, Tally};

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look in office hours.
    Medium,
    /// Something was forbidden on purpose, or cannot work as it is set up.
    High,
    /// Work has stopped.
    Critical,
}

impl Severity {
    /// The name in messages and attributes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What is said about an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// How urgent it is.
    pub severity: Severity,
    /// Printable ASCII, at most 99 characters.
    pub subject: String,
    /// What happened, in a sentence.
    pub headline: String,
    /// Where, when, how often, and what follows from it.
    pub situation: Vec<String>,
    /// Why, as far as the record tells.
    pub why: Vec<String>,
    /// What to do next.
    pub next_steps: Vec<Step>,
    /// Labels and values.
    pub details: Vec<(&'static str, String)>,
    /// What subscriptions filter on.
    pub attributes: Vec<Attribute>,
}

/// A message attribute of SNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// Its values, at least one. A filter policy matches if it matches one of them.
    pub values: Vec<String>,
}

/// What is sent to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Subject of the mail.
    pub subject: String,
    /// Body.
    pub body: String,
    /// What subscriptions filter on.
    pub attributes: Vec<Attribute>,
}

impl Alert {
    /// The alert about an incident.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        match incident {
            Incident::EsmDisabled(disabled) => esm_disabled::alert(disabled),
            Incident::AccessDenied(denials) => access_denied::alert(denials),
        }
    }

    /// The message for people.
    #[must_use]
    pub fn message(&self) -> Message {
        Message { subject: self.subject.clone(), body: text(self), attributes: self.attributes.clone() }
    }
}

impl Message {
    /// Bytes that count towards the size limit of SNS: the body and the attributes' names, types
    /// and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // A list is written as JSON, with quotes and a comma around each value.
        let of_value = |value: &String| 2 * value.len() + 3;
        let of_attribute =
            |it: &Attribute| it.name.len() + "String.Array".len() + 2 + it.values.iter().map(of_value).sum::<usize>();
        self.body.len() + self.subject.len() + self.attributes.iter().map(of_attribute).sum::<usize>()
    }
}

/// Attributes in the order of their names' table; one without a value is left out.
fn attributes<const N: usize>(named: [(&'static str, Vec<String>); N]) -> Vec<Attribute> {
    let present = |values: Vec<String>| -> Vec<String> { values.into_iter().filter(|it| !it.is_empty()).collect() };
    named
        .into_iter()
        .map(|(name, values)| Attribute { name, values: present(values) })
        .filter(|attribute| !attribute.values.is_empty())
        .collect()
}

/// The one value of an attribute.
fn one(value: Option<&str>) -> Vec<String> {
    value.map(sanitize::name).into_iter().collect()
}

/// The values of an attribute.
fn many(tally: &Tally) -> Vec<String> {
    tally.kept().iter().map(|value| sanitize::name(value)).collect()
}

/// A time of a record for people; what does not look like one is shown as it is.
fn time(time: Option<&str>) -> String {
    let Some(text) = time else { return "an unknown time".to_owned() };
    match text.strip_suffix('Z').and_then(|it| it.split_once('T')) {
        Some((date, clock)) if date.len() == 10 && clock.len() == 8 => sanitize::name(&format!("{date} {clock} UTC")),
        _ => sanitize::name(text),
    }
}

/// `Region, account …`, with what is known of it.
fn place(region: Option<&str>, account: Option<&str>) -> String {
    let region = region.map_or_else(|| "an unknown Region".to_owned(), sanitize::name);
    match account {
        Some(account) => format!("{region}, account {}", sanitize::name(account)),
        None => region,
    }
}

/// The first values, and how many more there are.
fn list(tally: &Tally) -> String {
    let kept = tally.kept().iter().map(|value| sanitize::name(value)).collect::<Vec<_>>().join(", ");
    match tally.more() {
        0 => kept,
        more => format!("{kept} and {more} more"),
    }
}

/// Labels with those values that are there.
fn details<const N: usize>(labelled: [(&'static str, Option<String>); N]) -> Vec<(&'static str, String)> {
    labelled.into_iter().filter_map(|(label, value)| Some((label, value.filter(|it| !it.is_empty())?))).collect()
}
