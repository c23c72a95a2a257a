//! The fields of a CloudTrail record that detection reads.
//!
//! Field names and optionality follow "CloudTrail record contents" and "CloudTrail userIdentity
//! element" in the AWS CloudTrail User Guide. Records of real trails deviate from it, so nothing
//! is required: a field that is missing, null or of another type counts as absent.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::splitter::MAX_NESTING;

/// Why the bytes of a record do not parse.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// They are not UTF-8.
    #[error("invalid UTF-8 at byte {at} of the record")]
    NotUtf8 {
        /// Offset within the record.
        at: usize,
    },
    /// Objects or arrays are nested too deep.
    #[error("record nested more than {MAX_NESTING} deep")]
    TooDeep,
    /// They are not a JSON object.
    #[error("invalid JSON at byte {at} of the record")]
    NotJson {
        /// Offset within the record, as near as the parser tells.
        at: usize,
        /// The parser's error. Its text may quote the record: not for logs.
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
    /// What the caller says it is.
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
    /// Parameters of the request, as they are written.
    #[serde(borrow)]
    pub request_parameters: Option<&'a RawValue>,
    /// The response, as it is written.
    #[serde(borrow)]
    pub response_elements: Option<&'a RawValue>,
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
    /// Unique ID; for a role, with the session name behind a colon.
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
    /// The Identity Center user behind the call.
    #[serde(borrow, deserialize_with = "lenient")]
    pub on_behalf_of: Option<OnBehalfOf<'a>>,
    /// The resource that the credentials were issued to.
    #[serde(borrow, deserialize_with = "lenient")]
    pub in_scope_of: Option<InScopeOf<'a>>,
    /// The session, for temporary credentials.
    #[serde(borrow, deserialize_with = "lenient")]
    pub session_context: Option<SessionContext<'a>>,
}

/// The Identity Center user behind a call.
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
    /// If they are not one JSON object in UTF-8, or nest too deep.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let text = std::str::from_utf8(bytes).map_err(|error| RecordError::NotUtf8 { at: error.valid_up_to() })?;
        if nests_too_deep(text) {
            return Err(RecordError::TooDeep);
        }
        serde_json::from_str(text).or_else(|_| Self::field_by_field(text))
    }

    /// Parses each field by itself, so that one of another type, or with half a character in it, spoils no other. Few
    /// records need it, and it takes longer.
    fn field_by_field(text: &'a str) -> Result<Self, RecordError> {
        let fields: BTreeMap<Cow<'a, str>, &'a RawValue> = serde_json::from_str(text)
            .map_err(|source| RecordError::NotJson { at: offset_of(&source, text), source })?;
        Ok(Self {
            event_source: parsed(&fields, "eventSource"),
            event_name: parsed(&fields, "eventName"),
            event_time: parsed(&fields, "eventTime"),
            event_id: parsed(&fields, "eventID"),
            aws_region: parsed(&fields, "awsRegion"),
            recipient_account_id: parsed(&fields, "recipientAccountId"),
            source_ip_address: parsed(&fields, "sourceIPAddress"),
            user_agent: parsed(&fields, "userAgent"),
            error_code: parsed(&fields, "errorCode"),
            error_message: parsed(&fields, "errorMessage"),
            user_identity: parsed(&fields, "userIdentity"),
            resources: parsed(&fields, "resources"),
            request_parameters: fields.get("requestParameters").copied(),
            response_elements: fields.get("responseElements").copied(),
        })
    }
}

fn parsed<'a, T: Deserialize<'a>>(fields: &BTreeMap<Cow<'a, str>, &'a RawValue>, name: &str) -> Option<T> {
    fields.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// The whole record as a JSON value. A field that the parser refuses, for its depth or for half a
/// character, stands as the text it is written as.
#[must_use]
pub fn value_of(record: &[u8]) -> Value {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(record).unwrap_or_default();
    let parse = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::from(raw.get()));
    fields.into_iter().map(|(name, raw)| (name, parse(raw))).collect::<Map<_, _>>().into()
}

/// Offset of the place that a parser's error names by line and column.
fn offset_of(error: &serde_json::Error, text: &str) -> usize {
    let lines = error.line().saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
    (start + error.column().saturating_sub(1)).min(text.len())
}

/// The parser passes over nested values that nobody reads without a limit. The splitter has
/// limited the braces; the brackets of a record are looked at only if it has many.
fn nests_too_deep(text: &str) -> bool {
    if memchr::memchr_iter(b'[', text.as_bytes()).nth(MAX_NESTING as usize).is_none() {
        return false;
    }
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
    deepest > MAX_NESTING
}

/// A string, borrowed unless it has escapes; any other value counts as absent.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    deserializer.deserialize_any(Text)
}

/// A value of the type `T`, which is an object or a list; any other value counts as absent.
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

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
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
    fn what_has_another_type_counts_as_absent_and_spoils_nothing() {
        for odd in ["7", "-1", "1.5", "true", "null", "[]", "[7]", "{}", r#"{"a":[{}]}"#, r#""\ud800""#, "1e999"] {
            for (record, user) in [
                (format!(r#"{{"eventName":{odd},"userIdentity":{{"userName":"u"}},"eventID":"i"}}"#), Some("u")),
                (format!(r#"{{"userIdentity":{{"userName":"u","arn":{odd}}},"eventID":"i"}}"#), Some("u")),
                (format!(r#"{{"userIdentity":{odd},"eventID":"i","resources":{odd}}}"#), None),
                (format!(r#"{{"userIdentity":{{"sessionContext":{odd},"userName":"u"}},"eventID":"i"}}"#), Some("u")),
            ] {
                let parsed = Record::parse(record.as_bytes()).expect("a record");
                assert_eq!((parsed.event_id.as_deref(), parsed.event_name.as_deref()), (Some("i"), None), "{record}");
                let name = parsed.user_identity.as_ref().and_then(|it| it.user_name.as_deref());
                // What the parser refuses within an object takes the object with it.
                let refused = odd.contains("ud800") || odd == "1e999";
                assert!(name == user || refused && name.is_none(), "{record}: {name:?}");
            }
        }
    }

    #[test]
    fn both_ways_to_parse_agree() {
        let record = r#"{"eventSource":"a\nb","eventName":"n","userIdentity":{"type":"T","sessionContext":
            {"sessionIssuer":{"arn":"x"}}},"resources":[{"ARN":"r"},{}],"requestParameters":{"a":[1]},"other":[{}]}"#;
        let [fast, slow] = [Record::parse(record.as_bytes()), Record::field_by_field(record)]
            .map(|it| format!("{:?}", it.expect("a record")));
        assert_eq!(fast, slow);
    }
}
