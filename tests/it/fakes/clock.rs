//! The clock of the tokio runtime.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use trailwarden::clock::Clock;

use super::invocation::Invocation;

/// The clock of the tokio runtime, which a test may pause. It starts at 1970-01-01. The clock of an [`Invocation`] may be
/// ahead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TestClock;

thread_local! {
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
}

impl TestClock {
    /// Resets the clock to 1970-01-01. Otherwise, it starts when it is first read, and the tests of a thread share the start time.
    pub(crate) fn restart() {
        START.set(Some(Instant::now()));
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let now = Instant::now();
        let start = START.get().filter(|start| *start <= now).unwrap_or(now);
        START.set(Some(start));
        let elapsed = jiff::SignedDuration::try_from(now - start).expect("a duration");
        Timestamp::UNIX_EPOCH + elapsed + Invocation::running().skew
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
