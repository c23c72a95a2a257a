"""A soak: nothing is lost, the counters reconcile, and memory stays flat while the function is killed and its calls fail.

`make soak` puts 50,000 objects, `make test` 2,000.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pytest
from conftest import Stack, all_metrics
from faults import LEDGER_FAULTS, SNS_FAULTS
from repeats import DOCUMENTED, Repeat, Repeats, subject_of, threshold_of
from soak import ATTEMPTS, DENIALS_PER_OBJECT, LIMIT_SECONDS, OBJECTS, SEED, Soak

# Number of messages in an invocation.
MAX_BATCH = 10
MIB = 1 << 20


@dataclass
class Log:
    """What the emulator and the function logged about the function's invocations."""

    # Invocations that responded.
    succeeded: int = 0
    # Invocations that the emulator reported as failed, and those of them whose process ended.
    failed: int = 0
    crashed: int = 0
    # The metrics of each invocation that came as far as to log them.
    metrics: list[Counter[str]] = field(default_factory=list)
    # How many of them were logged when the process ended: by the invocation that was killed, or late by the one before it.
    last_metrics: int = 0
    # Objects that were read by invocations that responded, by key, with the IDs of their requests.
    read: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    # Traces and IDs of the invocations that reported a failed call to the ledger.
    without_ledger: set[str] = field(default_factory=set)

    @property
    def total(self) -> Counter[str]:
        return sum(self.metrics, Counter())


def read_log(soak: Soak) -> Log:
    log, responded = Log(), False
    name, location = soak.stack.outputs["FunctionName"], f"s3://{soak.stack.outputs['TrailBucketName']}/"
    for line in soak.stack.emulator.log.read_text(errors="replace").splitlines():
        if f"ESM: Lambda {name} " in line:
            log.succeeded += " processed " in line
            log.failed += " failed " in line
            log.crashed += "Runtime exited" in line
            # What the invocation logged follows.
            responded = " failed " not in line
        elif responded and f'"object":"{location}' in line and '"result":"read"' in line:
            content = json.loads(line)
            log.read[content["object"].removeprefix(location)].add(content["requestId"])
        elif not responded and f'"FunctionName":"{name}"' in line and '"Dimensions":[["FunctionName"]]' in line:
            log.last_metrics += 1
        elif " ledger calls failed" in line:
            log.without_ledger.update(re.findall('(?:xrayTraceId|requestId)="([^"]+)"', line))
    log.metrics = all_metrics(soak.stack)
    return log


class Result:
    """What is left after a soak."""

    def __init__(self, soak: Soak) -> None:
        self.soak = soak
        self.log = read_log(soak)
        self.accepted = soak.services.published
        topics = {soak.stack.outputs["AlertTopicArn"]: soak.stack.alerts_url, soak.stack.outputs["EventTopicArn"]: soak.machines_url}
        counts = Counter(it.topic for it in self.accepted)
        self.received = {topic: soak.stack.received(url, counts[topic], LIMIT_SECONDS) for topic, url in topics.items()}
        url = soak.stack.outputs["TrailDeadLetterQueueUrl"]
        dead = soak.stack.received(url, soak.stack.messages(url), LIMIT_SECONDS)
        self.dead = [record["s3"]["object"]["key"] for message in dead for record in message["Records"]]
        # The incident of each function and role, from the alerts for machines.
        machines = [json.loads(it["Message"]) for it in self.received[soak.stack.outputs["EventTopicArn"]]]
        self.incidents = {subject_of(it["summary"]).name: it["alert_id"] for it in machines}

    def summary(self) -> str:
        soak, log = self.soak, self.log
        return "\n".join(
            [
                f"{soak.seconds:.0f} s, {log.succeeded + log.failed} invocations",
                f"processes killed: {len(soak.killer.killed)}, of them {log.crashed} in an invocation; logs lost: at most {self.unlogged}",
                f"calls to SNS and DynamoDB: {soak.services.calls}; faults: {dict(soak.services.faults.most_common())}",
                f"messages published: {len(self.accepted)}; repeated: {dict(Counter(it.cause for it in self.repeats))}",
                f"denials that the ledger did not count: {sum(self.uncounted.values())} of {soak.denials().total()}",
                f"dead letters: {len(self.dead)}",
                f"peak memory: {soak.first_peak / MIB:.1f} MiB after a tenth of the objects, {soak.peak / MIB:.1f} MiB at the end",
                f"metrics: {dict(log.total)}",
            ]
        )

    @property
    def killed_idle(self) -> int:
        """The number of processes that were killed between two invocations. The emulator reads the log of an invocation with a
        delay, so it may lose the log of the first one."""
        return len(self.soak.killer.killed) - self.log.crashed

    @property
    def unlogged(self) -> int:
        """The highest possible number of invocations that responded and whose log the emulator lost."""
        return self.log.succeeded - len(self.log.metrics) + self.log.last_metrics

    @functools.cached_property
    def uncounted(self) -> dict[str, int]:
        """The number of denials of each role that the ledger did not count."""
        return {role: count - self.counted(role) for role, count in self.soak.denials().items()}

    def counted(self, role: str) -> int:
        """The number of denials of a role in the ledger."""
        key = {"id": {"S": f"incident#{self.incidents[role]}"}}
        client = self.soak.stack.emulator.client("dynamodb")
        item = client.get_item(TableName=self.soak.stack.outputs["LedgerTableName"], Key=key)["Item"]
        return int(item.get("event_count", {"N": "0"})["N"])

    @functools.cached_property
    def repeats(self) -> list[Repeat]:
        """The messages that repeat an earlier one."""
        services = self.soak.services
        machines = self.soak.stack.outputs["EventTopicArn"]
        return Repeats(machines, self.incidents, services.ledger_calls, self.log.without_ledger).among(services.published)


