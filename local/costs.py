"""Computes the tables of docs/SCALE.md. `--check` fails if the page differs, `--write` updates it, no option prints them."""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from local.cargo import ROOT, Failed

PAGE = ROOT / "docs" / "SCALE.md"
COUNTERS = ROOT / "src" / "telemetry" / "counters.rs"
TEMPLATE = ROOT / "template.yaml"

MILLION = 1e6
GB = 1e9


@dataclass(frozen=True)
class Price:
    """A list price in US dollars for us-east-1: that of the first volume tier, without the free tier."""

    service: str
    dollars: float
    units: float
    unit: str
    # The AWS page that is authoritative for the price, below https://aws.amazon.com.
    page: str
    # Who states the price, as far as it was found in November 2026.
    stated_by: str

    def of(self, quantity: float) -> float:
        return quantity / self.units * self.dollars


AWS = "AWS"
GUIDES = "third-party guides"
NOBODY = ""

LAMBDA_DURATION = Price("Lambda", 0.0000133334, 1, "GB-second on arm64", "lambda/pricing", GUIDES)
LAMBDA_REQUESTS = Price("Lambda", 0.20, MILLION, "million requests", "lambda/pricing", GUIDES)
SQS_REQUESTS = Price("SQS", 0.40, MILLION, "million requests", "sqs/pricing", GUIDES)
SNS_PUBLISHES = Price("SNS", 0.50, MILLION, "million publishes", "sns/pricing", GUIDES)
SNS_EMAILS = Price("SNS", 2.00, 100_000, "100,000 emails", "sns/pricing", GUIDES)
EVENTBRIDGE_EVENTS = Price("EventBridge", 1.00, MILLION, "million events from S3", "eventbridge/pricing", GUIDES)
S3_GETS = Price("S3", 0.0004, 1_000, "1,000 GET requests", "s3/pricing", GUIDES)
S3_PUTS = Price("S3", 0.005, 1_000, "1,000 PUT requests", "s3/pricing", GUIDES)
S3_STORAGE = Price("S3", 0.023, 1 * GB, "GB-month", "s3/pricing", GUIDES)
BATCH_JOBS = Price("S3 Batch Operations", 0.25, 1, "job", "s3/pricing", GUIDES)
BATCH_OBJECTS = Price("S3 Batch Operations", 1.00, MILLION, "million objects", "s3/pricing", NOBODY)
BATCH_MANIFESTS = Price("S3 Batch Operations", 0.015, MILLION, "million objects in the bucket, for the manifest", "s3/pricing", NOBODY)
KMS_REQUESTS = Price("KMS", 0.03, 10_000, "10,000 requests", "kms/pricing", GUIDES)
KMS_KEYS = Price("KMS", 1.00, 1, "key and month", "kms/pricing", GUIDES)
# Lambda logs of the log class Standard, up to 10 TB per month.
LOGS_INGESTED = Price("CloudWatch", 0.50, 1 * GB, "GB of logs ingested", "cloudwatch/pricing", GUIDES)
LOGS_STORED = Price("CloudWatch", 0.03, 1 * GB, "GB-month of logs", "cloudwatch/pricing", GUIDES)
METRICS = Price("CloudWatch", 0.30, 1, "custom metric and month", "cloudwatch/pricing", GUIDES)
ALARMS = Price("CloudWatch", 0.10, 1, "alarm and month", "cloudwatch/pricing", GUIDES)
DASHBOARDS = Price("CloudWatch", 3.00, 1, "dashboard and month", "cloudwatch/pricing", GUIDES)
DYNAMODB_WRITES = Price("DynamoDB", 0.625, MILLION, "million write units", "dynamodb/pricing/on-demand", GUIDES)
DYNAMODB_READS = Price("DynamoDB", 0.125, MILLION, "million read units", "dynamodb/pricing/on-demand", GUIDES)
CLOUDTRAIL_EVENTS = Price("CloudTrail", 2.00, 100_000, "100,000 management events of a second trail", "cloudtrail/pricing", AWS)

# Log of the function, in bytes. Measure them again when a line changes.
METRICS_LINE_BYTES = 493  # for each invocation
OBJECT_LINE_BYTES = 350  # for each log object
PLATFORM_LINES_BYTES = 0  # for each invocation: SystemLogLevel WARN suppresses START, END and REPORT

