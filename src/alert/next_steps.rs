//! What to do about an incident, with the commands to run.

use super::sanitize::word;
use crate::detect::{
    AccessDenied, Arn, DenialKind, Effect, EsmCategory, EsmChange, EsmChanged, EsmDisabled, Event, EventSourceKind,
    PolicyType,
};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What, in a sentence.
    pub text: String,
    /// A command that does it, or that shows what it takes, for a shell.
    pub command: Option<String>,
}

fn step(text: impl Into<String>, command: impl Into<Option<String>>) -> Step {
    Step { text: text.into(), command: command.into() }
}

/// What to do about a disabled mapping.
pub(super) fn of_disabled_mapping(event: &Event, esm: &EsmDisabled) -> Vec<Step> {
    let region = word(event.region.as_deref(), "REGION");
    let mut steps = vec![step("See what Lambda says of the mapping:", show_mapping(region, event, esm))];
    steps.push(repair(region, event, esm));
    let uuid = word(esm.mapping_uuid.as_deref(), "UUID");
    steps.push(step(
        "Enable the mapping again. It stays disabled until then, even when its cause is gone:",
        format!("aws lambda update-event-source-mapping --region {region} --uuid {uuid} --enabled"),
    ));
    steps
}

fn show_mapping(region: &str, event: &Event, esm: &EsmDisabled) -> String {
    match (&esm.mapping_uuid, &event.function_name, &esm.event_source_arn) {
        (Some(uuid), _, _) => {
            let uuid = word(Some(uuid), "UUID");
            format!("aws lambda get-event-source-mapping --region {region} --uuid {uuid}")
        }
        (None, Some(function), _) => {
            let function = word(Some(function), "FUNCTION");
            format!("aws lambda list-event-source-mappings --region {region} --function-name {function}")
        }
        (None, None, Some(source)) => {
            let source = word(Some(source), "SOURCE");
            format!("aws lambda list-event-source-mappings --region {region} --event-source-arn {source}")
        }
        (None, None, None) => format!(
            "aws lambda list-event-source-mappings --region {region} --query \"EventSourceMappings[?State=='Disabled']\""
        ),
    }
}

fn repair(region: &str, event: &Event, esm: &EsmDisabled) -> Step {
    let function = word(event.function_name.as_deref(), "FUNCTION");
    let configuration = |fields: &str| {
        format!(
            "aws lambda get-function-configuration --region {region} --function-name {function} --query \"{fields}\""
        )
    };
    match esm.category {
        EsmCategory::AuthorizationError => step(
            format!("Give the function's role what reading the source takes: {}. The role is:", actions(esm)),
            configuration("Role"),
        ),
        EsmCategory::FunctionNotFound => step(
            "Deploy the function again under this name, with the alias or version that the mapping names; or delete \
             the mapping if it is no longer needed. See what is there:",
            format!("aws lambda list-aliases --region {region} --function-name {function}"),
        ),
        EsmCategory::FunctionInFailedState => step(
            "Find out why the function failed, correct it and deploy it again:",
            configuration("[State,StateReasonCode,StateReason,LastUpdateStatusReason]"),
        ),
        EsmCategory::ResourceNotFound => step(
            "Create what is missing again, or delete the mapping if it is no longer needed. See whether the source \
             exists:",
            show_source(region, esm),
        ),
        EsmCategory::RegionNameNotValid => step(
            "Compare the Regions in the ARNs of the mapping, its function and its source. A mapping with a wrong one \
             must be deleted and created anew.",
            None,
        ),
        EsmCategory::Unknown => step(
            "Check that the function and the source exist, that the function is Active, and that its role may read \
             the source:",
            configuration("[State,StateReason,Role]"),
        ),
    }
}

fn source(esm: &EsmDisabled) -> Option<(EventSourceKind, Arn<'_>)> {
    let arn = Arn::parse(esm.event_source_arn.as_deref()?)?;
    Some((arn.event_source()?, arn))
}

/// Permissions that reading a source takes, as the Lambda Developer Guide lists them for each.
fn actions(esm: &EsmDisabled) -> &'static str {
    match source(esm).map(|(kind, _)| kind) {
        Some(EventSourceKind::Queue) => "sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes",
        Some(EventSourceKind::Stream) => {
            "kinesis:DescribeStream, kinesis:DescribeStreamSummary, kinesis:GetRecords, kinesis:GetShardIterator, \
             kinesis:ListShards and kinesis:SubscribeToShard"
        }
        Some(EventSourceKind::Table) => {
            "dynamodb:DescribeStream, dynamodb:GetRecords, dynamodb:GetShardIterator and dynamodb:ListStreams"
        }
        None => "read and, for a queue, delete permissions; and kms:Decrypt if it is encrypted",
    }
}

