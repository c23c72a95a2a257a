//! Alerts of sweeps, in every format.

use std::time::Duration;

use trailwarden::alert::Format;
use trailwarden::delivery::AccountRegion;
use trailwarden::sweep::{FilterError, Mapping};

use super::checks::assert_message_is_valid;
use super::hostile::ATTACKS;
use crate::fixture::Fixture;
use crate::fixture::records::{ACCOUNT, REGION};

/// A mapping with this text as each of its names and texts.
fn mapping(n: usize, text: &str, state: &str, last_result: &str) -> Mapping {
    Mapping {
        uuid: format!("863d0ee4-2f3c-4994-8005-{n:012}"),
        function_arn: Some(format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{text}")),
        event_source_arn: Some(text.to_owned()),
        state: Some(state.to_owned()),
        reason: Some(text.to_owned()),
        last_result: Some(last_result.to_owned()),
        modified: None,
        filter_error: None,
    }
}

/// Publishes each kind of alert that a sweep sends, and checks every message. Returns the types and states of the
/// alerts.
async fn check(text: &str) -> Vec<(String, String)> {
    let fixture = Fixture::new().with_chat_topic().with_event_topic();
    let sweep = async |mappings: Vec<Mapping>| {
        let place = AccountRegion { account: ACCOUNT.to_owned(), region: REGION.to_owned() };
        fixture.pipeline.api.list.mappings.borrow_mut().insert(place, mappings);
        fixture.invoke_with(r#"{"trailwarden":"sweep"}"#).await;
        tokio::time::sleep(Duration::from_hours(2)).await;
    };
    let stopped = |n| mapping(n, text, "Disabled", text);
    let unusable = FilterError { code: text.to_owned(), message: text.to_owned() };
    let failing = [
        mapping(200, text, "Enabled", text),
        mapping(201, text, text, "OK"),
        Mapping { filter_error: Some(unusable), ..mapping(202, text, "Enabled", "OK") },
        mapping(203, &format!("ESM_CONFIG_NOT_VALID {text}"), "Enabled", "OK"),
    ];
    sweep((0..150).map(stopped).collect()).await;
    sweep((0..151).map(stopped).chain(failing.clone()).collect()).await;
    tokio::time::sleep(Duration::from_hours(24)).await;
    sweep((1..151).map(stopped).chain(failing).collect()).await;
    let enabled = mapping(2, text, "Enabled", "OK");
    sweep((3..151).map(stopped).chain([enabled.clone()]).collect()).await;
    sweep(vec![enabled]).await;
    let topics =
        [(fixture.topic(), Format::Text), (fixture.chat_topic(), Format::Chat), (fixture.event_topic(), Format::Json)];
    for (topic, format) in topics {
        topic.confirmed().iter().for_each(|message| assert_message_is_valid(message, format));
    }
    let value = |message: &trailwarden::alert::Message, name: &str| {
        let found = message.attributes.iter().find(|it| it.name == name).expect("an attribute");
        found.values[0].clone()
    };
    let mut kinds: Vec<_> =
        fixture.topic().confirmed().iter().map(|it| (value(it, "alert_type"), value(it, "status"))).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

#[tokio::test(start_paused = true)]
async fn hostile_text_in_mappings_is_neutralized() {
    let expected = ["open", "reminder", "resolved"].map(|status| ("esm_disabled".to_owned(), status.to_owned()));
    let failing = ["open", "resolved"].map(|status| ("esm_failing".to_owned(), status.to_owned()));
    let expected: Vec<_> = expected.into_iter().chain(failing).collect();
    for text in ATTACKS.into_iter().map(str::to_owned).chain([100, 5_000].map(|length| "\"🦀".repeat(length))) {
        assert_eq!(check(&text).await, expected, "{text}");
    }
}
