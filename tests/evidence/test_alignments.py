"""The alignment map: it names competencies for evidence that names none, by date and version, also for what is there."""

import asyncio
from typing import Any

import pytest

from services.evidence.domain.alignment import TARGETS_MAX
from services.evidence.formats.alignments import LINES_MAX, read_csv, read_json
from shared.contracts.native import moved
from shared.errors import InvalidEvent
from tests.evidence.builders import SOURCE, item, picked
from tests.evidence.running import Running, second_replica
from tests.support.waiting import until


@pytest.fixture(scope="module", autouse=True)
async def frameworks(service: Running) -> None:
    await service.publish_framework("map", "1", "2", "3", "4")


async def publish(service: Running, *entries: dict[str, Any]) -> dict[str, Any]:
    answer = await service.client("policy:write").post("/v1/alignments", json=list(entries))
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def entry(id: str, *competencies: str, source: str = SOURCE, **changes: Any) -> dict[str, Any]:
    return {"id": id, "source": source, "competencies": [{"competency": c} for c in competencies]} | changes


def quiz(id: str, activity: str, **changes: Any) -> dict[str, Any]:
    return item(id, competencies=None, activity={"id": activity}, **changes)


async def told(service: Running, id: str) -> list[dict[str, Any]]:
    """Return the events that recorded an item, in their order."""
    return [event["data"] for event in await service.feed() if event["data"].get("id") == id]


async def told_times(service: Running, id: str, times: int) -> list[dict[str, Any]]:
    async def often_enough() -> list[dict[str, Any]]:
        found = await told(service, id)
        return found if len(found) >= times else []

    return await until(often_enough)


async def test_an_aligned_activity_names_competencies_weight_and_depth(service: Running) -> None:
    targets = [{"competency": "map:1", "weight": 2, "dok": 3}, {"competency": "map:2", "strength": "hint"}]

    await publish(service, entry("q1") | {"competencies": targets})
    [result] = await service.submit(quiz("on-q1", "q1"))

    [data] = await told(service, "on-q1")
    assert result["status"] == "accepted"
    assert data["competencies"] == ["map:1"]
    assert data["dok"] == 3
    assert data["alignment"] == [
        {"competency": "map:1", "weight": 2.0, "strength": "full", "dok": 3},
        {"competency": "map:2", "weight": 1.0, "strength": "hint", "dok": None},
    ]


async def test_what_the_item_says_itself_goes_before_the_map(service: Running) -> None:
    await publish(service, entry("q-own", "map:1", source="") | {"competencies": [{"competency": "map:1", "dok": 1}]})

    await service.submit(quiz("own-dok", "q-own", dok=4))
    await service.submit(item("own", competencies=["map:2"], activity={"id": "q-own"}))

    assert [data["dok"] for data in await told(service, "own-dok")] == [4]
    assert [data["competencies"] for data in await told(service, "own")] == [["map:2"]]


async def test_unaligned_evidence_waits_and_flows_when_the_entry_comes(service: Running) -> None:
    [parked] = await service.submit(quiz("waits", "q2"))
    listed = (await service.client().get("/v1/quarantine?status=parked&reason=unaligned")).json()["items"]

    await publish(service, entry("q2", "map:1"))
    [data] = await told_times(service, "waits", 1)
    [again] = await service.submit(quiz("waits", "q2"))

    assert (parked["status"], parked["reason"]) == ("parked", "unaligned")
    assert parked["detail"] == "no alignment names a competency for q2"
    assert [(one["id"], one["awaits_entry"]) for one in listed if one["id"] == "waits"] == [("waits", "q2")]
    assert data["competencies"] == ["map:1"]
    assert again["status"] == "duplicate"


async def test_an_entry_for_an_unknown_competency_waits_for_its_framework(service: Running) -> None:
    await publish(service, entry("q3", "later:1"))
    [parked] = await service.submit(quiz("twice", "q3"))
    await service.publish_framework("later", "1")

    [data] = await told_times(service, "twice", 1)

    assert (parked["status"], parked["reason"]) == ("parked", "unknown_competency")
    assert data["competencies"] == ["later:1"]


async def test_an_entry_that_is_corrected_frees_what_waits_for_a_competency_that_never_comes(service: Running) -> None:
    await publish(service, entry("q4", "never:1"))
    await service.submit(quiz("freed", "q4"))
    await publish(service, entry("q4", "map:4"))

    [data] = await told_times(service, "freed", 1)

    assert data["competencies"] == ["map:4"]


