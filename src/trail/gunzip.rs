//! The gzip frame (RFC 1952) around a raw deflate stream, read without I/O.
//!
//! ```text
//! member  = 1f 8b 08 FLG MTIME(4) XFL OS [XLEN(2) extra] [name 00] [comment 00] [HCRC(2)]
//!           deflate data  CRC32(4)  ISIZE(4)
//! object  = member+ | plain bytes
//! ```
//!
//! Every member of an object is read, each with its checksum and length verified. An object that
//! does not start with `1f` passes through as it is, because headers of the object say nothing
//! reliable about compression. The deflate stream itself is `flate2`'s.

use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const METHOD_DEFLATE: u8 = 8;
const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
const FLAGS_RESERVED: u8 = 0b1110_0000;

/// Why an object is not readable gzip. Offsets count bytes of the object as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GunzipError {
    /// The object starts like gzip, or a further member does, and then deviates.
    #[error("gzip header at stored byte {offset}: {problem}")]
    Header {
        /// Offset of the byte that cannot stand there.
        offset: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The deflate data is invalid.
    #[error("invalid deflate data at stored byte {offset}")]
    Deflate {
        /// Offset up to which the data was consumed.
        offset: u64,
    },
    /// The inflated bytes of a member do not have the checksum its trailer states.
    #[error(
        "gzip checksum of the member that ends at stored byte {offset}: expected {expected:08x}, found {found:08x}"
    )]
    Checksum {
        /// Offset behind the member's trailer.
        offset: u64,
        /// Checksum the trailer states.
        expected: u32,
        /// Checksum of the inflated bytes.
        found: u32,
    },
    /// A member inflated to another length than its trailer states (both modulo 2^32).
    #[error("gzip length of the member that ends at stored byte {offset}: expected {expected}, found {found}")]
    Length {
        /// Offset behind the member's trailer.
        offset: u64,
        /// Length the trailer states.
        expected: u32,
        /// Length that was inflated.
        found: u32,
    },
    /// Bytes behind a member that do not start another one.
    #[error("bytes behind the end of the gzip data at stored byte {offset}")]
    TrailingBytes {
        /// Offset of the first such byte.
        offset: u64,
    },
    /// The object ended inside a member.
    #[error("gzip data cut off at stored byte {offset}")]
    Truncated {
        /// Length of the object as it was received.
        offset: u64,
    },
}

/// Part of a member's header. Optional parts are visited in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Fixed { at: usize },
    ExtraLength { at: usize },
    Extra { left: u16 },
    Name,
    Comment,
    Checksum { at: usize },
}

#[derive(Debug)]
enum State {
    /// Nothing seen yet.
    Start,
    /// Not gzip: bytes pass through.
    Plain,
    Header(Part),
    Deflate,
    /// Behind deflate data that is invalid.
    Broken,
    /// Behind the deflate data: checksum and length, little endian, as they come in.
    Trailer {
        value: u64,
        bytes: u32,
    },
    /// Behind a complete member.
    Between,
}

