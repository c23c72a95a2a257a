//! From a record to what is wrong about it.
//!
//! [`Detector::examine`] decides whether a record is of the services that are looked at and, if it
//! is, whether AWS disabled an event source mapping or denied a call. It works on one record, keeps
//! nothing, and owns what it returns, so that the record's bytes can go.

mod access_denied;
mod api_action;
mod arn;
mod denial_message;
mod esm_disabled;
mod principal;

use std::sync::Arc;

use serde::Deserialize;

pub use access_denied::{AccessDenied, DenialKind};
pub use api_action::api_action;
pub use arn::{Arn, EventSourceKind};
pub use denial_message::{DenialMessage, Effect, PolicyType};
pub use esm_disabled::{EsmCategory, EsmDisabled};
pub use principal::Principal;

use crate::trail::{EventSources, LogObject, Record, RecordError, is_lambda};

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The event it was found in.
    pub event: Event,
    /// What it is.
    pub kind: FindingKind,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// AWS disabled an event source mapping.
    EsmDisabled(EsmDisabled),
    /// A call was denied.
    AccessDenied(AccessDenied),
}

/// What a finding keeps of its event. Texts are the record's own and may be hostile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// GUID of the event.
    pub id: Option<String>,
    /// When it happened, `YYYY-MM-DDThh:mm:ssZ`.
    pub time: Option<String>,
    /// Service, such as `lambda.amazonaws.com`.
    pub source: String,
    /// Name of the event as it was written.
    pub name: String,
    /// Name of the action, without the version of the API.
    pub api_action: String,
    /// Account that received the event.
    pub account: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// The Lambda function that the event is about.
    pub function_name: Option<String>,
    /// Who made the call.
    pub principal: Principal,
    /// IP address of the caller, or the name of a service.
    pub source_ip_address: Option<String>,
    /// The log object that the record was read from.
    pub object: Arc<LogObject>,
}

/// What became of a record.
#[derive(Debug, Default)]
pub struct Examined {
    /// It is of a service that is looked at.
    pub selected: bool,
    /// What was found in it.
    pub finding: Option<Finding>,
}

/// Finds what is wrong in records of the services that are looked at.
#[derive(Debug, Clone, Default)]
pub struct Detector {
    event_sources: EventSources,
}

impl Detector {
    /// A detector for records of these services.
    #[must_use]
    pub fn new(event_sources: EventSources) -> Self {
        Self { event_sources }
    }

    /// Looks at the bytes of one record of `object`. Most records cost one search in their bytes.
    ///
    /// # Errors
    /// If the record may be of a service that is looked at, but does not parse.
    pub fn examine(&self, bytes: &[u8], object: &Arc<LogObject>) -> Result<Examined, RecordError> {
        if !self.event_sources.may_select(bytes) {
            return Ok(Examined::default());
        }
        let record = Record::parse(bytes)?;
        let event_source = record.event_source.as_deref().unwrap_or_default();
        if !self.event_sources.selects(event_source) {
            return Ok(Examined::default());
        }
        let finding = find(&record, bytes).map(|kind| Finding { event: event(&record, &kind, object), kind });
        Ok(Examined { selected: true, finding })
    }
}

fn find(record: &Record<'_>, bytes: &[u8]) -> Option<FindingKind> {
    let event_source = record.event_source.as_deref().unwrap_or_default();
    if is_lambda(event_source) && record.event_name.as_deref() == Some(esm_disabled::EVENT_NAME) {
        return Some(FindingKind::EsmDisabled(esm_disabled::detect(bytes)));
    }
    access_denied::detect(record).map(FindingKind::AccessDenied)
}

