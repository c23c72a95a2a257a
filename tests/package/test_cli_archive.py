"""The archive of trailscan. Its program is a debug build, which takes seconds instead of minutes."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from local import cli_archive, crates, package
from local.cargo import CLI, ROOT, TARGET


@pytest.fixture(scope="module")
def trailscan() -> bytes:
    command = ["cargo", "build", "--quiet", "--locked", *CLI, "--bin", "trailscan", "--target-dir", str(ROOT / "target")]
    subprocess.run(command, cwd=ROOT, check=True)
    return (ROOT / "target" / "debug" / "trailscan").read_bytes()


def test_an_archive_depends_on_nothing_but_the_files() -> None:
    first = cli_archive.archived("folder", {"trailscan": b"code", "LICENSE": b"text"}, executable="trailscan")
    assert cli_archive.archived("folder", {"LICENSE": b"text", "trailscan": b"code"}, executable="trailscan") == first
    # No name and no time in the header.
    assert first[3:8] == bytes(5)
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        entries = archive.getmembers()
    assert [(it.name, it.mode, it.mtime, it.uid, it.gid, it.uname, it.gname) for it in entries] == [
        ("folder/LICENSE", 0o644, cli_archive.TIME, 0, 0, "", ""), ("folder/trailscan", 0o755, cli_archive.TIME, 0, 0, "", "")
    ]  # fmt: skip


def test_the_archive_contains_the_program_its_manual_and_the_licenses(trailscan: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The debug build is linked against the glibc of this machine.
    monkeypatch.setattr(package, "OLDEST_GLIBC", (99, 0))
    package.write_trailscan("x86_64", tmp_path, trailscan, package.generated_manual(trailscan))
    name = f"trailscan-{package.crate_version()}-x86_64"
    with tarfile.open(tmp_path / f"{name}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / name
    names = {str(it.relative_to(folder)) for it in folder.rglob("*") if it.is_file()}
    assert names >= {"trailscan", "LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY-LICENSES.txt", "man/man1/trailscan.1", "man/man1/trailscan-scan.1"}
    assert {it for it in names if it.startswith("completions/")} == {"completions/trailscan.bash", "completions/_trailscan", "completions/trailscan.fish"}
    version = subprocess.run([folder / "trailscan", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert version == f"trailscan {package.crate_version()}\n"
    completed = f"source {folder}/completions/trailscan.bash && complete -p trailscan"
    assert subprocess.run(["bash", "-c", completed], stdout=subprocess.DEVNULL).returncode == 0
    assert (folder / "THIRD-PARTY-LICENSES.txt").read_text().startswith("trailscan contains these crates.")


@pytest.mark.parametrize("architecture", TARGET)
def test_the_licenses_are_those_of_the_crates_in_trailscan(architecture: str) -> None:
    linked = crates.linked(architecture, CLI)
    names = {it.name for it in linked}
    assert {"aws-sdk-s3", "clap", "clap_complete", "clap_mangen", "comfy-table", "roff", "serde_json", "std", "strsim"} <= names
    assert not {"aws-sdk-dynamodb", "clap_derive", "lambda_runtime"} & names
    text = crates.license_texts("trailscan", linked)
    assert all(f"{it.name} {it.version}" in text.partition("=" * 80)[2] for it in linked)
