//! From a record to what is wrong about it.
//!
//! [`Detector::examine`] decides whether a record is of the services that are looked at and, if it
//! is, whether AWS disabled an event source mapping, a user changed one, a call was denied, or a
//! rule watches for it. It works on one record, keeps nothing, and owns what it returns, so that
//! the record's bytes can go.

mod access_denied;
mod api_action;
mod arn;
mod denial_message;
mod esm_changed;
mod esm_disabled;
mod json;
mod principal;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

pub use access_denied::{AccessDenied, DenialKind};
pub use api_action::api_action;
pub use arn::{Arn, EventSourceKind};
pub use denial_message::{DenialMessage, Effect, PolicyType};
pub use esm_changed::{EsmChange, EsmChanged};
pub use esm_disabled::{EsmCategory, EsmDisabled};
pub use json::FindingJson;
pub use principal::Principal;

use crate::identity::Identity;
use crate::rules::{Rules, Severity, WatchRule};
use crate::trail::{EventSources, Record, RecordError, is_lambda, parse_value, value_of};

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
    /// A user disabled, deleted or enabled an event source mapping.
    EsmChanged(EsmChanged),
    /// A call was denied.
    AccessDenied(AccessDenied),
    /// A rule watches for the event.
    Watched(Watched),
}

/// The rule that watches for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Name of the rule.
    pub rule: String,
    /// What the alert says.
    pub title: String,
    /// How urgent it is.
    pub severity: Severity,
}

impl Finding {
    /// The kind of alert, by its name in attributes and rules.
    #[must_use]
    pub fn alert_type(&self) -> &'static str {
        match self.kind {
            FindingKind::EsmDisabled(_) => "esm_disabled",
            FindingKind::EsmChanged(_) => "esm_changed",
            FindingKind::AccessDenied(_) => "access_denied",
            FindingKind::Watched(_) => "watch",
        }
    }

    /// Bytes of its longest texts.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let bytes = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let of_kind = match &self.kind {
            FindingKind::EsmDisabled(esm) => bytes(&esm.reason),
            FindingKind::AccessDenied(denied) => bytes(&denied.message) + bytes(&denied.resource),
            FindingKind::EsmChanged(_) | FindingKind::Watched(_) => 0,
        };
        // Caller and action stand in the fingerprint too.
        of_kind + 2 * (self.event.principal.key.len() + self.event.name.len())
    }

    /// The action that was called, as IAM names it: `service:Action`.
    #[must_use]
    pub fn action(&self) -> String {
        match &self.kind {
            FindingKind::AccessDenied(AccessDenied { action: Some(action), .. }) => action.clone(),
            _ => format!("{}:{}", self.event.service(), self.event.api_action),
        }
    }

    /// How urgent it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match &self.kind {
            FindingKind::EsmDisabled(_) => Severity::Critical,
            FindingKind::EsmChanged(EsmChanged { change: EsmChange::Enabled, .. }) => Severity::Low,
            FindingKind::EsmChanged(_) => Severity::Medium,
            FindingKind::AccessDenied(denied) => match (denied.kind, denied.effect) {
                (DenialKind::Authentication, _) => Severity::Low,
                (DenialKind::Dependency, _) | (_, Some(Effect::Explicit)) => Severity::High,
                (DenialKind::Policy, _) => Severity::Medium,
            },
            FindingKind::Watched(rule) => rule.severity,
        }
    }

    /// The reason of a disabled mapping, what was done to a changed one, the kind of a denial, or
    /// the name of a rule.
    #[must_use]
    pub fn category(&self) -> &str {
        match &self.kind {
            FindingKind::EsmDisabled(esm) => esm.category.as_str(),
            FindingKind::EsmChanged(esm) => esm.change.as_str(),
            FindingKind::AccessDenied(denied) => denied.kind.as_str(),
            FindingKind::Watched(rule) => &rule.rule,
        }
    }
}

