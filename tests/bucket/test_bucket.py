"""`trailscan scan s3://…` against an emulator, through a proxy that counts requests and injects faults."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from local.cargo import ROOT  # noqa: E402
from local.emulator import Emulator  # noqa: E402
from local.proxy import Proxy, Request, Response  # noqa: E402

BUCKET = "org-trail"
ACCOUNTS = ["111122223333", "444455556666"]
REGIONS = ["eu-west-1", "us-east-1"]
DAYS = [f"2026/01/{day:02}" for day in range(1, 11)]
# `OBJECTS=10000` is the size of a day of a large organization.
OBJECTS_PER_FOLDER = int(os.environ.get("OBJECTS", "800")) // (len(ACCOUNTS) * len(REGIONS) * len(DAYS))
LARGE = "large/trail.json"


def key(account: str, region: str, day: str, number: int) -> str:
    compact = day.replace("/", "")
    minute = f"{number * 24 * 60 // OBJECTS_PER_FOLDER // 60:02}{number * 24 * 60 // OBJECTS_PER_FOLDER % 60:02}"
    file = f"{account}_CloudTrail_{region}_{compact}T{minute}Z_{number:016}.json.gz"
    return f"AWSLogs/o-example123/{account}/CloudTrail/{region}/{day}/{file}"


def record(account: str, region: str, time: str, number: int) -> dict[str, object]:
    return {
        "eventTime": time,
        "eventSource": "lambda.amazonaws.com",
        "eventName": "GetFunction20150331v2",
        "eventID": f"{account}-{region}-{time}-{number}",
        "awsRegion": region,
        "recipientAccountId": account,
        "errorCode": "AccessDenied",
        "userIdentity": {"type": "Root", "accountId": account, "arn": f"arn:aws:iam::{account}:root"},
    }


def log_file(object_key: str, number: int) -> bytes:
    """A log object with an event of the minute in which it was delivered."""
    match = re.search(r"/(\d{12})/CloudTrail/([^/]+)/.*_(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)Z_", object_key)
    assert match
    account, region, year, month, day, hour, minute = match.groups()
    event = record(account, region, f"{year}-{month}-{day}T{hour}:{minute}:00Z", number)
    return gzip.compress(json.dumps({"Records": [event]}).encode(), mtime=0)


class UnreliableS3(Proxy):
    """Counts requests and injects faults."""

    def __init__(self, target: str) -> None:
        self.requests: list[str] = []
        # Faults by key: `archived`, `denied`, `cut` (the transfer breaks off once), `busy` (a 503 response, once).
        self.faults: dict[str, str] = {}
        self.delay = 0.0
        super().__init__(target)

    def answer(self, request: Request) -> Response:
        self.requests.append(f"{request.method} {request.path} {request.headers.get('Range', '')}".strip())
        time.sleep(self.delay)
        name = unquote(urlsplit(request.path).path).removeprefix(f"/{BUCKET}/")
        fault = self.faults.get(name)
        if fault in ("archived", "denied"):
            return refusal(403, "InvalidObjectState" if fault == "archived" else "AccessDenied")
        if fault == "busy":
            del self.faults[name]
            return refusal(503, "SlowDown")
        response = self.forward(request)
        if fault == "cut":
            del self.faults[name]
            response.cut_after = len(response.body) // 2
        return response

    def keys_read(self) -> list[str]:
        """Keys of the objects that were requested, in order."""
        paths = [urlsplit(request.split()[1]) for request in self.requests if request.startswith("GET")]
        return [unquote(it.path).removeprefix(f"/{BUCKET}/") for it in paths if "list-type" not in it.query]

    def prefixes_listed(self) -> list[str]:
        queries = [parse_qs(urlsplit(request.split()[1]).query) for request in self.requests if "list-type" in request]
        return [query.get("prefix", [""])[0] for query in queries]


def refusal(status: int, code: str) -> Response:
    return Response(status, {}, f"<Error><Code>{code}</Code><Message>refused</Message></Error>".encode())


class Bucket:
    """The bucket of a trail, and a proxy before it."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.proxy = UnreliableS3(emulator.url)
        self.keys = sorted(
            key(account, region, day, number)
            for account in ACCOUNTS
            for region in REGIONS
            for day in DAYS
            for number in range(OBJECTS_PER_FOLDER)
        )
        client = emulator.client("s3")
        client.create_bucket(Bucket=BUCKET)
        others = [
            f"AWSLogs/o-example123/{ACCOUNTS[0]}/CloudTrail-Digest/us-east-1/2026/01/05/digest.json.gz",
            f"AWSLogs/o-example123/{ACCOUNTS[0]}/Config/us-east-1/2026/1/5/config.json.gz",
            "readme.txt",
        ]
        objects = [(name, log_file(name, number)) for number, name in enumerate(self.keys)]
        objects += [(name, b"something else") for name in others]
        events = [record(ACCOUNTS[0], "us-east-1", "2026-02-01T00:00:00Z", number) for number in range(20_000)]
        objects.append((LARGE, json.dumps({"Records": events}).encode()))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda it: client.put_object(Bucket=BUCKET, Key=it[0], Body=it[1]), objects))

    def command(self, *arguments: str) -> list[str]:
        return [str(ROOT / "target/debug/trailscan"), "scan", "--format", "jsonl", *arguments]

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.emulator.credentials(), "AWS_ENDPOINT_URL": self.proxy.url}

    def scan(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        self.proxy.requests.clear()
        return subprocess.run(
            self.command(*arguments), env=self.environment(), capture_output=True, text=True, timeout=300, check=False
        )

    def of_days(self, *days: int) -> list[str]:
        return [it for it in self.keys if any(f"/2026/01/{day:02}/" in it for day in days)]


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    subprocess.run(
        ["cargo", "build", "--quiet", "--features", "cli", "--bin", "trailscan"], cwd=ROOT, check=True
    )
    with Emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        yield Bucket(emulator)


def objects(scan: subprocess.CompletedProcess[str]) -> list[str]:
    """Keys of the objects of the findings, in order."""
    found = [json.loads(line)["object"] for line in scan.stdout.splitlines()]
    return [it.removeprefix(f"s3://{BUCKET}/") for it in found]


def test_the_objects_of_a_trail_are_read_in_the_order_of_their_keys(bucket: Bucket) -> None:
    scan = bucket.scan(f"s3://{BUCKET}/AWSLogs")
    assert scan.returncode == 0, scan.stderr
    assert objects(scan) == bucket.keys
    assert sorted(bucket.proxy.keys_read()) == bucket.keys
    assert not [it for it in bucket.proxy.prefixes_listed() if "Digest" in it or "Config" in it]


def test_objects_are_downloaded_before_a_worker_asks_for_them(bucket: Bucket) -> None:
    bucket.proxy.connections, bucket.proxy.delay = 0, 0.05
    scan = bucket.scan(f"s3://{BUCKET}/AWSLogs")
    bucket.proxy.delay = 0
    assert scan.returncode == 0, scan.stderr
    # The limit is 64 downloads, besides the requests that list keys.
    assert 48 <= bucket.proxy.connections <= 96


def test_a_date_range_reads_only_its_objects(bucket: Bucket) -> None:
    scan = bucket.scan("--since", "2026-01-05", "--until", "2026-01-06", f"s3://{BUCKET}")
    assert scan.returncode == 0, scan.stderr
    assert objects(scan) == bucket.of_days(5, 6)
    # CloudTrail may deliver the events of an evening on the next day. The objects of two more hours are read.
    late = [it for it in bucket.of_days(7) if int(it.split("T")[-1][:4]) <= 200]
    read = [it for it in bucket.proxy.keys_read() if it != LARGE]
    assert sorted(read) == sorted(bucket.of_days(5, 6) + late)


def test_accounts_and_regions_limit_what_is_listed(bucket: Bucket) -> None:
    scan = bucket.scan("--account", ACCOUNTS[1], "--region", "us-east-1", f"s3://{BUCKET}/AWSLogs/")
    wanted = f"AWSLogs/o-example123/{ACCOUNTS[1]}/CloudTrail/us-east-1/"
    assert objects(scan) == [it for it in bucket.keys if it.startswith(wanted)]
    below_accounts = [it for it in bucket.proxy.prefixes_listed() if it.count("/") > 2]
    assert {it.split("/")[2] for it in below_accounts} == {ACCOUNTS[1]}
    assert not [it for it in bucket.proxy.prefixes_listed() if "eu-west-1" in it]


def test_a_single_object_and_a_folder_are_read(bucket: Bucket) -> None:
    one = bucket.keys[7]
    assert objects(bucket.scan(f"s3://{BUCKET}/{one}")) == [one]
    folder = one.rsplit("/", 1)[0]
    assert objects(bucket.scan(f"s3://{BUCKET}/{folder}/")) == [it for it in bucket.keys if it.startswith(folder)]


def test_failures_are_named_and_the_other_objects_are_read(bucket: Bucket) -> None:
    day = bucket.of_days(3)
    archived, denied, cut, busy = day[0], day[1], day[2], day[-1]
    bucket.proxy.faults = {archived: "archived", denied: "denied", cut: "cut", busy: "busy"}
    scan = bucket.scan("--since", "2026-01-03", "--until", "2026-01-03", f"s3://{BUCKET}/AWSLogs/")
    bucket.proxy.faults = {}
    assert scan.returncode == 1
    assert objects(scan) == [it for it in day if it not in (archived, denied)]
    problems = [it for it in scan.stderr.splitlines() if it.startswith("trailscan: ")]
    assert problems == [
        f"trailscan: s3://{BUCKET}/{archived}: the object is archived; restore it and scan it again",
        f"trailscan: s3://{BUCKET}/{denied}: s3:GetObject: AccessDenied: refused",
    ]
    assert "Problems      2\n" in scan.stderr


def test_an_interrupted_transfer_continues_at_the_first_missing_byte(bucket: Bucket) -> None:
    bucket.proxy.faults = {LARGE: "cut"}
    scan = bucket.scan(f"s3://{BUCKET}/{LARGE}")
    assert (scan.returncode, len(objects(scan))) == (0, 20_000), scan.stderr
    ranges = [request for request in bucket.proxy.requests if "bytes=" in request]
    assert len(ranges) == 1
    assert not ranges[0].endswith("bytes=0-")


def test_a_slow_reader_of_the_output_does_not_break_transfers(bucket: Bucket) -> None:
    with subprocess.Popen(
        bucket.command(f"s3://{BUCKET}/{LARGE}"), env=bucket.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        first = process.stdout.readline()
        # Longer than the SDK waits for a stalled transfer.
        time.sleep(12)
        rest = process.stdout.read()
    assert (process.returncode, len((first + rest).splitlines())) == (0, 20_000)


def test_an_interrupted_scan_can_be_continued(bucket: Bucket) -> None:
    bucket.proxy.delay = 0.02
    location = f"s3://{BUCKET}/AWSLogs/"
    with subprocess.Popen(
        bucket.command(location), env=bucket.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        lines = [process.stdout.readline() for _ in range(len(bucket.keys) // 10)]
        process.send_signal(signal.SIGINT)
        rest, errors = process.stdout.read(), process.stderr.read()
    bucket.proxy.delay = 0
    first = [json.loads(line)["object"] for line in [*lines, *rest.splitlines()]]
    assert process.returncode == 130
    assert 0 < len(first) < len(bucket.keys)
    match = re.search(r"trailscan: interrupted; to continue, add --start-after '(.+)'\n$", errors)
    assert match, errors
    scan = bucket.scan("--start-after", match[1], location)
    assert scan.returncode == 0, scan.stderr
    read = set(bucket.proxy.keys_read())
    done = bucket.keys.index(match[1].removeprefix(f"s3://{BUCKET}/")) + 1
    assert read == set(bucket.keys[done:])
    both = [it.removeprefix(f"s3://{BUCKET}/") for it in first] + objects(scan)
    assert sorted(set(both)) == bucket.keys


def test_a_bucket_that_does_not_exist_is_named(bucket: Bucket) -> None:
    scan = bucket.scan("s3://no-such-bucket/AWSLogs/")
    assert scan.returncode == 1
    assert "trailscan: s3://no-such-bucket/AWSLogs/: s3:ListBucket: NoSuchBucket" in scan.stderr


def test_missing_credentials_are_reported(bucket: Bucket) -> None:
    environment = {name: value for name, value in bucket.environment().items() if not name.startswith("AWS_")}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull, "HOME": "/nonexistent"}
    environment["AWS_ENDPOINT_URL"] = bucket.proxy.url
    scan = subprocess.run(
        bucket.command(f"s3://{BUCKET}/"), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert scan.returncode == 1
    assert "credentials" in scan.stderr
