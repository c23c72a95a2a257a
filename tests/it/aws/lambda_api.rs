//! The Lambda API.

use std::time::{Duration, Instant};

use trailwarden::aws::{Accounts, LambdaApi};
use trailwarden::delivery::AccountRegion;
use trailwarden::enrich::{ContextSource as _, LOOKUP_TIME, OwnerTagKeys};
use trailwarden::service;
use trailwarden::triage::{MappingNow, PresentState, Tag};

use crate::fakes::sockets::Sdk;
use crate::fakes::sockets::lambda_api::{Fault, LambdaServer, Operation, function_arn};
use crate::fakes::{MemoryBucket, MemoryTopic};
use crate::fixture::records::{ACCOUNT, REGION, disabled_mapping};
use crate::fixture::{Fixture, Run};

const UUID: &str = "d46904b0-0f95-48b0-8001-000000000001";
const MEMBER: &str = "444455556666";

fn at(account: &str, region: &str) -> AccountRegion {
    AccountRegion { account: account.to_owned(), region: region.to_owned() }
}

async fn api(server: &LambdaServer, member_role: Option<&str>) -> LambdaApi {
    let accounts = Accounts { own: Some(ACCOUNT.to_owned()), member_role: member_role.map(str::to_owned) };
    Sdk::new(&server.url()).await.lambda_api(accounts)
}

#[tokio::test]
async fn a_mapping_its_function_and_its_tags_are_read() {
    let server = LambdaServer::start().await;
    let (api, here) = (api(&server, None).await, at(ACCOUNT, REGION));
    let mapping = api.mapping(&here, UUID).await.expect("a mapping");
    assert_eq!(mapping.state, PresentState::Disabled);
    assert_eq!(mapping.state_reason.as_deref(), Some("User action"));
    assert_eq!(mapping.last_processing_result.as_deref(), Some("PROBLEM: Function call failed"));
    assert_eq!(mapping.function_arn.as_deref(), Some(function_arn().as_str()));
    let function = api.function(&here, &format!("{}:live", function_arn())).await.expect("a response");
    let function = function.expect("a function");
    assert_eq!(function.role_arn.as_deref(), Some("arn:aws:iam::111122223333:role/orders"));
    assert_eq!(function.kms_key_arn.as_deref(), Some("arn:aws:kms:us-east-1:111122223333:key/1"));
    assert!(!format!("{function:?}").contains("secret"), "environment variables are dropped");
    let tags = api.tags(&here, &function_arn()).await.expect("tags");
    assert!(tags.contains(&Tag { key: "team".to_owned(), value: "payments".to_owned() }));
}

#[tokio::test]
async fn what_does_not_exist_is_no_error() {
    let server = LambdaServer::start().await;
    let (api, here) = (api(&server, None).await, at(ACCOUNT, REGION));
    let other = "arn:aws:lambda:us-east-1:111122223333:function:other";
    assert_eq!(
        api.mapping(&here, "00000000-0000-0000-0000-000000000000").await.expect("a mapping"),
        MappingNow::deleted()
    );
    assert_eq!(api.function(&here, other).await.expect("a response"), None);
    assert_eq!(api.tags(&here, other).await.expect("a response"), []);
}

#[tokio::test]
async fn faults_are_classified_and_transient_ones_are_retried() {
    for (fault, expected, code, attempts) in [
        (Fault::Throttles, service::Fault::Unavailable, "TooManyRequestsException", 3),
        (Fault::Denies, service::Fault::Denied, "AccessDeniedException", 1),
        (Fault::Fails, service::Fault::Unavailable, "ServiceException", 3),
    ] {
        let server = LambdaServer::start().await;
        server.fault(Operation::GetEventSourceMapping, fault);
        let error = api(&server, None).await.mapping(&at(ACCOUNT, REGION), UUID).await.expect_err("an error");
        assert_eq!((error.fault, error.code.as_str()), (expected, code));
        assert_eq!(server.calls(Operation::GetEventSourceMapping).len(), attempts, "{fault:?}");
    }
}

#[tokio::test]
async fn another_account_is_read_through_its_member_role_with_one_session_for_all_regions() {
    let server = LambdaServer::start().await;
    let api = api(&server, Some("audit/reader")).await;
    for region in [REGION, "eu-west-1", REGION] {
        api.mapping(&at(MEMBER, region), UUID).await.expect("a mapping");
    }
    api.mapping(&at(ACCOUNT, REGION), UUID).await.expect("a mapping");
    let sessions = server.calls(Operation::AssumeRole);
    assert_eq!(sessions.len(), 1);
    let body = &sessions[0].body;
    assert!(body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Faudit%2Freader"), "{body}");
    assert!(body.contains("RoleSessionName=trailwarden"), "{body}");
    let calls = server.calls(Operation::GetEventSourceMapping);
    let signed: Vec<_> = calls.iter().map(|it| (it.access_key.as_str(), it.region.as_str())).collect();
    assert_eq!(
        signed,
        [
            ("member-444455556666", REGION),
            ("member-444455556666", "eu-west-1"),
            ("member-444455556666", REGION),
            ("id", REGION)
        ]
    );
}

#[tokio::test]
async fn a_member_role_that_cannot_be_assumed_is_denied() {
    let server = LambdaServer::start().await;
    server.fault(Operation::AssumeRole, Fault::Denies);
    let error = api(&server, Some("reader")).await.mapping(&at(MEMBER, REGION), UUID).await.expect_err("denied");
    assert_eq!(
        (error.fault, error.to_string().as_str()),
        (service::Fault::Denied, "sts:AssumeRole: AccessDenied: injected")
    );
    assert_eq!(server.calls(Operation::GetEventSourceMapping), []);
}

/// Invokes a pipeline over this server with one stopped mapping, and measures how long it takes.
async fn alert(server: &LambdaServer) -> (Run, Duration) {
    let api = api(server, None).await;
    let fixture = Fixture::over_api(MemoryBucket::default(), MemoryTopic::default(), api);
    let fixture = fixture.object("a", [disabled_mapping(1, "orders", "AUTHORIZATION_ERROR")]);
    let fixture = fixture.configure(|pipeline| pipeline.context = Some(OwnerTagKeys::default()));
    let started = Instant::now();
    let run = fixture.invoke(&["a"]).await;
    (run, started.elapsed())
}

#[tokio::test]
async fn an_alert_over_sockets_has_all_context() {
    let server = LambdaServer::start().await;
    let (run, _) = alert(&server).await;
    assert_eq!((run.counters.alerts_published, run.counters.context_errors), (1, 0));
    let rendered = run.rendered();
    for part in
        ["the mapping was still disabled", "\nowner: payments\n", "role/orders", "PROBLEM: Function call failed"]
    {
        assert!(rendered.contains(part), "{part} in {rendered}");
    }
}

#[tokio::test]
async fn with_any_fault_of_the_lambda_api_an_alert_arrives_within_its_time() {
    for operation in [Operation::GetEventSourceMapping, Operation::GetFunctionConfiguration, Operation::ListTags] {
        for fault in [Fault::Throttles, Fault::Denies, Fault::Fails, Fault::Hangs] {
            let server = LambdaServer::start().await;
            server.fault(operation, fault);
            let (run, elapsed) = alert(&server).await;
            assert_eq!((run.failed().as_str(), run.counters.alerts_published), ("", 1), "{operation:?} {fault:?}");
            assert_eq!(run.counters.context_errors, 1, "{operation:?} {fault:?}");
            assert!(elapsed < LOOKUP_TIME + Duration::from_millis(200), "{operation:?} {fault:?}: {elapsed:?}");
        }
    }
}
