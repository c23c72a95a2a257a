//! The starter pack of watch rules, `rules/security.json`: what each rule matches, and similar events that it must not
//! match.
//!
//! The records are invented, but the names and values of their fields are from AWS documentation and published trails.

mod exposure;
mod identity;
mod logging;
mod network;
mod pack;
mod records;

use serde_json::Value;

/// Events that a rule matches, and similar ones that it ignores.
struct Case {
    rule: &'static str,
    matches: Vec<Value>,
    ignores: Vec<Value>,
}

fn case(rule: &'static str, matches: &[Value], ignores: &[Value]) -> Case {
    Case { rule, matches: matches.to_vec(), ignores: ignores.to_vec() }
}

/// A case for each rule, in the order of the pack.
fn cases() -> Vec<Case> {
    [identity::cases(), logging::cases(), network::cases(), exposure::cases()].into_iter().flatten().collect()
}

/// Events that the rules match.
#[cfg(feature = "lambda")]
pub(crate) fn matching_records() -> Vec<Value> {
    cases().into_iter().flat_map(|case| case.matches).collect()
}
