//! Explains the codes about denied calls and watched events.

use super::super::attributes::MANY_DENIALS;
use super::super::next_steps::{self, Step, step};
use super::super::{access_denied, wording};
use super::explanation::{CodeGroup, Explanation};
use crate::detect::{AccessDenied, AlertType, DenialKind, Effect, Event, PolicyType};
use crate::triage::MAX_INCIDENTS_PER_CALLER;

const CALL_FAILED: &str = "The call failed and changed nothing.";

pub(super) fn of_denied_type() -> Explanation {
    Explanation {
        group: CodeGroup::AlertType,
        code: AlertType::AccessDenied.as_str().to_owned(),
        brief: "A call was denied.",
        summary: "A call was denied. The category says what was denied, and error_code is the error of the service."
            .to_owned(),
        ..of_kind(DenialKind::Policy)
    }
}

pub(super) fn of_watch_type() -> Explanation {
    let read = step("Read the title and the pattern of the rule in the rules file. The category is its name.", None);
    Explanation {
        group: CodeGroup::AlertType,
        code: AlertType::Watch.as_str().to_owned(),
        brief: "A watch rule matches the event.",
        summary: "A watch rule matches the event.".to_owned(),
        consequences: vec!["The rule decides: the call may have succeeded or failed.".to_owned()],
        steps: [read].into_iter().chain(next_steps::of_watched(&Event::unnamed())).collect(),
    }
}

pub(super) fn of_kind(kind: DenialKind) -> Explanation {
    Explanation {
        group: CodeGroup::Category(AlertType::AccessDenied),
        code: kind.as_str().to_owned(),
        brief: access_denied::meaning(kind),
        summary: format!("{}.", access_denied::meaning(kind)),
        consequences: consequences(kind),
        steps: steps(kind),
    }
}

pub(super) fn of_many_denials() -> Explanation {
    Explanation {
        group: CodeGroup::Several,
        code: MANY_DENIALS.to_owned(),
        brief: "One caller was denied many different calls.",
        summary: format!("One caller was denied more than {MAX_INCIDENTS_PER_CALLER} different calls."),
        consequences: vec![
            "Common causes: a permissions scanner, stolen credentials, or a policy that was removed from the role."
                .to_owned(),
        ],
        steps: next_steps::of_caller(&Event::unnamed()),
    }
}

pub(super) fn of_effect(effect: Effect) -> Explanation {
    let (brief, summary, first) = match effect {
        Effect::Implicit => (
            "No policy of the type allows the action.",
            "No policy of the type in policy_type allows the action.",
            "If this call should work, allow the action in a policy of that type.",
        ),
        Effect::Explicit => (
            "A policy of the type denies the action.",
            "A policy of the type in policy_type denies the action. An explicit deny overrides any allow in another policy.",
            "If this call should work, change the statement that denies the action.",
        ),
    };
    Explanation {
        group: CodeGroup::Effect,
        code: effect.as_str().to_owned(),
        brief,
        summary: summary.to_owned(),
        consequences: vec![CALL_FAILED.to_owned()],
        steps: vec![step(first, None), next_steps::find_caller(&Event::unnamed())],
    }
}

