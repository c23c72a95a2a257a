"""The notes of a release, and the checks that a tag must pass."""

from __future__ import annotations

import pytest

from local.cargo import Failed
from local.release_notes import release_notes

CHANGELOG = "# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-01-02\n\n### Added\n\n- A thing.\n\n## 1.1.0\n\n- Another.\n"


def test_release_notes_are_the_section_of_the_version() -> None:
    assert release_notes(CHANGELOG, "1.2.0", tag="v1.2.0") == "### Added\n\n- A thing."


def test_a_release_without_its_tag_or_its_section_fails() -> None:
    with pytest.raises(Failed, match="expected the tag v1.2.0, .* found v1.1.0"):
        release_notes(CHANGELOG, "1.2.0", tag="v1.1.0")
    with pytest.raises(Failed, match="## 1.3.0"):
        release_notes(CHANGELOG, "1.3.0", tag="v1.3.0")
