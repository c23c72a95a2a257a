//! The trail reader against a JSON parser and a gzip decoder, on every chunking, and on what is
//! broken.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::HashSet;

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use support::generator::{disabled_mapping, gzip, gzip_stored, log_file, ordinary};
use support::oracle;
use trailwarden::trail::{Entry, EntryError, Limits, RecordReader, TrailError};

/// An entry with its offset.
type Read = Result<(u64, Vec<u8>), (u64, EntryError)>;

/// What the reader made of an object.
#[derive(Debug, PartialEq)]
struct Reading {
    entries: Vec<Read>,
    end: Result<(), TrailError>,
}

impl Reading {
    fn records(&self) -> usize {
        self.entries.iter().filter(|it| it.is_ok()).count()
    }

    fn error(&self) -> String {
        self.end.as_ref().expect_err("an error").to_string()
    }
}

/// Reads `stored` in chunks of the given sizes, over and over.
fn read_in(stored: &[u8], limits: Limits, sizes: &[usize]) -> Reading {
    let mut reader = RecordReader::new(limits);
    let mut entries = Vec::new();
    let mut rest = stored;
    let mut end = Ok(());
    for size in sizes.iter().cycle() {
        let (chunk, behind) = rest.split_at(rest.len().min(*size));
        rest = behind;
        end = reader.push(chunk, |entry| {
            entries.push(match entry {
                Entry::Record { offset, bytes } => Ok((offset, bytes.to_vec())),
                Entry::Unreadable { offset, error } => Err((offset, error)),
            });
        });
        if end.is_err() || rest.is_empty() {
            break;
        }
    }
    Reading { entries, end: end.and_then(|()| reader.finish()) }
}

fn read(stored: impl AsRef<[u8]>) -> Reading {
    read_in(stored.as_ref(), Limits::default(), &[usize::MAX])
}

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

