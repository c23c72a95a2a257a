//! Synthetic log objects in the shape and size that CloudTrail delivers.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// The account of the records.
pub const ACCOUNT: &str = "111122223333";
/// The Region of the records.
pub const REGION: &str = "us-east-1";

/// Key of a log file.
pub fn key(name: &str) -> String {
    format!(
        "AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/02/{ACCOUNT}_CloudTrail_{REGION}_20260102T0305Z_{name}.json.gz"
    )
}

/// A successful call of another service by a role. `n` makes it distinct.
pub fn ordinary(n: u64) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": format!("AROAEXAMPLE{n:09}:session-{n}"),
            "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/app-{}/session-{n}", n % 17),
            "accountId": ACCOUNT,
            "accessKeyId": format!("ASIA{n:016X}"),
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": format!("AROAEXAMPLE{n:09}"),
                    "arn": format!("arn:aws:iam::{ACCOUNT}:role/app-{}", n % 17),
                    "accountId": ACCOUNT,
                    "userName": format!("app-{}", n % 17)
                },
                "attributes": {"creationDate": time(n), "mfaAuthenticated": "false"}
            }
        },
        "eventTime": time(n),
        "eventSource": "kms.amazonaws.com",
        "eventName": "Decrypt",
        "awsRegion": REGION,
        "sourceIPAddress": format!("203.0.113.{}", n % 256),
        "userAgent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace}",
        "requestParameters": {
            "encryptionContext": {"PARAMETER_ARN": format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/app/{n}")},
            "encryptionAlgorithm": "SYMMETRIC_DEFAULT"
        },
        "responseElements": null,
        "requestID": guid(n, 1),
        "eventID": guid(n, 2),
        "readOnly": true,
        "resources": [{
            "accountId": ACCOUNT,
            "type": "AWS::KMS::Key",
            "ARN": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{}", guid(n % 5, 3))
        }],
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": format!("kms.{REGION}.amazonaws.com")
        }
    })
}

/// The event of AWS disabling the mapping from the queue `<name>-queue` to the function `name`.
pub fn disabled_mapping(n: u64, name: &str, reason: &str) -> Value {
    json!({
        "eventVersion": "1.08",
        "userIdentity": {"accountId": ACCOUNT, "invokedBy": "lambda.amazonaws.com"},
        "eventTime": time(n),
        "eventSource": "lambda.amazonaws.com",
        "eventName": "LambdaESMDisabled",
        "awsRegion": REGION,
        "sourceIPAddress": "lambda.amazonaws.com",
        "userAgent": "lambda.amazonaws.com",
        "requestParameters": null,
        "responseElements": null,
        "eventID": guid(n, 4),
        "readOnly": false,
        "resources": [
            {"accountId": ACCOUNT, "type": "AWS::Lambda::EventSourceMapping",
             "ARN": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{}", guid(n, 5))},
            {"accountId": ACCOUNT, "type": "AWS::Lambda::Function",
             "ARN": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")},
            {"accountId": ACCOUNT, "type": "AWS::SQS::Queue",
             "ARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-queue")}
        ],
        "eventType": "AwsServiceEvent",
        "managementEvent": true,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
        "serviceEventDetails": {"ESMDisableReason": reason}
    })
}

/// A Lambda call that was denied to the role `deployer`.
pub fn denied(n: u64, action: &str, function: &str) -> Value {
    let mut record = ordinary(n);
    record["eventSource"] = json!("lambda.amazonaws.com");
    record["eventName"] = json!(format!("{action}20150331"));
    record["userIdentity"]["arn"] = json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/deployer/run-{n}"));
    record["userIdentity"]["sessionContext"]["sessionIssuer"] =
        json!({"type": "Role", "arn": format!("arn:aws:iam::{ACCOUNT}:role/deployer"), "userName": "deployer"});
    record["errorCode"] = json!("AccessDenied");
    record["errorMessage"] = json!(format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/deployer/run-{n} is not authorized to perform: lambda:{action} on \
         resource: arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function} because no identity-based policy allows the \
         lambda:{action} action"
    ));
    record["requestParameters"] = Value::Null;
    record["resources"] = Value::Null;
    record
}

/// The log file of these records, not compressed.
pub fn log_file<'a>(records: impl IntoIterator<Item = &'a Value>) -> String {
    let records: Vec<String> = records.into_iter().map(Value::to_string).collect();
    format!(r#"{{"Records":[{}]}}"#, records.join(","))
}

/// One gzip member.
pub fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    gzip_at(Compression::default(), bytes)
}

/// One gzip member of uncompressed bytes, so that its length does not depend on a compressor.
pub fn gzip_stored(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    gzip_at(Compression::none(), bytes)
}

fn gzip_at(level: Compression, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes.as_ref()).expect("memory");
    encoder.finish().expect("memory")
}

/// A log file that inflates to at least `inflated` bytes of ordinary records, followed by one disabled mapping. It
/// repeats a few thousand records, which are compressed once.
pub fn large_log_file(inflated: usize) -> Vec<u8> {
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

fn time(n: u64) -> String {
    format!("2026-01-02T03:{:02}:{:02}Z", n / 60 % 60, n % 60)
}

fn guid(n: u64, kind: u64) -> String {
    let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ kind.wrapping_mul(0xd6e8_feb8_6659_fd93);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        mixed >> 32,
        mixed >> 16 & 0xffff,
        mixed >> 4 & 0xfff,
        n & 0xfff,
        n
    )
}
