//! Context of a stopped mapping, in every format.

use insta::assert_snapshot;
use serde_json::{Value, json};
use trailwarden::alert::{Alert, Format};
use trailwarden::triage::{Context, FunctionNow, Incident, MappingNow, PresentState, Tag};

use super::{incidents_of, parsed};
use crate::fixture::records::disabled_mapping;

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.to_owned(), value: value.to_owned() }
}

fn stopped(state: PresentState) -> Incident {
    let mut incidents = incidents_of(&[disabled_mapping(1, "orders", "AUTHORIZATION_ERROR")]);
    let mut incident = incidents.pop().expect("an incident");
    let mapping = MappingNow {
        state,
        state_reason: Some("User action".to_owned()),
        last_processing_result: Some("PROBLEM: Function call failed".to_owned()),
        function_arn: None,
        event_source_arn: None,
    };
    let function = FunctionNow {
        role_arn: Some("arn:aws:iam::111122223333:role/orders".to_owned()),
        kms_key_arn: None,
        state: Some("Active".to_owned()),
    };
    let owner = vec![tag("Team", "payments"), tag("service", "checkout")];
    incident.context = Some(Context { mapping: Some(mapping), function: Some(function), owner });
    incident
}

#[test]
fn the_state_is_a_sentence() {
    let states = ["Creating", "Enabling", "Enabled", "Disabling", "Disabled", "Updating", "Deleting", "Paused"];
    let states = states.map(PresentState::of_api).into_iter().chain([PresentState::Deleted]);
    let sentence = |state| {
        let body = Alert::of(&stopped(state)).message(Format::Text).body;
        body.lines().nth(2).expect("a line").to_owned()
    };
    assert_snapshot!(states.map(sentence).collect::<Vec<_>>().join("\n"), @r#"
    When this alert was sent, the mapping was being created (StateTransitionReason: "User action").
    When this alert was sent, the mapping was already being enabled again (StateTransitionReason: "User action").
    When this alert was sent, the mapping had already been enabled again (StateTransitionReason: "User action").
    When this alert was sent, the mapping was still being disabled (StateTransitionReason: "User action").
    When this alert was sent, the mapping was still disabled (StateTransitionReason: "User action").
    When this alert was sent, the mapping was being updated (StateTransitionReason: "User action").
    When this alert was sent, the mapping was being deleted (StateTransitionReason: "User action").
    When this alert was sent, the mapping was in the state "Paused" (StateTransitionReason: "User action").
    When this alert was sent, the mapping no longer existed (StateTransitionReason: "User action").
    "#);
}

#[test]
fn a_chat_message_has_context_and_variables_for_buttons() {
    let chat = parsed(&stopped(PresentState::Disabled), Format::Chat);
    assert_snapshot!(format!("{}\n{:#}", chat["content"]["description"], chat["metadata"]["additionalContext"]), @r#"
    "Lambda stopped reading the SQS queue orders-queue for function orders.\nAWS disabled the event source mapping at 2026-01-02 03:00:01 UTC in us-east-1 (account 111122223333).\nWhen this alert was sent, the mapping was still disabled (StateTransitionReason: \"User action\").\nUntil the mapping is enabled again, messages accumulate in the queue and eventually expire.\nAUTHORIZATION_ERROR: the permissions to read the event source are missing or incorrect."
    {
      "Account": "111122223333",
      "Event": "LambdaESMDisabled bd4607c8-6933-48e9-8001-000000000001",
      "Event source": "arn:aws:sqs:us-east-1:111122223333:orders-queue",
      "Function": "arn:aws:lambda:us-east-1:111122223333:function:orders",
      "Last result": "PROBLEM: Function call failed",
      "Log object": "s3://trail/key",
      "Mapping": "d46904b0-0f95-48b0-8001-000000000001",
      "Owner": "payments (Team tag), checkout (service tag)",
      "Region": "us-east-1",
      "Role": "arn:aws:iam::111122223333:role/orders",
      "Severity": "critical"
    }
    "#);
}

#[test]
fn json_has_flat_fields_for_context() {
    const FIELDS: [&str; 7] = [
        "owner",
        "owner_tags",
        "mapping_state",
        "mapping_state_reason",
        "last_processing_result",
        "role_arn",
        "status",
    ];
    let context = |incident: &Incident| {
        let mut json = parsed(incident, Format::Json);
        json.as_object_mut().expect("an object").retain(|name, _| FIELDS.contains(&name.as_str()));
        json
    };
    assert_snapshot!(format!("{:#}", context(&stopped(PresentState::Disabled))), @r#"
    {
      "last_processing_result": "PROBLEM: Function call failed",
      "mapping_state": "Disabled",
      "mapping_state_reason": "User action",
      "owner": "payments",
      "owner_tags": [
        "Team=payments",
        "service=checkout"
      ],
      "role_arn": "arn:aws:iam::111122223333:role/orders",
      "status": "open"
    }
    "#);
    let without = Incident { context: None, ..stopped(PresentState::Disabled) };
    assert_eq!(context(&without), json!({"status": "open"}));
}

#[test]
fn the_owner_is_an_attribute() {
    let owners = |incident: &Incident| {
        let message = Alert::of(incident).message(Format::Text);
        message.attributes.into_iter().find(|it| it.name == "owner").map(|it| it.values)
    };
    assert_eq!(owners(&stopped(PresentState::Disabled)), Some(vec!["payments".to_owned()]));
    assert_eq!(owners(&Incident { context: None, ..stopped(PresentState::Disabled) }), None);
}

#[test]
fn buttons_get_only_words() {
    for (field, text) in [("awsRegion", "us-east-1 --enabled"), ("recipientAccountId", "$(id)")] {
        let mut record = disabled_mapping(1, "orders", "x");
        record[field] = Value::from(text);
        let incident = incidents_of(&[record]).pop().expect("an incident");
        let context = &parsed(&incident, Format::Chat)["metadata"]["additionalContext"];
        assert!(context["Region"].is_null() && context["Account"].is_null(), "{context}");
    }
}
