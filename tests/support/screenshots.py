"""
Pictures of the pages of a running stack for the documents: `python -m tests.support.screenshots --home DIR docs/screenshots`.

Needs Playwright and a Chromium on the path, and the sample district loaded by `attain demo --small`.
"""

import argparse
import asyncio
from pathlib import Path
from typing import Any

import httpx

from deploy.local import stack
from deploy.local.errors import StackError
from deploy.local.sample.district import SOURCE
from deploy.local.sample.people import DISTRICT, make_classes
from deploy.local.tokens import issue
from tests.support.chromium import chromium

CAPTURED = 12
"""Which standard of the list is shown being observed."""
SIZES: dict[str, Any] = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}


async def take(home: Path, folder: Path, url: str, tenant: str, learner_id: str, learner: str) -> None:
    """Take every page at phone and desktop size, the class also in the dark and the family page in Spanish."""
    key = home / "token.key"
    room = make_classes()[0]
    rows, own = "records:read:classes evidence:write decisions:write", "records:read:self"
    pages = [
        ("class", f"classes/{room.id}", room.teacher, rows),
        ("learner", f"learners/{learner}", room.teacher, rows),
        ("family", f"learners/{learner}", f"g-{learner_id}", own),
        ("district", f"districts/{DISTRICT[0]}", "d-leader", rows),
        ("teacher", "", room.teacher, rows),
        ("start", "", "laptop", "records:read"),
        ("capture", f"classes/{room.id}/capture", room.teacher, rows),
        ("policies", "policies", "d-leader", rows),
        ("correction", f"learners/{learner}", room.teacher, rows),
    ]
    async with chromium() as browser:
        for name, path, subject, scope in pages:
            token = issue(key, tenant=tenant, scope=scope, subject=subject)
            for size, viewport in SIZES.items():
                variants: tuple[Any, ...] = ("light", "dark") if (name, size) == ("class", "desktop") else ("light",)
                for variant in variants:
                    context = await browser.new_context(viewport=viewport, color_scheme=variant, base_url=url)
                    page = await context.new_page()
                    await page.goto(f"/#token={token}&view={path}")
                    await page.wait_for_selector(".leave")
                    await page.wait_for_load_state("load")
                    await _go_on(page, name)
                    suffix = "" if variant == "light" else f"-{variant}"
                    await page.screenshot(path=folder / f"{name}-{size}{suffix}.png")
                    if name == "family" and size == "phone":
                        await page.goto(f"/{path}?lang=es")
                        await page.screenshot(path=folder / f"{name}-{size}-es.png")
                    await context.close()


async def _go_on(page: Any, name: str) -> None:
    """Go from where a way begins to the page that is shown."""
    if name == "capture":
        await page.select_option("#competency", index=CAPTURED)
        await page.click(".pick button")
        await page.wait_for_selector(".point")
        for _ in range(3):
            await page.locator("form:not(:has([aria-pressed=true])) .point:nth-child(3)").first.click()
            await page.wait_for_timeout(400)
    if name == "correction":
        await page.click(".record tbody tr:first-child .why a")
        pieces = await page.locator("a[href*='/evidence/']").evaluate_all("links => links.map(link => link.href)")
        for piece in reversed(pieces):
            await page.goto(piece)
            if await page.locator("#changes").count():
                break


def main() -> None:
    """Take the pictures of the stack in a home folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--home", type=Path, default=Path(".attain"))
    parser.add_argument("--tenant", default="demo")
    parser.add_argument("--learner", default="L-0003", help="a learner's id in the sample district")
    given = parser.parse_args()
    home = given.home.absolute()
    running = stack.running(home)
    if running is None:
        raise StackError(f"no stack runs in {home}")
    found = httpx.get(
        f"{running.urls['evidence']}/v1/learners", params={"source": SOURCE, "source_id": given.learner},
        headers={"Authorization": f"Bearer {running.token(given.tenant, 'records:read')}"},
    )  # fmt: skip
    given.folder.mkdir(parents=True, exist_ok=True)
    learner = found.json()["learner"]
    asyncio.run(take(home, given.folder, running.urls["reporting"], given.tenant, given.learner, learner))


if __name__ == "__main__":
    main()
