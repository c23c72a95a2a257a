//! Checks what the template repeats from the code.

use std::collections::BTreeSet;

use trailwarden::telemetry::{Counters, VERSION};

use super::TEMPLATE;

#[test]
fn the_application_has_the_version_of_the_package() {
    let (_, version) = TEMPLATE.split_once("    SemanticVersion: ").expect("a version");
    assert_eq!(version.lines().next(), Some(VERSION));
}

/// The names of the metrics in the namespace of the function that alarms and the dashboard name. In a dashboard, `.` repeats
/// the namespace of the metric before.
fn metrics_in_use() -> BTreeSet<&'static str> {
    let alarms = TEMPLATE.split("Namespace: Trailwarden\n      MetricName: ").skip(1);
    let alarms = alarms.filter_map(|rest| rest.lines().next());
    let mut in_dashboard = BTreeSet::new();
    let mut is_own = false;
    for metric in TEMPLATE.split('[').filter(|it| it.starts_with('"')) {
        let quoted: Vec<_> = metric.split('"').skip(1).step_by(2).collect();
        let [namespace, name, ..] = quoted.as_slice() else { continue };
        match *namespace {
            "Trailwarden" => is_own = true,
            "." => {}
            _ => is_own = false,
        }
        if is_own && *name != "." {
            in_dashboard.insert(*name);
        }
    }
    alarms.chain(in_dashboard).collect()
}

#[test]
fn alarms_and_the_dashboard_use_existing_metrics() {
    let counters = Counters::default().metrics().map(|(name, _)| name);
    let existing: BTreeSet<_> = counters.into_iter().chain(["ObjectLag", "AlertLag"]).collect();
    let used = metrics_in_use();
    assert!(used.len() > 15, "{used:?}");
    assert_eq!(used.difference(&existing).collect::<Vec<_>>(), [] as [&&str; 0]);
}
