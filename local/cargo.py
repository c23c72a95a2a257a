"""Runs cargo with the flags of `cargo lambda build`, so that both share what they build.

Needs only Python's standard library: `make` builds the function while it installs the tools.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The target and the processor for which cargo-lambda builds a release.
TARGET = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}
CPU = {"x86_64": "haswell", "arm64": "neoverse-n1"}
# Targets of Cargo.toml, with their profile and features. The generator of log objects needs no AWS SDK.
CLI = ["--no-default-features", "--features", "cli"]
FUNCTION = ["--release", "--bin", "trailwarden"]
TRAILGEN = ["--release", "--no-default-features", "--features", "local", "--bin", "trailgen"]


class Failed(Exception):
    """A failure that is shown as a message instead of a traceback."""


def architecture() -> str:
    """The architecture of this machine, as Lambda names it."""
    names = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
    machine = platform.machine().lower()
    if sys.platform != "linux" or machine not in names:
        raise Failed(f"the emulator runs the function as a process on this machine: expected Linux on x86-64 or arm64, found {sys.platform} on {machine}")
    return names[machine]


def release_flags() -> dict[str, str]:
    """Environment in which cargo builds what is deployed, and measured."""
    return {
        "CARGO_BUILD_TARGET": TARGET[architecture()],
        "CARGO_TARGET_DIR": str(ROOT / "target"),
        "RUSTFLAGS": f"-C target-cpu={CPU[architecture()]}",
    }


def release_folder() -> Path:
    """Where cargo puts what it builds in that environment."""
    return ROOT / "target" / TARGET[architecture()] / "release"


def quick_flags() -> dict[str, str]:
    """Environment for the demo and the tests: a release that builds in half the time. The crates that Cargo.toml
    optimizes by name stay optimized, and a panic still aborts."""
    return release_flags() | {
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
        "CARGO_PROFILE_RELEASE_LTO": "off",
        "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
    }


def main() -> int:
    """Builds what the demo needs. `sam build` and `cargo run` then find it built."""
    try:
        environment = {**os.environ, **quick_flags()}
        progress = [] if sys.stderr.isatty() else ["--quiet"]
        commands = (["cargo", "build", *progress, *what] for what in (FUNCTION, TRAILGEN))
        return next((status for it in commands if (status := subprocess.call(it, cwd=ROOT, env=environment))), 0)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    except FileNotFoundError:
        print("cargo is not in PATH: install Rust from https://rustup.rs", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
