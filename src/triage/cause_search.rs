//! Finds the likely causes of stopped mappings.
//!
//! A search delays an alert by at most its time limit, and never prevents an alert. If the ledger is slow or
//! unavailable, the alert names the changes that the invocation itself has found, or none.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, Either};
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;

use super::audience::TopicRole;
use super::causes::{Causes, LikelyCause, MAX_KEPT_CAUSES, StoppedMapping};
use super::deduplication::{Due, LEASE, LedgerErrors};
use super::fingerprint::DedupKey;
use super::incident::{Incident, Scope};
use super::ledger::{Claim, Claimed, Contribution, Ledger, LedgerEntry, LedgerKey};
use crate::clock::{Clock, after, time_between};
use crate::detect::{Change, FindingKind, ResourceKey};
use crate::service::{Fault, ServiceError};

/// Time limit for naming the causes of stops that are alerted together.
const LOOKUP_TIME: Duration = Duration::from_millis(500);
/// Time limit of all lookups of an invocation.
const ALL_LOOKUPS_TIME: Duration = Duration::from_secs(2);
/// Time limit for recording the changes of an invocation.
const RECORD_TIME: Duration = Duration::from_secs(5);
/// Maximum number of likely causes in an alert, and of follow-ups of an alert.
pub(super) const MAX_CAUSES: usize = 3;
/// Maximum number of resources that are looked up for a stop.
const MAX_RESOURCES: usize = 8;
/// Maximum number of rounds of lookups: a function leads to its role, and the role to its policies.
const MAX_STEPS: usize = 3;
/// Maximum number of causes of a stop that are recorded as considered.
const MAX_CONSIDERED: usize = 30;
/// Maximum number of changes that an invocation keeps: about 5 MB.
const MAX_CHANGES: usize = 10_000;
/// Maximum number of concurrent calls, as for other ledger calls.
const MAX_CONCURRENT_CALLS: usize = 16;
/// Maximum length of an ARN or another string of a stop, in bytes. Longer strings are not kept.
const MAX_BYTES: usize = 512;
/// The alert threshold of a cause, which is named once.
const ONCE: u64 = 1;

/// One invocation's search for likely causes.
#[derive(Debug)]
pub(crate) struct CauseSearch<'a, L, C> {
    ledger: &'a L,
    clock: &'a C,
    /// Identifies the invocation.
    holder: String,
    /// The changes that the invocation has found, only the newest ones of each resource.
    changes: RefCell<BTreeMap<ResourceKey, Vec<FoundChange>>>,
    /// Number of changes in `changes`.
    kept: Cell<usize>,
    /// The time left for lookups.
    lookup_time: Cell<Duration>,
    errors: RefCell<LedgerErrors>,
}

/// A change, and the log object in which it was found.
#[derive(Debug, Clone)]
struct FoundChange {
    change: Arc<Change>,
    object: Arc<str>,
}

/// The causes that were considered for each stop, by the dedup keys of the stop's alert and of the causes.
pub(crate) type Considered = HashMap<DedupKey, Vec<DedupKey>>;

/// A cause that became known after the alert about its stop.
struct LateCause {
    stop: StoppedMapping,
    cause: LikelyCause,
    object: Arc<str>,
}

impl<'a, L, C> CauseSearch<'a, L, C> {
    /// Creates the search of an invocation. `invocation` is an ID that no other running invocation has.
    pub(crate) fn new(ledger: &'a L, clock: &'a C, invocation: &str) -> Self {
        Self {
            ledger,
            clock,
            holder: format!("{invocation}#causes"),
            changes: RefCell::default(),
            kept: Cell::default(),
            lookup_time: Cell::new(ALL_LOOKUPS_TIME),
            errors: RefCell::default(),
        }
    }

    /// The calls that failed, and the changes that were not recorded.
    pub(crate) fn errors(self) -> LedgerErrors {
        self.errors.into_inner()
    }

    /// Adds a change that was found in a log object. Like the ledger, keeps only the newest changes of each resource.
    pub(crate) fn add(&self, change: Change, object: &Arc<str>) {
        let found = FoundChange { change: Arc::new(change), object: Arc::clone(object) };
        let mut changes = self.changes.borrow_mut();
        for resource in &found.change.resources {
            if self.kept.get() >= MAX_CHANGES && !changes.contains_key(resource) {
                self.add_error(ServiceError::new("causes", Fault::Other, "too many changes in one invocation"));
                continue;
            }
            let of_resource = changes.entry(resource.clone()).or_default();
            if of_resource.iter().any(|it| it.change.id == found.change.id) {
                continue;
            }
            self.kept.set(self.kept.get() + 1);
            of_resource.push(found.clone());
            of_resource.sort_by_key(|it| std::cmp::Reverse(it.change.at));
            if of_resource.len() > MAX_KEPT_CAUSES {
                of_resource.truncate(MAX_KEPT_CAUSES);
                self.kept.set(self.kept.get() - 1);
            }
        }
    }

