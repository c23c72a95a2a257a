//! The grammar of access-denied messages.
//!
//! ```text
//! message  = [ preamble ] subject " is not authorized to " verb [ object ] [ reason ] [ "." ]
//!            [ ". Encoded authorization failure message: " blob ]
//!          | "Not authorized to " verb [ object ] [ reason ] [ "." ]
//! subject  = [ "User: " | "User with accountId: " | "User " ] principal | "User"
//! verb     = "perform" [ ":" ] " " action | "access this resource"
//! object   = " on resource: " ( "\"" name "\"" | name ) | " on the specified resource"
//!          | " on this resource" | " on the resource associated with this ciphertext"
//! reason   = " because no " policy " allows the " action " action"
//!          | " with an explicit deny"
//!            [ " in " article " " policy [ " transitively through a service control policy" ]
//!              [ ": " policy-arn ] ]
//!          | " because " cause
//! policy   = ( "identity-based" | "resource-based" | "service control" | "resource control"
//!            | "VPC endpoint" | "session" | "role trust" ) " policy" | "permissions boundary"
//! ```
//!
//! A `cause` is a sentence without effect and policy type, such as KMS's "the resource does not exist in this Region,
//! no resource-based policies allow access, or a resource-based policy explicitly denies access".
//!
//! Source: [Troubleshoot access denied error messages][iam] in the IAM User Guide. Other forms are from the guides of
//! IAM, Glue, KMS, S3, STS and API Gateway, and from real records.
//!
//! # What the caller can write
//!
//! A message quotes the request, so a caller chooses parts of it. An attacker must not be able to forge a part that AWS
//! writes.
//!
//! - **The principal contains no space.** User names and session names are limited to `[\w+=,.@-]`, and IAM paths to
//!   `!` through DEL. The parser therefore reads the principal from the front, up to the first space, and never
//!   searches for a phrase before the resource. It skips only the preambles of EC2 and Lambda, which contain no names.
//! - **The resource can contain anything**, such as an S3 key that reads like a reason. A quoted name ends at the last
//!   quote, and any other name at the last reason.
//! - **A cut message may end inside the resource.** CloudTrail keeps 1 KB of a message and ends it with `...`. A
//!   closing quote and a reason in such a message may belong to the name. The parser therefore reads neither the
//!   resource nor anything after it, unless EC2 chose the name. EC2 appends an encoded message, so CloudTrail often
//!   cuts its messages.
//!
//! One forgery remains: AWS gives no reason, does not quote the name, and the name ends with a complete reason. Such a
//! message is identical to one with a shorter name and that reason.
//!
//! [iam]: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html

use std::sync::LazyLock;

use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

use super::arn::Arn;

const RESOURCE: &str = " on resource: ";
const BECAUSE: &str = " because ";
const EXPLICIT: &str = " with an explicit deny";
const TRANSITIVELY: &str = " transitively through a service control policy";
const ENCODED: &str = "Encoded authorization failure message:";

/// What EC2 writes before the subject.
const PREAMBLE: &str = "You are not authorized to perform this operation. ";
/// Lambda puts sentences without names before a message from KMS. They start and end with these phrases.
const LAMBDA_PREAMBLE: &str = "Lambda was unable to ";
const KMS_MESSAGE: &str = "KMS Message: ";

/// Phrases for a resource that the message does not name.
const FIXED_OBJECTS: [&str; 3] =
    [" on the specified resource", " on this resource", " on the resource associated with this ciphertext"];

/// Finders for the phrases that start a reason. Building one takes longer than searching a message.
struct Reasons {
    because: Finder<'static>,
    explicit: Finder<'static>,
}

static REASONS: LazyLock<Reasons> =
    LazyLock::new(|| Reasons { because: Finder::new(BECAUSE), explicit: Finder::new(EXPLICIT) });

/// The parts of an access-denied message, borrowed from it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct DenialMessage<'a> {
    /// The denied caller, usually an ARN.
    pub principal: Option<&'a str>,
    /// The IAM action, such as `lambda:InvokeFunction`.
    pub action: Option<&'a str>,
    /// The resource, as the service wrote it.
    pub resource: Option<&'a str>,
    /// The type of the policy that caused the denial.
    pub policy_type: Option<PolicyType>,
    /// Whether that policy denies the action or does not allow it.
    pub effect: Option<Effect>,
    /// ARN of the IAM or Organizations policy that denies the action.
    pub policy_arn: Option<&'a str>,
    /// CloudTrail has cut the message.
    pub truncated: bool,
    /// The message ends with an encoded part, for `sts:DecodeAuthorizationMessage`.
    pub encoded: bool,
}

/// How a policy caused a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// No policy of the type allows the action.
    Implicit,
    /// A policy of the type denies the action.
    Explicit,
}

impl Effect {
    /// All effects.
    pub const ALL: [Self; 2] = [Self::Implicit, Self::Explicit];

    /// The name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::Explicit => "explicit",
        }
    }
}

/// A type of policy that messages name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyType {
    /// Policy of the user, group or role.
    IdentityBased,
    /// Policy of the resource.
    ResourceBased,
    /// Service control policy of the organization.
    ServiceControl,
    /// Resource control policy of the organization.
    ResourceControl,
    /// Policy of a VPC endpoint.
    VpcEndpoint,
    /// Permissions boundary of the user or role.
    PermissionsBoundary,
    /// Policy passed when the session was created.
    Session,
    /// Trust policy of a role.
    RoleTrust,
}

