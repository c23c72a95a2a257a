//! The starter pack of watch rules, `rules/security.json`: what each rule matches, and what looks similar but must not
//! match.
//!
//! The records are invented. Their fields have the names and values of the records that AWS documents and of published
//! trails. To run the pack on real trails as well, set `TRAILWARDEN_CORPUS` to a folder with log files, or place one at
//! `../shared/data` beside the checkout. Where there is none, that test says so and passes.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use support::generator::{ACCOUNT, ordinary};
use support::oracle::{self, corpus};
use trailwarden::detect::{Detector, Finding, FindingKind};
use trailwarden::rules::Rules;
use trailwarden::triage::suppressing_rule;

const PACK: &str = include_str!("../rules/security.json");

/// Rules about an attempt: they match failed calls too.
const ATTEMPTS: [&str; 3] = ["root-use", "console-sign-in-failed", "organization-leave-attempted"];

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::parse(PACK).expect("valid rules"));

fn findings(record: &Value) -> Vec<Finding> {
    // The services that the rules name are looked at without a setting.
    let examined = Detector::default().examine(record.to_string().as_bytes(), &Arc::from("s3://trail/key"), &RULES);
    examined.expect("a record").findings
}

/// Names of the rules that match a record, in the order of the file.
fn matching(record: &Value) -> Vec<String> {
    let rule = |finding: Finding| match finding.kind {
        FindingKind::Watched(watched) => Some(watched.rule),
        _ => None,
    };
    findings(record).into_iter().filter_map(rule).collect()
}

