//! Single records: bad ones, escapes, and limits.

use trailwarden::trail::{EntryError, Limits, TrailError};

use super::{CHUNKINGS, read_in};
use crate::fixture::records::{disabled_mapping, gzip};

#[test]
fn a_bad_record_hides_no_later_record() {
    let deep = format!("{}{}", r#"{"a":"#.repeat(100_000), "1}".to_owned() + &"}".repeat(99_999));
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(5 << 20));
    let good = disabled_mapping(1, "orders", "AUTHORIZATION_ERROR").to_string();
    let at = (r#"{"Records":["#.len() + good.len() + 1) as u64;
    for (bad, expected) in [
        (deep.as_str(), Some(EntryError::TooDeep)),
        (long.as_str(), Some(EntryError::TooLong { limit: 4 << 20 })),
        ("null", Some(EntryError::NotAnObject)),
        ("-7.5e3", Some(EntryError::NotAnObject)),
        ("7}", Some(EntryError::NotAnObject)),
        (r#""{\"}""#, Some(EntryError::NotAnObject)),
        (r#"[{"eventSource":"lambda.amazonaws.com"},[],{}]"#, Some(EntryError::NotAnObject)),
        (r#"{"a":[}"#, None),
        (r#"{"a"::,"b"}"#, None),
        ("{\"a\":\"\u{0}\"}", None),
    ] {
        let stored = gzip(format!(r#"{{"Records":[{good},{bad},{good},{bad}]}}"#));
        for sizes in [&[usize::MAX][..], &[4_096, 1, 63]] {
            let reading = read_in(&stored, Limits::default(), sizes);
            assert_eq!(reading.end, Ok(()), "{expected:?}");
            let errors: Vec<_> = reading.entries.iter().filter_map(|it| it.as_ref().err()).collect();
            assert_eq!(errors.first(), expected.map(|error| (at, error)).as_ref().as_ref());
            let is_error = usize::from(expected.is_some());
            assert_eq!((errors.len(), reading.records()), (2 * is_error, 4 - 2 * is_error));
        }
    }
}

/// The record is followed by a short one, so that no later block corrects a mistake.
#[test]
fn an_escape_may_span_two_blocks_of_64_bytes() {
    let second = r#"{"b":"}"}"#;
    for (shift, escapes) in (0..64).flat_map(|shift| [r#"\""#, r"\\", r#"\\\""#, r"\n"].map(|it| (shift, it))) {
        let first = format!(r#"{{"a":"{}{escapes}{}","b":"}}"}}"#, "x".repeat(shift), "y".repeat(200));
        let file = format!(r#"{{"Records":[{first},{second}]}}"#);
        for size in [usize::MAX, 1, 63] {
            let reading = read_in(file.as_bytes(), Limits::default(), &[size]);
            let records = reading.entries.iter().filter_map(|it| it.as_ref().ok());
            assert!(records.map(|(_, it)| it.as_slice()).eq([first.as_bytes(), second.as_bytes()]), "{file}");
        }
    }
}

const RECORD: &str = r#"{"a":"0123456789"}"#;

#[test]
fn the_record_limit_is_exact() {
    let file = format!(r#"{{"Records":[{RECORD},{RECORD}]}}"#);
    for (record_bytes, records) in [(RECORD.len(), 2), (RECORD.len() - 1, 0)] {
        for sizes in CHUNKINGS {
            let reading = read_in(file.as_bytes(), Limits { record_bytes, ..Limits::default() }, sizes);
            assert_eq!((reading.records(), reading.end), (records, Ok(())));
        }
    }
}

#[test]
fn the_nesting_limit_is_exact() {
    for (depth, records) in [(100, 1), (101, 0)] {
        let file = format!(r#"{{"Records":[{}1{}]}}"#, r#"{"a":"#.repeat(depth), "}".repeat(depth));
        assert_eq!(read_in(file.as_bytes(), Limits::default(), &[usize::MAX]).records(), records);
    }
}

#[test]
fn the_object_limit_is_exact() {
    let file = format!(r#"{{"Records":[{RECORD}]}}"#);
    for (missing, end) in [(0, Ok(())), (1, Err(TrailError::TooLong { limit: file.len() as u64 - 1 }))] {
        let limits = Limits { object_bytes: file.len() as u64 - missing, ..Limits::default() };
        for sizes in CHUNKINGS {
            assert_eq!(read_in(file.as_bytes(), limits, sizes).end, end);
        }
    }
}

/// Kilobytes that inflate to 100 MiB: between records, in a record, and in a string.
#[test]
fn the_object_limit_stops_a_gzip_bomb() {
    let limits = Limits { object_bytes: 10 << 20, ..Limits::default() };
    let member = gzip(vec![b' '; 1 << 20]);
    for inside in ["", "{", r#"{"a":""#] {
        let mut stored = gzip(format!(r#"{{"Records":[{RECORD},{inside}"#));
        (0..100).for_each(|_| stored.extend_from_slice(&member));
        let reading = read_in(&stored, limits, &[usize::MAX]);
        assert_eq!((reading.records(), reading.end), (1, Err(TrailError::TooLong { limit: 10 << 20 })));
    }
}
