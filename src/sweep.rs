//! Periodic comparison with the Lambda API, which reports stops and failures that CloudTrail does not log.
//!
//! CloudTrail logs no event when Lambda disables a mapping for Kafka, Amazon MQ or Amazon DocumentDB, or when a mapping
//! is enabled but does not process its source. A sweep lists all event source mappings, and evaluates the state that
//! the API reports for each of them.

mod mapping;
mod places;

pub use mapping::{Condition, FilterError, Mapping};
pub use places::{SweepAccounts, SweepPlaces, SweepRegions};

use crate::delivery::AccountRegion;
use crate::service::ServiceError;

/// The event source mappings of accounts and Regions.
pub trait MappingSource {
    /// Lists a page of the mappings of an account in a Region. `marker` is the marker from the previous page; `None`
    /// for the first page. A mapping that is created or deleted in the meantime may or may not be listed.
    ///
    /// # Errors
    /// If the service is unavailable or denies the call.
    fn list(&self, place: &AccountRegion, marker: Option<&str>) -> impl Future<Output = Result<Page, ServiceError>>;
}

/// A page of a list.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Page {
    /// The mappings.
    pub mappings: Vec<Mapping>,
    /// The marker of the next page; `None` for the last page.
    pub next: Option<String>,
}
