//! What is said about denied calls.

use super::{Alert, details_of, function_or_functions, how_often, list, next_steps, sanitize, subject};
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
    Alert {
        situation: how_often(incident),
        why: why(denied),
        next_steps: next_steps::of_denial(&finding.event, denied),
        details: details_of(
            incident,
            [
                ("Error code", &Some(denied.error_code.clone())),
                ("Functions", &Some(list(&incident.functions))),
                ("Resources", &Some(list(&incident.resources))),
                ("Policy", &denied.policy_arn),
            ],
        ),
        ..Alert::with(incident, subject, headline(incident), Some(&denied.error_code))
    }
}

fn headline(incident: &Incident) -> String {
    let who = sanitize::name(&incident.finding.event.principal.display);
    let action = sanitize::name(&incident.finding.action());
    let calls_itself = incident.finding.event.principal.function_name.is_some();
    match (incident.resources.only(), incident.resources.count(), function_or_functions(incident)) {
        (_, 0 | 1, Some(function)) if !calls_itself => format!("Denied: {who} may not call {action} on {function}."),
        (Some(resource), _, _) => format!("Denied: {who} may not call {action} on {}.", sanitize::name(resource)),
        (None, 0, _) => format!("Denied: {who} may not call {action}."),
        (None, count, _) => format!("Denied: {who} may not call {action} on {count} resources."),
    }
}

fn why(denied: &AccessDenied) -> Vec<String> {
    let mut lines = vec![reason(denied)];
    lines.extend(denied.message.as_deref().map(|text| format!("AWS says: \"{}\"", sanitize::line(text))));
    lines
}

/// Whose policy denied it, in a sentence.
fn reason(denied: &AccessDenied) -> String {
    let code = sanitize::name(&denied.error_code);
    let policy = |article: &str, kind: PolicyType| match kind {
        PolicyType::PermissionsBoundary => format!("{article} permissions boundary"),
        kind => format!("{article} {} policy", kind.as_str()),
    };
    match (denied.effect, denied.policy_type) {
        (Some(Effect::Explicit), Some(kind)) => {
            let article = if kind == PolicyType::IdentityBased { "An" } else { "A" };
            format!("{} denies it explicitly ({code}).", policy(article, kind))
        }
        (Some(Effect::Explicit), None) => format!("A policy denies it explicitly ({code})."),
        (Some(Effect::Implicit), Some(kind)) => format!("{} allows it ({code}).", policy("No", kind)),
        (Some(Effect::Implicit), None) => format!("No policy allows it ({code})."),
        (None, _) => match denied.kind {
            DenialKind::Policy => format!("The service answered {code}."),
            DenialKind::Dependency => format!("The service was denied something that it needs for the call ({code})."),
            DenialKind::Authentication => format!("The caller's credentials were not accepted ({code})."),
        },
    }
}
