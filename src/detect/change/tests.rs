//! Every row of the table, with a record in CloudTrail's format.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::change_table::ROWS;
use super::*;
use crate::detect::{Detector, EventSources, WatchRules};

fn record(service: &str, event_name: &str, request: &Value, response: &Value, resource: Option<&str>) -> Value {
    let resources: Vec<_> = resource.iter().map(|arn| json!({"accountId": "111122223333", "ARN": arn})).collect();
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE000000001:alice",
            "arn": "arn:aws:sts::111122223333:assumed-role/deployer/alice",
            "accountId": "111122223333",
            "sessionContext": {"sessionIssuer": {
                "type": "Role", "arn": "arn:aws:iam::111122223333:role/deployer", "userName": "deployer"
            }}
        },
        "eventTime": "2026-01-02T03:00:00Z",
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": event_name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.1",
        "userAgent": "aws-cli/2.31",
        "requestParameters": request,
        "responseElements": response,
        "requestID": "6f7d1c2a-0000-4000-8000-000000000001",
        "eventID": "6f7d1c2a-0000-4000-8000-000000000002",
        "readOnly": false,
        "resources": resources,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management"
    })
}

/// The change in a record, which must be the same in the default mode and if all services are examined.
fn change(record: &Value) -> Option<Change> {
    let examine = |event_sources| {
        let detector = Detector { event_sources, causes: true, ..Detector::default() };
        let bytes = record.to_string();
        let examined = detector.examine(bytes.as_bytes(), &Arc::from("key"), &WatchRules::default());
        let examined = examined.expect("a record");
        assert_eq!((examined.findings.len(), examined.unreadable.is_none()), (0, true));
        examined.change.map(|it| *it)
    };
    let found = examine(EventSources::default());
    assert_eq!(found, examine(EventSources::all()), "{record}");
    found
}

/// The service, the action, the resources and the related resources of a change.
fn shown(change: &Change) -> String {
    let list = |keys: &[ResourceKey]| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let Change { service, action, resources, related, .. } = change;
    let related = if related.is_empty() { String::new() } else { format!(" > {}", list(related)) };
    format!("{service}:{action} {}{related}", list(resources))
}

/// The contents of a record for each row: service, event name, request, response, ARN in `resources`, and the expected
/// resources.
type Case = (&'static str, &'static str, Value, Value, Option<&'static str>, &'static str);

const FUNCTION: &str = "function#111122223333#us-east-1#orders";
const CONFIGURED: &str = "function#111122223333#us-east-1#orders > role#111122223333##orders-role \
                          key#111122223333#us-east-1#1234abcd-12ab-34cd-56ef-1234567890ab";
const QUEUE: &str = "queue#111122223333#us-east-1#orders-queue";
const STREAM: &str = "stream#111122223333#us-east-1#clicks";
const STREAM_AND_KEY: &str =
    "stream#111122223333#us-east-1#clicks > key#111122223333#us-east-1#1234abcd-12ab-34cd-56ef-1234567890ab";
const TABLE: &str = "table#111122223333#us-east-1#carts";
const ROLE: &str = "role#111122223333##orders-role";
const ROLE_AND_POLICY: &str = "role#111122223333##orders-role > policy#111122223333##app/reads";
const POLICY: &str = "policy#111122223333##app/reads";
const KEY: &str = "key#111122223333#us-east-1#1234abcd-12ab-34cd-56ef-1234567890ab";

const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:orders";
const STREAM_ARN: &str = "arn:aws:kinesis:us-east-1:111122223333:stream/clicks";
const TABLE_ARN: &str = "arn:aws:dynamodb:us-east-1:111122223333:table/carts";
const POLICY_ARN: &str = "arn:aws:iam::111122223333:policy/app/reads";
const KEY_ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const KEY_ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

fn cases() -> Vec<Case> {
    [of_lambda(), of_queues_and_streams(), of_tables(), of_iam(), of_keys()].concat()
}

