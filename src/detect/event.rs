//! The event that a record describes.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;

use super::api_action::api_action;
use super::arn::Arn;
use super::event_sources::{LAMBDA, is_lambda};
use super::principal::Principal;
use crate::identity::Identity;
use crate::trail::{Record, parse_value, value_of};

/// The API call whose result a sweep observes.
const LIST: &str = "ListEventSourceMappings";
/// Shown in place of the log object if a sweep reported the event.
const NO_OBJECT: &str = "none; reported by the Lambda API";

/// The fields of an event that a finding keeps. Strings come from the record and may be hostile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// GUID of the event.
    pub id: Option<String>,
    /// Hash of the record, for an event without an ID.
    pub record_hash: Option<String>,
    /// Time of the event, `YYYY-MM-DDThh:mm:ssZ`.
    pub time: Option<String>,
    /// Service, such as `lambda.amazonaws.com`.
    pub source: String,
    /// Name of the event, as recorded.
    pub name: String,
    /// Name of the action, without an API version.
    pub api_action: String,
    /// Account that received the event.
    pub account: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// The Lambda function that the event is about, or else the one that made the call.
    pub function_name: Option<String>,
    /// The caller.
    pub principal: Principal,
    /// IP address of the caller, or the name of a service.
    pub source_ip_address: Option<String>,
    /// Where the record was read from.
    pub object: Arc<str>,
    /// Origin of the event.
    pub origin: Origin,
}

/// The origin of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A CloudTrail record.
    Record,
    /// The Lambda API, in a sweep.
    LambdaApi,
}

impl Event {
    /// An event of which nothing is known. In its place, commands contain placeholders.
    pub(crate) fn unnamed() -> Self {
        Self {
            id: None,
            record_hash: None,
            time: None,
            source: String::new(),
            name: String::new(),
            api_action: String::new(),
            account: None,
            region: None,
            function_name: None,
            principal: Principal::service(""),
            source_ip_address: None,
            object: "".into(),
            origin: Origin::Record,
        }
    }

    /// The event of a record that was read from `object`. `named_arn` is an ARN that may name the function of the
    /// event. It takes precedence over the request, because a denied call has no request parameters.
    pub(super) fn of(record: &Record<'_>, bytes: &[u8], named_arn: Option<&str>, object: &Arc<str>) -> Self {
        let owned = |field: &Option<Cow<'_, str>>| field.as_deref().map(str::to_owned);
        let source = owned(&record.event_source).unwrap_or_default();
        let name = owned(&record.event_name).unwrap_or_default();
        let principal = Principal::of(record);
        Self {
            record_hash: record.event_id.is_none().then(|| identity(bytes)),
            id: owned(&record.event_id),
            time: owned(&record.event_time),
            api_action: if is_lambda(&source) { api_action(&name).to_owned() } else { name.clone() },
            account: owned(&record.recipient_account_id)
                .or_else(|| record.user_identity.as_ref().and_then(|it| owned(&it.account_id))),
            region: owned(&record.aws_region),
            function_name: function_name(record, named_arn).or_else(|| principal.function_name.clone()),
            principal,
            source_ip_address: owned(&record.source_ip_address),
            object: Arc::clone(object),
            origin: Origin::Record,
            source,
            name,
        }
    }

    /// An observation of a sweep about a mapping. CloudTrail did not log it, or its record has not arrived.
    pub(crate) fn of_sweep(account: &str, region: &str, function_arn: Option<&str>, time: Timestamp) -> Self {
        Self {
            id: None,
            record_hash: None,
            time: Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            source: LAMBDA.to_owned(),
            name: LIST.to_owned(),
            api_action: LIST.to_owned(),
            account: Some(account.to_owned()),
            region: Some(region.to_owned()),
            function_name: function_arn.and_then(Arn::parse).and_then(|arn| arn.function_name()).map(str::to_owned),
            principal: Principal::lambda(),
            source_ip_address: None,
            object: Arc::from(NO_OBJECT),
            origin: Origin::LambdaApi,
        }
    }

    /// The service as IAM names it, such as `lambda`: the first label of the event source.
    #[must_use]
    pub fn service(&self) -> &str {
        self.source.split('.').next().unwrap_or(&self.source)
    }

    /// Identifies the event: its ID, or else the hash of its record.
    #[must_use]
    pub fn identity(&self) -> &str {
        self.id.as_deref().or(self.record_hash.as_deref()).unwrap_or_default()
    }
}

/// The service of an event source, as IAM names it; `None` if it is not an AWS event source.
pub(super) fn service_of(event_source: &str) -> Option<&str> {
    event_source.strip_suffix(".cn").unwrap_or(event_source).strip_suffix(".amazonaws.com")
}

/// Identifies a record without an event ID: a hash that does not depend on white space, escapes or the order of keys,
/// which differ between EventBridge and log objects.
pub(super) fn identity(record: &[u8]) -> String {
    let identity =
        value_of(record).map_or_else(|_| Identity::of(record), |value| Identity::of(value.to_string().as_bytes()));
    identity.to_string()
}

/// The function that an event is about.
fn function_name(record: &Record<'_>, named_arn: Option<&str>) -> Option<String> {
    let of_arn = |text: &str| Arn::parse(text).and_then(|arn| arn.function_name()).map(str::to_owned);
    named_arn.and_then(of_arn).or_else(|| requested_function(record)).or_else(|| {
        let resources = record.resources.as_deref().unwrap_or_default();
        resources.iter().filter_map(|resource| resource.arn.as_deref()).find_map(of_arn)
    })
}

/// `requestParameters.functionName` of a Lambda call: a name, `name:qualifier`, `account:function:name` or an ARN.
fn requested_function(record: &Record<'_>) -> Option<String> {
    record.event_source.as_deref().filter(|source| is_lambda(source))?;
    let parameters = parse_value(record.request_parameters.as_ref()?.get()).ok()?;
    let text = parameters.get("functionName")?.as_str()?;
    let name = match text.split_once(":function:") {
        Some((_, name)) => name,
        None => text.strip_prefix("function:").unwrap_or(text),
    };
    name.split(':').next().filter(|name| !name.is_empty()).map(str::to_owned)
}
