"""Rosters, names and forgetting: who a learner is stays in this service and can be erased."""

import asyncio
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services.evidence.handlers.learners import Learners
from services.evidence.tables import rollovers
from services.evidence.tables.people import Key
from shared.database import Connection
from tests.evidence.builders import SOURCE, item, picked
from tests.evidence.running import Running, running_service
from tests.support.producer import free_port

SIS = "https://sis.example.edu"


def roster() -> dict[str, Any]:
    return {
        "source": SIS,
        "schools": [{"school": "s1", "title": "North", "district": "d1"}],
        "classes": [
            {"class": "c1", "title": "Maths 5", "school": "s1", "subject": "math"},
            {"class": "c2", "title": "Art"},
        ],
        "learners": [
            {"source_id": "ada", "name": "Ada Lovelace", "source": SOURCE},
            {"source_id": "emmy", "name": "Emmy Noether"},
        ],
        "enrolments": [{"class": "c1", "learner": "ada"}, {"class": "c1", "learner": "emmy", "status": "inactive"}],
        "staff": [{"class": "c1", "staff": "t-12", "role": "teacher"}],
        "groups": [{"group": "g1", "learner": "emmy", "value": "a"}],
        "people": [{"person": "t-12", "name": " Ms Germain "}, {"person": "t/13", "name": "Mr Pascal"}],
    }  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
async def imported(service: Running) -> dict[str, Any]:
    await service.publish_framework("math", "1")
    answer = await service.client().post("/v1/roster", json=roster())
    assert answer.status_code == 200, answer.text
    counts: dict[str, Any] = answer.json()
    return counts


async def test_an_import_counts_what_it_names(imported: dict[str, Any]) -> None:
    assert imported == {"learners": 2, "classes": 2, "enrolments": 2, "staff": 1, "schools": 1, "changed": 6}


async def test_the_same_import_again_publishes_nothing(service: Running) -> None:
    before = await service.feed("roster")

    again = await service.client().post("/v1/roster", json=roster())

    assert again.json()["changed"] == 0
    assert await service.feed("roster") == before


async def test_only_what_changed_is_published(service: Running) -> None:
    before = await service.feed("roster")
    changed = roster()
    changed["classes"][1]["title"] = "Fine art"

    await service.client().post("/v1/roster", json=changed)

    news = [event for event in await service.feed("roster") if event not in before]
    assert [(event["type"], event["data"]["title"]) for event in news] == [("attain.roster.class.v1", "Fine art")]
    listed = (await service.client().get("/v1/roster/classes")).json()["items"]
    assert picked(listed, "class", "title") == [("c1", "Maths 5"), ("c2", "Fine art")]


async def test_no_name_and_no_source_id_of_a_learner_is_published(service: Running) -> None:
    told = json.dumps(await service.feed("roster"))

    assert not any(secret in told for secret in ("Ada", "Emmy", '"ada"', '"emmy"', '"g1"', "Germain"))


async def test_a_learner_who_assesses_is_named_by_no_event_and_told_apart(service: Running) -> None:
    by = [("peer", "kim-1"), ("peer", "kim-1"), ("peer", "kim-2"), ("self", "kim-0"), ("human", "tea-1")]
    pieces = [
        item(f"by-{n}", learner="kim-0", competencies=["math:1"], assessor={"id": id, "type": type})
        for n, (type, id) in enumerate(by)
    ]
    await service.submit(*pieces)
    told = {event["data"].get("id"): event["data"].get("assessor") for event in await service.feed()}
    first, same, other, own, teacher = [told[piece["id"]] for piece in pieces]
    await service.submit(pieces[0] | {"id": "by-9", "assessor": {"id": first, "type": "peer"}})
    again = [event["data"]["assessor"] for event in await service.feed() if event["data"].get("id") == "by-9"]

    assert (first == same, len({first, other, own}), teacher, again) == (True, 3, "tea-1", [first])
    assert "kim-" not in json.dumps([first, other, own])


