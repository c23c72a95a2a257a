//! Splits `{"Records":[{…},{…}]}` into records without parsing them.
//!
//! ```text
//! object  = "{" [ member *( "," member ) ] "}"          any white space between tokens
//! member  = "Records" ":" "[" [ element *( "," element ) ] "]"  |  string ":" value
//! element = record | any other value, which is reported and skipped
//! record  = "{" … up to the matching "}"
//! ```
//!
//! Strings and nesting are tracked from the first byte, so text inside a record cannot pose as a record. Inside a
//! record only quotes, backslashes and braces matter, and 64 bytes are examined at once. About half of the blocks in
//! real trails contain neither a brace nor a backslash. For these, only the positions of quotes are recorded; the
//! quotes are counted before the next block that contains a brace or a backslash. The bytes between the braces are not
//! validated here: the parser validates the records that are parsed.
//!
//! The time is linear in the input and memory is constant. Keys are compared as written: an escaped spelling of
//! `Records` is not recognized.

use wide::{i8x64, u8x64};

/// Maximum nesting depth of the braces in a record.
pub(crate) const MAX_NESTING: u32 = 100;

const RECORDS: &[u8] = b"Records";

const QUOTE: i8x64 = u8x64::new([b'"'; 64]).cast_signed();
const BACKSLASH: i8x64 = u8x64::new([b'\\'; 64]).cast_signed();
const LETTER_U: i8x64 = u8x64::new([b'u'; 64]).cast_signed();
/// Braces, `|`, `~` and DEL are the only greater bytes. Non-ASCII bytes are negative.
const BELOW_BRACES: i8x64 = u8x64::new([b'z'; 64]).cast_signed();

/// The start or the end of an element of `Records`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A record starts at this index.
    RecordStart(usize),
    /// The record ends before the index `end`.
    RecordEnd { end: usize, scanned: Scanned },
    /// An element that is not an object starts at this index.
    NotARecord(usize),
}

/// What the scan of a record found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Its braces are nested deeper than [`MAX_NESTING`].
    pub(super) too_deep: bool,
    /// It contains an escape sequence such as `\u0041`. May be true if only the next record contains one.
    pub(super) has_unicode_escapes: bool,
}

/// A byte that does not fit the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unexpected {
    pub(super) at: usize,
    pub(super) byte: u8,
    pub(super) expected: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeRoot,
    /// After the `{` (`first`) or a comma of the root object.
    BeforeKey {
        first: bool,
    },
    Key,
    BeforeColon,
    BeforeValue,
    /// Inside a value that is skipped.
    Value(Skip),
    /// After a value of the root object.
    AfterValue,
    /// After the `[` (`first`) or a comma of `Records`.
    BeforeElement {
        first: bool,
    },
    InRecord,
    AfterElement,
    AfterRoot,
}

/// A value that is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Skip {
    /// Open braces and brackets.
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// The value is an element of `Records`, not a member of the root object.
    is_element: bool,
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

    /// Scans `bytes` from `at` up to the next token, and moves `at` past the scanned bytes. Returns `None` if all of
    /// `bytes` was scanned.
    pub(super) fn next(&mut self, bytes: &[u8], at: &mut usize) -> Result<Option<Token>, Unexpected> {
        loop {
            if self.state == State::InRecord {
                let end = self.scan.find_end(bytes, *at);
                *at = end.unwrap_or(bytes.len());
                if end.is_some() {
                    self.state = State::AfterElement;
                }
                return Ok(end.map(|end| Token::RecordEnd { end, scanned: self.scan.scanned }));
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

    /// What is missing if the input ends here; `None` if the input is complete.
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

    /// Processes one byte outside a record.
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
            (State::BeforeValue, _) if self.key.is_records() => return Err(unexpected("`[` after `Records`")),
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
            (State::AfterElement, _) => return Err(unexpected("`,` or `]` after a record")),
            (State::AfterRoot, _) => return Err(unexpected("nothing after the JSON object")),
            (State::InRecord, _) => State::InRecord,
        };
        Ok(None)
    }

    fn key_byte(&mut self, byte: u8) -> State {
        if self.key.push(byte) { State::BeforeColon } else { State::Key }
    }
}

/// Compares a key with `Records` byte by byte.
#[derive(Debug, Default)]
struct KeyMatch {
    length: usize,
    differs: bool,
    escaped: bool,
}

impl KeyMatch {
    /// Adds a byte of the key. Returns true if it is the closing quote.
    fn push(&mut self, byte: u8) -> bool {
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
    /// The state after the first byte of a value; `None` if no value starts with it.
    fn begin(byte: u8, is_element: bool) -> Option<State> {
        let skip = Skip { depth: 0, in_string: false, escaped: false, is_element };
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
            return if self.in_string || self.depth > 0 { State::Value(self) } else { self.end() };
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                if self.depth == 0 {
                    return self.end();
                }
            }
            // A number or a literal has no closing byte: the byte after it ends it.
            b',' if self.depth == 0 && self.is_element => return State::BeforeElement { first: false },
            b',' if self.depth == 0 => return State::BeforeKey { first: false },
            b']' if self.is_element => return State::AfterValue,
            b'}' if !self.is_element => return State::AfterRoot,
            _ => {}
        }
        State::Value(self)
    }

    fn end(self) -> State {
        if self.is_element { State::AfterElement } else { State::AfterValue }
    }
}