impl PolicyType {
    /// All types.
    pub const ALL: [Self; 8] = [
        Self::IdentityBased,
        Self::ResourceBased,
        Self::ServiceControl,
        Self::ResourceControl,
        Self::VpcEndpoint,
        Self::PermissionsBoundary,
        Self::Session,
        Self::RoleTrust,
    ];

    /// The names of the types in messages. The IAM User Guide also spells `session` as `sessions`.
    const WORDS: [(&'static str, Self); 9] = [
        ("identity-based", Self::IdentityBased),
        ("resource-based", Self::ResourceBased),
        ("service control", Self::ServiceControl),
        ("resource control", Self::ResourceControl),
        ("VPC endpoint", Self::VpcEndpoint),
        ("permissions boundary", Self::PermissionsBoundary),
        ("session", Self::Session),
        ("sessions", Self::Session),
        ("role trust", Self::RoleTrust),
    ];

    /// The name in messages, without "policy".
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, it)| *it == self).map_or("", |(words, _)| words)
    }

    /// Parses a type at the start of `text`. Returns it with the text after it and after "policy" or "policies".
    fn split_from(text: &str) -> Option<(Self, &str)> {
        let after = |words: &str| {
            let (start, rest) = text.split_at_checked(words.len())?;
            let is_whole_word = !rest.starts_with(|c: char| c.is_alphanumeric());
            (is_whole_word && start.eq_ignore_ascii_case(words)).then_some(rest)
        };
        let (rest, policy_type) = Self::WORDS.iter().find_map(|(words, it)| Some((after(words)?, *it)))?;
        let rest = rest.strip_prefix(" policy").or_else(|| rest.strip_prefix(" policies")).unwrap_or(rest);
        Some((policy_type, rest))
    }
}

impl<'a> DenialMessage<'a> {
    /// Parses a message. A part is absent if the message does not contain it, or if it cannot be distinguished from
    /// text that the caller chose. A message of an unknown form has no parts.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let text = text.trim();
        let (text, truncated) = strip_suffix(text, "...");
        let (text, encoded) = strip_encoded(text);
        let text = if truncated || encoded { text } else { strip_suffix(text, ".").0 };
        let end = match (truncated, encoded) {
            (false, _) => End::Whole,
            (true, true) => End::CutBlob,
            (true, false) => End::Cut,
        };

        let message = Self { truncated, encoded, ..Self::default() };
        let Some((principal, verb)) = split_subject(strip_preamble(text)) else { return message };
        let Some((action, object)) = split_verb(verb, end) else { return Self { principal, ..message } };
        let message = Self { principal, action, ..message };
        let (resource, reason) = match object.strip_prefix(RESOURCE) {
            // The encoded part may belong to the name, too.
            Some(named) => match split_resource(named, action, end) {
                Some((resource, reason)) => (Some(resource.trim()).filter(|it| !it.is_empty()), reason),
                None => return Self { encoded: false, ..message },
            },
            None => (None, Reason::parse(strip_fixed_object(object), end).unwrap_or_default()),
        };
        let Reason { policy_type, effect, policy_arn } = reason;
        Self { resource, policy_type, effect, policy_arn, ..message }
    }
}

/// How a message ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The end that the service wrote.
    Whole,
    /// CloudTrail cut the message inside what looks like the encoded part.
    CutBlob,
    /// CloudTrail cut the message, so its last word may be incomplete.
    Cut,
}

fn strip_suffix<'a>(text: &'a str, suffix: &str) -> (&'a str, bool) {
    text.strip_suffix(suffix).map_or((text, false), |front| (front, true))
}

/// The text before the encoded part, and whether there is one. The encoded part is a single word.
fn strip_encoded(text: &str) -> (&str, bool) {
    let front = || {
        let (front, blob) = text.split_at_checked(memrchr(b' ', text.as_bytes())?)?;
        let front = front.strip_suffix(ENCODED)?.trim_end();
        let encoded = blob.bytes().skip(1).all(|it| it.is_ascii_alphanumeric() || b"-_+/=".contains(&it));
        encoded.then(|| front.strip_suffix('.').unwrap_or(front))
    };
    front().map_or((text, false), |front| (front, true))
}

fn strip_preamble(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix(PREAMBLE) {
        return rest;
    }
    let of_kms = text.starts_with(LAMBDA_PREAMBLE).then(|| text.split_once(KMS_MESSAGE)).flatten();
    of_kms.map_or(text, |(_, message)| message)
}

fn strip_fixed_object(text: &str) -> &str {
    FIXED_OBJECTS.iter().find_map(|object| text.strip_prefix(object)).unwrap_or(text)
}

/// The principal, and the text after "is not authorized to".
fn split_subject(text: &str) -> Option<(Option<&str>, &str)> {
    let unnamed = ["Not authorized to ", "User is not authorized to "];
    let arn = |text: &&str| text.starts_with("arn:");
    let named = match text.strip_prefix("User") {
        Some(rest) => (rest.strip_prefix(": "))
            .or_else(|| rest.strip_prefix(" with accountId: "))
            .or_else(|| rest.strip_prefix(' ').filter(arn)),
        None => Some(text).filter(arn),
    };
    let Some(named) = named else {
        return unnamed.iter().find_map(|it| Some((None, text.strip_prefix(it)?)));
    };
    let (principal, rest) = named.split_at_checked(memchr(b' ', named.as_bytes())?)?;
    let verb = rest.strip_prefix(" is not authorized to ")?;
    Some((Some(principal).filter(|it| !it.is_empty()), verb))
}

