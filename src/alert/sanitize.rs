//! Neutralises the texts of a record before people read them.
//!
//! Whoever makes a call chooses many texts of its record: names, user agents, parts of messages. In a mail or a chat they
//! must not break lines, hide or reorder their neighbours, form links, mention anybody, or grow without bounds.

/// Characters of a text that may take a line of its own.
const LINE: usize = 1_200;
/// Characters of a name or an ARN.
const NAME: usize = 256;
/// Characters of a subject.
const SUBJECT: usize = 99;
/// Characters of a word of a command. The longest are ARNs of functions with their alias, of about 250.
const WORD: usize = 256;

/// Opens text with a direction of its own: FIRST STRONG ISOLATE.
pub(super) const ISOLATE: char = '\u{2068}';
/// Closes it: POP DIRECTIONAL ISOLATE.
pub(super) const END_OF_ISOLATE: char = '\u{2069}';

/// A text on one line: hidden characters are replaced, links are broken, and it is cut at 1,200 characters.
#[must_use]
pub fn line(text: &str) -> String {
    clean(text, LINE)
}

/// A name: as [`line()`], cut at 256 characters.
#[must_use]
pub fn name(text: &str) -> String {
    clean(text, NAME)
}

/// A value for machines: hidden characters are replaced, and it is cut at `limit` characters. Returns whether it was cut.
#[must_use]
pub fn exact(text: &str, limit: usize) -> (String, bool) {
    let text = text.trim();
    let shown = text.chars().take(limit).map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect();
    (shown, text.char_indices().nth(limit).is_some())
}

/// A text in which a mail or chat program finds no link: `https[:]//`, `example[.]com`. Names of AWS services and of FIFO
/// queues stay as they are.
#[must_use]
pub fn without_links(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| in_host(c) || c == ':') {
        let (before, from) = rest.split_at(start);
        shown.push_str(before);
        if let Some(after) = from.strip_prefix(':') {
            let is_link = after.starts_with("//") && !shown.ends_with("s3");
            shown.push_str(if is_link { "[:]" } else { ":" });
            rest = after;
        } else {
            let (host, after) = from.split_at(from.find(|c| !in_host(c)).unwrap_or(from.len()));
            // `s3.amazonaws.com/evil-bucket/login` is a page that anybody can publish.
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

fn in_host(c: char) -> bool {
    c.is_alphanumeric() || c == '.' || c == '-'
}

/// The name of an AWS service, such as `lambda.amazonaws.com`.
fn is_service(host: &str) -> bool {
    let name = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".amazonaws.com");
    name.is_some_and(|name| !name.is_empty() && !name.contains('.'))
}

/// Breaks what a program may take for a host name: the dot before a possible top-level domain.
fn push_host(shown: &mut String, host: &str) {
    for (at, label) in host.split('.').enumerate() {
        let is_word = label.chars().count() >= 2 && label.chars().all(char::is_alphabetic) || label.starts_with("xn--");
        let is_domain = is_word && !["fifo", "json", "gz"].contains(&label);
        // Domains may end in symbols that are no letters, such as emoji.
        let follows_label = shown.ends_with(|c: char| c.is_alphanumeric() || !c.is_ascii());
        match at {
            0 => {}
            _ if is_domain && follows_label => shown.push_str("[.]"),
            _ => shown.push('.'),
        }
        shown.push_str(label);
    }
}

/// A text whose right-to-left words cannot reorder their neighbours: each run of such words is isolated, with U+2068 and
/// U+2069 around it.
///
/// Punctuation ends a run, so the segments of a path, the elements of a list and neighbouring values keep their order.
/// Apply it to a text that is sanitized and cut: [`exact()`] replaces the isolates, and a cut could drop the second.
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

/// Bytes up to the last right-to-left character of the run at the start. Blanks, digits and symbols may be within a run.
fn run_length(text: &str) -> usize {
    let ends_run = |c: char| c.is_control() || c.is_ascii_punctuation() || c.is_alphabetic() && !is_right_to_left(c);
    let run = text.split(ends_run).next().unwrap_or_default();
    run.char_indices().rev().find(|(_, c)| is_right_to_left(*c)).map_or(0, |(at, c)| at + c.len_utf8())
}

/// Characters of the blocks for scripts that are written from right to left, with their digits, which reorder numbers.
///
/// Source: the ranges whose unassigned characters default to `R` or `AL` in `DerivedBidiClass.txt` of Unicode.
fn is_right_to_left(c: char) -> bool {
    matches!(c,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}'
        | '\u{1e800}'..='\u{1efff}')
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

/// Characters that are invisible, break lines or change the direction of text: control characters, line and paragraph
/// separators, those of the Unicode category Cf, fillers, variation selectors and noncharacters.
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

/// The last two characters of each plane, and 32 in the Arabic presentation forms.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// A word of a command that a person is advised to run, or the placeholder if a shell or the AWS CLI could read it as
/// something else, or if it has more than 256 characters.
#[must_use]
pub fn word<'a>(text: Option<&'a str>, placeholder: &'a str) -> &'a str {
    let is_plain = |text: &&str| {
        text.len() <= WORD
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
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
    fn invisible_characters_outside_cf_are_shown() {
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
    fn right_to_left_words_are_isolated_from_their_neighbours() {
        for (text, shown) in [
            ("role \u{5d0}\u{5d1} (x)", "role \u{2068}\u{5d0}\u{5d1}\u{2069} (x)"),
            // The words of a sentence stay together, with the numbers among them.
            ("\u{627} 12 \u{628} 34", "\u{2068}\u{627} 12 \u{628}\u{2069} 34"),
            // Elements of a list and segments of a path do not.
            ("\u{5d0}, \u{5d1}/\u{5d2}", "\u{2068}\u{5d0}\u{2069}, \u{2068}\u{5d1}\u{2069}/\u{2068}\u{5d2}\u{2069}"),
            ("\u{5d0}\n\u{5d1}", "\u{2068}\u{5d0}\u{2069}\n\u{2068}\u{5d1}\u{2069}"),
            ("\u{5d0} x \u{5d1}", "\u{2068}\u{5d0}\u{2069} x \u{2068}\u{5d1}\u{2069}"),
            ("\u{661}-\u{662}", "\u{2068}\u{661}\u{2069}-\u{2068}\u{662}\u{2069}"),
            ("\u{1e900}", "\u{2068}\u{1e900}\u{2069}"),
            ("häß 漢字 🦀", "häß 漢字 🦀"),
        ] {
            assert_eq!(isolated(text), shown);
        }
        // A record's own isolates are replaced.
        assert_eq!(isolated(&line("\u{2067}\u{5d0}")), "\u{fffd}\u{2068}\u{5d0}\u{2069}");
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
    fn words_of_commands_mean_themselves() {
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
