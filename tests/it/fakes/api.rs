//! A Lambda API in memory, with faults that a test sets.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use trailwarden::delivery::AccountRegion;
use trailwarden::enrich::ContextSource;
use trailwarden::service::{Fault, ServiceError};
use trailwarden::triage::{FunctionNow, MappingNow, Tag};

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
    /// Calls in flight now, and the most so far.
    pub(crate) in_flight: Cell<(usize, usize)>,
}

impl MemoryApi {
    /// Performs a call, with the faults of the test.
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
