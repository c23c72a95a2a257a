//! Alerts in every format, as subscribers receive them.

mod chat;
pub(crate) mod checks;
mod context;
mod fix;
pub(crate) mod hostile;
mod json;
mod limits;
mod sweeps;
mod text;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use trailwarden::alert::{Alert, Format};
use trailwarden::detect::{Change, Detector, Finding, ResourceKey, WatchRules};
use trailwarden::rules::Rules;
use trailwarden::triage::{Context, Incident, LikelyCause};

use crate::fixture::findings::{findings, incidents};
use crate::fixture::records::{allowed, denied, disabled_mapping};

const FORMATS: [Format; 3] = [Format::Text, Format::Chat, Format::Json];

/// The findings in records, with all detection enabled and a watch rule.
pub(crate) fn findings_of(records: &[Value]) -> Vec<Finding> {
    let detector = Detector { esm_changes: true, authentication_failures: true, ..Detector::default() };
    let rules = watch_rules();
    records.iter().flat_map(|record| findings(&detector, &rules, "s3://trail/key", record)).collect()
}

/// A rule that watches for deleted functions.
pub(crate) fn watch_rules() -> WatchRules {
    let rules = r#"{"watch": [{"name": "deleted", "title": "A function was deleted", "severity": "high",
                    "pattern": {"finding": {"api_action": ["DeleteFunction"]}}}]}"#;
    Rules::parse(rules).expect("rules").watch
}

fn incidents_of(records: &[Value]) -> Vec<Incident> {
    incidents(findings_of(records))
}

/// One record for each alert type.
pub(crate) fn every_record() -> Vec<Value> {
    let mut denial = denied(9, "GetFunction", "orders");
    denial["errorMessage"] = json!(
        "User: x is not authorized to perform: lambda:GetFunction on resource: r with an explicit deny in an \
         identity-based policy: arn:aws:iam::111122223333:policy/P"
    );
    vec![disabled_mapping(1, "orders", "Lambda Function not found"), changed_mapping(), watched_event(), denial]
}

fn changed_mapping() -> Value {
    let uuid = "863d0ee4-2f3c-4994-8005-000000000005";
    let mut record = allowed(7, "UpdateEventSourceMapping", &json!({"uUID": uuid, "enabled": false}));
    record["responseElements"] = json!({
        "uUID": uuid,
        "functionArn": "arn:aws:lambda:us-east-1:111122223333:function:orders",
        "eventSourceArn": "arn:aws:kinesis:us-east-1:111122223333:stream/clicks",
    });
    record
}

fn watched_event() -> Value {
    allowed(8, "DeleteFunction", &json!({"functionName": "orders"}))
}

/// One incident of each alert type. The denial is the twelfth in its window.
fn every_alert_type() -> Vec<Incident> {
    let mut records = every_record();
    records.pop();
    records.extend((0..3).map(|n| denied(n, "GetFunction", "orders")));
    let mut incidents = incidents_of(&records);
    assert_eq!(incidents.len(), 4);
    denial(&mut incidents).total = 12;
    incidents
}

/// The incidents, with context for the stopped mappings.
fn with_context(mut incidents: Vec<Incident>, context: &Context) -> Vec<Incident> {
    for incident in incidents.iter_mut().filter(|it| it.finding.alert_type() == "esm_disabled") {
        incident.context = Some(context.clone());
    }
    incidents
}

/// The incidents about stopped mappings, with likely causes whose fields are these texts, and follow-ups of them.
fn with_causes(incidents: &[Incident], texts: &[String; 6]) -> Vec<Incident> {
    let names = ["login.evil.com", "s3.amazonaws.com/evil/login", "all@example.com"];
    let [id, service, action, caller, session, region] = texts;
    let cause = |name: &str| LikelyCause {
        change: Change {
            // Detection bounds these strings.
            id: id.chars().take(64).collect(),
            at: Timestamp::UNIX_EPOCH,
            service: service.chars().take(64).collect(),
            action: action.chars().take(64).collect(),
            region: Some(region.chars().take(64).collect()),
            caller: caller.chars().take(128).collect(),
            session: Some(session.chars().take(64).collect()),
            resources: vec![
                ResourceKey::try_from(format!("queue#111122223333#us-east-1#{name}")).expect("a key"),
                ResourceKey::try_from(format!("policy#111122223333##{}", "a/".repeat(320))).expect("a key"),
            ],
            related: Vec::new(),
        },
        before: Duration::from_mins(4),
    };
    let stopped = incidents.iter().filter(|it| it.finding.alert_type() == "esm_disabled");
    let with_three = stopped.map(|it| Incident { likely_causes: names.map(cause).to_vec(), ..it.clone() });
    let follow_up = |it: Incident| Incident { follows_up: Some(it.dedup_key), ..it };
    with_three.flat_map(|it| [it.clone(), follow_up(it)]).collect()
}

fn denial(incidents: &mut [Incident]) -> &mut Incident {
    incidents.iter_mut().find(|it| it.finding.alert_type() == "access_denied").expect("a denial")
}

/// The body of an alert in one of the JSON formats.
fn parsed(incident: &Incident, format: Format) -> Value {
    serde_json::from_str(&Alert::of(incident).message(format).body).expect("JSON")
}

/// The bodies of one alert of each type in one of the JSON formats.
fn bodies(format: Format) -> String {
    let bodies = every_alert_type().into_iter().map(|it| format!("{:#}", parsed(&it, format)));
    bodies.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_test_alert_is_marked_in_every_format() {
    for mut incident in every_alert_type() {
        incident.is_test = true;
        let text = Alert::of(&incident).message(Format::Text);
        assert!(
            text.subject.starts_with("[Test] ") && text.body.starts_with("This is a test alert. No action is needed. ")
        );
        let chat = parsed(&incident, Format::Chat);
        let description = chat["content"]["description"].as_str().expect("a string");
        assert!(description.starts_with("This is a test alert. No action is needed. "));
        assert_eq!(parsed(&incident, Format::Json)["test"], true);
    }
}

#[test]
fn a_repeated_alert_has_the_deduplication_id_of_the_first_and_the_next_threshold_another() {
    let ids = |total: u64| {
        let mut incidents = every_alert_type();
        denial(&mut incidents).total = total;
        let message = Alert::of(denial(&mut incidents)).message(Format::Text);
        (message.group_id, message.deduplication_id)
    };
    assert_eq!(ids(10), ids(99));
    assert_eq!(ids(10).0, "111122223333");
    assert_ne!(ids(10).1, ids(100).1);
    assert!(ids(u64::MAX).1.len() <= 128);
}
