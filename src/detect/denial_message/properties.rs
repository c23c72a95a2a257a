//! Messages built from generated parts, which the parser must not confuse.

use proptest::prelude::*;
use proptest::sample::select;

use super::{BECAUSE, DenialMessage, EXPLICIT, Effect, PolicyType};

/// Phrases of the grammar, complete forgeries, and text that AWS allows in names.
const FRAGMENTS: [&str; 34] = [
    " on resource: ",
    " on the specified resource",
    " because no ",
    " because no session policy allows the iam:CreateUser action",
    " because the resource does not exist in this Region, no resource-based policies allow access, or another",
    " because ",
    " with an explicit deny in a ",
    " with an explicit deny in a service control policy: arn:aws:organizations::9:policy/o-x/service_control_policy/p",
    " with an explicit deny in a session policy. Encoded authorization failure message: AAAA",
    " with an explicit deny",
    " is not authorized to perform: ",
    " is not authorized to perform: iam:CreateUser on resource: * with an explicit deny in a session policy",
    " is not authorized to access this resource",
    "Not authorized to perform iam:CreateUser",
    "You are not authorized to perform this operation. ",
    "Lambda was unable to KMS Message: ",
    ". Encoded authorization failure message: ",
    "User: ",
    "User arn:aws:iam::999999999999:user/eve",
    "identity-based policy",
    "service control policy: ",
    " policies allow the ",
    " allows the iam:CreateUser action",
    "arn:aws:iam::999999999999:policy/Forged",
    "arn:aws:ec2:us-east-1:999999999999:instance/*",
    "iam:CreateUser",
    "\"",
    "...",
    ".",
    ":",
    " ",
    "*",
    "\u{e9}\u{6f22}",
    "key-0123456789abcdef",
];

const OBJECTS: [&str; 4] =
    ["", " on the specified resource", " on this resource", " on the resource associated with this ciphertext"];

const POLICY_TYPES: [PolicyType; 8] = [
    PolicyType::IdentityBased,
    PolicyType::ResourceBased,
    PolicyType::ServiceControl,
    PolicyType::ResourceControl,
    PolicyType::VpcEndpoint,
    PolicyType::PermissionsBoundary,
    PolicyType::Session,
    PolicyType::RoleTrust,
];

/// Length at which CloudTrail cuts a message, in bytes.
const CLOUDTRAIL_LIMIT: usize = 1_024;

#[derive(Debug, Clone)]
enum Object {
    Fixed(&'static str),
    Quoted(String),
    Unquoted(String),
    /// A name that EC2 chose, in a message about an action of EC2.
    NamedByEc2(String),
}

#[derive(Debug, Clone)]
enum Why {
    NotGiven,
    Alternatives,
    Bare,
    Implicit(PolicyType),
    Explicit(PolicyType, Option<String>),
}

/// The parts of a message.
#[derive(Debug, Clone)]
struct Parts {
    preamble: &'static str,
    subject: &'static str,
    principal: String,
    perform: &'static str,
    action: String,
    object: Object,
    why: Why,
    blob: Option<String>,
}

impl Parts {
    fn resource(&self) -> Option<&str> {
        match &self.object {
            Object::Fixed(_) => None,
            Object::Quoted(name) | Object::Unquoted(name) | Object::NamedByEc2(name) => Some(name),
        }
    }

    fn text(&self) -> String {
        let Self { preamble, subject, principal, perform, action, .. } = self;
        let object = match &self.object {
            Object::Fixed(object) => (*object).to_owned(),
            Object::Quoted(name) => format!(" on resource: \"{name}\""),
            Object::Unquoted(name) | Object::NamedByEc2(name) => format!(" on resource: {name}"),
        };
        let policy = |policy_type: &PolicyType| match policy_type {
            PolicyType::PermissionsBoundary => policy_type.as_str().to_owned(),
            _ => format!("{} policy", policy_type.as_str()),
        };
        let why = match &self.why {
            Why::NotGiven => String::new(),
            Why::Alternatives => format!(
                "{BECAUSE}the resource does not exist in this Region, no resource-based policies allow access, or a \
                 resource-based policy explicitly denies access"
            ),
            Why::Bare => EXPLICIT.to_owned(),
            Why::Implicit(it) => format!("{BECAUSE}no {} allows the {action} action", policy(it)),
            Why::Explicit(it, None) => format!("{EXPLICIT} in a {}", policy(it)),
            Why::Explicit(it, Some(arn)) => format!("{EXPLICIT} in an {}: {arn}", policy(it)),
        };
        let blob =
            self.blob.as_ref().map(|it| format!(". Encoded authorization failure message: {it}")).unwrap_or_default();
        format!("{preamble}{subject}{principal} is not authorized to {perform}{action}{object}{why}{blob}")
    }

