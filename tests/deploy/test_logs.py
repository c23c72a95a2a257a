"""The log of the function: no values of records, and no credentials. `deployed` checks the output of all tests."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from conftest import Stack, denied, disabled_mapping, leaks, log_file


def credentials(deployed: Stack) -> set[str]:
    """The credentials in the environments of the function's processes."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = dict(it.split("=", 1) for it in path.read_text(errors="replace").split("\0") if "=" in it)
        except OSError:
            continue
        if variables.get("AWS_LAMBDA_FUNCTION_NAME") == deployed.outputs["FunctionName"]:
            found |= {variables[f"AWS_{name}"] for name in ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"]}
    return found


@pytest.mark.parametrize("level", ["INFO", "TRACE"])
def test_no_level_logs_values_of_records_or_credentials(clean: Stack, level: str) -> None:
    role = f"role-{uuid.uuid4()}"
    start = len(clean.emulator.log.read_text(errors="replace"))
    before = clean.set_environment(AWS_LAMBDA_LOG_LEVEL=level, RUST_LOG=level)
    try:
        clean.put(log_file(disabled_mapping("secretive-function"), denied(role)))
        assert any(role in alert["Message"] for alert in clean.alerts(2))
        secrets = credentials(clean)
        with clean.without("SNS"):
            clean.put(log_file(disabled_mapping("secretive-function")))
            # Lambda keeps the error of the invocation in the on-failure queue.
            assert leaks(json.dumps([it["responsePayload"] for it in clean.failures()])) == []
    finally:
        clean.restore_environment(before)
    log = clean.emulator.log.read_text(errors="replace")[start:]
    assert "AlertNotPublished" in log and '"AlertsFailed":1' in log
    assert leaks(log) == []
    assert len(secrets) >= 3 and leaks("\n".join(secrets)) == sorted(secrets), "credentials are recognized"


def test_each_value_of_a_record_is_recognized_in_a_log(deployed: Stack) -> None:
    record = {**denied("audited-role"), "userAgent": "an-agent/1.0", "resources": [{"ARN": "arn:aws:sqs:x:1:jobs-queue"}]}
    log_file(record)
    for value in [record["eventID"], record["userAgent"], "audited-role", "jobs-queue", record["userIdentity"]["accessKeyId"]]:
        for text in (f'{{"message": "failed: {value}"}}', f"failed: {value}.", rf'{{"message": "failed:\n{value}"}}'):
            assert leaks(text), text
    assert leaks(f"2026-01-02 03:04:05 INFO [sqs] {record['eventID']}") == [], "a line of the emulator"
