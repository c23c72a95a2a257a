//! Phrases about likely causes, and the follow-up that names one.

use super::content::Alert;
use super::mapping::{Source, mapping_subject, source_and_function};
use super::wording::{capitalized, details, duration, place, time};
use super::{next_steps, sanitize};
use crate::detect::{Change, EsmDisabled};
use crate::triage::{Incident, LikelyCause};

/// The likely causes of a stop, one sentence each.
pub(super) fn sentences(incident: &Incident) -> impl Iterator<Item = String> {
    incident.likely_causes.iter().map(|cause| format!("Likely cause: {} before the stop.", call(cause)))
}

/// The events of the likely causes, for the details.
pub(super) fn events(incident: &Incident) -> impl Iterator<Item = (&'static str, String)> {
    incident.likely_causes.iter().map(|LikelyCause { change, .. }| {
        let event = format!("{} {}, {}", change.action, change.id, time(Some(&change.at.to_string())));
        ("Likely cause", sanitize::line(&event))
    })
}

/// Who called what on which resource, and how long before the stop.
pub(super) fn call(LikelyCause { change, before }: &LikelyCause) -> String {
    let caller = sanitize::name(&change.caller);
    let session = change.session.as_deref().map(|name| format!(" (session {})", sanitize::name(name)));
    format!(
        "{caller}{} called {} on {} {}",
        session.unwrap_or_default(),
        sanitize::name(&format!("{}:{}", change.service, change.action)),
        resources(change),
        duration(*before)
    )
}

fn resources(change: &Change) -> String {
    change.resources.iter().map(|it| sanitize::name(it.name())).collect::<Vec<_>>().join(" and ")
}

/// The follow-up: a likely cause became known after the alert about the stop.
pub(super) fn follow_up<'a>(incident: &'a Incident, esm: &EsmDisabled) -> Alert<'a> {
    let event = &incident.finding.event;
    let source = Source::of(esm.event_source_arn.as_deref());
    let cause = incident.likely_causes.first();
    let action = cause.map(|it| format!("{}:{}", it.change.service, it.change.action));
    let subject = mapping_subject(incident, "Likely cause", &source, esm.mapping_uuid.as_deref(), action.as_deref());
    let headline = format!(
        "{} before Lambda stopped reading {}.",
        capitalized(&cause.map_or_else(|| "an unknown call was made".to_owned(), call)),
        source_and_function(incident, &source)
    );
    let mut details = details(
        incident,
        [("Mapping", &esm.mapping_uuid), ("Function", &esm.function_arn), ("Event source", &esm.event_source_arn)],
    );
    details.splice(1..1, events(incident));
    let mut situation = vec![format!(
        "AWS disabled the event source mapping at {} in {}.",
        time(event.time.as_deref()),
        place(event.region.as_deref(), event.account.as_deref())
    )];
    situation.extend(incident.ended_at().map(|ended| {
        format!("A user enabled or deleted the mapping at {}, so it is no longer stopped.", time(Some(&ended)))
    }));
    Alert {
        situation,
        why: vec![format!(
            "This follows up on the alert {}. The log of this call arrived after the alert was sent.",
            incident.alert_id()
        )],
        next_steps: cause.map(|it| next_steps::of_cause(&it.change)).unwrap_or_default(),
        details,
        ..Alert::new(incident, subject, headline, None)
    }
}
