//! The ledger in DynamoDB.

use jiff::Timestamp;
use serde_json::{Value, json};
use trailwarden::delivery::AccountRegion;
use trailwarden::detect::{Change, Detector, ResourceKey, WatchRules};
use trailwarden::heartbeat::Heartbeats;
use trailwarden::triage::{Causes, Claim, Claimed, Contribution, Ledger, LedgerKey, StoppedMapping, TopicRole};
use wiremock::MockServer;

use crate::fakes::sockets::Sdk;
use crate::fakes::sockets::responses::{dynamodb, dynamodb_error, dynamodb_requests, expect_dynamodb};
use crate::fixture::findings::{findings, incidents};
use crate::fixture::records::denied;

fn key() -> LedgerKey {
    let record = denied(1, "GetFunction", "orders");
    incidents(findings(&Detector::default(), &WatchRules::default(), "s3://trail/key", &record))[0].ledger_key()
}

/// The counts and conditions of a transaction.
fn items(transaction: &Value) -> Vec<String> {
    let put = |it: &Value| format!("{} if {}", it["Item"]["event_count"]["N"], it["ConditionExpression"]);
    let update = |it: &Value| format!("add {}", it["ExpressionAttributeValues"][":more"]["N"]);
    let items = transaction["TransactItems"].as_array().expect("items").iter();
    items.map(|it| it.get("Put").map_or_else(|| update(&it["Update"]), put).replace('"', "")).collect()
}

#[tokio::test]
async fn contributions_are_one_transaction_that_raises_recorded_counts() {
    let server = MockServer::start().await;
    let recorded = |count: &str| json!({"Code": "ConditionalCheckFailed", "Item": {"event_count": {"N": count}}});
    let reasons = json!({"CancellationReasons": [recorded("3"), {"Code": "None"}, recorded("9"), {"Code": "None"}]});
    let canceled = dynamodb_error("TransactionCanceledException", &reasons);
    expect_dynamodb(&server, "TransactWriteItems", 1, canceled).await;
    expect_dynamodb(&server, "TransactWriteItems", 1, dynamodb(&json!({}))).await;
    let item =
        json!({"Item": {"event_count": {"N": "40"}, "alerted": {"SS": ["alert#1", "alert#10", "chat#1", "new#x"]}}});
    expect_dynamodb(&server, "GetItem", 1, dynamodb(&item)).await;
    let contributions = [("a", 5), ("b", 2), ("c", 4)].map(|(from, events)| Contribution { from, events });
    let ledger = Sdk::new(&server.uri()).await.ledger();
    let entry = ledger.contribute(&key(), &contributions).await.expect("an entry");
    assert_eq!(entry.count, 40);
    assert_eq!([TopicRole::Alert, TopicRole::Chat, TopicRole::Event].map(|it| entry.alerted_on(it)), [10, 1, 0]);
    let transactions = dynamodb_requests(&server, "TransactWriteItems").await;
    let new = "if attribute_not_exists(id)";
    assert_eq!(
        items(&transactions[0]),
        [format!("5 {new}"), format!("2 {new}"), format!("4 {new}"), "add 11".to_owned()]
    );
    // The first is raised from 3 to 5, the second is new, and a larger count is recorded for the third.
    assert_eq!(
        items(&transactions[1]),
        ["5 if event_count = :recorded".to_owned(), format!("2 {new}"), "add 4".to_owned()]
    );
}

#[tokio::test]
async fn an_expired_entry_has_at_least_the_events_of_its_contributors() {
    let server = MockServer::start().await;
    expect_dynamodb(&server, "TransactWriteItems", 1, dynamodb(&json!({}))).await;
    expect_dynamodb(&server, "GetItem", 1, dynamodb(&json!({}))).await;
    let ledger = Sdk::new(&server.uri()).await.ledger();
    let entry = ledger.contribute(&key(), &[Contribution { from: "a", events: 5 }]).await.expect("an entry");
    assert_eq!((entry.count, entry.alerted_on(TopicRole::Alert)), (5, 0));
}

