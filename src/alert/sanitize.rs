//! Neutralizes text from a record before people read it.
//!
//! Whoever makes a call chooses much of the text in its record: names, user agents, parts of messages. In an email or a
//! chat message, this text must not break lines, hide or reorder adjacent text, form links, mention anybody, or grow
//! without bounds.

/// Maximum length of a line, in characters.
const MAX_LINE: usize = 1_200;
/// Maximum length of a line on a terminal, in characters.
const MAX_VISIBLE: usize = 4_096;
/// Maximum length of a name or an ARN, in characters.
const MAX_NAME: usize = 256;
/// Maximum length of a subject, in characters.
const MAX_SUBJECT: usize = 99;
/// Maximum length of a word in a command, in characters. The longest words are ARNs of functions with an alias, about
/// 250 characters.
const MAX_WORD: usize = 256;

/// FIRST STRONG ISOLATE: starts text whose direction does not affect the text around it.
pub(super) const ISOLATE: char = '\u{2068}';
/// POP DIRECTIONAL ISOLATE: ends such text.
pub(super) const END_OF_ISOLATE: char = '\u{2069}';

/// Sanitizes text for a single line: replaces hidden characters, breaks links, and cuts it at 1,200 characters.
#[must_use]
pub fn line(text: &str) -> String {
    clean(text, MAX_LINE)
}

/// Sanitizes a name like [`line()`], but cuts it at 256 characters.
#[must_use]
pub fn name(text: &str) -> String {
    clean(text, MAX_NAME)
}

/// Sanitizes a line for a terminal: replaces hidden characters, and cuts it at 4,096 characters.
#[must_use]
pub fn visible(line: &str) -> String {
    line.chars().take(MAX_VISIBLE).map(shown).collect()
}

/// Sanitizes a value for machines: replaces hidden characters, and cuts it at `limit` characters. Returns the value and
/// whether it was cut.
#[must_use]
pub(crate) fn exact(text: &str, limit: usize) -> (String, bool) {
    let text = text.trim();
    let visible = text.chars().take(limit).map(shown).collect();
    (visible, text.char_indices().nth(limit).is_some())
}

/// The character, or a replacement if it is hidden.
fn shown(c: char) -> char {
    if is_hidden(c) { '\u{fffd}' } else { c }
}

/// Breaks everything that an email or chat client could take for a link: `https[:]//`, `example[.]com`. Names of AWS
/// services and of FIFO queues remain unchanged.
#[must_use]
pub(crate) fn without_links(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| is_in_host(c) || c == ':') {
        let (before, from) = rest.split_at(start);
        shown.push_str(before);
        if let Some(after) = from.strip_prefix(':') {
            let is_link = after.starts_with("//") && !shown.ends_with("s3");
            shown.push_str(if is_link { "[:]" } else { ":" });
            rest = after;
        } else {
            let (host, after) = from.split_at(from.find(|c| !is_in_host(c)).unwrap_or(from.len()));
            // Anybody can publish a page at `s3.amazonaws.com/evil-bucket/login`.
            let is_alone = !shown.ends_with(['/', '\\', '@']) && !after.starts_with(['/', '\\', ':', '?', '#', '@']);
            if is_alone && is_service(host) {
                shown.push_str(host);
            } else {
                push_host(&mut shown, host);
            }
            rest = after;
        }
    }
    shown + rest
}

fn is_in_host(c: char) -> bool {
    c.is_alphanumeric() || c == '.' || c == '-'
}

/// Returns true for the name of an AWS service, such as `lambda.amazonaws.com`.
fn is_service(host: &str) -> bool {
    let name = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".amazonaws.com");
    name.is_some_and(|name| !name.is_empty() && !name.contains('.'))
}

/// Appends `host`, and breaks the dot before every label that could be a top-level domain.
fn push_host(shown: &mut String, host: &str) {
    for (at, label) in host.split('.').enumerate() {
        let is_word = label.chars().count() >= 2 && label.chars().all(char::is_alphabetic) || label.starts_with("xn--");
        let is_domain = is_word && !["fifo", "json", "gz"].contains(&label);
        // The label before it may end in a symbol, such as an emoji.
        let follows_label = shown.ends_with(|c: char| c.is_alphanumeric() || !c.is_ascii());
        match at {
            0 => {}
            _ if is_domain && follows_label => shown.push_str("[.]"),
            _ => shown.push('.'),
        }
        shown.push_str(label);
    }
}

/// Isolates each run of right-to-left words, with U+2068 before and U+2069 after it, so that it cannot reorder the text
/// around it.
///
/// Punctuation ends a run, so the segments of a path, the elements of a list and adjacent values keep their order.
/// Apply this after sanitizing and cutting: [`exact()`] would replace the isolates, and a cut could drop the closing
/// one.
#[must_use]
pub(super) fn isolated(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_right_to_left) {
        let (before, from) = rest.split_at(start);
        let (run, after) = from.split_at(run_length(from));
        shown.push_str(before);
        shown.extend([ISOLATE].into_iter().chain(run.chars()).chain([END_OF_ISOLATE]));
        rest = after;
    }
    shown + rest
}

