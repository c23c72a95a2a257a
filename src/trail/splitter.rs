//! Splits `{"Records":[{…},{…}]}` into its records by structure alone.
//!
//! ```text
//! object  = "{" [ member *( "," member ) ] "}"          any white space between tokens
//! member  = "Records" ":" "[" [ element *( "," element ) ] "]"  |  string ":" value
//! element = record | any other value, which is reported and passed over
//! record  = "{" … the brace that closes it
//! ```
//!
//! Strings and depth are tracked from the first byte, so that no text inside a record can pose as
//! a record. Inside a record only quotes, backslashes and braces matter, and 64 bytes are looked
//! at together. Of a block with neither brace nor backslash, about half of them in real trails,
//! it is only noted where quotes were; they are counted when a brace follows. What stands between
//! the braces is not validated here; that is the parser's work, on the records that are parsed at
//! all.
//!
//! Cost is linear in the input; memory is constant. Keys are compared as they are written: an
//! escaped spelling of `Records` is not recognised.

use wide::{i8x64, u8x64};

/// Depth of braces that a record may have.
pub(crate) const MAX_NESTING: u32 = 100;

const RECORDS: &[u8] = b"Records";

const QUOTE: i8x64 = u8x64::new([b'"'; 64]).cast_signed();
const BACKSLASH: i8x64 = u8x64::new([b'\\'; 64]).cast_signed();
/// Of ASCII, only the braces, `|`, `~` and DEL are greater; other bytes are negative.
const BELOW_BRACES: i8x64 = u8x64::new([b'z'; 64]).cast_signed();

/// What the bytes seen so far have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A record begins at this index of the bytes given.
    RecordStart(usize),
    /// The record ended before this index.
    RecordEnd {
        end: usize,
        /// It was nested deeper than [`MAX_NESTING`].
        too_deep: bool,
    },
    /// A value other than an object stands in `Records`, at this index.
    NotARecord(usize),
}

/// A byte that the structure does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unexpected {
    pub(super) at: usize,
    pub(super) byte: u8,
    pub(super) expected: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeRoot,
    /// Behind `{` (`first`) or behind a comma of the root object.
    BeforeKey {
        first: bool,
    },
    Key,
    BeforeColon,
    BeforeValue,
    /// Inside a value that is passed over.
    Value(Skip),
    /// Behind a value of the root object.
    AfterValue,
    /// Behind `[` (`first`) or behind a comma of `Records`.
    BeforeElement {
        first: bool,
    },
    InRecord,
    AfterElement,
    AfterRoot,
}

/// A value that is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Skip {
    /// Open braces and brackets.
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// It is an element of `Records`, rather than a member of the root.
    element: bool,
}

#[derive(Debug)]
pub(super) struct Splitter {
    state: State,
    key: KeyMatch,
    scan: RecordScan,
    found_records: bool,
}

impl Splitter {
    pub(super) fn new() -> Self {
        Self { state: State::BeforeRoot, key: KeyMatch::default(), scan: RecordScan::begin(), found_records: false }
    }

    /// Looks at `bytes` from `at` on, up to the next token, and moves `at` behind what it has seen.
    /// `None` means that all were seen.
    pub(super) fn next(&mut self, bytes: &[u8], at: &mut usize) -> Result<Option<Token>, Unexpected> {
        loop {
            if self.state == State::InRecord {
                let end = self.scan.find_end(bytes, *at);
                *at = end.unwrap_or(bytes.len());
                if end.is_some() {
                    self.state = State::AfterElement;
                }
                return Ok(end.map(|end| Token::RecordEnd { end, too_deep: self.scan.too_deep }));
            }
            let Some(&byte) = bytes.get(*at) else {
                return Ok(None);
            };
            let token = self.step(byte, *at)?;
            *at += 1;
            if token.is_some() {
                return Ok(token);
            }
        }
    }