#[tokio::test]
async fn a_conflict_is_retryable_and_other_errors_are_not() {
    let conflict = json!({"CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]});
    let mixed = json!({"CancellationReasons": [{"Code": "ValidationError"}, {"Code": "None"}]});
    let none = json!({});
    // The SDK itself retries the second one.
    for (code, fields, requests, retryable) in [
        ("TransactionCanceledException", &conflict, 1, true),
        ("TransactionInProgressException", &none, 3, true),
        ("TransactionCanceledException", &mixed, 1, false),
        ("ResourceNotFoundException", &none, 1, false),
    ] {
        let server = MockServer::start().await;
        expect_dynamodb(&server, "TransactWriteItems", requests, dynamodb_error(code, fields)).await;
        let ledger = Sdk::new(&server.uri()).await.ledger();
        let error = ledger.contribute(&key(), &[Contribution { from: "a", events: 5 }]).await;
        assert_eq!(error.expect_err("an error").retryable, retryable, "{code} {fields}");
    }
    let claim = Claim { threshold: 1, holder: "h", now: Timestamp::UNIX_EPOCH, until: Timestamp::UNIX_EPOCH };
    for (code, retryable) in [("TransactionConflictException", true), ("AccessDeniedException", false)] {
        let server = MockServer::start().await;
        expect_dynamodb(&server, "UpdateItem", 2, dynamodb_error(code, &none)).await;
        let ledger = Sdk::new(&server.uri()).await.ledger();
        assert_eq!(ledger.claim(&key(), &claim).await.expect_err("an error").retryable, retryable, "{code}");
        let recorded = ledger.record_alerted(&key(), 1, &[TopicRole::Alert]).await;
        assert_eq!(recorded.expect_err("an error").retryable, retryable, "{code}");
    }
}

#[tokio::test]
async fn a_lease_is_granted_or_held_with_the_current_entry() {
    let server = MockServer::start().await;
    let item = json!({"lease_until": {"N": "5000"}, "event_count": {"N": "7"}, "alerted": {"SS": ["event#1"]}});
    let held = dynamodb_error("ConditionalCheckFailedException", &json!({"Item": item}));
    expect_dynamodb(&server, "UpdateItem", 1, held).await;
    expect_dynamodb(&server, "UpdateItem", 1, dynamodb(&json!({"Attributes": item}))).await;
    let [now, until] = [5, 9].map(|second| Timestamp::from_second(second).expect("a time"));
    let claim = Claim { threshold: 10, holder: "request#1", now, until };
    let ledger = Sdk::new(&server.uri()).await.ledger();
    let Claimed::Held(entry) = ledger.claim(&key(), &claim).await.expect("a result") else { panic!("held") };
    assert_eq!((entry.count, entry.alerted_on(TopicRole::Event)), (7, 1));
    let Claimed::Granted(entry) = ledger.claim(&key(), &claim).await.expect("a result") else { panic!("granted") };
    assert_eq!(entry.count, 7);
    let values = &dynamodb_requests(&server, "UpdateItem").await[0]["ExpressionAttributeValues"];
    assert_eq!([&values[":now"]["N"], &values[":until"]["N"], &values[":threshold"]["N"]], ["5000", "9000", "10"]);
    assert_eq!(values[":holder"]["S"], "request#1");
}

#[tokio::test]
async fn confirmed_topics_are_added_without_a_condition() {
    let server = MockServer::start().await;
    expect_dynamodb(&server, "UpdateItem", 1, dynamodb(&json!({}))).await;
    let ledger = Sdk::new(&server.uri()).await.ledger();
    ledger.record_alerted(&key(), 100, &[TopicRole::Alert, TopicRole::Event]).await.expect("recorded");
    let request = &dynamodb_requests(&server, "UpdateItem").await[0];
    assert_eq!(request["ExpressionAttributeValues"][":alerted"], json!({"SS": ["alert#100", "event#100"]}));
    assert_eq!(request.get("ConditionExpression"), None);
}

fn regions(count: usize) -> Vec<AccountRegion> {
    let region = |n| AccountRegion { account: format!("{n:012}"), region: "us-east-1".to_owned() };
    (0..count).map(region).collect()
}

#[tokio::test]
async fn heartbeats_are_written_in_batches() {
    let server = MockServer::start().await;
    expect_dynamodb(&server, "BatchWriteItem", 2, dynamodb(&json!({}))).await;
    let now = Timestamp::constant(1_767_323_100, 0);
    Sdk::new(&server.uri()).await.ledger().record_heartbeats(&regions(30), now).await.expect("recorded");
    let requests = dynamodb_requests(&server, "BatchWriteItem").await;
    let items: Vec<_> = requests.iter().filter_map(|it| it["RequestItems"]["ledger"].as_array()).flatten().collect();
    assert_eq!(items.len(), 30);
    let item = &items[29]["PutRequest"]["Item"];
    assert_eq!(
        [&item["id"]["S"], &item["arrived"]["N"], &item["expires"]["N"]],
        ["digest#000000000029#us-east-1", "1767323100", "1768532700"]
    );
}

#[tokio::test]
async fn a_throttled_heartbeat_is_an_error() {
    let server = MockServer::start().await;
    let left = json!({"UnprocessedItems": {"ledger": [{"PutRequest": {"Item": {"id": {"S": "digest#1#us-east-1"}}}}]}});
    expect_dynamodb(&server, "BatchWriteItem", 1, dynamodb(&left)).await;
    let ledger = Sdk::new(&server.uri()).await.ledger();
    let error = ledger.record_heartbeats(&regions(1), Timestamp::UNIX_EPOCH).await.expect_err("an error");
    assert_eq!(error.to_string(), "dynamodb:BatchWriteItem: UnprocessedItems");
}

/// The second page has an attribute and an item that this version does not know.
#[tokio::test]
async fn heartbeats_are_read_page_by_page() {
    let server = MockServer::start().await;
    let item =
        |id: &str| json!({"id": {"S": id}, "arrived": {"N": "60"}, "expires": {"N": "99"}, "new": {"BOOL": true}});
    let first = json!({"Items": [item("digest#111122223333#us-east-1")], "LastEvaluatedKey": {"id": {"S": "k"}}});
    let second = json!({"Items": [item("digest#111122223333#eu-west-1"), item("digest#new")]});
    expect_dynamodb(&server, "Scan", 1, dynamodb(&first)).await;
    expect_dynamodb(&server, "Scan", 1, dynamodb(&second)).await;
    let found = Sdk::new(&server.uri()).await.ledger().heartbeats().await.expect("heartbeats");
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "111122223333 us-east-1, last digest 1970-01-01 00:01:00 UTC",
            "111122223333 eu-west-1, last digest 1970-01-01 00:01:00 UTC"
        ]
    );
    let requests = dynamodb_requests(&server, "Scan").await;
    assert_eq!(requests[1]["ExclusiveStartKey"]["id"]["S"], "k");
}

