//! Generates log objects in CloudTrail's format and writes them to a folder, under their keys.
//!
//! `trailgen FOLDER` writes a small trail with one finding of every kind, and the object `enabled`, which ends one of them.
//! `trailgen FOLDER BYTES` writes one object that inflates to at least this many bytes.
//! `trailgen --records` prints one record of each kind, with the placeholders FUNCTION, REASON and ROLE.

#[path = "../tests/it/fixture/records.rs"]
#[allow(dead_code, clippy::expect_used, clippy::indexing_slicing, reason = "shared with the tests")]
mod generator;

use std::error::Error;
use std::path::Path;

use generator::{called_by_alice, denied, denied_to, disabled_mapping, enabled_mapping, gzip, key, log_file, ordinary};
use serde_json::{Value, json};

/// Functions whose mapping AWS disabled, with the reason. The two reasons that start with "Lambda" have been published.
const DISABLED: [(&str, &str); 8] = [
    ("invoices", "RESOURCE_NOT_FOUND"),
    ("orders", "FUNCTION_NOT_FOUND"),
    ("returns", "Lambda Function not found"),
    ("emails", "REGION_NAME_NOT_VALID"),
    ("payments", "AUTHORIZATION_ERROR"),
    (
        "shipments",
        "Lambda does not have required permissions to poll the queue (sqs:ReceiveMessage, sqs:DeleteMessage and \
         sqs:GetQueueAttributes)",
    ),
    ("thumbnails", "FUNCTION_IN_FAILED_STATE"),
    ("audits", "a reason that is not documented"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: trailgen FOLDER [BYTES] | --records")?;
    if folder == "--records" {
        println!("{}", placeholder_records());
        return Ok(());
    }
    let folder = Path::new(&folder);
    match arguments.next() {
        Some(bytes) => write(folder, &key("large"), &large_log_file(bytes.parse()?)),
        None => write_small_trail(folder),
    }
}

/// Writes an object with disabled mappings among ordinary records and the cause of one of them, one with denials, one without findings, and one in which
/// a user enables the mapping of `shipments`.
fn write_small_trail(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut records: Vec<_> = (0..2_000).map(ordinary).collect();
    for (n, (name, reason)) in (0..).zip(DISABLED) {
        records.insert(200 * (n as usize + 1), disabled_mapping(n, name, reason));
    }
    records.insert(100, deleted_permission());
    write(folder, &key("disabled"), &gzip(log_file(&records)))?;
    let mut records: Vec<_> = (0..500).map(ordinary).collect();
    records.extend((0..25).map(|n| denied(n, "UpdateFunctionCode", &format!("orders-{}", n % 3))));
    write(folder, &key("denied"), &gzip(log_file(&records)))?;
    write(folder, &key("quiet"), &gzip(log_file(&(0..500).map(ordinary).collect::<Vec<_>>())))?;
    let mut records: Vec<_> = (0..500).map(ordinary).collect();
    records.extend(
        (0..).zip(DISABLED).find(|(_, (name, _))| *name == "shipments").map(|(n, (name, _))| enabled_mapping(n, name)),
    );
    write(folder, &key("enabled"), &gzip(log_file(&records)))
}

/// Alice deletes the permission to read the queue of `shipments`, four minutes before AWS disables its mapping.
fn deleted_permission() -> Value {
    let parameters = json!({"roleName": "shipments-role", "policyName": "read-shipments-queue"});
    let mut record = called_by_alice(20_000, "iam", "DeleteRolePolicy", &parameters);
    if let Some(fields) = record.as_object_mut() {
        fields.insert("eventTime".to_owned(), json!("2026-01-02T02:56:05Z"));
    }
    record
}

/// A log file that inflates to at least `inflated` bytes of ordinary records, followed by one disabled mapping. The
/// same 4,000 records repeat, and are compressed only once.
fn large_log_file(inflated: usize) -> Vec<u8> {
    let mut block = String::new();
    for n in 0..4_000 {
        block.push_str(&ordinary(n).to_string());
        block.push(',');
    }
    let member = gzip(&block);
    let mut file = gzip(r#"{"Records":["#);
    for _ in 0..inflated.div_ceil(block.len()) {
        file.extend_from_slice(&member);
    }
    file.extend(gzip(format!("{}]}}", disabled_mapping(99_999, "orders", "AUTHORIZATION_ERROR"))));
    file
}

fn placeholder_records() -> Value {
    json!({
        "ordinary": ordinary(0),
        "disabled_mapping": disabled_mapping(0, "FUNCTION", "REASON"),
        "denied": denied_to("ROLE", 0, "GetFunction", "FUNCTION"),
    })
}

fn write(folder: &Path, key: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let path = folder.join(key);
    std::fs::create_dir_all(path.parent().ok_or("a key has folders")?)?;
    Ok(std::fs::write(path, bytes)?)
}
