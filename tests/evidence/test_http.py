"""Evidence by HTTP: what each status means, and that nothing good is lost beside something bad."""

import asyncio
import gzip
import json
from typing import Any

import httpx
import pytest

import shared.service
from services.evidence.domain.evidence import evidence_id
from services.evidence.handlers.writer import Writer
from tests.evidence.builders import SOURCE, encoded, item, picked
from tests.evidence.running import Running, second_replica
from tests.support.waiting import until


@pytest.fixture(scope="module", autouse=True)
async def frameworks(service: Running) -> None:
    await service.publish_framework("math", "1", "2", "3")


async def test_one_object_is_created_then_known_then_in_conflict(service: Running) -> None:
    client = service.client()

    first = await client.post("/v1/evidence", json=item("one"))
    again = await client.post("/v1/evidence", json=item("one", attempt=1))
    other = await client.post("/v1/evidence", json=item("one", attempt=2))

    assert (first.status_code, first.json()["status"]) == (201, "accepted")
    assert first.json()["evidence_id"] == evidence_id("demo", SOURCE, "one")
    assert (again.status_code, again.json()["status"]) == (200, "duplicate")
    assert again.json()["position"] == first.json()["position"]
    assert (other.status_code, other.json()["reason"], other.json()["pointer"]) == (409, "conflict", "/id")
    assert other.headers["content-type"] == "application/problem+json"
    assert (other.json()["status"], other.json()["evidence_id"]) == (409, first.json()["evidence_id"])


async def test_one_object_with_an_unknown_competency_waits(service: Running) -> None:
    answer = await service.client().post("/v1/evidence", json=item("later", competencies=["math:1", "art:1"]))

    assert (answer.status_code, answer.json()["status"]) == (202, "parked")
    assert (answer.json()["reason"], answer.json()["pointer"]) == ("unknown_competency", "/competencies/1")


async def test_an_activity_without_alignment_waits(service: Running) -> None:
    [result] = await service.submit(item("activity", competencies=None, activity={"id": "q"}))

    assert (result["status"], result["reason"]) == ("parked", "unaligned")


async def test_one_bad_object_is_answered_with_the_member(service: Running) -> None:
    answer = await service.client().post("/v1/evidence", json=item("bad", score={"raw": -1, "max": 4}))

    said = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert (said["id"], said["status"], said["pointer"], said["reason"]) == ("bad", 422, "/score/raw", "invalid")
    assert said["title"]
    assert said["detail"]


async def test_bad_items_in_a_batch_harm_no_other(service: Running) -> None:
    lines = [
        encoded(item("good-1")), b'{"id": "cut', encoded(item("typed", attempt="1")), encoded(item("odd", colour=1)),
        encoded(item("range", score={"scaled": 2})), encoded(item("future", occurred_at="2126-01-01T00:00:00Z")),
        encoded(item("zone", occurred_at="2026-01-01T00:00:00")), encoded(item("big", extensions={"x": "y" * 20_000})),
        encoded(item("nowhere", competencies=["math:99"])), encoded(item("good-2")),
    ]  # fmt: skip
    answer = await service.client().post(
        "/v1/evidence", content=b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"}
    )

    items = answer.json()["items"]
    assert answer.status_code == 200
    assert picked(items, "index") == list(range(10))
    assert picked(items, "id", "status", "reason", "pointer") == [
        ("good-1", "accepted", None, None),
        (None, "rejected", "malformed_json", ""),
        ("typed", "rejected", "invalid", "/attempt"),
        ("odd", "rejected", "unknown_member", "/colour"),
        ("range", "rejected", "invalid", "/score/scaled"),
        ("future", "rejected", "future_time", "/occurred_at"),
        ("zone", "rejected", "invalid", "/occurred_at"),
        ("big", "rejected", "too_large", ""),
        ("nowhere", "parked", "unknown_competency", "/competencies/0"),
        ("good-2", "accepted", None, None),
    ]


async def test_an_array_and_lines_of_json_without_a_content_type_are_batches(service: Running) -> None:
    client = service.client()

    array = await client.post("/v1/evidence", content=json.dumps([item("array-1"), item("array-2")], indent=1))
    lines = await client.post("/v1/evidence", content=encoded(item("line-1"), item("line-2")))
    empty = await client.post("/v1/evidence", content="[]")

    assert picked(array.json()["items"], "status") == ["accepted"] * 2
    assert picked(lines.json()["items"], "status") == ["accepted"] * 2
    assert (empty.status_code, empty.json()) == (200, {"items": []})


