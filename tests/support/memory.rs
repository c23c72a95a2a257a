//! In-memory ports with injected faults.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;
use trailwarden::alert::Message;
use trailwarden::ports::{AlertSink, Clock, Fault, ObjectBody, ObjectSource, ServiceError, Subscriptions};
use trailwarden::publish::{MAX_BYTES, MAX_ENTRIES};
use trailwarden::trail::LogObject;
use trailwarden::triage::{Claim, Claimed, Contribution, Ledger, LedgerEntry, LedgerKey, MAX_CONTRIBUTIONS, TopicRole};

/// When an invocation last read a chunk of an object, by the invocation and the key.
pub type ReadTimes = Rc<RefCell<HashMap<(usize, String), Instant>>>;

thread_local! {
    /// The invocation that is being polled, where a test runs several at once.
    pub static RUNNING: Cell<usize> = const { Cell::new(0) };
}

/// The clock of the tokio runtime, which a test may pause. It starts at 1970-01-01.
#[derive(Debug, Clone, Copy)]
pub struct TestClock;

thread_local! {
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let now = Instant::now();
        let start = START.get().filter(|start| *start <= now).unwrap_or(now);
        START.set(Some(start));
        Timestamp::UNIX_EPOCH + jiff::SignedDuration::try_from(now - start).expect("a duration")
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Fault rates of a [`MemoryLedger`], as shares of all calls.
#[derive(Debug, Default, Clone, Copy)]
pub struct LedgerFaults {
    /// Another transaction is using the entry: nothing is written.
    pub conflicts: f64,
    /// The call takes effect, but its acknowledgement is lost. The SDK repeats it, at most twice.
    pub lost: f64,
    /// The call fails, and nothing is written.
    pub failures: f64,
    /// No answer comes, whether the call is carried out or not.
    pub hangs: f64,
    /// The longest delay before a call takes effect, and again before its acknowledgement.
    pub latency: Duration,
    /// The time that a claim takes besides.
    pub claim: Duration,
    /// The time that recording takes besides.
    pub record: Duration,
}

/// A ledger that behaves like the DynamoDB table, including its faults.
pub struct MemoryLedger {
    entries: RefCell<HashMap<LedgerKey, Entry>>,
    pub faults: Cell<LedgerFaults>,
    random: RefCell<SmallRng>,
    /// Contributions that fail before any succeeds.
    pub failing_contributions: Cell<usize>,
    /// When the first contribution was made.
    pub first_contribution: Cell<Option<Instant>>,
}

#[derive(Default)]
struct Entry {
    contributions: HashMap<String, u64>,
    alerted: BTreeSet<(TopicRole, u64)>,
    lease: Option<Lease>,
    /// Leases that were granted after that of another holder had expired.
    expired_leases: u64,
}

struct Lease {
    threshold: u64,
    holder: String,
    until: Timestamp,
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::seeded(0)
    }
}

impl MemoryLedger {
    pub fn seeded(seed: u64) -> Self {
        Self {
            entries: RefCell::default(),
            faults: Cell::default(),
            random: RefCell::new(SmallRng::seed_from_u64(seed)),
            failing_contributions: Cell::default(),
            first_contribution: Cell::default(),
        }
    }

    /// What is recorded for a key.
    pub fn entry(&self, key: &LedgerKey) -> LedgerEntry {
        self.entries.borrow().get(key).map(Entry::shown).unwrap_or_default()
    }

    /// How often a lease for a key was granted after that of another holder had expired.
    pub fn expired_leases(&self, key: &LedgerKey) -> u64 {
        self.entries.borrow().get(key).map_or(0, |entry| entry.expired_leases)
    }

