//! `trailscan`, as a person or a script runs it.

mod explain;
mod faults;
mod incidents;
mod io_errors;
mod manual;
mod output;
mod report;
mod rules;
mod rules_test;
mod selection;
mod sources;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::fixture::records::{denied, disabled_mapping, gzip, key, log_file, ordinary};

/// A folder of log files, one for each test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trailscan-{name}"));
        if folder.exists() {
            std::fs::remove_dir_all(&folder).expect("removed");
        }
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    /// Creates a folder with two log files, which contain one disabled mapping and three denials, and two other files.
    fn with_trail(name: &str) -> Self {
        let mapping = [ordinary(1), disabled_mapping(1, "orders", "AUTHORIZATION_ERROR")];
        let denials: Vec<_> = (0..3).map(|n| denied(n, "DeleteFunction", "orders")).collect();
        Self::new(name)
            .put(&key("a"), gzip(log_file(&mapping)))
            .put("sub/b.json", log_file(&denials))
            .put(&key("c").replace("/CloudTrail/", "/CloudTrail-Digest/"), "a digest")
            .put("readme.txt", "text")
    }

    fn put(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
        self
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.path())
    }
}

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_trailscan"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("trailscan")
}

/// Runs `trailscan` without standard input.
fn trailscan(arguments: &[&str]) -> Output {
    start(arguments).wait_with_output().expect("an exit code")
}

/// Scans a folder or file, and prints findings as JSON lines.
fn scan(path: &str) -> Output {
    trailscan(&["scan", "--format", "jsonl", path])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The findings in the output of [`scan`].
fn findings(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn scan_standard_input(format: &str, bytes: &[u8]) -> Output {
    let mut child = start(&["scan", "--format", format, "-"]);
    child.stdin.take().expect("a pipe").write_all(bytes).expect("written");
    child.wait_with_output().expect("an exit code")
}
