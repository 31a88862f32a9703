"""Rebuilding: the same rows in the next version, while events keep arriving."""

import asyncio
import types
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from services.reporting.entrypoints.consuming import FOLLOW_S, Consumers
from services.reporting.handlers import rebuilding
from services.reporting.handlers.folds import EDITIONS
from services.reporting.tables import rebuilds
from services.reporting.tables.read_models import INPUT_LOGS
from services.reporting.tables.reads import snapshot
from services.reporting.tables.rebuilds import Attempt
from shared.database import Connection
from shared.errors import Conflict
from shared.feed import FeedClient
from shared.transport import make_broker
from tests.reporting.builders import (
    class_,
    competency,
    enrolment,
    framework,
    happened,
    mastery,
    school,
    staff,
    suggested,
)
from tests.reporting.running import Running
from tests.support.waiting import until

COLUMNS = "tenant, learner, competency, status, score, evidence_count, last_evidence_at, mastered_at, seq, data"
LEARNERS = 300


async def rows(reporting: Running, query: str) -> list[tuple[Any, ...]]:
    async with reporting.database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(query)]


async def rebuilt(reporting: Running, model: str, how: str = "", **parameters: Any) -> dict[str, Any]:
    """Begin a rebuild or rollback, wait for its end, and return its status."""
    answer = await reporting.post(f"/v1/rebuild/{model}{how}", **parameters)
    assert answer.status_code == 202, answer.text
    return await ended(reporting, model)


async def ended(reporting: Running, model: str) -> dict[str, Any]:
    """Wait for the end of a rebuild or rollback, and return its status."""

    async def found() -> dict[str, Any]:
        status: dict[str, Any] = (await reporting.get(f"/v1/rebuild/{model}", "service")).json()
        return status if status["state"] != "building" else {}

    return await until(found)


async def live_version(reporting: Running, model: str) -> int:
    """Return the live version once the declared edition of the fold has made it: one of an earlier edition renews itself."""

    async def is_declared() -> bool:
        return await rows(reporting, f"select edition from read_model where name = '{model}'") == [(EDITIONS[model],)]

    await until(is_declared)
    return int((await reporting.get(f"/v1/rebuild/{model}", "service")).json()["live"])


async def test_a_rebuild_gives_identical_rows_while_events_keep_arriving(reporting: Running) -> None:
    first = await live_version(reporting, "mastery")
    learners = [f"l{n}" for n in range(LEARNERS)]
    for seq in (1, 2, 3):
        await reporting.tell("progression", *(mastery(learner, f"m:{seq % 2}", seq=seq) for learner in learners))
    await reporting.get("/v1/learners/l0/record")
    stop = asyncio.Event()
    told = 3

    async def keep_telling() -> None:
        nonlocal told
        while not stop.is_set():
            told += 1
            await reporting.tell("progression", *(mastery(x, f"m:{told % 5}", seq=told) for x in learners[:100]))
            await asyncio.sleep(0.01)

    telling = asyncio.create_task(keep_telling())
    status = await rebuilt(reporting, "mastery")
    at_switch = told
    await asyncio.sleep(0.3)
    stop.set()
    await telling
    await reporting.told("progression", *(mastery(learner, "m:end") for learner in learners))

    new = await rows(reporting, f"select {COLUMNS} from mastery_v{first + 1} order by 1, 2, 3")
    again = await rebuilt(reporting, "mastery")
    newest = await rows(reporting, f"select {COLUMNS} from mastery_v{first + 2} order by 1, 2, 3")
    shown = (await reporting.get("/v1/learners/l0/record")).json()
    kept = await rows(
        reporting,
        f"select to_regclass('mastery_v{first}') is null, to_regclass('mastery_v{first + 1}') is not null",
    )

    assert (status["state"], status["live"]) == ("live", first + 1)
    assert (again["state"], again["live"]) == ("live", first + 2)
    assert told > at_switch > 3
    assert new == newest
    assert max(row[8] for row in new) == told
    assert kept == [(True, True)]
    assert "m:end" in {item["competency"] for item in shown["items"]}, (
        "what was asked of the first version is asked of the third"
    )


