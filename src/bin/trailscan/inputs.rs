//! Which files are scanned.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use trailwarden::delivery::KeyKind;

/// What the paths of the command line come to.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// What is read, in this order.
    pub(crate) sources: Vec<Source>,
    /// Files of folders that are no log files.
    pub(crate) skipped: u64,
    /// Paths that cannot be looked at, and why.
    pub(crate) unreadable: Vec<(PathBuf, std::io::Error)>,
}

/// Something to read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    File {
        path: PathBuf,
        /// Stored bytes.
        bytes: u64,
    },
}

/// Lists the files of the given paths. A file that is given is read whatever its name; of a folder, `*.json` and
/// `*.json.gz` are, and links are followed, each folder once. Digest files are not read.
pub(crate) fn collect(paths: &[PathBuf]) -> Inputs {
    let mut inputs = Inputs::default();
    let mut folders = HashSet::new();
    for path in paths {
        if path.as_os_str() == "-" {
            if !inputs.sources.contains(&Source::Stdin) {
                inputs.sources.push(Source::Stdin);
            }
        } else if let Err(error) = visit(path, true, &mut folders, &mut inputs) {
            inputs.unreadable.push((path.clone(), error));
        }
    }
    inputs
}

fn visit(path: &Path, given: bool, folders: &mut HashSet<PathBuf>, inputs: &mut Inputs) -> std::io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_dir() {
        if given || is_log_file(path) {
            inputs.sources.push(Source::File { path: path.to_owned(), bytes: metadata.len() });
        } else {
            inputs.skipped += 1;
        }
        return Ok(());
    }
    if !folders.insert(path.canonicalize()?) {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if let Err(error) = visit(&path, false, folders, inputs) {
            inputs.unreadable.push((path, error));
        }
    }
    Ok(())
}

fn is_log_file(path: &Path) -> bool {
    let name = path.to_string_lossy();
    let ending = [".json", ".json.gz"].iter().any(|ending| name.ends_with(ending));
    ending && KeyKind::of(&name) != KeyKind::Digest
}
