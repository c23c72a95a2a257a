//! The grammar of access-denied messages.
//!
//! ```text
//! message = [ preamble ] "User: " principal " is not authorized to perform: " action
//!           [ " on resource: " resource | " on the specified resource" | " on this resource" ]
//!           [ " because no " type " allows the " … " action"
//!           | " with an explicit deny in " article " " type [ ": " policy-arn ] ]
//!           [ ". Encoded authorization failure message: " blob ]
//! ```
//!
//! Source: "Troubleshoot access denied error messages" in the IAM User Guide, and messages of real
//! trails. CloudTrail cuts a message at 1 KB and ends it with `...`; any part may be missing from
//! there on.

use std::sync::LazyLock;

use memchr::memmem::{Finder, FinderRev};

const PERFORM: &str = " is not authorized to perform: ";
const RESOURCE: &str = " on resource: ";
const IMPLICIT: &str = " because no ";
const EXPLICIT: &str = " with an explicit deny in ";
const ENCODED: &str = "Encoded authorization failure message: ";

/// Searches for phrases, which take longer to build than to run on a message.
struct Phrases {
    perform: Finder<'static>,
    encoded: FinderRev<'static>,
    last_implicit: FinderRev<'static>,
    last_explicit: FinderRev<'static>,
}

static PHRASES: LazyLock<Phrases> = LazyLock::new(|| Phrases {
    perform: Finder::new(PERFORM),
    encoded: FinderRev::new(ENCODED),
    last_implicit: FinderRev::new(IMPLICIT),
    last_explicit: FinderRev::new(EXPLICIT),
});

/// What an access-denied message says, borrowed from it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct DenialMessage<'a> {
    /// Who was denied, mostly an ARN.
    pub principal: Option<&'a str>,
    /// The IAM action, such as `lambda:InvokeFunction`.
    pub action: Option<&'a str>,
    /// The resource, as the service names it.
    pub resource: Option<&'a str>,
    /// The kind of policy that decided.
    pub policy_type: Option<PolicyType>,
    /// How it decided.
    pub effect: Option<Effect>,
    /// ARN of the policy that denies.
    pub policy_arn: Option<&'a str>,
    /// The message was cut by CloudTrail.
    pub truncated: bool,
    /// It has an encoded part, for `sts:DecodeAuthorizationMessage`.
    pub encoded: bool,
}

/// How a policy led to a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// No policy of the type allows the action.
    Implicit,
    /// A policy of the type denies the action.
    Explicit,
}

impl Effect {
    /// The name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::Explicit => "explicit",
        }
    }
}

/// The kinds of policies that a message names.
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
    /// Policy given when the session was made.
    Session,
    /// Trust policy of a role.
    RoleTrust,
}

impl PolicyType {
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

    /// The words of the messages, without "policy".
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, it)| *it == self).map_or("", |(words, _)| words)
    }

    fn at_start_of(text: &str) -> Option<Self> {
        let behind = |words: &str| {
            let rest = text.get(words.len()..)?;
            let matches = text.get(..words.len())?.eq_ignore_ascii_case(words);
            (matches && !rest.starts_with(|c: char| c.is_alphanumeric())).then_some(())
        };
        Self::WORDS.iter().find(|(words, _)| behind(words).is_some()).map(|(_, it)| *it)
    }
}

impl<'a> DenialMessage<'a> {
    /// Reads a message. Parts that cannot be made out are absent; a text of another kind yields
    /// nothing but absent parts.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let truncated = text.ends_with("...");
        let text = text.strip_suffix("...").unwrap_or(text);
        let (text, encoded) = match PHRASES.encoded.rfind(text.as_bytes()).map(|at| text.split_at(at)) {
            Some((front, _)) => (front, true),
            None => (text, false),
        };
        let perform = PHRASES.perform.find(text.as_bytes()).map(|at| text.split_at(at));
        let Some((head, tail)) = perform.and_then(|(head, tail)| Some((head, tail.strip_prefix(PERFORM)?))) else {
            return Self { truncated, encoded, ..Self::default() };
        };
        let (action, rest) = tail.split_at(action_end(tail));
        let (resource, why) = match rest.strip_prefix(RESOURCE) {
            Some(resource) => split_resource(resource),
            None => ("", rest),
        };
        let (policy_type, effect, policy_arn) = reason(why);
        Self {
            principal: principal(head),
            action: present(action),
            resource: present(resource),
            policy_type,
            effect,
            policy_arn,
            truncated,
            encoded,
        }
    }
}

/// Behind the last `User: `, in front of which some messages have a sentence of their own.
fn principal(head: &str) -> Option<&str> {
    let named = match head.strip_prefix("User: ") {
        Some(rest) if memchr::memchr(b' ', rest.as_bytes()).is_none() => rest,
        _ => head.rsplit_once("User: ")?.1,
    };
    present(named)
}

