//! The states of mappings in the ledger's table. Needs `dynamodb:UpdateItem`, and for sweeps `dynamodb:Scan`.
//!
//! | item | attributes |
//! |---|---|
//! | `mapping#<account>#<Region>#<UUID>` | `stopped_at`, `alert`, `is_found`, `reported`, `reported_at`, `ended_at`, `failing_since`, `failing_notified`, `missing_since`, `function_arn`, `source_arn`, `expires` |
//! | `swept#<account>#<Region>` | |
//!
//! Times are in seconds since 1970. `alert` is the dedup key of the alert about the stop. Each [`Transition`] is one
//! conditional update.

use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use futures_util::future;
use jiff::Timestamp;

use super::dynamodb::{HEARTBEAT, Item, LedgerTable, SCAN, UPDATE, number, seconds_now, value};
use super::errors::service_error;
use crate::clock::after;
use crate::delivery::AccountRegion;
use crate::detect::MappingNames;
use crate::service::ServiceError;
use crate::triage::{
    DedupKey, KnownMapping, MappingKey, MappingState, MappingStates, SAME_STOP, Stop, SweepState, Transition,
};

/// How long the state of a mapping is kept after its last transition. Each weekly reminder is a transition. If mappings
/// are swept, a stop is therefore kept as long as it lasts.
const MAPPING_RETENTION: Duration = Duration::from_hours(90 * 24);
/// Prefix of the keys of mappings.
const MAPPING: &str = "mapping#";
/// Prefix of the keys of accounts and Regions that were swept.
const SWEPT: &str = "swept#";
/// The start of an update that records a stop.
const NEW_STOP: &str = "SET stopped_at = :at, alert = :alert, expires = :expires";
/// Number of parts of the table that are read concurrently.
const SEGMENTS: i32 = 4;

