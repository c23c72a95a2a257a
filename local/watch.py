"""Serves the function with `cargo lambda watch`, beside an emulator that holds a bucket, topics, a ledger and log objects."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

from local import stack
from local.emulator import Emulator
from local.stack import Failed

BUCKET = "trailwarden-local"
LEDGER = "trailwarden-ledger"


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
    objects = stack.log_objects(stack.SCRATCH / "trail")
    with Emulator(stack.SCRATCH) as emulator:
        s3 = emulator.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        for key, path in objects.items():
            s3.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        sns = emulator.client("sns")
        topics = {name: sns.create_topic(Name=f"trailwarden-{name}")["TopicArn"] for name in ["alerts", "chat", "events"]}
        queues = {name: stack.subscribe(emulator, topic, f"subscriber-{name}") for name, topic in topics.items()}
        emulator.client("dynamodb").create_table(
            TableName=LEDGER,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        print(f"  emulator: {emulator.url}, {len(objects)} log objects in {BUCKET}")
        print("  when the function is built: make invoke EVENT=events/s3_notification.json", flush=True)
        for name, queue in queues.items():
            threading.Thread(target=show_alerts, args=(emulator, name, queue), daemon=True).start()
        environment = emulator.environment() | {
            "ALERT_TOPIC_ARN": topics["alerts"],
            "CHAT_TOPIC_ARN": topics["chat"],
            "EVENT_TOPIC_ARN": topics["events"],
            "TRAIL_BUCKETS": BUCKET,
            "LEDGER_TABLE": LEDGER,
        }
        command = ["cargo", "lambda", "watch", "--invoke-address", "127.0.0.1", "--invoke-port", port]
        return subprocess.call(command, cwd=stack.ROOT, env=environment)


def show_alerts(emulator: Emulator, name: str, queue: str) -> None:
    while True:
        for _, envelope in stack.receive(emulator, queue, 3600):
            print(f"\nReceived by a subscriber of the topic for {name}\nSubject: {envelope['Subject']}\n{envelope['Message']}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
