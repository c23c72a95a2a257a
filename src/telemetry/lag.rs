//! How long it takes from an event to its alert.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::time_between;

/// The longest delays of an invocation. Both have a resolution of one second.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// From the time that a log object was stored to the end of the invocation that read it. `None` if the invocation
    /// read no object.
    pub object: Option<Duration>,
    /// From the latest event of an alert to its publication. `None` if the invocation published no alert.
    pub alert: Option<Duration>,
}

impl Lag {
    /// Records the delay of an object that was stored at `stored`, in an invocation that ends at `now`.
    pub(crate) fn add_object(&mut self, stored: Timestamp, now: Timestamp) {
        self.object = self.object.max(Some(time_between(stored, now)));
    }

    /// Records the delay of an alert that was published at `now`. An event time that does not parse is ignored.
    pub(crate) fn add_alert(&mut self, event: Option<&str>, now: Timestamp) {
        if let Some(time) = event.and_then(|time| time.parse().ok()) {
            self.alert = self.alert.max(Some(time_between(time, now)));
        }
    }
}