# ObjectLag and AlertLag, besides the counters.
LAGS = 2

# Volumes. A month has 30 days.
HOURS = 720
SECONDS = HOURS * 3_600
REGIONS = 17
OBJECTS_PER_HOUR = 12  # for each active account and Region
DIGESTS_PER_HOUR = 1  # for each account and Region
OBJECT_BYTES = 2_000  # a quiet log object, or a digest
EVENTS_PER_OBJECT = 20  # 0.1 kB each
RETENTION_MONTHS = 365 * 24 / HOURS  # LogRetentionDays

# Assumed findings for each account and month. Each alert goes to one topic with one email address.
INCIDENTS = 3
OBJECTS_PER_INCIDENT = 10
ALERTS_PER_INCIDENT = 2

# Ledger, in units. A transaction takes twice as many as its writes.
WRITES_PER_OBJECT = 4  # an incident in a log object, and a new incident again
READS_PER_OBJECT = 1
WRITES_PER_ALERT = 2

# Changes that may stop mappings: an assumed share of all events. An item holds at most 15 changes of less than 0.4 kB, so its write
# takes up to 4 units if changes have a usual length, and one in six additions needs a second write.
CHANGE_SHARE = 0.001
UNITS_PER_CHANGE = 5
UNITS_PER_FIRST_CHANGE = 1

# Assumed durations of invocations, in seconds. For a digest alone, it writes a heartbeat.
READ_SECONDS = 0.05
DIGEST_SECONDS = 0.015
OBJECT_CONCURRENCY = 8

# Sweeps: four an hour, of all accounts and active Regions. Each sweep lists 32 of them concurrently, until its time is up.
SWEEPS = 4 * HOURS
SWEEP_SECONDS_PER_PLACE = 0.01
SWEEP_SECONDS_AT_MOST = 40
# Each sweep, and the hourly check for silence, scan the ledger: a heartbeat for each account and Region, the incidents of two
# weeks with their objects, and the resources that changed within two days. A read unit reads 8,192 bytes without strong consistency.
ITEM_BYTES = 300
CHANGE_DAYS = 2
READ_UNIT_BYTES = 8_192

# Lambda polls an idle queue with five pollers if the mapping has a maximum concurrency:
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html. A long poll takes at most 20 seconds.
POLLERS = 5
POLL_SECONDS = 20
# A receive returns as soon as there is a message, so at worst it returns only one.
RECEIVES_PER_MESSAGE = 1
# A bucket key saves "up to 99 percent" of the requests: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
BUCKET_KEY_SHARE = 0.01

# Whether the condition of an alarm or a dashboard holds with the default parameters and a reused trail.
CONDITIONS = {"MakesTrail": False, "HasDashboard": True, "HasSilenceAlarm": True, "HasSweep": True, "HasChatTopic": False, "HasEventTopic": False}


@dataclass(frozen=True)
class Stack:
    """What template.yaml and the code say about the stack with default parameters."""

    resources: dict[str, str]
    custom_metrics: int

    def setting(self, resource: str, name: str) -> int:
        found = re.search(rf"\b{name}: (\d+)", self.resources.get(resource, ""))
        if not found:
            raise Failed(f"expected {name} of {resource} in {TEMPLATE.name}, found none")
        return int(found[1])

    def count(self, kind: str, queue: bool) -> int:
        """Number of alarms or dashboards, with or without a queue."""
        conditions = CONDITIONS | {"UsesQueue": queue}
        number = 0
        for name, text in self.resources.items():
            if f"Type: AWS::CloudWatch::{kind}\n" in text:
                condition = re.search(r"^    Condition: (\w+)", text, flags=re.MULTILINE)
                if condition and condition[1] not in conditions:
                    raise Failed(f"{name} depends on {condition[1]}: add to CONDITIONS of local/costs.py whether it holds by default")
                number += conditions[condition[1]] if condition else True
        return number


