//! A finding as JSON for machines: flat, with stable names, and without what is absent.

use serde::Serialize;

use super::{Effect, Finding, FindingKind};

/// The version of the form; it changes when a field changes its meaning or goes.
const FORM: &str = "1";

/// A finding for machines. The names are those of the message attributes where both have the field.
#[derive(Debug, Serialize)]
pub struct FindingJson<'a> {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_time: Option<&'a str>,
    event_source: &'a str,
    event_name: &'a str,
    api_action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<Mapping<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denial: Option<Denial<'a>>,
    actor: &'a str,
    principal: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip_address: Option<&'a str>,
    object: &'a str,
}

#[derive(Debug, Serialize)]
struct Mapping<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_source_arn: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Denial<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    truncated: bool,
    encoded: bool,
}

impl Finding {
    /// The finding for machines.
    #[must_use]
    pub fn to_json(&self) -> FindingJson<'_> {
        let mut json = self.event.to_json();
        json.alert_type = Some(self.alert_type());
        json.severity = Some(self.severity().as_str());
        json.category = Some(self.category());
        match &self.kind {
            FindingKind::EsmDisabled(esm) => {
                json.reason = esm.reason.as_deref();
                json.mapping =
                    Some(mapping(esm.mapping_uuid.as_ref(), esm.function_arn.as_ref(), esm.event_source_arn.as_ref()));
            }
            FindingKind::EsmChanged(esm) => {
                json.mapping =
                    Some(mapping(esm.mapping_uuid.as_ref(), esm.function_arn.as_ref(), esm.event_source_arn.as_ref()));
            }
            FindingKind::AccessDenied(denied) => {
                json.error_code = Some(&denied.error_code);
                json.denial = Some(Denial {
                    principal: denied.principal.as_deref(),
                    action: denied.action.as_deref(),
                    resource: denied.resource.as_deref(),
                    policy_type: denied.policy_type.map(super::PolicyType::as_str),
                    effect: denied.effect.map(Effect::as_str),
                    policy_arn: denied.policy_arn.as_deref(),
                    message: denied.message.as_deref(),
                    truncated: denied.truncated,
                    encoded: denied.encoded,
                });
            }
            FindingKind::Watched(rule) => json.title = Some(&rule.title),
        }
        json
    }
}

impl super::Event {
    /// What is known of the event alone.
    pub(super) fn to_json(&self) -> FindingJson<'_> {
        FindingJson {
            version: FORM,
            alert_type: None,
            severity: None,
            category: None,
            title: None,
            reason: None,
            event_id: self.id.as_deref(),
            event_time: self.time.as_deref(),
            event_source: &self.source,
            event_name: &self.name,
            api_action: &self.api_action,
            account: self.account.as_deref(),
            region: self.region.as_deref(),
            function_name: self.function_name.as_deref(),
            mapping: None,
            error_code: None,
            denial: None,
            actor: &self.principal.display,
            principal: &self.principal.key,
            source_ip_address: self.source_ip_address.as_deref(),
            object: &self.object,
        }
    }
}

fn mapping<'a>(
    uuid: Option<&'a String>,
    function_arn: Option<&'a String>,
    event_source_arn: Option<&'a String>,
) -> Mapping<'a> {
    Mapping {
        uuid: uuid.map(String::as_str),
        function_arn: function_arn.map(String::as_str),
        event_source_arn: event_source_arn.map(String::as_str),
    }
}
