//! Properties of every rule, coverage of the CIS benchmark, and real trails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Value, json};
use trailwarden::detect::{Detector, Finding, FindingKind};
use trailwarden::rules::Rules;
use trailwarden::triage::suppressing_rule;

use super::records::{by, call, failed, iam_user, root, with};
use super::{Case, cases};
use crate::docs::RULES_PAGE;
use crate::fixture::findings;
use crate::fixture::records::ACCOUNT;
use crate::oracle;

const PACK: &str = include_str!("../../../rules/security.json");

/// Rules about attempts: they match failed calls too.
const ATTEMPTS: [&str; 3] = ["root-use", "console-sign-in-failed", "organization-leave-attempted"];

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::parse(PACK).expect("valid rules"));

/// The findings in a record, with the default settings: services that the rules name are examined without any setting.
fn findings_in(record: &Value) -> Vec<Finding> {
    findings::findings(&Detector::default(), &RULES.watch, "s3://trail/key", record)
}

/// Names of the rules that match a record, in the order of the file.
fn matching(record: &Value) -> Vec<String> {
    let rule = |finding: Finding| match finding.kind {
        FindingKind::Watched(watched) => Some(watched.rule),
        _ => None,
    };
    findings_in(record).into_iter().filter_map(rule).collect()
}

fn is_matched(rule: &str, record: &Value) -> bool {
    matching(record).iter().any(|it| it == rule)
}

fn pack() -> Vec<Value> {
    let pack: Value = serde_json::from_str(PACK).expect("JSON");
    pack["watch"].as_array().expect("a list").clone()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

#[test]
fn each_rule_matches_its_events_and_ignores_similar_ones() {
    for Case { rule, matches, ignores } in cases() {
        for record in matches {
            assert!(is_matched(rule, &record), "{rule} does not match {record}");
        }
        for record in ignores {
            assert!(!is_matched(rule, &record), "{rule} matches {record}");
        }
    }
}

#[test]
fn every_rule_is_tested_with_a_match_and_two_near_misses() {
    let rules = pack();
    let names: Vec<&str> = rules.iter().map(|rule| text(&rule["name"])).collect();
    assert_eq!(cases().iter().map(|case| case.rule).collect::<Vec<_>>(), names, "one case per rule, in the same order");
    for Case { rule, matches, ignores } in cases() {
        assert!(!matches.is_empty() && ignores.len() >= 2, "{rule} needs a match and at least two near misses");
    }
}

#[test]
fn an_event_matches_one_rule_unless_the_root_user_made_the_call() {
    for record in cases().into_iter().flat_map(|case| case.matches) {
        let rules: Vec<_> = matching(&record).into_iter().filter(|it| it != "root-use").collect();
        assert!(rules.len() <= 1, "{rules:?} all match {record}");
    }
    let record = by(root(), call("iam", "CreateAccessKey", Value::Null));
    assert_eq!(matching(&record), ["root-use", "root-access-key-created"]);
}

#[test]
fn failed_calls_match_only_rules_about_attempts() {
    for Case { rule, matches, .. } in cases() {
        // Sign-ins have no error code: their result is in `responseElements`.
        for record in matches.into_iter().filter(|it| it["eventSource"] != "signin.amazonaws.com").map(failed) {
            assert_eq!(is_matched(rule, &record), ATTEMPTS.contains(&rule), "{rule} {record}");
        }
    }
}

#[test]
fn the_same_event_name_of_another_service_matches_no_rule() {
    for record in cases().into_iter().flat_map(|case| case.matches) {
        let record = with(record, json!({"eventSource": "example.amazonaws.com"}));
        assert_eq!(matching(&record), [""; 0], "{record}");
    }
}

/// The function examines the services that are literals in `eventSource` at the top level of a pattern.
#[test]
fn every_rule_names_its_event_sources() {
    for rule in pack() {
        let sources = rule["pattern"]["eventSource"].as_array().unwrap_or_else(|| panic!("no event source in {rule}"));
        assert!(sources.iter().all(|it| it.as_str().is_some_and(|it| it.ends_with(".amazonaws.com"))), "{rule}");
    }
}

/// The metric filters of the CIS AWS Foundations Benchmark v3.0.0, section 4, without the calls of EC2-Classic, which
/// no longer exist. 4.2, 4.3 and 4.6 are about sign-ins and the root user and have their own cases. 4.1 (unauthorized
/// calls) is built-in detection, and 4.16 (Security Hub is enabled) has no filter.
#[test]
fn every_event_of_the_cis_filters_is_watched() {
    for (control, service, names) in [
        (
            "4.4",
            "iam",
            "AttachGroupPolicy AttachRolePolicy AttachUserPolicy CreatePolicy CreatePolicyVersion DeleteGroupPolicy \
             DeletePolicy DeletePolicyVersion DeleteRolePolicy DeleteUserPolicy DetachGroupPolicy DetachRolePolicy \
             DetachUserPolicy PutGroupPolicy PutRolePolicy PutUserPolicy",
        ),
        ("4.5", "cloudtrail", "CreateTrail DeleteTrail StartLogging StopLogging UpdateTrail"),
        ("4.7", "kms", "DisableKey ScheduleKeyDeletion"),
        (
            "4.8",
            "s3",
            "DeleteBucketCors DeleteBucketLifecycle DeleteBucketPolicy DeleteBucketReplication PutBucketAcl \
             PutBucketCors PutBucketLifecycle PutBucketPolicy PutBucketReplication",
        ),
        (
            "4.9",
            "config",
            "DeleteDeliveryChannel PutConfigurationRecorder PutDeliveryChannel StopConfigurationRecorder",
        ),
        (
            "4.10",
            "ec2",
            "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateSecurityGroup DeleteSecurityGroup \
             RevokeSecurityGroupEgress RevokeSecurityGroupIngress",
        ),
        (
            "4.11",
            "ec2",
            "CreateNetworkAcl CreateNetworkAclEntry DeleteNetworkAcl DeleteNetworkAclEntry \
             ReplaceNetworkAclAssociation ReplaceNetworkAclEntry",
        ),
        (
            "4.12",
            "ec2",
            "AttachInternetGateway CreateCustomerGateway CreateInternetGateway DeleteCustomerGateway \
             DeleteInternetGateway DetachInternetGateway",
        ),
        (
            "4.13",
            "ec2",
            "CreateRoute CreateRouteTable DeleteRoute DeleteRouteTable DisassociateRouteTable ReplaceRoute \
             ReplaceRouteTableAssociation",
        ),
        (
            "4.14",
            "ec2",
            "AcceptVpcPeeringConnection CreateVpc CreateVpcPeeringConnection DeleteVpc DeleteVpcPeeringConnection \
             ModifyVpcAttribute RejectVpcPeeringConnection",
        ),
        (
            "4.15",
            "organizations",
            "AcceptHandshake AttachPolicy CreateAccount CreateOrganizationalUnit CreatePolicy DeclineHandshake \
             DeleteOrganization DeleteOrganizationalUnit DeletePolicy DetachPolicy DisablePolicyType EnablePolicyType \
             InviteAccountToOrganization LeaveOrganization MoveAccount RemoveAccountFromOrganization \
             UpdateOrganizationalUnit UpdatePolicy",
        ),
    ] {
        for name in names.split_whitespace() {
            assert_eq!(matching(&call(service, name, json!({}))).len(), 1, "CIS {control}: {service} {name}");
        }
    }
}

/// A longer title is truncated in the subject of the alert.
#[test]
fn titles_fit_in_the_subject() {
    for rule in pack() {
        assert!(text(&rule["title"]).len() <= 40, "{rule}");
    }
}

#[test]
fn the_documentation_lists_every_rule_and_every_service() {
    let documented: Vec<(&str, &str)> = RULES_PAGE
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            match cells.as_slice() {
                [name, _, _, severity] => Some((name.strip_prefix('`')?.strip_suffix('`')?, *severity)),
                _ => None,
            }
        })
        .collect();
    let rules = pack();
    let expected: Vec<_> = rules.iter().map(|rule| (text(&rule["name"]), text(&rule["severity"]))).collect();
    assert_eq!(documented, expected);

    let sources: BTreeSet<&str> = rules
        .iter()
        .flat_map(|rule| rule["pattern"]["eventSource"].as_array().expect("event sources"))
        .map(|source| text(source).strip_suffix(".amazonaws.com").expect("a service"))
        .collect();
    let list: Vec<String> = sources.iter().map(|source| format!("`{source}`")).collect();
    let unwrapped = RULES_PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unwrapped.contains(&list.join(", ")), "the page must list {}", list.join(", "));
}

