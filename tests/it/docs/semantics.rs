//! Checks that the tests that docs/SEMANTICS.md and docs/PROOF.md name exist.

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

fn all_tests() -> Vec<String> {
    let mut tests = Vec::new();
    for folder in ["src", "tests"] {
        collect_tests(&root().join(folder), &mut tests);
    }
    tests
}

/// Checks that a text names at least one test, and only existing ones. The names are in backquotes and contain an
/// underscore.
fn assert_tests_exist(tests: &[String], text: &str) {
    let names: Vec<_> = text.split('`').skip(1).step_by(2).filter(|it| is_name(it)).collect();
    assert!(!names.is_empty(), "no test: {text}");
    for name in names {
        assert!(tests.iter().any(|it| it == name), "{name} is not a test: {text}");
    }
}

/// A guarantee is an item of a list.
#[test]
fn every_guarantee_names_existing_tests() {
    let page = read(&root().join("docs/SEMANTICS.md"));
    let guarantees: Vec<_> = page.split("\n- ").skip(1).filter_map(|it| it.split("\n\n").next()).collect();
    assert!(guarantees.len() > 30, "{guarantees:#?}");
    let tests = all_tests();
    for guarantee in guarantees {
        assert_tests_exist(&tests, guarantee);
    }
}

/// The last column of the table names the tests of each row.
#[test]
fn every_failure_of_other_tools_names_existing_tests() {
    let page = read(&root().join("docs/PROOF.md"));
    let (_, table) = page.split_once("\n| area | how it fails elsewhere | tests |\n|---|---|---|\n").expect("a table");
    let rows: Vec<_> = table.lines().take_while(|it| it.starts_with('|')).collect();
    assert!(rows.len() > 30, "{rows:#?}");
    let tests = all_tests();
    for row in rows {
        let (_, column) = row.trim_end_matches(" |").rsplit_once(" | ").expect("columns");
        assert_tests_exist(&tests, column);
    }
}

/// Returns true for the name of a test. Settings are in capitals.
fn is_name(quoted: &str) -> bool {
    quoted.contains('_') && quoted.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
