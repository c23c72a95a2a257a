//! Rules, applied and checked.

use insta::assert_snapshot;

use super::{Folder, findings, text, trailscan};

fn folder(name: &str) -> Folder {
    Folder::with_trail(name)
        .put(
            "rules/good.txt",
            r#"{"suppress":[{"name":"deployer","reason":"r","pattern":{"errorCode":["AccessDenied"]}}]}"#,
        )
        .put("rules/bad.txt", r#"{"watch":[{"name":"w","pattern":{"a":[{"prefx":"x"}]}}]}"#)
}

#[test]
fn rules_suppress_findings() {
    let folder = folder("rules");
    let good = folder.file("rules/good.txt");
    assert_eq!(trailscan(&["rules", "check", &good]).status.code(), Some(0));
    let output = trailscan(&["scan", "--format", "jsonl", "--rules", &good, folder.path()]);
    assert_eq!((output.status.code(), findings(&output).len()), (Some(0), 1));
    assert!(text(&output.stderr).contains("Suppressed    3 by deployer\n"));
}

#[test]
fn every_problem_of_invalid_rules_is_reported() {
    let folder = folder("bad-rules");
    let bad = folder.file("rules/bad.txt");
    let output = trailscan(&["rules", "check", &bad]);
    assert_eq!(output.status.code(), Some(1));
    assert_snapshot!(text(&output.stderr).replace(&bad, "FILE"), @r#"
    trailscan: FILE: invalid rules
      watch[0].title: expected a string
      watch[0].severity: expected a string
      watch[0].pattern.a[0]: unknown operator "prefx"
    "#);
    assert_eq!(trailscan(&["scan", "--rules", &bad, folder.path()]).status.code(), Some(1));
}
