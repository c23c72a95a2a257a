//! Gzip data: the reader agrees with flate2, whatever the chunks.

use std::io::Read as _;
use std::mem::discriminant;

use flate2::read::DeflateDecoder;
use trailwarden::trail::Limits;

use super::Input;
use crate::fixture::records::{gzip, gzip_stored};
use crate::oracle;
use crate::trail::{Reading, gzip_header, read, read_in};

pub(super) fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let sizes = input.chunk_sizes();
    let stored = match input.below(3) {
        0 => input.rest().to_vec(),
        1 => damaged_members(&mut input),
        _ => member_around(&mut input),
    };
    let reading = read(&stored);
    assert_same_in_chunks(&reading, &read_in(&stored, Limits::default(), &sizes));

    let (inflated, is_complete) = oracle::inflate_valid(&stored);
    if stored.first() == inflated.first() && stored.first() == Some(&0x1f) {
        // Gzip in gzip is not inflated twice.
        assert!(reading.entries.is_empty() && reading.end.is_err(), "{reading:?}");
        return false;
    }
    let expected = read(&inflated);
    if is_complete {
        assert_eq!(reading, expected);
    } else {
        assert!(reading.end.is_err(), "{reading:?}");
        let before_the_fault = reading.entries.get(..expected.entries.len());
        assert_eq!(before_the_fault, Some(expected.entries.as_slice()), "a record before the fault is lost");
    }
    true
}

/// Checks that the reading does not depend on the chunks. Invalid deflate data is noticed at different offsets.
fn assert_same_in_chunks(whole: &Reading, chunked: &Reading) {
    assert_eq!(whole.entries, chunked.entries);
    match (&whole.end, &chunked.end) {
        (Err(whole), Err(chunked)) => assert_eq!(discriminant(whole), discriminant(chunked), "{whole}; {chunked}"),
        (whole, chunked) => assert_eq!(whole, chunked),
    }
}

/// Members, each with the text up to a NUL. One byte may be wrong, and the end may be missing or followed by garbage.
fn damaged_members(input: &mut Input<'_>) -> Vec<u8> {
    let damage = input.below(4);
    let (at, byte) = (usize::from(input.byte()) << 8 | usize::from(input.byte()), input.byte());
    let mut stored = Vec::new();
    while !input.is_empty() {
        let is_compressed = input.flag();
        let text = input.text();
        stored.extend(if is_compressed { gzip(text) } else { gzip_stored(text) });
    }
    let at = at % (stored.len() + 1);
    match damage {
        0 => {}
        1 => stored.iter_mut().skip(at).take(1).for_each(|it| *it ^= byte),
        2 => stored.truncate(at),
        _ => stored.extend([byte; 3]),
    }
    stored
}

/// A member with this deflate data, and the right checksum and length if the data is valid.
fn member_around(input: &mut Input<'_>) -> Vec<u8> {
    let mut stored = gzip_header(input.below(32));
    let deflated = input.rest();
    let mut decoder = DeflateDecoder::new(deflated);
    let mut inflated = Vec::new();
    if decoder.read_to_end(&mut inflated).is_err() {
        return [stored.as_slice(), deflated].concat();
    }
    stored.extend(&deflated[..usize::try_from(decoder.total_in()).expect("a length")]);
    stored.extend(crc32fast::hash(&inflated).to_le_bytes());
    stored.extend(u32::try_from(inflated.len()).expect("a length").to_le_bytes());
    stored
}
