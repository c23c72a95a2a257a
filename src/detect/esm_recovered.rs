//! Event source mappings that the Lambda API no longer reports as stopped or failing.

use super::esm_disabled::MappingNames;

/// How a mapping recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recovery {
    /// The mapping reads its source again.
    Enabled,
    /// The mapping no longer exists.
    Deleted,
    /// A user disabled the mapping while it did not process its source.
    Disabled,
    /// The mapping remained enabled and processes its source again.
    Processing,
}

impl Recovery {
    /// All recoveries.
    pub const ALL: [Self; 4] = [Self::Enabled, Self::Deleted, Self::Disabled, Self::Processing];

    /// The alert category.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Deleted => "deleted",
            Self::Disabled => "disabled",
            Self::Processing => "processing",
        }
    }
}

/// The problem that a mapping recovered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// AWS had disabled it.
    Stopped,
    /// It was enabled but did not process its source.
    Failing,
}

/// An event source mapping that is no longer stopped or failing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EsmRecovered {
    /// The problem that it recovered from.
    pub from: Trouble,
    /// How it recovered.
    pub recovery: Recovery,
    /// The mapping.
    pub names: MappingNames,
}
