//! The fields of a CloudTrail record that detection reads.
//!
//! Field names and optionality follow "CloudTrail record contents" and "CloudTrail userIdentity
//! element" in the AWS CloudTrail User Guide. Records of real trails deviate from it, so nothing
//! is required: a field that is missing, null, blank or of another type counts as absent.
//!
//! `serde_json` refuses some JSON: half of a surrogate pair (`\ud800`), as a cut within a character
//! leaves it, numbers out of range (`1e999`), and deep nesting. Such a record is repaired and
//! parsed again, so that nobody can hide a call by one odd value in its parameters.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::splitter::MAX_NESTING;

/// Why a record does not parse.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is not UTF-8.
    #[error("invalid UTF-8 at byte {at} of the record")]
    NotUtf8 {
        /// Offset within the record.
        at: usize,
    },
    /// Its objects or arrays are nested too deep.
    #[error("record nested more than {MAX_NESTING} deep")]
    TooDeep,
    /// It is not a JSON object.
    #[error("invalid JSON at byte {at} of the record")]
    NotJson {
        /// Approximate offset within the record.
        at: usize,
        /// The parser's error. Its text may quote the record: do not log it.
        #[source]
        source: serde_json::Error,
    },
}

/// A record, borrowed from the bytes it was read from.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record<'a> {
    /// Service that the request was made to, such as `lambda.amazonaws.com`.
    #[serde(borrow, deserialize_with = "text")]
    pub event_source: Option<Cow<'a, str>>,
    /// The action, such as `Invoke` or `CreateFunction20150331`.
    #[serde(borrow, deserialize_with = "text")]
    pub event_name: Option<Cow<'a, str>>,
    /// When the request was made, `YYYY-MM-DDThh:mm:ssZ`.
    #[serde(borrow, deserialize_with = "text")]
    pub event_time: Option<Cow<'a, str>>,
    /// GUID of the event.
    #[serde(borrow, rename = "eventID", deserialize_with = "text")]
    pub event_id: Option<Cow<'a, str>>,
    /// Region that the request was made to.
    #[serde(borrow, deserialize_with = "text")]
    pub aws_region: Option<Cow<'a, str>>,
    /// Account that received the event.
    #[serde(borrow, deserialize_with = "text")]
    pub recipient_account_id: Option<Cow<'a, str>>,
    /// IP address of the caller, or the name of a service.
    #[serde(borrow, rename = "sourceIPAddress", deserialize_with = "text")]
    pub source_ip_address: Option<Cow<'a, str>>,
    /// The caller's user agent, as the caller gives it.
    #[serde(borrow, deserialize_with = "text")]
    pub user_agent: Option<Cow<'a, str>>,
    /// The error, if the service returned one.
    #[serde(borrow, deserialize_with = "text")]
    pub error_code: Option<Cow<'a, str>>,
    /// Its description, cut at 1 KB by CloudTrail.
    #[serde(borrow, deserialize_with = "text")]
    pub error_message: Option<Cow<'a, str>>,
    /// Who made the request.
    #[serde(borrow, deserialize_with = "lenient")]
    pub user_identity: Option<UserIdentity<'a>>,
    /// Resources that the event touched.
    #[serde(borrow, deserialize_with = "lenient")]
    pub resources: Option<Vec<Resource<'a>>>,
    /// Parameters of the request, as JSON. Parse it by [`parse_value`].
    #[serde(borrow, deserialize_with = "raw")]
    pub request_parameters: Option<Cow<'a, RawValue>>,
    /// The response, as JSON. Parse it by [`parse_value`].
    #[serde(borrow, deserialize_with = "raw")]
    pub response_elements: Option<Cow<'a, RawValue>>,
}

