//! The states of mappings in the ledger's table. Needs `dynamodb:PutItem`, and for sweeps
//! `dynamodb:UpdateItem` and `dynamodb:Scan`.
//!
//! | item | attributes |
//! |---|---|
//! | `mapping#<account>#<Region>#<UUID>` | `stopped_at`, `alert`, `is_found`, `reported`, `reported_at`, `ended_at`, `failing_since`, `failing_notified`, `missing_since`, `function_arn`, `source_arn`, `version`, `expires` |
//! | `swept#<account>#<Region>` | |
//!
//! Times are in seconds since 1970. `alert` is the dedup key of the alert about the stop. A write replaces the item
//! on condition that its `version` is still the one that was read.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use futures_util::future;
use jiff::Timestamp;

use super::dynamodb::{HEARTBEAT, Item, LedgerTable, PUT, SCAN, UPDATE, conflict, number, seconds_now, value};
use super::errors::service_error;
use crate::delivery::AccountRegion;
use crate::detect::MappingNames;
use crate::service::ServiceError;
use crate::triage::{
    DedupKey, KnownMapping, MAPPING_RETENTION, MappingKey, MappingState, MappingStates, Stop, SweepState, Transition,
};

/// Prefix of the keys of mappings.
const MAPPING: &str = "mapping#";
/// Prefix of the keys of accounts and Regions that were swept.
const SWEPT: &str = "swept#";
/// The attribute that counts the writes of an item.
const VERSION: &str = "version";
/// Maximum number of calls for a transition: one that reads the state, one that writes it, and two more in case other
/// invocations write in the meantime.
const MAX_ATTEMPTS: u32 = 4;
/// Number of parts of the table that are read concurrently.
const SEGMENTS: i32 = 4;

impl MappingStates for LedgerTable {
    async fn record_transition(
        &self,
        mapping: &MappingKey,
        names: &MappingNames,
        transition: Transition,
    ) -> Result<MappingState, ServiceError> {
        let MappingKey { account, region, uuid } = mapping;
        let id = format!("{MAPPING}{account}#{region}#{uuid}");
        // A mapping is usually new, so the first attempt assumes that it has no item.
        let mut item = Item::new();
        for _ in 0..MAX_ATTEMPTS {
            let before = mapping_state(&item);
            let after = before.after(transition);
            if !item.is_empty() && after == before {
                return Ok(after);
            }
            match self.replace(&item, item_after(&item, &id, after, names)).await? {
                None => return Ok(after),
                Some(newer) => item = newer,
            }
        }
        Err(conflict(PUT))
    }

    async fn sweep_state(&self) -> Result<SweepState, ServiceError> {
        let mut all = SweepState::default();
        for segment in future::try_join_all((0..SEGMENTS).map(|segment| self.sweep_state_in(segment))).await? {
            all.mappings.extend(segment.mappings);
            all.swept.extend(segment.swept);
            all.digests.extend(segment.digests);
        }
        Ok(all)
    }

    async fn record_swept(&self, place: &AccountRegion) -> Result<(), ServiceError> {
        let id = format!("{SWEPT}{}#{}", place.account, place.region);
        let request = self.client.update_item().table_name(&self.table).key("id", AttributeValue::S(id));
        let response = self.deadline.hold(UPDATE, request.send()).await?;
        response.map(|_| ()).map_err(|error| service_error(UPDATE, &error))
    }
}

