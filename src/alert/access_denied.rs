//! What is said about denied calls.

use super::esm_disabled::event_line;
use super::{Alert, Severity, attributes, details, list, many, next_steps, one, place, sanitize, time};
use crate::detect::{AccessDenied, DenialKind, Effect, PolicyType};
use crate::triage::Denials;

pub(super) fn alert(denials: &Denials) -> Alert {
    let Denials { event, denied, .. } = denials;
    let severity = severity(denied);
    Alert {
        severity,
        subject: subject(denials),
        headline: headline(denials),
        situation: vec![how_often(denials)],
        why: why(denied),
        next_steps: next_steps::of_denials(denials),
        details: details([
            ("Severity", Some(severity.as_str().to_owned())),
            ("Caller", Some(sanitize::name(&event.principal.key))),
            ("From", event.source_ip_address.as_deref().map(sanitize::name)),
            ("Error code", Some(sanitize::name(&denied.error_code))),
            ("Functions", Some(list(&denials.functions))),
            ("Resources", Some(list(&denials.resources))),
            ("Policy", denied.policy_arn.as_deref().map(sanitize::name)),
            ("Event", Some(event_line(event))),
            ("Log object", Some(sanitize::line(&event.object.to_string()))),
        ]),
        attributes: attributes([
            ("alert_type", one(Some("access_denied"))),
            ("severity", one(Some(severity.as_str()))),
            ("category", one(Some(denied.kind.as_str()))),
            ("account", one(event.account.as_deref())),
            ("region", many(&denials.regions)),
            ("function_name", many(&denials.functions)),
            ("error_code", one(Some(&denied.error_code))),
            ("api_action", one(Some(&event.api_action))),
        ]),
    }
}

fn severity(denied: &AccessDenied) -> Severity {
    match (denied.kind, denied.effect) {
        (DenialKind::Dependency, _) | (_, Some(Effect::Explicit)) => Severity::High,
        (DenialKind::Policy, _) => Severity::Medium,
    }
}

/// The action as IAM names it where the message tells, else as the event does.
fn action(denials: &Denials) -> String {
    let Denials { event, denied, .. } = denials;
    if let Some(action) = &denied.action {
        return sanitize::name(action);
    }
    let service = event.source.split('.').next().unwrap_or(&event.source);
    sanitize::name(&format!("{service}:{}", event.api_action))
}

fn headline(denials: &Denials) -> String {
    let who = sanitize::name(&denials.event.principal.display);
    let action = action(denials);
    let known = denials.resources.kept().len() + denials.resources.more();
    match (denials.functions.only(), denials.resources.only(), known) {
        (Some(function), _, 0 | 1) => {
            format!("Denied: {who} may not call {action} on the function {}.", sanitize::name(function))
        }
        (_, Some(resource), _) => format!("Denied: {who} may not call {action} on {}.", sanitize::name(resource)),
        (_, _, 0) => format!("Denied: {who} may not call {action}."),
        _ => format!("Denied: {who} may not call {action} on {known} resources."),
    }
}

fn how_often(denials: &Denials) -> String {
    let regions = list(&denials.regions);
    let place = place(Some(&regions).filter(|it| !it.is_empty()).map(String::as_str), denials.event.account.as_deref());
    let (first, last) = (time(denials.first.as_deref()), time(denials.last.as_deref()));
    match denials.count {
        1 => format!("Once, at {first}, in {place}."),
        count if first == last => format!("{count} times, at {first}, in {place}."),
        count => format!("{count} times, from {first} to {last}, in {place}."),
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
        },
    }
}

/// Useful when cut to 40 characters: who and what come first.
fn subject(denials: &Denials) -> String {
    let event = &denials.event;
    let who = event.principal.display.split(" (").next().unwrap_or_default();
    let times = if denials.count > 1 { format!(" x{}", denials.count) } else { String::new() };
    let account = event.account.as_deref().unwrap_or("?");
    let region = match denials.regions.kept() {
        [region] => region.as_str(),
        [] => "?",
        _ => "several Regions",
    };
    let (who, action) = (sanitize::short(who, 28), sanitize::short(&action(denials), 36));
    sanitize::subject(&format!("Denied: {who} {action}{times} {account} {region}"))
}
