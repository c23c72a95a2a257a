//! The command-line tool, as a person or a script runs it.

#![cfg(feature = "cli")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::generator::{denied, disabled_mapping, gzip, key, log_file, ordinary};

/// A folder of its own for each test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trailscan-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(path, bytes).expect("a file");
}

fn trail(name: &str) -> PathBuf {
    let folder = folder(name);
    let denials: Vec<_> = (0..3).map(|n| denied(n, "DeleteFunction", "orders")).collect();
    put(&folder, &key("a"), &gzip(log_file(&[ordinary(1), disabled_mapping(1, "orders", "AUTHORIZATION_ERROR")])));
    put(&folder, "sub/b.json", log_file(&denials).as_bytes());
    put(&folder, &key("c").replace("/CloudTrail/", "/CloudTrail-Digest/"), b"a digest");
    put(&folder, "readme.txt", b"text");
    folder
}

fn trailscan(arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_trailscan"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("trailscan");
    child.stdin.take().expect("a pipe").write_all(stdin).expect("written");
    child.wait_with_output().expect("an end")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn jsonl_is_a_finding_a_line() {
    let folder = trail("jsonl");
    let output = trailscan(&["scan", "--format", "jsonl", folder.to_str().expect("text")], b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let findings = lines(&output);
    assert_eq!(findings.len(), 4);
    let object = |value: &Value| value["object"].as_str().expect("an object").rsplit('/').next().map(str::to_owned);
    let mut shown = findings[0].clone();
    assert!(object(&shown).is_some_and(|it| it.ends_with("_a.json.gz")));
    shown["object"] = Value::from("…");
    insta::assert_snapshot!(serde_json::to_string_pretty(&shown).expect("JSON"), @r#"
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
    let mut shown = findings[1].clone();
    shown["object"] = Value::from("…");
    insta::assert_snapshot!(serde_json::to_string_pretty(&shown).expect("JSON"), @r#"
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
fn the_summary_counts_everything() {
    let folder = trail("summary");
    let output = trailscan(&["scan", folder.to_str().expect("text")], b"");
    let summary = text(&output.stderr);
    let (counts, throughput) = summary.rsplit_once("throughput ").expect("a throughput");
    assert!(
        throughput.contains(" MB of inflated JSON in ") && throughput.trim_end().ends_with(" MB/s"),
        "{throughput}"
    );
    insta::assert_snapshot!(counts, @"
    objects        2 read, 2 other files skipped, 0 problems
    records        5, of AWS Lambda 4
    findings       3 access_denied, 1 esm_disabled
    top callers    3 arn:aws:iam::111122223333:role/deployer, 1 lambda.amazonaws.com
    top actions    3 lambda:DeleteFunction, 1 LambdaESMDisabled
    top functions  4 orders
    ");
    insta::assert_snapshot!(text(&output.stdout), @"
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     Severity   First                  Count   What happened                                                 Why
    ════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════
     critical   2026-01-02T03:00:01Z   1       Lambda no longer reads the SQS queue orders-queue for the     AUTHORIZATION_ERROR: permissions are missing or wrong.
                                               function orders.
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     medium     2026-01-02T03:00:00Z   3       Denied: role deployer may not call lambda:DeleteFunction on   No identity-based policy allows it (AccessDenied).
                                               the function orders.
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    ");
}

#[test]
fn standard_input_and_text() {
    let file = gzip(log_file(&[disabled_mapping(1, "orders", "AUTHORIZATION_ERROR")]));
    let output = trailscan(&["scan", "--format", "text", "-"], &file);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("Subject: Stopped: orders-queue -> orders AUTHORIZATION_ERROR"));
}

#[test]
fn rules_apply_and_are_checked() {
    let folder = trail("rules");
    put(
        &folder,
        "rules/good.txt",
        br#"{"suppress":[{"name":"deployer","reason":"r","pattern":{"errorCode":["AccessDenied"]}}]}"#,
    );
    put(&folder, "rules/bad.txt", br#"{"watch":[{"name":"w","pattern":{"a":[{"prefx":"x"}]}}]}"#);
    let path = |name: &str| folder.join(name).to_str().expect("text").to_owned();
    let (good, bad, trail) = (path("rules/good.txt"), path("rules/bad.txt"), path(""));
    let output = trailscan(&["scan", "--format", "jsonl", "--rules", &good, &trail], b"");
    assert_eq!((output.status.code(), lines(&output).len()), (Some(0), 1));
    assert!(text(&output.stderr).contains("suppressed     3 by deployer"));
    assert_eq!(trailscan(&["rules", "check", &good], b"").status.code(), Some(0));
    let output = trailscan(&["rules", "check", &bad], b"");
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(text(&output.stderr).replace(&bad, "FILE"), @r#"
    trailscan: FILE: rules are wrong
      watch[0].title: required, a text
      watch[0].severity: required, a text
      watch[0].pattern.a[0]: unknown operator "prefx"
    "#);
    assert_eq!(trailscan(&["scan", "--rules", &bad, &trail], b"").status.code(), Some(1));
}

#[test]
fn exit_status() {
    let folder = trail("status");
    let path = folder.to_str().expect("text");
    for (arguments, status) in [
        (vec!["scan"], 2),
        (vec!["scan", "--format", "xml", path], 2),
        (vec!["scan", "--event-sources", "lambda", path], 2),
        (vec!["nonsense"], 2),
        (vec!["--help"], 0),
        (vec!["scan", "/does/not/exist"], 1),
        (vec!["scan", "--event-sources", "*", path], 0),
    ] {
        assert_eq!(trailscan(&arguments, b"").status.code(), Some(status), "{arguments:?}");
    }
    let broken = gzip(log_file(&[disabled_mapping(9, "returns", "x")]));
    put(&folder, "broken.json.gz", &broken[..broken.len() - 1]);
    let output = trailscan(&["scan", "--format", "jsonl", path], b"");
    assert_eq!(
        (output.status.code(), lines(&output).len()),
        (Some(1), 5),
        "what stands in front of a fault is printed"
    );
    assert!(text(&output.stderr).contains("broken.json.gz: gzip data cut off at stored byte"));
}

/// Each worker reads its files with the same buffers.
#[test]
fn a_broken_file_does_not_affect_the_next() {
    let folder = folder("buffers");
    let whole = log_file(&[ordinary(1), disabled_mapping(1, "orders", "AUTHORIZATION_ERROR")]);
    let broken = gzip(whole.clone());
    for n in (0..60).step_by(3) {
        put(&folder, &format!("{n:02}.json"), &whole.as_bytes()[..whole.len() - 5]);
        put(&folder, &format!("{:02}.json.gz", n + 1), &broken[..broken.len() / 2]);
        put(&folder, &format!("{:02}.json", n + 2), whole.as_bytes());
    }
    let output = trailscan(&["scan", "--format", "jsonl", folder.to_str().expect("text")], b"");
    assert_eq!(output.status.code(), Some(1));
    let summary = text(&output.stderr);
    assert!(summary.contains("60 read, 0 other files skipped, 40 problems"), "{summary}");
    let names: Vec<_> = lines(&output).iter().map(|it| it["object"].as_str().expect("a name").to_owned()).collect();
    for n in (2..60).step_by(3) {
        let found = names.iter().filter(|it| it.ends_with(&format!("/{n:02}.json"))).count();
        assert_eq!(found, 1, "{n}");
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_once() {
    let folder = trail("links");
    std::os::unix::fs::symlink(&folder, folder.join("loop")).expect("a link");
    std::os::unix::fs::symlink(folder.join("sub/b.json"), folder.join("linked.json")).expect("a link");
    std::os::unix::fs::symlink("nowhere", folder.join("dangling.json")).expect("a link");
    let output = trailscan(&["scan", "--format", "jsonl", folder.to_str().expect("text")], b"");
    assert_eq!((output.status.code(), lines(&output).len()), (Some(1), 7));
    assert!(text(&output.stderr).contains("dangling.json"));
}

#[test]
fn a_reader_that_stops_reading_is_no_error() {
    let records: Vec<_> = (0..5_000).map(|n| denied(n, "GetFunction", "orders")).collect();
    let folder = folder("pipe");
    put(&folder, "a.json", log_file(&records).as_bytes());
    let mut child = Command::new(env!("CARGO_BIN_EXE_trailscan"))
        .args(["scan", "--format", "jsonl", folder.to_str().expect("text")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("trailscan");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("an end");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}
