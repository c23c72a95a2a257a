//! Alerts about denied calls.

use insta::assert_snapshot;
use serde_json::{Value, json};
use trailwarden::detect::EventSources;

use crate::fixture::Fixture;
use crate::fixture::payload::notification;
use crate::fixture::records::{ACCOUNT, REGION, denied, denied_to};

#[tokio::test(start_paused = true)]
async fn denials_with_one_cause_are_one_alert() {
    let mut records: Vec<_> = (0..12).map(|n| denied(n, "DeleteFunction", &format!("orders-{n}"))).collect();
    records[3]["awsRegion"] = json!("eu-west-1");
    let run = Fixture::new().object("a", records).invoke(&["a"]).await;
    assert_eq!(run.failures.error_type(), None);
    assert_snapshot!(run.rendered(), @r#"
    Subject: Denied: role deployer lambda:DeleteFunction x12 111122223333 multiple Regions
    alert_type: access_denied
    severity: medium
    category: policy
    account: 111122223333
    region: us-east-1 | eu-west-1
    function_name: orders-0 | orders-1 | orders-2 | orders-3 | orders-4 | orders-5 | orders-6 | orders-7 | orders-8 | orders-9
    error_code: AccessDenied
    api_action: DeleteFunction

    Role deployer was denied lambda:DeleteFunction on 12 resources.
    12 times, from 2026-01-02 03:00:00 UTC to 2026-01-02 03:00:11 UTC in us-east-1, eu-west-1 (account 111122223333).
    The next alert will be sent at the 100th occurrence, or at the first occurrence after 2026-01-03 00:00:00 UTC.

    Why
      No identity-based policy allows the action (AccessDenied).
      AWS says: "User: arn:aws:sts::111122223333:assumed-role/deployer/run-0 is not authorized to perform: lambda:DeleteFunction on resource: arn:aws:lambda:us-east-1:111122223333:function:orders-0 because no identity-based policy allows the lambda:DeleteFunction action"

    What to do
      1. If this call should work, allow the action in an identity-based policy attached to the user or role.
      2. If this call was unexpected, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=5ea303e4-3498-4c74-8000-000000000000

    Details
      Severity      medium
      Caller        arn:aws:iam::111122223333:role/deployer
      Session name  run-0 (chosen by the caller)
      Source IP     203.0.113.0
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Error code    AccessDenied
      Functions     orders-0, orders-1, orders-2, orders-3, orders-4, orders-5, orders-6, orders-7, orders-8, orders-9 and 2 more
      Resources     arn:aws:lambda:us-east-1:111122223333:function:orders-0, arn:aws:lambda:us-east-1:111122223333:function:orders-1, arn:aws:lambda:us-east-1:111122223333:function:orders-2, arn:aws:lambda:us-east-1:111122223333:function:orders-3, arn:aws:lambda:us-east-1:111122223333:function:orders-4, arn:aws:lambda:us-east-1:111122223333:function:orders-5, arn:aws:lambda:us-east-1:111122223333:function:orders-6, arn:aws:lambda:us-east-1:111122223333:function:orders-7, arn:aws:lambda:us-east-1:111122223333:function:orders-8, arn:aws:lambda:us-east-1:111122223333:function:orders-9 and 2 more
      Event         DeleteFunction20150331 5ea303e4-3498-4c74-8000-000000000000
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz
    "#);
}

/// Region and resource do not distinguish incidents.
#[tokio::test(start_paused = true)]
async fn account_caller_action_code_policy_type_and_effect_distinguish_incidents() {
    let variant = |n: u64, change: &dyn Fn(&mut Value)| {
        let mut record = denied(n, "GetFunction", "orders");
        change(&mut record);
        record
    };
    let reason = |record: &mut Value, reason: &str| {
        let message = record["errorMessage"].as_str().expect("a message");
        let (front, _) = message.split_once(" because ").expect("a reason");
        record["errorMessage"] = json!(format!("{front} {reason}"));
    };
    let records = [
        denied(0, "GetFunction", "orders"),
        denied(1, "GetFunction", "returns"),
        variant(2, &|it| it["awsRegion"] = json!("eu-west-1")),
        variant(3, &|it| it["recipientAccountId"] = json!("444455556666")),
        denied_to("another", 4, "GetFunction", "orders"),
        denied(5, "DeleteFunction", "orders"),
        variant(6, &|it| it["errorCode"] = json!("AccessDeniedException")),
        variant(7, &|it| reason(it, "because no session policy allows the lambda:GetFunction action")),
        variant(8, &|it| reason(it, "with an explicit deny in an identity-based policy")),
    ];
    let run = Fixture::new().object("a", records).invoke(&["a"]).await;
    assert_eq!((run.counters.denials, run.counters.incidents), (9, 7));
    assert_eq!(run.subjects().iter().filter(|it| it.contains(" x3 ")).count(), 1, "{:?}", run.subjects());
}

/// Two calls of the function `orders` to DynamoDB: one that a policy denied, and one with expired credentials.
fn denials_of_a_function() -> [Value; 2] {
    let mut denial = denied(1, "GetItem", "x");
    denial["eventSource"] = json!("dynamodb.amazonaws.com");
    denial["eventName"] = json!("GetItem");
    denial["userIdentity"]["arn"] = json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/orders-role/orders"));
    denial["userIdentity"]["sessionContext"]["sessionIssuer"] =
        json!({"type": "Role", "arn": format!("arn:aws:iam::{ACCOUNT}:role/orders-role"), "userName": "orders-role"});
    denial["userIdentity"]["inScopeOf"] = json!({
        "issuerType": "AWS::Lambda::Function",
        "credentialsIssuedTo": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders")
    });
    denial["errorMessage"] = json!(format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/orders-role/orders is not authorized to perform: dynamodb:GetItem on \
         resource: arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders with an explicit deny in a service control policy: \
         arn:aws:organizations::999999999999:policy/o-x/service_control_policy/p-x"
    ));
    let mut expired = denial.clone();
    expired["errorCode"] = json!("ExpiredTokenException");
    expired["errorMessage"] = json!("The security token included in the request is expired");
    [denial, expired]
}

