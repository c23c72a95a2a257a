//! Log files, uncompressed: the splitter agrees with a JSON parser, whatever the chunks.

use trailwarden::trail::{EntryError, Limits, TrailError};

use super::Input;
use crate::oracle::{self, Member};
use crate::trail::{ReadEntry, read_in};

pub(super) fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let sizes = input.chunk_sizes();
    let limits = Limits { record_bytes: input.pick([4 << 20, 64, 300]), ..Limits::default() };
    let file = input.rest();
    if file.first() == Some(&0x1f) {
        return false;
    }
    let reading = read_in(file, limits, &[usize::MAX]);
    assert_eq!(read_in(file, limits, &sizes), reading);

    let Some(members) = oracle::members(file) else { return false };
    let mut lists = members.iter().filter(|it| it.name == "Records").map(Member::elements);
    let mut entries = Vec::new();
    let is_valid = lists.try_for_each(|list| list.map(|list| entries.extend(list.iter().map(|it| entry(it, limits)))));
    assert_eq!(reading.entries, entries);
    match reading.end {
        Ok(()) => assert!(is_valid.is_some() && members.iter().any(|it| it.name == "Records")),
        Err(TrailError::NoRecords { .. }) => assert!(members.iter().all(|it| it.name != "Records")),
        Err(error) => assert!(is_valid.is_none(), "{error}"),
    }
    true
}

/// What the splitter should return for an element of `Records`.
fn entry(&(offset, element): &(u64, &str), limits: Limits) -> ReadEntry {
    if !element.starts_with('{') {
        Err((offset, EntryError::NotAnObject))
    } else if element.len() > limits.record_bytes {
        Err((offset, EntryError::TooLong { limit: limits.record_bytes }))
    } else if oracle::brace_depth(element) > 100 {
        Err((offset, EntryError::TooDeep))
    } else {
        Ok((offset, element.as_bytes().to_vec()))
    }
}