impl LedgerTable {
    /// Replaces an item. If another invocation has written the item in the meantime, returns it instead.
    async fn replace(&self, item: &Item, new: Item) -> Result<Option<Item>, ServiceError> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(new));
        let request = request.expression_attribute_names("#version", VERSION);
        let request = match item.get(VERSION) {
            Some(version) => request
                .expression_attribute_values(":version", version.clone())
                .condition_expression("#version = :version"),
            None => request.condition_expression("attribute_not_exists(#version)"),
        };
        let request = request.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.deadline.hold(PUT, request.send()).await? {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Some(failed.item().cloned().unwrap_or_default()))
                }
                _ => Err(service_error(PUT, &error)),
            },
        }
    }

    /// What a segment of the table contains.
    async fn sweep_state_in(&self, segment: i32) -> Result<SweepState, ServiceError> {
        let mut found = SweepState::default();
        let mut start = None;
        loop {
            let request = self.client.scan().table_name(&self.table).set_exclusive_start_key(start);
            let request = request
                .segment(segment)
                .total_segments(SEGMENTS)
                .filter_expression(
                    "begins_with(id, :swept) OR (begins_with(id, :digest) AND expires > :now) OR \
                     (begins_with(id, :mapping) AND expires > :now AND \
                     (attribute_exists(failing_since) OR (attribute_exists(stopped_at) AND \
                     (attribute_not_exists(ended_at) OR ended_at <= stopped_at))))",
                )
                .expression_attribute_values(":now", number(seconds_now()))
                .expression_attribute_values(":digest", AttributeValue::S(HEARTBEAT.to_owned()))
                .expression_attribute_values(":mapping", AttributeValue::S(MAPPING.to_owned()))
                .expression_attribute_values(":swept", AttributeValue::S(SWEPT.to_owned()));
            let page = self.deadline.hold(SCAN, request.send()).await?;
            let page = page.map_err(|error| service_error(SCAN, &error))?;
            found.mappings.extend(page.items().iter().filter_map(known_mapping));
            found.swept.extend(page.items().iter().filter_map(|item| place(item, SWEPT)));
            found.digests.extend(page.items().iter().filter_map(|item| place(item, HEARTBEAT)));
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }
}

/// The item of a mapping in this state. Attributes that this version does not know are kept.
fn item_after(item: &Item, id: &str, state: MappingState, names: &MappingNames) -> Item {
    let mut new = item.clone();
    let mut set = |name: &str, value: Option<AttributeValue>| match value {
        Some(value) => new.insert(name.to_owned(), value),
        None => new.remove(name),
    };
    let flag = |is_set: bool| is_set.then_some(AttributeValue::Bool(true));
    set("id", Some(AttributeValue::S(id.to_owned())));
    set(VERSION, Some(number(value(item, VERSION) + 1)));
    set("expires", Some(number(seconds_now() + MAPPING_RETENTION.as_secs())));
    set("stopped_at", state.stopped.map(|it| seconds(it.at)));
    set("alert", state.stopped.map(|it| AttributeValue::S(it.alert.to_string())));
    set("is_found", flag(state.is_found));
    set("reported", state.reported.map(number));
    set("reported_at", state.reported_at.map(seconds));
    set("ended_at", state.ended.map(seconds));
    set("failing_since", state.failing.map(seconds));
    set("failing_notified", flag(state.failing_notified));
    set("missing_since", state.missing.map(seconds));
    for (name, value) in [("function_arn", &names.function_arn), ("source_arn", &names.event_source_arn)] {
        if let Some(value) = value {
            set(name, Some(AttributeValue::S(value.clone())));
        }
    }
    new
}

/// A time in seconds since 1970.
fn seconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_second().to_string())
}

fn mapping_state(item: &Item) -> MappingState {
    let time = |name: &str| {
        let seconds = item.get(name)?.as_n().ok()?.parse().ok()?;
        Timestamp::from_second(seconds).ok()
    };
    MappingState {
        stopped: time("stopped_at")
            .zip(text(item, "alert").and_then(|digits| DedupKey::parse(&digits)))
            .map(|(at, alert)| Stop { at, alert }),
        ended: time("ended_at"),
        is_found: item.contains_key("is_found"),
        reported: item.contains_key("reported").then(|| value(item, "reported")),
        reported_at: time("reported_at"),
        failing: time("failing_since"),
        failing_notified: item.contains_key("failing_notified"),
        missing: time("missing_since"),
    }
}

fn known_mapping(item: &Item) -> Option<KnownMapping> {
    let id = text(item, "id")?;
    let mut parts = id.strip_prefix(MAPPING)?.split('#').map(str::to_owned);
    let key = MappingKey { account: parts.next()?, region: parts.next()?, uuid: parts.next()? };
    let names = MappingNames {
        mapping_uuid: Some(key.uuid.clone()),
        function_arn: text(item, "function_arn"),
        event_source_arn: text(item, "source_arn"),
    };
    Some(KnownMapping { key, names, state: mapping_state(item) })
}

/// The account and Region in the key of an item with this prefix.
fn place(item: &Item, prefix: &str) -> Option<AccountRegion> {
    let id = text(item, "id")?;
    let (account, region) = id.strip_prefix(prefix)?.split_once('#')?;
    Some(AccountRegion { account: account.to_owned(), region: region.to_owned() })
}

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}
