"""What axe cannot see of the pages: contrast of everything, focus that is seen, targets, and the reader's own spacing."""

from typing import Any

from services.reporting.domain.continuum import Standard
from services.reporting.domain.counting import class_mastery
from services.reporting.domain.needs import class_needs
from services.reporting.web.rendering import Words, render
from shared.contracts.internal_events import Status
from tests.reporting.test_rendering import PAGES, context
from tests.support.accessible import beyond_axe, shown_alone
from tests.support.chromium import needs_chromium

pytestmark = needs_chromium
WORDS = Words("es")
"""They are longer than the English ones."""
CODES = [f"m:{n}" for n in range(12)]
TITLE = "Donaudampfschifffahrtsgesellschaft and what else a framework says of a standard, in a hundred letters"


def class_of_25() -> dict[str, Any]:
    """Return what the page of a class is made of that has more to show than a screen."""
    learners: dict[str, dict[str, Status]] = {f"l{n}": dict.fromkeys(CODES[: n % 13], "mastered") for n in range(25)}
    standards = [Standard("m", code[2:], TITLE, n, "1", "Mathematics") for n, code in enumerate(CODES)]
    return context("class.html") | {
        "grid": class_mastery("c", "Class", learners, order=CODES, titles=dict.fromkeys(CODES, TITLE)),
        "needs": class_needs("c", "Class", {learner: {} for learner in learners}, standards, {}, []),
        "names": dict.fromkeys(learners, "Wolfeschlegelsteinhausenbergerdorff, Hubert Blaine"),
        "shown": dict.fromkeys(CODES, 9),
    }


async def test_every_page_can_be_read_and_used_as_the_reader_needs_it(browser: Any) -> None:
    """Also a class that is larger than the screen; and what is marked and waits for a connection."""
    found = {}
    async with shown_alone(browser) as show:
        for template in PAGES:
            found[template] = await beyond_axe(await show(render(template, WORDS, **context(template))))
        found["class of 25"] = await beyond_axe(await show(render("class.html", WORDS, **class_of_25())))
        page = await show(render("capture.html", WORDS, **context("capture.html")))
        await page.locator(".point").first.press("Enter")
        await page.wait_for_selector("#waiting:not([hidden])")
        found["what waits"] = await beyond_axe(page)

    assert {name: faults for name, faults in found.items() if faults} == {}
