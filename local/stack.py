"""Builds the function and deploys template.yaml to the emulator, as a user deploys it to AWS."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from local import cargo
from local.cargo import ROOT, Failed, architecture
from local.emulator import Emulator, without_profile

SCRATCH = ROOT / ".local"
BUILD = SCRATCH / "build"
NAME = "trailwarden"


def stop_on_sigterm() -> None:
    """Makes SIGTERM raise `KeyboardInterrupt`, as Ctrl-C does, so that a program stops the processes it started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def build() -> Path:
    """Builds the function for this machine with `sam build`; returns the built template."""
    if shutil.which("cargo") is None:
        raise Failed("cargo is not in PATH: install Rust from https://rustup.rs")
    command = [
        "sam", "build", "--template", str(ROOT / "template.yaml"), "--build-dir", str(BUILD),
        "--parameter-overrides", f"Architecture={architecture()}",
    ]  # fmt: skip
    # Use the host's compiler and linker, so that zig is not needed and nothing is downloaded.
    environment = {**without_profile(), **Emulator.credentials(), **sam_settings(), **cargo.quick_flags(), "CARGO_LAMBDA_COMPILER": "cargo"}
    run("build", command, environment, progress=crates_built)
    return BUILD / "template.yaml"


def sam_settings() -> dict[str, str]:
    return {"SAM_CLI_TELEMETRY": "0", "SAM_CLI_CONTAINER_CONNECTION_TIMEOUT": "1"}


def crates_built() -> str:
    folders = (ROOT / "target").glob("*/release/.fingerprint")
    return f"{sum(len(os.listdir(folder)) for folder in folders)} crates built"


def deploy(emulator: Emulator, template: Path, name: str = NAME, **parameters: str) -> dict[str, str]:
    """Deploys with `sam deploy`; returns the stack's outputs."""
    parameters = {"Architecture": architecture(), "CreateTrail": "false", **parameters}
    command = [
        "sam", "deploy", "--template-file", str(_allow_plain_http(template)), "--stack-name", name, "--resolve-s3", "--capabilities",
        "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar", "--parameter-overrides",
        *(f"{name}={value}" for name, value in parameters.items()),
    ]  # fmt: skip
    run("deploy", command, {**emulator.environment(), **sam_settings()})
    stacks = emulator.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    outputs = {it["OutputKey"]: it["OutputValue"] for it in stacks[0]["Outputs"]}
    _allow_publish_batch(emulator, outputs)
    return outputs


def _allow_publish_batch(emulator: Emulator, outputs: dict[str, str]) -> None:
    """AWS authorizes PublishBatch as sns:Publish. The emulator requires sns:PublishBatch, which AWS does not have."""
    configuration = emulator.client("lambda").get_function_configuration(FunctionName=outputs["FunctionName"])
    topics = [arn for name, arn in outputs.items() if name in ("AlertTopicArn", "ChatTopicArn", "EventTopicArn")]
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sns:PublishBatch", "Resource": topics}],
    }
    emulator.client("iam").put_role_policy(
        RoleName=configuration["Role"].rsplit("/", 1)[-1], PolicyName="emulator", PolicyDocument=json.dumps(policy)
    )


def _allow_plain_http(template: Path) -> Path:
    """Returns a copy of the template whose policies allow requests without TLS, because the emulator does not support TLS."""
    document = yaml.safe_load(template.read_text())
    for resource in document["Resources"].values():
        policy = resource.get("Properties", {}).get("PolicyDocument")
        if policy is not None:
            policy["Statement"] = [it for it in policy["Statement"] if it.get("Sid") != "OnlyTls"]
    copy = template.with_name("template-plain-http.yaml")
    copy.write_text(yaml.safe_dump(document, sort_keys=False))
    return copy


def subscribe(emulator: Emulator, topic: str, name: str = "subscriber", **attributes: str) -> str:
    """Subscribes a new queue to a topic; returns its URL."""
    sqs = emulator.client("sqs")
    # A FIFO topic delivers to FIFO queues.
    fifo = topic.endswith(".fifo")
    kind = {"FifoQueue": "true"} if fifo else {}
    url: str = sqs.create_queue(QueueName=f"{name}.fifo" if fifo else name, Attributes=kind)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    emulator.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    return url


