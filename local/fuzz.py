"""Runs the fuzz targets with libFuzzer for a time each, as many at once as the machine has processors.

    python -m local.fuzz [--seconds N] [--target NAME | --group NAME] [--sanitizer none|address]

Prints a line for each target and adds one to `.local/fuzz.jsonl`, which accumulates the figures of all runs. Fails if a
target found something. The corpus in `fuzz/corpus/` remains, so that the next run continues where this one ends.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from local.cargo import ROOT

FUZZ = ROOT / "fuzz"
CORPUS = FUZZ / "corpus"
LOG = ROOT / ".local" / "fuzz.jsonl"
# AddressSanitizer needs the nightly compiler.
TOOLCHAIN = {"none": [], "address": ["+nightly"]}
# A run with less is stuck in an endless loop, or allocates without a bound.
LIMITS = ["-timeout=10", "-rss_limit_mb=2048"]
# Statuses of libFuzzer if it found nothing: the time is over, or the process was interrupted.
NOTHING_FOUND = [0, 72]


@dataclass(frozen=True)
class Target:
    name: str
    group: str


@dataclass(frozen=True)
class Result:
    """What one process of a target did."""

    target: str
    group: str
    sanitizer: str
    commit: str
    started: str
    cpu_seconds: float
    executions: int
    executions_per_second: int
    edges: int
    features: int
    # Inputs of the corpus that are needed for its coverage, and those that this process added.
    corpus: int
    new: int
    # Files with inputs on which the target failed.
    findings: list[str]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--target")
    parser.add_argument("--group")
    parser.add_argument("--sanitizer", choices=TOOLCHAIN, default="none")
    options = parser.parse_args()
    try:
        targets = [it for it in write_seeds() if options.target in (None, it.name) and options.group in (None, it.group)]
        if not targets:
            print(f"no such target or group: {options.target or options.group}", file=sys.stderr)
            return 2
        build(options.sanitizer)
    except subprocess.CalledProcessError as failure:
        return failure.returncode
    processors = os.cpu_count() or 1
    # Processes of the same target share its corpus.
    processes = targets * max(1, processors // len(targets))
    with ThreadPoolExecutor(processors) as pool:
        results = list(pool.map(lambda it: run(it, options.seconds, options.sanitizer), processes))
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a") as log:
        log.writelines(json.dumps(asdict(result)) + "\n" for result in results)
    print_table(results)
    return explain(results)


def write_seeds() -> list[Target]:
    """Writes the seeds to the corpus of each target, and returns the targets."""
    command = ["cargo", "run", "--quiet", "--locked", "--manifest-path", str(FUZZ / "Cargo.toml"), "--example", "seeds", "--", str(CORPUS)]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [Target(*line.split()) for line in lines]


def build(sanitizer: str) -> None:
    subprocess.run(["cargo", *TOOLCHAIN[sanitizer], "fuzz", "build", "--sanitizer", sanitizer], cwd=ROOT, check=True)


def program(name: str) -> Path:
    (found,) = (FUZZ / "target").glob(f"*-linux-gnu/release/{name}")
    return found


def run(target: Target, seconds: int, sanitizer: str) -> Result:
    corpus, artifacts = CORPUS / target.name, FUZZ / "artifacts" / target.name
    artifacts.mkdir(parents=True, exist_ok=True)
    regressions = FUZZ / "regressions" / target.name
    command = [
        str(program(target.name)),
        str(corpus),
        *([str(regressions)] if regressions.exists() else []),
        f"-dict={CORPUS / 'dictionary'}",
        f"-artifact_prefix={artifacts}/",
        f"-max_total_time={seconds}",
        "-print_final_stats=1",
        *LIMITS,
    ]
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        output = "".join(process.stderr or ())
        # Unlike `wait`, this returns the processor time.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    executions = last_number(r"stat::number_of_executed_units: +(\d+)", output)
    is_finding = process.returncode not in NOTHING_FOUND or executions == 0
    if is_finding:
        print(output[-8_000:], file=sys.stderr)
    return Result(
        target=target.name,
        group=target.group,
        sanitizer=sanitizer,
        commit=subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True).stdout.strip(),
        started=started,
        cpu_seconds=round(usage.ru_utime + usage.ru_stime, 1),
        executions=executions,
        executions_per_second=last_number(r"stat::average_exec_per_sec: +(\d+)", output),
        edges=last_number(r" cov: (\d+)", output),
        features=last_number(r" ft: (\d+)", output),
        corpus=last_number(r" corp: (\d+)/", output),
        new=last_number(r"stat::new_units_added: +(\d+)", output),
        findings=re.findall(r"Test unit written to (\S+)", output) or ([f"exit status {process.returncode}"] if is_finding else []),
    )


def last_number(pattern: str, output: str) -> int:
    return int((["0", *re.findall(pattern, output)])[-1])


def print_table(results: list[Result]) -> None:
    """Prints the results, with the totals of all runs that the log contains."""
    earlier = [json.loads(line) for line in LOG.read_text().splitlines()]

    def total(name: str, field: str) -> float:
        return sum(it[field] for it in earlier if it["target"] == name)

    print("| target | executions | per second | edges | features | corpus | new | findings | CPU seconds, all runs | executions, all runs |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for it in results:
        cells: Iterable[object] = (
            it.target, f"{it.executions:,}", f"{it.executions_per_second:,}", f"{it.edges:,}", f"{it.features:,}", it.corpus, it.new,
            len(it.findings), f"{total(it.target, 'cpu_seconds'):,.0f}", f"{total(it.target, 'executions'):,}",
        )  # fmt: skip
        print("|", " | ".join(map(str, cells)), "|")


def explain(results: list[Result]) -> int:
    """Says how to replay each finding. Returns the exit status."""
    found = [(it.target, finding) for it in results for finding in it.findings]
    for target, finding in found:
        print(f"\n{target}: {finding}", file=sys.stderr)
        print(f"  replay: {program(target).relative_to(ROOT)} {finding}", file=sys.stderr)
        print(f"  keep as a regression test: mv {finding} fuzz/regressions/{target}/NAME, and cargo test --features cli fuzz", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
