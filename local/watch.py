"""Serves the function with `cargo lambda watch`, next to an emulator with a bucket, log objects, topics and a ledger."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

from local import stack
from local.emulator import Emulator
from local.stack import Failed


def main(port: str) -> int:
    stack.stop_on_sigterm()
    try:
        return serve(port)
    except Failed as failure:
        print(f"watch failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def serve(port: str) -> int:
    with Emulator(stack.SCRATCH) as emulator:
        settings = stack.create_resources(emulator, topics=["ALERT", "CHAT", "EVENT"])
        print(f"  emulator: {emulator.url}, log objects in {settings['TRAIL_BUCKETS']}")
        print("  once the function is built, run: make invoke EVENT=events/s3_notification.json", flush=True)
        for name, topic in settings.items():
            if name.endswith("_TOPIC_ARN"):
                queue = stack.subscribe(emulator, topic, f"subscriber-{name}")
                threading.Thread(target=show_alerts, args=(emulator, name, queue), daemon=True).start()
        command = ["cargo", "lambda", "watch", "--invoke-address", "127.0.0.1", "--invoke-port", port]
        return subprocess.call(command, cwd=stack.ROOT, env=emulator.environment() | settings)


def show_alerts(emulator: Emulator, name: str, queue: str) -> None:
    while True:
        for _, envelope in stack.receive(emulator, queue, 3600):
            print(f"\nReceived by a subscriber of {name}\nSubject: {envelope['Subject']}\n{envelope['Message']}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
