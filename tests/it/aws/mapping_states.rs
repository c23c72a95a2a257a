//! The states of mappings in DynamoDB.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use trailwarden::delivery::AccountRegion;
use trailwarden::detect::MappingNames;
use trailwarden::service::ServiceError;
use trailwarden::triage::{DedupKey, MappingKey, MappingState, MappingStates, Stop, Transition};
use wiremock::MockServer;

use crate::fakes::sockets::Sdk;
use crate::fakes::sockets::responses::{dynamodb, dynamodb_error, dynamodb_requests, expect_dynamodb};

fn at(second: i64) -> Timestamp {
    Timestamp::constant(second, 0)
}

fn stop(second: i64) -> Stop {
    Stop { at: at(second), alert: DedupKey::parse(&"5".repeat(32)).expect("a key") }
}

fn mapping() -> MappingKey {
    MappingKey { account: "1".to_owned(), region: "us-east-1".to_owned(), uuid: "u".to_owned() }
}

fn names() -> MappingNames {
    MappingNames { function_arn: Some("f".to_owned()), event_source_arn: None, mapping_uuid: None }
}

/// An item whose mapping stopped at 60.
fn stopped_item(version: u8) -> Value {
    json!({"id": {"S": "mapping#1#us-east-1#u"}, "version": {"N": version.to_string()}, "stopped_at": {"N": "60"},
           "alert": {"S": "5".repeat(32)}, "new": {"BOOL": true}})
}

/// Expects a write that fails because the item is this one.
async fn expect_other_version(server: &MockServer, item: &Value) {
    let refused = dynamodb_error("ConditionalCheckFailedException", &json!({"Item": item}));
    expect_dynamodb(server, "PutItem", 1, refused).await;
}

async fn record(server: &MockServer, transition: Transition) -> Result<MappingState, ServiceError> {
    Sdk::new(&server.uri()).await.ledger().record_transition(&mapping(), &names(), transition).await
}

#[tokio::test]
async fn the_first_transition_of_a_mapping_is_one_call() {
    let server = MockServer::start().await;
    expect_dynamodb(&server, "PutItem", 1, dynamodb(&json!({}))).await;
    let state = record(&server, Transition::Stopped(stop(60))).await.expect("a state");
    assert_eq!(state, MappingState { stopped: Some(stop(60)), ..MappingState::default() });
    let [mut request] = dynamodb_requests(&server, "PutItem").await.try_into().expect("one request");
    assert_eq!(request["ConditionExpression"], "attribute_not_exists(#version)");
    assert!(request["Item"]["expires"].take()["N"].is_string());
    let item = json!({"id": {"S": "mapping#1#us-east-1#u"}, "version": {"N": "1"}, "expires": null, "stopped_at": {"N": "60"},
                      "alert": {"S": "5".repeat(32)}, "function_arn": {"S": "f"}});
    assert_eq!(request["Item"], item);
}

#[tokio::test]
async fn a_later_transition_replaces_the_version_that_it_read() {
    let server = MockServer::start().await;
    expect_other_version(&server, &stopped_item(7)).await;
    expect_dynamodb(&server, "PutItem", 1, dynamodb(&json!({}))).await;
    let state = record(&server, Transition::Ended(at(90))).await.expect("a state");
    assert_eq!(state, MappingState { stopped: Some(stop(60)), ended: Some(at(90)), ..MappingState::default() });
    let requests = dynamodb_requests(&server, "PutItem").await;
    assert_eq!(requests[1]["ConditionExpression"], "#version = :version");
    assert_eq!(requests[1]["ExpressionAttributeValues"], json!({":version": {"N": "7"}}));
    let item = &requests[1]["Item"];
    assert_eq!((&item["version"]["N"], &item["ended_at"]["N"]), (&json!("8"), &json!("90")));
    assert_eq!(item["new"], json!({"BOOL": true}), "attributes of a later version are kept");
}

#[tokio::test]
async fn a_transition_that_changes_nothing_is_not_written() {
    let server = MockServer::start().await;
    expect_other_version(&server, &stopped_item(1)).await;
    let state = record(&server, Transition::Stopped(stop(60))).await.expect("a state");
    assert_eq!(state.open(), Some(stop(60)));
}

