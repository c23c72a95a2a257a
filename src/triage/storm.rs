//! When a case is worth an alert.
//!
//! A group alerts at its 1st, 10th, 100th, 1,000th … event in a window; an event that is never grouped alerts once. What
//! the ledger holds decides, not what an invocation has seen: an alert that a crash kept back is due when the case is
//! seen again, and one that was published is not.

use crate::ports::{Ledger, ServiceError};
use crate::triage::Incident;

/// What is to be done about an incident.
#[derive(Debug)]
pub struct Decision {
    /// The number of events that an alert now tells of, to be [noted](Ledger::raise_alerted) when it is published; `None`
    /// if no alert is due.
    pub due: Option<u64>,
    /// What kept the ledger from deciding. An alert is due then.
    pub error: Option<ServiceError>,
}

/// Enters an incident into the ledger, and decides whether an alert is due. Sets the incident's total.
pub async fn decide(ledger: &impl Ledger, incident: &mut Incident) -> Decision {
    let due = if incident.is_group() { of_group(ledger, incident).await } else { of_event(ledger, incident).await };
    match due {
        Ok(due) => Decision { due, error: None },
        Err(error) => {
            incident.total = incident.total.max(incident.count);
            Decision { due: Some(step(incident.total)), error: Some(error) }
        }
    }
}

async fn of_group(ledger: &impl Ledger, incident: &mut Incident) -> Result<Option<u64>, ServiceError> {
    let mut alerted = 0;
    for (object, events) in incident.contributions.clone() {
        let sightings = ledger.contribute(incident, &object, events).await?;
        incident.total = sightings.count;
        alerted = sightings.alerted;
    }
    Ok(Some(step(incident.total)).filter(|step| *step > alerted))
}

async fn of_event(ledger: &impl Ledger, incident: &Incident) -> Result<Option<u64>, ServiceError> {
    let sightings = ledger.look_up(incident).await?;
    Ok(Some(1).filter(|due| *due > sightings.alerted))
}

/// The largest power of ten that is not larger than a count; 0 for 0.
#[must_use]
pub fn step(count: u64) -> u64 {
    count.checked_ilog10().map_or(0, |exponent| 10_u64.pow(exponent))
}

/// The number of events at which a case with this count alerts next.
#[must_use]
pub fn next_step(count: u64) -> u64 {
    step(count).saturating_mul(10).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_powers_of_ten() {
        for (count, expected, next) in [
            (0, 0, 1),
            (1, 1, 10),
            (9, 1, 10),
            (10, 10, 100),
            (99, 10, 100),
            (100, 100, 1_000),
            (u64::MAX, 10_000_000_000_000_000_000, u64::MAX),
        ] {
            assert_eq!((step(count), next_step(count)), (expected, next), "{count}");
        }
    }
}
