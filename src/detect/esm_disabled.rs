//! Event source mappings that AWS disabled.
//!
//! Lambda logs an event named `LambdaESMDisabled` when it disables the mapping of an SQS queue, a Kinesis stream or a
//! DynamoDB stream because of errors ("Logging AWS Lambda API calls using AWS CloudTrail", Lambda Developer Guide). The
//! guide names five error codes in `serviceEventDetails` and does not describe the rest of the record; published values
//! of `ESMDisableReason` are prose. Detection therefore relies only on the source and the name of the event. It
//! categorizes the reason by its code or its words, and recognizes ARNs and UUIDs by their format, anywhere in the
//! record.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::arn::Arn;
use crate::trail::{parse_value, value_of};

pub(crate) const EVENT_NAME: &str = "LambdaESMDisabled";

/// Why AWS disabled a mapping: the error codes in the Lambda Developer Guide, or unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EsmCategory {
    /// The queue, stream or another resource does not exist.
    ResourceNotFound,
    /// The function does not exist.
    FunctionNotFound,
    /// The Region name of the source or the function is invalid.
    RegionNameNotValid,
    /// Permissions are missing or wrong.
    AuthorizationError,
    /// The function is in a failed state.
    FunctionInFailedState,
    /// The record has no reason, or one that fits none of these categories.
    Unknown,
}

impl EsmCategory {
    /// All categories.
    pub const ALL: [Self; 6] = [
        Self::ResourceNotFound,
        Self::FunctionNotFound,
        Self::RegionNameNotValid,
        Self::AuthorizationError,
        Self::FunctionInFailedState,
        Self::Unknown,
    ];

    /// The code, as the Lambda Developer Guide writes it; `UNKNOWN` for a reason that it does not list.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResourceNotFound => "RESOURCE_NOT_FOUND",
            Self::FunctionNotFound => "FUNCTION_NOT_FOUND",
            Self::RegionNameNotValid => "REGION_NAME_NOT_VALID",
            Self::AuthorizationError => "AUTHORIZATION_ERROR",
            Self::FunctionInFailedState => "FUNCTION_IN_FAILED_STATE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Categorizes a reason by its code, or otherwise by its words.
    ///
    /// ```
    /// use trailwarden::detect::EsmCategory;
    ///
    /// assert_eq!(EsmCategory::of_reason("Lambda Function not found"), EsmCategory::FunctionNotFound);
    /// assert_eq!(EsmCategory::of_reason("AUTHORIZATION_ERROR"), EsmCategory::AuthorizationError);
    /// assert_eq!(EsmCategory::of_reason("something new"), EsmCategory::Unknown);
    /// ```
    #[must_use]
    pub fn of_reason(reason: &str) -> Self {
        Self::of_code(reason).unwrap_or_else(|| Self::of_prose(&reason.to_lowercase()))
    }

    fn of_code(text: &str) -> Option<Self> {
        let code = text.trim().to_ascii_uppercase().replace([' ', '-'], "_");
        Self::ALL.into_iter().find(|it| *it != Self::Unknown && it.as_str() == code)
    }

    /// Categorizes a reason by its words. The order matters: a function that was not found is also a resource that was
    /// not found. Names of resources may contain any of these words, so only plain words count.
    fn of_prose(reason: &str) -> Self {
        let plain = plain_words(reason);
        let any = |cues: &[&str]| cues.iter().any(|cue| plain.contains(cue));
        let code = |codes: &[&str]| codes.iter().any(|code| reason.contains(code));
        let gone = any(&[" not found ", " does not exist ", " doesn't exist ", " nonexistent ", " deleted "]);
        let source = any(&[" queue ", " stream ", " table ", " consumer ", " event source "]);
        let function = plain.contains(" function ");
        if any(&[" function not found ", " function does not exist "]) || function && gone && !source {
            Self::FunctionNotFound
        } else if plain.contains(" region ") && any(&[" not valid ", " invalid "]) {
            Self::RegionNameNotValid
        } else if any(&[" permission ", " permissions ", " not authorized ", " unauthorized ", " access denied "])
            || plain.contains(" be assumed ")
            || code(&["accessdenied"])
            || plain.contains(" kms ") && any(&[" access ", " denied "])
        {
            Self::AuthorizationError
        } else if plain.contains(" failed state ")
            || function && plain.contains(" state ") && any(&[" failed ", " inactive "])
        {
            Self::FunctionInFailedState
        } else if gone || code(&["nonexistentqueue", "resourcenotfound"]) {
            Self::ResourceNotFound
        } else {
            Self::Unknown
        }
    }
}

