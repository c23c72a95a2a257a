//! The user's own rules: events to watch, findings to suppress.
//!
//! ```json
//! {
//!   "watch": [
//!     {"name": "function-deleted", "title": "A Lambda function was deleted", "severity": "high",
//!      "pattern": {"finding": {"api_action": ["DeleteFunction"]}}}
//!   ],
//!   "suppress": [
//!     {"name": "scanner", "reason": "the scanner probes all it sees", "expires": "2027-06-30",
//!      "pattern": {"finding": {"alert_type": ["access_denied"], "principal": [{"suffix": ":role/scanner"}]}}}
//!   ]
//! }
//! ```
//!
//! A [`Pattern`] is matched against the record as CloudTrail wrote it, with one field added: `finding`, which holds what
//! trailwarden makes of the record. [`RulesCache`] keeps the rules in effect that an object holds.

mod cache;
mod pattern;

use std::fmt;

use serde_json::{Map, Value};

use crate::trail::EventSources;

pub use cache::{Current, Fetched, MAX_RULES_BYTES, RulesCache, RulesFault, RulesObject, RulesProblem};
pub use pattern::{Pattern, PatternProblem};

/// How urgent something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Low,
    /// Worth a look in office hours.
    Medium,
    /// Something was forbidden on purpose, or cannot work as it is set up.
    High,
    /// Work has stopped.
    Critical,
}

impl Severity {
    const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name in messages, attributes and rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// All rules.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Events to alert on.
    pub watch: Vec<WatchRule>,
    /// Findings to suppress.
    pub suppress: Vec<SuppressRule>,
    /// The services that watch rules name in `eventSource`.
    watched_sources: EventSources,
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        // The sources follow from the watch rules.
        self.watch == other.watch && self.suppress == other.suppress
    }
}

impl Default for Rules {
    /// No rules.
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new())
    }
}

/// An event to alert on.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchRule {
    /// Name of the rule.
    pub name: String,
    /// What the alert says.
    pub title: String,
    /// How urgent it is.
    pub severity: Severity,
    /// Which events.
    pub pattern: Pattern,
}

/// Findings to pass over.
#[derive(Debug, Clone, PartialEq)]
pub struct SuppressRule {
    /// Name of the rule, by which suppressed findings are counted.
    pub name: String,
    /// Why it is there.
    pub reason: String,
    /// The last day it holds, `YYYY-MM-DD` in UTC, of the event's time.
    pub expires: Option<String>,
    /// Which findings.
    pub pattern: Pattern,
}

impl SuppressRule {
    /// True if the rule holds for an event of this time. One of an unknown time is not suppressed by a rule that expires.
    #[must_use]
    pub fn holds_at(&self, event_time: Option<&str>) -> bool {
        match (&self.expires, event_time.and_then(|time| time.get(..10))) {
            (None, _) => true,
            (Some(last), Some(day)) => is_day(day) && day <= last.as_str(),
            (Some(_), None) => false,
        }
    }
}

/// All that is wrong with the rules, each with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesError {
    /// Places and problems.
    pub problems: Vec<PatternProblem>,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rules are wrong")?;
        self.problems.iter().try_for_each(|PatternProblem { path, problem }| write!(f, "; {path}: {problem}"))
    }
}

impl std::error::Error for RulesError {}

impl Rules {
    fn new(watch: Vec<WatchRule>, suppress: Vec<SuppressRule>) -> Self {
        let sources = watch.iter().filter_map(|rule| rule.pattern.required_texts("eventSource")).flatten();
        Self { watched_sources: EventSources::only(sources), watch, suppress }
    }

    /// The services whose events watch rules need, besides those that are looked at anyway.
    #[must_use]
    pub fn watched_sources(&self) -> &EventSources {
        &self.watched_sources
    }

    /// Reads rules from JSON.
    ///
    /// # Errors
    /// If anything is wrong with them, with all problems.
    pub fn parse(json: &str) -> Result<Self, RulesError> {
        let value: Value = serde_json::from_str(json).map_err(|error| RulesError {
            problems: vec![PatternProblem {
                path: format!("line {} column {}", error.line(), error.column()),
                problem: "invalid JSON".to_owned(),
            }],
        })?;
        let mut read = Reader { problems: Vec::new() };
        let rules = read.rules(&value);
        if read.problems.is_empty() { Ok(rules) } else { Err(RulesError { problems: read.problems }) }
    }
}

/// Reads rules and collects what is wrong with them.
struct Reader {
    problems: Vec<PatternProblem>,
}

impl Reader {
    fn problem(&mut self, path: &str, problem: impl Into<String>) {
        self.problems.push(PatternProblem { path: path.to_owned(), problem: problem.into() });
    }

    fn rules(&mut self, value: &Value) -> Rules {
        let Some(members) = value.as_object() else {
            self.problem("rules", "expected an object with `watch` or `suppress`");
            return Rules::default();
        };
        self.only(members, "rules", &["watch", "suppress"]);
        let watch = self.list(members, "watch", Self::watch);
        let rules = Rules::new(watch, self.list(members, "suppress", Self::suppress));
        self.distinct("watch", rules.watch.iter().map(|it| it.name.as_str()));
        self.distinct("suppress", rules.suppress.iter().map(|it| it.name.as_str()));
        rules
    }

    fn list<T>(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        rule: impl Fn(&mut Self, &Map<String, Value>, &str) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = members.get(name) else { return Vec::new() };
        let Some(elements) = value.as_array() else {
            self.problem(name, "expected an array of rules");
            return Vec::new();
        };
        let mut rules = Vec::new();
        for (at, element) in elements.iter().enumerate() {
            let path = format!("{name}[{at}]");
            match element.as_object() {
                Some(members) => rules.extend(rule(self, members, &path)),
                None => self.problem(&path, "expected an object"),
            }
        }
        rules
    }

