"""What teachers do on the pages, in real Chromium on the running stack: by keyboard alone, in time, without faults for axe."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.stack import Stack
from tests.support.chromium import DESKTOP, PHONE, chromium, faults, faults_by_width, needs_chromium, tab_to
from tests.system.room import MAY_WRITE, Room, open_room
from tests.system.test_pages import LEVEL_SHOWN, OWN

pytestmark = needs_chromium
CAPTURE = "/classes/room/capture?competency=math%3Ac1"


@pytest.fixture(scope="module")
async def room(stack: Stack) -> AsyncIterator[Room]:
    """A class in which two learners wait for a level's signature, and one was mastered by what the teacher has seen."""
    room = await open_room(stack, "browsed", [*LEVEL_SHOWN, *OWN])
    yield room
    await room.district.close()


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Any]:
    """Run Chromium."""
    async with chromium() as browser:
        yield browser


async def opened(room: Room, browser: Any, path: str, viewport: dict[str, int] = DESKTOP, person: str = "tea") -> Any:
    """Return a page of a person who has signed in."""
    context = await browser.new_context(viewport=viewport, base_url=room.url)
    token = room.token(person, MAY_WRITE)
    await context.add_cookies([{"name": "attain", "value": token, "url": room.url, "httpOnly": True}])
    page = await context.new_page()
    page.set_default_timeout(10_000)
    await page.goto(path)
    return page


async def correction_of(room: Room, learner: str) -> str:
    """Return the path of the page that corrects a learner's last piece."""
    explanation = f"/v1/learners/{room.learners[learner]}/competencies/math:c0/explanation"
    piece = (await room.district.get("progression", explanation))["evidence"][-1]["evidence_id"]
    return f"/learners/{room.learners[learner]}/evidence/{piece}"


async def test_axe_finds_no_fault_where_something_is_done(room: Room, browser: Any) -> None:
    found: dict[str, Any] = {}
    await room.adopt_again()
    why, correction = f"/learners/{room.learners['l3']}/why/math:c0", await correction_of(room, "l3")
    moving = f"{correction}?to={room.learners['l4']}"
    for path in (CAPTURE, "/classes/room/sign-offs", why, correction, moving, "/policies"):
        page = await opened(room, browser, path, person="head" if path == "/policies" else "tea")
        found[path] = await faults_by_width(page)
        if path.endswith("sign-offs"):
            await page.click("main button[type=submit]")
            await page.wait_for_selector("button[name=step]")
            found["preview"] = await faults_by_width(page)
        await page.context.close()

    assert {path: told for path, told in found.items() if told} == {}


async def test_25_learners_are_marked_by_keyboard_in_under_a_minute_and_the_last_is_undone(
    room: Room, browser: Any
) -> None:
    page = await opened(room, browser, "/classes/room")
    began = time.monotonic()
    await tab_to(page, "Quick capture")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#competency")
    await tab_to(page, lambda it: it["id"] == "competency")
    await page.keyboard.type("Taking")
    await tab_to(page, "Show")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".point")
    await tab_to(page, lambda it: "point" in it["class"].split())
    for _ in range(25):
        await page.keyboard.press("3")
    pressed = page.locator(".point[aria-pressed=true]")
    await pressed.nth(24).wait_for(timeout=60_000)
    took = time.monotonic() - began
    await page.keyboard.press("u")
    await page.wait_for_selector("#said:text('Taken back.')", state="attached")
    left = await pressed.count()
    await room.district.drained()
    counted = {
        learner: len([piece for piece in (await explanation(room, learner))["evidence"] if piece["counted"]])
        for learner in room.learners
    }
    await page.context.close()

    assert took < 60
    assert left == 24
    assert [learner for learner, pieces in counted.items() if pieces % 3 != 1] == ["l24"]
    assert counted["l24"] == 0


async def explanation(room: Room, learner: str) -> dict[str, Any]:
    path = f"/v1/learners/{room.learners[learner]}/competencies/math:c1/explanation"
    return await room.district.get("progression", path)


async def test_an_observation_is_on_the_class_page_of_a_colleague_within_two_seconds(room: Room, browser: Any) -> None:
    """From the tap through evidence, Kafka, progression and reporting to the other screen; of three, while others work too."""
    seen = await opened(room, browser, "/classes/room", person="second")
    page = await opened(room, browser, "/classes/room/capture?competency=math%3Ac2")
    took: list[float] = []
    for number in (9, 13, 17):
        stands = seen.locator("table.heat tr", has_text=f"Learner {number:02}").locator("a[href$='/why/math%3Ac2']")
        before = await stands.count() and await stands.text_content()
        await page.locator("tr", has_text=f"Learner {number:02}").locator(".point").first.focus()
        began = time.monotonic()
        await page.keyboard.press("4")
        while (await stands.count() and await stands.text_content()) == before:
            await asyncio.sleep(0.02)
            assert time.monotonic() - began < 10
        took.append(time.monotonic() - began)
    for each in (page, seen):
        await each.context.close()

    assert min(took) < 2, took


async def test_a_tap_that_is_not_saved_says_so_and_can_be_tapped_again(room: Room, browser: Any) -> None:
    page = await opened(room, browser, "/classes/room/capture?competency=math%3Ac2", PHONE)
    row = page.locator("tr", has_text="Learner 11")
    await page.context.set_offline(True)
    await row.locator(".point").nth(1).click()
    await page.wait_for_selector("form.unsaved")
    said = await row.locator(".now").text_content()
    await page.context.set_offline(False)
    await row.locator(".point").nth(1).click()
    await row.locator(".point[aria-pressed=true]").wait_for()
    left = await page.locator("form.unsaved").count()
    await page.context.close()

    assert said == "This was not saved. Tap again."
    assert left == 0


async def test_a_level_is_signed_and_undone_by_keyboard_alone(room: Room, browser: Any) -> None:
    page = await opened(room, browser, "/classes/room")
    await tab_to(page, "Sign off")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("fieldset")
    boxes = await page.locator("input[type=checkbox]").count()
    await tab_to(page, lambda it: it["type"] == "checkbox")
    await page.keyboard.press("Space")
    await tab_to(page, "Look before signing")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("button[name=step]")
    looked_at = await page.locator("input[name=item]").count()
    await tab_to(page, lambda it: it["name"] == "step")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("input[name=undo]", state="attached")
    signed = await faults(page)
    await tab_to(page, "Undo")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/sign-offs")
    await page.context.close()

    assert (looked_at, signed) == (boxes - 1, [])


async def test_a_mistake_is_corrected_by_keyboard_alone(room: Room, browser: Any) -> None:
    learner = room.learners["l3"]
    page = await opened(room, browser, f"/learners/{learner}/why/math:c0")
    await tab_to(page, lambda it: "/evidence/" in it["href"])
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#changes")
    await tab_to(page, lambda it: it["id"] == "reason")
    await page.keyboard.type("marked the wrong learner")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/learners/{learner}")
    await room.district.drained()
    statuses = await room.record("l3")
    await page.context.close()

    assert statuses["math:c0"] == "provisional"