/// Source of the meanings: "Policies and permissions in AWS Identity and Access Management", IAM User Guide.
pub(super) fn of_policy_type(policy_type: PolicyType) -> Explanation {
    let meaning = match policy_type {
        PolicyType::IdentityBased => "It is attached to a user, a group or a role, and allows what they can do.",
        PolicyType::ResourceBased => {
            "It is attached to a resource, such as a bucket, a queue or a key, and says who can use it."
        }
        PolicyType::ServiceControl => {
            "It limits what the users and roles in the accounts of an organization can do. It grants no permissions."
        }
        PolicyType::ResourceControl => {
            "It limits what anybody can do with the resources in the accounts of an organization. It grants no permissions."
        }
        PolicyType::VpcEndpoint => "It is attached to a VPC endpoint, and limits the calls that are made through it.",
        PolicyType::PermissionsBoundary => {
            "It sets the maximum permissions of a user or role. It grants no permissions: an identity-based policy must \
             allow the action, too."
        }
        PolicyType::Session => "It was passed when the session was created, and limits the permissions of the session.",
        PolicyType::RoleTrust => "It is attached to a role, and says who can assume the role.",
    };
    let of_effect = |(effect, cause): (Effect, &str)| {
        let denied = denial(DenialKind::Policy, Some(policy_type), Some(effect));
        let change = next_steps::of_denial(&Event::unnamed(), &denied, None).into_iter().next()?;
        Some(Step { text: format!("{cause} {}", change.text), ..change })
    };
    let effects = [
        (Effect::Implicit, "With policy_effect implicit, no policy of this type allows the action."),
        (Effect::Explicit, "With policy_effect explicit, a policy of this type denies the action."),
    ];
    let name = wording::capitalized(&wording::policy(policy_type));
    let mut steps = vec![step("Show the policy:", show_policy(policy_type).to_owned())];
    steps.extend(effects.into_iter().filter_map(of_effect));
    steps.push(next_steps::find_caller(&Event::unnamed()));
    Explanation {
        group: CodeGroup::PolicyType,
        code: policy_type.as_str().to_owned(),
        brief: meaning,
        summary: format!("{name}: the policy that denied the call. {meaning}"),
        consequences: vec![
            CALL_FAILED.to_owned(),
            "AWS names one type of policy even if several types deny the call, so another policy may have to change as well."
                .to_owned(),
        ],
        steps,
    }
}

pub(super) fn of_error_code(kind: DenialKind, code: &str) -> Explanation {
    let mut steps = steps(kind);
    steps.splice(0..0, special_step(code));
    Explanation {
        group: CodeGroup::ErrorCode(kind),
        code: code.to_owned(),
        brief: special_meaning(code).unwrap_or_default(),
        summary: special_meaning(code).map_or_else(|| format!("{}.", access_denied::meaning(kind)), str::to_owned),
        consequences: consequences(kind),
        steps,
    }
}

fn consequences(kind: DenialKind) -> Vec<String> {
    let consequence = match kind {
        DenialKind::Policy => {
            "The call failed and changed nothing. If a deployment or a function made it, that work was not done. Many different denials of one caller can be the \
             work of a scanner or of somebody with stolen credentials."
        }
        DenialKind::Dependency => {
            "The call failed. The caller may make it, but the service cannot use a resource, such as a KMS key, a bucket or a \
             network interface. Functions that need the resource may fail until its policy is corrected."
        }
        DenialKind::Authentication => {
            "The call failed and changed nothing. This says nothing about policies. If a program made the call, all its calls fail until its credentials are \
             renewed."
        }
    };
    vec![consequence.to_owned()]
}

fn steps(kind: DenialKind) -> Vec<Step> {
    let event = Event::unnamed();
    match kind {
        DenialKind::Policy => vec![
            step(
                "If this call should work, change the policy that policy_type and policy_arn in the finding name. If they are \
                 missing, check the policies of the caller, then those of the resource.",
                None,
            ),
            next_steps::find_caller(&event),
        ],
        DenialKind::Dependency | DenialKind::Authentication => {
            next_steps::of_denial(&event, &denial(kind, None, None), None)
        }
    }
}

/// A denial without names.
fn denial(kind: DenialKind, policy_type: Option<PolicyType>, effect: Option<Effect>) -> AccessDenied {
    AccessDenied {
        kind,
        error_code: String::new(),
        message: None,
        principal: None,
        action: None,
        resource: None,
        policy_type,
        effect,
        policy_arn: None,
        truncated: false,
        encoded: false,
    }
}

