//! Compares the mappings that the Lambda API lists with the ledger.
//!
//! Each account and Region is swept separately, so if one of them cannot be listed, the others are not affected. A step
//! with an alert is recorded only after the alert is published. If it is not recorded, the next sweep repeats the step,
//! and the ledger prevents a repeated alert about one mapping.

mod observed;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{self, Either, FutureExt as _, Shared};
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;

use super::invocation::{Outcome, Running};
use super::wiring::{Invocation, Pipeline};
use crate::clock::{Clock, after, time_between, whole_seconds};
use crate::delivery::{AccountRegion, Skipped};
use crate::detect::MappingNames;
use crate::enrich::ContextSource;
use crate::identity::Identity;
use crate::publish::Topic;
use crate::reply::{PlaceFailure, Reply};
use crate::service::{Fault, ServiceError};
use crate::sweep::{MappingSource, Page};
use crate::trail::ObjectSource;
use crate::triage::{
    Audience, Causes, Incident, KnownMapping, Ledger, LedgerBudget, MAX_LISTED, MappingKey, MappingState,
    MappingStates, Step, Transition, steps_for_listed, steps_for_missing, suppressing_rule,
};
use observed::{Group, Observed, Subject};

/// Maximum number of accounts and Regions that are swept concurrently.
const CONCURRENT_PLACES: usize = 32;
/// Minimum time between two calls to an account in a Region. Lambda allows 15 control-plane calls per second for each
/// account and Region ("Lambda quotas", Lambda Developer Guide), which deployments in the account also need.
const CALL_INTERVAL: Duration = Duration::from_millis(250);
/// Maximum number of pages of an account in a Region: a million mappings.
const MAX_PAGES: usize = 10_000;
/// Time limit of all ledger calls of a sweep. The time limit of the invocation usually ends a sweep earlier.
const LEDGER_TIME: Duration = Duration::from_mins(15);

/// A sweep in progress.
struct Sweep<'a, S, T, L, C, A> {
    running: Running<'a, S, T, L, C, A>,
    budget: LedgerBudget,
    /// The mappings that were known when the sweep began, in places that have not been swept yet.
    known: RefCell<BTreeMap<AccountRegion, BTreeMap<String, KnownMapping>>>,
    /// What is alerted together at the end.
    grouped: RefCell<BTreeMap<Group, Vec<Observed>>>,
    mappings: Cell<u64>,
}

impl<S, T, L, C, A> Pipeline<S, T, L, C, A>
where
    S: ObjectSource,
    T: Topic,
    L: Ledger + MappingStates + Causes,
    C: Clock,
    A: ContextSource + MappingSource,
{
    /// Sweeps all accounts and Regions of the settings.
    pub(super) async fn sweep(&self, invocation: Invocation<'_, impl Future<Output = ()>>) -> Outcome {
        let plan = self.ledger.sweep_state().await.and_then(|state| Ok((self.places(&state.digests)?, state)));
        let (places, state) = match plan {
            Ok(plan) => plan,
            Err(error) => {
                let mut outcome = Outcome::default();
                outcome.failures.sweep = Some(error);
                return outcome;
            }
        };
        let sweep = Sweep {
            running: Running::new(self, Audience::All, &invocation),
            budget: LedgerBudget::new(LEDGER_TIME),
            known: RefCell::new(by_place(state.mappings)),
            grouped: RefCell::default(),
            mappings: Cell::default(),
        };
        let failed = sweep.sweep_all(&places, |place| !state.swept.contains(place), invocation.time_up).await;
        let mappings = sweep.mappings.get();
        let mut outcome = sweep.running.finish(Skipped::default(), Vec::new());
        outcome.counters.mappings_swept = mappings;
        outcome.counters.places_swept = (places.len() - failed.len()) as u64;
        outcome.counters.sweep_failures = failed.len() as u64;
        outcome.reply = Reply::Sweep { places: places.len() as u64, mappings, failed };
        outcome
    }

    /// The places to sweep, in an order that differs from sweep to sweep. If the time is up before all of them are
    /// swept, each sweep therefore omits different ones. The Regions of an account stay together, because they share
    /// its credentials.
    fn places(&self, digests: &BTreeSet<AccountRegion>) -> Result<Vec<AccountRegion>, ServiceError> {
        let mut places: Vec<_> = self.sweep.of(digests).into_iter().collect();
        if places.is_empty() {
            return Err(ServiceError::new("sweep", Fault::Other, "no accounts and Regions to sweep"));
        }
        let now = self.clock.now().to_string();
        places.sort_by_cached_key(|it| (Identity::of_strings(&[&now, &it.account]).to_string(), it.region.clone()));
        Ok(places)
    }
}