    /// Says what is missing where the input ends now; `None` if nothing is.
    pub(super) fn missing_at_end(&self) -> Option<&'static str> {
        match self.state {
            State::AfterRoot => None,
            State::BeforeRoot => Some("a JSON object with `Records`"),
            State::InRecord => Some("the end of a record"),
            State::BeforeElement { .. } | State::AfterElement => Some("the end of `Records`"),
            _ => Some("the end of the JSON object"),
        }
    }

    pub(super) fn found_records(&self) -> bool {
        self.found_records
    }

    /// Takes one byte outside of records.
    fn step(&mut self, byte: u8, at: usize) -> Result<Option<Token>, Unexpected> {
        let unexpected = |expected| Unexpected { at, byte, expected };
        self.state = match (self.state, byte) {
            (State::Key, _) => self.key_byte(byte),
            (State::Value(skip), _) => skip.step(byte),
            (_, b' ' | b'\n' | b'\r' | b'\t') => self.state,
            (State::BeforeRoot, b'{') => State::BeforeKey { first: true },
            (State::BeforeRoot, _) => return Err(unexpected("gzip, or a JSON object with `Records`")),
            (State::BeforeKey { .. }, b'"') => {
                self.key = KeyMatch::default();
                State::Key
            }
            (State::BeforeKey { first: true }, b'}') => State::AfterRoot,
            (State::BeforeKey { .. }, _) => return Err(unexpected("a key")),
            (State::BeforeColon, b':') => State::BeforeValue,
            (State::BeforeColon, _) => return Err(unexpected("`:`")),
            (State::BeforeValue, b'[') if self.key.is_records() => {
                self.found_records = true;
                State::BeforeElement { first: true }
            }
            (State::BeforeValue, _) if self.key.is_records() => return Err(unexpected("`[` behind `Records`")),
            (State::BeforeValue, _) => Skip::begin(byte, false).ok_or(unexpected("a value"))?,
            (State::AfterValue, b',') => State::BeforeKey { first: false },
            (State::AfterValue, b'}') => State::AfterRoot,
            (State::AfterValue, _) => return Err(unexpected("`,` or `}`")),
            (State::BeforeElement { .. }, b'{') => {
                self.scan = RecordScan::begin();
                self.state = State::InRecord;
                return Ok(Some(Token::RecordStart(at)));
            }
            (State::BeforeElement { first: true }, b']') => State::AfterValue,
            (State::BeforeElement { .. }, _) => {
                self.state = Skip::begin(byte, true).ok_or(unexpected("a record"))?;
                return Ok(Some(Token::NotARecord(at)));
            }
            (State::AfterElement, b',') => State::BeforeElement { first: false },
            (State::AfterElement, b']') => State::AfterValue,
            (State::AfterElement, _) => return Err(unexpected("`,` or `]` behind a record")),
            (State::AfterRoot, _) => return Err(unexpected("nothing behind the JSON object")),
            (State::InRecord, _) => State::InRecord,
        };
        Ok(None)
    }

    fn key_byte(&mut self, byte: u8) -> State {
        if self.key.ends_with(byte) { State::BeforeColon } else { State::Key }
    }
}

/// Compares a key with `Records` while its bytes come in.
#[derive(Debug, Default)]
struct KeyMatch {
    length: usize,
    differs: bool,
    escaped: bool,
}

impl KeyMatch {
    /// Takes a byte of the key; true if it is the quote that ends it.
    fn ends_with(&mut self, byte: u8) -> bool {
        if byte == b'"' && !self.escaped {
            return true;
        }
        self.escaped = byte == b'\\' && !self.escaped;
        self.differs |= RECORDS.get(self.length) != Some(&byte);
        self.length = self.length.saturating_add(1);
        false
    }

    fn is_records(&self) -> bool {
        !self.differs && self.length == RECORDS.len()
    }
}

impl Skip {
    /// The state behind the first byte of a value; `None` if no value starts with it.
    fn begin(byte: u8, element: bool) -> Option<State> {
        let skip = Skip { depth: 0, in_string: false, escaped: false, element };
        match byte {
            b'"' => Some(State::Value(Skip { in_string: true, ..skip })),
            b'{' | b'[' => Some(State::Value(Skip { depth: 1, ..skip })),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => Some(State::Value(skip)),
            _ => None,
        }
    }

    fn step(mut self, byte: u8) -> State {
        if self.in_string {
            self.in_string = byte != b'"' || self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            return if self.in_string || self.depth > 0 { State::Value(self) } else { self.behind() };
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                if self.depth == 0 {
                    return self.behind();
                }
            }
            // A number or a literal ends at what follows it.
            b',' if self.depth == 0 && self.element => return State::BeforeElement { first: false },
            b',' if self.depth == 0 => return State::BeforeKey { first: false },
            b']' if self.element => return State::AfterValue,
            b'}' if !self.element => return State::AfterRoot,
            _ => {}
        }
        State::Value(self)
    }

    fn behind(self) -> State {
        if self.element { State::AfterElement } else { State::AfterValue }
    }
}

