//! Event patterns in the language of Amazon EventBridge.
//!
//! ```text
//! pattern  = { field: pattern | [ matcher, … ], …  ["$or": [ pattern, pattern, … ]] }
//! matcher  = string | number | true | false | null
//!          | {"prefix": affix} | {"suffix": affix} | {"wildcard": "a*b"} | {"equals-ignore-case": string}
//!          | {"anything-but": value | [ value, … ] | {operator: operand | [ operand, … ]}}
//!          | {"numeric": [ "<" | "<=" | "=" | ">=" | ">", number, … ]} | {"cidr": "10.0.0.0/8"} | {"exists": bool}
//! affix    = string | {"equals-ignore-case": string}
//! value    = string | number
//! operator = "prefix" | "suffix" | "wildcard" | "equals-ignore-case"
//! operand  = the same as outside of anything-but
//! ```
//!
//! Source: "Comparison operators for use in event patterns" in the Amazon EventBridge User Guide.
//!
//! - An event matches if every field of the pattern matches. A field matches if one of its matchers does.
//! - An array in an event matches if one of its elements does. The fields of an object in an array are matched within
//!   one element. An empty array is equivalent to an absent field.
//! - `exists` tests for values. A field that holds an object has no value.

use std::net::IpAddr;

use serde_json::{Map, Value};

/// A condition on an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    fields: Vec<(String, Condition)>,
    /// The `$or` lists: one pattern of each list must match.
    alternatives: Vec<Vec<Pattern>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Fields(Pattern),
    OneOf(Vec<Matcher>),
}

#[derive(Debug, Clone, PartialEq)]
enum Matcher {
    String(StringMatcher),
    Number(f64),
    /// `true`, `false` or `null`.
    Literal(Value),
    AnythingBut(Vec<Matcher>),
    /// All comparisons must hold.
    Numeric(Vec<(Comparison, f64)>),
    Cidr {
        network: IpAddr,
        bits: u32,
    },
    Exists(bool),
}

#[derive(Debug, Clone, PartialEq)]
enum StringMatcher {
    Equals(String),
    EqualsIgnoreCase(String),
    Prefix(String),
    PrefixIgnoreCase(String),
    Suffix(String),
    SuffixIgnoreCase(String),
    /// The parts between asterisks.
    Wildcard(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// An invalid part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternProblem {
    /// Path of the invalid part, such as `pattern.eventName[1]`.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Pattern {
    /// Parses a pattern. `path` is its location in the rules, and the prefix of every problem's path.
    ///
    /// # Errors
    /// If the value is not a valid pattern. The error lists every problem.
    pub fn parse(value: &Value, path: &str) -> Result<Self, Vec<PatternProblem>> {
        let mut problems = Vec::new();
        let pattern = pattern(value, path, &mut problems);
        if problems.is_empty() { Ok(pattern) } else { Err(problems) }
    }

    /// Returns true if the event matches.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        match event {
            Value::Object(members) => self.matches_members(members),
            Value::Array(elements) if !elements.is_empty() => elements.iter().any(|element| self.matches(element)),
            // Scalars and empty arrays have no fields, so `{"exists": false}` matches every field.
            _ => self.matches_members(&Map::new()),
        }
    }

    /// Returns true if the pattern lists `text` as a literal value of the field at `path`.
    #[must_use]
    pub fn requires(&self, path: &[&str], text: &str) -> bool {
        let Some((name, rest)) = path.split_first() else { return false };
        self.fields.iter().filter(|(field, _)| field == name).any(|(_, condition)| match condition {
            Condition::Fields(pattern) => pattern.requires(rest, text),
            Condition::OneOf(matchers) => {
                rest.is_empty() && matchers.contains(&Matcher::String(StringMatcher::Equals(text.to_owned())))
            }
        })
    }

    /// The strings that the field at `path` may equal; `None` if it may also have other values.
    #[must_use]
    pub fn required_strings(&self, path: &[&str]) -> Option<Vec<&str>> {
        let (field, rest) = path.split_first()?;
        let (_, condition) = self.fields.iter().find(|(name, _)| name == field)?;
        let string = |matcher| match matcher {
            &Matcher::String(StringMatcher::Equals(ref string)) => Some(string.as_str()),
            _ => None,
        };
        match condition {
            Condition::Fields(pattern) => pattern.required_strings(rest),
            Condition::OneOf(matchers) if rest.is_empty() => matchers.iter().map(string).collect(),
            Condition::OneOf(_) => None,
        }
    }

    fn matches_members(&self, members: &Map<String, Value>) -> bool {
        let event = |name: &str| members.get(name).unwrap_or(&Value::Null);
        self.fields.iter().all(|(name, condition)| match condition {
            Condition::Fields(pattern) => pattern.matches(event(name)),
            Condition::OneOf(matchers) => {
                let mut values = Vec::new();
                members.get(name).into_iter().for_each(|value| collect(value, &mut values));
                matchers.iter().any(|matcher| matcher.matches_one_of(&values))
            }
        }) && self.alternatives.iter().all(|patterns| patterns.iter().any(|it| it.matches_members(members)))
    }
}