impl<S, T, L, C, A> Sweep<'_, S, T, L, C, A>
where
    S: ObjectSource,
    T: Topic,
    L: Ledger + MappingStates + Causes,
    C: Clock,
    A: ContextSource + MappingSource,
{
    /// Sweeps the places until the time is up. Returns those that failed.
    async fn sweep_all(
        &self,
        places: &[AccountRegion],
        is_first: impl Fn(&AccountRegion) -> bool,
        time_up: impl Future<Output = ()>,
    ) -> Vec<PlaceFailure> {
        let time_up = time_up.shared();
        let sweeps = places.iter().map(async |place| {
            let result = self.sweep_place(place, is_first(place), &time_up).await;
            result.err().map(|error| PlaceFailure { place: place.clone(), error: error.to_string() })
        });
        let failed: Vec<_> = stream::iter(sweeps).buffer_unordered(CONCURRENT_PLACES).collect().await;
        let failed: Vec<_> = failed.into_iter().flatten().collect();
        let first = places.iter().filter(|place| is_first(place) && !failed.iter().any(|it| it.place == **place));
        let unpublished = self.alert_groups().await;
        for place in first.filter(|place| !unpublished.contains(&place.account)) {
            self.record_swept(place).await;
        }
        failed
    }

    async fn sweep_place(
        &self,
        place: &AccountRegion,
        is_first: bool,
        time_up: &Shared<impl Future<Output = ()>>,
    ) -> Result<(), ServiceError> {
        let mut known = self.known.borrow_mut().remove(place).unwrap_or_default();
        let mut listed = HashSet::new();
        let mut marker = None;
        for _ in 0..MAX_PAGES {
            let called = self.clock().now();
            let now = whole_seconds(called);
            let page = self.page(place, marker.as_deref(), time_up).await?;
            let mut observed = Vec::new();
            for mapping in &page.mappings {
                let uuid = mapping.uuid.to_ascii_lowercase();
                let key = MappingKey { account: place.account.clone(), region: place.region.clone(), uuid };
                let steps = steps_for_listed(mapping, &key, known.get(&key.uuid), now);
                observed.extend(self.take(steps, &Subject::listed(&key, mapping), now, is_first).await?);
                if known.contains_key(&key.uuid) {
                    listed.insert(key.uuid);
                }
            }
            self.mappings.set(self.mappings.get() + page.mappings.len() as u64);
            self.alert(observed).await;
            match page.next {
                None => {
                    known.retain(|uuid, _| !listed.contains(uuid));
                    return self.end_missing(known, now).await;
                }
                next if next == marker => break,
                next => marker = next,
            }
            let elapsed = time_between(called, self.clock().now());
            self.clock().sleep(CALL_INTERVAL.saturating_sub(elapsed)).await;
        }
        Err(ServiceError::new("sweep", Fault::Other, "the list of mappings does not end"))
    }

    /// A page of the list. No call starts after the time is up.
    async fn page(
        &self,
        place: &AccountRegion,
        marker: Option<&str>,
        time_up: &Shared<impl Future<Output = ()>>,
    ) -> Result<Page, ServiceError> {
        match future::select(time_up.clone(), pin!(self.running.pipeline.api.list(place, marker))).await {
            Either::Left(((), _)) => Err(ServiceError::new("sweep", Fault::OutOfTime, "out of time")),
            Either::Right((page, _)) => page,
        }
    }

    /// Takes the steps for known mappings that were not listed.
    async fn end_missing(&self, known: BTreeMap<String, KnownMapping>, now: Timestamp) -> Result<(), ServiceError> {
        let mut observed = Vec::new();
        for mapping in known.values() {
            let steps = steps_for_missing(mapping, now);
            observed.extend(self.take(steps, &Subject::known(mapping), now, false).await?);
        }
        self.alert(observed).await;
        Ok(())
    }

    /// Takes the steps for a mapping. Returns the findings to alert on now.
    async fn take(
        &self,
        steps: Vec<Step>,
        subject: &Subject<'_>,
        now: Timestamp,
        is_first: bool,
    ) -> Result<Vec<Observed>, ServiceError> {
        let mut alerted = Vec::new();
        for step in steps {
            if let Step::Record(transition) = step {
                self.record(&subject.key, &subject.names, transition).await?;
                continue;
            }
            let is_new = matches!(step, Step::ReportStop(_));
            let Some(observed) = subject.observe(step, now) else { continue };
            if let Some(rule) = suppressing_rule(&self.running.rules.suppress, &observed.finding, b"{}") {
                self.suppress(&observed, &rule.name).await?;
                continue;
            }
            if is_new && !self.record_stop(&observed).await? {
                continue;
            }
            match observed.group(is_first) {
                Some(group) => self.grouped.borrow_mut().entry(group).or_default().push(observed),
                None => alerted.push(observed),
            }
        }
        Ok(alerted)
    }

    /// Counts a suppressed finding. A suppressed recovery is still recorded, so that the next stop or failure is alerted.
    async fn suppress(&self, observed: &Observed, rule: &str) -> Result<(), ServiceError> {
        self.running.state.borrow_mut().count(&observed.finding);
        self.running.state.borrow_mut().count_suppressed(rule);
        if observed.is_recovery() {
            self.record(&observed.mapping, &observed.names, observed.published).await?;
        }
        Ok(())
    }

    /// Records a stop. Returns false if another stop has been recorded in the meantime.
    async fn record_stop(&self, observed: &Observed) -> Result<bool, ServiceError> {
        let stop = Transition::FoundStopped(observed.stop);
        let state = self.record(&observed.mapping, &observed.names, stop).await?;
        Ok(state.open().is_some_and(|open| open.alert == observed.stop.alert))
    }

    /// Publishes alerts, one for each mapping, and records the transitions of those that were published.
    async fn alert(&self, observed: Vec<Observed>) {
        for it in observed {
            self.publish(Some(it.incident()), &[it]).await;
        }
    }

    /// Publishes the alerts about several mappings. Returns the accounts with a list of stopped mappings that was not
    /// published.
    async fn alert_groups(&self) -> BTreeSet<String> {
        let mut unpublished = BTreeSet::new();
        for (group, mut observed) in self.grouped.take() {
            observed.sort_by(|a, b| (a.stop.at, &a.mapping).cmp(&(b.stop.at, &b.mapping)));
            for listed in observed.chunks(MAX_LISTED) {
                if !self.publish(Observed::incident_of(listed), listed).await && !group.is_reminder {
                    unpublished.insert(group.account.clone());
                }
            }
        }
        unpublished
    }

    /// Publishes an alert, and records the transitions if it was published. Returns true if it was.
    async fn publish(&self, incident: Option<Incident>, about: &[Observed]) -> bool {
        let Some(incident) = incident else { return true };
        for it in about {
            self.running.state.borrow_mut().count(&it.finding);
        }
        let failures = || self.running.state.borrow().outcome.failures.alerts.len();
        let earlier = failures();
        let candidates = self.running.deduplication.events(vec![incident]);
        self.running.publish_candidates(candidates, &self.budget).await;
        if failures() > earlier {
            return false;
        }
        for it in about {
            // If this fails, the next sweep repeats the step. The ledger then prevents a repeated alert about one mapping, but
            // a list with other members is another alert.
            let _ = self.record(&it.mapping, &it.names, it.published).await;
        }
        true
    }

    async fn record(
        &self,
        key: &MappingKey,
        names: &MappingNames,
        transition: Transition,
    ) -> Result<MappingState, ServiceError> {
        let until = after(self.clock().now(), LEDGER_TIME);
        let state = self.running.deduplication.transition(key, names, transition, until).await;
        state.ok_or_else(|| ServiceError::new("sweep", Fault::Unavailable, "the ledger is unavailable"))
    }

    /// Records that a place was swept. If this fails, the next sweep also counts as the first sweep of the place.
    async fn record_swept(&self, place: &AccountRegion) {
        self.running.deduplication.record_swept(place, after(self.clock().now(), LEDGER_TIME)).await;
    }

    fn clock(&self) -> &C {
        &self.running.pipeline.clock
    }
}

/// Groups known mappings by their place and UUID.
fn by_place(mappings: Vec<KnownMapping>) -> BTreeMap<AccountRegion, BTreeMap<String, KnownMapping>> {
    let mut known: BTreeMap<AccountRegion, BTreeMap<String, KnownMapping>> = BTreeMap::new();
    for mapping in mappings {
        let MappingKey { account, region, uuid } = mapping.key.clone();
        known.entry(AccountRegion { account, region }).or_default().insert(uuid, mapping);
    }
    known
}