/// The action if the verb has one, and the text after the verb.
fn split_verb(text: &str, end: End) -> Option<(Option<&str>, &str)> {
    if let Some(rest) = text.strip_prefix("access this resource") {
        return Some((None, rest));
    }
    let perform = text.strip_prefix("perform")?;
    let named = perform.strip_prefix(": ").or_else(|| perform.strip_prefix(' '))?;
    let (word, rest) = split_word(named);
    let whole = end != End::Cut || !rest.is_empty();
    Some((Some(word).filter(|it| whole && is_action(it)), rest))
}

/// The text up to the first space, and the rest.
fn split_word(text: &str) -> (&str, &str) {
    memchr(b' ', text.as_bytes()).and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""))
}

/// Returns true for `service:Action`, such as `execute-api:Invoke`.
fn is_action(word: &str) -> bool {
    let Some(colon) = memchr(b':', word.as_bytes()) else { return false };
    let (service, name) = word.as_bytes().split_at(colon);
    let starts_with_letter = |it: &[u8]| it.first().is_some_and(u8::is_ascii_alphabetic);
    let name = name.strip_prefix(b":").unwrap_or(name);
    starts_with_letter(service)
        && starts_with_letter(name)
        && service.iter().all(|it| it.is_ascii_alphanumeric() || *it == b'-')
        && name.iter().all(u8::is_ascii_alphanumeric)
}

/// The resource and the reason after it. `None` if the end of the resource is unknown.
fn split_resource<'a>(text: &'a str, action: Option<&str>, end: End) -> Option<(&'a str, Reason<'a>)> {
    if end != End::Whole {
        let (word, rest) = split_word(text);
        let whole = end == End::CutBlob || !rest.is_empty();
        let known = whole && is_named_by_ec2(word, action);
        return known.then(|| (word, Reason::parse(rest, end).unwrap_or_default()));
    }
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, rest) = quoted.split_at_checked(memrchr(b'"', quoted.as_bytes())?)?;
        let rest = rest.strip_prefix('"')?;
        return match last_reason(rest) {
            Some(0) => Some((name, Reason::parse(rest, end).unwrap_or_default())),
            // The service does not quote names, and this name starts with a quote.
            Some(_) => None,
            None => rest.is_empty().then(|| (name, Reason::default())),
        };
    }
    match last_reason(text).and_then(|at| text.split_at_checked(at)) {
        Some((name, reason)) => Some((name, Reason::parse(reason, end)?)),
        None => Some((text, Reason::default())),
    }
}

/// Index of the last phrase that can start a reason.
fn last_reason(text: &str) -> Option<usize> {
    let Reasons { because, explicit } = &*REASONS;
    because.find_iter(text.as_bytes()).last().max(explicit.find_iter(text.as_bytes()).last())
}

/// Returns true if EC2 chose the name: all resources, all resources of a type, or an ID that EC2 generated. Such a name
/// contains no space.
fn is_named_by_ec2(resource: &str, action: Option<&str>) -> bool {
    const NAMED_BY_CALLERS: [&str; 2] = ["key-pair", "placement-group"];
    let generated = |id: &str| {
        let (kind, number) = id.rsplit_once('-').unwrap_or_default();
        !kind.is_empty() && number.len() >= 8 && number.bytes().all(|it| it.is_ascii_hexdigit())
    };
    let of_type = |arn: Arn<'_>| {
        let (kind, id) = arn.resource.split_once('/').unwrap_or_default();
        arn.service == "ec2" && !NAMED_BY_CALLERS.contains(&kind) && (id == "*" || generated(id))
    };
    let of_ec2 = action.is_some_and(|it| it.starts_with("ec2:"));
    of_ec2 && (resource == "*" || Arn::parse(resource).is_some_and(of_type))
}

/// The reason in a message. A cause that lists alternatives has no parts.
#[derive(Default)]
struct Reason<'a> {
    effect: Option<Effect>,
    policy_type: Option<PolicyType>,
    policy_arn: Option<&'a str>,
}

impl<'a> Reason<'a> {
    /// Parses a reason at the start of `text`; `None` if there is none.
    fn parse(text: &'a str, end: End) -> Option<Self> {
        match text.strip_prefix(BECAUSE) {
            Some(why) => Self::because(why, end),
            None => Self::explicit(text.strip_prefix(EXPLICIT)?, end),
        }
    }

    fn because(why: &str, end: End) -> Option<Self> {
        const ALLOWS: &str = " allows the ";
        let Some(why) = why.strip_prefix("no ") else {
            return why.starts_with("the resource does not exist in this Region").then(Self::default);
        };
        let (policy_type, allows) = match PolicyType::split_from(why) {
            Some((policy_type, rest)) => (Some(policy_type), rest),
            None => (None, why.split_at_checked(why.find(ALLOWS)?)?.1),
        };
        let cut_within = end == End::Cut && ALLOWS.starts_with(allows);
        if allows.starts_with(ALLOWS) || allows.starts_with(" allow the ") || cut_within {
            return Some(Self { effect: Some(Effect::Implicit), policy_type, policy_arn: None });
        }
        // "no resource-based policies allow access, or …"
        allows.starts_with(" allow").then(Self::default)
    }

