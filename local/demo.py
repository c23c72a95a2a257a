"""Uploads log objects to the bucket of a deployed stack, and shows the alerts that a subscriber receives."""

from __future__ import annotations

import gzip
import io
import json
import sys
import time
import zipfile
from pathlib import Path

from local import stack
from local.emulator import ACCOUNT, Emulator
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
# What the alert about the stopped mapping of the function `shipments` says.
FUNCTION = "shipments"
STORY = [
    "Likely cause: role deployer (session alice) called iam:DeleteRolePolicy on shipments-role 4 minutes before the stop.",
    "When this alert was sent, the mapping was still disabled",
    "Owner         logistics (team tag)",
    "Role          arn:aws:iam::111122223333:role/shipments-role",
]
# The UUID of its mapping in the generated log objects.
UUID = "863d0ee4-2f3c-4994-8005-000000000005"
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
        mapping = create_shipments(emulator)
        first = [key for key in objects if "_enabled." not in key]
        print(f"3. Upload {len(first)} log objects to {outputs['TrailBucketName']}", flush=True)

        def upload(keys: list[str]) -> dict[str, float]:
            put_at = {}
            for key in keys:
                body = naming(mapping, objects[key])
                put_at[key] = time.monotonic()
                emulator.client("s3").put_object(Bucket=outputs["TrailBucketName"], Key=key, Body=body)
            return put_at

        put_at = upload(first)
        alerts = stack.receive(emulator, queue, ALERT_SECONDS, sum(EXPECTED.values()))
        about_shipments = [it for it in alerts if f"-> {FUNCTION} " in it[1]["Subject"]]
        print(f"4. Show what a subscriber of {outputs['AlertTopicArn']} receives", flush=True)
        show([it for it in alerts if it not in about_shipments], put_at)
        print(f"\nAlice deleted a permission of the role of {FUNCTION}, and AWS disabled its mapping:", flush=True)
        show(about_shipments, put_at)
        check(alerts, EXPECTED, emulator)
        check_story(about_shipments, emulator)
        print(f"\n5. A user enables the mapping of {FUNCTION} again: upload the log object with this call", flush=True)
        emulator.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=True)
        put_at = upload([key for key in objects if key not in first])
        alerts = stack.receive(emulator, queue, ALERT_SECONDS, sum(RESOLVED.values()))
        show(alerts, put_at)
        check(alerts, RESOLVED, emulator)


def create_shipments(emulator: Emulator) -> str:
    """Creates the function `shipments`, whose owner is the team logistics, with its queue; returns the UUID of the mapping, which
    is disabled."""
    client = emulator.client("lambda")
    url = emulator.client("sqs").create_queue(QueueName=f"{FUNCTION}-queue")["QueueUrl"]
    arn = emulator.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    emulator.client("iam").create_role(RoleName=f"{FUNCTION}-role", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): pass\n")
    client.create_function(
        FunctionName=FUNCTION, Runtime="python3.12", Handler="index.handler", Code={"ZipFile": code.getvalue()},
        Role=f"arn:aws:iam::{ACCOUNT}:role/{FUNCTION}-role", Tags={"team": "logistics"},
    )  # fmt: skip
    uuid: str = client.create_event_source_mapping(FunctionName=FUNCTION, EventSourceArn=arn, Enabled=False)["UUID"]
    # The emulator creates mappings enabled.
    client.update_event_source_mapping(UUID=uuid, Enabled=False)
    return uuid


def naming(mapping: str, log_object: Path) -> bytes:
    """The log object, with the UUID of the mapping in place of the generated one."""
    return gzip.compress(gzip.decompress(log_object.read_bytes()).replace(UUID.encode(), mapping.encode()))


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


def check_story(alerts: list, emulator: Emulator) -> None:
    text = "".join(envelope["Message"] for _, envelope in alerts)
    missing = [line for line in STORY if line not in text]
    if missing:
        raise Failed("\n".join([f"expected in the alert about {FUNCTION}:", *missing, f"(emulator log: {emulator.log})"]))


if __name__ == "__main__":
    sys.exit(main())
