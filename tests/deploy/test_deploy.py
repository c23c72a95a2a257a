"""The deployed stack: an uploaded object leads to alerts or to a visible failure."""

from __future__ import annotations

import http.server
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import pytest
from conftest import Stack, all_metrics, disabled_mapping, last_metrics, log_file

from local import stack
from local.demo import EXPECTED

MIB = 1 << 20


def test_every_kind_of_alert_arrives_with_its_attributes(clean: Stack) -> None:
    objects = stack.log_objects(stack.SCRATCH / "trail")
    for key, path in objects.items():
        if "_enabled." not in key:
            clean.put(path.read_bytes())
    alerts = clean.alerts(sum(EXPECTED.values()))
    found: dict[str, int] = {}
    for alert in alerts:
        attributes = {name: it["Value"] for name, it in alert["MessageAttributes"].items()}
        found[attributes["category"]] = found.get(attributes["category"], 0) + 1
        assert attributes["account"] == "111122223333"
        assert 0 < len(alert["Subject"]) < 100
        assert "What to do\n  1. " in alert["Message"]
    assert found == EXPECTED
    assert clean.alerts(1, seconds=2) == [], "no alert is repeated"
    clean.put(next(path for key, path in objects.items() if "_enabled." in key).read_bytes())
    (resolved,) = clean.alerts()
    assert resolved["Subject"] == "Resolved: shipments-queue -> shipments enabled 111122223333 us-east-1"
    assert resolved["MessageAttributes"]["status"]["Value"] == "resolved"
    assert "It was stopped for 45 minutes, " in resolved["Message"]


@pytest.mark.parametrize("name", ["a b", "a+b", "a%2Bb", "été", "100%", "a&b=c"])
def test_keys_are_decoded(clean: Stack, name: str) -> None:
    key = clean.put(log_file(disabled_mapping("orders")), name)
    (alert,) = clean.alerts()
    assert f"s3://{clean.outputs['TrailBucketName']}/{key}" in alert["Message"]


def test_a_broken_object_goes_to_the_on_failure_queue(clean: Stack) -> None:
    whole = log_file(disabled_mapping("orders"))
    key = clean.put(whole[:-4])
    (failure,) = clean.failures()
    assert failure["requestPayload"]["Records"][0]["s3"]["object"]["key"] == key
    assert failure["responsePayload"]["errorType"] == "ObjectUnreadable"
    message = failure["responsePayload"]["errorMessage"]
    object_, problem = message.split("?versionId=")[0], message.split("; ")[1]
    assert (object_, problem) == (f"s3://{clean.outputs['TrailBucketName']}/{key}", f"gzip data truncated at stored byte {len(whole) - 4}")
    subjects = [alert["Subject"] for alert in clean.alerts(3, seconds=5)]
    assert subjects == ["Stopped: orders-queue -> orders AUTHORIZATION_ERROR 111122223333 us-east-1"], "the finding before the fault, once"


def test_objects_that_are_not_log_files_are_skipped(clean: Stack) -> None:
    client = clean.emulator.client("s3")
    folders = ["CloudTrail-Digest", "CloudTrail-Insight", "CloudTrail-Aggregated", "Config"]
    keys = [f"AWSLogs/111122223333/{folder}/us-east-1/2026/01/02/d.json.gz" for folder in folders]
    for key in [*keys, "photo.jpg", "AWSLogs/111122223333/CloudTrail/"]:
        client.put_object(Bucket=clean.outputs["TrailBucketName"], Key=key, Body=b"not a log file")
    for prefix in ["AWSLogs/", "AWSLogs/o-abc123/"]:
        key = f"{prefix}111122223333/CloudTrail/us-east-1/2026/01/02/a.json.gz"
        client.put_object(Bucket=clean.outputs["TrailBucketName"], Key=key, Body=log_file(disabled_mapping("orders")))
    assert len(clean.alerts(2)) == 2
    assert clean.failures(seconds=2) == []


def test_a_region_without_digests_is_silent(clean: Stack) -> None:
    client = clean.emulator.client("s3")
    key = "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/01/02/silence.json.gz"
    client.put_object(Bucket=clean.outputs["TrailBucketName"], Key=key, Body=b"a digest")
    check: dict[str, Any] = {"known": 0}

    def is_known() -> bool:
        response, error = clean.invoke({"trailwarden": "silence-check"})
        assert error is None
        check.update(response)
        return bool(check["known"])

    wait_until(is_known)
    assert check == {"known": 1, "silent": []}
    # Silence begins after three hours.
    arrived = int(time.time()) - 4 * 3600
    expires = arrived + 14 * 86400
    item = {"id": {"S": "digest#111122223333#eu-west-1"}, "arrived": {"N": str(arrived)}, "expires": {"N": str(expires)}}
    clean.emulator.client("dynamodb").put_item(TableName=clean.outputs["LedgerTableName"], Item=item)
    response, error = clean.invoke({"trailwarden": "silence-check"})
    assert (response["known"], [it["region"] for it in response["silent"]], error) == (2, ["eu-west-1"], None)
    metrics = last_metrics(clean)
    assert (metrics["SilentRegions"], metrics["NewlySilentRegions"]) == (1, 1)


def test_an_invocation_that_failed_is_redriven(clean: Stack) -> None:
    with clean.without("S3"):
        clean.put(log_file(disabled_mapping("late")))
        assert clean.wait_for_messages("OnFailureQueueUrl", 1)
    clean.redrive("OnFailureRedriveMappingId", "OnFailureQueueUrl")
    assert len(clean.alerts(2, seconds=5)) == 1


