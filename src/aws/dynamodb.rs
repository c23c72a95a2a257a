//! The ledger in Amazon DynamoDB. Needs `dynamodb:GetItem`, `dynamodb:PutItem` and `dynamodb:UpdateItem`, and for
//! heartbeats `dynamodb:BatchWriteItem` and `dynamodb:Scan`.
//!
//! | item | attributes |
//! |---|---|
//! | `incident#<dedup key>` | `event_count`, `alerted`, `lease_threshold`, `lease_holder`, `lease_until`, `expires` |
//! | `object#<hash of the contributor>#<dedup key>` | `event_count`, `expires` |
//! | `digest#<account>#<Region>` | `arrived`, `expires` |
//! | `resource#<hash of the resource>` | `changes`, `stops`, `expires` |
//!
//! The key is the string `id`. `alerted` is a set of strings such as `chat#100`: a topic, and a threshold that it
//! confirmed. Adding to a set needs no condition and is idempotent. `lease_until` is in milliseconds since 1970,
//! `arrived` in seconds. `changes` and `stops` are sets of JSON: the newest changes of a resource, and the newest stops
//! of mappings that depend on the resource. `expires`, in seconds since 1970, is the attribute for DynamoDB's time to
//! live. The states of mappings are in the same table: see `mapping_states.rs`.

mod causes;

use std::collections::{BTreeSet, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, PutRequest, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update, WriteRequest,
};
use jiff::Timestamp;

use super::deadline::Deadline;
use super::errors::service_error;
use crate::delivery::AccountRegion;
use crate::heartbeat::{Heartbeat, Heartbeats};
use crate::identity::Identity;
use crate::service::{Fault, ServiceError};
use crate::triage::{Claim, Claimed, Contribution, Ledger, LedgerEntry, LedgerKey, RETENTION, TopicRole};

const TRANSACT: &str = "dynamodb:TransactWriteItems";
const GET: &str = "dynamodb:GetItem";
const WRITE: &str = "dynamodb:BatchWriteItem";
pub(super) const SCAN: &str = "dynamodb:Scan";
pub(super) const UPDATE: &str = "dynamodb:UpdateItem";
pub(super) const PUT: &str = "dynamodb:PutItem";

/// Maximum number of items in a call of `BatchWriteItem`.
const MAX_WRITES: usize = 25;
/// Prefix of the keys of heartbeats.
pub(super) const HEARTBEAT: &str = "digest#";
/// Maximum number of transactions in a call: one that reads the recorded counts, one that raises them, and two more in
/// case other invocations raise them in the meantime.
const MAX_TRANSACTIONS: u32 = 4;

pub(super) type Item = HashMap<String, AttributeValue>;

/// A ledger in a DynamoDB table, whose key is the string `id`.
#[derive(Debug, Clone)]
pub struct LedgerTable {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) deadline: Deadline,
}

impl LedgerTable {
    /// Creates a ledger in the table with this name or ARN.
    #[must_use]
    pub fn new(configuration: &SdkConfig, table: String, deadline: Deadline) -> Self {
        Self { client: Client::new(configuration), table, deadline }
    }

    /// Tries to raise the contributions from their last known counts, `recorded`.
    async fn raise(
        &self,
        key: &LedgerKey,
        contributions: &[Contribution<'_>],
        recorded: &[u64],
    ) -> Result<Raised, ServiceError> {
        let raised: Vec<_> =
            contributions.iter().zip(recorded).filter(|(it, recorded)| it.events > **recorded).collect();
        let increase: u64 = raised.iter().map(|(it, recorded)| it.events - **recorded).sum();
        if increase == 0 {
            return Ok(Raised::All);
        }
        let expires = number(expires(key));
        let puts = raised.iter().map(|(it, recorded)| self.put(key, it, **recorded, &expires));
        let update = Update::builder()
            .table_name(&self.table)
            .key("id", AttributeValue::S(incident_id(key)))
            .update_expression("SET expires = if_not_exists(expires, :expires) ADD event_count :more")
            .expression_attribute_values(":expires", expires.clone())
            .expression_attribute_values(":more", number(increase))
            .build()
            .map(|update| TransactWriteItem::builder().update(update).build());
        let items = puts.chain([update]).collect::<Result<Vec<_>, _>>();
        let items = items
            .map_err(|error| ServiceError::new(TRANSACT, Fault::Other, "invalid item").with_source(Some(error)))?;
        let request = self.client.transact_write_items().set_transact_items(Some(items));
        let Err(error) = self.deadline.hold(TRANSACT, request.send()).await? else { return Ok(Raised::All) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                canceled_by(canceled.cancellation_reasons()).ok_or_else(|| service_error(TRANSACT, &error))?
            }
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => Err(conflict(TRANSACT)),
            _ => Err(service_error(TRANSACT, &error)),
        }
        .map(|found| {
            // The reasons are in the order of the items. Contributions that were not raised have no item.
            let mut found = found.into_iter();
            let known = contributions.iter().zip(recorded).map(|(it, recorded)| {
                let found = if it.events > *recorded { found.next().flatten() } else { None };
                found.unwrap_or(*recorded)
            });
            Raised::Recorded(known.collect())
        })
    }

