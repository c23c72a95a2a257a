//! The reader and the detector against a JSON parser, on real trails.
//!
//! Set `TRAILWARDEN_CORPUS` to a folder with log files, or place one at `../shared/data` beside the
//! checkout. Where there is none, the test says so and passes.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use support::oracle::{self, corpus};
use trailwarden::detect::{Detector, FindingKind};
use trailwarden::rules::Rules;
use trailwarden::trail::{Entry, EventSources, Limits, RecordReader};

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    records: usize,
    lambda_events: usize,
    disabled_mappings: BTreeSet<String>,
    denials: BTreeSet<String>,
}

/// What the reader and the detector find, fed in chunks as the network would.
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
                counts.records += 1;
                counts.lambda_events +=
                    usize::from(lambda.examine(bytes, &object, &Rules::default()).expect("a record").selected);
                for finding in detector.examine(bytes, &object, &Rules::default()).expect("a record").findings {
                    let ids = match finding.kind {
                        FindingKind::EsmDisabled(_) => &mut counts.disabled_mappings,
                        FindingKind::AccessDenied(_) => &mut counts.denials,
                        FindingKind::EsmChanged(_) | FindingKind::Watched(_) => panic!("not asked for: {finding:?}"),
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

/// Error codes of denials in the corpus, as a reader of it would list them.
const DENIAL_CODES: [&str; 4] =
    ["AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation", "UnauthorizedOperation"];

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
fn real_trails_read_as_a_json_parser_reads_them() {
    let files: Vec<_> = corpus().iter().map(|path| std::fs::read(path).expect("a file")).collect();
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

#[test]
fn callers_and_actions_of_denials_are_read_where_the_text_holds_them() {
    const HEAD: &str = " is not authorized to perform: ";
    let detector = Detector { event_sources: EventSources::all(), ..Detector::default() };
    let records = corpus().into_iter().flat_map(|path| oracle::records(&std::fs::read(path).expect("a file")));
    let mut texts = 0;
    for record in records {
        let text =
            [&record["errorMessage"], &record["responseElements"]["message"]].into_iter().find_map(Value::as_str);
        let examined =
            detector.examine(record.to_string().as_bytes(), &Arc::from("key"), &Rules::default()).expect("a record");
        for finding in examined.findings {
            let (FindingKind::AccessDenied(denied), Some(text)) = (&finding.kind, text) else { continue };
            assert_eq!(denied.message.as_deref(), Some(text));
            if let Some((head, tail)) = text.split_once(HEAD) {
                texts += 1;
                let user = head.rsplit("User: ").next();
                assert_eq!(denied.principal.as_deref(), user, "{text}");
                let action = tail.split([' ', '.']).next();
                assert_eq!(denied.action.as_deref(), action, "{text}");
                assert_eq!(
                    denied.policy_type.is_some(),
                    tail.contains("policy") || tail.contains("boundary"),
                    "{text}"
                );
            }
        }
    }
    eprintln!("{texts} denials with a caller and an action in their text");
}

#[test]
fn what_the_corpus_calls_an_error_is_known() {
    let codes: BTreeSet<String> = corpus()
        .iter()
        .flat_map(|path| oracle::records(&std::fs::read(path).expect("a file")))
        .filter_map(|record: Value| record["errorCode"].as_str().map(str::to_owned))
        .collect();
    let missed: Vec<_> = codes
        .iter()
        .filter(|code| ["denied", "authoriz", "forbidden"].iter().any(|word| code.to_lowercase().contains(word)))
        .filter(|code| trailwarden::detect::DenialKind::of_code(code).is_none())
        .collect();
    assert_eq!(missed, Vec::<&String>::new());
}