/// The words that consist of letters and apostrophes, each between single spaces. ARNs, and names with hyphens, digits
/// or other characters, are dropped.
fn plain_words(text: &str) -> String {
    let trimmed = text.split_whitespace().map(|word| word.trim_matches(['(', ')', '.', ',', ':', ';', '!']));
    let plain = trimmed.filter(|word| !word.is_empty() && word.chars().all(|c| c.is_alphabetic() || c == '\''));
    plain.fold(" ".to_owned(), |text, word| text + word + " ")
}

/// The names that identify an event source mapping to people.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MappingNames {
    /// UUID of the mapping.
    pub mapping_uuid: Option<String>,
    /// ARN of the function, with its version or alias if there is one.
    pub function_arn: Option<String>,
    /// ARN of the event source; self-managed Kafka has none.
    pub event_source_arn: Option<String>,
}

/// An event source mapping that AWS disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EsmDisabled {
    /// Category of the reason.
    pub category: EsmCategory,
    /// Reason, as recorded.
    pub reason: Option<String>,
    /// UUID of the mapping.
    pub mapping_uuid: Option<String>,
    /// ARN of the function, with its version or alias if the record has one.
    pub function_arn: Option<String>,
    /// ARN of the queue or stream.
    pub event_source_arn: Option<String>,
}

/// Reads the event from the bytes of its record. It never fails: the event alone justifies an alert, even if the record
/// lacks all details.
pub(super) fn detect(record: &[u8]) -> EsmDisabled {
    let mut record = value_of(record).unwrap_or_else(|_| readable_fields(record));
    parse_details(&mut record);
    let reason = reason(&record);
    let mut found = EsmDisabled {
        category: reason.as_deref().map_or(EsmCategory::Unknown, EsmCategory::of_reason),
        reason,
        mapping_uuid: None,
        function_arn: None,
        event_source_arn: None,
    };
    // Fields of the Lambda API take precedence over others. The destination of failed records is not the event source.
    let is_one_of = |key: &str, names: &[&str]| names.iter().any(|name| key.eq_ignore_ascii_case(name));
    for is_api_field in [true, false] {
        visit(&record, &mut |key, value| {
            let named = is_one_of(key, &["eventSourceArn", "functionArn", "eventSourceMappingArn", "uuid"]);
            let wanted = named == is_api_field && !is_one_of(key, &["destination"]);
            if let Some(text) = value.as_str().filter(|_| wanted) {
                found.set_name(key, text);
            }
        });
    }
    found
}

impl EsmDisabled {
    /// Stores an ARN or a UUID in its field, unless the field is set.
    fn set_name(&mut self, key: &str, text: &str) {
        match Arn::parse(text) {
            Some(arn) if arn.mapping_uuid().is_some_and(is_uuid) => {
                set_if_none(&mut self.mapping_uuid, arn.mapping_uuid());
            }
            Some(arn) if arn.function_name().is_some() => set_if_none(&mut self.function_arn, Some(text)),
            Some(arn) if arn.event_source().is_some() => set_if_none(&mut self.event_source_arn, Some(text)),
            None if key.eq_ignore_ascii_case("uuid") && is_uuid(text) => {
                set_if_none(&mut self.mapping_uuid, Some(text));
            }
            _ => {}
        }
    }
}

fn set_if_none(slot: &mut Option<String>, text: Option<&str>) {
    if slot.is_none() {
        *slot = text.map(str::to_owned);
    }
}

/// The fields of a record that parse.
fn readable_fields(record: &[u8]) -> Value {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(record).unwrap_or_default();
    fields.into_iter().filter_map(|(name, raw)| Some((name, parse_value(raw.get()).ok()?))).collect()
}

/// Parses `serviceEventDetails` if it is a string that contains JSON.
fn parse_details(record: &mut Value) {
    let Some(details) = record.get_mut("serviceEventDetails") else { return };
    if let Some(parsed) = details.as_str().and_then(|json| parse_value(json).ok()) {
        *details = parsed;
    }
}

/// The reason: the first of `ESMDisableReason`, a value that is a code, a value in `serviceEventDetails` whose key
/// suggests a reason, and `serviceEventDetails` itself if it is a string.
fn reason(record: &Value) -> Option<String> {
    let details = record.get("serviceEventDetails").unwrap_or(&Value::Null);
    find(record, |key, _| key.eq_ignore_ascii_case("ESMDisableReason"))
        .or_else(|| find(record, |_, text| EsmCategory::of_code(text).is_some()))
        .or_else(|| {
            find(details, |key, _| {
                let key = key.to_ascii_lowercase();
                ["reason", "error", "code"].iter().any(|word| key.contains(word))
            })
        })
        .or_else(|| find(details, |_, _| details.is_string()))
}

