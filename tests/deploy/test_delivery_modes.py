"""Each delivery mode with a queue, deployed and used."""

from __future__ import annotations

import json

import pytest
from conftest import ACCOUNT, Stack, disabled_mapping, log_file
from delivery import deploy, existing_bucket, notify, shorten_retries, subject


def topic(deployed: Stack, bucket: str) -> str:
    """A topic that the bucket may publish to."""
    sns = deployed.emulator.client("sns")
    arn: str = sns.create_topic(Name=bucket)["TopicArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": arn,
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    return arn


@pytest.fixture(scope="module", params=["NewTrailQueued", "EventBridge", "Sns", "Sqs"])
def mode(request: pytest.FixtureRequest, deployed: Stack) -> Stack:
    if request.param == "NewTrailQueued":
        return deploy(deployed, "NewTrailQueued", "", BucketSuffix="-queued")
    bucket = existing_bucket(deployed, request.param)
    created = {"Events": ["s3:ObjectCreated:*"]}
    if request.param == "EventBridge":
        notify(deployed, bucket, EventBridgeConfiguration={})
        return deploy(deployed, "EventBridge", bucket)
    if request.param == "Sns":
        arn = topic(deployed, bucket)
        notify(deployed, bucket, TopicConfigurations=[{"TopicArn": arn, **created}])
        return deploy(deployed, "Sns", bucket, TrailTopicArn=arn)
    result = deploy(deployed, "Sqs", bucket)
    notify(deployed, bucket, QueueConfigurations=[{"QueueArn": result.outputs["TrailQueueArn"], **created}])
    return result


def test_alerts_arrive_and_a_dead_letter_is_redriven(mode: Stack) -> None:
    shorten_retries(mode)
    for function in ["orders", "returns"]:
        mode.put(log_file(disabled_mapping(function)), f"{function} a+b")
    assert sorted(alert["Subject"] for alert in mode.alerts(2)) == [subject("orders"), subject("returns")]
    with mode.without("S3"):
        mode.put(log_file(disabled_mapping("late")), "late a+b")
        assert mode.wait_for_messages("TrailDeadLetterQueueUrl", 1)
    assert mode.alerts(1, seconds=2) == []
    assert mode.failures(seconds=1) == []

    mode.redrive("TrailRedriveMappingId", "TrailDeadLetterQueueUrl")
    assert [alert["Subject"] for alert in mode.alerts(2, seconds=5)] == [subject("late")]
