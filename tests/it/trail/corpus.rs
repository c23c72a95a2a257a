//! Compares the reader and the detector with a JSON parser, on real trails: see [`oracle::corpus`].

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use trailwarden::detect::EventSources;
use trailwarden::detect::{DenialKind, Detector, FindingKind, WatchRules};
use trailwarden::trail::{Entry, Limits, RecordReader};

use crate::fixture::findings::findings;
use crate::oracle;

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    records: usize,
    lambda_events: usize,
    disabled_mappings: BTreeSet<String>,
    denials: BTreeSet<String>,
}

/// What the reader and the detector find, in chunks of the size of a network packet.
fn found(files: &[Vec<u8>], event_sources: &EventSources) -> Counts {
    let detector = Detector { event_sources: event_sources.clone(), ..Detector::default() };
    let lambda = Detector::default();
    let object = Arc::from("key");
    let mut counts = Counts::default();
    for stored in files {
        let mut reader = RecordReader::new(Limits::default());
        for chunk in stored.chunks(1_400) {
            let entry = |entry: Entry<'_>| {
                let Entry::Record { bytes, .. } = entry else { panic!("unreadable: {entry:?}") };
                let examine =
                    |detector: &Detector| detector.examine(bytes, &object, &WatchRules::default()).expect("a record");
                counts.records += 1;
                counts.lambda_events += usize::from(examine(&lambda).selected);
                for finding in examine(&detector).findings {
                    let ids = match finding.kind {
                        FindingKind::EsmDisabled(_) => &mut counts.disabled_mappings,
                        FindingKind::AccessDenied(_) => &mut counts.denials,
                        FindingKind::EsmChanged(_)
                        | FindingKind::EsmFailing(_)
                        | FindingKind::EsmRecovered(_)
                        | FindingKind::Watched(_) => panic!("not enabled: {finding:?}"),
                    };
                    ids.insert(finding.event.id.expect("an event ID"));
                }
            };
            reader.push(chunk, entry).expect("a log file");
        }
        reader.finish().expect("a log file");
    }
    counts
}

/// The error codes of denials in the corpus.
const DENIAL_CODES: [&str; 4] =
    ["AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation", "UnauthorizedOperation"];

/// What a JSON parser finds.
fn parsed(files: &[Vec<u8>], selects: impl Fn(&str) -> bool) -> Counts {
    let mut counts = Counts::default();
    for record in files.iter().flat_map(|stored| oracle::records(stored)) {
        let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
        counts.records += 1;
        counts.lambda_events += usize::from(text("eventSource") == "lambda.amazonaws.com");
        if !selects(&text("eventSource")) {
            continue;
        }
        if text("eventName") == "LambdaESMDisabled" {
            counts.disabled_mappings.insert(text("eventID"));
        } else if DENIAL_CODES.contains(&text("errorCode").as_str()) {
            counts.denials.insert(text("eventID"));
        }
    }
    counts
}

#[test]
fn the_reader_and_a_json_parser_agree_on_real_trails() {
    let files = oracle::corpus();
    let of_lambda = found(&files, &EventSources::default());
    assert_eq!(of_lambda, parsed(&files, |source| source == "lambda.amazonaws.com"));
    let of_all = found(&files, &EventSources::all());
    assert_eq!(of_all, parsed(&files, |_| true));
    eprintln!(
        "{} files, {} records, {} Lambda events; disabled mappings: {}; denials: {} of Lambda, {} of all",
        files.len(),
        of_all.records,
        of_all.lambda_events,
        of_all.disabled_mappings.len(),
        of_lambda.denials.len(),
        of_all.denials.len(),
    );
}

/// The changes of roles in real trails, which contain more changes of roles than of other resources.
#[test]
fn changes_in_real_trails_are_found_in_both_modes() {
    let with_causes = |event_sources| Detector { event_sources, causes: true, ..Detector::default() };
    let detectors = [EventSources::default(), EventSources::all()].map(with_causes);
    let (mut found, mut expected) = ([BTreeSet::new(), BTreeSet::new()], BTreeSet::new());
    for stored in oracle::corpus() {
        let mut reader = RecordReader::new(Limits::default());
        let entry = |entry: Entry<'_>| {
            let Entry::Record { bytes, .. } = entry else { panic!("unreadable: {entry:?}") };
            for (detector, found) in detectors.iter().zip(&mut found) {
                let examined = detector.examine(bytes, &Arc::from("key"), &WatchRules::default()).expect("a record");
                found.extend(examined.change.map(|it| (it.id.clone(), format!("{}:{}", it.service, it.action))));
            }
        };
        reader.push(&stored, entry).expect("a log file");
        for record in oracle::records(&stored) {
            let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
            let of_role = ["AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy", "DeleteRole"];
            if of_role.contains(&text("eventName").as_str()) && record.get("errorCode").is_none() {
                expected.insert((text("eventID"), format!("iam:{}", text("eventName"))));
            }
        }
    }
    assert_eq!(found[0], found[1]);
    assert_eq!(expected.difference(&found[0]).collect::<Vec<_>>(), [] as [&(String, String); 0]);
    let actions: BTreeSet<_> = found[0].iter().map(|(_, action)| action).collect();
    eprintln!("{} changes, {} of roles: {actions:?}", found[0].len(), expected.len());
}

#[test]
fn callers_and_actions_of_real_denials_are_parsed_from_their_messages() {
    let detector = Detector { event_sources: EventSources::all(), ..Detector::default() };
    let mut parsed = 0;
    for record in oracle::corpus().iter().flat_map(|stored| oracle::records(stored)) {
        let message =
            [&record["errorMessage"], &record["responseElements"]["message"]].into_iter().find_map(Value::as_str);
        for finding in findings(&detector, &WatchRules::default(), "key", &record) {
            let (FindingKind::AccessDenied(denied), Some(message)) = (&finding.kind, message) else { continue };
            assert_eq!(denied.message.as_deref(), Some(message));
            let Some((head, tail)) = message.split_once(" is not authorized to perform: ") else { continue };
            parsed += 1;
            assert_eq!(denied.principal.as_deref(), head.rsplit("User: ").next(), "{message}");
            assert_eq!(denied.action.as_deref(), tail.split([' ', '.']).next(), "{message}");
            let names_a_policy = tail.contains("policy") || tail.contains("boundary");
            assert_eq!(denied.policy_type.is_some(), names_a_policy, "{message}");
        }
    }
    eprintln!("{parsed} denials with a caller and an action in their messages");
}

#[test]
fn every_error_code_of_real_denials_is_known() {
    let records = oracle::corpus().into_iter().flat_map(|stored| oracle::records(&stored));
    let codes: BTreeSet<String> = records.filter_map(|it| it["errorCode"].as_str().map(str::to_owned)).collect();
    let is_denial = |code: &String| {
        let code = code.to_lowercase();
        ["denied", "authoriz", "forbidden"].iter().any(|word| code.contains(word))
    };
    let unknown: Vec<_> = codes.into_iter().filter(is_denial).filter(|it| DenialKind::of_code(it).is_none()).collect();
    assert_eq!(unknown, [""; 0]);
}
