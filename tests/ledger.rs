//! The ledger and the rules object over the AWS SDK, against servers on loopback.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "lambda")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use jiff::Timestamp;
use serde_json::{Value, json};
use support::generator::denied;
use trailwarden::aws::{Deadline, LedgerTable, RulesInBucket, http_client};
use trailwarden::detect::Detector;
use trailwarden::rules::{Fetched, MAX_RULES_BYTES, Rules, RulesObject};
use trailwarden::trail::LogObject;
use trailwarden::triage::{Audience, Claim, Claimed, Contribution, Ledger, LedgerKey, TopicRole, Triage, WindowLength};
use wiremock::matchers::{header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn configuration(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .http_client(http_client())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "tests")))
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1)))
        .endpoint_url(endpoint)
        .build()
}

fn table(server: &MockServer) -> LedgerTable {
    LedgerTable::new(&configuration(&server.uri()), "ledger".to_owned(), Deadline::default())
}

fn key() -> LedgerKey {
    let record = denied(1, "GetFunction", "orders").to_string();
    let examined = Detector::default().examine(record.as_bytes(), &Arc::from("key"), &Rules::default());
    let mut triage = Triage::new(Audience::All, WindowLength::default());
    examined.expect("a record").findings.into_iter().for_each(|finding| triage.add(finding));
    triage.take_incidents()[0].ledger_key()
}

/// Answers an operation the given number of times.
async fn answer(server: &MockServer, operation: &str, times: u64, response: ResponseTemplate) {
    Mock::given(header("x-amz-target", format!("DynamoDB_20120810.{operation}").as_str()))
        .respond_with(response)
        .up_to_n_times(times)
        .expect(times)
        .mount(server)
        .await;
}

fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.to_string(), "application/x-amz-json-1.0")
}

fn error(code: &str, more: &Value) -> ResponseTemplate {
    let mut body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "injected"});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    ResponseTemplate::new(400).set_body_raw(body.to_string(), "application/x-amz-json-1.0")
}

/// The bodies of all requests of an operation.
async fn requests(server: &MockServer, operation: &str) -> Vec<Value> {
    let requests = server.received_requests().await.expect("recorded requests");
    let target = format!("DynamoDB_20120810.{operation}");
    let of_operation = requests.iter().filter(|it| it.headers["x-amz-target"] == target.as_str());
    of_operation.map(|it| serde_json::from_slice(&it.body).expect("JSON")).collect()
}