/// A decoder that is fed stored bytes and fills a caller's buffer with inflated ones.
#[derive(Debug)]
pub(super) struct Gunzip {
    state: State,
    inflate: Decompress,
    /// Stored bytes consumed.
    consumed: u64,
    flags: u8,
    extra_length: u16,
    header_crc: Hasher,
    stated_header_crc: u16,
    crc: Hasher,
    length: u32,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self {
            state: State::Start,
            inflate: Decompress::new(false),
            consumed: 0,
            flags: 0,
            extra_length: 0,
            header_crc: Hasher::new(),
            stated_header_crc: 0,
            crc: Hasher::new(),
            length: 0,
        }
    }

    /// Makes it ready for another object.
    pub(super) fn reset(&mut self) {
        self.inflate.reset(false);
        self.state = State::Start;
        self.consumed = 0;
        self.flags = 0;
        self.crc = Hasher::new();
        self.length = 0;
    }

    /// Consumes from the front of `input` and writes to the front of `out`, until one of them is
    /// used up; returns the bytes written. Zero means that `input` is used up.
    pub(super) fn read(&mut self, input: &mut &[u8], out: &mut [u8]) -> Result<usize, GunzipError> {
        loop {
            match self.state {
                State::Plain => return Ok(self.copy(input, out)),
                State::Deflate => {
                    let written = self.inflate(input, out);
                    if written > 0 {
                        return Ok(written);
                    }
                    if matches!(self.state, State::Deflate) && input.is_empty() {
                        return Ok(0);
                    }
                }
                State::Broken => return Err(GunzipError::Deflate { offset: self.consumed }),
                _ => {
                    let Some((&byte, rest)) = input.split_first() else {
                        return Ok(0);
                    };
                    if matches!(self.state, State::Start) && byte != MAGIC[0] {
                        self.state = State::Plain;
                        continue;
                    }
                    self.frame_byte(byte)?;
                    *input = rest;
                    self.consumed += 1;
                }
            }
        }
    }

    /// Says whether the stored bytes may end here.
    pub(super) fn finish(&self) -> Result<(), GunzipError> {
        match self.state {
            State::Start | State::Plain | State::Between => Ok(()),
            State::Broken => Err(GunzipError::Deflate { offset: self.consumed }),
            State::Header(_) | State::Deflate | State::Trailer { .. } => {
                Err(GunzipError::Truncated { offset: self.consumed })
            }
        }
    }

    fn copy(&mut self, input: &mut &[u8], out: &mut [u8]) -> usize {
        let n = input.len().min(out.len());
        let (head, rest) = input.split_at(n);
        out.split_at_mut(n).0.copy_from_slice(head);
        *input = rest;
        self.consumed += n as u64;
        n
    }

    fn inflate(&mut self, input: &mut &[u8], out: &mut [u8]) -> usize {
        let (in_before, out_before) = (self.inflate.total_in(), self.inflate.total_out());
        let outcome = self.inflate.decompress(input, out, FlushDecompress::None);
        let used = (self.inflate.total_in() - in_before) as usize;
        let written = (self.inflate.total_out() - out_before) as usize;
        self.consumed += used as u64;
        *input = input.split_at(used).1;
        self.crc.update(out.split_at(written).0);
        self.length = self.length.wrapping_add(written as u32);
        match outcome {
            Ok(Status::StreamEnd) => self.state = State::Trailer { value: 0, bytes: 0 },
            Ok(_) if used > 0 || written > 0 || input.is_empty() => {}
            // What was inflated in front of the fault is handed over first.
            Ok(_) | Err(_) => self.state = State::Broken,
        }
        written
    }

    /// Takes one byte of the frame, that is, of anything but deflate data.
    fn frame_byte(&mut self, byte: u8) -> Result<(), GunzipError> {
        match self.state {
            State::Start => self.begin_member(byte),
            State::Between if byte == MAGIC[0] => self.begin_member(byte),
            State::Between => Err(GunzipError::TrailingBytes { offset: self.consumed }),
            State::Header(part) => self.header_byte(part, byte),
            State::Trailer { value, bytes } => {
                let value = value | u64::from(byte) << (8 * bytes);
                self.state = State::Trailer { value, bytes: bytes + 1 };
                if bytes == 7 { self.end_member(value as u32, (value >> 32) as u32) } else { Ok(()) }
            }
            State::Plain | State::Deflate | State::Broken => Ok(()),
        }
    }

    fn begin_member(&mut self, byte: u8) -> Result<(), GunzipError> {
        self.header_crc = Hasher::new();
        self.header_byte(Part::Fixed { at: 0 }, byte)
    }

    fn header_byte(&mut self, part: Part, byte: u8) -> Result<(), GunzipError> {
        if !matches!(part, Part::Checksum { .. }) {
            self.header_crc.update(&[byte]);
        }
        match part {
            Part::Fixed { at } => {
                self.check_fixed(at, byte)?;
                if at < 9 {
                    self.state = State::Header(Part::Fixed { at: at + 1 });
                } else {
                    self.enter(Part::ExtraLength { at: 0 });
                }
            }
            Part::ExtraLength { at: 0 } => {
                self.extra_length = u16::from(byte);
                self.state = State::Header(Part::ExtraLength { at: 1 });
            }
            Part::ExtraLength { .. } => {
                self.extra_length |= u16::from(byte) << 8;
                self.enter(Part::Extra { left: self.extra_length });
            }
            Part::Extra { left } => self.enter(Part::Extra { left: left - 1 }),
            Part::Name if byte == 0 => self.enter(Part::Comment),
            Part::Comment if byte == 0 => self.enter(Part::Checksum { at: 0 }),
            Part::Name | Part::Comment => {}
            Part::Checksum { at: 0 } => {
                self.stated_header_crc = u16::from(byte);
                self.state = State::Header(Part::Checksum { at: 1 });
            }
            Part::Checksum { .. } => {
                self.stated_header_crc |= u16::from(byte) << 8;
                if self.header_crc.clone().finalize() & 0xffff != u32::from(self.stated_header_crc) {
                    return Err(self.header_error("its checksum does not match"));
                }
                self.begin_deflate();
            }
        }
        Ok(())
    }

    fn check_fixed(&mut self, at: usize, byte: u8) -> Result<(), GunzipError> {
        match at {
            0 | 1 if MAGIC.get(at) != Some(&byte) => Err(self.header_error("not the gzip magic 1f 8b")),
            2 if byte != METHOD_DEFLATE => Err(self.header_error("unknown compression method")),
            3 if byte & FLAGS_RESERVED != 0 => Err(self.header_error("reserved flags are set")),
            3 => {
                self.flags = byte;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Goes to `part`, or to the first one behind it that this header has.
    fn enter(&mut self, part: Part) {
        let has = |flag| self.flags & flag != 0;
        let next = match part {
            Part::ExtraLength { .. } if !has(FLAG_EXTRA) => Part::Name,
            Part::Extra { left: 0 } => Part::Name,
            other => other,
        };
        let next = if next == Part::Name && !has(FLAG_NAME) { Part::Comment } else { next };
        let next = if next == Part::Comment && !has(FLAG_COMMENT) { Part::Checksum { at: 0 } } else { next };
        match next {
            Part::Checksum { .. } if !has(FLAG_HEADER_CRC) => self.begin_deflate(),
            part => self.state = State::Header(part),
        }
    }

    fn begin_deflate(&mut self) {
        self.inflate.reset(false);
        self.crc = Hasher::new();
        self.length = 0;
        self.state = State::Deflate;
    }

    fn end_member(&mut self, checksum: u32, length: u32) -> Result<(), GunzipError> {
        let offset = self.consumed + 1;
        let found = self.crc.clone().finalize();
        if checksum != found {
            return Err(GunzipError::Checksum { offset, expected: checksum, found });
        }
        if length != self.length {
            return Err(GunzipError::Length { offset, expected: length, found: self.length });
        }
        self.state = State::Between;
        Ok(())
    }

    fn header_error(&self, problem: &'static str) -> GunzipError {
        GunzipError::Header { offset: self.consumed, problem }
    }
}
