//! Options that select findings.

use serde_json::{Value, json};

use super::{Folder, findings, text, trailscan};
use crate::fixture::records::{denied, disabled_mapping, log_file};

/// Scans a trail with a stopped mapping and three denials; returns the kinds and functions of the selected findings.
fn selected(name: &str, options: &[&str]) -> Vec<String> {
    let mut other = denied(1, "GetFunction", "invoices");
    set(&mut other, "eventTime", "2026-01-05T12:00:00Z");
    set(&mut other, "recipientAccountId", "444455556666");
    set(&mut other, "awsRegion", "eu-west-1");
    let mut timeless = denied(2, "GetFunction", "timeless");
    timeless.as_object_mut().expect("an object").remove("eventTime");
    let records =
        [disabled_mapping(1, "orders", "AUTHORIZATION_ERROR"), denied(0, "DeleteFunction", "orders"), other, timeless];
    let folder = Folder::new(&format!("selection-{name}")).put("a.json", log_file(&records));
    let output = trailscan(&[&["scan", "--format", "jsonl", folder.path()], options].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = |it: &Value| format!("{} {}", it["alert_type"], it["function_name"]).replace('"', "");
    let selected: Vec<_> = findings(&output).iter().map(shown).collect();
    let not_selected = format!("Not selected  {}\n", records.len() - selected.len());
    assert_eq!(text(&output.stderr).contains(&not_selected), selected.len() < records.len());
    selected
}

fn set(record: &mut Value, field: &str, value: &str) {
    record.as_object_mut().expect("an object").insert(field.to_owned(), json!(value));
}

const STOPPED: &str = "esm_disabled orders";
const DENIED: &str = "access_denied orders";
const OTHER: &str = "access_denied invoices";
const TIMELESS: &str = "access_denied timeless";

#[test]
fn without_options_all_findings_are_selected() {
    assert_eq!(selected("all", &[]), [STOPPED, DENIED, OTHER, TIMELESS]);
}

#[test]
fn findings_are_selected_by_time() {
    assert_eq!(selected("since", &["--since", "2026-01-03"]), [OTHER, TIMELESS]);
    assert_eq!(selected("until", &["--until", "2026-01-02"]), [STOPPED, DENIED, TIMELESS]);
    assert_eq!(selected("last-day", &["--until", "2026-01-05"]), [STOPPED, DENIED, OTHER, TIMELESS]);
    assert_eq!(
        selected("second", &["--since", "2026-01-02T03:00:01Z", "--until", "2026-01-05T12:00:00Z"]),
        [STOPPED, TIMELESS]
    );
}

#[test]
fn findings_are_selected_by_their_fields() {
    assert_eq!(selected("account", &["--account", "444455556666"]), [OTHER]);
    assert_eq!(selected("accounts", &["--account", "444455556666,000000000000"]), [OTHER]);
    assert_eq!(selected("region", &["--region", "eu-west-1"]), [OTHER]);
    assert_eq!(selected("kind", &["--kind", "esm_disabled,watch"]), [STOPPED]);
    assert_eq!(selected("function", &["--function", "orders"]), [STOPPED, DENIED]);
    assert_eq!(selected("caller", &["--caller", "Role/DEPLOYER"]), [DENIED, OTHER, TIMELESS]);
    assert_eq!(selected("both", &["--caller", "deployer", "--function", "orders"]), [DENIED]);
    assert!(selected("none", &["--region", "eu-north-1"]).is_empty());
}

#[test]
fn findings_are_selected_by_a_pattern() {
    let pattern = r#"{"eventName": [{"prefix": "GetFunction"}]}"#;
    assert_eq!(selected("pattern", &["--where", pattern]), [OTHER, TIMELESS]);
    let pattern = r#"{"finding": {"severity": ["critical"]}}"#;
    assert_eq!(selected("finding", &["--where", pattern]), [STOPPED]);
    let pattern = r#"{"finding": {"severity": ["low"]}}"#;
    assert!(selected("no-match", &["--where", pattern]).is_empty());
}

#[test]
fn every_problem_of_a_pattern_is_reported() {
    let problems = |pattern| text(&trailscan(&["scan", "--where", pattern, "-"]).stderr);
    let wrong = problems(r#"{"a": [{"prefx": "x"}], "b": 1}"#);
    assert!(wrong.contains("pattern.a[0]: unknown operator \"prefx\"; pattern.b: expected"), "{wrong}");
    assert!(problems("{").contains("invalid JSON: EOF"), "{}", problems("{"));
}

#[test]
fn arguments_that_contradict_each_other_are_an_error() {
    for (options, message) in [
        (vec!["--since", "2026-02-01", "--until", "2026-01-01", "-"], "--since must be before --until"),
        (vec!["--kind", "watch", "-"], "--kind watch needs --rules"),
        (vec!["--start-after", "s3://b/k", "-"], "--start-after needs exactly one PATH"),
        (vec!["--start-after", "s3://b/k", "s3://b/", "s3://c/"], "--start-after needs exactly one PATH"),
        (vec!["--start-after", "s3://b/k", "s3://c/"], "--start-after needs exactly one PATH"),
        (vec!["--start-after", "s3://b/a/k", "s3://b/z/"], "--start-after needs exactly one PATH"),
    ] {
        let output = trailscan(&[&["scan"][..], &options].concat());
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    }
}

#[test]
fn a_value_that_is_not_valid_is_an_error() {
    for option in [["--since", "yesterday"], ["--until", "2026-13-01"], ["--kind", "unknown"]] {
        let output = trailscan(&["scan", option[0], option[1], "-"]);
        assert_eq!(output.status.code(), Some(2), "{option:?}");
        assert!(text(&output.stderr).contains(option[1]), "{}", text(&output.stderr));
    }
}