/// Finds the brace that closes a record, from behind the brace that opens it.
#[derive(Debug)]
struct RecordScan {
    depth: u32,
    too_deep: bool,
    /// Odd inside a string. Nothing else of it means anything.
    quotes: u32,
    /// One if the next byte is escaped, else zero.
    escaped: u64,
}

impl RecordScan {
    fn begin() -> Self {
        Self { depth: 1, too_deep: false, quotes: 0, escaped: 0 }
    }

    /// The index behind the closing brace. `None` means that all of `bytes` belongs to the record.
    fn find_end(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let (blocks, tail) = bytes.get(from..)?.as_chunks::<64>();
        let mut base = from;
        // Quotes of the blocks without braces and backslashes, lane by lane: set if there were oddly many.
        let mut quotes = i8x64::ZERO;
        for block in blocks {
            let lanes = u8x64::new(*block).cast_signed();
            let is_plain = !(lanes.simd_gt(BELOW_BRACES) | lanes.simd_eq(BACKSLASH)).any();
            if is_plain && self.escaped == 0 {
                quotes ^= lanes.simd_eq(QUOTE);
            } else {
                self.pass(std::mem::replace(&mut quotes, i8x64::ZERO).to_bitmask());
                if let Some(end) = self.block(block, 64) {
                    return Some(base + end);
                }
            }
            base += 64;
        }
        self.pass(quotes.to_bitmask());
        if tail.is_empty() {
            return None;
        }
        let mut block = [0; 64];
        block.split_at_mut(tail.len()).0.copy_from_slice(tail);
        self.block(&block, tail.len()).map(|end| base + end)
    }

    /// Goes in or out of a string at each of the quotes.
    #[inline]
    fn pass(&mut self, quotes: u64) {
        self.quotes = self.quotes.wrapping_add(quotes.count_ones());
    }

    /// Takes the first `length` bytes of a block whose other bytes are zero. Returns the index behind the brace that
    /// closes the record.
    #[inline]
    fn block(&mut self, block: &[u8; 64], length: usize) -> Option<usize> {
        let lanes = u8x64::new(*block).cast_signed();
        let backslashes = lanes.simd_eq(BACKSLASH);
        let has_escapes = self.escaped != 0 || backslashes.any();
        let escaped = if has_escapes { self.escape(backslashes.to_bitmask(), length) } else { 0 };
        let quotes = lanes.simd_eq(QUOTE).to_bitmask() & !escaped;
        if quotes == 0 && self.quotes & 1 == 1 {
            // All of it is text, whatever braces it holds.
            return None;
        }
        let mut candidates = lanes.simd_gt(BELOW_BRACES).to_bitmask();
        while candidates != 0 {
            let first = candidates & candidates.wrapping_neg();
            let is_in_string = (quotes & (first - 1)).count_ones().wrapping_add(self.quotes) & 1 == 1;
            let at = first.trailing_zeros() as usize;
            if !is_in_string && self.closes_with(block.get(at).copied()) {
                return Some(at + 1);
            }
            candidates &= candidates - 1;
        }
        self.pass(quotes);
        None
    }

    /// Goes up or down at a brace outside of strings, and nowhere at another byte; true if it closes the record.
    #[inline]
    fn closes_with(&mut self, byte: Option<u8>) -> bool {
        match byte {
            Some(b'{') => {
                self.depth = self.depth.saturating_add(1);
                self.too_deep |= self.depth > MAX_NESTING;
            }
            Some(b'}') => self.depth -= 1,
            _ => {}
        }
        self.depth == 0
    }

    /// The bytes that a backslash escapes: those behind an odd run of backslashes.
    #[inline]
    fn escape(&mut self, backslashes: u64, length: usize) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        // An escaped backslash escapes nothing.
        let backslashes = backslashes & !self.escaped;
        let behind = backslashes << 1 | self.escaped;
        let odd_starts = backslashes & !EVEN & !behind;
        // Adding a run's start to the run carries to the bit behind the run, whose parity tells
        // the run's.
        let (carried, overflow) = odd_starts.overflowing_add(backslashes);
        let escaped = (EVEN ^ (carried << 1)) & behind;
        self.escaped = if length == 64 { u64::from(overflow) } else { escaped >> length & 1 };
        escaped
    }
}
