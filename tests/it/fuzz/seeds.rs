//! Inputs that the fuzzer starts from, in the layout that each target reads, and words that it combines.

use serde_json::{Value, json};

use crate::fixture::payload::{batch_job, inline, notification, queue, s3_test_event};
use crate::fixture::records::{
    self as fixture, allowed, called_by_alice, denied, disabled_mapping, enabled_mapping, log_file, ordinary, queue_url,
};
use crate::formats::every_record;
use crate::formats::hostile::ATTACKS;
use crate::record_filter::RULES;

/// Words that matter to the code, for all targets: keys and values of records, phrases of messages, operators and settings.
pub(crate) const WORDS: [&str; 97] = [
    "Records",
    "{\"Records\":[",
    "]}",
    "{}",
    ",",
    "\\",
    "\"",
    "\\u0041",
    "\x1f\u{8b}",
    "null",
    "true",
    "1e308",
    "eventVersion",
    "userIdentity",
    "sessionContext",
    "sessionIssuer",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "errorCode",
    "errorMessage",
    "requestParameters",
    "responseElements",
    "eventID",
    "resources",
    "ARN",
    "accountId",
    "recipientAccountId",
    "serviceEventDetails",
    "ESMDisableReason",
    "principalId",
    "userName",
    "invokedBy",
    "functionName",
    "uUID",
    "enabled",
    "eventSourceArn",
    "functionArn",
    "2026-01-02T03:04:05Z",
    "us-east-1",
    "111122223333",
    "lambda.amazonaws.com",
    "sqs.amazonaws.com",
    "LambdaESMDisabled",
    "UpdateEventSourceMapping20150331",
    "DeleteEventSourceMapping",
    "DeleteRolePolicy",
    "DeleteFunction",
    "AccessDenied",
    "ExpiredToken",
    "Client.UnauthorizedOperation",
    "FUNCTION_NOT_FOUND",
    "not found",
    "permissions",
    "failed state",
    "arn:aws:lambda:us-east-1:111122223333:function:orders",
    "arn:aws:iam::111122223333:role/deployer",
    "863d0ee4-2f3c-4994-8005-000000000005",
    "User: ",
    " is not authorized to perform: ",
    " on resource: ",
    " because no identity-based policy allows the ",
    " with an explicit deny in a service control policy",
    ": arn:aws:organizations::1:policy/o/p",
    "...",
    ". Encoded authorization failure message: ",
    "Notification",
    "requestContext",
    "requestPayload",
    "Message",
    "body",
    "messageId",
    "aws:sqs",
    "aws:sns",
    "aws:s3",
    "s3Bucket",
    "s3ObjectKey",
    "detail-type",
    "detail",
    "invocationSchemaVersion",
    "trailwarden",
    "anything-but",
    "equals-ignore-case",
    "prefix",
    "wildcard",
    "numeric",
    "cidr",
    "10.0.0.0/8",
    "exists",
    "$or",
    "watch",
    "suppress",
    "pattern",
    "\u{202e}",
    "https://evil.example",
];

