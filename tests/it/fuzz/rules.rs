//! Rules files, and records that their rules watch for or suppress.

use std::collections::BTreeSet;

use serde_json::Value;
use trailwarden::detect::{Detector, EventSources, FindingKind};
use trailwarden::rules::Rules;
use trailwarden::triage::suppressing_rule;

use super::Input;
use super::record::assert_rejects_nothing_that_matters;
use crate::record_filter::PARSES_ALL;

pub(super) fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let written = input.text();
    let parsed = Rules::parse(&written);
    if let Err(error) = &parsed {
        assert!(error.problems.iter().all(|it| !it.path.is_empty() && !it.problem.is_empty()), "{error}");
        assert!(error.to_string().starts_with("invalid rules; "), "{error}");
    }
    let Ok(value) = serde_json::from_str::<Value>(&written) else {
        assert!(parsed.is_err());
        return false;
    };
    assert_eq!(Rules::parse(&format!("{value:#}")), parsed, "{written}");
    let Ok(rules) = parsed else { return false };
    let watch_names = rules.watch.rules().iter().map(|it| &it.name);
    assert_are_distinct(watch_names);
    assert_are_distinct(rules.suppress.iter().map(|it| &it.name));

    let record = input.text();
    let detector = Detector { event_sources: EventSources::all(), esm_changes: true, ..Detector::default() };
    if let Some(parsing_all) = with_a_rule_that_parses_all(value) {
        assert_rejects_nothing_that_matters(&detector, record.as_bytes(), &rules.watch, &parsing_all.watch);
    }
    let object = "s3://trail/key".into();
    for finding in detector.examine(record.as_bytes(), &object, &rules.watch).unwrap_or_default().findings {
        let Some(rule) = suppressing_rule(&rules.suppress, &finding, record.as_bytes()) else { continue };
        let is_about_a_mapping = matches!(finding.kind, FindingKind::EsmDisabled(_) | FindingKind::EsmChanged(_));
        let names_type = rule.pattern.requires(&["finding", "alert_type"], finding.alert_type());
        assert!(names_type || !is_about_a_mapping, "{rule:?} hides {finding:?}");
    }
    true
}

fn assert_are_distinct<'a>(names: impl ExactSizeIterator<Item = &'a String>) {
    let count = names.len();
    let distinct: BTreeSet<_> = names.filter(|it| !it.trim().is_empty()).collect();
    assert_eq!(distinct.len(), count);
}

/// The rules, with one more that needs every record and matches none; `None` if a rule has its name.
fn with_a_rule_that_parses_all(mut rules: Value) -> Option<Rules> {
    let rule: Value = serde_json::from_str(PARSES_ALL).expect("a rule");
    match rules.as_object_mut()?.entry("watch").or_insert_with(|| Value::from(Vec::<Value>::new())) {
        Value::Array(watch) => watch.push(rule),
        _ => return None,
    }
    Rules::parse(&rules.to_string()).ok()
}
