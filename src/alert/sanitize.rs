//! Neutralises texts of a record for people's eyes.
//!
//! Whoever makes a call chooses many texts of its record: names, agents, parts of messages. In a
//! mail or a chat they must not break lines, hide or reorder what stands around them, or grow
//! without bounds.

/// Characters of a text that may take a line of its own.
const LINE: usize = 1_200;
/// Characters of a name or an ARN.
const NAME: usize = 256;
/// Characters of a subject.
const SUBJECT: usize = 99;
/// What stands at the end of a text that was cut.
const CUT: &str = " [cut]";

/// A text on one line: what controls, breaks or reorders text is replaced, and it is cut at 1,200
/// characters.
#[must_use]
pub fn line(text: &str) -> String {
    clean(text, LINE)
}

/// A name: as [`line()`], cut at 256 characters.
#[must_use]
pub fn name(text: &str) -> String {
    clean(text, NAME)
}

/// A name within a subject, of at most `limit` characters.
#[must_use]
pub fn short(text: &str, limit: usize) -> String {
    let text = clean(text, NAME);
    match text.char_indices().nth(limit) {
        Some(_) => text.chars().take(limit.saturating_sub(2)).chain("..".chars()).collect(),
        None => text,
    }
}

/// A subject as SNS takes it: printable ASCII, at most 99 characters.
#[must_use]
pub fn subject(text: &str) -> String {
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    text.chars().map(printable).take(SUBJECT).collect::<String>().trim_end().to_owned()
}

fn clean(text: &str, limit: usize) -> String {
    let text = text.trim();
    let mut cleaned: String = text.chars().take(limit).map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect();
    if text.char_indices().nth(limit).is_some() {
        cleaned.push_str(CUT);
    }
    cleaned
}

/// Control characters, line and paragraph separators, and those of the Unicode category Cf:
/// invisible characters, and those that change the direction of text.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'..='\u{e007f}')
}

/// A word of a command that a person is told to run; a placeholder stands for a text that a shell
/// could read as something else.
#[must_use]
pub fn word<'a>(text: Option<&'a str>, placeholder: &'a str) -> &'a str {
    let is_plain = |text: &&str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b))
            // The AWS CLI reads such a text as the address of the value.
            && !text.contains("://")
    };
    text.filter(is_plain).unwrap_or(placeholder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_and_breaking_characters_are_shown() {
        for hidden in
            ["\n", "\r", "\u{7}", "\u{0}", "\u{85}", "\u{2028}", "\u{202e}", "\u{200b}", "\u{2066}", "\u{feff}"]
        {
            assert_eq!(line(&format!("a{hidden}b")), "a\u{fffd}b", "{hidden:?}");
        }
        assert_eq!(line(" häß 漢字 🦀 "), "häß 漢字 🦀");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(line(&"é".repeat(5_000)), format!("{} [cut]", "é".repeat(1_200)));
        assert_eq!(name(&"é".repeat(256)), "é".repeat(256));
        assert_eq!(short("orders-of-all-customers", 10), "orders-o..");
        assert_eq!(short("orders", 6), "orders");
    }

    #[test]
    fn subjects_are_printable_ascii() {
        assert_eq!(subject("Denied: é\r\nBcc: x"), "Denied: ???Bcc: x");
        assert_eq!(subject(&"x".repeat(200)).len(), 99);
    }

    #[test]
    fn words_of_commands_mean_themselves() {
        assert_eq!(word(Some("orders_2"), "FUNCTION"), "orders_2");
        for text in ["a b", "$(id)", "`id`", "a;b", "-x", "a'b", "file:///etc/passwd", "$LATEST", "é", ""] {
            assert_eq!(word(Some(text), "FUNCTION"), "FUNCTION", "{text}");
        }
        assert_eq!(word(None, "FUNCTION"), "FUNCTION");
    }
}
