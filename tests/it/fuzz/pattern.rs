//! Event patterns: matching agrees with a naive matcher that does not compile the pattern.

use std::net::IpAddr;

use serde_json::Value;
use trailwarden::pattern::Pattern;

use super::Input;

pub(super) fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let Ok(written) = serde_json::from_str::<Value>(&input.text()) else { return false };
    let parsed = match Pattern::parse(&written, "pattern") {
        Ok(parsed) => parsed,
        Err(problems) => {
            assert!(problems.iter().all(|it| it.path.starts_with("pattern") && !it.problem.is_empty()));
            assert!(!problems.is_empty());
            return false;
        }
    };
    let Ok(event) = serde_json::from_str::<Value>(&input.text()) else { return false };
    let is_match = parsed.matches(&event);
    assert_eq!(is_match, matches(&written, &event), "{written} {event}");
    assert_eq!(
        parsed.matches(&Value::from(vec![event.clone(), Value::Null])),
        is_match || parsed.matches(&Value::Null)
    );
    assert_required_strings_are_in_matches(&parsed, &written, &event, is_match, &[]);
    true
}

/// Checks the strings that a pattern requires in each field below `path`: one of them is in every event that matches.
fn assert_required_strings_are_in_matches(
    parsed: &Pattern,
    written: &Value,
    event: &Value,
    is_match: bool,
    path: &[&str],
) {
    for (field, condition) in written.as_object().into_iter().flatten() {
        let path = [path, &[field.as_str()]].concat();
        let value = event.get(field);
        if let (Value::Object(_), Some(inner)) = (condition, value) {
            assert_required_strings_are_in_matches(parsed, condition, inner, is_match, &path);
        }
        let Some(required) = parsed.required_strings(&path) else { continue };
        assert!(required.iter().all(|text| parsed.requires(&path, text)), "{path:?} in {written}");
        let has_one = scalars(value).iter().any(|it| it.as_str().is_some_and(|it| required.contains(&it)));
        assert!(has_one || !is_match || event.is_array(), "{path:?}: {required:?} {event}");
    }
}

/// Whether an event matches a valid pattern.
fn matches(pattern: &Value, event: &Value) -> bool {
    match event.as_array() {
        Some(elements) if !elements.is_empty() => return elements.iter().any(|it| matches(pattern, it)),
        _ => {}
    }
    pattern.as_object().expect("a pattern").iter().all(|(name, condition)| match condition {
        Value::Array(patterns) if name == "$or" => patterns.iter().any(|it| matches(it, event)),
        Value::Array(matchers) => {
            let values = scalars(event.get(name));
            matchers.iter().any(|matcher| match matcher.get("exists") {
                Some(exists) => *exists != values.is_empty(),
                None => values.iter().any(|value| matches_value(matcher, value)),
            })
        }
        fields => matches(fields, event.get(name).unwrap_or(&Value::Null)),
    })
}

/// The values of a field. One of them must match.
fn scalars(field: Option<&Value>) -> Vec<&Value> {
    match field {
        Some(Value::Array(elements)) => elements.iter().flat_map(|it| scalars(Some(it))).collect(),
        Some(Value::Object(_)) | None => Vec::new(),
        Some(value) => vec![value],
    }
}

fn matches_value(matcher: &Value, value: &Value) -> bool {
    let Some((operator, operand)) = matcher.as_object().and_then(|it| it.iter().next()) else {
        return is_equal(matcher, value);
    };
    match operator.as_str() {
        "anything-but" => !match operand {
            Value::Array(values) => values.iter().any(|it| is_equal(it, value)),
            Value::Object(operators) => operators.iter().any(|(name, operands)| {
                let operands = operands.as_array().map_or(std::slice::from_ref(operands), Vec::as_slice);
                operands.iter().any(|operand| matches_string(name, operand, value))
            }),
            unwanted => is_equal(unwanted, value),
        },
        "numeric" => value.as_f64().is_some_and(|number| holds(operand.as_array().expect("comparisons"), number)),
        "cidr" => value.as_str().is_some_and(|address| is_in(address, operand.as_str().expect("a network"))),
        name => matches_string(name, operand, value),
    }
}

/// Numbers are equal if their values are, such as 1 and 1.0.
fn is_equal(a: &Value, b: &Value) -> bool {
    if a.is_number() && b.is_number() { a.as_f64() == b.as_f64() } else { a == b }
}

fn matches_string(operator: &str, operand: &Value, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let (operand, text) = match (operator, operand.get("equals-ignore-case").unwrap_or(operand).as_str()) {
        (_, None) => return false,
        ("equals-ignore-case", Some(operand)) => (operand.to_lowercase(), text.to_lowercase()),
        (_, Some(lower)) if operand.is_object() => (lower.to_lowercase(), text.to_lowercase()),
        (_, Some(operand)) => (operand.to_owned(), text.to_owned()),
    };
    match operator {
        "prefix" => text.starts_with(&operand),
        "suffix" => text.ends_with(&operand),
        "wildcard" => matches_wildcard(&operand, &text),
        _ => text == operand,
    }
}

/// Tries every length for every asterisk.
fn matches_wildcard(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| matches_wildcard(rest.as_str(), &text[at..]))
        }
        Some(first) => {
            let first = if first == '\\' { rest.next().expect("an escaped character") } else { first };
            text.strip_prefix(first).is_some_and(|text| matches_wildcard(rest.as_str(), text))
        }
    }
}

fn holds(comparisons: &[Value], number: f64) -> bool {
    comparisons.chunks(2).all(|comparison| {
        let bound = comparison[1].as_f64().expect("a number");
        match comparison[0].as_str().expect("a comparison") {
            "<" => number < bound,
            "<=" => number <= bound,
            ">" => number > bound,
            ">=" => number >= bound,
            _ => number.total_cmp(&bound).is_eq() || number == 0.0 && bound == 0.0,
        }
    })
}

/// Compares the bits of the addresses one by one.
fn is_in(address: &str, network: &str) -> bool {
    let (network, bits) = network.split_once('/').expect("a network");
    let bits_of = |text: &str| {
        let octets = match text.parse().ok()? {
            IpAddr::V4(it) => it.octets().to_vec(),
            IpAddr::V6(it) => it.octets().to_vec(),
        };
        Some(octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1)).collect::<Vec<_>>())
    };
    let (Some(address), Some(network)) = (bits_of(address), bits_of(network)) else { return false };
    let bits: usize = bits.parse().expect("a prefix length");
    address.len() == network.len() && address[..bits] == network[..bits]
}
