//! The fields of a CloudTrail record that detection reads.
//!
//! Field names follow "CloudTrail record contents" and "CloudTrail userIdentity element" in the AWS CloudTrail User
//! Guide. Real records deviate from the guide, so no field is required: a field that is missing, null, blank or of the
//! wrong type counts as absent.
//!
//! `serde_json` rejects some JSON: lone surrogates (`\ud800`), which remain when a string is cut inside a character,
//! numbers out of range (`1e999`), and deep nesting. Such a record is repaired and parsed again, so that nobody can
//! hide a call with one malformed value in its parameters.

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

/// An error from parsing a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The record is not UTF-8.
    #[error("invalid UTF-8 at byte {at} of the record")]
    NotUtf8 {
        /// Offset of the first invalid byte in the record.
        at: usize,
    },
    /// Objects and arrays are nested too deeply.
    #[error("record nested more than {MAX_NESTING} levels deep")]
    TooDeep,
    /// The record is not a JSON object.
    #[error("invalid JSON at byte {at} of the record")]
    NotJson {
        /// Approximate offset in the record.
        at: usize,
        /// The parser's error. Its message may quote the record: do not log it.
        #[source]
        source: serde_json::Error,
    },
}

/// A record. Its strings borrow from the bytes where possible.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record<'a> {
    /// Service that the request was made to, such as `lambda.amazonaws.com`.
    #[serde(borrow, deserialize_with = "string")]
    pub event_source: Option<Cow<'a, str>>,
    /// The action, such as `Invoke` or `CreateFunction20150331`.
    #[serde(borrow, deserialize_with = "string")]
    pub event_name: Option<Cow<'a, str>>,
    /// Time of the request, `YYYY-MM-DDThh:mm:ssZ`.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) event_time: Option<Cow<'a, str>>,
    /// GUID of the event.
    #[serde(borrow, rename = "eventID", deserialize_with = "string")]
    pub(crate) event_id: Option<Cow<'a, str>>,
    /// Region that the request was made to.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) aws_region: Option<Cow<'a, str>>,
    /// Account that received the event.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) recipient_account_id: Option<Cow<'a, str>>,
    /// IP address of the caller, or the name of a service.
    #[serde(borrow, rename = "sourceIPAddress", deserialize_with = "string")]
    pub(crate) source_ip_address: Option<Cow<'a, str>>,
    /// User agent, as the caller sent it.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) user_agent: Option<Cow<'a, str>>,
    /// Error code, if the service returned an error.
    #[serde(borrow, deserialize_with = "string")]
    pub error_code: Option<Cow<'a, str>>,
    /// Description of the error. CloudTrail cuts it at 1 KB.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) error_message: Option<Cow<'a, str>>,
    /// Who made the request.
    #[serde(borrow, deserialize_with = "nested")]
    pub(crate) user_identity: Option<UserIdentity<'a>>,
    /// Resources that the event accessed.
    #[serde(borrow, deserialize_with = "nested")]
    pub(crate) resources: Option<Vec<Resource<'a>>>,
    /// Parameters of the request as JSON, for [`parse_value`].
    #[serde(borrow, deserialize_with = "raw_json")]
    pub(crate) request_parameters: Option<Cow<'a, RawValue>>,
    /// Response as JSON, for [`parse_value`].
    #[serde(borrow, deserialize_with = "raw_json")]
    pub(crate) response_elements: Option<Cow<'a, RawValue>>,
}

