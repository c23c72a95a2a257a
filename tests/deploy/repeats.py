"""Messages that repeat an earlier one, and why: docs/SEMANTICS.md lists which alerts may be repeated."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from faults import Claimed, Published, Recorded

DOCUMENTED = {"response lost", "published without the ledger", "not recorded", "lease expired"}


class Repeat(NamedTuple):
    # One of `DOCUMENTED`, or what should have prevented the repetition.
    cause: str
    # The invocation that caused it.
    invocation: str


class Subject(NamedTuple):
    # The function or the role.
    name: str
    threshold: int


@functools.cache
def subject_of(text: str) -> Subject:
    match = re.match(r"Stopped: \S+ -> (\S+) |Denied: role (\S+) \S+ x(\d+) ", text)
    assert match, text
    function, role, count = match.groups()
    return Subject(function or role, threshold_of(int(count or "1")))


def threshold_of(count: int) -> int:
    return int(10 ** (len(str(count)) - 1))


@dataclass
class Repeats:
    # ARN of the topic for machines.
    machines: str
    # The incident of each function and role.
    incidents: dict[str, str]
    ledger_calls: Sequence[Claimed | Recorded]
    # The invocations that reported a failed call to the ledger.
    without_ledger: Set[str]

    def among(self, published: Sequence[Published]) -> list[Repeat]:
        earlier: dict[tuple[str, Subject], list[Published]] = defaultdict(list)
        repeats = []
        for message in sorted(published, key=lambda it: it.started):
            copies = earlier[message.topic, subject_of(message.subject)]
            if copies:
                repeats.append(self.cause_of(message, copies))
            copies.append(message)
        return repeats

    def cause_of(self, message: Published, earlier: Sequence[Published]) -> Repeat:
        own = [it for it in earlier if it.invocation == message.invocation]
        if own:
            return Repeat("confirmed" if any(it.answered for it in own) else "response lost", message.invocation)
        name, threshold = subject_of(message.subject)
        calls = [it for it in self.ledger_calls if it.incident == self.incidents[name] and it.ended < message.started]
        claims = [it for it in calls if isinstance(it, Claimed) and it.invocation == message.invocation and it.answered]
        if not claims or not claims[-1].granted or message.invocation in self.without_ledger:
            return Repeat("published without the ledger", message.invocation)
        topic = "event" if message.topic == self.machines else "alert"
        records = [it for it in calls if isinstance(it, Recorded) and topic in it.topics and it.threshold >= threshold]
        if any(it.ended < claims[-1].started for it in records):
            return Repeat("recorded", message.invocation)
        leases = [it for it in calls if isinstance(it, Claimed) and it.granted and it.invocation == earlier[-1].invocation]
        if any(it.ended < earlier[-1].started and claims[-1].at < it.until for it in leases):
            return Repeat("leased", message.invocation)
        # The earlier invocation crashed, could not use the ledger, or took longer than its lease.
        return Repeat("lease expired" if records else "not recorded", earlier[-1].invocation)