/// Collects the scalar values of a field, which may be an array.
fn collect<'a>(value: &'a Value, values: &mut Vec<&'a Value>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, values)),
        Value::Object(_) => {}
        value => values.push(value),
    }
}

impl Matcher {
    fn matches_one_of(&self, values: &[&Value]) -> bool {
        match self {
            Self::Exists(wanted) => values.is_empty() != *wanted,
            _ => values.iter().any(|value| self.matches(value)),
        }
    }

    fn matches(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::String(wanted), Value::String(text)) => wanted.matches(text),
            (Self::Number(wanted), Value::Number(number)) => number.as_f64() == Some(*wanted),
            (Self::Literal(wanted), value) => wanted == value,
            (Self::AnythingBut(unwanted), value) => !unwanted.iter().any(|matcher| matcher.matches(value)),
            (Self::Numeric(comparisons), Value::Number(number)) => number
                .as_f64()
                .is_some_and(|number| comparisons.iter().all(|(comparison, bound)| comparison.holds(number, *bound))),
            (Self::Cidr { network, bits }, Value::String(text)) => {
                text.parse().is_ok_and(|address| is_within(address, *network, *bits))
            }
            _ => false,
        }
    }
}

impl StringMatcher {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equals(wanted) => text == wanted,
            Self::Prefix(wanted) => text.starts_with(wanted.as_str()),
            Self::Suffix(wanted) => text.ends_with(wanted.as_str()),
            Self::EqualsIgnoreCase(wanted) => text.to_lowercase() == *wanted,
            Self::PrefixIgnoreCase(wanted) => text.to_lowercase().starts_with(wanted.as_str()),
            Self::SuffixIgnoreCase(wanted) => text.to_lowercase().ends_with(wanted.as_str()),
            Self::Wildcard(parts) => matches_wildcard(parts, text),
        }
    }
}

/// Matches the parts between asterisks. The first part must be a prefix and the last a suffix. Each part between them
/// is matched at its first occurrence, which leaves the most text for the parts after it.
fn matches_wildcard(parts: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = parts else { return parts.first().is_some_and(|only| only == text) };
    let Some(mut rest) = text.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str())) else {
        return false;
    };
    middle.iter().all(|part| match rest.split_once(part.as_str()) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

impl Comparison {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            "=" => Self::Equal,
            ">=" => Self::GreaterOrEqual,
            ">" => Self::Greater,
            _ => return None,
        })
    }

    #[expect(clippy::float_cmp, reason = "EventBridge compares numbers exactly")]
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Equal => number == bound,
            Self::GreaterOrEqual => number >= bound,
            Self::Greater => number > bound,
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (a.to_bits() ^ n.to_bits()).leading_zeros() >= bits,
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits() ^ n.to_bits()).leading_zeros() >= bits,
        _ => false,
    }
}