fn of_lambda() -> Vec<Case> {
    let orders = || json!({"functionName": "orders"});
    let alias = || json!({"functionName": "orders", "name": "live"});
    let role = "arn:aws:iam::111122223333:role/service-role/orders-role";
    let configured = || json!({"functionArn": FUNCTION_ARN, "kMSKeyArn": KEY_ARN, "role": role});
    let mapping = json!({"functionArn": format!("{FUNCTION_ARN}:live"), "eventSourceArn": STREAM_ARN});
    let mapped = "function#111122223333#us-east-1#orders stream#111122223333#us-east-1#clicks";
    let case = |name, request, response, expected| ("lambda", name, request, response, None, expected);
    vec![
        case("CreateFunction20150331", orders(), configured(), CONFIGURED),
        case("UpdateFunctionConfiguration20150331v2", orders(), configured(), CONFIGURED),
        case("UpdateFunctionCode20150331v2", json!({"functionName": FUNCTION_ARN}), Value::Null, FUNCTION),
        case("DeleteFunction20150331", json!({"functionName": "orders:7"}), Value::Null, FUNCTION),
        case("DeleteAlias20150331", alias(), Value::Null, FUNCTION),
        case("UpdateAlias20150331", alias(), Value::Null, FUNCTION),
        case("PutFunctionConcurrency20171031", orders(), Value::Null, FUNCTION),
        case("DeleteFunctionConcurrency20171031", orders(), Value::Null, FUNCTION),
        case("UpdateEventSourceMapping20150331", json!({"uUID": "u", "batchSize": 1}), mapping, mapped),
    ]
}

fn of_queues_and_streams() -> Vec<Case> {
    let url = "https://sqs.us-east-1.amazonaws.com/111122223333/orders-queue";
    let attributes = json!({"queueUrl": url, "attributes": {"KmsMasterKeyId": KEY_ARN}});
    let encrypted = "queue#111122223333#us-east-1#orders-queue > \
                     key#111122223333#us-east-1#1234abcd-12ab-34cd-56ef-1234567890ab";
    let queue_arn = Some("arn:aws:sqs:us-east-1:111122223333:orders-queue");
    let encryption = || json!({"streamName": "clicks", "encryptionType": "KMS", "keyId": KEY_ARN});
    let consumer = json!({"consumerARN": format!("{STREAM_ARN}/consumer/app:1700000000")});
    let case = |service, name, request, expected| (service, name, request, Value::Null, None, expected);
    vec![
        case("sqs", "DeleteQueue", json!({"queueUrl": url}), QUEUE),
        case("sqs", "AddPermission", json!({"queueUrl": url, "label": "l"}), QUEUE),
        ("sqs", "RemovePermission", json!({}), Value::Null, queue_arn, QUEUE),
        case("sqs", "SetQueueAttributes", attributes, encrypted),
        case("kinesis", "DeleteStream", json!({"streamName": "clicks"}), STREAM),
        case("kinesis", "DeregisterStreamConsumer", consumer, STREAM),
        case("kinesis", "StartStreamEncryption", encryption(), STREAM_AND_KEY),
        case("kinesis", "StopStreamEncryption", encryption(), STREAM_AND_KEY),
        case("kinesis", "PutResourcePolicy", json!({"resourceARN": STREAM_ARN}), STREAM),
        case("kinesis", "DeleteResourcePolicy", json!({"resourceARN": STREAM_ARN}), STREAM),
    ]
}

fn of_tables() -> Vec<Case> {
    let deleted = json!({"tableDescription": {"tableArn": TABLE_ARN}});
    let no_stream = json!({"tableName": TABLE_ARN, "streamSpecification": {"streamEnabled": false}});
    let stream = json!({"resourceArn": format!("{TABLE_ARN}/stream/2026-01-01T00:00:00.000")});
    vec![
        ("dynamodb", "DeleteTable", json!({"tableName": "carts"}), deleted, None, TABLE),
        ("dynamodb", "UpdateTable", no_stream, Value::Null, None, TABLE),
        ("dynamodb", "PutResourcePolicy", stream, Value::Null, None, TABLE),
        ("dynamodb", "DeleteResourcePolicy", json!({"resourceArn": TABLE_ARN}), Value::Null, None, TABLE),
    ]
}

fn of_iam() -> Vec<Case> {
    let role = |more: Value| {
        let mut request = json!({"roleName": "orders-role"});
        request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        request
    };
    let document = || role(json!({"policyName": "p", "policyDocument": "{}"}));
    let managed = || role(json!({"policyArn": POLICY_ARN}));
    let boundary = role(json!({"permissionsBoundary": "arn:aws:iam::aws:policy/p"}));
    let version = || json!({"policyArn": POLICY_ARN, "versionId": "v2"});
    let case = |name, request, expected| ("iam", name, request, Value::Null, None, expected);
    vec![
        case("AttachRolePolicy", managed(), ROLE_AND_POLICY),
        case("DetachRolePolicy", managed(), ROLE_AND_POLICY),
        case("PutRolePolicy", document(), ROLE),
        case("DeleteRolePolicy", role(json!({"policyName": "p"})), ROLE),
        case("DeleteRole", role(json!({})), ROLE),
        case("PutRolePermissionsBoundary", boundary, ROLE),
        case("UpdateAssumeRolePolicy", document(), ROLE),
        case("CreatePolicyVersion", json!({"policyArn": POLICY_ARN, "setAsDefault": true}), POLICY),
        case("SetDefaultPolicyVersion", version(), POLICY),
        case("DeletePolicyVersion", version(), POLICY),
        case("DeletePolicy", json!({"policyArn": POLICY_ARN}), POLICY),
    ]
}

