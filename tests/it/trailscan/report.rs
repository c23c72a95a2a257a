//! The report as an HTML page. `tests/browser` opens such pages in a browser.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Folder, start, text, trailscan};
use crate::fixture::records::{
    called_by_alice, denied, denied_to, disabled_mapping, distinct_denials, enabled_mapping, gzip, key, log_file,
    ordinary, queue_url,
};

/// A folder with a stop that has a cause and has ended, one that has not, denials and a damaged file.
fn trail(name: &str) -> Folder {
    let deleted = called_by_alice(0, "sqs", "DeleteQueue", &json!({"queueUrl": queue_url("orders")}));
    let mut records = vec![
        ordinary(1),
        deleted,
        disabled_mapping(240, "orders", "RESOURCE_NOT_FOUND"),
        enabled_mapping(240, "orders"),
        disabled_mapping(300, "invoices", "AUTHORIZATION_ERROR"),
    ];
    records.extend((0..3).map(|n| denied(n, "DeleteFunction", "orders")));
    Folder::new(&format!("report-{name}"))
        .put(&key("a"), gzip(log_file(&records)))
        .put("damaged.json", r#"{"Records":[{"eventVersion""#)
}

/// Scans a folder and returns the report.
fn report(folder: &Folder, options: &[&str]) -> String {
    let file = folder.file("report.html");
    let output = trailscan(&[&["scan", "--report", &file, folder.path()], options].concat());
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
    std::fs::read_to_string(file).expect("a report")
}

/// The text of the page, without markup, style sheet and script.
fn visible(html: &str) -> String {
    let (_, body) = html.split_once("<body>").expect("a body");
    let (body, _) = body.rsplit_once("<script>").expect("a script");
    let parts = body.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    parts.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn between<'a>(html: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = html.split_once(start).unwrap_or_else(|| panic!("no {start}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end}")).0
}

/// The names in the folder, except those of log files.
fn names(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).expect("a folder");
    let names = entries.map(|it| it.expect("an entry").file_name().into_string().expect("UTF-8"));
    names.filter(|it| it != "AWSLogs" && Path::new(it).extension() != Some("json".as_ref())).collect()
}

#[test]
fn the_report_shows_what_the_scan_found() {
    let html = report(&trail("contents"), &[]);
    let shown = visible(&html);
    for expected in [
        "Findings from 2026-01-02 03:00:00 to 2026-01-02 03:05:00 UTC",
        "Scanned 2 log objects with 8 records, 6 of them from AWS Lambda. This report is incomplete.",
        "1 object or record could not be read",
        "Stopped mappings 2 1 enabled or deleted since",
        "Denied calls 3 in 1 incident",
        "Findings per minute, in UTC.",
        "orders-queue → orders 111122223333 · us-east-1 Resumed Stopped 2026-01-02 03:04:00",
        "by role deployer , stopped for 45 minutes",
        "RESOURCE_NOT_FOUND: the event source, or another resource that the mapping uses, does not exist.",
        "Likely cause role deployer (session alice) called sqs:DeleteQueue on orders-queue 4 minutes before the stop",
        "invoices-queue → invoices 111122223333 · us-east-1 Not resumed",
        "arn:aws:iam::111122223333:role/deployer 3",
        "lambda:DeleteFunction 3",
        "Identity-based policy 0 3 0",
        "3 incidents, most severe first.",
        "medium denied 2026-01-02 03:00:00 2026-01-02 03:00:02 3 111122223333 us-east-1 role deployer",
        "What to do 1. If this call should work, allow it in an identity-based policy",
        "damaged.json",
    ] {
        assert!(shown.contains(expected), "{expected} is missing from {shown}");
    }
}

