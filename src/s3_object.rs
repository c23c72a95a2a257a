//! The address of an object in Amazon S3.

use std::fmt;

/// An object in Amazon S3: a log object, or the object that holds the rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct S3Object {
    /// Name of the bucket.
    pub bucket: String,
    /// Key, decoded.
    pub key: String,
    /// Version ID, in a bucket with versioning; `None` for the current version.
    pub version: Option<String>,
}

impl S3Object {
    /// The current version of the object with this key.
    #[must_use]
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self { bucket: bucket.into(), key: key.into(), version: None }
    }

    /// `s3://bucket/key`, without the version. CloudTrail never replaces a log object, and not every notification names the
    /// version.
    #[must_use]
    pub fn location(&self) -> String {
        Self::new(self.bucket.as_str(), self.key.as_str()).to_string()
    }
}

impl fmt::Display for S3Object {
    /// Writes `s3://bucket/key`, with `?versionId=` if there is a version, and with control characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.iter().flat_map(|version| ["?versionId=", version]);
        write!(f, "s3://{}/", self.bucket)?;
        for c in [self.key.as_str()].into_iter().chain(version).flat_map(str::chars) {
            if c.is_control() { write!(f, "{}", c.escape_unicode())? } else { write!(f, "{c}")? }
        }
        Ok(())
    }
}