async def test_staff_are_called_as_the_roster_says_last_until_it_says_nothing(service: Running) -> None:
    async def names() -> dict[str, str]:
        asked = {"tenant": "demo", "people": ["t-12", "t/13", "t-14"]}
        found: dict[str, str] = (await service.client("service").post("/v1/staff/names", json=asked)).json()
        return found

    async def told(*people: dict[str, str]) -> dict[str, str]:
        answer = await service.client().post("/v1/roster", json={"source": SIS, "people": people})
        assert answer.status_code == 200, answer.text
        return await names()

    first = await names()
    married = await told({"person": "t-12", "name": "Ms Lagrange"})
    gone = await told({"person": "t-12"})
    page = (await service.client("admin").get("/v1/staff", params={"limit": 1})).json()
    forgotten = [(await service.client("admin").delete("/v1/staff/t%2F13")).json() for _ in range(2)]
    left = await names()
    again = await told({"person": "t-12", "name": "Ms Germain"}, {"person": "t/13", "name": "Mr Pascal"})

    assert first == again == {"t-12": "Ms Germain", "t/13": "Mr Pascal"}
    assert (married["t-12"], gone, left) == ("Ms Lagrange", {"t/13": "Mr Pascal"}, {})
    assert page == {"items": [{"person": "t/13", "name": "Mr Pascal"}], "next": "t/13"}
    assert [each["had_name"] for each in forgotten] == [True, False]
    assert forgotten[0]["certificate"] == forgotten[1]["certificate"]


async def test_a_learner_is_called_as_the_roster_says_last_until_it_says_nothing(service: Running) -> None:
    """So whoever is to stand in no list by name is kept by id alone."""
    found = {"source": SIS, "source_id": "unlisted"}

    async def told(**said: str) -> str | None:
        learners = [{"source_id": "unlisted"} | said]
        answer = await service.client().post("/v1/roster", json={"source": SIS, "learners": learners})
        assert answer.status_code == 200, answer.text
        learner = (await service.client("records:read").get("/v1/learners", params=found)).json()["learner"]
        body = {"tenant": "demo", "learners": [learner]}
        name: str | None = (await service.client("service").post("/v1/names", json=body)).json().get(learner)
        return name

    assert await told(name="Sophie Kowalevski") == "Sophie Kowalevski"
    assert await told() == "Sophie Kowalevski"
    assert await told(name=" ") is None
    assert await told(name="Sonja Kowalevski") == "Sonja Kowalevski"
    assert await told(name="") is None


async def test_names_of_staff_are_for_services_and_administrators(service: Running) -> None:
    asked = {"tenant": "demo", "people": ["t-12"]}
    reader = service.client("records:read evidence:write")
    answers = [
        await reader.post("/v1/staff/names", json=asked), await service.client("admin").post("/v1/staff/names", json=asked),
        await reader.get("/v1/staff"), await reader.delete("/v1/staff/t-12"),
    ]  # fmt: skip

    assert [answer.status_code for answer in answers] == [403] * 4


async def test_what_is_no_subject_is_no_line_of_the_ledger(service: Running, tmp_path: Path) -> None:
    """What the ledger names is forgotten at every start: a line that the database refuses would keep evidence from starting."""
    ledger = tmp_path / "erasures.ndjson"
    config = service.config.model_copy(update={"port": free_port(), "erasure_ledger": ledger})
    async with running_service(config, install=False) as kept:
        answers = [await kept.client("admin").delete(f"/v1/staff/{person}") for person in ("", "t%00", "t" * 257)]

    assert [answer.status_code for answer in answers] == [422] * 3
    assert not ledger.exists()


async def test_a_bad_roster_is_refused_with_its_member(service: Running) -> None:
    bad = roster()
    bad["classes"][1]["colour"] = "red"

    answer = await service.client().post("/v1/roster", json=bad)

    assert (answer.status_code, answer.json()["pointer"]) == (422, "/classes/1/colour")


async def test_a_roster_with_a_member_twice_is_refused(service: Running) -> None:
    answer = await service.client().post("/v1/roster", content=json.dumps(roster())[:-1] + ', "classes": []}')

    assert (answer.status_code, answer.json()["reason"], answer.json()["pointer"]) == (
        422,
        "duplicate_member",
        "/classes",
    )


async def test_evidence_and_roster_meet_in_the_same_learner(service: Running) -> None:
    [result] = await service.submit(item("e1"))
    client = service.client()

    learner = (await client.get("/v1/learners", params={"source": SOURCE, "source_id": "ada"})).json()["learner"]
    shown = (await client.get(f"/v1/evidence/{result['evidence_id']}")).json()
    person = (await client.get(f"/v1/learners/{learner}")).json()
    enrolled = [e["subject"] for e in await service.feed("roster") if e["type"] == "attain.roster.enrolment.v1"]

    assert shown["learner"] == learner
    assert person == {
        "learner": learner, "name": "Ada Lovelace", "identities": [{"source": SOURCE, "source_id": "ada"}],
    }  # fmt: skip
    assert learner in enrolled


