"""Prints the section of CHANGELOG.md for a tag, which must be the version in Cargo.toml.

    python -m local.release_notes TAG
"""

from __future__ import annotations

import re
import sys
import tomllib

from local.cargo import ROOT, Failed


def main() -> int:
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    try:
        print(release_notes((ROOT / "CHANGELOG.md").read_text(), version, tag=sys.argv[1]))
    except Failed as failure:
        print(f"release: {failure}", file=sys.stderr)
        return 1
    return 0


def release_notes(changelog: str, version: str, tag: str) -> str:
    if tag != f"v{version}":
        raise Failed(f"expected the tag v{version}, which is the version in Cargo.toml, found {tag}")
    for section in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        heading, _, notes = section.partition("\n")
        if heading.split()[0] == version and notes.strip():
            return notes.strip()
    raise Failed(f'expected a section "## {version}" in CHANGELOG.md, found none')


if __name__ == "__main__":
    sys.exit(main())
