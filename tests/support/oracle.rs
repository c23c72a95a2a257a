//! A naive reader of log files: a gzip decoder and a JSON parser, without regard to memory.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde_json::Value;

/// The records of a log file, in their order.
pub fn records(stored: &[u8]) -> Vec<Value> {
    let inflated = inflate(stored);
    let file: Value = serde_json::from_slice(&inflated).expect("JSON");
    file["Records"].as_array().expect("a list of records").clone()
}

/// The inflated bytes of a log file.
pub fn inflate(stored: &[u8]) -> Vec<u8> {
    if stored.first() != Some(&0x1f) {
        return stored.to_vec();
    }
    let mut inflated = Vec::new();
    MultiGzDecoder::new(stored).read_to_end(&mut inflated).expect("gzip");
    inflated
}

/// The log files of real trails, which `TRAILWARDEN_CORPUS` names; says so where there are none.
pub fn corpus() -> Vec<PathBuf> {
    let root = std::env::var_os("TRAILWARDEN_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let mut files = Vec::new();
    collect(&root, &mut files);
    if files.is_empty() {
        eprintln!("skipped: no log files in {}", root.display());
    }
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        let name = path.to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, files);
        } else if [".json", ".json.gz"].iter().any(|ending| name.ends_with(ending)) {
            files.push(path);
        }
    }
}
