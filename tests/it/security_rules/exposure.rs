//! Functions, images and snapshots that become public.

use serde_json::{Value, json};

use super::records::{call, failed, with};
use super::{Case, case};
use crate::fixture::records::ACCOUNT;

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

pub(super) fn cases() -> Vec<Case> {
    vec![
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
