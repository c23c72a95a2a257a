//! Explains the codes and names in alerts, findings and records: what each means, and what to do.
//!
//! The sentences are those of the alerts, with placeholders such as `REGION` where an alert has a value.

mod denials;
mod explanation;
mod mappings;

pub use explanation::{CodeGroup, Explanation};

use crate::detect::{
    AlertType, DenialKind, DenialMessage, ESM_DISABLED, Effect, EsmCategory, EsmChange, FailingCategory, PolicyType,
    Recovery,
};

/// Other names of codes, normalized.
const ALIASES: [(&str, &str); 3] =
    [(ESM_DISABLED, "esm_disabled"), ("scp", "service_control"), ("rcp", "resource_control")];

/// The explanations of all codes, by group.
#[must_use]
pub fn all() -> Vec<Explanation> {
    let mut all: Vec<_> = AlertType::ALL.map(of_alert_type).into();
    all.extend(EsmCategory::ALL.map(mappings::of_disabled));
    all.extend(FailingCategory::ALL.map(mappings::of_failing));
    all.extend(EsmChange::ALL.map(mappings::of_changed));
    all.extend(Recovery::ALL.map(mappings::of_recovered));
    all.extend(DenialKind::ALL.map(denials::of_kind));
    all.extend([mappings::of_many_mappings(), denials::of_many_denials()]);
    all.extend(PolicyType::ALL.map(denials::of_policy_type));
    all.extend(Effect::ALL.map(denials::of_effect));
    all.extend(DenialKind::ALL.into_iter().flat_map(|kind| kind.codes().iter().map(move |code| of_code(kind, code))));
    all
}

/// The explanations of a code, in upper or lower case. Also accepts a reason for which AWS disabled a mapping, and the
/// message of a denied call. Several codes may have the same name. Empty if the code is unknown.
///
/// ```
/// use trailwarden::alert::explain;
///
/// let codes = |text: &str| explain::find(text).into_iter().map(|it| it.code).collect::<Vec<_>>();
/// assert_eq!(codes("authorization_error"), ["AUTHORIZATION_ERROR"]);
/// assert_eq!(codes("Lambda Function not found"), ["FUNCTION_NOT_FOUND"]);
/// assert_eq!(codes("Client.UnauthorizedOperation"), ["UnauthorizedOperation"]);
/// assert_eq!(codes("service control policy"), ["service control"]);
/// assert!(codes("nonsense").is_empty());
/// ```
#[must_use]
pub fn find(text: &str) -> Vec<Explanation> {
    let code = text.split_once(':').map(|(code, _)| code);
    let named = [Some(text), code].into_iter().flatten().map(of_name).find(|found| !found.is_empty());
    named.unwrap_or_else(|| of_message(text))
}

fn of_alert_type(alert_type: AlertType) -> Explanation {
    match alert_type {
        AlertType::EsmDisabled => mappings::of_disabled_type(),
        AlertType::EsmChanged => mappings::of_changed_type(),
        AlertType::EsmFailing => mappings::of_failing_type(),
        AlertType::AccessDenied => denials::of_denied_type(),
        AlertType::Watch => denials::of_watch_type(),
    }
}

fn of_code(kind: DenialKind, code: &str) -> Explanation {
    denials::of_error_code(kind, code)
}

/// The explanations of the codes with a name, or of an error code that no table contains.
fn of_name(name: &str) -> Vec<Explanation> {
    let name = name.trim();
    let wanted = normalized(name);
    let wanted = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(&wanted)).map_or(&*wanted, |(_, it)| it);
    let found: Vec<_> = all().into_iter().filter(|it| normalized(&it.code) == wanted).collect();
    let is_code = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    match DenialKind::of_code(name) {
        Some(kind) if found.is_empty() && is_code => vec![of_code(kind, name)],
        _ => found,
    }
}

/// A name in lower case and with underscores, without a service's prefix and without `policy`.
fn normalized(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace([' ', '-'], "_");
    let name = ["client.", "server."].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
    let name = ["_policy", "_policies"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    name.to_owned()
}

/// The explanation of the message of a denied call, or of a reason in prose. A word is neither.
fn of_message(text: &str) -> Vec<Explanation> {
    if !text.trim().contains(' ') {
        return Vec::new();
    }
    let denied = DenialMessage::parse(text);
    let category = EsmCategory::of_reason(text);
    match (denied.policy_type, denied.effect) {
        (Some(policy_type), effect) => {
            [denials::of_policy_type(policy_type)].into_iter().chain(effect.map(denials::of_effect)).collect()
        }
        (None, Some(effect)) => vec![denials::of_effect(effect)],
        (None, None) if denied.action.is_some() => vec![denials::of_kind(DenialKind::Policy)],
        (None, None) if category != EsmCategory::Unknown => vec![mappings::of_disabled(category)],
        (None, None) => Vec::new(),
    }
}