/// The JSON of a change of the queue at this second, as it is stored.
fn change(second: i64) -> String {
    json!({"i": format!("event-{second}"), "t": second, "s": "sqs", "a": "DeleteQueue", "c": "role deployer",
           "r": ["queue#111122223333#us-east-1#orders-queue"]})
    .to_string()
}

/// The JSON of a stop at this second, as it is stored.
fn stop(second: i64) -> String {
    json!({"k": key().dedup_key.to_string(), "t": second, "g": "AUTHORIZATION_ERROR", "n": "orders"}).to_string()
}

fn queue() -> ResourceKey {
    ResourceKey::try_from("queue#111122223333#us-east-1#orders-queue".to_owned()).expect("a key")
}

/// The sets contain an element that this version does not know.
#[tokio::test]
async fn a_change_and_a_stop_are_each_one_call_that_returns_the_other() {
    let server = MockServer::start().await;
    let item = json!({"changes": {"SS": [change(60), change(90), "{}"]}, "stops": {"SS": [stop(120), "new"]}});
    expect_dynamodb(&server, "UpdateItem", 2, dynamodb(&json!({"Attributes": item}))).await;
    let ledger = Sdk::new(&server.uri()).await.ledger();
    let added: Change = serde_json::from_str(&change(90)).expect("a change");
    let stops = ledger.add_change(&queue(), &added).await.expect("stops");
    assert_eq!(stops.iter().map(|it| it.at.as_second()).collect::<Vec<_>>(), [120]);
    let changes = ledger.add_stop(&queue(), &stops[0]).await.expect("changes");
    assert_eq!(changes.iter().map(|it| it.at.as_second()).collect::<Vec<_>>(), [90, 60], "the newest one first");
    let requests = dynamodb_requests(&server, "UpdateItem").await;
    let new = |at: usize| requests[at]["ExpressionAttributeValues"][":new"]["SS"][0].as_str().expect("JSON").to_owned();
    assert_eq!(serde_json::from_str::<Change>(&new(0)).expect("a change"), added);
    assert_eq!(serde_json::from_str::<StoppedMapping>(&new(1)).expect("a stop"), stops[0]);
    assert_eq!(requests[0]["UpdateExpression"], "SET expires = :expires ADD changes :new");
    assert_eq!(requests[1]["UpdateExpression"], "SET expires = :expires ADD stops :new");
    assert_eq!(requests[0]["ReturnValues"], "ALL_NEW");
    assert_eq!(requests[0]["Key"], requests[1]["Key"]);
    let id = requests[0]["Key"]["id"]["S"].as_str().expect("an ID");
    assert_eq!((id.len(), id.starts_with("resource#")), ("resource#".len() + 32, true));
}

#[tokio::test]
async fn a_full_set_is_reduced_to_the_newest_elements() {
    let server = MockServer::start().await;
    let changes: Vec<_> = (1..=15).map(change).chain(["unreadable".to_owned()]).collect();
    expect_dynamodb(&server, "UpdateItem", 1, dynamodb(&json!({"Attributes": {"changes": {"SS": changes}}}))).await;
    expect_dynamodb(&server, "UpdateItem", 1, dynamodb(&json!({}))).await;
    let added: Change = serde_json::from_str(&change(15)).expect("a change");
    let ledger = Sdk::new(&server.uri()).await.ledger();
    assert_eq!(ledger.add_change(&queue(), &added).await.expect("stops"), []);
    let request = &dynamodb_requests(&server, "UpdateItem").await[1];
    assert_eq!(request["UpdateExpression"], "DELETE changes :oldest");
    let mut oldest = vec!["unreadable".to_owned()];
    oldest.extend((1..=5).map(change));
    assert_eq!(request["ExpressionAttributeValues"][":oldest"]["SS"], json!(oldest));
}

#[tokio::test]
async fn an_unavailable_table_is_an_error_of_the_causes() {
    let server = MockServer::start().await;
    expect_dynamodb(&server, "UpdateItem", 1, dynamodb_error("AccessDeniedException", &json!({}))).await;
    let added: Change = serde_json::from_str(&change(15)).expect("a change");
    let error = Sdk::new(&server.uri()).await.ledger().add_change(&queue(), &added).await.expect_err("an error");
    assert_eq!(error.operation, "dynamodb:UpdateItem");
}
