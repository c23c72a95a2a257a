"""Ten thousand objects through a queue: every finding is alerted, the counts add up, memory stays flat."""

from __future__ import annotations

import time
from collections.abc import Iterator
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ACCOUNT, REGION, Stack, all_metrics, denied, disabled_mapping, log_file, ordinary
from test_delivery_modes import deploy, existing_bucket, notify

from local import stack

OBJECTS = 10_000
# One in this many objects has a disabled mapping, and one has denials of one caller.
EVERY = 20
MIB = 1 << 20


@pytest.fixture
def through_queue(deployed: Stack) -> Iterator[Stack]:
    bucket = existing_bucket(deployed, "many")
    result = deploy(deployed, "Sqs", bucket, name="trailwarden-many")
    created = {"QueueArn": result.outputs["TrailQueueArn"], "Events": ["s3:ObjectCreated:*"]}
    notify(deployed, bucket, QueueConfigurations=[created])
    yield result


def test_ten_thousand_objects(through_queue: Stack) -> None:
    quiet, denials = log_file(ordinary()), log_file(*(denied("many") for _ in range(3)))
    client = through_queue.emulator.client("s3")
    bucket = through_queue.outputs["TrailBucketName"]

    def put(n: int) -> None:
        body = log_file(disabled_mapping(f"f{n}")) if n % EVERY == 0 else denials if n % EVERY == 1 else quiet
        client.put_object(Bucket=bucket, Key=f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/02/{n}.json.gz", Body=body)

    started = time.monotonic()
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(put, range(OBJECTS)))
    put_seconds = time.monotonic() - started
    first_peak, read = 0, 0
    while read < OBJECTS and time.monotonic() - started < 300:
        time.sleep(2)
        read = sum(it["ObjectsRead"] for it in all_metrics(through_queue))
        first_peak = first_peak or through_queue.peak_memory()
    seconds = time.monotonic() - started
    peak = through_queue.peak_memory()
    metrics = all_metrics(through_queue)
    total = sum(metrics, Counter())
    alerts = through_queue.alerts(OBJECTS, seconds=20)
    print(
        f"{OBJECTS} objects in {seconds:.0f} s (put in {put_seconds:.0f} s), {len(metrics)} invocations, "
        f"{len(alerts)} alerts, peak {first_peak / MIB:.1f} MiB, then {peak / MIB:.1f} MiB"
    )
    mappings, groups = OBJECTS // EVERY, OBJECTS // EVERY
    assert (total["ObjectsRead"], total["ObjectsFailed"]) == (OBJECTS, 0)
    assert (total["DisabledMappings"], total["Denials"]) == (mappings, 3 * groups)
    assert total["Incidents"] == total["Alerts"] + total["IncidentsKnown"]
    assert (total["AlertsPublished"], total["LedgerErrors"]) == (total["Alerts"], 0)
    subjects = [it["Subject"] for it in alerts]
    stopped = [it for it in subjects if it.startswith("Stopped: f")]
    assert len(stopped) == len(set(stopped)) == mappings
    # 1,500 denials: at the 1st, 10th, 100th and 1,000th, and again if invocations conflicted.
    assert 4 <= len(subjects) - mappings <= 4 * 10
    assert 0 < peak < 32 * MIB
    assert stack.receive(through_queue.emulator, through_queue.outputs["TrailDeadLetterQueueUrl"], 2) == []
