"""The other formats over HTTP: what they send becomes evidence once, aligned, and nothing is dropped silently."""

import gzip
import json
import re
from typing import Any

import httpx
import pytest

from services.evidence.formats import edfi
from tests.evidence.builders import encoded, item
from tests.evidence.running import Running
from tests.evidence.test_formats_read import grade_event, live, result, roster_result, score, seen
from tests.support.shared_data import shared_file
from tests.support.waiting import until


@pytest.fixture(scope="module", autouse=True)
async def frameworks(service: Running) -> None:
    await service.publish_framework("f", "1", "2", "3")


def client(service: Running, source: str, **claims: str) -> httpx.AsyncClient:
    return service.client(**({"source": source} | claims))


async def align(service: Running, source: str, **entries: str) -> None:
    body = [
        {"id": id, "source": source, "competencies": [{"competency": competency}]} for id, competency in entries.items()
    ]
    assert (await service.client("policy:write").post("/v1/alignments", json=body)).status_code == 200


async def counting(service: Running, source: str) -> list[tuple[list[str], float | None]]:
    """Return competencies and raw score of the evidence of a source that counts, as a reader of the log sees it."""
    known: dict[str, tuple[bool, dict[str, Any]]] = {}
    for event in sorted(await service.feed(), key=lambda one: (one["shard"], one["position"])):
        data = event["data"]
        if data.get("source") == source:
            known[data["evidence_id"]] = (data.get("valid", True), data)
        for name, valid in (("invalidates", False), ("revalidates", True)):
            for touched in data.get(name, ()):
                if touched["evidence_id"] in known:
                    known[touched["evidence_id"]] = (valid, known[touched["evidence_id"]][1])
    return sorted((data["competencies"], data["score"].get("raw")) for valid, data in known.values() if valid)


async def test_a_canvas_result_is_corrected_and_taken_back_in_any_order(service: Running) -> None:
    source = "urn:canvas:1"
    await align(service, source, **{"outcome:1": "f:1"})
    sender = client(service, source)

    first = await sender.post("/canvas/events", json=live("learning_outcome_result_created", **result()))
    newer = await sender.post("/canvas/events", json=live(
        "learning_outcome_result_updated", **result(id="1", score=4, updated_at="2026-03-07T00:00:00Z")))  # fmt: skip
    older = await sender.post("/canvas/events", json=live(
        "learning_outcome_result_updated", **result(id="1", score=1, updated_at="2026-03-06T00:00:00Z")))  # fmt: skip
    again = await sender.post("/canvas/events", json=live("learning_outcome_result_updated", **result(
        id="1", score=4, updated_at="2026-03-07T00:00:00Z")))  # fmt: skip
    assert await counting(service, source) == [(["f:1"], 4.0)]
    gone = await sender.post("/canvas/events", json=live(
        "learning_outcome_result_updated", **result(id="1", score=None, updated_at="2026-03-08T00:00:00Z")))  # fmt: skip

    answers = [(a.status_code, a.json()["status"], a.json()["reason"]) for a in (first, newer, older, again, gone)]
    assert answers == [
        (201, "accepted", None), (201, "corrected", None), (200, "acknowledged", "older_revision"),
        (200, "duplicate", None), (201, "corrected", None),
    ]  # fmt: skip
    assert await counting(service, source) == []


async def test_a_canvas_outcome_states_an_alignment_by_its_guid(service: Running) -> None:
    source = "urn:canvas:2"
    sender = client(service, source)

    waits = await sender.post("/canvas/events", json=live("learning_outcome_result_created", **result()))
    told = await sender.post("/canvas/events", json=live(
        "learning_outcome_created", learning_outcome_id="1", vendor_guid="f:2"))  # fmt: skip

    async def flowed() -> bool:
        return await counting(service, source) == [(["f:2"], 3.0)]

    await until(flowed)
    assert (waits.status_code, waits.json()["reason"]) == (202, "unaligned")
    assert (told.status_code, told.json()["status"], told.json()["reason"]) == (200, "acknowledged", "outcome")


