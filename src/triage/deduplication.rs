//! Decides which alerts are due, based on the state that all invocations share.
//!
//! An incident is alerted at its 1st, 10th, 100th, 1,000th … event in a window, and an event about a mapping once. The
//! ledger decides, not the invocation: an alert that a crash prevented is due when the incident is found again, and an
//! alert that a topic has confirmed is no longer due for that topic.
//!
//! Overlapping invocations may find the same alert due. A lease lets one of them publish it. The others wait until it
//! has recorded the alert, and publish the alert themselves if the lease expires first. No alert is lost if the holder
//! crashes.
//!
//! The ledger never blocks an alert. Each attempt of a call has a time limit. If two attempts of one call exceed it,
//! the invocation no longer calls the ledger, and alerts are published without it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{self, Either};
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;

use super::audience::{Audience, TopicRole};
use super::fingerprint::{Caller, DedupKey};
use super::incident::Incident;
use super::ledger::{Claim, Claimed, Contribution, Ledger, LedgerEntry, MAX_CONTRIBUTIONS};
use super::threshold::MAX_INCIDENTS_PER_CALLER;
use super::window::Window;
use crate::clock::{Clock, after, time_between};
use crate::service::{Fault, ServiceError};

/// Duration of a lease. Publishing takes a fraction of a second. If it takes longer than the lease, the alert may be
/// published twice.
pub const LEASE: Duration = Duration::from_secs(4);
/// Time limit of one attempt of a ledger call.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Time limit of all ledger calls of an invocation for incidents that are not about mappings.
const LEDGER_TIME: Duration = Duration::from_secs(20);
/// Time limit of recording the alerts that were published together.
const RECORD_TIME: Duration = Duration::from_secs(5);
/// Number of timeouts of one call after which the ledger is no longer called. A single timeout may be due to a broken
/// connection.
const MAX_TIMEOUTS: u32 = 2;
/// Maximum number of attempts of a call while other writers are using the entry.
const MAX_ATTEMPTS: u32 = 10;
/// The pause before the second attempt. It doubles with each further attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Maximum number of concurrent ledger calls. A few incidents use fewer, because each concurrent call opens a
/// connection.
const MAX_CONCURRENT_CALLS: usize = 16;

/// One invocation's view of the ledger.
#[derive(Debug)]
pub(crate) struct Deduplication<'a, L, C> {
    pub(super) ledger: &'a L,
    pub(super) clock: &'a C,
    pub(super) audience: Audience,
    /// Identifies the invocation.
    holder: &'a str,
    /// Number of candidates so far.
    candidates: Cell<u64>,
    /// A call has timed out twice, so the ledger is no longer called.
    stopped: Cell<bool>,
    budget: LedgerBudget,
    errors: RefCell<LedgerErrors>,
}

/// The time left for ledger calls and for waiting on leases. When it is used up, alerts are published without the
/// ledger.
#[derive(Debug)]
pub(crate) struct LedgerBudget(Cell<Duration>);

impl LedgerBudget {
    /// Creates a budget.
    #[must_use]
    pub(crate) fn new(time: Duration) -> Self {
        Self(Cell::new(time))
    }

    /// The time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.0.get()
    }

    /// Deducts time that was used.
    pub(crate) fn spend(&self, time: Duration) {
        self.0.set(self.0.get().saturating_sub(time));
    }
}

/// Ledger calls that failed.
#[derive(Debug, Default)]
pub(crate) struct LedgerErrors {
    /// Number of failed calls.
    pub(crate) count: u64,
    /// The error of the first failed call.
    pub(crate) first: Option<ServiceError>,
}

/// An incident with its entry in the ledger.
#[derive(Debug)]
pub(crate) struct Candidate {
    incident: Incident,
    /// `None` if the ledger is unavailable.
    entry: Option<LedgerEntry>,
    /// Holder of the candidate's lease.
    holder: String,
}

