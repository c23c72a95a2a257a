//! The names of files that are scanned.

use std::path::Path;

use trailwarden::delivery::KeyKind;

/// Returns true for the name of a log file, outside of the folders for digests.
pub(super) fn is_log_file(name: &str) -> bool {
    let has_extension = [".json", ".json.gz"].iter().any(|extension| name.ends_with(extension));
    has_extension && KeyKind::of(name) != KeyKind::Digest
}

/// Returns true for the name of an archive: `*.tar`, `*.tar.gz` or `*.tgz`.
pub(crate) fn is_archive(path: &Path) -> bool {
    let name = path.to_string_lossy();
    [".tar", ".tar.gz", ".tgz"].iter().any(|extension| name.ends_with(extension))
}
