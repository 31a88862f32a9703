"""What readers are given is logged as they are given it, in few rows, and says of one learner what was sent and what was not."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from services.progression.domain.disclosing import Disclosure, Reader
from services.progression.handlers import disclosing
from services.progression.handlers.disclosing import Disclosures
from services.progression.handlers.logs import Logs
from services.progression.tables import disclosures as tables
from services.progression.tables import erasing
from services.progression.tables.disclosures import Span
from shared.errors import Refused
from shared.shards import shard_of
from tests.support.outlet import SHARDS, TENANT, Outlet
from tests.support.receiver import Manner, Receiver, Request, receiving
from tests.support.waiting import until

LEARNERS = [f"learner-{number}" for number in range(8)]
WAITS = "learner-3"


async def told(outlet: Outlet, learner: str) -> list[Disclosure]:
    items, more = await Disclosures(outlet.database, outlet.settings, Logs(SHARDS).requests).of_learner(
        TENANT, learner, 0, 100
    )
    assert not more
    return items


async def rows(outlet: Outlet) -> list[Any]:
    async with outlet.database.connection() as connection:
        return await connection.fetch("select via, reader, shard, learner, first, last, sent from disclosure")


async def test_a_webhook_is_logged_by_a_row_a_shard_and_what_waited_when_it_ended_was_not_sent(outlet: Outlet):
    def moody(request: Request) -> Manner:
        return "422" if request.learner == WAITS and refusing else "take"

    refusing, receiver = True, Receiver(moody)
    async with receiving(receiver), outlet.dispatching():
        hook = await outlet.subscribe(receiver.url, types=("competency.*",))
        for _ in range(3):
            await outlet.tell(LEARNERS, 1)
            await outlet.tell(LEARNERS, 1, "level.ready")

        async def passed() -> bool:
            return not (await outlet.state(hook.id))["behind"]

        await until(passed)
        others, waits = [await told(outlet, learner) for learner in ("learner-1", WAITS)]
        logged = await rows(outlet)
        refusing = False

        async def sent() -> bool:
            return Counter(request.learner for request in receiver.taken)[WAITS] == 3

        await until(sent)

        async def logged_too() -> bool:
            return not (await outlet.state(hook.id))["held"]

        await until(logged_too)
        after = await told(outlet, WAITS)
        refusing = True
        await outlet.tell([WAITS], 1)

        async def held() -> bool:
            return bool((await outlet.state(hook.id))["held"])

        await until(held)
        await until(passed)
        await outlet.webhooks.remove(TENANT, hook.id)
        ended = await told(outlet, WAITS)

    [other] = others
    assert (other.name, other.purpose, other.kinds) == ("sis", "placement of learners", {"competency.mastered": 3})
    assert (waits, len(logged)) == ([], len({shard_of(TENANT, learner, SHARDS) for learner in LEARNERS}))
    assert [each.events for each in after] == [3]
    assert [each.events for each in ended] == [3], "what waited when the webhook ended was not sent"


async def test_a_reader_that_follows_the_log_is_one_row_a_day_and_another_way_or_day_is_another(outlet: Outlet):
    async def note(behind: int, last: int, **more: Any) -> None:
        async with outlet.database.connection() as connection:
            via, reader = more.pop("via", "feed"), more.pop("reader", "sis")
            await tables.note(connection, TENANT, via, reader, [Span(0, behind, last), Span(1, behind, last)], **more)

    for behind, last in ((0, 3), (3, 9), (5, 7), (2, 12)):
        await note(behind, last)
    assert sorted((row["shard"], row["first"], row["last"]) for row in await rows(outlet)) == [(0, 1, 12), (1, 1, 12)]

    await note(20, 30)
    await note(10, 25)
    assert sorted(row["last"] for row in await rows(outlet) if row["shard"] == 0) == [25, 30], "a gap was never given"
    await note(12, 13, via="stream")
    await note(12, 13, reader="other")
    await note(12, 13, source="urn:sis")
    await note(12, 13, learner="ada")
    assert len(await rows(outlet)) == 2 * 6
    async with outlet.database.connection() as connection:
        await connection.execute("update disclosure set day = day - 1")
    await note(25, 26)

    assert len(await rows(outlet)) == 2 * 7


async def test_pages_of_standings_in_turn_are_one_row_a_day_and_an_erased_learner_bounds_none(outlet: Outlet):
    async def note(behind: str, last: str, reader: str = "sis") -> None:
        async with outlet.database.connection() as connection:
            await tables.note_standings(connection, TENANT, reader, behind, last)

    async def ranges() -> list[tuple[str, str, str]]:
        async with outlet.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(
                "select reader, behind, last from standing_disclosure order by reader, day, behind")]  # fmt: skip

    await note("", "c")
    await note("c", "f")
    await note("", "c")
    await note("m", "p")
    await note("", "b", "other")
    assert await ranges() == [("other", "", "b"), ("sis", "", "f"), ("sis", "m", "p")]

    async with outlet.database.connection() as connection:
        await connection.execute("update standing_disclosure set day = day - 1")
        await connection.executemany(
            "insert into mastery (tenant, learner, competency, shard, rules_no, state) values ($1, $2, 'c', 0, 0, '')",
            [(TENANT, learner) for learner in ("a", "e", "f", "m", "n")],
        )
    await note("f", "m")
    async with outlet.database.transaction() as connection:
        for learner in ("f", "m"):
            await erasing.erase(connection, 0, TENANT, learner, [])

    assert await ranges() == [("other", "", "b"), ("sis", "", "e"), ("sis", "e", "p"), ("sis", "e", "e")]


async def test_who_declares_readers_at_once_is_counted_one_after_the_other(
    outlet: Outlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disclosing, "READERS_MAX", 2)
    register = Disclosures(outlet.database, outlet.settings, Logs(SHARDS).requests)
    reader = Reader("", TENANT, "kafka", "", "warehouse", "reports", (), ())
    declared = await asyncio.gather(*(register.declare(reader, "me") for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(each, Refused) for each in declared) == 6
    assert len(await register.readers(TENANT)) == 2
