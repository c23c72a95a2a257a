#!/usr/bin/env python3
"""Takes the pictures of a report: report-light.png and report-dark.png.

Run it when the report has changed: `python3 docs/images/report.py`, with the packages of local/requirements.txt and with
Chromium. The report is the real output of `trailscan` for four weeks of a generated trail.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).resolve().parent
ROOT = IMAGES.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/browser")]

import chromium  # noqa: E402
import reports  # noqa: E402

START = datetime(2026, 1, 5)
ACCOUNTS = ["111122223333", "444455556666", "777788889999"]
STOPS = {"orders": "AUTHORIZATION_ERROR", "invoices": "Lambda Function not found", "shipments": "RESOURCE_NOT_FOUND"}
ROLES = ["deployer", "ci-runner", "reporting", "data-export"]
ACTIONS = ["lambda:UpdateFunctionCode", "lambda:InvokeFunction", "s3:GetObject", "kms:Decrypt", "dynamodb:PutItem"]
REASONS = [
    *["because no identity-based policy allows the ACTION action"] * 4,
    "because no resource-based policy allows the ACTION action",
    "with an explicit deny in a service control policy",
]


def records() -> list[dict[str, Any]]:
    """Three stops, two of which have ended, and denials with a peak on one day."""
    chosen = random.Random(5)
    all_records = [denial(chosen, day) for day in range(28) for _ in range(chosen.choice([0, 3, 6, 11]) + (40 if day == 17 else 0))]
    for day, (name, reason) in zip((3, 9, 17), STOPS.items(), strict=True):
        stop = reports.record("disabled_mapping", day, 187, FUNCTION=name, REASON=reason)
        all_records.append(stop)
        if name != "invoices":
            all_records.append(at(reports.enabled(stop), day, 320, role="on-call"))
    return [*all_records, at(reports.deleted_queue("shipments"), 17, 183, role="deployer")]


def denial(chosen: random.Random, day: int) -> dict[str, Any]:
    action = chosen.choice(ACTIONS)
    name = "arn:aws:lambda:us-east-1:111122223333:function:" + chosen.choice(list(STOPS)) if action.startswith("lambda") else "*"
    record = reports.record("denied", day, chosen.randrange(1440), ROLE=chosen.choice(ROLES), FUNCTION="orders")
    user = record["errorMessage"].split(" is not ")[0]
    reason = chosen.choice(REASONS).replace("ACTION", action)
    call = {"eventSource": f"{action.split(':')[0]}.amazonaws.com", "eventName": action.split(":")[1], "recipientAccountId": chosen.choice(ACCOUNTS)}
    return record | call | {"errorMessage": f"{user} is not authorized to perform: {action} on resource: {name} {reason}"}


def at(record: dict[str, Any], day: int, minutes: int, role: str) -> dict[str, Any]:
    """The record as a call of a role at this time."""
    text = json.dumps(record["userIdentity"]).replace("app-0", role).replace("session-0", "alice")
    return record | {"eventTime": f"{(START + timedelta(days=day, minutes=minutes)).isoformat()}Z", "userIdentity": json.loads(text)}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        trail = Path(folder, "trail")
        trail.mkdir()
        (trail / "trail.json").write_text(json.dumps({"Records": records()}))
        report = reports.scan(trail, Path(folder, "report.html"))
        browser = playwright.chromium.launch(executable_path=chromium.executable(), args=chromium.arguments())
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1180, "height": 1600}, color_scheme=scheme)
            page.goto(report.as_uri())
            stops = page.locator(".stops").bounding_box() or {}
            page.screenshot(path=IMAGES / f"report-{scheme}.png", clip={"x": 0, "y": 0, "width": 1180, "height": stops["y"] + stops["height"] + 24})


if __name__ == "__main__":
    main()
