//! An input of a scan.

use std::io::{self, Read};
use std::path::PathBuf;

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::Receiver;
use trailwarden::service::ServiceError;

/// An input to scan.
#[derive(Debug)]
pub(crate) enum Source {
    Stdin,
    /// Files that are scanned one after another.
    Files(Vec<PathBuf>),
    /// An object in Amazon S3, which is being downloaded.
    Object {
        location: String,
        content: ObjectReader,
    },
    /// A path that cannot be read.
    Unreadable {
        name: String,
        problem: String,
    },
}

/// The content of an object, as it arrives.
#[derive(Debug)]
pub(crate) struct ObjectReader {
    chunk: Bytes,
    chunks: Receiver<Result<Bytes, BucketError>>,
}

impl ObjectReader {
    pub(super) fn new(chunks: Receiver<Result<Bytes, BucketError>>) -> Self {
        Self { chunk: Bytes::new(), chunks }
    }
}

impl Read for ObjectReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let length = into.len().min(self.chunk.len());
        self.chunk.copy_to_slice(into.split_at_mut(length).0);
        Ok(length)
    }
}

/// An error of Amazon S3.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BucketError {
    #[error("the object is archived; restore it and scan it again")]
    Archived,
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("s3:ListBucket: {0}")]
    List(String),
    #[error("the thread that reads Amazon S3 cannot start: {0}")]
    Thread(io::Error),
}
