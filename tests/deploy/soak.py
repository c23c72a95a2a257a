"""Puts the objects of a trail into the stack's bucket, while the function is killed and its calls fail."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import FOLDER, Stack, denied, disabled_mapping, log_file, ordinary, peak_memory_of
from delivery import deploy, existing_bucket, notify, shorten_retries, trail_queue
from faults import UnreliableServices

OBJECTS = int(os.environ.get("OBJECTS", "2000"))
SEED = int(os.environ.get("SEED", "1"))
# Several times the usual duration, even on a busy machine.
LIMIT_SECONDS = 300 + OBJECTS // 25
# Number of objects that are put before the queue is checked, and of messages at which the next ones have to wait. The
# emulator searches the whole queue for each message.
SLICE, MAX_BACKLOG = 250, 500
# The stack has 90 seconds and 20 attempts. Most invocations take less than a second.
VISIBILITY_SECONDS, ATTEMPTS = 6, 8
# Average number of calls to Amazon SNS and DynamoDB after which a process is killed. An object causes about one call.
CALLS_BETWEEN_KILLS = 100
DENIALS_PER_OBJECT = 3


@dataclass(frozen=True)
class Put:
    """An object of the trail."""

    key: str
    body: bytes
    # Function whose mapping it reports as disabled.
    function: str = ""
    # Role whose calls it reports as denied.
    role: str = ""
    is_log: bool = True
    is_broken: bool = False
    is_repeated: bool = False


def trail() -> Iterator[Put]:
    """Objects without findings, one in 20 with a disabled mapping, and one in 20 with denials. Some of them are put twice,
    some are broken, and some are not log objects."""
    quiet = log_file(ordinary())
    broken = OBJECTS // 500
    for n in range(OBJECTS):
        key, function = f"{FOLDER}/{n}.json.gz", f"f{n}"
        is_repeated = n % 40 in (0, 1, 5)
        # The first ones, because it takes a while until they are in the dead-letter queue.
        if n % 10 == 2 and n // 10 < broken:
            kinds = [Put(key, b"not JSON"), Put(key, quiet[:-20]), Put(key, unfinished(function), function)]
            yield replace(kinds[n // 10 % 3], is_broken=True)
        elif n % 20 == 0:
            yield Put(key, log_file(stopped(function)), function, is_repeated=is_repeated)
        elif n % 20 == 1:
            # Half of them for a role of their own, a quarter for one role, an eighth for another, and so on.
            number = n // 20 + 1
            role = f"single-{number}" if number % 2 else f"role-{(number & -number).bit_length()}"
            yield Put(key, log_file(*(denied(role) for _ in range(DENIALS_PER_OBJECT))), role=role, is_repeated=is_repeated)
        elif n % 100 == 3:
            yield Put(key.replace("/CloudTrail/", "/CloudTrail-Digest/"), quiet, is_log=False)
        elif n % 100 == 4:
            yield Put(key.replace("/CloudTrail/", "/Config/"), quiet, is_log=False)
        else:
            yield Put(key, quiet, is_repeated=is_repeated)


def unfinished(function: str) -> bytes:
    """An object that ends after the record of a disabled mapping."""
    records = json.dumps({"Records": [stopped(function), ordinary()]})
    return gzip.compress(records[:-20].encode())


def stopped(function: str) -> dict[str, Any]:
    """The disabled mapping of a function, with its own UUID."""
    record = disabled_mapping(function)
    mapping = record["resources"][0]
    mapping["ARN"] = mapping["ARN"].rpartition(":")[0] + f":{uuid.uuid4()}"
    return record


class Killer(threading.Thread):
    """Kills processes of the function at random moments. It spares the oldest one, whose memory is measured."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self.stack = stack
        self.services = UnreliableServices(stack.emulator.url, SEED, self.kill_owner)
        self.random = random.Random(SEED)
        self.spared: Path | None = None
        self.killed: set[Path] = set()
        self.stopped = threading.Event()

    def run(self) -> None:
        before: list[Path] = []
        calls = 0.0
        while not self.stopped.wait(0.02):
            if self.spared is None:
                self.spared = next(iter(self.stack.processes()), None)
            if self.services.calls < calls:
                continue
            calls = self.services.calls + self.random.expovariate(1 / CALLS_BETWEEN_KILLS)
            processes = self.stack.processes()
            # A process that is killed while it starts makes the emulator end all others.
            started = [it for it in processes if it in before]
            before = processes
            if started:
                self.kill(self.random.choice(started))

    def kill(self, process: Path) -> bool:
        """Kills a process, unless it is spared; returns whether it did."""
        if self.spared in (None, process) or process in self.killed:
            return False
        with suppress(ProcessLookupError):
            os.kill(int(process.name), signal.SIGKILL)
            self.killed.add(process)
            return True
        return False

    def kill_owner(self, port: int) -> bool:
        """Kills the process that is connected to the proxy from this port."""
        ends = (f":{port:04X}", f":{self.services.server.server_address[1]:04X}")
        connections = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        sockets = {f"socket:[{it[9]}]" for it in connections if (it[1][-5:], it[2][-5:]) == ends}
        for process in self.stack.processes():
            with suppress(OSError):
                if any(os.readlink(it) in sockets for it in (process / "fd").iterdir()):
                    return self.kill(process)
        return False


