//! A streaming decoder for the gzip format (RFC 1952), without I/O.
//!
//! ```text
//! member  = 1f 8b 08 FLG MTIME(4) XFL OS [XLEN(2) extra] [name 00] [comment 00] [HCRC(2)]
//!           deflate data  CRC32(4)  ISIZE(4)
//! object  = member+ | plain bytes
//! ```
//!
//! All members of an object are decoded, and the checksum and length of each are verified. An object that does not
//! start with `1f` passes through unchanged, because the HTTP headers of an object do not reliably indicate
//! compression. `flate2` inflates the deflate data.

use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const METHOD_DEFLATE: u8 = 8;
const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
const FLAGS_RESERVED: u8 = 0b1110_0000;

/// An error in gzip data. Offsets are in bytes of the object as stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GunzipError {
    /// The header of a member is invalid.
    #[error("invalid gzip header at stored byte {offset}: {problem}")]
    Header {
        /// Offset of the invalid byte.
        offset: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The deflate data is invalid.
    #[error("invalid deflate data at stored byte {offset}")]
    Deflate {
        /// Offset of the first byte that was not consumed.
        offset: u64,
    },
    /// The checksum of a member's inflated bytes differs from the one in its trailer.
    #[error(
        "gzip checksum mismatch in the member that ends at stored byte {offset}: expected {expected:08x}, found {found:08x}"
    )]
    Checksum {
        /// Offset of the byte after the member's trailer.
        offset: u64,
        /// Checksum in the trailer.
        expected: u32,
        /// Checksum of the inflated bytes.
        found: u32,
    },
    /// The inflated length of a member differs from the one in its trailer.
    #[error("gzip length mismatch in the member that ends at stored byte {offset}: expected {expected}, found {found}")]
    Length {
        /// Offset of the byte after the member's trailer.
        offset: u64,
        /// Length in the trailer, modulo 2^32.
        expected: u32,
        /// Length of the inflated bytes, modulo 2^32.
        found: u32,
    },
    /// The bytes after a member do not start another member.
    #[error("unexpected bytes after the end of the gzip data at stored byte {offset}")]
    TrailingBytes {
        /// Offset of the first of these bytes.
        offset: u64,
    },
    /// The object ends inside a member.
    #[error("gzip data truncated at stored byte {offset}")]
    Truncated {
        /// Number of bytes received.
        offset: u64,
    },
}

/// A part of a member's header. The variants are in the order of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Fixed { index: usize },
    ExtraLength { index: usize },
    Extra { remaining: u16 },
    Name,
    Comment,
    Checksum { index: usize },
}

#[derive(Debug)]
enum State {
    /// No byte has been read.
    Start,
    /// The object is not gzip, so its bytes pass through unchanged.
    Plain,
    Header(Part),
    Deflate,
    /// The deflate data is invalid.
    InvalidDeflate,
    /// Checksum and length of the member, little-endian.
    Trailer {
        value: u64,
        /// Number of bytes read into `value`.
        bytes: u32,
    },
    /// A member is complete. The object may end, or another member may follow.
    AfterMember,
}

