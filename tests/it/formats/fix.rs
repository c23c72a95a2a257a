//! The statement that would allow a denied call.

use std::fmt::Write as _;

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use trailwarden::alert::{Alert, Format};
use trailwarden::triage::Incident;

use super::checks::assert_valid;
use super::hostile::{ATTACKS, hostile};
use super::{incidents_of, parsed};
use crate::fixture::records::denied;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:111122223333:function:orders";
const NO_IDENTITY: &str = "because no identity-based policy allows the x:Y action";
const NO_RESOURCE: &str = "because no resource-based policy allows the x:Y action";

/// A denial of the role `deployer`, or of another caller.
#[derive(Clone, Copy)]
struct Denial<'a> {
    identity: Option<&'a Value>,
    principal: &'a str,
    action: &'a str,
    resources: &'a [&'a str],
    reason: &'a str,
}

impl Default for Denial<'_> {
    fn default() -> Self {
        Self {
            identity: None,
            principal: "arn:aws:sts::111122223333:assumed-role/deployer/run-1",
            action: "lambda:GetFunction",
            resources: &[FUNCTION],
            reason: NO_IDENTITY,
        }
    }
}

impl Denial<'_> {
    /// The incident of one denial for each resource.
    fn incident(&self) -> Incident {
        let records: Vec<_> = (1..).zip(self.resources).map(|(n, resource)| self.record(n, resource)).collect();
        let mut incidents = incidents_of(&records);
        assert_valid(&incidents);
        assert_eq!(incidents.len(), 1);
        incidents.remove(0)
    }

    fn record(&self, n: u64, resource: &str) -> Value {
        let Self { identity, principal, action, reason, .. } = self;
        let mut record = denied(n, "GetFunction", "orders");
        record["errorMessage"] =
            json!(format!("User: {principal} is not authorized to perform: {action} on resource: {resource} {reason}"));
        if let Some(identity) = identity {
            record["userIdentity"] = (*identity).clone();
        }
        record
    }

    fn fix(&self) -> Option<Value> {
        parsed(&self.incident(), Format::Json).get("fix").cloned()
    }

    /// The first step as text, with the statement.
    fn step(&self) -> String {
        let body = Alert::of(&self.incident()).message(Format::Text).body;
        let (_, steps) = body.split_once("  1. ").expect("a first step");
        let (step, _) = steps.split_once("\n  2. ").expect("a second step");
        step.replace("\n     ", "\n")
    }
}

/// The statement in the text of an alert.
fn statement(incident: &Incident) -> Option<Value> {
    let body = Alert::of(incident).message(Format::Text).body;
    let mut lines = body.lines().skip_while(|line| *line != "     The smallest statement that allows it:");
    lines.nth(1).map(|line| serde_json::from_str(line).expect("JSON"))
}

