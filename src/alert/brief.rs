//! An incident in a few words, for a row of a table.

use super::cause;
use super::mapping::Source;
use super::sanitize;
use super::wording::{duration, functions};
use super::{access_denied, esm_failing};
use crate::clock::time_between;
use crate::detect::{Finding, FindingKind};
use crate::triage::{Incident, Lifecycle};

/// An incident in a few words. Every string is neutralized, like those of an [`Alert`](super::Alert).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// What it is about: `orders-queue → orders` for a mapping, or the action and its target.
    pub subject: String,
    /// Why: the reason of a stop, the policy that denied a call, or the name of a watch rule.
    pub reason: String,
    /// Who made the call; `None` if AWS did.
    pub caller: Option<String>,
    /// For a stopped mapping: whether and when it was enabled or deleted again.
    pub state: Option<String>,
    /// The likely causes of a stop, latest first, each with its caller and its time before the stop.
    pub causes: Vec<String>,
}

impl Brief {
    /// Describes an incident.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        let finding = &incident.finding;
        let caller = Some(sanitize::name(&finding.event.principal.display));
        let (reason, caller) = match &finding.kind {
            FindingKind::EsmDisabled(esm) => (esm.category.as_str().to_owned(), None),
            FindingKind::EsmFailing(esm) => (esm_failing::meaning(esm.category).to_owned(), None),
            FindingKind::EsmRecovered(esm) => (esm.recovery.as_str().to_owned(), None),
            FindingKind::EsmChanged(esm) => (esm.change.as_str().to_owned(), caller),
            FindingKind::AccessDenied(denied) => (clause(&access_denied::reason(denied)), caller),
            FindingKind::Watched(watched) => (sanitize::name(&watched.rule), caller),
        };
        Self {
            subject: subject(incident),
            reason,
            caller,
            state: state(incident),
            causes: incident.likely_causes.iter().map(|it| format!("{} before the stop", cause::call(it))).collect(),
        }
    }
}

/// A sentence without its capital letter and its period.
fn clause(sentence: &str) -> String {
    let mut characters = sentence.trim_end_matches('.').chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

fn subject(incident: &Incident) -> String {
    let finding = &incident.finding;
    if let Some(mapping) = mapping(finding) {
        return mapping;
    }
    let action = match &finding.kind {
        FindingKind::Watched(watched) => sanitize::name(&watched.title),
        _ => sanitize::name(&finding.action()),
    };
    let target = match (incident.resources.only(), incident.resources.count(), functions(incident)) {
        (_, 0 | 1, Some(function)) if finding.event.principal.function_name.is_none() => Some(function),
        (Some(resource), _, _) => Some(sanitize::name(resource)),
        (None, 0, _) => None,
        (None, count, _) => Some(format!("{count} resources")),
    };
    target.map_or_else(|| action.clone(), |target| format!("{action} on {target}"))
}

/// The event source and the function of a mapping; `None` if the finding is not about a mapping.
fn mapping(finding: &Finding) -> Option<String> {
    let [uuid, _, source] = finding.mapping()?;
    let function = finding.event.function_name.as_deref();
    let names = [Source::of(source).name(), function].map(|it| it.map(sanitize::name));
    Some(match (names, uuid) {
        ([Some(source), Some(function)], _) => format!("{source} → {function}"),
        ([None, Some(function)], _) => format!("unknown source → {function}"),
        ([Some(source), None], _) => format!("{source} → unknown function"),
        ([None, None], Some(uuid)) => format!("mapping {}", sanitize::name(uuid)),
        ([None, None], None) => "unknown mapping".to_owned(),
    })
}

fn state(incident: &Incident) -> Option<String> {
    let stopped = |time: &str| time.parse().ok();
    match (incident.lifecycle, &incident.finding.kind) {
        (Some(Lifecycle::OverSince(ended)), _) => {
            let stopped = incident.finding.event.time.as_deref().and_then(stopped)?;
            Some(format!("stopped for {}", duration(time_between(stopped, ended))))
        }
        (_, FindingKind::EsmDisabled(_)) => Some("not resumed".to_owned()),
        _ => None,
    }
}
