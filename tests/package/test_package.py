"""What `make package` writes, except for the executable, which takes minutes to build."""

from __future__ import annotations

import difflib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from local import crates, package
from local.cargo import ROOT, TARGET, Failed
from local.crates import Crate

TEMPLATE = (ROOT / "template.yaml").read_text()


@pytest.fixture(scope="module", params=TARGET)
def linked(request: pytest.FixtureRequest) -> list[Crate]:
    return crates.linked(request.param)


def bill(linked: list[Crate]) -> dict[str, Any]:
    return crates.bill_of_materials(linked, "trailwarden", "0" * 64)


def crate(folder: Path, license: str, **files: str) -> Crate:
    """A crate in this folder, with these files in addition to its source."""
    for name, text in {"src/lib.rs": "// source", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Crate("example", "1.0.0", license, folder)


def test_a_zip_depends_on_nothing_but_the_files() -> None:
    first = package.zipped({"bootstrap": b"code", "LICENSE": b"text"}, executable="bootstrap")
    assert package.zipped({"LICENSE": b"text", "bootstrap": b"code"}, executable="bootstrap") == first
    entries = zipfile.ZipFile(io.BytesIO(first)).infolist()
    assert [(it.filename, it.external_attr >> 16, it.date_time[0]) for it in entries] == [
        ("LICENSE", 0o100644, 1980), ("bootstrap", 0o100755, 1980)
    ]  # fmt: skip


def test_the_template_deploys_the_zip_on_one_architecture() -> None:
    packaged = package.packaged_template(TEMPLATE, "x86_64", "function.zip")
    assert "AWS::ServerlessRepo" not in packaged
    before, after = (it[it.index("\nParameters:") :].splitlines() for it in (TEMPLATE, packaged))
    changes = [it for it in difflib.ndiff(before, after) if it[0] in "+-"]
    assert changes == [
        "-     Default: arm64",
        "+     Default: x86_64",
        "-     AllowedValues: [arm64, x86_64]",
        "+     AllowedValues: [x86_64]",
        "-       BuildMethod: rust-cargolambda",
        "-       BuildProperties:",
        "-         Binary: trailwarden",
        "-       CodeUri: .",
        "+       CodeUri: function.zip",
    ]


def test_a_template_that_cannot_be_rewritten_fails() -> None:
    with pytest.raises(Failed, match="expected one match of ' +CodeUri.*', found 0"):
        package.packaged_template(TEMPLATE.replace("CodeUri: .", "ImageUri: ."), "arm64", "function.zip")


def test_the_template_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "packaged.yaml"
    path.write_text(package.packaged_template(TEMPLATE, "x86_64", "function.zip"))
    environment = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0"}
    command = [str(Path(sys.executable).parent / "sam"), "validate", "--lint", "--template", str(path)]
    linted = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert linted.returncode == 0, linted.stdout


def test_the_bill_of_materials_follows_the_schema(linked: list[Crate]) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill(linked))) is None


def test_the_bill_of_materials_contains_what_is_linked(linked: list[Crate]) -> None:
    names = {it["name"] for it in bill(linked)["components"]}
    assert {"aws-sdk-s3", "lambda_runtime", "ring", "serde_json", "std", "zlib-rs"} <= names
    # The function itself, trailscan, tests, procedural macros, build scripts and other systems.
    assert not {"trailwarden", "clap", "proptest", "serde_derive", "cc", "windows-sys"} & names
    assert all(it["purl"] and it["hashes"] for it in bill(linked)["components"] if it["name"] != "std")


def test_the_bill_of_materials_links_components(linked: list[Crate]) -> None:
    document = bill(linked)
    needs = {it["ref"]: it["dependsOn"] for it in document["dependencies"]}
    assert {it.partition("@")[0] for it in needs[document["metadata"]["component"]["bom-ref"]]} > {"aws-sdk-s3", "jiff", "memchr"}
    assert {it for refs in needs.values() for it in refs} <= needs.keys()


def test_the_bill_of_materials_depends_on_the_architecture() -> None:
    names = {architecture: {it.name for it in crates.linked(architecture)} for architecture in TARGET}
    assert names["x86_64"] - names["arm64"] == {"safe_arch"}


def test_each_linked_crate_has_a_license_text(linked: list[Crate]) -> None:
    text = crates.license_texts("The function", linked)
    assert all(f"{it.name} {it.version}" in text.partition("=" * 80)[2] for it in linked)


def test_license_files_and_notices_are_collected_once(tmp_path: Path) -> None:
    first = crate(tmp_path / "a", "ISC", **{"LICENSE": "terms", "NOTICE": "thanks", "src/vendored/LICENSE-MIT": "more terms"})
    second = crate(tmp_path / "b", "ISC", **{"license.txt": "terms\n", "src/notice.rs": "mod code;"})
    text = crates.license_texts("The function", [first, second])
    assert [text.count(it) for it in ("\nterms\n", "\nthanks\n", "\nmore terms\n", "mod code;")] == [1, 1, 1, 0]


def test_a_crate_without_a_license_file_gets_the_standard_text(tmp_path: Path) -> None:
    assert "Apache License" in crates.license_texts("The function", [crate(tmp_path / "a", "MIT OR Apache-2.0")])
    assert "Copyright (c) the authors of example\n\nPermission" in crates.license_texts("The function", [crate(tmp_path / "b", "MIT")])


@pytest.mark.parametrize("license", ["", "ISC", "Apache-2.0 AND ISC"])
def test_a_crate_without_a_license_file_or_a_known_license_fails(license: str, tmp_path: Path) -> None:
    with pytest.raises(Failed, match=f"example 1.0.0 has no license file: .* found {license or 'none'}"):
        # The license of vendored code is not the license of the crate.
        crates.license_texts("The function", [crate(tmp_path, license, **{"src/vendored/LICENSE": "terms"})])


def test_an_executable_that_needs_a_newer_glibc_fails() -> None:
    python = Path(sys.executable).read_bytes()
    package.check_glibc(python, (99, 0))
    with pytest.raises(Failed, match=r"expected glibc 1.0 or older, found GLIBC_2\."):
        package.check_glibc(python, (1, 0))