fn of_keys() -> Vec<Case> {
    let id = || json!({"keyId": KEY_ID});
    let case = |name, request, arn| ("kms", name, request, Value::Null, arn, KEY);
    vec![
        case("DisableKey", json!({"keyId": "alias/orders"}), Some(KEY_ARN)),
        ("kms", "ScheduleKeyDeletion", id(), json!({"keyId": KEY_ARN}), None, KEY),
        case("PutKeyPolicy", id(), Some(KEY_ARN)),
        case("RevokeGrant", json!({"keyId": KEY_ID, "grantId": "g"}), Some(KEY_ARN)),
        case("RetireGrant", json!({"grantToken": "HIDDEN"}), Some(KEY_ARN)),
        case("DeleteImportedKeyMaterial", id(), None),
    ]
}

#[test]
fn every_change_is_detected_with_its_resources() {
    let mut seen = BTreeSet::new();
    for (service, event_name, request, response, resource, expected) in cases() {
        let record = record(service, event_name, &request, &response, resource);
        let change = change(&record).expect(event_name);
        assert_eq!(shown(&change), format!("{service}:{} {expected}", change.action), "{event_name}");
        assert_eq!((change.caller.as_str(), change.session.as_deref()), ("role deployer", Some("alice")));
        assert_eq!(change.id, "6f7d1c2a-0000-4000-8000-000000000002");
        let json = serde_json::to_string(&change).expect("JSON");
        assert!(json.len() < 400, "{json}");
        assert_eq!(serde_json::from_str::<Change>(&json).expect("a change"), change);
        seen.insert((change.action, change.service));
    }
    let rows = ROWS.iter().map(|row| (row.action.to_owned(), row.service.to_owned())).collect();
    assert_eq!(seen, rows, "each row has a case");
}

#[test]
fn in_china_the_keys_are_those_of_its_region() {
    let mut record = record(
        "sqs",
        "DeleteQueue",
        &json!({"queueUrl": "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/orders-queue"}),
        &Value::Null,
        None,
    );
    record["eventSource"] = json!("sqs.amazonaws.com.cn");
    record["awsRegion"] = json!("cn-north-1");
    let of_stop = ResourceKey::of_arn("arn:aws-cn:sqs:cn-north-1:111122223333:orders-queue");
    assert_eq!(change(&record).expect("a change").resources, of_stop.into_iter().collect::<Vec<_>>());
}

#[test]
fn calls_that_stop_nothing_are_no_changes() {
    let of = |service: &str, event_name: &str, request: &Value| {
        change(&record(service, event_name, request, &Value::Null, None))
    };
    let queue = json!({"queueUrl": "https://sqs.us-east-1.amazonaws.com/111122223333/orders-queue"});
    assert!(of("sqs", "DeleteQueue", &queue).is_some());
    assert_eq!(of("sqs", "PurgeQueue", &queue), None);
    assert_eq!(of("sns", "AddPermission", &queue), None);
    assert_eq!(of("sqs", "DeleteQueue20150331", &queue), None, "only events of Lambda have a version");
    for request in [
        json!({"tableName": "carts", "provisionedThroughput": {"readCapacityUnits": 5}}),
        json!({"tableName": "carts", "streamSpecification": {"streamEnabled": true}}),
    ] {
        assert_eq!(of("dynamodb", "UpdateTable", &request), None);
    }
    assert_eq!(of("iam", "DeleteRole", &json!({"roleName": 7})), None);
    assert_eq!(of("iam", "DeleteRole", &Value::Null), None);
    let mut failed = record("sqs", "DeleteQueue", &queue, &Value::Null, None);
    failed["errorCode"] = json!("AWS.SimpleQueueService.NonExistentQueue");
    assert_eq!(change(&failed), None);
    let mut enabled = record(
        "lambda",
        "UpdateEventSourceMapping20150331",
        &json!({"uUID": "u", "enabled": true}),
        &json!({"functionArn": "arn:aws:lambda:us-east-1:111122223333:function:orders"}),
        None,
    );
    assert_eq!(change(&enabled), None);
    enabled["requestParameters"]["enabled"] = json!(7);
    assert!(change(&enabled).is_some());
    let mut timeless = record("sqs", "DeleteQueue", &queue, &Value::Null, None);
    timeless["eventTime"] = json!("yesterday");
    assert_eq!(change(&timeless), None);
}

