//! An alert as JSON for machines: flat except for `fix` and `likely_causes`, with stable names, and without absent fields.
//!
//! `docs/event.schema.json` describes the format. Values are those of the record, except that hidden characters are
//! replaced and links in the fields for people are defanged. A value that is too long is truncated, and the field
//! `truncated_fields` names it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::attributes::category;
use super::content::Alert;
use super::fix::{Fix, Statement};
use super::sanitize;
use crate::detect::{FindingJson, FindingKind, ResourceKey};
use crate::triage::{Context, Incident, LikelyCause, ListedMapping, Scope, Tally};

/// Maximum length of a value, in characters. The smaller limits apply if the message would be too long. An ARN has at
/// most 2,048 characters.
const MAX_CHARACTERS: [usize; 3] = [2_048, 512, 128];
/// Maximum size of the message, in bytes. SNS accepts 256 KiB, including the attributes.
const MAX_BYTES: usize = 192 * 1024;
/// Maximum length of a string of a likely cause, in characters. The longest is the path of a policy with its name.
const MAX_CAUSE_CHARACTERS: usize = 640;
/// Fields that people read.
const TEXTS: [&str; 4] = ["description", "error_message", "reason", "title"];

#[derive(Serialize)]
struct AlertJson<'a> {
    alert_id: String,
    test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    #[serde(flatten)]
    context: ContextJson<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    follow_up: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    likely_causes: Vec<CauseJson>,
    summary: &'a str,
    description: &'a str,
    #[serde(flatten)]
    finding: FindingJson<'a>,
    count: u64,
    new_events: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_end: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_event_time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_time: Option<&'a str>,
    regions: &'a [String],
    region_count: usize,
    function_names: &'a [String],
    function_count: usize,
    resources: &'a [String],
    resource_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    denied_actions: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denied_action_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mappings: Option<Vec<MappingJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<FixJson<'a>>,
}

/// Context from the Lambda API about a stopped mapping and its function.
#[derive(Default, Serialize)]
struct ContextJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    owner_tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping_state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping_state_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_processing_result: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'a str>,
}

impl<'a> ContextJson<'a> {
    fn of(context: &'a Context) -> Self {
        let mapping = context.mapping.as_ref();
        Self {
            owner: context.owner(),
            owner_tags: context.owner.iter().map(|tag| format!("{}={}", tag.key, tag.value)).collect(),
            mapping_state: mapping.map(|it| it.state.as_str()),
            mapping_state_reason: mapping.and_then(|it| it.state_reason.as_deref()),
            last_processing_result: mapping.and_then(|it| it.last_processing_result.as_deref()),
            role_arn: context.function.as_ref().and_then(|it| it.role_arn.as_deref()),
        }
    }
}

/// Its strings are short and neutralized, so they are never truncated.
#[derive(Serialize)]
struct CauseJson {
    event_id: String,
    event_time: String,
    action: String,
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    resources: Vec<ResourceJson>,
    seconds_before: u64,
}

/// A resource that a likely cause changed.
#[derive(Serialize)]
struct ResourceJson {
    #[serde(rename = "type")]
    kind: &'static str,
    account: String,
    name: String,
}

impl CauseJson {
    fn of(cause: &LikelyCause) -> Self {
        let LikelyCause { change, before } = cause;
        let exact = |text: &str| sanitize::exact(text, MAX_CAUSE_CHARACTERS).0;
        let resource = |key: &ResourceKey| ResourceJson {
            kind: key.kind().as_str(),
            account: exact(key.account()),
            name: exact(key.name()),
        };
        Self {
            event_id: exact(&change.id),
            event_time: change.at.to_string(),
            action: exact(&format!("{}:{}", change.service, change.action)),
            actor: exact(&change.caller),
            session_name: change.session.as_deref().map(exact),
            region: change.region.as_deref().map(exact),
            resources: change.resources.iter().map(resource).collect(),
            seconds_before: before.as_secs(),
        }
    }
}

/// A mapping in an alert about several of them.
#[derive(Serialize)]
struct MappingJson<'a> {
    alert_id: String,
    account: Option<&'a str>,
    region: Option<&'a str>,
    mapping_uuid: Option<&'a str>,
    function_arn: Option<&'a str>,
    event_source_arn: Option<&'a str>,
    stopped_at: Option<&'a str>,
    reason: Option<&'a str>,
}

impl<'a> MappingJson<'a> {
    fn of(ListedMapping { alert, finding }: &'a ListedMapping) -> Self {
        let event = &finding.event;
        let [mapping_uuid, function_arn, event_source_arn] = finding.mapping().unwrap_or_default();
        let reason = match &finding.kind {
            FindingKind::EsmDisabled(esm) => esm.reason.as_deref(),
            _ => None,
        };
        let (account, region, stopped_at) = (event.account.as_deref(), event.region.as_deref(), event.time.as_deref());
        let alert_id = alert.to_string();
        Self { alert_id, account, region, mapping_uuid, function_arn, event_source_arn, stopped_at, reason }
    }
}