/// The words, as libFuzzer reads them.
pub(crate) fn dictionary() -> String {
    let escape = |byte: u8| match byte {
        b' '..=b'~' if !b"\"\\".contains(&byte) => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    let line = |word: &&str| format!("\"{}\"\n", word.bytes().map(escape).collect::<String>());
    WORDS.iter().map(line).collect()
}

/// Fields separated by NUL, after bytes that choose.
fn fields(choices: &[u8], fields: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<u8> {
    let fields: Vec<_> = fields.into_iter().map(|it| it.as_ref().to_owned()).collect();
    [choices, fields.join("\0").as_bytes()].concat()
}

/// Records of every kind that matters, and one that does not.
fn records() -> Vec<Value> {
    let parameters = json!({"roleName": "orders-role", "policyName": "read-queue"});
    let mut records = every_record();
    records.extend([
        ordinary(1),
        enabled_mapping(2, "orders"),
        called_by_alice(3, "iam", "DeleteRolePolicy", &parameters),
        called_by_alice(4, "sqs", "DeleteQueue", &json!({"queueUrl": queue_url("orders")})),
        denied(5, "InvokeFunction", "orders"),
        disabled_mapping(6, "orders", "Lambda does not have required permissions to poll the queue"),
        allowed(7, "CreateEventSourceMapping", &json!({"functionName": "orders:live"})),
    ]);
    records
}

pub(super) fn gzip() -> Vec<Vec<u8>> {
    let file = log_file(&records()[..3]);
    let (front, back) = file.split_at(file.len() / 2);
    let (member, stored) = (fixture::gzip(&file), fixture::gzip_stored(&file));
    let raw = |stored: &[u8]| [&[0, 3, 6, 0], stored].concat();
    let damaged = |damage| fields(&[0, 3, 6, 1, damage, 1, 7, 85], [format!("\u{1}{front}"), back.to_owned()]);
    // The header of a member has ten bytes, and its trailer eight.
    let deflated = |flags, member: &[u8]| [&[0, 3, 6, 2, flags], &member[10..member.len() - 8]].concat();
    let mut seeds = vec![raw(&member), raw(&stored), raw(&[member.as_slice(), &stored].concat()), raw(file.as_bytes())];
    seeds.extend((0..4).map(damaged));
    seeds.extend([0, 2, 4, 8, 16, 31].map(|flags| deflated(flags, &member)));
    seeds.push(deflated(0, &stored));
    seeds
}

pub(super) fn splitter() -> Vec<Vec<u8>> {
    let texts = [
        log_file(&records()),
        " \n\t{ \"a\" : [ 1, {} ] , \"Records\"\r: [ {} , {\"b\":{}} ] , \"c\" : \"]}\" } \n".to_owned(),
        r#"{"Records":[{"a":"\"}\\"},1,"}",[{}],null,{"\u0041":"\u00e9"}],"Records":[{}]}"#.to_owned(),
        format!(r#"{{"Records":[{}1{},{{"a":"{}"}}]}}"#, r#"{"a":"#.repeat(101), "}".repeat(101), "\\\\".repeat(70)),
        r#"{"a":{"Records":[{}]},"b":"#.to_owned(),
    ];
    (0..3).flat_map(|limit| texts.iter().map(move |text| fields(&[limit, 6, 7, limit], [text]))).collect()
}

pub(super) fn record() -> Vec<Vec<u8>> {
    let choices = |all: u8| [&[all; 3][..], &[255 * all, all], &[0, 1, 2, 4, 5, 6, 7, 8]].concat();
    (0..2).flat_map(|all| records().into_iter().map(move |it| fields(&choices(all), [it.to_string()]))).collect()
}

pub(super) fn denial() -> Vec<Vec<u8>> {
    let records = records();
    let messages = records.iter().filter_map(|it| it["errorMessage"].as_str());
    let others = [
        "You are not authorized to perform this operation. User: arn:aws:iam::1:user/u is not authorized to perform: \
         ec2:RunInstances on resource: arn:aws:ec2:us-east-1:1:instance/* because no identity-based policy allows the \
         ec2:RunInstances action. Encoded authorization failure message: abc",
        "User: u is not authorized to access this resource with an explicit deny",
        "User: u is not authorized to perform: s3:GetObject on resource: \"a\" with an explicit deny in a ...",
        "Not authorized to perform sts:AssumeRole",
        "Lambda was unable to decrypt. KMS Exception: AccessDeniedException KMS Message: User: u is not authorized to \
         perform: kms:Decrypt on the resource associated with this ciphertext because the resource does not exist",
    ];
    let name = " because no session policy allows the iam:CreateUser action\" with an explicit deny";
    (0..).zip(messages.chain(others)).map(|(n, message)| fields(&[n, n], [message, name])).collect()
}

pub(super) fn reason() -> Vec<Vec<u8>> {
    let reasons = [
        "Lambda Function not found",
        "The queue does not exist (nonexistentqueue)",
        "Region is not valid",
        "Lambda does not have required permissions to poll the queue (sqs:ReceiveMessage)",
        "The role cannot be assumed: AccessDenied",
        "KMS denied access",
        "The function is in a failed state",
        "FUNCTION-IN FAILED_STATE",
        "a reason that is not documented",
    ];
    reasons.map(|it| it.as_bytes().to_vec()).to_vec()
}

pub(super) fn payload() -> Vec<Vec<u8>> {
    let examples = [
        include_str!("../../../events/eventbridge_cloudtrail_event.json"),
        include_str!("../../../events/eventbridge_object_created.json"),
        include_str!("../../../events/on_failure_record.json"),
        include_str!("../../../events/s3_batch_operations_1.json"),
        include_str!("../../../events/s3_batch_operations_2.json"),
        include_str!("../../../events/s3_notification.json"),
        include_str!("../../../events/silence_check.json"),
        include_str!("../../../events/sns_cloudtrail_notice.json"),
        include_str!("../../../events/sns_s3_notification.json"),
        include_str!("../../../events/sqs_s3_notification.json"),
        include_str!("../../../events/sqs_sns_s3_notification.json"),
        include_str!("../../../events/sweep.json"),
        include_str!("../../../events/test_alert.json"),
    ]
    .map(str::to_owned);
    let built = [
        notification(&["a", "b", "a"]),
        queue([(Some("1"), notification(&["a"])), (None, s3_test_event())]),
        batch_job(&["a", "b"]),
        inline(&disabled_mapping(1, "orders", "FUNCTION_NOT_FOUND")),
        "CloudTrail validation message.".to_owned(),
    ];
    let payloads = (0..).zip(examples.into_iter().chain(built));
    payloads.map(|(n, payload)| fields(&[1, 1, n], [payload])).collect()
}

/// An event for patterns, and patterns that use every operator.
pub(super) fn pattern() -> Vec<Vec<u8>> {
    let event = json!({
        "eventName": "DeleteBucket", "n": 3, "f": 1.5, "none": null, "yes": true, "list": ["p", ["q"]], "no": [],
        "o": {"k": "v"}, "ip": "10.1.2.3", "ip6": "2001:db8::1", "objects": [{"k": 1}, {"k": 3, "l": "Abc"}]
    });
    let patterns = [
        r#"{"eventName": ["DeleteBucket", {"prefix": "Del"}, {"suffix": "et"}, {"wildcard": "D*B*\\*"}]}"#,
        r#"{"eventName": [{"anything-but": ["a", 1]}], "n": [{"numeric": [">", 0, "<=", 3]}]}"#,
        r#"{"eventName": [{"anything-but": {"wildcard": ["*a*", "b"]}}], "f": [1.5, {"numeric": ["=", 2]}]}"#,
        r#"{"eventName": [{"prefix": {"equals-ignore-case": "DEL"}}, {"equals-ignore-case": "x"}]}"#,
        r#"{"ip": [{"cidr": "10.0.0.0/8"}], "ip6": [{"cidr": "2001:db8::/32"}], "none": [null], "yes": [true]}"#,
        r#"{"objects": {"k": [3], "l": [{"suffix": {"equals-ignore-case": "BC"}}]}, "no": [{"exists": false}]}"#,
        r#"{"$or": [{"list": ["q"]}, {"o": {"k": [{"exists": true}]}}], "missing": {"k": [{"exists": false}]}}"#,
    ];
    patterns.iter().chain(&RULES).map(|pattern| fields(&[], [*pattern, &event.to_string()])).collect()
}

pub(super) fn rules() -> Vec<Vec<u8>> {
    let rule = |(n, pattern): (usize, &&str)| {
        format!(
            r#"{{"watch": [{{"name": "w{n}", "title": "t", "severity": "high", "pattern": {pattern}}}], "suppress":
                [{{"name": "s", "reason": "r", "expires": "2027-06-30", "pattern": {{"finding": {{"alert_type":
                ["esm_disabled", "access_denied"]}}}}}}, {{"name": "u", "reason": "r", "pattern": {pattern}}}]}}"#
        )
    };
    let records = records();
    let records = records.iter().map(Value::to_string).cycle();
    RULES.iter().enumerate().map(rule).zip(records).map(|(rules, record)| fields(&[], [rules, record])).collect()
}

pub(super) fn settings() -> Vec<Vec<u8>> {
    let required = "ALERT_TOPIC_ARN=arn:aws:sns:us-east-1:111122223333:alerts\nTRAIL_BUCKETS=trail-a, trail-b\n\
                    LEDGER_TABLE=ledger\n";
    let others = "CHAT_TOPIC_ARN=arn:aws:sns:us-east-1:111122223333:chat\n\
                  EVENT_TOPIC_ARN=arn:aws:sns:us-east-1:111122223333:events\nTRAIL_BUCKET_OWNER=111122223333\n\
                  TRAIL_BUCKET_REGION=eu-west-1\nEVENT_SOURCES=s3.amazonaws.com,kms.amazonaws.com\nFAST_PATH=on\n\
                  ESM_CHANGES=on\nCAUSES=on\nAUTHENTICATION_FAILURES=off\nSILENCE_CHECK=on\nCONTEXT=on\n\
                  OWNER_TAG_KEYS=owner,team\nACCOUNT_ID=111122223333\nMEMBER_ROLE_NAME=path/member\n\
                  SWEEP_ACCOUNTS=*\nSWEEP_REGIONS=us-east-1,eu-west-1\nRULES={\"watch\":[]}\n\
                  RULES_URI=s3://bucket/rules.json\nSTORM_WINDOW_HOURS=24\nOBJECT_CONCURRENCY=8\n\
                  MAX_RECORD_BYTES=4194304\nMAX_OBJECT_BYTES=4294967296\nAWS_REGION=us-east-1\n\
                  AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512\n";
    let without_uri: String =
        others.lines().filter(|it| !it.starts_with("RULES_URI")).fold(String::new(), |all, it| all + it + "\n");
    [required.to_owned(), format!("{required}{others}"), format!("{required}{without_uri}")]
        .map(String::into_bytes)
        .to_vec()
}

pub(super) fn alert() -> Vec<Vec<u8>> {
    let texts = |n: usize| (0..6).map(move |at| ATTACKS[(n + at) % ATTACKS.len()]);
    let of_texts = (0..ATTACKS.len()).map(|n| fields(&[1, n as u8], texts(n)));
    let of_record = |(n, record): (usize, Value)| {
        let byte = n as u8;
        let choices = [0, byte, byte / 2, 0, 1, byte, byte % 8 * 32];
        fields(&choices, [record.to_string()].into_iter().chain(texts(n).map(str::to_owned)))
    };
    let of_long_texts = (0..6).map(|n| [fields(&[1, n], texts(n.into())), vec![0, n, 18]].concat());
    of_texts.chain(of_long_texts).chain(records().into_iter().cycle().take(22).enumerate().map(of_record)).collect()
}

pub(super) fn mapping_state() -> Vec<Vec<u8>> {
    vec![
        vec![0, 10, 1, 20, 0, 30, 1, 25],
        vec![2, 10, 3, 10, 0, 12, 0, 9, 1, 20, 0, 15, 0, 18],
        vec![2, 10, 0, 8, 3, 10, 1, 30, 2, 40, 3, 40, 2, 50],
        vec![4, 1, 5, 1, 4, 2, 6, 0, 7, 3, 7, 4, 8, 0],
    ]
}

pub(super) fn lifecycle() -> Vec<Vec<u8>> {
    vec![
        vec![0, 1, 0, 1, 2, 3],
        vec![0, 0, 3, 2, 1, 1, 0, 4, 5],
        vec![1, 0, 3, 10, 1, 5, 20, 2, 1, 40, 9, 0, 30, 1, 60, 0, 90, 1],
        vec![1, 1, 4, 10, 0, 20, 1, 30, 9, 1, 2, 7, 2, 0, 50, 15, 1, 31, 1, 45, 0, 120, 1, 170, 0],
    ]
}