@cache
def stack() -> Stack:
    text = TEMPLATE.read_text().partition("\nResources:\n")[2].partition("\nOutputs:\n")[0]
    parts = re.split(r"^  (\w+):\n", text, flags=re.MULTILINE)
    metrics = re.findall(r'\("[A-Z]\w+", self\.', COUNTERS.read_text())
    if not metrics:
        raise Failed(f'expected pairs such as ("Objects", self.objects) in {COUNTERS.name}, found none')
    return Stack(resources=dict(zip(parts[1::2], parts[2::2], strict=True)), custom_metrics=len(metrics) + LAGS)


@dataclass(frozen=True)
class Load:
    """Accounts and the share of their Regions that are always active, with the volumes of a month."""

    name: str
    accounts: int
    active: float

    @property
    def objects(self) -> float:
        return self.accounts * REGIONS * self.active * OBJECTS_PER_HOUR * HOURS

    @property
    def digests(self) -> float:
        return self.accounts * REGIONS * DIGESTS_PER_HOUR * HOURS

    @property
    def events(self) -> float:
        return self.objects * EVENTS_PER_OBJECT

    @property
    def notifications(self) -> float:
        return self.objects + self.digests


SMALL = Load("1 account, 3 Regions", 1, 3 / REGIONS)
TYPICAL_100 = Load("100 accounts, a tenth", 100, 0.1)
MOST_100 = Load("100 accounts, at most", 100, 1)
TYPICAL_1000 = Load("1,000 accounts, a tenth", 1_000, 0.1)
MOST_1000 = Load("1,000 accounts, at most", 1_000, 1)
LOADS = [SMALL, TYPICAL_100, MOST_100, TYPICAL_1000, MOST_1000]


@dataclass(frozen=True)
class Mode:
    """How notifications reach the function, and what each costs before it is in the queue."""

    name: str
    queue: bool
    announcement: Price | None = None

    def batch(self, load: Load) -> float:
        """Notifications per invocation. A batch waits for more of them until the window ends or the batch is full."""
        if not self.queue:
            return 1
        window = stack().setting("TrailQueueMapping", "MaximumBatchingWindowInSeconds")
        return min(stack().setting("TrailQueueMapping", "BatchSize"), 1 + load.notifications / SECONDS * window / POLLERS)

    def invocations(self, load: Load) -> float:
        return load.notifications / self.batch(load)

    def seconds(self, load: Load) -> float:
        """Duration of all invocations."""
        if not self.queue:
            return load.objects * READ_SECONDS + load.digests * DIGEST_SECONDS
        objects = load.objects / self.invocations(load)
        return self.invocations(load) * math.ceil(objects / OBJECT_CONCURRENCY) * READ_SECONDS

    def sqs_requests(self, load: Load) -> float:
        """A send and a receive for each notification, and a delete for each batch."""
        return load.notifications * (1 + RECEIVES_PER_MESSAGE) + self.invocations(load) if self.queue else 0

    def log_bytes(self, load: Load) -> float:
        return self.invocations(load) * (METRICS_LINE_BYTES + PLATFORM_LINES_BYTES) + load.objects * OBJECT_LINE_BYTES

    def costs(self, load: Load) -> dict[str, float]:
        """Dollars per month by item, without those of a trail."""
        memory = stack().setting("Function", "MemorySize") / 1_024
        metrics = stack().custom_metrics
        alarms = {queue: stack().count("Alarm", queue) for queue in (False, True)}
        return {
            "Lambda, duration": LAMBDA_DURATION.of(self.seconds(load) * memory),
            "Lambda, requests": LAMBDA_REQUESTS.of(self.invocations(load)),
            "SQS, notifications": SQS_REQUESTS.of(self.sqs_requests(load)),
            "SQS, empty receives, at most": SQS_REQUESTS.of(POLLERS * SECONDS / POLL_SECONDS if self.queue else 0),
            "SNS publishes or EventBridge events": self.announcement.of(load.notifications) if self.announcement else 0,
            "S3, `GetObject`": S3_GETS.of(load.objects),
            "CloudWatch Logs, ingestion": LOGS_INGESTED.of(self.log_bytes(load)),
            # FunctionLogRetentionDays is a month. CloudWatch compresses what it stores, so this is an upper limit.
            "CloudWatch Logs, storage": LOGS_STORED.of(self.log_bytes(load)),
            f"CloudWatch, {metrics} custom metrics": METRICS.of(metrics),
            f"CloudWatch, {alarms[False]} alarms, or {alarms[True]} with a queue": ALARMS.of(alarms[self.queue]),
            "DynamoDB, a heartbeat for each digest": DYNAMODB_WRITES.of(load.digests),
            "sweeps: Lambda and DynamoDB": sweeps(load, memory),
            "DynamoDB, changes that may stop mappings, at most": changes_of(load.events * CHANGE_SHARE),
            "CloudWatch, dashboard": DASHBOARDS.of(stack().count("Dashboard", self.queue)),
            "findings: DynamoDB, SNS and email": findings(load.accounts),
        }

    def total(self, load: Load) -> float:
        return sum(self.costs(load).values())