    fn put(
        &self,
        key: &LedgerKey,
        contribution: &Contribution<'_>,
        recorded: u64,
        expires: &AttributeValue,
    ) -> Result<TransactWriteItem, BuildError> {
        let put = Put::builder()
            .table_name(&self.table)
            .item("id", AttributeValue::S(contributor_id(contribution.from, key)))
            .item("event_count", number(contribution.events))
            .item("expires", expires.clone())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match recorded {
            0 => put.condition_expression("attribute_not_exists(id)"),
            recorded => put
                .condition_expression("event_count = :recorded")
                .expression_attribute_values(":recorded", number(recorded)),
        };
        put.build().map(|put| TransactWriteItem::builder().put(put).build())
    }

    async fn get(&self, key: &LedgerKey) -> Result<LedgerEntry, ServiceError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.key("id", AttributeValue::S(incident_id(key)));
        let response = self.deadline.hold(GET, request.send()).await?;
        Ok(entry(&response.map_err(|error| service_error(GET, &error))?.item.unwrap_or_default()))
    }
}

impl Ledger for LedgerTable {
    async fn contribute(
        &self,
        key: &LedgerKey,
        contributions: &[Contribution<'_>],
    ) -> Result<LedgerEntry, ServiceError> {
        let mut recorded = vec![0; contributions.len()];
        for _ in 0..MAX_TRANSACTIONS {
            match self.raise(key, contributions, &recorded).await? {
                Raised::All => {
                    let entry = self.get(key).await?;
                    // Items expire individually, so the item of the incident can be gone before those of its
                    // contributors.
                    let contributed =
                        contributions.iter().zip(&recorded).map(|(it, recorded)| it.events.max(*recorded)).sum();
                    return Ok(LedgerEntry { count: entry.count.max(contributed), ..entry });
                }
                Raised::Recorded(found) => recorded = found,
            }
        }
        Err(conflict(TRANSACT))
    }

    async fn claim(&self, key: &LedgerKey, claim: &Claim<'_>) -> Result<Claimed, ServiceError> {
        let request = self.client.update_item().table_name(&self.table);
        let request = request
            .key("id", AttributeValue::S(incident_id(key)))
            .update_expression(
                "SET lease_threshold = :threshold, lease_holder = :holder, lease_until = :until, \
                 expires = if_not_exists(expires, :expires)",
            )
            .condition_expression(
                "attribute_not_exists(lease_until) OR lease_until <= :now OR lease_threshold < :threshold \
                 OR lease_holder = :holder",
            )
            .expression_attribute_values(":threshold", number(claim.threshold))
            .expression_attribute_values(":holder", AttributeValue::S(claim.holder.to_owned()))
            .expression_attribute_values(":now", milliseconds(claim.now))
            .expression_attribute_values(":until", milliseconds(claim.until))
            .expression_attribute_values(":expires", number(expires(key)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match self.deadline.hold(UPDATE, request.send()).await? {
            Ok(response) => return Ok(Claimed::Granted(entry(&response.attributes.unwrap_or_default()))),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                Ok(Claimed::Held(failed.item().map(entry).unwrap_or_default()))
            }
            Some(UpdateItemError::TransactionConflictException(_)) => Err(conflict(UPDATE)),
            _ => Err(service_error(UPDATE, &error)),
        }
    }

    async fn record_alerted(&self, key: &LedgerKey, threshold: u64, topics: &[TopicRole]) -> Result<(), ServiceError> {
        let alerted = topics.iter().map(|topic| format!("{}#{threshold}", topic.as_str())).collect();
        let request = self.client.update_item().table_name(&self.table);
        let request = request
            .key("id", AttributeValue::S(incident_id(key)))
            .update_expression("SET expires = if_not_exists(expires, :expires) ADD alerted :alerted")
            .expression_attribute_values(":alerted", AttributeValue::Ss(alerted))
            .expression_attribute_values(":expires", number(expires(key)));
        match self.deadline.hold(UPDATE, request.send()).await? {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::TransactionConflictException(_)) => Err(conflict(UPDATE)),
                _ => Err(service_error(UPDATE, &error)),
            },
        }
    }
}

