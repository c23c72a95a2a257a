//! The alert about an event source mapping that a sweep no longer found stopped or failing.

use super::content::Alert;
use super::mapping::{Source, UNTIL_ANOTHER, mapping_subject, source_and_function};
use super::next_steps;
use super::wording::{details, duration, place, time};
use crate::clock::time_between;
use crate::detect::{EsmRecovered, Recovery, Trouble};
use crate::triage::{Incident, Stop};

pub(super) fn alert<'a>(incident: &'a Incident, esm: &EsmRecovered, stop: Option<Stop>) -> Alert<'a> {
    let event = &incident.finding.event;
    let names = &esm.names;
    let source = Source::of(names.event_source_arn.as_deref());
    let subject =
        mapping_subject(incident, "Resolved", &source, names.mapping_uuid.as_deref(), Some(esm.recovery.as_str()));
    let target = source_and_function(incident, &source);
    let headline = match esm.recovery {
        Recovery::Enabled => format!("The event source mapping is enabled again: Lambda now reads {target}."),
        Recovery::Processing => format!("Lambda processes {target} again."),
        Recovery::Deleted => format!("The event source mapping no longer exists: {target}."),
        Recovery::Disabled => format!("A user disabled the event source mapping that was failing: {target}."),
    };
    let ended = event.time.as_deref().and_then(|time| time.parse().ok());
    let verb = match esm.from {
        Trouble::Stopped => "was stopped",
        Trouble::Failing => "was failing",
    };
    let situation = stop.zip(ended).map(|(stop, ended)| {
        format!(
            "It {verb} for {}, from {} to {} in {}.",
            duration(time_between(stop.at, ended)),
            time(Some(&stop.at.to_string())),
            time(event.time.as_deref()),
            place(event.region.as_deref(), event.account.as_deref()),
        )
    });
    let resolves = stop.map(|stop| format!("This resolves the alert {}.", stop.alert));
    Alert {
        situation: situation.into_iter().chain([consequence(esm.recovery, &source).to_owned()]).collect(),
        why: resolves.into_iter().chain(["The Lambda API reported this state in a sweep.".to_owned()]).collect(),
        next_steps: next_steps::of_recovered_mapping(event, esm),
        details: details(
            incident,
            [
                ("Mapping", &names.mapping_uuid),
                ("Function", &names.function_arn),
                ("Event source", &names.event_source_arn),
            ],
        ),
        ..Alert::new(incident, subject, headline, None)
    }
}

/// What happens to the events of the source.
pub(super) fn consequence(recovery: Recovery, source: &Source<'_>) -> &'static str {
    match recovery {
        Recovery::Enabled | Recovery::Processing => {
            "Events that accumulated are processed now. Events that expired are lost."
        }
        Recovery::Deleted => UNTIL_ANOTHER,
        Recovery::Disabled => source.consequence(),
    }
}
