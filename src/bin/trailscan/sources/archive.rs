//! Archives of log files, in tar format.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use tar::Archive;

use super::file_name::is_log_file;

/// Passes the log files in an archive, which may be compressed with gzip, to `take`, one after another. Files with other
/// names, and digests, are skipped. Ends early if `take` returns false.
///
/// # Errors
/// If the archive cannot be read or is damaged. The files before the error have been passed to `take`.
pub(crate) fn for_each_log_file(
    reader: impl Read,
    mut take: impl FnMut(&str, &mut dyn Read) -> bool,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(256 * 1024, reader);
    let is_compressed = io::BufRead::fill_buf(&mut reader)?.starts_with(&[0x1f, 0x8b]);
    let content: Box<dyn Read> = if is_compressed { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
    for entry in Archive::new(content).entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type().is_file() && is_log_file(&name) && !take(&name, &mut entry) {
            break;
        }
    }
    Ok(())
}
