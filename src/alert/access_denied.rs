//! The alert about denials with one cause.

use super::content::Alert;
use super::fix::Fix;
use super::wording::{caller, details, functions, how_often, list, policy, subject};
use super::{next_steps, sanitize};
use crate::detect::{AccessDenied, DenialKind, Effect, PolicyType};
use crate::triage::Incident;

pub(super) fn alert<'a>(incident: &'a Incident, denied: &AccessDenied) -> Alert<'a> {
    let finding = &incident.finding;
    let principal = &finding.event.principal;
    let who = match &principal.function_name {
        Some(function) => format!("function {function}"),
        None => principal.display.split(" (").next().unwrap_or_default().to_owned(),
    };
    let subject = subject(incident, "Denied", &[(&who, 28), (&finding.action(), 36)]);
    let fix = Fix::of(incident, denied);
    Alert {
        situation: how_often(incident),
        why: why(denied),
        next_steps: next_steps::of_denial(&finding.event, denied, fix.as_ref()),
        fix,
        details: details(
            incident,
            [
                ("Error code", &Some(denied.error_code.clone())),
                ("Functions", &Some(list(&incident.functions))),
                ("Resources", &Some(list(&incident.resources))),
                ("Policy", &denied.policy_arn),
            ],
        ),
        ..Alert::new(incident, subject, headline(incident), Some(&denied.error_code))
    }
}

fn headline(incident: &Incident) -> String {
    let (caller, action) = (caller(incident), sanitize::name(&incident.finding.action()));
    let is_called_by_function = incident.finding.event.principal.function_name.is_some();
    let target = match (incident.resources.only(), incident.resources.count(), functions(incident)) {
        (_, 0 | 1, Some(function)) if !is_called_by_function => format!(" on {function}"),
        (Some(resource), _, _) => format!(" on {}", sanitize::name(resource)),
        (None, 0, _) => String::new(),
        (None, count, _) => format!(" on {count} resources"),
    };
    format!("{caller} was denied {action}{target}.")
}

fn why(denied: &AccessDenied) -> Vec<String> {
    let mut lines = vec![reason(denied)];
    lines.extend(denied.message.as_deref().map(|text| format!("AWS says: \"{}\"", sanitize::line(text))));
    lines
}

/// The type of policy that caused the denial, in a sentence.
pub(super) fn reason(denied: &AccessDenied) -> String {
    let code = sanitize::name(&denied.error_code);
    match (denied.effect, denied.policy_type) {
        (Some(Effect::Explicit), Some(kind)) => {
            let article = if kind == PolicyType::IdentityBased { "An" } else { "A" };
            format!("{article} {} explicitly denies the action ({code}).", policy(kind))
        }
        (Some(Effect::Explicit), None) => format!("A policy explicitly denies the action ({code})."),
        (Some(Effect::Implicit), Some(kind)) => format!("No {} allows the action ({code}).", policy(kind)),
        (Some(Effect::Implicit), None) => format!("No policy allows the action ({code})."),
        (None, _) => match denied.kind {
            // The code alone does not say which policy.
            DenialKind::Policy => format!("The service returned {code}."),
            kind @ (DenialKind::Dependency | DenialKind::Authentication) => format!("{} ({code}).", meaning(kind)),
        },
    }
}

/// What a kind of denial means: a sentence without its period.
pub(super) fn meaning(kind: DenialKind) -> &'static str {
    match kind {
        DenialKind::Policy => "A policy does not allow the call, or the caller does not own the resource",
        DenialKind::Dependency => "The called service was denied access to a resource that it needs for the call",
        DenialKind::Authentication => "The caller's credentials were rejected",
    }
}
