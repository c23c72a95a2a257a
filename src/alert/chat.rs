//! The alert as a custom notification of Amazon Q Developer in chat applications, for Slack and Microsoft Teams.
//!
//! Source: "Custom notifications" in the administrator guide of Amazon Q Developer in chat applications. The service
//! drops what has another form without a word. Its limits are not documented: what is shown is kept short.

use serde_json::{Map, Value, json};

use super::{Alert, sanitize};

/// Characters of a description.
const DESCRIPTION: usize = 3_000;
/// Characters of a detail.
const DETAIL: usize = 500;
/// What stands at the end of a text that was cut.
const CUT: &str = " (cut)";

/// One JSON object.
#[must_use]
pub fn chat(alert: &Alert<'_>) -> String {
    let lines = [&alert.headline].into_iter().chain(&alert.situation).chain(&alert.why);
    let description = lines.map(|line| plain(line, DESCRIPTION)).collect::<Vec<_>>().join("\n");
    let steps = alert.next_steps.iter().map(|step| match &step.command {
        Some(command) => format!("{} `{command}`", step.text),
        None => step.text.clone(),
    });
    // A subject is no place for links in a mail, but in a chat.
    let subject = plain(&sanitize::without_links(&alert.subject), DETAIL);
    let keywords = ["alert_type", "severity", "category"].into_iter().filter_map(|name| alert.attribute(name));
    let details = alert.details.iter().map(|(label, value)| ((*label).to_owned(), plain(value, DETAIL).into()));
    json!({
        "version": "1.0",
        "source": "custom",
        "id": format!("{}-{}", alert.incident.case, alert.incident.total),
        "content": {
            "textType": "client-markdown",
            "title": subject,
            "description": cut(&description, DESCRIPTION),
            "nextSteps": steps.collect::<Vec<_>>(),
            "keywords": keywords.map(|it| plain(it, DETAIL)).collect::<Vec<_>>(),
        },
        "metadata": {
            "threadId": alert.incident.case.to_string(),
            "summary": subject,
            "eventType": alert.incident.finding.alert_type(),
            "additionalContext": details.collect::<Map<String, Value>>(),
        },
    })
    .to_string()
}

/// A text that chat programs show as it is: characters that mark up text or mention people and rooms are replaced by such
/// that look like them.
fn plain(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut last = ' ';
    while let Some(c) = characters.next() {
        // Within a word, as in a name, it marks up nothing.
        let in_word = last.is_alphanumeric() && characters.peek().is_some_and(|next| next.is_alphanumeric());
        shown.push(match c {
            '_' if in_word => c,
            '_' => '\u{ff3f}',
            '*' => '\u{2217}',
            '~' => '\u{223c}',
            '`' => '\'',
            '<' => '\u{2039}',
            '>' => '\u{203a}',
            '[' => '\u{ff3b}',
            ']' => '\u{ff3d}',
            '|' => '\u{a6}',
            '&' => '\u{ff06}',
            '@' => '\u{ff20}',
            '#' => '\u{ff03}',
            '\\' => '\u{ff3c}',
            _ => c,
        });
        last = c;
    }
    cut(&shown, limit)
}

fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => text.split_at(end).0.to_owned() + CUT,
        None => text.to_owned(),
    }
}