class Soak:
    """The stack with a queue, and what happens to it."""

    def __init__(self, deployed: Stack) -> None:
        bucket = existing_bucket(deployed, "soak")
        self.stack = deploy(deployed, "Sqs", bucket, name="trailwarden-soak", EventTopic="on")
        shorten_retries(self.stack, VISIBILITY_SECONDS, ATTEMPTS)
        self.queue = trail_queue(self.stack)
        self.machines_url = self.stack.subscribe("EventTopicArn")
        self.killer = Killer(self.stack)
        self.services = self.killer.services
        self.stack.set_environment(AWS_ENDPOINT_URL_SNS=self.services.url, AWS_ENDPOINT_URL_DYNAMODB=self.services.url)
        # With tracing, each call names the trace of its invocation. On AWS, it always does.
        function = self.stack.outputs["FunctionName"]
        client = deployed.emulator.client("lambda")
        client.update_function_configuration(FunctionName=function, TracingConfig={"Mode": "Active"})
        created = {"QueueArn": self.stack.outputs["TrailQueueArn"], "Events": ["s3:ObjectCreated:*"]}
        notify(deployed, bucket, QueueConfigurations=[created])
        self.puts = list(trail())
        # Peak memory of the process that is not killed, in bytes: after a tenth of the objects, and at the end.
        self.first_peak = self.peak = 0
        self.started = self.seconds = 0.0

    def run(self) -> None:
        """Puts all objects, and waits until the queue is empty."""
        self.started = time.monotonic()
        self.killer.start()
        for first in range(0, OBJECTS, SLICE):
            self.put(self.puts[first : first + SLICE])
            self.wait_for_backlog(MAX_BACKLOG)
            if not self.first_peak and first + SLICE - MAX_BACKLOG >= OBJECTS // 10:
                self.first_peak = self.spared_peak()
        self.wait_for_backlog(0)
        self.killer.stopped.set()
        self.killer.join()
        self.peak = self.spared_peak()
        self.seconds = time.monotonic() - self.started
        # The emulator deletes messages before it logs what the invocation printed.
        time.sleep(2)

    def put(self, puts: list[Put]) -> None:
        client, bucket = self.stack.emulator.client("s3"), self.stack.outputs["TrailBucketName"]
        with ThreadPoolExecutor(8) as executor:
            puts = puts + [it for it in puts if it.is_repeated]
            list(executor.map(lambda it: client.put_object(Bucket=bucket, Key=it.key, Body=it.body), puts))

    def wait_for_backlog(self, count: int) -> None:
        """Waits until at most this number of messages are in the queue."""
        while (left := self.stack.messages(self.queue)) > count:
            if time.monotonic() - self.started > LIMIT_SECONDS:
                pytest.fail(f"expected an empty queue within {LIMIT_SECONDS} s, found {left} messages")
            time.sleep(0.2)

    def denials(self) -> Counter[str]:
        """The number of denials of each role."""
        return Counter(it.role for it in self.puts if it.role for _ in range(DENIALS_PER_OBJECT))

    def spared_peak(self) -> int:
        assert self.killer.spared and self.killer.spared.exists(), "the process whose memory is measured has ended"
        return peak_memory_of(self.killer.spared)