#[test]
fn a_cause_fits_the_category() {
    let action = |service: &str, action: &str| {
        let of = |(it, name, ..): &&Case| *it == service && name.starts_with(action);
        let cases = cases();
        let (service, name, request, response, resource, _) = cases.iter().find(of).expect("a case");
        change(&record(service, name, request, response, *resource)).expect("a change")
    };
    for (service, name, categories) in [
        (
            "sqs",
            "DeleteQueue",
            &[EsmCategory::ResourceNotFound, EsmCategory::AuthorizationError, EsmCategory::Unknown][..],
        ),
        (
            "lambda",
            "DeleteFunction",
            &[EsmCategory::FunctionNotFound, EsmCategory::ResourceNotFound, EsmCategory::Unknown],
        ),
        ("lambda", "CreateFunction", &[]),
        ("lambda", "PutFunctionConcurrency", &[EsmCategory::Unknown]),
        ("lambda", "UpdateEventSourceMapping", &EsmCategory::ALL),
        (
            "iam",
            "DetachRolePolicy",
            &[EsmCategory::AuthorizationError, EsmCategory::FunctionInFailedState, EsmCategory::Unknown],
        ),
    ] {
        let change = action(service, name);
        for category in EsmCategory::ALL {
            assert_eq!(change.can_cause(category), categories.contains(&category), "{name} {category:?}");
        }
    }
    let of_a_later_version = Change { action: "BrandNewCall".to_owned(), ..action("sqs", "DeleteQueue") };
    assert!(EsmCategory::ALL.into_iter().all(|it| of_a_later_version.can_cause(it)));
}

#[test]
fn hostile_strings_are_bounded_and_never_part_of_a_key() {
    let queue = "https://sqs.us-east-1.amazonaws.com/111122223333/orders-queue";
    for hostile in ["\u{202e}<!channel>".repeat(1_000), "a#b".to_owned(), "é\n".repeat(9), "$(id)".to_owned()] {
        let mut named = record("sqs", "DeleteQueue", &json!({"queueUrl": hostile}), &Value::Null, None);
        assert_eq!(change(&named), None, "{hostile}");
        named["requestParameters"]["queueUrl"] = json!(format!("{queue}{hostile}"));
        assert_eq!(change(&named), None, "{hostile}");
        named["requestParameters"]["queueUrl"] = json!(queue);
        named["eventID"] = json!(hostile);
        named["userIdentity"] = json!({"type": "IAMUser", "userName": hostile});
        let found = change(&named).expect("a change");
        assert!(found.id.len() <= MAX_WORD && found.id.bytes().all(|b| b.is_ascii_hexdigit()), "{}", found.id);
        assert!(found.caller.chars().count() <= MAX_CALLER);
        named["userIdentity"] = json!({"type": "AssumedRole",
            "arn": format!("arn:aws:sts::111122223333:assumed-role/deployer/{}", "s".repeat(9_000))});
        named["awsRegion"] = json!(hostile);
        assert_eq!(change(&named), None, "without a Region, there is no key");
        named["awsRegion"] = json!("us-east-1");
        let session = change(&named).expect("a change").session.expect("a session");
        assert!(session.chars().count() <= MAX_SESSION);
    }
}

/// Changes are optional information, so they must not cause an object to fail.
#[test]
fn an_unreadable_change_does_not_fail_its_object() {
    let detector = Detector { causes: true, ..Detector::default() };
    let examine = |record: &str| detector.examine(record.as_bytes(), &Arc::from("key"), &WatchRules::default());
    let broken = r#"{"eventSource":"sqs.amazonaws.com","eventName":"DeleteQueue",}"#;
    assert!(examine(broken).is_ok_and(|it| it.change.is_none() && !it.selected));
    let lambda = r#"{"eventSource":"lambda.amazonaws.com","eventName":"DeleteFunction",}"#;
    assert!(examine(lambda).is_err());
}
