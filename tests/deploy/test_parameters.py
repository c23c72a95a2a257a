"""Parameters that change resources, deployed together, and the alarms of the stack."""

from __future__ import annotations

import json

from conftest import ACCOUNT, REGION, Stack, disabled_mapping, last_metrics, log_file

from local import stack

ORGANIZATION = "o-abcdefghij"


def test_an_encrypted_stack_of_an_organization_publishes_alerts(deployed: Stack) -> None:
    outputs = stack.deploy(
        deployed.emulator, stack.BUILD / "template.yaml", "trailwarden-hardened",
        DeliveryMode="NewTrailQueued", BucketSuffix="-hardened", OrganizationId=ORGANIZATION,
        EncryptionKey="create", RolePath="/trailwarden/", ReservedConcurrency="5", FunctionLogRetentionDays="7",
        PermissionsBoundaryArn="arn:aws:iam::aws:policy/PowerUserAccess", AlarmEmail="alarms@example.com",
    )  # fmt: skip
    assert ":role/trailwarden/" in outputs["FunctionRoleArn"]
    hardened = Stack(deployed.emulator, outputs)
    key = f"AWSLogs/{ORGANIZATION}/{ACCOUNT}/CloudTrail/{REGION}/2026/01/02/a.json.gz"
    deployed.emulator.client("s3").put_object(
        Bucket=outputs["TrailBucketName"], Key=key, Body=log_file(disabled_mapping("orders"))
    )
    (alert,) = hardened.alerts()
    assert alert["Subject"] == f"Stopped: orders-queue -> orders AUTHORIZATION_ERROR {ACCOUNT} {REGION}"


def test_each_alarm_is_sent(deployed: Stack) -> None:
    url = deployed.subscribe("AlarmTopicArn")
    cloudwatch = deployed.emulator.client("cloudwatch")
    topic = deployed.outputs["AlarmTopicArn"]
    alarms = [it for it in cloudwatch.describe_alarms()["MetricAlarms"] if topic in it["AlarmActions"]]
    # Missing data causes the alarm about digests, and the emulator does not evaluate missing data.
    counted = [it for it in alarms if it["TreatMissingData"] == "notBreaching"]
    assert len(counted) == len(alarms) - 1 == 11
    deployed.put(log_file(disabled_mapping("counted")))
    deployed.alerts()
    own = {it["MetricName"] for it in alarms if it["Namespace"] == "Trailwarden"}
    assert own - last_metrics(deployed).keys() == set()
    for alarm in counted:
        datum = {"MetricName": alarm["MetricName"], "Dimensions": alarm["Dimensions"], "Value": alarm["Threshold"] + 1}
        cloudwatch.put_metric_data(Namespace=alarm["Namespace"], MetricData=[datum])
    cloudwatch.describe_alarms()
    sent = [json.loads(it["Message"]) for it in deployed.received(url, len(counted))]
    assert sorted(it["AlarmName"] for it in sent) == sorted(it["AlarmName"] for it in counted)
    assert {it["NewStateValue"] for it in sent} == {"ALARM"}