#[test]
fn the_documented_suppression_hides_only_policy_changes_of_the_deployment_role() {
    let (_, tuning) = RULES_PAGE.split_once("\n### Tuning\n").expect("the section");
    let example = tuning.split("```json\n").nth(1).and_then(|it| it.split("```").next()).expect("an example");
    let suppress = Rules::parse(example).expect("valid rules").suppress;
    let deployer = json!({
        "type": "AssumedRole", "principalId": "AROAEXAMPLE000000001:run-7", "accountId": ACCOUNT,
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/deployer/run-7"),
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{ACCOUNT}:role/deployer")}}
    });
    let policy_change = call("iam", "PutRolePolicy", json!({"roleName": "app", "policyName": "app"}));
    for (record, expected) in [
        (by(deployer.clone(), policy_change.clone()), true),
        (by(iam_user(), policy_change), false),
        (by(deployer, call("cloudtrail", "StopLogging", json!({"name": "main"}))), false),
    ] {
        let findings = findings_in(&record);
        let [finding] = findings.as_slice() else { panic!("one finding of {record}") };
        let rule = suppressing_rule(&suppress, finding, record.to_string().as_bytes());
        assert_eq!(rule.is_some(), expected, "{record}");
    }
}

/// A rule that matches more than one in fifty records of a trail is noise, and a call that reads or fails is not a
/// change. See [`oracle::corpus`].
#[test]
fn real_trails_match_rarely_and_only_with_changes() {
    const ONE_IN: usize = 50;
    let records: Vec<Value> = oracle::corpus().iter().flat_map(|stored| oracle::records(stored)).collect();
    let mut hits: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for record in &records {
        for rule in matching(record) {
            if !ATTEMPTS.contains(&rule.as_str()) {
                assert!(record["errorCode"].is_null() && record["readOnly"] != true, "{rule} matches {record}");
            }
            let name = record["eventName"].as_str().unwrap_or_default().to_owned();
            *hits.entry(rule).or_default().entry(name).or_default() += 1;
        }
    }
    for (rule, names) in &hits {
        eprintln!("{rule}: {names:?}");
        let total: usize = names.values().sum();
        assert!(total * ONE_IN <= records.len().max(1_000), "{rule} matches too often: {names:?}");
    }
    eprintln!("{} of {} rules match {} records", hits.len(), pack().len(), records.len());
}
