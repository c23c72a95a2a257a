//! What is said about events that a rule watches for.

use super::{Alert, sanitize};
use super::{details_of, function_or_functions, how_often};
use crate::alert::next_steps;
use crate::detect::Watched;
use crate::triage::Incident;

pub(super) fn alert<'a>(incident: &'a Incident, watched: &Watched) -> Alert<'a> {
    let event = &incident.finding.event;
    let (who, what) = (sanitize::name(&event.principal.display), sanitize::name(&event.api_action));
    let on = function_or_functions(incident).map(|it| format!(" on {it}")).unwrap_or_default();
    let subject = super::subject(incident, "Watched", &[(&watched.title, 40), (&what, 24)]);
    let headline = format!("{}: {who} called {what}{on}.", sanitize::name(&watched.title));
    Alert {
        situation: how_often(incident),
        why: vec![format!("The rule \"{}\" watches for it.", sanitize::name(&watched.rule))],
        next_steps: next_steps::of_watched(event),
        details: details_of(incident, []),
        ..Alert::with(incident, subject, headline, None)
    }
}
