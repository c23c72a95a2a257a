//! Fixed-size identifiers of strings and bytes.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// The first half of a SHA-256 hash. The hash must be cryptographic, because callers choose strings in their records
/// and must not be able to make two of them collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity([u8; 16]);

impl Identity {
    /// The identity of bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::from_digest(Sha256::digest(bytes))
    }

    /// The identity of a list of strings. Each string is hashed after its length, so different lists never hash the
    /// same bytes.
    pub(crate) fn of_strings(strings: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for string in strings {
            hash.update((string.len() as u64).to_le_bytes());
            hash.update(string);
        }
        Self::from_digest(hash.finalize())
    }

    /// Parses 32 hexadecimal digits.
    pub(crate) fn parse(digits: &str) -> Option<Self> {
        let is_digits = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let number = is_digits.then(|| u128::from_str_radix(digits, 16).ok())?;
        number.map(|number| Self(number.to_be_bytes()))
    }

    fn from_digest(digest: impl IntoIterator<Item = u8>) -> Self {
        let mut identity = [0; 16];
        identity.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(identity)
    }
}

impl fmt::Display for Identity {
    /// Writes 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_truncated_sha256_hashes() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(Identity::of(b"abc").to_string(), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(Identity::parse("ba7816bf8f01cfea414140de5dae2223"), Some(Identity::of(b"abc")));
        for other in ["", "ba78", "+a7816bf8f01cfea414140de5dae2223", "ba7816bf8f01cfea414140de5dae222 "] {
            assert_eq!(Identity::parse(other), None, "{other}");
        }
        assert_ne!(Identity::of_strings(&["ab", "c"]), Identity::of_strings(&["a", "bc"]));
    }
}
