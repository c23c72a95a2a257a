//! The clock, as a trait, so that tests control time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A source of time.
pub trait Clock {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// Waits for a duration.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;
}

/// Adds a duration to a time.
pub(crate) fn after(time: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    time.saturating_add(duration).unwrap_or(time)
}

/// A time without the fraction of its second. The ledger keeps whole seconds.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The time between two moments; zero if `to` is earlier.
pub(crate) fn time_between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(from.duration_until(to)).unwrap_or_default()
}
