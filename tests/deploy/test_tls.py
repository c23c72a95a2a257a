"""The certificate authorities that the function trusts. The function runs locally and calls the emulator over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import Stack
from local import stack
from local.emulator import Emulator
from local.runtime_api import Runtime, started
from local.tls import Authority, TlsFront


class Loopback(NamedTuple):
    """The emulator, reached over TLS, with the resources of the function."""

    authority: Authority
    front: TlsFront
    settings: dict[str, str]
    alerts_url: str

    def invoke(self, **environment: str) -> Runtime:
        event = (stack.ROOT / "events" / "s3_notification.json").read_text()
        with started(stack.BUILD / "Function" / "bootstrap", {**self.settings, **environment}, [event]) as (runtime, _, _):
            return runtime


@pytest.fixture(scope="module")
def loopback(deployed: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    emulator = deployed.emulator
    authority = Authority(Path(tmp_path_factory.mktemp("tls")))
    resources = stack.create_resources(emulator, topics=["ALERT"])
    queue = stack.subscribe(emulator, resources["ALERT_TOPIC_ARN"], "subscriber-tls")
    with TlsFront(authority, emulator.url) as front:
        settings = {**Emulator.credentials(), **resources, "AWS_SESSION_TOKEN": "test", "AWS_ENDPOINT_URL": front.url}
        yield Loopback(authority, front, settings, queue)


def test_an_unknown_authority_is_rejected(loopback: Loopback) -> None:
    before = loopback.front.handshakes
    runtime = loopback.invoke()
    assert ["ObjectUnavailable" in failure for failure in runtime.failed] == [True], runtime.failed
    assert loopback.front.handshakes == before


def test_a_configured_authority_is_trusted(loopback: Loopback, deployed: Stack) -> None:
    before = loopback.front.handshakes
    runtime = loopback.invoke(SSL_CERT_FILE=str(loopback.authority.file))
    assert runtime.failed == []
    assert loopback.front.handshakes > before
    assert len(deployed.received(loopback.alerts_url, enough=5)) >= 5
