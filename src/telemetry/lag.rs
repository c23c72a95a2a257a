//! How long it takes from an event to its alert.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::time_between;

/// The longest delays of an invocation. Both times have a resolution of a second.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// From the time that a log object was stored to the end of the invocation that read it. `None` if the invocation
    /// read no object.
    pub object: Option<Duration>,
    /// From the latest event of an alert to its publication. `None` if the invocation published no alert.
    pub alert: Option<Duration>,
}

impl Lag {
    /// Takes into account that an invocation that ends at `now` read an object that was stored at `stored`.
    pub(crate) fn add_object(&mut self, stored: Timestamp, now: Timestamp) {
        self.object = self.object.max(Some(time_between(stored, now)));
    }

    /// Takes into account that an alert about an event was published at `now`. A time that does not parse is ignored.
    pub(crate) fn add_alert(&mut self, event: Option<&str>, now: Timestamp) {
        if let Some(time) = event.and_then(|time| time.parse().ok()) {
            self.alert = self.alert.max(Some(time_between(time, now)));
        }
    }
}
