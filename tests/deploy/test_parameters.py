"""Parameters that change resources, deployed together, and how the stack watches itself."""

from __future__ import annotations

import datetime
import json
import re
import time
from typing import Any

import pytest
from conftest import ACCOUNT, REGION, Stack, disabled_mapping, log_file

from local import stack

ORGANIZATION = "o-abcdefghij"


@pytest.fixture(scope="module")
def hardened(deployed: Stack) -> Stack:
    """A stack for an organization, with a queue, that uses every parameter about security."""
    deployed.emulator.client("s3").create_bucket(Bucket="access-logs")
    outputs = stack.deploy(
        deployed.emulator, stack.BUILD / "template.yaml", "trailwarden-hardened",
        DeliveryMode="NewTrailQueued", BucketSuffix="-hardened", OrganizationId=ORGANIZATION, ManagementAccountId="444455556666",
        AccessLogBucketName="access-logs",
        EncryptionKey="create", RolePath="/trailwarden/", ReservedConcurrency="5", FunctionLogRetentionDays="7",
        PermissionsBoundaryArn="arn:aws:iam::aws:policy/PowerUserAccess", AlarmEmail="alarms@example.com",
        SweepMinutes="30", SweepAccounts="*", SweepRegions="*", MemberRoleName="audit/reader",
    )  # fmt: skip
    return Stack(deployed.emulator, outputs)


def test_an_encrypted_stack_of_an_organization_publishes_alerts(hardened: Stack) -> None:
    assert ":role/trailwarden/" in hardened.outputs["FunctionRoleArn"]
    key = f"AWSLogs/{ORGANIZATION}/{ACCOUNT}/CloudTrail/{REGION}/2026/01/02/a.json.gz"
    hardened.emulator.client("s3").put_object(
        Bucket=hardened.outputs["TrailBucketName"], Key=key, Body=log_file(disabled_mapping("orders"))
    )
    (alert,) = hardened.alerts()
    assert alert["Subject"] == f"Stopped: orders-queue -> orders AUTHORIZATION_ERROR {ACCOUNT} {REGION}"


def test_sweeps_are_scheduled(hardened: Stack) -> None:
    scheduler = hardened.emulator.client("scheduler")
    found = [it for it in scheduler.list_schedules()["Schedules"] if hardened.outputs["FunctionName"] in it["Target"]["Arn"]]
    (schedule,) = [scheduler.get_schedule(Name=it["Name"], GroupName=it["GroupName"]) for it in found]
    assert schedule["ScheduleExpression"] == "rate(30 minutes)"
    # No digest has arrived, so there is nothing to sweep yet. This is an error, so that an alarm reports it.
    response, error = hardened.invoke(json.loads(schedule["Target"]["Input"]))
    assert error and response["errorMessage"] == "sweep failed: sweep: no accounts and Regions to sweep"
    digest = f"AWSLogs/{ORGANIZATION}/{ACCOUNT}/CloudTrail-Digest/{REGION}/2026/01/02/a.json.gz"
    hardened.emulator.client("s3").put_object(Bucket=hardened.outputs["TrailBucketName"], Key=digest, Body=b"")
    for _ in range(60):
        response, error = hardened.invoke(json.loads(schedule["Target"]["Input"]))
        if not error:
            break
        time.sleep(1)
    assert (response["places"], response["failed"]) == (1, [])


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"DeliveryMode": "EventBridge"}, "TrailBucketName is required"),
        ({"DeliveryMode": "Sns", "TrailBucketName": "trail"}, "TrailTopicArn is required"),
        ({"DeliveryMode": "EventBridge", "TrailBucketName": "trail", "TrailBucketRegion": "eu-west-1"}, "must be in the Region"),
        ({"DeliveryMode": "EventBridge", "TrailBucketName": "trail", "TrailBucketOwner": "444455556666"}, "must be in the account"),
        ({"DeliveryMode": "Sqs", "TrailBucketName": "trail", "TrailBucketRegion": "eu-west-1"}, "must be in the Region"),
        ({"ManagementAccountId": "444455556666"}, "requires OrganizationId"),
        ({"SweepAccounts": "*", "SilenceAlarm": "off"}, "require SilenceAlarm=on"),
        ({"ChatButtons": "on"}, "ChatButtons requires ChatTopic=on"),
    ],
)
def test_parameters_that_do_not_fit_together_are_rejected(deployed: Stack, parameters: dict[str, str], problem: str) -> None:
    with pytest.raises(stack.Failed, match=problem):
        stack.deploy(deployed.emulator, stack.BUILD / "template.yaml", "trailwarden-invalid", **parameters)


