//! Adds context to incidents about stopped mappings: the present state of the mapping, and the role and the owner of its
//! function.
//!
//! Alerts do not depend on context. They wait for the Lambda API only briefly, and a failure of the API never fails an
//! invocation. Responses that arrive in time are used, even if others are missing.

mod owner_tags;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use futures_util::future;
use futures_util::stream::{self, StreamExt as _};

pub use owner_tags::{MAX_OWNER_TAG_KEYS, OwnerTagKeys};

use crate::clock::{Clock, time_between};
use crate::delivery::AccountRegion;
use crate::detect::{Arn, FindingKind, is_uuid};
use crate::service::{Fault, ServiceError};
use crate::triage::{Context, FunctionNow, Incident, Lifecycle, MappingNow, Scope, Tag};

/// How long the lookups of an invocation may delay its alerts, in total.
pub const LOOKUP_TIME: Duration = Duration::from_secs(1);
/// Number of mappings that are looked up concurrently. Lambda allows 15 control-plane calls a second in an account and
/// Region ("Lambda quotas", AWS Lambda Developer Guide), which the user's deployments need too.
const CONCURRENT_MAPPINGS: usize = 8;

/// Describes the current state of mappings and functions.
pub trait ContextSource {
    /// The mapping with this UUID. A mapping that does not exist is [`MappingNow::deleted()`].
    ///
    /// # Errors
    /// If the source is unavailable or denies the call.
    fn mapping(&self, at: &AccountRegion, uuid: &str) -> impl Future<Output = Result<MappingNow, ServiceError>>;

    /// The function with this ARN, which may name a version or an alias; `None` if it does not exist.
    ///
    /// # Errors
    /// If the source is unavailable or denies the call.
    fn function(
        &self,
        at: &AccountRegion,
        arn: &str,
    ) -> impl Future<Output = Result<Option<FunctionNow>, ServiceError>>;

    /// The tags of the function with this ARN, which must not name a version or an alias. A function that does not
    /// exist has no tags.
    ///
    /// # Errors
    /// If the source is unavailable or denies the call.
    fn tags(&self, at: &AccountRegion, arn: &str) -> impl Future<Output = Result<Vec<Tag>, ServiceError>>;
}

/// Lookups that failed or timed out.
#[derive(Debug, Default)]
pub(crate) struct ContextErrors {
    pub(crate) count: u64,
    pub(crate) first: Option<ServiceError>,
}

/// The calls to a [`ContextSource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Call {
    Mapping,
    Function,
    Tags,
}

/// The lookups of one invocation.
pub(crate) struct Enrichment<'a, A, C> {
    source: &'a A,
    clock: &'a C,
    /// The tags that name the owner; `None` if nothing is looked up.
    owner_keys: Option<&'a OwnerTagKeys>,
    left: Cell<Duration>,
    /// Calls that were denied or throttled, or that failed because the API was unavailable, by account. They are not
    /// repeated.
    refused: RefCell<HashSet<(String, Call)>>,
    errors: RefCell<ContextErrors>,
}

/// The lookup of one mapping, and the context found so far.
struct Lookup {
    at: AccountRegion,
    uuid: Option<String>,
    function_arn: Option<String>,
    found: RefCell<Context>,
    is_done: Cell<bool>,
}

impl Lookup {
    /// The lookup for an incident. `None` if the incident is not about one mapping that is still stopped or failing as
    /// far as is known, or if its record identifies neither the mapping nor the function.
    fn of(incident: &Incident) -> Option<Self> {
        let is_troubled = matches!(incident.finding.kind, FindingKind::EsmDisabled(_) | FindingKind::EsmFailing(_));
        let is_open = matches!(incident.lifecycle, Some(Lifecycle::Open | Lifecycle::Reminder(..)) | None);
        if !is_troubled || !is_open || incident.scope != Scope::Event {
            return None;
        }
        let [uuid, function_arn, _] = incident.finding.mapping()?;
        let event = &incident.finding.event;
        let at = AccountRegion { account: event.account.clone()?, region: event.region.clone()? };
        let uuid = uuid.filter(|uuid| is_uuid(uuid)).map(str::to_owned);
        let function_arn = function_at(&at, function_arn);
        (uuid.is_some() || function_arn.is_some()).then(|| Self {
            at,
            uuid,
            function_arn,
            found: RefCell::default(),
            is_done: Cell::default(),
        })
    }
}

impl<'a, A: ContextSource, C: Clock> Enrichment<'a, A, C> {
    pub(crate) fn new(source: &'a A, clock: &'a C, owner_keys: Option<&'a OwnerTagKeys>) -> Self {
        Self {
            source,
            clock,
            owner_keys,
            left: Cell::new(LOOKUP_TIME),
            refused: RefCell::default(),
            errors: RefCell::default(),
        }
    }