/// A command that shows policies of a type.
fn show_policy(policy_type: PolicyType) -> &'static str {
    match policy_type {
        PolicyType::IdentityBased => {
            "aws iam list-attached-role-policies --role-name ROLE; aws iam list-role-policies --role-name ROLE"
        }
        PolicyType::ResourceBased => {
            "aws lambda get-policy --region REGION --function-name FUNCTION  # or: aws s3api get-bucket-policy --bucket BUCKET"
        }
        PolicyType::ServiceControl => {
            "aws organizations list-policies-for-target --target-id ACCOUNT --filter SERVICE_CONTROL_POLICY"
        }
        PolicyType::ResourceControl => {
            "aws organizations list-policies-for-target --target-id ACCOUNT --filter RESOURCE_CONTROL_POLICY"
        }
        PolicyType::VpcEndpoint => {
            "aws ec2 describe-vpc-endpoints --region REGION --query \"VpcEndpoints[].[VpcEndpointId,ServiceName,PolicyDocument]\""
        }
        PolicyType::PermissionsBoundary => "aws iam get-role --role-name ROLE --query Role.PermissionsBoundary",
        PolicyType::Session => {
            "aws cloudtrail lookup-events --region REGION --lookup-attributes AttributeKey=EventName,AttributeValue=AssumeRole"
        }
        PolicyType::RoleTrust => "aws iam get-role --role-name ROLE --query Role.AssumeRolePolicyDocument",
    }
}

/// The meaning of an error code that says more than its kind. Sources: "Error codes for the Amazon EC2 API", "Common
/// errors" in the API references of IAM and Lambda, and the exceptions in the API references of Lambda, Organizations and
/// Amazon RDS.
fn special_meaning(code: &str) -> Option<&'static str> {
    Some(match code.to_ascii_lowercase().as_str() {
        "unauthorizedoperation" => "EC2 denied the call, because a policy does not allow it.",
        "authfailure.servicelinkedrolecreationnotpermitted" => {
            "The caller may not create the service-linked role that the call needs."
        }
        "vpceaccessdenied" => "The policy of a VPC endpoint does not allow the call.",
        "accessdeniedfordependencyexception" => {
            "The caller may not create the service-linked role that AWS Organizations needs for the call."
        }
        "kmsaccessdeniedexception" => {
            "Lambda could not decrypt the environment variables of a function, because it was denied access to the KMS key."
        }
        "ec2accessdeniedexception" => "Lambda needs more permissions to configure the VPC settings of a function.",
        "snsnoauthorization" | "snsnoauthorizationfault" => {
            "The service may not publish to the SNS topic in the request."
        }
        "authfailure" => {
            "EC2 could not validate the caller's credentials. If the error message is about a permission, the category is \
             policy instead."
        }
        "expiredtoken" | "expiredtokenexception" => "The caller's temporary credentials have expired.",
        "requestexpired" => {
            "The time in the request differs from the time of the service by more than 15 minutes, or a presigned URL has \
             expired."
        }
        "invalidclienttokenid" | "unrecognizedclientexception" => {
            "AWS does not know the caller's access key or session token. The key may have been deleted or deactivated."
        }
        "signaturedoesnotmatch" => {
            "The signature of the request is wrong, usually because the secret access key is wrong."
        }
        "missingauthenticationtoken" | "missingauthenticationtokenexception" => "The request was not signed.",
        "optinrequired" | "optinrequiredexception" | "subscriptionrequiredexception" => {
            "The caller's account is not subscribed to the service."
        }
        _ => return None,
    })
}

/// What to do first about an error code.
fn special_step(code: &str) -> Option<Step> {
    match code.to_ascii_lowercase().as_str() {
        "unauthorizedoperation" => Some(step(
            "Decode the message at the end of the error message, which names the policies. CloudTrail may have cut it:",
            "aws sts decode-authorization-message --encoded-message MESSAGE --query DecodedMessage --output text"
                .to_owned(),
        )),
        "requestexpired" => Some(step("Check the clock of the machine that made the call.", None)),
        _ => None,
    }
}