@pytest.mark.parametrize(
    ("content", "headers", "status", "reason"),
    [
        (b"", {}, 422, "malformed_json"),
        (b"[{}, {]", {}, 422, "malformed_json"),
        (b"not json", {}, 422, "malformed_json"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, {}, 422, "too_deep"),
        (json.dumps(item("twice")).encode()[:-1] + b', "id": "twice"}', {}, 422, "duplicate_member"),
        (b"x" * ((1 << 20) + 1), {}, 413, "too_large"),
        (gzip.compress(b" " * ((2 << 20) + 1)), {"Content-Encoding": "gzip"}, 413, "too_large"),
        (b"not gzip", {"Content-Encoding": "gzip"}, 422, "malformed_gzip"),
        (gzip.compress(b"{}")[:-4], {"Content-Encoding": "gzip"}, 422, "malformed_gzip"),
        (b"{}", {"Content-Encoding": "br"}, 422, "content_encoding"),
        (b"[" + b",".join([b"{}"] * 501) + b"]", {}, 413, "too_large"),
        (json.dumps(item("huge", extensions={"x": "y" * 20_000})).encode(), {}, 413, "too_large"),
    ],
    ids=[
        "empty", "malformed array", "not JSON", "deep", "twice", "body", "inflated body", "not gzip", "cut off", "encoding",
        "items", "item",
    ],
)  # fmt: skip
async def test_bodies_over_the_limits_or_not_json_are_problems(
    service: Running, content: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    answer = await service.client().post("/v1/evidence", content=content, headers=headers)

    assert (answer.status_code, answer.json().get("reason")) == (status, reason)
    assert answer.json()["detail"]


@pytest.mark.parametrize(("authorization", "status"), [(None, 401), ("Bearer nonsense", 401), ("Basic eDp5", 401)])
async def test_a_bad_token_is_refused(service: Running, authorization: str | None, status: int) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with httpx.AsyncClient(base_url=service.url, headers=headers) as client:
        answer = await client.post("/v1/evidence", json=item("unsigned"))

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_each_route_asks_for_its_scope(service: Running) -> None:
    client = service.client(scope="records:read:self")
    some = "00000000-0000-0000-0000-000000000000"
    routes = [
        ("POST", "/v1/evidence"), ("GET", f"/v1/evidence/{some}"), ("GET", f"/v1/evidence/{some}/trace"),
        ("GET", "/v1/learners?q=a"), ("GET", f"/v1/learners/{some}"), ("DELETE", f"/v1/learners/{some}"),
        ("GET", "/v1/identities"), ("GET", "/v1/feed?log=evidence&shard=0"), ("GET", "/v1/heads?log=evidence"),
        ("GET", "/v1/quarantine"), ("GET", f"/v1/quarantine/{some}"), ("POST", f"/v1/quarantine/{some}/redrive"),
        ("POST", "/v1/roster"), ("GET", "/v1/roster/classes"), ("GET", "/v1/lag"),
    ]  # fmt: skip
    for method, path in routes:
        assert (await client.request(method, path)).status_code == 403, path


async def test_a_token_of_one_source_writes_as_that_source_only(service: Running) -> None:
    client = service.client(source="https://other.example.edu")

    alone = await client.post("/v1/evidence", json=item("foreign"))
    [mixed, own] = await service.submit(
        item("foreign"), item("own", source="https://other.example.edu"), source="https://other.example.edu"
    )

    assert (alone.status_code, alone.json()["pointer"]) == (403, "/source")
    assert (mixed["status"], mixed["reason"]) == ("rejected", "forbidden_source")
    assert own["status"] == "accepted"


async def test_a_source_cannot_reach_the_evidence_of_another(service: Running) -> None:
    await service.submit(item("theirs"))

    await service.submit(item("x", source="https://other.example.edu", score=None, retracts="theirs"))

    found = await service.client().get(f"/v1/evidence/{evidence_id('demo', SOURCE, 'theirs')}")
    assert found.json()["valid"] is True


async def test_evidence_shows_its_content_and_keeps_names_out_of_events(service: Running) -> None:
    activity = {"id": "q7", "name": "Ada's own quiz", "kind": "quiz", "items": 3}
    [result] = await service.submit(item("shown", activity=activity, extensions={"note": "private"}))

    shown = (await service.client().get(f"/v1/evidence/{result['evidence_id']}")).json()
    told = next(event for event in await service.feed() if event["id"] == result["evidence_id"])

    assert shown["position"] == result["position"]
    assert (shown["valid"], shown["state"]) == (True, "accepted")
    assert shown["content"]["activity_name"] == "Ada's own quiz"
    assert shown["content"]["extensions"] == {"note": "private"}
    assert (told["data"]["activity"], told["data"]["items"]) == ("q7", 3)
    assert not any(secret in json.dumps(told) for secret in ("Ada", "private", '"ada"'))


async def test_a_correction_and_a_retraction_leave_their_trace(service: Running) -> None:
    client = service.client()
    results = await service.submit(
        item("t"), item("s", learner="bea", supersedes="t"), item("r", score=None, learner=None, retracts="s")
    )
    traces = [(await client.get(f"/v1/evidence/{one['evidence_id']}/trace")).json() for one in results]

    assert picked(results, "status") == ["accepted", "corrected", "corrected"]
    assert picked(traces, "valid") == [True, False, False]
    assert traces[1]["supersedes"] == results[0]["evidence_id"]
    assert traces[1]["voided_by"] == [results[2]["evidence_id"]]
    assert traces[2]["kind"] == "retraction"
    assert all(trace["received_at"] <= trace["accepted_at"] for trace in traces)
    told = [event for event in await service.feed() if event.get("causationid") == results[2]["evidence_id"]]
    assert len(told) == 2, "the learner of the retracted piece, and the learner whose piece counts again"


async def test_a_retraction_may_come_first(service: Running) -> None:
    [early] = await service.submit(item("r1", score=None, learner=None, competencies=None, retracts="t1"))
    [late] = await service.submit(item("t1"))

    shown = (await service.client().get(f"/v1/evidence/{late['evidence_id']}")).json()

    assert (early["status"], early["position"]) == ("corrected", None)
    assert late["status"] == "accepted"
    assert shown["valid"] is False


async def test_other_tenants_see_nothing(service: Running) -> None:
    [result] = await service.submit(item("mine", learner="carl"))
    learner = (await service.client().get("/v1/learners", params={"source": SOURCE, "source_id": "carl"})).json()
    other = service.client(tenant="elsewhere")

    for path in (
        f"/v1/evidence/{result['evidence_id']}", f"/v1/evidence/{result['evidence_id']}/trace",
        f"/v1/learners/{learner['learner']}", f"/v1/learners?source={SOURCE}&source_id=carl",
    ):  # fmt: skip
        assert (await other.get(path)).status_code == 404, path
    assert (await other.get("/v1/learners?q=c")).json() == []
    assert (await other.delete(f"/v1/learners/{learner['learner']}")).status_code == 404


async def test_bad_parameters_are_problems(service: Running) -> None:
    client = service.client()

    for path in ("/v1/evidence/abc", "/v1/learners", "/v1/identities?after=x", "/v1/feed?log=x&shard=0"):
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), path