/// What may stand behind an action.
const BEHIND_ACTION: [&str; 5] = [RESOURCE, " on the specified resource", " on this resource", IMPLICIT, EXPLICIT];

/// Mostly, an action ends at the first space.
fn action_end(tail: &str) -> usize {
    let space = memchr::memchr(b' ', tail.as_bytes()).unwrap_or(tail.len());
    let (_, behind) = tail.split_at(space);
    if behind.is_empty() || BEHIND_ACTION.iter().any(|marker| behind.starts_with(marker)) {
        return space;
    }
    BEHIND_ACTION.iter().filter_map(|marker| tail.find(marker)).min().unwrap_or(tail.len())
}

/// The resource and what stands behind it. Its name may be the caller's choice and hold the words of
/// a reason: so a quoted one ends at the last quote, and another one at the last reason.
fn split_resource(text: &str) -> (&str, &str) {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted.rsplit_once('"').unwrap_or((quoted, ""));
    }
    let Phrases { last_implicit, last_explicit, .. } = &*PHRASES;
    let last_reason = last_implicit.rfind(text).max(last_explicit.rfind(text));
    text.split_at(last_reason.unwrap_or(text.len()))
}

/// A part without what only ends or quotes it.
fn present(text: &str) -> Option<&str> {
    let text = text.trim().trim_end_matches('.').trim_matches('"').trim();
    (!text.is_empty()).then_some(text)
}

fn reason(text: &str) -> (Option<PolicyType>, Option<Effect>, Option<&str>) {
    // Few messages have one: a search for it that is at hand comes first.
    let explicit = PHRASES.last_explicit.rfind(text).and_then(|_| text.split_once(EXPLICIT));
    if let Some((_, why)) = explicit {
        let named = ["an ", "a ", "the "].iter().find_map(|article| why.strip_prefix(article)).unwrap_or(why);
        let arn = why.split_once(": ").map(|(_, it)| it.split_whitespace().next().unwrap_or("").trim_end_matches('.'));
        return (PolicyType::at_start_of(named), Some(Effect::Explicit), arn.filter(|it| it.starts_with("arn:")));
    }
    match behind(text, IMPLICIT) {
        Some(why) => (PolicyType::at_start_of(why), Some(Effect::Implicit), None),
        None => (None, None, None),
    }
}

/// What stands behind a phrase, with which the text mostly starts.
fn behind<'a>(text: &'a str, phrase: &str) -> Option<&'a str> {
    text.strip_prefix(phrase).or_else(|| text.split_once(phrase).map(|(_, why)| why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_a_message() {
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
    fn policy_types_and_effects() {
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
    fn a_name_cannot_forge_a_reason() {
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

    /// Every shape that the documentation or real trails show.
    #[test]
    fn shapes() {
        let user = "User: arn:aws:iam::111122223333:user/ana is not authorized to perform:";
        let mut shown = Vec::new();
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
            shown.push(shape(&DenialMessage::parse(&text)));
        }
        insta::assert_snapshot!(shown.join("\n"), @"
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

    fn shape(message: &DenialMessage<'_>) -> String {
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
    fn long_and_odd_texts_are_no_problem() {
        let long = format!("User: {} is not authorized to perform: {}", "é".repeat(50_000), "漢".repeat(50_000));
        let parsed = DenialMessage::parse(&long);
        assert_eq!(parsed.action.map(str::len), Some(150_000));
        for cut in 0..1_200 {
            let text = String::from_utf8_lossy(&long.as_bytes()[..cut]);
            assert_eq!(DenialMessage::parse(&text).principal, None, "{cut}");
        }
        let repeated = [PERFORM, RESOURCE, IMPLICIT, EXPLICIT, ENCODED, "\"", "..."].concat().repeat(2_000);
        assert_eq!(DenialMessage::parse(&repeated).principal, None);
    }

    #[test]
    fn parts_may_be_missing_anywhere() {
        let whole = "You are not authorized to perform this operation. User: é is not authorized to perform: \
                     ec2:RunInstances on resource: * because no identity-based policy allows the ec2:RunInstances \
                     action. Encoded authorization failure message: AbC";
        let perform_ends = whole.find(PERFORM).map_or(0, |at| at + PERFORM.len());
        for at in (0..whole.len()).filter(|at| whole.is_char_boundary(*at)) {
            let parsed = DenialMessage::parse(whole.get(..at).unwrap_or_default());
            assert_eq!(parsed.principal, (at >= perform_ends).then_some("é"), "{at}");
            assert_eq!(parsed.action.is_some(), at > perform_ends, "{at}");
        }
        let parsed = DenialMessage::parse(whole);
        assert_eq!((parsed.action, parsed.resource, parsed.encoded), (Some("ec2:RunInstances"), Some("*"), true));
        assert_eq!(DenialMessage::parse("Access Denied"), DenialMessage::default());
        assert_eq!(DenialMessage::parse(""), DenialMessage::default());
    }
}
