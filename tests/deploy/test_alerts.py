"""The deployed stack: the formats of its topics, filters of subscriptions, and alerts that are not repeated."""

from __future__ import annotations

import json
import os
import random
import signal
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import ACCOUNT, REGION, Stack, denied, disabled_mapping, last_metrics, log_file

from local import stack

SCHEMA = json.loads((stack.ROOT / "docs" / "event.schema.json").read_text())


def payload(deployed: Stack, *keys: str) -> dict[str, Any]:
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}
    bucket = {"name": deployed.outputs["TrailBucketName"]}
    return {"Records": [{**record, "s3": {"bucket": bucket, "object": {"key": key}}} for key in keys]}


def test_every_topic_gets_its_format(clean: Stack) -> None:
    chat, events = clean.subscribe("ChatTopicArn"), clean.subscribe("EventTopicArn")
    clean.put(log_file(disabled_mapping("orders"), denied("formats")))
    (texts, chats, jsons) = (clean.received(url, 2) for url in (clean.alerts_url, chat, events))
    assert sorted(it["Subject"].split()[0] for it in texts) == ["Denied:", "Stopped:"]
    for notification in (json.loads(it["Message"]) for it in chats):
        assert (notification["version"], notification["source"]) == ("1.0", "custom")
    for event in (json.loads(it["Message"]) for it in jsons):
        jsonschema.validate(event, SCHEMA)
    ids = {json.loads(it["Message"])["metadata"]["threadId"] for it in chats}
    assert ids == {json.loads(it["Message"])["alert_id"] for it in jsons} and len(ids) == 2


@pytest.mark.parametrize(
    ("topic", "scope", "policy"),
    [
        ("AlertTopicArn", "MessageAttributes", {"alert_type": ["esm_disabled"], "severity": ["critical"]}),
        ("AlertTopicArn", "MessageAttributes", {"category": [{"prefix": "AUTH"}]}),
        ("AlertTopicArn", "MessageAttributes", {"region": ["eu-west-1"]}),
        ("EventTopicArn", "MessageBody", {"function_names": ["orders"], "count": [{"numeric": [">=", 1]}]}),
        ("EventTopicArn", "MessageBody", {"error_code": [{"exists": False}], "reason": [{"exists": True}]}),
    ],
)
def test_subscriptions_filter_alerts(clean: Stack, topic: str, scope: str, policy: dict[str, Any]) -> None:
    url = clean.subscribe(topic, FilterPolicy=json.dumps(policy), FilterPolicyScope=scope)
    role = uuid.uuid4().hex
    # The denials are one alert about two Regions.
    clean.put(
        log_file(
            {**disabled_mapping("orders"), "awsRegion": "eu-west-1"}, denied(role), denied(role, awsRegion="ap-south-1")
        )
    )
    assert len(clean.alerts(2)) == 2
    chosen = clean.received(url, 2, seconds=3)
    assert [it["MessageAttributes"]["alert_type"]["Value"] for it in chosen] == ["esm_disabled"]


def test_an_alert_of_several_regions_matches_a_filter_on_each(clean: Stack) -> None:
    url = clean.subscribe("AlertTopicArn", FilterPolicy=json.dumps({"region": ["ap-south-1"]}))
    role = uuid.uuid4().hex
    clean.put(log_file(denied(role), denied(role, awsRegion="ap-south-1")))
    assert len(clean.received(url)) == 1


