//! A finding as JSON: flat, with stable names, and without absent fields.

use serde::Serialize;

use super::denial_message::{Effect, PolicyType};
use super::event::{Event, Origin};
use super::finding::{Finding, FindingKind};

/// Version of the format. It changes when a field is removed or changes its meaning.
const FORMAT_VERSION: &str = "1";

/// A finding as JSON. A field that is also a message attribute has the name of the attribute.
#[derive(Debug, Default, Serialize)]
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
    mapping_uuid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_source_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message_truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message_encoded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denied_principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denied_action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denied_resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_effect: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_arn: Option<&'a str>,
    actor: &'a str,
    principal: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip_address: Option<&'a str>,
    object: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'static str>,
}

impl Finding {
    /// The finding as JSON.
    #[must_use]
    pub fn to_json(&self) -> FindingJson<'_> {
        let mut json = self.event.to_json();
        json.alert_type = Some(self.alert_type());
        json.severity = Some(self.severity().as_str());
        json.category = Some(self.category());
        [json.mapping_uuid, json.function_arn, json.event_source_arn] = self.mapping().unwrap_or_default();
        match &self.kind {
            FindingKind::EsmDisabled(esm) => json.reason = esm.reason.as_deref(),
            FindingKind::EsmFailing(esm) => json.reason = Some(&esm.problem),
            FindingKind::EsmChanged(_) | FindingKind::EsmRecovered(_) => {}
            FindingKind::AccessDenied(denied) => {
                json.error_code = Some(&denied.error_code);
                json.error_message = denied.message.as_deref();
                json.error_message_truncated = denied.message.as_ref().map(|_| denied.truncated);
                json.error_message_encoded = denied.message.as_ref().map(|_| denied.encoded);
                json.denied_principal = denied.principal.as_deref();
                json.denied_action = denied.action.as_deref();
                json.denied_resource = denied.resource.as_deref();
                json.policy_type = denied.policy_type.map(PolicyType::as_str);
                json.policy_effect = denied.effect.map(Effect::as_str);
                json.policy_arn = denied.policy_arn.as_deref();
            }
            FindingKind::Watched(rule) => json.title = Some(&rule.title),
        }
        json
    }
}

impl Event {
    /// The fields that do not depend on the kind of the finding.
    pub(super) fn to_json(&self) -> FindingJson<'_> {
        FindingJson {
            version: FORMAT_VERSION,
            event_id: self.id.as_deref(),
            event_time: self.time.as_deref(),
            event_source: &self.source,
            event_name: &self.name,
            api_action: &self.api_action,
            account: self.account.as_deref(),
            region: self.region.as_deref(),
            function_name: self.function_name.as_deref(),
            actor: &self.principal.display,
            principal: &self.principal.key,
            session_name: self.principal.session_name.as_deref(),
            user_agent: self.principal.user_agent.as_deref(),
            source_ip_address: self.source_ip_address.as_deref(),
            object: &self.object,
            origin: match self.origin {
                Origin::Record => None,
                Origin::LambdaApi => Some("lambda_api"),
            },
            ..FindingJson::default()
        }
    }
}
