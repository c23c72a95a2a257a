"""Uploads log objects to the bucket of a deployed stack, and shows the alerts that a subscriber receives."""

from __future__ import annotations

import sys
import time

from local import stack
from local.emulator import Emulator
from local.stack import Failed

# The alerts that the generated log objects must cause, by category.
EXPECTED = {
    "RESOURCE_NOT_FOUND": 1,
    "FUNCTION_NOT_FOUND": 2,
    "REGION_NAME_NOT_VALID": 1,
    "AUTHORIZATION_ERROR": 2,
    "FUNCTION_IN_FAILED_STATE": 1,
    "UNKNOWN": 1,
    "policy": 1,
}
# The alert that resolves one of them, after the log object with this name.
RESOLVED = {"enabled": 1}
ALERT_SECONDS = 60


def main() -> int:
    stack.stop_on_sigterm()
    try:
        demonstrate()
    except Failed as failure:
        print(f"\ndemo failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo interrupted", file=sys.stderr)
        return 130
    return 0


def demonstrate() -> None:
    print("1. Build the function", flush=True)
    template = stack.build()
    objects = stack.log_objects(stack.SCRATCH / "trail")
    print("2. Start the AWS emulator and deploy template.yaml", flush=True)
    with Emulator(stack.SCRATCH) as emulator:
        outputs = stack.deploy(emulator, template)
        queue = stack.subscribe(emulator, outputs["AlertTopicArn"])
        first = [key for key in objects if "_enabled." not in key]
        print(f"3. Upload {len(first)} log objects to {outputs['TrailBucketName']}", flush=True)

        def upload(keys: list[str]) -> dict[str, float]:
            put_at = {}
            for key in keys:
                put_at[key] = time.monotonic()
                emulator.client("s3").put_object(Bucket=outputs["TrailBucketName"], Key=key, Body=objects[key].read_bytes())
            return put_at

        put_at = upload(first)
        print(f"4. Show the alerts that a subscriber of {outputs['AlertTopicArn']} receives", flush=True)
        alerts = stack.receive(emulator, queue, ALERT_SECONDS, sum(EXPECTED.values()))
        show(alerts, put_at)
        check(alerts, EXPECTED, emulator)
        print("\n5. Upload the log object in which a user enables the mapping of shipments again", flush=True)
        put_at = upload([key for key in objects if key not in first])
        alerts = stack.receive(emulator, queue, ALERT_SECONDS, sum(RESOLVED.values()))
        show(alerts, put_at)
        check(alerts, RESOLVED, emulator)


def show(alerts: list, put_at: dict[str, float]) -> None:
    for received_at, envelope in alerts:
        key = next((key for key in put_at if key in envelope["Message"]), None)
        delay = f"{received_at - put_at[key]:.2f} s after the upload" if key else "names no uploaded object"
        print(f"\n{'=' * 100}\nSubject: {envelope['Subject']}    ({delay})\n{'-' * 100}\n{envelope['Message']}", end="")
    print("=" * 100)


def check(alerts: list, expected: dict[str, int], emulator: Emulator) -> None:
    found: dict[str, int] = {}
    for _, envelope in alerts:
        category = envelope["MessageAttributes"]["category"]["Value"]
        found[category] = found.get(category, 0) + 1
    if found != expected:
        wanted = ", ".join(f"{count} {category}" for category, count in expected.items())
        had = ", ".join(f"{count} {category}" for category, count in found.items()) or "none"
        raise Failed(f"expected within {ALERT_SECONDS} s: {wanted}; received: {had}\n(emulator log: {emulator.log})")
    print(f"\nReceived {len(alerts)} {'alert' if len(alerts) == 1 else 'alerts'}, exactly as expected.")


if __name__ == "__main__":
    sys.exit(main())