fn pattern(value: &Value, path: &str, problems: &mut Vec<PatternProblem>) -> Pattern {
    let mut found = Pattern { fields: Vec::new(), alternatives: Vec::new() };
    let Some(members) = value.as_object().filter(|members| !members.is_empty()) else {
        problem(problems, path, "expected an object with at least one field");
        return found;
    };
    for (name, value) in members {
        let path = format!("{path}.{name}");
        match value {
            Value::Array(patterns) if name == "$or" => {
                if patterns.len() < 2 {
                    problem(problems, &path, "expected at least two patterns");
                }
                let parse = |(at, it): (usize, &Value)| pattern(it, &format!("{path}[{at}]"), problems);
                found.alternatives.push(patterns.iter().enumerate().map(parse).collect());
            }
            Value::Array(matchers) => {
                if matchers.is_empty() {
                    problem(problems, &path, "expected at least one value");
                }
                let parse = |(at, it): (usize, &Value)| matcher(it, &format!("{path}[{at}]"), problems);
                let matchers = matchers.iter().enumerate().filter_map(parse).collect();
                found.fields.push((name.clone(), Condition::OneOf(matchers)));
            }
            Value::Object(_) => {
                let fields = pattern(value, &path, problems);
                found.fields.push((name.clone(), Condition::Fields(fields)));
            }
            _ => problem(problems, &path, "expected an array of values, or an object"),
        }
    }
    found
}

fn problem(problems: &mut Vec<PatternProblem>, path: &str, problem: &str) {
    problems.push(PatternProblem { path: path.to_owned(), problem: problem.to_owned() });
}

fn matcher(value: &Value, path: &str, problems: &mut Vec<PatternProblem>) -> Option<Matcher> {
    let found = match value {
        Value::Object(members) => match members.iter().next() {
            Some((name, operand)) if members.len() == 1 => operator(name, operand),
            _ => Err("expected exactly one operator".to_owned()),
        },
        Value::Array(_) => Err("expected a value or an operator, found an array".to_owned()),
        value => literal(value).ok_or_else(|| "expected a value".to_owned()),
    };
    found.map_err(|error| problem(problems, path, &error)).ok()
}

fn literal(value: &Value) -> Option<Matcher> {
    match value {
        Value::String(text) => Some(Matcher::String(StringMatcher::Equals(text.clone()))),
        Value::Number(number) => number.as_f64().map(Matcher::Number),
        Value::Bool(_) | Value::Null => Some(Matcher::Literal(value.clone())),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn operator(name: &str, operand: &Value) -> Result<Matcher, String> {
    match (name, operand) {
        ("prefix" | "suffix" | "wildcard" | "equals-ignore-case", _) => {
            string_matcher(name, operand).map(Matcher::String)
        }
        ("anything-but", _) => anything_but(operand).map(Matcher::AnythingBut),
        ("numeric", Value::Array(parts)) => numeric(parts).map(Matcher::Numeric),
        ("numeric", _) => Err("numeric: expected an array".to_owned()),
        ("cidr", Value::String(text)) => {
            cidr(text).ok_or_else(|| "cidr: expected an address and a prefix length".to_owned())
        }
        ("cidr", _) => Err("cidr: expected an address and a prefix length".to_owned()),
        ("exists", Value::Bool(wanted)) => Ok(Matcher::Exists(*wanted)),
        ("exists", _) => Err("exists: expected true or false".to_owned()),
        _ => Err(format!("unknown operator {name:?}")),
    }
}

fn string_matcher(name: &str, operand: &Value) -> Result<StringMatcher, String> {
    let ignoring_case = operand.get("equals-ignore-case").and_then(Value::as_str).map(str::to_lowercase);
    match (name, operand, ignoring_case) {
        ("prefix", Value::String(text), _) => Ok(StringMatcher::Prefix(text.clone())),
        ("suffix", Value::String(text), _) => Ok(StringMatcher::Suffix(text.clone())),
        ("prefix", _, Some(text)) => Ok(StringMatcher::PrefixIgnoreCase(text)),
        ("suffix", _, Some(text)) => Ok(StringMatcher::SuffixIgnoreCase(text)),
        ("equals-ignore-case", Value::String(text), _) => Ok(StringMatcher::EqualsIgnoreCase(text.to_lowercase())),
        ("wildcard", Value::String(text), _) => wildcard(text),
        _ => Err(format!("{name}: expected a string")),
    }
}

/// Splits a pattern at its asterisks. A backslash escapes an asterisk or a backslash.
fn wildcard(text: &str) -> Result<StringMatcher, String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let part = match c {
            '*' if parts.len() > 1 && parts.last().is_some_and(String::is_empty) => {
                return Err("wildcard: consecutive asterisks are not allowed".to_owned());
            }
            '*' => {
                parts.push(String::new());
                continue;
            }
            '\\' => match chars.next() {
                Some(escaped @ ('*' | '\\')) => escaped,
                _ => return Err("wildcard: expected an asterisk or a backslash after a backslash".to_owned()),
            },
            c => c,
        };
        if let Some(last) = parts.last_mut() {
            last.push(part);
        }
    }
    Ok(StringMatcher::Wildcard(parts))
}

