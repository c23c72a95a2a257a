//! The store that log objects are read from.

use bytes::Bytes;
use jiff::Timestamp;

use crate::s3_object::S3Object;
use crate::service::ServiceError;

/// A store of log objects.
pub trait ObjectSource {
    /// The bytes of one object.
    type Body: ObjectBody;

    /// Opens an object at its first byte: the version that `object` names, or else the current one. All bytes of the
    /// body are from the same version.
    ///
    /// # Errors
    /// If the object is unavailable. Retryable failures have already been retried.
    fn open(&self, object: &S3Object) -> impl Future<Output = Result<Self::Body, ServiceError>>;
}

/// The bytes of an object, as they arrive.
pub trait ObjectBody {
    /// When the object was stored; `None` if unknown.
    fn stored(&self) -> Option<Timestamp>;

    /// Returns the next bytes, in order and without gaps. Returns `None` only after the last byte of the object.
    ///
    /// # Errors
    /// If the transfer was interrupted or stalled and could not be resumed, or if the checksum that the store keeps
    /// does not match. No more bytes follow.
    fn next_chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, ServiceError>>;
}
