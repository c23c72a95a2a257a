//! Which objects of a trail a scan needs, as far as their keys show.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::key_layout;

/// How long after an event CloudTrail may deliver it. It takes about 5 minutes on average, without a guarantee ("How
/// CloudTrail works", CloudTrail User Guide).
const MAX_DELAY_HOURS: i64 = 2;

/// The part of a trail that a scan needs.
#[derive(Debug, Default, Clone)]
pub(crate) struct Narrowing {
    /// No events before this time are needed.
    pub(crate) since: Option<Timestamp>,
    /// No events at or after this time are needed.
    pub(crate) until: Option<Timestamp>,
    /// The accounts; all if empty.
    pub(crate) accounts: Vec<String>,
    /// The Regions; all if empty.
    pub(crate) regions: Vec<String>,
    /// Only objects after this one are needed.
    pub(crate) start_after: Option<String>,
}

impl Narrowing {
    pub(super) fn includes_account(&self, account: &str) -> bool {
        self.accounts.is_empty() || self.accounts.iter().any(|it| it == account)
    }

    pub(super) fn includes_region(&self, region: &str) -> bool {
        self.regions.is_empty() || self.regions.iter().any(|it| it == region)
    }

    /// Returns true if the object with this key may contain events that are needed. An object that was delivered at a
    /// time contains events before that time.
    pub(super) fn includes(&self, key: &str) -> bool {
        let Some(delivered) = key_layout::delivered_at(key) else { return self.includes_day_of(key) };
        // The name of the object has no seconds.
        let is_late_enough = self.since.is_none_or(|since| delivered + 1.minute() > since);
        is_late_enough && self.latest_delivery().is_none_or(|latest| delivered <= latest)
    }

    fn includes_day_of(&self, key: &str) -> bool {
        let Some(day) = key_layout::day_of(key) else { return true };
        self.first_day().is_none_or(|first| day >= first) && !self.is_after_last_day(key)
    }

    /// The first day whose folder contains objects that are needed.
    pub(super) fn first_day(&self) -> Option<Date> {
        self.since.map(day)
    }

    /// Returns true if the key is in the folder of a day after the last one that is needed.
    pub(super) fn is_after_last_day(&self, key: &str) -> bool {
        let (Some(latest), Some(day_of_key)) = (self.latest_delivery(), key_layout::day_of(key)) else { return false };
        day_of_key > day(latest)
    }

    fn latest_delivery(&self) -> Option<Timestamp> {
        self.until.and_then(|until| until.checked_add(MAX_DELAY_HOURS.hours()).ok())
    }
}

fn day(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}