fn anything_but(operand: &Value) -> Result<Vec<Matcher>, String> {
    let expected = || "anything-but: expected strings, numbers, or one string operator".to_owned();
    match operand {
        Value::Array(values) if !values.is_empty() => {
            values.iter().map(|value| scalar(value).ok_or_else(expected)).collect()
        }
        Value::Object(members) if members.len() == 1 => {
            let (name, operand) = members.iter().next().ok_or_else(expected)?;
            let operands = operand.as_array().map_or(std::slice::from_ref(operand), Vec::as_slice);
            if operands.is_empty() {
                return Err(expected());
            }
            let unwanted = operands.iter().map(|operand| string_matcher(name, operand).map(Matcher::String));
            unwanted.collect::<Result<_, _>>().map_err(|error| format!("anything-but: {error}"))
        }
        value => scalar(value).map(|it| vec![it]).ok_or_else(expected),
    }
}

fn scalar(value: &Value) -> Option<Matcher> {
    literal(value).filter(|it| !matches!(it, Matcher::Literal(_)))
}

fn numeric(parts: &[Value]) -> Result<Vec<(Comparison, f64)>, String> {
    let comparison = |pair: &[Value]| match pair {
        [Value::String(comparison), Value::Number(bound)] => Some((Comparison::parse(comparison)?, bound.as_f64()?)),
        _ => None,
    };
    let comparisons: Option<Vec<_>> = parts.chunks(2).map(comparison).collect();
    comparisons
        .filter(|it| (1..=2).contains(&it.len()))
        .ok_or_else(|| "numeric: expected one or two comparisons, each with a number".to_owned())
}