async def test_aligning_anew_supersedes_what_stood_before(service: Running) -> None:
    await publish(service, entry("q5", "map:1"))
    [first] = await service.submit(quiz("moved", "q5", dok=2))
    await publish(service, entry("q5", "map:2", "map:3"))

    before, after = await told_times(service, "moved", 2)
    [again] = await service.submit(quiz("moved", "q5", dok=2))
    shown = (await service.client().get(f"/v1/evidence/{first['evidence_id']}")).json()

    assert (before["competencies"], after["competencies"]) == (["map:1"], ["map:2", "map:3"])
    assert after["evidence_id"] != before["evidence_id"]
    assert after["invalidates"] == [{"evidence_id": before["evidence_id"], "competencies": ["map:1"]}]
    assert (after["dok"], after["occurred_at"], after["score"]) == (2, before["occurred_at"], before["score"])
    assert again["status"] == "duplicate"
    assert (shown["valid"], shown["content"]["competencies"]) == (True, ["map:2", "map:3"])


async def test_a_correction_after_aligning_anew_takes_the_place_of_the_newest(service: Running) -> None:
    await publish(service, entry("q6", "map:1"))
    await service.submit(quiz("c0", "q6"))
    await publish(service, entry("q6", "map:2"))
    _, anew = await told_times(service, "c0", 2)

    await service.submit(quiz("c1", "q6", supersedes="c0", score={"raw": 4, "max": 4}))
    await publish(service, entry("q6", "map:3"))
    one, three = await told_times(service, "c1", 2)
    *_, of_the_old = await told_times(service, "c0", 3)
    [undone] = await service.submit({"id": "c2", "source": SOURCE, "occurred_at": "2026-03-05T00:00:00Z",
                                     "retracts": "c1"})  # fmt: skip
    back = next(event["data"] for event in await service.feed() if event["data"].get("by") == undone["evidence_id"])

    assert one["invalidates"] == [{"evidence_id": anew["evidence_id"], "competencies": ["map:2"]}]
    assert three["invalidates"] == [{"evidence_id": one["evidence_id"], "competencies": ["map:2"]}]
    assert (of_the_old["valid"], "invalidates" in of_the_old) == (False, False)
    assert back["invalidates"] == [{"evidence_id": three["evidence_id"], "competencies": ["map:3"]}]
    assert back["revalidates"] == [{"evidence_id": of_the_old["evidence_id"], "competencies": ["map:3"]}]


@pytest.mark.parametrize("changes", [{}, {"standard": "outcome:1", "dok": 4}])
async def test_a_piece_that_is_put_in_again_keeps_its_alignment_and_follows_the_map(
    service: Running, changes: dict[str, Any]
) -> None:
    """Moved, and moved back with another score: what the map says of it stays, also where it says something else later."""
    by = changes.get("standard", "q-moved")
    named = f"again-{len(changes)}"
    targets = [
        {"competency": "map:1", "weight": 3, "strength": "partial", "dok": 2},
        {"competency": "map:2", "weight": 5, "dok": 3},
    ]
    await publish(service, entry(by, source="") | {"competencies": targets})
    [first] = await service.submit(quiz(named, "q-moved", **changes))
    piece = (await service.client().get(f"/v1/evidence/{first['evidence_id']}")).json()
    to_bo = moved(piece, "l-bo", "bo", "the row below", "tea")
    [gone] = await service.submit(to_bo)
    there = (await service.client().get(f"/v1/evidence/{gone['evidence_id']}")).json()
    back = moved(there, "l-ada", "ada", "not so", "tea") | {"score": {"raw": 4, "max": 4}}
    await service.submit(back)
    before, [on_bo], [on_ada] = [await told(service, one) for one in (named, to_bo["id"], back["id"])]
    await publish(service, entry(by, "map:3", source=""))
    _, anew = await told_times(service, back["id"], 2)
    found = (await service.client().get(f"/v1/evidence/{anew['evidence_id']}")).json()

    assert gone["status"] == "corrected"
    assert [each["alignment"] for each in (on_bo, on_ada)] == [before[0]["alignment"]] * 2
    own = changes.get("dok")
    assert [each.get("dok") for each in (on_bo, on_ada, anew)] == [own or 2, own or 2, own], "the map's is not its own"
    assert (on_ada["competencies"], anew["competencies"]) == (["map:1", "map:2"], ["map:3"])
    assert (found["id"], found["valid"], found["content"]["asked"]) == (
        back["id"], True, {"by": by, "dok": own},
    )  # fmt: skip


