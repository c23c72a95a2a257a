//! A bucket that returns its objects in chunks.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::Instant;
use trailwarden::s3_object::S3Object;
use trailwarden::service::{Fault, ServiceError};
use trailwarden::trail::{ObjectBody, ObjectSource};

use super::dice::Dice;
use super::invocation::Invocation;

/// When an invocation last read a chunk of an object, by the invocation and the key.
pub(crate) type ReadTimes = Rc<RefCell<HashMap<(usize, String), Instant>>>;

/// Random faults of a [`MemoryBucket`].
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct BucketFaults {
    /// Share of the objects that cannot be opened.
    pub(crate) failures: f64,
    /// Share of the transfers that are interrupted, at any byte.
    pub(crate) interruptions: f64,
    /// The longest time that opening an object takes, and each of its chunks.
    pub(crate) latency: Duration,
}

/// Log objects by key.
#[derive(Default)]
pub(crate) struct MemoryBucket {
    objects: HashMap<String, Vec<u8>>,
    /// Size of a chunk in bytes.
    pub(crate) chunk: Option<usize>,
    /// When the objects were stored.
    pub(crate) stored: Cell<Timestamp>,
    /// Keys whose transfer is interrupted after this many bytes.
    pub(crate) interrupted: RefCell<HashMap<String, usize>>,
    /// Keys whose transfer stalls after this many chunks.
    pub(crate) stalled: HashMap<String, usize>,
    /// The service cannot be reached.
    pub(crate) down: Cell<bool>,
    pub(crate) faults: Cell<BucketFaults>,
    pub(crate) dice: Rc<Dice>,
    open: Rc<Cell<usize>>,
    /// The most objects that were open concurrently.
    pub(crate) most_open: Cell<usize>,
    /// How many objects were opened.
    pub(crate) opened: Cell<usize>,
    /// When an invocation last read a chunk of an object.
    pub(crate) read_at: ReadTimes,
}

impl MemoryBucket {
    pub(crate) fn put(&mut self, key: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.objects.insert(key.into(), bytes.into());
    }
}

impl ObjectSource for MemoryBucket {
    type Body = MemoryBody;

    async fn open(&self, object: &S3Object) -> Result<MemoryBody, ServiceError> {
        let faults = self.faults.get();
        self.dice.wait(faults.latency).await;
        if self.down.get() || self.dice.roll(faults.failures) {
            return Err(ServiceError::new("s3:GetObject", Fault::Unavailable, "ServiceUnavailable"));
        }
        let bytes = self
            .objects
            .get(&object.key)
            .ok_or_else(|| ServiceError::new("s3:GetObject", Fault::Missing, "NoSuchKey"))?;
        let at_random = || self.dice.roll(faults.interruptions).then(|| self.dice.below(bytes.len() as u64) as usize);
        let end = self.interrupted.borrow().get(&object.key).copied().or_else(at_random);
        let bytes = &bytes[..end.unwrap_or(bytes.len()).min(bytes.len())];
        let chunks = bytes.chunks(self.chunk.unwrap_or(8_192)).map(Bytes::copy_from_slice).collect();
        self.opened.set(self.opened.get() + 1);
        self.open.set(self.open.get() + 1);
        self.most_open.set(self.most_open.get().max(self.open.get()));
        Ok(MemoryBody {
            chunks,
            is_interrupted: end.is_some(),
            chunks_until_stall: self.stalled.get(&object.key).copied(),
            open: Rc::clone(&self.open),
            key: object.key.clone(),
            stored: self.stored.get(),
            read_at: Rc::clone(&self.read_at),
            latency: faults.latency,
            dice: Rc::clone(&self.dice),
        })
    }
}

/// The bytes of an object.
pub(crate) struct MemoryBody {
    chunks: VecDeque<Bytes>,
    is_interrupted: bool,
    chunks_until_stall: Option<usize>,
    open: Rc<Cell<usize>>,
    key: String,
    stored: Timestamp,
    read_at: ReadTimes,
    latency: Duration,
    dice: Rc<Dice>,
}

impl Drop for MemoryBody {
    fn drop(&mut self) {
        self.open.set(self.open.get() - 1);
    }
}

impl ObjectBody for MemoryBody {
    fn stored(&self) -> Option<Timestamp> {
        Some(self.stored)
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, ServiceError> {
        self.dice.wait(self.latency).await;
        match &mut self.chunks_until_stall {
            Some(0) => std::future::pending().await,
            Some(left) => *left -= 1,
            None => {}
        }
        match self.chunks.pop_front() {
            None if self.is_interrupted => {
                Err(ServiceError::new("s3:GetObject", Fault::Interrupted, "transfer broke off"))
            }
            chunk => {
                self.read_at.borrow_mut().insert((Invocation::running().id, self.key.clone()), Instant::now());
                Ok(chunk)
            }
        }
    }
}
