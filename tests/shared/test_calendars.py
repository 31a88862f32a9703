"""The calendars of tenants: asked once a minute, kept while progression is away, and never waited for by intake."""

import asyncio
import contextlib

import httpx
import pytest

from shared import calendars
from shared.calendars import Calendars, in_words
from shared.errors import Unavailable
from shared.school_calendar import SchoolCalendar

TOLD = {"time_zone": "America/Chicago", "breaks": [{"first": "2026-03-09", "last": "2026-03-13"}]}
CHICAGO = SchoolCalendar("America/Chicago", "2026-03-09/2026-03-13")


class Progression:
    """Answers as progression would, or not; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_away = self.is_stuck = False

    async def ask(self, path: str, query: dict[str, str]) -> httpx.Response:
        assert path == "/v1/settings"
        self.asked.append(query["tenant"])
        if self.is_away:
            raise Unavailable("away")
        while self.is_stuck:
            await asyncio.sleep(1)
        return httpx.Response(200, json=TOLD)


async def test_a_calendar_is_asked_for_once_and_kept_while_progression_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    progression = Progression()
    known = Calendars(progression)  # type: ignore[arg-type]
    progression.is_away = True
    unknown = await known.of("t")
    progression.is_away = False
    told = [await known.of("t"), await known.of("t")]
    monkeypatch.setattr(calendars, "FRESH_S", 0.0)
    progression.is_away = True
    kept = await known.of("t")

    assert (unknown, told, kept) == (None, [CHICAGO, CHICAGO], CHICAGO)
    assert progression.asked == ["t", "t", "t"]
    assert (in_words(None), in_words(CHICAGO)) == (
        "Monday to Friday, in UTC; the school calendar is not known", "Monday to Friday but for breaks, in America/Chicago"
    )  # fmt: skip


async def test_what_intake_wants_is_asked_for_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendars, "RETRY_S", 0.01)
    progression = Progression()
    known = Calendars(progression)  # type: ignore[arg-type]
    first = known.known("t")
    running = asyncio.create_task(known.run())
    for _ in range(100):
        await asyncio.sleep(0.01)
        if known.known("t") == CHICAGO:
            break
    later = known.known("t")
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running

    assert (first, later, progression.asked) == (SchoolCalendar(), CHICAGO, ["t"])


async def test_who_asks_first_of_a_tenant_waits_for_its_calendar_and_never_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calendars, "FIRST_S", 0.01)
    progression = Progression()
    known = Calendars(progression)  # type: ignore[arg-type]
    first = await known.soon("t")
    progression.is_stuck = True
    unknown = [await known.soon("u"), await known.soon("u")]

    assert (first, unknown) == (CHICAGO, [SchoolCalendar()] * 2)
    assert progression.asked == ["t", "u"]