def receive(emulator: Emulator, url: str, seconds: float, enough: int = 1) -> list[tuple[float, dict[str, Any]]]:
    """Receives messages from a queue until there are enough or the time is up; returns each with its time of arrival."""
    sqs = emulator.client("sqs")
    deadline = time.monotonic() + seconds
    received: list[tuple[float, dict[str, Any]]] = []
    while len(received) < enough and time.monotonic() < deadline:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        received += [(time.monotonic(), json.loads(message["Body"])) for message in messages]
        handles = [{"Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"]} for message in messages]
        if handles:
            sqs.delete_message_batch(QueueUrl=url, Entries=handles)
    return received


def trailgen(*arguments: str) -> list[str]:
    """The command that generates records and log objects, for an environment with `cargo.quick_flags()`."""
    return ["cargo", "run", "--quiet", *cargo.TRAILGEN, "--", *arguments]


def log_objects(folder: Path, inflated_bytes: int | None = None) -> dict[str, Path]:
    """Generates a small trail, or one log object that inflates to this many bytes; returns the files by key."""
    shutil.rmtree(folder, ignore_errors=True)
    size = [] if inflated_bytes is None else [str(inflated_bytes)]
    run("generate log objects", trailgen(str(folder), *size), {**os.environ, **cargo.quick_flags()})
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.json.gz"))}


@functools.cache
def placeholder_records() -> dict[str, str]:
    """Generates one record of each kind, as JSON with the placeholders FUNCTION, REASON and ROLE."""
    environment = {**os.environ, **cargo.quick_flags()}
    output = subprocess.run(trailgen("--records"), cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    return {kind: json.dumps(record) for kind, record in json.loads(output).items()}


def create_resources(emulator: Emulator, topics: list[str]) -> dict[str, str]:
    """Creates what the function needs without the template: a bucket with log objects, a ledger, and topics. The name `ALERT`
    creates the topic of `ALERT_TOPIC_ARN`. Returns the function's settings."""
    bucket = "trailwarden-local"
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=bucket)
    for key, path in log_objects(SCRATCH / "trail").items():
        s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    sns = emulator.client("sns")
    arns = {f"{name}_TOPIC_ARN": sns.create_topic(Name=f"trailwarden-{name.lower()}")["TopicArn"] for name in topics}
    ledger = create_ledger(emulator, "trailwarden-ledger")
    # With the fast path, the function accepts every payload in events/.
    return {"TRAIL_BUCKETS": bucket, "LEDGER_TABLE": ledger, "FAST_PATH": "on", **arns}


def create_ledger(emulator: Emulator, name: str) -> str:
    """Creates an empty ledger; returns its name."""
    emulator.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    return name


def run(what: str, command: list[str], environment: dict[str, str], progress: Any = None) -> None:
    """Runs a command and shows its progress. If it fails, raises an error with the end of its output."""
    SCRATCH.mkdir(exist_ok=True)
    log = SCRATCH / f"{what.replace(' ', '-')}.log"
    # The tools are in the same folder as this Python interpreter.
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env={**environment, "PATH": path}, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                _show_progress(what, time.monotonic() - started, progress)
                time.sleep(0.5)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    print(f"{_start_of_line()}  {what}: {time.monotonic() - started:.1f} s", flush=True)
    if process.returncode != 0:
        tail = log.read_text(errors="replace").splitlines()[-30:]
        raise Failed("\n".join([f"{what} failed with status {process.returncode}:", *tail, f"(full log: {log})"]))


def _start_of_line() -> str:
    return "\r\x1b[K" if sys.stdout.isatty() else ""


def _show_progress(what: str, seconds: float, progress: Any) -> None:
    detail = f", {progress()}" if progress else ""
    if sys.stdout.isatty():
        print(f"{_start_of_line()}  {what}: {seconds:.0f} s{detail}", end="", flush=True)
    elif int(seconds * 2) % 60 == 59:
        print(f"  {what}: {seconds:.0f} s{detail}", flush=True)
