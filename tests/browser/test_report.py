"""The report of `trailscan` in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chromium
import pytest
import reports
from playwright.sync_api import Browser, Page, sync_playwright

SCHEMES = ("light", "dark")
WIDTHS = (1400, 400)
# Runs before the page.
RECORD_VIOLATIONS = """
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + " " + event.blockedURI));
"""
# The ratio of the contrast between text and its background, for the elements where it is below the minimum of WCAG AA.
LOW_CONTRAST = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = channels(colour).map((it) => it / 255).map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let it = element; it; it = it.parentElement) {
      const colour = getComputedStyle(it).backgroundColor;
      if (channels(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const hasText = (element) => [...element.childNodes].some((it) => it.nodeType === Node.TEXT_NODE && it.data.trim());
  const low = new Set();
  for (const element of document.body.querySelectorAll("*")) {
    if (!hasText(element) || !element.checkVisibility() || ["SCRIPT", "TITLE", "title"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const [a, b] = [element.closest("svg") ? style.fill : style.color, background(element)].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.add(`${element.tagName}.${element.className.baseVal ?? element.className} ${ratio.toFixed(2)}`);
  }
  return [...low];
}"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Opened:
    """A page, with what it requested and reported."""

    page: Page
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def visible_rows(self) -> int:
        return self.page.locator("table.incidents tbody tr:visible").count()

    def column(self, number: int) -> list[str]:
        """The texts of a column, from the top."""
        texts: list[str] = self.page.locator(f"table.incidents tbody td:nth-child({number})").all_text_contents()
        return texts


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium.executable(), args=chromium.arguments())


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return reports.write(tmp_path_factory.mktemp("reports"))


@contextmanager
def opened(browser: Browser, report: Path, width: int = 1400, scheme: Any = "light", scripts: bool = True) -> Iterator[Opened]:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts)
    opened = Opened(context.new_page())
    page = opened.page
    page.set_default_timeout(5_000)
    page.add_init_script(RECORD_VIOLATIONS)
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("console", lambda message: opened.problems.append(message.text))
    page.on("pageerror", lambda error: opened.problems.append(str(error)))
    page.goto(report.as_uri())
    yield opened
    context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [*WIDTHS, 1100, 800])
def test_a_report_fits_makes_no_requests_and_is_readable(browser: Browser, written: dict[str, Path], width: int, scheme: str) -> None:
    for name, report in written.items():
        with opened(browser, report, width, scheme) as it:
            it.page.eval_on_selector_all("details", "all => all.forEach((it) => (it.open = true))")
            assert it.page.evaluate(OVERFLOW) == 0, name
            assert it.page.evaluate(LOW_CONTRAST) == [], name
            assert it.page.locator("svg.chart:visible").count() == 1, name
            background = it.page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (min if scheme == "light" else max)(rgb(background)) in (range(240, 256) if scheme == "light" else range(0, 48)), name
            assert it.page.evaluate("violations") == [], name
            assert (it.requests, it.problems) == ([report.as_uri()], []), name


def rgb(colour: str) -> list[int]:
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]


def test_text_from_records_is_shown_but_does_not_run(browser: Browser, written: dict[str, Path]) -> None:
    with opened(browser, written["generated"]) as it:
        assert it.page.evaluate("typeof pwned") == "undefined"
        assert it.page.locator("img, iframe, object, embed, link, base, form, a, script:not(:last-child)").count() == 0
        assert it.page.locator("[style], [onload], [onerror], [onclick]").count() == 0
        text = it.page.inner_text("body")
        for name in (reports.HOSTILE[0], reports.HOSTILE[1], "&lt;b&gt;&#x1f4a9;", "a\ufffdgnp[.]exe\ufffd", "שלום עולם", "W" * 250):
            assert name in text, name


def test_filters_select_rows(browser: Browser, written: dict[str, Path]) -> None:
    with opened(browser, written["generated"]) as it:
        page, all_rows = it.page, it.visible_rows()
        page.locator("#filter-severity").select_option("critical")
        stops = it.visible_rows()
        assert stops == len(reports.HOSTILE) + 1
        assert page.inner_text("#matches") == f"{stops} of {all_rows} shown"
        page.locator("#filter-text").fill("ORDERS stopped for")
        assert it.visible_rows() == 1
        page.locator("#filter-kind").select_option("denied")
        assert it.visible_rows() == 0
        page.locator("#filter-severity").select_option("")
        page.locator("#filter-text").fill("role-3")
        assert 0 < it.visible_rows() < all_rows
        page.locator("#filter-text").fill("")
        page.locator("#filter-kind").select_option("")
        assert (it.visible_rows(), page.inner_text("#matches")) == (all_rows, "")


def test_columns_sort_by_click_and_by_keyboard(browser: Browser, written: dict[str, Path]) -> None:
    with opened(browser, written["generated"]) as it:
        header = it.page.get_by_role("columnheader", name="Count", exact=True)
        header.get_by_role("button").click()
        counts = [int(text) for text in it.column(4)]
        assert counts == sorted(counts, reverse=True) and len(set(counts)) > 1
        assert header.get_attribute("aria-sort") == "descending"
        it.page.keyboard.press("Enter")
        assert [int(text) for text in it.column(4)] == sorted(counts)
        assert header.get_attribute("aria-sort") == "ascending"
        it.page.keyboard.press("Tab")
        it.page.keyboard.press("Tab")
        it.page.keyboard.press("Space")
        callers = it.column(6)
        assert callers == sorted(callers, key=lambda text: text.encode("utf-16-be"))
        assert it.page.locator("[aria-sort]").count() == 1


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_is_visible_without_javascript(browser: Browser, written: dict[str, Path], width: int) -> None:
    with opened(browser, written["generated"], width, scripts=False) as it:
        rows = it.page.locator("table.incidents tbody tr")
        assert it.visible_rows() == rows.count() > 100
        assert not it.page.locator(".controls").is_visible()
        rows.first.locator("summary").click()
        assert "What to do" in rows.first.inner_text()


def test_a_printed_report_is_light_and_has_no_controls(browser: Browser, written: dict[str, Path]) -> None:
    with opened(browser, written["generated"], scheme="dark") as it:
        it.page.emulate_media(media="print", color_scheme="dark")
        assert not it.page.locator(".controls").is_visible()
        assert it.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert it.page.evaluate(LOW_CONTRAST) == []
        assert it.page.pdf(format="A4").startswith(b"%PDF")