/// Who made a request.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserIdentity<'a> {
    /// Kind of identity, such as `AssumedRole`; absent on many service events.
    #[serde(borrow, rename = "type", deserialize_with = "text")]
    pub kind: Option<Cow<'a, str>>,
    /// Friendly name.
    #[serde(borrow, deserialize_with = "text")]
    pub user_name: Option<Cow<'a, str>>,
    /// Unique ID; for a role, followed by a colon and the session name.
    #[serde(borrow, deserialize_with = "text")]
    pub principal_id: Option<Cow<'a, str>>,
    /// ARN of the principal.
    #[serde(borrow, deserialize_with = "text")]
    pub arn: Option<Cow<'a, str>>,
    /// Account that owns the principal.
    #[serde(borrow, deserialize_with = "text")]
    pub account_id: Option<Cow<'a, str>>,
    /// Service that made the request for the principal.
    #[serde(borrow, deserialize_with = "text")]
    pub invoked_by: Option<Cow<'a, str>>,
    /// Provider that a federated user signed in at.
    #[serde(borrow, deserialize_with = "text")]
    pub identity_provider: Option<Cow<'a, str>>,
    /// The Identity Center user who made the call.
    #[serde(borrow, deserialize_with = "lenient")]
    pub on_behalf_of: Option<OnBehalfOf<'a>>,
    /// The resource that the credentials were issued to.
    #[serde(borrow, deserialize_with = "lenient")]
    pub in_scope_of: Option<InScopeOf<'a>>,
    /// The session, for temporary credentials.
    #[serde(borrow, deserialize_with = "lenient")]
    pub session_context: Option<SessionContext<'a>>,
}

/// The Identity Center user who made a call.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnBehalfOf<'a> {
    /// ID of the user.
    #[serde(borrow, deserialize_with = "text")]
    pub user_id: Option<Cow<'a, str>>,
}

/// The resource that credentials were issued to, such as a function.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InScopeOf<'a> {
    /// Type of the resource, such as `AWS::Lambda::Function`.
    #[serde(borrow, deserialize_with = "text")]
    pub issuer_type: Option<Cow<'a, str>>,
    /// Its ARN.
    #[serde(borrow, deserialize_with = "text")]
    pub credentials_issued_to: Option<Cow<'a, str>>,
    /// ARN of the resource that invoked it.
    #[serde(borrow, deserialize_with = "text")]
    pub source_arn: Option<Cow<'a, str>>,
}

/// The session of temporary credentials.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionContext<'a> {
    /// Who issued the credentials.
    #[serde(borrow, deserialize_with = "lenient")]
    pub session_issuer: Option<SessionIssuer<'a>>,
}

/// Who issued temporary credentials: the role, for an assumed role.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionIssuer<'a> {
    /// Friendly name of the role or user.
    #[serde(borrow, deserialize_with = "text")]
    pub user_name: Option<Cow<'a, str>>,
    /// ARN of the role or user.
    #[serde(borrow, deserialize_with = "text")]
    pub arn: Option<Cow<'a, str>>,
}

/// A resource that an event touched.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct Resource<'a> {
    /// Its ARN.
    #[serde(borrow, rename = "ARN", deserialize_with = "text")]
    pub arn: Option<Cow<'a, str>>,
}

impl<'a> Record<'a> {
    /// Parses the bytes of a record.
    ///
    /// # Errors
    /// If they are not one JSON object in UTF-8, or nested too deep.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let text = utf8(bytes)?;
        if nests_too_deep(text) {
            return Err(RecordError::TooDeep);
        }
        // The parser takes an array for an object whose fields come in their order.
        if !text.trim_start().starts_with('{') {
            return Self::repaired(text);
        }
        serde_json::from_str(text).or_else(|_| Self::repaired(text))
    }

    /// Parses each field of the repaired text by itself, so that one of another type does not affect the others. It is
    /// slower, and few records need it.
    fn repaired(text: &str) -> Result<Self, RecordError> {
        let fields = Fields::of(text)?;
        Ok(Self {
            event_source: fields.text("eventSource"),
            event_name: fields.text("eventName"),
            event_time: fields.text("eventTime"),
            event_id: fields.text("eventID"),
            aws_region: fields.text("awsRegion"),
            recipient_account_id: fields.text("recipientAccountId"),
            source_ip_address: fields.text("sourceIPAddress"),
            user_agent: fields.text("userAgent"),
            error_code: fields.text("errorCode"),
            error_message: fields.text("errorMessage"),
            user_identity: fields.nested("userIdentity")?,
            resources: fields.nested("resources")?,
            request_parameters: fields.raw("requestParameters"),
            response_elements: fields.raw("responseElements"),
        })
    }
}

