//! The ports in memory, with faults on demand.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use trailwarden::alert::Message;
use trailwarden::ports::{AlertSink, Fault, ObjectBody, ObjectSource, ServiceError, Subscriptions};
use trailwarden::publish::{MAX_BYTES, MAX_ENTRIES};
use trailwarden::trail::LogObject;

/// A bucket that hands out its objects in chunks.
#[derive(Default)]
pub struct MemoryBucket {
    objects: HashMap<String, Vec<u8>>,
    /// Bytes of a chunk.
    pub chunk: Option<usize>,
    /// Keys whose transfer breaks off behind so many bytes.
    pub cut: RefCell<HashMap<String, usize>>,
    /// Keys whose transfer stalls behind so many chunks.
    pub stall: HashMap<String, usize>,
    /// The service cannot be reached.
    pub down: Cell<bool>,
    open: Rc<Cell<usize>>,
    /// The most objects that were open at the same time.
    pub most_open: Cell<usize>,
}

impl MemoryBucket {
    pub fn put(&mut self, key: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.objects.insert(key.into(), bytes.into());
    }
}

impl ObjectSource for MemoryBucket {
    type Body = MemoryBody;

    async fn open(&self, object: &LogObject) -> Result<MemoryBody, ServiceError> {
        if self.down.get() {
            return Err(ServiceError::new("s3:GetObject", Fault::Unavailable, "ServiceUnavailable"));
        }
        let bytes = self
            .objects
            .get(&object.key)
            .ok_or_else(|| ServiceError::new("s3:GetObject", Fault::Missing, "NoSuchKey"))?;
        let cut = self.cut.borrow().get(&object.key).copied();
        let bytes = &bytes[..cut.unwrap_or(bytes.len())];
        let chunks = bytes.chunks(self.chunk.unwrap_or(8_192)).map(Bytes::copy_from_slice).collect();
        self.open.set(self.open.get() + 1);
        self.most_open.set(self.most_open.get().max(self.open.get()));
        Ok(MemoryBody {
            chunks,
            cut: cut.is_some(),
            left: self.stall.get(&object.key).copied(),
            open: Rc::clone(&self.open),
        })
    }
}

pub struct MemoryBody {
    chunks: VecDeque<Bytes>,
    cut: bool,
    /// Chunks until it stalls.
    left: Option<usize>,
    open: Rc<Cell<usize>>,
}

impl Drop for MemoryBody {
    fn drop(&mut self) {
        self.open.set(self.open.get() - 1);
    }
}

impl ObjectBody for MemoryBody {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, ServiceError> {
        // As a network does, it lets others go on.
        tokio::task::yield_now().await;
        match &mut self.left {
            Some(0) => std::future::pending().await,
            Some(left) => *left -= 1,
            None => {}
        }
        match self.chunks.pop_front() {
            None if self.cut => Err(ServiceError::new("s3:GetObject", Fault::Interrupted, "transfer broke off")),
            chunk => Ok(chunk),
        }
    }
}

/// A topic that keeps what it confirmed, and refuses what SNS would refuse.
#[derive(Default)]
pub struct MemoryTopic {
    confirmed: RefCell<Vec<Message>>,
    /// Calls so far.
    pub calls: Cell<usize>,
    /// The service cannot be reached.
    pub down: Cell<bool>,
    /// Refuses messages whose subject contains this, so many times.
    pub refuse: RefCell<Option<(&'static str, usize)>>,
    /// What it says of its subscriptions.
    pub subscriptions: Cell<Subscriptions>,
}

impl MemoryTopic {
    pub fn confirmed(&self) -> Vec<Message> {
        self.confirmed.borrow().clone()
    }

    fn take(&self, message: &Message) -> Result<(), ServiceError> {
        let refused = match self.refuse.borrow_mut().as_mut() {
            Some((part, times)) if *times > 0 && message.subject.contains(*part) => {
                *times -= 1;
                true
            }
            _ => false,
        };
        if refused {
            let error = ServiceError::new("sns:PublishBatch", Fault::Unavailable, "InternalError");
            return Err(ServiceError { retryable: true, ..error });
        }
        self.confirmed.borrow_mut().push(message.clone());
        Ok(())
    }
}

impl AlertSink for MemoryTopic {
    fn arn(&self) -> &'static str {
        "arn:aws:sns:us-east-1:111122223333:alerts"
    }

    async fn subscriptions(&self) -> Result<Subscriptions, ServiceError> {
        Ok(self.subscriptions.get())
    }

    async fn publish(&self, batch: &[Message]) -> Vec<Result<(), ServiceError>> {
        // As a network does, it lets others go on.
        tokio::task::yield_now().await;
        self.calls.set(self.calls.get() + 1);
        let bytes: usize = batch.iter().map(Message::bytes).sum();
        assert!(batch.len() <= MAX_ENTRIES && bytes <= MAX_BYTES, "{} entries, {bytes} bytes", batch.len());
        for message in batch {
            assert!(!message.subject.is_empty() && message.subject.len() < 100, "{:?}", message.subject);
            assert!(message.subject.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{:?}", message.subject);
            assert!(!message.body.is_empty() && message.attributes.len() <= 8);
            assert!(message.attributes.iter().all(|it| !it.values.is_empty() && !it.values.contains(&String::new())));
        }
        if self.down.get() {
            let down = || ServiceError::new("sns:PublishBatch", Fault::Unavailable, "request failed");
            return batch.iter().map(|_| Err(down())).collect();
        }
        batch.iter().map(|message| self.take(message)).collect()
    }
}