/// Length of the run at the start of `text`, in bytes, up to its last right-to-left character. A run may contain
/// spaces, digits and symbols.
fn run_length(text: &str) -> usize {
    let ends_run = |c: char| c.is_control() || c.is_ascii_punctuation() || c.is_alphabetic() && !is_right_to_left(c);
    let run = text.split(ends_run).next().unwrap_or_default();
    run.char_indices().rev().find(|(_, c)| is_right_to_left(*c)).map_or(0, |(at, c)| at + c.len_utf8())
}

/// Returns true for the characters of right-to-left scripts, including their digits, which reorder numbers.
///
/// Source: the ranges whose unassigned characters default to `R` or `AL` in `DerivedBidiClass.txt` of Unicode.
fn is_right_to_left(c: char) -> bool {
    matches!(c,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}'
        | '\u{1e800}'..='\u{1efff}')
}

/// Shortens a name in a subject to at most `limit` characters.
#[must_use]
pub(crate) fn short(text: &str, limit: usize) -> String {
    let (text, _) = exact(text, MAX_NAME);
    match text.char_indices().nth(limit) {
        Some(_) => text.chars().take(limit.saturating_sub(2)).chain("..".chars()).collect(),
        None => text,
    }
}

/// Converts text to a subject that SNS accepts: printable ASCII, at most 99 characters.
#[must_use]
pub(crate) fn subject(text: &str) -> String {
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    text.chars().map(printable).take(MAX_SUBJECT).collect::<String>().trim_end().to_owned()
}

fn clean(text: &str, limit: usize) -> String {
    let (shown, is_cut) = exact(text, limit);
    let shown = without_links(&shown);
    match text.trim().chars().count().checked_sub(limit) {
        Some(more) if is_cut => format!("{shown} [truncated: {more} more characters]"),
        _ => shown,
    }
}

/// Returns true for characters that are invisible, break lines or change the direction of text: control characters,
/// line and paragraph separators, characters of the Unicode category Cf, fillers, variation selectors and
/// noncharacters.
///
/// A variation selector after an emoji is replaced too: in a name, it could hide data or make two names look the same.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || is_noncharacter(c)
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{16fe4}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d159}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns true for the last two code points of each plane, and for 32 in the Arabic presentation forms.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// A word for a command in an alert. Returns the placeholder if a shell or the AWS CLI could interpret the word, or if
/// it is longer than 256 characters.
#[must_use]
pub(crate) fn word<'a>(text: Option<&'a str>, placeholder: &'a str) -> &'a str {
    text.filter(|it| is_word(it)).unwrap_or(placeholder)
}

