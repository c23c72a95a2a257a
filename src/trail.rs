//! Splits the bytes of a log object into records, as a stream.
//!
//! A log object is `{"Records":[…]}`, gzip-compressed or not. [`RecordReader`] takes the bytes as they arrive from the
//! network and passes each record to the caller as a slice of its buffer. Memory is therefore bounded by the longest
//! record, whatever the size of the object. The reader inflates, verifies and splits; it does not parse. [`Record`]
//! holds the parsed fields of a record that matters.
//!
//! A record that is too long, nested too deeply or not an object is skipped and reported with its offset, and reading
//! continues after it. Invalid gzip data or an invalid structure ends the reading; all records before it have been
//! passed to the caller.

mod gunzip;
mod record;
mod record_bytes;
mod source;
mod splitter;

pub use gunzip::GunzipError;
pub use record::{Record, RecordError};
pub(crate) use record::{SessionIssuer, UserIdentity, parse_value, value_of};
pub use record_bytes::RecordBytes;
pub use source::{ObjectBody, ObjectSource};

use gunzip::Gunzip;
use splitter::{MAX_NESTING, Scanned, Splitter, Token, Unexpected};

/// Number of bytes inflated at a time. At the end of each chunk, the inflater copies its window of 32 KiB and processes
/// the last bytes slowly. Larger chunks would leave the CPU cache before they are split.
const CHUNK: usize = 256 * 1024;

/// Limits on the sizes of an object and its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum length of a record in bytes. A longer record is skipped and reported.
    pub record_bytes: usize,
    /// Maximum inflated length of an object in bytes. The reading of a longer object ends with an error.
    pub object_bytes: u64,
}

impl Limits {
    /// Maximum size of a [`RecordReader`]'s buffer in bytes.
    pub(crate) fn max_buffer_bytes(&self) -> usize {
        (self.record_bytes + CHUNK).next_power_of_two()
    }
}

impl Default for Limits {
    /// 4 MiB for a record and 4 GiB for an object. CloudTrail itself limits an event to 256 KB.
    fn default() -> Self {
        Self { record_bytes: 4 << 20, object_bytes: 4 << 30 }
    }
}

/// An element of `Records`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A record.
    Record {
        /// Offset of its first byte in the inflated object.
        offset: u64,
        /// The JSON object, including its braces.
        bytes: RecordBytes<'a>,
    },
    /// An element that was skipped.
    Unreadable {
        /// Offset of its first byte in the inflated object.
        offset: u64,
        /// Why it was skipped.
        error: EntryError,
    },
}

/// Why an element of `Records` was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It is longer than [`Limits::record_bytes`].
    #[error("record longer than {limit} bytes")]
    TooLong {
        /// The limit in force.
        limit: usize,
    },
    /// Its braces are nested too deeply.
    #[error("record nested more than {MAX_NESTING} levels deep")]
    TooDeep,
    /// It is not a JSON object.
    #[error("expected a JSON object")]
    NotAnObject,
}

/// An error that ends the reading of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrailError {
    /// The gzip data is invalid.
    #[error(transparent)]
    Gunzip(#[from] GunzipError),
    /// A byte does not fit the expected structure.
    #[error("expected {expected}, found {found} at inflated byte {offset}")]
    Structure {
        /// Offset of the byte in the inflated object.
        offset: u64,
        /// What was expected at this offset.
        expected: &'static str,
        /// The byte, such as `` `n` `` or `byte 0xff`.
        found: String,
    },
    /// The object ends before its JSON is complete.
    #[error("expected {expected}, found the end of the object at inflated byte {offset}")]
    CutOff {
        /// Length of the inflated object.
        offset: u64,
        /// What is missing.
        expected: &'static str,
    },
    /// The JSON object has no `Records`.
    #[error("no `Records` in the JSON object ({length} bytes inflated)")]
    NoRecords {
        /// Length of the inflated object.
        length: u64,
    },
    /// The object inflates to more than [`Limits::object_bytes`].
    #[error("object longer than {limit} bytes when inflated")]
    TooLong {
        /// The limit in force.
        limit: u64,
    },
}