#[tokio::test]
async fn contributions_are_one_transaction_and_what_is_recorded_is_raised() {
    let server = MockServer::start().await;
    let recorded =
        |count: u64| json!({"Code": "ConditionalCheckFailed", "Item": {"event_count": {"N": count.to_string()}}});
    let reasons = json!([recorded(3), {"Code": "None"}, recorded(9), {"Code": "None"}]);
    answer(
        &server,
        "TransactWriteItems",
        1,
        error("TransactionCanceledException", &json!({"CancellationReasons": reasons})),
    )
    .await;
    answer(&server, "TransactWriteItems", 1, ok(&json!({}))).await;
    let item =
        json!({"Item": {"event_count": {"N": "40"}, "alerted": {"SS": ["alert#1", "alert#10", "chat#1", "new#x"]}}});
    answer(&server, "GetItem", 1, ok(&item)).await;
    let contributions = [("a", 5), ("b", 2), ("c", 4)].map(|(from, events)| Contribution { from, events });
    let entry = table(&server).contribute(&key(), &contributions).await.expect("an entry");
    assert_eq!(entry.count, 40);
    assert_eq!([TopicRole::Alert, TopicRole::Chat, TopicRole::Event].map(|it| entry.alerted_on(it)), [10, 1, 0]);
    let requests = requests(&server, "TransactWriteItems").await;
    let shown = |request: &Value| -> Vec<String> {
        let items = request["TransactItems"].as_array().expect("items");
        let put = |it: &Value| format!("{} if {}", it["Item"]["event_count"]["N"], it["ConditionExpression"]);
        let update = |it: &Value| format!("add {}", it["ExpressionAttributeValues"][":more"]["N"]);
        items.iter().map(|it| it.get("Put").map_or_else(|| update(&it["Update"]), put)).collect()
    };
    let new = r#"if "attribute_not_exists(id)""#;
    assert_eq!(
        shown(&requests[0]),
        [format!(r#""5" {new}"#), format!(r#""2" {new}"#), format!(r#""4" {new}"#), r#"add "11""#.to_owned()]
    );
    // The first is raised from 3 to 5, the second is new, and for the third a larger number is recorded.
    assert_eq!(
        shown(&requests[1]),
        [r#""5" if "event_count = :recorded""#.to_owned(), format!(r#""2" {new}"#), r#"add "4""#.to_owned()]
    );
}

#[tokio::test]
async fn a_case_that_has_expired_has_at_least_the_events_of_its_contributors() {
    let server = MockServer::start().await;
    answer(&server, "TransactWriteItems", 1, ok(&json!({}))).await;
    answer(&server, "GetItem", 1, ok(&json!({}))).await;
    let entry = table(&server).contribute(&key(), &[Contribution { from: "a", events: 5 }]).await.expect("an entry");
    assert_eq!((entry.count, entry.alerted_on(TopicRole::Alert)), (5, 0));
}

#[tokio::test]
async fn a_conflict_is_retryable_and_other_errors_are_not() {
    let conflict = json!({"CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]});
    let mixed = json!({"CancellationReasons": [{"Code": "ValidationError"}, {"Code": "None"}]});
    let none = json!({});
    // The SDK retries the second one by itself.
    for (code, more, requests, retryable) in [
        ("TransactionCanceledException", &conflict, 1, true),
        ("TransactionInProgressException", &none, 3, true),
        ("TransactionCanceledException", &mixed, 1, false),
        ("ResourceNotFoundException", &none, 1, false),
    ] {
        let server = MockServer::start().await;
        answer(&server, "TransactWriteItems", requests, error(code, more)).await;
        let failure = table(&server).contribute(&key(), &[Contribution { from: "a", events: 5 }]).await;
        assert_eq!(failure.expect_err("a failure").retryable, retryable, "{code} {more}");
    }
    let claim = Claim { threshold: 1, holder: "h", now: Timestamp::UNIX_EPOCH, until: Timestamp::UNIX_EPOCH };
    for (code, retryable) in [("TransactionConflictException", true), ("AccessDeniedException", false)] {
        let server = MockServer::start().await;
        answer(&server, "UpdateItem", 2, error(code, &none)).await;
        let table = table(&server);
        assert_eq!(table.claim(&key(), &claim).await.expect_err("a failure").retryable, retryable, "{code}");
        let recorded = table.record_alerted(&key(), 1, &[TopicRole::Alert]).await;
        assert_eq!(recorded.expect_err("a failure").retryable, retryable, "{code}");
    }
}

#[tokio::test]
async fn a_lease_is_granted_or_held_with_the_entry_as_it_is() {
    let server = MockServer::start().await;
    let item = json!({"lease_until": {"N": "5000"}, "event_count": {"N": "7"}, "alerted": {"SS": ["event#1"]}});
    answer(&server, "UpdateItem", 1, error("ConditionalCheckFailedException", &json!({"Item": item}))).await;
    answer(&server, "UpdateItem", 1, ok(&json!({"Attributes": item}))).await;
    let until = Timestamp::from_second(9).expect("a time");
    let claim = Claim { threshold: 10, holder: "request#1", now: Timestamp::from_second(5).expect("a time"), until };
    let table = table(&server);
    let Claimed::Held(entry) = table.claim(&key(), &claim).await.expect("an answer") else { panic!("held") };
    assert_eq!((entry.count, entry.alerted_on(TopicRole::Event)), (7, 1));
    let Claimed::Granted(entry) = table.claim(&key(), &claim).await.expect("an answer") else { panic!("granted") };
    assert_eq!(entry.count, 7);
    let requests = requests(&server, "UpdateItem").await;
    let values = &requests[0]["ExpressionAttributeValues"];
    assert_eq!([&values[":now"]["N"], &values[":until"]["N"], &values[":threshold"]["N"]], ["5000", "9000", "10"]);
    assert_eq!(values[":holder"]["S"], "request#1");
}

#[tokio::test]
async fn confirmed_topics_are_added_without_a_condition() {
    let server = MockServer::start().await;
    answer(&server, "UpdateItem", 1, ok(&json!({}))).await;
    table(&server).record_alerted(&key(), 100, &[TopicRole::Alert, TopicRole::Event]).await.expect("recorded");
    let request = &requests(&server, "UpdateItem").await[0];
    assert_eq!(request["ExpressionAttributeValues"][":alerted"], json!({"SS": ["alert#100", "event#100"]}));
    assert_eq!(request.get("ConditionExpression"), None);
}

#[tokio::test]
async fn rules_are_requested_by_their_entity_tag() {
    let server = MockServer::start().await;
    let not_modified = ResponseTemplate::new(304);
    Mock::given(method("GET")).and(header("if-none-match", "\"1\"")).respond_with(not_modified).mount(&server).await;
    let large = vec![b' '; 2 * MAX_RULES_BYTES];
    let changed = ResponseTemplate::new(200).set_body_bytes(large).insert_header("etag", "\"2\"");
    Mock::given(method("GET")).respond_with(changed).mount(&server).await;
    let object = LogObject::new("bucket", "rules.json");
    let rules = RulesInBucket::new(&configuration(&server.uri()), object, Deadline::default());
    assert_eq!(rules.location(), "s3://bucket/rules.json");
    assert_eq!(rules.fetch(Some("\"1\"")).await.expect("an answer"), Fetched::Unchanged);
    let Fetched::Changed { tag, bytes } = rules.fetch(None).await.expect("an answer") else { panic!("changed") };
    assert_eq!(tag.as_deref(), Some("\"2\""));
    assert!(
        bytes.len() > MAX_RULES_BYTES && bytes.len() < 2 * MAX_RULES_BYTES,
        "reading ends above the limit: {}",
        bytes.len()
    );
}

#[tokio::test]
async fn rules_that_cannot_be_read_are_an_error_with_its_code() {
    let server = MockServer::start().await;
    let missing = ResponseTemplate::new(404).set_body_raw("<Error><Code>NoSuchKey</Code></Error>", "application/xml");
    Mock::given(method("GET")).respond_with(missing).mount(&server).await;
    let object = LogObject::new("bucket", "rules.json");
    let rules = RulesInBucket::new(&configuration(&server.uri()), object, Deadline::default());
    assert_eq!(rules.fetch(None).await.expect_err("an error").code, "NoSuchKey");
}
