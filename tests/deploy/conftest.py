"""A stack of template.yaml, deployed to an emulator once for all tests."""

from __future__ import annotations

import gzip
import json
import re
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from local import stack  # noqa: E402
from local.emulator import ACCOUNT, REGION, Emulator  # noqa: E402

FOLDER = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/02"
# The emulator tries an invocation three times before it sends the event to the on-failure queue.
FAILURE_SECONDS = 120

# The words of all records that the tests created. Words in ARNs, user agents and messages are separate.
RECORDED: set[str] = set()
WORD = re.compile(r"[\w.@-]+")
# Shorter words, such as `orders`, are also in the keys of log objects.
MIN_WORD = 8
# Words of records that the log may contain: keys of log objects and ARNs of topics contain the account and the Region,
# a category is a dimension of a metric, as is the name of the deployed function, and AccessDenied is also an error code of the
# services that the function calls.
LOGGABLE = re.compile(rf"{ACCOUNT}|[a-z]{{2}}-[a-z]+-\d|AUTHORIZATION_ERROR|AccessDenied|trailwarden-(?:[a-z]+-)*Function-\w+")
# In the emulator, secret keys and session tokens are SHA-256 hashes.
CREDENTIAL = re.compile(r"\b(?:A[KS]IA[A-Z0-9]{16}|[0-9a-f]{64})\b")
# The emulator writes its own lines, and the output of functions, to one file.
OF_EMULATOR = re.compile(r"\[?\d{4}-\d{2}-\d{2} ")


class Stack:
    """The deployed stack, from outside: a bucket to upload to, and queues to read from."""

    def __init__(self, emulator: Emulator, outputs: dict[str, str]) -> None:
        self.emulator = emulator
        self.outputs = outputs
        self.alerts_url = self.subscribe("AlertTopicArn")

    def subscribe(self, topic: str, **attributes: str) -> str:
        """Subscribes a new queue to a topic, by the name of its output; returns its URL."""
        return stack.subscribe(self.emulator, self.outputs[topic], f"subscriber-{uuid.uuid4().hex}", **attributes)

    def put(self, body: bytes, name: str | None = None) -> str:
        key = f"{FOLDER}/{name or uuid.uuid4().hex}.json.gz"
        self.emulator.client("s3").put_object(Bucket=self.outputs["TrailBucketName"], Key=key, Body=body)
        return key

    def redrive(self, mapping: str, queue: str) -> None:
        """Enables a mapping, by the name of its output, until the queue is empty."""
        client = self.emulator.client("lambda")
        client.update_event_source_mapping(UUID=self.outputs[mapping], Enabled=True)
        is_empty = self.wait_for_messages(queue, 0)
        client.update_event_source_mapping(UUID=self.outputs[mapping], Enabled=False)
        assert is_empty

    def wait_for_messages(self, queue: str, count: int) -> bool:
        """Waits until a queue holds this number of messages, visible or in flight; returns whether it does."""
        deadline = time.monotonic() + FAILURE_SECONDS
        while time.monotonic() < deadline:
            if self.messages(self.outputs[queue]) == count:
                return True
            time.sleep(0.5)
        return False

    def messages(self, url: str) -> int:
        """Number of messages in a queue, visible or in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.emulator.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def alerts(self, enough: int = 1, seconds: float = 60) -> list[dict[str, Any]]:
        return [envelope for _, envelope in stack.receive(self.emulator, self.alerts_url, seconds, enough)]

    def received(self, url: str, enough: int = 1, seconds: float = 60) -> list[dict[str, Any]]:
        return [envelope for _, envelope in stack.receive(self.emulator, url, seconds, enough)]

    def invoke(self, payload: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
        """Invokes the function synchronously; returns its response and, if it failed, the kind of error."""
        answer = self.emulator.client("lambda").invoke(FunctionName=self.outputs["FunctionName"], Payload=json.dumps(payload))
        return json.loads(answer["Payload"].read() or b"null"), answer.get("FunctionError")

    def failures(self, enough: int = 1, seconds: float = FAILURE_SECONDS) -> list[dict[str, Any]]:
        return [record for _, record in stack.receive(self.emulator, self.outputs["OnFailureQueueUrl"], seconds, enough)]

    def set_environment(self, **variables: str) -> dict[str, str]:
        """Adds to the function's environment; returns the previous environment."""
        client = self.emulator.client("lambda")
        name = self.outputs["FunctionName"]
        before: dict[str, str] = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        client.update_function_configuration(FunctionName=name, Environment={"Variables": before | variables})
        client.get_waiter("function_updated").wait(FunctionName=name)
        return before

    def restore_environment(self, before: dict[str, str]) -> None:
        self.emulator.client("lambda").update_function_configuration(
            FunctionName=self.outputs["FunctionName"], Environment={"Variables": before}
        )

    @contextmanager
    def without(self, service: str) -> Iterator[None]:
        """Makes a service unreachable for the function."""
        before = self.set_environment(**{f"AWS_ENDPOINT_URL_{service}": "http://127.0.0.1:1"})
        try:
            yield
        finally:
            self.restore_environment(before)

    def processes(self) -> list[Path]:
        """The folders of the function's processes in /proc, oldest first."""
        # The URL excludes processes of another emulator.
        expected = {f"AWS_LAMBDA_FUNCTION_NAME={self.outputs['FunctionName']}".encode(), f"AWS_ENDPOINT_URL={self.emulator.url}".encode()}
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if expected <= set((process / "environ").read_bytes().split(b"\0")):
                    # The start is the 22nd field, and the 20th after the name, which is in parentheses.
                    found.append((int((process / "stat").read_text().rpartition(")")[2].split()[19]), process))
        return [process for _, process in sorted(found)]

    def peak_memory(self) -> int:
        """The largest resident set of any process of the function, in bytes."""
        return max(map(peak_memory_of, self.processes()), default=0)


