//! A naive reader of log files: a gzip decoder and a JSON parser, without regard to memory.

use std::io::Read;

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
