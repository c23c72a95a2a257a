//! Runs the function as a process. Its logs and replies contain no value of a record and no credentials.
//!
//! Each value in the records is unique, so a value in the output is recognized. Lambda logs standard output and standard error. The
//! reply to a failed invocation, its error, is kept in the on-failure queue.

mod canaries;

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use self::canaries::Canaries;
use crate::fakes::sockets::lambda_api::{self, LambdaServer, Operation};
use crate::fakes::sockets::responses::{dynamodb, dynamodb_error};
use crate::fakes::sockets::runtime::{self, Invoked};
use crate::fakes::sockets::server::{Fault, Server, Service};
use crate::fixture::payload::{batch_job, inline, notification, queue, s3_test_event};
use crate::fixture::records::{
    ACCOUNT, REGION, called_by_alice, denied, denied_to, disabled_mapping, enabled_mapping, gzip, key, log_file,
    ordinary,
};
use crate::fixture::{BUCKET, MARKERS};
use crate::{formats, security_rules};

/// Values of records that the output may contain, with the reason.
const ALLOWED: [(&str, &str); 7] = [
    (ACCOUNT, "the keys of log objects and the ARNs of topics contain an account"),
    (REGION, "the keys of log objects and the ARNs of topics contain a Region"),
    ("AUTHORIZATION_ERROR", "a category of alerts, and so a dimension of a metric"),
    ("AccessDenied", "an error code of S3 and SNS"),
    ("GetObject", "an operation that the function calls"),
    ("AssumeRole", "an operation that the function calls"),
    ("Disabled", "a part of the names of metrics"),
];

/// Credentials of the function, and of its session in a member account.
const CREDENTIALS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "ASIAFUNCTION00000001"),
    ("AWS_SECRET_ACCESS_KEY", "secret-of-the-function"),
    ("AWS_SESSION_TOKEN", "token-of-the-function"),
];
const MEMBER_CREDENTIALS: [&str; 3] = ["member-444455556666", "member-secret", "member-token"];
/// Parts of signed requests, in lower case.
const SIGNATURES: [&str; 4] = ["aws4-hmac", "signature=", "x-amz-security-token", "authorization:"];