/// An object with `Records` somewhere among other members.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let element = prop_oneof![12 => record(), 1 => value()];
    let others = || prop::collection::btree_map(text(), value(), 0..3);
    (others(), prop::collection::vec(element, 0..8), others(), any::<bool>()).prop_map(
        |(before, records, after, pretty)| {
            let mut keys = HashSet::from(["Records".to_owned()]);
            let mut other = |members: std::collections::BTreeMap<String, Value>| -> Vec<(String, Value)> {
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

/// Stored bytes of `file`: as they are, or as gzip members that end at the given places.
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
    fn equals_a_json_parser_on_every_chunking(
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
    fn broken_input_reads_alike_on_every_chunking(
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
    fn what_a_json_parser_takes_is_read(mut file in file(), faults in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3)) {
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

/// Twenty records and the place where the sixteenth ends in the plain text.
fn twenty() -> (Vec<u8>, usize) {
    let records: Vec<_> = (0..20).map(ordinary).collect();
    let file = log_file(&records).into_bytes();
    let sixteen = log_file(&records[..16]).len() - "]}".len();
    (file, sixteen)
}

#[test]
fn formats_that_are_no_error() {
    let records: Vec<_> = (0..20).map(ordinary).collect();
    let (file, _) = twenty();
    let (front, back) = file.split_at(file.len() / 2);
    let spaced = format!(
        " \n\t{{ \"a\" : [ 1, {{}} ] , \"Records\"\r: [ {} , {} ] , \"b\" : \"]}}\" }} \n",
        records[0], records[1]
    );
    for (stored, expected) in [
        (file.clone(), 20),
        (gzip(&file), 20),
        ([gzip(front), gzip(back)].concat(), 20),
        ([gzip(""), gzip(front), gzip(""), gzip(back)].concat(), 20),
        (gzip(spaced), 2),
        (gzip(r#"{"Records":[]}"#), 0),
        (gzip(" { \"Records\" : [ ] } "), 0),
        (r#"{"Records":[{},{}]}"#.into(), 2),
    ] {
        for sizes in [vec![usize::MAX], vec![1], vec![7, 64, 1]] {
            let reading = read_in(&stored, Limits::default(), &sizes);
            assert_eq!((reading.records(), &reading.end), (expected, &Ok(())));
        }
    }
}

#[test]
fn gzip_headers_with_every_part() {
    let (file, _) = twenty();
    let plain = gzip(&file);
    for flags in 0..32_u8 {
        let mut header = vec![0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 255];
        if flags & 4 != 0 {
            header.extend([3, 0, b'a', b'b', b'c']);
        }
        if flags & 8 != 0 {
            header.extend(b"name\0");
        }
        if flags & 16 != 0 {
            header.extend(b"comment\0");
        }
        if flags & 2 != 0 {
            let checksum = crc32fast::hash(&header) as u16;
            header.extend(checksum.to_le_bytes());
        }
        header.extend(&plain[10..]);
        for sizes in [vec![usize::MAX], vec![1]] {
            let reading = read_in(&header, Limits::default(), &sizes);
            assert_eq!((reading.records(), reading.end), (20, Ok(())), "flags {flags:#07b}");
        }
    }
}

#[test]
fn broken_gzip_ends_the_reading_behind_what_came_before() {
    let (file, _) = twenty();
    let whole = gzip_stored(&file);
    let length = whole.len();
    let with = |at: usize, byte: u8| {
        let mut stored = whole.clone();
        stored[at] = byte;
        stored
    };
    let mut errors = Vec::new();
    for (records, stored) in [
        (20, [whole.as_slice(), b"garbage"].concat()),
        (20, [whole.as_slice(), &[0x1f, 0x8b, 7]].concat()),
        (20, with(length - 8, !whole[length - 8])),
        (20, with(length - 4, !whole[length - 4])),
        (20, whole[..length - 8].to_vec()),
        (20, whole[..length - 1].to_vec()),
        (0, whole[..9].to_vec()),
        (0, vec![0x1f]),
        (0, vec![0x1f, 0x8c, 0, 0]),
        (0, with(3, 0xe0)),
    ] {
        let reading = read(&stored);
        assert_eq!(reading.records(), records, "{}", reading.error());
        errors.push(reading.error());
    }
    assert_snapshot!(errors.join("\n"), @"
    bytes behind the end of the gzip data at stored byte 28157
    gzip header at stored byte 28159: unknown compression method
    gzip checksum of the member that ends at stored byte 28157: expected d67aec89, found d67aec76
    gzip length of the member that ends at stored byte 28157: expected 27929, found 28134
    gzip data cut off at stored byte 28149
    gzip data cut off at stored byte 28156
    gzip data cut off at stored byte 9
    gzip data cut off at stored byte 1
    gzip header at stored byte 1: not the gzip magic 1f 8b
    gzip header at stored byte 3: reserved flags are set
    ");
    let reading = read(&whole[..length / 2]);
    let inflated_by_half = read_in(&whole[..length / 2], Limits::default(), &[1]);
    assert!(reading.records() > 3, "{reading:?}");
    assert_eq!(reading.entries, inflated_by_half.entries);
    assert_eq!(reading.end, Err(trailwarden::trail::GunzipError::Truncated { offset: length as u64 / 2 }.into()));
}

#[test]
fn records_in_front_of_invalid_deflate_data_are_read() {
    // A stored block of the first sixteen records, then a block of a type that does not exist.
    let (file, sixteen) = twenty();
    let block = &file[..sixteen];
    let size = u16::try_from(block.len()).expect("a small block");
    let mut stored = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0];
    stored.extend(size.to_le_bytes());
    stored.extend((!size).to_le_bytes());
    stored.extend(block);
    stored.push(0b111);
    for sizes in [vec![usize::MAX], vec![1]] {
        let reading = read_in(&stored, Limits::default(), &sizes);
        assert_eq!(reading.records(), 16);
        assert!(matches!(reading.end, Err(TrailError::Gunzip(_))), "{:?}", reading.end);
    }
}

#[test]
fn broken_structure_ends_the_reading_behind_what_came_before() {
    let (file, sixteen) = twenty();
    let cut = |at: usize| file[..at].to_vec();
    let mut errors = Vec::new();
    for (records, plain) in [
        (0, b"hello".to_vec()),
        (0, vec![0xff, 0xfe]),
        (0, Vec::new()),
        (0, b"  ".to_vec()),
        (0, b"[{}]".to_vec()),
        (0, b"{}".to_vec()),
        (0, br#"{"records":[{}],"Record":[{}],"Records ":[{}],"\u0052ecords":[{}]}"#.to_vec()),
        (0, br#"{"Records":null}"#.to_vec()),
        (0, br#"{"Records":{"Records":[{}]}}"#.to_vec()),
        (0, br#"{"a":[{"Records":[{}]}],"b":"\"Records\":[{}]"}"#.to_vec()),
        (1, br#"{"Records":[{} {}]}"#.to_vec()),
        (1, br#"{"Records":[{}}]}"#.to_vec()),
        (1, br#"{"Records":[{}]} {}"#.to_vec()),
        (0, br#"{"Records":[,{}]}"#.to_vec()),
        (16, cut(sixteen)),
        (15, cut(sixteen - 1)),
        (15, cut(sixteen - 300)),
        (20, cut(file.len() - 1)),
        (20, cut(file.len() - 2)),
        (0, cut(5)),
    ] {
        let reading = read(&plain);
        assert_eq!(reading.records(), records, "{}", reading.error());
        assert_eq!(reading, read(gzip(&plain)), "gzip");
        errors.push(reading.error());
    }
    assert_snapshot!(errors.join("\n"), @"
    expected gzip, or a JSON object with `Records`, found `h` at inflated byte 0
    expected gzip, or a JSON object with `Records`, found byte 0xff at inflated byte 0
    expected a JSON object with `Records`, found the end of the object at inflated byte 0
    expected a JSON object with `Records`, found the end of the object at inflated byte 2
    expected gzip, or a JSON object with `Records`, found `[` at inflated byte 0
    no `Records` in the JSON object of 2 inflated bytes
    no `Records` in the JSON object of 66 inflated bytes
    expected `[` behind `Records`, found `n` at inflated byte 11
    expected `[` behind `Records`, found `{` at inflated byte 11
    no `Records` in the JSON object of 47 inflated bytes
    expected `,` or `]` behind a record, found `{` at inflated byte 15
    expected `,` or `]` behind a record, found `}` at inflated byte 14
    expected nothing behind the JSON object, found `{` at inflated byte 17
    expected a record, found `,` at inflated byte 12
    expected the end of `Records`, found the end of the object at inflated byte 22501
    expected the end of a record, found the end of the object at inflated byte 22500
    expected the end of a record, found the end of the object at inflated byte 22201
    expected the end of the JSON object, found the end of the object at inflated byte 28133
    expected the end of `Records`, found the end of the object at inflated byte 28132
    expected the end of the JSON object, found the end of the object at inflated byte 5
    ");
}

#[test]
fn a_bad_record_hides_none_behind_it() {
    let deep = format!("{}{}", r#"{"a":"#.repeat(100_000), "1}".to_owned() + &"}".repeat(99_999));
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(5 << 20));
    let good = disabled_mapping(1, "orders", "AUTHORIZATION_ERROR").to_string();
    for (bad, expected) in [
        (deep.as_str(), Some(EntryError::TooDeep)),
        (long.as_str(), Some(EntryError::TooLong { limit: 4 << 20 })),
        ("null", Some(EntryError::NotAnObject)),
        ("-7.5e3", Some(EntryError::NotAnObject)),
        (r#""{\"}""#, Some(EntryError::NotAnObject)),
        (r#"[{"eventSource":"lambda.amazonaws.com"},[],{}]"#, Some(EntryError::NotAnObject)),
        (r#"{"a":[}"#, None),
        (r#"{"a"::,"b"}"#, None),
        ("{\"a\":\"\u{0}\"}", None),
    ] {
        let file = format!(r#"{{"Records":[{good},{bad},{good},{bad}]}}"#);
        for sizes in [vec![usize::MAX], vec![4_096, 1, 63]] {
            let reading = read_in(gzip(&file).as_slice(), Limits::default(), &sizes);
            assert_eq!(reading.end, Ok(()), "{expected:?}");
            let errors: Vec<_> = reading.entries.iter().filter_map(|it| it.as_ref().err()).collect();
            let at = r#"{"Records":["#.len() + good.len() + 1;
            match expected {
                None => assert_eq!((errors.len(), reading.records()), (0, 4)),
                Some(error) => {
                    assert_eq!((errors.len(), reading.records()), (2, 2));
                    assert_eq!(errors[0], &(at as u64, error));
                }
            }
        }
    }
}

/// Wherever it stands in a block of 64 bytes, with nothing else to look at behind it.
#[test]
fn an_escape_reaches_into_the_next_block() {
    let second = r#"{"b":"}"}"#;
    for (shift, escapes) in (0..64).flat_map(|shift| [r#"\""#, r"\\", r#"\\\""#, r"\n"].map(|it| (shift, it))) {
        let first = format!(r#"{{"a":"{}{escapes}{}","b":"}}"}}"#, "x".repeat(shift), "y".repeat(200));
        let file = format!(r#"{{"Records":[{first},{second}]}}"#);
        for size in [usize::MAX, 1, 63] {
            let reading = read_in(file.as_bytes(), Limits::default(), &[size]);
            let records: Vec<_> = reading.entries.iter().filter_map(|it| it.as_ref().ok()).collect();
            assert!(records.iter().map(|(_, it)| it.as_slice()).eq([first.as_bytes(), second.as_bytes()]), "{file}");
        }
    }
}

#[test]
fn limits_are_exact_and_hold_against_bombs() {
    let record = r#"{"a":"0123456789"}"#;
    let file = format!(r#"{{"Records":[{record},{record}]}}"#);
    for (bytes, records) in [(record.len(), 2), (record.len() - 1, 0)] {
        for sizes in [vec![usize::MAX], vec![1]] {
            let reading = read_in(file.as_bytes(), Limits { record_bytes: bytes, ..Limits::default() }, &sizes);
            assert_eq!((reading.records(), reading.end), (records, Ok(())));
        }
    }
    let limits = Limits { object_bytes: 10 << 20, ..Limits::default() };
    let bomb = |inside: &str| {
        let mut stored = gzip(format!(r#"{{"Records":[{record},{inside}"#));
        let member = gzip(vec![b' '; 1 << 20]);
        (0..100).for_each(|_| stored.extend_from_slice(&member));
        stored
    };
    for inside in ["", "{", r#"{"a":""#] {
        let reading = read_in(&bomb(inside), limits, &[usize::MAX]);
        assert_eq!((reading.records(), reading.end), (1, Err(TrailError::TooLong { limit: 10 << 20 })));
    }
}