/// Returns true if no shell, policy, chat client or email client interprets the text, and if it is not longer than 256
/// characters.
#[must_use]
pub(super) fn is_word(text: &str) -> bool {
    text.len() <= MAX_WORD
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b))
        // The AWS CLI would load the value from such an address.
        && !text.contains("://")
        && without_links(text) == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_and_line_breaking_characters_are_replaced() {
        for hidden in
            ["\n", "\r", "\u{7}", "\u{0}", "\u{85}", "\u{2028}", "\u{202e}", "\u{200b}", "\u{2066}", "\u{feff}"]
        {
            assert_eq!(line(&format!("a{hidden}b")), "a\u{fffd}b", "{hidden:?}");
        }
        assert_eq!(line(" häß 漢字 🦀 "), "häß 漢字 🦀");
    }

    #[test]
    fn invisible_characters_outside_category_cf_are_replaced() {
        for hidden in [
            '\u{34f}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{17b5}',
            '\u{180b}',
            '\u{180d}',
            '\u{180f}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{ffa0}',
            '\u{e0100}',
            '\u{e01ef}',
            '\u{fdd0}',
            '\u{fdef}',
            '\u{fffe}',
            '\u{ffff}',
            '\u{1fffe}',
            '\u{10ffff}',
        ] {
            assert_eq!(line(&format!("a{hidden}b")), "a\u{fffd}b", "{hidden:?}");
            assert_eq!(exact(&format!("a{hidden}b"), 9).0, "a\u{fffd}b", "{hidden:?}");
        }
    }

    #[test]
    fn right_to_left_words_are_isolated() {
        for (text, shown) in [
            ("role \u{5d0}\u{5d1} (x)", "role \u{2068}\u{5d0}\u{5d1}\u{2069} (x)"),
            // The words of a sentence stay together, including the numbers between them.
            ("\u{627} 12 \u{628} 34", "\u{2068}\u{627} 12 \u{628}\u{2069} 34"),
            // The elements of a list and the segments of a path are isolated separately.
            ("\u{5d0}, \u{5d1}/\u{5d2}", "\u{2068}\u{5d0}\u{2069}, \u{2068}\u{5d1}\u{2069}/\u{2068}\u{5d2}\u{2069}"),
            ("\u{5d0}\n\u{5d1}", "\u{2068}\u{5d0}\u{2069}\n\u{2068}\u{5d1}\u{2069}"),
            ("\u{5d0} x \u{5d1}", "\u{2068}\u{5d0}\u{2069} x \u{2068}\u{5d1}\u{2069}"),
            ("\u{661}-\u{662}", "\u{2068}\u{661}\u{2069}-\u{2068}\u{662}\u{2069}"),
            ("\u{1e900}", "\u{2068}\u{1e900}\u{2069}"),
            ("häß 漢字 🦀", "häß 漢字 🦀"),
        ] {
            assert_eq!(isolated(text), shown);
        }
        // Isolates in the record are replaced.
        assert_eq!(isolated(&line("\u{2067}\u{5d0}")), "\u{fffd}\u{2068}\u{5d0}\u{2069}");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(line(&"é".repeat(5_000)), format!("{} [truncated: 3800 more characters]", "é".repeat(1_200)));
        assert_eq!(name(&"é".repeat(256)), "é".repeat(256));
        assert_eq!(short("orders-of-all-customers", 10), "orders-o..");
        assert_eq!(short("orders", 6), "orders");
    }

    #[test]
    fn links_are_broken() {
        for (text, shown) in [
            ("see https://evil.example/x?y=1.", "see https[:]//evil[.]example/x?y=1."),
            ("HTTPS://1.2.3.4/a", "HTTPS[:]//1.2.3.4/a"),
            ("www.evil.com", "www[.]evil[.]com"),
            ("alice@example.com", "alice@example[.]com"),
            ("a.b.evil.com.", "a.b[.]evil[.]com."),
            ("bücher.ελ, evil.xn--p1ai", "bücher[.]ελ, evil[.]xn--p1ai"),
            ("lambda.amazonaws.com and lambda.amazonaws.com.cn", "lambda.amazonaws.com and lambda.amazonaws.com.cn"),
            ("evil.s3.amazonaws.com", "evil.s3[.]amazonaws[.]com"),
            ("s3.amazonaws.com/evil-bucket/login", "s3[.]amazonaws[.]com/evil-bucket/login"),
            ("s3.amazonaws.com.cn?x s3.amazonaws.com#x", "s3[.]amazonaws[.]com[.]cn?x s3[.]amazonaws[.]com#x"),
            ("s3.amazonaws.com:443/x s3.amazonaws.com\\x", "s3[.]amazonaws[.]com:443/x s3[.]amazonaws[.]com\\x"),
            ("a@s3.amazonaws.com s3.amazonaws.com@x", "a@s3[.]amazonaws[.]com s3[.]amazonaws[.]com@x"),
            ("//s3.amazonaws.com", "//s3[.]amazonaws[.]com"),
            ("\u{1f980}.ws", "\u{1f980}[.]ws"),
            ("evil.com.x1, evil.com-x", "evil[.]com.x1, evil.com-x"),
            ("s3://my.bucket/a_b.json.gz", "s3://my[.]bucket/a_b.json.gz"),
            ("xs3://evil", "xs3://evil"),
            ("arn:aws:sqs:us-east-1:111122223333:orders.fifo", "arn:aws:sqs:us-east-1:111122223333:orders.fifo"),
            ("1.2, 192.0.2.1, v1.2.3 ... a.b, .com", "1.2, 192.0.2.1, v1.2.3 ... a.b, .com"),
            ("", ""),
        ] {
            assert_eq!(without_links(text), shown);
            assert_eq!(line(text), shown);
        }
    }

    #[test]
    fn subjects_are_printable_ascii() {
        assert_eq!(subject("Denied: é\r\nBcc: x"), "Denied: ???Bcc: x");
        assert_eq!(subject(&"x".repeat(200)).len(), 99);
    }

    #[test]
    fn words_that_a_shell_could_interpret_become_the_placeholder() {
        assert_eq!(word(Some("orders_2"), "FUNCTION"), "orders_2");
        for text in ["a b", "$(id)", "`id`", "a;b", "-x", "a'b", "file:///etc/passwd", "evil.com", "$LATEST", "é", ""]
        {
            assert_eq!(word(Some(text), "FUNCTION"), "FUNCTION", "{text}");
        }
        let arn = format!("arn:aws:lambda:us-east-1:111122223333:function:{}:{}", "f".repeat(64), "a".repeat(128));
        assert_eq!(word(Some(&arn), "FUNCTION"), arn);
        assert_eq!(word(Some(&"a".repeat(257)), "FUNCTION"), "FUNCTION");
        assert_eq!(word(None, "FUNCTION"), "FUNCTION");
    }
}
