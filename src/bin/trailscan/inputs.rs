//! Finds the files to scan.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use trailwarden::delivery::KeyKind;

/// The inputs at the paths on the command line.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// Inputs to read, in order.
    pub(crate) sources: Vec<Source>,
    /// Number of files that were skipped in directories, because they are not log files.
    pub(crate) skipped: u64,
    /// Paths that cannot be read, with the error.
    pub(crate) unreadable: Vec<(PathBuf, std::io::Error)>,
}

/// An input to read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    File {
        path: PathBuf,
        /// Size of the file in bytes.
        bytes: u64,
    },
}

/// Lists the files at the given paths. A path to a file is always listed, regardless of its name. A directory is
/// searched recursively for `*.json` and `*.json.gz` files, except digest files. Symbolic links are followed, and each
/// directory is searched once.
pub(crate) fn collect(paths: &[PathBuf]) -> Inputs {
    let mut inputs = Inputs::default();
    let mut directories = HashSet::new();
    for path in paths {
        if path.as_os_str() == "-" {
            if !inputs.sources.contains(&Source::Stdin) {
                inputs.sources.push(Source::Stdin);
            }
        } else if let Err(error) = visit(path, true, &mut directories, &mut inputs) {
            inputs.unreadable.push((path.clone(), error));
        }
    }
    inputs
}

fn visit(
    path: &Path,
    is_argument: bool,
    directories: &mut HashSet<PathBuf>,
    inputs: &mut Inputs,
) -> std::io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_dir() {
        if is_argument || is_log_file(path) {
            inputs.sources.push(Source::File { path: path.to_owned(), bytes: metadata.len() });
        } else {
            inputs.skipped += 1;
        }
        return Ok(());
    }
    if !directories.insert(path.canonicalize()?) {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if let Err(error) = visit(&path, false, directories, inputs) {
            inputs.unreadable.push((path, error));
        }
    }
    Ok(())
}

fn is_log_file(path: &Path) -> bool {
    let name = path.to_string_lossy();
    let has_extension = [".json", ".json.gz"].iter().any(|extension| name.ends_with(extension));
    has_extension && KeyKind::of(&name) != KeyKind::Digest
}