/// The repaired fields of a record, which own their text.
struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    fn of(text: &str) -> Result<Self, RecordError> {
        let repaired = repair(text)?;
        serde_json::from_str(&repaired).map(Self).map_err(|source| not_json(source, &repaired))
    }

    fn text<'a>(&self, name: &str) -> Option<Cow<'a, str>> {
        let field = text(&mut serde_json::Deserializer::from_str(self.0.get(name)?.get()));
        field.ok().flatten().map(|text| Cow::Owned(text.into_owned()))
    }

    /// Deserializes from an owned value, so that the result does not borrow from the fields.
    fn nested<'a, T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, RecordError> {
        let Some(field) = self.0.get(name) else { return Ok(None) };
        Ok(lenient(parse_value(field.get())?).unwrap_or_default())
    }

    fn raw<'a>(&self, name: &str) -> Option<Cow<'a, RawValue>> {
        self.0.get(name).filter(|raw| raw.get() != "null").cloned().map(Cow::Owned)
    }
}

/// The whole record as a JSON value, parsed by [`parse_value`].
///
/// # Errors
/// If the bytes are not JSON in UTF-8, or nested too deep. A record that [`Record::parse`] takes from a log object is
/// neither: the reader limits its braces to 100 and `parse` its brackets, which is within the limit here.
pub fn value_of(record: &[u8]) -> Result<Value, RecordError> {
    parse_value(utf8(record)?)
}

/// Parses JSON of a record. Half of a surrogate pair becomes U+FFFD. A number out of range becomes the largest or the
/// smallest that there is, so that a rule which compares numbers sees it on the right side of its bound.
///
/// # Errors
/// If the text is not JSON, or nested more than 200 deep.
pub fn parse_value(json: &str) -> Result<Value, RecordError> {
    serde_json::from_str(json).or_else(|_| {
        let repaired = repair(json)?;
        if nesting(&repaired) > 2 * MAX_NESTING {
            return Err(RecordError::TooDeep);
        }
        let mut deserializer = serde_json::Deserializer::from_str(&repaired);
        deserializer.disable_recursion_limit();
        Value::deserialize(&mut deserializer).map_err(|source| not_json(source, &repaired))
    })
}

/// Repairs JSON that the parser refuses.
fn repair(json: &str) -> Result<String, RecordError> {
    // Checks the grammar, without depth limit or range checks: the repair relies on it.
    serde_json::from_str::<IgnoredAny>(json).map_err(|source| not_json(source, json))?;
    let mut repaired = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        let (before, token) = rest.split_at(start);
        repaired.push_str(before);
        rest = match token.strip_prefix('"') {
            Some(string) => repair_string(string, &mut repaired),
            None => repair_number(token, &mut repaired),
        };
    }
    Ok(repaired + rest)
}

/// Replaces half characters of a string, which begins after its opening quote. Returns the text after the string.
fn repair_string<'a>(mut rest: &'a str, repaired: &mut String) -> &'a str {
    repaired.push('"');
    while let Some(at) = rest.find(['"', '\\']) {
        let (before, from) = rest.split_at(at);
        repaired.push_str(before);
        if let Some(after) = from.strip_prefix('"') {
            repaired.push('"');
            return after;
        }
        let (escape, after) = match code_unit(from) {
            Some((0xd800..=0xdbff, after)) => match code_unit(after) {
                Some((0xdc00..=0xdfff, _)) => from.split_at_checked(12),
                _ => Some(("\\ufffd", after)),
            },
            Some((0xdc00..=0xdfff, after)) => Some(("\\ufffd", after)),
            Some(_) => from.split_at_checked(6),
            None => from.split_at_checked(2),
        }
        .unwrap_or((from, ""));
        repaired.push_str(escape);
        rest = after;
    }
    rest
}

/// Parses a `\uXXXX` escape at the start of the text. Returns its UTF-16 code unit and the text after it.
fn code_unit(text: &str) -> Option<(u16, &str)> {
    let (digits, after) = text.strip_prefix("\\u")?.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, after))
}

/// Replaces a number out of range, which begins the text. Returns the text after the number.
fn repair_number<'a>(text: &'a str, repaired: &mut String) -> &'a str {
    let is_in_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let (number, after) = text.split_at(text.find(|c| !is_in_number(c)).unwrap_or(text.len()));
    // Written as the parser reads them; `f64::to_string` takes 309 digits.
    repaired.push_str(match serde_json::from_str::<Number>(number) {
        Ok(_) => number,
        Err(_) if number.starts_with('-') => "-1.7976931348623157e308",
        Err(_) => "1.7976931348623157e308",
    });
    after
}