impl MappingStates for LedgerTable {
    async fn record_transition(
        &self,
        mapping: &MappingKey,
        names: &MappingNames,
        transition: Transition,
    ) -> Result<MappingState, ServiceError> {
        let state = self.update_mapping(mapping, |request| apply(request, names, transition)).await?;
        let Transition::Stopped(stop) = transition else { return Ok(state) };
        let is_earlier = |state: &MappingState| state.stopped.is_some_and(|it| it.at < stop.at);
        if !is_earlier(&state) {
            return Ok(state);
        }
        // A sweep has published an alert about this stop, with an earlier time.
        let state = self.update_mapping(mapping, |request| move_stop(request, stop.at)).await?;
        if !is_earlier(&state) {
            return Ok(state);
        }
        self.update_mapping(mapping, |request| stop_again(request, names, stop)).await
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
    /// Updates the item of a mapping. Returns its state afterwards, whether or not the condition of the update held.
    async fn update_mapping(
        &self,
        mapping: &MappingKey,
        update: impl FnOnce(UpdateItemFluentBuilder) -> UpdateItemFluentBuilder,
    ) -> Result<MappingState, ServiceError> {
        let MappingKey { account, region, uuid } = mapping;
        let request = self.client.update_item().table_name(&self.table);
        let request = request
            .key("id", AttributeValue::S(format!("{MAPPING}{account}#{region}#{uuid}")))
            .expression_attribute_values(":expires", number(seconds_now() + MAPPING_RETENTION.as_secs()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.deadline.hold(UPDATE, update(request).send()).await? {
            Ok(response) => Ok(mapping_state(&response.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(failed.item().map(mapping_state).unwrap_or_default())
                }
                _ => Err(service_error(UPDATE, &error)),
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

/// Moves a stop to a later time, unless it had ended before.
fn move_stop(request: UpdateItemFluentBuilder, at: Timestamp) -> UpdateItemFluentBuilder {
    with_time(request, at).update_expression("SET stopped_at = :at, expires = :expires").condition_expression(
        "stopped_at < :at AND reported_at >= :at AND \
             (attribute_not_exists(ended_at) OR ended_at <= stopped_at OR ended_at > :at)",
    )
}

/// Replaces a stop that had ended before this one.
fn stop_again(request: UpdateItemFluentBuilder, names: &MappingNames, stop: Stop) -> UpdateItemFluentBuilder {
    let (request, more) = with_names(with_stop(request, stop), names);
    request
        .update_expression(format!("{NEW_STOP}, reported_at = ended_at{more} REMOVE is_found, reported, missing_since"))
        .condition_expression("stopped_at < ended_at AND ended_at <= :at AND reported_at >= :at")
}

fn with_stop(request: UpdateItemFluentBuilder, stop: Stop) -> UpdateItemFluentBuilder {
    let alert = AttributeValue::S(stop.alert.to_string());
    with_time(request, stop.at).expression_attribute_values(":alert", alert)
}

fn with_time(request: UpdateItemFluentBuilder, at: Timestamp) -> UpdateItemFluentBuilder {
    request.expression_attribute_values(":at", seconds(at))
}

/// A time in seconds since 1970.
fn seconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_second().to_string())
}

/// Adds the expressions of a transition. They implement [`MappingState::after`].
fn apply(request: UpdateItemFluentBuilder, names: &MappingNames, transition: Transition) -> UpdateItemFluentBuilder {
    match transition {
        Transition::Stopped(it) => {
            let (request, more) = with_names(with_stop(request, it), names);
            request
                .update_expression(format!("{NEW_STOP}{more} REMOVE is_found, reported, missing_since"))
                .expression_attribute_values(":soon", seconds(after(it.at, SAME_STOP)))
                .condition_expression(
                    "(attribute_not_exists(stopped_at) OR stopped_at < :at OR \
                     (stopped_at <= :soon AND attribute_exists(is_found) AND attribute_not_exists(reported) AND \
                     (attribute_not_exists(ended_at) OR ended_at <= stopped_at))) AND \
                     (attribute_not_exists(reported_at) OR reported_at < :at)",
                )
        }
        Transition::FoundStopped(it) => {
            let (request, more) = with_names(with_stop(request, it), names);
            request
                .expression_attribute_values(":true", AttributeValue::Bool(true))
                .update_expression(format!("{NEW_STOP}, is_found = :true{more} REMOVE reported, missing_since"))
                .condition_expression(
                    "(attribute_not_exists(stopped_at) OR ended_at > stopped_at) AND \
                     (attribute_not_exists(ended_at) OR ended_at < :at)",
                )
        }
        Transition::Ended(time) => with_time(request, time)
            .update_expression("SET ended_at = :at, expires = :expires")
            .condition_expression("attribute_not_exists(ended_at) OR ended_at < :at"),
        Transition::Reported { alert, number: report, at: time } => with_time(request, time)
            .expression_attribute_values(":alert", AttributeValue::S(alert.to_string()))
            .expression_attribute_values(":report", number(report))
            .update_expression("SET reported = :report, reported_at = :at, expires = :expires")
            .condition_expression("alert = :alert AND (attribute_not_exists(reported) OR reported <= :report)"),
        Transition::Failing(time) => {
            let (request, more) = with_names(with_time(request, time), names);
            request.update_expression(format!(
                "SET failing_since = if_not_exists(failing_since, :at), expires = :expires{more}"
            ))
        }
        Transition::FailingNotified(since) => with_time(request, since)
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .update_expression("SET failing_notified = :true, expires = :expires")
            .condition_expression("failing_since = :at"),
        Transition::NotFailing => {
            request.update_expression("SET expires = :expires REMOVE failing_since, failing_notified")
        }
        Transition::Missing(time) => with_time(request, time)
            .update_expression("SET missing_since = if_not_exists(missing_since, :at), expires = :expires"),
        Transition::Present => request.update_expression("SET expires = :expires REMOVE missing_since"),
    }
}

/// Adds the names of a mapping. Returns the request and the rest of its `SET` clause.
fn with_names(request: UpdateItemFluentBuilder, names: &MappingNames) -> (UpdateItemFluentBuilder, String) {
    let names = [("function_arn", &names.function_arn), ("source_arn", &names.event_source_arn)];
    names.into_iter().fold((request, String::new()), |(request, more), (name, value)| match value {
        Some(value) => {
            let request = request.expression_attribute_values(format!(":{name}"), AttributeValue::S(value.clone()));
            (request, format!("{more}, {name} = :{name}"))
        }
        None => (request, more),
    })
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
