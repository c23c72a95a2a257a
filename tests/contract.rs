//! What the documents and the template say is what the code does.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::sync::Arc;

use support::generator::{denied, disabled_mapping, key};
use trailwarden::alert::{Alert, Format};
use trailwarden::detect::Detector;
use trailwarden::rules::Rules;
use trailwarden::settings;
use trailwarden::trail::LogObject;
use trailwarden::triage::{Audience, Triage, WindowLength};

const README: &str = include_str!("../README.md");
const TEMPLATE: &str = include_str!("../template.yaml");

/// Cells of the table of the README whose first column has this heading.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, table) =
        README.split_once(&format!("\n| {heading} | default | meaning |\n|---|---|---|\n")).expect("a table");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn the_settings_of_the_readme_are_those_of_the_code() {
    let documented: Vec<_> = table("name").into_iter().map(|row| (row[0].trim_matches('`'), row[1], row[2])).collect();
    assert_eq!(documented, settings::ALL);
}

#[test]
fn the_template_sets_variables_that_exist() {
    let (_, variables) = TEMPLATE.split_once("        Variables:\n").expect("variables");
    let is_name = |line: &&str| line.starts_with("          ") && !line.starts_with("           ");
    let section = variables.lines().take_while(|line| line.starts_with("          "));
    let names: Vec<_> = section.filter(is_name).filter_map(|line| line.trim().split(':').next()).collect();
    assert_eq!(names.len(), 11);
    assert!(names.iter().all(|name| settings::ALL.iter().any(|(it, _, _)| it == name)));
}

#[test]
fn the_parameters_of_the_readme_are_those_of_the_template() {
    let (_, parameters) = TEMPLATE.split_once("\nParameters:\n").expect("parameters");
    let (parameters, _) = parameters.split_once("\nConditions:\n").expect("conditions");
    let is_name = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let names: Vec<_> = parameters.lines().filter(is_name).map(|line| line.trim().trim_end_matches(':')).collect();
    let documented: Vec<_> = table("parameter").iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(documented, names);
}

#[test]
fn the_alerts_of_the_readme_are_real() {
    let reason = "Lambda does not have required permissions to poll the queue (sqs:ReceiveMessage, sqs:DeleteMessage \
                  and sqs:GetQueueAttributes)";
    let object = LogObject::new("trailwarden-111122223333-us-east-1", key("disabled")).to_string();
    let object = Arc::from(object);
    let mut triage = Triage::new(Audience::All, WindowLength::default());
    let denials = (0..25).map(|n| denied(n, "UpdateFunctionCode", &format!("orders-{}", n % 3)));
    for record in denials.chain([disabled_mapping(5, "shipments", reason)]) {
        let examined =
            Detector::default().examine(record.to_string().as_bytes(), &object, &Rules::default()).expect("a record");
        examined.findings.into_iter().for_each(|finding| triage.add(finding));
    }
    let messages: Vec<_> =
        triage.take_incidents().iter().map(|incident| Alert::of(incident).message(Format::Text)).collect();
    let [disabled, denied] = messages.as_slice() else { panic!("two alerts") };
    let shown = format!("Subject: {}\n\n{}", disabled.subject, disabled.body);
    assert!(README.contains(&shown), "{shown}");
    let (front, _) = denied.body.split_once("  AWS says").expect("the text of AWS");
    let shown = format!("Subject: {}\n\n{front}", denied.subject);
    assert!(README.contains(&shown), "{shown}");
}

#[test]
fn the_examples_of_the_rules_are_rules() {
    let (_, examples) = include_str!("../docs/RULES.md").split_once("\n## Examples\n").expect("examples");
    let blocks: Vec<_> = examples.split("```json\n").skip(1).filter_map(|it| it.split("```").next()).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        Rules::parse(block).expect("rules");
    }
}

/// Reads the Rust and Python files of a folder and of those inside.
fn read_sources(folder: &Path, sources: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.extension().and_then(|it| it.to_str()) {
            Some("rs" | "py") => sources.push(std::fs::read_to_string(&path).expect("a file")),
            _ if path.is_dir() => read_sources(&path, sources),
            _ => {}
        }
    }
}

/// Every test that docs/SEMANTICS.md names exists, and it names one for each statement.
#[test]
fn the_semantics_are_tested() {
    let folders = ["src", "tests"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let mut sources = Vec::new();
    for folder in &folders {
        read_sources(folder, &mut sources);
    }
    let semantics = include_str!("../docs/SEMANTICS.md");
    let statements: Vec<_> = semantics.split("\n- ").skip(1).filter_map(|it| it.split("\n\n").next()).collect();
    let names_of = |statement: &str| -> Vec<_> {
        statement.split('`').skip(1).step_by(2).filter(|it| it.contains('_')).map(str::to_owned).collect()
    };
    let unnamed: Vec<_> = statements.iter().filter(|it| names_of(it).is_empty()).collect();
    assert_eq!(unnamed, [&""; 0], "each statement names its test");
    let names: Vec<_> = statements.iter().flat_map(|it| names_of(it)).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        let definitions = [format!("fn {name}("), format!("def {name}(")];
        let exists = sources.iter().any(|source| definitions.iter().any(|it| source.contains(it)));
        assert!(exists, "{name}");
    }
}