fn pack() -> Vec<Value> {
    let pack: Value = serde_json::from_str(PACK).expect("JSON");
    pack["watch"].as_array().expect("a list").clone()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

/// Sets fields of a record. As in a JSON merge patch, objects are merged and `null` removes a field.
fn with(mut record: Value, changes: Value) -> Value {
    merge(&mut record, changes);
    record
}

fn merge(target: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else {
        *target = changes;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in changes {
        let members = target.as_object_mut().expect("an object");
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// A successful call of a role that changes something.
fn call(service: &str, name: &str, parameters: Value) -> Value {
    let mut record = with(
        ordinary(1),
        json!({
            "eventSource": format!("{service}.amazonaws.com"), "eventName": name, "readOnly": false, "resources": null
        }),
    );
    record["requestParameters"] = parameters;
    record
}

/// A call that only reads.
fn read(service: &str, name: &str) -> Value {
    with(call(service, name, json!({})), json!({"readOnly": true}))
}

fn failed(record: Value) -> Value {
    with(record, json!({"errorCode": "AccessDenied", "errorMessage": "User is not authorized to perform this action"}))
}

fn by(user: Value, mut record: Value) -> Value {
    record["userIdentity"] = user;
    record
}

fn root() -> Value {
    json!({
        "type": "Root", "principalId": ACCOUNT, "arn": format!("arn:aws:iam::{ACCOUNT}:root"), "accountId": ACCOUNT,
        "accessKeyId": "ASIAEXAMPLEROOT00001",
        "sessionContext": {"attributes": {"creationDate": "2026-01-02T03:00:00Z", "mfaAuthenticated": "true"}}
    })
}

fn iam_user() -> Value {
    json!({
        "type": "IAMUser", "principalId": "AIDAEXAMPLE000000001", "arn": format!("arn:aws:iam::{ACCOUNT}:user/anaya"),
        "accountId": ACCOUNT, "userName": "anaya"
    })
}

/// A user of IAM Identity Center or of another SAML provider: MFA is the provider's matter, and the record says "No".
fn federated_user() -> Value {
    json!({
        "type": "AssumedRole", "principalId": "AROAEXAMPLE000000001:anaya@example.com", "accountId": ACCOUNT,
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/anaya@example.com")
    })
}

fn sign_in(user: Value, result: &str, mfa: &str) -> Value {
    let mut record = by(user, call("signin", "ConsoleLogin", Value::Null));
    record["eventType"] = json!("AwsConsoleSignIn");
    record["responseElements"] = json!({"ConsoleLogin": result});
    record["additionalEventData"] =
        json!({"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": mfa});
    if result == "Failure" {
        record["errorMessage"] = json!("Failed authentication");
    }
    record
}

fn check_mfa(user: Value) -> Value {
    let mut record = by(user, call("signin", "CheckMfa", Value::Null));
    record["eventType"] = json!("AwsConsoleSignIn");
    record["responseElements"] = json!({"CheckMfa": "Success"});
    record
}

fn block_public_access(service_level: &str, restrict: bool, block_policy: bool) -> Value {
    call(
        "s3",
        &format!("Put{service_level}PublicAccessBlock"),
        json!({
            "bucketName": "orders", "publicAccessBlock": "",
            "PublicAccessBlockConfiguration": {
                "xmlns": "http://s3.amazonaws.com/doc/2006-03-01/", "RestrictPublicBuckets": restrict,
                "BlockPublicPolicy": block_policy, "BlockPublicAcls": true, "IgnorePublicAcls": true
            }
        }),
    )
}

fn add_permission(changes: Value) -> Value {
    let parameters =
        json!({"functionName": "orders", "statementId": "s", "action": "lambda:InvokeFunction", "principal": "*"});
    call("lambda", "AddPermission20150331v2", with(parameters, changes))
}

fn function_url(event_name: &str, auth_type: &str) -> Value {
    call("lambda", event_name, json!({"functionName": "orders", "authType": auth_type}))
}

fn share_snapshot(operation: &str, with_whom: &Value) -> Value {
    let parameters = json!({
        "attributeType": "CREATE_VOLUME_PERMISSION", "snapshotId": "snap-0123456789abcdef0",
        "createVolumePermission": {operation: {"items": [with_whom]}}
    });
    call("ec2", "ModifySnapshotAttribute", parameters)
}

fn share_image(operation: &str, with_whom: &Value) -> Value {
    let parameters = json!({
        "attributeType": "launchPermission", "imageId": "ami-0123456789abcdef0",
        "launchPermission": {operation: {"items": [with_whom]}}
    });
    call("ec2", "ModifyImageAttribute", parameters)
}

fn share_database_snapshot(list: &str, with_whom: &str) -> Value {
    let parameters = json!({"dBSnapshotIdentifier": "orders", "attributeName": "restore", list: [with_whom]});
    call("rds", "ModifyDBSnapshotAttribute", parameters)
}

struct Case {
    rule: &'static str,
    matches: Vec<Value>,
    ignores: Vec<Value>,
}

#[expect(clippy::too_many_lines, reason = "a table with one entry per rule")]
fn cases() -> Vec<Case> {
    let case = |rule, matches: &[Value], ignores: &[Value]| Case {
        rule,
        matches: matches.to_vec(),
        ignores: ignores.to_vec(),
    };
    vec![
        case(
            "root-sign-in",
            &[sign_in(root(), "Success", "No"), sign_in(root(), "Success", "Yes")],
            &[
                with(sign_in(root(), "Success", "No"), json!({"eventName": "UserAuthentication"})),
                sign_in(root(), "Failure", "No"),
                sign_in(iam_user(), "Success", "Yes"),
                check_mfa(root()),
            ],
        ),
        case(
            "root-use",
            &[
                by(root(), call("s3", "CreateBucket", json!({"bucketName": "orders"}))),
                failed(by(root(), call("organizations", "CreateAccount", json!({"accountName": "a"})))),
                // Records of event version 1.00 have neither of these fields.
                with(by(root(), call("ec2", "RunInstances", json!({}))), json!({"readOnly": null, "eventType": null})),
                // The ID of a long-term access key starts with AKIA, that of a temporary one with ASIA.
                with(
                    by(root(), call("sts", "GetCallerIdentity", Value::Null)),
                    json!({
                        "readOnly": true,
                        "userIdentity": {"accessKeyId": "AKIAEXAMPLEROOT00001", "sessionContext": null}
                    }),
                ),
                with(
                    by(root(), call("signin", "PasswordRecoveryCompleted", Value::Null)),
                    json!({"eventType": "AwsConsoleSignIn"}),
                ),
            ],
            &[
                // Every page of the console reads; the sign-in has been alerted already.
                by(root(), read("ec2", "DescribeInstances")),
                with(
                    by(root(), call("ec2", "RunInstances", json!({}))),
                    json!({"userIdentity": {"invokedBy": "autoscaling.amazonaws.com"}}),
                ),
                with(by(root(), call("kms", "RotateKey", Value::Null)), json!({"eventType": "AwsServiceEvent"})),
                sign_in(root(), "Success", "Yes"),
                check_mfa(root()),
                call("s3", "CreateBucket", json!({"bucketName": "orders"})),
            ],
        ),
        case(
            "root-access-key-created",
            &[by(root(), call("iam", "CreateAccessKey", Value::Null))],
            &[
                by(root(), call("iam", "CreateAccessKey", json!({"userName": "anaya"}))),
                by(iam_user(), call("iam", "CreateAccessKey", Value::Null)),
                failed(by(root(), call("iam", "CreateAccessKey", Value::Null))),
            ],
        ),
        case(
            "console-sign-in-without-mfa",
            &[sign_in(iam_user(), "Success", "No")],
            &[
                with(sign_in(iam_user(), "Success", "No"), json!({"eventName": "UserAuthentication"})),
                sign_in(federated_user(), "Success", "No"),
                sign_in(with(federated_user(), json!({"type": "SAMLUser"})), "Success", "No"),
                sign_in(iam_user(), "Success", "Yes"),
                sign_in(iam_user(), "Failure", "No"),
                check_mfa(iam_user()),
            ],
        ),
        case(
            "console-sign-in-failed",
            &[
                sign_in(iam_user(), "Failure", "Yes"),
                sign_in(root(), "Failure", "No"),
                with(
                    sign_in(with(iam_user(), json!({"userName": "HIDDEN_DUE_TO_SECURITY_REASONS"})), "Failure", "No"),
                    json!({"errorMessage": "No username found in supplied account"}),
                ),
            ],
            &[
                with(sign_in(iam_user(), "Failure", "No"), json!({"eventName": "UserAuthentication"})),
                sign_in(iam_user(), "Success", "Yes"),
                sign_in(federated_user(), "Success", "No"),
                check_mfa(iam_user()),
            ],
        ),
        case(
            "iam-policy-changed",
            &[
                call(
                    "iam",
                    "AttachRolePolicy",
                    json!({"roleName": "app", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
                ),
                call("iam", "UpdateAssumeRolePolicy", json!({"roleName": "app", "policyDocument": "{}"})),
                call(
                    "iam",
                    "SetDefaultPolicyVersion",
                    json!({"policyArn": "arn:aws:iam::111122223333:policy/app", "versionId": "v1"}),
                ),
            ],
            &[
                failed(call("iam", "AttachRolePolicy", Value::Null)),
                read("iam", "GetRolePolicy"),
                call("iam", "CreateRole", json!({"roleName": "app"})),
                call("organizations", "DescribePolicy", json!({"policyId": "p-1"})),
            ],
        ),
        case(
            "iam-access-key-created",
            &[
                call("iam", "CreateAccessKey", json!({"userName": "anaya"})),
                by(iam_user(), call("iam", "CreateAccessKey", Value::Null)),
            ],
            &[
                failed(call("iam", "CreateAccessKey", Value::Null)),
                call("iam", "DeleteAccessKey", json!({"userName": "anaya"})),
                by(root(), call("iam", "CreateAccessKey", Value::Null)),
            ],
        ),
        case(
            "iam-console-password-set",
            &[
                call("iam", "CreateLoginProfile", json!({"userName": "anaya", "passwordResetRequired": false})),
                call("iam", "UpdateLoginProfile", json!({"userName": "anaya"})),
            ],
            &[
                failed(call("iam", "UpdateLoginProfile", Value::Null)),
                call("iam", "DeleteLoginProfile", json!({"userName": "anaya"})),
                by(iam_user(), call("iam", "ChangePassword", Value::Null)),
            ],
        ),
        case(
            "mfa-device-deactivated",
            &[call(
                "iam",
                "DeactivateMFADevice",
                json!({"userName": "anaya", "serialNumber": "arn:aws:iam::111122223333:mfa/phone"}),
            )],
            &[
                failed(call("iam", "DeactivateMFADevice", Value::Null)),
                call("iam", "EnableMFADevice", json!({"userName": "anaya"})),
            ],
        ),
        case(
            "cloudtrail-stopped",
            &[
                call("cloudtrail", "StopLogging", json!({"name": "main"})),
                call("cloudtrail", "DeleteTrail", json!({"name": "main"})),
            ],
            &[
                with(
                    call("cloudtrail", "StopLogging", json!({"name": "main"})),
                    json!({"errorCode": "TrailNotFoundException"}),
                ),
                call("cloudtrail", "StartLogging", json!({"name": "main"})),
                read("cloudtrail", "GetTrailStatus"),
            ],
        ),
        case(
            "cloudtrail-event-selectors-changed",
            &[call(
                "cloudtrail",
                "PutEventSelectors",
                json!({"trailName": "main", "eventSelectors": [{"includeManagementEvents": false}]}),
            )],
            &[failed(call("cloudtrail", "PutEventSelectors", Value::Null)), read("cloudtrail", "GetEventSelectors")],
        ),
        case(
            "cloudtrail-changed",
            &[
                call("cloudtrail", "UpdateTrail", json!({"name": "main", "isMultiRegionTrail": false})),
                call("cloudtrail", "CreateTrail", json!({"name": "main"})),
            ],
            &[
                failed(call("cloudtrail", "UpdateTrail", Value::Null)),
                read("cloudtrail", "LookupEvents"),
                read("cloudtrail", "DescribeTrails"),
            ],
        ),
        case(
            "kms-key-disabled",
            &[
                call("kms", "DisableKey", json!({"keyId": "arn:aws:kms:us-east-1:111122223333:key/k"})),
                call(
                    "kms",
                    "ScheduleKeyDeletion",
                    json!({"keyId": "arn:aws:kms:us-east-1:111122223333:key/k", "pendingWindowInDays": 7}),
                ),
            ],
            &[
                with(call("kms", "DisableKey", Value::Null), json!({"errorCode": "NotFoundException"})),
                call("kms", "EnableKey", json!({"keyId": "k"})),
                call("kms", "CancelKeyDeletion", json!({"keyId": "k"})),
                read("kms", "Decrypt"),
            ],
        ),
        case(
            "s3-bucket-policy-changed",
            &[
                call("s3", "PutBucketPolicy", json!({"bucketName": "orders", "policy": ""})),
                call("s3", "DeleteBucketPolicy", json!({"bucketName": "orders", "policy": ""})),
                call("s3", "PutBucketLifecycle", json!({"bucketName": "orders", "lifecycle": ""})),
            ],
            &[
                failed(call("s3", "PutBucketPolicy", json!({"bucketName": "orders"}))),
                read("s3", "GetBucketPolicy"),
                call("s3", "PutObject", json!({"bucketName": "orders", "key": "PutBucketPolicy"})),
            ],
        ),
        case(
            "s3-block-public-access-off",
            &[
                block_public_access("Bucket", true, false),
                block_public_access("Account", false, true),
                call("s3", "DeleteBucketPublicAccessBlock", json!({"bucketName": "orders", "publicAccessBlock": ""})),
                call("s3", "DeleteAccountPublicAccessBlock", json!({})),
            ],
            &[
                block_public_access("Bucket", true, true),
                block_public_access("Account", true, true),
                failed(block_public_access("Bucket", false, false)),
                read("s3", "GetBucketPublicAccessBlock"),
            ],
        ),
        case(
            "config-changed",
            &[
                call("config", "StopConfigurationRecorder", json!({"configurationRecorderName": "default"})),
                call("config", "PutDeliveryChannel", json!({"deliveryChannel": {"name": "default"}})),
            ],
            &[
                failed(call("config", "StopConfigurationRecorder", Value::Null)),
                call("config", "StartConfigurationRecorder", json!({"configurationRecorderName": "default"})),
                call("config", "PutEvaluations", Value::Null),
            ],
        ),
        case(
            "guardduty-disabled",
            &[
                call("guardduty", "DeleteDetector", json!({"detectorId": "12abc34d567e8fa901bc2d34e56789f0"})),
                call(
                    "guardduty",
                    "UpdateDetector",
                    json!({"detectorId": "12abc34d567e8fa901bc2d34e56789f0", "enable": false}),
                ),
                call(
                    "guardduty",
                    "StopMonitoringMembers",
                    json!({"detectorId": "12abc34d567e8fa901bc2d34e56789f0", "accountIds": [ACCOUNT]}),
                ),
            ],
            &[
                failed(call("guardduty", "DeleteDetector", json!({}))),
                call(
                    "guardduty",
                    "UpdateDetector",
                    json!({"detectorId": "12abc34d567e8fa901bc2d34e56789f0", "enable": true}),
                ),
                call("guardduty", "UpdateDetector", json!({"findingPublishingFrequency": "ONE_HOUR"})),
                call("guardduty", "ArchiveFindings", json!({})),
            ],
        ),
        case(
            "security-hub-disabled",
            &[
                call("securityhub", "DisableSecurityHub", Value::Null),
                call(
                    "securityhub",
                    "BatchDisableStandards",
                    json!({"StandardsSubscriptionArns": ["arn:aws:securityhub:us-east-1:111122223333:subscription"]}),
                ),
            ],
            &[
                failed(call("securityhub", "DisableSecurityHub", Value::Null)),
                call("securityhub", "EnableSecurityHub", Value::Null),
                call("securityhub", "BatchImportFindings", Value::Null),
                call("guardduty", "CreateMembers", json!({})),
            ],
        ),
        case(
            "security-group-changed",
            &[
                call("ec2", "AuthorizeSecurityGroupIngress", json!({"groupId": "sg-1"})),
                call(
                    "ec2",
                    "ModifySecurityGroupRules",
                    json!({"ModifySecurityGroupRulesRequest": {"GroupId": "sg-1"}}),
                ),
            ],
            &[
                with(
                    call("ec2", "RevokeSecurityGroupEgress", json!({"groupId": "sg-1"})),
                    json!({"errorCode": "Client.InvalidPermission.NotFound"}),
                ),
                read("ec2", "DescribeSecurityGroups"),
                call("elasticache", "CreateCacheSecurityGroup", Value::Null),
            ],
        ),
        case(
            "network-acl-changed",
            &[call("ec2", "CreateNetworkAclEntry", json!({"networkAclId": "acl-1"}))],
            &[
                failed(call("ec2", "CreateNetworkAclEntry", json!({"networkAclId": "acl-1"}))),
                read("ec2", "DescribeNetworkAcls"),
            ],
        ),
        case(
            "network-gateway-changed",
            &[call("ec2", "AttachInternetGateway", json!({"internetGatewayId": "igw-1", "vpcId": "vpc-1"}))],
            &[
                failed(call("ec2", "AttachInternetGateway", json!({"internetGatewayId": "igw-1"}))),
                read("ec2", "DescribeInternetGateways"),
                call("ec2", "CreateNatGateway", json!({"subnetId": "subnet-1"})),
            ],
        ),
        case(
            "route-table-changed",
            &[call("ec2", "ReplaceRoute", json!({"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0"}))],
            &[
                failed(call("ec2", "ReplaceRoute", json!({"routeTableId": "rtb-1"}))),
                read("ec2", "DescribeRouteTables"),
                call("appmesh", "CreateRoute", json!({"meshName": "orders"})),
            ],
        ),
        case(
            "vpc-changed",
            &[call("ec2", "ModifyVpcAttribute", json!({"vpcId": "vpc-1", "enableDnsSupport": {"value": false}}))],
            &[
                with(
                    call("ec2", "CreateVpc", json!({"cidrBlock": "10.0.0.0/16"})),
                    json!({"errorCode": "Client.VpcLimitExceeded"}),
                ),
                call("ec2", "CreateVpcEndpoint", json!({"vpcId": "vpc-1"})),
                read("ec2", "DescribeVpcs"),
            ],
        ),
        case(
            "organization-changed",
            &[
                call("organizations", "DetachPolicy", json!({"policyId": "p-1", "targetId": ACCOUNT})),
                call("organizations", "RemoveAccountFromOrganization", json!({"accountId": ACCOUNT})),
            ],
            &[
                failed(call("organizations", "DetachPolicy", Value::Null)),
                read("organizations", "ListAccounts"),
                read("organizations", "DescribePolicy"),
            ],
        ),
        case(
            "organization-leave-attempted",
            &[
                call("organizations", "LeaveOrganization", Value::Null),
                failed(call("organizations", "LeaveOrganization", Value::Null)),
            ],
            &[
                read("organizations", "DescribeOrganization"),
                call("organizations", "DeclineHandshake", json!({"handshakeId": "h-1"})),
            ],
        ),
        case(
            "account-contact-changed",
            &[
                call("account", "PutAlternateContact", json!({"alternateContactType": "SECURITY"})),
                call("account", "AcceptPrimaryEmailUpdate", json!({"accountId": ACCOUNT})),
            ],
            &[
                failed(call("account", "PutAlternateContact", json!({"alternateContactType": "SECURITY"}))),
                read("account", "GetAlternateContact"),
            ],
        ),
        case(
            "lambda-function-public",
            &[
                add_permission(json!({})),
                add_permission(json!({"action": "lambda:InvokeFunctionUrl", "functionUrlAuthType": "NONE"})),
            ],
            &[
                failed(add_permission(json!({}))),
                add_permission(json!({"principal": "s3.amazonaws.com", "sourceArn": "arn:aws:s3:::orders"})),
                add_permission(json!({"sourceArn": "arn:aws:sns:us-east-1:111122223333:orders"})),
                add_permission(json!({"sourceAccount": ACCOUNT})),
                add_permission(json!({"principalOrgID": "o-a1b2c3d4e5"})),
                add_permission(json!({"principal": "444455556666"})),
                with(add_permission(json!({})), json!({"eventName": "AddLayerVersionPermission20181031"})),
                call("lambda", "RemovePermission20150331v2", json!({"functionName": "orders", "statementId": "s"})),
                call("lambda", "UpdateFunctionCode20150331v2", json!({"functionName": "orders"})),
            ],
        ),
        case(
            "lambda-function-url-public",
            &[function_url("CreateFunctionUrlConfig20211031", "NONE"), function_url("UpdateFunctionUrlConfig", "NONE")],
            &[
                failed(function_url("CreateFunctionUrlConfig20211031", "NONE")),
                function_url("CreateFunctionUrlConfig20211031", "AWS_IAM"),
                function_url("DeleteFunctionUrlConfig20211031", "NONE"),
            ],
        ),
        case(
            "ebs-snapshot-public",
            &[share_snapshot("add", &json!({"group": "all"}))],
            &[
                failed(share_snapshot("add", &json!({"group": "all"}))),
                share_snapshot("remove", &json!({"group": "all"})),
                share_snapshot("add", &json!({"userId": "444455556666"})),
            ],
        ),
        case(
            "ami-public",
            &[share_image("add", &json!({"group": "all"}))],
            &[
                failed(share_image("add", &json!({"group": "all"}))),
                share_image("remove", &json!({"group": "all"})),
                share_image("add", &json!({"userId": "444455556666"})),
            ],
        ),
        case(
            "rds-snapshot-public",
            &[
                share_database_snapshot("valuesToAdd", "all"),
                with(
                    share_database_snapshot("valuesToAdd", "all"),
                    json!({"eventName": "ModifyDBClusterSnapshotAttribute"}),
                ),
            ],
            &[
                failed(share_database_snapshot("valuesToAdd", "all")),
                share_database_snapshot("valuesToRemove", "all"),
                share_database_snapshot("valuesToAdd", "444455556666"),
            ],
        ),
    ]
}

#[test]
fn each_rule_matches_its_events_and_ignores_similar_ones() {
    for Case { rule, matches, ignores } in cases() {
        for record in matches {
            assert!(matching(&record).iter().any(|it| it == rule), "{rule} does not match {record}");
        }
        for record in ignores {
            assert!(!matching(&record).iter().any(|it| it == rule), "{rule} matches {record}");
        }
    }
}

#[test]
fn every_rule_has_cases_for_and_against_it() {
    let rules = pack();
    let cases = cases();
    let names: Vec<&str> = rules.iter().map(|rule| text(&rule["name"])).collect();
    assert_eq!(cases.iter().map(|case| case.rule).collect::<Vec<_>>(), names, "one case per rule, in the same order");
    for Case { rule, matches, ignores } in cases {
        assert!(!matches.is_empty() && ignores.len() >= 2, "{rule} needs a match and at least two near misses");
    }
}

#[test]
fn one_event_is_one_alert_unless_the_root_user_made_the_call() {
    for record in cases().into_iter().flat_map(|case| case.matches) {
        let rules: Vec<_> = matching(&record).into_iter().filter(|it| it != "root-use").collect();
        assert!(rules.len() <= 1, "{rules:?} all match {record}");
    }
    let record = by(root(), call("iam", "CreateAccessKey", Value::Null));
    assert_eq!(matching(&record), ["root-use", "root-access-key-created"]);
}

#[test]
fn failed_calls_match_only_rules_about_attempts() {
    for Case { rule, matches, .. } in cases() {
        // Sign-ins carry no error code; their result is in `responseElements`.
        for record in matches.into_iter().filter(|it| it["eventSource"] != "signin.amazonaws.com").map(failed) {
            let is_matched = matching(&record).iter().any(|it| it == rule);
            assert_eq!(is_matched, ATTEMPTS.contains(&rule), "{rule} {record}");
        }
    }
}

#[test]
fn the_same_event_name_of_another_service_matches_nothing() {
    for record in cases().into_iter().flat_map(|case| case.matches) {
        let record = with(record, json!({"eventSource": "example.amazonaws.com"}));
        assert_eq!(matching(&record), Vec::<String>::new(), "{record}");
    }
}

/// The services whose events the function examines for the pack are the literal values of `eventSource` at the top
/// level of each pattern.
#[test]
fn every_rule_names_its_event_sources() {
    for rule in pack() {
        let sources = rule["pattern"]["eventSource"].as_array().unwrap_or_else(|| panic!("no event source in {rule}"));
        assert!(sources.iter().all(|it| it.as_str().is_some_and(|it| it.ends_with(".amazonaws.com"))), "{rule}");
    }
}

/// The metric filters of the CIS AWS Foundations Benchmark v3.0.0, section 4, without the calls of EC2-Classic, which
/// no longer exist. 4.2, 4.3 and 4.6 are about sign-ins and the root user and have their own cases. 4.1 (unauthorized
/// calls) is built-in detection, and 4.16 (Security Hub is enabled) has no filter.
#[test]
fn every_event_of_the_cis_filters_is_watched() {
    for (control, service, names) in [
        (
            "4.4",
            "iam",
            "AttachGroupPolicy AttachRolePolicy AttachUserPolicy CreatePolicy CreatePolicyVersion DeleteGroupPolicy \
             DeletePolicy DeletePolicyVersion DeleteRolePolicy DeleteUserPolicy DetachGroupPolicy DetachRolePolicy \
             DetachUserPolicy PutGroupPolicy PutRolePolicy PutUserPolicy",
        ),
        ("4.5", "cloudtrail", "CreateTrail DeleteTrail StartLogging StopLogging UpdateTrail"),
        ("4.7", "kms", "DisableKey ScheduleKeyDeletion"),
        (
            "4.8",
            "s3",
            "DeleteBucketCors DeleteBucketLifecycle DeleteBucketPolicy DeleteBucketReplication PutBucketAcl \
             PutBucketCors PutBucketLifecycle PutBucketPolicy PutBucketReplication",
        ),
        (
            "4.9",
            "config",
            "DeleteDeliveryChannel PutConfigurationRecorder PutDeliveryChannel StopConfigurationRecorder",
        ),
        (
            "4.10",
            "ec2",
            "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateSecurityGroup DeleteSecurityGroup \
             RevokeSecurityGroupEgress RevokeSecurityGroupIngress",
        ),
        (
            "4.11",
            "ec2",
            "CreateNetworkAcl CreateNetworkAclEntry DeleteNetworkAcl DeleteNetworkAclEntry \
             ReplaceNetworkAclAssociation ReplaceNetworkAclEntry",
        ),
        (
            "4.12",
            "ec2",
            "AttachInternetGateway CreateCustomerGateway CreateInternetGateway DeleteCustomerGateway \
             DeleteInternetGateway DetachInternetGateway",
        ),
        (
            "4.13",
            "ec2",
            "CreateRoute CreateRouteTable DeleteRoute DeleteRouteTable DisassociateRouteTable ReplaceRoute \
             ReplaceRouteTableAssociation",
        ),
        (
            "4.14",
            "ec2",
            "AcceptVpcPeeringConnection CreateVpc CreateVpcPeeringConnection DeleteVpc DeleteVpcPeeringConnection \
             ModifyVpcAttribute RejectVpcPeeringConnection",
        ),
        (
            "4.15",
            "organizations",
            "AcceptHandshake AttachPolicy CreateAccount CreateOrganizationalUnit CreatePolicy DeclineHandshake \
             DeleteOrganization DeleteOrganizationalUnit DeletePolicy DetachPolicy DisablePolicyType EnablePolicyType \
             InviteAccountToOrganization LeaveOrganization MoveAccount RemoveAccountFromOrganization \
             UpdateOrganizationalUnit UpdatePolicy",
        ),
    ] {
        for name in names.split_whitespace() {
            assert_eq!(matching(&call(service, name, json!({}))).len(), 1, "CIS {control}: {service} {name}");
        }
    }
}

/// A longer title is cut off in the subject of the alert.
#[test]
fn titles_fit_into_the_subject() {
    for rule in pack() {
        assert!(text(&rule["title"]).len() <= 40, "{rule}");
    }
}

#[test]
fn the_documentation_lists_every_rule_and_every_service() {
    let page = include_str!("../docs/RULES.md");
    let documented: Vec<(&str, &str)> = page
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            match cells.as_slice() {
                [name, _, _, severity] => Some((name.strip_prefix('`')?.strip_suffix('`')?, *severity)),
                _ => None,
            }
        })
        .collect();
    let rules = pack();
    let expected: Vec<_> = rules.iter().map(|rule| (text(&rule["name"]), text(&rule["severity"]))).collect();
    assert_eq!(documented, expected);

    let sources: BTreeSet<&str> = rules
        .iter()
        .flat_map(|rule| rule["pattern"]["eventSource"].as_array().expect("event sources"))
        .map(|source| text(source).strip_suffix(".amazonaws.com").expect("a service"))
        .collect();
    let list: Vec<String> = sources.iter().map(|source| format!("`{source}`")).collect();
    let unwrapped = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unwrapped.contains(&list.join(", ")), "the page must list {}", list.join(", "));
}

/// The example in the documentation hides the policy changes of the deployment role, and nothing else.
#[test]
fn a_deployment_role_is_suppressed_by_rule() {
    let (_, tuning) = include_str!("../docs/RULES.md").split_once("\n### Tuning\n").expect("the section");
    let example = tuning.split("```json\n").nth(1).and_then(|it| it.split("```").next()).expect("an example");
    let suppress = Rules::parse(example).expect("valid rules").suppress;
    let deployer = json!({
        "type": "AssumedRole", "principalId": "AROAEXAMPLE000000001:run-7", "accountId": ACCOUNT,
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/deployer/run-7"),
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{ACCOUNT}:role/deployer")}}
    });
    let policy_change = call("iam", "PutRolePolicy", json!({"roleName": "app", "policyName": "app"}));
    for (record, expected) in [
        (by(deployer.clone(), policy_change.clone()), true),
        (by(iam_user(), policy_change), false),
        (by(deployer, call("cloudtrail", "StopLogging", json!({"name": "main"}))), false),
    ] {
        let findings = findings(&record);
        let [finding] = findings.as_slice() else { panic!("one finding of {record}") };
        let rule = suppressing_rule(&suppress, finding, record.to_string().as_bytes());
        assert_eq!(rule.is_some(), expected, "{record}");
    }
}

/// A rule that matches more than one in fifty records of a trail is noise. A call that reads or fails is not a change.
#[test]
fn real_trails_match_seldom_and_only_with_changes() {
    const ONE_IN: usize = 50;
    let records: Vec<Value> =
        corpus().iter().flat_map(|path| oracle::records(&std::fs::read(path).expect("a file"))).collect();
    let mut hits: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for record in &records {
        for rule in matching(record) {
            if !ATTEMPTS.contains(&rule.as_str()) {
                assert!(record["errorCode"].is_null() && record["readOnly"] != true, "{rule} matches {record}");
            }
            let name = record["eventName"].as_str().unwrap_or_default().to_owned();
            *hits.entry(rule).or_default().entry(name).or_default() += 1;
        }
    }
    for (rule, names) in &hits {
        eprintln!("{rule}: {names:?}");
        assert!(
            names.values().sum::<usize>() * ONE_IN <= records.len().max(1_000),
            "{rule} matches too often: {names:?}"
        );
    }
    eprintln!("{} of {} rules match {} records", hits.len(), pack().len(), records.len());
}
