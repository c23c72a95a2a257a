//! Event source mappings that users disabled, deleted or enabled.
//!
//! `UpdateEventSourceMapping` and `DeleteEventSourceMapping` are management events of their own ("Logging AWS Lambda API
//! calls using AWS CloudTrail", Lambda Developer Guide), for mappings of any kind. The request has the mapping's `uUID`
//! and, if the call changes it, `enabled`; the response has the ARNs.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::arn::Arn;
use crate::trail::{Record, RecordError, parse_value};

/// What a user did with a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EsmChange {
    /// It no longer reads.
    Disabled,
    /// It no longer exists.
    Deleted,
    /// It reads again.
    Enabled,
}

impl EsmChange {
    /// The name of the alert's category.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::Enabled => "enabled",
        }
    }
}

/// An event source mapping that a user changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EsmChanged {
    /// What was done.
    pub change: EsmChange,
    /// UUID of the mapping.
    pub mapping_uuid: Option<String>,
    /// ARN of the function.
    pub function_arn: Option<String>,
    /// ARN of what the mapping reads; self-managed Kafka has none.
    pub event_source_arn: Option<String>,
}

/// Reads a change from a record of Lambda; `None` if the event is another one, or the call failed.
///
/// # Errors
/// If the request or the response of such an event does not parse.
pub(super) fn detect(record: &Record<'_>, api_action: &str) -> Result<Option<EsmChanged>, RecordError> {
    let is_change = ["UpdateEventSourceMapping", "DeleteEventSourceMapping"].contains(&api_action);
    if !is_change || record.error_code.is_some() {
        return Ok(None);
    }
    let parse = |field: &Option<Cow<'_, RawValue>>| field.as_ref().map_or(Ok(Value::Null), |it| parse_value(it.get()));
    let (request, response) = (parse(&record.request_parameters)?, parse(&record.response_elements)?);
    let change = match (api_action, field(&request, "enabled")) {
        ("DeleteEventSourceMapping", _) => EsmChange::Deleted,
        (_, Some(enabled)) if is(enabled, true) => EsmChange::Enabled,
        (_, Some(enabled)) if is(enabled, false) => EsmChange::Disabled,
        _ => return Ok(None),
    };
    let text = |name: &str| {
        let texts = [field(&response, name), field(&request, name)].into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).find(|text| !text.trim().is_empty())
    };
    Ok(Some(EsmChanged {
        change,
        mapping_uuid: text("uuid"),
        function_arn: text("functionArn").filter(|it| Arn::parse(it).is_some()),
        event_source_arn: text("eventSourceArn").filter(|it| Arn::parse(it).is_some()),
    }))
}

/// A field by its name in any case: records have `uUID` where the API has `UUID`.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn is(value: &Value, wanted: bool) -> bool {
    value.as_bool().map_or_else(|| value.as_str() == Some(if wanted { "true" } else { "false" }), |it| it == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(record: &str, api_action: &str) -> Option<EsmChanged> {
        detect(&Record::parse(record.as_bytes()).expect("a record"), api_action).expect("readable fields")
    }

    #[test]
    fn changes() {
        const UPDATE: &str = "UpdateEventSourceMapping";
        for (record, api_action, expected) in [
            (r#"{"requestParameters":{"uUID":"u","enabled":false}}"#, UPDATE, Some(EsmChange::Disabled)),
            (r#"{"requestParameters":{"uUID":"u","enabled":"true"}}"#, UPDATE, Some(EsmChange::Enabled)),
            (r#"{"requestParameters":{"uUID":"u","batchSize":10}}"#, UPDATE, None),
            (r#"{"requestParameters":{"uUID":"u","enabled":7}}"#, UPDATE, None),
            (r#"{"requestParameters":null}"#, UPDATE, None),
            (r#"{"requestParameters":{"uUID":"u","enabled":false},"errorCode":"AccessDenied"}"#, UPDATE, None),
            (r#"{"requestParameters":{"uUID":"u"}}"#, "DeleteEventSourceMapping", Some(EsmChange::Deleted)),
            (r#"{"requestParameters":{"uUID":"u","enabled":false}}"#, "CreateEventSourceMapping", None),
        ] {
            let found = change(record, api_action);
            assert_eq!(found.as_ref().map(|it| it.change), expected, "{record}");
            assert_eq!(found.and_then(|it| it.mapping_uuid).as_deref(), expected.map(|_| "u"), "{record}");
        }
    }

    #[test]
    fn odd_values_in_the_request_hide_no_change() {
        let deep = format!("{}1{}", "[".repeat(90), "]".repeat(90));
        let deep = format!("{}{deep}{}", r#"{"a":"#.repeat(60), "}".repeat(60));
        for odd in [r#""\ud800""#, r#""\\\udc00""#, "1e999", "-1e999", &deep] {
            for record in [
                format!(r#"{{"requestParameters":{{"uUID":"u","enabled":false,"x":{odd}}}}}"#),
                format!(r#"{{"requestParameters":{{"uUID":"u","enabled":false}},"responseElements":{{"x":{odd}}}}}"#),
                format!(r#"{{"userAgent":1e999,"requestParameters":{{"x":{odd},"uUID":"u","enabled":false}}}}"#),
            ] {
                let found = change(&record, "UpdateEventSourceMapping").expect("a change");
                assert_eq!((found.change, found.mapping_uuid.as_deref()), (EsmChange::Disabled, Some("u")), "{record}");
            }
        }
    }

    #[test]
    fn a_field_that_stays_unreadable_is_an_error_only_where_it_is_needed() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(300), "}".repeat(300));
        let record = format!(r#"{{"requestParameters":{deep}}}"#);
        let record = Record::parse(record.as_bytes()).expect("a record");
        assert!(matches!(detect(&record, "UpdateEventSourceMapping"), Err(RecordError::TooDeep)));
        assert!(matches!(detect(&record, "CreateFunction"), Ok(None)));
    }

    #[test]
    fn blank_texts_count_as_absent() {
        let record =
            r#"{"requestParameters":{"uUID":"u","enabled":false},"responseElements":{"uUID":" ","functionArn":""}}"#;
        let found = change(record, "UpdateEventSourceMapping").expect("a change");
        assert_eq!((found.mapping_uuid.as_deref(), found.function_arn), (Some("u"), None));
    }

    #[test]
    fn sources_of_any_kind() {
        let record = r#"{"requestParameters":{"uUID":"u","enabled":false},"responseElements":{"uUID":"u",
            "functionArn":"arn:aws:lambda:us-east-1:111122223333:function:orders",
            "eventSourceArn":"arn:aws:kafka:us-east-1:111122223333:cluster/c/1-2"}}"#;
        let found = change(record, "UpdateEventSourceMapping").expect("a change");
        assert_eq!(found.event_source_arn.as_deref(), Some("arn:aws:kafka:us-east-1:111122223333:cluster/c/1-2"));
        assert_eq!(found.function_arn.as_deref(), Some("arn:aws:lambda:us-east-1:111122223333:function:orders"));
    }
}
