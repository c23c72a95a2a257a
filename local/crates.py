"""The crates that a program contains, read from cargo, with their licenses and as a CycloneDX bill of materials."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.cargo import ROOT, TARGET, Failed

# Names of files with license texts and notices, but not of source files.
LICENSE_FILE = re.compile(r"((un)?licen[cs]e|copying)(?!.*\.rs$)", re.IGNORECASE)
NOTICE_FILE = re.compile(r"(copyright|notice)(?!.*\.rs$)", re.IGNORECASE)


@dataclass(frozen=True)
class Crate:
    name: str
    version: str
    # SPDX expression.
    license: str
    folder: Path | None = None
    # SHA-256 of the download, if the crate is from the registry.
    checksum: str | None = None
    # `reference` of the crates that it depends on.
    needs: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"


def linked(architecture: str, features: Sequence[str] = ()) -> list[Crate]:
    """This crate with these features, the crates that are linked into it on this architecture, and Rust's standard library.
    Excludes procedural macros and build dependencies, which run at build time only."""
    tree = _output(
        "cargo", "tree", *features, "--locked", "--edges", "normal,no-proc-macro", "--target", TARGET[architecture], "--prefix", "depth", "--format", "{p}"
    )  # fmt: skip
    needs = _edges(tree)
    metadata = json.loads(_output("cargo", "metadata", *features, "--locked", "--format-version", "1"))
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {f"{it['name']}@{it['version']}": it.get("checksum") for it in locked}
    crates = []
    for package in metadata["packages"]:
        reference = f"{package['name']}@{package['version']}"
        if reference in needs:
            # Some manifests have a slash, which cargo still accepts and SPDX does not.
            expression = re.sub(r"\s*/\s*", " OR ", package["license"] or "")
            folder = Path(package["manifest_path"]).parent
            depends_on = tuple(sorted(needs[reference]))
            crates.append(Crate(package["name"], package["version"], expression, folder, checksums[reference], depends_on))
    rust_version = _output(os.environ.get("RUSTC", "rustc"), "--version").split()[1]
    crates.append(Crate("std", rust_version, "MIT OR Apache-2.0"))
    return sorted(crates, key=lambda it: it.reference)


def _edges(tree: str) -> dict[str, set[str]]:
    """What each crate of `cargo tree --prefix depth` depends on. The tree shows the dependencies of a crate once."""
    needs: dict[str, set[str]] = {}
    path: list[str] = []
    for line in tree.splitlines():
        depth, name, version = re.findall(r"^(\d+)(\S+) v(\S+)", line)[0]
        reference = f"{name}@{version}"
        del path[int(depth) :]
        needs.setdefault(reference, set())
        if path:
            needs[path[-1]].add(reference)
        path.append(reference)
    return needs


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def bill_of_materials(crates: list[Crate], name: str, bootstrap_sha256: str) -> dict[str, Any]:
    """A CycloneDX document without a time and a random serial number, so that equal builds have equal documents."""
    (function,) = (it for it in crates if it.name == name)
    described = {**_component(function), "type": "application", "hashes": [{"alg": "SHA-256", "content": bootstrap_sha256}]}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": described},
        "components": [_component(it) for it in crates if it is not function],
        "dependencies": [{"ref": it.reference, "dependsOn": list(it.needs)} for it in crates],
    }


def _component(crate: Crate) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": crate.reference,
        "name": crate.name,
        "version": crate.version,
        "licenses": [{"expression": crate.license}],
    }
    if crate.checksum:
        component["purl"] = f"pkg:cargo/{crate.name}@{crate.version}"
        component["hashes"] = [{"alg": "SHA-256", "content": crate.checksum}]
    return component


def license_texts(program: str, crates: list[Crate]) -> str:
    """The license texts of the crates that a program contains, each text once. `cargo deny` checks that the licenses are allowed."""
    users: dict[str, list[str]] = {}
    for crate in crates:
        for text in _texts_of(crate):
            users.setdefault(text, []).append(f"{crate.name} {crate.version}")
    listed = "".join(f"{it.name} {it.version}: {it.license}\n" for it in crates)
    texts = "".join(f"\n{'=' * 80}\n{', '.join(names)}\n{'=' * 80}\n\n{text}\n" for text, names in users.items())
    return f"{program} contains these crates. Their license texts follow.\n\n{listed}{texts}"


def _texts_of(crate: Crate) -> list[str]:
    """The texts of the crate's license files and notices, including those of code that it contains from others."""
    files = sorted(it for it in crate.folder.rglob("*") if it.is_file()) if crate.folder else []
    texts = [it.read_text(errors="replace").strip("\n") for it in files if LICENSE_FILE.match(it.name) or NOTICE_FILE.match(it.name)]
    if not any(it.parent == crate.folder and LICENSE_FILE.match(it.name) for it in files):
        texts.append(_standard_text(crate))
    return list(dict.fromkeys(texts))


def _standard_text(crate: Crate) -> str:
    """The text of a license that the crate may be used under, for a crate that includes no license file."""
    choices = crate.license.split(" OR ")
    if "Apache-2.0" in choices:
        return (ROOT / "LICENSE-APACHE").read_text().strip("\n")
    if "MIT" in choices:
        terms = (ROOT / "LICENSE-MIT").read_text().partition("Permission is hereby granted")
        return f"MIT License\n\nCopyright (c) the authors of {crate.name}\n\n{''.join(terms[1:])}".strip("\n")
    raise Failed(f"{crate.name} {crate.version} has no license file: expected the license MIT or Apache-2.0, found {crate.license or 'none'}")
