//! Phrases that several kinds of alerts use.

use std::time::Duration;

use super::sanitize;
use crate::detect::{FindingKind, Origin, PolicyType};
use crate::triage::{Incident, Scope, Tally};

/// A subject that is useful even if it is cut to 40 characters: the parts, each shortened to its width, come before the
/// account and the Region.
pub(super) fn subject(incident: &Incident, word: &str, parts: &[(&str, usize)]) -> String {
    let account = incident.finding.event.account.as_deref().unwrap_or("?");
    let region = match incident.regions.kept() {
        [region] => region.as_str(),
        [] => "?",
        _ => "multiple Regions",
    };
    let is_counted = matches!(incident.scope, Scope::Cause { .. }) && incident.total > 1;
    let times = if is_counted { format!(" x{}", incident.total) } else { String::new() };
    let parts = parts.iter().map(|(part, width)| sanitize::short(part, *width)).collect::<Vec<_>>().join(" ");
    sanitize::subject(&format!("{word}: {parts}{times} {account} {region}"))
}

/// The caller, at the start of a sentence.
pub(super) fn caller(incident: &Incident) -> String {
    capitalized(&sanitize::name(&incident.finding.event.principal.display))
}

/// The text with a capital first letter.
pub(super) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect()
}

/// How often, when and where it happened, and when the next alert is due.
pub(super) fn how_often(incident: &Incident) -> Vec<String> {
    let period = period_and_place(incident);
    let mut lines = vec![match (incident.count, incident.window) {
        (count, Some(window)) if count < incident.total => {
            let start = time(Some(&window.start().to_string()));
            let times = if count == 1 { String::new() } else { format!("{count} times ") };
            format!("{} times since {start}, most recently {times}{period}.", incident.total)
        }
        (1, _) => format!("Once, {period}."),
        (count, _) => format!("{count} times, {period}."),
    }];
    if let (Some(window), Some(next)) = (incident.window, incident.next_threshold()) {
        let end = time(Some(&window.end().to_string()));
        lines.push(format!(
            "The next alert will be sent at the {next}th occurrence, or at the first occurrence after {end}."
        ));
    }
    lines
}

/// When and where: `from … to … in …`.
pub(super) fn period_and_place(incident: &Incident) -> String {
    let regions = list(&incident.regions);
    let region = Some(regions.as_str()).filter(|it| !it.is_empty());
    let place = place(region, incident.finding.event.account.as_deref());
    let (first, last) = (time(incident.first.as_deref()), time(incident.last.as_deref()));
    if first == last { format!("at {first} in {place}") } else { format!("from {first} to {last} in {place}") }
}

/// The function, or the number of functions.
pub(super) fn functions(incident: &Incident) -> Option<String> {
    match (incident.functions.only(), incident.functions.count()) {
        (Some(function), _) => Some(format!("function {}", sanitize::name(function))),
        (None, 0) => None,
        (None, count) => Some(format!("{count} functions")),
    }
}

/// The labels and values of an alert. `specific` are those of its kind; the others are in every alert.
pub(super) fn details<const N: usize>(
    incident: &Incident,
    specific: [(&'static str, &Option<String>); N],
) -> Vec<(&'static str, String)> {
    let finding = &incident.finding;
    let event = &finding.event;
    let mut details = vec![("Severity", incident.severity().as_str().to_owned())];
    if !matches!(finding.kind, FindingKind::EsmDisabled(_)) && event.origin == Origin::Record {
        let chosen = |text: &String| format!("{} (chosen by the caller)", sanitize::name(text));
        details.push(("Caller", sanitize::name(&event.principal.key)));
        details.extend(event.principal.session_name.as_ref().map(|name| ("Session name", chosen(name))));
        details.extend(event.source_ip_address.as_deref().map(|from| ("Source IP", sanitize::name(from))));
        details.extend(event.principal.user_agent.as_ref().map(|agent| ("User agent", chosen(agent))));
    }
    let specific = specific.into_iter().filter_map(|(label, value)| Some((label, sanitize::line(value.as_deref()?))));
    details.extend(specific);
    match event.origin {
        Origin::Record => {
            let id = event.id.as_deref().map_or_else(|| "(no event ID)".to_owned(), sanitize::name);
            details.push(("Event", format!("{} {id}", sanitize::name(&event.name))));
            details.push(("Log object", sanitize::line(&event.object)));
        }
        Origin::LambdaApi => details.push(("Reported by", "the Lambda API, in a sweep".to_owned())),
    }
    details.retain(|(_, value)| !value.is_empty());
    details
}

/// The time of a record, for people. A string in another format is shown as it is.
pub(super) fn time(time: Option<&str>) -> String {
    let Some(text) = time else { return "an unknown time".to_owned() };
    match text.strip_suffix('Z').and_then(|it| it.split_once('T')) {
        Some((date, clock)) if date.len() == 10 && clock.len() == 8 => sanitize::name(&format!("{date} {clock} UTC")),
        _ => sanitize::name(text),
    }
}

/// A duration, in its two largest units.
pub(super) fn duration(duration: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let mut rest = duration.as_secs();
    let mut parts = Vec::new();
    for (unit, seconds) in UNITS {
        let count = rest / seconds;
        rest %= seconds;
        if count > 0 {
            parts.push(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }));
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "less than a second".to_owned() } else { parts.join(" ") }
}

/// The Region and, if it is known, the account.
pub(super) fn place(region: Option<&str>, account: Option<&str>) -> String {
    let region = region.map_or_else(|| "an unknown Region".to_owned(), sanitize::name);
    match account {
        Some(account) => format!("{region} (account {})", sanitize::name(account)),
        None => region,
    }
}

/// A type of policy, without an article.
pub(super) fn policy(policy_type: PolicyType) -> String {
    match policy_type {
        PolicyType::PermissionsBoundary => policy_type.as_str().to_owned(),
        _ => format!("{} policy", policy_type.as_str()),
    }
}

/// The first values, and how many more there are.
pub(super) fn list(tally: &Tally) -> String {
    let kept = tally.kept().iter().map(|value| sanitize::name(value)).collect::<Vec<_>>().join(", ");
    match tally.more() {
        0 => kept,
        more => format!("{kept} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        for (seconds, shown) in [
            (0, "less than a second"),
            (1, "1 second"),
            (125, "2 minutes 5 seconds"),
            (3_600, "1 hour"),
            (7_985, "2 hours 13 minutes"),
            (270_000, "3 days 3 hours"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), shown);
        }
    }
}
