"""Builds the package in two folders and fails if any byte differs.

    python -m local.reproducible [ARCHITECTURE …]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from local.cargo import ROOT

SCRATCH = ROOT / ".local" / "reproducible"


def main() -> int:
    shutil.rmtree(SCRATCH, ignore_errors=True)
    # The lengths of the paths differ too.
    builds = (SCRATCH / "a", SCRATCH / "another" / "checkout")
    try:
        first, second = (package(folder, sys.argv[1:]) for folder in builds)
    except subprocess.CalledProcessError as failure:
        return failure.returncode
    differing = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    for name in differing:
        print(f"reproducible: {name} differs between {' and '.join(map(str, builds))}", file=sys.stderr)
    if not differing:
        print(f"reproducible: {len(first)} files are equal")
    return 1 if differing else 0


def package(folder: Path, architectures: list[str]) -> dict[str, bytes]:
    """Copies the sources to a folder and builds the package there; returns its files."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    for name in filter(None, names.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(folder.with_name(f"{folder.name}-target"))}
    subprocess.run([sys.executable, "-m", "local.package", *architectures], cwd=folder, env=environment, check=True)
    return {it.name: it.read_bytes() for it in (folder / "package").iterdir()}


if __name__ == "__main__":
    sys.exit(main())