/// Who made a request.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UserIdentity<'a> {
    /// Kind of identity, such as `AssumedRole`; absent on many service events.
    #[serde(borrow, rename = "type", deserialize_with = "string")]
    pub(crate) kind: Option<Cow<'a, str>>,
    /// Friendly name.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) user_name: Option<Cow<'a, str>>,
    /// Unique ID; for a role, followed by a colon and the session name.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) principal_id: Option<Cow<'a, str>>,
    /// ARN of the principal.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) arn: Option<Cow<'a, str>>,
    /// Account that owns the principal.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) account_id: Option<Cow<'a, str>>,
    /// Service that made the request for the principal.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) invoked_by: Option<Cow<'a, str>>,
    /// Identity provider of a federated user.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) identity_provider: Option<Cow<'a, str>>,
    /// The Identity Center user who made the call.
    #[serde(borrow, deserialize_with = "nested")]
    pub(crate) on_behalf_of: Option<OnBehalfOf<'a>>,
    /// The resource that the credentials were issued to.
    #[serde(borrow, deserialize_with = "nested")]
    pub(crate) in_scope_of: Option<InScopeOf<'a>>,
    /// The session, for temporary credentials.
    #[serde(borrow, deserialize_with = "nested")]
    pub(crate) session_context: Option<SessionContext<'a>>,
}

/// The Identity Center user who made a call.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct OnBehalfOf<'a> {
    /// ID of the user.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) user_id: Option<Cow<'a, str>>,
}

/// The resource that credentials were issued to, such as a function.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct InScopeOf<'a> {
    /// Type of the resource, such as `AWS::Lambda::Function`.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) issuer_type: Option<Cow<'a, str>>,
    /// ARN of the resource.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) credentials_issued_to: Option<Cow<'a, str>>,
    /// ARN of the resource that invoked this resource.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) source_arn: Option<Cow<'a, str>>,
}

/// The session of temporary credentials.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SessionContext<'a> {
    /// Who issued the credentials.
    #[serde(borrow, deserialize_with = "nested")]
    pub(crate) session_issuer: Option<SessionIssuer<'a>>,
}

/// Who issued temporary credentials: the role, for an assumed role.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SessionIssuer<'a> {
    /// Friendly name of the role or user.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) user_name: Option<Cow<'a, str>>,
    /// ARN of the role or user.
    #[serde(borrow, deserialize_with = "string")]
    pub(crate) arn: Option<Cow<'a, str>>,
}

/// A resource that an event accessed.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Resource<'a> {
    /// ARN of the resource.
    #[serde(borrow, rename = "ARN", deserialize_with = "string")]
    pub(crate) arn: Option<Cow<'a, str>>,
}

impl<'a> Record<'a> {
    /// Parses the bytes of a record.
    ///
    /// # Errors
    /// If the bytes are not one JSON object in UTF-8, or are nested too deeply.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let json = utf8(bytes)?;
        if nests_too_deep(json) {
            return Err(RecordError::TooDeep);
        }
        // Serde also deserializes a struct from an array of its fields.
        if !json.trim_start().starts_with('{') {
            return Self::parse_repaired(json);
        }
        serde_json::from_str(json).or_else(|_| Self::parse_repaired(json))
    }

    /// Repairs the record and parses each field separately, so that a field of the wrong type does not affect the
    /// others. This is slower, and few records need it.
    fn parse_repaired(json: &str) -> Result<Self, RecordError> {
        let fields = RepairedFields::parse(json)?;
        Ok(Self {
            event_source: fields.string("eventSource"),
            event_name: fields.string("eventName"),
            event_time: fields.string("eventTime"),
            event_id: fields.string("eventID"),
            aws_region: fields.string("awsRegion"),
            recipient_account_id: fields.string("recipientAccountId"),
            source_ip_address: fields.string("sourceIPAddress"),
            user_agent: fields.string("userAgent"),
            error_code: fields.string("errorCode"),
            error_message: fields.string("errorMessage"),
            user_identity: fields.nested("userIdentity")?,
            resources: fields.nested("resources")?,
            request_parameters: fields.raw_json("requestParameters"),
            response_elements: fields.raw_json("responseElements"),
        })
    }
}

/// The fields of a repaired record, as owned JSON.
struct RepairedFields(BTreeMap<String, Box<RawValue>>);

impl RepairedFields {
    fn parse(json: &str) -> Result<Self, RecordError> {
        let repaired = repair(json)?;
        serde_json::from_str(&repaired).map(Self).map_err(|source| not_json(source, &repaired))
    }

