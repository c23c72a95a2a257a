//! Text that services write: denial messages, and reasons why a mapping was disabled.

use trailwarden::detect::{DenialMessage, Effect, EsmCategory, PolicyType};

use super::Input;

pub(super) fn denial(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let effect = input.pick([None, Some(Effect::Implicit), Some(Effect::Explicit)]);
    let policy_type = input.pick(PolicyType::ALL);
    let text = input.text();
    assert_parts_are_consistent(&text);
    let name = input.text();
    assert_quoted_name_forges_nothing(&name, effect, policy_type);
    true
}

/// Checks what holds for any message.
fn assert_parts_are_consistent(text: &str) {
    let parsed = DenialMessage::parse(text);
    assert_eq!(DenialMessage::parse(&format!("\n {text} ")), parsed, "white space around {text:?}");
    assert_eq!(parsed.truncated, text.trim().ends_with("..."), "{text:?}");
    assert!(parsed.principal.is_none_or(|it| !it.is_empty() && !it.contains(' ')), "{parsed:?} of {text:?}");
    assert!(parsed.action.is_none_or(|it| !it.is_empty() && !it.contains(' ')), "{parsed:?} of {text:?}");
    assert!(parsed.resource.is_none_or(|it| !it.is_empty() && it.trim() == it), "{parsed:?} of {text:?}");
    assert!(parsed.policy_arn.is_none_or(|it| it.starts_with("arn:") && it.contains(":policy/")), "{parsed:?}");
    assert!(parsed.policy_type.is_none() || parsed.effect.is_some(), "{parsed:?} of {text:?}");
    assert!(parsed.policy_arn.is_none() || parsed.effect == Some(Effect::Explicit), "{parsed:?} of {text:?}");
    let mut rest = text;
    for part in [parsed.principal, parsed.action, parsed.resource, parsed.policy_arn].into_iter().flatten() {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is not in order: {parsed:?} of {text:?}"));
        rest = &rest[at + part.len()..];
    }
    // A name in a message that CloudTrail cut may go on like a reason.
    let is_of_ec2 = parsed.action.is_some_and(|it| it.starts_with("ec2:"));
    let is_certain = parsed.resource.is_none() || !parsed.truncated || is_of_ec2;
    assert!(is_certain, "{parsed:?} of {text:?}");
}

/// Checks that a service that quotes the name of a resource can be trusted, whatever the caller chose as the name.
fn assert_quoted_name_forges_nothing(name: &str, effect: Option<Effect>, policy_type: PolicyType) {
    let policy = match policy_type {
        PolicyType::PermissionsBoundary => policy_type.as_str().to_owned(),
        _ => format!("{} policy", policy_type.as_str()),
    };
    let (principal, action) = ("arn:aws:iam::111122223333:user/eve", "sqs:SendMessage");
    let why = match effect {
        None => String::new(),
        Some(Effect::Implicit) => format!(" because no {policy} allows the {action} action"),
        Some(Effect::Explicit) => format!(" with an explicit deny in a {policy}"),
    };
    let text = format!("User: {principal} is not authorized to perform: {action} on resource: \"{name}\"{why}");
    let expected = DenialMessage {
        principal: Some(principal),
        action: Some(action),
        resource: Some(name.trim()).filter(|it| !it.is_empty()),
        policy_type: effect.map(|_| policy_type),
        effect,
        policy_arn: None,
        truncated: false,
        encoded: false,
    };
    assert_eq!(DenialMessage::parse(&text), expected, "{text:?}");
}

pub(super) fn reason(data: &[u8]) -> bool {
    let reason = String::from_utf8_lossy(data);
    let category = EsmCategory::of_reason(&reason);
    for same in [reason.to_ascii_uppercase(), reason.to_ascii_lowercase(), format!(" {reason}\n")] {
        assert_eq!(EsmCategory::of_reason(&same), category, "{same:?} and {reason:?}");
    }
    // Names of resources do not change the category of prose.
    let is_code =
        EsmCategory::ALL.iter().any(|it| reason.trim().replace([' ', '-'], "_").eq_ignore_ascii_case(it.as_str()));
    let named = format!("{reason} arn:aws:lambda:us-east-1:111122223333:function:not-found-1 (failed-state, kms-1)");
    assert!(is_code || EsmCategory::of_reason(&named) == category, "{named:?}");
    true
}
