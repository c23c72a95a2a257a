"""Measures the startup of the function, and of an empty one that is built the same way, with a Runtime API on loopback."""

from __future__ import annotations

import gzip
import json
import os
import re
import statistics
import sys
import uuid
import zipfile
from contextlib import ExitStack
from pathlib import Path

from local import cargo, stack
from local.emulator import Emulator
from local.runtime_api import started
from local.tls import Authority, TlsFront

ROUNDS = 40
WARM_ROUNDS = 10
# The account of the generated log objects, and one that they do not contain.
ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
UUID_START = re.compile(r"\b[0-9a-f]{8}(?=-[0-9a-f]{4}-)")
# Services that the function calls.
SERVICES = ["S3", "SNS", "DYNAMODB"]


def start_milliseconds(binary: Path, environment: dict[str, str]) -> float:
    with started(binary, environment, []) as (runtime, begin, _):
        return (runtime.asked[0] - begin) * 1000


def peak_mebibytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def invocations(binary: Path, environment: dict[str, str], events: list[str]) -> tuple[list[float], float]:
    """Returns the milliseconds of each invocation, and the peak memory in MiB."""
    with started(binary, environment, events) as (runtime, _, pid):
        if runtime.failed:
            raise stack.Failed(runtime.failed[0])
        times = [(answered - asked) * 1000 for asked, answered in zip(runtime.asked, runtime.answered, strict=False)]
        return times, peak_mebibytes(pid)


def large_event(emulator: Emulator, bucket: str) -> str:
    """Uploads a log object that inflates to 1 GiB; returns the event that announces it."""
    ((_, path),) = stack.log_objects(stack.SCRATCH / "large", 2**30).items()
    event = json.loads((stack.ROOT / "events" / "s3_notification.json").read_text())
    event["Records"] = event["Records"][:1]
    described = event["Records"][0]["s3"]["object"]
    described["key"] = described["key"].replace(".json.gz", "_large.json.gz")
    emulator.client("s3").put_object(Bucket=bucket, Key=described["key"], Body=path.read_bytes())
    return json.dumps(event)


def events_of_two_accounts(emulator: Emulator, bucket: str) -> list[str]:
    """Uploads the log objects of the example event again, as those of another account; returns the events that announce the
    two. Events and mappings have other identifiers in it, so that the second event leads to as many alerts as the first."""
    example = (stack.ROOT / "events" / "s3_notification.json").read_text()
    client = emulator.client("s3")
    for record in json.loads(example)["Records"]:
        key = record["s3"]["object"]["key"]
        text = gzip.decompress(client.get_object(Bucket=bucket, Key=key)["Body"].read()).decode()
        text = UUID_START.sub(lambda found: found[0][::-1], text.replace(ACCOUNT, OTHER_ACCOUNT))
        client.put_object(Bucket=bucket, Key=key.replace(ACCOUNT, OTHER_ACCOUNT), Body=gzip.compress(text.encode()))
    return [example, example.replace(ACCOUNT, OTHER_ACCOUNT)]


def medians(binary: Path, environment: dict[str, str], emulator: Emulator, events: list[str]) -> tuple[float, float, float]:
    """Returns the median milliseconds of the first and the second invocation, and the largest peak in MiB, of several
    processes. Each has its own empty ledger, so that each invocation publishes all its alerts."""
    ledgers = (stack.create_ledger(emulator, f"ledger-{uuid.uuid4().hex}") for _ in range(WARM_ROUNDS))
    runs = [invocations(binary, {**environment, "LEDGER_TABLE": ledger}, events) for ledger in ledgers]
    first, second = (statistics.median(times[n] for times, _ in runs) for n in (0, 1))
    return first, second, max(peak for _, peak in runs)


def build() -> tuple[Path, Path]:
    command = ["cargo", "build", "--release", "--features", "local", "--bin", "trailwarden", "--bin", "empty"]
    stack.run("build for coldstart", command, {**os.environ, **cargo.release_flags()})
    return cargo.release_folder() / "trailwarden", cargo.release_folder() / "empty"


