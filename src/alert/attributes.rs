//! Message attributes, which subscriptions can filter on.

use super::sanitize;
use crate::triage::{Context, Incident, Scope, Tally};

/// Maximum length of a value, in characters.
const MAX_CHARACTERS: usize = 256;
/// Maximum number of values in a list.
const MAX_VALUES: usize = 10;

/// The category of a summary about a caller with many different denied calls.
pub(super) const MANY_DENIALS: &str = "many_denials";
/// The category of an alert about several stopped mappings.
pub(super) const MANY_MAPPINGS: &str = "many_mappings";

/// A message attribute of Amazon SNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// Its values, at least one. A filter policy matches if it matches any of them.
    pub values: Vec<String>,
}

/// The attributes of an incident. An attribute without a value is left out.
pub(super) fn attributes_of(incident: &Incident, error_code: Option<&str>) -> Vec<Attribute> {
    let finding = &incident.finding;
    let event = &finding.event;
    let one = |value: Option<&str>| value.map(exact).into_iter().collect::<Vec<_>>();
    let many = |tally: &Tally| tally.kept().iter().map(|value| exact(value)).collect::<Vec<_>>();
    let mut attributes = vec![
        Attribute { name: "alert_type", values: one(Some(incident.alert_type())) },
        Attribute { name: "severity", values: one(Some(incident.severity().as_str())) },
        Attribute { name: "category", values: one(Some(category(incident))) },
        Attribute { name: "status", values: one(incident.status()) },
        Attribute { name: "account", values: one(event.account.as_deref()) },
        Attribute { name: "region", values: many(&incident.regions) },
        Attribute { name: "function_name", values: many(&incident.functions) },
        Attribute { name: "owner", values: one(incident.context.as_ref().and_then(Context::owner)) },
        Attribute { name: "error_code", values: one(error_code) },
        Attribute { name: "api_action", values: api_actions(incident) },
    ];
    for attribute in &mut attributes {
        attribute.values.retain(|value| !value.is_empty());
    }
    attributes.retain(|attribute| !attribute.values.is_empty());
    attributes
}

/// The category of the finding. A summary of a caller has its own category.
pub(super) fn category(incident: &Incident) -> &str {
    match incident.scope {
        Scope::Caller { .. } => MANY_DENIALS,
        Scope::Mappings { .. } => MANY_MAPPINGS,
        Scope::Event | Scope::Cause { .. } => incident.finding.category(),
    }
}

/// The action. For a summary of a caller, the first actions, without their service.
fn api_actions(incident: &Incident) -> Vec<String> {
    match &incident.scope {
        Scope::Caller { actions, .. } => {
            let actions = actions.kept().iter().map(|it| it.split_once(':').map_or(it.as_str(), |(_, name)| name));
            actions.take(MAX_VALUES).map(exact).collect()
        }
        Scope::Event | Scope::Mappings { .. } | Scope::Cause { .. } => vec![exact(&incident.finding.event.api_action)],
    }
}

fn exact(value: &str) -> String {
    sanitize::exact(value, MAX_CHARACTERS).0
}
