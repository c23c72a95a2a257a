//! Explanations of codes.

use insta::assert_snapshot;
use trailwarden::alert::explain;
use trailwarden::detect::{
    AlertType, DenialKind, Effect, EsmCategory, EsmChange, FailingCategory, PolicyType, Recovery,
};

use super::{text, trailscan};

fn explained(words: &[&str]) -> String {
    let output = trailscan(&[&["explain"], words].concat());
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{words:?}");
    text(&output.stdout)
}

/// The names of the variants of an enum.
fn variants(file: &str, name: &str) -> Vec<String> {
    let file = syn::parse_file(file).expect("Rust");
    let found = file.items.into_iter().find_map(|item| match item {
        syn::Item::Enum(it) if it.ident == name => Some(it),
        _ => None,
    });
    found.expect("an enum").variants.iter().map(|it| it.ident.to_string()).collect()
}

/// Fails if a variant is missing in `ALL`, from which the explanations are made.
#[test]
fn every_code_that_detection_can_produce_is_explained() {
    macro_rules! codes {
        ($kind:ident, $file:literal) => {{
            let all = $kind::ALL.map(|it| format!("{it:?}")).to_vec();
            assert_eq!(all, variants(include_str!(concat!("../../../src/detect/", $file)), stringify!($kind)));
            $kind::ALL.map(|it| it.as_str()).to_vec()
        }};
    }
    let mut codes = [
        codes!(AlertType, "finding.rs"),
        codes!(EsmCategory, "esm_disabled.rs"),
        codes!(FailingCategory, "esm_failing.rs"),
        codes!(EsmChange, "esm_changed.rs"),
        codes!(Recovery, "esm_recovered.rs"),
        codes!(DenialKind, "access_denied.rs"),
        vec!["many_mappings", "many_denials"],
        codes!(PolicyType, "denial_message.rs"),
        codes!(Effect, "denial_message.rs"),
    ]
    .concat();
    codes.extend(DenialKind::ALL.into_iter().flat_map(DenialKind::codes));
    let all = explain::all();
    assert_eq!(all.iter().map(|it| it.code.as_str()).collect::<Vec<_>>(), codes);
    let list = explained(&[]);
    for explanation in all {
        let line = format!("  {} ", explanation.code);
        assert!(list.lines().any(|it| format!("{it} ").starts_with(&line)), "{line} is not listed");
        for spelled in [explanation.code.to_lowercase(), explanation.code.to_uppercase()] {
            assert!(explain::find(&spelled).contains(&explanation), "{spelled}");
        }
    }
}

#[test]
fn explanations_are_complete_and_narrow() {
    for explanation in explain::all() {
        let text = explanation.to_string();
        let (before, steps) = text.split_once("\n\nWhat to do\n  1. ").expect("steps");
        assert!(before.contains("\n\nWhat it means\n  "), "{text}");
        assert!(!steps.is_empty() && !text.contains("..") && !text.contains("  \n"), "{text}");
        let is_command = |line: &str| line.trim_start().starts_with("aws ");
        assert!(text.lines().all(|line| line.len() <= 100 || is_command(line)), "{text}");
    }
}

