//! The events that the user's rules watch for.

use serde_json::Value;

use super::event::Event;
use super::event_sources::EventSources;
use super::finding::{Finding, FindingKind, Watched};
use super::json::FindingJson;
use super::record_filter::RecordFilter;
use super::severity::Severity;
use crate::pattern::Pattern;
use crate::trail::{RecordError, value_of};

/// A rule that watches for events.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchRule {
    /// Name of the rule.
    pub name: String,
    /// Title of the alert.
    pub title: String,
    /// Severity of the alert.
    pub severity: Severity,
    /// The events to alert on.
    pub pattern: Pattern,
}

/// All watch rules.
#[derive(Debug, Clone)]
pub struct WatchRules {
    rules: Vec<WatchRule>,
    /// The services that the rules name in `eventSource`.
    sources: EventSources,
    /// Accepts the records that may contain a finding or match a rule, of any service.
    filter: RecordFilter,
    /// Also accepts the records that may be changes.
    with_changes: RecordFilter,
}

impl Default for WatchRules {
    /// No rules.
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl PartialEq for WatchRules {
    fn eq(&self, other: &Self) -> bool {
        // The other fields are derived from the rules.
        self.rules == other.rules
    }
}

impl WatchRules {
    /// Creates a set of rules. The services that they name in `eventSource` are examined in addition to the detector's
    /// own.
    #[must_use]
    pub fn new(rules: Vec<WatchRule>) -> Self {
        let named = rules.iter().filter_map(|rule| rule.pattern.required_strings(&["eventSource"])).flatten();
        let texts: Option<Vec<_>> = rules.iter().map(|rule| required_texts(&rule.pattern)).collect();
        let [filter, with_changes] = match texts {
            None => [RecordFilter::Everything, RecordFilter::Everything],
            Some(texts) => {
                let texts = || texts.iter().flatten().copied();
                [RecordFilter::built_in_or(texts()), RecordFilter::built_in_and_changes_or(texts())]
            }
        };
        Self { sources: EventSources::only(named), filter, with_changes, rules }
    }

    /// The rules, in the order of the user's file.
    #[must_use]
    pub fn rules(&self) -> &[WatchRule] {
        &self.rules
    }

    /// The services that the rules name in `eventSource`.
    pub(super) fn sources(&self) -> &EventSources {
        &self.sources
    }

    /// Accepts the records that may contain a finding or match a rule, of any service.
    pub(super) fn filter(&self) -> &RecordFilter {
        &self.filter
    }

    /// Accepts records of any service that may contain a finding, match a rule or be a change.
    pub(super) fn filter_with_changes(&self) -> &RecordFilter {
        &self.with_changes
    }

    /// Adds a finding for each rule that matches the event. A rule also sees the built-in finding, if there is one.
    ///
    /// # Errors
    /// If the record contains a field that does not parse.
    pub(super) fn watch(&self, event: &Event, record: &[u8], findings: &mut Vec<Finding>) -> Result<(), RecordError> {
        let value = value_of(record)?;
        let subject = match findings.first() {
            Some(finding) => pattern_subject(value, &finding.to_json()),
            None => pattern_subject(value, &event.to_json()),
        };
        for rule in self.rules.iter().filter(|rule| rule.pattern.matches(&subject)) {
            let watched = Watched { rule: rule.name.clone(), title: rule.title.clone(), severity: rule.severity };
            findings.push(Finding { event: event.clone(), kind: FindingKind::Watched(watched) });
        }
        Ok(())
    }
}

/// A record matches the pattern only if one of its strings starts with one of these texts. `None` if the pattern requires
/// no such text. If it requires several fields, the texts are those of the rarest one.
fn required_texts(pattern: &Pattern) -> Option<Vec<&str>> {
    // `finding.api_action` is the start of `eventName`.
    const RAREST_FIRST: [&[&str]; 4] =
        [&["eventName"], &["finding", "api_action"], &["userIdentity", "type"], &["eventSource"]];
    RAREST_FIRST.into_iter().find_map(|path| pattern.required_strings(path))
}

impl Finding {
    /// Returns true if the pattern matches the record, with the finding as JSON in the additional field `finding`. A
    /// record that does not parse matches nothing.
    #[must_use]
    pub fn matches(&self, pattern: &Pattern, record: &[u8]) -> bool {
        self.pattern_subject(record).is_some_and(|subject| pattern.matches(&subject))
    }

    /// The value that patterns of rules are matched against: the record, with the finding as JSON in the additional
    /// field `finding`. `None` if the record does not parse.
    pub(crate) fn pattern_subject(&self, record: &[u8]) -> Option<Value> {
        value_of(record).ok().map(|value| pattern_subject(value, &self.to_json()))
    }
}

fn pattern_subject(mut subject: Value, finding: &FindingJson<'_>) -> Value {
    if let (Some(members), Ok(finding)) = (subject.as_object_mut(), serde_json::to_value(finding)) {
        members.insert("finding".to_owned(), finding);
    }
    subject
}
