//! Calls that changed a resource that an event source mapping depends on, and that may have stopped the mapping.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::api_action::api_action;
use super::change_table::{self, Condition, Named, Place};
use super::esm_changed::{field, is_bool};
use super::esm_disabled::EsmCategory;
use super::event::{identity, service_of};
use super::event_sources::is_lambda;
use super::principal::Principal;
use super::resource_key::ResourceKey;
use crate::trail::{Record, parse_value};

/// Maximum length of an event ID and of a Region, in bytes. A GUID has 36 characters.
const MAX_WORD: usize = 64;
/// Maximum length of a caller's name, in characters.
const MAX_CALLER: usize = 128;
/// Maximum length of the name of a session, in characters. STS allows 64.
const MAX_SESSION: usize = 64;

/// A successful call that changed a resource that an event source mapping depends on. It is stored as JSON with short
/// names, and its strings have a maximum length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// ID of the event, or the hash of a record without one.
    #[serde(rename = "i")]
    pub id: String,
    /// Time of the event.
    #[serde(rename = "t", with = "jiff::fmt::serde::timestamp::second::required")]
    pub at: Timestamp,
    /// The service, as IAM names it.
    #[serde(rename = "s")]
    pub service: String,
    /// The action, without an API version.
    #[serde(rename = "a")]
    pub action: String,
    /// Region of the event.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Display name of the caller. Asserted by AWS.
    #[serde(rename = "c")]
    pub caller: String,
    /// Name of the session. Chosen by the caller.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The resources that the call changed, at least one.
    #[serde(rename = "r")]
    pub resources: Vec<ResourceKey>,
    /// Resources that the changed resources depend on, if the record names them, such as the role of a function.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<ResourceKey>,
}

impl Change {
    /// Returns true if the call can stop a mapping for a reason of this category.
    #[must_use]
    pub fn can_cause(&self, category: EsmCategory) -> bool {
        // Another version may know more calls.
        change_table::row_of(&self.service, &self.action).is_none_or(|row| row.can_cause.contains(&category))
    }
}

/// Detects a change. `None` if the call failed, changed no resource that a mapping depends on, or does not identify the
/// resource or the time. Changes are optional information, so a field that does not parse is not an error.
pub(super) fn detect(record: &Record<'_>, bytes: &[u8]) -> Option<Box<Change>> {
    let event_source = record.event_source.as_deref()?;
    let event_name = record.event_name.as_deref()?;
    let action = if is_lambda(event_source) { api_action(event_name) } else { event_name };
    let service = service_of(event_source)?;
    let row = change_table::row_of(service, action).filter(|_| record.error_code.is_none())?;
    let at = record.event_time.as_deref()?.parse().ok()?;
    let parse = |field: &Option<Cow<'_, RawValue>>| {
        field.as_ref().and_then(|it| parse_value(it.get()).ok()).unwrap_or_default()
    };
    let found =
        Found { record, request: parse(&record.request_parameters), response: parse(&record.response_elements) };
    let resources = found.keys(row.touches);
    if resources.is_empty() || !found.meets(row.condition) {
        return None;
    }
    let principal = Principal::of(record);
    let is_word = |id: &&str| id.len() <= MAX_WORD && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let change = Change {
        id: record.event_id.as_deref().filter(is_word).map_or_else(|| identity(bytes), str::to_owned),
        at,
        service: row.service.to_owned(),
        action: row.action.to_owned(),
        region: record.aws_region.as_deref().filter(is_word).map(str::to_owned),
        caller: principal.display.chars().take(MAX_CALLER).collect(),
        session: principal.session_name.map(|name| name.chars().take(MAX_SESSION).collect()),
        related: found.keys(row.related),
        resources,
    };
    Some(Box::new(change))
}

/// The parts of a record that name resources.
struct Found<'r> {
    record: &'r Record<'r>,
    request: Value,
    response: Value,
}

impl Found<'_> {
    fn meets(&self, condition: Condition) -> bool {
        let request = |path: &[&str]| member(&self.request, path);
        match condition {
            Condition::Always => true,
            Condition::UnlessEnabled => !request(&["enabled"]).is_some_and(|it| is_bool(it, true)),
            Condition::StreamOrEncryption => {
                request(&["streamSpecification", "streamEnabled"]).is_some_and(|it| is_bool(it, false))
                    || request(&["sSESpecification"]).is_some_and(Value::is_object)
            }
        }
    }

    /// The keys of the resources that the record names.
    fn keys(&self, named: &[Named]) -> Vec<ResourceKey> {
        let mut keys: Vec<_> = named.iter().filter_map(|it| self.key(it)).collect();
        keys.dedup();
        keys
    }

    fn key(&self, named: &Named) -> Option<ResourceKey> {
        let account = self.record.recipient_account_id.as_deref().unwrap_or_default();
        let region = self.record.aws_region.as_deref().unwrap_or_default();
        let of = |text: &str| ResourceKey::of_request(named.kind, text, account, region);
        named.places.iter().find_map(|place| match place {
            Place::Request(path) => of(member(&self.request, path)?.as_str()?),
            Place::Response(path) => of(member(&self.response, path)?.as_str()?),
            Place::Resources => {
                let resources = self.record.resources.as_deref().unwrap_or_default();
                let arns = resources.iter().filter_map(|it| ResourceKey::of_arn(it.arn.as_deref()?));
                arns.into_iter().find(|key| key.kind() == named.kind)
            }
        })
    }
}

fn member<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| field(value, name))
}

#[cfg(test)]
mod tests;