async def test_reads_go_on_with_the_new_version(reporting: Running) -> None:
    await reporting.told("progression", mastery("reader", "m:x", "not_yet"))
    await reporting.get("/v1/learners/reader/record")
    live = (await rebuilt(reporting, "mastery"))["live"]
    await reporting.told("progression", mastery("reader", "m:x", seq=2))
    async with reporting.database.connection() as connection:
        await connection.execute(f"delete from mastery_v{live - 1} where learner = 'reader'")
    body = (await reporting.get("/v1/learners/reader/record")).json()

    assert [item["status"] for item in body["items"]] == ["mastered"]


async def test_curriculum_and_roster_are_rebuilt_too(reporting: Running) -> None:
    codes = [competency("a", 1, "1"), competency("b", 2, "1")]
    await reporting.told("curriculum", *framework("m", codes, [("a", "b")], "v1"))
    await reporting.told("curriculum", *framework("m", codes[:1], [], "v2"))
    await reporting.told("roster", school("s"), class_("c", "s"), staff("c", "t"), enrolment("c", "x"))
    for model, tables in (
        ("curriculum", ("framework", "competency", "association")), ("roster", ("school", "class", "staff", "enrolment")),
    ):  # fmt: skip
        live = await live_version(reporting, model)
        before = [await rows(reporting, f"select * from {table}_v{live} order by 1, 2, 3") for table in tables]
        status = await rebuilt(reporting, model)
        after = [await rows(reporting, f"select * from {table}_v{live + 1} order by 1, 2, 3") for table in tables]

        assert status["live"] == live + 1
        assert all(before)
        assert after == before


async def test_what_an_earlier_edition_of_a_fold_has_made_is_rebuilt_by_itself(reporting: Running) -> None:
    """As an upgrade leaves it; until then the stage has something left to do, and who goes back to the version before stays."""
    await reporting.told(
        "roster", school("s"), class_("c", "s"), enrolment("c", "x"), enrolment("c", "x", active=False)
    )
    rebuilder = reporting.app.state.rebuilder

    async def status() -> dict[str, Any]:
        found: dict[str, Any] = (await reporting.get("/v1/rebuild/roster", "service")).json()
        return found

    async def behind() -> int:
        stages = (await reporting.get("/v1/lag", "service")).json()["stages"]
        return int(next(stage["behind_events"] for stage in stages if stage["name"] == "reporting-roster"))

    async def renewed(live: int) -> None:
        renewing = asyncio.create_task(rebuilder.renew())

        async def is_live() -> bool:
            return bool((await status())["live"] == live)

        await until(is_live)
        renewing.cancel()
        await asyncio.wait([renewing])

    live = (await status())["live"]
    before = await rows(reporting, f"select * from enrolment_change_v{live} order by 1, 2, 3, 4")
    async with reporting.database.connection() as connection:
        await connection.execute(f"delete from enrolment_change_v{live}")
        await connection.execute("update read_model set edition = 1 where name = 'roster'")
    left = await behind()
    await renewed(live + 1)
    after = await rows(reporting, f"select * from enrolment_change_v{live + 1} order by 1, 2, 3, 4")
    done = await behind()
    back = await rebuilt(reporting, "roster", "/rollback")
    renewing = asyncio.create_task(rebuilder.renew())
    await asyncio.sleep(0.2)
    stays = await status()
    renewing.cancel()
    await asyncio.wait([renewing])

    assert {row[-1] for row in before} == {True, False}
    assert after == before
    assert (left > 0, done) == (True, 0)
    assert (back["live"], stays["live"], stays["state"]) == (live, live, "live")