    /// Calls the ledger with its faults.
    async fn call<V>(&self, key: &LedgerKey, apply: impl Fn(&mut Entry) -> V) -> Result<V, ServiceError> {
        let faults = self.faults.get();
        let roll = |share: f64| self.random.borrow_mut().random_bool(share);
        let wait = async || {
            let share = self.random.borrow_mut().random::<f64>();
            // Like a network call, it yields to other tasks.
            tokio::task::yield_now().await;
            tokio::time::sleep(faults.latency.mul_f64(share)).await;
        };
        wait().await;
        let (hangs, is_carried_out) = (roll(faults.hangs), roll(0.5));
        if hangs && !is_carried_out {
            std::future::pending::<()>().await;
        }
        if roll(faults.failures) {
            return Err(ServiceError::new("ledger", Fault::Unavailable, "down"));
        }
        if roll(faults.conflicts) {
            let error = ServiceError::new("ledger", Fault::Unavailable, "TransactionConflict");
            return Err(ServiceError { retryable: true, ..error });
        }
        for _ in 0..3 {
            let value = apply(self.entries.borrow_mut().entry(*key).or_default());
            if hangs {
                std::future::pending::<()>().await;
            }
            wait().await;
            if !roll(faults.lost) {
                return Ok(value);
            }
        }
        Err(ServiceError::new("ledger", Fault::Unavailable, "no acknowledgement"))
    }
}

impl Entry {
    fn shown(&self) -> LedgerEntry {
        LedgerEntry {
            count: self.contributions.values().sum(),
            alerted: self.alerted.clone(),
            claimed: self.lease.is_some(),
        }
    }
}

impl Ledger for MemoryLedger {
    async fn contribute(
        &self,
        key: &LedgerKey,
        contributions: &[Contribution<'_>],
    ) -> Result<LedgerEntry, ServiceError> {
        assert!(contributions.len() <= MAX_CONTRIBUTIONS, "{} contributions", contributions.len());
        self.first_contribution.set(self.first_contribution.get().or(Some(Instant::now())));
        if let Some(left) = self.failing_contributions.get().checked_sub(1) {
            self.failing_contributions.set(left);
            return Err(ServiceError::new("ledger", Fault::Unavailable, "InternalServerError"));
        }
        self.call(key, |entry| {
            for Contribution { from, events } in contributions {
                let recorded = entry.contributions.entry((*from).to_owned()).or_default();
                *recorded = (*recorded).max(*events);
            }
            entry.shown()
        })
        .await
    }

    async fn claim(&self, key: &LedgerKey, claim: &Claim<'_>) -> Result<Claimed, ServiceError> {
        tokio::time::sleep(self.faults.get().claim).await;
        self.call(key, |entry| match &entry.lease {
            Some(lease)
                if lease.until > claim.now && lease.threshold >= claim.threshold && lease.holder != claim.holder =>
            {
                Claimed::Held(entry.shown())
            }
            lease => {
                let is_other = |it: &Lease| it.holder != claim.holder && it.threshold >= claim.threshold;
                entry.expired_leases += u64::from(lease.as_ref().is_some_and(is_other));
                let (threshold, holder, until) = (claim.threshold, claim.holder.to_owned(), claim.until);
                entry.lease = Some(Lease { threshold, holder, until });
                Claimed::Granted(entry.shown())
            }
        })
        .await
    }

    async fn record_alerted(&self, key: &LedgerKey, threshold: u64, topics: &[TopicRole]) -> Result<(), ServiceError> {
        tokio::time::sleep(self.faults.get().record).await;
        self.call(key, |entry| entry.alerted.extend(topics.iter().map(|topic| (*topic, threshold)))).await
    }
}

/// A bucket that returns its objects in chunks.
#[derive(Default)]
pub struct MemoryBucket {
    objects: HashMap<String, Vec<u8>>,
    /// Size of a chunk in bytes.
    pub chunk: Option<usize>,
    /// Keys whose transfer breaks off after this many bytes.
    pub cut: RefCell<HashMap<String, usize>>,
    /// Keys whose transfer stalls after this many chunks.
    pub stall: HashMap<String, usize>,
    /// The service cannot be reached.
    pub down: Cell<bool>,
    open: Rc<Cell<usize>>,
    /// The most objects that were open at the same time.
    pub most_open: Cell<usize>,
    /// Objects that were opened.
    pub opened: Cell<usize>,
    /// When an invocation last read a chunk of an object.
    pub read_at: ReadTimes,
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
        let bytes = &bytes[..cut.unwrap_or(bytes.len()).min(bytes.len())];
        let chunks = bytes.chunks(self.chunk.unwrap_or(8_192)).map(Bytes::copy_from_slice).collect();
        self.opened.set(self.opened.get() + 1);
        self.open.set(self.open.get() + 1);
        self.most_open.set(self.most_open.get().max(self.open.get()));
        Ok(MemoryBody {
            chunks,
            cut: cut.is_some(),
            left: self.stall.get(&object.key).copied(),
            open: Rc::clone(&self.open),
            key: object.key.clone(),
            read_at: Rc::clone(&self.read_at),
        })
    }
}