@pytest.mark.parametrize(
    ("q", "found"), [("ada l", ["ada"]), ("EMMY", ["emmy"]), ("em", ["emmy"]), ("%", []), ("x", [])]
)
async def test_learners_are_found_by_name_or_source_id(service: Running, q: str, found: list[str]) -> None:
    rows = (await service.client().get("/v1/learners", params={"q": q})).json()

    assert picked(rows, "source_id") == found


async def test_erasing_a_learner_leaves_positions_and_nothing_else(service: Running) -> None:
    mine = [item(f"x{n}", learner="emmy", source=SIS, activity={"id": "q", "name": "Emmy's"}) for n in range(3)]
    results = await service.submit(*mine, item("r", learner=None, score=None, source=SIS, retracts="x0"))
    await service.submit(item("px", learner="emmy", source=SIS, competencies=["gone:1"]))
    client = service.client()
    learner = (await client.get("/v1/learners", params={"source": SIS, "source_id": "emmy"})).json()["learner"]
    before = {log: await service.feed(log) for log in ("evidence", "roster")}

    erased = (await client.delete(f"/v1/learners/{learner}")).json()

    after = {log: await service.feed(log) for log in ("evidence", "roster")}
    places = {log: [(event["shard"], event["position"]) for event in before[log]] for log in before}
    told = {log: [event for event in after[log] if event["type"].endswith("learner_erased.v1")] for log in after}
    kept = {log: [event for event in after[log] if event not in told[log]] for log in after}
    assert {name: erased[name] for name in ("identities", "evidence", "events")} == {
        "identities": 1, "evidence": 5, "events": 5
    }  # fmt: skip
    assert {log: [(event["shard"], event["position"]) for event in kept[log]] for log in kept} == places
    said = [{"learner": learner, "certificate": erased["certificate"]}]
    assert {log: [one["data"] for one in events] for log, events in told.items()} == {"evidence": said, "roster": said}
    assert learner not in json.dumps(kept)
    assert sum(event["type"] == "attain.evidence.redacted.v1" for event in after["evidence"]) == 4
    for table in ("evidence", "learner_identity", "quarantine", "roster_fact", "roster_group"):
        text = str([tuple(row) for row in await service.rows(f"select * from {table}")])
        assert learner not in text, table
        assert "emmy" not in text.lower(), table
    assert (await client.get(f"/v1/learners/{learner}")).status_code == 404
    for path in (f"/v1/evidence/{results[0]['evidence_id']}", f"/v1/evidence/{results[0]['evidence_id']}/trace"):
        emptied = (await client.get(path)).json()
        assert picked([emptied], "state", "id", "learner") == [("erased", None, None)]
    assert picked(await service.submit(*mine), "status", "reason") == [("rejected", "erased")] * 3
    assert results[0]["position"] in {f"evidence.1.{shard}.{pos}" for shard, pos in places["evidence"]}


async def test_an_erased_learner_who_comes_back_is_someone_new(service: Running) -> None:
    [result] = await service.submit(item("new", learner="emmy", source=SIS))

    assert result["status"] == "accepted"
    learner = (await service.rows("select learner from evidence where id = 'new'"))[0]["learner"]
    assert not await service.rows("select from erased_learner where learner = $1", learner)


async def test_the_installations_own_source_names_known_learners_by_their_opaque_ids(service: Running) -> None:
    client, pages, stranger = service.client(), "urn:attain:pages", "00000000-0000-4000-8000-000000000000"
    ada = (await client.get("/v1/learners", params={"source": SOURCE, "source_id": "ada"})).json()["learner"]
    asked = {"tenant": "demo", "source": pages, "learners": [ada, stranger]}
    answers = [(await client.post("/v1/learners/named-by-id", json=asked)).json() for _ in range(2)]
    elsewhere = await client.post("/v1/learners/named-by-id", json=asked | {"tenant": "other"})
    refused = await service.client("admin").post("/v1/learners/named-by-id", json=asked)
    [result] = await service.submit(item("seen", learner=ada, source=pages))
    shown = (await client.get(f"/v1/evidence/{result['evidence_id']}")).json()

    assert answers == [[ada], [ada]]
    assert (elsewhere.json(), refused.status_code) == ([], 403)
    assert shown["learner"] == ada


