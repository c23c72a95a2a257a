//! Archives of log files, in tar format.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use tar::Archive;

use super::file_name::is_log_file;

/// The first bytes of data in gzip format.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Size of the first header of an archive, in bytes, which shows whether it is one.
const HEADER: u64 = 512;
/// Offset of the magic number in a header.
const MAGIC_AT: u64 = 257;
const MAGIC: [u8; 5] = *b"ustar";

/// Reads the start of an input. Returns an input with the same bytes, and whether it is an archive.
///
/// # Errors
/// If the input cannot be read.
pub(crate) fn recognized(mut input: impl Read) -> io::Result<(impl Read, bool)> {
    let mut start = Vec::new();
    input.by_ref().take(HEADER).read_to_end(&mut start)?;
    let is_archive = starts_archive(&start);
    Ok((Cursor::new(start).chain(input), is_archive))
}

fn starts_archive(start: &[u8]) -> bool {
    let mut content: Box<dyn Read> =
        if start.starts_with(&GZIP) { Box::new(MultiGzDecoder::new(start)) } else { Box::new(start) };
    let mut magic = [0; MAGIC.len()];
    let skipped = io::copy(&mut content.by_ref().take(MAGIC_AT), &mut io::sink());
    skipped.is_ok() && content.read_exact(&mut magic).is_ok() && magic == MAGIC
}

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
    let is_compressed = io::BufRead::fill_buf(&mut reader)?.starts_with(&GZIP);
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