    fn string<'a>(&self, name: &str) -> Option<Cow<'a, str>> {
        let field = string(&mut serde_json::Deserializer::from_str(self.0.get(name)?.get()));
        field.ok().flatten().map(|value| Cow::Owned(value.into_owned()))
    }

    /// Deserializes from an owned value, so that the result does not borrow from `self`.
    fn nested<'a, T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, RecordError> {
        let Some(field) = self.0.get(name) else { return Ok(None) };
        Ok(nested(parse_value(field.get())?).unwrap_or_default())
    }

    fn raw_json<'a>(&self, name: &str) -> Option<Cow<'a, RawValue>> {
        self.0.get(name).filter(|raw| raw.get() != "null").cloned().map(Cow::Owned)
    }
}

/// Parses a whole record as a JSON value, like [`parse_value`].
///
/// # Errors
/// If the bytes are not JSON in UTF-8, or are nested too deeply. A record from a log object that [`Record::parse`]
/// accepts causes no error: the reader allows 100 levels of braces and `parse` 100 levels of brackets, which together
/// are within the limit of [`parse_value`].
pub(crate) fn value_of(record: &[u8]) -> Result<Value, RecordError> {
    parse_value(utf8(record)?)
}

/// Parses JSON from a record. A lone surrogate becomes U+FFFD. A number out of range becomes [`f64::MAX`] or
/// [`f64::MIN`], so that rules that compare numbers see it on the correct side of their bounds.
///
/// # Errors
/// If `json` is not JSON, or is nested more than 200 levels deep.
pub(crate) fn parse_value(json: &str) -> Result<Value, RecordError> {
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

/// Repairs JSON that the parser rejects.
fn repair(json: &str) -> Result<String, RecordError> {
    // The repair relies on valid syntax. This checks the syntax only, not the depth or the range of numbers.
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

/// Replaces the lone surrogates of a string. `rest` starts after the opening quote. Returns the JSON after the string.
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

/// Parses a `\uXXXX` escape at the start of `json`. Returns its UTF-16 code unit and the JSON after it.
fn code_unit(json: &str) -> Option<(u16, &str)> {
    let (digits, after) = json.strip_prefix("\\u")?.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, after))
}

/// Replaces the number at the start of `json` if it is out of range. Returns the JSON after the number.
fn repair_number<'a>(json: &'a str, repaired: &mut String) -> &'a str {
    let is_in_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let (number, after) = json.split_at(json.find(|c| !is_in_number(c)).unwrap_or(json.len()));
    // In exponent notation, because `f64::to_string` writes 309 digits.
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

fn not_json(source: serde_json::Error, json: &str) -> RecordError {
    RecordError::NotJson { at: offset_of(&source, json), source }
}

/// Converts the line and column of a parser's error to an offset.
fn offset_of(error: &serde_json::Error, json: &str) -> usize {
    let lines = error.line().saturating_sub(1);
    let start: usize = json.split_inclusive('\n').take(lines).map(str::len).sum();
    (start + error.column().saturating_sub(1)).min(json.len())
}

/// Returns true if the record is nested too deeply. The parser does not limit the depth of values that it ignores. The
/// splitter has limited the braces, so only a record with many brackets can be nested too deeply.
fn nests_too_deep(json: &str) -> bool {
    memchr::memchr_iter(b'[', json.as_bytes()).nth(MAX_NESTING as usize).is_some() && nesting(json) > MAX_NESTING
}

/// Maximum nesting depth of objects and arrays.
fn nesting(json: &str) -> u32 {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_u32, 0, false, false);
    for byte in json.bytes() {
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

/// Deserializes any value as raw JSON; `null` counts as absent.
fn raw_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, RawValue>>, D::Error> {
    Ok(Option::<&RawValue>::deserialize(deserializer)?.map(Cow::Borrowed))
}

/// Deserializes a string, borrowed unless it has escapes. A blank string or a value of another type counts as absent.
fn string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    deserializer.deserialize_any(StringVisitor)
}

/// Deserializes a `T` from an object or an array. A value of another type counts as absent.
fn nested<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(NestedVisitor(PhantomData))
}