    fn watch(&mut self, members: &Map<String, Value>, path: &str) -> Option<WatchRule> {
        self.only(members, path, &["name", "title", "severity", "pattern"]);
        let (name, title) = (self.text(members, path, "name"), self.text(members, path, "title"));
        let severity = self.text(members, path, "severity").and_then(|text| {
            let found = Severity::ALL.into_iter().find(|it| it.as_str() == text);
            if found.is_none() {
                self.problem(&format!("{path}.severity"), "expected low, medium, high or critical");
            }
            found
        });
        let pattern = self.pattern(members, path);
        Some(WatchRule { name: name?, title: title?, severity: severity?, pattern: pattern? })
    }

    fn suppress(&mut self, members: &Map<String, Value>, path: &str) -> Option<SuppressRule> {
        self.only(members, path, &["name", "reason", "expires", "pattern"]);
        let (name, reason) = (self.text(members, path, "name"), self.text(members, path, "reason"));
        let expires = members.contains_key("expires").then(|| self.text(members, path, "expires")).flatten();
        if expires.as_deref().is_some_and(|day| !is_day(day)) {
            self.problem(&format!("{path}.expires"), "expected a day, YYYY-MM-DD");
        }
        let pattern = self.pattern(members, path);
        Some(SuppressRule { name: name?, reason: reason?, expires, pattern: pattern? })
    }

    fn pattern(&mut self, members: &Map<String, Value>, path: &str) -> Option<Pattern> {
        let path = format!("{path}.pattern");
        let Some(value) = members.get("pattern") else {
            self.problem(&path, "required");
            return None;
        };
        Pattern::parse(value, &path).map_err(|problems| self.problems.extend(problems)).ok()
    }

    fn text(&mut self, members: &Map<String, Value>, path: &str, name: &str) -> Option<String> {
        let text = members.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.problem(&format!("{path}.{name}"), "required, a text");
        }
        text.map(str::to_owned)
    }

    fn only(&mut self, members: &Map<String, Value>, path: &str, known: &[&str]) {
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            self.problem(&format!("{path}.{name}"), format!("unknown, expected one of {}", known.join(", ")));
        }
    }

    fn distinct<'a>(&mut self, list: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = std::collections::HashSet::new();
        for name in names.filter(|name| !seen.insert(*name)) {
            self.problem(list, format!("two rules have the name {name:?}"));
        }
    }
}

/// `YYYY-MM-DD`, so that the order of days is that of their texts.
fn is_day(text: &str) -> bool {
    let number = |part: Option<&str>, least: u16, most: u16| {
        let digits = part.filter(|it| it.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|it| it.parse().ok()).is_some_and(|it: u16| (least..=most).contains(&it))
    };
    let mut parts = text.split('-');
    text.len() == 10
        && text.get(4..5) == Some("-")
        && text.get(7..8) == Some("-")
        && number(parts.next(), 2000, 9999)
        && number(parts.next(), 1, 12)
        && number(parts.next(), 1, 31)
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let rules = Rules::parse(
            r#"{"watch": [{"name": "w", "title": "t", "severity": "high", "pattern": {"a": ["b"]}}],
                "suppress": [{"name": "s", "reason": "r", "expires": "2027-06-30", "pattern": {"a": ["b"]}},
                             {"name": "t", "reason": "r", "pattern": {"a": ["b"]}}]}"#,
        )
        .expect("rules");
        assert_eq!((rules.watch.len(), rules.suppress.len()), (1, 2));
        assert_eq!(Rules::parse("{}").expect("rules"), Rules::default());
        let [expiring, lasting] = rules.suppress.as_slice() else { panic!("two rules") };
        for (time, holds) in [
            (Some("2027-06-30T23:59:59Z"), true),
            (Some("2027-07-01T00:00:00Z"), false),
            (Some("0"), false),
            (Some("yesterday!"), false),
            (None, false),
        ] {
            assert_eq!((expiring.holds_at(time), lasting.holds_at(time)), (holds, true), "{time:?}");
        }
    }

    #[test]
    fn all_problems_are_reported_with_their_place() {
        let wrong = r#"{"watch": [{"name": "", "severity": "urgent", "pattern": {"a": [{"prefx": 1}]}, "titel": "x"}, 7],
                        "suppress": [{"name": "s", "expires": "soon", "pattern": {}},
                                     {"name": "x", "reason": "r"},
                                     {"name": "d", "reason": "r", "pattern": {"a": [1]}},
                                     {"name": "d", "reason": "r", "pattern": {"a": [1]}}],
                        "ignore": []}"#;
        let error = Rules::parse(wrong).expect_err("problems");
        insta::assert_snapshot!(error.to_string().replace("; ", "\n"), @r#"
        rules are wrong
        rules.ignore: unknown, expected one of watch, suppress
        watch[0].titel: unknown, expected one of name, title, severity, pattern
        watch[0].name: required, a text
        watch[0].title: required, a text
        watch[0].severity: expected low, medium, high or critical
        watch[0].pattern.a[0]: unknown operator "prefx"
        watch[1]: expected an object
        suppress[0].reason: required, a text
        suppress[0].expires: expected a day, YYYY-MM-DD
        suppress[0].pattern: expected an object with at least one field
        suppress[1].pattern: required
        suppress: two rules have the name "d"
        "#);
        insta::assert_snapshot!(Rules::parse("{\n  ]").expect_err("problems"), @"rules are wrong; line 2 column 3: invalid JSON");
        insta::assert_snapshot!(Rules::parse("[]").expect_err("problems"), @"rules are wrong; rules: expected an object with `watch` or `suppress`");
    }
}
