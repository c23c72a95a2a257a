//! The next steps after an incident, with commands to run.

use super::fix::{Fix, ResourceAccount};
use super::sanitize::{is_word, word};
use super::wording::policy;
use crate::detect::{
    AccessDenied, Arn, Change, DenialKind, Effect, EsmCategory, EsmChange, EsmChanged, EsmDisabled, EsmFailing,
    EsmRecovered, Event, EventSourceKind, FailingCategory, PolicyType, Recovery,
};
use crate::triage::Context;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// What to do, in one or two sentences.
    pub(crate) text: String,
    /// Text to copy.
    pub(crate) snippet: Option<Snippet>,
}

/// Text that readers copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Snippet {
    /// A shell command that does the step, or that shows what is needed to do it.
    Command(String),
    /// A policy statement. The text of the step is complete without it.
    Statement(String),
}

pub(super) fn step(text: impl Into<String>, command: impl Into<Option<String>>) -> Step {
    Step { text: text.into(), snippet: command.into().map(Snippet::Command) }
}

/// The steps after AWS disabled a mapping. If it is already enabled again, the step to enable it is omitted.
pub(super) fn of_disabled_mapping(event: &Event, esm: &EsmDisabled, context: Option<&Context>) -> Vec<Step> {
    let region = word(event.region.as_deref(), "REGION");
    let mut steps = vec![step("Check the state of the mapping:", show_mapping(region, event, esm))];
    let role = context.and_then(|it| it.function.as_ref()?.role_arn.as_deref()).filter(|it| is_word(it));
    steps.push(fix(region, event, esm, role));
    if context.is_some_and(Context::is_enabled) {
        return steps;
    }
    let uuid = word(esm.mapping_uuid.as_deref(), "UUID");
    steps.push(step(
        "Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:",
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

/// The step that removes the cause. `role` is the execution role of the function, if it is known and safe to print.
fn fix(region: &str, event: &Event, esm: &EsmDisabled, role: Option<&str>) -> Step {
    let function = word(event.function_name.as_deref(), "FUNCTION");
    let configuration = |fields: &str| {
        format!(
            "aws lambda get-function-configuration --region {region} --function-name {function} --query \"{fields}\""
        )
    };
    match esm.category {
        EsmCategory::AuthorizationError => {
            let permissions = permissions(source(esm).map(|(kind, _)| kind));
            match role {
                Some(role) => step(format!("Grant the function's execution role {role} {permissions}."), None),
                None => step(
                    format!("Grant the function's execution role {permissions}. To find the role:"),
                    configuration("Role"),
                ),
            }
        }
        EsmCategory::FunctionNotFound => step(
            "Redeploy the function under the same name, with the alias or version that the mapping uses, or delete the \
             mapping if it is no longer needed. To list the existing aliases:",
            format!("aws lambda list-aliases --region {region} --function-name {function}"),
        ),
        EsmCategory::FunctionInFailedState => step(
            "Find out why the function is in the Failed state, fix the cause and redeploy the function. To show the reason:",
            configuration("[State,StateReasonCode,StateReason,LastUpdateStatusReason]"),
        ),
        EsmCategory::ResourceNotFound => {
            let text = "Recreate the missing resource, or delete the mapping if it is no longer needed.";
            match show_source(region, esm) {
                Some(command) => step(format!("{text} To check whether the event source exists:"), command),
                None => step(text, None),
            }
        }
        EsmCategory::RegionNameNotValid => step(
            "Compare the Regions in the ARNs of the mapping, its function and its event source. A mapping with an invalid \
             Region must be deleted and recreated.",
            None,
        ),
        EsmCategory::Unknown => step(
            "Check that the function and the event source exist, that the function is in the Active state, and that its \
             execution role can read the event source:",
            configuration("[State,StateReason,Role]"),
        ),
    }
}

fn source(esm: &EsmDisabled) -> Option<(EventSourceKind, Arn<'_>)> {
    let arn = Arn::parse(esm.event_source_arn.as_deref()?)?;
    Some((arn.event_source()?, arn))
}

/// The permissions to read a source, as the Lambda Developer Guide lists them for each kind.
pub(super) fn permissions(kind: Option<EventSourceKind>) -> &'static str {
    match kind {
        Some(EventSourceKind::Queue) => {
            "the permissions to read the event source: sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes"
        }
        Some(EventSourceKind::Stream) => {
            "the permissions to read the event source: kinesis:DescribeStream, kinesis:DescribeStreamSummary, \
             kinesis:GetRecords, kinesis:GetShardIterator, kinesis:ListShards and kinesis:SubscribeToShard"
        }
        Some(EventSourceKind::Table) => {
            "the permissions to read the event source: dynamodb:DescribeStream, dynamodb:GetRecords, \
             dynamodb:GetShardIterator and dynamodb:ListStreams"
        }
        Some(EventSourceKind::Kafka | EventSourceKind::Broker | EventSourceKind::Documents) => {
            "the permissions to read the event source, its secret in Secrets Manager, and its network interfaces"
        }
        None => {
            "the permissions to read the event source and, for a queue, to delete messages. If the source is encrypted with a \
             KMS key, also grant kms:Decrypt"
        }
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
        EventSourceKind::Kafka => {
            let source = word(Some(arn.text), "SOURCE");
            format!("aws kafka describe-cluster-v2 --region {region} --cluster-arn {source}")
        }
        EventSourceKind::Broker => format!("aws mq list-brokers --region {region}"),
        EventSourceKind::Documents => {
            format!("aws docdb describe-db-clusters --region {region} --db-cluster-identifier {name}")
        }
    })
}

/// The steps after a sweep found several stopped mappings.
pub(super) fn of_stopped_mappings(event: &Event) -> Vec<Step> {
    let region = word(event.region.as_deref(), "REGION");
    vec![
        step(
            "Show the mappings with the reasons of their states, in each account and Region:",
            format!(
                "aws lambda list-event-source-mappings --region {region} --query \"EventSourceMappings[?State=='Disabled']\""
            ),
        ),
        step("Fix the cause, then enable each mapping. Delete the mappings that are no longer needed.", None),
    ]
}

/// The steps after a sweep found a mapping that fails.
pub(super) fn of_failing_mapping(event: &Event, esm: &EsmFailing) -> Vec<Step> {
    let region = word(event.region.as_deref(), "REGION");
    let uuid = word(esm.names.mapping_uuid.as_deref(), "UUID");
    let function = word(event.function_name.as_deref(), "FUNCTION");
    let show =
        step("Show the mapping:", format!("aws lambda get-event-source-mapping --region {region} --uuid {uuid}"));
    let fix = match esm.category {
        FailingCategory::FilterCriteriaError => step(
            "Correct the filter criteria. If they are encrypted with a KMS key, Lambda must be allowed to decrypt with it.",
            None,
        ),
        FailingCategory::ConsumerStopped => step(
            "Correct the configuration of the mapping, the credentials for the broker or the permissions of the function's \
             role. Then update the mapping, which starts the consumer again.",
            None,
        ),
        FailingCategory::ProcessingProblem => step(
            "If the function call failed, look for errors of the function. Otherwise, check the network, the credentials and \
             the permissions that the mapping needs to read its source:",
            format!("aws logs tail /aws/lambda/{function} --region {region} --since 1h --filter-pattern ERROR"),
        ),
        FailingCategory::UnknownState => step("Look up the state in the Lambda API Reference.", None),
    };
    vec![show, fix]
}

/// The step after a sweep no longer found a mapping stopped or failing.
pub(super) fn of_recovered_mapping(event: &Event, esm: &EsmRecovered) -> Vec<Step> {
    let region = word(event.region.as_deref(), "REGION");
    let uuid = word(esm.names.mapping_uuid.as_deref(), "UUID");
    vec![match esm.recovery {
        Recovery::Enabled | Recovery::Processing => step(
            "No action is needed. To check that events are being processed:",
            format!("aws lambda get-event-source-mapping --region {region} --uuid {uuid}"),
        ),
        Recovery::Deleted => step("If the mapping is still needed, recreate it.", None),
        Recovery::Disabled => step(
            "After the cause has been fixed, enable the mapping again:",
            format!("aws lambda update-event-source-mapping --region {region} --uuid {uuid} --enabled"),
        ),
    }]
}

/// The steps after a user changed a mapping.
pub(super) fn of_changed_mapping(event: &Event, esm: &EsmChanged) -> Vec<Step> {
    let region = word(event.region.as_deref(), "REGION");
    let uuid = word(esm.mapping_uuid.as_deref(), "UUID");
    let first = match esm.change {
        EsmChange::Enabled => step(
            "If this was intended, no action is needed. To check that events are being processed:",
            format!("aws lambda get-event-source-mapping --region {region} --uuid {uuid}"),
        ),
        EsmChange::Disabled => step(
            "If this was not intended, enable the mapping again:",
            format!("aws lambda update-event-source-mapping --region {region} --uuid {uuid} --enabled"),
        ),
        EsmChange::Deleted => step("If this was not intended, recreate the mapping.", None),
    };
    vec![first, find_caller(event)]
}

/// The step after an event that a rule watches for.
pub(super) fn of_watched(event: &Event) -> Vec<Step> {
    vec![find_caller(event)]
}

/// The steps after a denial.
pub(super) fn of_denial(event: &Event, denied: &AccessDenied, fix: Option<&Fix>) -> Vec<Step> {
    let first = match denied.kind {
        DenialKind::Policy => fix.map_or_else(|| step(change_policy(denied), None), add_statement),
        DenialKind::Dependency => step(
            "If this call should work, correct the policy of the resource that the error message names, such as a KMS key, \
             or the role that the service uses.",
            None,
        ),
        DenialKind::Authentication => step(
            "If you recognize the caller, renew its credentials. They have expired, were revoked, or are not enabled for the service.",
            None,
        ),
    };
    vec![first, find_caller(event)]
}

/// The steps after many different denials of one caller.
pub(super) fn of_caller(event: &Event) -> Vec<Step> {
    vec![
        step(
            "If the caller is a known scanner or deployment pipeline, correct its permissions or suppress its denials with a rule.",
            None,
        ),
        step(
            "Otherwise, treat its credentials as compromised: revoke the role's sessions or deactivate the user's access keys.",
            None,
        ),
        look_up("To show one of the calls in full:", event.region.as_deref(), event.id.as_deref()),
    ]
}

/// The steps after a likely cause of a stop became known.
pub(super) fn of_cause(change: &Change) -> Vec<Step> {
    let text = "If this call was unexpected, find out who made it, and undo it:";
    vec![look_up(text, change.region.as_deref(), Some(&change.id))]
}

pub(super) fn find_caller(event: &Event) -> Step {
    look_up("If this call was unexpected, find out who made it:", event.region.as_deref(), event.id.as_deref())
}

fn look_up(text: &str, region: Option<&str>, id: Option<&str>) -> Step {
    let [region, id] = [word(region, "REGION"), word(id, "EVENT_ID")];
    step(
        text,
        format!(
            "aws cloudtrail lookup-events --region {region} --lookup-attributes AttributeKey=EventId,AttributeValue={id}"
        ),
    )
}

/// The step to add a statement to a policy.
fn add_statement(fix: &Fix) -> Step {
    let place = match (fix.policy_type, fix.attach_to.as_deref()) {
        (PolicyType::IdentityBased, Some(caller)) => format!("in an identity-based policy of {caller}"),
        (PolicyType::PermissionsBoundary, Some(caller)) => format!("in the permissions boundary of {caller}"),
        (PolicyType::ResourceBased, Some(resource)) => format!("in the resource-based policy for {resource}"),
        (PolicyType::RoleTrust, Some(role)) => format!("in the trust policy of {role}"),
        (PolicyType::ServiceControl, _) => format!(
            "in the service control policies at every level of the organization, from the root to account {}",
            fix.caller_account
        ),
        (policy_type, _) => place(policy_type).to_owned(),
    };
    let notes = [
        other_account(fix),
        fix.applies_to_all_resources().then(|| "AWS checked the action on all resources.".to_owned()),
    ];
    let sentences =
        [format!("If this call should work, allow it {place}.")].into_iter().chain(notes.into_iter().flatten());
    Step { text: sentences.collect::<Vec<_>>().join(" "), snippet: Some(Snippet::Statement(fix.statement.to_string())) }
}

/// Which other policy must allow a call to another account.
fn other_account(fix: &Fix) -> Option<String> {
    const OF_CALLER: &str = "an identity-based policy of the caller must also allow it";
    match (fix.policy_type, &fix.resource_account) {
        (PolicyType::ResourceBased | PolicyType::RoleTrust, ResourceAccount::Other(account)) => {
            Some(format!("The resource is in account {account}, so {OF_CALLER}."))
        }
        (PolicyType::ResourceBased, ResourceAccount::Unknown) => {
            Some(format!("If the resource is in another account, {OF_CALLER}."))
        }
        (PolicyType::IdentityBased, ResourceAccount::Other(account)) => {
            Some(format!("The resource is in account {account}, so its resource-based policy must also allow it."))
        }
        _ => None,
    }
}

/// The step to change a policy, if there is no statement to add.
fn change_policy(denied: &AccessDenied) -> String {
    let named = denied.policy_arn.as_deref().filter(|it| is_word(it));
    let place = denied.policy_type.map(|policy_type| match named {
        Some(arn) => format!("in the {} {arn}", policy(policy_type)),
        None => place(policy_type).to_owned(),
    });
    match (denied.effect, place) {
        (Some(Effect::Explicit), Some(place)) => format!(
            "If this call should work, change the statement that denies the action {place}. An explicit deny overrides any \
             allow in another policy."
        ),
        (Some(Effect::Explicit), None) => "If this call should work, change the statement that denies the action. An \
                                           explicit deny overrides any allow in another policy. The error message does not \
                                           name the type of policy."
            .to_owned(),
        (_, Some(place)) => format!("If this call should work, allow the action {place}."),
        (_, None) => "If this call should work, allow the action in a policy. The error message does not name the type of \
                      policy."
            .to_owned(),
    }
}

/// Where a policy of a type is, if the record does not identify it.
fn place(policy_type: PolicyType) -> &'static str {
    match policy_type {
        PolicyType::IdentityBased => "in an identity-based policy attached to the user or role",
        PolicyType::ResourceBased => "in the resource-based policy",
        PolicyType::ServiceControl => "in the organization's service control policies",
        PolicyType::ResourceControl => "in the organization's resource control policies",
        PolicyType::VpcEndpoint => "in the VPC endpoint policy",
        PolicyType::PermissionsBoundary => "in the permissions boundary of the user or role",
        PolicyType::Session => "in the session policy that was passed when the session was created",
        PolicyType::RoleTrust => "in the role's trust policy",
    }
}
