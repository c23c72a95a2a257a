"""Stacks with a delivery mode other than the default, and their queues."""

from __future__ import annotations

import json
from typing import Any

from conftest import ACCOUNT, REGION, Stack

from local import stack


def existing_bucket(deployed: Stack, mode: str) -> str:
    name = f"existing-{mode.lower()}"
    deployed.emulator.client("s3").create_bucket(Bucket=name)
    return name


def deploy(deployed: Stack, mode: str, bucket: str, name: str = "", **parameters: str) -> Stack:
    if bucket:
        parameters["TrailBucketName"] = bucket
    name = name or f"trailwarden-{mode.lower()}"
    outputs = stack.deploy(deployed.emulator, stack.BUILD / "template.yaml", name, DeliveryMode=mode, **parameters)
    return Stack(deployed.emulator, outputs)


def notify(deployed: Stack, bucket: str, **configuration: Any) -> None:
    deployed.emulator.client("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=configuration
    )


def shorten_retries(mode: Stack, visibility_seconds: int = 2, attempts: int = 3) -> None:
    """Makes the queue move a message to the dead-letter queue after a few attempts with short pauses."""
    sqs = mode.emulator.client("sqs")
    url = trail_queue(mode)
    redrive = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    redrive = json.dumps({**json.loads(redrive), "maxReceiveCount": attempts})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(visibility_seconds), "RedrivePolicy": redrive})


def trail_queue(mode: Stack) -> str:
    """URL of the queue that receives the notifications."""
    name = mode.outputs["TrailQueueArn"].rsplit(":", 1)[-1]
    url: str = mode.emulator.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    return url


def subject(function: str) -> str:
    return f"Stopped: {function}-queue -> {function} AUTHORIZATION_ERROR {ACCOUNT} {REGION}"
