"""Builds what a release contains: for each architecture, the function as a zip, a template that deploys it, and a bill of
materials; and an archive of trailscan. The same sources and tools always produce the same bytes.

    python -m local.package [ARCHITECTURE …]
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

from elftools.elf.elffile import ELFFile

from local import cargo, cli_archive, crates
from local.cargo import CLI, CPU, ROOT, TARGET, Failed

NAME = "trailwarden"
TRAILSCAN = "trailscan"
FOLDER = ROOT / "package"
# The glibc of provided.al2023.
GLIBC = (2, 34)
# The oldest glibc that Rust supports. trailscan runs on any Linux since.
OLDEST_GLIBC = (2, 17)
MAX_ZIP_BYTES = 5_000_000
# The earliest time that a zip can represent.
TIME = (1980, 1, 1, 0, 0, 0)


def main() -> int:
    try:
        package(sys.argv[1:] or list(TARGET))
    except Failed as failure:
        print(f"package: {failure}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as failure:
        return failure.returncode
    return 0


def package(architectures: list[str]) -> None:
    if shutil.which("cargo") is None:
        raise Failed("cargo is not in PATH: install Rust from https://rustup.rs")
    if unknown := [it for it in architectures if it not in TARGET]:
        raise Failed(f"expected the architectures {' and '.join(TARGET)}, found {' '.join(unknown)}")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for architecture in architectures:
        write(architecture, FOLDER / f"{NAME}-{crate_version()}-{architecture}", build_function(architecture))
    programs = {it: build_trailscan(it) for it in architectures}
    native = cargo.architecture()
    manual = generated_manual(programs.get(native) or build_trailscan(native))
    for architecture, program in programs.items():
        write_trailscan(architecture, FOLDER, program, manual)
    shutil.copyfile(ROOT / "member-role.yaml", FOLDER / f"{NAME}-{crate_version()}-member-role.yaml")
    sums = "".join(f"{sha256(it.read_bytes())}  {it.name}\n" for it in sorted(FOLDER.iterdir()))
    (FOLDER / "SHA256SUMS").write_text(sums)
    print(f"{sums}in {FOLDER}")


def crate_version() -> str:
    version: str = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    return version


def build_function(architecture: str) -> bytes:
    """Builds the function for the processors of Lambda."""
    # cargo-lambda adds the processor only if there are no other flags.
    return build(architecture, NAME, [], GLIBC, ["-C", f"target-cpu={CPU[architecture]}"])


def build_trailscan(architecture: str) -> bytes:
    """Builds trailscan for any processor."""
    return build(architecture, TRAILSCAN, CLI, OLDEST_GLIBC, [])


def build(architecture: str, name: str, features: list[str], glibc: tuple[int, ...], flags: list[str]) -> bytes:
    """Builds a program with zig as the linker; returns the executable."""
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    rustflags = "\x1f".join([*flags, *remapped(target)])
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target), "CARGO_ENCODED_RUSTFLAGS": rustflags}
    triple = f"{TARGET[architecture]}.{'.'.join(map(str, glibc))}"
    folder = target / "lambda"
    command = ["cargo", "lambda", "build", "--release", "--locked", "--bin", name, *features, "--target", triple, "--lambda-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return (folder / name / "bootstrap").read_bytes()


def generated_manual(trailscan: bytes) -> dict[str, bytes]:
    """The man pages and completions, from a program for this machine."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / TRAILSCAN
        program.write_bytes(trailscan)
        program.chmod(0o755)
        return cli_archive.manual(program)


def remapped(target: Path) -> list[str]:
    """Flags that replace the folders of this machine in the executable. The last one that matches applies."""
    cargo_home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    folders = {ROOT: "/trailwarden", target: "/target", cargo_home: "/cargo"}
    return [f"--remap-path-prefix={folder}={name}" for folder, name in folders.items()]


def write(architecture: str, path: Path, bootstrap: bytes) -> None:
    """Checks the executable, and writes the files of one architecture, whose names start with this path."""
    check_glibc(bootstrap, GLIBC)
    linked = crates.linked(architecture)
    archive = zipped({**licenses("The function", linked), "bootstrap": bootstrap}, executable="bootstrap")
    if len(archive) > MAX_ZIP_BYTES:
        raise Failed(f"the zip for {architecture} is too large: expected at most {MAX_ZIP_BYTES} bytes, found {len(archive)}")
    zip_file = path.with_name(f"{path.name}.zip")
    zip_file.write_bytes(archive)
    template = (ROOT / "template.yaml").read_text()
    path.with_name(f"{path.name}.yaml").write_text(packaged_template(template, architecture, zip_file.name))
    bill = crates.bill_of_materials(linked, NAME, sha256(bootstrap))
    path.with_name(f"{path.name}.cdx.json").write_text(json.dumps(bill, indent=1) + "\n")


def write_trailscan(architecture: str, folder: Path, program: bytes, manual: dict[str, bytes]) -> None:
    """Checks the executable, and writes the archive of trailscan for one architecture to a folder."""
    check_glibc(program, OLDEST_GLIBC)
    name = f"{TRAILSCAN}-{crate_version()}-{architecture}"
    files = {**licenses(TRAILSCAN, crates.linked(architecture, CLI)), **manual, TRAILSCAN: program}
    (folder / f"{name}.tar.gz").write_bytes(cli_archive.archived(name, files, executable=TRAILSCAN))


def licenses(program: str, linked: list[crates.Crate]) -> dict[str, bytes]:
    """The licenses of this crate, and those of the crates that a program contains."""
    files = {name: (ROOT / name).read_bytes() for name in ("LICENSE-APACHE", "LICENSE-MIT")}
    texts = crates.license_texts(program, [it for it in linked if it.name != NAME])
    return {**files, "THIRD-PARTY-LICENSES.txt": texts.encode()}


def check_glibc(executable: bytes, glibc: tuple[int, ...]) -> None:
    """Fails if the executable needs a newer glibc."""
    needed = ELFFile(io.BytesIO(executable)).get_section_by_name(".gnu.version_r")
    versions = [version.name for _, used in needed.iter_versions() for version in used] if needed else []
    newer = [it for it in versions if (match := re.fullmatch(r"GLIBC_([\d.]+)", it)) and numbers(match[1]) > glibc]
    if newer:
        raise Failed(f"expected glibc {'.'.join(map(str, glibc))} or older, found {', '.join(newer)}")


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def zipped(files: dict[str, bytes], executable: str) -> bytes:
    """A zip whose bytes depend on nothing but the files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, TIME)
            entry.create_system = 3  # Unix: the attributes are a file mode.
            entry.external_attr = (stat.S_IFREG | (0o755 if name == executable else 0o644)) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


def packaged_template(template: str, architecture: str, code: str) -> str:
    """template.yaml with this zip instead of a build, and for this architecture only."""
    edits = {
        # Refers to files of the repository.
        r"  AWS::ServerlessRepo::Application:\n(    .*\n)+": "",
        r"      BuildMethod: .*\n      BuildProperties:\n(        .*\n)+": "",
        r"      CodeUri: .*\n": f"      CodeUri: {code}\n",
        r"    Default: arm64\n    AllowedValues: \[arm64, x86_64\]\n": f"    Default: {architecture}\n    AllowedValues: [{architecture}]\n",
    }
    for pattern, replacement in edits.items():
        template, count = re.subn(f"^{pattern}", replacement, template, flags=re.MULTILINE)
        if count != 1:
            raise Failed(f"template.yaml: expected one match of {pattern!r}, found {count}")
    return template


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