#[test]
fn each_policy_type_has_its_statement() {
    let trust = ["arn:aws:iam::444455556666:role/audit"];
    let mut shown = String::new();
    for (policy, action, resources) in [
        ("identity-based policy", "lambda:GetFunction", &[FUNCTION][..]),
        ("permissions boundary", "lambda:GetFunction", &[FUNCTION]),
        ("service control policy", "lambda:GetFunction", &[FUNCTION]),
        ("session policy", "lambda:GetFunction", &[FUNCTION]),
        ("VPC endpoint policy", "lambda:GetFunction", &[FUNCTION]),
        ("resource-based policy", "lambda:GetFunction", &[FUNCTION]),
        ("role trust policy", "sts:AssumeRole", &trust),
        ("resource control policy", "lambda:GetFunction", &[FUNCTION]),
    ] {
        let reason = format!("because no {policy} allows the {action} action");
        let denial = Denial { action, resources, reason: &reason, ..Denial::default() };
        writeln!(shown, "{}\n", denial.step()).expect("a string");
    }
    assert_snapshot!(shown, @r#"
    If this call should work, allow it in an identity-based policy of arn:aws:iam::111122223333:role/deployer.
    The smallest statement that allows it:
    {"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": "arn:aws:lambda:us-east-1:111122223333:function:orders"}

    If this call should work, allow it in the permissions boundary of arn:aws:iam::111122223333:role/deployer.
    The smallest statement that allows it:
    {"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": "arn:aws:lambda:us-east-1:111122223333:function:orders"}

    If this call should work, allow it in the service control policies at every level of the organization, from the root to account 111122223333.
    The smallest statement that allows it:
    {"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": "arn:aws:lambda:us-east-1:111122223333:function:orders"}

    If this call should work, allow it in the session policy that was passed when the session was created.
    The smallest statement that allows it:
    {"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": "arn:aws:lambda:us-east-1:111122223333:function:orders"}

    If this call should work, allow it in the VPC endpoint policy.
    The smallest statement that allows it:
    {"Effect": "Allow", "Principal": "*", "Action": "lambda:GetFunction", "Resource": "arn:aws:lambda:us-east-1:111122223333:function:orders", "Condition": {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/deployer"}}}

    If this call should work, allow it in the resource-based policy for arn:aws:lambda:us-east-1:111122223333:function:orders.
    The smallest statement that allows it:
    {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/deployer"}, "Action": "lambda:GetFunction", "Resource": "arn:aws:lambda:us-east-1:111122223333:function:orders"}

    If this call should work, allow it in the trust policy of arn:aws:iam::444455556666:role/audit. The resource is in account 444455556666, so an identity-based policy of the caller must also allow it.
    The smallest statement that allows it:
    {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/deployer"}, "Action": "sts:AssumeRole"}

    If this call should work, allow the action in the organization's resource control policies.
    "#);
}

#[test]
fn an_explicit_deny_has_no_statement_but_names_the_policy() {
    let mut shown = String::new();
    for reason in [
        "with an explicit deny in an identity-based policy: arn:aws:iam::111122223333:policy/P",
        "with an explicit deny in a permissions boundary: arn:aws:iam::111122223333:policy/P",
        "with an explicit deny in a resource control policy: \
         arn:aws:organizations::999999999999:policy/o-x/resource_control_policy/p-x",
        "with an explicit deny in an identity-based policy: arn:aws:iam::111122223333:policy/P@evil",
        "with an explicit deny in a VPC endpoint policy",
        "with an explicit deny",
    ] {
        let denial = Denial { reason, ..Denial::default() };
        assert_eq!((denial.fix(), statement(&denial.incident())), (None, None));
        writeln!(shown, "{}", denial.step()).expect("a string");
    }
    assert_snapshot!(shown, @"
    If this call should work, change the statement that denies the action in the identity-based policy arn:aws:iam::111122223333:policy/P. An explicit deny overrides any allow in another policy.
    If this call should work, change the statement that denies the action in the permissions boundary arn:aws:iam::111122223333:policy/P. An explicit deny overrides any allow in another policy.
    If this call should work, change the statement that denies the action in the resource control policy arn:aws:organizations::999999999999:policy/o-x/resource_control_policy/p-x. An explicit deny overrides any allow in another policy.
    If this call should work, change the statement that denies the action in an identity-based policy attached to the user or role. An explicit deny overrides any allow in another policy.
    If this call should work, change the statement that denies the action in the VPC endpoint policy. An explicit deny overrides any allow in another policy.
    If this call should work, change the statement that denies the action. An explicit deny overrides any allow in another policy. The error message does not name the type of policy.
    ");
}

#[test]
fn a_call_to_another_account_needs_two_policies() {
    let other = "arn:aws:sqs:us-east-1:444455556666:orders";
    let objects = ["\"arn:aws:s3:::orders/2026/a\"", "\"arn:aws:s3:::orders/2026/b\""];
    let mut shown = String::new();
    for (resources, reason) in [(&[other][..], NO_IDENTITY), (&[other], NO_RESOURCE), (&objects, NO_RESOURCE)] {
        let action = if resources == objects { "s3:GetObject" } else { "sqs:SendMessage" };
        let denial = Denial { action, resources, reason, ..Denial::default() };
        writeln!(shown, "{}\n", denial.step()).expect("a string");
    }
    assert_snapshot!(shown, @r#"
    If this call should work, allow it in an identity-based policy of arn:aws:iam::111122223333:role/deployer. The resource is in account 444455556666, so its resource-based policy must also allow it.
    The smallest statement that allows it:
    {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-east-1:444455556666:orders"}

    If this call should work, allow it in the resource-based policy for arn:aws:sqs:us-east-1:444455556666:orders. The resource is in account 444455556666, so an identity-based policy of the caller must also allow it.
    The smallest statement that allows it:
    {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/deployer"}, "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-east-1:444455556666:orders"}

    If this call should work, allow it in the resource-based policy for arn:aws:s3:::orders. If the resource is in another account, an identity-based policy of the caller must also allow it.
    The smallest statement that allows it:
    {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/deployer"}, "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::orders/2026/a", "arn:aws:s3:::orders/2026/b"]}
    "#);
}

#[test]
fn a_statement_has_up_to_three_resources() {
    let names: Vec<_> = (0..4).map(|n| format!("{FUNCTION}-{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    for count in 1..=4 {
        let denial = Denial { resources: &names[..count], ..Denial::default() };
        let fix = denial.fix();
        let expected = match count {
            1 => json!(names[0]),
            _ => json!(names[..count]),
        };
        assert_eq!(fix.map(|it| it["statement"]["Resource"].clone()), (count <= 3).then_some(expected), "{count}");
    }
    // Each function has its own resource-based policy.
    assert_eq!(Denial { resources: &names[..2], reason: NO_RESOURCE, ..Denial::default() }.fix(), None);
    // A bucket has one for all its objects.
    assert_eq!(
        Denial {
            resources: &["\"arn:aws:s3:::a/x\"", "\"arn:aws:s3:::b/x\""],
            reason: NO_RESOURCE,
            ..Denial::default()
        }
        .fix(),
        None
    );
}

#[test]
fn a_statement_names_all_resources_only_if_aws_does() {
    let all = Denial { action: "lambda:ListFunctions", resources: &["*"], ..Denial::default() };
    assert_snapshot!(all.step(), @r#"
    If this call should work, allow it in an identity-based policy of arn:aws:iam::111122223333:role/deployer. AWS checked the action on all resources.
    The smallest statement that allows it:
    {"Effect": "Allow", "Action": "lambda:ListFunctions", "Resource": "*"}
    "#);
    for resources in [&["*", FUNCTION][..], &["arn:aws:s3:::bucket/*"], &["arn:aws:s3:::bucket/${aws:username}"]] {
        assert_eq!(Denial { resources, ..Denial::default() }.fix(), None, "{resources:?}");
    }
    assert_eq!(Denial { resources: &["*"], reason: NO_RESOURCE, ..Denial::default() }.fix(), None);
}

#[test]
fn a_statement_is_for_the_role_or_user_that_the_message_names() {
    let attach_to = |identity: Option<&Value>, principal: &str| {
        let fix = Denial { identity, principal, ..Denial::default() }.fix()?;
        fix["attach_to"].as_str().map(str::to_owned)
    };
    let user = "arn:aws:iam::111122223333:user/team/ana";
    let ana = json!({"type": "IAMUser", "arn": user, "userName": "ana"});
    assert_eq!(attach_to(Some(&ana), user).as_deref(), Some(user));
    assert_eq!(attach_to(Some(&ana), "arn:aws:iam::111122223333:user/ana"), None);

    let session = Denial::default().principal;
    let role = |arn: &str| {
        let issuer = json!({"type": "Role", "arn": arn, "userName": "deployer"});
        json!({"type": "AssumedRole", "arn": session, "sessionContext": {"sessionIssuer": issuer}})
    };
    let path = "arn:aws:iam::111122223333:role/ci/deployer";
    assert_eq!(attach_to(Some(&role(path)), session).as_deref(), Some(path));
    for (arn, named) in [
        // A service reports the denial of another role.
        (path, "arn:aws:sts::111122223333:assumed-role/orders-role/orders"),
        (path, "arn:aws:sts::444455556666:assumed-role/deployer/run-1"),
        (path, "deployer"),
        // The policies of these roles cannot be changed.
        ("arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/deployer", session),
        ("arn:aws:iam::111122223333:role/aws-service-role/lambda.amazonaws.com/deployer", session),
        ("arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:root"),
        ("deployer", session),
    ] {
        assert_eq!(attach_to(Some(&role(arn)), named), None, "{arn} {named}");
    }
}

#[test]
fn a_hostile_name_has_no_statement() {
    let names = [
        "x\"y",
        "x y",
        "x`y`",
        "x\ny",
        "$(id)",
        "x\u{202e}y",
        "https://evil.example",
        "x.evil.com",
        "x@evil",
        "x*",
        "x?",
        "${aws:username}",
        "x,y",
        "x\\y",
        "x'y",
        "x<y>",
        "\u{e9}",
    ];
    // The parser trims white space. An ARN in a name has no special characters.
    let attacks = ATTACKS.into_iter().filter(|it| !it.trim().is_empty() && !it.starts_with("arn:"));
    for name in names.into_iter().chain(attacks) {
        for resource in [format!("{FUNCTION}-{name}"), format!("\"arn:aws:s3:::bucket/{name}\""), name.to_owned()] {
            let denial = Denial { resources: &[&resource], ..Denial::default() };
            assert_eq!((denial.fix(), statement(&denial.incident())), (None, None), "{resource:?}");
        }
        let without_colons = name.replace(':', "");
        let role = format!("arn:aws:iam::111122223333:role/{without_colons}");
        let issuer = json!({"type": "Role", "arn": role, "userName": name});
        let identity = json!({"type": "AssumedRole", "sessionContext": {"sessionIssuer": issuer}});
        let principal = format!("arn:aws:sts::111122223333:assumed-role/{without_colons}/run-1");
        let denial = Denial { identity: Some(&identity), principal: &principal, ..Denial::default() };
        assert_eq!(denial.fix(), None, "{principal:?}");
    }
}

#[test]
fn a_statement_has_no_long_name() {
    let longest = format!("{FUNCTION}-{}", "x".repeat(256 - FUNCTION.len() - 1));
    let names = ["a", "b", "c"].map(|end| format!("{}{end}", &longest[..255]));
    let resources = names.each_ref().map(String::as_str);
    let fix = Denial { resources: &resources, ..Denial::default() }.fix().expect("a statement");
    assert!(fix.to_string().len() < 1_500, "{fix}");
    let long = format!("{longest}x");
    assert_eq!(Denial { resources: &[&long], ..Denial::default() }.fix(), None);
}

#[test]
fn only_an_implicit_denial_by_a_known_policy_has_a_statement() {
    for reason in ["", "because no declarative policy allows the x:Y action", "because public policies are prevented"] {
        assert_eq!(Denial { reason, ..Denial::default() }.fix(), None, "{reason}");
    }
    assert_eq!(Denial { action: "Update", ..Denial::default() }.fix(), None);
    let mut record = Denial::default().record(1, FUNCTION);
    record["errorCode"] = json!("KMSAccessDeniedException");
    assert_eq!(parsed(&incidents_of(&[record])[0], Format::Json).get("fix"), None);
}

#[test]
fn a_statement_is_json_in_the_message_for_machines_and_absent_in_chat() {
    let denial = Denial { reason: NO_RESOURCE, ..Denial::default() };
    assert_snapshot!(format!("{:#}", denial.fix().expect("a fix")), @r#"
    {
      "attach_to": "arn:aws:lambda:us-east-1:111122223333:function:orders",
      "policy_type": "resource-based",
      "statement": {
        "Action": "lambda:GetFunction",
        "Effect": "Allow",
        "Principal": {
          "AWS": "arn:aws:iam::111122223333:role/deployer"
        },
        "Resource": "arn:aws:lambda:us-east-1:111122223333:function:orders"
      }
    }
    "#);
    let chat = parsed(&denial.incident(), Format::Chat);
    assert_snapshot!(chat["content"]["nextSteps"][0].as_str().expect("a step"), @"If this call should work, allow it in the resource-based policy for arn:aws:lambda:us-east-1:111122223333:function:orders.");
}

/// The strings in a statement, except for the names of its elements.
fn strings(statement: &Value) -> Vec<&str> {
    match statement {
        Value::String(string) => vec![string],
        Value::Array(values) => values.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => panic!("{statement}"),
    }
}

proptest! {
    #[test]
    fn a_statement_contains_only_the_caller_the_action_and_the_resources(
        names in prop::collection::vec(prop_oneof![
            4 => "[a-z0-9-]{1,20}",
            2 => "[a-zA-Z0-9:/_.-]{1,300}",
            1 => "[!-~]{1,6}",
            1 => hostile(),
        ], 1..5),
        action in "([a-z]{1,8}:[A-Z][A-Za-z]{0,20}|\\PC{1,8})",
        policy in prop::sample::select(vec![
            "identity-based policy", "resource-based policy", "session policy", "VPC endpoint policy", "role trust policy",
            "permissions boundary", "service control policy", "resource control policy",
        ]),
    ) {
        let resources: Vec<_> = names.iter().map(|name| format!("{FUNCTION}{name}")).collect();
        // The parser trims white space.
        let resources: Vec<_> = resources.iter().map(|it| it.trim()).collect();
        let reason = format!("because no {policy} allows the x:Y action");
        let records: Vec<_> = (1..).zip(&resources).map(|(n, resource)| {
            Denial { action: &action, reason: &reason, ..Denial::default() }.record(n, resource)
        }).collect();
        for incident in incidents_of(&records) {
            let Some(statement) = statement(&incident) else { continue };
            let fix = &parsed(&incident, Format::Json)["fix"];
            prop_assert_eq!(&fix["statement"], &statement);
            prop_assert_eq!((&statement["Effect"], &statement["Action"]), (&json!("Allow"), &json!(action)));
            for text in strings(&statement) {
                let is_role = text == "arn:aws:iam::111122223333:role/deployer";
                let is_asserted = text == action || resources.contains(&text);
                let is_anyone = text == "*" && !statement["Condition"].is_null();
                prop_assert!(is_role || is_asserted || is_anyone || text == "Allow", "{}", statement);
                let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
                prop_assert!(is_anyone || text.bytes().all(is_plain) && text.len() <= 256, "{}", statement);
            }
        }
    }
}