@pytest.mark.parametrize("fixture", ["deployed", "hardened"])
def test_each_alarm_is_sent(fixture: str, request: pytest.FixtureRequest) -> None:
    watched: Stack = request.getfixturevalue(fixture)
    cloudwatch = watched.emulator.client("cloudwatch")
    topic = watched.outputs["AlarmTopicArn"]
    pages = cloudwatch.get_paginator("describe_alarms").paginate()
    alarms = [it for page in pages for it in page["MetricAlarms"] if topic in it["AlarmActions"]]
    kinds = {re.sub(r".*-(\w+Alarm)-.*", r"\1", it["AlarmName"]) for it in alarms}
    assert {"DeadLetterAlarm", "BacklogAlarm"} <= kinds if fixture == "hardened" else "ChatDeliveryAlarm" in kinds
    names = {value.rsplit(":", 1)[-1].rsplit("/", 1)[-1] for value in watched.outputs.values()}
    # The emulator ignores the dimensions of an alarm, so they are compared here, and the stacks share their metrics.
    assert {dimension["Value"] for alarm in alarms for dimension in alarm["Dimensions"]} <= names
    for alarm in alarms:
        cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="test")
    url = watched.subscribe("AlarmTopicArn")
    for alarm in alarms:
        cloudwatch.put_metric_data(Namespace=alarm["Namespace"], MetricData=alarming(alarm))
    cloudwatch.describe_alarms()
    sent = [json.loads(it["Message"]) for it in watched.received(url, len(alarms))]
    assert sorted(it["AlarmName"] for it in sent) == sorted(it["AlarmName"] for it in alarms)
    assert {it["NewStateValue"] for it in sent} == {"ALARM"}


def alarming(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """A value beyond the threshold for each period that the alarm evaluates."""
    beyond = -1 if alarm["ComparisonOperator"] == "LessThanThreshold" else 1
    now = datetime.datetime.now(datetime.UTC)
    return [
        {
            "MetricName": alarm["MetricName"],
            "Dimensions": alarm["Dimensions"],
            "Timestamp": now - datetime.timedelta(seconds=n * alarm["Period"]),
            "Value": alarm["Threshold"] + beyond,
        }
        for n in range(alarm["EvaluationPeriods"])
    ]


@pytest.mark.parametrize("fixture", ["deployed", "hardened"])
def test_the_dashboard_shows_the_resources_of_the_stack(fixture: str, request: pytest.FixtureRequest) -> None:
    shown: Stack = request.getfixturevalue(fixture)
    dashboard = shown.emulator.client("cloudwatch").get_dashboard(DashboardName=shown.outputs["DashboardName"])
    widgets = json.loads(dashboard["DashboardBody"])["widgets"]
    assert [it["properties"]["title"] for it in widgets] == [
        "Alarms", "Findings by type", "Top categories", "Findings by account", "Delivery lag", "Alerts", "Failures", "Queues", "What it costs",
    ]  # fmt: skip
    body = dashboard["DashboardBody"]
    assert body.count(shown.outputs["FunctionName"]) >= 6
    assert "${" not in body
    queue = shown.outputs.get("TrailQueueArn", "none").rsplit(":", 1)[-1]
    assert f'"{queue}"' in body