async def test_guardians_and_dated_staff_are_published_with_opaque_learners(service: Running) -> None:
    assignments = [
        {"person": "g-1", "role": "guardian", "kind": "learner", "target": "emmy"},
        {"person": "h-1", "role": "leader", "kind": "school", "target": "s1", "ends": "2027-06-30"},
    ]
    staff = [{"class": "c2", "staff": "t-9", "role": "substitute", "starts": "2026-03-01", "ends": "2026-03-14"}]
    body = {"source": SIS, "assignments": assignments, "staff": staff}
    answer = await service.client().post("/v1/roster", json=body)
    emmy = (await service.client().get("/v1/learners", params={"source": SIS, "source_id": "emmy"})).json()["learner"]
    told = [event for event in await service.feed("roster") if event["type"] == "attain.roster.assignment.v1"]
    dated = [event["data"] for event in await service.feed("roster") if event["data"].get("staff") == "t-9"]

    assert answer.json()["changed"] == 3
    assert {(event["subject"], event["data"]["person"], event["data"]["target"]) for event in told} == {
        (emmy, "g-1", emmy), (SIS, "h-1", "s1")
    }  # fmt: skip
    assert (dated[0]["starts"], dated[0]["ends"]) == ("2026-03-01", "2026-03-14")


@pytest.mark.parametrize("wrong", [{"starts": "March"}, {"kind": "planet"}, {"who": "x"}])
async def test_an_assignment_that_is_not_of_its_form_is_refused(service: Running, wrong: dict[str, str]) -> None:
    row = {"person": "p", "role": "leader", "kind": "school", "target": "s1"} | wrong

    assert (await service.client().post("/v1/roster", json={"source": SIS, "assignments": [row]})).status_code == 422


async def test_groups_and_names_are_for_services_alone(service: Running) -> None:
    await service.client().post("/v1/roster", json=roster())
    emmy = (await service.client().get("/v1/learners", params={"source": SIS, "source_id": "emmy"})).json()["learner"]
    groups = (await service.client("service").get("/v1/roster/groups", params={"tenant": "demo"})).json()
    rest = await service.client("service").get("/v1/roster/groups", params={"tenant": "demo", "after": groups["next"]})
    names = await service.client("service").post("/v1/names", json={"tenant": "demo", "learners": [emmy]})
    other = await service.client("service").post("/v1/names", json={"tenant": "other", "learners": [emmy]})

    assert groups["items"] == [{"learner": emmy, "group": "g1", "value": "a"}]
    assert rest.json()["items"] == []
    assert (names.json(), other.json()) == ({emmy: "Emmy Noether"}, {})
    for call in (
        service.client("records:read admin").get("/v1/roster/groups", params={"tenant": "demo"}),
        service.client("records:read admin").post("/v1/names", json={"tenant": "demo", "learners": []}),
    ):
        assert (await call).status_code == 403


async def test_who_knows_a_learner_is_told_its_own_ids_and_where_the_roster_places_them(service: Running) -> None:
    learners = [{"source_id": "grace", "source": SOURCE}, {"source_id": "sofia", "source": SOURCE}]
    places = [{"class": "c2", "learner": "grace"}, {"class": "c1", "learner": "grace"}]
    await service.client().post("/v1/roster", json=roster() | {"learners": learners, "enrolments": places})
    year = {"session": "2026-27", "goes_on": ["c1", "c2"], "share_max": 1}
    assert (await service.client().post("/v1/roster/rollovers", json=year)).is_success
    grace, sofia = [
        (await service.client().get("/v1/learners", params={"source": SOURCE, "source_id": id})).json()["learner"]
        for id in ("grace", "sofia")
    ]
    asked = {"tenant": "demo", "source": SOURCE, "learners": [grace, sofia]}
    ask = service.client("service").post

    assert (await ask("/v1/learners/references", json=asked)).json() == {grace: ["grace"], sofia: ["sofia"]}
    assert (await ask("/v1/learners/references", json=asked | {"placed": True})).json() == {
        grace: {"ids": ["grace"], "placement": {"school": "s1", "classes": ["c1", "c2"], "session": "2026-27"}},
        sofia: {"ids": ["sofia"], "placement": None},
    }
    for elsewhere in ({"tenant": "other"}, {"source": "urn:another"}):
        assert (await ask("/v1/learners/references", json=asked | {"placed": True} | elsewhere)).json() == {}


