//! Files that cannot be read, and output that cannot be written.

use std::fs::File;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

use super::{Folder, start, text, trailscan};

#[test]
fn unreadable_files_are_reported_without_error_numbers() {
    let folder = Folder::with_trail("unreadable").put("binary", b"{\"watch\": \xff}");
    let path = folder.path();
    let message = |arguments: &[&str]| {
        let output = trailscan(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let first = text(&output.stderr).lines().next().unwrap_or_default().to_owned();
        first.replace(path, "FOLDER")
    };
    let messages = [
        message(&["scan", &folder.file("missing")]),
        message(&["scan", &folder.file("readme.txt/a.json")]),
        message(&["scan", "--rules", &folder.file("missing.json"), path]),
        message(&["rules", "check", &folder.file("missing.json")]),
        message(&["rules", "check", path]),
        message(&["rules", "check", &folder.file("binary")]),
    ];
    assert_snapshot!(messages.join("\n"), @"
    trailscan: FOLDER/missing: no such file or directory
    trailscan: FOLDER/readme.txt/a.json: not a directory
    trailscan: FOLDER/missing.json: no such file or directory
    trailscan: FOLDER/missing.json: no such file or directory
    trailscan: FOLDER: is a directory
    trailscan: FOLDER/binary: invalid UTF-8 at byte 10
    ");
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let folder = Folder::with_trail("full").put("rules.txt", "{}");
    let (path, rules) = (folder.path(), folder.file("rules.txt"));
    let run = |arguments: &[&str]| {
        let full = File::options().write(true).open("/dev/full").expect("/dev/full");
        let output = Command::new(env!("CARGO_BIN_EXE_trailscan")).args(arguments).stdout(full).output();
        let output = output.expect("an exit code");
        (output.status.code(), text(&output.stderr))
    };
    let expected = (Some(1), "trailscan: cannot write output: no space left on device\n".to_owned());
    for format in ["table", "jsonl", "csv", "text"] {
        assert_eq!(run(&["scan", "--format", format, path]), expected, "{format}");
    }
    assert_eq!(run(&["rules", "check", &rules]), expected);
}

#[test]
fn messages_that_cannot_be_written_do_not_stop_the_scan() {
    let folder = Folder::with_trail("quiet");
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let output = Command::new(env!("CARGO_BIN_EXE_trailscan"))
        .args(["scan", "--format", "jsonl", folder.path(), &folder.file("missing")])
        .stdin(Stdio::null())
        .stderr(full)
        .output()
        .expect("an exit code");
    assert_eq!((output.status.code(), text(&output.stdout).lines().count()), (Some(1), 4));
}

#[test]
fn a_pipe_that_is_closed_early_is_not_an_error() {
    let folder = Folder::new("closed").put("rules.json", "{}");
    let mut child = start(&["rules", "check", &folder.file("rules.json")]);
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("an exit code");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}