async def test_trap_20_a_grade_that_is_taken_away_does_not_count(service: Running) -> None:
    source = "urn:canvas:3"
    await align(service, source, **{"assignment:3": "f:1"})
    grade = {"submission_id": "7", "student_id": "5", "score": 3, "points_possible": 4, "assignment_id": "3"}

    await client(service, source).post("/canvas/events", json=live("grade_change", **grade))
    assert await counting(service, source) == [(["f:1"], 3.0)]
    event = live("grade_change", **(grade | {"score": None}))
    event["metadata"]["event_time"] = "2026-03-06T00:00:00Z"
    await client(service, source).post("/canvas/events", json=event)

    assert await counting(service, source) == []


async def test_a_bad_canvas_event_is_quarantined_and_can_be_redriven(service: Running) -> None:
    source, bad = "urn:canvas:4", live("learning_outcome_result_created", **result(score="much"))
    answer = await client(service, source).post("/canvas/events", json=bad)

    admin = service.client()
    [kept] = (await admin.get("/v1/quarantine", params={"source": source})).json()["items"]
    shown = (await admin.get(f"/v1/quarantine/{kept['quarantine_id']}")).json()
    again = await admin.post(f"/v1/quarantine/{kept['quarantine_id']}/redrive")

    assert (answer.status_code, answer.json()["pointer"]) == (422, "/body/score")
    assert (kept["form"], kept["reason"], kept["pointer"]) == ("canvas", "invalid", "/body/score")
    assert json.loads(shown["text"]) == bad
    assert (again.json()["status"], again.json()["pointer"]) == ("rejected", "/body/score")


async def test_a_caliper_grade_is_aligned_by_the_objectives_that_it_states(service: Running) -> None:
    source = "urn:caliper:1"
    objective = {"id": "f:3", "type": "LearningObjective"}
    event = grade_event()
    event["object"]["assignable"]["learningObjectives"] = [objective]
    envelope = {"sensor": "x:s", "sendTime": "2026-03-05T10:00:01.000Z", "data": [event],
                "dataVersion": "http://purl.imsglobal.org/ctx/caliper/v1p2"}  # fmt: skip

    answers = [await client(service, source).post("/caliper/v1p2/events", json=envelope) for _ in range(2)]

    assert [answer.json()["status"] for answer in answers] == ["accepted", "duplicate"]
    assert await counting(service, source) == [(["f:3"], 3.0)]


async def test_every_caliper_fixture_is_answered_and_the_malformed_store_nothing(service: Running) -> None:
    sender = client(service, "urn:caliper:2", tenant="caliper")
    folder = shared_file("data/formats/caliper")
    statuses: dict[str, set[str]] = {}
    for part in ("v1p1", "v1p2", "malformed"):
        for file in sorted((folder / part).glob("*.json")):
            answer = await sender.post("/v1/intake/caliper", content=file.read_bytes())
            assert answer.status_code == 200
            statuses.setdefault(part, set()).update(one["status"] for one in answer.json()["items"])
            assert all(one["pointer"] is not None for one in answer.json()["items"] if one["status"] == "rejected")

    kept = await service.rows("select reason from quarantine where tenant = 'caliper'")
    assert statuses["malformed"] == {"rejected"}
    assert statuses["v1p1"] | statuses["v1p2"] <= {"acknowledged", "parked"}
    assert {row["reason"] for row in kept} == {"unaligned"}
    assert await service.rows("select from evidence where tenant = 'caliper' and state = 2") == []