#[test]
fn headings_tables_and_charts_are_accessible() {
    let html = report(&trail("accessible"), &[]);
    let count = |part: &str| html.matches(part).count();
    assert_eq!(count("<h1>"), 1);
    assert_eq!(count("<table"), count("<caption"));
    assert!(!html.split("<th ").skip(1).any(|it| !it.split('>').next().is_some_and(|it| it.contains("scope="))));
    assert_eq!(count("role=\"img\""), count("<title>Bar chart of 5 findings per minute."));
    assert!(
        html.contains(r#"<html lang="en">"#) && html.contains(r#"<meta name="color-scheme" content="light dark">"#)
    );
    assert!(html.contains(r#"class="controls" hidden"#), "controls need the script");
}

#[test]
fn the_policy_allows_only_the_style_sheet_and_the_script_of_the_page() {
    let html = report(&trail("policy"), &[]);
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    let style = between(&html, "<style>", "</style>");
    let script = between(&html, "<script>", "</script>");
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(style),
        hash(script)
    );
    assert!(html.contains(&format!(r#"<meta http-equiv="Content-Security-Policy" content="{policy}">"#)), "{policy}");
    assert_eq!((html.matches("<style").count(), html.matches("<script").count()), (1, 1));
    let html = html.replace("http-equiv", "");
    for reference in
        ["http", "src=", "href", "url(", "@import", "<link", "<img", "<iframe", "<form", " style=", "data:"]
    {
        assert!(!html.contains(reference), "{reference}");
    }
}

#[test]
fn hostile_text_is_inert() {
    let hostile = "</td></script><script>alert(1)</script><img onerror=alert(1)>&\"'\u{202e}\u{2028}https://evil.com";
    let mut records = vec![disabled_mapping(1, "orders", hostile)];
    let mut call = denied_to("deployer", 2, "GetFunction", hostile);
    for field in
        ["userAgent", "sourceIPAddress", "errorCode", "recipientAccountId", "awsRegion", "eventTime", "eventID"]
    {
        call[field] = Value::from(format!("AccessDenied{hostile}"));
    }
    call["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] = Value::from(hostile);
    records.extend([call, denied_to(hostile, 3, "GetFunction", "orders")]);
    let folder = Folder::new("report-hostile").put("<script>x.json", log_file(&records)).put("<b>.json", "{");
    let html = report(&folder, &[]);
    let body = between(&html, "<body>", "<script>\"use strict\"");
    for markup in ["<script", "<img", "</script", "\u{202e}", "\u{2028}", "https://", "evil.com"] {
        assert!(!body.contains(markup), "{markup}");
    }
    assert!(body.contains("&lt;script&gt;alert(1)") && body.contains("evil[.]com"));
}

#[test]
fn implausible_times_do_not_stretch_the_chart() {
    let denial = |n, time: &str| {
        let mut record = denied(n, "GetFunction", "orders");
        record["eventTime"] = Value::from(time);
        record
    };
    let times = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "-5", "2026-01-02T03:00:00Z"];
    let records: Vec<_> = (0..).zip(times).map(|(n, time)| denial(n, time)).collect();
    let html = report(&Folder::new("report-times").put("a.json", log_file(&records)), &[]);
    let shown = visible(&html);
    assert!(shown.contains("Findings per minute"), "{shown}");
    assert!(
        shown.contains("3 findings have no time, or one that cannot be right, and are not in the chart."),
        "{shown}"
    );
}

#[test]
fn a_report_about_nothing_says_so() {
    let html = report(&Folder::new("report-nothing").put("a.json", log_file(&[ordinary(1)])), &[]);
    assert!(visible(&html).contains("Nothing was found."));
    assert!(!html.contains("<table") && !html.contains("<svg"));
}

#[test]
fn the_size_of_a_report_is_bounded() {
    let long = "<&'\">".repeat(60);
    let mut records: Vec<_> = distinct_denials(0..5_200).collect();
    records.extend((0..800).map(|n| disabled_mapping(n, &format!("orders-{n}"), &long.repeat(4))));
    records.extend((0..2_000).map(|n| denied_to(&format!("{n}{long}"), n, "GetFunction", &long)));
    let html = report(&Folder::new("report-size").put("a.json", log_file(&records)), &[]);
    assert!(html.len() < 10_000_000, "{}", html.len());
    assert!(visible(&html).contains("least severe are not shown."));
}

#[test]
fn findings_can_also_be_printed_as_they_arrive() {
    let folder = trail("streamed");
    let file = folder.file("report.html");
    let output = trailscan(&["scan", "--format", "jsonl", "--report", &file, folder.path()]);
    assert_eq!(text(&output.stdout).lines().count(), 5);
    let shown = visible(&std::fs::read_to_string(file).expect("a report"));
    assert!(shown.contains("stopped for 45 minutes") && shown.contains("Likely cause"), "{shown}");
}

#[test]
fn a_path_that_cannot_be_written_is_an_error_before_the_scan() {
    let folder = trail("unwritable");
    for (file, problem) in [
        (folder.file("missing/report.html"), "no such file or directory"),
        (folder.file("AWSLogs"), "not a regular file"),
        ("/dev/null".to_owned(), "not a regular file"),
        ("/".to_owned(), "not a regular file"),
        ("..".to_owned(), "not a regular file"),
    ] {
        let output = trailscan(&["scan", "--format", "jsonl", "--report", &file, folder.path()]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()), "{file}");
        let expected = format!("trailscan: cannot write the report {file}: {problem}");
        assert!(text(&output.stderr).starts_with(&expected), "{}", text(&output.stderr));
    }
    assert_eq!(names(&folder), Vec::<String>::new());
}

#[test]
fn a_report_replaces_the_file_only_when_it_is_complete() {
    let records: Vec<_> = (0..5_000).map(|n| denied(n, "GetFunction", "orders")).collect();
    let folder = Folder::new("report-replaced").put("a.json", log_file(&records)).put("report.html", "old");
    let file = folder.file("report.html");
    let mut child = start(&["scan", "--format", "jsonl", "--report", &file, folder.path()]);
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("an exit code");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "trailscan: cannot write output: broken pipe; no report was written\n");
    assert_eq!(
        (std::fs::read_to_string(&file).expect("a file"), names(&folder)),
        ("old".to_owned(), vec!["report.html".to_owned()])
    );
    assert!(report(&folder, &[]).starts_with("<!DOCTYPE html>"));
    assert_eq!(names(&folder), ["report.html"]);
}

#[test]
fn a_report_is_written_even_if_nobody_reads_the_output() {
    let folder = trail("unread");
    for format in ["table", "jsonl"] {
        let file = folder.file(&format!("{format}.html"));
        let mut child = start(&["scan", "--format", format, "--report", &file, &folder.file("AWSLogs")]);
        drop(child.stdout.take());
        child.wait().expect("an exit code");
        assert!(std::fs::read_to_string(&file).expect("a report").starts_with("<!DOCTYPE html>"), "{format}");
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_a_report_and_a_replaced_one_keeps_its_mode() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let folder = trail("mode");
    let file = folder.file("report.html");
    let mode = || std::fs::metadata(&file).expect("a report").mode() & 0o777;
    report(&folder, &[]);
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("a mode");
    report(&folder, &[]);
    assert_eq!(mode(), 0o640);
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_to_a_report_remains() {
    let folder = trail("link").put("real/report.html", "old");
    std::os::unix::fs::symlink("real/report.html", folder.file("report.html")).expect("a link");
    assert!(report(&folder, &[]).starts_with("<!DOCTYPE html>"));
    assert!(Path::new(&folder.file("report.html")).is_symlink());
}
