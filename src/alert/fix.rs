//! The smallest policy statement that would allow a denied call, and the policy that it belongs to.
//!
//! Readers copy a statement into a policy. A denial therefore has one only if its message names the caller of the
//! record, the action and the resources, and if each of them is a [word](is_word): it has no character that a shell, a
//! chat client or an email client interprets, and no wildcard or policy variable, which a caller can write into the
//! name of a resource. The only wildcard is the resource `*` alone, which AWS reports for actions that do not apply to
//! a specific resource.
//!
//! Source: "Policy evaluation logic" and "IAM JSON policy elements reference" in the IAM User Guide, "SCP syntax" and
//! "RCP syntax" in the AWS Organizations User Guide, "Control access to VPC endpoints using endpoint policies" in the
//! Amazon VPC documentation.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use super::sanitize::is_word;
use crate::detect::{AccessDenied, Arn, DenialKind, Effect, PolicyType, Principal};
use crate::triage::{Incident, Tally};

/// Maximum number of resources in a statement.
const MAX_RESOURCES: usize = 3;
/// The resource of an action that does not apply to a specific resource.
const ALL: &str = "*";

/// A statement, and the policy to add it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fix {
    /// The type of the policy.
    pub(crate) policy_type: PolicyType,
    /// ARN of the role, user or resource that the policy applies to; `None` if the record does not identify the policy.
    pub(crate) attach_to: Option<String>,
    /// Where the resource is, compared to the caller.
    pub(crate) resource_account: ResourceAccount,
    /// The caller's account.
    pub(crate) caller_account: String,
    /// The statement.
    pub(crate) statement: Statement,
}

/// The account of the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResourceAccount {
    /// The caller's account, or all resources.
    Same,
    /// Another account.
    Other(String),
    /// The ARN does not contain an account, as for S3.
    Unknown,
}

/// A statement of an IAM policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statement {
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Value>,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}

impl Fix {
    /// The fix for a denial; `None` if no policy of its type can allow the call, or if a part of the statement is
    /// unknown or not a word.
    pub(super) fn of(incident: &Incident, denied: &AccessDenied) -> Option<Self> {
        if (denied.kind, denied.effect) != (DenialKind::Policy, Some(Effect::Implicit)) {
            return None;
        }
        let policy_type = denied.policy_type?;
        let caller = caller(&incident.finding.event.principal, denied)?;
        let action = denied.action.as_deref().filter(|it| is_word(it))?;
        let resources = denied.resource.as_ref().and_then(|_| resources(&incident.resources))?;
        let (attach_to, statement) = addition(policy_type, &caller, action, &resources)?;
        Some(Self {
            policy_type,
            attach_to: attach_to.map(str::to_owned),
            resource_account: ResourceAccount::of(&resources, caller.account),
            caller_account: caller.account.to_owned(),
            statement,
        })
    }

    /// Returns true if the statement allows the action on all resources.
    pub(crate) fn applies_to_all_resources(&self) -> bool {
        self.statement.resource == Some(json!(ALL))
    }
}

/// What a policy of this type applies to, and the statement in its syntax. Returns `None` if such a policy cannot
/// contain the statement, or if the resources do not have the same policy.
fn addition<'a>(
    policy_type: PolicyType,
    caller: &Arn<'a>,
    action: &str,
    resources: &[&'a str],
) -> Option<(Option<&'a str>, Statement)> {
    let plain = Statement::of(action, resources);
    let principal = Some(json!({"AWS": caller.text}));
    Some(match policy_type {
        PolicyType::IdentityBased | PolicyType::PermissionsBoundary => (Some(caller.text), plain),
        PolicyType::Session | PolicyType::ServiceControl => (None, plain),
        PolicyType::ResourceBased => (Some(policy_owner(resources)?), Statement { principal, ..plain }),
        PolicyType::RoleTrust => (Some(policy_owner(resources)?), Statement { principal, resource: None, ..plain }),
        // Gateway endpoints identify a role or user only by this condition, and interface endpoints support it.
        PolicyType::VpcEndpoint => {
            let condition = Some(json!({"ArnEquals": {"aws:PrincipalArn": caller.text}}));
            (None, Statement { principal: Some(json!(ALL)), condition, ..plain })
        }
        // AWS Organizations accepts only `Deny` in a resource control policy.
        PolicyType::ResourceControl => return None,
    })
}

/// The role or user that made the call. The message must name the same one: a service that makes a call on behalf of a
/// caller may report the denial of another role.
fn caller<'a>(principal: &'a Principal, denied: &AccessDenied) -> Option<Arn<'a>> {
    let caller = Arn::parse(&principal.key).filter(|it| it.service == "iam" && is_word(it.text))?;
    let named = Arn::parse(denied.principal.as_deref()?)?;
    let is_same = match caller.resource.split_once('/')?.0 {
        "user" => named.text == caller.text,
        "role" => {
            let role = named.resource.strip_prefix("assumed-role/").and_then(|it| it.split('/').next());
            named.service == "sts" && named.account == caller.account && role == Some(caller.short_name())
        }
        _ => false,
    };
    is_same.then_some(caller)
}

/// The resources, if all of them are known and can be in a statement.
fn resources(tally: &Tally) -> Option<Vec<&str>> {
    let kept: Vec<_> = tally.kept().iter().map(String::as_str).collect();
    let is_named = |text: &&str| is_word(text) && Arn::parse(text).is_some();
    let is_usable = kept == [ALL] || kept.iter().all(is_named);
    (is_usable && (1..=MAX_RESOURCES).contains(&tally.count())).then_some(kept)
}

/// The resource whose policy applies to all of these resources: the bucket of S3 objects, or else the resource itself.
fn policy_owner<'a>(resources: &[&'a str]) -> Option<&'a str> {
    let owner = |resource: &'a str| {
        let arn = Arn::parse(resource)?;
        let bucket = resource.split('/').next().filter(|_| arn.service == "s3" && arn.account.is_empty());
        Some(bucket.unwrap_or(resource))
    };
    let mut owners = resources.iter().map(|it| owner(it));
    let first = owners.next()??;
    owners.all(|it| it == Some(first)).then_some(first)
}

impl ResourceAccount {
    fn of(resources: &[&str], caller: &str) -> Self {
        let accounts: Vec<_> = resources.iter().filter_map(|it| Arn::parse(it)).map(|it| it.account).collect();
        let is_id = |account: &str| !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
        match accounts.iter().find(|it| is_id(it) && **it != caller) {
            Some(other) => Self::Other((*other).to_owned()),
            None if accounts.iter().all(|it| is_id(it)) => Self::Same,
            None => Self::Unknown,
        }
    }
}

impl Statement {
    /// The statement that allows an action on these resources, without a principal.
    fn of(action: &str, resources: &[&str]) -> Self {
        let resource = match resources {
            [one] => json!(one),
            all => json!(all),
        };
        Self { effect: "Allow", principal: None, action: action.to_owned(), resource: Some(resource), condition: None }
    }
}

impl fmt::Display for Statement {
    /// Writes the statement as JSON on one line, with a space after each colon and comma between values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compact = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        // A word contains neither quotes nor commas.
        f.write_str(&compact.replace("\":", "\": ").replace(",\"", ", \""))
    }
}
