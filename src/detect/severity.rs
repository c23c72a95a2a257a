//! How urgent a finding is.

/// How urgent a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For information.
    Low,
    /// To be investigated during working hours.
    Medium,
    /// An explicit deny, or a service that lacks access it needs.
    High,
    /// Processing has stopped.
    Critical,
}

impl Severity {
    /// All severities, lowest first.
    pub(crate) const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name in messages, attributes and rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}
