//! The calls that may stop an event source mapping, and where their records name the resource.
//!
//! CloudTrail uses the parameter names of the service model, in lower camel case ("CloudTrail record contents",
//! CloudTrail User Guide). The names below come from the service models `lambda/2015-03-31`, `sqs/2012-11-05`,
//! `kinesis/2013-12-02`, `dynamodb/2012-08-10`, `iam/2010-05-08` and `kms/2014-11-01`.
//!
//! CloudTrail logs disabled mappings only for SQS, Kinesis and DynamoDB. The table therefore omits other event sources.

use super::esm_disabled::EsmCategory;
use super::resource_key::ResourceKind;

/// A call that may stop a mapping, or that shows what a function or a source depends on.
pub(super) struct Row {
    /// The service, as IAM names it.
    pub(super) service: &'static str,
    /// The action, without an API version.
    pub(super) action: &'static str,
    /// The resources that the call changes.
    pub(super) touches: &'static [Named],
    /// Resources that the changed resource depends on, if the record names them.
    pub(super) related: &'static [Named],
    /// The categories of stops that the call can cause.
    pub(super) can_cause: &'static [EsmCategory],
    /// Which calls of the action count.
    pub(super) condition: Condition,
}

/// A resource that a record names.
pub(super) struct Named {
    pub(super) kind: ResourceKind,
    /// Places that may name it, in order of precedence.
    pub(super) places: &'static [Place],
}

/// A place in a record.
pub(super) enum Place {
    /// A member of `requestParameters`.
    Request(&'static [&'static str]),
    /// A member of `responseElements`.
    Response(&'static [&'static str]),
    /// An ARN in `resources`.
    Resources,
}

/// Which calls of an action count as a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    /// The call does not enable the mapping.
    UnlessEnabled,
    /// The call disables the stream of the table, or changes its encryption. Autoscaling calls `UpdateTable` often.
    StreamOrEncryption,
}

use EsmCategory::{
    AuthorizationError, FunctionInFailedState, FunctionNotFound, RegionNameNotValid, ResourceNotFound, Unknown,
};
use Place::{Request, Resources, Response};
use ResourceKind::{Function, Key, Policy, Queue, Role, Stream, Table};

/// The source no longer exists. A source that is created again lacks the policy of the original source.
const SOURCE: &[EsmCategory] = &[ResourceNotFound, AuthorizationError, Unknown];
/// The function no longer exists.
const FUNCTION: &[EsmCategory] = &[FunctionNotFound, ResourceNotFound, Unknown];
/// The code or the configuration of the function, including its role and its key.
const CODE: &[EsmCategory] = &[FunctionInFailedState, AuthorizationError, Unknown];
/// The permissions of the role or the source. Without them, a function may also be in a failed state.
const ACCESS: &[EsmCategory] = &[AuthorizationError, FunctionInFailedState, Unknown];
const ANY: &[EsmCategory] =
    &[ResourceNotFound, FunctionNotFound, RegionNameNotValid, AuthorizationError, FunctionInFailedState, Unknown];
/// No documented category fits.
const UNKNOWN: &[EsmCategory] = &[Unknown];
/// Creating a function stops no mapping, but the record names the role and the key of the function.
const NO_CAUSE: &[EsmCategory] = &[];

const A_FUNCTION: &[Named] =
    &[Named { kind: Function, places: &[Request(&["functionName"]), Response(&["functionArn"])] }];
