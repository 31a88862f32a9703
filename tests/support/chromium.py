"""The system's Chromium for tests of pages, and axe in it; tests skip with a reason where one is absent."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

BINARY = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE, DESKTOP = {"width": 320, "height": 640}, {"width": 1280, "height": 800}
"""The phone is as narrow as a page may be made by enlarging it (WCAG 2.2, 1.4.10)."""
needs_chromium = pytest.mark.skipif(BINARY is None, reason="no Chromium on the path")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TABS_MAX = 60


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """Run Chromium."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=BINARY, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def faults(page: Any) -> list[tuple[str, list[str]]]:
    """Return what axe finds wrong with a page, all of it unfolded: rule and places; and whether it is wider than the screen."""
    import axe_playwright_python

    await page.wait_for_load_state("load")
    await page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    # The page forbids scripts of others; axe is run by the browser itself, apart from the page.
    await page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text())
    found = await page.evaluate("rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES)
    told = [(fault["id"], [node["html"][:120] for node in fault["nodes"][:3]]) for fault in found["violations"]]
    wider = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*told, *([("wider than the screen", [str(wider)])] if wider > 0 else [])]


async def faults_by_width(page: Any) -> dict[str, list[tuple[str, list[str]]]]:
    """Return what axe finds wrong with a page on a phone and on a desktop, where it finds anything."""
    found = {}
    for name, viewport in (("phone", PHONE), ("desktop", DESKTOP)):
        await page.set_viewport_size(viewport)
        found[name] = await faults(page)
    return {name: told for name, told in found.items() if told}


async def wider_in_large_text(page: Any) -> int:
    """
    Return by how much a page is wider than a phone in Spanish with text of twice the size, all of it unfolded.

    Raises:
        AssertionError: its text does not follow the size that the reader's browser gives.
    """
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.context.set_extra_http_headers({"Accept-Language": "es"})
    await page.reload()
    await page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    await page.evaluate("document.documentElement.style.fontSize = '200%'")
    size = await page.evaluate("getComputedStyle(document.body).fontSize")
    assert size == "32px"
    wider: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wider


async def first_paint(page: Any) -> float:
    """Return after how many milliseconds of its load a page showed something of what is in it."""
    paint: float = await page.evaluate(
        "new Promise(done => new PerformanceObserver("
        "  list => list.getEntriesByName('first-contentful-paint').forEach(entry => done(entry.startTime)))"
        "  .observe({type: 'paint', buffered: true}))"
    )
    return paint


async def tab_to(page: Any, is_it: str | Callable[[dict[str, str]], bool]) -> dict[str, str]:
    """Press Tab until a link, button or field is in focus, by its text or by a claim on it; return what it is."""
    for _ in range(TABS_MAX):
        await page.keyboard.press("Tab")
        focused: dict[str, str] = await page.evaluate(
            "(e => ({text: e.textContent.trim(), href: e.getAttribute('href') ?? '', id: e.id, type: e.type ?? '',"
            " class: e.className, name: e.name ?? ''}))(document.activeElement)"
        )
        if is_it(focused) if callable(is_it) else focused["text"] == is_it:
            return focused
    raise AssertionError(f"Tab does not reach {is_it}; the last was {focused}")
