//! Neutralises texts of a record for people's eyes.
//!
//! Whoever makes a call chooses many texts of its record: names, agents, parts of messages. In a
//! mail or a chat they must not break lines, hide or reorder what stands around them, lead
//! anywhere, call anybody, or grow without bounds.

/// Characters of a text that may take a line of its own.
const LINE: usize = 1_200;
/// Characters of a name or an ARN.
const NAME: usize = 256;
/// Characters of a subject.
const SUBJECT: usize = 99;

/// A text on one line: what controls, breaks or reorders text is replaced, links are broken, and it
/// is cut at 1,200 characters.
#[must_use]
pub fn line(text: &str) -> String {
    clean(text, LINE)
}

/// A name: as [`line()`], cut at 256 characters.
#[must_use]
pub fn name(text: &str) -> String {
    clean(text, NAME)
}

/// A value that must stay itself, for machines: what controls, breaks or reorders text is replaced,
/// and it is cut at `limit` characters. Returns whether it was cut.
#[must_use]
pub fn exact(text: &str, limit: usize) -> (String, bool) {
    let text = text.trim();
    let shown = text.chars().take(limit).map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect();
    (shown, text.char_indices().nth(limit).is_some())
}

/// A text in which nothing is a link to a mail or chat program: `https[:]//`, `example[.]com`. Names
/// of AWS services and of FIFO queues stay as they are.
#[must_use]
pub fn without_links(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| in_host(c) || c == ':') {
        let (before, from) = rest.split_at(start);
        shown.push_str(before);
        if let Some(behind) = from.strip_prefix(':') {
            let is_link = behind.starts_with("//") && !shown.ends_with("s3");
            shown.push_str(if is_link { "[:]" } else { ":" });
            rest = behind;
        } else {
            let (host, behind) = from.split_at(from.find(|c| !in_host(c)).unwrap_or(from.len()));
            push_host(&mut shown, host);
            rest = behind;
        }
    }
    shown + rest
}

fn in_host(c: char) -> bool {
    c.is_alphanumeric() || c == '.' || c == '-'
}

/// Breaks what a program may take for the name of a host: a dot in front of what may be a top-level domain.
fn push_host(shown: &mut String, host: &str) {
    let service = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".amazonaws.com");
    if service.is_some_and(|name| !name.is_empty() && !name.contains('.')) {
        return shown.push_str(host);
    }
    for (at, label) in host.split('.').enumerate() {
        let is_word = label.chars().count() >= 2 && label.chars().all(char::is_alphabetic) || label.starts_with("xn--");
        let is_domain = is_word && !["fifo", "json", "gz"].contains(&label);
        match at {
            0 => {}
            _ if is_domain && shown.ends_with(char::is_alphanumeric) => shown.push_str("[.]"),
            _ => shown.push('.'),
        }
        shown.push_str(label);
    }
}

/// A name within a subject, of at most `limit` characters.
#[must_use]
pub fn short(text: &str, limit: usize) -> String {
    let (text, _) = exact(text, NAME);
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
    let (shown, is_cut) = exact(text, limit);
    let shown = without_links(&shown);
    match text.trim().chars().count().checked_sub(limit) {
        Some(more) if is_cut => format!("{shown} [cut: {more} more characters]"),
        _ => shown,
    }
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
            && without_links(text) == *text
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
        assert_eq!(line(&"é".repeat(5_000)), format!("{} [cut: 3800 more characters]", "é".repeat(1_200)));
        assert_eq!(name(&"é".repeat(256)), "é".repeat(256));
        assert_eq!(short("orders-of-all-customers", 10), "orders-o..");
        assert_eq!(short("orders", 6), "orders");
    }

    #[test]
    fn nothing_is_a_link() {
        for (text, shown) in [
            ("see https://evil.example/x?y=1.", "see https[:]//evil[.]example/x?y=1."),
            ("HTTPS://1.2.3.4/a", "HTTPS[:]//1.2.3.4/a"),
            ("www.evil.com", "www[.]evil[.]com"),
            ("alice@example.com", "alice@example[.]com"),
            ("a.b.evil.com.", "a.b[.]evil[.]com."),
            ("bücher.ελ, evil.xn--p1ai", "bücher[.]ελ, evil[.]xn--p1ai"),
            ("lambda.amazonaws.com and lambda.amazonaws.com.cn", "lambda.amazonaws.com and lambda.amazonaws.com.cn"),
            ("evil.s3.amazonaws.com", "evil.s3[.]amazonaws[.]com"),
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
    fn words_of_commands_mean_themselves() {
        assert_eq!(word(Some("orders_2"), "FUNCTION"), "orders_2");
        for text in ["a b", "$(id)", "`id`", "a;b", "-x", "a'b", "file:///etc/passwd", "evil.com", "$LATEST", "é", ""]
        {
            assert_eq!(word(Some(text), "FUNCTION"), "FUNCTION", "{text}");
        }
        assert_eq!(word(None, "FUNCTION"), "FUNCTION");
    }
}