/// Decodes the bytes of an object into the caller's buffers.
#[derive(Debug)]
pub(super) struct Gunzip {
    state: State,
    inflate: Decompress,
    /// Number of stored bytes consumed, if the object is gzip.
    consumed: u64,
    flags: u8,
    extra_length: u16,
    header_crc: Hasher,
    expected_header_crc: u16,
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
            expected_header_crc: 0,
            crc: Hasher::new(),
            length: 0,
        }
    }

    /// Resets the decoder for a new object.
    pub(super) fn reset(&mut self) {
        self.inflate.reset(false);
        self.state = State::Start;
        self.consumed = 0;
        self.flags = 0;
        self.crc = Hasher::new();
        self.length = 0;
    }

    /// Decodes bytes from the front of `input` into the front of `out`, and advances `input`. Returns the number of
    /// bytes written. Zero means that all of `input` was consumed.
    pub(super) fn read(&mut self, input: &mut &[u8], out: &mut [u8]) -> Result<usize, GunzipError> {
        loop {
            match self.state {
                State::Plain => return Ok(Self::copy(input, out)),
                State::Deflate => {
                    let written = self.inflate(input, out);
                    if written > 0 {
                        return Ok(written);
                    }
                    if matches!(self.state, State::Deflate) && input.is_empty() {
                        return Ok(0);
                    }
                }
                State::InvalidDeflate => return Err(GunzipError::Deflate { offset: self.consumed }),
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

    /// Checks that the object may end here.
    pub(super) fn finish(&self) -> Result<(), GunzipError> {
        match self.state {
            State::Start | State::Plain | State::AfterMember => Ok(()),
            State::InvalidDeflate => Err(GunzipError::Deflate { offset: self.consumed }),
            State::Header(_) | State::Deflate | State::Trailer { .. } => {
                Err(GunzipError::Truncated { offset: self.consumed })
            }
        }
    }

    fn copy(input: &mut &[u8], out: &mut [u8]) -> usize {
        let n = input.len().min(out.len());
        let (head, rest) = input.split_at(n);
        out.split_at_mut(n).0.copy_from_slice(head);
        *input = rest;
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
            // The next call reports the error. This call returns the bytes inflated before it.
            Ok(_) | Err(_) => self.state = State::InvalidDeflate,
        }
        written
    }

    /// Processes one byte outside the deflate data.
    fn frame_byte(&mut self, byte: u8) -> Result<(), GunzipError> {
        match self.state {
            State::Start => self.begin_member(byte),
            State::AfterMember if byte == MAGIC[0] => self.begin_member(byte),
            State::AfterMember => Err(GunzipError::TrailingBytes { offset: self.consumed }),
            State::Header(part) => self.header_byte(part, byte),
            State::Trailer { value, bytes } => {
                let value = value | u64::from(byte) << (8 * bytes);
                self.state = State::Trailer { value, bytes: bytes + 1 };
                if bytes == 7 { self.end_member(value as u32, (value >> 32) as u32) } else { Ok(()) }
            }
            State::Plain | State::Deflate | State::InvalidDeflate => Ok(()),
        }
    }

    fn begin_member(&mut self, byte: u8) -> Result<(), GunzipError> {
        self.header_crc = Hasher::new();
        self.header_byte(Part::Fixed { index: 0 }, byte)
    }

    fn header_byte(&mut self, part: Part, byte: u8) -> Result<(), GunzipError> {
        if !matches!(part, Part::Checksum { .. }) {
            self.header_crc.update(&[byte]);
        }
        match part {
            Part::Fixed { index } => {
                self.check_fixed(index, byte)?;
                if index < 9 {
                    self.state = State::Header(Part::Fixed { index: index + 1 });
                } else {
                    self.enter(Part::ExtraLength { index: 0 });
                }
            }
            Part::ExtraLength { index: 0 } => {
                self.extra_length = u16::from(byte);
                self.state = State::Header(Part::ExtraLength { index: 1 });
            }
            Part::ExtraLength { .. } => {
                self.extra_length |= u16::from(byte) << 8;
                self.enter(Part::Extra { remaining: self.extra_length });
            }
            Part::Extra { remaining } => self.enter(Part::Extra { remaining: remaining - 1 }),
            Part::Name if byte == 0 => self.enter(Part::Comment),
            Part::Comment if byte == 0 => self.enter(Part::Checksum { index: 0 }),
            Part::Name | Part::Comment => {}
            Part::Checksum { index: 0 } => {
                self.expected_header_crc = u16::from(byte);
                self.state = State::Header(Part::Checksum { index: 1 });
            }
            Part::Checksum { .. } => {
                self.expected_header_crc |= u16::from(byte) << 8;
                if self.header_crc.clone().finalize() & 0xffff != u32::from(self.expected_header_crc) {
                    return Err(self.header_error("checksum mismatch"));
                }
                self.begin_deflate();
            }
        }
        Ok(())
    }

    fn check_fixed(&mut self, index: usize, byte: u8) -> Result<(), GunzipError> {
        match index {
            0 | 1 if MAGIC.get(index) != Some(&byte) => Err(self.header_error("expected the gzip magic number 1f 8b")),
            2 if byte != METHOD_DEFLATE => Err(self.header_error("unknown compression method")),
            3 if byte & FLAGS_RESERVED != 0 => Err(self.header_error("reserved flags are set")),
            3 => {
                self.flags = byte;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Enters `part`, or the first part after it that this header has.
    fn enter(&mut self, part: Part) {
        let has = |flag| self.flags & flag != 0;
        let next = match part {
            Part::ExtraLength { .. } if !has(FLAG_EXTRA) => Part::Name,
            Part::Extra { remaining: 0 } => Part::Name,
            other => other,
        };
        let next = if next == Part::Name && !has(FLAG_NAME) { Part::Comment } else { next };
        let next = if next == Part::Comment && !has(FLAG_COMMENT) { Part::Checksum { index: 0 } } else { next };
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
        self.state = State::AfterMember;
        Ok(())
    }

    fn header_error(&self, problem: &'static str) -> GunzipError {
        GunzipError::Header { offset: self.consumed, problem }
    }
}
