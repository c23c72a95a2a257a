//! A topic that keeps the messages that it confirmed.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::time::Instant;
use trailwarden::alert::Message;
use trailwarden::publish::{MAX_BYTES, MAX_ENTRIES};
use trailwarden::publish::{Subscriptions, Topic};
use trailwarden::service::{Fault, ServiceError};

use super::bucket::ReadTimes;
use super::dice::Dice;
use super::invocation::Invocation;
use crate::fixture::BUCKET;

/// Random faults of a [`MemoryTopic`].
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct TopicFaults {
    /// Share of the calls that fail, with all their messages.
    pub(crate) failures: f64,
    /// Share of the messages that are rejected for a transient reason.
    pub(crate) rejections: f64,
    /// Share of the calls that take effect, but whose response is lost.
    pub(crate) lost: f64,
    /// The longest additional time that a call takes before it takes effect, and again before its response.
    pub(crate) latency: Duration,
}

/// Confirmed messages. Panics on a message that SNS would reject.
#[derive(Default)]
pub(crate) struct MemoryTopic {
    confirmed: RefCell<Vec<Message>>,
    /// When each message was confirmed.
    pub(crate) confirmed_at: RefCell<Vec<Instant>>,
    /// The invocation that published each message.
    pub(crate) confirmed_by: RefCell<Vec<usize>>,
    /// For each message, the time since its invocation last read the object that it names.
    pub(crate) delays: RefCell<Vec<(String, Duration)>>,
    /// The read times that `delays` are measured from; `None` if delays are not measured.
    pub(crate) read_at: Option<ReadTimes>,
    /// The ARN; `None` for the ARN of a standard topic.
    pub(crate) arn: Option<&'static str>,
    /// Batches in flight now, and the most so far.
    pub(crate) in_flight: Cell<(usize, usize)>,
    /// The duration of a call.
    pub(crate) latency: Duration,
    /// Calls so far.
    pub(crate) calls: Cell<usize>,
    /// The service cannot be reached.
    pub(crate) down: Cell<bool>,
    /// Rejects messages whose subject contains this string, this many times.
    pub(crate) rejects: RefCell<Option<(&'static str, usize)>>,
    /// The subscriptions that the topic reports.
    pub(crate) subscriptions: Cell<Subscriptions>,
    pub(crate) faults: Cell<TopicFaults>,
    pub(crate) dice: Dice,
    /// The messages whose confirmation was lost.
    pub(crate) lost: RefCell<Vec<Message>>,
}

impl MemoryTopic {
    pub(crate) fn confirmed(&self) -> Vec<Message> {
        self.confirmed_after(0)
    }

    /// The messages that it confirmed after the first `known` ones.
    pub(crate) fn confirmed_after(&self, known: usize) -> Vec<Message> {
        self.confirmed.borrow()[known..].to_vec()
    }

    fn confirm(&self, message: &Message) -> Result<(), ServiceError> {
        let is_rejected = match self.rejects.borrow_mut().as_mut() {
            Some((part, times)) if *times > 0 && message.subject.contains(*part) => {
                *times -= 1;
                true
            }
            _ => false,
        };
        if is_rejected || self.dice.roll(self.faults.get().rejections) {
            let error = ServiceError::new("sns:PublishBatch", Fault::Unavailable, "InternalError");
            return Err(ServiceError { retryable: true, ..error });
        }
        let location = message.body.trim_end().rsplit_once(&format!("s3://{BUCKET}/"));
        if let (Some(read_at), Some((_, key))) = (&self.read_at, location) {
            let read = read_at.borrow()[&(Invocation::running().id, key.to_owned())];
            self.delays.borrow_mut().push((message.subject.clone(), read.elapsed()));
        }
        self.confirmed.borrow_mut().push(message.clone());
        self.confirmed_at.borrow_mut().push(Instant::now());
        self.confirmed_by.borrow_mut().push(Invocation::running().id);
        Ok(())
    }
}

impl Topic for MemoryTopic {
    fn arn(&self) -> &'static str {
        self.arn.unwrap_or("arn:aws:sns:us-east-1:111122223333:alerts")
    }

    async fn subscriptions(&self) -> Result<Subscriptions, ServiceError> {
        Ok(self.subscriptions.get())
    }

    async fn publish(&self, batch: &[Message]) -> Vec<Result<(), ServiceError>> {
        let (now, most) = self.in_flight.get();
        self.in_flight.set((now + 1, most.max(now + 1)));
        let faults = self.faults.get();
        self.dice.wait(faults.latency).await;
        tokio::time::sleep(self.latency).await;
        let (now, most) = self.in_flight.get();
        self.in_flight.set((now - 1, most));
        self.calls.set(self.calls.get() + 1);
        let bytes: usize = batch.iter().map(Message::bytes).sum();
        assert!(batch.len() <= MAX_ENTRIES && bytes <= MAX_BYTES, "{} entries, {bytes} bytes", batch.len());
        for message in batch {
            assert!(!message.subject.is_empty() && message.subject.len() < 100, "{:?}", message.subject);
            assert!(message.subject.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{:?}", message.subject);
            assert!(!message.body.is_empty() && message.attributes.len() <= 9);
            assert!(message.attributes.iter().all(|it| !it.values.is_empty() && !it.values.contains(&String::new())));
        }
        let failed = || Err(ServiceError::new("sns:PublishBatch", Fault::Unavailable, "request failed"));
        if self.down.get() || self.dice.roll(faults.failures) {
            return batch.iter().map(|_| failed()).collect();
        }
        let results: Vec<_> = batch.iter().map(|message| self.confirm(message)).collect();
        self.dice.wait(faults.latency).await;
        if self.dice.roll(faults.lost) {
            self.lost
                .borrow_mut()
                .extend(batch.iter().zip(&results).filter(|(_, it)| it.is_ok()).map(|(it, _)| it.clone()));
            return batch.iter().map(|_| failed()).collect();
        }
        results
    }
}
