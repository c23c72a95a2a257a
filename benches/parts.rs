//! Measures each part of the pipeline separately.

#![allow(
    missing_docs,
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a benchmark that uses only some of the shared code"
)]

#[path = "../tests/it/fixture/records.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod generator;

use std::sync::Arc;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use generator::{denied, disabled_mapping, gzip, log_file, ordinary};
use trailwarden::alert::{Alert, Format};
use trailwarden::detect::{DenialMessage, Detector, WatchRules};
use trailwarden::trail::{Limits, Record, RecordReader};
use trailwarden::triage::{Audience, Triage, WindowLength};

fn main() {
    divan::main();
}

/// Inflating and splitting, without examining the records.
#[divan::bench(args = [10, 1_000])]
fn read(bencher: Bencher<'_, '_>, records: u64) {
    let file = log_file(&(0..records).map(ordinary).collect::<Vec<_>>());
    let (stored, mut reader) = (gzip(&file), RecordReader::new(Limits::default()));
    bencher.counter(BytesCount::new(file.len())).bench_local(|| {
        let mut count = 0;
        reader.push(&stored, |_| count += 1).expect("a log object");
        reader.reset();
        count
    });
}

fn record(kind: &str) -> String {
    match kind {
        "ordinary" => ordinary(1),
        "denied" => denied(1, "GetFunction", "orders"),
        _ => disabled_mapping(1, "orders", "Lambda Function not found"),
    }
    .to_string()
}

const KINDS: [&str; 3] = ["ordinary", "denied", "disabled"];

#[divan::bench(args = KINDS)]
fn parse(bencher: Bencher<'_, '_>, kind: &str) {
    let record = record(kind);
    bencher.counter(BytesCount::new(record.len())).bench_local(|| Record::parse(black_box(record.as_bytes())).is_ok());
}

#[divan::bench(args = KINDS)]
fn examine(bencher: Bencher<'_, '_>, kind: &str) {
    let (record, detector, object) = (record(kind), Detector::default(), Arc::from("s3://trail/key"));
    let rules = WatchRules::default();
    let examine = || detector.examine(black_box(record.as_bytes()), &object, &rules).expect("a record");
    bencher.counter(BytesCount::new(record.len())).bench_local(examine);
}

#[divan::bench]
fn denial_message(bencher: Bencher<'_, '_>) {
    let text = "User: arn:aws:sts::111122223333:assumed-role/ci/run-7 is not authorized to perform: lambda:GetFunction on \
                resource: arn:aws:lambda:us-east-1:111122223333:function:orders because no identity-based policy allows \
                the lambda:GetFunction action";
    bencher.bench_local(|| DenialMessage::parse(black_box(text)).action.is_some());
}

#[divan::bench(args = [Format::Text, Format::Chat, Format::Json])]
fn write_alert(bencher: Bencher<'_, '_>, format: Format) {
    let mut triage = Triage::new(Audience::All, WindowLength::default());
    let examined = Detector::default()
        .examine(record("denied").as_bytes(), &Arc::from("key"), &WatchRules::default())
        .expect("a record");
    examined.findings.into_iter().for_each(|finding| triage.add(finding));
    let incidents = triage.take_incidents();
    bencher.bench_local(|| incidents.iter().map(|it| Alert::of(it).message(format).bytes()).sum::<usize>());
}
