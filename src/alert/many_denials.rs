//! The summary about a caller with many different denied calls.

use super::content::Alert;
use super::wording::{caller, details, list, period_and_place, subject, time};
use super::{next_steps, sanitize};
use crate::detect::AccessDenied;
use crate::triage::{Incident, MAX_INCIDENTS_PER_CALLER, Scope};

pub(super) fn alert<'a>(incident: &'a Incident, denied: &AccessDenied) -> Alert<'a> {
    let who = sanitize::name(&incident.finding.event.principal.display);
    let calls = format!("{} different calls", incident.total);
    let subject = subject(incident, "Denied", &[(&who, 28), (&calls, 36)]);
    let headline = format!("{} was denied {calls}.", caller(incident));
    Alert {
        situation: situation(incident),
        why: vec![
            format!(
                "More than {MAX_INCIDENTS_PER_CALLER} different denied calls by one caller are summarized in one alert."
            ),
            "Common causes: a permissions scanner, stolen credentials, or a policy that was removed from the role."
                .to_owned(),
        ],
        next_steps: next_steps::of_caller(&incident.finding.event),
        details: details(
            incident,
            [
                ("Calls", &Some(actions(incident))),
                ("Functions", &Some(list(&incident.functions))),
                ("Resources", &Some(list(&incident.resources))),
            ],
        ),
        ..Alert::new(incident, subject, headline, Some(&denied.error_code))
    }
}

fn situation(incident: &Incident) -> Vec<String> {
    let period = period_and_place(incident);
    let mut lines = vec![match (incident.count, incident.window) {
        (count, Some(window)) if count < incident.total => {
            let start = time(Some(&window.start().to_string()));
            format!(
                "{} different calls have been denied since {start}, most recently {count} {period}.",
                incident.total
            )
        }
        _ => format!("The calls were made {period}."),
    }];
    if let (Some(window), Some(next)) = (incident.window, incident.next_threshold()) {
        let end = time(Some(&window.end().to_string()));
        lines.push(format!(
            "The next alert about this caller will be sent at {next} different calls, or at the first denied call after {end}."
        ));
    }
    lines
}

fn actions(incident: &Incident) -> String {
    match &incident.scope {
        Scope::Caller { actions, .. } => list(actions),
        Scope::Event | Scope::Mappings { .. } | Scope::Cause { .. } => String::new(),
    }
}