#[tokio::test(start_paused = true)]
async fn denials_of_other_services_are_not_alerted_by_default() {
    let run = Fixture::new().object("a", denials_of_a_function()).invoke(&["a"]).await;
    assert_eq!((run.counters.findings, run.alerts.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_denial_of_another_service_names_the_calling_function() {
    let fixture = Fixture::new().object("a", denials_of_a_function()).configure(|it| {
        it.detector.event_sources = EventSources::all();
        it.detector.authentication_failures = true;
    });
    let run = fixture.invoke(&["a"]).await;
    assert_eq!(run.counters.denials, 2);
    assert_snapshot!(run.rendered(), @r#"
    Subject: Denied: function orders dynamodb:GetItem 111122223333 us-east-1
    alert_type: access_denied
    severity: high
    category: policy
    account: 111122223333
    region: us-east-1
    function_name: orders
    error_code: AccessDenied
    api_action: GetItem

    Function orders with role orders-role was denied dynamodb:GetItem on arn:aws:dynamodb:us-east-1:111122223333:table/orders.
    Once, at 2026-01-02 03:00:01 UTC in us-east-1 (account 111122223333).
    The next alert will be sent at the 10th occurrence, or at the first occurrence after 2026-01-03 00:00:00 UTC.

    Why
      A service control policy explicitly denies the action (AccessDenied).
      AWS says: "User: arn:aws:sts::111122223333:assumed-role/orders-role/orders is not authorized to perform: dynamodb:GetItem on resource: arn:aws:dynamodb:us-east-1:111122223333:table/orders with an explicit deny in a service control policy: arn:aws:organizations::999999999999:policy/o-x/service_control_policy/p-x"

    What to do
      1. If this call should work, change the statement that denies the action in the service control policy arn:aws:organizations::999999999999:policy/o-x/service_control_policy/p-x. An explicit deny overrides any allow in another policy.
      2. If this call was unexpected, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=4b340059-3ce7-483f-8001-000000000001

    Details
      Severity      high
      Caller        arn:aws:iam::111122223333:role/orders-role
      Session name  orders (chosen by the caller)
      Source IP     203.0.113.1
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Error code    AccessDenied
      Functions     orders
      Resources     arn:aws:dynamodb:us-east-1:111122223333:table/orders
      Policy        arn:aws:organizations::999999999999:policy/o-x/service_control_policy/p-x
      Event         GetItem 4b340059-3ce7-483f-8001-000000000001
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz

    Subject: Denied: function orders dynamodb:GetItem 111122223333 us-east-1
    alert_type: access_denied
    severity: low
    category: authentication
    account: 111122223333
    region: us-east-1
    function_name: orders
    error_code: ExpiredTokenException
    api_action: GetItem

    Function orders with role orders-role was denied dynamodb:GetItem.
    Once, at 2026-01-02 03:00:01 UTC in us-east-1 (account 111122223333).
    The next alert will be sent at the 10th occurrence, or at the first occurrence after 2026-01-03 00:00:00 UTC.

    Why
      The caller's credentials were rejected (ExpiredTokenException).
      AWS says: "The security token included in the request is expired"

    What to do
      1. If you recognize the caller, renew its credentials. They have expired, were revoked, or are not enabled for the service.
      2. If this call was unexpected, find out who made it:
         aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=4b340059-3ce7-483f-8001-000000000001

    Details
      Severity      low
      Caller        arn:aws:iam::111122223333:role/orders-role
      Session name  orders (chosen by the caller)
      Source IP     203.0.113.1
      User agent    aws-sdk-rust/1.3 "quoted" os/linux lang/rust {brace} (chosen by the caller)
      Error code    ExpiredTokenException
      Functions     orders
      Event         GetItem 4b340059-3ce7-483f-8001-000000000001
      Log object    s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/111122223333_CloudTrail_us-east-1_20260102T0305Z_a.json.gz
    "#);
}

/// Any role session can be named after a function, and any client can send the user agent of one.
#[tokio::test(start_paused = true)]
async fn a_session_name_or_user_agent_does_not_identify_the_caller() {
    let mut record = denied(1, "GetItem", "x");
    record["eventSource"] = json!("dynamodb.amazonaws.com");
    record["userAgent"] = json!("Boto3/1.34 exec-env/AWS_Lambda_python3.12 Botocore/1.34");
    record["userIdentity"]["arn"] = json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/deployer/payments"));
    record["errorMessage"] = json!("Access denied");
    let fixture =
        Fixture::new().object("a", [record]).configure(|it| it.detector.event_sources = EventSources::all()).rules(
            r#"{"suppress": [{"name": "payments", "reason": "known", "pattern":
                {"finding": {"alert_type": ["access_denied"], "function_name": ["payments"]}}}]}"#,
        );
    let run = fixture.invoke(&["a"]).await;
    assert_eq!(run.counters.suppressed, 0);
    assert_eq!(run.subjects(), ["Denied: role deployer dynamodb:GetItem20150331 111122223333 us-east-1"]);
    assert!(run.alerts[0].attributes.iter().all(|it| it.name != "function_name"));
    let body = run.alerts[0].body.lines();
    let named: Vec<_> = body.filter(|it| it.contains("payments") || it.contains("AWS_Lambda")).collect();
    assert_snapshot!(named.join("\n"), @"
    Session name  payments (chosen by the caller)
    User agent    Boto3/1.34 exec-env/AWS_Lambda_python3.12 Botocore/1.34 (chosen by the caller)
    ");
}

/// In a bucket with versioning, S3 names the version, and CloudTrail's own notification does not.
#[tokio::test(start_paused = true)]
async fn an_object_counts_once_with_and_without_its_version() {
    let fixture = Fixture::new().object("a", (0..5).map(|n| denied(n, "GetFunction", "orders")));
    assert_eq!(fixture.invoke(&["a"]).await.alerts.len(), 1);
    let mut versioned: Value = serde_json::from_str(&notification(&["a"])).expect("JSON");
    versioned["Records"][0]["s3"]["object"]["versionId"] = json!("v1");
    let run = fixture.invoke_with(&versioned.to_string()).await;
    assert_eq!((run.counters.denials, run.subjects().len()), (5, 0));
}

/// A first denial is alerted at once, and 5,020 more of the same kind within a minute cause two more alerts.
#[tokio::test(start_paused = true)]
async fn a_storm_of_denials_with_one_cause_is_three_alerts() {
    let storm = (1..=10).map(|object| (0..502).map(move |n| denied(1_000 * object + n % 60, "GetFunction", "orders")));
    let storm = storm.map(|denials| {
        denials.enumerate().map(|(n, mut record)| {
            record["eventID"] = json!(format!("event-{n}"));
            record
        })
    });
    let names: Vec<_> = (1..=10).map(|n| n.to_string()).collect();
    let fixture = Fixture::new().object("0", [denied(0, "GetFunction", "orders")]).objects(names.iter().zip(storm));
    for name in [&["0".to_owned()], names.as_slice()].concat() {
        fixture.invoke(&[name]).await;
    }
    let count = |subject: &String| subject.split(' ').find_map(|it| it.strip_prefix('x')).unwrap_or("1").to_owned();
    assert_eq!(fixture.subjects().iter().map(count).collect::<Vec<_>>(), ["1", "503", "1005"]);
}

/// A service that calls on its own has no ARN, and CloudTrail logs its name in place of an address.
#[tokio::test(start_paused = true)]
async fn a_service_without_an_arn_or_an_address_is_a_caller() {
    let mut record = denied(1, "GetFunction", "orders");
    record["userIdentity"] = json!({"type": "AWSService", "invokedBy": "config.amazonaws.com"});
    record["sourceIPAddress"] = json!("config.amazonaws.com");
    let run = Fixture::new().object("a", [record]).invoke(&["a"]).await;
    assert_eq!(run.subjects(), ["Denied: service config.amazonaws.com lambda:GetFunction 111122223333 us-east-1"]);
    let body = run.alerts[0].body.lines();
    let details: Vec<_> = body.filter(|it| it.contains("Caller") || it.contains("Source IP")).collect();
    assert_snapshot!(details.join("\n"), @"
    Caller        config.amazonaws.com
    Source IP     config.amazonaws.com
    ");
}
