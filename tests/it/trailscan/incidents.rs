//! Stops of mappings, joined with their ends and likely causes.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{Folder, findings, text, trailscan};
use crate::fixture::records::{called_by_alice, denied_to, disabled_mapping, enabled_mapping, log_file, queue_url};

/// Alice deletes the queue, AWS disables the mapping 4 minutes later, and a user enables it.
fn story() -> [Value; 3] {
    let at = |mut record: Value, time: &str| {
        record["eventTime"] = json!(time);
        record
    };
    let change = called_by_alice(1, "sqs", "DeleteQueue", &json!({"queueUrl": queue_url("orders")}));
    [
        at(change, "2026-01-02T02:56:00Z"),
        at(disabled_mapping(1, "orders", "RESOURCE_NOT_FOUND"), "2026-01-02T03:00:00Z"),
        at(enabled_mapping(1, "orders"), "2026-01-02T05:13:05Z"),
    ]
}

fn folder(name: &str, records: &[Value]) -> Folder {
    let files = records.iter().enumerate();
    files.fold(Folder::new(name), |folder, (at, record)| folder.put(&format!("{at}.json"), log_file([record])))
}

#[test]
fn a_stop_is_shown_with_its_cause_and_its_end_in_whatever_order_they_are_read() {
    let [change, stop, end] = story();
    let forwards = folder("story", &[change.clone(), stop.clone(), end.clone()]);
    let backwards = folder("story-backwards", &[end, stop, change]);
    let shown = [forwards, backwards].map(|folder| text(&trailscan(&["scan", "--causes", folder.path()]).stdout));
    assert_eq!(shown[0], shown[1]);
    assert_snapshot!(shown[0], @"
    Stopped event source mappings: 1
     critical  2026-01-02 03:00  1×  orders-queue → orders; RESOURCE_NOT_FOUND; stopped for 2 hours 13 minutes; likely cause: role deployer (session alice) called sqs:DeleteQueue on orders-queue 4 minutes before the stop
    ");
}

#[test]
fn the_text_of_a_stop_is_followed_by_its_resolution() {
    let output = text(&trailscan(&["scan", "--format", "text", folder("texts", &story()).path()]).stdout);
    let lines = output.lines().filter(|it| {
        ["Subject", "Likely cause:", "It was stopped"].iter().any(|start| it.trim_start().starts_with(start))
    });
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @"
    Subject: Stopped: orders-queue -> orders RESOURCE_NOT_FOUND 111122223333 us-east-1
      Likely cause: role deployer (session alice) called sqs:DeleteQueue on orders-queue 4 minutes before the stop.
    Subject: Resolved: orders-queue -> orders enabled 111122223333 us-east-1
    It was stopped for 2 hours 13 minutes, from 2026-01-02 03:00:00 UTC to 2026-01-02 05:13:05 UTC in us-east-1 (account 111122223333).
    ");
}

#[test]
fn a_change_is_a_finding_only_if_it_is_asked_for() {
    let folder = folder("changes", &story());
    let kinds = |options: &[&str]| -> Vec<String> {
        let output = trailscan(&[&["scan", "--format", "jsonl", folder.path()], options].concat());
        findings(&output).iter().map(|it| it["alert_type"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(kinds(&[]), ["esm_disabled"]);
    assert_eq!(kinds(&["--esm-changes"]), ["esm_disabled", "esm_changed"]);
    let table = text(&trailscan(&["scan", "--esm-changes", folder.path()]).stdout);
    assert!(table.contains("Event source mappings that users changed: 1\n"), "{table}");
    assert!(table.contains("stopped for 2 hours 13 minutes"), "{table}");
}

/// A selection or a suppression of changes does not hide that a stop is over.
#[test]
fn a_change_that_is_not_selected_still_ends_a_stop() {
    let folder = folder("unselected", &story());
    for options in
        [&["--kind", "esm_disabled"][..], &["--until", "2026-01-02T04:00:00"], &["--caller", "lambda.amazonaws"]]
    {
        let output = trailscan(&[&["scan", "--esm-changes", folder.path()], options].concat());
        let table = text(&output.stdout);
        assert!(table.contains("stopped for 2 hours 13 minutes"), "{options:?} {table}");
        assert!(text(&output.stderr).contains("Not selected  1\n"), "{options:?}");
    }
}

#[test]
fn a_kind_that_is_off_by_default_can_be_selected() {
    let output = trailscan(&["scan", "--format", "jsonl", "--kind", "esm_changed", folder("kind", &story()).path()]);
    assert_eq!(findings(&output).len(), 1);
}

#[test]
fn each_incident_is_one_line() {
    let mut records: Vec<_> = (0..30)
        .map(|n| denied_to(&format!("role-{}", n % 5), n, "GetFunction", &format!("f{n}\n{}", "x".repeat(400))))
        .collect();
    records[3]["awsRegion"] = json!("eu-west-1");
    records.extend(story());
    let table = text(&trailscan(&["scan", folder("lines", &records).path()]).stdout);
    let lines: Vec<_> = table.lines().map(|it| it.split_whitespace().take(4).collect::<Vec<_>>().join(" ")).collect();
    assert_snapshot!(lines.join("\n"), @"
    Stopped event source mappings:
    critical 2026-01-02 03:00 1×

    Denied calls: 5
    medium 2026-01-02 03:00 6×
    medium 2026-01-02 03:00 6×
    medium 2026-01-02 03:00 6×
    medium 2026-01-02 03:00 6×
    medium 2026-01-02 03:00 6×
    ");
}
