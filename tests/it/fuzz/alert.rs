//! Alerts: every message is within the limits of SNS and contains only neutral text.

use jiff::Timestamp;
use trailwarden::detect::{
    Detector, EsmFailing, EsmRecovered, EventSources, FailingCategory, FindingKind, MappingNames, Recovery, Trouble,
};
use trailwarden::triage::{Incident, Lifecycle, Scope, Stop};

use super::Input;
use crate::fixture::findings::incidents;
use crate::formats::checks::assert_valid;
use crate::formats::hostile::{context_with, incidents_with};
use crate::formats::watch_rules;

pub(super) fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    if input.flag() {
        let kind = usize::from(input.below(3));
        assert_valid(&incidents_with(&texts(&mut input))[kind]);
        return true;
    }
    let choices = [(); 6].map(|()| input.byte());
    let record = input.text();
    let texts = texts(&mut input);
    let detector = Detector {
        event_sources: EventSources::all(),
        esm_changes: true,
        authentication_failures: true,
        causes: false,
    };
    let examined = detector.examine(record.as_bytes(), &"s3://trail/key".into(), &watch_rules());
    let mut incidents = incidents(examined.unwrap_or_default().findings);
    for incident in &mut incidents {
        vary(incident, &mut Input::new(&choices), &texts);
    }
    assert_valid(&incidents);
    !incidents.is_empty()
}

/// Six texts. One of them is repeated up to 256 KiB, the maximum size of a message.
fn texts(input: &mut Input<'_>) -> [String; 6] {
    let mut texts = [(); 6].map(|()| input.text());
    let (long, bytes) = (&mut texts[usize::from(input.below(6))], 1 << input.below(19));
    *long = long.repeat(bytes / long.len().max(1) + 1);
    texts
}

/// Changes an incident to one that invocations and sweeps can also produce.
fn vary(incident: &mut Incident, input: &mut Input<'_>, texts: &[String; 6]) {
    let is_about_a_mapping = matches!(incident.scope, Scope::Event);
    let stop = Stop { at: Timestamp::UNIX_EPOCH, alert: incident.dedup_key };
    let lifecycle = input.pick([
        None,
        Some(Lifecycle::Open),
        Some(Lifecycle::OverSince(Timestamp::MAX)),
        Some(Lifecycle::Resolves(stop)),
        Some(Lifecycle::Reported { ended: None }),
        Some(Lifecycle::Reported { ended: Some(Timestamp::UNIX_EPOCH) }),
        Some(Lifecycle::Reminder(stop, 3)),
    ]);
    let kind = input.below(3);
    incident.is_test = input.flag();
    incident.context = input.flag().then(|| context_with(texts)).filter(|_| is_about_a_mapping);
    incident.total = input.pick([1, 10, 99, u64::MAX]);
    if !is_about_a_mapping {
        return;
    }
    incident.lifecycle = lifecycle;
    let [problem, uuid, function, source, ..] = texts.clone();
    let names = MappingNames { mapping_uuid: Some(uuid), function_arn: Some(function), event_source_arn: Some(source) };
    let choice = input.byte();
    let which = usize::from(choice) % 4;
    match kind {
        0 => {}
        1 => {
            let category = FailingCategory::ALL[which];
            incident.finding.kind = FindingKind::EsmFailing(EsmFailing { category, problem, names });
        }
        _ => {
            let from = if choice < 128 { Trouble::Stopped } else { Trouble::Failing };
            let recovery = Recovery::ALL[which];
            incident.finding.kind = FindingKind::EsmRecovered(EsmRecovered { from, recovery, names });
        }
    }
}
