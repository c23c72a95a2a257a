//! An explanation, and its text.

use std::fmt;

use super::super::next_steps::{Snippet, Step};
use crate::detect::{AlertType, DenialKind};

/// Width of the text, in columns. Commands may be longer.
const WIDTH: usize = 100;

/// Explains a code. [`Display`](fmt::Display) writes the whole text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The group that the code belongs to.
    pub group: CodeGroup,
    /// The code, as alerts, findings and records spell it.
    pub code: String,
    /// What the code means, in a line. Empty if the group says enough.
    pub brief: &'static str,
    /// What happened, or what the code means, in some sentences.
    pub(super) summary: String,
    /// The consequences, in sentences.
    pub(super) consequences: Vec<String>,
    /// What to do.
    pub(super) steps: Vec<Step>,
}

/// What a code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeGroup {
    /// A type of alert.
    AlertType,
    /// The category of an alert of this type.
    Category(AlertType),
    /// The category of an alert that resolves another.
    Recovery,
    /// The category of an alert about several mappings or denials.
    Several,
    /// A type of policy.
    PolicyType,
    /// How a policy caused a denial.
    Effect,
    /// An error code of a denial of this kind.
    ErrorCode(DenialKind),
}

impl fmt::Display for CodeGroup {
    /// Writes the name of the field that contains such a code, and what the codes have in common.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlertType => f.write_str("alert_type"),
            Self::Category(alert_type) => write!(f, "category of {}", alert_type.as_str()),
            Self::Recovery => f.write_str("category of an alert that resolves another"),
            Self::Several => f.write_str("category of an alert about several mappings or denials"),
            Self::PolicyType => f.write_str("policy_type"),
            Self::Effect => f.write_str("policy_effect"),
            Self::ErrorCode(kind) => write!(f, "error_code, category {}", kind.as_str()),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({})\n", self.code, self.group)?;
        wrapped(f, "", "", &self.summary)?;
        if !self.consequences.is_empty() {
            f.write_str("\nWhat it means\n")?;
            self.consequences.iter().try_for_each(|sentence| wrapped(f, "  ", "  ", sentence))?;
        }
        f.write_str("\nWhat to do\n")?;
        for (n, step) in (1..).zip(&self.steps) {
            wrapped(f, &format!("  {n}. "), "     ", &step.text)?;
            if let Some(Snippet::Command(text) | Snippet::Statement(text)) = &step.snippet {
                writeln!(f, "     {text}")?;
            }
        }
        Ok(())
    }
}

/// Writes text in lines of at most [`WIDTH`] columns, the first one after `first` and the others after `next`.
fn wrapped(f: &mut fmt::Formatter<'_>, first: &str, next: &str, text: &str) -> fmt::Result {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(f, "{line}")?;
            next.clone_into(&mut line);
        } else if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    writeln!(f, "{line}")
}
