//! Heartbeats: a digest file shows that the trail still logs an account in a Region, even if nothing happens there.
//!
//! CloudTrail delivers a digest every hour for each account and Region, if the trail has log file validation. An account
//! or Region whose digests stop is silent: its events no longer reach the function, and no other signal reports it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::time_between;
use crate::delivery::AccountRegion;
use crate::service::ServiceError;

/// Time without a digest after which an account in a Region counts as silent. A digest is due every hour, and one of them
/// may be late or its heartbeat may be lost.
pub const SILENCE: Duration = Duration::from_hours(3);
/// Time for which silence counts as new. The check runs every hour, and one of them may fail.
const NEW_SILENCE: Duration = Duration::from_hours(2);

/// The store of the heartbeats that all invocations share.
pub trait Heartbeats {
    /// Records that digests of these accounts and Regions arrived at `now`.
    ///
    /// # Errors
    /// If the store is unavailable. Some of the heartbeats may have been recorded.
    fn record_heartbeats(&self, of: &[AccountRegion], now: Timestamp)
    -> impl Future<Output = Result<(), ServiceError>>;

    /// The latest heartbeat of each account and Region. Heartbeats older than two weeks are not returned.
    ///
    /// # Errors
    /// If the store is unavailable.
    fn heartbeats(&self) -> impl Future<Output = Result<Vec<Heartbeat>, ServiceError>>;
}

/// The latest digest of an account in a Region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heartbeat {
    /// The account and Region.
    pub of: AccountRegion,
    /// When the digest arrived.
    pub at: Timestamp,
}

impl Heartbeat {
    /// Returns true if no digest has arrived for [`SILENCE`].
    #[must_use]
    pub fn is_silent(&self, now: Timestamp) -> bool {
        time_between(self.at, now) > SILENCE
    }

    /// Returns true if it has become silent within the last two hours.
    #[must_use]
    pub fn is_newly_silent(&self, now: Timestamp) -> bool {
        self.is_silent(now) && time_between(self.at, now) <= SILENCE + NEW_SILENCE
    }
}

impl fmt::Display for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AccountRegion { account, region } = &self.of;
        write!(f, "{account} {region}, last digest {}", self.at.strftime("%Y-%m-%d %H:%M:%S UTC"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_begins_after_three_hours_and_is_new_for_two() {
        let of = AccountRegion { account: "111122223333".to_owned(), region: "us-east-1".to_owned() };
        let heartbeat = Heartbeat { of, at: Timestamp::UNIX_EPOCH };
        let is_silent = |seconds| heartbeat.is_silent(Timestamp::constant(seconds, 0));
        assert_eq!([-1, 10_800, 10_801].map(is_silent), [false, false, true]);
        let is_new = |seconds| heartbeat.is_newly_silent(Timestamp::constant(seconds, 0));
        assert_eq!([10_800, 10_801, 18_000, 18_001].map(is_new), [false, true, true, false]);
        assert_eq!(heartbeat.to_string(), "111122223333 us-east-1, last digest 1970-01-01 00:00:00 UTC");
    }
}
