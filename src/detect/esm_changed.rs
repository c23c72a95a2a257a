//! Event source mappings that users disabled, deleted or enabled.
//!
//! CloudTrail logs `UpdateEventSourceMapping` and `DeleteEventSourceMapping` as management events, for mappings of any
//! kind ("Logging AWS Lambda API calls using AWS CloudTrail", Lambda Developer Guide). The request contains the
//! mapping's `uUID` and, if the call changes it, `enabled`. The response contains the ARNs.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::arn::Arn;
use crate::trail::{Record, RecordError, parse_value};

pub(super) const UPDATE: &str = "UpdateEventSourceMapping";
pub(super) const DELETE: &str = "DeleteEventSourceMapping";

/// What a user did to a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EsmChange {
    /// The mapping no longer reads its source.
    Disabled,
    /// The mapping no longer exists.
    Deleted,
    /// The mapping reads its source again.
    Enabled,
}

impl EsmChange {
    /// All changes.
    pub const ALL: [Self; 3] = [Self::Disabled, Self::Deleted, Self::Enabled];

    /// The name of the alert category.
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
    /// What the user did.
    pub change: EsmChange,
    /// UUID of the mapping.
    pub mapping_uuid: Option<String>,
    /// ARN of the function.
    pub function_arn: Option<String>,
    /// ARN of the event source; self-managed Kafka has none.
    pub event_source_arn: Option<String>,
}

/// Detects a change in a record of Lambda; `None` if it is another event, or the call failed.
///
/// # Errors
/// If the event updates or deletes a mapping, and its request or response does not parse.
pub(super) fn detect(record: &Record<'_>, api_action: &str) -> Result<Option<EsmChanged>, RecordError> {
    let is_change = [UPDATE, DELETE].contains(&api_action);
    if !is_change || record.error_code.is_some() {
        return Ok(None);
    }
    let parse = |field: &Option<Cow<'_, RawValue>>| field.as_ref().map_or(Ok(Value::Null), |it| parse_value(it.get()));
    let (request, response) = (parse(&record.request_parameters)?, parse(&record.response_elements)?);
    let change = match (api_action, field(&request, "enabled")) {
        (DELETE, _) => EsmChange::Deleted,
        (_, Some(enabled)) if is_bool(enabled, true) => EsmChange::Enabled,
        (_, Some(enabled)) if is_bool(enabled, false) => EsmChange::Disabled,
        _ => return Ok(None),
    };
    let string = |name: &str| {
        let values = [field(&response, name), field(&request, name)].into_iter().flatten().filter_map(Value::as_str);
        values.map(str::to_owned).find(|value| !value.trim().is_empty())
    };
    Ok(Some(EsmChanged {
        change,
        mapping_uuid: string("uuid"),
        function_arn: string("functionArn").filter(|it| Arn::parse(it).is_some()),
        event_source_arn: string("eventSourceArn").filter(|it| Arn::parse(it).is_some()),
    }))
}

/// Finds a field by its name, ignoring case: records have `uUID` where the API has `UUID`.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

pub(super) fn is_bool(value: &Value, wanted: bool) -> bool {
    value.as_bool().map_or_else(|| value.as_str() == Some(if wanted { "true" } else { "false" }), |it| it == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(record: &str, api_action: &str) -> Option<EsmChanged> {
        detect(&Record::parse(record.as_bytes()).expect("a record"), api_action).expect("readable fields")
    }

    #[test]
    fn only_disabling_deleting_and_enabling_are_changes() {
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
    fn malformed_values_do_not_hide_a_change() {
        let deep = format!("{}1{}", "[".repeat(90), "]".repeat(90));
        let deep = format!("{}{deep}{}", r#"{"a":"#.repeat(60), "}".repeat(60));
        for value in [r#""\ud800""#, r#""\\\udc00""#, "1e999", "-1e999", &deep] {
            for record in [
                format!(r#"{{"requestParameters":{{"uUID":"u","enabled":false,"x":{value}}}}}"#),
                format!(r#"{{"requestParameters":{{"uUID":"u","enabled":false}},"responseElements":{{"x":{value}}}}}"#),
                format!(r#"{{"userAgent":1e999,"requestParameters":{{"x":{value},"uUID":"u","enabled":false}}}}"#),
            ] {
                let found = change(&record, "UpdateEventSourceMapping").expect("a change");
                assert_eq!((found.change, found.mapping_uuid.as_deref()), (EsmChange::Disabled, Some("u")), "{record}");
            }
        }
    }

    #[test]
    fn a_field_that_does_not_parse_is_an_error_only_if_it_is_needed() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(300), "}".repeat(300));
        let record = format!(r#"{{"requestParameters":{deep}}}"#);
        let record = Record::parse(record.as_bytes()).expect("a record");
        assert!(matches!(detect(&record, "UpdateEventSourceMapping"), Err(RecordError::TooDeep)));
        assert!(matches!(detect(&record, "CreateFunction"), Ok(None)));
    }

    #[test]
    fn blank_strings_count_as_absent() {
        let record =
            r#"{"requestParameters":{"uUID":"u","enabled":false},"responseElements":{"uUID":" ","functionArn":""}}"#;
        let found = change(record, "UpdateEventSourceMapping").expect("a change");
        assert_eq!((found.mapping_uuid.as_deref(), found.function_arn), (Some("u"), None));
    }

    #[test]
    fn event_sources_of_any_kind_are_reported() {
        let record = r#"{"requestParameters":{"uUID":"u","enabled":false},"responseElements":{"uUID":"u",
            "functionArn":"arn:aws:lambda:us-east-1:111122223333:function:orders",
            "eventSourceArn":"arn:aws:kafka:us-east-1:111122223333:cluster/c/1-2"}}"#;
        let found = change(record, "UpdateEventSourceMapping").expect("a change");
        assert_eq!(found.event_source_arn.as_deref(), Some("arn:aws:kafka:us-east-1:111122223333:cluster/c/1-2"));
        assert_eq!(found.function_arn.as_deref(), Some("arn:aws:lambda:us-east-1:111122223333:function:orders"));
    }
}
