"""Finds Chromium, or installs the package of the distribution. Playwright drives it, but downloads no browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from local.cargo import Failed

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Chromium itself makes no requests, so each request in a test is one of the page.
ARGUMENTS = [
    "--disable-background-networking", "--disable-component-update", "--disable-gpu", "--disable-quic", "--disable-sync", "--no-first-run",
]  # fmt: skip


def executable() -> str:
    """The path of Chromium: `CHROMIUM`, or the first of `NAMES` in `PATH`."""
    chosen = os.environ.get("CHROMIUM")
    if chosen:
        return _find(chosen) or _fail(f"CHROMIUM is {chosen}, which is not a program")
    found = _find(*NAMES)
    if found is None and os.geteuid() == 0 and Path("/etc/debian_version").exists():
        _install()
        found = _find(*NAMES)
    return found or _fail(f"none of {', '.join(NAMES)} is in PATH")


def arguments() -> list[str]:
    """The arguments of Chromium. Its sandbox does not work for root."""
    return ARGUMENTS + (["--no-sandbox"] if os.geteuid() == 0 else [])


def _find(*names: str) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


def _install() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt_get = ["apt-get", "--quiet", "--quiet"]
    # One of several sources may be unreachable. The installation fails if the package is not in another one.
    subprocess.run([*apt_get, "update"], env=environment, check=False)
    subprocess.run([*apt_get, "install", "--yes", "--no-install-recommends", "chromium"], env=environment, check=True)


def _fail(problem: str) -> str:
    raise Failed(f"{problem}. The browser tests need Chromium: run `apt-get install chromium`, or set CHROMIUM to the path of Chromium or Chrome")
