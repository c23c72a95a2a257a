//! From the bytes of a log object to its records, streamed.
//!
//! A log object is `{"Records":[…]}`, gzip-compressed or not. [`RecordReader`] is fed the bytes as
//! they come from the network and hands over each record as a slice of its one buffer, so that
//! memory is bounded by the longest record, whatever the size of the object. It inflates, verifies
//! and splits; it does not parse. [`Record`] is what is parsed of a record that matters.
//!
//! A record that is too long, nested too deep or not an object is passed over by its structure and
//! reported with its offset; reading goes on behind it. Broken gzip or broken structure ends the
//! reading, with all records before it handed over.

mod event_sources;
mod gunzip;
mod log_object;
mod record;
mod splitter;

pub use event_sources::{EventSources, EventSourcesError, is_lambda};
pub use gunzip::GunzipError;
pub use log_object::LogObject;
pub use record::{
    InScopeOf, OnBehalfOf, Record, RecordError, Resource, SessionContext, SessionIssuer, UserIdentity, parse_value,
    value_of,
};

use gunzip::Gunzip;
use splitter::{MAX_NESTING, Splitter, Token, Unexpected};

/// Bytes inflated at a time. Behind each step the window of 32 KiB is copied, and the last bytes of a step are inflated
/// slowly; larger steps leave the cache between inflating and splitting.
const STEP: usize = 256 * 1024;

/// Bounds of what is read of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that a record may have; a longer one is reported and passed over.
    pub record_bytes: usize,
    /// Inflated bytes that an object may have; reading ends there.
    pub object_bytes: u64,
}

impl Limits {
    /// The most bytes that the buffer of a [`RecordReader`] grows to.
    pub(crate) fn most_buffer_bytes(&self) -> usize {
        (self.record_bytes + STEP).next_power_of_two()
    }
}

impl Default for Limits {
    /// 4 MiB a record, 4 GiB an object. CloudTrail itself limits an event to 256 KB.
    fn default() -> Self {
        Self { record_bytes: 4 << 20, object_bytes: 4 << 30 }
    }
}

/// What stands in the list of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The bytes of a record, from brace to brace.
    Record {
        /// Offset of its first byte in the inflated object.
        offset: u64,
        /// The record as it is written.
        bytes: &'a [u8],
    },
    /// Something that is not handed over.
    Unreadable {
        /// Offset of its first byte in the inflated object.
        offset: u64,
        /// Why it is not.
        error: EntryError,
    },
}

/// Why an element of `Records` is not handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It has more bytes than [`Limits::record_bytes`].
    #[error("record of more than {limit} bytes")]
    TooLong {
        /// The limit in force.
        limit: usize,
    },
    /// Its braces are nested too deep.
    #[error("record nested more than {MAX_NESTING} deep")]
    TooDeep,
    /// It is not a JSON object.
    #[error("not a record: expected a JSON object")]
    NotAnObject,
}

/// Why the reading of an object ended before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrailError {
    /// The gzip data is broken.
    #[error(transparent)]
    Gunzip(#[from] GunzipError),
    /// A byte stands where the structure does not allow it.
    #[error("expected {expected}, found {found} at inflated byte {offset}")]
    Structure {
        /// Offset of the byte in the inflated object.
        offset: u64,
        /// What may stand there.
        expected: &'static str,
        /// The byte, as text.
        found: String,
    },
    /// The JSON text ended early.
    #[error("expected {expected}, found the end of the object at inflated byte {offset}")]
    CutOff {
        /// Length of the inflated object.
        offset: u64,
        /// What is missing.
        expected: &'static str,
    },
    /// The JSON object has no list of records.
    #[error("no `Records` in the JSON object of {length} inflated bytes")]
    NoRecords {
        /// Length of the inflated object.
        length: u64,
    },
    /// The object inflates to more than [`Limits::object_bytes`].
    #[error("object of more than {limit} inflated bytes")]
    TooLong {
        /// The limit in force.
        limit: u64,
    },
}

/// Splits one log object into records while its bytes come in.
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
    record: Option<Open>,
}

/// The record that is being read.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Offset of its first byte in the inflated object.
    offset: u64,
    /// It is over the limit: its bytes are dropped, only its end is looked for.
    too_long: bool,
}

impl RecordReader {
    /// A reader for one object.
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

    /// Takes the next stored bytes of the object and hands over the entries that end in them, in
    /// their order. Linear in the inflated size.
    ///
    /// # Errors
    /// If the gzip data or the structure of the JSON text is broken, or the object is too long.
    /// The entries before that place have been handed over; the reader is of no further use.
    pub fn push(&mut self, mut stored: &[u8], mut entry: impl FnMut(Entry<'_>)) -> Result<(), TrailError> {
        loop {
            self.make_room();
            let (_, room) = self.buffer.split_at_mut(self.filled);
            let (room, _) = room.split_at_mut(STEP);
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

    /// Says that the object has no further bytes.
    ///
    /// # Errors
    /// If it ended early, or had no `Records`.
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

    /// Makes the reader ready for another object. Its buffer is kept, unless an unusual record has made it large.
    pub fn reset(&mut self) {
        if self.buffer.len() > 4 * STEP {
            self.buffer = Vec::new();
        }
        self.gunzip.reset();
        self.splitter = Splitter::new();
        self.filled = 0;
        self.base = 0;
        self.record = None;
    }

    /// Inflated bytes read so far.
    #[must_use]
    pub fn inflated_bytes(&self) -> u64 {
        self.base + self.filled as u64
    }

    /// Drops what was handed over and makes room for one step behind the rest.
    fn make_room(&mut self) {
        let keep_from = match self.record {
            Some(Open { offset, too_long: false }) => (offset - self.base) as usize,
            _ => self.filled,
        };
        self.buffer.copy_within(keep_from..self.filled, 0);
        self.base += keep_from as u64;
        self.filled -= keep_from;
        let needed = self.filled + STEP;
        if self.buffer.is_empty() {
            // Pages that a small object does not reach are never touched.
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
                Token::RecordStart(start) => *record = Some(Open { offset: *base + start as u64, too_long: false }),
                Token::NotARecord(start) => {
                    entry(Entry::Unreadable { offset: *base + start as u64, error: EntryError::NotAnObject });
                }
                Token::RecordEnd { end, too_deep } => {
                    if let Some(open) = record.take() {
                        entry(open.close(bytes.split_at(end).0, *base, too_deep, limits.record_bytes));
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

impl Open {
    /// The entry of the record, which ends where `bytes` end; their first has the offset `base`.
    fn close(self, bytes: &[u8], base: u64, too_deep: bool, limit: usize) -> Entry<'_> {
        let offset = self.offset;
        let record = offset.checked_sub(base).and_then(|start| bytes.get(start as usize..));
        match record {
            Some(bytes) if !self.too_long && bytes.len() <= limit => {
                if too_deep {
                    Entry::Unreadable { offset, error: EntryError::TooDeep }
                } else {
                    Entry::Record { offset, bytes }
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