DIRECT = Mode("`NewTrail`", queue=False)
QUEUED = Mode("`NewTrailQueued`, `Sqs`", queue=True)
SNS = Mode("`Sns`", queue=True, announcement=SNS_PUBLISHES)
EVENTBRIDGE = Mode("`EventBridge`", queue=True, announcement=EVENTBRIDGE_EVENTS)
MODES = [DIRECT, QUEUED, SNS, EVENTBRIDGE]


def ledger(objects: float, incidents: float, alerts: float = 0) -> float:
    """Dollars for incidents, each in a number of log objects."""
    writes = (objects + incidents) * WRITES_PER_OBJECT + alerts * WRITES_PER_ALERT
    return DYNAMODB_WRITES.of(writes) + DYNAMODB_READS.of((objects + incidents) * READS_PER_OBJECT)


def sweeps(load: Load, memory: float) -> float:
    seconds = min(SWEEP_SECONDS_AT_MOST, load.accounts * REGIONS * load.active * SWEEP_SECONDS_PER_PLACE)
    changes = load.events * CHANGE_SHARE * CHANGE_DAYS * 24 / HOURS
    items = load.accounts * (REGIONS + INCIDENTS * (1 + OBJECTS_PER_INCIDENT) / 2) + changes
    reads = (SWEEPS + HOURS) * math.ceil(items * ITEM_BYTES / READ_UNIT_BYTES)
    return LAMBDA_DURATION.of(SWEEPS * seconds * memory) + LAMBDA_REQUESTS.of(SWEEPS) + DYNAMODB_READS.of(reads)


def changes_of(number: float) -> float:
    """Dollars for changes of resources that change often."""
    return DYNAMODB_WRITES.of(number * UNITS_PER_CHANGE)


def findings(accounts: int) -> float:
    incidents = accounts * INCIDENTS
    alerts = incidents * ALERTS_PER_INCIDENT
    return ledger(incidents * OBJECTS_PER_INCIDENT, incidents, alerts) + SNS_PUBLISHES.of(alerts) + SNS_EMAILS.of(alerts)


def additions(load: Load) -> dict[str, float]:
    """Dollars per month for what only some stacks have."""
    stored = load.notifications * OBJECT_BYTES * RETENTION_MONTHS
    with_bucket_key = (load.notifications + load.objects) * BUCKET_KEY_SHARE
    return {
        "a new trail: S3 `PUT` requests": S3_PUTS.of(load.notifications),
        "a new trail: S3 storage of a year": S3_STORAGE.of(stored),
        "a new trail that is the second one: its events": CLOUDTRAIL_EVENTS.of(load.events),
        "`EncryptionKey`: the key, and requests with a bucket key": KMS_KEYS.of(1) + KMS_REQUESTS.of(with_bucket_key),
        "`TrailKmsKeyArn`: requests without a bucket key": KMS_REQUESTS.of(load.objects),
    }


def dollars(amount: float) -> str:
    if amount == 0:
        return "–"
    if amount < 0.01:
        return "< $0.01"
    return f"${amount:,.2f}" if amount < 9.995 else f"${amount:,.0f}"


def number(amount: float) -> str:
    if amount >= MILLION:
        return f"{amount / MILLION:,.1f} million" if amount < 9.95 * MILLION else f"{amount / MILLION:,.0f} million"
    if amount >= 10:
        return f"{amount:,.0f}"
    return f"{amount:.1f}" if amount >= 0.1 else f"{amount:.2f}"


