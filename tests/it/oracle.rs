//! A naive reader of log files: a gzip decoder and a JSON parser, without a bound on memory.

use std::fmt;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The records of a log file, in order.
pub(crate) fn records(stored: &[u8]) -> Vec<Value> {
    let inflated = inflate(stored);
    let file: Value = serde_json::from_slice(&inflated).expect("JSON");
    file["Records"].as_array().expect("a list of records").clone()
}

/// The inflated bytes of a log file.
pub(crate) fn inflate(stored: &[u8]) -> Vec<u8> {
    if stored.first() != Some(&0x1f) {
        return stored.to_vec();
    }
    let mut inflated = Vec::new();
    MultiGzDecoder::new(stored).read_to_end(&mut inflated).expect("gzip");
    inflated
}

/// The inflated bytes of a log file up to the first fault of its gzip data, and whether there is none.
pub(crate) fn inflate_valid(stored: &[u8]) -> (Vec<u8>, bool) {
    if stored.first() != Some(&0x1f) {
        return (stored.to_vec(), true);
    }
    let mut inflated = Vec::new();
    let result = MultiGzDecoder::new(stored).read_to_end(&mut inflated);
    (inflated, result.is_ok())
}

/// A member of the JSON object that a log file is.
pub(crate) struct Member<'a> {
    pub(crate) name: String,
    value: &'a RawValue,
    /// The log file.
    file: &'a [u8],
}

impl<'a> Member<'a> {
    /// The elements of the value, each with its offset in the file; `None` if the value is not a list.
    pub(crate) fn elements(&self) -> Option<Vec<(u64, &'a str)>> {
        let elements: Vec<&RawValue> = serde_json::from_str(self.value.get()).ok()?;
        let offset = |text: &str| (text.as_ptr().addr() - self.file.as_ptr().addr()) as u64;
        Some(elements.iter().map(|it| (offset(it.get()), it.get())).collect())
    }
}

/// The members of an uncompressed log file, in order and with repetitions; `None` if the file is not a JSON object, or if it
/// may have an escaped spelling of `Records`.
pub(crate) fn members(file: &[u8]) -> Option<Vec<Member<'_>>> {
    let is_escaped_letter = |escape: &[u8]| escape.starts_with(br"\u00") && (b'5'..=b'7').contains(&escape[4]);
    let Members(members) = serde_json::from_slice(file).ok()?;
    let member = |(name, value)| Member { name, value, file };
    (!file.windows(5).any(is_escaped_letter)).then(|| members.into_iter().map(member).collect())
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(Vec::new()))
    }
}

impl<'de> Visitor<'de> for Members<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(member) = map.next_entry()? {
            self.0.push(member);
        }
        Ok(self)
    }
}

/// How deep the braces of a JSON value are nested.
pub(crate) fn brace_depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut is_escaped) = (0, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// The log files of real trails, from the folder that `TRAILWARDEN_CORPUS` names. Empty if the variable is not set.
pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    match std::env::var_os("TRAILWARDEN_CORPUS") {
        Some(folder) => collect(Path::new(&folder), &mut files),
        None => eprintln!("no real trails: TRAILWARDEN_CORPUS is not set"),
    }
    files
}

fn collect(folder: &Path, files: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            collect(&path, files);
        } else if [".json", ".json.gz"].iter().any(|ending| name.ends_with(ending)) {
            files.push(std::fs::read(&path).expect("a file"));
        }
    }
}
