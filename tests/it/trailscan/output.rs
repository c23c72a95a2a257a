//! Findings and summary.

use insta::assert_snapshot;
use serde_json::Value;

use super::{Folder, findings, scan, scan_standard_input, start, text, trailscan};
use crate::fixture::records::{denied, disabled_mapping, gzip, log_file};

/// A finding, without the path of its object.
fn shown(finding: &Value) -> String {
    let mut shown = finding.clone();
    shown["object"] = Value::from("…");
    serde_json::to_string_pretty(&shown).expect("JSON")
}

#[test]
fn jsonl_has_one_finding_per_line() {
    let output = scan(Folder::with_trail("jsonl").path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let findings = findings(&output);
    assert_eq!(findings.len(), 4);
    assert!(findings[0]["object"].as_str().is_some_and(|it| it.ends_with("_a.json.gz")));
    assert_snapshot!(shown(&findings[0]), @r#"
    {
      "account": "111122223333",
      "actor": "service lambda.amazonaws.com",
      "alert_type": "esm_disabled",
      "api_action": "LambdaESMDisabled",
      "category": "AUTHORIZATION_ERROR",
      "event_id": "bd4607c8-6933-48e9-8001-000000000001",
      "event_name": "LambdaESMDisabled",
      "event_source": "lambda.amazonaws.com",
      "event_source_arn": "arn:aws:sqs:us-east-1:111122223333:orders-queue",
      "event_time": "2026-01-02T03:00:01Z",
      "function_arn": "arn:aws:lambda:us-east-1:111122223333:function:orders",
      "function_name": "orders",
      "mapping_uuid": "d46904b0-0f95-48b0-8001-000000000001",
      "object": "…",
      "principal": "lambda.amazonaws.com",
      "reason": "AUTHORIZATION_ERROR",
      "region": "us-east-1",
      "severity": "critical",
      "source_ip_address": "lambda.amazonaws.com",
      "user_agent": "lambda.amazonaws.com",
      "version": "1"
    }
    "#);
    assert_snapshot!(shown(&findings[1]), @r#"
    {
      "account": "111122223333",
      "actor": "role deployer",
      "alert_type": "access_denied",
      "api_action": "DeleteFunction",
      "category": "policy",
      "denied_action": "lambda:DeleteFunction",
      "denied_principal": "arn:aws:sts::111122223333:assumed-role/deployer/run-0",
      "denied_resource": "arn:aws:lambda:us-east-1:111122223333:function:orders",
      "error_code": "AccessDenied",
      "error_message": "User: arn:aws:sts::111122223333:assumed-role/deployer/run-0 is not authorized to perform: lambda:DeleteFunction on resource: arn:aws:lambda:us-east-1:111122223333:function:orders because no identity-based policy allows the lambda:DeleteFunction action",
      "error_message_encoded": false,
      "error_message_truncated": false,
      "event_id": "5ea303e4-3498-4c74-8000-000000000000",
      "event_name": "DeleteFunction20150331",
      "event_source": "lambda.amazonaws.com",
      "event_time": "2026-01-02T03:00:00Z",
      "function_name": "orders",
      "object": "…",
      "policy_effect": "implicit",
      "policy_type": "identity-based",
      "principal": "arn:aws:iam::111122223333:role/deployer",
      "region": "us-east-1",
      "session_name": "run-0",
      "severity": "medium",
      "source_ip_address": "203.0.113.0",
      "user_agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace}",
      "version": "1"
    }
    "#);
}

#[test]
fn the_summary_says_what_was_read_and_found() {
    let output = trailscan(&["scan", Folder::with_trail("summary").path()]);
    let summary = text(&output.stderr);
    let (counts, speed) = summary.rsplit_once("Speed ").expect("a speed");
    assert!(speed.contains(" MB of inflated JSON in ") && speed.trim_end().ends_with(" MB/s"), "{speed}");
    assert_snapshot!(counts, @"
    Period        2026-01-02T03:00:00Z to 2026-01-02T03:00:02Z
    Read          2 objects with 5 records, 4 of them from AWS Lambda; 2 other files skipped
    Problems      none
    Findings      3 access_denied, 1 esm_disabled
    Incidents     1 critical, 1 medium
    Callers       3  arn:aws:iam::111122223333:role/deployer
                  1  lambda.amazonaws.com
    Actions       3  lambda:DeleteFunction
                  1  LambdaESMDisabled
    Functions     4  orders
    Accounts      4  111122223333
    ");
    assert_snapshot!(text(&output.stdout), @"
    Stopped event source mappings: 1
     critical  2026-01-02 03:00  1×  orders-queue → orders; AUTHORIZATION_ERROR; not resumed

    Denied calls: 1
     medium  2026-01-02 03:00  3×  role deployer: lambda:DeleteFunction on function orders; no identity-based policy allows the action (AccessDenied)
    ");
}

#[test]
fn standard_input_is_scanned() {
    let file = gzip(log_file(&[disabled_mapping(1, "orders", "AUTHORIZATION_ERROR")]));
    let output = scan_standard_input("text", &file);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("Subject: Stopped: orders-queue -> orders AUTHORIZATION_ERROR"));
}

#[test]
fn a_closed_output_pipe_is_not_an_error() {
    let records: Vec<_> = (0..5_000).map(|n| denied(n, "GetFunction", "orders")).collect();
    let folder = Folder::new("pipe").put("a.json", log_file(&records));
    for format in ["jsonl", "csv", "text"] {
        let mut child = start(&["scan", "--format", format, folder.path()]);
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("an exit code");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{format}");
    }
}

#[test]
fn csv_has_one_row_per_finding() {
    let mut hostile = denied(7, "GetFunction", "orders");
    hostile["userAgent"] = serde_json::json!("=HYPERLINK(\"http://example.com\",\"a\nb\")");
    let folder = Folder::with_trail("csv").put("z.json", log_file(&[hostile]));
    let output = trailscan(&["scan", "--format", "csv", folder.path()]);
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    let header = reader.headers().expect("a header").clone();
    let rows: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 5);
    let cell = |row: usize, name: &str| {
        let column = header.iter().position(|it| it == name).expect("a column");
        rows[row][column].to_owned()
    };
    assert_eq!(cell(0, "category"), "AUTHORIZATION_ERROR");
    assert_eq!(cell(1, "denied_action"), "lambda:DeleteFunction");
    assert_eq!(cell(4, "user_agent"), "'=HYPERLINK(\"http://example.com\",\"a\u{fffd}b\")");
    // Every field of a finding has a column.
    for finding in findings(&scan(folder.path())) {
        for (name, value) in finding.as_object().expect("an object") {
            let row = rows.iter().position(|row| row.iter().any(|it| finding["event_id"] == it)).expect("a row");
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let value = value.replace('\n', "\u{fffd}");
            assert!([value.clone(), format!("'{value}")].contains(&cell(row, name)), "{name}");
        }
    }
}