fn show_source(region: &str, esm: &EsmDisabled) -> Option<String> {
    let (kind, arn) = source(esm)?;
    let name = word(Some(arn.short_name()), "NAME");
    Some(match kind {
        EventSourceKind::Queue => format!("aws sqs get-queue-url --region {region} --queue-name {name}"),
        EventSourceKind::Stream => {
            format!("aws kinesis describe-stream-summary --region {region} --stream-name {name}")
        }
        EventSourceKind::Table => format!("aws dynamodb describe-table --region {region} --table-name {name}"),
    })
}

/// What to do about a mapping that a user changed.
pub(super) fn of_changed_mapping(event: &Event, esm: &EsmChanged) -> Vec<Step> {
    let region = word(event.region.as_deref(), "REGION");
    let uuid = word(esm.mapping_uuid.as_deref(), "UUID");
    let wanted = match esm.change {
        EsmChange::Enabled => step(
            "Nothing, if it was meant. See that records are processed again:",
            format!("aws lambda get-event-source-mapping --region {region} --uuid {uuid}"),
        ),
        EsmChange::Disabled => step(
            "If it was not meant, enable the mapping again:",
            format!("aws lambda update-event-source-mapping --region {region} --uuid {uuid} --enabled"),
        ),
        EsmChange::Deleted => step("If it was not meant, create the mapping anew.", None),
    };
    vec![wanted, who_made_it(event)]
}

/// What to do about an event that a rule watches for.
pub(super) fn of_watched(event: &Event) -> Vec<Step> {
    vec![who_made_it(event)]
}

/// What to do about denials.
pub(super) fn of_denial(event: &Event, denied: &AccessDenied) -> Vec<Step> {
    let wanted = match denied.kind {
        DenialKind::Policy => step(policy_step(denied.effect, denied.policy_type), None),
        DenialKind::Dependency => step(
            "The service itself was denied something it needs, such as a key. If the call should work, correct the \
             policy of what the message names, or the role the service uses.",
            None,
        ),
        DenialKind::Authentication => step(
            "If the caller is yours, renew its credentials: they are expired, revoked, or not enabled for the service.",
            None,
        ),
    };
    vec![wanted, who_made_it(event)]
}

/// What to do about a caller of whom many different calls were denied.
pub(super) fn of_caller(event: &Event) -> Vec<Step> {
    vec![
        step(
            "If the caller is a known scanner or deployment, correct its policies, or suppress its denials with a rule.",
            None,
        ),
        step(
            "Otherwise treat its credentials as stolen: revoke the sessions of the role, or disable the keys of the user.",
            None,
        ),
        look_up("See one of the calls in full:", event),
    ]
}

fn who_made_it(event: &Event) -> Step {
    look_up("If nobody expects this call, find out who made it:", event)
}

fn look_up(text: &str, event: &Event) -> Step {
    let region = word(event.region.as_deref(), "REGION");
    let id = word(event.id.as_deref(), "EVENT_ID");
    step(
        text,
        format!(
            "aws cloudtrail lookup-events --region {region} --lookup-attributes AttributeKey=EventId,AttributeValue={id}"
        ),
    )
}

fn policy_step(effect: Option<Effect>, policy_type: Option<PolicyType>) -> String {
    let place = match policy_type {
        Some(PolicyType::IdentityBased) => "in a policy of the user or role",
        Some(PolicyType::ResourceBased) => "in the policy of the resource",
        Some(PolicyType::ServiceControl) => "in the service control policies of the organization",
        Some(PolicyType::ResourceControl) => "in the resource control policies of the organization",
        Some(PolicyType::VpcEndpoint) => "in the policy of the VPC endpoint",
        Some(PolicyType::PermissionsBoundary) => "in the permissions boundary of the user or role",
        Some(PolicyType::Session) => "in the policy that the session was made with",
        Some(PolicyType::RoleTrust) => "in the trust policy of the role",
        None => return "If the call should work, allow it in a policy. The message does not say which one.".to_owned(),
    };
    match effect {
        Some(Effect::Explicit) => {
            format!(
                "If the call should work, change the statement that denies it {place}. An allow elsewhere does not help."
            )
        }
        _ => format!("If the call should work, allow it {place}."),
    }
}