async def test_acknowledged_events_are_kept_once_where_the_tenant_keeps_all_and_forgotten(service: Running) -> None:
    source, tenants = "urn:caliper:3", ("keeps", "minimises")
    operator = service.client("service", tenant="keeps")
    assert (await operator.put("/v1/limits", json={"statements_kept": "all"})).status_code == 200
    other_id = "urn:uuid:00000000-0000-4000-8000-000000000001"
    events = [seen(), seen(), seen("x:ada", object={"id": "x:other", "type": "WebPage"}), seen("x:bob", id=other_id)]
    envelope = {"sensor": "x:s", "sendTime": "2026-03-05T10:00:01.000Z", "data": [*events, {"id": "x:p", "type": "Person"}],
                "dataVersion": "http://purl.imsglobal.org/ctx/caliper/v1p2"}  # fmt: skip
    said = {"actor": {"mbox": "mailto:a@x.org"}, "verb": {"id": "x:y"}, "object": {"id": "x:q"}, "id": other_id[9:]}
    senders = [client(service, source, tenant=tenant) for tenant in tenants]
    answers = [await sender.post("/v1/intake/caliper", json=envelope) for _ in range(2) for sender in senders]
    unscored = [(await sender.post("/v1/intake/xapi", json=said)).json()["items"][0]["reason"] for sender in senders]
    shown = [await sender.get("/xapi/statements", params={"statementId": other_id[9:]},
                              headers={"X-Experience-API-Version": "1.0.3"}) for sender in senders]  # fmt: skip

    async def kept() -> list[tuple[str, list[str], Any]]:
        rows = await service.rows("select tenant, people, body from kept_event where source = $1 order by body", source)
        return [(row["tenant"], row["people"], row["body"] and json.loads(row["body"])["actor"]) for row in rows]

    before = await kept()
    query = {"source": source, "source_id": "x:ada"}
    learner = (await senders[0].get("/v1/learners", params=query)).json()["learner"]
    unknown = await senders[1].get("/v1/learners", params=query)
    held = (await senders[0].get(f"/v1/learners/{learner}/holdings")).json()
    await senders[0].delete(f"/v1/learners/{learner}")
    again = await senders[0].post("/v1/intake/caliper", json=envelope)

    assert {one["status"] for answer in (*answers, again) for one in answer.json()["items"]} == {"acknowledged"}
    assert sorted(before) == [("keeps", ["x:ada"], "x:ada"), ("keeps", ["x:bob"], "x:bob")]
    assert [(one["form"], one["reason"], one["body"]) for one in held["events"]] == [("caliper", "not_graded", seen())]
    assert sorted(await kept()) == [("keeps", [], None), ("keeps", ["x:bob"], "x:bob")]
    assert (unscored, [one.status_code for one in shown]) == (["no_score"] * 2, [200, 404])
    assert unknown.status_code == 404


async def test_an_ags_score_is_of_the_line_item_of_its_address(service: Running) -> None:
    source = "urn:ags:1"
    await align(service, source, **{"line-1": "f:1"})
    answer = await client(service, source).post("/lti/lineitems/line-1/scores", json=score(lineItem=None))
    pending = await client(service, source).post(
        "/lti/lineitems/line-1/scores", json=score(gradingProgress="PendingManual", lineItem=None)
    )

    assert answer.status_code == 201
    assert (pending.status_code, pending.json()["reason"]) == (200, "pending_manual")
    assert await counting(service, source) == [(["f:1"], 83.0)]


async def test_trap_14_a_oneroster_result_fans_out_and_shrinks(service: Running) -> None:
    source = "urn:oneroster:1"

    def payload(day: int, **objectives: int) -> dict[str, Any]:
        results = [{"learningObjectiveId": f"f:{name[1:]}", "score": value} for name, value in objectives.items()]
        return roster_result(
            dateLastModified=f"2026-01-{day:02}T00:00:00Z", learningObjectiveSet=[{"learningObjectiveResults": results}]
        )

    sender = client(service, source)
    await sender.post("/oneroster/v1p2/results", json=payload(2, o1=4, o2=5))
    assert await counting(service, source) == [(["f:1"], 4.0), (["f:2"], 5.0)]
    await sender.post("/oneroster/v1p2/results", json=payload(3, o1=6))
    assert await counting(service, source) == [(["f:1"], 6.0)]
    await sender.post("/oneroster/v1p2/results", json=roster_result(
        status="tobedeleted", dateLastModified="2026-01-04T00:00:00Z"))  # fmt: skip

    assert await counting(service, source) == []


async def test_a_result_that_was_changed_in_the_future_freezes_nothing(service: Running) -> None:
    sender = client(service, "urn:oneroster:ahead")

    ahead = await sender.post(
        "/v1/intake/oneroster", json=roster_result(dateLastModified="2062-03-04T10:00:00Z", score=3)
    )
    right = await sender.post("/v1/intake/oneroster", json=roster_result(score=9))

    assert [one["reason"] for one in ahead.json()["items"]] == ["future_time"]
    assert [one["status"] for one in right.json()["items"]] == ["parked"]


