//! Records whose values are recognizable wherever they appear.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use serde_json::{Value, json};

/// Part of each string that is planted.
const CANARY: &str = "canary";
/// Numbers that are planted are larger.
const NUMBER: u64 = 918_273_645_000_000;

/// The values in records, each with its field.
#[derive(Debug, Default)]
pub(super) struct Canaries {
    values: Vec<(String, String)>,
}

impl Canaries {
    /// Makes every string and every number of a record unique, at any depth. Fields with these names keep their values,
    /// which are remembered too.
    pub(super) fn plant(&mut self, record: &Value, kept: &[&str]) -> Value {
        let mut planted = record.clone();
        planted["additionalEventData"] = json!({"a": [1, -2.5, "x", {"b": {"c": ["y"]}}]});
        self.plant_in("", &mut planted, false, kept);
        planted
    }

    fn plant_in(&mut self, field: &str, value: &mut Value, is_kept: bool, kept: &[&str]) {
        let next = self.values.len();
        let planted = match value {
            Value::Array(elements) => {
                return elements.iter_mut().for_each(|it| self.plant_in(field, it, is_kept, kept));
            }
            Value::Object(members) => {
                let is_kept = |name: &String| is_kept || kept.contains(&name.as_str());
                return members
                    .iter_mut()
                    .for_each(|(name, it)| self.plant_in(&format!("{field}.{name}"), it, is_kept(name), kept));
            }
            Value::Bool(_) | Value::Null => return,
            Value::String(text) if is_kept => text.clone(),
            Value::String(text) => {
                let canary = format!("{CANARY}{next:06}");
                *text = format!("{text}-{canary}");
                canary
            }
            Value::Number(number) if is_kept => number.to_string(),
            Value::Number(number) => {
                *number = (NUMBER + next as u64).into();
                number.to_string()
            }
        };
        // Of an ARN, only the name of the resource is searched for.
        let name = if planted.starts_with("arn:") { planted.rsplit(':').next().unwrap_or_default() } else { &planted };
        self.values.push((name.to_owned(), field.to_owned()));
    }

    /// The values that a text contains, with their fields, except for these values.
    pub(super) fn in_text(&self, text: &str, allowed: &[(&str, &str)]) -> Vec<String> {
        let is_searched = |value: &str| allowed.iter().all(|(it, _)| *it != value);
        let searched: Vec<_> = self.values.iter().filter(|(value, _)| is_searched(value)).collect();
        let search = AhoCorasick::new(searched.iter().map(|(value, _)| value)).expect("few values");
        let found: BTreeSet<_> = search.find_overlapping_iter(text).map(|it| it.pattern()).collect();
        found.into_iter().map(|it| format!("{} of {}", searched[it].0, searched[it].1)).collect()
    }
}

#[test]
fn a_planted_value_is_found_with_its_field() {
    let mut canaries = Canaries::default();
    let record = json!({"userIdentity": {"arn": "arn:aws:iam::1:role/app"}, "n": [7], "kept": {"a": "b c"}});
    let planted = canaries.plant(&record, &["kept"]);
    assert_eq!(planted["kept"], record["kept"]);
    for (value, field) in [
        (planted["userIdentity"]["arn"].to_string(), ".userIdentity.arn"),
        (planted["n"][0].to_string(), ".n"),
        ("b c".to_owned(), ".kept.a"),
        (planted["additionalEventData"]["a"][3]["b"]["c"][0].to_string(), ".additionalEventData.a.b.c"),
    ] {
        let found = canaries.in_text(&format!("a line with {value}\n"), &[]);
        assert!(found.len() == 1 && found[0].ends_with(&format!(" of {field}")), "{value}: {found:?}");
    }
    assert_eq!(canaries.in_text("app 7 b", &[("x", "an exception")]), [""; 0]);
}
