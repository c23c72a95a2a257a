//! The alert about several event source mappings that are stopped.

use super::content::Alert;
use super::mapping::Source;
use super::next_steps;
use super::sanitize;
use super::wording::{list, place, subject, time};
use crate::detect::FindingKind;
use crate::triage::{Incident, Lifecycle, ListedMapping};

pub(super) fn alert<'a>(incident: &'a Incident, listed: &[ListedMapping]) -> Alert<'a> {
    let count = format!("{} mappings", incident.total);
    let word = if is_reminder(incident) { "Still stopped" } else { "Stopped" };
    let subject = subject(incident, word, &[(&count, 24)]);
    Alert {
        situation: listed.iter().map(line).collect(),
        why: why(incident),
        next_steps: next_steps::of_stopped_mappings(&incident.finding.event),
        details: vec![
            ("Severity", incident.severity().as_str().to_owned()),
            ("Regions", list(&incident.regions)),
            ("Functions", list(&incident.functions)),
        ],
        ..Alert::new(incident, subject, headline(incident), None)
    }
}

fn is_reminder(incident: &Incident) -> bool {
    matches!(incident.lifecycle, Some(Lifecycle::Reminder(..)))
}

fn headline(incident: &Incident) -> String {
    let count = incident.total;
    if is_reminder(incident) {
        format!("{count} event source mappings are still stopped: Lambda does not read their sources.")
    } else {
        format!("{count} event source mappings are stopped: Lambda does not read their sources.")
    }
}

fn why(incident: &Incident) -> Vec<String> {
    match incident.lifecycle {
        Some(Lifecycle::Reminder(..)) => {
            vec!["This is a reminder. An alert about each mapping was sent earlier.".to_owned()]
        }
        _ => vec![
            "This was the first sweep of these Regions. Each mapping that stops from now on causes its own alert."
                .to_owned(),
            "AWS disabled these mappings, or the Lambda API does not report that a user did.".to_owned(),
        ],
    }
}

/// The line about one mapping.
fn line(ListedMapping { finding, .. }: &ListedMapping) -> String {
    let event = &finding.event;
    let [uuid, function, source] = finding.mapping().unwrap_or_default();
    let source = Source::of(source);
    let function = event.function_name.as_deref().or(function).map(sanitize::name);
    let reason = match &finding.kind {
        FindingKind::EsmDisabled(esm) => {
            esm.reason.as_deref().map(|reason| format!(": \"{}\"", sanitize::line(reason)))
        }
        _ => None,
    };
    format!(
        "  - {} for function {}, mapping {}, in {}, stopped since {}{}",
        source.named(),
        function.unwrap_or_else(|| "(unknown)".to_owned()),
        uuid.map_or_else(|| "(unknown)".to_owned(), sanitize::name),
        place(event.region.as_deref(), event.account.as_deref()),
        time(event.time.as_deref()),
        reason.unwrap_or_default(),
    )
}
