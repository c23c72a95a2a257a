//! Records: rejecting one by its bytes loses nothing, and no finding depends on how its JSON is written.

use std::sync::Arc;

use serde_json::{Map, Value};
use trailwarden::detect::{Change, Detector, EventSources, Finding, WatchRules};

use super::Input;
use crate::record_filter::{PARSES_ALL, Printer, RULES, rules};

pub(super) fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let detector = Detector {
        event_sources: EventSources::all(),
        esm_changes: input.flag(),
        authentication_failures: input.flag(),
        causes: input.flag(),
    };
    let chosen = u16::from_le_bytes([input.byte(), input.byte()]);
    let patterns = RULES.iter().enumerate().filter(|(n, _)| chosen >> n & 1 == 1).map(|(_, pattern)| *pattern);
    let watched = rules(patterns.clone(), &[]);
    let spelling = [(); 8].map(|()| input.byte());
    let record = input.rest();
    assert_rejects_nothing_that_matters(&detector, record, &watched, &rules(patterns, &[PARSES_ALL]));

    let Ok(members) = serde_json::from_slice::<Map<String, Value>>(record) else { return false };
    let expected = found(&detector, Value::from(members.clone()).to_string().as_bytes(), &watched);
    let members: Vec<_> = members.into_iter().collect();
    let spelled = Printer::print(&members, &spelling);
    assert_eq!(found(&detector, spelled.as_bytes(), &watched), expected, "{spelled}");
    true
}

/// Checks that a record has the same findings if a rule that matches nothing requires that it is parsed.
pub(super) fn assert_rejects_nothing_that_matters(
    detector: &Detector,
    record: &[u8],
    rules: &WatchRules,
    parsing_all: &WatchRules,
) {
    if let Some(expected) = found(detector, record, parsing_all) {
        assert_eq!(found(detector, record, rules), Some(expected), "{}", String::from_utf8_lossy(record));
    }
}

/// What was found in a record; `None` if it is unreadable.
fn found(detector: &Detector, record: &[u8], rules: &WatchRules) -> Option<(Vec<Finding>, Option<Change>)> {
    let examined = detector.examine(record, &Arc::from("s3://trail/key"), rules).ok()?;
    Some((examined.findings, examined.change.map(|it| *it)))
}
