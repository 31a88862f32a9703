"""Evidence by Kafka: taken in once, and what cannot be used is kept, told and can be tried again."""

import base64
import json
import time

from tests.evidence.builders import SOURCE, item, picked
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


async def test_what_was_redriven_goes_with_the_learner_and_what_nobody_can_read_is_counted(service: Running) -> None:
    """What names nobody is known to be of a learner once it is taken in; bytes that cannot be read stay nobody's."""
    admin = service.client("admin records:read evidence:write", tenant="kept-of")
    gone = {"id": "back", "source": SOURCE, "retracts": "p", "extensions": {"note": "of una"}}
    tenant = [("tenant", b"kept-of")]
    await service.produce(
        (json.dumps(gone | {"occurred_at": "2126-03-04T10:15:00Z"}).encode(), tenant), (b"{una", tenant)
    )

    async def kept() -> bool:
        return len((await admin.get("/v1/quarantine")).json()["items"]) == 2

    await until(kept)
    await service.publish_framework("q", "1", tenant="kept-of")
    await service.submit(item("p", learner="una", competencies=["q:1"]), tenant="kept-of")
    await service.rows(
        "update quarantine set original = $1 where tenant = 'kept-of' and reason = 'future_time'",
        json.dumps(gone | {"occurred_at": "2026-03-04T10:15:00Z"}).encode(),
    )
    [one] = (await admin.get("/v1/quarantine?reason=future_time")).json()["items"]
    redriven = await admin.post(f"/v1/quarantine/{one['quarantine_id']}/redrive")
    left = (await admin.get(f"/v1/quarantine/{one['quarantine_id']}")).json()
    learner = (await admin.get("/v1/learners", params={"source": SOURCE, "source_id": "una"})).json()["learner"]
    certificates = [(await admin.delete(f"/v1/learners/{learner}")).json() for _ in range(2)]

    assert (redriven.json()["status"], left["status"], left["text"]) == ("corrected", "redriven", "")
    assert [one["unreadable"] for one in certificates] == [1, 1]
    assert (await admin.get(f"/v1/quarantine/{one['quarantine_id']}")).status_code == 404


async def test_how_much_waits_is_told_without_waiting_for_what_comes(service: Running) -> None:
    """The consumers let the broker wait half a second for records, and it answers a connection in order."""
    client, took = service.client(), []
    for _ in range(4):
        begun = time.monotonic()
        assert (await client.get("/v1/lag")).status_code == 200
        took.append(time.monotonic() - begun)

    assert min(took) < 0.3, took
