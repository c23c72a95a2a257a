//! Where a log object is.

use std::fmt;

/// A log object in S3.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogObject {
    /// Name of the bucket.
    pub bucket: String,
    /// Key, decoded.
    pub key: String,
    /// Version, in a bucket that keeps versions.
    pub version: Option<String>,
}

impl LogObject {
    /// The current version of the object under `key`.
    #[must_use]
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self { bucket: bucket.into(), key: key.into(), version: None }
    }
}

impl fmt::Display for LogObject {
    /// `s3://bucket/key`, with `?versionId=` if it names one, and with control characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.iter().flat_map(|version| ["?versionId=", version]);
        write!(f, "s3://{}/", self.bucket)?;
        for c in [self.key.as_str()].into_iter().chain(version).flat_map(str::chars) {
            if c.is_control() { write!(f, "{}", c.escape_unicode())? } else { write!(f, "{c}")? }
        }
        Ok(())
    }
}
