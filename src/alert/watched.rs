//! The alert about events that a rule watches for.

use super::content::Alert;
use super::wording::{details, functions, how_often, subject};
use super::{next_steps, sanitize};
use crate::detect::Watched;
use crate::triage::Incident;

pub(super) fn alert<'a>(incident: &'a Incident, watched: &Watched) -> Alert<'a> {
    let event = &incident.finding.event;
    let (who, what) = (sanitize::name(&event.principal.display), sanitize::name(&event.api_action));
    let on = functions(incident).map(|it| format!(" on {it}")).unwrap_or_default();
    let subject = subject(incident, "Watched", &[(&watched.title, 40), (&what, 24)]);
    let headline = format!("{}: {who} called {what}{on}.", sanitize::name(&watched.title));
    Alert {
        situation: how_often(incident),
        why: vec![format!("The watch rule \"{}\" matches this event.", sanitize::name(&watched.rule))],
        next_steps: next_steps::of_watched(event),
        details: details(incident, []),
        ..Alert::new(incident, subject, headline, None)
    }
}