const ROLE_AND_KEY: &[Named] = &[
    Named { kind: Role, places: &[Response(&["role"]), Request(&["role"])] },
    Named { kind: Key, places: &[Response(&["kMSKeyArn"]), Request(&["kMSKeyArn"])] },
];
const A_MAPPING: &[Named] = &[
    Named { kind: Function, places: &[Response(&["functionArn"]), Request(&["functionName"])] },
    Named { kind: Queue, places: &[Response(&["eventSourceArn"])] },
    Named { kind: Stream, places: &[Response(&["eventSourceArn"])] },
    Named { kind: Table, places: &[Response(&["eventSourceArn"])] },
];
const A_QUEUE: &[Named] = &[Named { kind: Queue, places: &[Request(&["queueUrl"]), Resources] }];
const KEY_OF_QUEUE: &[Named] = &[Named { kind: Key, places: &[Request(&["attributes", "KmsMasterKeyId"])] }];
const A_STREAM: &[Named] = &[Named {
    kind: Stream,
    places: &[
        Request(&["streamName"]),
        Request(&["streamARN"]),
        Request(&["consumerARN"]),
        Request(&["resourceARN"]),
        Resources,
    ],
}];
const KEY_OF_STREAM: &[Named] = &[Named { kind: Key, places: &[Request(&["keyId"])] }];
const A_TABLE: &[Named] = &[Named {
    kind: Table,
    places: &[
        Request(&["tableName"]),
        Request(&["resourceArn"]),
        Response(&["tableDescription", "tableArn"]),
        Resources,
    ],
}];
const KEY_OF_TABLE: &[Named] = &[Named { kind: Key, places: &[Request(&["sSESpecification", "kMSMasterKeyId"])] }];
const A_ROLE: &[Named] = &[Named { kind: Role, places: &[Request(&["roleName"])] }];
const A_POLICY: &[Named] = &[Named { kind: Policy, places: &[Request(&["policyArn"])] }];
/// A request may name a key by an alias, so its ARN takes precedence.
const A_KEY: &[Named] = &[Named { kind: Key, places: &[Resources, Response(&["keyId"]), Request(&["keyId"])] }];
const NOTHING: &[Named] = &[];

const fn row(
    [service, action]: [&'static str; 2],
    touches: &'static [Named],
    related: &'static [Named],
    can_cause: &'static [EsmCategory],
) -> Row {
    Row { service, action, touches, related, can_cause, condition: Condition::Always }
}

/// All rows, by action and then by service.
pub(super) static ROWS: [Row; 40] = [
    // SQS adds a statement to the policy of the queue. The statement can deny access.
    row(["sqs", "AddPermission"], A_QUEUE, NOTHING, ACCESS),
    // An attached policy can deny access.
    row(["iam", "AttachRolePolicy"], A_ROLE, A_POLICY, ACCESS),
    row(["lambda", "CreateFunction"], A_FUNCTION, ROLE_AND_KEY, NO_CAUSE),
    // `setAsDefault` makes the version effective.
    row(["iam", "CreatePolicyVersion"], A_POLICY, NOTHING, ACCESS),
    row(["lambda", "DeleteAlias"], A_FUNCTION, NOTHING, FUNCTION),
    row(["lambda", "DeleteFunction"], A_FUNCTION, NOTHING, FUNCTION),
    row(["lambda", "DeleteFunctionConcurrency"], A_FUNCTION, NOTHING, UNKNOWN),
    // The encrypted messages and records are no longer readable.
    row(["kms", "DeleteImportedKeyMaterial"], A_KEY, NOTHING, ACCESS),
    row(["iam", "DeletePolicy"], A_POLICY, NOTHING, ACCESS),
    row(["iam", "DeletePolicyVersion"], A_POLICY, NOTHING, ACCESS),
    row(["sqs", "DeleteQueue"], A_QUEUE, NOTHING, SOURCE),
    row(["dynamodb", "DeleteResourcePolicy"], A_TABLE, NOTHING, ACCESS),
    row(["kinesis", "DeleteResourcePolicy"], A_STREAM, NOTHING, ACCESS),
    row(["iam", "DeleteRole"], A_ROLE, NOTHING, ACCESS),
    row(["iam", "DeleteRolePolicy"], A_ROLE, NOTHING, ACCESS),
    row(["kinesis", "DeleteStream"], A_STREAM, NOTHING, SOURCE),
    row(["dynamodb", "DeleteTable"], A_TABLE, NOTHING, SOURCE),
    // The mapping of an enhanced fan-out consumer reads through the consumer.
    row(["kinesis", "DeregisterStreamConsumer"], A_STREAM, NOTHING, SOURCE),
    row(["iam", "DetachRolePolicy"], A_ROLE, A_POLICY, ACCESS),
    row(["kms", "DisableKey"], A_KEY, NOTHING, ACCESS),
    row(["lambda", "PutFunctionConcurrency"], A_FUNCTION, NOTHING, UNKNOWN),
    row(["kms", "PutKeyPolicy"], A_KEY, NOTHING, ACCESS),
    row(["dynamodb", "PutResourcePolicy"], A_TABLE, NOTHING, ACCESS),
    row(["kinesis", "PutResourcePolicy"], A_STREAM, NOTHING, ACCESS),
    row(["iam", "PutRolePermissionsBoundary"], A_ROLE, NOTHING, ACCESS),
    row(["iam", "PutRolePolicy"], A_ROLE, NOTHING, ACCESS),
    row(["sqs", "RemovePermission"], A_QUEUE, NOTHING, ACCESS),
    row(["kms", "RetireGrant"], A_KEY, NOTHING, ACCESS),
    row(["kms", "RevokeGrant"], A_KEY, NOTHING, ACCESS),
    row(["kms", "ScheduleKeyDeletion"], A_KEY, NOTHING, ACCESS),
    row(["iam", "SetDefaultPolicyVersion"], A_POLICY, NOTHING, ACCESS),
    // The attributes include the policy and the key of the queue.
    row(["sqs", "SetQueueAttributes"], A_QUEUE, KEY_OF_QUEUE, ACCESS),
    row(["kinesis", "StartStreamEncryption"], A_STREAM, KEY_OF_STREAM, ACCESS),
    row(["kinesis", "StopStreamEncryption"], A_STREAM, KEY_OF_STREAM, UNKNOWN),
    // The new version that the alias points to may fail.
    row(["lambda", "UpdateAlias"], A_FUNCTION, NOTHING, CODE),
    // The trust policy: Lambda can no longer assume the role.
    row(["iam", "UpdateAssumeRolePolicy"], A_ROLE, NOTHING, ACCESS),
    Row { condition: Condition::UnlessEnabled, ..row(["lambda", "UpdateEventSourceMapping"], A_MAPPING, NOTHING, ANY) },
    row(["lambda", "UpdateFunctionCode"], A_FUNCTION, NOTHING, CODE),
    row(["lambda", "UpdateFunctionConfiguration"], A_FUNCTION, ROLE_AND_KEY, CODE),
    Row { condition: Condition::StreamOrEncryption, ..row(["dynamodb", "UpdateTable"], A_TABLE, KEY_OF_TABLE, SOURCE) },
];

/// The row of a call.
pub(super) fn row_of(service: &str, action: &str) -> Option<&'static Row> {
    let at = ROWS.binary_search_by(|row| (row.action, row.service).cmp(&(action, service))).ok()?;
    ROWS.get(at)
}

