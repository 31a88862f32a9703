"""Parked pieces flow by themselves, in order of receipt, when the framework comes."""

import asyncio
import uuid
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.evidence.handlers import parked
from services.evidence.handlers.curriculum import Competencies
from services.evidence.handlers.lag import evidence_lag
from shared.consumer import ShardConsumer
from shared.database import Database
from shared.event_log import EventLog
from shared.events import Draft, envelope, now
from shared.feed import FeedClient
from shared.lag import SeenBehind, Stage
from shared.operations import LAG_TIMEOUT_S
from tests.evidence.builders import item, picked
from tests.evidence.running import Running, second_replica
from tests.support.waiting import until


async def test_parked_pieces_flow_when_the_framework_comes(service: Running) -> None:
    waiting = [item(f"w{n}", competencies=["art:1"]) for n in range(5)]
    correction = item("w-fix", competencies=["art:1"], supersedes="w0")

    first = await service.submit(*waiting, correction)
    again = await service.submit(*waiting)
    before = await service.feed()
    listed = (await service.client().get("/v1/quarantine?status=parked")).json()["items"]
    await service.publish_framework("art", "1")

    async def flowed() -> bool:
        return len(await service.feed()) == 6

    await until(flowed)
    after = await service.submit(*waiting)
    parked = (await service.client().get("/v1/quarantine?status=parked")).json()["items"]
    released = (await service.client().get("/v1/quarantine?status=released")).json()["items"]

    assert picked(first, "status", "reason") == [("parked", "unknown_competency")] * 6
    assert picked(again, "status") == ["parked"] * 5
    assert before == []
    assert picked(listed, "id") == ["w0", "w1", "w2", "w3", "w4", "w-fix"]
    assert [event["data"]["id"] for event in await service.feed()] == ["w0", "w1", "w2", "w3", "w4", "w-fix"]
    assert picked(after, "status") == ["duplicate"] * 5
    assert all(after_one["position"] for after_one in after)
    assert (parked, len(released)) == ([], 6)


async def test_what_waited_keeps_its_times_and_what_was_very_old_is_as_old_later(service: Running) -> None:
    times = ["1900-01-01T00:00:00Z", "2019-03-04T10:15:00+05:45", "2026-03-04T10:15:00.123456Z"]
    waiting = [item(f"t{n}", competencies=["old:1"], occurred_at=time) for n, time in enumerate(times)]

    await service.submit(*waiting)
    await service.publish_framework("old", "1")

    async def flowed() -> bool:
        return len(await told()) == len(times)

    async def told() -> list[dict[str, Any]]:
        return [
            event["data"] for event in await service.feed() if event["data"]["id"] in {one["id"] for one in waiting}
        ]

    await until(flowed)
    found = {each["id"]: each for each in await told()}

    assert [found[one["id"]]["occurred_at"] for one in waiting] == [
        "1900-01-01T00:00:00.000000Z", "2019-03-04T04:30:00.000000Z", "2026-03-04T10:15:00.123456Z",
    ]  # fmt: skip


async def test_a_piece_that_waits_for_two_frameworks_needs_both(service: Running) -> None:
    await service.submit(item("two", competencies=["bio:1", "geo:1"]))

    await service.publish_framework("bio", "1")

    async def waits_for_the_second() -> bool:
        rows = await service.rows("select awaits from quarantine where item_id = 'two' and status = 'parked'")
        return bool(rows[0]["awaits"] == "geo:1")

    await until(waits_for_the_second)
    await service.publish_framework("geo", "1")

    async def accepted() -> bool:
        return bool(await service.rows("select from evidence where id = 'two' and state = 2"))

    await until(accepted)