/// What a finding keeps of its event. Texts are the record's own and may be hostile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// GUID of the event.
    pub id: Option<String>,
    /// Hash of the record, of an event without ID.
    pub record_hash: Option<String>,
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
    /// The Lambda function that the event is about, or that made the call.
    pub function_name: Option<String>,
    /// Who made the call.
    pub principal: Principal,
    /// IP address of the caller, or the name of a service.
    pub source_ip_address: Option<String>,
    /// Where the record was read from.
    pub object: Arc<str>,
}

impl Event {
    /// The service as IAM names it: the first label of its source, such as `lambda`.
    #[must_use]
    pub fn service(&self) -> &str {
        self.source.split('.').next().unwrap_or(&self.source)
    }

    /// What identifies the event: its ID, otherwise the hash of its record.
    #[must_use]
    pub fn identity(&self) -> &str {
        self.id.as_deref().or(self.record_hash.as_deref()).unwrap_or_default()
    }
}

/// What became of a record.
#[derive(Debug, Default)]
pub struct Examined {
    /// It is of a service that is looked at.
    pub selected: bool,
    /// It is of AWS Lambda.
    pub of_lambda: bool,
    /// What was found in it.
    pub findings: Vec<Finding>,
    /// A field that detection or a rule needs does not parse, so that something may not have been found.
    pub unreadable: Option<RecordError>,
}

/// Finds what is wrong in records of the services that are looked at.
#[derive(Debug, Clone, Default)]
pub struct Detector {
    /// Services to look at.
    pub event_sources: EventSources,
    /// Look for mappings that users disable, delete or enable.
    pub esm_changes: bool,
    /// Look for calls with invalid credentials.
    pub authentication_failures: bool,
}

impl Detector {
    /// Examines the bytes of one record of `object`, also for the events that `rules` watch for. Most records cost one
    /// search in their bytes.
    ///
    /// # Errors
    /// If the record may be of a service that is looked at, but does not parse.
    pub fn examine(&self, bytes: &[u8], object: &Arc<str>, rules: &Rules) -> Result<Examined, RecordError> {
        let watched_sources = rules.watched_sources();
        if !self.event_sources.may_select(bytes) && !watched_sources.may_select(bytes) {
            return Ok(Examined::default());
        }
        let record = Record::parse(bytes)?;
        let event_source = record.event_source.as_deref().unwrap_or_default();
        let selected = self.event_sources.selects(event_source);
        if !selected && !watched_sources.selects(event_source) {
            return Ok(Examined::default());
        }
        let mut findings = Vec::new();
        let mut unreadable = None;
        if selected {
            match self.built_in(&record, bytes) {
                Ok(Some(kind)) => findings.push(Finding { event: event(&record, bytes, Some(&kind), object), kind }),
                Ok(None) => {}
                Err(error) => unreadable = Some(error),
            }
        }
        if !rules.watch.is_empty()
            && let Err(error) = watch(&rules.watch, &record, bytes, object, &mut findings)
        {
            unreadable = Some(error);
        }
        Ok(Examined { selected: true, of_lambda: is_lambda(event_source), findings, unreadable })
    }

    fn built_in(&self, record: &Record<'_>, bytes: &[u8]) -> Result<Option<FindingKind>, RecordError> {
        let event_name = record.event_name.as_deref().unwrap_or_default();
        if is_lambda(record.event_source.as_deref().unwrap_or_default()) {
            if event_name == esm_disabled::EVENT_NAME {
                return Ok(Some(FindingKind::EsmDisabled(esm_disabled::detect(bytes))));
            }
            let changed = if self.esm_changes { esm_changed::detect(record, api_action(event_name))? } else { None };
            if let Some(changed) = changed {
                return Ok(Some(FindingKind::EsmChanged(changed)));
            }
        }
        let wanted = |it: &AccessDenied| self.authentication_failures || it.kind != DenialKind::Authentication;
        Ok(access_denied::detect(record).filter(wanted).map(FindingKind::AccessDenied))
    }
}

