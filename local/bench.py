"""Runs the benchmarks with the flags of a release, and compares counts of instructions with those that are kept."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from local import stack
from local.coldstart import CPU

TARGET = stack.ROOT / "target" / "bench"
KEPT = stack.ROOT / "benches" / f"instructions-{stack.architecture()}.txt"
SHARES = ["rare, large", "pathological, large", "rare, small"]
# Counts of one machine repeat within far less; another compiler moves them more.
TOLERANCE = 0.02


def main(update: bool) -> int:
    environment = {**os.environ, "RUSTFLAGS": f"-C target-cpu={CPU[stack.architecture()]}", "CARGO_TARGET_DIR": str(TARGET)}
    bench = ["cargo", "bench", "--quiet", "--no-default-features", "--bench"]
    failed = [subprocess.call([*bench, name], cwd=stack.ROOT, env=environment) != 0 for name in ["parts", "comparison"]]
    if shutil.which("valgrind") is None:
        print("\ninstructions are not counted: valgrind is not installed")
        return int(any(failed))
    subprocess.run([*bench, "instructions", "--no-run"], cwd=stack.ROOT, env=environment, check=True)
    built = (TARGET / "release" / "deps").glob("instructions-*")
    binary = max((it for it in built if it.suffix == ""), key=lambda it: it.stat().st_mtime)
    failed.append(not compare({share: instructions(binary, share) for share in SHARES}, update))
    return int(any(failed))


def instructions(binary: Path, share: str) -> float:
    """Instructions for each inflated byte: of three readings less those of one, so that making the input is left out."""
    counts = []
    for times in (1, 3):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(binary), share, str(times)]
        output = subprocess.run(command, capture_output=True, text=True, check=True)
        (count,) = re.findall(r"Collected : (\d+)", output.stderr)
        (inflated,) = set(re.findall(r"of (\d+) bytes", output.stdout))
        counts.append(int(count))
    return (counts[1] - counts[0]) / 2 / int(inflated)


def compare(counts: dict[str, float], update: bool) -> bool:
    """Prints the counts beside those that are kept, and returns whether none has grown. The first ones are kept."""
    if update or not KEPT.exists():
        KEPT.write_text("".join(f"{share}: {count:.3f}\n" for share, count in counts.items()))
    kept = {share: float(count) for share, count in (line.split(": ") for line in KEPT.read_text().splitlines())}
    print("\ninstructions for each inflated byte | kept | now |\n|---|---:|---:|")
    for share, count in counts.items():
        print(f"| {share} | {kept[share]:.3f} | {count:.3f} |")
    worse = [share for share, count in counts.items() if count > kept[share] * (1 + TOLERANCE)]
    if worse:
        print(f"more than {TOLERANCE:.0%} above what is kept: {', '.join(worse)}", file=sys.stderr)
    return not worse


if __name__ == "__main__":
    sys.exit(main("--update" in sys.argv))
