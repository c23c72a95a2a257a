//! Root user, sign-ins and IAM.

use serde_json::{Value, json};

use super::records::{by, call, check_mfa, failed, federated_user, iam_user, read, root, sign_in, with};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
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
                // Every console page makes such calls, and the sign-in has already been alerted.
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
    ]
}