    fn found(&self, resource: &ResourceKey) -> Vec<Change> {
        let changes = self.changes.borrow();
        changes.get(resource).into_iter().flatten().map(|it| Change::clone(&it.change)).collect()
    }

    fn add_error(&self, error: ServiceError) {
        let mut errors = self.errors.borrow_mut();
        errors.count += 1;
        errors.first.get_or_insert(error);
    }
}

impl<L: Ledger + Causes, C: Clock> CauseSearch<'_, L, C> {
    /// Adds the likely causes to incidents about stops before they are alerted. Takes at most half a second, and at
    /// most two seconds in an invocation. `left` limits the time further.
    pub(crate) async fn name_causes(&self, due: &mut [Due], left: Duration) -> Considered {
        let started = self.clock.now();
        let until = after(started, LOOKUP_TIME.min(self.lookup_time.get()).min(left));
        let searches = due.iter_mut().map(|due| self.name_causes_of(due, until));
        let considered = stream::iter(searches).buffer_unordered(MAX_CONCURRENT_CALLS).collect::<Vec<_>>().await;
        self.spend_since(started);
        considered.into_iter().flatten().collect()
    }

    fn spend_since(&self, started: Timestamp) {
        let spent = time_between(started, self.clock.now());
        self.lookup_time.set(self.lookup_time.get().saturating_sub(spent));
    }

    async fn name_causes_of(&self, due: &mut Due, until: Timestamp) -> Option<(DedupKey, Vec<DedupKey>)> {
        let stop = StoppedMapping::of(&due.incident)?;
        let lookup = async |resource: &ResourceKey| {
            let recorded = self.call("ledger:AddStop", until, self.ledger.add_stop(resource, &stop)).await;
            [self.found(resource), recorded.unwrap_or_default()].concat()
        };
        let changes = changes_before(resources_of(&due.incident).collect(), lookup).await;
        let mut causes: Vec<_> = changes.values().filter_map(|change| stop.caused_by(change)).collect();
        causes.sort_by(LikelyCause::cmp_latest_first);
        causes.truncate(MAX_CONSIDERED);
        let considered = causes.iter().map(|it| DedupKey::of_cause(stop.alert, &it.change.id)).collect();
        causes.truncate(MAX_CAUSES);
        let claims = causes.into_iter().map(|cause| self.claim_cause(&stop, cause, &due.topics, until));
        due.incident.likely_causes = future::join_all(claims).await.into_iter().flatten().collect();
        Some((stop.alert, considered))
    }

    /// Requests the lease to name a cause; `None` if another message names the cause on these topics. If the ledger is
    /// unavailable, the alert names the cause.
    async fn claim_cause(
        &self,
        stop: &StoppedMapping,
        cause: LikelyCause,
        topics: &[TopicRole],
        until: Timestamp,
    ) -> Option<LikelyCause> {
        match self.claim(DedupKey::of_cause(stop.alert, &cause.change.id), until).await {
            None => Some(cause),
            Some(Claimed::Held(_)) => None,
            Some(Claimed::Granted(entry)) => (!missing(&entry, topics).is_empty()).then_some(cause),
        }
    }

    async fn claim(&self, key: DedupKey, until: Timestamp) -> Option<Claimed> {
        let now = self.clock.now();
        let claim = Claim { threshold: ONCE, holder: &self.holder, now, until: after(now, LEASE) };
        self.call("ledger:Claim", until, self.ledger.claim(&of(key), &claim)).await
    }

    /// Records that these topics confirmed alerts that named these causes or left them out, so that no follow-up names
    /// them.
    pub(crate) async fn record_considered(&self, confirmed: &[(&Due, &[TopicRole])], considered: &Considered) {
        let started = self.clock.now();
        let until = after(started, LOOKUP_TIME.min(self.lookup_time.get()));
        let keys = confirmed.iter().flat_map(|(due, topics)| {
            considered.get(&due.incident.dedup_key).into_iter().flatten().map(move |key| (*key, *topics))
        });
        let record = async |(key, topics): (DedupKey, &[TopicRole])| {
            self.call("ledger:RecordAlerted", until, self.ledger.record_alerted(&of(key), ONCE, topics)).await;
        };
        stream::iter(keys).for_each_concurrent(MAX_CONCURRENT_CALLS, record).await;
        self.spend_since(started);
    }

    /// Records the changes that the invocation has found. Returns the follow-ups that are due: incidents about stops whose
    /// alerts were published before these changes were known.
    pub(crate) async fn record_changes(&self, topics: &[TopicRole]) -> Vec<Due> {
        let until = after(self.clock.now(), RECORD_TIME);
        let changes: Vec<_> = self.changes.take().into_iter().collect();
        let concurrency = (changes.len() / 4).clamp(1, MAX_CONCURRENT_CALLS);
        let changes =
            changes.iter().flat_map(|(resource, of_resource)| of_resource.iter().map(move |it| (resource, it)));
        let writes = changes.map(async |(resource, found)| {
            let stops = self.call("ledger:AddChange", until, self.ledger.add_change(resource, &found.change)).await;
            let late = |stop: StoppedMapping| {
                stop.caused_by(&found.change).map(|cause| LateCause { stop, cause, object: Arc::clone(&found.object) })
            };
            stops.unwrap_or_default().into_iter().filter_map(late).collect::<Vec<_>>()
        });
        let late: Vec<_> = stream::iter(writes).buffer_unordered(concurrency).collect().await;
        let mut due = Vec::new();
        let mut seen = HashSet::new();
        for late in late.into_iter().flatten() {
            let key = DedupKey::of_cause(late.stop.alert, &late.cause.change.id);
            if seen.insert(key) {
                due.extend(self.follow_up(key, late, topics, until).await);
            }
        }
        due
    }

    /// The follow-up about a cause. `None` if another message names the cause, if the alert already has the maximum
    /// number of follow-ups, or if the ledger is unavailable and the follow-up could therefore not be deduplicated.
    async fn follow_up(&self, key: DedupKey, late: LateCause, topics: &[TopicRole], until: Timestamp) -> Option<Due> {
        let Some(Claimed::Granted(entry)) = self.claim(key, until).await else { return None };
        let topics = missing(&entry, topics);
        if topics.is_empty() {
            return None;
        }
        let LateCause { stop, cause, object } = late;
        let number = Contribution { from: &cause.change.id, events: ONCE };
        let count = of(DedupKey::of_follow_ups(stop.alert));
        let number = self.call("ledger:Contribute", until, self.ledger.contribute(&count, &[number])).await?.count;
        let incident = Incident::follow_up(&stop, cause, &object);
        (number <= MAX_CAUSES as u64).then_some(Due { incident, threshold: ONCE, topics })
    }

    /// Calls the ledger once. The SDK has already retried retryable failures.
    async fn call<V>(
        &self,
        operation: &'static str,
        until: Timestamp,
        call: impl Future<Output = Result<V, ServiceError>>,
    ) -> Option<V> {
        let time_limit = time_between(self.clock.now(), until);
        // The timer is polled first, so no call starts after the time limit.
        let error = match future::select(pin!(self.clock.sleep(time_limit)), pin!(call)).await {
            Either::Right((Ok(value), _)) => return Some(value),
            Either::Right((Err(error), _)) => error,
            Either::Left(((), _)) => ServiceError::new(operation, Fault::OutOfTime, "no response in time"),
        };
        self.add_error(error);
        None
    }
}

