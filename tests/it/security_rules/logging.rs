//! CloudTrail, keys, buckets, AWS Config and detection services.

use serde_json::{Value, json};

use super::records::{call, failed, read, with};
use super::{Case, case};
use crate::fixture::records::ACCOUNT;

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

pub(super) fn cases() -> Vec<Case> {
    vec![
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
    ]
}
