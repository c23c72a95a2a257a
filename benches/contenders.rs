//! The contenders: ways to get from the stored bytes of log objects to findings.

use std::io::Read as _;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::Decompressor;
use serde::Deserialize;
use serde_json::Value;
use trailwarden::detect::{Detector, EventSources, WatchRules};
use trailwarden::trail::{Entry, Limits, Record, RecordReader};

use crate::inputs::Input;

/// Bytes in a chunk, as if read from the network.
const CHUNK: usize = 64 * 1024;

/// The defaults, or all services and all findings.
fn detector(input: &Input) -> Detector {
    let causes = input.causes;
    if input.all_services {
        Detector { event_sources: EventSources::all(), esm_changes: true, authentication_failures: true, causes }
    } else {
        Detector { causes, ..Detector::default() }
    }
}

/// trailwarden's pipeline. Returns the number of findings.
pub(crate) fn pipeline(input: &Input) -> usize {
    let (detector, rules) = (detector(input), WatchRules::default());
    let name = Arc::from("s3://trail/key");
    let mut findings = 0;
    let mut reader = RecordReader::new(Limits::default());
    for object in &input.objects {
        for chunk in object.chunks(CHUNK) {
            let examine = |entry: Entry<'_>| {
                let Entry::Record { bytes, .. } = entry else { panic!("a record") };
                findings += detector.examine(bytes, &name, &rules).expect("a record").findings.len();
            };
            reader.push(chunk, examine).expect("a log object");
        }
        reader.finish().expect("the end");
        reader.reset();
    }
    findings
}

/// The lower bound: only inflates, into a reused buffer. Returns the number of inflated bytes.
pub(crate) fn libdeflate(objects: &[Vec<u8>], buffer: &mut [u8]) -> usize {
    let mut decompressor = Decompressor::new();
    objects.iter().map(|object| decompressor.gzip_decompress(object, buffer).expect("gzip")).sum()
}

/// Only inflates, with the pipeline's decompressor. Returns the number of inflated bytes. Objects must have one member
/// with a plain header.
pub(crate) fn zlib_rs(objects: &[Vec<u8>], buffer: &mut [u8]) -> usize {
    let mut inflate = Decompress::new(false);
    let mut bytes = 0;
    for object in objects {
        inflate.reset(false);
        let mut input = object.split_at(10).1;
        loop {
            let (before, written) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(input, buffer, FlushDecompress::None).expect("deflate data");
            input = input.split_at((inflate.total_in() - before) as usize).1;
            bytes += (inflate.total_out() - written) as usize;
            if status == Status::StreamEnd {
                break;
            }
        }
    }
    bytes
}

/// The simplest alternative: parses the whole object into a `Value`. Returns the number of findings.
pub(crate) fn value(input: &Input) -> usize {
    let mut findings = 0;
    for object in &input.objects {
        let mut inflated = Vec::new();
        MultiGzDecoder::new(object.as_slice()).read_to_end(&mut inflated).expect("gzip");
        let file: Value = serde_json::from_slice(&inflated).expect("JSON");
        for record in file["Records"].as_array().expect("records") {
            let examined = input.all_services || record["eventSource"] == "lambda.amazonaws.com";
            let denied = record["errorCode"].as_str().is_some_and(|code| code.contains("AccessDenied"));
            findings += usize::from(examined && (denied || record["eventName"] == "LambdaESMDisabled"));
        }
    }
    findings
}

/// A typed alternative: parses every record into a struct that borrows. Returns the number of findings.
pub(crate) fn typed(input: &Input) -> usize {
    #[derive(Deserialize)]
    struct File<'a> {
        #[serde(rename = "Records", borrow)]
        records: Vec<Record<'a>>,
    }
    let mut findings = 0;
    for object in &input.objects {
        let mut inflated = Vec::new();
        MultiGzDecoder::new(object.as_slice()).read_to_end(&mut inflated).expect("gzip");
        let file: File<'_> = serde_json::from_slice(&inflated).expect("JSON");
        for record in &file.records {
            let examined = input.all_services || record.event_source.as_deref() == Some("lambda.amazonaws.com");
            let denied = record.error_code.as_deref().is_some_and(|code| code.contains("AccessDenied"));
            findings += usize::from(examined && (denied || record.event_name.as_deref() == Some("LambdaESMDisabled")));
        }
    }
    findings
}