async def test_what_cannot_be_renewed_is_tried_less_and_less_often(
    reporting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuilder, slept = reporting.app.state.rebuilder, list[float]()

    async def fails(model: str, *, accept_differences: bool) -> None:
        assert (model, accept_differences) == ("roster", True)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 6:
            raise asyncio.CancelledError

    monkeypatch.setattr(rebuilder, "begin", fails)
    monkeypatch.setattr(rebuilding, "asyncio", types.SimpleNamespace(sleep=sleep, Event=asyncio.Event))
    edition = "update read_model set edition = edition + $1 where name = 'roster'"
    async with reporting.database.connection() as connection:
        await connection.execute(edition, -1)
        with pytest.raises(asyncio.CancelledError):
            await rebuilder.renew()
        await connection.execute(edition, 1)
    rebuilder.renewing.rest()

    assert slept == [20, 40, 80, 160, 300, 300]


async def test_a_release_does_not_fold_into_what_a_later_one_has_made_beside_it(reporting: Running) -> None:
    before = (await rebuilt(reporting, "roster", accept_differences=True))["live"]
    live = (await rebuilt(reporting, "roster"))["live"]
    made = "update read_model set live = $1, edition = edition + $2 where name = 'roster'"

    async def told_in(version: int) -> bool:
        return bool(await rows(reporting, f"select 1 from school_v{version} where school = 'beside'"))

    await reporting.told("roster", school("first"))
    async with reporting.database.connection() as connection:
        await connection.execute(made, before, 1)
        await asyncio.sleep(2 * FOLLOW_S)
        await reporting.tell("roster", school("beside"))
        await until(lambda: told_in(live))
        left = await told_in(before)
        await connection.execute(made, before, -1)
        await until(lambda: told_in(before))
        await connection.execute(made, live, 0)

    assert not left


async def test_what_a_release_folds_into_after_a_later_one_is_made_anew_once_that_is_back(reporting: Running) -> None:
    feeds = dict.fromkeys(INPUT_LOGS, FeedClient("http://127.0.0.1:9", reporting.config))
    async with reporting.database.connection() as connection:
        await connection.execute("update read_model set edition = edition + 1 where name = 'roster'")
        later = EDITIONS | {"roster": EDITIONS["roster"] + 1}
        before = await rebuilds.outdated(connection, later)
        await Consumers(reporting.database, feeds, reporting.config).prepare(make_broker(reporting.config))
        after = await rebuilds.outdated(connection, later)

    assert (before, after) == ([], ["roster"])


async def test_a_version_with_other_numbers_of_rows_does_not_become_live_unless_accepted(reporting: Running) -> None:
    await reporting.told("roster", school("told"))
    live = (await reporting.get("/v1/rebuild/roster", "service")).json()["live"]
    async with reporting.database.connection() as connection:
        await connection.execute(
            f"insert into school_v{live} (tenant, school, title) values ('demo', 'ghost', 'Ghost')"
        )
    [(held,)] = await rows(reporting, f"select count(*) from school_v{live}")
    refused = await rebuilt(reporting, "roster")
    await reporting.post("/v1/rebuild/roster", accept_differences=True)

    async def switched() -> bool:
        return bool((await reporting.get("/v1/rebuild/roster", "service")).json()["live"] == live + 1)

    await until(switched)

    assert (refused["state"], refused["live"]) == ("failed", live)
    assert f"'school': ({held}, {held - 1})" in refused["detail"]


async def test_other_contents_in_the_same_number_of_rows_are_a_difference(reporting: Running) -> None:
    await reporting.told("advancement", happened("x", "level.ready", "m#Maths/2"))
    live = (await reporting.get("/v1/rebuild/advancement", "service")).json()["live"]
    async with reporting.database.connection() as connection:
        await connection.execute(f"update waiting_v{live} set owner = 'nobody'")
    refused = await rebuilt(reporting, "advancement")

    assert (refused["state"], refused["live"]) == ("failed", live)
    assert "contents of waiting differ" in refused["detail"]


async def test_a_rollback_goes_back_to_the_version_before_with_all_that_came_since(reporting: Running) -> None:
    await reporting.told("advancement", happened("back", "level.ready", "m#Maths/2"))
    await reporting.post("/v1/rebuild/advancement", accept_differences=True)
    before = (await reporting.get("/v1/rebuild/advancement", "service")).json()["live"]

    async def is_live() -> bool:
        return bool((await reporting.get("/v1/rebuild/advancement", "service")).json()["state"] == "live")

    await until(is_live)
    built = (await reporting.get("/v1/rebuild/advancement", "service")).json()["live"]
    await reporting.told("advancement", happened("back", "level.advanced", "m#Maths/2"))
    back = await rebuilt(reporting, "advancement", "/rollback")
    kinds = await rows(reporting, f"select kind from advancement_v{before} where learner = 'back' order by position")
    await reporting.told("advancement", happened("back", "level.ready", "m#Maths/3"))
    further = await reporting.post("/v1/rebuild/advancement/rollback")

    assert (built, back["live"], back["state"]) == (before + 1, before, "live")
    assert kinds == [("level.ready",), ("level.advanced",)]
    assert further.status_code == 409
    assert "no version before" in further.json()["detail"]


async def test_one_rebuild_of_a_model_at_a_time(reporting: Running) -> None:
    async with reporting.database.session() as other:
        async with other.transaction():
            attempt = await rebuilds.begin(other, "mastery")
            await rebuilds.tie(other, attempt)
        seen = (await reporting.get("/v1/rebuild/mastery", "service")).json()
        busy = await reporting.post("/v1/rebuild/mastery")
        await other.execute("update read_model set heartbeat_at = now() - interval '1 hour' where name = 'mastery'")
        stopped = await rebuilt(reporting, "mastery")

    assert seen["state"] == "building"
    assert busy.status_code == 409
    assert (stopped["state"], stopped["live"]) == ("live", attempt.version)


@pytest.mark.parametrize("begin", [rebuilds.begin, rebuilds.begin_rollback])
async def test_a_rebuild_whose_process_has_ended_has_failed_and_may_be_begun_again_at_once(
    reporting: Running, begin: Callable[[Connection, str], Awaitable[Attempt]]
) -> None:
    await rebuilt(reporting, "curriculum")
    async with reporting.database.session() as ending, ending.transaction():
        attempt = await begin(ending, "curriculum")
        await rebuilds.tie(ending, attempt)
    async with asyncio.timeout(20):
        # PostgreSQL ends a session a little after whoever had it has gone.
        while (failed := (await reporting.get("/v1/rebuild/curriculum", "service")).json())["state"] == "building":
            await asyncio.sleep(0.02)
    async with reporting.database.connection() as connection:
        with pytest.raises(Conflict):
            await rebuilds.hold(connection, attempt)
    again = await rebuilt(reporting, "curriculum")

    assert (failed["state"], failed["live"]) == ("failed", attempt.live)
    assert "begin again" in failed["detail"]
    assert (again["state"], again["live"]) == ("live", attempt.live + 1)


async def test_a_rebuild_begins_between_batches_of_those_who_forget_in_every_version(reporting: Running) -> None:
    """The tables that it drops and theirs are locked in different orders."""
    live = f"reporting-support-v{await live_version(reporting, 'support')}"
    async with reporting.database.transaction() as batch:
        await batch.execute("update consumer_shard set pos = pos where consumer = $1 and shard = 0", live)
        beginning = asyncio.create_task(reporting.post("/v1/rebuild/support"))
        await asyncio.sleep(0.5)
        is_begun = beginning.done()

    assert (is_begun, (await beginning).status_code) == (False, 202)
    assert (await ended(reporting, "support"))["state"] == "live"


async def test_an_unknown_read_model_is_not_found(reporting: Running) -> None:
    assert (await reporting.post("/v1/rebuild/nothing")).status_code == 404


POLLED: dict[str, tuple[str, Callable[[dict[str, Any]], int]]] = {
    "mastery": ("/v1/learners/{}/record", lambda body: len(body["items"])),
    "curriculum": ("/v1/learners/{}/record", lambda body: sum(subject["total"] for subject in body["subjects"])),
    "roster": ("/v1/classes/{}/mastery", lambda body: len(body["learners"])),
    "advancement": ("/v1/learners/{}/timeline?limit=500", lambda body: len(body["items"])),
    "support": ("/v1/queues/support?class_id={}&limit=500", lambda body: len(body["items"])),
}
"""By read model what is asked of it about a learner (and class), and how much it shows of what is only ever told more of."""


async def keep_telling_more(reporting: Running, whose: str, stop: asyncio.Event) -> None:
    """Tell every log of one thing more at a time."""
    number = 0
    while not stop.is_set():
        number += 1
        codes = [competency(str(n), n, "1") for n in range(min(number, 40))]
        await reporting.tell("progression", mastery(whose, f"m:{number % 40}", seq=number))
        await reporting.tell("curriculum", *framework("m", codes, [], f"{whose}-{number}"))
        await reporting.tell("roster", enrolment(whose, f"{whose} {number}"))
        await reporting.tell("advancement", happened(whose, "competency.ready", f"m:{number}"))
        await reporting.tell("support", suggested(whose, f"m:{number}"))
        await asyncio.sleep(0.02)


class Polled(NamedTuple):
    """What somebody saw who asked a hundred times a second: how much was shown each time, up to which position of each shard."""

    shown: list[int]
    positions: list[tuple[int, ...]]


async def keep_polling(reporting: Running, model: str, whose: str, stop: asyncio.Event, seen: Polled) -> None:
    """Ask about one read model until it is enough."""
    path, much = POLLED[model]
    while not stop.is_set():
        answer = await reporting.get(path.format(whose), roles=["leader"])
        seen.shown.append(much(answer.json()) if answer.status_code == 200 else -1)
        async with snapshot(reporting.database) as view:
            heads = await view.positions(model)
        seen.positions.append(tuple(heads[shard].pos for shard in sorted(heads)))
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", [pytest.param("", marks=pytest.mark.long), "/rollback"])
async def test_whoever_polls_during_a_switch_sees_no_position_go_back_and_nobody_vanish(
    reporting: Running, how: str
) -> None:
    """Of all read models, which are switched at once."""
    whose = f"poll{how.strip('/')}"
    await reporting.told("curriculum", *framework("m", [competency("0", 0, "1")], [], f"before{how}"))
    await reporting.told("roster", class_(whose, "s"), enrolment(whose, whose))
    await reporting.told("progression", mastery(whose, "m:0"))
    # The tests before leave contents that no log has told.
    await asyncio.gather(*(rebuilt(reporting, model, accept_differences=True) for model in POLLED))
    stop = asyncio.Event()
    telling = asyncio.create_task(keep_telling_more(reporting, whose, stop))
    seen = {model: Polled([], []) for model in POLLED}
    polling = [asyncio.create_task(keep_polling(reporting, model, whose, stop, seen[model])) for model in POLLED]
    await asyncio.sleep(0.5)
    done = await asyncio.gather(*(rebuilt(reporting, model, how) for model in POLLED))
    at_switch = {model: polled.positions[-1] for model, polled in seen.items()}

    async def have_gone_on() -> bool:
        return all(
            polled.positions[-1] > at_switch[model] and polled.shown[-1] > polled.shown[0]
            for model, polled in seen.items()
        )

    await until(have_gone_on)
    stop.set()
    await asyncio.gather(telling, *polling)

    assert [status["state"] for status in done] == ["live"] * len(POLLED)
    for model, (shown, positions) in seen.items():
        assert shown == sorted(shown), model
        assert shown[0] >= 0, model
        for of_shard in zip(*positions, strict=True):
            assert list(of_shard) == sorted(of_shard), model