fn watch(
    rules: &[WatchRule],
    record: &Record<'_>,
    bytes: &[u8],
    object: &Arc<str>,
    findings: &mut Vec<Finding>,
) -> Result<(), RecordError> {
    let event = event(record, bytes, None, object);
    let value = value_of(bytes)?;
    let subject = match findings.first() {
        Some(finding) => pattern_subject(value, &finding.to_json()),
        None => pattern_subject(value, &event.to_json()),
    };
    for rule in rules.iter().filter(|rule| rule.pattern.matches(&subject)) {
        let watched = Watched { rule: rule.name.clone(), title: rule.title.clone(), severity: rule.severity };
        findings.push(Finding { event: event.clone(), kind: FindingKind::Watched(watched) });
    }
    Ok(())
}

impl Finding {
    /// What the pattern of a rule is matched against: the record, given by its bytes, with the finding for machines in the
    /// field `finding`; `None` if the record does not parse.
    #[must_use]
    pub fn pattern_subject(&self, record: &[u8]) -> Option<Value> {
        value_of(record).ok().map(|value| pattern_subject(value, &self.to_json()))
    }
}

fn pattern_subject(mut subject: Value, finding: &FindingJson<'_>) -> Value {
    if let (Some(members), Ok(finding)) = (subject.as_object_mut(), serde_json::to_value(finding)) {
        members.insert("finding".to_owned(), finding);
    }
    subject
}

fn event(record: &Record<'_>, bytes: &[u8], kind: Option<&FindingKind>, object: &Arc<str>) -> Event {
    let owned = |field: &Option<Cow<'_, str>>| field.as_deref().map(str::to_owned);
    let source = owned(&record.event_source).unwrap_or_default();
    let name = owned(&record.event_name).unwrap_or_default();
    let principal = Principal::of(record);
    Event {
        record_hash: record.event_id.is_none().then(|| layout_independent_hash(bytes).to_string()),
        id: owned(&record.event_id),
        time: owned(&record.event_time),
        api_action: if is_lambda(&source) { api_action(&name).to_owned() } else { name.clone() },
        account: owned(&record.recipient_account_id)
            .or_else(|| record.user_identity.as_ref().and_then(|it| owned(&it.account_id))),
        region: owned(&record.aws_region),
        function_name: function_name(record, kind).or_else(|| principal.function_name.clone()),
        principal,
        source_ip_address: owned(&record.source_ip_address),
        object: Arc::clone(object),
        source,
        name,
    }
}

/// Hash of a record that does not depend on its white space, its escapes or the order of its keys: EventBridge delivers a
/// record in another layout than a log object has.
fn layout_independent_hash(record: &[u8]) -> Identity {
    value_of(record).map_or_else(|_| Identity::of(record), |value| Identity::of(value.to_string().as_bytes()))
}