async def test_two_writers_racing_for_the_same_ids_agree_on_one(service: Running) -> None:
    async with second_replica(service) as other:
        batches = [[item(f"race-{n}", learner=f"racer-{n % 7}") for n in range(start, 60)] for start in (0, 10, 20)]
        batches.append(list(reversed(batches[0])))
        answers = await asyncio.gather(*(
            replica.submit(*batch) for batch in batches for replica in (service, other) for _ in range(3)
        ))  # fmt: skip
        corrections = [item("race-s", supersedes=f"race-{n}") for n in (1, 2)]
        rivals = await asyncio.gather(service.submit(corrections[0]), other.submit(corrections[1]))

    accepted = [one["id"] for answer in answers for one in answer if one["status"] == "accepted"]
    positions = {(one["id"], one["position"]) for answer in answers for one in answer}
    assert len(accepted) == len(set(accepted)) == len(positions) == 60
    assert sorted(answer[0]["reason"] or answer[0]["status"] for answer in rivals) == ["conflict", "corrected"]


async def test_identities_are_paged_in_order_for_services(service: Running) -> None:
    await service.submit(*(item(f"p{n}", learner=f"pupil-{n:02}") for n in range(12)))
    client, seen, after = service.client(), [], ""
    while True:
        page = await client.get("/v1/identities", params={"after": after, "limit": 5})
        if not page.content:
            break
        seen += [json.loads(line) for line in page.content.splitlines()]
        after = page.headers["Attain-Next"]

    keys = picked(seen, "tenant", "source", "source_id")
    assert keys == sorted(set(keys))
    assert ("demo", SOURCE, "pupil-07") in keys


async def test_positions_are_dense_and_the_relay_sends_them(service: Running) -> None:
    events = await service.feed()
    places = sorted((event["shard"], event["position"]) for event in events)

    assert all(pos == 1 or (shard, pos - 1) in set(places) for shard, pos in places)

    async def caught_up() -> bool:
        stages = (await service.client().get("/v1/lag")).json()["stages"]
        return [stage["behind_events"] for stage in stages] == [0, 0, 0, 0]

    await until(caught_up)