async def test_entries_hold_from_their_date(service: Running) -> None:
    await publish(service, entry("q7", "map:1"), entry("q7", "map:2", effective_from="2026-03-01"))

    await service.submit(
        quiz("feb", "q7", occurred_at="2026-02-28T23:59:59Z"), quiz("mar", "q7", occurred_at="2026-03-01T00:00:00Z")
    )
    await publish(service, entry("q7", "map:3", effective_from="2026-03-02T00:00:00Z"))
    await service.submit(quiz("later", "q7"))

    assert [data["competencies"] for data in await told(service, "feb")] == [["map:1"]]
    assert [data["competencies"] for data in await told(service, "mar")] == [["map:2"]]
    assert [data["competencies"] for data in await told(service, "later")] == [["map:3"]]


async def test_an_entry_that_begins_later_leaves_earlier_work_parked(service: Running) -> None:
    await service.submit(quiz("early", "q8"))
    await publish(service, entry("q8", "map:1", effective_from="2026-04-01"))
    await service.submit(quiz("late", "q8", occurred_at="2026-04-02T00:00:00Z"))

    rows = await service.rows("select state from evidence where id = 'early'")

    assert [data["competencies"] for data in await told(service, "late")] == [["map:1"]]
    assert [row["state"] for row in rows] == [1]


async def test_a_sources_own_entry_goes_before_the_one_for_any_source(service: Running) -> None:
    await publish(service, entry("q9", "map:1", source=""), entry("q9", "map:2"))

    await service.submit(quiz("here", "q9"), quiz("there", "q9", source="https://other.example"))

    assert [data["competencies"] for data in await told(service, "here")] == [["map:2"]]
    assert [data["competencies"] for data in await told(service, "there")] == [["map:1"]]


async def test_an_entry_without_competencies_takes_the_evidence_out(service: Running) -> None:
    await publish(service, entry("q10", "map:1"))
    await service.submit(quiz("out", "q10"))
    await publish(service, entry("q10"))

    _, after = await told_times(service, "out", 2)

    assert after["competencies"] == []
    assert after["invalidates"][0]["competencies"] == ["map:1"]


async def test_publishing_twice_is_no_news_and_every_version_is_kept(service: Running) -> None:
    first = await publish(service, entry("q11", "map:1"))
    again = await publish(service, entry("q11", "map:1"))
    other = await publish(service, entry("q11", "map:2"))

    listed = (await service.client().get("/v1/alignments", params={"id": "q11"})).json()["items"]

    assert (first["changed"], again["changed"], again["version"]) == (1, 0, first["version"])
    assert other["version"] == first["version"] + 1
    assert [one["competencies"][0]["competency"] for one in listed] == ["map:1", "map:2"]
    assert picked(listed, "published_by", "origin") == [("tester", "api")] * 2


async def test_publishing_while_evidence_comes_in_leaves_nothing_behind(service: Running) -> None:
    """Whatever map a batch was read with, in the end all of it stands by the last."""
    async with second_replica(service) as other:

        async def submit(place: int) -> None:
            replica = (service, other)[place % 2]
            await replica.submit(*(quiz(f"race-{place}-{n}", "q12") for n in range(20)))

        async def align(place: int) -> None:
            await publish((service, other)[place % 2], entry("q12", f"map:{place % 4 + 1}"))

        await asyncio.gather(*(work(place) for place in range(12) for work in (submit, align)))
        await publish(service, entry("q12", "map:1"))

        async def all_stand_by_the_last() -> bool:
            stand: dict[str, list[str]] = {}
            events = [event["data"] for event in await service.feed()]
            for data in events:
                if data.get("id", "").startswith("race-"):
                    stand[data["id"]] = data["competencies"]
            return len(stand) == 240 and set(map(tuple, stand.values())) == {("map:1",)}

        await until(all_stand_by_the_last)
        events = [event["data"] for event in await service.feed() if event["data"].get("id", "").startswith("race-")]
        ids = [data["evidence_id"] for data in events]
        gone = [touched["evidence_id"] for data in events for touched in data.get("invalidates", ())]

    assert len(ids) == len(set(ids))
    assert len(gone) == len(set(gone)) == len(ids) - 240