fn utf8(bytes: &[u8]) -> Result<&str, RecordError> {
    std::str::from_utf8(bytes).map_err(|error| RecordError::NotUtf8 { at: error.valid_up_to() })
}

fn not_json(source: serde_json::Error, text: &str) -> RecordError {
    RecordError::NotJson { at: offset_of(&source, text), source }
}

/// Offset of the place that a parser's error names by line and column.
fn offset_of(error: &serde_json::Error, text: &str) -> usize {
    let lines = error.line().saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
    (start + error.column().saturating_sub(1)).min(text.len())
}

/// The parser has no limit for values that it passes over. The splitter limits the braces of a record, so this counts
/// only in records with many brackets.
fn nests_too_deep(text: &str) -> bool {
    memchr::memchr_iter(b'[', text.as_bytes()).nth(MAX_NESTING as usize).is_some() && nesting(text) > MAX_NESTING
}

/// How deep objects and arrays are nested.
fn nesting(text: &str) -> u32 {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_u32, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = depth.max(deepest);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// JSON as it is written; `null` counts as absent.
fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, RawValue>>, D::Error> {
    Ok(Option::<&RawValue>::deserialize(deserializer)?.map(Cow::Borrowed))
}

/// A string, borrowed unless it has escapes. A blank one says nothing: it counts as absent, as any other value does.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    deserializer.deserialize_any(Text)
}

/// A value of the type `T`, which is an object or an array; any other value counts as absent.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(Nested(PhantomData))
}

/// Values of these types count as absent.
macro_rules! absent {
    ($($visit:ident: $value:ty),*) => {
        $(fn $visit<E>(self, _: $value) -> Result<Self::Value, E> {
            Ok(None)
        })*
    };
}

fn is_blank(text: &str) -> bool {
    !text.as_bytes().first().is_some_and(u8::is_ascii_graphic) && text.trim().is_empty()
}

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)).filter(|text| !is_blank(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text).filter(|text| !is_blank(text)).map(|text| Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny::deserialize(MapAccessDeserializer::new(map)).map(|_| None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        IgnoredAny::deserialize(SeqAccessDeserializer::new(list)).map(|_| None)
    }

    absent! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64 }
}