def table(head: list[str], rows: Iterable[list[str]], align: str = "---:") -> str:
    def line(cells: list[str]) -> str:
        return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells) + "\n"

    return line(head) + "|---|" + f"{align}|" * (len(head) - 1) + "\n" + "".join(map(line, rows))


def by_item(head: list[str], columns: list[dict[str, float]], total: str = "") -> str:
    items = [item for item in columns[0] if any(column[item] for column in columns)]
    rows = [[item, *[dollars(column[item]) for column in columns]] for item in items]
    if total:
        rows.append([total, *[f"**{dollars(sum(column.values()))}**" for column in columns]])
    return table(["", *head], rows)


def volumes() -> str:
    head = ["", "log objects per second", "log objects per month", "digests per month", "events per account and day"]
    rows = [[it.name, *map(number, (it.objects / SECONDS, it.objects, it.digests, it.events / it.accounts / HOURS * 24))] for it in LOADS]
    return table(head, rows)


def capacity() -> str:
    cases = [(mode, load) for load in (TYPICAL_1000, MOST_1000) for mode in (QUEUED, DIRECT)]
    head = ["1,000 accounts", "a tenth, queue", "a tenth, direct", "at most, queue", "at most, direct"]
    most_concurrent = stack().setting("TrailQueueMapping", "MaximumConcurrency")
    limits = []
    for mode, load in cases:
        # The most notifications per second, and the minutes for the backlog of an hour.
        rate = load.notifications / SECONDS
        most = most_concurrent * mode.batch(load) * mode.invocations(load) / mode.seconds(load)
        limits.append([number(most), number(rate * 60 / (most - rate))] if mode.queue else ["–", "–"])
    rows = [
        ["notifications per second", *[number(load.notifications / SECONDS) for _, load in cases]],
        ["notifications per invocation", *[number(mode.batch(load)) for mode, load in cases]],
        ["invocations per second", *[number(mode.invocations(load) / SECONDS) for mode, load in cases]],
        ["seconds per invocation", *[number(mode.seconds(load) / mode.invocations(load)) for mode, load in cases]],
        ["average concurrency", *[number(mode.seconds(load) / SECONDS) for mode, load in cases]],
        [f"limit of notifications per second, with `MaximumConcurrency` {most_concurrent}", *[most for most, _ in limits]],
        ["minutes for a backlog of one hour", *[minutes for _, minutes in limits]],
    ]
    return table(head, rows)


def totals() -> str:
    rows = [[load.name, *[dollars(mode.total(load)) for mode in MODES]] for load in LOADS]
    return table(["dollars per month", *[mode.name for mode in MODES]], rows)


def sizes() -> str:
    return by_item([load.name for load in LOADS], [QUEUED.costs(load) for load in LOADS], "**total per month**")


def modes() -> str:
    return by_item([mode.name for mode in MODES], [mode.costs(MOST_1000) for mode in MODES], "**total per month**")


def options() -> str:
    return by_item([load.name for load in LOADS], [additions(load) for load in LOADS])


def logs() -> str:
    return (
        f"- The function logs {METRICS_LINE_BYTES + PLATFORM_LINES_BYTES:,} bytes for each invocation and {OBJECT_LINE_BYTES:,} bytes for "
        "each log object, without findings.\n"
    )


def storms() -> str:
    denials, objects, actions = 1_000_000, 10_000, 2_000
    rows = [
        [f"{denials:,} denials of one incident in {objects:,} objects", dollars(ledger(objects, 1)), str(len(str(denials)))],
        [f"{actions:,} different actions denied to one caller", dollars(ledger(actions, actions)), "1 to 23"],
    ]
    return table(["", "DynamoDB, at most", "alerts"], rows)


def changes() -> str:
    per_day = 100_000
    per_month = per_day * HOURS / 24
    rows = [
        [f"{per_day:,} changes per day, each of a different resource", number(per_month), dollars(DYNAMODB_WRITES.of(per_month * UNITS_PER_FIRST_CHANGE))],
        [f"{per_day:,} changes per day, of resources that change often", number(per_month * 7 / 6), dollars(changes_of(per_month))],
    ]
    return table(["", "writes per month, at most", "DynamoDB per month, at most"], rows)


