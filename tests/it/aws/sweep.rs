//! Sweeps over sockets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trailwarden::aws::Accounts;
use trailwarden::sweep::{MappingSource as _, SweepAccounts, SweepRegions};
use trailwarden::{delivery, service};

use crate::fakes::sockets::Sdk;
use crate::fakes::sockets::lambda_api::{Call, Fault, LambdaServer, Operation};
use crate::fakes::{MemoryBucket, MemoryTopic};
use crate::fixture::Fixture;
use crate::fixture::records::{ACCOUNT, REGION};

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];
const ACCOUNTS: usize = 50;
const MAPPINGS: usize = 5_000;

fn account(n: usize) -> String {
    if n == 0 { ACCOUNT.to_owned() } else { format!("{n:012}") }
}

fn mapping(n: usize, state: &str) -> Value {
    json!({
        "UUID": format!("863d0ee4-2f3c-4994-8005-{n:012}"),
        "State": state,
        "StateTransitionReason": if state == "Disabled" { "Lambda initiated" } else { "USER_INITIATED" },
        "LastProcessingResult": "OK",
        // The clock of a test starts in 1970.
        "LastModified": -3_600.0,
        "FunctionArn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:f{n}"),
        "EventSourceArn": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:q{n}"),
        "FilterCriteriaError": {"ErrorCode": "CODE", "Message": "why"},
        "NewField": {"unknown": true},
    })
}

/// Sets the mappings of all accounts and Regions.
fn list(server: &LambdaServer, state: impl Fn(usize) -> &'static str) {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for n in 0..MAPPINGS {
        let mut mapping = mapping(n, state(n));
        mapping.as_object_mut().expect("an object").remove("FilterCriteriaError");
        all.entry((account(n % ACCOUNTS), REGIONS[n / ACCOUNTS % 3])).or_default().push(mapping);
    }
    for ((account, region), mappings) in all {
        server.list(&account, region, mappings);
    }
}

/// The maximum number of calls to one account and Region within a second.
fn most_calls_per_second(calls: &[Call]) -> usize {
    let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for call in calls {
        places.entry((&call.access_key, &call.region)).or_default().push(call.at);
    }
    let within = |times: &Vec<Instant>| {
        let count = |at: &Instant| times.iter().filter(|it| **it >= *at && **it - *at < Duration::from_secs(1)).count();
        times.iter().map(count).max().unwrap_or_default()
    };
    places.values().map(within).max().expect("calls")
}

#[tokio::test]
async fn pages_have_every_field_that_a_sweep_needs() {
    let server = LambdaServer::start().await;
    server.list(ACCOUNT, REGION, (0..45).map(|n| mapping(n, "Enabled")).collect());
    let accounts = Accounts { own: Some(ACCOUNT.to_owned()), member_role: None };
    let api = Sdk::new(&server.url()).await.lambda_api(accounts);
    let place = delivery::AccountRegion { account: ACCOUNT.to_owned(), region: REGION.to_owned() };
    let (mut marker, mut found) = (None, Vec::new());
    loop {
        let page = api.list(&place, marker.as_deref()).await.expect("a page");
        found.extend(page.mappings);
        marker = page.next;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!((found.len(), server.calls(Operation::ListEventSourceMappings).len()), (45, 3));
    insta::assert_debug_snapshot!(found[44], @r#"
    Mapping {
        uuid: "863d0ee4-2f3c-4994-8005-000000000044",
        function_arn: Some(
            "arn:aws:lambda:us-east-1:111122223333:function:f44",
        ),
        event_source_arn: Some(
            "arn:aws:sqs:us-east-1:111122223333:q44",
        ),
        state: Some(
            "Enabled",
        ),
        reason: Some(
            "USER_INITIATED",
        ),
        last_result: Some(
            "OK",
        ),
        modified: Some(
            1969-12-31T23:00:00Z,
        ),
        filter_error: Some(
            FilterError {
                code: "CODE",
                message: "why",
            },
        ),
    }
    "#);
    for (fault, expected) in [
        (Fault::Throttles, service::Fault::Unavailable),
        (Fault::Denies, service::Fault::Denied),
        (Fault::Fails, service::Fault::Unavailable),
    ] {
        server.fault(Operation::ListEventSourceMappings, fault);
        assert_eq!(api.list(&place, None).await.expect_err("an error").fault, expected);
    }
}

#[tokio::test]
async fn an_organization_is_swept_over_sockets() {
    let server = LambdaServer::start().await;
    let accounts = Accounts { own: Some(ACCOUNT.to_owned()), member_role: Some("reader".to_owned()) };
    let api = Sdk::new(&server.url()).await.lambda_api(accounts);
    let fixture = Fixture::over_api(MemoryBucket::default(), MemoryTopic::default(), api).configure(|it| {
        it.sweep.accounts = SweepAccounts::Listed((0..ACCOUNTS).map(account).collect());
        it.sweep.regions = SweepRegions::Listed(REGIONS.map(str::to_owned).to_vec());
    });
    let sweep = async || fixture.invoke_with(r#"{"trailwarden":"sweep"}"#).await;
    list(&server, |_| "Enabled");
    let run = sweep().await;
    assert_eq!((run.counters.places_swept, run.counters.mappings_swept), (150, MAPPINGS as u64));
    let is_stopped = |n: usize| n.is_multiple_of(10);
    list(&server, |n| if is_stopped(n) { "Disabled" } else { "Enabled" });
    server.throttle_every(7);
    let mut alerted = BTreeMap::new();
    for _ in 0..3 {
        for message in sweep().await.alerts {
            let function = message.attributes.iter().find(|it| it.name == "function_name").expect("a function");
            *alerted.entry(function.values[0].clone()).or_insert(0) += 1;
        }
    }
    let expected: BTreeMap<_, _> = (0..MAPPINGS).filter(|n| is_stopped(*n)).map(|n| (format!("f{n}"), 1)).collect();
    assert_eq!(alerted, expected);
    assert!(server.calls(Operation::AssumeRole).len() >= ACCOUNTS - 1);
    let most = most_calls_per_second(&server.calls(Operation::ListEventSourceMappings));
    assert!(most < 15, "{most} calls in a second");
}

/// Calls to one account hang until the invocation must end. The other accounts are swept.
#[tokio::test]
async fn a_list_that_hangs_ends_with_the_time_of_the_invocation() {
    let server = LambdaServer::start().await;
    server.fault(Operation::ListEventSourceMappings, Fault::Hangs);
    let accounts = Accounts { own: Some(ACCOUNT.to_owned()), member_role: None };
    let api = Sdk::new(&server.url()).await.lambda_api(accounts);
    let fixture = Fixture::over_api(MemoryBucket::default(), MemoryTopic::default(), api);
    let time_up = tokio::time::sleep(Duration::from_millis(300));
    let started = Instant::now();
    let outcome = fixture.run("1", r#"{"trailwarden":"sweep"}"#, time_up).await;
    assert_eq!((outcome.counters.sweep_failures, outcome.counters.places_swept), (1, 0));
    assert!(started.elapsed() < Duration::from_secs(5));
}