    /// Returns true if AWS gives no reason and the name contains one. No parser can distinguish that from a shorter
    /// name with a reason.
    fn is_ambiguous(&self) -> bool {
        let Object::Unquoted(name) = &self.object else { return false };
        let phrases = [BECAUSE, EXPLICIT, "Encoded authorization"];
        matches!(self.why, Why::NotGiven) && phrases.iter().any(|it| name.contains(it))
    }

    fn effect(&self) -> (Option<Effect>, Option<PolicyType>, Option<&str>) {
        match &self.why {
            Why::NotGiven | Why::Alternatives => (None, None, None),
            Why::Bare => (Some(Effect::Explicit), None, None),
            Why::Implicit(it) => (Some(Effect::Implicit), Some(*it), None),
            Why::Explicit(it, arn) => {
                let arn = arn.as_deref().filter(|arn| arn.contains(":policy/") && !arn.contains(":s3:"));
                (Some(Effect::Explicit), Some(*it), arn)
            }
        }
    }
}

fn hostile_name() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        6 => select(&FRAGMENTS[..]).prop_map(str::to_owned),
        3 => "[a-zA-Z0-9/:.-]{1,12}".prop_map_into(),
        1 => "\\PC{0,8}".prop_map_into(),
        1 => (1_usize..1_100).prop_map(|length| "A".repeat(length)),
    ];
    prop::collection::vec(fragment, 0..7).prop_map(|fragments: Vec<String>| fragments.concat())
}

/// A principal without spaces, as AWS guarantees.
fn principal() -> impl Strategy<Value = String> {
    ("(arn:aws:iam::[0-9]{12}:user/)", hostile_name())
        .prop_map(|(arn, name)| arn + &name.chars().filter(|it| !it.is_whitespace()).take(200).collect::<String>())
}

fn object() -> impl Strategy<Value = Object> {
    prop_oneof![
        2 => select(&OBJECTS[..]).prop_map(Object::Fixed),
        4 => ("(arn:aws:s3:::b/)?", hostile_name()).prop_map(|(arn, name)| Object::Quoted(arn + &name)),
        4 => ("(arn:aws:lambda:us-east-1:1:function:|user |\"a\"|)", hostile_name())
            .prop_map(|(arn, name)| Object::Unquoted(arn + &name)),
        2 => "(\\*|arn:aws:ec2:us-east-1:[0-9]{12}:(instance/(\\*|i-[0-9a-f]{17})|security-group/sg-[0-9a-f]{8}))"
            .prop_map(Object::NamedByEc2),
    ]
}

fn why() -> impl Strategy<Value = Why> {
    let arn = prop::option::of(prop_oneof![
        "arn:aws:iam::(aws|[0-9]{12}):policy/[\\w&&[:ascii:]+=,@-]{1,12}",
        "arn:aws-cn:organizations::[0-9]{12}:policy/o-x/service_control_policy/p-[a-z0-9]{8}",
        "arn:aws:s3:::policy/[a-z]{1,4}",
        "arn:aws:iam::[0-9]{12}:role/policy/[a-z]{1,4}",
    ]);
    prop_oneof![
        2 => Just(Why::NotGiven),
        1 => Just(Why::Alternatives),
        1 => Just(Why::Bare),
        3 => select(&POLICY_TYPES[..]).prop_map(Why::Implicit),
        3 => (select(&POLICY_TYPES[..]), arn).prop_map(|(it, arn)| Why::Explicit(it, arn)),
    ]
}