def history() -> str:
    # One year of 95 active combinations of account and Region.
    objects = 95 * OBJECTS_PER_HOUR * 24 * 365
    memory = stack().setting("Function", "MemorySize") / 1_024
    costs = {
        "S3 Batch Operations, with the manifest": BATCH_JOBS.of(1) + BATCH_OBJECTS.of(objects) + BATCH_MANIFESTS.of(objects),
        "Lambda, duration": LAMBDA_DURATION.of(objects * READ_SECONDS * memory),
        "Lambda, requests": LAMBDA_REQUESTS.of(objects),
        "S3, `GetObject`": S3_GETS.of(objects),
        "CloudWatch Logs, ingestion": LOGS_INGESTED.of(objects * (METRICS_LINE_BYTES + PLATFORM_LINES_BYTES + OBJECT_LINE_BYTES)),
    }
    return by_item([f"{number(objects)} objects"], [costs], "**total**")


def prices() -> str:
    known = [it for it in globals().values() if isinstance(it, Price)]

    def text(price: Price) -> str:
        amount = f"{price.dollars:.10f}".rstrip("0")
        amount = f"{price.dollars:.2f}" if len(amount.partition(".")[2]) < 2 else amount
        return f"${amount} per {price.unit}{'' if price.stated_by else ' (unconfirmed)'}"

    rows = []
    for service, found in groupby(known, lambda it: it.service):
        group = list(found)
        stated_by = ", ".join(sorted({it.stated_by for it in group} - {NOBODY}))
        rows.append([f"[{service}](https://aws.amazon.com/{group[0].page}/)", "; ".join(map(text, group)), stated_by])
    return table(["", "prices", "stated by"], rows, align="---")


def assumptions() -> str:
    lines = [
        f"The organization uses {REGIONS} Regions. A month has {HOURS // 24} days.",
        f"A log object has {number(OBJECT_BYTES)} bytes and {EVENTS_PER_OBJECT} events. A digest has as many bytes.",
        f"An invocation takes {READ_SECONDS} s for up to {OBJECT_CONCURRENCY} log objects, and {DIGEST_SECONDS} s for a digest alone.",
        f"Lambda polls the queue with {POLLERS} pollers. Notifications arrive evenly, and each takes a receive of its own.",
        f"Each account has {INCIDENTS} incidents per month, each in {OBJECTS_PER_INCIDENT} log objects and with "
        f"{ALERTS_PER_INCIDENT} alerts, which are sent to one email address.",
        f"A sweep takes {SWEEP_SECONDS_PER_PLACE} s for each account and active Region, and at most {SWEEP_SECONDS_AT_MOST} s.",
        f"{CHANGE_SHARE:.1%} of all events are changes that may stop mappings.",
        f"With a bucket key, {BUCKET_KEY_SHARE:.0%} of the requests to KMS remain.",
    ]
    return "".join(f"- {line}\n" for line in lines)


BLOCKS = [volumes, capacity, totals, sizes, modes, logs, options, storms, changes, history, prices, assumptions]
BLOCK = re.compile(r"(?<=<!-- costs: )(\w+) -->\n.*?(?=<!-- end -->)", re.DOTALL)


def updated(page: str) -> str:
    """The page with the computed text between its markers."""
    computed = {it.__name__: it() for it in BLOCKS}
    found = [match[1] for match in BLOCK.finditer(page)]
    if sorted(found) != sorted(computed):
        raise Failed(f"expected the markers {', '.join(sorted(computed))} in {PAGE.name}, found {', '.join(sorted(found))}")
    return BLOCK.sub(lambda match: f"{match[1]} -->\n\n{computed[match[1]]}\n", page)


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case []:
                print("\n".join(f"{it.__name__}\n\n{it()}" for it in BLOCKS))
            case ["--write"]:
                PAGE.write_text(updated(PAGE.read_text()))
            case ["--check"]:
                return check()
            case _:
                print("usage: python -m local.costs [--check | --write]", file=sys.stderr)
                return 2
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


def check() -> int:
    page = PAGE.read_text()
    new = updated(page)
    if new == page:
        return 0
    name = str(PAGE.relative_to(ROOT))
    sys.stderr.writelines(difflib.unified_diff(page.splitlines(True), new.splitlines(True), name, "local/costs.py"))
    print(f"{name} differs from local/costs.py; to update it, run python -m local.costs --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
