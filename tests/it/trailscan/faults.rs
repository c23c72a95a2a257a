//! Broken files, odd folders and wrong arguments.

use super::{Folder, findings, scan, text, trailscan};
use crate::fixture::records::{disabled_mapping, gzip, log_file, ordinary};

#[test]
fn the_exit_code_is_2_for_invalid_arguments_and_1_for_unreadable_files() {
    let folder = Folder::with_trail("exit-code");
    let path = folder.path();
    for (arguments, code) in [
        (vec!["scan"], 2),
        (vec!["scan", "--format", "xml", path], 2),
        (vec!["scan", "--event-sources", "lambda", path], 2),
        (vec!["nonsense"], 2),
        (vec!["--help"], 0),
        (vec!["scan", "/does/not/exist"], 1),
        (vec!["scan", "--event-sources", "*", path], 0),
    ] {
        assert_eq!(trailscan(&arguments).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_scan_of_nothing_is_an_error() {
    let output = trailscan(&["scan", Folder::new("nothing").path()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).ends_with("trailscan: no log object was found\n"), "{}", text(&output.stderr));
}

#[test]
fn findings_before_a_fault_are_printed_and_the_fault_is_reported() {
    let broken = gzip(log_file(&[disabled_mapping(9, "returns", "x")]));
    let folder = Folder::with_trail("broken").put("broken.json.gz", &broken[..broken.len() - 1]);
    let output = scan(folder.path());
    assert_eq!((output.status.code(), findings(&output).len()), (Some(1), 5));
    assert!(text(&output.stderr).contains("broken.json.gz: gzip data truncated at stored byte"));
}

/// Each worker reuses its buffers from file to file.
#[test]
fn a_broken_file_does_not_affect_the_next() {
    let mut folder = Folder::new("buffers");
    let whole = log_file(&[ordinary(1), disabled_mapping(1, "orders", "AUTHORIZATION_ERROR")]);
    let broken = gzip(&whole);
    for n in (0..60).step_by(3) {
        folder = folder
            .put(&format!("{n:02}.json"), &whole.as_bytes()[..whole.len() - 5])
            .put(&format!("{:02}.json.gz", n + 1), &broken[..broken.len() / 2])
            .put(&format!("{:02}.json", n + 2), &whole);
    }
    let output = scan(folder.path());
    assert_eq!(output.status.code(), Some(1));
    let summary = text(&output.stderr);
    assert!(summary.contains("Read          60 objects with ") && summary.contains("Problems      40\n"), "{summary}");
    let objects: Vec<_> =
        findings(&output).iter().map(|it| it["object"].as_str().expect("an object").to_owned()).collect();
    for n in (2..60).step_by(3) {
        let found = objects.iter().filter(|it| it.ends_with(&format!("/{n:02}.json"))).count();
        assert_eq!(found, 1, "{n}");
    }
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_followed_once() {
    use std::os::unix::fs::symlink;

    let folder = Folder::with_trail("links");
    symlink(folder.path(), folder.file("loop")).expect("a link");
    symlink(folder.file("sub/b.json"), folder.file("linked.json")).expect("a link");
    symlink("nowhere", folder.file("dangling.json")).expect("a link");
    let output = scan(folder.path());
    assert_eq!((output.status.code(), findings(&output).len()), (Some(1), 7));
    assert!(text(&output.stderr).contains("dangling.json"));
}
