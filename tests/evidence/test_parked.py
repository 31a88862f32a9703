"""Parked pieces flow by themselves, in order of receipt, when the framework comes."""

import asyncio

from tests.evidence.builders import item, picked
from tests.evidence.running import Running, second_replica, until


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