async def test_trap_15_edfi_results_wait_for_their_metadata_and_flow(service: Running) -> None:
    source = "urn:edfi:1"
    folder = shared_file("data/formats/edfi")
    metadata = (folder / "AssessmentMetadata-Benchmarks-3rdGradeMath.xml").read_bytes()
    results = gzip.decompress((folder / "StudentAssessment-Benchmarks-3rdGradeMath.xml.gz").read_bytes())
    sender = client(service, source, tenant="edfi")
    messages = edfi.split(results)
    statuses = set()
    for at in range(0, len(messages), 40):
        answer = await sender.post(
            "/v1/intake/edfi",
            content=b"\n".join(messages[at : at + 40]),
            headers={"Content-Type": "application/x-ndjson"},
        )
        statuses |= {one["status"] for one in answer.json()["items"]}
    await sender.post("/v1/intake/edfi", content=metadata, headers={"Content-Type": "application/xml"})

    async def names_its_standard() -> list[Any]:
        rows = await service.rows(
            "select awaits, count(*) n from quarantine where tenant = 'edfi' and reason = 'unknown_competency'"
            " group by awaits order by awaits"
        )
        return rows if sum(row["n"] for row in rows) == 3680 else []

    # A piece of two standards awaits the first that is not known.
    waiting = [row["awaits"] for row in await until(names_its_standard)]
    codes = sorted({code.decode() for code in re.findall(rb">(111\.15\.[0-9A-Z.]+)<", metadata)})
    await service.publish_framework("teks", *codes, tenant="edfi")

    async def all_flowed() -> bool:
        rows = await service.rows("select count(*) n from evidence where tenant = 'edfi' and state = 2")
        return bool(rows[0]["n"] == 3680)

    await until(all_flowed)
    assert statuses == {"parked"}
    assert set(waiting) <= set(codes)


async def test_xapi_statements_are_answered_one_by_one_at_the_intake(service: Running) -> None:
    good = {"id": "fd41c918-b88b-4b20-a0a5-a4c32391aaa1", "actor": {"mbox": "mailto:a@x.org"},
            "verb": {"id": "x:y"}, "object": {"id": "x:q"}, "timestamp": "2026-01-01T00:00:00Z"}  # fmt: skip
    scored = good | {"id": "fd41c918-b88b-4b20-a0a5-a4c32391aaa2", "result": {"score": {"scaled": 1}}}
    around = {"objectType": "contextAgent", "agent": {"mbox": "mailto:b@x.org"}}
    lines = [good, scored, good | {"verb": {}}, good, scored | {"result": {"score": {"scaled": 0}}},
             good | {"id": "fd41c918-b88b-4b20-a0a5-a4c32391aaa3", "context": {"contextAgents": [around]}}]  # fmt: skip

    answer = await client(service, "urn:xapi:1").post(
        "/v1/intake/xapi", content=encoded(*lines), headers={"Content-Type": "application/x-ndjson"}
    )

    assert [(one["status"], one["reason"], one["pointer"]) for one in answer.json()["items"]] == [
        ("acknowledged", "no_score", None), ("parked", "unaligned", "/activity"), ("rejected", "missing_member", "/verb/id"),
        ("duplicate", "no_score", None), ("rejected", "conflict", "/id"), ("acknowledged", "no_score", None),
    ]  # fmt: skip


async def test_a_token_of_one_source_writes_as_no_other(service: Running) -> None:
    answer = await client(service, "urn:mine").post("/v1/intake/ags?source=urn:other", json=score())
    unknown = await client(service, "urn:mine").post("/v1/intake/fax", json=score())

    assert (answer.status_code, unknown.status_code) == (403, 404)


async def test_a_source_of_mostly_bad_items_is_stopped_and_others_are_not(service: Running) -> None:
    bad = client(service, "urn:bad")
    codes = [
        (await bad.post("/v1/evidence", content=encoded(*[{"id": "x"}] * 400),
                        headers={"Content-Type": "application/x-ndjson"})).status_code
        for _ in range(4)
    ]  # fmt: skip
    stopped = await bad.post("/v1/evidence", json=item("z", source="urn:bad"))
    other = await client(service, "urn:good").post(
        "/v1/evidence", json=item("z", source="urn:good", competencies=["f:1"])
    )

    assert codes == [200, 200, 200, 429]
    assert (stopped.status_code, stopped.json()["reason"]) == (429, "mostly_bad")
    assert int(stopped.headers["Retry-After"]) > 0
    assert other.status_code == 201