async def enrolled(service: Running, source_id: str) -> str:
    """Enrol a learner in a class, and return the opaque id."""
    one = roster() | {"learners": [], "enrolments": [{"class": "c2", "learner": source_id}], "groups": []}
    assert (await service.client().post("/v1/roster", json=one)).is_success
    found = await service.client().get("/v1/learners", params={"source": SIS, "source_id": source_id})
    learner: str = found.json()["learner"]
    return learner


async def roster_says(service: Running, learner: str) -> list[str]:
    """Return what the roster's tables and its log say of a learner, but that the learner is erased."""
    return [
        *[row["key"] for row in await service.rows("select key from roster_fact where subject = $1", learner)],
        *[
            row["group_id"]
            for row in await service.rows("select group_id from roster_group where learner = $1", learner)
        ],
        *[e["type"] for e in await service.feed("roster") if e["subject"] == learner and "erased" not in e["type"]],
    ]


async def test_who_is_erased_during_an_import_is_someone_new_to_it(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    rae = await enrolled(service, "rae")
    plain = Learners.identify

    async def identify(learners: Learners, keys: Collection[Key]) -> dict[Key, tuple[str, int]]:
        found = await plain(learners, keys)
        assert (await service.client().delete(f"/v1/learners/{rae}")).is_success
        return found

    monkeypatch.setattr(Learners, "identify", identify)
    groups = [{"group": "g1", "learner": "rae", "value": "a"}]
    places = [{"class": "c1", "learner": "rae"}]
    again = await service.client().post("/v1/roster", json=roster() | {"enrolments": places, "groups": groups})
    monkeypatch.undo()

    assert again.is_success, again.text
    assert await roster_says(service, rae) == []
    now = (await service.client().get("/v1/learners", params={"source": SIS, "source_id": "rae"})).json()["learner"]
    assert await roster_says(service, now) == ["c1\x1f" + now, "g1", "attain.roster.enrolment.v1"]


async def test_nobody_who_is_erased_while_a_year_ends_is_enrolled_again(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    kim, plain = await enrolled(service, "kim"), rollovers.in_classes
    erasing: list[asyncio.Task[httpx.Response]] = []

    async def in_classes(connection: Connection, tenant: str) -> list[asyncpg.Record]:
        there = await plain(connection, tenant)
        erasing.append(asyncio.create_task(service.client().delete(f"/v1/learners/{kim}")))
        await asyncio.wait(erasing, timeout=0.5)
        return there

    monkeypatch.setattr(rollovers, "in_classes", in_classes)
    year = {"session": "2027-28", "goes_on": ["c1"], "share_max": 1}
    ended = await service.client().post("/v1/roster/rollovers", json=year)

    assert (ended.status_code, (await erasing[0]).status_code) == (200, 200)
    assert await roster_says(service, kim) == []
    noted = await service.rows("select convert_from(ended, 'UTF8') ended from rollover where session = '2027-28'")
    assert [kim in row["ended"] for row in noted] == [False]


async def test_all_words_on_a_row_are_in_one_shard_in_order_whichever_source_says_them(service: Running) -> None:
    """Sources are of different shards, which are read in any order: a rebuild would end with what an earlier one said."""
    sources = [f"https://sis-{n}.example.edu" for n in range(6)]
    for n, source in enumerate(sources):
        said: dict[str, Any] = {
            "source": source,
            "schools": [{"school": "s9", "title": f"South {n}"}],
            "classes": [{"class": "c9", "title": f"Maths {n}"}],
            "staff": [{"class": "c9", "staff": "t-9", "status": "active" if n % 2 == 0 else "inactive"}],
            "assignments": [
                {"person": "head-9", "role": "leader", "kind": "school", "target": "s9", "ends": f"2026-01-0{n + 1}"}
            ],
        }
        assert (await service.client().post("/v1/roster", json=said)).json()["changed"] == 4
    told: dict[str, list[tuple[int, int, Any]]] = {}
    for event in await service.feed("roster"):
        data = event["data"]
        if {"s9", "c9"} & {data.get("school"), data.get("class_id"), data.get("target")}:
            word = data.get("title") or data.get("ends") or data.get("active")
            told.setdefault(event["type"], []).append((event["shard"], event["position"], word))

    assert {type: len({shard for shard, *_ in words}) for type, words in told.items()} == dict.fromkeys(told, 1)
    assert sorted(max(words)[2] for words in told.values() if isinstance(words[0][2], str)) == [
        "2026-01-06", "Maths 5", "South 5"
    ]  # fmt: skip
    assert len(told) == 4