/// Splits one log object into records as its bytes arrive.
///
/// ```
/// use trailwarden::trail::{Entry, Limits, RecordReader};
///
/// let mut reader = RecordReader::new(Limits::default());
/// let mut found = Vec::new();
/// for chunk in [r#"{"Records":[{"a""#, r#":1},{}"#, "]}"] {
///     reader.push(chunk.as_bytes(), |entry| {
///         if let Entry::Record { offset, bytes } = entry {
///             found.push((offset, bytes.to_vec()));
///         }
///     })?;
/// }
/// reader.finish()?;
/// assert_eq!(found, [(12, br#"{"a":1}"#.to_vec()), (20, b"{}".to_vec())]);
/// # Ok::<(), trailwarden::trail::TrailError>(())
/// ```
#[derive(Debug)]
pub struct RecordReader {
    limits: Limits,
    gunzip: Gunzip,
    splitter: Splitter,
    /// Inflated bytes; `..filled` are valid.
    buffer: Vec<u8>,
    filled: usize,
    /// Offset of `buffer[0]` in the inflated object.
    base: u64,
    record: Option<OpenRecord>,
}

/// The record that is being read.
#[derive(Debug, Clone, Copy)]
struct OpenRecord {
    /// Offset of its first byte in the inflated object.
    offset: u64,
    /// The record exceeds the limit. Its bytes are discarded while the reader looks for its end.
    too_long: bool,
}

impl RecordReader {
    /// Creates a reader for one object.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            gunzip: Gunzip::new(),
            splitter: Splitter::new(),
            buffer: Vec::new(),
            filled: 0,
            base: 0,
            record: None,
        }
    }

    /// Reads the next stored bytes of the object and passes the entries that end in them to `entry`, in order. The time
    /// is linear in the inflated size.
    ///
    /// # Errors
    /// If the gzip data or the structure of the JSON is invalid, or the object is too long. The entries before the
    /// error have been passed to `entry`. The reader cannot continue until it is [`reset`](Self::reset).
    pub fn push(&mut self, mut stored: &[u8], mut entry: impl FnMut(Entry<'_>)) -> Result<(), TrailError> {
        loop {
            self.make_room();
            let (_, room) = self.buffer.split_at_mut(self.filled);
            let (room, _) = room.split_at_mut(CHUNK);
            let inflated = self.gunzip.read(&mut stored, room)?;
            if inflated == 0 {
                return Ok(());
            }
            let from = self.filled;
            self.filled += inflated;
            self.split(from, &mut entry)?;
            if self.inflated_bytes() > self.limits.object_bytes {
                return Err(TrailError::TooLong { limit: self.limits.object_bytes });
            }
        }
    }

    /// Checks that the object is complete. Call this after the last bytes have been pushed.
    ///
    /// # Errors
    /// If the object ends too early, or has no `Records`.
    pub fn finish(&self) -> Result<(), TrailError> {
        self.gunzip.finish()?;
        if let Some(expected) = self.splitter.missing_at_end() {
            return Err(TrailError::CutOff { offset: self.inflated_bytes(), expected });
        }
        if !self.splitter.found_records() {
            return Err(TrailError::NoRecords { length: self.inflated_bytes() });
        }
        Ok(())
    }

    /// Resets the reader for a new object. It keeps its buffer, unless a long record has made the buffer large.
    pub fn reset(&mut self) {
        if self.buffer.len() > 4 * CHUNK {
            self.buffer = Vec::new();
        }
        self.gunzip.reset();
        self.splitter = Splitter::new();
        self.filled = 0;
        self.base = 0;
        self.record = None;
    }

    /// Number of inflated bytes read so far.
    #[must_use]
    pub fn inflated_bytes(&self) -> u64 {
        self.base + self.filled as u64
    }

    /// Discards the bytes of finished records and makes room for one chunk after the rest.
    fn make_room(&mut self) {
        let keep_from = match self.record {
            Some(OpenRecord { offset, too_long: false }) => (offset - self.base) as usize,
            _ => self.filled,
        };
        self.buffer.copy_within(keep_from..self.filled, 0);
        self.base += keep_from as u64;
        self.filled -= keep_from;
        let needed = self.filled + CHUNK;
        if self.buffer.is_empty() {
            // The system allocates zeroed pages on first use, so pages that a small object does not need cost nothing.
            self.buffer = vec![0; needed];
        } else if self.buffer.len() < needed {
            self.buffer.resize(needed.next_power_of_two(), 0);
        }
    }

    fn split(&mut self, from: usize, entry: &mut impl FnMut(Entry<'_>)) -> Result<(), TrailError> {
        let Self { splitter, buffer, base, filled, record, limits, .. } = self;
        let (bytes, _) = buffer.split_at(*filled);
        let mut at = from;
        while let Some(token) = splitter.next(bytes, &mut at).map_err(|it| structure_error(*base, it))? {
            match token {
                Token::RecordStart(start) => {
                    *record = Some(OpenRecord { offset: *base + start as u64, too_long: false });
                }
                Token::NotARecord(start) => {
                    entry(Entry::Unreadable { offset: *base + start as u64, error: EntryError::NotAnObject });
                }
                Token::RecordEnd { end, scanned } => {
                    if let Some(open) = record.take() {
                        entry(open.close(bytes.split_at(end).0, *base, scanned, limits.record_bytes));
                    }
                }
            }
        }
        if let Some(open) = record {
            open.too_long |= *base + *filled as u64 - open.offset > limits.record_bytes as u64;
        }
        Ok(())
    }
}

impl OpenRecord {
    /// Converts the record, which ends at the end of `bytes`, to an entry. `base` is the offset of `bytes[0]`.
    fn close(self, bytes: &[u8], base: u64, scanned: Scanned, limit: usize) -> Entry<'_> {
        let offset = self.offset;
        let record = offset.checked_sub(base).and_then(|start| bytes.get(start as usize..));
        match record {
            Some(bytes) if !self.too_long && bytes.len() <= limit => {
                if scanned.too_deep {
                    Entry::Unreadable { offset, error: EntryError::TooDeep }
                } else {
                    Entry::Record { offset, bytes: RecordBytes::scanned(bytes, scanned.has_unicode_escapes) }
                }
            }
            _ => Entry::Unreadable { offset, error: EntryError::TooLong { limit } },
        }
    }
}