/// The first string that is not blank and whose key and value match.
fn find(value: &Value, is_match: impl Fn(&str, &str) -> bool) -> Option<String> {
    let mut found = None;
    visit(value, &mut |key, value| {
        if let Some(text) = value.as_str()
            && found.is_none()
            && !text.trim().is_empty()
            && is_match(key, text)
        {
            found = Some(text.to_owned());
        }
    });
    found
}

/// Visits every value that is neither an object nor an array, with its key. The parser has limited the depth.
fn visit<'a>(value: &'a Value, leaf: &mut impl FnMut(&'a str, &'a Value)) {
    fn inner<'a>(key: &'a str, value: &'a Value, leaf: &mut impl FnMut(&'a str, &'a Value)) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, value)| inner(key, value, leaf)),
            Value::Array(elements) => elements.iter().for_each(|element| inner(key, element, leaf)),
            _ => leaf(key, value),
        }
    }
    inner("", value, leaf);
}

pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only two values of `ESMDisableReason` that have been published.
    #[test]
    fn published_reasons_are_categorized() {
        let documented = "Lambda Function not found";
        let observed = "Lambda does not have required permissions to poll the queue \
                        (sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes)";
        assert_eq!(EsmCategory::of_reason(documented), EsmCategory::FunctionNotFound);
        assert_eq!(EsmCategory::of_reason(observed), EsmCategory::AuthorizationError);
    }

    #[test]
    fn codes_are_recognized_in_any_spelling() {
        for category in EsmCategory::ALL {
            let code = category.as_str();
            for spelled in [code.to_owned(), code.to_lowercase(), code.replace('_', " "), format!(" {code}\n")] {
                assert_eq!(EsmCategory::of_reason(&spelled), category, "{spelled}");
            }
        }
    }

    #[test]
    fn prose_is_categorized_by_its_words() {
        for (reason, category) in [
            ("The function orders does not exist", EsmCategory::FunctionNotFound),
            ("The queue does not exist for function orders", EsmCategory::ResourceNotFound),
            ("The specified queue was deleted", EsmCategory::ResourceNotFound),
            ("AWS.SimpleQueueService.NonExistentQueue", EsmCategory::ResourceNotFound),
            ("ResourceNotFoundException: stream", EsmCategory::ResourceNotFound),
            ("The Region name us-est-1 is not valid", EsmCategory::RegionNameNotValid),
            ("User is not authorized to perform sqs:ReceiveMessage", EsmCategory::AuthorizationError),
            ("The role cannot be assumed by Lambda", EsmCategory::AuthorizationError),
            ("KMS: Access denied to the key", EsmCategory::AuthorizationError),
            ("Function is in a failed state", EsmCategory::FunctionInFailedState),
            ("The state of the function is Inactive", EsmCategory::FunctionInFailedState),
            ("Function queue-worker not found", EsmCategory::FunctionNotFound),
            ("Function stable-api does not exist.", EsmCategory::FunctionNotFound),
            ("arn:aws:lambda:us-east-1:1:function:stream-processor: function not found", EsmCategory::FunctionNotFound),
            ("Queue permissions-audit does not exist", EsmCategory::ResourceNotFound),
            ("Access to the KMS key was denied", EsmCategory::AuthorizationError),
            ("The queue doesn't exist", EsmCategory::ResourceNotFound),
            ("Function orders-2 not found for the queue", EsmCategory::FunctionNotFound),
            ("Access denied in this Region", EsmCategory::AuthorizationError),
            ("The batch size is not valid", EsmCategory::Unknown),
            ("The KMS key was deleted", EsmCategory::ResourceNotFound),
            ("The function timed out", EsmCategory::Unknown),
            ("The function has no state", EsmCategory::Unknown),
            ("The state of the poller is inactive", EsmCategory::Unknown),
            ("something new", EsmCategory::Unknown),
            ("", EsmCategory::Unknown),
        ] {
            assert_eq!(EsmCategory::of_reason(reason), category, "{reason}");
        }
    }

    #[test]
    fn arns_and_uuids_are_found_anywhere() {
        let found = detect(
            br#"{"requestParameters":{"deep":[{"x":"arn:aws:sqs:us-east-1:111122223333:orders-queue"}]},
                 "responseElements":{"uUID":"11111111-2222-3333-4444-555555555555"},
                 "serviceEventDetails":"{\"esmdisablereason\":\"Function not found\",\"f\":\"arn:aws:lambda:us-east-1:111122223333:function:orders:live\"}"}"#,
        );
        assert_eq!(
            found,
            EsmDisabled {
                category: EsmCategory::FunctionNotFound,
                reason: Some("Function not found".to_owned()),
                mapping_uuid: Some("11111111-2222-3333-4444-555555555555".to_owned()),
                function_arn: Some("arn:aws:lambda:us-east-1:111122223333:function:orders:live".to_owned()),
                event_source_arn: Some("arn:aws:sqs:us-east-1:111122223333:orders-queue".to_owned()),
            }
        );
    }

    #[test]
    fn api_fields_take_precedence() {
        let found = detect(
            br#"{"requestParameters":{"destinationConfig":{"onFailure":{"destination":"arn:aws:sqs:us-east-1:111122223333:dlq"}},
                 "a":"arn:aws:sqs:us-east-1:111122223333:other",
                 "eventSourceArn":"arn:aws:kinesis:us-east-1:111122223333:stream/clicks"},
                 "resources":[{"ARN":"arn:aws:lambda:us-east-1:111122223333:event-source-mapping:file:///etc/passwd"}]}"#,
        );
        assert_eq!(found.event_source_arn.as_deref(), Some("arn:aws:kinesis:us-east-1:111122223333:stream/clicks"));
        assert_eq!(found.mapping_uuid, None);
    }

    #[test]
    fn the_arn_of_a_role_is_not_an_event_source() {
        let found = detect(br#"{"requestParameters":{"a":"arn:aws:iam::111122223333:role/orders"}}"#);
        assert_eq!((found.event_source_arn, found.function_arn), (None, None));
    }

    #[test]
    fn a_uuid_has_36_characters_in_five_groups() {
        for (text, expected) in [
            ("11111111-2222-3333-4444-55555555abcd", true),
            ("11111111-2222-3333-4444-55555555abc", false),
            ("11111111-2222-3333-4444-55555555abcde", false),
            ("11111111-2222-3333-4444-55555555abcx", false),
            ("111111112222-3333-4444-55555555abcd12", false),
        ] {
            assert_eq!(is_uuid(text), expected, "{text}");
        }
    }

    #[test]
    fn a_field_that_does_not_parse_does_not_hide_others() {
        let deep = format!("{}1{}", "[".repeat(90), "]".repeat(90));
        let deep = format!("{}{deep}{}", r#"{"a":"#.repeat(60), "}".repeat(60));
        let deep = format!(r#""responseElements":{deep}"#);
        let too_deep = format!(r#""responseElements":{}1{}"#, "[".repeat(300), "]".repeat(300));
        for part in [r#""userAgent":"x\ud83d""#, r#""requestParameters":{"n":1e999}"#, &deep, &too_deep] {
            let record = format!(r#"{{{part},"serviceEventDetails":{{"ESMDisableReason":"FUNCTION_NOT_FOUND"}}}}"#);
            assert_eq!(detect(record.as_bytes()).category, EsmCategory::FunctionNotFound, "{part}");
        }
        for details in [r#"{"ESMDisableReason":"x\ud83d"}"#, r#""{\"ESMDisableReason\":\"x\\ud83d\"}""#] {
            let found = detect(format!(r#"{{"serviceEventDetails":{details}}}"#).as_bytes());
            assert_eq!(found.reason.as_deref(), Some("x\u{fffd}"), "{details}");
        }
    }

    #[test]
    fn reasons_are_found_in_undocumented_fields() {
        for (details, reason, category) in [
            (r#"{"ESMDisableReason":"x"}"#, Some("x"), EsmCategory::Unknown),
            (r#"{"other":["RESOURCE_NOT_FOUND"]}"#, Some("RESOURCE_NOT_FOUND"), EsmCategory::ResourceNotFound),
            (r#"{"errorText":"Function not found"}"#, Some("Function not found"), EsmCategory::FunctionNotFound),
            (r#""Function not found""#, Some("Function not found"), EsmCategory::FunctionNotFound),
            (r#"{"ESMDisableReason":""}"#, None, EsmCategory::Unknown),
            (r#"{"ESMDisableReason":7}"#, None, EsmCategory::Unknown),
            ("null", None, EsmCategory::Unknown),
        ] {
            let found = detect(format!(r#"{{"serviceEventDetails":{details}}}"#).as_bytes());
            assert_eq!((found.reason.as_deref(), found.category), (reason, category), "{details}");
        }
        assert_eq!(detect(b"{}").category, EsmCategory::Unknown);
    }
}
