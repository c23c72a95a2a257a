//! The trail reader: valid and broken log objects, read in chunks of every size.

mod broken;
mod corpus;
mod gzip;
mod properties;
mod records;

use trailwarden::trail::{Entry, EntryError, Limits, RecordReader, TrailError};

use crate::fixture::records::{log_file, ordinary};

/// Sizes of chunks: the whole object, single bytes, and a mixture.
const CHUNKINGS: [&[usize]; 3] = [&[usize::MAX], &[1], &[7, 64, 1]];

/// An entry with its offset.
type ReadEntry = Result<(u64, Vec<u8>), (u64, EntryError)>;

/// What the reader returned for an object.
#[derive(Debug, PartialEq)]
struct Reading {
    entries: Vec<ReadEntry>,
    end: Result<(), TrailError>,
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
fn read_in(stored: &[u8], limits: Limits, sizes: &[usize]) -> Reading {
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

fn read(stored: impl AsRef<[u8]>) -> Reading {
    read_in(stored.as_ref(), Limits::default(), &[usize::MAX])
}

/// A log file of twenty records, and the offset at which the sixteenth record ends.
fn twenty_records() -> (Vec<u8>, usize) {
    let records: Vec<_> = (0..20).map(ordinary).collect();
    let file = log_file(&records).into_bytes();
    let sixteen = log_file(&records[..16]).len() - "]}".len();
    (file, sixteen)
}
