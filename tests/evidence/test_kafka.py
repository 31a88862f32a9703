"""Evidence by Kafka: taken in once, and what cannot be used is kept, told and can be tried again."""

import base64
import json
import time

from tests.evidence.builders import item, picked
from tests.evidence.running import Running
from tests.support.waiting import until

DEMO = [("tenant", b"demo")]


def record(id: str, /, **changes: object) -> tuple[bytes, list[tuple[str, bytes]]]:
    return json.dumps(item(id, **changes)).encode(), DEMO


async def arrived(service: Running, ids: set[str]) -> bool:
    rows = await service.rows("select id from evidence where state = 2")
    return ids <= {row["id"] for row in rows}


async def test_submitted_records_are_taken_in_once(service: Running) -> None:
    await service.publish_framework("math", "1")
    await service.produce(
        *(record(f"k{n}", learner=f"l{n % 5}") for n in range(50)),
        *(record(f"k{n}", learner=f"l{n % 5}") for n in range(50)),
    )
    await until(lambda: arrived(service, {f"k{n}" for n in range(50)}))

    async def committed() -> bool:
        stages = (await service.client().get("/v1/lag")).json()["stages"]
        return bool(stages[0]["name"] == "intake" and stages[0]["behind_events"] == 0)

    await until(committed)
    assert len(await service.feed()) == 50


async def test_poison_records_are_quarantined_and_the_rest_flows(service: Running) -> None:
    poison = b'{"id": "\xff\x00'
    await service.produce(
        record("before"), (poison, DEMO), record("negative", score={"raw": -1, "max": 4}),
        (b"x" * 30_000, DEMO), record("k0", attempt=3), (b"", DEMO), record("after"),
        (record("lost")[0], []), (record("lost")[0], [("tenant", b"No Such Form")]),
        (record("lost")[0], [("tenant", None)]),
    )  # fmt: skip
    await until(lambda: arrived(service, {"before", "after"}))
    client = service.client()

    async def all_kept() -> bool:
        return bool((await service.rows("select count(*) n from quarantine"))[0]["n"] == 8)

    await until(all_kept)
    kept = (await client.get("/v1/quarantine")).json()["items"]
    assert sorted(picked(kept, "reason", "pointer")) == [
        ("conflict", "/id"), ("invalid", "/score/raw"), ("malformed_json", ""), ("malformed_json", ""),
        ("too_large", ""),
    ]  # fmt: skip
    shown = [(await client.get(f"/v1/quarantine/{one['quarantine_id']}")).json() for one in kept]
    assert poison in [base64.b64decode(one["original"]) for one in shown]
    assert {row["reason"] for row in await service.rows("select reason from quarantine where tenant = ''")} == {
        "unknown_tenant"
    }
    told = await service.feed("evidence.quarantined")
    assert len(told) == 8
    assert {event["type"] for event in told} == {"attain.evidence.quarantined.v1"}
    assert "xxx" not in json.dumps(told)
    assert (await service.client(tenant="elsewhere").get("/v1/quarantine")).json()["items"] == []


async def test_quarantined_pieces_can_be_filtered_paged_and_redriven(service: Running) -> None:
    client = service.client()
    [negative] = (await client.get("/v1/quarantine?reason=invalid")).json()["items"]
    first = (await client.get("/v1/quarantine?limit=2")).json()
    second = (await client.get("/v1/quarantine", params={"limit": 10, "after": first["next"]})).json()

    again = await client.post(f"/v1/quarantine/{negative['quarantine_id']}/redrive")

    assert len(first["items"]) + len(second["items"]) == 5
    assert (again.json()["status"], again.json()["pointer"]) == ("rejected", "/score/raw")
    [counted] = (await client.get("/v1/quarantine?reason=invalid")).json()["items"]
    assert counted["attempts"] == 2


async def test_a_redriven_piece_is_taken_in_once_its_fault_is_gone(service: Running) -> None:
    later = "2026-03-04T10:15:00Z"
    await service.produce(record("timely", occurred_at="2126-03-04T10:15:00Z"))

    async def kept() -> list[object]:
        return list(await service.rows("select quarantine_id from quarantine where reason = 'future_time'"))

    await until(kept)
    await service.rows(
        "update quarantine set original = $1 where reason = 'future_time'",
        json.dumps(item("timely", occurred_at=later)).encode(),
    )
    client = service.client()
    [one] = (await client.get("/v1/quarantine?reason=future_time")).json()["items"]

    redriven = await client.post(f"/v1/quarantine/{one['quarantine_id']}/redrive")
    twice = await client.post(f"/v1/quarantine/{one['quarantine_id']}/redrive")

    assert redriven.json()["status"] == "accepted"
    assert twice.status_code == 409


async def test_how_much_waits_is_told_without_waiting_for_what_comes(service: Running) -> None:
    """The consumers let the broker wait half a second for records, and it answers a connection in order."""
    client, took = service.client(), []
    for _ in range(4):
        begun = time.monotonic()
        assert (await client.get("/v1/lag")).status_code == 200
        took.append(time.monotonic() - begun)

    assert min(took) < 0.3, took