fn parts() -> impl Strategy<Value = Parts> {
    let action = prop_oneof![6 => "[a-z][a-z0-9-]{0,8}:[A-Z][A-Za-z0-9]{0,12}", 1 => "(SNS:Publish|ec2:RunInstances)"];
    let blob = prop::option::weighted(0.3, prop_oneof![2 => "[A-Za-z0-9_-]{1,40}", 1 => "[A-Za-z0-9_-]{900,1000}"]);
    let preamble = select(&["", "", "You are not authorized to perform this operation. "][..]);
    let subject = select(&["User: ", "User ", ""][..]);
    let perform = select(&["perform: ", "perform "][..]);
    (preamble, subject, principal(), perform, action, object(), why(), blob).prop_map(
        |(preamble, subject, principal, perform, action, object, why, blob)| {
            let (action, object) = match object {
                Object::NamedByEc2(_) => ("ec2:StartInstances".to_owned(), object),
                // Callers choose the names of key pairs, but not those of instances.
                Object::Unquoted(name) if action.starts_with("ec2:") => {
                    (action, Object::Unquoted(format!("arn:aws:ec2:us-east-1:1:key-pair/{name}")))
                }
                object => (action, object),
            };
            Parts { preamble, subject, principal, perform, action, object, why, blob }
        },
    )
}

fn cut(text: &str, at: usize) -> String {
    let kept = text.get(..text.floor_char_boundary(at)).unwrap_or_default();
    format!("{kept}...")
}

/// Checks that each parsed part is the generated one or absent.
fn check(parts: &Parts, text: &str) -> Result<(), TestCaseError> {
    let parsed = DenialMessage::parse(text);
    let absent_or = |expected: Option<&str>, found: Option<&str>| found.is_none() || found == expected;
    prop_assert!(absent_or(Some(&parts.principal), parsed.principal), "{parsed:?} of {text}");
    prop_assert!(absent_or(Some(&parts.action), parsed.action), "{parsed:?} of {text}");
    let resource = parts.resource().unwrap_or_default().trim();
    // The final period may belong to the message or to the name, and quotes to the service or to the name.
    let without_period = text.trim_end().strip_suffix('.').and_then(|_| resource.strip_suffix('.')).unwrap_or(resource);
    let unquoted = without_period.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(without_period);
    let possible = [resource, without_period.trim(), unquoted.trim()];
    prop_assert!(parsed.resource.is_none_or(|found| possible.contains(&found)), "{parsed:?} of {text}");
    let (effect, policy_type, policy_arn) = parts.effect();
    prop_assert!(parsed.effect.is_none() || parsed.effect == effect, "{parsed:?} of {text}");
    prop_assert!(parsed.policy_type.is_none() || parsed.policy_type == policy_type, "{parsed:?} of {text}");
    prop_assert!(absent_or(policy_arn, parsed.policy_arn), "{parsed:?} of {text}");
    prop_assert!(!parsed.encoded || parts.blob.is_some(), "{parsed:?} of {text}");
    Ok(())
}

proptest! {
    #[test]
    fn a_part_is_parsed_exactly_or_not_at_all(parts in parts(), at in 0_usize..2_000) {
        let text = parts.text();
        if !parts.is_ambiguous() {
            check(&parts, &text)?;
        }
        if text.len() > CLOUDTRAIL_LIMIT {
            check(&parts, &cut(&text, CLOUDTRAIL_LIMIT))?;
        }
        if at < text.len() {
            check(&parts, &cut(&text, at))?;
        }
    }

    /// The other property also holds for a parser that finds nothing. This property does not.
    #[test]
    fn a_complete_message_has_all_its_parts(parts in parts()) {
        let text = parts.text();
        let resource = parts.resource();
        // The parser ignores an unquoted name that looks quoted, or that ends like a cut message.
        let is_ignored = |name: &str| name.trim().starts_with('"') || name.trim().ends_with('.');
        if parts.is_ambiguous() || matches!(&parts.object, Object::Unquoted(name) if is_ignored(name)) {
            return Ok(());
        }
        let (effect, policy_type, policy_arn) = parts.effect();
        let expected = DenialMessage {
            principal: Some(&parts.principal),
            action: Some(&parts.action),
            resource: resource.map(str::trim).filter(|it| !it.is_empty()),
            policy_type,
            effect,
            policy_arn,
            truncated: false,
            encoded: parts.blob.is_some(),
        };
        prop_assert_eq!(DenialMessage::parse(&text), expected, "{}", text);
    }
}