/// The changes of the resources that a mapping depends on, by event ID. `lookup` returns the changes of one resource.
/// Changes lead to further resources: a change of a function leads to its role.
pub(super) async fn changes_before(
    mut resources: Vec<ResourceKey>,
    lookup: impl AsyncFn(&ResourceKey) -> Vec<Change>,
) -> BTreeMap<String, Change> {
    let (mut known, mut seen) = (BTreeMap::new(), HashSet::new());
    for _ in 0..MAX_STEPS {
        resources.retain(|resource| seen.len() < MAX_RESOURCES && seen.insert(resource.clone()));
        let changes = future::join_all(resources.iter().map(async |it| lookup(it).await)).await.concat();
        resources = changes.iter().flat_map(|change| change.related.iter().cloned()).collect();
        known.extend(changes.into_iter().map(|change| (change.id.clone(), change)));
        if resources.is_empty() {
            break;
        }
    }
    known
}

impl StoppedMapping {
    /// The stop that an incident is about. `None` if the incident is not about exactly one stop, if the mapping is no
    /// longer stopped, or if the event has no time.
    pub(super) fn of(incident: &Incident) -> Option<Self> {
        let FindingKind::EsmDisabled(esm) = &incident.finding.kind else { return None };
        let is_one = incident.scope == Scope::Event && incident.follows_up.is_none();
        if incident.status() != Some("open") || !is_one || incident.is_test {
            return None;
        }
        let event = &incident.finding.event;
        let short = |text: &Option<String>| text.clone().filter(|text| text.len() <= MAX_BYTES);
        Some(Self {
            alert: incident.dedup_key,
            at: event.time.as_deref()?.parse().ok()?,
            category: esm.category,
            event_id: short(&event.id),
            account: short(&event.account),
            region: short(&event.region),
            mapping_uuid: short(&esm.mapping_uuid),
            function_name: short(&event.function_name),
            function_arn: short(&esm.function_arn),
            event_source_arn: short(&esm.event_source_arn),
        })
    }
}