async def test_a_replica_that_knows_an_earlier_map_asks_again(service: Running) -> None:
    async with second_replica(service) as other:
        await publish(service, entry("q16", "map:1"))
        await other.submit(quiz("old-map", "q16"))
        await publish(service, entry("q16", "map:2"))
        await told_times(service, "old-map", 2)
        await other.submit(quiz("new-map", "q16"))

    first, *_ = await told(service, "new-map")
    assert first["competencies"] == ["map:2"]


async def test_an_erased_learner_is_not_recorded_anew(service: Running) -> None:
    await publish(service, entry("q13", "map:1"))
    await service.submit(quiz("gone", "q13", learner="bob"))
    client = service.client()
    learner = (await client.get("/v1/learners", params={"source": SOURCE, "source_id": "bob"})).json()["learner"]
    await client.delete(f"/v1/learners/{learner}")

    await publish(service, entry("q13", "map:2"))
    await service.submit(quiz("stays", "q13"))
    await told_times(service, "stays", 1)

    assert await told(service, "gone") == []


async def test_a_token_of_one_source_aligns_only_that(service: Running) -> None:
    client = service.client("policy:write", source="https://mine.example")

    refused = await client.post("/v1/alignments", json=[entry("q14", "map:1")])
    unasked = await service.client("evidence:write").post("/v1/alignments", json=[entry("q14", "map:1")])

    assert (refused.status_code, refused.json()["pointer"]) == (403, "/0/source")
    assert unasked.status_code == 403


async def test_a_map_may_be_csv(service: Running) -> None:
    text = "id,competency,source,weight\r\nq15,map:1,,2\r\nq15,map:2,,\r\n"

    answer = await service.client("policy:write").post(
        "/v1/alignments", content=text, headers={"Content-Type": "text/csv"}
    )
    await service.submit(quiz("csv", "q15"))

    assert answer.json()["changed"] == 1
    assert [data["competencies"] for data in await told(service, "csv")] == [["map:1", "map:2"]]


def test_csv_rows_of_one_entry_are_one_entry() -> None:
    entries = read_csv("competency,id,dok,effective_from\nm:1,a,2,2026-01-01\nm:2,b,,\nm:3,a,,2026-01-01\n")

    assert [(e.id, len(e.competencies), e.effective_from[:10]) for e in entries] == [
        ("a", 2, "2026-01-01"), ("b", 1, ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason", "pointer"),
    [
        ("id,weight\na,1\n", "missing_member", "/0/competency"),
        ("id,competency,colour\na,m:1,red\n", "unknown_member", "/0"),
        ("id,competency,weight\na,m:1,1\nb,m:1,much\n", "invalid", "/1/weight"),
        ("id,competency,dok\na,m:1,5\n", "invalid", "/0/dok"),
        ("id,competency,effective_from\na,m:1,2026-13-01\n", "invalid", "/0/effective_from"),
        ("id,competency,effective_from\na,m:1,2026-01-01T10:00\n", "invalid", "/0/effective_from"),
        ("id,competency,kind\na,m:1,poem\n", "invalid", "/0/kind"),
        ("id,competency\n,m:1\n", "invalid", "/0/id"),
        ("id,competency" + ",id" * 10_000 + "\n" + "a\n" * 10_000, "unknown_member", "/0"),
        ("id,competency\n" + "a,m:1\n" * (TARGETS_MAX + 1), "too_large", ""),
        ("id,competency\n" + "a,\n" * (LINES_MAX + 1), "too_large", ""),
        ("x" * 200_000, "malformed_csv", ""),
        (f"id,competency\n{'x' * 200_000},m:1\n", "malformed_csv", ""),
    ],
)
def test_a_bad_csv_is_refused_with_row_and_column(text: str, reason: str, pointer: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        read_csv(text)

    assert (caught.value.members["reason"], caught.value.pointer) == (reason, pointer)


@pytest.mark.parametrize(
    ("body", "reason", "pointer"),
    [
        (b"[{]", "malformed_json", ""),
        (b'[{"id":"a"}]', "missing_member", "/0/competencies"),
        (b'[{"id":"a","competencies":[{"competency":"m:1","weight":0}]}]', "invalid", "/0/competencies/0/weight"),
        (b'[{"id":"a","competencies":[],"colour":1}]', "unknown_member", "/0/colour"),
    ],
)
def test_a_bad_entry_is_refused_with_its_pointer(body: bytes, reason: str, pointer: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        read_json(body)

    assert (caught.value.members["reason"], caught.value.pointer) == (reason, pointer)
