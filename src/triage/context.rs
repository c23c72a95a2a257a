//! Context of a stopped mapping, from the Lambda API when the alert is due.
//!
//! All strings may be hostile: anyone who may change a mapping or a function chooses its tags, and names appear in
//! messages.

/// Context of a mapping and its function. Each part is present only if it arrived in time.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Context {
    /// The mapping.
    pub mapping: Option<MappingNow>,
    /// The function that the mapping invokes.
    pub function: Option<FunctionNow>,
    /// Tags of the function that name its owner, in the order of the configured keys.
    pub owner: Vec<Tag>,
}

/// A mapping, as `GetEventSourceMapping` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingNow {
    /// Its state.
    pub state: PresentState,
    /// Whether a user or Lambda made the last change, or the reason for which Lambda made it.
    pub state_reason: Option<String>,
    /// Result of the last invocation of the function, such as `OK` or `PROBLEM: Function call failed`.
    pub last_processing_result: Option<String>,
    /// ARN of the function, with its version or alias.
    pub function_arn: Option<String>,
    /// ARN of the queue or stream.
    pub event_source_arn: Option<String>,
}

/// A function, as `GetFunctionConfiguration` describes it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FunctionNow {
    /// ARN of its execution role.
    pub role_arn: Option<String>,
    /// ARN of the customer managed key that encrypts its environment variables.
    pub kms_key_arn: Option<String>,
    /// Its state, such as `Active` or `Failed`.
    pub state: Option<String>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Key, with its case unchanged.
    pub key: String,
    /// Value, never blank.
    pub value: String,
}

/// The state of a mapping.
///
/// Source: `State` in `EventSourceMappingConfiguration`, AWS Lambda API Reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresentState {
    /// It is being created.
    Creating,
    /// It is being enabled.
    Enabling,
    /// It is enabled.
    Enabled,
    /// It is being disabled.
    Disabling,
    /// It is disabled.
    Disabled,
    /// It is being changed.
    Updating,
    /// It is being deleted.
    Deleting,
    /// It does not exist. The API reports this as an error and not as a state.
    Deleted,
    /// A state that the API Reference does not list.
    Other(String),
}

impl PresentState {
    /// The states of the API.
    const ALL: [Self; 7] = [
        Self::Creating,
        Self::Enabling,
        Self::Enabled,
        Self::Disabling,
        Self::Disabled,
        Self::Updating,
        Self::Deleting,
    ];

    /// The state with this name in the API.
    #[must_use]
    pub fn of_api(name: &str) -> Self {
        Self::ALL.into_iter().find(|it| it.as_str() == name).unwrap_or_else(|| Self::Other(name.to_owned()))
    }

    /// The name in the API, or `Deleted`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Creating => "Creating",
            Self::Enabling => "Enabling",
            Self::Enabled => "Enabled",
            Self::Disabling => "Disabling",
            Self::Disabled => "Disabled",
            Self::Updating => "Updating",
            Self::Deleting => "Deleting",
            Self::Deleted => "Deleted",
            Self::Other(name) => name,
        }
    }

    /// Returns true if the mapping reads its source again or will soon.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        matches!(self, Self::Enabling | Self::Enabled)
    }
}

impl MappingNow {
    /// A mapping that does not exist.
    #[must_use]
    pub fn deleted() -> Self {
        Self {
            state: PresentState::Deleted,
            state_reason: None,
            last_processing_result: None,
            function_arn: None,
            event_source_arn: None,
        }
    }
}

impl Context {
    /// The owner: the value of the first tag.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.owner.first().map(|tag| tag.value.as_str())
    }

    /// Returns true if the mapping is known to be enabled again.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.mapping.as_ref().is_some_and(|it| it.state.is_enabled())
    }

    /// Returns true if nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_those_of_the_api() {
        for state in PresentState::ALL {
            assert_eq!(PresentState::of_api(state.as_str()), state);
        }
        assert_eq!(PresentState::of_api("Paused"), PresentState::Other("Paused".to_owned()));
        assert_eq!(PresentState::of_api("Deleted"), PresentState::Other("Deleted".to_owned()));
    }
}
