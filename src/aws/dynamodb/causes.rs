//! The changes and stops of a resource, in its item of the ledger.
//!
//! One `UpdateItem` adds to one set and returns both. The later one of a change and a stop therefore finds the earlier
//! one.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::errors::service_error;
use super::{Item, LedgerTable, UPDATE, number, seconds_now};
use crate::detect::{Change, ResourceKey};
use crate::identity::Identity;
use crate::service::{Fault, ServiceError};
use crate::triage::{CAUSE_WINDOW, Causes, MAX_KEPT_CAUSES, StoppedMapping};

const CHANGES: &str = "changes";
const STOPS: &str = "stops";
/// A set with more elements is reduced to the newest ones. The number is larger than the number of elements that are
/// kept, so that few additions need a second call.
const FULL: usize = MAX_KEPT_CAUSES + 5;

impl Causes for LedgerTable {
    async fn add_change(&self, resource: &ResourceKey, change: &Change) -> Result<Vec<StoppedMapping>, ServiceError> {
        let item = self.add_to_set(resource, CHANGES, change).await?;
        self.reduce::<Change>(resource, CHANGES, &item, |it| it.at.as_second()).await?;
        Ok(newest(&item, STOPS, |it: &StoppedMapping| it.at.as_second()))
    }

    async fn add_stop(&self, resource: &ResourceKey, stop: &StoppedMapping) -> Result<Vec<Change>, ServiceError> {
        let item = self.add_to_set(resource, STOPS, stop).await?;
        self.reduce::<StoppedMapping>(resource, STOPS, &item, |it| it.at.as_second()).await?;
        Ok(newest(&item, CHANGES, |it: &Change| it.at.as_second()))
    }
}

impl LedgerTable {
    async fn add_to_set(
        &self,
        resource: &ResourceKey,
        set: &str,
        element: &impl Serialize,
    ) -> Result<Item, ServiceError> {
        let element = serde_json::to_string(element)
            .map_err(|error| ServiceError::new(UPDATE, Fault::Other, "invalid element").with_source(Some(error)))?;
        // The time to live starts now, so the item never expires before the window of its newest element ends.
        let expires = seconds_now() + CAUSE_WINDOW.as_secs();
        let request = self
            .update_resource(resource)
            .update_expression(format!("SET expires = :expires ADD {set} :new"))
            .expression_attribute_values(":expires", number(expires))
            .expression_attribute_values(":new", AttributeValue::Ss(vec![element]))
            .return_values(ReturnValue::AllNew);
        let response = self.deadline.hold(UPDATE, request.send()).await?;
        Ok(response.map_err(|error| service_error(UPDATE, &error))?.attributes.unwrap_or_default())
    }

    /// Removes the oldest elements of a full set, and those that do not parse.
    async fn reduce<T: DeserializeOwned>(
        &self,
        resource: &ResourceKey,
        set: &str,
        item: &Item,
        time: impl Fn(&T) -> i64,
    ) -> Result<(), ServiceError> {
        let mut elements = elements(item, set).to_vec();
        if elements.len() <= FULL {
            return Ok(());
        }
        elements.sort_by_cached_key(|it| serde_json::from_str(it).map_or(i64::MIN, |it| time(&it)));
        elements.truncate(elements.len() - MAX_KEPT_CAUSES);
        let request = self
            .update_resource(resource)
            .update_expression(format!("DELETE {set} :oldest"))
            .expression_attribute_values(":oldest", AttributeValue::Ss(elements));
        let response = self.deadline.hold(UPDATE, request.send()).await?;
        response.map(drop).map_err(|error| service_error(UPDATE, &error))
    }

    fn update_resource(&self, resource: &ResourceKey) -> UpdateItemFluentBuilder {
        let id = format!("resource#{}", Identity::of(resource.to_string().as_bytes()));
        self.client.update_item().table_name(&self.table).key("id", AttributeValue::S(id))
    }
}

/// The newest elements of a set. Omits elements that another version wrote and that this version cannot parse.
fn newest<T: DeserializeOwned>(item: &Item, set: &str, time: impl Fn(&T) -> i64) -> Vec<T> {
    let mut found: Vec<T> = elements(item, set).iter().filter_map(|it| serde_json::from_str(it).ok()).collect();
    found.sort_by_key(|it| std::cmp::Reverse(time(it)));
    found.truncate(MAX_KEPT_CAUSES);
    found
}

fn elements<'i>(item: &'i Item, set: &str) -> &'i [String] {
    item.get(set).and_then(|value| value.as_ss().ok()).map(Vec::as_slice).unwrap_or_default()
}