/// Finds the closing brace of a record. The scan starts after the opening brace.
#[derive(Debug)]
struct RecordScan {
    depth: u32,
    /// Odd inside a string. Only its parity is meaningful.
    quotes: u32,
    /// 1 if the next byte is escaped, otherwise 0.
    escaped: u64,
    scanned: Scanned,
}

impl RecordScan {
    fn begin() -> Self {
        Self { depth: 1, quotes: 0, escaped: 0, scanned: Scanned::default() }
    }

    /// The index after the closing brace; `None` if all of `bytes` belongs to the record.
    fn find_end(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let (blocks, tail) = bytes.get(from..)?.as_chunks::<64>();
        let mut base = from;
        // Quotes in the blocks without braces and backslashes. A lane is set if its number of quotes is odd.
        let mut quotes = i8x64::ZERO;
        for block in blocks {
            let lanes = u8x64::new(*block).cast_signed();
            let is_plain = !(lanes.simd_gt(BELOW_BRACES) | lanes.simd_eq(BACKSLASH)).any();
            if is_plain && self.escaped == 0 {
                quotes ^= lanes.simd_eq(QUOTE);
            } else {
                self.count_quotes(std::mem::replace(&mut quotes, i8x64::ZERO).to_bitmask());
                if let Some(end) = self.scan_block(block, 64) {
                    return Some(base + end);
                }
            }
            base += 64;
        }
        self.count_quotes(quotes.to_bitmask());
        if tail.is_empty() {
            return None;
        }
        let mut block = [0; 64];
        block.split_at_mut(tail.len()).0.copy_from_slice(tail);
        self.scan_block(&block, tail.len()).map(|end| base + end)
    }

    /// Counts quotes. Each one starts or ends a string.
    #[inline]
    fn count_quotes(&mut self, quotes: u64) {
        self.quotes = self.quotes.wrapping_add(quotes.count_ones());
    }

    /// Scans the first `length` bytes of a block. Its other bytes must be zero. Returns the index after the brace that
    /// closes the record.
    #[expect(clippy::inline_always, reason = "called twice, so otherwise not inlined: 2% more instructions in total")]
    #[inline(always)]
    fn scan_block(&mut self, block: &[u8; 64], length: usize) -> Option<usize> {
        let lanes = u8x64::new(*block).cast_signed();
        let backslashes = lanes.simd_eq(BACKSLASH);
        let has_escapes = self.escaped != 0 || backslashes.any();
        let escaped = if has_escapes { self.escaped_bytes(backslashes.to_bitmask(), length) } else { 0 };
        if has_escapes {
            self.scanned.has_unicode_escapes |= lanes.simd_eq(LETTER_U).to_bitmask() & escaped != 0;
        }
        let quotes = lanes.simd_eq(QUOTE).to_bitmask() & !escaped;
        if quotes == 0 && self.quotes & 1 == 1 {
            // The whole block is inside a string, including any braces.
            return None;
        }
        let mut candidates = lanes.simd_gt(BELOW_BRACES).to_bitmask();
        while candidates != 0 {
            let first = candidates & candidates.wrapping_neg();
            let is_in_string = (quotes & (first - 1)).count_ones().wrapping_add(self.quotes) & 1 == 1;
            let at = first.trailing_zeros() as usize;
            if !is_in_string && self.update_depth(block.get(at).copied()) {
                return Some(at + 1);
            }
            candidates &= candidates - 1;
        }
        self.count_quotes(quotes);
        None
    }

    /// Updates the depth if the byte, which is outside a string, is a brace. Returns true if it closes the record.
    #[inline]
    fn update_depth(&mut self, byte: Option<u8>) -> bool {
        match byte {
            Some(b'{') => {
                self.depth = self.depth.saturating_add(1);
                self.scanned.too_deep |= self.depth > MAX_NESTING;
            }
            Some(b'}') => self.depth -= 1,
            _ => {}
        }
        self.depth == 0
    }

    /// A mask of the escaped bytes. A byte is escaped if an odd number of backslashes precedes it.
    #[inline]
    fn escaped_bytes(&mut self, backslashes: u64, length: usize) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        // An escaped backslash does not escape the next byte.
        let backslashes = backslashes & !self.escaped;
        let after = backslashes << 1 | self.escaped;
        let odd_starts = backslashes & !EVEN & !after;
        // Adding the start of a run to the run carries into the bit after it. The parity of that bit's position gives
        // the parity of the run's length.
        let (carried, overflow) = odd_starts.overflowing_add(backslashes);
        let escaped = (EVEN ^ (carried << 1)) & after;
        self.escaped = if length == 64 { u64::from(overflow) } else { escaped >> length & 1 };
        escaped
    }
}