pub struct MemoryBody {
    chunks: VecDeque<Bytes>,
    cut: bool,
    /// Chunks until it stalls.
    left: Option<usize>,
    open: Rc<Cell<usize>>,
    key: String,
    read_at: ReadTimes,
}

impl Drop for MemoryBody {
    fn drop(&mut self) {
        self.open.set(self.open.get() - 1);
    }
}

impl ObjectBody for MemoryBody {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, ServiceError> {
        // Like a network call, it yields to other tasks.
        tokio::task::yield_now().await;
        match &mut self.left {
            Some(0) => std::future::pending().await,
            Some(left) => *left -= 1,
            None => {}
        }
        match self.chunks.pop_front() {
            None if self.cut => Err(ServiceError::new("s3:GetObject", Fault::Interrupted, "transfer broke off")),
            chunk => {
                self.read_at.borrow_mut().insert((RUNNING.get(), self.key.clone()), Instant::now());
                Ok(chunk)
            }
        }
    }
}

/// A topic that keeps the messages that it confirmed, and panics on those that SNS would reject.
#[derive(Default)]
pub struct MemoryTopic {
    confirmed: RefCell<Vec<Message>>,
    /// When each message was confirmed.
    pub confirmed_at: RefCell<Vec<Instant>>,
    /// The time from reading the object that a message names to confirming it, for the same invocation.
    pub delays: RefCell<Vec<(String, Duration)>>,
    /// When an invocation last read a chunk of an object, if delays are measured.
    pub read_at: Option<ReadTimes>,
    /// Its ARN, if it is not that of a standard topic.
    pub arn: Option<&'static str>,
    /// Batches that are in flight, and the most that were.
    pub under_way: Cell<(usize, usize)>,
    /// The time that a call takes.
    pub latency: Duration,
    /// Calls so far.
    pub calls: Cell<usize>,
    /// The service cannot be reached.
    pub down: Cell<bool>,
    /// Rejects messages whose subject contains this, this many times.
    pub refuse: RefCell<Option<(&'static str, usize)>>,
    /// The subscriptions that it reports.
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
        if let (Some(read_at), Some((_, key))) = (&self.read_at, message.body.trim_end().rsplit_once("s3://trail/")) {
            let read = read_at.borrow()[&(RUNNING.get(), key.to_owned())];
            self.delays.borrow_mut().push((message.subject.clone(), read.elapsed()));
        }
        self.confirmed.borrow_mut().push(message.clone());
        self.confirmed_at.borrow_mut().push(Instant::now());
        Ok(())
    }
}

impl AlertSink for MemoryTopic {
    fn arn(&self) -> &'static str {
        self.arn.unwrap_or("arn:aws:sns:us-east-1:111122223333:alerts")
    }

    async fn subscriptions(&self) -> Result<Subscriptions, ServiceError> {
        Ok(self.subscriptions.get())
    }

    async fn publish(&self, batch: &[Message]) -> Vec<Result<(), ServiceError>> {
        let (under_way, most) = self.under_way.get();
        self.under_way.set((under_way + 1, most.max(under_way + 1)));
        // Like a network call, it yields to other tasks.
        tokio::task::yield_now().await;
        tokio::time::sleep(self.latency).await;
        let (under_way, most) = self.under_way.get();
        self.under_way.set((under_way - 1, most));
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