async def test_health_and_metrics_answer(service: Running) -> None:
    async with httpx.AsyncClient(base_url=service.url) as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        shown = (await client.get("/metrics")).text
        assert "attain_evidence_received_total" in shown
        # Before the first of its kind: a counter that begins with a burst shows no increase.
        assert 'attain_evidence_quarantined_total{reason="conflict"}' in shown


async def test_a_writer_that_stands_still_is_not_alive(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    may_write, write = asyncio.Event(), Writer._answer

    async def wait_and_write(self: Writer, group: Any) -> None:
        await may_write.wait()
        await write(self, group)

    async def alive() -> bool:
        return (await service.client().get("/livez")).status_code == 200

    async def writer_is_stuck() -> bool:
        answer = await service.client().get("/livez")
        return answer.status_code == 503 and "writer" in answer.text

    monkeypatch.setattr(Writer, "_answer", wait_and_write)
    # Less than a turn of the relay or the clock, so these are named beside it now and then.
    monkeypatch.setattr(shared.service, "LIVE_S", 0.2)
    idle = (await service.client().get("/livez")).text
    sent = asyncio.create_task(service.submit(item("stands-still", competencies=["m:1"])))
    await until(writer_is_stuck)
    may_write.set()
    await sent
    monkeypatch.undo()

    assert "writer" not in idle
    await until(alive)


async def test_what_operators_and_other_services_ask_is_answered_as_described(service: Running) -> None:
    client = service.client(tenant="operated")
    await service.publish_framework("math", "1", tenant="operated")
    roster = {
        "source": SOURCE, "classes": [{"class": "k", "title": "K", "school": "s"}],
        "learners": [{"source_id": "ada"}], "enrolments": [{"class": "k", "learner": "ada"}],
    }  # fmt: skip
    assert (await client.post("/v1/roster", json=roster)).status_code == 200
    await client.post("/v1/evidence", json=item("first", learner="ada"))
    await client.post("/v1/evidence", json=item("second", learner="ada", supersedes="first"))
    await client.post("/v1/evidence", json=item("wrong", score={"raw": 5, "max": 1}))
    taken_back = {"tenant": "operated", "source": SOURCE, "ids": ["second", "first", "unknown"]}

    schools = (await client.get("/v1/roster/schools?tenant=operated")).json()
    beneath = (await client.post("/v1/retractions/preview", json=taken_back)).json()
    limits = (await client.put("/v1/limits", json={"originals_kept_days": 30})).json()
    checked = (await client.post("/v1/reconciliation")).json()
    about = (await client.get("/xapi/about")).json()
    removed = (await client.get("/v1/expiries")).json()
    deleted = (await client.delete("/v1/quarantine")).json()

    assert list(schools.values()) == ["s"]
    assert (beneath["second"]["uncovers"]["learner"], beneath["first"]["standing"]) == (*schools, "superseded")
    assert (await client.get("/v1/limits")).json() == limits
    assert (limits["originals_kept_days"], limits["own"]) == (30, ["originals_kept_days"])
    assert checked["checked_s_ago"].keys() == (await client.get("/v1/reconciliation")).json()["checked_s_ago"].keys()
    assert (about["version"], removed) == (["2.0.0", "1.0.3"], {"items": [], "next": 0})
    assert deleted.keys() == {"deleted"}


async def test_nothing_is_taken_in_by_a_clock_that_is_not_believed(service: Running) -> None:
    client = service.client()
    statement = {"actor": {"mbox": "mailto:a@x.org"}, "verb": {"id": "x:v"}, "object": {"id": "x:o"}}
    await service.rows("update clock_seen set at = now() - interval '200 days' returning at")
    await until(lambda: _ready_is(service, 503))
    refused = [
        await client.post("/v1/evidence", json=item("doubted", competencies=["m:1"])),
        await client.post("/v1/intake/xapi", json=statement),
        await client.post("/v1/intake/ags", json={}),
        await client.post("/xapi/statements", json=statement, headers={"X-Experience-API-Version": "1.0.3"}),
    ]

    await service.rows("update clock_seen set at = now() returning at")
    await until(lambda: _ready_is(service, 200))
    taken = await client.post("/v1/evidence", json=item("doubted", competencies=["m:1"]))

    assert [answer.status_code for answer in refused] == [503] * 4
    assert all("clock" in answer.json()["detail"] and answer.headers["Retry-After"] for answer in refused)
    assert taken.status_code in (201, 202)


async def _ready_is(service: Running, status: int) -> bool:
    return (await service.client().get("/readyz")).status_code == status