struct Nested<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Nested<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(list)).map(Some)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    absent! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_another_type_count_as_absent_and_spoil_nothing() {
        for odd in ["7", "-1", "1.5", "true", "null", "[]", "[7]", "{}", r#"{"a":[{}]}"#, "1e999"] {
            for (record, user) in [
                (format!(r#"{{"eventName":{odd},"userIdentity":{{"userName":"u"}},"eventID":"i"}}"#), Some("u")),
                (format!(r#"{{"userIdentity":{{"userName":"u","arn":{odd}}},"eventID":"i"}}"#), Some("u")),
                (format!(r#"{{"userIdentity":{odd},"eventID":"i","resources":{odd}}}"#), None),
                (format!(r#"{{"userIdentity":{{"sessionContext":{odd},"userName":"u"}},"eventID":"i"}}"#), Some("u")),
            ] {
                let parsed = Record::parse(record.as_bytes()).expect("a record");
                assert_eq!((parsed.event_id.as_deref(), parsed.event_name.as_deref()), (Some("i"), None), "{record}");
                let name = parsed.user_identity.as_ref().and_then(|it| it.user_name.as_deref());
                assert_eq!(name, user, "{record}");
            }
        }
    }

    #[test]
    fn half_characters_spoil_no_field_and_no_object() {
        for (half, repaired) in [
            (r"a\ud800", "a\u{fffd}"),
            (r"\udc00b", "\u{fffd}b"),
            (r"\ud83d\ud83d\ude00\ude00", "\u{fffd}\u{1f600}\u{fffd}"),
            (r"\ud800\u0041", "\u{fffd}A"),
            (r"\ud800\\udc00", "\u{fffd}\\udc00"),
            (r#"\ud800\""#, "\u{fffd}\""),
            (r"\ud800-1e999", "\u{fffd}-1e999"),
        ] {
            let record = format!(
                r#"{{"\ud800":"{half}","eventName":"{half}","requestParameters":{{"{half}":["{half}"]}},
                    "userIdentity":{{"arn":"{half}","userName":"u"}},"resources":[{{"ARN":"{half}"}}]}}"#
            );
            let parsed = Record::parse(record.as_bytes()).expect("a record");
            let identity = parsed.user_identity.expect("an identity");
            assert_eq!((identity.arn.as_deref(), identity.user_name.as_deref()), (Some(repaired), Some("u")), "{half}");
            assert_eq!(parsed.event_name.as_deref(), Some(repaired));
            let resource = parsed.resources.and_then(|it| it.into_iter().next()).expect("a resource");
            assert_eq!(resource.arn.as_deref(), Some(repaired));
            let value = value_of(record.as_bytes()).expect("a value");
            assert_eq!(value.get("requestParameters"), Some(&serde_json::json!({repaired: [repaired]})));
            let raw = parsed.request_parameters.expect("parameters");
            assert_eq!(parse_value(raw.get()).ok().as_ref(), value.get("requestParameters"));
        }
        // An escaped backslash begins no escape.
        assert_eq!(parse_value(r#"["\\ud800","\ud800"]"#).ok(), Some(serde_json::json!(["\\ud800", "\u{fffd}"])));
    }

    #[test]
    fn numbers_out_of_range_stay_on_their_side_of_every_bound() {
        let value = parse_value(r#"{"a":[1e999,-1E+999,1e-999,0.5,"1e999",null],"b":-0}"#).expect("a value");
        assert_eq!(value, serde_json::json!({"a": [f64::MAX, f64::MIN, 0.0, 0.5, "1e999", null], "b": -0.0}));
    }

    #[test]
    fn nesting_is_read_as_deep_as_a_log_object_may_have_it() {
        let nested = |depth| format!("{}1{}", r#"{"a":["#.repeat(depth), "]}".repeat(depth));
        assert!(parse_value(&nested(100)).is_ok());
        assert!(matches!(parse_value(&nested(101)), Err(RecordError::TooDeep)));
        assert!(matches!(parse_value(&nested(100_000)), Err(RecordError::TooDeep)));
    }

    #[test]
    fn what_is_not_json_is_not_repaired() {
        for text in ["", "{", r#"{"a":}"#, r#"{"a":"\ud8"}"#, r#"{"a":1e}"#, "{} x", "{\"a\":\"\n\"}"] {
            assert!(matches!(parse_value(text), Err(RecordError::NotJson { .. })), "{text}");
            assert!(matches!(Record::parse(text.as_bytes()), Err(RecordError::NotJson { .. })), "{text}");
        }
        assert!(matches!(Record::parse(b"[7]"), Err(RecordError::NotJson { .. })));
        let at = r#"{"a":1e999,"b":"\ud800","c":}"#;
        assert!(matches!(Record::parse(at.as_bytes()), Err(RecordError::NotJson { at: 28, .. })));
    }

    #[test]
    fn blank_texts_count_as_absent_in_both_ways_to_parse() {
        for blank in ["", " ", r"\t\n", "\u{2003}"] {
            let record = format!(r#"{{"eventID":"{blank}","errorCode":"{blank}","userIdentity":{{"arn":"{blank}"}}}}"#);
            for parsed in [Record::parse(record.as_bytes()), Record::repaired(&record)] {
                let parsed = parsed.expect("a record");
                assert_eq!((parsed.event_id, parsed.error_code), (None, None), "{blank:?}");
                assert_eq!(parsed.user_identity.expect("an identity").arn, None, "{blank:?}");
            }
        }
    }

    #[test]
    fn both_ways_to_parse_agree() {
        let record = r#"{"eventSource":"a\nb","eventName":"n","userIdentity":{"type":"T","sessionContext":
            {"sessionIssuer":{"arn":"x"}}},"resources":[{"ARN":"r"},{}],"requestParameters":{"a":[1]},"other":[{}],
            "responseElements":null,"eventID":" "}"#;
        let [fast, slow] = [Record::parse(record.as_bytes()), Record::repaired(record)]
            .map(|it| format!("{:?}", it.expect("a record")));
        assert_eq!(fast, slow);
    }

    #[test]
    fn a_usual_record_is_borrowed() {
        let record = br#"{"eventName":"n","requestParameters":{"a":[1]}}"#;
        let parsed = Record::parse(record).expect("a record");
        assert!(matches!(parsed.event_name, Some(Cow::Borrowed("n"))));
        assert!(matches!(parsed.request_parameters, Some(Cow::Borrowed(_))));
    }
}
