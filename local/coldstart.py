"""Measures starts: of the function, and of one that does nothing, built the same way, against a Runtime API on loopback."""

from __future__ import annotations

import http.server
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager
from collections.abc import Iterator
from pathlib import Path

from local import stack
from local.emulator import Emulator

ROUNDS = 40
WARM_ROUNDS = 10
BUCKET = "trailwarden-local"
LEDGER = "trailwarden-ledger"
# What cargo-lambda sets for a release.
CPU = {"x86_64": "haswell", "arm64": "neoverse-n1"}
TARGET = stack.ROOT / "target" / "coldstart"


class Runtime:
    """The Runtime API: hands out events, and notes when it is asked and when it is answered."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.asked: list[float] = []
        self.answered: list[float] = []
        self.failed: list[str] = []
        self.idle = threading.Event()
        runtime = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                # Acknowledge at once: else a client that sends head and body apart waits 40 ms for it.
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                super().handle_one_request()

            def do_GET(self) -> None:
                runtime.asked.append(time.perf_counter())
                if len(runtime.asked) > len(runtime.events):
                    runtime.idle.set()
                    time.sleep(60)
                    return
                body = runtime.events[len(runtime.asked) - 1].encode()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", str(len(runtime.asked)))
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 60) * 1000)))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:111122223333:function:f")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
                runtime.answered.append(time.perf_counter())
                if self.path.endswith("/error"):
                    runtime.failed.append(text)
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def started(binary: Path, environment: dict[str, str], events: list[str]) -> Iterator[tuple[Runtime, float, int]]:
    runtime = Runtime(events)
    names = {
        "AWS_LAMBDA_RUNTIME_API": runtime.address,
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_STREAM_NAME": "s",
        "AWS_LAMBDA_LOG_GROUP_NAME": "g",
    }
    begin = time.perf_counter()
    process = subprocess.Popen([binary], env={"PATH": os.environ["PATH"], **environment, **names}, stdout=subprocess.DEVNULL)
    try:
        if not runtime.idle.wait(60):
            raise stack.Failed(f"{binary.name} did not ask for an event; exit status {process.poll()}")
        yield runtime, begin, process.pid
    finally:
        process.kill()
        process.wait()
        runtime.server.shutdown()
        runtime.server.server_close()


def start_milliseconds(binary: Path, environment: dict[str, str]) -> float:
    with started(binary, environment, []) as (runtime, begin, _):
        return (runtime.asked[0] - begin) * 1000


def peak_mebibytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def invocations(binary: Path, environment: dict[str, str]) -> tuple[list[float], float]:
    """Milliseconds of the first and the second invocation, and the peak memory in MiB."""
    event = (stack.ROOT / "events" / "s3_notification.json").read_text()
    with started(binary, environment, [event, event]) as (runtime, _, pid):
        if runtime.failed:
            raise stack.Failed(runtime.failed[0])
        times = [(answered - asked) * 1000 for asked, answered in zip(runtime.asked, runtime.answered, strict=False)]
        return times, peak_mebibytes(pid)


def medians(binary: Path, environment: dict[str, str]) -> tuple[float, float, float]:
    """Milliseconds of the first and of the second invocation, and the largest peak in MiB, of several processes."""
    runs = [invocations(binary, environment) for _ in range(WARM_ROUNDS)]
    first, second = (statistics.median(times[n] for times, _ in runs) for n in (0, 1))
    return first, second, max(peak for _, peak in runs)


def build() -> tuple[Path, Path]:
    flags = f"-C target-cpu={CPU[stack.architecture()]}"
    command = ["cargo", "build", "--release", "--target-dir", str(TARGET), "--bin", "trailwarden", "--example", "empty"]
    stack.run("build for coldstart", command, {**os.environ, "RUSTFLAGS": flags})
    return TARGET / "release" / "trailwarden", TARGET / "release" / "examples" / "empty"


def zipped_bytes(binary: Path) -> int:
    path = TARGET / "bootstrap.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(binary, "bootstrap")
    return path.stat().st_size


def main() -> int:
    function, empty = build()
    with Emulator(stack.SCRATCH) as emulator:
        environment = prepared(emulator)
        # Taking turns, so that what else the machine does hits both alike.
        pairs = [(start_milliseconds(function, environment), start_milliseconds(empty, environment)) for _ in range(ROUNDS)]
        ours, least = (statistics.median(it) for it in zip(*pairs, strict=True))
        ratio = statistics.median(ours / least for ours, least in pairs)
        # Without the emulator's address, TLS is set up as on Lambda.
        tls = {name: value for name, value in environment.items() if name != "AWS_ENDPOINT_URL"}
        with_tls = statistics.median(start_milliseconds(function, tls) for _ in range(ROUNDS))
        first, second, peak = medians(function, environment)
        least_first, least_second, least_peak = medians(empty, environment)
    size = zipped_bytes(function)
    report = {
        "start to the first GET /next, ms": round(ours, 2),
        "the same without AWS_ENDPOINT_URL, ms": round(with_tls, 2),
        "the same of an empty function, ms": round(least, 2),
        "ratio": round(ratio, 2),
        "first invocation, ms": round(first, 1),
        "first invocation of an empty function, ms": round(least_first, 1),
        "second invocation, ms": round(second, 1),
        "second invocation of an empty function, ms": round(least_second, 1),
        "peak resident, MiB": round(peak, 1),
        "peak resident of an empty function, MiB": round(least_peak, 1),
        "binary, MB": round(function.stat().st_size / 1e6, 2),
        "zip, MB": round(size / 1e6, 2),
    }
    print("\n".join(f"{name:45}{value}" for name, value in report.items()))
    (TARGET / "report.json").write_text(json.dumps(report))
    return 0


def prepared(emulator: Emulator) -> dict[str, str]:
    """An emulator with all that the function needs; returns the function's environment."""
    for key, path in stack.log_objects(stack.SCRATCH / "trail").items():
        emulator.client("s3").create_bucket(Bucket=BUCKET)
        emulator.client("s3").put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    topic = emulator.client("sns").create_topic(Name="alerts")["TopicArn"]
    emulator.client("dynamodb").create_table(
        TableName=LEDGER,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    settings = {"AWS_SESSION_TOKEN": "test", "ALERT_TOPIC_ARN": topic, "TRAIL_BUCKETS": BUCKET, "LEDGER_TABLE": LEDGER}
    return {**emulator.credentials(), "AWS_ENDPOINT_URL": emulator.url, **settings}


if __name__ == "__main__":
    sys.exit(main())
