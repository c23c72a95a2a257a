//! From an incident to what a person reads.
//!
//! An [`Alert`] holds what is said, in parts: what happened, where and when, why, what to do next,
//! and the details. The formats only arrange these parts: [`text()`] for mail, [`chat()`] for
//! Amazon Q Developer in chat applications, [`json()`] for machines. All texts of a record are
//! neutralised when they become part of an alert: see [`sanitize`].
//!
//! A message is within the limits of SNS by construction: every value is cut at a number of
//! characters, every list at ten values, and what was cut is said.

mod access_denied;
mod caller;
mod chat;
mod esm_changed;
mod esm_disabled;
mod json;
mod next_steps;
mod text;
mod watched;

pub mod sanitize;

pub use chat::chat;
pub use json::json;
pub use next_steps::Step;
pub use text::text;

use crate::detect::FindingKind;
use crate::rules::Severity;
use crate::triage::{Incident, Scope, Tally, TopicRole};

/// Characters of the value of an attribute.
const ATTRIBUTE: usize = 256;
/// Values of an attribute that is a list.
const ATTRIBUTE_VALUES: usize = 10;

/// What is said about an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert<'a> {
    /// What it is about.
    pub incident: &'a Incident,
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

/// How a message is written. A subscriber of one cannot read another, so that each has its own topic.
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

/// A message attribute of SNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// Its values, at least one. A filter policy matches if it matches one of them.
    pub values: Vec<String>,
}

/// What is sent to a topic.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Message {
    /// Subject of the mail.
    pub subject: String,
    /// Body.
    pub body: String,
    /// What subscriptions filter on.
    pub attributes: Vec<Attribute>,
    /// In a FIFO topic, messages of a group stay in their order: the account.
    pub group_id: String,
    /// In a FIFO topic, a message with the ID of an earlier one is dropped.
    pub deduplication_id: String,
}

impl<'a> Alert<'a> {
    /// The alert about an incident.
    #[must_use]
    pub fn of(incident: &'a Incident) -> Self {
        let mut alert = match &incident.finding.kind {
            FindingKind::AccessDenied(denied) if matches!(incident.scope, Scope::Caller { .. }) => {
                caller::alert(incident, denied)
            }
            FindingKind::EsmDisabled(esm) => esm_disabled::alert(incident, esm),
            FindingKind::EsmChanged(esm) => esm_changed::alert(incident, esm),
            FindingKind::AccessDenied(denied) => access_denied::alert(incident, denied),
            FindingKind::Watched(watched) => watched::alert(incident, watched),
        };
        if incident.is_test {
            alert.subject = sanitize::subject(&format!("[Test] {}", alert.subject));
            alert.headline = format!("This is a test, nothing has happened. {}", alert.headline);
        }
        alert
    }

    /// An alert about an incident with its parts, of which those that differ are given.
    fn with(incident: &'a Incident, subject: String, headline: String, error_code: Option<&str>) -> Self {
        Self {
            incident,
            severity: incident.finding.severity(),
            subject,
            headline,
            situation: Vec::new(),
            why: Vec::new(),
            next_steps: Vec::new(),
            details: Vec::new(),
            attributes: attributes_of(incident, error_code),
        }
    }

