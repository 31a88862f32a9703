"""What axe cannot see of a page: it is tried in a browser, by the success criteria of WCAG 2.2."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from services.reporting.web.rendering import STATIC
from tests.support.chromium import DESKTOP, PHONE

CHECKS = (Path(__file__).parent / "accessible.js").read_text()
ENLARGED = {"width": 320, "height": 256}
"""What is left of a window of 1280 by 1024 where a page is enlarged four times (1.4.10)."""
TRIED = (
    ("light", DESKTOP, ("textContrast", "edgeContrast", "focusSeen", "targetSize")),
    ("dark", DESKTOP, ("textContrast", "edgeContrast")),
    ("light", PHONE, ("targetSize", "textSpacing")),
    ("light", ENLARGED, ("focusSeen",)),
)
ADDRESS = "http://pages.test/"


async def beyond_axe(page: Any) -> list[str]:
    """Return what is wrong with a page, all of it unfolded, in light and in the dark, at three sizes of the window."""
    found: list[str] = []
    await page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    for scheme, viewport, checks in TRIED:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size(viewport)
        told = await page.evaluate(
            f"names => {{ const checks = {CHECKS}; return names.flatMap("
            "name => checks[name]().map(fault => `${name}: ${fault}`)) }",
            list(checks),
        )
        found += [f"{scheme}, {viewport['width']} px, {fault}" for fault in told]
    await page.emulate_media(color_scheme="light")
    return sorted(set(found))


@contextlib.asynccontextmanager
async def shown_alone(browser: Any) -> AsyncIterator[Any]:
    """Give a function that shows a rendered page with its style and scripts, but without a service, in the browser."""
    context = await browser.new_context(viewport=DESKTOP)
    page = await context.new_page()
    html = ""

    async def answer(route: Any) -> None:
        name = route.request.url.removeprefix(ADDRESS)
        if not name:
            await route.fulfill(body=html, content_type="text/html; charset=utf-8")
        elif (file := STATIC / name.removeprefix("web/")).is_file():
            await route.fulfill(path=file)
        else:
            await route.fulfill(status=204)

    async def show(rendered: str) -> Any:
        nonlocal html
        html = rendered
        await page.goto(ADDRESS)
        return page

    await page.route(f"{ADDRESS}**", answer)
    yield show
    await context.close()
