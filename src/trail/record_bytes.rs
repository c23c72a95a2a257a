//! The bytes of a record.

use std::ops::Deref;

/// The bytes of a record that has not been parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordBytes<'a> {
    bytes: &'a [u8],
    has_unicode_escapes: bool,
}

impl<'a> RecordBytes<'a> {
    /// Bytes that the splitter has scanned.
    pub(super) fn scanned(bytes: &'a [u8], has_unicode_escapes: bool) -> Self {
        Self { bytes, has_unicode_escapes }
    }

    /// The bytes, for as long as they are borrowed.
    pub(crate) fn as_slice(self) -> &'a [u8] {
        self.bytes
    }

    /// Returns true if a string in the record may contain an escape sequence such as `\u0041`. If not, every letter, digit
    /// and punctuation mark is written as itself, except `"`, `\` and `/`.
    pub(crate) fn has_unicode_escapes(self) -> bool {
        self.has_unicode_escapes
    }
}

impl<'a> From<&'a [u8]> for RecordBytes<'a> {
    /// Searches the bytes for escape sequences.
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, has_unicode_escapes: bytes.windows(2).any(|it| it == br"\u") }
    }
}

impl Deref for RecordBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}
