//! Rules, tested against log files.

use insta::assert_snapshot;

use super::{Folder, text, trailscan};
use crate::fixture::records::{denied, log_file};

const RULES: &str = r#"{
  "watch": [
    {"name": "deleted", "title": "t", "severity": "high", "pattern": {"eventName": [{"prefix": "DeleteFunction"}]}},
    {"name": "never", "title": "t", "severity": "low", "pattern": {"eventName": ["NoSuchEvent"]}},
    {"name": "of-s3", "title": "t", "severity": "low", "pattern": {"eventSource": ["s3.amazonaws.com"]}}
  ],
  "suppress": [
    {"name": "expired", "reason": "r", "expires": "2025-12-31", "pattern": {"finding": {"alert_type": ["access_denied"]}}},
    {"name": "deployer", "reason": "r", "pattern": {"errorCode": ["AccessDenied"]}},
    {"name": "again", "reason": "r", "pattern": {"finding": {"principal": [{"suffix": ":role/deployer"}]}}},
    {"name": "of-mappings", "reason": "r", "pattern": {"eventName": ["LambdaESMDisabled"]}}
  ]
}"#;

fn folder(name: &str) -> Folder {
    let mut of_s3 = denied(7, "GetObject", "orders");
    of_s3["eventSource"] = "s3.amazonaws.com".into();
    of_s3["errorCode"] = "".into();
    Folder::with_trail(&format!("rules-test-{name}")).put("c.json", log_file(&[of_s3])).put("rules.txt", RULES)
}

#[test]
fn each_rule_has_its_number_of_matches_and_an_example() {
    let folder = folder("all");
    let output = trailscan(&["rules", "test", &folder.file("rules.txt"), folder.path()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_snapshot!(text(&output.stdout), @"
    watch rules   records  example
      deleted           3  5ea303e4-3498-4c74-8000-000000000000
      never             0  none
      of-s3             1  364609d7-0de2-4185-8007-000000000007

    suppressions   findings  example
      expired             0  none; expired on 2025-12-31; 3 more after its last day
      deployer            6  5ea303e4-3498-4c74-8000-000000000000
      again               1  364609d7-0de2-4185-8007-000000000007; 6 more that earlier rules suppress
      of-mappings         0  none

    matched nothing: never, expired, of-mappings
    ");
    assert_snapshot!(text(&output.stderr), @"
    Read          3 objects with 6 records; 3 other files skipped
    Problems      none
    Findings      8
    ");
}

#[test]
fn only_the_selected_services_are_examined() {
    let folder = folder("sources").put(
        "rules.txt",
        r#"{"watch": [{"name": "any", "title": "t", "severity": "low", "pattern": {"eventID": [{"exists": true}]}}]}"#,
    );
    let rules = folder.file("rules.txt");
    let count = |options: &[&str]| {
        let output = trailscan(&[&["rules", "test", &rules, folder.path()], options].concat());
        let line = text(&output.stdout).lines().nth(1).expect("a rule").to_owned();
        line.split_whitespace().nth(1).expect("a number").to_owned()
    };
    assert_eq!(count(&[]), "6");
    assert_eq!(count(&["--event-sources", "lambda.amazonaws.com"]), "4");
}

#[test]
fn unreadable_files_and_invalid_rules_are_errors() {
    let folder = folder("broken").put("broken.json", "{\"Records\": [").put("bad.txt", "{\"watch\": 1}");
    let output = trailscan(&["rules", "test", &folder.file("rules.txt"), folder.path(), &folder.file("missing")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("matched nothing: never, expired, of-mappings"));
    let messages = text(&output.stderr).replace(folder.path(), "FOLDER");
    assert!(messages.contains("trailscan: FOLDER/broken.json: "), "{messages}");
    assert!(messages.contains("trailscan: FOLDER/missing: no such file or directory\n"), "{messages}");
    assert!(messages.contains("Problems      2\n"), "{messages}");
    let code = |arguments: &[&str]| trailscan(&[&["rules", "test"], arguments].concat()).status.code();
    assert_eq!(code(&[&folder.file("bad.txt"), folder.path()]), Some(1));
    assert_eq!(code(&[&folder.file("rules.txt")]), Some(2));
}
