"""Fails if a dependency needs a newer Rust than the `rust-version` of Cargo.toml."""

from __future__ import annotations

import json
import subprocess
import sys

from local.cargo import ROOT


def main() -> int:
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    needed = {it["id"]: version(it["rust_version"] or "0") for it in metadata["packages"]}
    supported = needed[metadata["resolve"]["root"]]
    newer = sorted(it["id"] for it in metadata["packages"] if needed[it["id"]] > supported)
    for package in newer:
        print(f"{package} needs Rust {'.'.join(map(str, needed[package]))}, Cargo.toml promises {'.'.join(map(str, supported))}", file=sys.stderr)
    return 1 if newer else 0


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


if __name__ == "__main__":
    sys.exit(main())
