#!/usr/bin/env python3
"""Draws the pictures of what arrives: mail.svg, chat.svg and trailscan.svg.

Run it when an alert or a table has changed: `python3 docs/images/render.py`. It uses the standard library only. The text
in the pictures is real output:

- mail.svg: the code block of README.md that begins with `Subject: Stopped:`.
- chat.svg: chat.txt, a custom notification as the snapshot in tests/it/formats/chat.rs shows it.
- trailscan.svg: trailscan.txt, a command and its output in a terminal of 112 columns.

Each line has a fixed length (`textLength`), so a reader's fonts cannot clip or misalign it.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
import unicodedata
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

IMAGES = Path(__file__).resolve().parent
README = IMAGES.parents[1] / "README.md"

WIDTH = 860
MARGIN = 28
MONO = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
SANS = "Helvetica, Arial, 'Liberation Sans', sans-serif"
# Advance of a monospaced character, in em.
ADVANCE = 0.602
# Advances of Helvetica and Arial in 1/1000 em, from the space to the tilde.
SANS_ADVANCES = [
    *(278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278),
    *[556] * 10,
    *(278, 278, 584, 584, 584, 556, 1015),
    *(667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944),
    *(667, 667, 611, 278, 278, 278, 469, 556, 333),
    *(556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722),
    *(500, 500, 500, 334, 260, 334, 584),
]
# Bold is wider by about this factor.
BOLD = 1.07


class Picture:
    """The elements of an SVG, from top to bottom."""

    def __init__(self, title: str, width: int = WIDTH) -> None:
        self.title = title
        self.width = width
        self.elements: list[str] = []

    def rectangle(self, x: float, y: float, width: float, height: float, fill: str, radius: float = 0) -> None:
        size = f'x="{x:g}" y="{y:g}" width="{width:.1f}" height="{height:g}"'
        self.elements.append(f'<rect {size} rx="{radius:g}" fill="{fill}"/>')

    def circle(self, x: float, y: float, radius: float, fill: str) -> None:
        self.elements.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}"/>')

    def line(self, x1: float, x2: float, y: float, stroke: str) -> None:
        self.elements.append(f'<path d="M{x1:.1f} {y:g}H{x2:.1f}" stroke="{stroke}"/>')

    def text(self, x: float, y: float, text: str, size: float, fill: str, style: str = "sans") -> float:
        """Draws a line of text and returns where it ends. Styles: sans, bold, mono."""
        width = width_of(text, size, style)
        if text.strip():
            attributes = f'class="{style}" x="{x:.1f}" y="{y:g}" font-size="{size:g}" fill="{fill}"'
            length = f'textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs"'
            self.elements.append(f"<text {attributes} {length}>{escape(text)}</text>")
        return x + width

    def write(self, name: str, height: float, fill: str, stroke: str) -> None:
        frame = f'width="{self.width - 1}" height="{height - 1:g}" rx="10" fill="{fill}" stroke="{stroke}"'
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{height:g}" '
            f'viewBox="0 0 {self.width} {height:g}" role="img" aria-label={quoteattr(self.title)}>',
            f"<title>{escape(self.title)}</title>",
            f"<style>text {{ white-space: pre }} .sans, .bold {{ font-family: {SANS} }} .bold {{ font-weight: bold }} "
            f".mono {{ font-family: {MONO} }}</style>",
            f'<rect x="0.5" y="0.5" {frame}/>',
            *self.elements,
            "</svg>",
        ]
        path = IMAGES / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{path.relative_to(README.parent)}: {path.stat().st_size:,} bytes")


def width_of(text: str, size: float, style: str = "sans") -> float:
    if style == "mono":
        columns = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
        return columns * ADVANCE * size
    advances = (SANS_ADVANCES[ord(c) - 32] if " " <= c <= "~" else 556 for c in text)
    return sum(advances) / 1000 * size * (BOLD if style == "bold" else 1)


def wrapped(text: str, size: float, width: float, style: str, first: float | None = None) -> list[str]:
    """The lines of a text, broken at spaces. `first` is the width of the first line, which may stay empty."""
    lines = [""]
    for word in text.split():
        limit = first if first is not None and len(lines) == 1 else width
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width_of(longer, size, style) > limit and (lines[-1] or limit < width):
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def mail() -> None:
    block = re.search(r"```text\n(Subject: Stopped: .*?)\n```", README.read_text(encoding="utf-8"), re.DOTALL)
    if block is None:
        sys.exit("README.md has no code block that begins with `Subject: Stopped:`")
    subject, _, body = block[1].partition("\n\n")
    subject = subject.removeprefix("Subject: ")
    picture = Picture(f"Mail: {subject}")
    ink, faint = "#1f2328", "#59636e"
    y = 22.0
    for line in wrapped(subject, 17, WIDTH - 2 * MARGIN, "bold"):
        y += 20
        picture.text(MARGIN, y, line, 17, ink, "bold")
    y += 40
    picture.circle(MARGIN + 18, y, 18, "#1f5fbf")
    picture.text(MARGIN + 18 - width_of("T", 17, "bold") / 2, y + 6, "T", 17, "#ffffff", "bold")
    end = picture.text(MARGIN + 48, y - 3, "trailwarden", 14, ink, "bold")
    picture.text(end + 8, y - 3, "<no-reply@sns.amazonaws.com>", 13, faint)
    picture.text(MARGIN + 48, y + 15, "to you", 13, faint)
    y += 34
    picture.line(0, WIDTH, y, "#d1d9e0")
    y += 12
    size = 12.5
    columns = int((WIDTH - 2 * MARGIN) / (ADVANCE * size))
    for line in body.split("\n"):
        for part in folded(line, columns):
            y += 18
            text = part.lstrip()
            indent = (len(part) - len(text)) * ADVANCE * size
            picture.text(MARGIN + indent, y, text, size, ink, "mono")
    picture.write("mail.svg", y + 26, "#ffffff", "#d1d9e0")


def folded(line: str, columns: int) -> list[str]:
    """A line of the mail, folded under its first word, or under its value if it is a label with a value."""
    label = re.match(r" +\S.*? {2,}| +\d+\. | +", line)
    indent = " " * (len(label[0]) if label else 0)
    return textwrap.wrap(line, columns, subsequent_indent=indent, break_on_hyphens=False) or [""]


def chat() -> None:
    content = json.loads((IMAGES / "chat.txt").read_text(encoding="utf-8"))["content"]
    picture = Picture(f"Chat message: {content['title']}")
    ink, faint, left, right = "#1d1c1d", "#616061", 76, WIDTH - MARGIN
    picture.rectangle(MARGIN, 24, 36, 36, "#7c3aed", 8)
    picture.text(MARGIN + 18 - width_of("Q", 19, "bold") / 2, 49, "Q", 19, "#ffffff", "bold")
    end = picture.text(left, 37, "Amazon Q", 15, ink, "bold")
    picture.rectangle(end + 8, 25, width_of("APP", 10, "bold") + 8, 15, "#e8e8e8", 3)
    picture.text(end + 12, 36, "APP", 10, faint, "bold")
    y, text_left = 52.0, left + 16
    for line in wrapped(content["title"], 15, right - text_left, "bold"):
        y += 21
        picture.text(text_left, y, line, 15, ink, "bold")
    y += 5
    for line in content["description"].split("\n"):
        y = flow(picture, line, text_left, right, y + 21, ink)
    y += 32
    picture.text(text_left, y, "Next steps", 14, ink, "bold")
    for step in content.get("nextSteps", []):
        picture.circle(text_left + 5, y + 18, 2.5, ink)
        y = flow(picture, step, text_left + 16, right, y + 23, ink)
    y += 18
    x = float(text_left)
    for keyword in content.get("keywords", []):
        width = width_of(keyword, 11.5, "mono") + 14
        picture.rectangle(x, y, width, 21, "#eef2f7", 4)
        picture.text(x + 7, y + 14.5, keyword, 11.5, "#3b4a5c", "mono")
        x += width + 8
    # The colored bar along the message.
    picture.rectangle(left, 58, 4, y + 21 - 58, "#c8322b", 2)
    picture.write("chat.svg", y + 45, "#ffffff", "#d1d9e0")


def flow(picture: Picture, text: str, left: float, right: float, y: float, ink: str) -> float:
    """Draws a text with `code` in it, broken at spaces, and returns the position of its last line."""
    x = left
    for number, part in enumerate(text.split("`")):
        is_code = number % 2 == 1
        style, size, fill = ("mono", 12, "#b3261e") if is_code else ("sans", 14, ink)
        for index, line in enumerate(wrapped(part, size, right - left, style, first=right - x)):
            if index > 0:
                x, y = left, y + 20
            if is_code and line:
                picture.rectangle(x - 3, y - 12, width_of(line, size, style) + 6, 17, "#f6f2f2", 3)
            x = picture.text(x, y, line, size, fill, style)
        x += 7
    return y


def trailscan() -> None:
    lines = (IMAGES / "trailscan.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    columns = max(map(len, lines))
    size = 12.5
    picture = Picture("Terminal: " + lines[0].removeprefix("$ "), round(columns * ADVANCE * size + 2 * 22))
    ink, faint = "#e6edf3", "#6e7681"
    for x, fill in [(22, "#ff5f57"), (42, "#febc2e"), (62, "#28c840")]:
        picture.circle(x, 20, 6, fill)
    y = 36.0
    for line in lines:
        y += 18
        rule = re.fullmatch(r"[─═]+", line.strip())
        if rule:
            for offset in [-2, 1] if "═" in line else [0]:
                picture.line(22, picture.width - 22, y - 4 + offset, faint)
            continue
        # Cells are placed by themselves: the spaces between them need no text.
        for cell in re.finditer(r"\S+(?: \S+)*", line):
            fill = "#7ee787" if line.startswith("$ ") else ink
            picture.text(22 + cell.start() * ADVANCE * size, y, cell[0], size, fill, "mono")
    picture.write("trailscan.svg", y + 22, "#0d1117", "#30363d")


if __name__ == "__main__":
    mail()
    chat()
    trailscan()