fn event(record: &Record<'_>, kind: &FindingKind, object: &Arc<LogObject>) -> Event {
    let owned = |field: &Option<std::borrow::Cow<'_, str>>| field.as_deref().map(str::to_owned);
    let source = owned(&record.event_source).unwrap_or_default();
    let name = owned(&record.event_name).unwrap_or_default();
    Event {
        id: owned(&record.event_id),
        time: owned(&record.event_time),
        api_action: if is_lambda(&source) { api_action(&name).to_owned() } else { name.clone() },
        account: owned(&record.recipient_account_id)
            .or_else(|| record.user_identity.as_ref().and_then(|it| owned(&it.account_id))),
        region: owned(&record.aws_region),
        function_name: function_name(record, kind),
        principal: Principal::of(record),
        source_ip_address: owned(&record.source_ip_address),
        object: Arc::clone(object),
        source,
        name,
    }
}

/// The function that an event is about: a denied call has no parameters, so its message is asked
/// first.
fn function_name(record: &Record<'_>, kind: &FindingKind) -> Option<String> {
    let arn = match kind {
        FindingKind::EsmDisabled(esm) => esm.function_arn.as_deref(),
        FindingKind::AccessDenied(denied) => denied.resource.as_deref(),
    };
    let of_arn = |text: &str| Arn::parse(text).and_then(|arn| arn.function_name()).map(str::to_owned);
    arn.and_then(of_arn).or_else(|| requested_function(record)).or_else(|| {
        let resources = record.resources.as_deref().unwrap_or_default();
        resources.iter().filter_map(|resource| resource.arn.as_deref()).find_map(of_arn)
    })
}

/// `requestParameters.functionName` of a Lambda call: a name, `name:qualifier`,
/// `account:function:name` or an ARN.
fn requested_function(record: &Record<'_>) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Parameters {
        function_name: String,
    }
    record.event_source.as_deref().filter(|source| is_lambda(source))?;
    let parameters: Parameters = serde_json::from_str(record.request_parameters?.get()).ok()?;
    let text = parameters.function_name;
    let name = match text.split_once("function:") {
        Some((_, behind)) => behind,
        None => &text,
    };
    name.split(':').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examine(record: &str) -> Examined {
        let object = Arc::new(LogObject::new("trail", "key"));
        Detector::default().examine(record.as_bytes(), &object).expect("a record")
    }

    #[test]
    fn functions_are_named_in_every_form() {
        for (function, name) in [
            ("orders", "orders"),
            ("orders:live", "orders"),
            ("111122223333:function:orders", "orders"),
            ("arn:aws:lambda:us-east-1:111122223333:function:orders:7", "orders"),
        ] {
            let record = format!(
                r#"{{"eventSource":"lambda.amazonaws.com","eventName":"Invoke","errorCode":"AccessDenied",
                     "requestParameters":{{"functionName":"{function}"}}}}"#
            );
            let finding = examine(&record).finding.expect("a finding");
            assert_eq!(finding.event.function_name.as_deref(), Some(name), "{function}");
        }
    }

    #[test]
    fn text_in_a_record_is_not_a_record() {
        let fake = r#"{\"eventSource\":\"lambda.amazonaws.com\",\"eventName\":\"LambdaESMDisabled\"}"#;
        for record in [
            format!(r#"{{"eventSource":"s3.amazonaws.com","eventName":"PutObject","userAgent":"{fake}"}}"#),
            r#"{"eventSource":"s3.amazonaws.com","requestParameters":{"eventSource":"lambda.amazonaws.com",
                "eventName":"LambdaESMDisabled","errorCode":"AccessDenied"}}"#
                .to_owned(),
            r#"{"eventSource":"s3.lambda.amazonaws.com","eventName":"LambdaESMDisabled"}"#.to_owned(),
            r#"{"eventSource":"lambda.amazonaws.com","eventName":"UpdateFunctionConfiguration",
                "requestParameters":{"eventName":"LambdaESMDisabled","errorCode":"AccessDenied"}}"#
                .to_owned(),
        ] {
            assert_eq!(examine(&record).finding, None, "{record}");
        }
    }

    #[test]
    fn lambda_in_china_is_lambda() {
        let examined = examine(r#"{"eventSource":"lambda.amazonaws.com.cn","eventName":"LambdaESMDisabled"}"#);
        assert!(matches!(examined.finding, Some(Finding { kind: FindingKind::EsmDisabled(_), .. })));
    }
}
