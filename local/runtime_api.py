"""The Lambda Runtime API on loopback, for a function that runs as a process on this machine."""

from __future__ import annotations

import http.server
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.stack import Failed


class Runtime:
    """The Runtime API. Sends the events, and records when each one is requested and when its response arrives."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.asked: list[float] = []
        self.answered: list[float] = []
        self.failed: list[str] = []
        self.idle = threading.Event()
        self.over = threading.Event()
        runtime = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # With Nagle's algorithm, a body waits 40 ms for the acknowledgement of its header.
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                runtime.asked.append(time.perf_counter())
                if len(runtime.asked) > len(runtime.events):
                    runtime.idle.set()
                    runtime.over.wait()
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
    process = None
    try:
        begin = time.perf_counter()
        process = subprocess.Popen([binary], env={"PATH": os.environ["PATH"], **environment, **names}, stdout=subprocess.DEVNULL)
        while not runtime.idle.wait(1):
            if process.poll() is not None or time.perf_counter() - begin > 60:
                raise Failed(f"{binary.name} did not request an event; exit status {process.poll()}")
        yield runtime, begin, process.pid
    finally:
        runtime.over.set()
        if process is not None:
            process.kill()
            process.wait()
        runtime.server.shutdown()
        runtime.server.server_close()