/// Returns true if an event whose name starts with this text may be a change. Lambda appends an API version to the
/// action.
pub(super) fn is_event_name(start: &[u8]) -> bool {
    if !starts_like_an_action(start) {
        return false;
    }
    let letters = start.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(start.len());
    start.get(..letters).is_some_and(has_action)
}

/// Rejects most names, such as those of reads, by their first four letters.
fn starts_like_an_action(start: &[u8]) -> bool {
    start.first_chunk().is_some_and(|letters| {
        matches!(
            letters,
            b"AddP"
                | b"Atta"
                | b"Crea"
                | b"Dele"
                | b"Dere"
                | b"Deta"
                | b"Disa"
                | b"PutF"
                | b"PutK"
                | b"PutR"
                | b"Remo"
                | b"Reti"
                | b"Revo"
                | b"Sche"
                | b"SetD"
                | b"SetQ"
                | b"Star"
                | b"Stop"
                | b"Upda"
        )
    })
}

fn has_action(action: &[u8]) -> bool {
    ROWS.binary_search_by(|row| row.action.as_bytes().cmp(action)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_their_actions_are_words() {
        assert!(ROWS.iter().is_sorted_by(|a, b| (a.action, a.service) < (b.action, b.service)));
        // The record filter reads the letters of an event name, up to the date of its API version.
        assert!(ROWS.iter().all(|row| row.action.bytes().all(|b| b.is_ascii_alphabetic())));
        for row in &ROWS {
            assert!(
                is_event_name(row.action.as_bytes()) && row_of(row.service, row.action).is_some(),
                "{}",
                row.action
            );
            assert!(is_event_name(format!("{}20150331v2", row.action).as_bytes()));
        }
        assert!(!is_event_name(b"PurgeQueue") && !is_event_name(b"") && row_of("sns", "AddPermission").is_none());
    }
}