/// The settings of Lambda's logging controls, and the variable that programs in Rust use.
const TRACE: [(&str, &str); 3] =
    [("AWS_LAMBDA_LOG_LEVEL", "TRACE"), ("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("RUST_LOG", "trace")];

/// Fields whose values make a record a finding.
const OF_FINDINGS: [&str; 2] = ["eventSource", "eventName"];
/// Fields whose values have a format that detection expects.
const FORMATTED: [&str; 12] = [
    "eventSource",
    "eventName",
    "errorCode",
    "eventTime",
    "awsRegion",
    "recipientAccountId",
    "ARN",
    "uUID",
    "functionArn",
    "eventSourceArn",
    "ESMDisableReason",
    "accountId",
];

/// A record of each kind: calls, stops, changes, denials, and the events of all watch rules.
fn records() -> Vec<Value> {
    let reasons = ["AUTHORIZATION_ERROR", "Lambda Function not found", "something new"];
    let stops = (10..).zip(reasons).map(|(n, reason)| disabled_mapping(n, "shipments", reason));
    let mut assumed = called_by_alice(20, "sts", "AssumeRole", &json!({"roleArn": "arn:aws:iam::1:role/r"}));
    assumed["responseElements"] =
        json!({"credentials": {"accessKeyId": "ASIA1", "sessionToken": "t", "expiration": "e"}});
    let others = [
        ordinary(1),
        enabled_mapping(10, "shipments"),
        called_by_alice(21, "sqs", "DeleteQueue", &json!({"queueUrl": "https://sqs/1/shipments-queue"})),
        called_by_alice(
            22,
            "s3",
            "PutObject",
            &json!({"headers": {"Authorization": "AWS4-HMAC-SHA256 Signature=s"},
            "url": "https://b.s3.amazonaws.com/k?X-Amz-Signature=s&X-Amz-Security-Token=t"}),
        ),
        denied(23, "Suppressed", "orders"),
        assumed,
    ];
    let denials = (30..60).map(|n| denied_to("crawler", n, &format!("Action{n}"), "orders"));
    let findings = formats::every_record().into_iter().chain(stops).chain(others).chain(denials);
    findings.chain(security_rules::matching_records()).collect()
}

/// The pack of watch rules, with a rule for `AssumeRole` and a suppression.
fn rules() -> String {
    let mut rules: Value = serde_json::from_str(include_str!("../../rules/security.json")).expect("JSON");
    let watch = rules["watch"].as_array_mut().expect("a list");
    watch.push(json!({"name": "assumed", "title": "A role was assumed", "severity": "low",
                      "pattern": {"eventName": ["AssumeRole"]}}));
    rules["suppress"] = json!([{"name": "known", "reason": "known",
                                "pattern": {"finding": {"api_action": ["Suppressed"]}}}]);
    rules.to_string()
}

/// The services that the function calls, and the records in its bucket.
struct World {
    server: Server,
    api: LambdaServer,
    ledger: MockServer,
    canaries: Canaries,
    records: Vec<Value>,
}

impl World {
    async fn start() -> Self {
        let (server, api, ledger) = (Server::start(), LambdaServer::start().await, MockServer::start().await);
        let mut canaries = Canaries::default();
        let planted = [FORMATTED.as_slice(), &OF_FINDINGS].map(|kept| {
            let records = records();
            records.iter().map(|record| canaries.plant(record, kept)).collect::<Vec<_>>()
        });
        let put = |name: &str, bytes: Vec<u8>| server.put(format!("/{BUCKET}/{}", key(name)), bytes);
        for (name, records) in ["formatted", "odd"].iter().zip(&planted) {
            put(name, gzip(log_file(records)));
        }
        let record = planted[1][0].to_string();
        let file = log_file(&planted[1]);
        put("text", file.replace("{\"Records\"", "not JSON {").into_bytes());
        put("truncated", gzip(&file)[..2_000].to_vec());
        put("invalid", file.replace(":\"AccessDenied", ":\"\u{7}AccessDenied").into_bytes());
        put("string", format!(r#"{{"Records":[{},{record}]}}"#, json!(record)).into_bytes());
        put("trailing", format!("{file}{record}").into_bytes());
        put("long", log_file([&canaries.plant(&json!({"eventSource": "x".repeat(2 << 20)}), &[])]).into_bytes());
        server.put(format!("/{BUCKET}/rules.json"), rules());
        let mapping = json!({"UUID": "863d0ee4-2f3c-4994-8005-000000000001", "State": "Disabled",
                             "StateTransitionReason": "Lambda initiated", "LastProcessingResult": "PROBLEM: x",
                             "FunctionArn": lambda_api::function_arn(), "LastModified": 1_767_322_800.0});
        api.list(ACCOUNT, REGION, vec![canaries.plant(&mapping, &["UUID", "State", "FunctionArn", "LastModified"])]);
        let records = planted.into_iter().flatten().collect();
        Self { server, api, ledger, canaries, records }
    }

    /// Invokes the function with these variables in addition to its settings.
    async fn invoke(&self, more: &[(&str, &str)], payloads: impl IntoIterator<Item = String>) -> Invoked {
        let (api, ledger, rules) = (self.api.url(), self.ledger.uri(), format!("s3://{BUCKET}/rules.json"));
        let settings = [
            ("AWS_REGION", REGION),
            ("AWS_ENDPOINT_URL", self.server.url.as_str()),
            ("AWS_ENDPOINT_URL_DYNAMODB", &ledger),
            ("AWS_ENDPOINT_URL_LAMBDA", &api),
            ("AWS_ENDPOINT_URL_STS", &api),
            ("ALERT_TOPIC_ARN", "arn:aws:sns:us-east-1:111122223333:alerts"),
            ("CHAT_TOPIC_ARN", "arn:aws:sns:us-east-1:111122223333:chat"),
            ("EVENT_TOPIC_ARN", "arn:aws:sns:us-east-1:111122223333:events"),
            ("LEDGER_TABLE", "ledger"),
            ("TRAIL_BUCKETS", BUCKET),
            ("EVENT_SOURCES", "*"),
            ("FAST_PATH", "on"),
            ("SILENCE_CHECK", "on"),
            ("ESM_CHANGES", "on"),
            ("CAUSES", "on"),
            ("AUTHENTICATION_FAILURES", "on"),
            ("CONTEXT", "on"),
            ("ACCOUNT_ID", ACCOUNT),
            ("SWEEP_ACCOUNTS", "111122223333,444455556666"),
            ("SWEEP_REGIONS", REGION),
            ("MEMBER_ROLE_NAME", "reader"),
            ("RULES_URI", &rules),
            ("MAX_RECORD_BYTES", "1048576"),
        ];
        runtime::invoke(&[settings.as_slice(), &CREDENTIALS, more].concat(), payloads).await
    }

    /// Checks that neither the log nor a reply contains a value of a record, or credentials.
    fn assert_nothing_leaks(&self, what: &str, invoked: &Invoked) {
        assert!(invoked.log.contains("\"_aws\""), "{what}: no metrics in the log");
        let output = format!("{}\n{}", invoked.log, invoked.replies.join("\n"));
        assert_eq!(self.canaries.in_text(&output, &ALLOWED), [""; 0], "{what}");
        // A value that is shortened or split need not contain its canary.
        let parts: Vec<_> = MARKERS.into_iter().chain(["crawler"]).filter(|it| output.contains(it)).collect();
        assert_eq!(parts, [""; 0], "{what}");
        let credentials = CREDENTIALS.iter().map(|(_, value)| *value).chain(MEMBER_CREDENTIALS);
        let lower = output.to_lowercase();
        let found: Vec<_> = credentials.chain(SIGNATURES).filter(|it| lower.contains(&it.to_lowercase())).collect();
        assert_eq!(found, [""; 0], "{what}");
    }

    /// A payload of each kind, whether understood or not. The first is an inline record, the second announces log objects.
    fn payloads(&self) -> Vec<String> {
        let objects = notification(&["formatted", "odd"]);
        let broken = ["text", "truncated", "invalid", "string", "trailing", "long", "missing"];
        let stop = self.records.iter().find(|it| it["eventName"] == "LambdaESMDisabled").expect("a stop");
        let event = json!({"source": "aws.s3", "detail-type": "Object Created",
                           "detail": {"bucket": {"name": BUCKET}, "object": {"key": key("odd")}}});
        let notice = json!({"s3Bucket": BUCKET, "s3ObjectKey": [key("odd")]});
        let sns = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": notice.to_string()}}]});
        let messages =
            [("1", notification(&["odd"])), ("2", stop.to_string()), ("3", inline(stop)), ("4", "{".to_owned())];
        let failed = json!({"requestContext": {}, "requestPayload": stop, "responsePayload": {"errorMessage": stop}});
        let another_source = json!({"source": "aws.sqs", "detail-type": "AWS API Call via CloudTrail", "detail": stop});
        vec![
            inline(stop),
            objects,
            event.to_string(),
            notice.to_string(),
            sns.to_string(),
            notification(&broken),
            queue(messages.map(|(id, body)| (Some(id), body))),
            batch_job(&["odd", "string", "missing"]),
            s3_test_event(),
            stop.to_string(),
            json!({"Records": [stop]}).to_string(),
            json!([stop]).to_string(),
            json!(stop.to_string()).to_string(),
            failed.to_string(),
            another_source.to_string(),
            command("test-alert"),
            command("sweep"),
            command("silence-check"),
        ]
    }
}

fn command(name: &str) -> String {
    json!({"trailwarden": name}).to_string()
}

/// The type of the error in each reply, or the names of its members if the invocation succeeded.
fn outcomes(invoked: &Invoked) -> String {
    let outcome = |reply: &String| {
        let reply: Value = serde_json::from_str(reply).expect("JSON");
        let members = || reply.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>().join(" "));
        let error = reply["errorType"].as_str().map(str::to_owned);
        error.or_else(members).unwrap_or_else(|| reply.to_string())
    };
    invoked.replies.iter().map(outcome).collect::<Vec<_>>().join("\n")
}

async fn ledger_responds(ledger: &MockServer, response: ResponseTemplate) {
    ledger.reset().await;
    Mock::given(any()).respond_with(response).mount(ledger).await;
}

#[tokio::test]
async fn nothing_from_a_record_and_no_credential_is_logged_at_any_level() {
    let world = World::start().await;
    ledger_responds(&world.ledger, dynamodb(&json!({}))).await;
    for level in [TRACE.as_slice(), &TRACE[2..], &[]] {
        let earlier = world.server.published().len();
        let invoked = world.invoke(level, world.payloads()).await;
        world.assert_nothing_leaks(&format!("{level:?}"), &invoked);
        insta::allow_duplicates!(insta::assert_snapshot!(outcomes(&invoked), @"
        null
        null
        null
        null
        null
        ObjectUnreadable
        batchItemFailures
        invocationId invocationSchemaVersion results treatMissingKeysAs
        null
        PayloadNotUnderstood
        PayloadNotUnderstood
        PayloadNotUnderstood
        PayloadNotUnderstood
        PayloadNotUnderstood
        PayloadNotUnderstood
        published version warnings
        failed mappings places
        known silent
        "));
        let subjects = &world.server.published()[earlier..];
        assert!(subjects.iter().any(|it| it.contains("canary")), "alerts contain values: {subjects:?}");
    }
}

/// Without a valid timestamp, Lambda's filter treats an event as `INFO` and drops it if only warnings are logged.
#[tokio::test]
async fn events_in_json_have_a_level_and_a_timestamp() {
    let world = World::start().await;
    ledger_responds(&world.ledger, dynamodb_error("AccessDeniedException", &json!({}))).await;
    let invoked = world.invoke(&TRACE, [command("sweep")]).await;
    let events = invoked.log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let events: Vec<_> = events.filter(|it| it.get("_aws").is_none()).collect();
    assert!(events.iter().any(|it| it["level"] == "ERROR"), "{}", invoked.log);
    for event in events {
        assert!(event["level"].is_string(), "{event}");
        let time = event["timestamp"].as_str().unwrap_or_default();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{event}");
    }
}

#[tokio::test]
async fn faults_are_logged_without_values_of_records() {
    let world = World::start().await;
    let (works, denies) = (dynamodb(&json!({})), dynamodb_error("AccessDeniedException", &json!({})));
    let mut all = Vec::new();
    for (what, fault, ledger) in [
        ("SNS refuses messages", Some((Service::Sns, Fault::Refuse)), &works),
        ("SNS denies calls", Some((Service::Sns, Fault::Denied)), &works),
        ("S3 denies calls", Some((Service::S3, Fault::Denied)), &works),
        ("S3 closes connections", Some((Service::S3, Fault::Close)), &works),
        ("the ledger denies calls", None, &denies),
    ] {
        world.server.plan(move |of| fault.filter(|(service, _)| *service == of).map(|(_, fault)| fault));
        ledger_responds(&world.ledger, ledger.clone()).await;
        let payloads =
            world.payloads().into_iter().take(2).chain(["test-alert", "sweep", "silence-check"].map(command));
        let invoked = world.invoke(&TRACE, payloads).await;
        world.assert_nothing_leaks(what, &invoked);
        all.push(format!("{what}\n{}", outcomes(&invoked)));
    }
    insta::assert_snapshot!(all.join("\n"), @"
    SNS refuses messages
    null
    AlertNotPublished
    published version warnings
    failed mappings places
    known silent
    SNS denies calls
    AlertNotPublished
    AlertNotPublished
    AlertNotPublished
    AlertNotPublished
    known silent
    S3 denies calls
    null
    ObjectUnreadable
    published version warnings
    failed mappings places
    known silent
    S3 closes connections
    null
    ObjectUnavailable
    published version warnings
    failed mappings places
    known silent
    the ledger denies calls
    null
    null
    published version warnings
    SweepFailed
    HeartbeatsUnavailable
    ");
}

#[tokio::test]
async fn errors_of_lookups_are_logged_without_values_of_records() {
    let world = World::start().await;
    ledger_responds(&world.ledger, dynamodb(&json!({}))).await;
    for operation in [
        Operation::GetEventSourceMapping,
        Operation::GetFunctionConfiguration,
        Operation::ListTags,
        Operation::ListEventSourceMappings,
        Operation::AssumeRole,
    ] {
        world.api.fault(operation, lambda_api::Fault::Denies);
    }
    let payloads = [world.payloads().swap_remove(1), command("sweep")];
    let invoked = world.invoke(&TRACE, payloads).await;
    world.assert_nothing_leaks("lookups", &invoked);
    for logged in ["context lookups failed", "not swept: 111122223333", "not swept: 444455556666"] {
        assert!(invoked.log.contains(logged), "{logged}: {}", invoked.log);
    }
}
