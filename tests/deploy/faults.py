"""Faults in the calls of the function to Amazon SNS and DynamoDB, and a record of what each call did."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl, urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.emulator import REGION
from local.proxy import Proxy, Request, Response

# The share of calls that each fault affects. "cut": the connection is closed, and the call has no effect. "lost": the call
# has its effect, and then the connection is closed without a response. "killed": the same, and the function is killed.
SNS_FAULTS = {
    "InternalError": 0.03,
    "ServiceUnavailable": 0.03,
    "Throttling": 0.03,
    # Entries that fail in a batch that succeeds.
    "rejected": 0.05,
    "cut": 0.02,
    "lost": 0.03,
    "killed": 0.01,
}
LEDGER_FAULTS = {
    "InternalServerError": 0.04,
    "ProvisionedThroughputExceededException": 0.04,
    "conflict": 0.04,
    "cut": 0.02,
    "lost": 0.02,
    "hang": 0.003,
    "killed": 0.003,
}
STATUS = {"InternalError": 500, "ServiceUnavailable": 503, "Throttling": 400, "InternalServerError": 500}
# Longer than the function waits for a response of the ledger, which is 2 seconds. The call then has a late effect.
HANG_SECONDS = 3
ENTRY = "PublishBatchRequestEntries.member."


@dataclass(frozen=True)
class Call:
    """A call that had an effect, or a claim of a lease that was refused. Calls are ordered by `started` and `ended`."""

    # The ID of the trace, which identifies the invocation.
    invocation: str
    started: int
    ended: int
    # Whether the response was sent.
    answered: bool
    # When the proxy received the request, in seconds since 1970.
    at: float


@dataclass(frozen=True)
class Published(Call):
    """A message that a topic accepted."""

    topic: str
    subject: str


@dataclass(frozen=True)
class Claimed(Call):
    """The ledger responded to the claim of a lease with the state of this incident."""

    incident: str
    granted: bool
    # When the lease expires, in seconds since 1970. The function chose it before its first attempt to call the ledger.
    until: float


@dataclass(frozen=True)
class Recorded(Call):
    """The ledger recorded that topics confirmed the alert about an incident."""

    incident: str
    # The topics as the ledger names them.
    topics: frozenset[str]
    threshold: int


class UnreliableServices(Proxy):
    """Injects faults. `kill` kills the process that has the other end of a connection, and returns whether it did."""

    def __init__(self, target: str, seed: int, kill: Callable[[int], bool]) -> None:
        self.random = random.Random(seed)
        self.kill = kill
        self.sequence = itertools.count()
        # Number of calls, and of the faults of each kind.
        self.calls = 0
        self.faults: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.published: list[Published] = []
        self.ledger_calls: list[Claimed | Recorded] = []
        super().__init__(target)

    def answer(self, request: Request) -> Response | None:
        is_ledger = "X-Amz-Target" in request.headers
        fault = self.draw(request, LEDGER_FAULTS if is_ledger else SNS_FAULTS)
        if fault == "cut":
            return None
        if fault == "hang":
            time.sleep(HANG_SECONDS)
        if is_ledger:
            return ledger_refusal(fault, request) or self.call_ledger(request, fault)
        return sns_refusal(fault) or self.publish(request, fault)

    def draw(self, request: Request, shares: dict[str, float]) -> str:
        """A fault, or an empty string."""
        with self.lock:
            self.calls += 1
            fault = self.random.choices([*shares, ""], [*shares.values(), 1 - sum(shares.values())])[0]
            if not fault or (fault == "conflict" and not may_conflict(request)):
                return ""
            self.faults[f"{'SNS' if shares is SNS_FAULTS else 'DynamoDB'} {fault}"] += 1
            return fault

    def call_ledger(self, request: Request, fault: str) -> Response | None:
        started, at = next(self.sequence), time.time()
        response = self.forward(request)
        call = self.call(request, started, at, answered=not fault)
        self.ledger_calls += about_incident(request, response, call)
        return self.unless(fault, request, response)

    def publish(self, request: Request, fault: str) -> Response | None:
        entries, others = batch_entries(request)
        rejected = self.random.sample(sorted(entries), self.random.randint(1, len(entries))) if fault == "rejected" else []
        accepted = [entries[id] for id in entries if id not in rejected]
        if not accepted:
            return batch_response(rejected)
        started, at = next(self.sequence), time.time()
        response = self.forward(with_entries(request, accepted, others) if rejected else request)
        call = self.call(request, started, at, answered=fault in ("", "rejected"))
        if response.status == 200:
            self.published += [Published(**vars(call), topic=others["TopicArn"], subject=it["Subject"]) for it in accepted]
            response.body = response.body.replace(b"<Failed>", b"<Failed>" + failed_members(rejected))
        return self.unless(fault, request, response)

    def call(self, request: Request, started: int, at: float, *, answered: bool) -> Call:
        return Call(request.headers["X-Amzn-Trace-Id"], started, next(self.sequence), answered, at)

    def unless(self, fault: str, request: Request, response: Response) -> Response | None:
        """The response, unless the fault prevents it from being sent."""
        if fault == "killed" and self.kill(request.port):
            self.faults["killed during a call"] += 1
        return None if fault in ("lost", "hang", "killed") else response


def sns_refusal(fault: str) -> Response | None:
    if fault not in STATUS:
        return None
    return Response(STATUS[fault], {}, f"<ErrorResponse><Error><Code>{fault}</Code></Error></ErrorResponse>".encode())


def may_conflict(request: Request) -> bool:
    """Transactions write the items of incidents, so calls about these items can conflict."""
    operation = request.headers["X-Amz-Target"].rpartition(".")[2]
    return operation == "TransactWriteItems" or (operation == "UpdateItem" and b'"incident#' in request.body)


def ledger_refusal(fault: str, request: Request) -> Response | None:
    content: dict[str, Any] = {}
    if fault == "conflict" and request.headers["X-Amz-Target"].endswith("TransactWriteItems"):
        items = json.loads(request.body)["TransactItems"]
        content = {"CancellationReasons": [{"Code": "TransactionConflict"}, *[{"Code": "None"}] * (len(items) - 1)]}
        fault = "TransactionCanceledException"
    elif fault == "conflict":
        fault = "TransactionConflictException"
    elif not fault.endswith(("Error", "Exception")):
        return None
    content["__type"] = f"com.amazonaws.dynamodb.v20120810#{fault}"
    return Response(STATUS.get(fault, 400), {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(content).encode())


def about_incident(request: Request, response: Response, call: Call) -> list[Claimed | Recorded]:
    """The call, if it is one of those two kinds and had this effect."""
    content = json.loads(request.body)
    incident = content.get("Key", {}).get("id", {}).get("S", "").removeprefix("incident#")
    values = content.get("ExpressionAttributeValues", {})
    if ":holder" in values and (response.status == 200 or b"ConditionalCheckFailed" in response.body):
        until = int(values[":until"]["N"]) / 1000
        return [Claimed(**vars(call), incident=incident, granted=response.status == 200, until=until)]
    if ":alerted" in values and response.status == 200:
        # Such as `event#10`.
        alerted = [it.split("#") for it in values[":alerted"]["SS"]]
        return [Recorded(**vars(call), incident=incident, topics=frozenset(topic for topic, _ in alerted), threshold=int(alerted[0][1]))]
    return []


def batch_entries(request: Request) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """The entries of a batch by ID, each with its parameters, and the other parameters."""
    entries: dict[str, dict[str, str]] = {}
    others = {}
    for name, value in parse_qsl(request.body.decode(), keep_blank_values=True):
        if name.startswith(ENTRY):
            number, field = name.removeprefix(ENTRY).split(".", 1)
            entries.setdefault(number, {})[field] = value
        else:
            others[name] = value
    return {it["Id"]: it for it in entries.values()}, others


def with_entries(request: Request, entries: list[dict[str, str]], others: dict[str, str]) -> Request:
    """The request with these entries only. The emulator verifies signatures, so the request is signed again, as the root user."""
    numbered = {f"{ENTRY}{n}.{name}": value for n, it in enumerate(entries, 1) for name, value in it.items()}
    body = urlencode({**others, **numbered}).encode()
    headers = Message()
    signed = AWSRequest("POST", f"http://{request.headers['Host']}/", {"Content-Type": request.headers["Content-Type"]}, body)
    SigV4Auth(Credentials("test", "test"), "sns", REGION).add_auth(signed)
    for name, value in signed.headers.items():
        headers[name] = value
    return replace(request, headers=headers, body=body)


def batch_response(rejected: list[str]) -> Response:
    """A response in which no entry succeeds."""
    failed = failed_members(rejected).decode()
    body = f"<PublishBatchResponse><PublishBatchResult><Successful/><Failed>{failed}</Failed></PublishBatchResult></PublishBatchResponse>"
    return Response(200, {"Content-Type": "text/xml"}, body.encode())


def failed_members(rejected: list[str]) -> bytes:
    member = "<member><Id>{}</Id><Code>InternalError</Code><SenderFault>false</SenderFault></member>"
    return "".join(member.format(id) for id in rejected).encode()
