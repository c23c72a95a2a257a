//! The user's rules: events to watch for, and findings to suppress.
//!
//! ```json
//! {
//!   "watch": [
//!     {"name": "function-deleted", "title": "A Lambda function was deleted", "severity": "high",
//!      "pattern": {"finding": {"api_action": ["DeleteFunction"]}}}
//!   ],
//!   "suppress": [
//!     {"name": "scanner", "reason": "the scanner probes everything it sees", "expires": "2027-06-30",
//!      "pattern": {"finding": {"alert_type": ["access_denied"], "principal": [{"suffix": ":role/scanner"}]}}}
//!   ]
//! }
//! ```
//!
//! A [`Pattern`] is matched against the record as CloudTrail wrote it, with one additional field, `finding`: the
//! finding as JSON. [`RulesCache`] reloads rules when the object that holds them changes.

mod cache;

use std::collections::HashSet;
use std::fmt;

use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::detect::{Severity, WatchRule, WatchRules};
use crate::pattern::{Pattern, PatternProblem};
use crate::triage::SuppressRule;

pub use cache::{Current, Fetched, MAX_RULES_BYTES, RulesCache, RulesFault, RulesObject, RulesProblem};

/// All rules of a user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// Events to alert on.
    pub watch: WatchRules,
    /// Findings to suppress.
    pub suppress: Vec<SuppressRule>,
}

/// All problems in a rules file, each with its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesError {
    /// Locations and problems.
    pub problems: Vec<PatternProblem>,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid rules")?;
        self.problems.iter().try_for_each(|PatternProblem { path, problem }| write!(f, "; {path}: {problem}"))
    }
}

impl std::error::Error for RulesError {}

impl Rules {
    /// Parses rules from JSON.
    ///
    /// # Errors
    /// If the rules are invalid. The error lists every problem.
    pub fn parse(json: &str) -> Result<Self, RulesError> {
        let value: Value = serde_json::from_str(json).map_err(|error| RulesError {
            problems: vec![PatternProblem {
                path: format!("line {} column {}", error.line(), error.column()),
                problem: "invalid JSON".to_owned(),
            }],
        })?;
        let mut parser = Parser { problems: Vec::new() };
        let rules = parser.rules(&value);
        if parser.problems.is_empty() { Ok(rules) } else { Err(RulesError { problems: parser.problems }) }
    }
}

/// Parses rules and collects their problems.
struct Parser {
    problems: Vec<PatternProblem>,
}

impl Parser {
    fn problem(&mut self, path: &str, problem: impl Into<String>) {
        self.problems.push(PatternProblem { path: path.to_owned(), problem: problem.into() });
    }

    fn rules(&mut self, value: &Value) -> Rules {
        let Some(members) = value.as_object() else {
            self.problem("rules", "expected an object with `watch` or `suppress`");
            return Rules::default();
        };
        self.known_fields(members, "rules", &["watch", "suppress"]);
        let (watch, suppress) =
            (self.list(members, "watch", Self::watch), self.list(members, "suppress", Self::suppress));
        self.distinct_names("watch", watch.iter().map(|it| it.name.as_str()));
        self.distinct_names("suppress", suppress.iter().map(|it| it.name.as_str()));
        Rules { watch: WatchRules::new(watch), suppress }
    }

