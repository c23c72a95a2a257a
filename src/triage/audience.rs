//! Topics, and who receives the alerts of an incident.

/// The purpose of a topic. Each topic has one format, and the ledger records for each which alerts it confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicRole {
    /// Text for people.
    Alert,
    /// Notifications for chat.
    Chat,
    /// JSON for machines.
    Event,
}

impl TopicRole {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Alert, Self::Chat, Self::Event];

    /// The name in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Chat => "chat",
            Self::Event => "event",
        }
    }
}

/// Who receives the alerts of an incident. Each audience has its own entries in the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Audience {
    /// All topics.
    #[default]
    All,
    /// Only the topic for machines, for findings in old log objects.
    Machines,
}

impl Audience {
    /// Returns true if topics with this role receive the alerts.
    #[must_use]
    pub fn includes(self, role: TopicRole) -> bool {
        self == Self::All || role == TopicRole::Event
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Machines => "machines",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items that an earlier version wrote contain these names.
    #[test]
    fn the_names_in_the_ledger_do_not_change() {
        assert_eq!(TopicRole::ALL.map(TopicRole::as_str), ["alert", "chat", "event"]);
        assert_eq!([Audience::All, Audience::Machines].map(Audience::as_str), ["all", "machines"]);
    }
}
