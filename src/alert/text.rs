//! An alert as text for people.

use super::content::Alert;
use super::next_steps::Snippet;
use super::sanitize;

/// Width of the labels of the details, in characters.
const LABEL: usize = 14;

/// Writes what happened, then where and when, why, what to do, and the details.
pub(super) fn text(alert: &Alert<'_>) -> String {
    let mut lines = vec![alert.headline.clone()];
    lines.extend(alert.situation.iter().cloned());
    lines.extend([String::new(), "Why".to_owned()]);
    lines.extend(alert.why.iter().map(|reason| format!("  {reason}")));
    lines.extend([String::new(), "What to do".to_owned()]);
    for (n, step) in (1..).zip(&alert.next_steps) {
        lines.push(format!("  {n}. {}", step.text));
        match &step.snippet {
            Some(Snippet::Command(command)) => lines.push(format!("     {command}")),
            Some(Snippet::Statement(statement)) => {
                lines.extend(["     The smallest statement that allows it:".to_owned(), format!("     {statement}")]);
            }
            None => {}
        }
    }
    lines.extend([String::new(), "Details".to_owned()]);
    lines.extend(alert.details.iter().map(|(label, value)| format!("  {label:LABEL$}{value}")));
    sanitize::isolated(&(lines.join("\n") + "\n"))
}
