//! Hostile text in records.

use serde_json::json;

use crate::fixture::Fixture;
use crate::fixture::records::{denied, disabled_mapping, log_file, ordinary};

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
