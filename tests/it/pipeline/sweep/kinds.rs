//! Mappings of every kind in every state.

use trailwarden::detect::FailingCategory;
use trailwarden::sweep::{FilterError, Mapping};

use super::{here, pass, sweep};
use crate::fixture::Fixture;
use crate::fixture::records::mapping_uuid;

/// Kinds of mappings: the name and the ARN of the event source. Self-managed Kafka has none.
const KINDS: [(&str, &str); 20] = [
    ("standard queue", "arn:aws:sqs:us-east-1:111122223333:orders"),
    ("FIFO queue", "arn:aws:sqs:us-east-1:111122223333:orders.fifo"),
    ("queue of another account", "arn:aws:sqs:us-east-1:444455556666:orders"),
    ("queue in China", "arn:aws-cn:sqs:cn-north-1:111122223333:orders"),
    ("queue in GovCloud", "arn:aws-us-gov:sqs:us-gov-west-1:111122223333:orders"),
    ("Kinesis stream", "arn:aws:kinesis:us-east-1:111122223333:stream/clicks"),
    ("Kinesis consumer", "arn:aws:kinesis:us-east-1:111122223333:stream/clicks/consumer/c:1700000000"),
    ("Kinesis stream of another account", "arn:aws:kinesis:us-east-1:444455556666:stream/clicks"),
    ("DynamoDB stream", "arn:aws:dynamodb:us-east-1:111122223333:table/T/stream/2026-01-01T00:00:00.000"),
    (
        "DynamoDB stream of another account",
        "arn:aws:dynamodb:us-east-1:444455556666:table/T/stream/2026-01-01T00:00:00.000",
    ),
    ("MSK cluster", "arn:aws:kafka:us-east-1:111122223333:cluster/clicks/1-2-3"),
    ("MSK Serverless cluster", "arn:aws:kafka:us-east-1:111122223333:cluster/clicks/1-2-s3"),
    ("MSK VPC connection", "arn:aws:kafka:us-east-1:444455556666:vpc-connection/111122223333/clicks/1-2"),
    ("self-managed Kafka", ""),
    ("ActiveMQ broker", "arn:aws:mq:us-east-1:111122223333:broker:orders:b-1"),
    ("RabbitMQ broker", "arn:aws:mq:us-east-1:111122223333:broker:rabbit:b-2"),
    ("DocumentDB cluster", "arn:aws:rds:us-east-1:111122223333:cluster:documents"),
    ("DocumentDB cluster of another account", "arn:aws:rds:us-east-1:444455556666:cluster:documents"),
    ("a future kind", "arn:aws:future:us-east-1:111122223333:source/x"),
    ("an invalid ARN", "not an ARN"),
];

/// States with their reason, last result and filter criteria error, and the expected alert after two sweeps.
const STATES: [(&str, &str, &str, bool, &str); 20] = [
    ("Enabled", "USER_INITIATED", "OK", false, ""),
    ("Enabled", "User action", "No records processed", false, ""),
    ("Enabled", "", "", false, ""),
    ("Enabled", "User action", "PROBLEM: Function call failed", false, "PROCESSING_PROBLEM"),
    ("Enabled", "User action", "Cluster failed to authorize Lambda", false, "PROCESSING_PROBLEM"),
    ("Enabled", "User action", "OK", true, "FILTER_CRITERIA_ERROR"),
    ("Enabled", "ESM_CONFIG_NOT_VALID", "OK", false, "CONSUMER_STOPPED"),
    ("Enabled", "EVENT_SOURCE_AUTHN_ERROR: credentials", "", false, "CONSUMER_STOPPED"),
    ("Enabled", "EVENT_SOURCE_AUTHZ_ERROR", "", false, "CONSUMER_STOPPED"),
    ("Enabled", "FUNCTION_CONFIG_NOT_VALID", "", false, "CONSUMER_STOPPED"),
    ("Disabled", "User action", "OK", false, ""),
    ("Disabled", "USER_INITIATED", "PROBLEM: Function call failed", true, ""),
    ("Disabled", "Lambda initiated", "OK", false, "UNKNOWN"),
    ("Disabled", "EVENT_SOURCE_AUTHN_ERROR", "OK", false, "UNKNOWN"),
    ("Disabled", "Lambda Function not found", "OK", false, "FUNCTION_NOT_FOUND"),
    ("Disabling", "", "", false, "UNKNOWN"),
    ("Creating", "User action", "PROBLEM: x", true, ""),
    ("Updating", "User action", "PROBLEM: x", true, ""),
    ("Deleting", "Lambda initiated", "", false, ""),
    ("Suspended", "", "OK", false, "UNKNOWN_STATE"),
];

#[tokio::test(start_paused = true)]
async fn mappings_of_every_kind_are_alerted_by_their_state() {
    for (kind, arn) in KINDS {
        let fixture = Fixture::new();
        fixture.pipeline.api.list.mappings.borrow_mut().insert(here(), vec![]);
        sweep(&fixture).await;
        let mappings = STATES.iter().enumerate().map(|(n, (state, reason, last_result, is_unusable, _))| Mapping {
            uuid: mapping_uuid(n),
            function_arn: Some(format!("arn:aws:lambda:us-east-1:111122223333:function:f{n}:live")),
            event_source_arn: Some(arn.to_owned()).filter(|arn| !arn.is_empty()),
            state: Some((*state).to_owned()),
            reason: Some((*reason).to_owned()).filter(|reason| !reason.is_empty()),
            last_result: Some((*last_result).to_owned()),
            modified: None,
            filter_error: is_unusable
                .then(|| FilterError { code: "FILTER_CRITERIA_KMS_DECRYPT_ERROR".to_owned(), message: "m".to_owned() }),
        });
        fixture.pipeline.api.list.mappings.borrow_mut().insert(here(), mappings.collect());
        for _ in 0..3 {
            pass(16).await;
            sweep(&fixture).await;
        }
        let found: Vec<_> = fixture
            .topic()
            .confirmed()
            .iter()
            .map(|it| {
                let [function, category] = ["function_name", "category"].map(|name| {
                    it.attributes.iter().find(|attribute| attribute.name == name).expect("an attribute").values[0]
                        .clone()
                });
                (function, category)
            })
            .collect();
        let expected = STATES.iter().enumerate().filter(|(_, (.., category))| !category.is_empty());
        let mut expected: Vec<_> =
            expected.map(|(n, (.., category))| (format!("f{n}"), (*category).to_owned())).collect();
        let is_failing = |category: &str| {
            let failing = [
                FailingCategory::ProcessingProblem,
                FailingCategory::FilterCriteriaError,
                FailingCategory::ConsumerStopped,
                FailingCategory::UnknownState,
            ];
            failing.iter().any(|it| it.as_str() == category)
        };
        expected.sort_by_key(|(_, category)| is_failing(category));
        assert_eq!(found, expected, "{kind}");
    }
}
