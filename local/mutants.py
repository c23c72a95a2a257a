"""Tests the tests: changes the library in small ways, one at a time, and lists the changes that no test notices.

cargo-mutants first runs only the unit tests, which build in the least time. It runs the integration tests only with the
mutants that survived, and the slow ones only with those that survived the others. `.cargo/mutants.toml` contains its settings.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from local.cargo import ROOT

# The stages that decide what is alerted, and to whom.
MODULES = ["delivery", "detect", "publish", "trail", "triage"]
FOLDER = ROOT / ".local" / "mutants"
REPORT = FOLDER / "mutants.out"
# Integration tests that read files of the repository instead of calling the library, or that take minutes.
SKIPPED = ["architecture::", "docs::", "the_largest_alerts_are_within_the_limits"]
# Tests that take most of the time of all integration tests.
SLOW = ["simulation::", "storm::", "trail::properties::"]
# Properties are tested with the same cases for each mutant, and a case that failed is not remembered: otherwise, a property that
# fails once for another reason counts as noticing the mutant, and then every later one.
SAME_CASES = {"PROPTEST_RNG_SEED": "1", "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "true"}
# Statuses of cargo-mutants if it tested all mutants: all were caught, some were missed, or some timed out.
FINISHED = [0, 2, 3]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", choices=MODULES, help="change only this module")
    parser.add_argument("--in-diff", metavar="COMMIT", help="change only lines that differ from this commit")
    parser.add_argument("--re", metavar="REGEX", help="make only the changes whose description matches this, and all that remove a field")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    chosen = selection([arguments.module] if arguments.module else MODULES, arguments.in_diff)
    chosen += ["--re", arguments.re] if arguments.re else []
    # With --iterate, a run skips what the earlier ones caught.
    for tests in (["--cargo-arg=--lib"], ["--iterate", *integration_tests(SKIPPED + SLOW)], ["--iterate", *integration_tests(SKIPPED)]):
        if (status := mutate([*chosen, *tests])) not in FINISHED:
            return status
    missed = REPORT / "missed.txt"
    count = len(missed.read_text().splitlines())
    print(f"Changes that no test noticed: {count}, listed in {missed.relative_to(ROOT)}" if count else "Every change was noticed.")
    return 0


def integration_tests(skipped: list[str]) -> list[str]:
    return ["--cargo-arg=--test=it", "--", "--", *(argument for name in skipped for argument in ("--skip", name))]


def mutate(arguments: list[str]) -> int:
    # cargo-mutants builds in a copy of the repository. The dependencies are built once.
    environment = {**os.environ, **SAME_CASES, "CARGO_TARGET_DIR": str(FOLDER / "target")}
    return subprocess.call(["cargo", "mutants", "--output", str(FOLDER), *arguments], cwd=ROOT, env=environment)


def selection(modules: list[str], commit: str | None) -> list[str]:
    """Returns the arguments that say what is changed."""
    chosen = [argument for module in modules for path in (f"src/{module}.rs", f"src/{module}/**") for argument in ("--file", path)]
    if commit:
        diff = FOLDER / "changes.diff"
        diff.write_bytes(subprocess.run(["git", "diff", commit, "--", "src"], cwd=ROOT, check=True, capture_output=True).stdout)
        chosen += ["--in-diff", str(diff)]
    return chosen


if __name__ == "__main__":
    sys.exit(main())
