//! The fields of a CloudTrail record that detection reads.
//!
//! Field names and optionality follow "CloudTrail record contents" and "CloudTrail userIdentity
//! element" in the AWS CloudTrail User Guide. Records of real trails deviate from it, so nothing
//! is required: a field that is missing, null or of another type counts as absent.

use std::borrow::Cow;
use std::collections::BTreeMap;

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
        serde_json::from_str(text).map_err(|source| RecordError::NotJson { at: offset_of(&source, text), source })
    }
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
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Ok(match inner {
        Some(inner) if !inner.contains('\\') => Some(Cow::Borrowed(inner)),
        Some(_) => serde_json::from_str(raw).ok().map(Cow::Owned),
        None => None,
    })
}

/// A value of the type `T`; any other value counts as absent.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}
