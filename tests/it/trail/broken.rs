//! JSON with a broken structure.

use insta::assert_snapshot;

use super::{read, twenty_records};
use crate::fixture::records::gzip;

#[test]
fn records_before_a_broken_structure_are_read() {
    let (file, sixteen) = twenty_records();
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
        (0, br#"{"Records":["a" {}]}"#.to_vec()),
        (0, br#"{"a":"b" 7,"Records":[{}]}"#.to_vec()),
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
    no `Records` in the JSON object (2 bytes inflated)
    no `Records` in the JSON object (66 bytes inflated)
    expected `[` after `Records`, found `n` at inflated byte 11
    expected `[` after `Records`, found `{` at inflated byte 11
    no `Records` in the JSON object (47 bytes inflated)
    expected `,` or `]` after a record, found `{` at inflated byte 15
    expected `,` or `]` after a record, found `}` at inflated byte 14
    expected nothing after the JSON object, found `{` at inflated byte 17
    expected a record, found `,` at inflated byte 12
    expected `,` or `]` after a record, found `{` at inflated byte 16
    expected `,` or `}`, found `7` at inflated byte 9
    expected the end of `Records`, found the end of the object at inflated byte 22501
    expected the end of a record, found the end of the object at inflated byte 22500
    expected the end of a record, found the end of the object at inflated byte 22201
    expected the end of the JSON object, found the end of the object at inflated byte 28133
    expected the end of `Records`, found the end of the object at inflated byte 28132
    expected the end of the JSON object, found the end of the object at inflated byte 5
    ");
}
