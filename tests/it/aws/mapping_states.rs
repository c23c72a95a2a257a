//! The states of mappings in DynamoDB.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use trailwarden::delivery::AccountRegion;
use trailwarden::detect::MappingNames;
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

#[tokio::test]
async fn the_latest_transitions_of_a_mapping_are_kept() {
    let server = MockServer::start().await;
    let item = json!({"stopped_at": {"N": "60"}, "alert": {"S": "5".repeat(32)}, "new": {"BOOL": true}});
    expect_dynamodb(&server, "UpdateItem", 1, dynamodb(&json!({"Attributes": item}))).await;
    let mut later = item.clone();
    later["ended_at"] = json!({"N": "120"});
    let refused = dynamodb_error("ConditionalCheckFailedException", &json!({"Item": later}));
    expect_dynamodb(&server, "UpdateItem", 1, refused).await;
    let ledger = Sdk::new(&server.uri()).await.ledger();
    let record = async |transition| ledger.record_transition(&mapping(), &names(), transition).await.expect("a state");
    let stopped = MappingState { stopped: Some(stop(60)), ..MappingState::default() };
    assert_eq!(record(Transition::Stopped(stop(60))).await, stopped);
    assert_eq!(record(Transition::Ended(at(90))).await, MappingState { ended: Some(at(120)), ..stopped });
}

/// A sweep has reported the mapping as stopped since an earlier time.
#[tokio::test]
async fn a_stop_that_a_sweep_has_reported_moves_the_known_one() {
    let server = MockServer::start().await;
    let item = |at: u8| json!({"stopped_at": {"N": at.to_string()}, "alert": {"S": "5".repeat(32)}, "reported_at": {"N": "90"}});
    let refused = dynamodb_error("ConditionalCheckFailedException", &json!({"Item": item(60)}));
    expect_dynamodb(&server, "UpdateItem", 1, refused).await;
    expect_dynamodb(&server, "UpdateItem", 1, dynamodb(&json!({"Attributes": item(80)}))).await;
    let ledger = Sdk::new(&server.uri()).await.ledger();
    let state = ledger.record_transition(&mapping(), &names(), Transition::Stopped(stop(80))).await.expect("a state");
    assert_eq!(state.stopped, Some(stop(80)));
    let requests = dynamodb_requests(&server, "UpdateItem").await;
    assert_eq!(
        requests[1]["ConditionExpression"],
        "stopped_at < :at AND reported_at >= :at AND \
         (attribute_not_exists(ended_at) OR ended_at <= stopped_at OR ended_at > :at)"
    );
}

/// A sweep has reported the mapping as stopped, and then its end was recorded.
#[tokio::test]
async fn a_stop_after_an_end_replaces_the_known_one() {
    let server = MockServer::start().await;
    let item = |stopped: u8, reported: u8| {
        json!({"stopped_at": {"N": stopped.to_string()}, "alert": {"S": "5".repeat(32)},
                                "ended_at": {"N": "70"}, "reported_at": {"N": reported.to_string()}})
    };
    let refused = dynamodb_error("ConditionalCheckFailedException", &json!({"Item": item(60, 90)}));
    expect_dynamodb(&server, "UpdateItem", 2, refused).await;
    expect_dynamodb(&server, "UpdateItem", 1, dynamodb(&json!({"Attributes": item(80, 70)}))).await;
    let ledger = Sdk::new(&server.uri()).await.ledger();
    let state = ledger.record_transition(&mapping(), &names(), Transition::Stopped(stop(80))).await.expect("a state");
    assert_eq!((state.open(), state.reported_at), (Some(stop(80)), Some(at(70))));
    let requests = dynamodb_requests(&server, "UpdateItem").await;
    assert_eq!(
        requests[2]["UpdateExpression"],
        "SET stopped_at = :at, alert = :alert, expires = :expires, reported_at = ended_at, function_arn = :function_arn \
         REMOVE is_found, reported, missing_since"
    );
    assert_eq!(requests[2]["ConditionExpression"], "stopped_at < ended_at AND ended_at <= :at AND reported_at >= :at");
}

/// Each transition is one conditional update. `MappingState::after` describes its effect.
#[tokio::test]
async fn each_transition_is_one_conditional_update() {
    let server = MockServer::start().await;
    expect_dynamodb(&server, "UpdateItem", 9, dynamodb(&json!({"Attributes": {}}))).await;
    let ledger = Sdk::new(&server.uri()).await.ledger();
    for transition in [
        Transition::Stopped(stop(60)),
        Transition::FoundStopped(stop(60)),
        Transition::Ended(at(120)),
        Transition::Reported { alert: stop(60).alert, number: 2, at: at(60) },
        Transition::Failing(at(60)),
        Transition::FailingNotified(at(60)),
        Transition::NotFailing,
        Transition::Missing(at(60)),
        Transition::Present,
    ] {
        ledger.record_transition(&mapping(), &names(), transition).await.expect("a state");
    }
    let requests = dynamodb_requests(&server, "UpdateItem").await;
    assert_eq!(requests[0]["Key"]["id"]["S"], "mapping#1#us-east-1#u");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let lines = requests.iter().map(|it| {
        let (update, condition) = (text(&it["UpdateExpression"]), text(&it["ConditionExpression"]));
        format!("{} | {}", update.replace(", expires = :expires", "").replace("SET expires = :expires ", ""), condition)
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @"
    SET stopped_at = :at, alert = :alert, function_arn = :function_arn REMOVE is_found, reported, missing_since | (attribute_not_exists(stopped_at) OR stopped_at < :at OR (stopped_at <= :soon AND attribute_exists(is_found) AND attribute_not_exists(reported) AND (attribute_not_exists(ended_at) OR ended_at <= stopped_at))) AND (attribute_not_exists(reported_at) OR reported_at < :at)
    SET stopped_at = :at, alert = :alert, is_found = :true, function_arn = :function_arn REMOVE reported, missing_since | (attribute_not_exists(stopped_at) OR ended_at > stopped_at) AND (attribute_not_exists(ended_at) OR ended_at < :at)
    SET ended_at = :at | attribute_not_exists(ended_at) OR ended_at < :at
    SET reported = :report, reported_at = :at | alert = :alert AND (attribute_not_exists(reported) OR reported <= :report)
    SET failing_since = if_not_exists(failing_since, :at), function_arn = :function_arn | -
    SET failing_notified = :true | failing_since = :at
    REMOVE failing_since, failing_notified | -
    SET missing_since = if_not_exists(missing_since, :at) | -
    REMOVE missing_since | -
    ");
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
