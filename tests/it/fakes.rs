//! The services that the pipeline uses: in memory, with faults that a test sets, and over [`sockets`].

mod api;
mod bucket;
mod clock;
mod dice;
mod invocation;
mod ledger;
mod topic;

#[cfg(feature = "lambda")]
pub(crate) mod sockets;

pub(crate) use api::{ApiFaults, MemoryApi};
pub(crate) use bucket::{BucketFaults, MemoryBucket};
pub(crate) use clock::TestClock;
pub(crate) use dice::Dice;
pub(crate) use invocation::Invocation;
pub(crate) use ledger::{LedgerFaults, MemoryLedger};
pub(crate) use topic::{MemoryTopic, TopicFaults};
