//! The alert about a caller with many different denied calls.

use super::{Alert, details_of, list, next_steps, period_and_place, sanitize, subject, time};
use crate::detect::AccessDenied;
use crate::triage::{CASES_OF_A_CALLER, Incident, Scope};

pub(super) fn alert<'a>(incident: &'a Incident, denied: &AccessDenied) -> Alert<'a> {
    let who = sanitize::name(&incident.finding.event.principal.display);
    let calls = format!("{} different calls", incident.total);
    // The subject already says how many.
    let subject = subject(incident, "Denied", &[(&who, 28), (&calls, 36)]);
    let headline = format!("Denied: {calls} by {who}.");
    Alert {
        situation: situation(incident),
        why: vec![
            format!("More than {CASES_OF_A_CALLER} different denied calls by one caller are summarized in one alert."),
            "Usual causes: a permission scanner, stolen credentials, or a role that lost a policy.".to_owned(),
        ],
        next_steps: next_steps::of_caller(&incident.finding.event),
        details: details_of(
            incident,
            [
                ("Calls", &Some(actions(incident))),
                ("Functions", &Some(list(&incident.functions))),
                ("Resources", &Some(list(&incident.resources))),
            ],
        ),
        ..Alert::with(incident, subject, headline, Some(&denied.error_code))
    }
}

fn situation(incident: &Incident) -> Vec<String> {
    let period = period_and_place(incident);
    let mut lines = vec![match (incident.count, incident.window) {
        (count, Some(window)) if count < incident.total => {
            let start = time(Some(&window.start().to_string()));
            format!("{} calls since {start}; the latest {count} were seen {period}.", incident.total)
        }
        _ => format!("Seen {period}."),
    }];
    if let (Some(window), Some(next)) = (incident.window, incident.next_threshold()) {
        let end = time(Some(&window.end().to_string()));
        lines.push(format!("The next alert about this caller comes after {next} different calls, or after {end}."));
    }
    lines
}

fn actions(incident: &Incident) -> String {
    match &incident.scope {
        Scope::Caller { actions, .. } => list(actions),
        Scope::Event | Scope::Cause { .. } => String::new(),
    }
}
