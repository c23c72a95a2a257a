//! The counts at which an alert is published.

/// Maximum number of one caller's incidents in a window that are alerted individually. Above it, a summary of the
/// caller replaces them.
pub const MAX_INCIDENTS_PER_CALLER: u64 = 20;

/// The highest alert threshold that a count reaches: the largest power of ten that does not exceed it; 0 for 0.
#[must_use]
pub fn alert_threshold(count: u64) -> u64 {
    count.checked_ilog10().map_or(0, |exponent| 10_u64.pow(exponent))
}

/// The lowest alert threshold above a count.
#[must_use]
pub(super) fn next_alert_threshold(count: u64) -> u64 {
    alert_threshold(count).saturating_mul(10).max(1)
}

/// The highest summary threshold that a number of incidents reaches: 21, 100, 1,000, 10,000 …; 0 below 21.
#[must_use]
pub(super) fn summary_threshold(incidents: u64) -> u64 {
    const FIRST: u64 = MAX_INCIDENTS_PER_CALLER + 1;
    match incidents {
        0..FIRST => 0,
        FIRST..100 => FIRST,
        _ => alert_threshold(incidents),
    }
}

/// The lowest summary threshold above a number of incidents.
#[must_use]
pub(super) fn next_summary_threshold(incidents: u64) -> u64 {
    match summary_threshold(incidents) {
        0 => MAX_INCIDENTS_PER_CALLER + 1,
        _ => next_alert_threshold(incidents),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alert_thresholds_are_powers_of_ten() {
        for (count, expected, next) in [
            (0, 0, 1),
            (1, 1, 10),
            (9, 1, 10),
            (10, 10, 100),
            (99, 10, 100),
            (100, 100, 1_000),
            (u64::MAX, 10_000_000_000_000_000_000, u64::MAX),
        ] {
            assert_eq!((alert_threshold(count), next_alert_threshold(count)), (expected, next), "{count}");
        }
    }

    #[test]
    fn a_summary_starts_above_twenty_incidents() {
        for (incidents, expected, next) in
            [(0, 0, 21), (20, 0, 21), (21, 21, 100), (99, 21, 100), (100, 100, 1_000), (2_000, 1_000, 10_000)]
        {
            assert_eq!(
                (summary_threshold(incidents), next_summary_threshold(incidents)),
                (expected, next),
                "{incidents}"
            );
        }
    }
}