def test_alerts_are_published_to_a_fifo_topic(clean: Stack) -> None:
    topic = clean.emulator.client("sns").create_topic(Name="alerts.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    url = stack.subscribe(clean.emulator, topic, "fifo")
    role = clean.emulator.client("lambda").get_function_configuration(FunctionName=clean.outputs["FunctionName"])["Role"]
    statement = {"Effect": "Allow", "Action": ["sns:Publish", "sns:PublishBatch"], "Resource": topic}
    clean.emulator.client("iam").put_role_policy(
        RoleName=role.rsplit("/", 1)[-1],
        PolicyName="fifo",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    before = clean.set_environment(ALERT_TOPIC_ARN=topic)
    try:
        clean.put(log_file(disabled_mapping("first"), disabled_mapping("second")))
        functions = sorted(it["Subject"].split()[3] for it in clean.received(url, 2))
    finally:
        clean.restore_environment(before)
    assert functions == ["first", "second"]


def test_a_test_alert_is_published_to_every_topic(clean: Stack) -> None:
    answer, error = clean.invoke({"trailwarden": "test-alert"})
    assert error is None
    assert len(answer["published"]) == 4 and all(it.startswith("[Test] ") for it in answer["published"])
    alerts = clean.alerts(4)
    kinds = sorted(it["MessageAttributes"]["alert_type"]["Value"] for it in alerts)
    assert kinds == ["access_denied", "esm_changed", "esm_disabled", "watch"]
    assert all(it["Message"].startswith("This is a test alert. No action is needed. ") for it in alerts)


def test_a_test_alert_warns_about_topics_without_subscriptions(clean: Stack) -> None:
    topic = clean.emulator.client("sns").create_topic(Name="lonely")["TopicArn"]
    role = clean.emulator.client("lambda").get_function_configuration(FunctionName=clean.outputs["FunctionName"])["Role"]
    iam = clean.emulator.client("iam")
    for actions, warnings in [
        (["sns:Publish", "sns:PublishBatch"], [f"could not check the subscriptions of {topic}: sns:GetTopicAttributes: Authoriz"]),
        (["sns:Publish", "sns:PublishBatch", "sns:GetTopicAttributes"], ["has no subscriptions, so nobody receives its alerts"]),
    ]:
        statement = {"Effect": "Allow", "Action": actions, "Resource": topic}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName=role.rsplit("/", 1)[-1], PolicyName="lonely", PolicyDocument=policy)
        before = clean.set_environment(CHAT_TOPIC_ARN=topic)
        try:
            answer, error = clean.invoke({"trailwarden": "test-alert"})
        finally:
            clean.restore_environment(before)
        assert error is None
        found = [it for it in answer["warnings"] if topic in it]
        assert len(found) == len(warnings) and all(part in it for part, it in zip(warnings, found, strict=True)), found


def test_a_published_alert_is_not_repeated(clean: Stack) -> None:
    key = clean.put(log_file(disabled_mapping("orders"), *(denied("again") for _ in range(5))))
    assert len(clean.alerts(2)) == 2
    for _ in range(3):
        assert clean.invoke(payload(clean, key)) == (None, None)
    assert clean.alerts(1, seconds=2) == []
    clean.put(log_file(*(denied("again") for _ in range(5))))
    (tenth,) = clean.alerts()
    assert " x10 " in tenth["Subject"]
    assert "10 times since 2026-01-02 00:00:00 UTC, most recently 5 times at" in tenth["Message"]


def test_an_alert_is_repeated_if_its_incident_is_deleted_from_the_ledger(clean: Stack) -> None:
    events = clean.subscribe("EventTopicArn")
    key = clean.put(log_file(*(denied("deleted") for _ in range(5))))
    (alert,) = clean.received(events)
    table = clean.outputs["LedgerTableName"]
    clean.emulator.client("dynamodb").delete_item(
        TableName=table, Key={"id": {"S": f"incident#{json.loads(alert['Message'])['alert_id']}"}}
    )
    assert clean.invoke(payload(clean, key)) == (None, None)
    subjects = [it["Subject"] for it in clean.alerts(2)]
    assert len(subjects) == 2 and all(" x5 " in it for it in subjects), subjects


def test_an_event_on_the_fast_path_and_in_a_log_object_is_alerted_once(clean: Stack) -> None:
    events = clean.emulator.client("events")
    (rule,) = [it for it in events.list_rules()["Rules"] if "FastPath" in it["Name"]]
    pattern = json.loads(rule["EventPattern"])
    assert pattern["source"] == ["aws.lambda"]
    # Only AWS can send events with this source, so the test changes the rule to match another and to replace the event.
    events.put_rule(Name=rule["Name"], EventPattern=json.dumps({**pattern, "source": ["tests"]}))
    record = disabled_mapping("orders")
    delivered = {"source": "aws.lambda", "detail-type": "AWS Service Event via CloudTrail", "detail": record}
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    events.put_targets(Rule=rule["Name"], Targets=[{**target, "Input": json.dumps(delivered)}])
    event = {"Source": "tests", "DetailType": "AWS Service Event via CloudTrail", "Detail": json.dumps(record)}
    events.put_events(Entries=[event])
    assert len(clean.alerts()) == 1
    clean.put(log_file(record))
    assert clean.alerts(1, seconds=3) == []
    assert clean.failures(seconds=1) == []


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_each_task_of_batch_operations_has_its_own_result(clean: Stack, version: str) -> None:
    events = clean.subscribe("EventTopicArn")
    bucket = clean.outputs["TrailBucketName"]
    named = {"s3BucketArn": f"arn:aws:s3:::{bucket}"} if version == "1.0" else {"s3Bucket": bucket}
    # The upload also notifies the function, which alerts people. The job must not.
    good, broken = clean.put(log_file(disabled_mapping("orders")), "batch a+b"), clean.put(b"not a log file")
    assert len(clean.alerts()) == 1 and len(clean.received(events)) == 1
    keys = [good.replace("+", "%2B").replace(" ", "+"), broken, broken.replace(".json", ".gone.json"), "photo.jpg"]
    tasks = [{"taskId": str(n), "s3Key": key, "s3VersionId": None, **named} for n, key in enumerate(keys)]
    job = {"invocationSchemaVersion": version, "invocationId": "i", "job": {"id": "j"}, "tasks": tasks}
    answer, error = clean.invoke(job)
    assert error is None
    assert (answer["invocationSchemaVersion"], answer["invocationId"]) == (version, "i")
    codes = ["Succeeded", "PermanentFailure", "PermanentFailure", "Succeeded"]
    assert [(it["taskId"], it["resultCode"]) for it in answer["results"]] == [(str(n), code) for n, code in enumerate(codes)]
    assert "expected gzip" in answer["results"][1]["resultString"] and "NoSuchKey" in answer["results"][2]["resultString"]
    assert len(clean.received(events)) == 1
    assert clean.alerts(1, seconds=2) == []
    before = clean.set_environment(EVENT_TOPIC_ARN="")
    try:
        answer, _ = clean.invoke(job)
    finally:
        clean.restore_environment(before)
    assert {it["resultCode"] for it in answer["results"]} == {"PermanentFailure"}
    assert "EVENT_TOPIC_ARN is not set" in answer["results"][0]["resultString"]


def test_a_storm_with_killed_processes_loses_no_alert(clean: Stack) -> None:
    """40 objects with 3,000 denials of six roles and 20 disabled mappings, each delivered twice, eight concurrently."""
    chance = random.Random(7)
    roles = [uuid.uuid4().hex for _ in range(6)]
    denials = [denied(chance.choice([roles[0], *roles])) for _ in range(3_000)]
    disabled = [disabled_mapping(f"storm-{n}") for n in range(20)]
    records = denials + disabled
    chance.shuffle(records)
    s3, bucket = clean.emulator.client("s3"), f"storm-{uuid.uuid4().hex}"
    before = clean.set_environment(TRAIL_BUCKETS=bucket)
    allow_reading(clean, bucket)
    s3.create_bucket(Bucket=bucket)
    keys = [f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/02/{n}.json.gz" for n in range(40)]
    for n, key in enumerate(keys):
        s3.put_object(Bucket=bucket, Key=key, Body=log_file(*records[n::40]))
    killed = 0

    def deliver(key: str) -> None:
        event = payload(clean, key)
        event["Records"][0]["s3"]["bucket"]["name"] = bucket
        for _ in range(20):
            answer, error = clean.invoke(event)
            if error is None:
                return
        raise AssertionError(answer)

    try:
        with ThreadPoolExecutor(8) as executor:
            deliveries = [executor.submit(deliver, key) for key in chance.sample(keys * 2, 80)]
            while not all(it.done() for it in deliveries):
                time.sleep(0.3)
                killed += kill_one(clean, chance)
        for delivery in deliveries:
            delivery.result()
    finally:
        clean.restore_environment(before)
    alerts = clean.alerts(100_000, seconds=5)
    kinds = [it["MessageAttributes"]["alert_type"]["Value"] for it in alerts]
    table = clean.emulator.client("dynamodb")
    items = [item for page in table.get_paginator("scan").paginate(TableName=clean.outputs["LedgerTableName"]) for item in page["Items"]]
    counts = sorted(int(it["event_count"]["N"]) for it in items if it["id"]["S"].startswith("incident#") and "event_count" in it)
    expected = sorted(sum(it["userIdentity"]["arn"].split("/")[1] == role for it in denials) for role in roles)
    print(f"{len(denials)} denials, {killed} processes killed: {kinds.count('access_denied')} and {kinds.count('esm_disabled')} alerts")
    assert counts[-len(expected) :] == expected
    assert killed >= 3
    alerted = {it["Message"].split("function ")[1].split(".")[0] for it in alerts if "stopped reading" in it["Message"]}
    assert alerted == {f"storm-{n}" for n in range(20)}
    subjects = "\n".join(it["Subject"] for it in alerts)
    assert all(role[:20] in subjects for role in roles)
    # Six roles reach at most four powers of ten each; eight concurrent invocations may conflict.
    assert kinds.count("access_denied") <= 6 * 4 * 8 + killed


def test_an_alert_says_what_state_the_mapping_is_in_and_who_owns_the_function(clean: Stack) -> None:
    client = clean.emulator.client("lambda")
    mapping = clean.outputs["OnFailureRedriveMappingId"]
    # The emulator ignores the template and creates mappings enabled.
    client.update_event_source_mapping(UUID=mapping, Enabled=False)
    function = client.get_function_configuration(FunctionName=clean.outputs["FunctionName"])
    client.tag_resource(Resource=function["FunctionArn"], Tags={"Team": "platform"})
    record = disabled_mapping(function["FunctionName"])
    record["resources"][0]["ARN"] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{mapping}"
    clean.put(log_file(record))
    (alert,) = clean.alerts()
    assert "When this alert was sent, the mapping was still disabled" in alert["Message"]
    assert alert["MessageAttributes"]["owner"]["Value"] == "platform"
    assert f"Role          {function['Role']}\n" in alert["Message"]


def test_a_sweep_reports_that_a_stopped_mapping_was_deleted(clean: Stack) -> None:
    client = clean.emulator.client("lambda")
    queue = clean.emulator.client("sqs").create_queue(QueueName="swept")["QueueUrl"]
    queue_arn = clean.emulator.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = client.create_event_source_mapping(FunctionName=clean.outputs["FunctionName"], EventSourceArn=queue_arn, Enabled=False)
    record = disabled_mapping("swept")
    record["resources"][0]["ARN"] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{mapping['UUID']}"
    clean.put(log_file(record))
    assert len(clean.alerts()) == 1
    response, error = clean.invoke({"trailwarden": "sweep"})
    listed = response["mappings"]
    assert error is None and (response["places"], response["failed"]) == (1, []) and listed >= 2, response
    assert last_metrics(clean)["MappingsSwept"] == listed
    client.delete_event_source_mapping(UUID=mapping["UUID"])
    for _ in range(2):
        response, error = clean.invoke({"trailwarden": "sweep"})
        assert error is None and response["mappings"] == listed - 1
    # Mappings that other tests made up do not exist either.
    (alert,) = [it for it in clean.alerts(enough=50, seconds=5) if mapping["UUID"] in it["Message"]]
    assert alert["MessageAttributes"]["status"]["Value"] == "resolved"
    assert "The event source mapping no longer exists" in alert["Message"]


def allow_reading(deployed: Stack, bucket: str) -> None:
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    allow(deployed, bucket, {"Effect": "Allow", "Action": "s3:*", "Resource": resources})


def allow(deployed: Stack, name: str, statement: dict[str, Any]) -> None:
    role = deployed.emulator.client("lambda").get_function_configuration(FunctionName=deployed.outputs["FunctionName"])["Role"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    deployed.emulator.client("iam").put_role_policy(RoleName=role.rsplit("/", 1)[-1], PolicyName=name, PolicyDocument=policy)


def kill_one(deployed: Stack, chance: random.Random) -> int:
    """Kills a process of the function, if there is one; returns how many it killed."""
    name = f"AWS_LAMBDA_FUNCTION_NAME={deployed.outputs['FunctionName']}\0".encode()
    processes = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if name in environment.read_bytes() and (environment.parent / "exe").resolve().name == "bootstrap":
                processes.append(int(environment.parent.name))
        except OSError:
            continue
    if not processes:
        return 0
    try:
        os.kill(chance.choice(processes), signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1
