//! The reader agrees with a gzip decoder and a JSON parser, regardless of the chunks.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use trailwarden::trail::{EntryError, Limits};

use super::{Reading, read, read_in};
use crate::fixture::records::gzip;
use crate::oracle;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => proptest::string::string_regex(r#"[a-z"\\{}\[\],: \u{e9}\u{1f980}\n]{0,80}"#).expect("a pattern"),
        1 => Just(r#"{"Records":[{"eventSource":"lambda.amazonaws.com"}]}"#.to_owned()),
        1 => Just("\\".repeat(63)),
        1 => Just(r#"\""#.repeat(40)),
        1 => any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..6)
                .prop_map(|it| it.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn record() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(text(), value(), 0..8).prop_map(|it| it.into_iter().collect::<Map<_, _>>().into())
}

/// An object with `Records` among other members.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let element = prop_oneof![12 => record(), 1 => value()];
    let others = || prop::collection::btree_map(text(), value(), 0..3);
    (others(), prop::collection::vec(element, 0..8), others(), any::<bool>()).prop_map(
        |(before, records, after, pretty)| {
            let mut keys = HashSet::from(["Records".to_owned()]);
            let mut other = |members: BTreeMap<String, Value>| -> Vec<(String, Value)> {
                members.into_iter().filter(|(key, _)| keys.insert(key.clone())).collect()
            };
            let members = [other(before), vec![("Records".to_owned(), Value::from(records))], other(after)].concat();
            let (open, colon, comma, close) =
                if pretty { (" {\n", " :\t", "\r\n ,", " }\n ") } else { ("{", ":", ",", "}") };
            let print = |value: &Value| {
                let printed = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
                printed.expect("JSON")
            };
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("{}{colon}{}", json!(key), print(value))).collect();
            format!("{open}{}{close}", members.join(comma)).into_bytes()
        },
    )
}

/// The file as it is, or as gzip members that end at these positions.
fn stored(file: &[u8], members: &[prop::sample::Index]) -> Vec<u8> {
    if members.is_empty() {
        return file.to_vec();
    }
    let mut ends: Vec<_> = members.iter().map(|it| it.index(file.len())).chain([file.len()]).collect();
    ends.sort_unstable();
    let starts: Vec<_> = [0].into_iter().chain(ends.iter().copied()).collect();
    starts.iter().zip(&ends).flat_map(|(start, end)| gzip(&file[*start..*end])).collect()
}

fn chunking() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1_usize..4, 1_usize..200, Just(usize::MAX)], 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_reader_agrees_with_a_json_parser_for_every_chunking(
        file in file(),
        members in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        sizes in chunking(),
    ) {
        let stored = stored(&file, &members);
        prop_assert_eq!(&oracle::inflate(&stored), &file);
        let reading = read_in(&stored, Limits::default(), &sizes);
        prop_assert_eq!(&reading.end, &Ok(()));
        let expected = oracle::records(&stored);
        prop_assert_eq!(reading.entries.len(), expected.len());
        for (entry, expected) in reading.entries.iter().zip(&expected) {
            match entry {
                Ok((offset, bytes)) => {
                    prop_assert!(file[*offset as usize..].starts_with(bytes));
                    prop_assert_eq!(&serde_json::from_slice::<Value>(bytes).expect("JSON"), expected);
                }
                Err((_, error)) => {
                    prop_assert_eq!(error, &EntryError::NotAnObject);
                    prop_assert!(!expected.is_object());
                }
            }
        }
    }

    #[test]
    fn broken_input_reads_the_same_for_every_chunking(
        file in file(),
        members in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        faults in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        sizes in chunking(),
    ) {
        let mut stored = stored(&file, &members);
        for (at, byte) in &faults {
            let at = at.index(stored.len());
            stored[at] = *byte;
        }
        stored.truncate(cut.index(stored.len() * 2).max(1));
        let limits = Limits { record_bytes: 300, object_bytes: 100_000 };
        let whole = read_in(&stored, limits, &[usize::MAX]);
        let chunked = read_in(&stored, limits, &sizes);
        prop_assert_eq!(&whole.entries, &chunked.entries);
        let kind = |reading: &Reading| reading.end.as_ref().err().map(std::mem::discriminant);
        prop_assert_eq!(kind(&whole), kind(&chunked));
    }

    #[test]
    fn everything_that_a_json_parser_accepts_is_read(mut file in file(), faults in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3)) {
        for (at, byte) in &faults {
            let at = at.index(file.len());
            file[at] = *byte;
        }
        let Ok(parsed) = serde_json::from_slice::<Value>(&file) else { return Ok(()) };
        let Some(records) = parsed["Records"].as_array() else { return Ok(()) };
        let reading = read(&file);
        prop_assert_eq!(&reading.end, &Ok(()));
        prop_assert_eq!(reading.entries.len(), records.len());
    }
}
