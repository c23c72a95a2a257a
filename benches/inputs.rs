//! Log objects for the benchmarks, named by how common relevant records are.

#[path = "../tests/it/fixture/records.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod generator;

use std::path::Path;

use flate2::read::MultiGzDecoder;
use generator::{REGION, allowed, denied, disabled_mapping, gzip, log_file, ordinary};
use serde_json::{Value, json};
use std::io::Read as _;

/// Records of a large object: about 10 MB compressed.
const LARGE: u64 = 60_000;
/// Number of small objects, of about 2 kB compressed each.
const SMALL: u64 = 1_000;

/// In the names of inputs whose services are all examined.
const ALL_SERVICES: &str = "all services";
/// In the names of inputs whose keys are in CloudTrail's order, on which the speed of change detection depends.
const CHANGES: &str = "changes";
/// In the names of inputs whose changes are detected.
const CAUSES: &str = "causes";

/// Objects that a benchmark reads one after another.
pub(crate) struct Input {
    pub(crate) name: String,
    /// Their stored bytes.
    pub(crate) objects: Vec<Vec<u8>>,
    /// Number of their inflated bytes in total.
    pub(crate) inflated: usize,
    /// The records of all services are examined, not only Lambda's.
    pub(crate) all_services: bool,
    /// Changes that may stop mappings are detected.
    pub(crate) causes: bool,
}

impl Input {
    fn new(name: &str, objects: Vec<Vec<u8>>) -> Self {
        let inflated = objects.iter().map(|object| inflate(object).len()).sum();
        let [all_services, causes] = [ALL_SERVICES, CAUSES].map(|it| name.contains(it));
        Self { name: name.to_owned(), objects, inflated, all_services, causes }
    }

    pub(crate) fn stored(&self) -> usize {
        self.objects.iter().map(Vec::len).sum()
    }

    pub(crate) fn largest(&self) -> usize {
        self.objects.iter().map(|object| inflate(object).len()).max().unwrap_or_default()
    }
}

/// Adds unique identifiers to a record, because they make real records hard to compress.
fn with_identifiers(mut record: Value, n: u64) -> Value {
    let mut state = n;
    let mut next = || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    let mut guid = || {
        let (a, b) = (next(), next());
        let (a, b) = (format!("{a:016x}"), format!("{b:016x}"));
        format!("{}-{}-{}-{}-{}", &a[..8], &a[8..12], &a[12..], &b[..4], &b[4..])
    };
    for field in ["eventID", "requestID", "sharedEventID"] {
        record[field] = json!(guid());
    }
    record["userIdentity"]["accessKeyId"] = json!(format!("ASIA{}", &guid()[..16]));
    record["additionalEventData"] = json!({"x-amz-id-2": guid() + &guid(), "vpcEndpointId": guid()});
    record["requestParameters"]["key"] = json!(format!("{}/{}", guid(), guid()));
    record
}

/// The `n`th record. If `lambda` is not zero, one record in a hundred thousand is a disabled mapping. Of the others,
/// `lambda` in a thousand are Lambda records, and `denials` in a thousand are denied calls to Lambda.
fn record(n: u64, lambda: u64, denials: u64) -> Value {
    let record = match in_a_thousand(n) {
        _ if lambda > 0 && n % 100_000 == 50_000 => disabled_mapping(n, "orders", "AUTHORIZATION_ERROR"),
        at if at < denials => denied(n, "GetFunction", &format!("f{}", n % 50)),
        at if at < lambda => allowed(n, "GetFunction", &json!({"functionName": "orders"})),
        _ => ordinary(n),
    };
    with_identifiers(record, n)
}

/// The `n`th record of a usual trail: 1% are denied calls, half of them to Lambda; 2% are calls that change something;
/// the others are successful reads, a twentieth of them to Lambda and another made by Lambda.
fn usual(n: u64) -> Value {
    const READS: [(&str, &str); 6] = [
        ("kms", "Decrypt"),
        ("s3", "GetObject"),
        ("ec2", "DescribeInstances"),
        ("ssm", "GetParameter"),
        ("dynamodb", "GetItem"),
        ("secretsmanager", "GetSecretValue"),
    ];
    const CHANGES: [(&str, &str); 4] =
        [("lambda", "UpdateFunctionCode20150331v2"), ("s3", "PutObject"), ("sqs", "CreateQueue"), ("iam", "PassRole")];
    let one_of = |calls: &[(&'static str, &'static str)]| calls[n as usize / 20 % calls.len()];
    let record = match (in_a_thousand(n), n % 20) {
        (0..5, _) => denied(n, "GetFunction", &format!("f{}", n % 50)),
        (5..10, _) => called(denied(n, "GetItem", "orders"), one_of(&READS)),
        (10..30, _) => called(ordinary(n), one_of(&CHANGES)),
        (_, 0) => allowed(n, "GetFunction", &json!({"functionName": "orders"})),
        (_, 1) => made_by_lambda(called(ordinary(n), ("sts", "AssumeRole"))),
        _ => called(ordinary(n), one_of(&READS)),
    };
    with_identifiers(record, n)
}

