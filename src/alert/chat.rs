//! An alert as a custom notification of Amazon Q Developer in chat applications, for Slack and Microsoft Teams.
//!
//! Source: "Custom notifications" in the Amazon Q Developer in chat applications Administrator Guide. The service
//! silently drops a message in another format. Its size limits are not documented, so strings are kept short.

use std::net::Ipv6Addr;

use serde_json::{Map, Value, json};

use super::content::Alert;
use super::next_steps::Snippet;
use super::sanitize;
use crate::detect::{Arn, is_uuid};
use crate::triage::{Incident, Scope};

/// Maximum length of a description, in characters.
const DESCRIPTION: usize = 3_000;
/// Maximum length of a detail, in characters.
const DETAIL: usize = 500;
/// Marks a truncated string.
const TRUNCATED: &str = " (truncated)";

/// Writes one JSON object.
pub(super) fn chat(alert: &Alert<'_>) -> String {
    let lines = [&alert.headline].into_iter().chain(&alert.situation).chain(&alert.why);
    let description = lines.map(|line| plain(line, DESCRIPTION)).collect::<Vec<_>>().join("\n");
    let steps = alert.next_steps.iter().map(|step| match (plain(&step.text, DESCRIPTION), &step.snippet) {
        (text, Some(Snippet::Command(command))) => format!("{text} `{command}`"),
        // A statement is too long for a list.
        (text, Some(Snippet::Statement(_)) | None) => text,
    });
    // Chat clients turn text that looks like a link into a link, even in a title. Email clients do not do this in
    // subjects.
    let subject = plain(&sanitize::without_links(&alert.subject), DETAIL);
    let keywords = ["alert_type", "severity", "category"].into_iter().filter_map(|name| alert.attribute(name));
    let details = alert.details.iter().map(|(label, value)| ((*label).to_owned(), plain(value, DETAIL).into()));
    let details = details.chain(button_variables(alert.incident));
    json!({
        "version": "1.0",
        "source": "custom",
        "id": format!("{}-{}", alert.incident.dedup_key, alert.incident.total),
        "content": {
            "textType": "client-markdown",
            "title": subject,
            "description": truncated(&description, DESCRIPTION),
            "nextSteps": steps.collect::<Vec<_>>(),
            "keywords": keywords.map(|it| plain(it, DETAIL)).collect::<Vec<_>>(),
        },
        "metadata": {
            "threadId": alert.incident.alert_id().to_string(),
            "summary": subject,
            "eventType": alert.incident.alert_type(),
            "additionalContext": details.collect::<Map<String, Value>>(),
        },
    })
    .to_string()
}

/// The labels that the chat buttons need in addition to `Mapping`: see `ShowMappingAction` in the template. Each value
/// is a word, so it cannot add anything to a command.
fn button_variables(incident: &Incident) -> Vec<(String, Value)> {
    let uuid = incident.finding.mapping_uuid().filter(|_| incident.scope == Scope::Event);
    let event = &incident.finding.event;
    match [uuid.filter(|it| is_uuid(it)), event.region.as_deref(), event.account.as_deref()] {
        [Some(_), Some(region), Some(account)] if sanitize::is_word(region) && sanitize::is_word(account) => {
            [("Region", region), ("Account", account)].map(|(label, value)| (label.to_owned(), value.into())).to_vec()
        }
        _ => Vec::new(),
    }
}

/// Converts a string so that chat clients show it literally. Look-alikes replace the characters of markup, mentions and
/// emoji codes, right-to-left text is isolated, and the string is truncated at `limit` characters.
fn plain(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut last = ' ';
    while let Some(c) = characters.next() {
        // Inside a word, an underscore is not markup.
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
    truncated(&sanitize::isolated(&without_emoji(&shown)), limit)
}

/// Replaces the colon that opens an emoji code such as `:white_check_mark:` with a look-alike.
///
/// Slack also reads `a:b:c` as a code and shows an unknown emoji as a grey box, so codes inside words are replaced too.
/// Readers copy ARNs and IP addresses, so these remain unchanged; at worst, Slack shows part of a resource name as an
/// emoji. Times and account IDs also remain unchanged, because only two emoji codes consist of digits.
fn without_emoji(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(in_arn) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|c| !in_arn(c)).unwrap_or(from.len()));
        shown.push_str(before);
        let is_copied = Arn::parse(word).is_some() || word.parse::<Ipv6Addr>().is_ok();
        let opens_emoji = |at: usize| {
            emoji_name(from.split_at(at).1).is_some_and(|name| !is_copied || at + name.len() + 2 > word.len())
        };
        shown.extend(word.char_indices().map(|(at, c)| if c == ':' && opens_emoji(at) { '\u{2236}' } else { c }));
        rest = after;
    }
    shown + rest
}

/// Returns true for the characters of ARNs and IP addresses.
fn in_arn(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.:/+=,@*$#".contains(c)
}

/// The name in the emoji code at the start of the string.
fn emoji_name(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix(':')?.split_once(':')?;
    let is_number = name.bytes().all(|b| b.is_ascii_digit()) && !["100", "1234"].contains(&name);
    let is_name = name.chars().all(|c| c.is_alphanumeric() || "_+'-".contains(c));
    (!name.is_empty() && is_name && !is_number).then_some(name)
}

/// Truncates a string at `limit` characters. Closes an isolate that the truncation leaves open.
fn truncated(text: &str, limit: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(limit) else { return text.to_owned() };
    let (kept, _) = text.split_at(end);
    let is_open = kept.rfind(sanitize::ISOLATE) > kept.rfind(sanitize::END_OF_ISOLATE);
    kept.chars().chain(is_open.then_some(sanitize::END_OF_ISOLATE)).chain(TRUNCATED.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_codes_are_neutralized() {
        for (text, shown) in [
            (":smile:", "∶smile:"),
            ("run :white_check_mark::tada: a", "run ∶white_check_mark:∶tada: a"),
            ("a:b:c", "a∶b:c"),
            ("l:l'\u{e9}t\u{e9}:", "l∶l'\u{e9}t\u{e9}:"),
            (":a`b:", "∶a'b:"),
            ("::\u{e9}:", ":\u{2236}\u{e9}:"),
            ("arn:aws:s3:::caf\u{e9}:", "arn:aws:s3::\u{2236}caf\u{e9}:"),
            (":100: :1234: :+1:", "∶100: ∶1234: ∶+1:"),
        ] {
            assert_eq!(plain(text, DETAIL), shown);
        }
    }

    #[test]
    fn arns_addresses_and_times_keep_their_colons() {
        for text in [
            "arn:aws:lambda:us-east-1:111122223333:function:orders:live",
            "arn:aws:iam::111122223333:role/deployer, arn:aws:s3:::bucket/key",
            "(2600:1f18:ab::1) at 03:00:00 or 2026-01-02T03:00:00Z",
            "User: lambda:GetFunction on s3://trail/key 10.0.0.1:443",
        ] {
            assert_eq!(plain(text, DETAIL), text);
        }
    }

    #[test]
    fn truncation_closes_an_open_isolate() {
        assert_eq!(plain("a \u{5d0}\u{5d1}\u{5d2} b", 5), "a \u{2068}\u{5d0}\u{5d1}\u{2069} (truncated)");
        assert_eq!(plain("a \u{5d0} b", 5), "a \u{2068}\u{5d0}\u{2069} (truncated)");
        assert_eq!(plain("a \u{5d0}", 5), "a \u{2068}\u{5d0}\u{2069}");
    }
}
