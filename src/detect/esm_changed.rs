//! Event source mappings that users disabled, deleted or enabled.
//!
//! `UpdateEventSourceMapping` and `DeleteEventSourceMapping` are management events of their own ("Logging AWS Lambda API
//! calls using AWS CloudTrail", Lambda Developer Guide), for mappings of any kind. The request holds the mapping's `uUID`
//! and, where it was changed, `enabled`; the response holds the ARNs.

use serde_json::Value;

use super::arn::Arn;
use crate::trail::Record;

/// What a user did with a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EsmChange {
    /// It reads no more.
    Disabled,
    /// It is gone.
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

/// Reads a change from a record of Lambda; `None` if it is none, or failed.
pub(super) fn detect(record: &Record<'_>, api_action: &str) -> Option<EsmChanged> {
    if record.error_code.is_some() {
        return None;
    }
    let parse = |raw: Option<&serde_json::value::RawValue>| -> Value {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    };
    let (request, response) = (parse(record.request_parameters), parse(record.response_elements));
    let change = match (api_action, field(&request, "enabled")) {
        ("DeleteEventSourceMapping", _) => EsmChange::Deleted,
        ("UpdateEventSourceMapping", Some(enabled)) if is(enabled, true) => EsmChange::Enabled,
        ("UpdateEventSourceMapping", Some(enabled)) if is(enabled, false) => EsmChange::Disabled,
        _ => return None,
    };
    let text = |name: &str| {
        let value = field(&response, name).or_else(|| field(&request, name));
        value.and_then(Value::as_str).map(str::to_owned)
    };
    Some(EsmChanged {
        change,
        mapping_uuid: text("uuid"),
        function_arn: text("functionArn").filter(|it| Arn::parse(it).is_some()),
        event_source_arn: text("eventSourceArn").filter(|it| Arn::parse(it).is_some()),
    })
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
        detect(&Record::parse(record.as_bytes()).expect("a record"), api_action)
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
    fn sources_of_any_kind() {
        let record = r#"{"requestParameters":{"uUID":"u","enabled":false},"responseElements":{"uUID":"u",
            "functionArn":"arn:aws:lambda:us-east-1:111122223333:function:orders",
            "eventSourceArn":"arn:aws:kafka:us-east-1:111122223333:cluster/c/1-2"}}"#;
        let found = change(record, "UpdateEventSourceMapping").expect("a change");
        assert_eq!(found.event_source_arn.as_deref(), Some("arn:aws:kafka:us-east-1:111122223333:cluster/c/1-2"));
        assert_eq!(found.function_arn.as_deref(), Some("arn:aws:lambda:us-east-1:111122223333:function:orders"));
    }
}
