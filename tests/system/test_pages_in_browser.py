"""What teachers do on the pages, in real Chromium on the running stack: by keyboard alone, in time, without faults for axe."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.stack import Stack
from tests.support.chromium import DESKTOP, PHONE, faults, faults_by_width, needs_chromium, tab_to
from tests.system.district import SOURCE
from tests.system.room import MAY_WRITE, Room, open_room
from tests.system.test_pages import LEVEL_SHOWN, OWN

pytestmark = needs_chromium
CAPTURE = "/classes/room/capture?competency=math%3Ac1"
SHARING = "/classes/room/capture?competency=math%3Ac2"
WRITTEN = "form[data-state=written]"
LEAVES = {"class": "room", "staff": "leaves"}


@pytest.fixture(scope="module")
async def room(stack: Stack) -> AsyncIterator[Room]:
    """A class in which two learners wait for a level's signature, and one was mastered by what the teacher has seen."""
    room = await open_room(stack, "browsed", [*LEVEL_SHOWN, *OWN])
    yield room
    await room.district.close()


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
    await page.locator(WRITTEN).nth(24).wait_for(timeout=60_000)
    took = time.monotonic() - began
    await page.keyboard.press("u")
    await page.wait_for_selector("#said:text('Taken back.')", state="attached")
    left = await page.locator(".point[aria-pressed=true]").count()
    await nothing_waits(page)
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


async def pieces(room: Room, *learners: str) -> list[list[bool]]:
    """Return of each piece that there is of learners, in the standard of these tests, whether it counts."""
    await room.district.drained()
    found = []
    for learner in learners:
        path = f"/v1/learners/{room.learners[learner]}/competencies/math:c2/explanation"
        answer = await room.district.http.get(f"{room.stack.urls['progression']}{path}")
        found.append([piece["counted"] for piece in answer.json().get("evidence", ())])
    return found


async def nothing_waits(page: Any) -> None:
    """Wait until the browser keeps nothing more that is to be sent."""
    async with asyncio.timeout(10):
        while await page.evaluate("Object.keys(localStorage).length"):
            await asyncio.sleep(0.02)


async def test_what_is_tapped_without_a_connection_waits_and_arrives_once_and_what_is_undone_never(
    room: Room, browser: Any
) -> None:
    page = await opened(room, browser, SHARING, PHONE)
    await page.context.set_offline(True)
    await page.locator("tr", has_text="Learner 19").locator(".point").first.focus()
    for key in "3324u":
        await page.keyboard.press(key)
    await page.wait_for_selector("#waiting p:text('3 observations wait for the connection.')")
    states = await page.locator("form[data-state=waits] .now").all_text_contents()
    found = await faults(page)
    kept = await page.evaluate("JSON.stringify(localStorage)")
    before = await pieces(room, "l19", "l20", "l21", "l22")
    await page.context.set_offline(False)
    await nothing_waits(page)
    said = await page.locator("#said").text_content()
    await page.locator("#waiting").wait_for(state="hidden")
    await page.locator(WRITTEN).nth(2).wait_for()
    await page.reload()
    after = await pieces(room, "l19", "l20", "l21", "l22")
    await page.context.close()

    assert (states, found) == (["waits for the connection"] * 3, [])
    assert not [word for word in ("Learner", "Sharing", "tea", "browsed") if word in kept], kept
    assert (before, after) == ([[]] * 4, [[True], [True], [True], []])
    assert said == "Everything that waited is written."


async def test_an_answer_that_is_lost_writes_nothing_twice_and_undoes_what_was_written(
    room: Room, browser: Any
) -> None:
    """
    The service has it and the browser does not know: sent again it is the same piece, undone it counts no more; and a clock
    that runs weeks ahead makes it no older.
    """
    page = await opened(room, browser, SHARING)

    async def lose_the_answer(route: Any) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/capture", lose_the_answer)
    await page.locator("tr", has_text="Learner 14").locator(".point").first.focus()
    for key in "44":
        await page.keyboard.press(key)
    await page.wait_for_selector("#waiting p:text('2 observations wait')")
    for key in "uu4":
        await page.keyboard.press(key)
    await page.wait_for_selector("#waiting p:text('1 observation waits')")
    await page.context.add_init_script("const now = Date.now; Date.now = () => now() + 40 * 86_400_000;")
    await page.reload()
    await page.wait_for_selector("#waiting p:text('1 observation waits')")
    await page.unroute("**/capture")
    await nothing_waits(page)
    found = await pieces(room, "l14", "l15", "l16")
    await page.context.close()

    assert found == [[False], [], [True]]


async def test_what_waits_is_neither_shown_to_nor_sent_by_somebody_else_on_the_same_browser(
    room: Room, browser: Any
) -> None:
    page = await opened(room, browser, SHARING)
    await page.context.set_offline(True)
    await page.locator("tr", has_text="Learner 23").locator(".point").nth(3).click()
    await page.wait_for_selector("#waiting p:text('1 observation waits')")
    await become(page, room, "second")
    await page.context.set_offline(False)
    # The page of before has the person's queue and not the person's session.
    await page.wait_for_selector("#waiting p:text('load this page again and sign in')")
    await page.goto("/classes/room")
    hers = await page.locator("#waiting").is_hidden(), await pieces(room, "l23")
    await become(page, room, "tea")
    await page.goto("/")
    await nothing_waits(page)
    back = await pieces(room, "l23")
    await page.context.close()

    assert (hers, back) == ((True, [[]]), [[True]])


async def test_what_is_refused_for_good_says_why_is_not_sent_again_and_is_dismissed(room: Room, browser: Any) -> None:
    await room.district.post("evidence", "/v1/roster", {"source": SOURCE, "staff": [LEAVES]})
    await room.district.drained()
    page = await opened(room, browser, SHARING, person="leaves")
    points = page.locator("tr", has_text="Learner 18").locator(".point")
    await points.first.click()
    await page.locator(WRITTEN).wait_for()
    await page.context.set_offline(True)
    await points.nth(1).click()
    await page.wait_for_selector("#waiting p:text('1 observation waits')")
    await room.district.post("evidence", "/v1/roster", {"source": SOURCE, "staff": [LEAVES | {"status": "inactive"}]})
    await room.district.drained()
    await page.context.set_offline(False)
    await page.wait_for_selector(
        "#waiting li:text('the roster does not have the learner, or you, in this class any more')"
    )
    told = await page.locator("form.unsaved .now").text_content(), await points.first.get_attribute("aria-pressed")
    said = await page.locator("#said").text_content()
    await page.goto("/")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    again = await page.locator("#waiting li").count(), await faults(page)
    await page.click("#waiting button")
    await nothing_waits(page)
    await page.context.close()

    assert (told, again) == (("not written", "true"), (1, []))
    assert "is not written: the roster does not have" in said
    assert "POST" not in sent


async def become(page: Any, room: Room, person: str) -> None:
    """Let somebody else sign in with the same browser."""
    cookie = {"name": "attain", "value": room.token(person, MAY_WRITE), "url": room.url, "httpOnly": True}
    await page.context.add_cookies([cookie])


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