    /// Adds context to incidents about stopped mappings. Omits context that does not arrive within the lookup time of
    /// the invocation.
    pub(crate) async fn add_context(&self, incidents: impl Iterator<Item = &mut Incident>) {
        let Some(owner_keys) = self.owner_keys else { return };
        let (mut incidents, lookups): (Vec<_>, Vec<_>) =
            incidents.filter_map(|it| Lookup::of(it).map(|lookup| (it, lookup))).unzip();
        let left = self.left.get();
        if !lookups.is_empty() && !left.is_zero() {
            let started = self.clock.now();
            let all = stream::iter(&lookups)
                .for_each_concurrent(CONCURRENT_MAPPINGS, |lookup| self.look_up(lookup, owner_keys));
            future::select(pin!(all), pin!(self.clock.sleep(left))).await;
            // Other lookups may have run in the meantime.
            self.left.set(self.left.get().saturating_sub(time_between(started, self.clock.now())));
        }
        for (incident, lookup) in incidents.iter_mut().zip(lookups) {
            if !lookup.is_done.get() {
                self.count(ServiceError::new("context", Fault::OutOfTime, "no response in time"));
            }
            let found = lookup.found.into_inner();
            if !found.is_empty() {
                incident.set_context(found);
            }
        }
    }

    /// The errors so far.
    pub(crate) fn into_errors(self) -> ContextErrors {
        self.errors.into_inner()
    }

    /// Looks up the mapping and its function concurrently. If the record does not name the function, looks up the
    /// mapping first.
    async fn look_up(&self, lookup: &Lookup, owner_keys: &OwnerTagKeys) {
        if let Some(arn) = lookup.function_arn.as_deref() {
            future::join(self.look_up_mapping(lookup), self.look_up_function(lookup, arn, owner_keys)).await;
        } else {
            self.look_up_mapping(lookup).await;
            let mapping = lookup.found.borrow().mapping.clone();
            if let Some(arn) = mapping.and_then(|it| function_at(&lookup.at, it.function_arn.as_deref())) {
                self.look_up_function(lookup, &arn, owner_keys).await;
            }
        }
        lookup.is_done.set(true);
    }

    async fn look_up_mapping(&self, lookup: &Lookup) {
        let Some(uuid) = &lookup.uuid else { return };
        let found = self.ask(&lookup.at, Call::Mapping, self.source.mapping(&lookup.at, uuid)).await;
        lookup.found.borrow_mut().mapping = found;
    }

    async fn look_up_function(&self, lookup: &Lookup, arn: &str, owner_keys: &OwnerTagKeys) {
        let function = async {
            let found = self.ask(&lookup.at, Call::Function, self.source.function(&lookup.at, arn)).await;
            lookup.found.borrow_mut().function = found.flatten();
        };
        let tags = async {
            let arn = unqualified(arn);
            let found = self.ask(&lookup.at, Call::Tags, self.source.tags(&lookup.at, &arn)).await;
            lookup.found.borrow_mut().owner = owner_keys.select(found.unwrap_or_default());
        };
        future::join(function, tags).await;
    }

    async fn ask<V>(
        &self,
        at: &AccountRegion,
        call: Call,
        request: impl Future<Output = Result<V, ServiceError>>,
    ) -> Option<V> {
        let key = (at.account.clone(), call);
        if self.refused.borrow().contains(&key) {
            return None;
        }
        match request.await {
            Ok(found) => Some(found),
            Err(error) => {
                if matches!(error.fault, Fault::Denied | Fault::Unavailable) {
                    self.refused.borrow_mut().insert(key);
                }
                self.count(error);
                None
            }
        }
    }

    fn count(&self, error: ServiceError) {
        let errors = &mut *self.errors.borrow_mut();
        errors.count += 1;
        errors.first.get_or_insert(error);
    }
}

/// The ARN, if it is the ARN of a function in this account and Region. A mapping and its function are always in the
/// same account and Region.
fn function_at(at: &AccountRegion, arn: Option<&str>) -> Option<String> {
    let arn = Arn::parse(arn?)?;
    let is_there = arn.function_name().is_some() && arn.account == at.account && arn.region == at.region;
    is_there.then(|| arn.text.to_owned())
}

/// The ARN of a function without its version or alias, which have no tags of their own.
fn unqualified(arn: &str) -> String {
    arn.split(':').take(7).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_functions_of_the_mappings_account_and_region_are_looked_up() {
        let at = AccountRegion { account: "111122223333".to_owned(), region: "us-east-1".to_owned() };
        let own = "arn:aws:lambda:us-east-1:111122223333:function:orders:live";
        assert_eq!(function_at(&at, Some(own)).as_deref(), Some(own));
        for other in [
            "arn:aws:lambda:us-east-1:444455556666:function:orders",
            "arn:aws:lambda:eu-west-1:111122223333:function:orders",
            "arn:aws:sqs:us-east-1:111122223333:orders",
            "orders",
        ] {
            assert_eq!(function_at(&at, Some(other)), None, "{other}");
        }
        assert_eq!(unqualified(own), "arn:aws:lambda:us-east-1:111122223333:function:orders");
        assert_eq!(unqualified(&unqualified(own)), unqualified(own));
    }
}
