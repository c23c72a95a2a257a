//! Finds log files and archives in folders.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::file_name::{is_archive, is_log_file};
use super::source::Source;
use crate::diagnostics::io_error;

/// Maximum number of small files in one source, and their maximum size in bytes. Passing a source to a worker costs as
/// much as scanning a few kilobytes.
const MAX_FILES: usize = 16;
const MAX_SMALL: u64 = 128 * 1024;

/// The files that have been found so far.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Number of files that were skipped in folders.
    pub(super) skipped: u64,
    /// Number of bytes in all files.
    pub(super) bytes: u64,
    /// Number of bytes in the last source.
    small: u64,
    /// Folders that have been searched.
    folders: HashSet<PathBuf>,
    stdin: bool,
}

impl Files {
    /// Lists the files at a path, or standard input for `-`. A path to a file is always listed, regardless of its name.
    /// A folder is searched recursively for `*.json` and `*.json.gz` files, except digests, and for archives. Symbolic
    /// links are followed, and each folder is searched once.
    pub(super) fn at(&mut self, path: &OsStr) -> Vec<Source> {
        let mut found = Vec::new();
        if path == "-" {
            if !std::mem::replace(&mut self.stdin, true) {
                found.push(Source::Stdin);
            }
        } else {
            self.visit_or_report(Path::new(path), true, &mut found);
        }
        found
    }

    /// Adds a file, to the last source if that has small files only.
    fn add(&mut self, path: &Path, bytes: u64, found: &mut Vec<Source>) {
        self.bytes += bytes;
        self.small += bytes;
        match found.last_mut() {
            Some(Source::Files(paths)) if self.small <= MAX_SMALL && paths.len() < MAX_FILES => {
                paths.push(path.to_owned());
            }
            _ => {
                self.small = bytes;
                found.push(Source::Files(vec![path.to_owned()]));
            }
        }
    }

    fn visit_or_report(&mut self, path: &Path, is_argument: bool, found: &mut Vec<Source>) {
        if let Err(error) = self.visit(path, is_argument, found) {
            let name = path.display().to_string();
            found.push(Source::Unreadable { name, problem: io_error(&error) });
        }
    }

    fn visit(&mut self, path: &Path, is_argument: bool, found: &mut Vec<Source>) -> io::Result<()> {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_dir() {
            if is_argument || is_log_file(&path.to_string_lossy()) || is_archive(path) {
                self.add(path, metadata.len(), found);
            } else {
                self.skipped += 1;
            }
            return Ok(());
        }
        if !self.folders.insert(path.canonicalize()?) {
            return Ok(());
        }
        let mut entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            self.visit_or_report(&entry.path(), false, found);
        }
        Ok(())
    }
}