impl Heartbeats for LedgerTable {
    async fn record_heartbeats(&self, of: &[AccountRegion], now: Timestamp) -> Result<(), ServiceError> {
        for chunk in of.chunks(MAX_WRITES) {
            let writes = chunk.iter().map(|it| heartbeat_write(it, now)).collect::<Result<Vec<_>, _>>();
            let writes = writes
                .map_err(|error| ServiceError::new(WRITE, Fault::Other, "invalid item").with_source(Some(error)))?;
            let request = self.client.batch_write_item().request_items(&self.table, writes);
            let response = self.deadline.hold(WRITE, request.send()).await?;
            let response = response.map_err(|error| service_error(WRITE, &error))?;
            // The next digest arrives in an hour, so a throttled write is not repeated.
            if response.unprocessed_items.is_some_and(|items| !items.is_empty()) {
                return Err(ServiceError::new(WRITE, Fault::Unavailable, "UnprocessedItems"));
            }
        }
        Ok(())
    }

    async fn heartbeats(&self) -> Result<Vec<Heartbeat>, ServiceError> {
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let request = self.client.scan().table_name(&self.table).set_exclusive_start_key(start);
            let request = request
                // DynamoDB deletes expired items with a delay of days.
                .filter_expression("begins_with(id, :prefix) AND expires > :now")
                .expression_attribute_values(":now", number(seconds_now()))
                .expression_attribute_values(":prefix", AttributeValue::S(HEARTBEAT.to_owned()));
            let page = self.deadline.hold(SCAN, request.send()).await?;
            let page = page.map_err(|error| service_error(SCAN, &error))?;
            found.extend(page.items().iter().filter_map(heartbeat));
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }
}

/// Builds the request that writes a heartbeat.
fn heartbeat_write(of: &AccountRegion, now: Timestamp) -> Result<WriteRequest, BuildError> {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let put = PutRequest::builder()
        .item("id", AttributeValue::S(format!("{HEARTBEAT}{}#{}", of.account, of.region)))
        .item("arrived", number(seconds))
        .item("expires", number(seconds + RETENTION.as_secs()))
        .build()?;
    Ok(WriteRequest::builder().put_request(put).build())
}

fn heartbeat(item: &Item) -> Option<Heartbeat> {
    let (account, region) = item.get("id")?.as_s().ok()?.strip_prefix(HEARTBEAT)?.split_once('#')?;
    let of = AccountRegion { account: account.to_owned(), region: region.to_owned() };
    Some(Heartbeat { of, at: Timestamp::from_second(i64::try_from(value(item, "arrived")).ok()?).ok()? })
}

/// The result of an attempt to raise contributions.
enum Raised {
    /// All contributions are recorded.
    All,
    /// Nothing was written, because the ledger has these counts instead of the expected ones.
    Recorded(Vec<u64>),
}

/// The cause of a canceled transaction, from its reasons in the order of its items: the recorded counts, or a conflict.
/// `None` if another attempt cannot help.
fn canceled_by(reasons: &[CancellationReason]) -> Option<Result<Vec<Option<u64>>, ServiceError>> {
    let has = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
    if has("ConditionalCheckFailed") {
        let failed = |reason: &&CancellationReason| reason.code() == Some("ConditionalCheckFailed");
        // A missing item has expired.
        let recorded = |it: &CancellationReason| it.item().map(|item| value(item, "event_count")).unwrap_or_default();
        return Some(Ok(reasons.iter().map(|reason| Some(reason).filter(failed).map(recorded)).collect()));
    }
    ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
        .into_iter()
        .any(has)
        .then(|| Err(conflict(TRANSACT)))
}

/// The retryable error for items that another transaction is using. The SDK itself retries only
/// `TransactionInProgressException`.
pub(super) fn conflict(operation: &'static str) -> ServiceError {
    let error = ServiceError::new(operation, Fault::Unavailable, "TransactionConflict");
    ServiceError { retryable: true, ..error }
}

pub(super) fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn expires(key: &LedgerKey) -> u64 {
    u64::try_from(key.expires(Timestamp::now()).as_second()).unwrap_or_default()
}

fn incident_id(key: &LedgerKey) -> String {
    format!("incident#{}", key.dedup_key)
}

fn contributor_id(from: &str, key: &LedgerKey) -> String {
    format!("object#{}#{}", Identity::of(from.as_bytes()), key.dedup_key)
}

fn entry(item: &Item) -> LedgerEntry {
    let alerted = item.get("alerted").and_then(|value| value.as_ss().ok()).map(Vec::as_slice).unwrap_or_default();
    LedgerEntry {
        count: value(item, "event_count"),
        claimed: item.contains_key("lease_until"),
        alerted: alerted.iter().filter_map(|it| confirmed(it)).collect::<BTreeSet<_>>(),
    }
}

/// Parses a topic and the threshold that it confirmed, such as `chat#100`.
fn confirmed(text: &str) -> Option<(TopicRole, u64)> {
    let (topic, threshold) = text.split_once('#')?;
    let role = TopicRole::ALL.into_iter().find(|role| role.as_str() == topic)?;
    Some((role, threshold.parse().ok()?))
}

fn milliseconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_millisecond().to_string())
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn value(item: &Item, name: &str) -> u64 {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok()).unwrap_or_default()
}