fn cidr(text: &str) -> Option<Matcher> {
    let (address, bits) = text.split_once('/')?;
    let (network, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    let max_bits = if network.is_ipv4() { 32 } else { 128 };
    (bits <= max_bits).then_some(Matcher::Cidr { network, bits })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({
            "a": "Abc", "n": 3, "f": 300.0, "none": null, "yes": true, "list": ["p", "q"], "empty": "", "no": [],
            "o": {"k": "v"}, "ip": "10.1.2.3", "ip6": "2001:db8::1", "objects": [{"k": 1, "l": 2}, {"k": 3, "l": 4}]
        })
    }

    #[test]
    fn operators_match_as_in_eventbridge() {
        for (pattern, expected) in [
            (json!({"a": ["Abc"]}), true),
            (json!({"a": ["abc", "x"]}), false),
            (json!({"a": ["x", "Abc"], "n": [3]}), true),
            (json!({"a": ["Abc"], "n": [4]}), false),
            (json!({"n": [3.0]}), true),
            (json!({"n": ["3"]}), false),
            (json!({"f": [300]}), true),
            (json!({"none": [null]}), true),
            (json!({"missing": [null]}), false),
            (json!({"yes": [true]}), true),
            (json!({"yes": ["true"]}), false),
            (json!({"empty": [""]}), true),
            (json!({"list": ["q"]}), true),
            (json!({"a": [{"prefix": "Ab"}]}), true),
            (json!({"a": [{"prefix": "ab"}]}), false),
            (json!({"a": [{"prefix": {"equals-ignore-case": "aB"}}]}), true),
            (json!({"a": [{"suffix": "bc"}]}), true),
            (json!({"a": [{"suffix": {"equals-ignore-case": "BC"}}]}), true),
            (json!({"a": [{"equals-ignore-case": "aBC"}]}), true),
            (json!({"a": [{"wildcard": "A*c"}]}), true),
            (json!({"a": [{"wildcard": "*b*"}]}), true),
            (json!({"a": [{"wildcard": "Abc"}]}), true),
            (json!({"a": [{"wildcard": "Abc*c"}]}), false),
            (json!({"a": [{"wildcard": "*b*b*"}]}), false),
            (json!({"a": [{"wildcard": "A\\*c"}]}), false),
            (json!({"a": [{"anything-but": "x"}]}), true),
            (json!({"a": [{"anything-but": ["x", "Abc"]}]}), false),
            (json!({"a": [{"anything-but": {"prefix": "A"}}]}), false),
            (json!({"a": [{"anything-but": {"prefix": ["x", "y"]}}]}), true),
            (json!({"a": [{"anything-but": {"suffix": "c"}}]}), false),
            (json!({"a": [{"anything-but": {"wildcard": "*b*"}}]}), false),
            (json!({"a": [{"anything-but": {"equals-ignore-case": ["ABC"]}}]}), false),
            (json!({"n": [{"anything-but": [1, 2]}]}), true),
            (json!({"list": [{"anything-but": "p"}]}), true),
            (json!({"missing": [{"anything-but": "p"}]}), false),
            (json!({"n": [{"numeric": [">", 0, "<=", 3]}]}), true),
            (json!({"n": [{"numeric": ["<", 3]}]}), false),
            (json!({"n": [{"numeric": ["=", 3]}]}), true),
            (json!({"n": [{"numeric": [">=", 3.5]}]}), false),
            (json!({"ip": [{"cidr": "10.0.0.0/8"}]}), true),
            (json!({"ip": [{"cidr": "10.1.2.4/32"}]}), false),
            (json!({"ip": [{"cidr": "0.0.0.0/0"}]}), true),
            (json!({"ip6": [{"cidr": "2001:db8::/32"}]}), true),
            (json!({"ip6": [{"cidr": "0.0.0.0/0"}]}), false),
            (json!({"a": [{"cidr": "0.0.0.0/0"}]}), false),
            (json!({"a": [{"exists": true}]}), true),
            (json!({"none": [{"exists": true}]}), true),
            (json!({"missing": [{"exists": false}]}), true),
            (json!({"no": [{"exists": false}]}), true),
            (json!({"o": [{"exists": true}]}), false),
            (json!({"missing": {"k": [{"exists": false}]}}), true),
            (json!({"a": {"k": [{"exists": false}]}}), true),
            (json!({"list": {"k": [{"exists": false}]}}), true),
            (json!({"objects": {"k": [{"exists": false}]}}), false),
            (json!({"missing": {"k": ["v"]}}), false),
            (json!({"o": {"k": ["v"]}}), true),
            (json!({"objects": {"k": [3], "l": [4]}}), true),
            (json!({"objects": {"k": [1], "l": [4]}}), false),
            (json!({"$or": [{"a": ["x"]}, {"n": [3]}]}), true),
            (json!({"$or": [{"a": ["x"]}, {"n": [4]}]}), false),
            (json!({"a": ["x"], "$or": [{"a": ["Abc"]}, {"n": [3]}]}), false),
            (json!({"o": {"$or": [{"k": ["v"]}, {"k": ["w"]}]}}), true),
        ] {
            let parsed = Pattern::parse(&pattern, "pattern").expect("a pattern");
            assert_eq!(parsed.matches(&event()), expected, "{pattern}");
        }
    }

    #[test]
    fn an_empty_array_has_no_element_with_a_field() {
        for event in [json!({"a": []}), json!({"a": [[]]}), json!({"a": [{}]}), json!({"a": null}), json!({})] {
            for (pattern, expected) in [
                (json!({"a": {"b": [{"exists": false}]}}), true),
                (json!({"a": {"b": {"c": [{"exists": false}]}}}), true),
                (json!({"a": {"b": [{"exists": true}]}}), false),
                (json!({"a": {"b": ["x"]}}), false),
                (json!({"a": {"b": [{"anything-but": "x"}]}}), false),
                (json!({"a": {"$or": [{"b": ["x"]}, {"b": [{"exists": false}]}]}}), true),
            ] {
                let parsed = Pattern::parse(&pattern, "pattern").expect("a pattern");
                assert_eq!(parsed.matches(&event), expected, "{pattern} {event}");
            }
        }
    }

    #[test]
    fn problems_are_listed_with_their_path() {
        let wrong = json!({
            "a": "text", "b": [], "c": [{"prefx": "x"}, {"prefix": 1}, {"prefix": "x", "suffix": "y"}, ["z"]], "d": {},
            "e": [{"numeric": [">", "1"]}, {"numeric": []}, {"cidr": "10.0.0.0/33"}, {"exists": 1}],
            "f": [{"wildcard": "a**b"}, {"wildcard": "a\\b"}, {"anything-but": []}, {"anything-but": {"cidr": "x"}}],
            "$or": [{"a": ["x"]}]
        });
        let problems = Pattern::parse(&wrong, "pattern").expect_err("problems");
        let lines: Vec<_> = problems.iter().map(|it| format!("{}: {}", it.path, it.problem)).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        pattern.$or: expected at least two patterns
        pattern.a: expected an array of values, or an object
        pattern.b: expected at least one value
        pattern.c[0]: unknown operator "prefx"
        pattern.c[1]: prefix: expected a string
        pattern.c[2]: expected exactly one operator
        pattern.c[3]: expected a value or an operator, found an array
        pattern.d: expected an object with at least one field
        pattern.e[0]: numeric: expected one or two comparisons, each with a number
        pattern.e[1]: numeric: expected one or two comparisons, each with a number
        pattern.e[2]: cidr: expected an address and a prefix length
        pattern.e[3]: exists: expected true or false
        pattern.f[0]: wildcard: consecutive asterisks are not allowed
        pattern.f[1]: wildcard: expected an asterisk or a backslash after a backslash
        pattern.f[2]: anything-but: expected strings, numbers, or one string operator
        pattern.f[3]: anything-but: cidr: expected a string
        "#);
    }

    #[test]
    fn required_values_are_found_by_path() {
        let pattern = json!({"finding": {"alert_type": ["esm_disabled", "access_denied"], "x": [{"prefix": "esm"}]}});
        let pattern = Pattern::parse(&pattern, "pattern").expect("a pattern");
        assert!(pattern.requires(&["finding", "alert_type"], "esm_disabled"));
        assert!(!pattern.requires(&["finding", "alert_type"], "esm_changed"));
        assert!(!pattern.requires(&["finding", "x"], "esm"));
        assert!(!pattern.requires(&["finding"], "esm_disabled"));
        assert!(!pattern.requires(&[], "esm_disabled"));
    }
}
