//! A naive reader of log files: a gzip decoder and a JSON parser, without a bound on memory.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde_json::Value;

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
