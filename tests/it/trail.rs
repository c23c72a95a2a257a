//! The trail reader: valid and broken log objects, read in chunks of every size.

mod broken;
mod corpus;
mod gzip;
mod properties;
mod records;

pub(crate) use gzip::gzip_header;
use trailwarden::trail::{Entry, EntryError, Limits, RecordReader, TrailError};

use crate::fixture::records::{gzip, log_file, ordinary};

/// Sizes of chunks: the whole object, single bytes, and a mixture.
const CHUNKINGS: [&[usize]; 3] = [&[usize::MAX], &[1], &[7, 64, 1]];

/// An entry with its offset.
pub(crate) type ReadEntry = Result<(u64, Vec<u8>), (u64, EntryError)>;

/// What the reader returned for an object.
#[derive(Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) entries: Vec<ReadEntry>,
    pub(crate) end: Result<(), TrailError>,
}

impl Reading {
    fn records(&self) -> usize {
        self.entries.iter().filter(|it| it.is_ok()).count()
    }

    fn error(&self) -> String {
        self.end.as_ref().expect_err("an error").to_string()
    }
}

/// Reads an object in chunks of these sizes, which repeat until the end of the object.
pub(crate) fn read_in(stored: &[u8], limits: Limits, sizes: &[usize]) -> Reading {
    let mut reader = RecordReader::new(limits);
    let mut entries = Vec::new();
    let mut rest = stored;
    let mut end = Ok(());
    for size in sizes.iter().cycle() {
        let (chunk, after) = rest.split_at(rest.len().min(*size));
        rest = after;
        end = reader.push(chunk, |entry| {
            entries.push(match entry {
                Entry::Record { offset, bytes } => Ok((offset, bytes.to_vec())),
                Entry::Unreadable { offset, error } => Err((offset, error)),
            });
        });
        if end.is_err() || rest.is_empty() {
            break;
        }
    }
    Reading { entries, end: end.and_then(|()| reader.finish()) }
}

pub(crate) fn read(stored: impl AsRef<[u8]>) -> Reading {
    read_in(stored.as_ref(), Limits::default(), &[usize::MAX])
}

#[test]
fn a_reader_that_is_reset_reads_another_object() {
    let (file, sixteen) = twenty_records();
    let gzipped = gzip(&file);
    // The header has a file name, an additional field and a checksum.
    let header = [0x1f, 0x8b, 8, 0b1110, 0, 0, 0, 0, 0, 255, 1, 0, 7, b'n'];
    let mut reader = RecordReader::new(Limits::default());
    for first in [&file, &file[..sixteen - 1], &gzipped, &gzipped[..gzipped.len() - 1], &header, b"no trail"] {
        for next in [&file, &gzipped] {
            let _ = reader.push(first, |_| {});
            reader.reset();
            let mut records = 0;
            assert_eq!(reader.push(next, |_| records += 1), Ok(()));
            assert_eq!((records, reader.finish(), reader.inflated_bytes()), (20, Ok(()), file.len() as u64));
            reader.reset();
        }
    }
}

/// A log file of twenty records, and the offset at which the sixteenth record ends.
fn twenty_records() -> (Vec<u8>, usize) {
    let records: Vec<_> = (0..20).map(ordinary).collect();
    let file = log_file(&records).into_bytes();
    let sixteen = log_file(&records[..16]).len() - "]}".len();
    (file, sixteen)
}
