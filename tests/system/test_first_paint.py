"""How soon the pages show something on the whole sample district: 2,000 learners who have lived two school years."""

import statistics
from typing import Any

import pytest

from deploy.local.sample.district import SOURCE
from deploy.local.sample.people import DISTRICT, WHOLE, make_classes
from deploy.local.stack import Stack
from deploy.local.tokens import issue
from tests.support.chromium import DESKTOP, first_paint, needs_chromium
from tests.system.conftest import Attain

pytestmark = [pytest.mark.long, needs_chromium, pytest.mark.timeout(1500)]
TENANT = "whole"
LOAD_S = 1300
LOADS, BEFORE = 10, 2
AIM_MS = 1000
ROWS, OWN = "records:read:classes evidence:write decisions:write", "records:read:self"


@pytest.fixture(scope="module")
async def learner(stack: Stack, attain: Attain) -> str:
    """Load the district; return the opaque id of its first learner."""
    loaded = attain("demo", "--whole", tenant=TENANT, timeout_s=LOAD_S)
    assert loaded["exit"] == 0, loaded
    found = attain("learner", SOURCE, "L-0001", tenant=TENANT)
    return str(found["learner"])


async def paints(stack: Stack, browser: Any, path: str, subject: str, scope: str) -> list[float]:
    """Return the first paints of a page, loaded again and again by who has signed in."""
    url = stack.urls["reporting"]
    token = issue(stack.token_key_file, tenant=TENANT, scope=scope, subject=subject)
    context = await browser.new_context(viewport=DESKTOP, base_url=url)
    await context.add_cookies([{"name": "attain", "value": token, "url": url, "httpOnly": True}])
    page = await context.new_page()
    took = []
    for _ in range(BEFORE + LOADS):
        answer = await page.goto(path)
        assert answer.status == 200
        assert await page.locator("main :is(.card, .tile)").count() > 0
        took.append(await first_paint(page))
    await context.close()
    return took[BEFORE:]


async def test_every_page_shows_something_within_a_second(stack: Stack, browser: Any, learner: str) -> None:
    """p95 of ten loads, after two: of ten, that is the slowest."""
    room = make_classes(WHOLE)[0]
    pages = {
        "teacher home": ("/", room.teacher, ROWS), "class": (f"/classes/{room.id}", room.teacher, ROWS),
        "learner": (f"/learners/{learner}", room.teacher, ROWS), "district": (f"/districts/{DISTRICT[0]}", "d-leader", ROWS),
        "family": (f"/learners/{learner}", "g-L-0001", OWN),
    }  # fmt: skip
    took = {name: await paints(stack, browser, *asked) for name, asked in pages.items()}
    told = {name: (round(statistics.median(each)), round(max(each))) for name, each in took.items()}
    print("first paint in ms, median and p95:", told)

    assert {name: found for name, found in told.items() if found[1] >= AIM_MS} == {}