/// Incidents after they were counted in the ledger.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Incidents that may be due.
    pub(crate) candidates: Vec<Candidate>,
    /// Number of incidents that the summaries of their callers replace.
    pub(crate) summarized: u64,
}

/// The decision on a candidate.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// An alert is due.
    Due(Due),
    /// No alert is due.
    Known,
    /// Another invocation is publishing the alert. Claim it again after a pause.
    Held(Candidate),
}

/// An alert that is due.
#[derive(Debug)]
pub(crate) struct Due {
    /// The incident that the alert is about.
    pub(crate) incident: Incident,
    /// The threshold that the incident reached.
    pub(crate) threshold: u64,
    /// The topics that have not confirmed the alert.
    pub(crate) topics: Vec<TopicRole>,
}

impl<'a, L: Ledger, C: Clock> Deduplication<'a, L, C> {
    /// Creates the deduplication of an invocation. `holder` is an ID that no other running invocation has.
    pub(crate) fn new(ledger: &'a L, clock: &'a C, audience: Audience, holder: &'a str) -> Self {
        Self {
            ledger,
            clock,
            audience,
            holder,
            candidates: Cell::default(),
            stopped: Cell::default(),
            budget: LedgerBudget::new(LEDGER_TIME),
            errors: RefCell::default(),
        }
    }

    /// The ledger calls that failed.
    pub(crate) fn errors(self) -> LedgerErrors {
        self.errors.into_inner()
    }

    /// The ledger budget for incidents that are not about mappings.
    pub(crate) fn budget(&self) -> &LedgerBudget {
        &self.budget
    }

    /// Counts incidents in the ledger. If a caller has too many incidents, a summary replaces them.
    pub(crate) async fn count(&self, incidents: Vec<Incident>, budget: &LedgerBudget) -> Counted {
        let started = self.clock.now();
        let counted = self.count_until(incidents, after(started, budget.0.get())).await;
        budget.spend(time_between(started, self.clock.now()));
        counted
    }

    async fn count_until(&self, incidents: Vec<Incident>, until: Timestamp) -> Counted {
        let concurrency = concurrency(incidents.len());
        let candidates = incidents.into_iter().map(|incident| self.contribute(incident, until));
        let candidates: Vec<_> = stream::iter(candidates).buffered(concurrency).collect().await;
        let (by_caller, others) = by_caller(candidates);
        let summaries = by_caller.into_iter().map(async |(caller, candidates)| {
            let summary = self.summarize(&caller, &candidates, until).await;
            (summary, candidates)
        });
        let summaries: Vec<_> = stream::iter(summaries).buffered(concurrency).collect().await;
        let mut counted = Counted { candidates: others, summarized: 0 };
        for (summary, candidates) in summaries {
            match summary {
                Some(summary) => {
                    counted.summarized += candidates.len() as u64;
                    counted.candidates.push(summary);
                }
                None => counted.candidates.extend(candidates),
            }
        }
        counted.candidates.sort_by(|a, b| a.incident.cmp_urgency(&b.incident));
        counted
    }

    /// The candidates for mapping events, which are not counted.
    pub(crate) fn events(&self, incidents: Vec<Incident>) -> Vec<Candidate> {
        incidents.into_iter().map(|incident| self.candidate(incident, Some(LedgerEntry::default()))).collect()
    }

    /// Requests the leases of all alerts that are due.
    pub(crate) async fn claim_all(
        &self,
        candidates: Vec<Candidate>,
        topics: &[TopicRole],
        budget: &LedgerBudget,
    ) -> Vec<Verdict> {
        let started = self.clock.now();
        let until = after(started, budget.0.get());
        let concurrency = concurrency(candidates.len());
        let claims = candidates.into_iter().map(|candidate| self.claim(candidate, topics, until));
        let verdicts = stream::iter(claims).buffered(concurrency).collect().await;
        budget.spend(time_between(started, self.clock.now()));
        verdicts
    }