    /// The first value of an attribute.
    fn attribute(&self, name: &str) -> Option<&String> {
        self.attributes.iter().find(|it| it.name == name).and_then(|it| it.values.first())
    }

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

/// The attributes of an incident; one without a value is left out. A list has the first ten values.
fn attributes_of(incident: &Incident, error_code: Option<&str>) -> Vec<Attribute> {
    let finding = &incident.finding;
    let event = &finding.event;
    let exact = |value: &str| sanitize::exact(value, ATTRIBUTE).0;
    let one = |value: Option<&str>| value.map(exact).into_iter().collect::<Vec<_>>();
    let many = |tally: &Tally| tally.kept().iter().map(|value| exact(value)).collect::<Vec<_>>();
    let mut attributes = vec![
        Attribute { name: "alert_type", values: one(Some(finding.alert_type())) },
        Attribute { name: "severity", values: one(Some(finding.severity().as_str())) },
        Attribute { name: "category", values: one(Some(category(incident))) },
        Attribute { name: "account", values: one(event.account.as_deref()) },
        Attribute { name: "region", values: many(&incident.regions) },
        Attribute { name: "function_name", values: many(&incident.functions) },
        Attribute { name: "error_code", values: one(error_code) },
        Attribute { name: "api_action", values: api_actions(incident) },
    ];
    for attribute in &mut attributes {
        attribute.values.retain(|value| !value.is_empty());
    }
    attributes.retain(|attribute| !attribute.values.is_empty());
    attributes
}

/// The action; of a summary, the first ten actions without their service.
fn api_actions(incident: &Incident) -> Vec<String> {
    let exact = |value: &str| sanitize::exact(value, ATTRIBUTE).0;
    match &incident.scope {
        Scope::Caller { actions, .. } => {
            let actions = actions.kept().iter().map(|it| it.split_once(':').map_or(it.as_str(), |(_, name)| name));
            actions.take(ATTRIBUTE_VALUES).map(exact).collect()
        }
        Scope::Event | Scope::Cause { .. } => vec![exact(&incident.finding.event.api_action)],
    }
}

/// The category of the finding; of a summary, its own.
fn category(incident: &Incident) -> &str {
    match incident.scope {
        Scope::Caller { .. } => "many_denials",
        Scope::Event | Scope::Cause { .. } => incident.finding.category(),
    }
}

/// A subject that is useful when cut to 40 characters: the parts, each within its width, stand in front of account and
/// Region.
fn subject(incident: &Incident, word: &str, parts: &[(&str, usize)]) -> String {
    let account = incident.finding.event.account.as_deref().unwrap_or("?");
    let region = match incident.regions.kept() {
        [region] => region.as_str(),
        [] => "?",
        _ => "several Regions",
    };
    let counts = matches!(incident.scope, Scope::Cause { .. }) && incident.total > 1;
    let times = if counts { format!(" x{}", incident.total) } else { String::new() };
    let parts = parts.iter().map(|(part, width)| sanitize::short(part, *width)).collect::<Vec<_>>().join(" ");
    sanitize::subject(&format!("{word}: {parts}{times} {account} {region}"))
}

/// How often, when and where; and when there will be another alert.
fn how_often(incident: &Incident) -> Vec<String> {
    let period = period_and_place(incident);
    let mut lines = vec![match (incident.count, incident.window) {
        (count, Some(window)) if count < incident.total => {
            let start = time(Some(&window.start().to_string()));
            let latest = if count == 1 { "the latest".to_owned() } else { format!("the latest {count}") };
            format!("{} times since {start}; {latest} {period}.", incident.total)
        }
        (1, _) => format!("Once, {period}."),
        (count, _) => format!("{count} times, {period}."),
    }];
    if let (Some(window), Some(next)) = (incident.window, incident.next_threshold()) {
        let end = time(Some(&window.end().to_string()));
        lines.push(format!("The next alert about it comes at {next} times, or after {end}."));
    }
    lines
}

/// When and where: `from … to …, in …`.
fn period_and_place(incident: &Incident) -> String {
    let regions = list(&incident.regions);
    let region = Some(regions.as_str()).filter(|it| !it.is_empty());
    let place = place(region, incident.finding.event.account.as_deref());
    let (first, last) = (time(incident.first.as_deref()), time(incident.last.as_deref()));
    if first == last { format!("at {first}, in {place}") } else { format!("from {first} to {last}, in {place}") }
}

/// The function, or how many there are.
fn function_or_functions(incident: &Incident) -> Option<String> {
    match (incident.functions.only(), incident.functions.count()) {
        (Some(function), _) => Some(format!("the function {}", sanitize::name(function))),
        (None, 0) => None,
        (None, count) => Some(format!("{count} functions")),
    }
}

/// Labels and values: what is given, between what all alerts have.
fn details_of<const N: usize>(
    incident: &Incident,
    given: [(&'static str, &Option<String>); N],
) -> Vec<(&'static str, String)> {
    let finding = &incident.finding;
    let event = &finding.event;
    let id = event.id.as_deref().unwrap_or("without ID");
    let mut details = vec![("Severity", finding.severity().as_str().to_owned())];
    if !matches!(finding.kind, FindingKind::EsmDisabled(_)) {
        let chosen = |text: &String| format!("{} (chosen by the caller)", sanitize::name(text));
        details.push(("Caller", sanitize::name(&event.principal.key)));
        details.extend(event.principal.session_name.as_ref().map(|name| ("Session name", chosen(name))));
        details.extend(event.source_ip_address.as_deref().map(|from| ("From", sanitize::name(from))));
        details.extend(event.principal.user_agent.as_ref().map(|agent| ("User agent", chosen(agent))));
    }
    details.extend(given.into_iter().filter_map(|(label, value)| Some((label, sanitize::line(value.as_deref()?)))));
    details.push(("Event", format!("{} {}", sanitize::name(&event.name), sanitize::name(id))));
    details.push(("Log object", sanitize::line(&event.object)));
    details.retain(|(_, value)| !value.is_empty());
    details
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