#[tokio::test]
async fn the_state_of_a_concurrent_write_is_taken_into_account() {
    let server = MockServer::start().await;
    let mut ended = stopped_item(2);
    ended["ended_at"] = json!({"N": "120"});
    expect_other_version(&server, &stopped_item(1)).await;
    expect_other_version(&server, &ended).await;
    let state = record(&server, Transition::Ended(at(90))).await.expect("a state");
    assert_eq!(state.ended, Some(at(120)));
}

#[tokio::test]
async fn a_state_that_others_keep_writing_is_a_retryable_error() {
    let server = MockServer::start().await;
    for version in 1..=4 {
        expect_other_version(&server, &stopped_item(version)).await;
    }
    assert!(record(&server, Transition::Ended(at(90))).await.expect_err("an error").retryable);
}

/// All attributes are read again as they were written.
#[tokio::test]
async fn a_written_state_is_read_again() {
    let server = MockServer::start().await;
    let mut item = stopped_item(1);
    for transition in [
        Transition::FoundStopped(stop(60)),
        Transition::Reported { alert: stop(60).alert, number: 2, at: at(70) },
        Transition::Failing(at(80)),
        Transition::FailingNotified(at(80)),
        Transition::Missing(at(90)),
        Transition::Ended(at(50)),
    ] {
        server.reset().await;
        expect_other_version(&server, &item).await;
        expect_dynamodb(&server, "PutItem", 1, dynamodb(&json!({}))).await;
        let known = record(&server, transition).await.expect("a state");
        let written = dynamodb_requests(&server, "PutItem").await;
        if let Some(written) = written.get(1) {
            item = written["Item"].clone();
        } else {
            assert!(matches!(transition, Transition::FoundStopped(_)), "a stop is known already");
        }
        server.reset().await;
        expect_other_version(&server, &item).await;
        assert_eq!(record(&server, transition).await.expect("a state"), known, "{transition:?}");
    }
    assert_eq!(item["missing_since"]["N"], "90");
}

/// The pages contain attributes and items that this version does not know.
#[tokio::test]
async fn what_sweeps_know_is_read_page_by_page() {
    let server = MockServer::start().await;
    let known = json!({"id": {"S": "mapping#1#us-east-1#u"}, "stopped_at": {"N": "60"}, "alert": {"S": "5".repeat(32)},
                       "is_found": {"BOOL": true}, "reported": {"N": "2"}, "reported_at": {"N": "70"}, "failing_since": {"N": "80"}, "missing_since": {"N": "90"},
                       "failing_notified": {"BOOL": true}, "function_arn": {"S": "f"}, "new": {"BOOL": true}});
    let first = json!({"Items": [known, {"id": {"S": "mapping#new"}}], "LastEvaluatedKey": {"id": {"S": "k"}}});
    let second = json!({"Items": [{"id": {"S": "swept#1#eu-west-1"}}, {"id": {"S": "swept#new"}},
                                  {"id": {"S": "digest#1#eu-west-1"}}]});
    expect_dynamodb(&server, "Scan", 1, dynamodb(&first)).await;
    expect_dynamodb(&server, "Scan", 1, dynamodb(&second)).await;
    expect_dynamodb(&server, "Scan", 3, dynamodb(&json!({"Items": []}))).await;
    let found = Sdk::new(&server.uri()).await.ledger().sweep_state().await.expect("a state");
    let [known] = found.mappings.as_slice() else { panic!("one mapping, found {found:?}") };
    let state = MappingState {
        stopped: Some(stop(60)),
        ended: None,
        is_found: true,
        reported: Some(2),
        reported_at: Some(at(70)),
        failing: Some(at(80)),
        failing_notified: true,
        missing: Some(at(90)),
    };
    assert_eq!((&known.key, known.state), (&mapping(), state));
    assert_eq!((known.names.function_arn.as_deref(), known.names.event_source_arn.as_deref()), (Some("f"), None));
    let swept = AccountRegion { account: "1".to_owned(), region: "eu-west-1".to_owned() };
    assert_eq!((found.swept.contains(&swept), found.digests.contains(&swept)), (true, true));
    let requests = dynamodb_requests(&server, "Scan").await;
    let segments: BTreeSet<_> = requests.iter().filter_map(|it| it["Segment"].as_u64()).collect();
    assert_eq!(segments, (0..4).collect());
    let continued = requests.iter().filter(|it| it["ExclusiveStartKey"]["id"]["S"] == "k").count();
    assert_eq!((requests.len(), continued), (5, 1));
}