@pytest.mark.parametrize(("service", "error_type"), [("S3", "ObjectUnavailable"), ("SNS", "AlertNotPublished")])
def test_a_service_that_is_down_fails_the_invocation(clean: Stack, service: str, error_type: str) -> None:
    with clean.without(service):
        key = clean.put(log_file(disabled_mapping("orders")))
        (failure,) = clean.failures()
    assert failure["responsePayload"]["errorType"] == error_type
    assert failure["requestPayload"]["Records"][0]["s3"]["object"]["key"] == key
    assert clean.alerts(1, seconds=2) == []
    assert last_metrics(clean)["AlertsPublished"] == 0


def test_one_rejected_entry_fails_the_invocation(clean: Stack) -> None:
    with topic_that_rejects("returns") as (url, confirmed):
        before = clean.set_environment(AWS_ENDPOINT_URL_SNS=url)
        try:
            clean.put(log_file(*(disabled_mapping(name) for name in ["orders", "returns", "invoices"])))
            (failure,) = clean.failures()
        finally:
            clean.restore_environment(before)
    assert failure["responsePayload"]["errorType"] == "AlertNotPublished"
    rejection = r'alert [0-9a-f]{32} \(esm_disabled\) was not published to arn:[^ ]+: sns:PublishBatch: InternalError: rejected'
    lines = failure["responsePayload"]["errorMessage"].splitlines()
    assert lines and all(re.fullmatch(rejection, line) for line in lines), "each topic that failed"
    assert any("orders" in it for it in confirmed) and any("invoices" in it for it in confirmed)
    counts = [(it["Alerts"], it["AlertsPublished"], it["AlertsFailed"]) for it in all_metrics(clean)[-3:]]
    assert counts == [(3, 2, 1), (1, 0, 1), (1, 0, 1)], "a confirmed alert is not sent again"


def other_keys_skipped(deployed: Stack) -> int:
    return sum(metrics["OtherKeysSkipped"] for metrics in all_metrics(deployed))


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_rules_are_read_from_the_bucket(clean: Stack) -> None:
    bucket = clean.outputs["TrailBucketName"]
    pattern = {"finding": {"alert_type": ["esm_disabled"], "function_name": ["orders"]}}
    # Without valid rules, nothing is suppressed and the invocation fails, so that the object is examined again.
    for rule, alerts, fails in [({"reason": "known"}, ["returns"], False), ({}, ["orders", "returns"], True)]:
        rules = {"suppress": [{"name": "orders", "pattern": pattern, **rule}]}
        skipped = other_keys_skipped(clean)
        clean.emulator.client("s3").put_object(Bucket=bucket, Key="AWSLogs/rules.json", Body=json.dumps(rules).encode())
        # Uploading the rules also invokes the function. Changing its environment too early would kill this invocation.
        wait_until(lambda: other_keys_skipped(clean) > skipped)
        before = clean.set_environment(RULES_URI=f"s3://{bucket}/AWSLogs/rules.json")
        try:
            clean.put(log_file(disabled_mapping("orders"), disabled_mapping("returns")))
            received = sorted(alert["Subject"].split()[3] for alert in clean.alerts(2, seconds=20))
            failures = [it["responsePayload"]["errorType"] for it in clean.failures(seconds=60 if fails else 1)]
            assert (received, failures) == (alerts, ["RulesUnavailable"] if fails else [])
            assert last_metrics(clean)["RulesErrors"] == int(fails)
        finally:
            clean.restore_environment(before)


def test_memory_is_flat(clean: Stack) -> None:
    ((_, path),) = stack.log_objects(stack.SCRATCH / "large", 1024 * MIB).items()
    clean.put(path.read_bytes())
    assert len(clean.alerts(seconds=110)) == 1
    # The alert is published before the end of the object is read.
    wait_until(lambda: last_metrics(clean)["InflatedBytes"] >= 1024 * MIB)
    metrics = last_metrics(clean)
    peak = clean.peak_memory()
    print(f"{metrics['InflatedBytes'] / MIB:.0f} MiB inflated, {metrics['Records']} records, peak {peak / MIB:.1f} MiB resident")
    assert 0 < peak < 48 * MIB


@contextmanager
def topic_that_rejects(part: str) -> Iterator[tuple[str, list[str]]]:
    """A fake SNS that responds to PublishBatch, and rejects entries whose subject contains `part`."""
    confirmed: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            prefix = "PublishBatchRequestEntries.member."
            entries = [
                (form[f"{prefix}{n}.Id"][0], form[f"{prefix}{n}.Subject"][0])
                for n in range(1, 11)
                if f"{prefix}{n}.Id" in form
            ]
            accepted = [(id, subject) for id, subject in entries if part not in subject]
            confirmed.extend(subject for _, subject in accepted)
            successful = "".join(f"<member><Id>{id}</Id><MessageId>m</MessageId></member>" for id, _ in accepted)
            failed = "".join(
                f"<member><Id>{id}</Id><Code>InternalError</Code><Message>rejected</Message><SenderFault>false</SenderFault></member>"
                for id, subject in entries
                if part in subject
            )
            body = (
                '<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult>'
                f"<Successful>{successful}</Successful><Failed>{failed}</Failed></PublishBatchResult>"
                "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishBatchResponse>"
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", confirmed
    finally:
        server.shutdown()
        server.server_close()
