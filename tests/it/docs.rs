//! Checks that the documents and the template agree with the code.

mod figures;
mod permissions;
mod semantics;
mod settings;
mod template;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use trailwarden::alert::{Alert, Format};
use trailwarden::detect::{Detector, WatchRules};
use trailwarden::rules::Rules;
use trailwarden::triage::{Context, FunctionNow, Incident, LikelyCause, MappingNow, PresentState, Tag};

use crate::fixture::findings::{findings, incidents};
use crate::fixture::records::{called_by_alice, denied, disabled_mapping, key};

pub(crate) const RULES_PAGE: &str = include_str!("../../docs/RULES.md");
const TEMPLATE: &str = include_str!("../../template.yaml");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a text file")
}

/// README.md and the pages in docs/, joined, because text may move between them.
fn documents() -> String {
    let pages = files(&root().join("docs")).into_iter().filter(|it| it.extension().is_some_and(|it| it == "md"));
    pages.chain([root().join("README.md")]).map(|path| read(&path)).collect::<Vec<_>>().join("\n")
}

/// The cells of the table in the documents whose first column has this heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    let documents = documents();
    let head = format!("\n| {heading} | default | meaning |\n|---|---|---|\n");
    let (_, table) = documents.split_once(&head).expect("a table");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn the_documented_alerts_are_real() {
    let object = format!("s3://trailwarden-111122223333-us-east-1/{}", key("disabled"));
    let reason = "Lambda does not have required permissions to poll the queue (sqs:ReceiveMessage, sqs:DeleteMessage \
                  and sqs:GetQueueAttributes)";
    let denials = (0..25).map(|n| denied(n, "UpdateFunctionCode", &format!("orders-{}", n % 3)));
    let records = denials.chain([disabled_mapping(5, "shipments", reason)]);
    let found = records.flat_map(|record| findings(&Detector::default(), &WatchRules::default(), &object, &record));
    let mut incidents = incidents(found);
    add_context(&mut incidents[0]);
    let messages: Vec<_> = incidents.iter().map(|incident| Alert::of(incident).message(Format::Text)).collect();
    let [disabled, denied] = messages.as_slice() else { panic!("two alerts") };
    let (without_message, _) = denied.body.split_once("  AWS says").expect("the message of AWS");
    for alert in [
        format!("Subject: {}\n\n{}", disabled.subject, disabled.body),
        format!("Subject: {}\n\n{without_message}", denied.subject),
    ] {
        assert!(documents().contains(&alert), "{alert}");
    }
}

/// What the demo shows: the owner, the state and the role from the Lambda API, and the likely cause.
fn add_context(stop: &mut Incident) {
    let parameters = json!({"roleName": "shipments-role", "policyName": "read-shipments-queue"});
    let mut record = called_by_alice(20_000, "iam", "DeleteRolePolicy", &parameters);
    record["eventTime"] = json!("2026-01-02T02:56:05Z");
    let detector = Detector { causes: true, ..Detector::default() };
    let examined = detector.examine(record.to_string().as_bytes(), &"".into(), &WatchRules::default());
    let change = *examined.expect("a record").change.expect("a change");
    stop.likely_causes = vec![LikelyCause { change, before: Duration::from_mins(4) }];
    stop.context = Some(Context {
        mapping: Some(MappingNow {
            state: PresentState::Disabled,
            last_processing_result: Some("No records processed".to_owned()),
            ..MappingNow::deleted()
        }),
        function: Some(FunctionNow {
            role_arn: Some("arn:aws:iam::111122223333:role/shipments-role".to_owned()),
            ..FunctionNow::default()
        }),
        owner: vec![Tag { key: "team".to_owned(), value: "logistics".to_owned() }],
    });
}

#[test]
fn the_documented_rules_are_valid() {
    let (_, examples) = RULES_PAGE.split_once("\n## Examples\n").expect("examples");
    let blocks: Vec<_> = examples.split("```json\n").skip(1).filter_map(|it| it.split("```").next()).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        Rules::parse(block).expect("rules");
    }
}

#[test]
fn every_example_payload_is_documented() {
    let page = read(&root().join("docs/DELIVERY.md"));
    for path in files(&root().join("events")) {
        let name = path.file_name().and_then(|it| it.to_str()).expect("a name");
        assert!(page.contains(&format!("(../events/{name})")), "docs/DELIVERY.md does not mention {name}");
    }
}

#[test]
fn the_pictured_chat_message_is_real() {
    let record = disabled_mapping(1, "orders", "Lambda Function not found");
    let incidents = incidents(findings(&Detector::default(), &WatchRules::default(), "s3://trail/key", &record));
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let pictured = read(&root().join("docs/images/chat.txt"));
    assert_eq!(parse(&pictured), parse(&Alert::of(&incidents[0]).message(Format::Chat).body));
}

/// Rules can match the fields of a finding. An alert as JSON has the same fields, and others.
#[test]
fn every_field_of_a_finding_is_documented() {
    let records = crate::formats::every_record();
    let found = crate::formats::findings_of(&records);
    let fields: std::collections::BTreeSet<_> = found
        .iter()
        .flat_map(|finding| {
            let json = serde_json::to_value(finding.to_json()).expect("JSON");
            json.as_object().expect("an object").keys().cloned().collect::<Vec<_>>()
        })
        .collect();
    assert!(fields.len() > 25, "{fields:?}");
    let undocumented: Vec<_> = fields.iter().filter(|field| !RULES_PAGE.contains(&format!("`{field}`"))).collect();
    assert_eq!(undocumented, [""; 0]);
}
