//! The ledger in Amazon DynamoDB. Takes `dynamodb:GetItem`, `dynamodb:PutItem` and `dynamodb:UpdateItem`.
//!
//! | item | attributes |
//! |---|---|
//! | `case#<case>` | `event_count`, `alerted`, `expires` |
//! | `object#<hash of the object>#<case>` | `event_count`, `expires` |
//!
//! The key is the string `id`; `expires`, in seconds since 1970, is for DynamoDB's time to live.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::{Deadline, service_error};
use crate::identity::Identity;
use crate::ports::{Fault, Ledger, ServiceError, Sightings};
use crate::triage::Incident;

const TRANSACT: &str = "dynamodb:TransactWriteItems";
const GET: &str = "dynamodb:GetItem";
const UPDATE: &str = "dynamodb:UpdateItem";

/// How long an item is kept behind the end of its window, or behind now if that is later.
const KEPT: Duration = Duration::from_hours(14 * 24);
/// How often a transaction is tried that others are in the way of. A case is one item: in a storm, all want it.
const ATTEMPTS: u32 = 8;
/// What is waited behind the first of them; then twice as long each.
const PAUSE: Duration = Duration::from_millis(20);

/// A table with the string key `id`.
#[derive(Debug, Clone)]
pub struct LedgerTable {
    client: Client,
    table: String,
    deadline: Deadline,
}

impl LedgerTable {
    /// Keeps account in the table of this name.
    #[must_use]
    pub fn new(configuration: &SdkConfig, table: String, deadline: Deadline) -> Self {
        Self { client: Client::new(configuration), table, deadline }
    }

    /// Tries to raise the events of an object from what is known to be kept.
    async fn raise(&self, incident: &Incident, object: &str, known: u64, events: u64) -> Result<Raised, ServiceError> {
        let expires = number(expires(incident));
        let put = Put::builder()
            .table_name(&self.table)
            .item("id", AttributeValue::S(object_id(object, incident)))
            .item("event_count", number(events))
            .item("expires", expires.clone())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match known {
            0 => put.condition_expression("attribute_not_exists(id)"),
            known => {
                put.condition_expression("event_count = :known").expression_attribute_values(":known", number(known))
            }
        };
        let update = Update::builder()
            .table_name(&self.table)
            .key("id", AttributeValue::S(case_id(incident)))
            .update_expression("SET expires = if_not_exists(expires, :expires) ADD event_count :more")
            .expression_attribute_values(":expires", expires)
            .expression_attribute_values(":more", number(events - known));
        let items = [
            put.build().map(|put| TransactWriteItem::builder().put(put).build()),
            update.build().map(|update| TransactWriteItem::builder().update(update).build()),
        ];
        let items = items.into_iter().collect::<Result<Vec<_>, _>>();
        let items =
            items.map_err(|error| ServiceError::new(TRANSACT, Fault::Other, "item").with_source(Some(error)))?;
        let request = self.client.transact_write_items().set_transact_items(Some(items));
        let Err(error) = self.deadline.hold(TRANSACT, request.send()).await? else { return Ok(Raised::Yes) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                raised(canceled.cancellation_reasons()).ok_or_else(|| service_error(TRANSACT, &error))
            }
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => Ok(Raised::InTheWay),
            _ => Err(service_error(TRANSACT, &error)),
        }
    }

    async fn get(&self, incident: &Incident) -> Result<Sightings, ServiceError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.key("id", AttributeValue::S(case_id(incident)));
        let response = self.deadline.hold(GET, request.send()).await?;
        let item = response.map_err(|error| service_error(GET, &error))?.item.unwrap_or_default();
        Ok(Sightings { count: value(&item, "event_count"), alerted: value(&item, "alerted") })
    }
}

impl Ledger for LedgerTable {
    async fn contribute(&self, incident: &Incident, object: &str, events: u64) -> Result<Sightings, ServiceError> {
        let mut known = 0;
        for attempt in 0..ATTEMPTS {
            match self.raise(incident, object, known, events).await? {
                Raised::Yes => return self.get(incident).await,
                Raised::Kept(kept) if kept >= events => {
                    // Items expire one by one: a case that is gone has at least the events of its object.
                    let sightings = self.get(incident).await?;
                    return Ok(Sightings { count: sightings.count.max(kept), ..sightings });
                }
                Raised::Kept(kept) => known = kept,
                Raised::InTheWay => tokio::time::sleep(pause(attempt, incident)).await,
            }
        }
        Err(ServiceError::new(TRANSACT, Fault::Unavailable, "TransactionConflict"))
    }

    async fn look_up(&self, incident: &Incident) -> Result<Sightings, ServiceError> {
        self.get(incident).await
    }

    async fn raise_alerted(&self, incident: &Incident, to: u64) -> Result<(), ServiceError> {
        let request = self.client.update_item().table_name(&self.table);
        let request = request
            .key("id", AttributeValue::S(case_id(incident)))
            .update_expression("SET alerted = :to, expires = if_not_exists(expires, :expires)")
            .condition_expression("attribute_not_exists(alerted) OR alerted < :to")
            .expression_attribute_values(":to", number(to))
            .expression_attribute_values(":expires", number(expires(incident)));
        match self.deadline.hold(UPDATE, request.send()).await? {
            Err(error)
                if !error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Err(service_error(UPDATE, &error))
            }
            _ => Ok(()),
        }
    }
}

/// What became of the attempt to raise the events of an object.
enum Raised {
    Yes,
    /// This is kept already.
    Kept(u64),
    /// Another transaction has the items.
    InTheWay,
}

/// Why a transaction was cancelled, by its reasons in the order of its items; `None` if another attempt is no use.
fn raised(reasons: &[CancellationReason]) -> Option<Raised> {
    let code = |code: &str| reasons.iter().find(|reason| reason.code() == Some(code));
    match code("ConditionalCheckFailed") {
        Some(reason) => Some(Raised::Kept(value(reason.item()?, "event_count"))),
        None => code("TransactionConflict").or(code("ThrottlingError")).map(|_| Raised::InTheWay),
    }
}

/// Twice as long each time, and not the same for all who wait.
fn pause(attempt: u32, incident: &Incident) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let spread = (now ^ incident.count as u32) % 1_000;
    PAUSE * 2_u32.pow(attempt) * (1_000 + spread) / 2_000
}

fn expires(incident: &Incident) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let end = incident.window.and_then(|window| u64::try_from(window.end().as_second()).ok());
    end.unwrap_or_default().max(now) + KEPT.as_secs()
}

fn case_id(incident: &Incident) -> String {
    format!("case#{}", incident.case)
}

fn object_id(object: &str, incident: &Incident) -> String {
    format!("object#{}#{}", Identity::of(object.as_bytes()), incident.case)
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn value(item: &HashMap<String, AttributeValue>, name: &str) -> u64 {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok()).unwrap_or_default()
}
