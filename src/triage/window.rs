//! The time windows in which events are counted.

use std::num::NonZeroU16;

use jiff::Timestamp;

/// The length of the windows, in hours. Windows are consecutive from 1970-01-01 in UTC, so a window of 24 hours is a
/// calendar day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLength(NonZeroU16);

/// A time window in which events are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    start: Timestamp,
    end: Timestamp,
}

impl WindowLength {
    /// The minimum and the maximum length, in hours.
    pub const HOURS: [u16; 2] = [1, 168];

    /// Creates a length in hours; `None` if it is not within [`HOURS`](Self::HOURS).
    #[must_use]
    pub fn of_hours(hours: u16) -> Option<Self> {
        let [min, max] = Self::HOURS;
        NonZeroU16::new(hours).filter(|it| (min..=max).contains(&it.get())).map(Self)
    }

    /// The window of an event, by its time as written in the record; `None` if the time is invalid.
    ///
    /// ```
    /// use trailwarden::triage::WindowLength;
    ///
    /// let window = WindowLength::default().window_of("2026-01-02T03:04:05Z").expect("a time");
    /// assert_eq!(window.start().to_string(), "2026-01-02T00:00:00Z");
    /// assert_eq!(window.end().to_string(), "2026-01-03T00:00:00Z");
    /// ```
    #[must_use]
    pub fn window_of(self, time: &str) -> Option<Window> {
        let time: Timestamp = time.parse().ok()?;
        let length = i64::from(self.0.get()) * 3_600;
        let start = time.as_second().div_euclid(length) * length;
        Some(Window { start: Timestamp::from_second(start).ok()?, end: Timestamp::from_second(start + length).ok()? })
    }
}

impl Default for WindowLength {
    /// 24 hours.
    fn default() -> Self {
        Self(NonZeroU16::MIN.saturating_add(23))
    }
}

impl Window {
    /// The first second of the window.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The second after the last second of the window.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aligned_to_utc() {
        for (hours, time, start) in [
            (24, "2026-01-02T00:00:00Z", Some("2026-01-02T00:00:00Z")),
            (24, "2026-01-02T23:59:59Z", Some("2026-01-02T00:00:00Z")),
            (1, "2026-01-02T23:59:59.9Z", Some("2026-01-02T23:00:00Z")),
            (24, "2026-01-02T01:00:00+02:00", Some("2026-01-01T00:00:00Z")),
            (168, "1970-01-07T23:00:00Z", Some("1970-01-01T00:00:00Z")),
            (24, "1969-12-31T23:00:00Z", Some("1969-12-31T00:00:00Z")),
            (24, "2026-01-02", None),
            (24, "yesterday", None),
            (168, "9999-12-30T00:00:00Z", None),
        ] {
            let length = WindowLength::of_hours(hours).expect("a length");
            let found = length.window_of(time).map(|window| window.start().to_string());
            assert_eq!(found.as_deref(), start, "{hours} {time}");
        }
        assert_eq!([0, 169].map(WindowLength::of_hours), [None, None]);
        assert_eq!(WindowLength::of_hours(24), Some(WindowLength::default()));
    }
}
