"""Reports that `trailscan` writes about a generated trail with hostile names, and about real trails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from local import stack
from local.cargo import ROOT

START = datetime(2026, 1, 5)
QUEUES = "https://sqs.us-east-1.amazonaws.com/111122223333"
# Names that callers could choose. `pwned` becomes a global variable if one of them runs.
HOSTILE = [
    "<script>pwned=1</script>",
    "</td></table></style><img src=x onerror=pwned=1>",
    "\"><svg onload=pwned=1>",
    "javascript:pwned=1",
    "{{constructor.constructor('pwned=1')()}}",
    "&lt;b&gt;&#x1f4a9;",
    "a\u202egnp.exe\u2066\u200b",
    "שלום עולם مرحبا",
    "W" * 250,
    "漢字" * 60,
]


def write(folder: Path) -> dict[str, Path]:
    """Writes the reports; returns them by name."""
    trail = folder / "trail"
    trail.mkdir()
    (trail / "a.json").write_text(json.dumps({"Records": records()}))
    (trail / "<script>pwned=1<script>.json").write_text("{")
    reports = {"generated": scan(trail, folder / "generated.html")}
    corpus = os.environ.get("TRAILWARDEN_CORPUS")
    if corpus:
        reports["corpus"] = scan(Path(corpus), folder / "corpus.html", "--rules", str(ROOT / "rules/security.json"), "--authentication-failures")
    return reports


def scan(trail: Path, report: Path, *options: str) -> Path:
    """Scans a trail; returns the report."""
    # `make test` has already built it, with these features.
    subprocess.run(["cargo", "build", "--quiet", "--features", "cli", "--bin", "trailscan"], cwd=ROOT, check=True)
    command = [ROOT / "target/debug/trailscan", "scan", "--event-sources", "*", "--report", report, *options, trail]
    # The exit code is 1 if a file could not be read.
    assert subprocess.run(command, capture_output=True).returncode in (0, 1)
    return report


def records() -> list[dict[str, Any]]:
    """Stops, one of which has a cause and has ended, and denials of callers with and without hostile names."""
    stops = [record("disabled_mapping", day=day, FUNCTION=name, REASON=f"The queue does not exist: {name}") for day, name in enumerate(["orders", *HOSTILE])]
    denials = [record("denied", day=n % 28, minutes=n, ROLE=role(n), FUNCTION="orders") for n in range(300)]
    for n, denial in enumerate(denials):
        denial["errorMessage"] = denial["errorMessage"].replace("GetFunction", f"Action{n % 40}")
        denial["userAgent"] = HOSTILE[n % len(HOSTILE)]
        if n % 3 == 0:
            denial["errorMessage"] = denial["errorMessage"].split(" because ")[0] + " with an explicit deny in a service control policy"
    return [*stops, deleted_queue(), enabled(stops[0]), *denials]


def role(n: int) -> str:
    return HOSTILE[n // 10 % len(HOSTILE)] if n % 10 == 0 else f"role-{n % 7}"


def deleted_queue(name: str = "orders") -> dict[str, Any]:
    """The cause of the first stop, four minutes before it."""
    call = {"eventSource": "sqs.amazonaws.com", "eventName": "DeleteQueue", "requestParameters": {"queueUrl": f"{QUEUES}/{name}-queue"}}
    return record("ordinary", minutes=-4) | call | {"resources": None}


def enabled(stop: dict[str, Any]) -> dict[str, Any]:
    """The call that ends a stop, an hour after it."""
    mapping, function, source = (it["ARN"] for it in stop["resources"])
    parameters = {"uUID": mapping.rsplit(":", 1)[1], "enabled": True}
    call = {"eventSource": "lambda.amazonaws.com", "eventName": "UpdateEventSourceMapping20150331", "requestParameters": parameters}
    response = {"uUID": parameters["uUID"], "functionArn": function, "eventSourceArn": source}
    return record("ordinary", minutes=60) | call | {"resources": None, "responseElements": response}


def record(kind: str, day: int = 0, minutes: int = 0, **names: str) -> dict[str, Any]:
    """A record from the generator at this time, with these names in place of its placeholders, about a mapping of its own."""
    text = stack.placeholder_records()[kind]
    for placeholder, name in names.items():
        text = text.replace(placeholder, json.dumps(name)[1:-1])
    time = START + timedelta(days=day, minutes=minutes)
    identity = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {day} {minutes} {names}"))
    text = re.sub("(?<=:event-source-mapping:)[0-9a-f-]{36}", identity, text)
    return {**json.loads(text), "eventTime": f"{time.isoformat()}Z", "eventID": identity}
