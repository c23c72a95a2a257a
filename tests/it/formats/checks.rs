//! Checks that apply to every message, regardless of its record.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};
use trailwarden::alert::{Alert, Format, Message};
use trailwarden::publish::MAX_BYTES;
use trailwarden::triage::Incident;

use super::FORMATS;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let mut schema: Value = serde_json::from_str(include_str!("../../../docs/event.schema.json")).expect("JSON");
    // Subscribers must accept new fields. Here, the schema must describe every field.
    schema["unevaluatedProperties"] = json!(false);
    jsonschema::validator_for(&schema).expect("a schema")
});

/// Checks the alerts about incidents in every format.
pub(crate) fn assert_valid(incidents: &[Incident]) {
    for alert in incidents.iter().map(Alert::of) {
        for format in FORMATS {
            assert_message_is_valid(&alert.message(format), format);
        }
    }
}

/// Checks a message.
pub(super) fn assert_message_is_valid(message: &Message, format: Format) {
    assert!(message.bytes() <= MAX_BYTES, "{format:?}: {} bytes", message.bytes());
    let subject = &message.subject;
    assert!(!subject.is_empty() && subject.len() <= 99 && subject.bytes().all(|b| (b' '..=b'~').contains(&b)));
    // With raw delivery to a queue, SNS drops a message with more than ten.
    assert!(message.attributes.len() <= 9);
    for attribute in &message.attributes {
        assert!(!attribute.values.is_empty() && attribute.values.len() <= 10);
        assert!(attribute.values.iter().all(|it| !it.is_empty() && !it.contains(is_hidden)), "{attribute:?}");
    }
    for id in [&message.group_id, &message.deduplication_id] {
        let is_plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        assert!(!id.is_empty() && id.len() <= 128 && is_plain, "{id}");
    }
    match format {
        Format::Text => assert_text(&message.body),
        Format::Chat => assert_chat(&message.body),
        Format::Json => assert_json(&message.body),
    }
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || u32::from(c) % 0x1_0000 >= 0xfffe
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                       | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}'
                       | '\u{3164}' | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
                       | '\u{e0001}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Checks that isolates enclose all right-to-left text and nothing else. Returns the text without isolates.
fn assert_directions(text: &str) -> String {
    let is_right_to_left = |c: char| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
                    | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
    };
    let mut is_isolated = false;
    for c in text.chars() {
        match c {
            '\u{2068}' | '\u{2069}' => {
                assert_eq!(is_isolated, c == '\u{2069}', "nested or open: {text:?}");
                is_isolated = !is_isolated;
            }
            '\n' => assert!(!is_isolated, "open at the end of a line: {text:?}"),
            // An isolate would reorder letters of other scripts.
            c if is_isolated => assert!(is_right_to_left(c) || !c.is_alphabetic(), "{c:?} in {text:?}"),
            c => assert!(!is_right_to_left(c), "{c:?} in {text:?}"),
        }
    }
    assert!(!is_isolated, "open: {text:?}");
    text.replace(['\u{2068}', '\u{2069}'], "")
}

/// Checks that no client shows a link. None opens `s3://`, which a sentence may start with a capital letter. A session may
/// be named `https:`: only the slashes make it a link.
fn assert_no_link(text: &str) {
    assert!(!text.replace("s3://", "s3 ").replace("S3://", "S3 ").contains("://"), "{text}");
}

/// Checks that no link or email address is in AWS's domain, because anybody can publish a page there.
fn assert_no_page_of_aws(text: &str) {
    for domain in ["amazonaws.com", "amazonaws.com.cn"] {
        for (at, _) in text.match_indices(domain) {
            let (before, after) = (&text[..at], &text[at + domain.len()..]);
            let is_longer = |c: char| c.is_alphanumeric() || c == '-';
            if after.starts_with(is_longer) || after.strip_prefix('.').is_some_and(|it| it.starts_with(is_longer)) {
                continue;
            }
            let host = before.rsplit(|c: char| !c.is_alphanumeric() && c != '.' && c != '-').next().unwrap_or_default();
            let is_address = before[..before.len() - host.len()].ends_with(['@', '/']);
            assert!(!is_address && !after.starts_with(['/', ':', '?', '#', '@']), "{text}");
            assert!(host.trim_end_matches('.').matches('.').count() == 0, "{text}");
        }
    }
}