    /// Records which topics confirmed each alert.
    pub(crate) async fn record_all(&self, confirmed: &[(&Due, &[TopicRole])], budget: &LedgerBudget) {
        let started = self.clock.now();
        let until = after(started, RECORD_TIME.min(budget.0.get()));
        let record = async |&(due, topics): &(&Due, &[TopicRole])| {
            let key = due.incident.ledger_key();
            let record = || self.ledger.record_alerted(&key, due.threshold, topics);
            self.call("ledger:RecordAlerted", until, record).await;
        };
        stream::iter(confirmed).for_each_concurrent(concurrency(confirmed.len()), record).await;
        budget.spend(time_between(started, self.clock.now()));
    }

    async fn contribute(&self, mut incident: Incident, until: Timestamp) -> Candidate {
        let Some(contributions) = incident.contributions().cloned() else {
            return self.candidate(incident, Some(LedgerEntry::default()));
        };
        let key = incident.ledger_key();
        let contributions: Vec<_> =
            contributions.iter().map(|(from, events)| Contribution { from, events: *events }).collect();
        let mut entry = None;
        for chunk in contributions.chunks(MAX_CONTRIBUTIONS) {
            entry = self.call("ledger:Contribute", until, || self.ledger.contribute(&key, chunk)).await;
            if entry.is_none() {
                break;
            }
        }
        incident.total = entry.as_ref().map_or(0, |entry: &LedgerEntry| entry.count).max(incident.count);
        self.candidate(incident, entry)
    }

    /// The summary of a caller, if it has too many incidents in its window.
    async fn summarize(
        &self,
        caller: &CallerInWindow,
        candidates: &[Candidate],
        until: Timestamp,
    ) -> Option<Candidate> {
        let (caller, window) = caller;
        let key = DedupKey::of_caller(self.audience, caller, *window);
        let incidents: Vec<_> = candidates.iter().map(|candidate| &candidate.incident).collect();
        let mut summary = self.contribute(Incident::of_caller(key, &incidents)?, until).await;
        // If the ledger did not count one of the incidents, it cannot show that no alert is due. The summary is then
        // published without the ledger.
        if candidates.iter().any(|candidate| candidate.entry.is_none()) {
            summary.entry = None;
        }
        (summary.incident.total > MAX_INCIDENTS_PER_CALLER).then_some(summary)
    }

    fn candidate(&self, incident: Incident, entry: Option<LedgerEntry>) -> Candidate {
        self.candidates.set(self.candidates.get() + 1);
        Candidate { incident, entry, holder: format!("{}#{}", self.holder, self.candidates.get()) }
    }

    async fn claim(&self, candidate: Candidate, topics: &[TopicRole], until: Timestamp) -> Verdict {
        let Candidate { incident, entry, holder } = candidate;
        let threshold = incident.threshold();
        let is_due = |entry: &LedgerEntry, topic: TopicRole| entry.alerted_on(topic) < threshold;
        let due_on =
            |entry: &LedgerEntry| -> Vec<_> { topics.iter().copied().filter(|it| is_due(entry, *it)).collect() };
        let Some(entry) = entry else {
            return Verdict::Due(Due { incident, threshold, topics: topics.to_vec() });
        };
        if due_on(&entry).is_empty() {
            return Verdict::Known;
        }
        let key = incident.ledger_key();
        let claimed = self.call("ledger:Claim", until, || {
            let now = self.clock.now();
            let claim = Claim { threshold, holder: &holder, now, until: after(now, LEASE) };
            // The closure owns the claim; the ledger borrows it for the call.
            async move { self.ledger.claim(&key, &claim).await }
        });
        match claimed.await {
            None => Verdict::Due(Due { incident, threshold, topics: due_on(&entry) }),
            Some(Claimed::Granted(entry) | Claimed::Held(entry)) if due_on(&entry).is_empty() => Verdict::Known,
            Some(Claimed::Granted(entry)) => Verdict::Due(Due { incident, threshold, topics: due_on(&entry) }),
            Some(Claimed::Held(entry)) => Verdict::Held(Candidate { incident, entry: Some(entry), holder }),
        }
    }