/// The `n`th record of a usual trail in which all of the 2% of changes may stop a mapping.
fn usual_with_changes(n: u64) -> Value {
    const CHANGES: [(&str, &str, &str, &str); 4] = [
        ("lambda", "UpdateFunctionCode20150331v2", "functionName", "orders"),
        ("sqs", "SetQueueAttributes", "queueUrl", "https://sqs.us-east-1.amazonaws.com/111122223333/orders-queue"),
        ("iam", "PutRolePolicy", "roleName", "orders-role"),
        ("dynamodb", "DeleteTable", "tableName", "carts"),
    ];
    if !(10..30).contains(&in_a_thousand(n)) {
        return usual(n);
    }
    let (service, event_name, parameter, resource) = CHANGES[n as usize / 20 % CHANGES.len()];
    let mut record = called(ordinary(n), (service, event_name));
    record["requestParameters"] = json!({ parameter: resource });
    with_identifiers(record, n)
}

fn in_a_thousand(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9) % 1_000
}

/// The record as if it were of another call.
fn called(mut record: Value, (service, event_name): (&str, &str)) -> Value {
    record["eventSource"] = json!(format!("{service}.amazonaws.com"));
    record["eventName"] = json!(event_name);
    record["tlsDetails"]["clientProvidedHostHeader"] = json!(format!("{service}.{REGION}.amazonaws.com"));
    record
}

fn made_by_lambda(mut record: Value) -> Value {
    record["userIdentity"] = json!({"type": "AWSService", "invokedBy": "lambda.amazonaws.com"});
    record["sourceIPAddress"] = json!("lambda.amazonaws.com");
    record["userAgent"] = json!("lambda.amazonaws.com");
    record
}

fn object(records: impl Iterator<Item = String>) -> Vec<u8> {
    let records: Vec<_> = records.collect();
    gzip(format!(r#"{{"Records":[{}]}}"#, records.join(",")))
}

/// The record with `eventName` after `eventSource`, in CloudTrail's order.
fn in_order(record: &Value) -> String {
    let json = record.to_string();
    let name = format!(r#""eventName":{},"#, record["eventName"]);
    let source = format!(r#""eventSource":{},"#, record["eventSource"]);
    json.replacen(&(name.clone() + &source), &(source + &name), 1)
}

/// Generates the `n`th record.
type Generator = fn(u64) -> Value;

/// Names of the generated inputs, with their records.
pub(crate) const SHARES: [(&str, Generator); 12] = [
    ("never, large", |n| record(n, 0, 0)),
    ("rare, large", |n| record(n, 2, 1)),
    ("common, large", |n| record(n, 200, 20)),
    ("pathological, large", |n| record(n, 1_000, 1_000)),
    ("usual, large", usual),
    ("usual, large, all services", usual),
    ("changes, large", usual_with_changes),
    ("changes, large, causes", usual_with_changes),
    ("changes, large, all services", usual_with_changes),
    ("changes, large, all services, causes", usual_with_changes),
    ("never, small", |n| record(n, 0, 0)),
    ("rare, small", |n| record(n, 2, 1)),
];

/// The input with one of these names, reduced to `1 / part` of its records.
pub(crate) fn generated(name: &str, part: u64) -> Input {
    let (_, record) = SHARES.into_iter().find(|(it, _)| *it == name).expect("a name");
    let written = |n| if name.contains(CHANGES) { in_order(&record(n)) } else { record(n).to_string() };
    let objects = if name.contains("large") {
        vec![object((0..LARGE / part).map(written))]
    } else {
        (0..SMALL / part).map(|at| object((7 * at..7 * at + 7).map(written))).collect()
    };
    Input::new(name, objects)
}

/// One object that inflates to this many megabytes. It repeats one compressed member.
pub(crate) fn megabytes(megabytes: usize) -> Input {
    // A megabyte is about 560 records. A member has one megabyte in the smallest object, and ten in the others.
    let some: Vec<_> = (0..560 * megabytes.min(10) as u64).map(|n| record(n, 2, 1).to_string() + ",").collect();
    let member = gzip(some.concat());
    let mut object = gzip(r#"{"Records":["#);
    (0..megabytes.div_ceil(10)).for_each(|_| object.extend(&member));
    object.extend(gzip("{}]}"));
    Input::new(&format!("{megabytes} MB"), vec![object])
}

/// The records in the folder that `TRAILWARDEN_CORPUS` names, repeated up to about the size of a large object.
pub(crate) fn corpus() -> Option<Input> {
    let folder = std::env::var("TRAILWARDEN_CORPUS").ok()?;
    let mut records = Vec::new();
    collect(Path::new(&folder), &mut records);
    let bytes: usize = records.iter().map(|it| it.to_string().len()).sum();
    let times = (90_000_000 / bytes.max(1)).max(1);
    let all = std::iter::repeat_n(&records, times).flatten();
    (!records.is_empty()).then(|| Input::new("real, large", vec![gzip(log_file(all))]))
}

fn collect(folder: &Path, records: &mut Vec<Value>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, records);
        } else if let Ok(stored) = std::fs::read(&path) {
            let file: Value = serde_json::from_slice(&inflate(&stored)).unwrap_or_default();
            records.extend(file["Records"].as_array().cloned().unwrap_or_default());
        }
    }
}

pub(crate) fn inflate(stored: &[u8]) -> Vec<u8> {
    if !stored.starts_with(&[0x1f, 0x8b]) {
        return stored.to_vec();
    }
    let mut inflated = Vec::new();
    MultiGzDecoder::new(stored).read_to_end(&mut inflated).expect("gzip");
    inflated
}