/// The function that an event is about: a denied call has no parameters, so its message is asked
/// first.
fn function_name(record: &Record<'_>, kind: Option<&FindingKind>) -> Option<String> {
    let arn = match kind {
        Some(FindingKind::EsmDisabled(esm)) => esm.function_arn.as_deref(),
        Some(FindingKind::EsmChanged(esm)) => esm.function_arn.as_deref(),
        Some(FindingKind::AccessDenied(denied)) => denied.resource.as_deref(),
        Some(FindingKind::Watched(_)) | None => None,
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
    record.event_source.as_deref().filter(|source| is_lambda(source))?;
    let parameters = parse_value(record.request_parameters.as_ref()?.get()).ok()?;
    let text = parameters.get("functionName")?.as_str()?;
    let name = match text.split_once(":function:") {
        Some((_, name)) => name,
        None => text.strip_prefix("function:").unwrap_or(text),
    };
    name.split(':').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examine(record: &str) -> Examined {
        let object = Arc::from("s3://trail/key");
        Detector::default().examine(record.as_bytes(), &object, &Rules::default()).expect("a record")
    }

    #[test]
    fn functions_are_named_in_every_form() {
        for (function, name) in [
            ("orders", "orders"),
            ("orders:live", "orders"),
            ("my-function:live", "my-function"),
            ("111122223333:function:orders", "orders"),
            ("arn:aws:lambda:us-east-1:111122223333:function:orders:7", "orders"),
        ] {
            let record = format!(
                r#"{{"eventSource":"lambda.amazonaws.com","eventName":"Invoke","errorCode":"AccessDenied",
                     "requestParameters":{{"functionName":"{function}"}}}}"#
            );
            let finding = examine(&record).findings.pop().expect("a finding");
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
            assert_eq!(examine(&record).findings, [], "{record}");
        }
    }

    #[test]
    fn lambda_in_china_is_lambda() {
        let examined = examine(r#"{"eventSource":"lambda.amazonaws.com.cn","eventName":"LambdaESMDisabled"}"#);
        assert!(matches!(examined.findings.as_slice(), [Finding { kind: FindingKind::EsmDisabled(_), .. }]));
    }

    fn watching(pattern: &str) -> Rules {
        let rules = format!(r#"{{"watch":[{{"name":"w","title":"t","severity":"low","pattern":{pattern}}}]}}"#);
        Rules::parse(&rules).expect("rules")
    }

    fn of_all_services() -> Detector {
        Detector { esm_changes: true, event_sources: EventSources::all(), ..Detector::default() }
    }

    #[test]
    fn rules_see_records_with_odd_values() {
        let deep = format!("{}{{}}{}", r#"{"a":["#.repeat(90), "]}".repeat(90));
        for (odd, pattern) in [
            (r#""half \ud800""#, r#"{"requestParameters":{"x":[{"prefix":"half"}]}}"#),
            ("1e999", r#"{"requestParameters":{"x":[{"numeric":[">",5]}]}}"#),
            (&deep, r#"{"requestParameters":{"name":["orders"]}}"#),
        ] {
            let record = format!(r#"{{"eventName":"Put","requestParameters":{{"name":"orders","x":{odd}}}}}"#);
            let examined = of_all_services().examine(record.as_bytes(), &Arc::from("key"), &watching(pattern));
            let examined = examined.expect("a record");
            assert_eq!(examined.findings.len(), 1, "{record}");
        }
    }

    #[test]
    fn a_field_that_stays_unreadable_is_reported_beside_what_was_found() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(300), "}".repeat(300));
        let (detector, rules) = (of_all_services(), watching(r#"{"requestParameters":{"name":["orders"]}}"#));
        let examine = |fields: &str| {
            let record = format!(r#"{{"requestParameters":{deep},{fields}}}"#);
            let examined = detector.examine(record.as_bytes(), &Arc::from("key"), &rules).expect("a record");
            assert!(matches!(examined.unreadable, Some(RecordError::TooDeep)), "{fields}");
            examined.findings.len()
        };
        let lambda = r#""eventSource":"lambda.amazonaws.com","eventName""#;
        assert_eq!(examine(&format!(r#"{lambda}:"UpdateEventSourceMapping""#)), 0);
        assert_eq!(examine(&format!(r#"{lambda}:"CreateFunction""#)), 0);
        assert_eq!(examine(&format!(r#"{lambda}:"LambdaESMDisabled""#)), 1);
        assert_eq!(examine(r#""errorCode":"AccessDenied""#), 1);
        // Nobody needs the field of a record that no rule watches, or of another service.
        let record = format!(r#"{{"requestParameters":{deep},"sourceIPAddress":"lambda.amazonaws.com"}}"#);
        let default = Detector { esm_changes: true, ..Detector::default() };
        let examine = |record: &str| default.examine(record.as_bytes(), &Arc::from("key"), &Rules::default());
        assert!(examine(&record).is_ok_and(|it| !it.selected && it.unreadable.is_none()));
        let record = format!(r#"{{"requestParameters":{deep},{lambda}:"CreateFunction"}}"#);
        assert!(examine(&record).is_ok_and(|it| it.selected && it.unreadable.is_none()));
    }

    #[test]
    fn events_with_a_blank_id_are_distinct() {
        for blank in ["", " "] {
            let [one, other] = ["orders", "invoices"].map(|function| {
                let record = format!(
                    r#"{{"eventSource":"lambda.amazonaws.com","eventName":"LambdaESMDisabled","eventID":"{blank}",
                         "requestParameters":{{"functionName":"{function}"}}}}"#
                );
                examine(&record).findings.pop().expect("a finding").event
            });
            assert_ne!(one.identity(), other.identity());
        }
    }
}