impl Due {
    /// Replaces the dedup key of a follow-up, which is the key of the alert, with its own key.
    pub(crate) fn with_own_key(mut self) -> Self {
        if let (Some(alert), [cause]) = (self.incident.follows_up, self.incident.likely_causes.as_slice()) {
            self.incident.dedup_key = DedupKey::of_cause(alert, &cause.change.id);
        }
        self
    }
}

/// The resources that the mapping of an incident depends on, if its finding or its context names them.
pub(super) fn resources_of(incident: &Incident) -> impl Iterator<Item = ResourceKey> {
    let event = &incident.finding.event;
    let arns = match &incident.finding.kind {
        FindingKind::EsmDisabled(esm) => [esm.function_arn.as_deref(), esm.event_source_arn.as_deref()],
        _ => [None, None],
    };
    let [function, source] = arns.map(|arn| arn.and_then(ResourceKey::of_arn));
    let by_name = || {
        let [account, region, name] = [&event.account, &event.region, &event.function_name].map(Option::as_deref);
        ResourceKey::of_function(account?, region?, name?)
    };
    let in_context = incident.context.as_ref().and_then(|it| it.function.as_ref());
    let [role, key] =
        [in_context.and_then(|it| it.role_arn.as_deref()), in_context.and_then(|it| it.kms_key_arn.as_deref())]
            .map(|arn| arn.and_then(ResourceKey::of_arn));
    [function.or_else(by_name), source, role, key].into_iter().flatten()
}

/// The topics that have not confirmed a message about a cause.
fn missing(entry: &LedgerEntry, topics: &[TopicRole]) -> Vec<TopicRole> {
    topics.iter().copied().filter(|topic| entry.alerted_on(*topic) < ONCE).collect()
}

fn of(dedup_key: DedupKey) -> LedgerKey {
    LedgerKey { dedup_key, window: None }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::detect::{Detector, WatchRules};

    fn function(n: usize) -> ResourceKey {
        ResourceKey::of_function("111122223333", "us-east-1", &format!("f{n}")).expect("a key")
    }

    /// Change `id` of these functions.
    fn change(id: usize, functions: &[usize]) -> Change {
        let record =
            br#"{"eventSource":"lambda.amazonaws.com","eventName":"DeleteFunction20150331","awsRegion":"us-east-1",
            "eventTime":"2026-01-02T03:00:00Z","recipientAccountId":"111122223333","eventID":"id",
            "requestParameters":{"functionName":"orders"}}"#;
        let detector = Detector { causes: true, ..Detector::default() };
        let examined =
            detector.examine(record.as_slice(), &Arc::from("key"), &WatchRules::default()).expect("a record");
        let change = *examined.change.expect("a change");
        Change { id: id.to_string(), resources: functions.iter().map(|n| function(*n)).collect(), ..change }
    }

    #[test]
    fn an_invocation_keeps_ten_changes_of_each_resource_and_ten_thousand_in_total() {
        let search = CauseSearch::new(&(), &(), "invocation");
        let add = |change| search.add(change, &Arc::from("key"));
        (0..12).for_each(|id| add(change(id, &[0])));
        assert_eq!((search.found(&function(0)).len(), search.kept.get()), (10, 10));
        let all: Vec<_> = (1..9_991).collect();
        add(change(12, &all));
        assert_eq!((search.kept.get(), search.errors.borrow().count), (10_000, 0));
        add(change(13, &[1, 9_991]));
        assert_eq!((search.found(&function(1)).len(), search.found(&function(9_991)).len()), (2, 0));
        assert_eq!(search.errors().count, 1);
    }

    #[test]
    fn up_to_eight_resources_are_looked_up_once() {
        let looked_up = RefCell::new(Vec::new());
        let lookup = async |resource: &ResourceKey| {
            looked_up.borrow_mut().push(resource.clone());
            Vec::new()
        };
        let resources = [0, 0].into_iter().chain(1..20).map(function).collect();
        changes_before(resources, lookup).now_or_never().expect("immediate lookups");
        assert_eq!(looked_up.into_inner(), (0..8).map(function).collect::<Vec<_>>());
    }
}
