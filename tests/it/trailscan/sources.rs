//! Where log files are read from.

use std::io::{BufRead, BufReader, Write};
use std::process::Command;

use super::{Folder, findings, scan, scan_standard_input, start, text};
use crate::fixture::records::{denied, disabled_mapping, gzip, key, log_file};

/// An archive of two log files, a digest and another file.
fn archive() -> Vec<u8> {
    let mapping = gzip(log_file(&[disabled_mapping(1, "orders", "AUTHORIZATION_ERROR")]));
    let denial = log_file(&[denied(1, "GetFunction", "orders")]);
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in [
        (key("a"), mapping.as_slice()),
        (key("b").replace("/CloudTrail/", "/CloudTrail-Digest/"), b"a digest"),
        ("trail/c.json".to_owned(), denial.as_bytes()),
        ("trail/readme.txt".to_owned(), b"text"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content).expect("appended");
    }
    archive.into_inner().expect("an archive")
}

#[test]
fn archives_are_scanned_as_folders_are() {
    let folder =
        Folder::new("archives").put("a.tar", archive()).put("b.tar.gz", gzip(archive())).put("c.tgz", gzip(archive()));
    let output = scan(folder.path());
    assert_eq!((output.status.code(), findings(&output).len()), (Some(0), 6), "{}", text(&output.stderr));
    let objects: Vec<_> = findings(&output).iter().map(|it| it["object"].to_string()).collect();
    assert!(objects[1].contains("/a.tar:trail/c.json"), "{objects:?}");
    assert!(text(&output.stderr).contains("Read          6 objects with 6 records"), "{}", text(&output.stderr));
}

#[test]
fn an_archive_on_standard_input_is_recognized() {
    for input in [archive(), gzip(archive())] {
        let output = scan_standard_input("jsonl", &input);
        assert_eq!((output.status.code(), findings(&output).len()), (Some(0), 2), "{}", text(&output.stderr));
        assert_eq!(findings(&output)[1]["object"], "-:trail/c.json");
    }
}

#[test]
fn a_damaged_archive_is_reported_after_its_intact_files() {
    let archive = archive();
    for (name, damaged) in [("cut", &archive[..archive.len() * 2 / 3]), ("text", b"no archive".as_slice())] {
        let folder = Folder::new(&format!("damaged-{name}")).put("a.tar", damaged).put("b.tar", &archive);
        let output = scan(folder.path());
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(text(&output.stderr).contains("/a.tar: damaged archive: "), "{}", text(&output.stderr));
        assert_eq!(findings(&output).iter().filter(|it| it["object"].to_string().contains("/b.tar:")).count(), 2);
    }
}

/// A log file that is larger than the chunks in which it is read.
fn large_file() -> String {
    let records: Vec<_> = (0..2_000).map(|n| denied(n, "GetFunction", "orders")).collect();
    log_file(&records)
}

#[test]
fn findings_are_printed_while_standard_input_is_open() {
    for format in ["jsonl", "csv"] {
        let mut child = start(&["scan", "--format", format, "-"]);
        let mut stdin = child.stdin.take().expect("a pipe");
        let file = large_file();
        let (first, rest) = file.split_at(100_000);
        stdin.write_all(first.as_bytes()).expect("written");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        assert_eq!(lines.by_ref().take(20).count(), 20);
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(rest.as_bytes()).expect("written"));
            assert_eq!(lines.count(), 1_980 + usize::from(format == "csv"));
        });
        assert_eq!(child.wait().expect("an exit code").code(), Some(0));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_scan_prints_what_it_has_found() {
    let mut child = start(&["scan", "-"]);
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&large_file().as_bytes()[..1_000_000]).expect("written");
    // The signal arrives while the rest of the input is missing.
    let signalled = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
    assert!(signalled.expect("a signal").success());
    drop(stdin);
    let output = child.wait_with_output().expect("an exit code");
    assert_eq!(output.status.code(), Some(130));
    assert!(text(&output.stdout).starts_with("Denied calls: 1\n"), "{}", text(&output.stdout));
    assert!(text(&output.stderr).ends_with("trailscan: interrupted\n"), "{}", text(&output.stderr));
}