fn structure_error(base: u64, unexpected: Unexpected) -> TrailError {
    let Unexpected { at, byte, expected } = unexpected;
    let found = if byte.is_ascii_graphic() { format!("`{}`", char::from(byte)) } else { format!("byte {byte:#04x}") };
    TrailError::Structure { offset: base + at as u64, expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_file(record_bytes: usize) -> Vec<u8> {
        format!(r#"{{"Records":[{{"a":"{}"}}]}}"#, "x".repeat(record_bytes)).into_bytes()
    }

    #[test]
    fn a_reset_reader_keeps_its_buffer_unless_a_long_record_made_it_large() {
        for (record_bytes, before, after) in
            [(10, CHUNK, CHUNK), (2 * CHUNK, 4 * CHUNK, 4 * CHUNK), (4 * CHUNK, 8 * CHUNK, 0)]
        {
            let mut reader = RecordReader::new(Limits::default());
            reader.push(&log_file(record_bytes), |_| {}).expect("a log file");
            assert_eq!(reader.buffer.len(), before);
            reader.reset();
            assert_eq!(reader.buffer.len(), after);
        }
    }

    #[test]
    fn a_record_that_is_too_long_does_not_fill_the_memory() {
        let limits = Limits { record_bytes: 2 * CHUNK, ..Limits::default() };
        for chunk in [usize::MAX, CHUNK / 3] {
            let mut reader = RecordReader::new(limits);
            for part in log_file(20 * CHUNK).chunks(chunk) {
                reader.push(part, |_| {}).expect("a log file");
            }
            assert!(reader.buffer.len() <= limits.max_buffer_bytes(), "{}", reader.buffer.len());
        }
    }
}