#[test]
fn an_explanation_says_what_to_do() {
    assert_snapshot!(explained(&["authorization_error"]), @r#"
    AUTHORIZATION_ERROR (category of esm_disabled)

    AWS disabled the event source mapping: the permissions to read the event source are missing or
    incorrect.

    What it means
      Until the mapping is enabled again, messages accumulate in the queue and eventually expire.
      Until the mapping is enabled again, records remain unprocessed in the stream and eventually
      expire.
      An SQS queue keeps messages for 4 days unless it is configured otherwise, and for 14 days at most.
      A Kinesis stream keeps records for 24 hours unless it is configured otherwise, and for 365 days at
      most. A DynamoDB stream keeps records for 24 hours. Expired messages and records are lost.

    What to do
      1. Check the state of the mapping:
         aws lambda list-event-source-mappings --region REGION --query "EventSourceMappings[?State=='Disabled']"
      2. Grant the function's execution role the permissions to read the event source and, for a queue,
         to delete messages. If the source is encrypted with a KMS key, also grant kms:Decrypt. To find
         the role:
         aws lambda get-function-configuration --region REGION --function-name FUNCTION --query "Role"
      3. For an SQS queue, grant the permissions to read the event source: sqs:ReceiveMessage,
         sqs:DeleteMessage and sqs:GetQueueAttributes.
      4. For a Kinesis stream, grant the permissions to read the event source: kinesis:DescribeStream,
         kinesis:DescribeStreamSummary, kinesis:GetRecords, kinesis:GetShardIterator, kinesis:ListShards
         and kinesis:SubscribeToShard.
      5. For a DynamoDB stream, grant the permissions to read the event source: dynamodb:DescribeStream,
         dynamodb:GetRecords, dynamodb:GetShardIterator and dynamodb:ListStreams.
      6. Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed:
         aws lambda update-event-source-mapping --region REGION --uuid UUID --enabled
      7. To see how many messages are in a queue, and for how many seconds it keeps them:
         aws sqs get-queue-attributes --region REGION --queue-url QUEUE_URL --attribute-names ApproximateNumberOfMessages MessageRetentionPeriod
      8. To see for how many hours a Kinesis stream keeps records:
         aws kinesis describe-stream-summary --region REGION --stream-name STREAM --query StreamDescriptionSummary.RetentionPeriodHours
    "#);
    assert_snapshot!(explained(&["service", "control", "policy"]), @"
    service control (policy_type)

    Service control policy: the policy that denied the call. It limits what the users and roles in the
    accounts of an organization can do. It grants no permissions.

    What it means
      The call failed and changed nothing.
      AWS names one type of policy even if several types deny the call, so another policy may have to
      change as well.

    What to do
      1. Show the policy:
         aws organizations list-policies-for-target --target-id ACCOUNT --filter SERVICE_CONTROL_POLICY
      2. With policy_effect implicit, no policy of this type allows the action. If this call should
         work, allow the action in the organization's service control policies.
      3. With policy_effect explicit, a policy of this type denies the action. If this call should work,
         change the statement that denies the action in the organization's service control policies. An
         explicit deny overrides any allow in another policy.
      4. If this call was unexpected, find out who made it:
         aws cloudtrail lookup-events --region REGION --lookup-attributes AttributeKey=EventId,AttributeValue=EVENT_ID
    ");
    assert_snapshot!(explained(&["Client.UnauthorizedOperation"]), @"
    UnauthorizedOperation (error_code, category policy)

    EC2 denied the call, because a policy does not allow it.

    What it means
      The call failed and changed nothing. If a deployment or a function made it, that work was not
      done. Many different denials of one caller can be the work of a scanner or of somebody with stolen
      credentials.

    What to do
      1. Decode the message at the end of the error message, which names the policies. CloudTrail may
         have cut it:
         aws sts decode-authorization-message --encoded-message MESSAGE --query DecodedMessage --output text
      2. If this call should work, change the policy that policy_type and policy_arn in the finding
         name. If they are missing, check the policies of the caller, then those of the resource.
      3. If this call was unexpected, find out who made it:
         aws cloudtrail lookup-events --region REGION --lookup-attributes AttributeKey=EventId,AttributeValue=EVENT_ID
    ");
}

/// The codes that are explained for some words: the first words of the lines without indentation that name a group.
fn codes(words: &[&str]) -> Vec<String> {
    let text = explained(words);
    let headings = text.lines().filter(|line| line.ends_with(')') && !line.starts_with(' '));
    headings.map(|line| line.rsplit_once(" (").expect("a group").0.to_owned()).collect()
}

#[test]
fn reasons_and_messages_are_recognized() {
    assert_eq!(codes(&["AUTHORIZATION_ERROR:", "the", "role"]), ["AUTHORIZATION_ERROR"]);
    assert_eq!(codes(&["Lambda Function not found"]), ["FUNCTION_NOT_FOUND"]);
    assert_eq!(codes(&["LambdaESMDisabled"]), ["esm_disabled"]);
    assert_eq!(codes(&["scp"]), ["service control"]);
    assert_eq!(codes(&["disabled"]), ["disabled", "disabled"]);
    assert_eq!(codes(&["NewServiceAccessDenied"]), ["NewServiceAccessDenied"]);
    let user = "User: arn:aws:iam::111122223333:user/ana is not authorized to perform: s3:GetObject";
    assert_eq!(codes(&[user]), ["policy"]);
    let why = "because no session policy allows the s3:GetObject action";
    assert_eq!(codes(&[&format!("{user} on resource: \"arn:aws:s3:::b/k\" {why}")]), ["session", "implicit"]);
}

#[test]
fn an_unknown_code_is_an_error_that_names_the_nearest() {
    let error = |code: &str| {
        let output = trailscan(&["explain", code]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()), "{code}");
        text(&output.stderr)
    };
    assert_snapshot!(error("AUTHORISATION_EROR"), @"
    trailscan: unknown code AUTHORISATION_EROR
      did you mean AUTHORIZATION_ERROR?
      `trailscan explain` lists all codes
    ");
    assert_snapshot!(error("AccesDenied"), @"
    trailscan: unknown code AccesDenied
      did you mean AccessDenied?
      `trailscan explain` lists all codes
    ");
    assert_snapshot!(error("nonsense"), @"
    trailscan: unknown code nonsense
      `trailscan explain` lists all codes
    ");
    assert!(!error("AccessDenied\u{1b}[31m").contains('\u{1b}'));
}
