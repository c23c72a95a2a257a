"""Runs the benchmarks with the flags of a release build, and compares instruction counts with the recorded ones."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from local import cargo, stack

KEPT = stack.ROOT / "benches" / f"instructions-{stack.architecture()}.txt"
SHARES = ["rare, large", "pathological, large", "usual, large", "usual, large, all services", "changes, large, causes", "changes, large, all services, causes", "rare, small"]
# On one machine, counts vary by far less between runs. A different compiler version changes them by more.
TOLERANCE = 0.02


def main(update: bool) -> int:
    environment = {**os.environ, **cargo.release_flags()}
    bench = ["cargo", "bench", "--quiet", "--no-default-features", "--bench"]
    failed = [subprocess.call([*bench, name], cwd=stack.ROOT, env=environment) != 0 for name in ["parts", "comparison"]]
    if shutil.which("valgrind") is None:
        print("\nvalgrind is not installed: instructions were not counted")
        return int(any(failed))
    subprocess.run([*bench, "instructions", "--no-run"], cwd=stack.ROOT, env=environment, check=True)
    built = (cargo.release_folder() / "deps").glob("instructions-*")
    binary = max((it for it in built if it.suffix == ""), key=lambda it: it.stat().st_mtime)
    failed.append(not compare({share: instructions(binary, share) for share in SHARES}, update))
    return int(any(failed))


def instructions(binary: Path, share: str) -> float:
    """Returns the instructions per inflated byte. The input is read three times and once; the difference excludes generating it."""
    counts = []
    for times in (1, 3):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(binary), share, str(times)]
        output = subprocess.run(command, capture_output=True, text=True, check=True)
        (count,) = re.findall(r"Collected : (\d+)", output.stderr)
        (inflated,) = set(re.findall(r"of (\d+) bytes", output.stdout))
        counts.append(int(count))
    return (counts[1] - counts[0]) / 2 / int(inflated)


def compare(counts: dict[str, float], update: bool) -> bool:
    """Prints the counts next to the recorded ones, and returns whether all are within the tolerance. Records the first counts."""
    if update or not KEPT.exists():
        KEPT.write_text("".join(f"{share}: {count:.3f}\n" for share, count in counts.items()))
    kept = {share: float(count) for share, count in (line.split(": ") for line in KEPT.read_text().splitlines())}
    print("\n| instructions per inflated byte | recorded | now |\n|---|---:|---:|")
    for share, count in counts.items():
        print(f"| {share} | {kept[share]:.3f} | {count:.3f} |")
    worse = [share for share, count in counts.items() if count > kept[share] * (1 + TOLERANCE)]
    if worse:
        print(f"more than {TOLERANCE:.0%} above the recorded count: {', '.join(worse)}", file=sys.stderr)
    return not worse


if __name__ == "__main__":
    sys.exit(main("--update" in sys.argv))
