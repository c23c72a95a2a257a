//! Checks that docs/SEMANTICS.md names existing tests for its guarantees.

use std::path::Path;

use super::{files, read, root};

/// Names of the tests in the Rust and Python files of a folder and its subfolders: functions with a test attribute, or
/// with the prefix that pytest looks for.
fn collect_tests(folder: &Path, names: &mut Vec<String>) {
    for path in files(folder) {
        match path.extension().and_then(|it| it.to_str()) {
            Some("rs") => names.extend(rust_tests(&read(&path))),
            Some("py") => names.extend(read(&path).lines().filter_map(|line| name_after("def test_", "test_", line))),
            _ if path.is_dir() => collect_tests(&path, names),
            _ => {}
        }
    }
}

fn rust_tests(source: &str) -> Vec<String> {
    let (mut names, mut is_test) = (Vec::new(), false);
    for line in source.lines().map(str::trim) {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if !line.starts_with("#[") {
            let name = name_after("fn ", "", line.strip_prefix("async ").unwrap_or(line));
            names.extend(name.filter(|_| is_test));
            is_test = false;
        }
    }
    names
}

/// The name of the function that a line defines.
fn name_after(keyword: &str, prefix: &str, line: &str) -> Option<String> {
    let (name, _) = line.strip_prefix(keyword)?.split_once('(')?;
    Some(format!("{prefix}{name}"))
}

/// A guarantee is an item of a list. The tests that it names are in backquotes and contain an underscore.
#[test]
fn every_guarantee_names_existing_tests() {
    let mut tests = Vec::new();
    for folder in ["src", "tests"] {
        collect_tests(&root().join(folder), &mut tests);
    }
    let page = read(&root().join("docs/SEMANTICS.md"));
    let guarantees: Vec<_> = page.split("\n- ").skip(1).filter_map(|it| it.split("\n\n").next()).collect();
    assert!(guarantees.len() > 30, "{guarantees:#?}");
    for guarantee in guarantees {
        let names: Vec<_> = guarantee.split('`').skip(1).step_by(2).filter(|it| is_name(it)).collect();
        assert!(!names.is_empty(), "no test: {guarantee}");
        for name in names {
            assert!(tests.iter().any(|it| it == name), "{name} is not a test: {guarantee}");
        }
    }
}

/// Returns true for the name of a test. Settings are in capitals.
fn is_name(quoted: &str) -> bool {
    quoted.contains('_') && quoted.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