/// Visitor methods for types that count as absent.
macro_rules! absent {
    ($($visit:ident: $value:ty),*) => {
        $(fn $visit<E>(self, _: $value) -> Result<Self::Value, E> {
            Ok(None)
        })*
    };
}

fn is_blank(value: &str) -> bool {
    !value.as_bytes().first().is_some_and(u8::is_ascii_graphic) && value.trim().is_empty()
}

struct StringVisitor;

impl<'de> Visitor<'de> for StringVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(value)).filter(|value| !is_blank(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(value).filter(|value| !is_blank(value)).map(|value| Cow::Owned(value.to_owned())))
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

struct NestedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NestedVisitor<T> {
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
    fn values_of_the_wrong_type_count_as_absent_and_leave_other_fields_intact() {
        for value in ["7", "-1", "1.5", "true", "null", "[]", "[7]", "{}", r#"{"a":[{}]}"#, "1e999"] {
            for (record, user) in [
                (format!(r#"{{"eventName":{value},"userIdentity":{{"userName":"u"}},"eventID":"i"}}"#), Some("u")),
                (format!(r#"{{"userIdentity":{{"userName":"u","arn":{value}}},"eventID":"i"}}"#), Some("u")),
                (format!(r#"{{"userIdentity":{value},"eventID":"i","resources":{value}}}"#), None),
                (format!(r#"{{"userIdentity":{{"sessionContext":{value},"userName":"u"}},"eventID":"i"}}"#), Some("u")),
            ] {
                let parsed = Record::parse(record.as_bytes()).expect("a record");
                assert_eq!((parsed.event_id.as_deref(), parsed.event_name.as_deref()), (Some("i"), None), "{record}");
                let name = parsed.user_identity.as_ref().and_then(|it| it.user_name.as_deref());
                assert_eq!(name, user, "{record}");
            }
        }
    }

    #[test]
    fn lone_surrogates_are_replaced_in_every_field() {
        for (input, repaired) in [
            (r"a\ud800", "a\u{fffd}"),
            (r"\udc00b", "\u{fffd}b"),
            (r"\ud83d\ud83d\ude00\ude00", "\u{fffd}\u{1f600}\u{fffd}"),
            (r"\ud800\u0041", "\u{fffd}A"),
            (r"\ud800\\udc00", "\u{fffd}\\udc00"),
            (r#"\ud800\""#, "\u{fffd}\""),
            (r"\ud800-1e999", "\u{fffd}-1e999"),
        ] {
            let record = format!(
                r#"{{"\ud800":"{input}","eventName":"{input}","requestParameters":{{"{input}":["{input}"]}},
                    "userIdentity":{{"arn":"{input}","userName":"u"}},"resources":[{{"ARN":"{input}"}}]}}"#
            );
            let parsed = Record::parse(record.as_bytes()).expect("a record");
            let identity = parsed.user_identity.expect("an identity");
            assert_eq!(
                (identity.arn.as_deref(), identity.user_name.as_deref()),
                (Some(repaired), Some("u")),
                "{input}"
            );
            assert_eq!(parsed.event_name.as_deref(), Some(repaired));
            let resource = parsed.resources.and_then(|it| it.into_iter().next()).expect("a resource");
            assert_eq!(resource.arn.as_deref(), Some(repaired));
            let value = value_of(record.as_bytes()).expect("a value");
            assert_eq!(value.get("requestParameters"), Some(&serde_json::json!({repaired: [repaired]})));
            let raw = parsed.request_parameters.expect("parameters");
            assert_eq!(parse_value(raw.get()).ok().as_ref(), value.get("requestParameters"));
        }
        // An escaped backslash does not start an escape sequence.
        assert_eq!(parse_value(r#"["\\ud800","\ud800"]"#).ok(), Some(serde_json::json!(["\\ud800", "\u{fffd}"])));
    }

    #[test]
    fn numbers_out_of_range_become_the_largest_finite_numbers() {
        let value = parse_value(r#"{"a":[1e999,-1E+999,1e-999,0.5,"1e999",null],"b":-0}"#).expect("a value");
        assert_eq!(value, serde_json::json!({"a": [f64::MAX, f64::MIN, 0.0, 0.5, "1e999", null], "b": -0.0}));
    }

    #[test]
    fn values_nested_up_to_200_levels_deep_are_parsed() {
        let nested = |depth| format!("{}1{}", r#"{"a":["#.repeat(depth), "]}".repeat(depth));
        assert!(parse_value(&nested(100)).is_ok());
        assert!(matches!(parse_value(&nested(101)), Err(RecordError::TooDeep)));
        assert!(matches!(parse_value(&nested(100_000)), Err(RecordError::TooDeep)));
        let wide = format!(r#"["\ud800","\"{}"{}]"#, "[{".repeat(300), r#",{"a":[]}"#.repeat(300));
        assert!(parse_value(&wide).is_ok(), "strings and closed objects do not count");
        let open = |depth| r#"{"a":["#.repeat(depth);
        let in_string = format!("{}\"{}\",{}{}", open(60), "]}".repeat(60), open(41), "]}".repeat(101));
        assert!(matches!(parse_value(&in_string), Err(RecordError::TooDeep)));
    }

    #[test]
    fn records_nested_up_to_100_levels_deep_are_parsed() {
        let nested =
            |depth: usize| format!(r#"{{"a":{}{},"b":[[],[]]}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(Record::parse(nested(100).as_bytes()).is_ok());
        assert!(matches!(Record::parse(nested(101).as_bytes()), Err(RecordError::TooDeep)));
    }

    #[test]
    fn invalid_json_is_not_repaired() {
        for invalid in ["", "{", r#"{"a":}"#, r#"{"a":"\ud8"}"#, r#"{"a":1e}"#, "{} x", "{\"a\":\"\n\"}"] {
            assert!(matches!(parse_value(invalid), Err(RecordError::NotJson { .. })), "{invalid}");
            assert!(matches!(Record::parse(invalid.as_bytes()), Err(RecordError::NotJson { .. })), "{invalid}");
        }
        assert!(matches!(Record::parse(b"[7]"), Err(RecordError::NotJson { .. })));
        let at = r#"{"a":1e999,"b":"\ud800","c":}"#;
        assert!(matches!(Record::parse(at.as_bytes()), Err(RecordError::NotJson { at: 28, .. })));
    }

    #[test]
    fn blank_strings_count_as_absent_in_both_parsers() {
        for blank in ["", " ", r"\t\n", "\u{2003}"] {
            let record = format!(r#"{{"eventID":"{blank}","errorCode":"{blank}","userIdentity":{{"arn":"{blank}"}}}}"#);
            for parsed in [Record::parse(record.as_bytes()), Record::parse_repaired(&record)] {
                let parsed = parsed.expect("a record");
                assert_eq!((parsed.event_id, parsed.error_code), (None, None), "{blank:?}");
                assert_eq!(parsed.user_identity.expect("an identity").arn, None, "{blank:?}");
            }
        }
    }

    #[test]
    fn both_parsers_agree() {
        let record = r#"{"eventSource":"a\nb","eventName":"n","userIdentity":{"type":"T","sessionContext":
            {"sessionIssuer":{"arn":"x"}}},"resources":[{"ARN":"r"},{}],"requestParameters":{"a":[1]},"other":[{}],
            "responseElements":null,"eventID":" "}"#;
        let [fast, slow] = [Record::parse(record.as_bytes()), Record::parse_repaired(record)]
            .map(|it| format!("{:?}", it.expect("a record")));
        assert_eq!(fast, slow);
    }

    #[test]
    fn a_typical_record_borrows_its_fields() {
        let record = br#"{"eventName":"n","requestParameters":{"a":[1]}}"#;
        let parsed = Record::parse(record).expect("a record");
        assert!(matches!(parsed.event_name, Some(Cow::Borrowed("n"))));
        assert!(matches!(parsed.request_parameters, Some(Cow::Borrowed(_))));
    }
}