    fn list<T>(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        parse: impl Fn(&mut Self, &Map<String, Value>, &str) -> Option<T>,
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
                Some(members) => rules.extend(parse(self, members, &path)),
                None => self.problem(&path, "expected an object"),
            }
        }
        rules
    }

    fn watch(&mut self, members: &Map<String, Value>, path: &str) -> Option<WatchRule> {
        self.known_fields(members, path, &["name", "title", "severity", "pattern"]);
        let (name, title) = (self.string(members, path, "name"), self.string(members, path, "title"));
        let severity = self.string(members, path, "severity").and_then(|text| {
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
        self.known_fields(members, path, &["name", "reason", "expires", "pattern"]);
        let (name, reason) = (self.string(members, path, "name"), self.string(members, path, "reason"));
        let expires = members.contains_key("expires").then(|| self.date(members, path)).flatten();
        let pattern = self.pattern(members, path);
        Some(SuppressRule { name: name?, reason: reason?, expires, pattern: pattern? })
    }

    fn date(&mut self, members: &Map<String, Value>, path: &str) -> Option<Date> {
        let text = self.string(members, path, "expires")?;
        // The parser also accepts other formats, such as dates with a time.
        let date = text.parse().ok().filter(|date: &Date| date.to_string() == text);
        if date.is_none() {
            self.problem(&format!("{path}.expires"), "expected a date, YYYY-MM-DD");
        }
        date
    }

    fn pattern(&mut self, members: &Map<String, Value>, path: &str) -> Option<Pattern> {
        let path = format!("{path}.pattern");
        let Some(value) = members.get("pattern") else {
            self.problem(&path, "required but missing");
            return None;
        };
        Pattern::parse(value, &path).map_err(|problems| self.problems.extend(problems)).ok()
    }

    fn string(&mut self, members: &Map<String, Value>, path: &str, name: &str) -> Option<String> {
        let text = members.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.problem(&format!("{path}.{name}"), "expected a string");
        }
        text.map(str::to_owned)
    }

    fn known_fields(&mut self, members: &Map<String, Value>, path: &str, known: &[&str]) {
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            self.problem(&format!("{path}.{name}"), format!("unknown field, expected one of {}", known.join(", ")));
        }
    }

    fn distinct_names<'a>(&mut self, list: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = HashSet::new();
        for name in names.filter(|name| !seen.insert(*name)) {
            self.problem(list, format!("duplicate rule name {name:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_parsed() {
        let rules = Rules::parse(
            r#"{"watch": [{"name": "w", "title": "t", "severity": "high", "pattern": {"a": ["b"]}}],
                "suppress": [{"name": "s", "reason": "r", "expires": "2027-06-30", "pattern": {"a": ["b"]}},
                             {"name": "t", "reason": "r", "pattern": {"a": ["b"]}}]}"#,
        )
        .expect("rules");
        assert_eq!((rules.watch.rules().len(), rules.suppress.len()), (1, 2));
        assert_eq!(Rules::parse("{}").expect("rules"), Rules::default());
        assert_ne!(rules.watch, WatchRules::default());
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
    fn all_problems_are_reported_with_their_location() {
        let wrong = r#"{"watch": [{"name": "", "severity": "urgent", "pattern": {"a": [{"prefx": 1}]}, "titel": "x"}, 7],
                        "suppress": [{"name": "s", "expires": "soon", "pattern": {}},
                                     {"name": "x", "reason": "r"},
                                     {"name": "e", "reason": "r", "expires": "2027-02-29", "pattern": {"a": [1]}},
                                     {"name": "f", "reason": "r", "expires": "20270228", "pattern": {"a": [1]}},
                                     {"name": "d", "reason": "r", "pattern": {"a": [1]}},
                                     {"name": "d", "reason": "r", "pattern": {"a": [1]}}],
                        "ignore": []}"#;
        let error = Rules::parse(wrong).expect_err("problems");
        insta::assert_snapshot!(error.to_string().replace("; ", "\n"), @r#"
        invalid rules
        rules.ignore: unknown field, expected one of watch, suppress
        watch[0].titel: unknown field, expected one of name, title, severity, pattern
        watch[0].name: expected a string
        watch[0].title: expected a string
        watch[0].severity: expected low, medium, high or critical
        watch[0].pattern.a[0]: unknown operator "prefx"
        watch[1]: expected an object
        suppress[0].reason: expected a string
        suppress[0].expires: expected a date, YYYY-MM-DD
        suppress[0].pattern: expected an object with at least one field
        suppress[1].pattern: required but missing
        suppress[2].expires: expected a date, YYYY-MM-DD
        suppress[3].expires: expected a date, YYYY-MM-DD
        suppress: duplicate rule name "d"
        "#);
        insta::assert_snapshot!(Rules::parse("{\n  ]").expect_err("problems"), @"invalid rules; line 2 column 3: invalid JSON");
        insta::assert_snapshot!(Rules::parse("[]").expect_err("problems"), @"invalid rules; rules: expected an object with `watch` or `suppress`");
    }
}