def peak_memory_of(process: Path) -> int:
    """The largest resident set that a process has had, in bytes; 0 if it has ended."""
    with suppress(OSError):
        for line in (process / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


@pytest.fixture(scope="session")
def deployed() -> Iterator[Stack]:
    template = stack.build()
    with Emulator(stack.SCRATCH / "test") as emulator:
        yield Stack(emulator, stack.deploy(emulator, template, ChatTopic="on", EventTopic="on", FastPath="on"))
    # The output of the functions of all stacks, in all tests.
    assert leaks(emulator.log.read_text(errors="replace")) == []


def leaks(log: str) -> list[str]:
    """The words of records, and the credentials, in the output of functions."""
    output = "\n".join(line for line in log.splitlines() if not OF_EMULATOR.match(line))
    return sorted({*RECORDED.intersection(words(output)), *CREDENTIAL.findall(output)})


def words(text: str) -> Iterator[str]:
    """The words of a text, without the punctuation that follows them. In JSON, a line break is an escape sequence."""
    for word in WORD.findall(re.sub(r"\\[nrt]", " ", text)):
        yield word.strip(".@-")


def remember(value: Any) -> None:
    """Adds the words of a record to those that must not be logged."""
    if isinstance(value, (str, int, float)):
        RECORDED.update(word for word in words(str(value)) if len(word) >= MIN_WORD and not LOGGABLE.fullmatch(word))
    elif isinstance(value, (dict, list)):
        for element in value.values() if isinstance(value, dict) else value:
            remember(element)


@pytest.fixture
def clean(deployed: Stack) -> Stack:
    """The stack with empty queues."""
    for url in (deployed.alerts_url, deployed.outputs["OnFailureQueueUrl"]):
        deployed.emulator.client("sqs").purge_queue(QueueUrl=url)
    time.sleep(0.1)
    return deployed


def generated(kind: str, **names: str) -> dict[str, Any]:
    """A record from the generator with a new event ID, and with these names in place of its placeholders."""
    record = stack.placeholder_records()[kind]
    for placeholder, name in names.items():
        record = record.replace(placeholder, name)
    generated = {**json.loads(record), "eventID": str(uuid.uuid4())}
    remember(generated)
    return generated


def ordinary() -> dict[str, Any]:
    return generated("ordinary")


def disabled_mapping(function: str, reason: str = "AUTHORIZATION_ERROR") -> dict[str, Any]:
    return generated("disabled_mapping", FUNCTION=function, REASON=reason)


def denied(role: str, **fields: Any) -> dict[str, Any]:
    """A denial of a call about the function `invoices`."""
    return {**generated("denied", ROLE=role, FUNCTION="invoices"), **fields}


def log_file(*records: dict[str, Any]) -> bytes:
    remember(list(records))
    return gzip.compress(json.dumps({"Records": records}).encode())


def all_metrics(deployed: Stack) -> list[Counter[str]]:
    """The counts that the function logged, by invocation. Only the emulator's own log contains all of them."""
    name = json.dumps(deployed.outputs["FunctionName"])
    lines = deployed.emulator.log.read_text(errors="replace").splitlines()
    lines = [line for line in lines if f'"FunctionName":{name}' in line and '"Dimensions":[["FunctionName"]]' in line]
    return [Counter({name: value for name, value in json.loads(line).items() if isinstance(value, int)}) for line in lines]


def last_metrics(deployed: Stack) -> Counter[str]:
    return all_metrics(deployed)[-1]
