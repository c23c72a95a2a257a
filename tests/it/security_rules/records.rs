//! Records of calls and sign-ins.

use serde_json::{Value, json};

use crate::fixture::records::{ACCOUNT, ordinary};

/// Sets fields of a record. As in a JSON merge patch, objects are merged and `null` removes a field.
pub(super) fn with(mut record: Value, changes: Value) -> Value {
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
pub(super) fn call(service: &str, name: &str, parameters: Value) -> Value {
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
pub(super) fn read(service: &str, name: &str) -> Value {
    with(call(service, name, json!({})), json!({"readOnly": true}))
}

pub(super) fn failed(record: Value) -> Value {
    with(record, json!({"errorCode": "AccessDenied", "errorMessage": "User is not authorized to perform this action"}))
}

pub(super) fn by(user: Value, mut record: Value) -> Value {
    record["userIdentity"] = user;
    record
}

pub(super) fn root() -> Value {
    json!({
        "type": "Root", "principalId": ACCOUNT, "arn": format!("arn:aws:iam::{ACCOUNT}:root"), "accountId": ACCOUNT,
        "accessKeyId": "ASIAEXAMPLEROOT00001",
        "sessionContext": {"attributes": {"creationDate": "2026-01-02T03:00:00Z", "mfaAuthenticated": "true"}}
    })
}

pub(super) fn iam_user() -> Value {
    json!({
        "type": "IAMUser", "principalId": "AIDAEXAMPLE000000001", "arn": format!("arn:aws:iam::{ACCOUNT}:user/anaya"),
        "accountId": ACCOUNT, "userName": "anaya"
    })
}

/// A user of IAM Identity Center or of another SAML provider. The provider is responsible for MFA, so the record says
/// "No".
pub(super) fn federated_user() -> Value {
    json!({
        "type": "AssumedRole", "principalId": "AROAEXAMPLE000000001:anaya@example.com", "accountId": ACCOUNT,
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/anaya@example.com")
    })
}

pub(super) fn sign_in(user: Value, result: &str, mfa: &str) -> Value {
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

pub(super) fn check_mfa(user: Value) -> Value {
    let mut record = by(user, call("signin", "CheckMfa", Value::Null));
    record["eventType"] = json!("AwsConsoleSignIn");
    record["responseElements"] = json!({"CheckMfa": "Success"});
    record
}