/// It consists of words, so it needs no neutralizing. It is never truncated: part of a name would be another name.
#[derive(Serialize)]
struct FixJson<'a> {
    policy_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attach_to: Option<&'a str>,
    statement: &'a Statement,
}

impl<'a> FixJson<'a> {
    fn of(fix: &'a Fix) -> Self {
        let policy_type = fix.policy_type.as_str();
        Self { policy_type, attach_to: fix.attach_to.as_deref(), statement: &fix.statement }
    }
}

/// Writes one JSON object.
pub(super) fn json(alert: &Alert<'_>) -> String {
    let whole = members(alert);
    let [first, others @ ..] = MAX_CHARACTERS;
    let write = |limit| truncated(alert.incident, whole.clone(), limit);
    others.into_iter().fold(write(first), |text, limit| if text.len() <= MAX_BYTES { text } else { write(limit) })
}

fn members(alert: &Alert<'_>) -> Map<String, Value> {
    let incident = alert.incident;
    let actions = match &incident.scope {
        Scope::Caller { actions, .. } => Some(actions),
        Scope::Event | Scope::Mappings { .. } | Scope::Cause { .. } => None,
    };
    let mappings = match &incident.scope {
        Scope::Mappings { listed } => Some(listed.iter().map(MappingJson::of).collect()),
        Scope::Event | Scope::Cause { .. } | Scope::Caller { .. } => None,
    };
    let [regions, functions, resources] = [&incident.regions, &incident.functions, &incident.resources];
    let alert_json = AlertJson {
        alert_id: incident.alert_id().to_string(),
        test: incident.is_test,
        status: incident.status(),
        stopped_at: incident.stopped_at(),
        ended_at: incident.ended_at(),
        context: incident.context.as_ref().map(ContextJson::of).unwrap_or_default(),
        follow_up: incident.follows_up.is_some(),
        likely_causes: incident.likely_causes.iter().map(CauseJson::of).collect(),
        summary: &alert.subject,
        description: &alert.headline,
        finding: incident.finding.to_json(),
        count: incident.total,
        new_events: incident.count,
        window_start: incident.window.map(|it| it.start().to_string()),
        window_end: incident.window.map(|it| it.end().to_string()),
        first_event_time: incident.first.as_deref(),
        last_event_time: incident.last.as_deref(),
        regions: regions.kept(),
        region_count: regions.count(),
        function_names: functions.kept(),
        function_count: functions.count(),
        resources: resources.kept(),
        resource_count: resources.count(),
        denied_actions: actions.map(Tally::kept),
        denied_action_count: actions.map(Tally::count),
        mappings,
        fix: alert.fix.as_ref().map(FixJson::of),
    };
    let mut members = match serde_json::to_value(alert_json) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    members.insert("category".to_owned(), category(incident).into());
    members.insert("alert_type".to_owned(), incident.alert_type().into());
    members.insert("severity".to_owned(), incident.severity().as_str().into());
    members
}

/// Writes the members with their strings neutralized and truncated at `limit` characters, and names those that were
/// truncated.
fn truncated(incident: &Incident, mut members: Map<String, Value>, limit: usize) -> String {
    let lists =
        [("regions", &incident.regions), ("function_names", &incident.functions), ("resources", &incident.resources)];
    let mut names: Vec<_> =
        lists.iter().filter(|(_, tally)| tally.more() > 0).map(|(name, _)| (*name).to_owned()).collect();
    match &incident.scope {
        Scope::Caller { actions, .. } if actions.more() > 0 => names.push("denied_actions".to_owned()),
        Scope::Event | Scope::Mappings { .. } | Scope::Cause { .. } | Scope::Caller { .. } => {}
    }
    for (name, value) in &mut members {
        if bound(value, TEXTS.contains(&name.as_str()), limit) && !names.contains(name) {
            names.push(name.clone());
        }
    }
    members.insert("truncated_fields".to_owned(), names.into());
    Value::Object(members).to_string()
}

/// Neutralizes and truncates the strings of a value. Returns true if it truncated any.
fn bound(value: &mut Value, is_text: bool, limit: usize) -> bool {
    match value {
        Value::String(text) => {
            let (shown, is_truncated) = sanitize::exact(text, limit);
            *text = if is_text { sanitize::without_links(&shown) } else { shown };
            is_truncated
        }
        Value::Array(values) => {
            values.iter_mut().map(|it| bound(it, is_text, limit)).filter(|is_truncated| *is_truncated).count() > 0
        }
        // The values of `fix` and of the likely causes are short and neutral. Those of `mappings` are not for people, except
        // the reason.
        Value::Object(members) => {
            let bounded =
                |(name, value): (&String, &mut Value)| bound(value, is_text || TEXTS.contains(&name.as_str()), limit);
            members.iter_mut().map(bounded).filter(|is_truncated| *is_truncated).count() > 0
        }
        _ => false,
    }
}
