//! The function's role allows what the code calls, and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{TEMPLATE, files, read, root};

/// The IAM actions that an operation of the SDK needs. Sources: the Service Authorization Reference; "Using API Gateway with
/// transactions" and "Amazon DynamoDB Transactions: How it works" for the actions in a transaction; "`GetObject`" in the
/// Amazon S3 API Reference, for versions and for the response to a missing object.
const NEEDED: &[(&str, &[&str])] = &[
    ("s3:GetObject", &["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"]),
    ("sns:PublishBatch", &["sns:Publish"]),
    ("sns:GetTopicAttributes", &["sns:GetTopicAttributes"]),
    ("dynamodb:GetItem", &["dynamodb:GetItem"]),
    ("dynamodb:UpdateItem", &["dynamodb:UpdateItem"]),
    ("dynamodb:BatchWriteItem", &["dynamodb:BatchWriteItem"]),
    ("dynamodb:PutItem", &["dynamodb:PutItem"]),
    ("dynamodb:Scan", &["dynamodb:Scan"]),
    ("dynamodb:TransactWriteItems", &["dynamodb:PutItem", "dynamodb:UpdateItem"]),
    ("lambda:GetEventSourceMapping", &["lambda:GetEventSourceMapping"]),
    ("lambda:GetFunctionConfiguration", &["lambda:GetFunctionConfiguration"]),
    ("lambda:ListEventSourceMappings", &["lambda:ListEventSourceMappings"]),
    ("lambda:ListTags", &["lambda:ListTags"]),
    (ASSUME_ROLE, &[ASSUME_ROLE]),
];
/// The call that the SDK makes for a member account.
const ASSUME_ROLE: &str = "sts:AssumeRole";
/// Actions that AWS services perform with the role: the poller of an SQS queue, the destination of failed invocations, the log,
/// and encryption with a customer managed key.
const IMPLIED: &[&str] = &[
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:SendMessage",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:DescribeKey",
];

/// The files of a folder and of its subfolders.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let below = |path: PathBuf| if path.is_dir() { files_below(&path) } else { vec![path] };
    files(folder).into_iter().flat_map(below).collect()
}

/// The operations that the code calls on clients of the SDK, such as `s3:GetObject`.
fn operations() -> BTreeSet<String> {
    let mut operations = BTreeSet::new();
    for path in files_below(&root().join("src/aws")) {
        let source = read(&path);
        let (code, _) = source.split_once("#[cfg(test)]").unwrap_or((&source, ""));
        let Some((_, service)) = code.split_once("use aws_sdk_") else { continue };
        let service = service.split("::").next().unwrap_or_default();
        let code: String = code.split_whitespace().collect();
        if code.contains("AssumeRoleProvider::builder(") {
            operations.insert(ASSUME_ROLE.to_owned());
        }
        for call in code.split("client.").skip(1) {
            let name = call.split('(').next().unwrap_or_default();
            let words = name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
            operations.insert(format!("{service}:{}", words.collect::<String>()));
        }
    }
    operations
}

/// The actions in the statements of the function's role.
fn allowed() -> BTreeSet<String> {
    let (_, role) = TEMPLATE.split_once("\n  FunctionRole:\n").expect("the role");
    let (_, policies) = role.split_once("\n      Policies:\n").expect("policies");
    let (policies, _) = policies.split_once("\n  Function:\n").expect("the end of the policies");
    actions_in(policies)
}

fn actions_in(policies: &str) -> BTreeSet<String> {
    let actions = policies.lines().filter_map(|line| line.trim().strip_prefix("Action: "));
    let actions = actions.flat_map(|it| it.trim_matches(['[', ']']).split(", ").map(str::to_owned).collect::<Vec<_>>());
    actions.collect()
}

#[test]
fn the_member_role_allows_only_the_operations_of_lambda() {
    let template = read(&root().join("member-role.yaml"));
    let (_, policies) = template.split_once("\n      Policies:\n").expect("policies");
    let needed = NEEDED.iter().flat_map(|(_, actions)| *actions).filter(|it| it.starts_with("lambda:"));
    assert_eq!(actions_in(policies), needed.map(|action| (*action).to_owned()).collect());
}

#[test]
fn the_role_allows_exactly_what_the_code_calls() {
    let operations = operations();
    let known: BTreeSet<_> = NEEDED.iter().map(|(operation, _)| (*operation).to_owned()).collect();
    assert_eq!(operations, known, "each operation of the code is in the table, and no other");
    let needed = NEEDED.iter().flat_map(|(_, actions)| *actions).chain(IMPLIED);
    let needed: BTreeSet<_> = needed.map(|action| (*action).to_owned()).collect();
    assert_eq!(allowed(), needed);
}