    /// Calls the ledger, and retries while other writers are using the entry. `None` if the ledger is unavailable.
    pub(super) async fn call<V, F>(
        &self,
        operation: &'static str,
        until: Timestamp,
        attempt: impl Fn() -> F,
    ) -> Option<V>
    where
        F: Future<Output = Result<V, ServiceError>>,
    {
        let (mut pause, mut timeouts) = (FIRST_PAUSE, 0);
        for attempts_left in (0..MAX_ATTEMPTS).rev() {
            let time_limit = time_between(self.clock.now(), until).min(CALL_TIMEOUT);
            if self.stopped.get() {
                return None;
            }
            if time_limit.is_zero() {
                self.add_error(no_response(operation));
                return None;
            }
            match future::select(pin!(attempt()), pin!(self.clock.sleep(time_limit))).await {
                Either::Left((Ok(value), _)) => return Some(value),
                Either::Left((Err(error), _)) if error.retryable && attempts_left > 0 => {
                    let time_left = time_between(self.clock.now(), until);
                    self.clock.sleep(self.jittered(pause, attempts_left).min(time_left)).await;
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
                Either::Left((Err(error), _)) => {
                    self.add_error(error);
                    return None;
                }
                Either::Right(((), _)) => {
                    // A timeout at a shorter limit does not show that the ledger hangs.
                    timeouts += u32::from(time_limit == CALL_TIMEOUT);
                    if timeouts == MAX_TIMEOUTS {
                        self.stopped.set(true);
                        self.add_error(no_response(operation));
                        return None;
                    }
                }
            }
        }
        self.add_error(no_response(operation));
        None
    }

    fn add_error(&self, error: ServiceError) {
        let mut errors = self.errors.borrow_mut();
        errors.count += 1;
        errors.first.get_or_insert(error);
    }

    /// A pause between half and all of `pause`, so that conflicting writers do not collide again.
    fn jittered(&self, pause: Duration, attempt: u32) -> Duration {
        let seed = (self.holder, self.candidates.get(), attempt, self.clock.now());
        let share = BuildHasherDefault::<DefaultHasher>::default().hash_one(seed) as u16;
        pause / 2 + pause / 2 * u32::from(share) / u32::from(u16::MAX)
    }
}

impl Candidate {
    /// Returns true unless the ledger shows that an invocation has tried to alert the incident individually. After such
    /// an attempt, the incident keeps its own alerts, so that a retry publishes those that a topic did not confirm.
    fn is_new(&self) -> bool {
        self.entry.as_ref().is_none_or(|entry| entry.alerted.is_empty() && !entry.claimed)
    }
}

/// A caller, and the window in which its incidents are counted.
type CallerInWindow = (Caller, Option<Window>);

/// Groups the new candidates by caller, in the order in which the callers first occur. Returns the groups and all other
/// candidates.
fn by_caller(candidates: Vec<Candidate>) -> (Vec<(CallerInWindow, Vec<Candidate>)>, Vec<Candidate>) {
    let (mut callers, mut others) = (Vec::<(CallerInWindow, Vec<Candidate>)>::new(), Vec::new());
    let mut indexes: HashMap<CallerInWindow, usize> = HashMap::new();
    for candidate in candidates {
        let caller = Caller::of(&candidate.incident.finding).filter(|_| candidate.is_new());
        let Some(caller) = caller.map(|caller| (caller, candidate.incident.window)) else {
            others.push(candidate);
            continue;
        };
        let index = *indexes.entry(caller.clone()).or_insert(callers.len());
        match callers.get_mut(index) {
            Some((_, candidates)) => candidates.push(candidate),
            None => callers.push((caller, vec![candidate])),
        }
    }
    (callers, others)
}

fn no_response(operation: &'static str) -> ServiceError {
    ServiceError::new(operation, Fault::OutOfTime, "no response in time")
}

/// The number of concurrent calls for this many incidents.
fn concurrency(incidents: usize) -> usize {
    (incidents / 4).clamp(1, MAX_CONCURRENT_CALLS)
}
