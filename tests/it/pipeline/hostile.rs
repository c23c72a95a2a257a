//! Hostile text in records.

use serde_json::{Value, json};
use trailwarden::detect::EventSources;

use crate::fixture::Fixture;
use crate::fixture::records::{
    called_by_alice, denied, disabled_mapping, enabled_mapping, log_file, ordinary, queue_url,
};

#[tokio::test(start_paused = true)]
async fn text_that_looks_like_a_record_produces_no_finding() {
    let fake = disabled_mapping(1, "orders", "AUTHORIZATION_ERROR");
    let texts = [fake.to_string(), log_file([&fake]), format!("\"}},{fake},{{\"a\":\""), format!("\\\"}}]}}{fake}")];
    let mut records = Vec::new();
    for text in texts {
        for field in ["userAgent", "requestParameters", "responseElements", "additionalEventData", "errorMessage"] {
            let mut record = ordinary(1);
            record["eventSource"] = json!("lambda.amazonaws.com");
            record[field] = json!(text);
            records.push(record);
        }
    }
    for nested in [fake.clone(), json!({"Records": [fake]}), json!([fake]), denied(1, "GetFunction", "orders")] {
        let mut record = ordinary(1);
        record["requestParameters"] = nested.clone();
        record["responseElements"] = json!({"deep": [{"er": nested}]});
        records.push(record);
    }
    let run = Fixture::new().object("a", records).invoke(&["a"]).await;
    assert_eq!((run.counters.records, run.counters.findings, run.failures.error_type()), (24, 0, None));
}

#[tokio::test(start_paused = true)]
async fn hostile_text_is_neutralized_in_published_alerts() {
    let hostile = "x\r\nBcc: all@example.com\u{202e}\u{0}";
    let mut disabled = disabled_mapping(1, "orders", hostile);
    disabled["awsRegion"] = json!("us-east-1; rm -rf ~");
    disabled["recipientAccountId"] = json!(hostile);
    disabled["eventID"] = json!(hostile);
    disabled["eventTime"] = json!(hostile.repeat(10_000));
    let mut denial = denied(1, "GetFunction", "orders");
    denial["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] = json!(hostile);
    denial["sourceIPAddress"] = json!(hostile);
    denial["eventName"] = json!(hostile);
    denial["eventID"] = json!("$(reboot)");
    let resource = hostile.repeat(5_000);
    denial["errorMessage"] =
        json!(format!("User: {hostile} is not authorized to perform: {hostile} on resource: {resource}"));
    let run = Fixture::new().object("a", [disabled, denial]).invoke(&["a"]).await;
    assert_eq!(run.alerts.len(), 2);
    for message in run.alerts {
        assert!(message.bytes() < 20_000, "{}", message.bytes());
        let values = message.attributes.iter().flat_map(|it| &it.values);
        for text in [&message.subject, &message.body].into_iter().chain(values) {
            assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
            assert!(!text.contains(['\r', '\u{202e}', '\u{0}']), "{text}");
        }
        let commands: Vec<_> = message.body.lines().filter(|line| line.trim_start().starts_with("aws ")).collect();
        assert!(!commands.is_empty());
        assert!(commands.iter().all(|it| !it.contains("rm -rf") && !it.contains("$(")), "{commands:?}");
    }
}

/// Puts credentials wherever a record may contain them: those of the caller, those that a call returned, and those in the
/// parameters of a call.
fn with_credentials(mut record: Value) -> Value {
    let signed = "https://b.s3.amazonaws.com/k?X-Amz-Credential=ASIASECRET0000000001&X-Amz-Security-Token=secret-token";
    let header = "AWS4-HMAC-SHA256 Credential=ASIASECRET0000000001/20260102/us-east-1, Signature=secret-signature";
    let credentials = json!({
        "accessKeyId": "ASIASECRET0000000001", "secretAccessKey": "secret-key", "sessionToken": "secret-token",
    });
    record["userIdentity"]["accessKeyId"] = json!("ASIASECRET0000000001");
    record["userIdentity"]["sessionContext"]["webIdFederationData"] = credentials.clone();
    record["additionalEventData"] =
        json!({"Authorization": header, "x-amz-security-token": "secret-token", "url": signed});
    for field in ["requestParameters", "responseElements"] {
        if !record[field].is_object() {
            record[field] = json!({});
        }
        record[field]["credentials"] = credentials.clone();
        record[field]["accessKey"] = credentials.clone();
        record[field]["headers"] = json!({"Authorization": header});
        record[field]["location"] = json!(signed);
        record[field]["environment"] = json!({"variables": {"PASSWORD": "secret-password"}});
    }
    record
}

#[tokio::test(start_paused = true)]
async fn credentials_in_records_are_in_no_alert() {
    let pattern = json!({"eventName": ["AssumeRole", "CreateAccessKey", "UpdateFunctionConfiguration20150331v2"]});
    let rules = json!({"watch": [{"name": "w", "title": "A call", "severity": "low", "pattern": pattern}]});
    let calls =
        [("sts", "AssumeRole"), ("iam", "CreateAccessKey"), ("lambda", "UpdateFunctionConfiguration20150331v2")];
    let calls =
        (1..).zip(calls).map(|(n, (service, name))| called_by_alice(n, service, name, &json!({"roleName": "r"})));
    let cause = called_by_alice(5, "sqs", "DeleteQueue", &json!({"queueUrl": queue_url("orders")}));
    let others = [disabled_mapping(60, "orders", "AUTHORIZATION_ERROR"), enabled_mapping(60, "orders"), cause];
    let denials = (0..30).map(|n| denied(n, &format!("Action{n}"), "orders"));
    let fixture = Fixture::new()
        .object("a", calls.chain(others).chain(denials).map(with_credentials))
        .rules(&rules.to_string())
        .with_chat_topic()
        .with_event_topic()
        .configure(|it| {
            it.esm_changes = true;
            it.detector.causes = true;
            it.detector.event_sources = EventSources::all();
        });
    let run = fixture.invoke(&["a"]).await;
    assert_eq!(run.failures.error_type(), None);
    let topics = [fixture.topic(), fixture.chat_topic(), fixture.event_topic()];
    let messages: Vec<_> = topics.iter().flat_map(|it| it.confirmed()).collect();
    assert_eq!(messages.len(), 3 * 6, "a stop, its end, three watched calls, and a summary of denials");
    assert!(messages[0].body.contains("sqs:DeleteQueue"), "a likely cause");
    for message in messages {
        let text = format!("{message:?}");
        assert!(!text.contains("SECRET") && !text.contains("secret") && !text.contains("AWS4-HMAC"), "{text}");
    }
}
