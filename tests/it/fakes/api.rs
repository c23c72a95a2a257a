//! A Lambda API in memory, with faults that a test sets.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use trailwarden::delivery::AccountRegion;
use trailwarden::enrich::ContextSource;
use trailwarden::service::{Fault, ServiceError};
use trailwarden::sweep::{Mapping, MappingSource, Page};
use trailwarden::triage::{FunctionNow, MappingNow, Tag};

use super::dice::Dice;

/// Faults of the API.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct ApiFaults {
    /// Duration of a call.
    pub(crate) latency: Duration,
    /// Calls whose name contains this string never return.
    pub(crate) hangs: Option<&'static str>,
    /// Calls whose name contains this string fail.
    pub(crate) fails: Option<(&'static str, Fault)>,
}

/// Event source mappings and functions, the same in all accounts and Regions.
#[derive(Debug, Default)]
pub(crate) struct MemoryApi {
    /// Mappings by UUID.
    pub(crate) mappings: BTreeMap<String, MappingNow>,
    /// Functions by name, with their tags.
    pub(crate) functions: BTreeMap<String, (FunctionNow, Vec<Tag>)>,
    pub(crate) faults: Cell<ApiFaults>,
    /// The calls so far.
    pub(crate) calls: RefCell<Vec<String>>,
    /// Number of calls in flight, and its maximum so far.
    pub(crate) in_flight: Cell<(usize, usize)>,
    /// The list of mappings.
    pub(crate) list: MemoryList,
}

/// The list of mappings, with its faults.
#[derive(Debug)]
pub(crate) struct MemoryList {
    /// The mappings of each account and Region.
    pub(crate) mappings: RefCell<BTreeMap<AccountRegion, Vec<Mapping>>>,
    /// Number of mappings in a page.
    pub(crate) page: Cell<usize>,
    /// The time that a call takes.
    pub(crate) latency: Cell<Duration>,
    /// Share of the calls that fail.
    pub(crate) failures: Cell<f64>,
    /// Places that cannot be listed.
    pub(crate) denied: RefCell<Vec<AccountRegion>>,
    /// The calls, with their times.
    pub(crate) calls: RefCell<Vec<(Instant, AccountRegion)>>,
    pub(crate) dice: Dice,
}

impl Default for MemoryList {
    fn default() -> Self {
        Self {
            mappings: RefCell::default(),
            page: Cell::new(100),
            latency: Cell::default(),
            failures: Cell::default(),
            denied: RefCell::default(),
            calls: RefCell::default(),
            dice: Dice::default(),
        }
    }
}

impl MemoryApi {
    /// Performs a call with the faults that the test sets.
    async fn call(&self, operation: &'static str, resource: &str) -> Result<(), ServiceError> {
        let ApiFaults { latency, hangs, fails } = self.faults.get();
        self.calls.borrow_mut().push(format!("{operation} {resource}"));
        let (now, most) = self.in_flight.get();
        self.in_flight.set((now + 1, most.max(now + 1)));
        if hangs.is_some_and(|part| operation.contains(part)) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(latency).await;
        let (now, most) = self.in_flight.get();
        self.in_flight.set((now - 1, most));
        match fails {
            Some((part, fault)) if operation.contains(part) => Err(ServiceError::new(operation, fault, "injected")),
            _ => Ok(()),
        }
    }

    fn function_of(&self, arn: &str) -> Option<&(FunctionNow, Vec<Tag>)> {
        self.functions.get(arn.split(':').nth(6).expect("the ARN of a function"))
    }
}

impl ContextSource for MemoryApi {
    async fn mapping(&self, _: &AccountRegion, uuid: &str) -> Result<MappingNow, ServiceError> {
        self.call("lambda:GetEventSourceMapping", uuid).await?;
        Ok(self.mappings.get(uuid).cloned().unwrap_or_else(MappingNow::deleted))
    }

    async fn function(&self, _: &AccountRegion, arn: &str) -> Result<Option<FunctionNow>, ServiceError> {
        self.call("lambda:GetFunctionConfiguration", arn).await?;
        Ok(self.function_of(arn).map(|(function, _)| function.clone()))
    }

    async fn tags(&self, _: &AccountRegion, arn: &str) -> Result<Vec<Tag>, ServiceError> {
        self.call("lambda:ListTags", arn).await?;
        Ok(self.function_of(arn).map(|(_, tags)| tags.clone()).unwrap_or_default())
    }
}

impl MappingSource for MemoryApi {
    async fn list(&self, place: &AccountRegion, marker: Option<&str>) -> Result<Page, ServiceError> {
        self.list.calls.borrow_mut().push((Instant::now(), place.clone()));
        tokio::time::sleep(self.list.latency.get()).await;
        if self.list.denied.borrow().contains(place) {
            return Err(ServiceError::new("lambda:ListEventSourceMappings", Fault::Denied, "AccessDeniedException"));
        }
        if self.list.dice.roll(self.list.failures.get()) {
            return Err(ServiceError::new(
                "lambda:ListEventSourceMappings",
                Fault::Unavailable,
                "TooManyRequestsException",
            ));
        }
        let mappings = self.list.mappings.borrow();
        let all = mappings.get(place).map(Vec::as_slice).unwrap_or_default();
        let start: usize = marker.map_or(0, |marker| marker.parse().expect("a marker"));
        let end = all.len().min(start + self.list.page.get());
        Ok(Page { mappings: all[start..end].to_vec(), next: (end < all.len()).then(|| end.to_string()) })
    }
}