/// Checks that Slack shows no emoji, except in ARNs and IP addresses, which readers copy.
fn assert_no_emoji(text: &str) {
    let is_arn = |c: char| c.is_ascii_alphanumeric() || "-_.:/+=,@*$#".contains(c);
    let is_name = |c: char| c.is_alphanumeric() || "_+'-".contains(c);
    for (at, _) in text.match_indices(':') {
        let Some((name, _)) = text[at + 1..].split_once(':') else { continue };
        let word = text[..at].rsplit(|c| !is_arn(c)).next().unwrap_or_default();
        let is_in_arn = word.starts_with("arn:") || word == "arn";
        if name.is_empty() || !name.contains(|c: char| !c.is_ascii_digit()) || !name.chars().all(is_name) {
            assert!(is_in_arn || !["100", "1234"].contains(&name), "{text}");
            continue;
        }
        let is_address = format!("{word}:{name}").chars().all(|c| c == ':' || c.is_ascii_hexdigit());
        assert!(is_in_arn || is_address, "{name} in {text}");
    }
}

fn assert_text(body: &str) {
    let body = &assert_directions(body);
    assert_no_page_of_aws(body);
    assert!(!body.contains(|c| c != '\n' && is_hidden(c)), "{body:?}");
    // No text from a record starts a line.
    let headings = ["Why", "What to do", "Details", ""];
    for (number, line) in body.lines().enumerate() {
        let is_ours = number < 5 || headings.contains(&line) || line.starts_with("  ");
        assert!(is_ours, "{line:?} in {body}");
    }
    assert_no_link(body);
    for host in ["evil.com", "evil.example", "@example.com"] {
        // A longer word is not a top-level domain.
        let continues = |at: usize| body[at + host.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '-');
        assert!(body.match_indices(host).all(|(at, _)| continues(at)), "{body}");
    }
}

fn assert_chat(body: &str) {
    let chat: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((&chat["version"], &chat["source"]), (&json!("1.0"), &json!("custom")));
    let description = chat["content"]["description"].as_str().expect("a description");
    assert!(!description.is_empty() && description.chars().count() <= 3_013);
    let context = chat["metadata"]["additionalContext"].as_object().expect("an object");
    assert!(context.keys().all(|label| label.len() < 14), "labels are aligned in text messages: {context:?}");
    let texts = context.values().chain([&chat["content"]["title"], &chat["content"]["description"]]);
    for text in texts.map(|it| assert_directions(it.as_str().expect("a string"))) {
        assert_no_page_of_aws(&text);
        assert_no_emoji(&text);
        assert!(!text.contains(['<', '>', '`', '*', '~', '@', '[', ']', '|', '&', '#', '\\']), "{text}");
        assert_no_link(&text);
        assert!(!text.contains(|c| c != '\n' && is_hidden(c)), "{text:?}");
    }
    for step in chat["content"]["nextSteps"].as_array().expect("a list") {
        let step = step.as_str().expect("a string");
        assert!(!step.contains(['<', '>', '@', '|', '&', '\n']), "{step}");
        let (text, _) = step.split_once('`').unwrap_or((step, ""));
        assert_no_emoji(text);
        assert_no_page_of_aws(text);
    }
}

fn assert_json(body: &str) {
    assert!(!body.contains(is_hidden), "{body}");
    let json: Value = serde_json::from_str(body).expect("JSON");
    let problems: Vec<_> = SCHEMA.iter_errors(&json).map(|error| error.to_string()).collect();
    assert_eq!(problems, [""; 0], "{json:#}");
    let texts = json.as_object().expect("an object").values().flat_map(|it| match it {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect::<Vec<_>>(),
    });
    assert!(texts.into_iter().all(|text| !text.contains(is_hidden)), "{json:#}");
}
