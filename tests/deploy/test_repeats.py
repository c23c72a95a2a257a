"""A repeated message without a documented reason is noticed."""

from __future__ import annotations

from faults import Claimed, Published, Recorded
from repeats import Repeat, Repeats, subject_of

SUBJECT = "Stopped: orders-queue -> orders AUTHORIZATION_ERROR 111122223333 us-east-1"


def published(invocation: str, started: int, *, answered: bool = True, topic: str = "people", subject: str = SUBJECT) -> Published:
    return Published(invocation, started, started + 1, answered, float(started), topic, subject)


def claimed(invocation: str, started: int, *, granted: bool = True, answered: bool = True) -> Claimed:
    return Claimed(invocation, started, started + 1, answered, float(started), "incident", granted, started + 4.0)


def recorded(invocation: str, started: int, threshold: int = 1, topic: str = "alert") -> Recorded:
    return Recorded(invocation, started, started + 1, True, float(started), "incident", frozenset([topic]), threshold)


def repeats(calls: list[Claimed | Recorded], *messages: Published, without_ledger: str = "") -> list[Repeat]:
    names = {subject_of(it.subject).name: "incident" for it in messages}
    return Repeats("machines", names, calls, {without_ledger}).among(messages)


def test_different_topics_and_thresholds_are_no_repeats() -> None:
    denied = "Denied: role orders GetObject x{} 111122223333 us-east-1"
    calls: list[Claimed | Recorded] = []
    assert repeats(calls, published("a", 10), published("a", 20, topic="machines")) == []
    assert repeats(calls, published("a", 10, subject=denied.format(3)), published("b", 20, subject=denied.format(12))) == []


def test_a_message_is_sent_again_only_if_its_response_was_lost() -> None:
    calls: list[Claimed | Recorded] = [claimed("a", 0)]
    assert repeats(calls, published("a", 10, answered=False), published("a", 20)) == [Repeat("response lost", "a")]
    assert repeats(calls, published("a", 10), published("a", 20)) == [Repeat("confirmed", "a")]


def test_an_invocation_without_a_lease_may_repeat() -> None:
    messages = [published("a", 10), published("b", 20)]
    for claims in ([], [claimed("b", 15, granted=False)], [claimed("b", 15, answered=False)]):
        assert repeats([claimed("a", 0), *claims], *messages) == [Repeat("published without the ledger", "b")]
    calls: list[Claimed | Recorded] = [claimed("a", 0), claimed("b", 15)]
    assert repeats(calls, *messages, without_ledger="b") == [Repeat("published without the ledger", "b")]


def test_an_alert_that_is_not_recorded_may_be_repeated_after_the_lease() -> None:
    messages = [published("a", 10), published("b", 20)]
    assert repeats([claimed("a", 0), claimed("b", 15)], *messages) == [Repeat("not recorded", "a")]
    assert repeats([claimed("a", 0), claimed("b", 15), recorded("a", 17)], *messages) == [Repeat("lease expired", "a")]
    assert repeats([claimed("a", 8), claimed("b", 11)], *messages) == [Repeat("leased", "b")]
    assert repeats([claimed("a", 8), claimed("b", 12)], *messages) == [Repeat("not recorded", "a")]


def test_an_alert_that_was_recorded_must_not_be_repeated() -> None:
    messages = [published("a", 5), published("b", 20)]
    claims: list[Claimed | Recorded] = [claimed("a", 0), claimed("b", 15)]
    assert repeats([*claims, recorded("a", 8)], *messages) == [Repeat("recorded", "b")]
    for other in (recorded("a", 8, threshold=0), recorded("a", 8, topic="event")):
        assert repeats([*claims, other], *messages) == [Repeat("not recorded", "a")]
