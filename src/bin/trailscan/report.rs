//! A report of a scan: one HTML page that needs no other file, for people who do not use a terminal.
//!
//! The page makes no requests and has a strict Content Security Policy. Every string from a record is sanitized, like
//! in an alert, and escaped.

mod chart;
mod incidents;
mod page;
mod rankings;
mod shown;
mod stops;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

pub(crate) use page::Scan;

/// A report that will be written to a file.
pub(crate) struct Report {
    file: PathBuf,
    temporary: Temporary,
    content: File,
}

impl Report {
    /// Creates a temporary file beside the file of the report, so that a folder without permission to write is an error
    /// before the scan.
    ///
    /// # Errors
    /// If the report could not be written later.
    pub(crate) fn create(file: &Path) -> io::Result<Self> {
        let file = match fs::canonicalize(file) {
            // A device or a pipe cannot be replaced.
            Ok(existing) if !existing.is_file() => return Err(io::Error::other("not a regular file")),
            Ok(existing) => existing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => file.to_owned(),
            Err(error) => return Err(error),
        };
        let name = file.file_name().ok_or_else(|| io::Error::other("not the name of a file"))?;
        let name = format!(".{}.{}.tmp", name.display(), std::process::id());
        let temporary = Temporary(file.with_file_name(name));
        // A process with the same ID may have been killed. A link in its place is not followed.
        fs::remove_file(&temporary.0).ok();
        let content = create_private(&temporary.0)?;
        if let Ok(existing) = fs::metadata(&file) {
            content.set_permissions(existing.permissions())?;
        }
        Ok(Self { file, temporary, content })
    }

    /// Writes the report, and replaces the file if it exists.
    pub(crate) fn write(mut self, scan: &Scan<'_>) -> io::Result<()> {
        self.content.write_all(page::page(scan).into_string().as_bytes())?;
        self.content.sync_all()?;
        fs::rename(&self.temporary.0, &self.file)
    }
}

/// Creates a file that only its owner can read: a report contains names and messages from logs.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A temporary file, which is removed unless it has been renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}