@pytest.fixture(scope="module")
def result(deployed: Stack) -> Result:
    print(f"\n{OBJECTS} objects, seed {SEED}", flush=True)
    soak = Soak(deployed)
    soak.run()
    result = Result(soak)
    print(result.summary())
    return result


def test_every_finding_is_alerted(result: Result) -> None:
    denials = result.soak.denials()
    names = {it.function for it in result.soak.puts if it.function} | set(denials)
    for alerts in result.received.values():
        subjects = {subject_of(it["Subject"]) for it in alerts}
        assert {it.name for it in subjects} == names
        for role in denials:
            assert max(it.threshold for it in subjects if it.name == role) >= threshold_of(result.counted(role))


def test_processes_were_killed_and_calls_failed(result: Result) -> None:
    faults = result.soak.services.faults
    kinds = {*(f"SNS {it}" for it in SNS_FAULTS), *(f"DynamoDB {it}" for it in LEDGER_FAULTS), "killed during a call"}
    # A short soak may lack rare faults.
    assert len(kinds - faults.keys()) <= (0 if OBJECTS >= 20_000 else 3)
    assert result.log.crashed >= OBJECTS // 500


def test_denials_count_once(result: Result) -> None:
    # If the ledger is unavailable, denials are alerted but not counted.
    log = result.log
    without_ledger = Counter(it.role for it in result.soak.puts if it.role and not log.without_ledger.isdisjoint(log.read[it.key]))
    for role, missing in result.uncounted.items():
        assert 0 <= missing <= DENIALS_PER_OBJECT * (without_ledger[role] + MAX_BATCH * result.unlogged), role


def test_every_object_is_read_or_in_the_dead_letter_queue(result: Result) -> None:
    puts = result.soak.puts
    assert sorted(result.dead) == sorted(it.key for it in puts if it.is_broken)
    missing = {it.key for it in puts if it.is_log and not it.is_broken and not result.log.read[it.key]}
    assert len(missing) <= MAX_BATCH * result.unlogged
    assert result.soak.stack.failures(seconds=1) == []


def test_the_counters_reconcile(result: Result) -> None:
    log, puts = result.log, result.soak.puts
    for it in log.metrics:
        assert it["Objects"] == it["ObjectsRead"] + it["ObjectsFailed"]
        assert it["Records"] == it["RecordsSelected"] + it["RecordsSkipped"] + it["RecordsUnreadable"]
        assert it["Findings"] == it["DisabledMappings"] + it["Denials"]
        assert it["Incidents"] == it["Alerts"] + it["IncidentsKnown"]
        assert it["Alerts"] == it["AlertsPublished"] + it["AlertsFailed"]
    # Each invocation that was not killed logged its metrics.
    assert log.failed == log.crashed
    assert 0 <= result.unlogged <= result.killed_idle + log.last_metrics
    total = log.total
    assert total["ObjectsRead"] >= sum(it.is_log and not it.is_broken for it in puts)
    assert 0 < total["ObjectsFailed"] <= ATTEMPTS * sum(it.is_broken for it in puts)
    assert total["DigestsSkipped"] + total["OtherKeysSkipped"] >= sum(not it.is_log for it in puts) - MAX_BATCH * result.unlogged
    assert total["DisabledMappings"] >= len({it.function for it in puts if it.function})
    assert total["Denials"] >= result.soak.denials().total()
    accepted = Counter(it.topic for it in result.accepted)
    assert {topic: len(alerts) for topic, alerts in result.received.items()} == accepted
    confirmed = {(it.invocation, subject_of(it.subject)) for it in result.accepted if it.answered}
    assert total["AlertsPublished"] <= len(confirmed) <= total["Alerts"] + MAX_BATCH * (log.crashed + result.unlogged)


def test_repeats_have_a_documented_cause(result: Result) -> None:
    repeats = result.repeats
    assert [it for it in repeats if it.cause not in DOCUMENTED] == []
    for cause in ("published without the ledger", "not recorded"):
        invocations = {it.invocation for it in repeats if it.cause == cause}
        # An invocation that was killed does not report failed calls.
        assert len(invocations - result.log.without_ledger) <= result.log.crashed + result.unlogged, cause


def test_memory_stays_flat(result: Result) -> None:
    assert 0 < result.soak.peak < 1.2 * result.soak.first_peak
    assert result.soak.stack.peak_memory() < 32 * MIB