async def test_an_identifier_lets_flow_what_the_map_aligned_and_nothing_else(service: Running) -> None:
    entry = {"id": "sums", "competencies": [{"competency": "math:add"}]}
    answer = await service.client("policy:write").post("/v1/alignments", json=[entry])
    await service.submit(
        item("by-code", competencies=["math:add"]), item("by-map", competencies=None, activity={"id": "sums"})
    )

    await service.publish_framework("core", "math:add")

    async def applied() -> bool:
        rows = await service.rows("select from alignment where id = 'sums' and applied")
        return bool(rows) and bool(await service.rows("select from evidence where id = 'by-map' and state = 2"))

    await until(applied)
    [waits] = await service.rows("select status, attempts from quarantine where item_id = 'by-code'")

    assert answer.status_code == 200
    assert (waits["status"], waits["attempts"]) == ("parked", 1)


async def test_a_piece_that_has_to_wait_on_holds_up_no_other(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    find = Competencies.find

    async def overlook(self: Competencies, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        return await find(self, [key for key in wanted if key[1] != "dim:1"])

    monkeypatch.setattr(parked, "FLOW_ROWS", 1)
    monkeypatch.setattr(Competencies, "find", overlook)
    await service.submit(item("dim", competencies=["dim:1"]), item("lit", competencies=["lit:1"]))
    await service.publish_framework("dim", "1")
    await service.publish_framework("lit", "1")

    async def accepted() -> bool:
        return bool(await service.rows("select from evidence where id = 'lit' and state = 2"))

    await until(accepted)
    [waits] = await service.rows("select status, attempts from quarantine where item_id = 'dim'")

    assert waits["status"] == "parked"
    assert 1 < waits["attempts"] < 10


async def test_two_replicas_release_a_piece_once(service: Running) -> None:
    async with second_replica(service) as other:
        await asyncio.gather(*(replica.submit(item("both", competencies=["law:1"])) for replica in (service, other)))
        await service.publish_framework("law", "1")

        async def accepted() -> bool:
            return bool(await service.rows("select from evidence where id = 'both' and state = 2"))

        await until(accepted)
        [seen] = await other.submit(item("both", competencies=["law:1"]))

    assert seen["status"] == "duplicate"
    assert [event["data"]["id"] for event in await service.feed()].count("both") == 1


async def test_a_competency_of_another_tenant_does_not_count(service: Running) -> None:
    await service.publish_framework("eco", "1", tenant="elsewhere")

    [here] = await service.submit(item("eco", competencies=["eco:1"]))
    [there] = await service.submit(item("eco", competencies=["eco:1"]), tenant="elsewhere")

    assert (here["status"], there["status"]) == ("parked", "accepted")


async def test_pieces_on_a_retired_competency_wait_until_a_version_has_it_again(service: Running) -> None:
    await service.publish_framework("lat", "1", "2")
    [before] = await service.submit(item("old", competencies=["lat:1"]))
    await service.publish_framework("lat", "2", version="v2", retired=("3",))
    [late, ended, correction, other] = await service.submit(
        item("late", competencies=["lat:1"]),
        item("ended", competencies=["lat:3"]),
        item("fix", competencies=["lat:1"], supersedes="old"),
        item("lat-two", competencies=["lat:2"]),
    )
    await service.publish_framework("lat", "1", "2", version="v3")

    async def accepted() -> bool:
        return bool(await service.rows("select from evidence where id = 'late' and state = 2"))

    await until(accepted)
    await service.publish_framework("latin", "1")
    await service.publish_framework("lat", version="v4")
    [still] = await service.submit(item("still", competencies=["latin:1"]))

    assert before["status"] == "accepted"
    assert picked([late, ended], "status", "reason", "pointer") == [
        ("parked", "retired_competency", "/competencies/0"), ("parked", "retired_competency", "/competencies/0"),
    ]  # fmt: skip
    assert late["detail"] == "lat:1 is retired: the framework version in force does not have it"
    assert (correction["status"], other["status"]) == ("corrected", "accepted")
    assert still["status"] == "accepted"


async def test_every_replica_learns_of_a_retired_competency(service: Running) -> None:
    await service.publish_framework("gre", "1", "2")
    async with second_replica(service) as other:
        for number, replica in enumerate((service, other)):
            await replica.submit(item(f"gre-{number}", competencies=["gre:1"]))
        await service.publish_framework("gre", "2", version="v2")

        async def parked() -> bool:
            found = [
                await replica.submit(item(f"gre-{uuid.uuid4()}", competencies=["gre:1"]))
                for replica in (service, other)
            ]
            return [each["reason"] for (each,) in found] == ["retired_competency"] * 2

        await until(parked)


class Releasing:
    """Stands for what releases parked pieces: the last one is taken in while it is asked what is left."""

    def __init__(self, database: Database, log: EventLog) -> None:
        self.ready_since = SeenBehind()
        self._database = database
        self._log = log

    async def behind(self) -> int:
        body = envelope(id="1", source="s", type="t", tenant="t", subject="s", time=now(), data=b"{}")
        async with self._database.transaction() as connection:
            await self._log.append(connection, [Draft(0, "t", "s", body)])
        return 0


async def test_a_piece_on_its_way_from_one_stage_to_the_next_is_in_one_of_them(service: Running) -> None:
    database, unsent = await Database.connect(service.config.evidence_database, connections=2), EventLog("unsent", 1)
    async with database.transaction() as connection:
        await unsent.prepare(connection)
    feed = FeedClient("http://127.0.0.1:9", service.config)
    nobody = cast(ShardConsumer, SimpleNamespace(name="nobody", log_name="curriculum"))

    async def level() -> Stage:
        return Stage("intake", 0, 0.0)

    async def hanging() -> Stage:
        await asyncio.Event().wait()
        raise AssertionError

    asked = database, [unsent.name], nobody, feed, cast(parked.Releaser, Releasing(database, unsent))
    found = await evidence_lag(*asked, level)
    # A Kafka that takes connections and says nothing hides neither the other stages nor that its own is not known.
    async with asyncio.timeout(LAG_TIMEOUT_S):
        without = await evidence_lag(*asked, hanging)
    await feed.close()
    await database.close()

    assert {stage.name: stage.behind_events for stage in found} == {
        "intake": 0, "evidence-relay": 1, "evidence-curriculum": None, "evidence-parked": 0,
    }  # fmt: skip
    assert {stage.name: stage.behind_events for stage in without} == {
        "intake": None, "evidence-relay": 2, "evidence-curriculum": None, "evidence-parked": 0,
    }  # fmt: skip


async def test_of_an_ended_tenant_nothing_is_kept_of_those_who_never_became_learners(service: Running) -> None:
    client = service.client(tenant="ended")
    actor = {"mbox": "mailto:quill@example.org", "name": "Quill"}
    seen = {"actor": actor, "verb": {"id": "urn:experienced"}, "object": {"id": "urn:page"}}
    headers = {"X-Experience-API-Version": "1.0.3"}
    waiting = item("quill-1", learner="quill", competencies=["art:1"])

    await client.put("/v1/limits", json={"statements_kept": "all"})
    stored = await client.post("/xapi/statements", json=seen, headers=headers)
    [first] = (await client.post("/v1/evidence", json=[waiting])).json()["items"]
    deleted = (await client.delete("/v1/quarantine", params={"ended": True})).json()
    await service.publish_framework("art", "1", tenant="ended")
    [again] = (await client.post("/v1/evidence", json=[waiting])).json()["items"]
    kept = await service.rows("select body, learner_source_id from xapi_statement where tenant = 'ended'")
    rows = await service.rows("select state, source, id, digest from evidence where tenant = 'ended'")

    assert (stored.status_code, first["status"], deleted) == (200, "parked", {"deleted": 1})
    assert (again["status"], again["reason"]) == ("rejected", "erased")
    assert await service.rows("select 1 from quarantine where tenant = 'ended'") == []
    assert [tuple(row) for row in kept] == [(None, None)]
    assert [tuple(row) for row in rows] == [(3, "", None, None)]
