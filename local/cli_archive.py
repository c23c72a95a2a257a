"""The archive of trailscan for one architecture: the program, its man pages and completions, and the licenses."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

# The earliest time that a zip can represent, as for the function.
TIME = 315_532_800
COMPLETIONS = {"bash": "trailscan.bash", "zsh": "_trailscan", "fish": "trailscan.fish"}


def manual(trailscan: Path) -> dict[str, bytes]:
    """The man pages and completions, which a program for this machine generates. They are equal for all architectures."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([trailscan, "man", folder], check=True)
        pages = {f"man/man1/{page.name}": page.read_bytes() for page in Path(folder).iterdir()}
    scripts = {f"completions/{name}": _output(trailscan, "completions", shell) for shell, name in COMPLETIONS.items()}
    return pages | scripts


def _output(*command: str | Path) -> bytes:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def archived(folder: str, files: dict[str, bytes], executable: str) -> bytes:
    """A compressed tar archive of the files in a folder, whose bytes depend on nothing but the files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime = len(content), TIME
            entry.mode = 0o755 if name == executable else 0o644
            archive.addfile(entry, io.BytesIO(content))
    compressed = io.BytesIO()
    # Without a file name and a time in the header.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=compressed, mtime=0) as stream:
        stream.write(buffer.getvalue())
    return compressed.getvalue()
