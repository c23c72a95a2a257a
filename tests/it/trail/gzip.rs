//! Gzip data, valid and broken.

use insta::assert_snapshot;
use trailwarden::trail::{GunzipError, Limits, TrailError};

use super::{CHUNKINGS, read, read_in, twenty_records};
use crate::fixture::records::{gzip, gzip_stored, ordinary};

/// The header of a member, with the optional fields of these flags.
pub(crate) fn gzip_header(flags: u8) -> Vec<u8> {
    let mut header = vec![0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 255];
    if flags & 4 != 0 {
        header.extend([44, 1]);
        header.extend([b'a'; 300]);
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
    header
}

#[test]
fn every_valid_format_is_read() {
    let (file, _) = twenty_records();
    let (front, back) = file.split_at(file.len() / 2);
    let [a, b] = [0, 1].map(ordinary);
    let spaced = format!(" \n\t{{ \"a\" : [ 1, {{}} ] , \"Records\"\r: [ {a} , {b} ] , \"b\" : \"]}}\" }} \n");
    for (stored, records) in [
        (file.clone(), 20),
        (gzip(&file), 20),
        ([gzip(front), gzip(back)].concat(), 20),
        ([gzip(""), gzip(front), gzip(""), gzip(back)].concat(), 20),
        (gzip(spaced), 2),
        (gzip(r#"{"Records":[]}"#), 0),
        (gzip(" { \"Records\" : [ ] } "), 0),
        (r#"{"Records":[{},{}]}"#.into(), 2),
        (r#"{"Records":[{}],"a":7}"#.into(), 1),
    ] {
        for sizes in CHUNKINGS {
            let reading = read_in(&stored, Limits::default(), sizes);
            assert_eq!((reading.records(), &reading.end), (records, &Ok(())));
        }
    }
}

#[test]
fn gzip_headers_with_every_optional_field_are_read() {
    let (file, _) = twenty_records();
    let plain = gzip(&file);
    for flags in 0..32_u8 {
        let stored = [&gzip_header(flags), &plain[10..]].concat();
        for sizes in CHUNKINGS {
            let reading = read_in(&stored, Limits::default(), sizes);
            assert_eq!((reading.records(), reading.end), (20, Ok(())), "flags {flags:#07b}");
        }
    }
}

#[test]
fn records_before_broken_gzip_data_are_read() {
    let (file, _) = twenty_records();
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
    unexpected bytes after the end of the gzip data at stored byte 28157
    invalid gzip header at stored byte 28159: unknown compression method
    gzip checksum mismatch in the member that ends at stored byte 28157: expected d67aec89, found d67aec76
    gzip length mismatch in the member that ends at stored byte 28157: expected 27929, found 28134
    gzip data truncated at stored byte 28149
    gzip data truncated at stored byte 28156
    gzip data truncated at stored byte 9
    gzip data truncated at stored byte 1
    invalid gzip header at stored byte 1: expected the gzip magic number 1f 8b
    invalid gzip header at stored byte 3: reserved flags are set
    ");
}

#[test]
fn records_before_a_truncation_are_read() {
    let (file, _) = twenty_records();
    let whole = gzip_stored(&file);
    let half = &whole[..whole.len() / 2];
    let readings = CHUNKINGS.map(|sizes| read_in(half, Limits::default(), sizes));
    for reading in &readings {
        assert!(reading.records() > 3, "{reading:?}");
        assert_eq!(reading.entries, readings[0].entries);
        assert_eq!(reading.end, Err(GunzipError::Truncated { offset: half.len() as u64 }.into()));
    }
}

#[test]
fn records_before_invalid_deflate_data_are_read() {
    // A stored block with the first sixteen records, then a block of a type that does not exist.
    let (file, sixteen) = twenty_records();
    let block = &file[..sixteen];
    let size = u16::try_from(block.len()).expect("a small block");
    let mut stored = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0];
    stored.extend(size.to_le_bytes());
    stored.extend((!size).to_le_bytes());
    stored.extend(block);
    stored.push(0b111);
    let at = stored.len() as u64;
    stored.extend([0; 100]);
    for sizes in CHUNKINGS {
        let reading = read_in(&stored, Limits::default(), sizes);
        assert_eq!(reading.records(), 16);
        assert_eq!(reading.end, Err(TrailError::Gunzip(GunzipError::Deflate { offset: at })));
    }
}