    fn explicit(why: &'a str, end: End) -> Option<Self> {
        let bare = Self { effect: Some(Effect::Explicit), ..Self::default() };
        let Some(why) = why.strip_prefix(" in ") else {
            let ended = !why.starts_with(|c: char| c.is_alphanumeric());
            return ended.then_some(bare);
        };
        let named = ["an ", "a ", "the "].iter().find_map(|article| why.strip_prefix(article)).unwrap_or(why);
        let (policy_type, arn) = match PolicyType::split_from(named) {
            Some((policy_type, rest)) => (Some(policy_type), rest.strip_prefix(TRANSITIVELY).unwrap_or(rest)),
            // A policy type that this parser does not know.
            None if named.contains(" policy") => (None, named.find(": ").and_then(|at| named.get(at..)).unwrap_or("")),
            None => return (end == End::Cut).then_some(bare),
        };
        let policy_arn = arn.strip_prefix(": ").and_then(|it| policy_arn(it, end));
        Some(Self { policy_type, policy_arn, ..bare })
    }
}

/// The ARN of an IAM or Organizations policy at the start of `text`.
fn policy_arn(text: &str, end: End) -> Option<&str> {
    let (word, rest) = split_word(text);
    if rest.is_empty() && end == End::Cut {
        return None;
    }
    let word = if rest.is_empty() { word } else { word.strip_suffix('.').unwrap_or(word) };
    let arn = Arn::parse(word)?;
    let name = arn.resource.strip_prefix("policy/")?;
    let of_policy = matches!(arn.service, "iam" | "organizations") && arn.region.is_empty() && !name.is_empty();
    of_policy.then_some(word)
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_message_is_parsed() {
        let parsed = DenialMessage::parse(
            "User: arn:aws:sts::111122223333:assumed-role/ci/run-7 is not authorized to perform: lambda:DeleteFunction \
             on resource: arn:aws:lambda:us-east-1:111122223333:function:orders with an explicit deny in a service \
             control policy: arn:aws:organizations::999999999999:policy/o-x/service_control_policy/p-x",
        );
        insta::assert_debug_snapshot!(parsed, @r#"
        DenialMessage {
            principal: Some(
                "arn:aws:sts::111122223333:assumed-role/ci/run-7",
            ),
            action: Some(
                "lambda:DeleteFunction",
            ),
            resource: Some(
                "arn:aws:lambda:us-east-1:111122223333:function:orders",
            ),
            policy_type: Some(
                ServiceControl,
            ),
            effect: Some(
                Explicit,
            ),
            policy_arn: Some(
                "arn:aws:organizations::999999999999:policy/o-x/service_control_policy/p-x",
            ),
            truncated: false,
            encoded: false,
        }
        "#);
    }

    #[test]
    fn policy_types_and_effects_are_parsed() {
        let head = "User: u is not authorized to perform: s3:GetObject on resource: r";
        for (tail, policy_type, effect) in [
            (" because no identity-based policy allows the s3:GetObject action", "identity-based", Effect::Implicit),
            (
                " because no permissions boundary allows the s3:GetObject action",
                "permissions boundary",
                Effect::Implicit,
            ),
            (" because no VPC endpoint policy allows the s3:GetObject action", "VPC endpoint", Effect::Implicit),
            (" with an explicit deny in an identity-based policy", "identity-based", Effect::Explicit),
            (" with an explicit deny in a sessions policy", "session", Effect::Explicit),
            (" with an explicit deny in the role trust policy", "role trust", Effect::Explicit),
            (" with an explicit deny in a resource control policy", "resource control", Effect::Explicit),
            (" with an explicit deny in a resource-based policy", "resource-based", Effect::Explicit),
        ] {
            let text = format!("{head}{tail}");
            let parsed = DenialMessage::parse(&text);
            assert_eq!(parsed.policy_type.map(PolicyType::as_str), Some(policy_type), "{tail}");
            assert_eq!(parsed.effect, Some(effect), "{tail}");
            assert_eq!(
                (parsed.principal, parsed.action, parsed.resource),
                (Some("u"), Some("s3:GetObject"), Some("r"))
            );
        }
    }

    #[test]
    fn a_resource_name_cannot_forge_a_reason() {
        let forged = "k with an explicit deny in a service control policy: arn:aws:organizations::9:policy/p";
        let why = " because no identity-based policy allows the s3:GetObject action";
        for resource in [format!("\"arn:aws:s3:::b/{forged}\""), format!("arn:aws:s3:::b/{forged}")] {
            let text = format!("User: u is not authorized to perform: s3:GetObject on resource: {resource}{why}");
            let parsed = DenialMessage::parse(&text);
            assert_eq!(parsed.resource, Some(resource.trim_matches('"')));
            assert_eq!((parsed.policy_type, parsed.effect), (Some(PolicyType::IdentityBased), Some(Effect::Implicit)));
            assert_eq!(parsed.policy_arn, None);
        }
        let cut =
            format!("User: u is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::b/{forged}...");
        assert_eq!(DenialMessage::parse(&cut).effect, None);
    }

    /// Every form in the documentation and in real trails.
    #[test]
    fn documented_and_observed_messages_are_parsed() {
        let user = "User: arn:aws:iam::111122223333:user/ana is not authorized to perform:";
        let mut summaries = Vec::new();
        for text in [
            format!("{user} lambda:GetFunction on resource: arn:aws:lambda:us-east-1:111122223333:function:f"),
            format!("{user} lambda:GetFunction"),
            format!(
                "{user} ec2:DescribeInstances because no identity-based policy allows the ec2:DescribeInstances action"
            ),
            format!(
                "{user} iam:CreateUser on resource: user bob because no permissions boundary allows the iam:CreateUser action"
            ),
            format!(
                "{user} iam:CreateUser on resource: user  with an explicit deny in an identity-based policy: arn:aws:iam::aws:policy/Quarantine"
            ),
            format!(
                "{user} iam:AttachUserPolicy on resource: policy arn:aws:iam::aws:policy/A version v2 with an explicit deny in a sessions policy"
            ),
            format!(
                "{user} s3:GetObject on resource: \"arn:aws:s3:::b/k\" because no resource-based policy allows the s3:GetObject action"
            ),
            format!("{user} SNS:Publish on the specified resource with an explicit deny in a resource control policy"),
            format!(
                "{user} elasticloadbalancing:DescribeTags on this resource because no session policy allows the action"
            ),
            format!(
                "{user} sts:AssumeRole on resource: arn:aws:iam::111122223333:role/r with an explicit deny in the role trust policy"
            ),
            format!(
                "{user} s3:ListBucket on resource: * with an explicit deny in a VPC endpoint policy transitively through a service control policy"
            ),
            format!(
                "{user} s3:ListBucket on resource: b because no service control policy allows the s3:ListBucket action"
            ),
            format!(
                "You are not authorized to perform this operation. {user} ec2:RunInstances on resource: * because no identity-based policy allows the ec2:RunInstances action. Encoded authorization failure message: AbC-d_e"
            ),
            format!(
                "You are not authorized to perform this operation. {user} ec2:RunInstances on resource: * because no identity-based policy al..."
            ),
            "You are not authorized to perform this operation. Encoded authorization failure message: AbC-d_e..."
                .to_owned(),
            "The request was denied due to a VPC endpoint policy".to_owned(),
        ] {
            summaries.push(summary(&DenialMessage::parse(&text)));
        }
        insta::assert_snapshot!(summaries.join("\n"), @"
        ana | lambda:GetFunction | arn:aws:lambda:us-east-1:111122223333:function:f | - | - | -
        ana | lambda:GetFunction | - | - | - | -
        ana | ec2:DescribeInstances | - | identity-based | implicit | -
        ana | iam:CreateUser | user bob | permissions boundary | implicit | -
        ana | iam:CreateUser | user | identity-based | explicit | arn:aws:iam::aws:policy/Quarantine
        ana | iam:AttachUserPolicy | policy arn:aws:iam::aws:policy/A version v2 | session | explicit | -
        ana | s3:GetObject | arn:aws:s3:::b/k | resource-based | implicit | -
        ana | SNS:Publish | - | resource control | explicit | -
        ana | elasticloadbalancing:DescribeTags | - | session | implicit | -
        ana | sts:AssumeRole | arn:aws:iam::111122223333:role/r | role trust | explicit | -
        ana | s3:ListBucket | * | VPC endpoint | explicit | -
        ana | s3:ListBucket | b | service control | implicit | -
        ana | ec2:RunInstances | * | identity-based | implicit | - | encoded
        ana | ec2:RunInstances | * | identity-based | implicit | - | truncated
        - | - | - | - | - | - | truncated | encoded
        - | - | - | - | - | -
        ");
    }

    /// Messages of IAM, Glue, KMS, STS, API Gateway, CloudWatch Logs, Lambda, S3 and Greengrass.
    #[test]
    fn messages_specific_to_a_service_are_parsed() {
        let user = "User: arn:aws:iam::111122223333:user/ana is not authorized to perform:";
        let alternatives = "because the resource does not exist in this Region, no resource-based policies allow \
                            access, or a resource-based policy explicitly denies access";
        let mut summaries = Vec::new();
        for text in [
            format!("{user} iam:GetReport on resource: * with an explicit deny"),
            format!("{user} glue:GetCrawler with an explicit deny"),
            format!("{user} s3:GetObject on resource: \"arn:aws:s3:::b/k\" with an explicit deny."),
            format!("{user} kms:Decrypt on the resource associated with this ciphertext {alternatives}"),
            format!("{user} kms:Decrypt on resource: arn:aws:kms:us-east-1:111122223333:key/k {alternatives}"),
            format!(
                "{user} kms:Decrypt on resource: k because no resource-based policies allow access, or a resource-based policy explicitly denies access"
            ),
            format!(
                "{user} kms:Decrypt on resource: k because no resource-based policies allow the kms:Decrypt action"
            ),
            "Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned(),
            "Not authorized to perform sts:AssumeRoleWithSAML".to_owned(),
            "Not authorized to perform sts:AssumeRole.".to_owned(),
            format!("{} iam:UpdateAccessKey on resource: access key AKIAIOSFODNN7EXAMPLE", user.trim_end_matches(':')),
            "User: arn:aws:iam::111122223333:user/ana is not authorized to access this resource".to_owned(),
            "User is not authorized to access this resource with an explicit deny in an identity-based policy"
                .to_owned(),
            format!("{} iam:PassRole", user.replacen(':', "", 1)),
            format!("{} lambda:GetFunction on resource: *", user.trim_start_matches("User: ")),
            "User with accountId: 111122223333 is not authorized to perform: logs:PutSubscriptionFilter on resource: d"
                .to_owned(),
            format!(
                "Lambda was unable to decrypt the environment variables because KMS access was denied. Please check the function's KMS key settings. KMS Exception: AccessDeniedExceptionKMS Message: {user} kms:Decrypt on resource: k because no identity-based policy allows the kms:Decrypt action (Service: Kms, Status Code: 400, Request ID: r)"
            ),
            format!(
                "{user} s3:PutBucketPolicy on resource: \"arn:aws:s3:::b\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access"
            ),
            format!("{user} greengrass:CreateComponentVersion because no identity-based policy allows it"),
            format!("{user} null"),
        ] {
            summaries.push(summary(&DenialMessage::parse(&text)));
        }
        insta::assert_snapshot!(summaries.join("\n"), @"
        ana | iam:GetReport | * | - | explicit | -
        ana | glue:GetCrawler | - | - | explicit | -
        ana | s3:GetObject | arn:aws:s3:::b/k | - | explicit | -
        ana | kms:Decrypt | - | - | - | -
        ana | kms:Decrypt | arn:aws:kms:us-east-1:111122223333:key/k | - | - | -
        ana | kms:Decrypt | k | - | - | -
        ana | kms:Decrypt | k | resource-based | implicit | -
        - | sts:AssumeRoleWithWebIdentity | - | - | - | -
        - | sts:AssumeRoleWithSAML | - | - | - | -
        - | sts:AssumeRole | - | - | - | -
        ana | iam:UpdateAccessKey | access key AKIAIOSFODNN7EXAMPLE | - | - | -
        ana | - | - | - | - | -
        - | - | - | identity-based | explicit | -
        ana | iam:PassRole | - | - | - | -
        ana | lambda:GetFunction | * | - | - | -
        111122223333 | logs:PutSubscriptionFilter | d | - | - | -
        ana | kms:Decrypt | k | identity-based | implicit | -
        ana | s3:PutBucketPolicy | arn:aws:s3:::b | - | - | -
        ana | greengrass:CreateComponentVersion | - | - | - | -
        ana | - | - | - | - | -
        ");
    }

    fn summary(message: &DenialMessage<'_>) -> String {
        let part = |part: Option<&str>| part.unwrap_or("-").replace("arn:aws:iam::111122223333:user/", "");
        format!(
            "{} | {} | {} | {} | {} | {}{}{}",
            part(message.principal),
            part(message.action),
            part(message.resource),
            part(message.policy_type.map(PolicyType::as_str)),
            part(message.effect.map(Effect::as_str)),
            part(message.policy_arn),
            if message.truncated { " | truncated" } else { "" },
            if message.encoded { " | encoded" } else { "" },
        )
    }

    #[test]
    fn a_resource_name_ends_at_the_last_quote_or_the_last_reason() {
        let user = "User: u is not authorized to perform: s3:GetObject on resource:";
        let forged = "because no session policy allows the iam:CreateUser action with an explicit deny in a session \
                      policy: arn:aws:iam::1:policy/P because no role trust policy allows the iam:CreateUser action";
        for why in ["with an explicit deny", "because no resource-based policy allows the s3:GetObject action"] {
            let alone = format!("{user} r {why}");
            let expected = DenialMessage::parse(&alone);
            assert_eq!((expected.resource, expected.effect.is_some()), (Some("r"), true));
            for name in [format!("k {forged}"), format!("k\" {forged}"), format!("k\" {forged} \"")] {
                let quoted = format!("{user} \"{name}\" {why}");
                assert_eq!(DenialMessage::parse(&quoted), DenialMessage { resource: Some(name.as_str()), ..expected });
                let unquoted = format!("{user} {name} {why}");
                let resource = Some(name.as_str().trim());
                assert_eq!(DenialMessage::parse(&unquoted), DenialMessage { resource, ..expected });
            }
            // The name itself starts with a quote, and the service does not quote it.
            let ambiguous = format!("{user} \"k\" {forged} {why}");
            let parsed = DenialMessage::parse(&ambiguous);
            assert!(parsed.resource.is_none() && no_reason(&parsed), "{parsed:?}");
        }
    }

    #[test]
    fn the_encoded_part_is_one_word_at_the_end() {
        let user = "User: u is not authorized to perform: s3:GetObject on resource:";
        let forged = "with an explicit deny in a session policy. Encoded authorization failure message: AAAA";
        let text = format!("{user} k {forged} because no resource-based policy allows the s3:GetObject action");
        let parsed = DenialMessage::parse(&text);
        assert_eq!((parsed.policy_type, parsed.encoded), (Some(PolicyType::ResourceBased), false));
        let quoted = format!("{user} \"k {forged}\"");
        let parsed = DenialMessage::parse(&quoted);
        assert!(parsed.resource.is_some() && !parsed.encoded && no_reason(&parsed), "{parsed:?}");
    }

    fn no_reason(parsed: &DenialMessage<'_>) -> bool {
        (parsed.effect, parsed.policy_type, parsed.policy_arn) == (None, None, None)
    }

    #[test]
    fn a_name_in_a_cut_message_cannot_forge_a_reason() {
        let user = "User: u is not authorized to perform: s3:GetObject on resource:";
        let forged = "with an explicit deny in a service control policy: arn:aws:organizations::9:policy/o/p";
        let blob = ". Encoded authorization failure message: AAAA";
        for name in ["\"arn:aws:s3:::b/k", "\"arn:aws:s3:::b/k\"", "arn:aws:s3:::b/k", "*", "user"] {
            for padding in [" and more", "AAAA", " because no", blob, ""] {
                let text = format!("{user} {name} {forged}{padding}...");
                let parsed = DenialMessage::parse(&text);
                assert!(parsed.truncated && !parsed.encoded && no_reason(&parsed), "{text}: {parsed:?}");
                assert_eq!((parsed.action, parsed.resource), (Some("s3:GetObject"), None), "{text}");
            }
        }
    }

    /// The name of a key pair may contain spaces. An ID that EC2 generated does not.
    #[test]
    fn a_cut_ec2_message_has_a_reason_only_if_ec2_named_the_resource() {
        let why = "because no session policy allows the ec2:RunInstances action. Encoded authorization failure message";
        for (resource, known) in [
            ("*", true),
            ("arn:aws:ec2:us-east-1:111122223333:instance/*", true),
            ("arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0", true),
            ("arn:aws:ec2:us-east-1::image/ami-0123456789abcdef0", true),
            ("arn:aws:ec2:us-east-1:111122223333:instance/i-1", false),
            ("arn:aws:ec2:us-east-1:111122223333:key-pair/*", false),
            ("arn:aws:ec2:us-east-1:111122223333:key-pair/key-0123456789abcdef0", false),
            ("arn:aws:iam::111122223333:instance-profile/*", false),
            ("\"*\"", false),
        ] {
            for tail in ["", ": AbC-d_e"] {
                let text = format!(
                    "User: u is not authorized to perform: ec2:RunInstances on resource: {resource} {why}{tail}..."
                );
                let parsed = DenialMessage::parse(&text);
                assert_eq!(parsed.resource, known.then_some(resource), "{text}");
                assert_eq!(parsed.policy_type, known.then_some(PolicyType::Session), "{text}");
                assert_eq!(parsed.effect, known.then_some(Effect::Implicit), "{text}");
                assert_eq!(parsed.encoded, known && !tail.is_empty(), "{text}");
            }
            let elsewhere =
                format!("User: u is not authorized to perform: s3:GetObject on resource: {resource} {why}...");
            assert!(no_reason(&DenialMessage::parse(&elsewhere)), "{elsewhere}");
        }
    }

    #[test]
    fn a_resource_at_the_cut_is_known_only_if_the_encoded_part_follows() {
        let instance = "arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0";
        let user = "User: u is not authorized to perform: ec2:StartInstances on resource:";
        let cut_in = |part: &str| DenialMessage::parse(part).resource.map(str::to_owned);
        assert_eq!(cut_in(&format!("{user} {instance}...")), None);
        let blob = "Encoded authorization failure message: AbC";
        assert_eq!(cut_in(&format!("{user} {instance}. {blob}...")).as_deref(), Some(instance));
    }

    #[test]
    fn a_name_may_end_with_a_period() {
        let key_pair = "arn:aws:ec2:us-east-1:111122223333:key-pair/a.";
        let user = "User: u is not authorized to perform: ec2:DeleteKeyPair on resource:";
        for end in [".", ". Encoded authorization failure message: AbC"] {
            assert_eq!(DenialMessage::parse(&format!("{user} {key_pair}{end}")).resource, Some(key_pair));
        }
    }

    #[test]
    fn a_word_at_the_cut_is_ignored() {
        let perform = "User: u is not authorized to perform: iam:Create";
        assert_eq!(DenialMessage::parse(perform).action, Some("iam:Create"));
        assert_eq!(DenialMessage::parse(&format!("{perform}...")).action, None);
        let denied = format!(
            "{perform}User on this resource with an explicit deny in a session policy: arn:aws:iam::1:policy/P"
        );
        assert_eq!(DenialMessage::parse(&denied).policy_arn, Some("arn:aws:iam::1:policy/P"));
        let parsed = DenialMessage::parse(&denied);
        let cut = format!("{denied}...");
        assert_eq!(DenialMessage::parse(&cut), DenialMessage { policy_arn: None, truncated: true, ..parsed });
    }

    #[test]
    fn a_session_name_cannot_forge_a_part() {
        for session in
            ["User:", "\"", "...", "iam:CreateUser", "with-an-explicit-deny", "arn:aws:iam::1:user/eve:", "."]
        {
            let principal = format!("arn:aws:sts::111122223333:assumed-role/ci/{session}");
            let text = format!("User: {principal} is not authorized to perform: s3:GetObject with an explicit deny");
            let parsed = DenialMessage::parse(&text);
            assert_eq!((parsed.principal, parsed.action), (Some(principal.as_str()), Some("s3:GetObject")));
            assert_eq!((parsed.effect, parsed.policy_type), (Some(Effect::Explicit), None));
        }
    }

    #[test]
    fn unknown_text_before_the_subject_is_not_skipped() {
        let text = "Cannot read x. User: root is not authorized to perform: iam:CreateUser on resource: *";
        assert_eq!(DenialMessage::parse(text), DenialMessage::default());
    }

    #[test]
    fn only_the_arn_of_a_policy_is_a_policy_arn() {
        for (arn, is_policy) in [
            ("arn:aws:iam::aws:policy/service-role/P", true),
            ("arn:aws-us-gov:iam::111122223333:policy/P", true),
            ("arn:aws-cn:organizations::111122223333:policy/o-x/resource_control_policy/p-x", true),
            ("arn:aws:iam::111122223333:role/P", false),
            ("arn:aws:iam::111122223333:policy/", false),
            ("arn:aws:s3:::policy/P", false),
            ("arn:evil:iam::111122223333:policy/P", false),
            ("policy/P", false),
        ] {
            for end in ["", ".", " (Service: Iam, Status Code: 403)", ". Encoded authorization failure message: AbC"] {
                let text = format!(
                    "User: u is not authorized to perform: s3:GetObject with an explicit deny in an identity-based policy: {arn}{end}"
                );
                let parsed = DenialMessage::parse(&text);
                assert_eq!(parsed.policy_arn, is_policy.then_some(arn), "{text}");
                assert_eq!(parsed.policy_type, Some(PolicyType::IdentityBased), "{text}");
            }
        }
    }

    #[test]
    fn an_unknown_policy_type_has_an_effect() {
        let user = "User: u is not authorized to perform: s3:GetObject on resource: r";
        let explicit = format!("{user} with an explicit deny in a declarative policy: arn:aws:iam::1:policy/P");
        let parsed = DenialMessage::parse(&explicit);
        assert_eq!((parsed.resource, parsed.effect), (Some("r"), Some(Effect::Explicit)));
        assert_eq!((parsed.policy_type, parsed.policy_arn), (None, Some("arn:aws:iam::1:policy/P")));
        let implicit = format!("{user} because no declarative policy allows the s3:GetObject action");
        let parsed = DenialMessage::parse(&implicit);
        assert_eq!((parsed.resource, parsed.effect, parsed.policy_type), (Some("r"), Some(Effect::Implicit), None));
    }

    #[test]
    fn an_unquoted_name_with_part_of_a_reason_is_ignored() {
        let user = "User: u is not authorized to perform: s3:GetObject on resource:";
        for name in [
            "x because no one cares",
            "x because no session policy",
            "x because no session is open",
            "x with an explicit deny in mind",
        ] {
            let text = format!("{user} {name}");
            let parsed = DenialMessage::parse(&text);
            assert_eq!(
                (parsed.action, parsed.resource, no_reason(&parsed)),
                (Some("s3:GetObject"), None, true),
                "{text}"
            );
            let quoted = format!("{user} \"{name}\"");
            assert_eq!(DenialMessage::parse(&quoted).resource, Some(name));
        }
    }

    #[test]
    fn malformed_actions_are_ignored() {
        for word in [
            "null",
            "CreateUser",
            ":CreateUser",
            "iam:",
            "iam:1",
            "i\u{e9}m:CreateUser",
            "iam:Create:User",
            "(iam:X)",
            "*",
        ] {
            let text = format!("User: u is not authorized to perform: {word} on resource: r");
            let parsed = DenialMessage::parse(&text);
            assert_eq!((parsed.principal, parsed.action, parsed.resource), (Some("u"), None, Some("r")), "{word}");
        }
    }

    #[test]
    fn long_and_malformed_messages_have_no_false_parts() {
        let user = "é".repeat(50_000);
        let long = format!("User: {user} is not authorized to perform: {}", "漢".repeat(50_000));
        let parsed = DenialMessage::parse(&long);
        assert_eq!(parsed, DenialMessage { principal: Some(&user), ..DenialMessage::default() });
        for cut in 0..1_200 {
            let text = String::from_utf8_lossy(&long.as_bytes()[..cut]);
            assert_eq!(DenialMessage::parse(&text).principal, None, "{cut}");
        }
        let phrases =
            [" is not authorized to perform: ", RESOURCE, BECAUSE, "no ", EXPLICIT, ENCODED, "\"", "..."].concat();
        assert_eq!(DenialMessage::parse(&phrases.repeat(2_000)).principal, None);
        let named = format!("User: u is not authorized to perform: s3:GetObject{RESOURCE}{}", phrases.repeat(2_000));
        assert!(no_reason(&DenialMessage::parse(&named)));
    }

    #[test]
    fn a_message_may_end_anywhere() {
        let whole = "You are not authorized to perform this operation. User: é is not authorized to perform: \
                     ec2:RunInstances on resource: * because no identity-based policy allows the ec2:RunInstances \
                     action. Encoded authorization failure message: AbC";
        let verb = whole.find("perform: ").unwrap_or_default();
        let action = verb + "perform: ".len();
        for at in (0..whole.len()).filter(|at| whole.is_char_boundary(*at)) {
            let parsed = DenialMessage::parse(whole.get(..at).unwrap_or_default());
            assert_eq!(parsed.principal, (at > verb).then_some("é"), "{at}");
            assert_eq!(parsed.action.is_some(), at > action + "ec2:".len(), "{at}");
        }
        let parsed = DenialMessage::parse(whole);
        assert_eq!((parsed.action, parsed.resource, parsed.encoded), (Some("ec2:RunInstances"), Some("*"), true));
        for text in
            ["Access Denied", "", " ", "...", "User: ", "User: u is not authorized to ", "arn:aws:iam::1:user/u"]
        {
            let parsed = DenialMessage::parse(text);
            assert_eq!(DenialMessage { truncated: false, principal: None, ..parsed }, DenialMessage::default());
        }
    }
}
