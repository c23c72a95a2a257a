"""A bucket, a key and a topic of another account and Region, with the policies that the documentation names."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from conftest import ACCOUNT, REGION, Stack, disabled_mapping, log_file
from delivery import subject

from local import stack

OTHER_ACCOUNT = "444455556666"
OTHER_REGION = "eu-west-1"
PREFIX = "landing-zone/"


class OtherAccount:
    """Clients of another account. The emulator takes the account from the access key."""

    def __init__(self, deployed: Stack, region: str) -> None:
        self.url = deployed.emulator.url
        self.region = region

    def client(self, service: str) -> Any:
        return boto3.client(
            service, endpoint_url=self.url, region_name=self.region, aws_access_key_id=OTHER_ACCOUNT,
            aws_secret_access_key="test", config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip

    def create_bucket(self, name: str) -> None:
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": self.region}} if self.region != REGION else {}
        self.client("s3").create_bucket(Bucket=name, **elsewhere)

    def allow(self, bucket: str, reader: Stack) -> None:
        """Sets the policy of a bucket to the statements in the output of a stack. To the emulator, every caller from another
        account is the account's root user."""
        role, root = reader.outputs["FunctionRoleArn"], f"arn:aws:iam::{ACCOUNT}:root"
        statements = json.loads(reader.outputs["TrailBucketStatements"].replace(role, root))
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        assert policy.count(root) == len(statements) == 2
        self.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)

    def notify(self, bucket: str, **configuration: Any) -> None:
        self.client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)

    def put(self, bucket: str, function: str, prefix: str = "", **arguments: Any) -> None:
        key = f"{prefix}AWSLogs/o-abcdefghij/{ACCOUNT}/CloudTrail/{REGION}/2026/01/02/{function}.json.gz"
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=log_file(disabled_mapping(function)), **arguments)


def deploy(deployed: Stack, name: str, **parameters: str) -> Stack:
    return Stack(deployed.emulator, stack.deploy(deployed.emulator, stack.BUILD / "template.yaml", name, **parameters))


CREATED = {"Events": ["s3:ObjectCreated:*"]}


def test_a_bucket_with_a_key_in_another_account(deployed: Stack) -> None:
    other = OtherAccount(deployed, REGION)
    other.create_bucket("central-trail")
    key = other.client("kms").create_key()["KeyMetadata"]["Arn"]
    own_key = deployed.emulator.client("kms").create_key()["KeyMetadata"]["Arn"]
    own = deployed.emulator.client("s3")
    own.create_bucket(Bucket="rules")
    own.put_object(Bucket="rules", Key="trailwarden/rules.json", Body=b'{"watch": []}')
    central = deploy(
        deployed, "trailwarden-central", DeliveryMode="Sqs", TrailBucketName="central-trail", TrailBucketOwner=OTHER_ACCOUNT,
        TrailKeyPrefix=PREFIX, TrailKmsKeyArn=key, EncryptionKey=own_key, RulesUri="s3://rules/trailwarden/rules.json",
        FastPath="on", SilenceAlarm="off", Dashboard="off",
    )  # fmt: skip
    assert "DashboardName" not in central.outputs
    assert json.loads(central.outputs["TrailKeyStatement"])["Principal"]["AWS"] == central.outputs["FunctionRoleArn"]
    other.allow("central-trail", central)
    other.notify("central-trail", QueueConfigurations=[{"QueueArn": central.outputs["TrailQueueArn"], **CREATED}])
    other.put("central-trail", "central", PREFIX, ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    assert [alert["Subject"] for alert in central.alerts()] == [subject("central")]


@pytest.mark.parametrize("region", [REGION, OTHER_REGION])
def test_a_topic_in_another_account(region: str, deployed: Stack) -> None:
    other = OtherAccount(deployed, region)
    bucket = f"announced-{region}"
    other.create_bucket(bucket)
    topic = other.client("sns").create_topic(Name=bucket)["TopicArn"]
    allowed = [
        {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic},
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sns:Subscribe", "Resource": topic},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    other.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    elsewhere = {"TrailBucketRegion": region} if region != REGION else {}
    announced = deploy(
        deployed, f"trailwarden-{bucket}", DeliveryMode="Sns", TrailTopicArn=topic, TrailBucketName=bucket,
        TrailBucketOwner=OTHER_ACCOUNT, EncryptionKey="create", **elsewhere,
    )  # fmt: skip
    other.allow(bucket, announced)
    # The emulator's CloudFormation does not subscribe to topics of other accounts and Regions.
    raw = {"RawMessageDelivery": "true"}
    queue = announced.outputs["TrailQueueArn"]
    other.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes=raw)
    other.notify(bucket, TopicConfigurations=[{"TopicArn": topic, **CREATED}])
    other.put(bucket, "announced")
    assert [alert["Subject"] for alert in announced.alerts()] == [subject("announced")]
