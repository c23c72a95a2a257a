//! What stands for a text or for bytes wherever they must be known again.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// The first half of a SHA-256. Callers choose texts of their records; a cryptographic hash keeps them from making two
/// things look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity([u8; 16]);

impl Identity {
    /// Of bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::from_digest(Sha256::digest(bytes))
    }

    /// Of a list of texts, each with its length, so that no two lists are the same bytes.
    pub(crate) fn of_texts(texts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for text in texts {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        Self::from_digest(hash.finalize())
    }

    fn from_digest(digest: impl IntoIterator<Item = u8>) -> Self {
        let mut identity = [0; 16];
        identity.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(identity)
    }
}

impl fmt::Display for Identity {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hashes() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(Identity::of(b"abc").to_string(), "ba7816bf8f01cfea414140de5dae2223");
        assert_ne!(Identity::of_texts(&["ab", "c"]), Identity::of_texts(&["a", "bc"]));
    }
}
