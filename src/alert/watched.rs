//! What is said about events that a rule watches for.

use super::{Alert, sanitize};
use super::{attributes_of, details_of, function_or_functions, how_often};
use crate::alert::next_steps;
use crate::detect::Watched;
use crate::triage::Incident;

pub(super) fn alert(incident: &Incident, watched: &Watched) -> Alert {
    let event = &incident.finding.event;
    let (who, what) = (sanitize::name(&event.principal.display), sanitize::name(&event.api_action));
    let on = function_or_functions(incident).map(|it| format!(" on {it}")).unwrap_or_default();
    Alert {
        severity: watched.severity,
        subject: super::subject(incident, "Watched", &[(&watched.title, 40), (&what, 24)]),
        headline: format!("{}: {who} called {what}{on}.", sanitize::name(&watched.title)),
        situation: vec![how_often(incident)],
        why: vec![format!("The rule \"{}\" watches for it.", sanitize::name(&watched.rule))],
        next_steps: next_steps::of_watched(event),
        details: details_of(incident, []),
        attributes: attributes_of(incident, None),
    }
}
