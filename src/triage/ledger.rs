//! A ledger in memory, for one process.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use super::CaseId;
use crate::ports::{Ledger, ServiceError, Sightings};
use crate::triage::Incident;

/// Cases that are kept.
const CASES: usize = 10_000;
/// Log objects of a case that are told apart.
const OBJECTS: usize = 1_000;

/// Keeps the cases that were seen last, in bounded memory. A case that is forgotten is alerted on again when it is seen
/// again.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    cases: HashMap<CaseId, Case>,
    /// The cases, in the order in which they came.
    order: VecDeque<CaseId>,
}

#[derive(Debug, Default)]
struct Case {
    sightings: Sightings,
    /// Events by log object.
    contributions: HashMap<String, u64>,
}

impl State {
    fn case(&mut self, id: CaseId) -> &mut Case {
        if !self.cases.contains_key(&id) {
            self.order.push_back(id);
            if self.order.len() > CASES
                && let Some(oldest) = self.order.pop_front()
            {
                self.cases.remove(&oldest);
            }
        }
        self.cases.entry(id).or_default()
    }
}

impl Ledger for MemoryLedger {
    async fn contribute(&self, incident: &Incident, object: &str, events: u64) -> Result<Sightings, ServiceError> {
        let mut state = self.state.borrow_mut();
        let case = state.case(incident.case);
        if case.contributions.len() >= OBJECTS && !case.contributions.contains_key(object) {
            case.contributions.clear();
        }
        let known = case.contributions.entry(object.to_owned()).or_default();
        case.sightings.count += events.saturating_sub(*known);
        *known = events.max(*known);
        Ok(case.sightings)
    }

    async fn look_up(&self, incident: &Incident) -> Result<Sightings, ServiceError> {
        Ok(self.state.borrow().cases.get(&incident.case).map(|it| it.sightings).unwrap_or_default())
    }

    async fn raise_alerted(&self, incident: &Incident, to: u64) -> Result<(), ServiceError> {
        let mut state = self.state.borrow_mut();
        let alerted = &mut state.case(incident.case).sightings.alerted;
        *alerted = to.max(*alerted);
        Ok(())
    }
}

/// The ledger of this process, or one that all share.
#[derive(Debug)]
pub enum EitherLedger<L> {
    /// In memory.
    Memory(MemoryLedger),
    /// Shared by all processes.
    Shared(L),
}

impl<L: Ledger> Ledger for EitherLedger<L> {
    async fn contribute(&self, incident: &Incident, object: &str, events: u64) -> Result<Sightings, ServiceError> {
        match self {
            Self::Memory(ledger) => ledger.contribute(incident, object, events).await,
            Self::Shared(ledger) => ledger.contribute(incident, object, events).await,
        }
    }

    async fn look_up(&self, incident: &Incident) -> Result<Sightings, ServiceError> {
        match self {
            Self::Memory(ledger) => ledger.look_up(incident).await,
            Self::Shared(ledger) => ledger.look_up(incident).await,
        }
    }

    async fn raise_alerted(&self, incident: &Incident, to: u64) -> Result<(), ServiceError> {
        match self {
            Self::Memory(ledger) => ledger.raise_alerted(incident, to).await,
            Self::Shared(ledger) => ledger.raise_alerted(incident, to).await,
        }
    }
}