def zipped_bytes(binary: Path) -> int:
    path = stack.SCRATCH / "bootstrap.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(binary, "bootstrap")
    return path.stat().st_size


def main() -> int:
    function, empty = build()
    with Emulator(stack.SCRATCH) as emulator:
        settings = stack.create_resources(emulator, topics=["ALERT"])
        # Credentials on Lambda are temporary, so they include a session token.
        settings |= {**emulator.credentials(), "AWS_SESSION_TOKEN": "test"}
        plain = settings | {"AWS_ENDPOINT_URL": emulator.url}
        # The two take turns, so that other load on the machine affects both equally.
        pairs = [(start_milliseconds(function, settings), start_milliseconds(empty, settings)) for _ in range(ROUNDS)]
        ours, least = (statistics.median(it) for it in zip(*pairs, strict=True))
        events = events_of_two_accounts(emulator, settings["TRAIL_BUCKETS"])
        first, second, peak = medians(function, plain, emulator, events)
        least_first, least_second, least_peak = medians(empty, plain, emulator, events)
        (large,), large_peak = invocations(function, plain, [large_event(emulator, settings["TRAIL_BUCKETS"])])
        tls_first, tls_second, handshakes = over_tls(function, settings, emulator, events)
    zipped = zipped_bytes(function) / 1e6
    rows = [
        ("start to the first GET /next, ms", ours, least),
        ("first invocation, ms", first, least_first),
        ("second invocation, ms", second, least_second),
        ("first invocation over TLS, ms", tls_first, None),
        ("second invocation over TLS, ms", tls_second, None),
        ("TLS handshakes", handshakes, None),
        ("peak memory, MiB", peak, least_peak),
        ("invocation with 1 GiB inflated, ms", large, None),
        ("peak memory with 1 GiB inflated, MiB", large_peak, None),
        ("binary, MB", function.stat().st_size / 1e6, empty.stat().st_size / 1e6),
        ("zip, MB", zipped, zipped_bytes(empty) / 1e6),
    ]
    print(f"\n{'':36}{'function':>10}{'empty':>10}{'ratio':>8}")
    for name, function_value, empty_value in rows:
        beside = "" if empty_value is None else f"{empty_value:10.2f}{function_value / empty_value:8.2f}"
        print(f"{name:36}{function_value:10.2f}{beside}")
    bounds = {
        "start": (ours / least, 2),
        "first invocation": (first / second, 1.5),
        # The handshakes compete with those of the other side for the same cores, so this ratio varies more.
        "first invocation over TLS": (tls_first / tls_second, 2),
        "peak": (peak, 24),
        "peak of 1 GiB": (large_peak, 24),
        "zip": (zipped, 5),
    }
    exceeded = [f"{name}: {value:.2f}, at most {bound}" for name, (value, bound) in bounds.items() if value > bound]
    if exceeded:
        print(f"bounds exceeded: {'; '.join(exceeded)}", file=sys.stderr)
    return 1 if exceeded else 0


def over_tls(
    function: Path, settings: dict[str, str], emulator: Emulator, events: list[str]
) -> tuple[float, float, float]:
    """Returns the milliseconds of the first and the second invocation, and the handshakes of a process, with an address for
    each service."""
    authority = Authority(stack.SCRATCH / "tls")
    with ExitStack() as opened:
        fronts = [opened.enter_context(TlsFront(authority, emulator.url)) for _ in SERVICES]
        addresses = {f"AWS_ENDPOINT_URL_{service}": front.url for service, front in zip(SERVICES, fronts, strict=True)}
        environment = {**settings, **addresses, "SSL_CERT_FILE": str(authority.file)}
        first, second, _ = medians(function, environment, emulator, events)
        if any(front.handshakes < WARM_ROUNDS for front in fronts):
            raise stack.Failed(f"expected {WARM_ROUNDS} or more handshakes per service, found {[front.handshakes for front in fronts]}")
        return first, second, sum(front.handshakes for front in fronts) / WARM_ROUNDS


if __name__ == "__main__":
    sys.exit(main())
