//! The context from the Lambda API, in words.

use super::sanitize;
use crate::triage::{Context, PresentState};

/// A sentence about the present state of the mapping; `None` if the state is unknown.
pub(super) fn present_state(context: &Context) -> Option<String> {
    let mapping = context.mapping.as_ref()?;
    let state = match &mapping.state {
        PresentState::Enabled => "had already been enabled again",
        PresentState::Enabling => "was already being enabled again",
        PresentState::Disabled => "was still disabled",
        PresentState::Disabling => "was still being disabled",
        PresentState::Creating => "was being created",
        PresentState::Updating => "was being updated",
        PresentState::Deleting => "was being deleted",
        PresentState::Deleted => "no longer existed",
        PresentState::Other(name) => &format!("was in the state \"{}\"", sanitize::name(name)),
    };
    let reason = mapping.state_reason.as_deref().map(sanitize::name).filter(|it| !it.is_empty());
    let reason = reason.map(|it| format!(" (StateTransitionReason: \"{it}\")")).unwrap_or_default();
    Some(format!("When this alert was sent, the mapping {state}{reason}."))
}

/// The tags that name the owner, each as its value and its key.
pub(super) fn owner(context: &Context) -> Option<String> {
    let shown = |text: &str| sanitize::name(text);
    let tags = context.owner.iter().map(|tag| format!("{} ({} tag)", shown(&tag.value), shown(&tag.key)));
    let tags = tags.collect::<Vec<_>>().join(", ");
    (!tags.is_empty()).then_some(tags)
}
