"""Two learners that are one person: their evidence moves, later evidence follows, and undoing brings all of it back."""

import asyncio
import json
import random
import uuid
from collections import Counter
from typing import Any

import pytest

from tests.evidence.builders import SOURCE, item
from tests.evidence.running import Running, second_replica


@pytest.fixture(scope="module", autouse=True)
async def frameworks(service: Running) -> None:
    await service.publish_framework("m", "1", "2")


def piece(id: str, learner: str, **changes: Any) -> dict[str, Any]:
    return item(id, learner=learner, competencies=["m:1"], **changes)


async def learner_of(service: Running, source_id: str) -> str:
    found = await service.client().get("/v1/learners", params={"source": SOURCE, "source_id": source_id})
    learner: str = found.json()["learner"]
    return learner


async def merge(service: Running, one: str, into: str) -> dict[str, Any]:
    answer = await service.client().post(f"/v1/learners/{one}/merge", json={"into": into, "reason": "same person"})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def undo(service: Running, merge_id: str) -> dict[str, Any]:
    answer = await service.client().post(f"/v1/merges/{merge_id}/undo")
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def counting(service: Running, *learners: str) -> dict[str, set[str]]:
    """Return the ids that count for each learner, as a reader of the log sees it."""
    known: dict[str, dict[str, tuple[str, bool]]] = {}
    for event in sorted(await service.feed(), key=lambda one: (one["shard"], one["position"])):
        data = event["data"]
        own = known.setdefault(data.get("learner", ""), {})
        if "id" in data:
            assert data["evidence_id"] not in own, "told twice under one id"
            own[data["evidence_id"]] = (data["id"], data.get("valid", True))
        for name, valid in (("invalidates", False), ("revalidates", True)):
            for touched in data.get(name, ()):
                own[touched["evidence_id"]] = (own[touched["evidence_id"]][0], valid)
    return {learner: {id for id, valid in known.get(learner, {}).values() if valid} for learner in learners}


async def test_evidence_moves_later_evidence_follows_and_undoing_brings_it_back(service: Running) -> None:
    await service.submit(piece("a1", "ann"), piece("a2", "ann"), piece("b1", "ann-2"))
    await service.submit(piece("a2-fix", "ann", supersedes="a2"))
    ann, other = await learner_of(service, "ann"), await learner_of(service, "ann-2")

    made = await merge(service, ann, other)
    merged = await counting(service, ann, other)
    redirect = await service.client().get(f"/v1/learners/{ann}")
    [again, later] = await service.submit(piece("a1", "ann"), piece("a3", "ann"))
    await service.submit(piece("b2", "ann-2"))
    followed = await counting(service, ann, other)
    undone = await undo(service, made["merge"])
    back = await counting(service, ann, other)
    [after] = await service.submit(piece("a4", "ann"))

    assert made["pieces"] == 2
    assert merged == {ann: set(), other: {"a1", "a2-fix", "b1"}}
    assert (redirect.status_code, redirect.headers["Location"]) == (308, f"/v1/learners/{other}")
    assert (again["status"], later["status"]) == ("duplicate", "accepted")
    assert followed == {ann: set(), other: {"a1", "a2-fix", "a3", "b1", "b2"}}
    assert undone["pieces"] == 3
    assert back == {ann: {"a1", "a2-fix", "a3"}, other: {"b1", "b2"}}
    assert after["status"] == "accepted"
    assert (await counting(service, ann))[ann] == {"a1", "a2-fix", "a3", "a4"}
    assert (await learner_of(service, "ann"), await learner_of(service, "ann-2")) == (ann, other)


async def test_what_moves_counts_all_at_once_and_says_that_it_is_by_identity_and_whether_that_is_undone(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that folds piece by piece never sees some of them alone, however many they are, unless of several competencies."""
    monkeypatch.setattr("services.evidence.handlers.merging.PIECES_AT_ONCE", 4)
    await service.submit(
        *(item(f"m{n}", learner="mae", competencies=["m:1" if n % 2 else "m:2"]) for n in range(8)),
        piece("o1", "mae-2"),
    )
    mae, other = await learner_of(service, "mae"), await learner_of(service, "mae-2")
    for _ in range(2):
        made = await merge(service, mae, other)
        assert made == await merge(service, mae, other), "sent again, it is the same and moves nothing"
        await undo(service, made["merge"])
    told = [event["data"] | {"of": event["type"].split(".")[2]} for event in await service.feed()]
    changed = [data for data in told if data["of"] == "retracted" and data["learner"] in (mae, other)]
    moved = [data for data in told if data["of"] == "recorded" and data["learner"] == other and data["id"] != "o1"]

    assert Counter((data["identity"], data["learner"], "invalidates" in data) for data in changed) == {
        ("decided", mae, True): 2, ("decided", other, False): 2,
        ("undone", mae, True): 2, ("undone", other, False): 2, ("undone", other, True): 4, ("undone", mae, False): 4,
    }  # fmt: skip
    assert {len(data.get("invalidates", ()) or data["revalidates"]) for data in changed} == {4}
    assert all(
        len({touched["competencies"][0] for touched in data.get("invalidates", ()) or data["revalidates"]}) == 1
        for data in changed
    )
    assert [data["valid"] for data in moved] == [False] * 16


async def test_trap_16_one_person_by_two_identifiers_of_xapi(service: Running) -> None:
    sender = service.client(source=SOURCE)
    sender.headers["X-Experience-API-Version"] = "1.0.3"
    entry = {"id": "x:trap16", "competencies": [{"competency": "m:1"}]}
    assert (await service.client("policy:write").post("/v1/alignments", json=entry)).status_code == 200
    actors = [{"mbox": "mailto:pat@x.org"}, {"account": {"homePage": "https://x.org", "name": "pat"}}]
    ids = [str(uuid.uuid4()) for _ in actors]
    for id, actor in zip(ids, actors, strict=True):
        one = {"id": id, "actor": actor, "verb": {"id": "x:did"}, "object": {"id": "x:trap16"},
               "timestamp": "2026-03-04T10:15:00Z", "result": {"score": {"scaled": 1}}}  # fmt: skip
        assert (await sender.post("/xapi/statements", json=one)).status_code == 200
    mailbox, account = await learner_of(service, "mailto:pat@x.org"), await learner_of(service, "https://x.org|pat")

    await merge(service, mailbox, account)

    assert mailbox != account
    assert await counting(service, mailbox, account) == {mailbox: set(), account: set(ids)}


async def test_corrections_reach_what_moved(service: Running) -> None:
    await service.submit(piece("c1", "cy"), piece("d1", "cy-2"))
    cy, other = await learner_of(service, "cy"), await learner_of(service, "cy-2")
    made = await merge(service, cy, other)

    await service.submit(piece("c1-fix", "cy", supersedes="c1"))
    corrected = await counting(service, cy, other)
    await service.submit(
        {"id": "c1-gone", "source": SOURCE, "retracts": "c1-fix", "occurred_at": "2026-03-05T00:00:00Z"}
    )
    retracted = await counting(service, cy, other)
    await undo(service, made["merge"])

    assert corrected == {cy: set(), other: {"c1-fix", "d1"}}
    assert retracted == {cy: set(), other: {"c1", "d1"}}
    assert await counting(service, cy, other) == {cy: {"c1"}, other: {"d1"}}


async def test_what_takes_a_piece_back_goes_with_it_also_where_it_names_nobody(service: Running) -> None:
    await service.submit(piece("t1", "tom"), piece("v1", "tom-2"))
    tom, other = await learner_of(service, "tom"), await learner_of(service, "tom-2")
    made = await merge(service, tom, other)
    gone = {"source": SOURCE, "occurred_at": "2026-03-04T10:00:00Z"}
    await service.submit(piece("t2", "tom"), gone | {"id": "gone-2", "retracts": "t2"})
    await service.submit(gone | {"id": "gone-1", "retracts": "t1"}, gone | {"id": "gone-v", "retracts": "v1"})
    await undo(service, made["merge"])
    held = [await held_of(service, learner) for learner in (tom, other)]

    assert held == [{"t1", "t2", "gone-1", "gone-2"}, {"v1", "gone-v"}]


async def held_of(service: Running, learner: str) -> set[str]:
    found = (await service.client().get(f"/v1/learners/{learner}/holdings")).json()
    return {each["id"] for each in found["evidence"]}


async def test_a_replica_that_knows_an_identity_from_before_asks_again(service: Running) -> None:
    async with second_replica(service) as replica:
        await replica.submit(piece("e1", "eve"), piece("f1", "eve-2"))
        eve, other = await learner_of(service, "eve"), await learner_of(service, "eve-2")
        made = await merge(service, eve, other)
        await replica.submit(piece("e2", "eve"))
        merged = await counting(service, eve, other)
        await undo(service, made["merge"])
        await replica.submit(piece("e3", "eve"))

    assert merged == {eve: set(), other: {"e1", "e2", "f1"}}
    assert await counting(service, eve, other) == {eve: {"e1", "e2", "e3"}, other: {"f1"}}


async def test_evidence_that_comes_in_meanwhile_ends_with_one_learner(service: Running) -> None:
    await service.submit(piece("g0", "gus"), piece("h0", "gus-2"))
    gus, other = await learner_of(service, "gus"), await learner_of(service, "gus-2")

    async def submit(batch: int) -> None:
        await service.submit(*(piece(f"g{batch}-{n}", "gus") for n in range(20)))

    made, *_ = await asyncio.gather(merge(service, gus, other), *(submit(batch) for batch in range(8)))
    merged = await counting(service, gus, other)
    await asyncio.gather(undo(service, made["merge"]), *(submit(batch) for batch in range(8, 12)))
    back = await counting(service, gus, other)

    assert (len(merged[gus]), len(merged[other])) == (0, 162)
    assert (len(back[gus]), back[other]) == (241, {"h0"})


async def test_a_source_is_told_which_of_its_ids_are_of_another_learner_since_a_merge_or_its_undoing(
    service: Running,
) -> None:
    """
    Of three who become one, the second is merged into another once the first merge is undone. Where it is asked for, each is told
    as well since when an id that moved is its own.
    """
    await service.submit(*(piece(f"{name}1", name) for name in ("uma", "abe", "zoe")))
    uma, abe, zoe = [await learner_of(service, name) for name in ("uma", "abe", "zoe")]

    async def ids(path: str, source: str = SOURCE) -> dict[str, list[str]]:
        body = {"tenant": "demo", "source": source, "learners": [uma, abe, zoe]}
        found = (await service.client("service").post(f"/v1/learners/references{path}", json=body)).json()
        return {who: [each["id"] if path else each for each in each_of] for who, each_of in found.items()}

    async def since() -> tuple[dict[str, str], dict[str, str]]:
        """Whose the id that moves is, and whose it was, each with since when."""
        body = {"tenant": "demo", "source": SOURCE, "learners": [uma, abe, zoe], "returned": True}
        found = (await service.client("service").post("/v1/learners/references/former", json=body)).json()
        moved = [(who, each) for who, of_learner in found.items() for each in of_learner]
        assert {each["id"] for _, each in moved} <= {"abe"}
        own, was = [{who: each["since"] for who, each in moved if each["returned"] is own} for own in (True, False)]
        return own, was

    assert await since() == ({}, {})
    made = await merge(service, abe, uma)
    joined, left = await since()
    assert (list(joined), list(left), joined[uma]) == ([uma], [abe], left[abe])
    assert await ids("") == {uma: ["uma", "abe"], zoe: ["zoe"]}, "its own comes first"
    assert await ids("/former") == {abe: ["abe"]}
    await undo(service, made["merge"])
    assert await ids("/former") == {uma: ["abe"]}
    back, gone = await since()
    assert (list(back), list(gone), back[abe]) == ([abe], [uma], gone[uma])
    assert back[abe] > joined[uma]
    other = await merge(service, abe, zoe)
    assert await ids("/former") == {abe: ["abe"], uma: ["abe"]}
    assert await ids("/former", "urn:another") == {}
    await undo(service, other["merge"])
    await merge(service, abe, uma)
    assert await ids("/former") == {abe: ["abe"], zoe: ["abe"]}
    again, former = await since()
    assert (list(again), set(former)) == ([uma], {abe, zoe})
    assert again[uma] == former[abe] > back[abe]


async def test_what_cannot_be_merged_is_refused(service: Running) -> None:
    await service.submit(piece("i1", "ida"), piece("j1", "jo"), piece("k1", "kit"))
    ida, jo, kit = [await learner_of(service, name) for name in ("ida", "jo", "kit")]
    client = service.client()
    await merge(service, ida, jo)

    async def refused(one: str, into: str) -> int:
        return (await client.post(f"/v1/learners/{one}/merge", json={"into": into, "reason": "x"})).status_code

    assert [
        await refused(ida, kit), await refused(jo, kit), await refused(kit, kit), await refused(kit, str(uuid.uuid4())),
    ] == [404, 409, 422, 404]  # fmt: skip
    answers = [await client.post(f"/v1/learners/{kit}/merge", json={"into": ida, "reason": "x"}),
               await client.delete(f"/v1/learners/{ida}")]  # fmt: skip
    assert [(answer.status_code, f"is merged into {jo}" in answer.json()["detail"]) for answer in answers] == [
        (404, True)
    ] * 2
    assert (await client.post(f"/v1/merges/{uuid.uuid4()}/undo")).status_code == 404
    assert (await service.client("records:read").post(f"/v1/learners/{kit}/merge", json={})).status_code == 403
    assert (await client.post(f"/v1/learners/{kit}/merge", json={"into": jo})).status_code == 422


async def test_erasing_a_learner_erases_what_was_merged_into_it(service: Running) -> None:
    await service.submit(piece("l1", "lou"), piece("n1", "lou-2"))
    lou, other = await learner_of(service, "lou"), await learner_of(service, "lou-2")
    await merge(service, lou, other)

    answer = await service.client().delete(f"/v1/learners/{other}")

    rows = await service.rows("select from event_log where body like $1 or body like $2", b'%"l1"%', b'%"n1"%')
    assert answer.status_code == 200
    assert rows == []
    assert await counting(service, lou, other) == {lou: set(), other: set()}


async def test_who_were_erased_as_one_are_parted_no_more(service: Running) -> None:
    await service.submit(piece("p1", "pam"), piece("q1", "pam-2"), piece("r1", "rob"))
    pam, other, rob = [await learner_of(service, name) for name in ("pam", "pam-2", "rob")]
    made = await merge(service, other, pam)
    (await service.client().delete(f"/v1/learners/{pam}")).raise_for_status()
    before = len(await service.feed())

    parted = await service.client().post(f"/v1/merges/{made['merge']}/undo")
    again = await service.client().post(f"/v1/learners/{rob}/merge", json={"into": other, "reason": "same person"})

    assert (parted.status_code, again.status_code) == (404, 404)
    assert again.json()["detail"] == "no such learner"
    assert len(await service.feed()) == before


async def test_a_certificate_names_under_whom_the_pieces_stood_and_the_guardians_are_gone_from_there(
    service: Running,
) -> None:
    await service.submit(piece("u1", "una"), piece("v1", "una-2"))
    una, other = await learner_of(service, "una"), await learner_of(service, "una-2")
    for person, id in (("mother of una", "una"), ("father of both", "una"), ("father of both", "una-2")):
        row = {"person": person, "role": "guardian", "kind": "learner", "target": id}
        assert (await service.client().post("/v1/roster", json={"source": SOURCE, "assignments": [row]})).is_success
    await undo(service, (await merge(service, una, other))["merge"])

    async def erase(learner: str) -> list[str]:
        stays: list[str] = (await service.client().delete(f"/v1/learners/{learner}")).json()["stays_under"]
        return stays

    stood = (await places_of(service, {"una-2": other}))[1]

    assert [await erase(una), await erase(una)] == [[other], [other]]
    assert await service.rows("select from event_log where body like $1", b"%mother of una%") == []
    told = [event for event in await service.feed("roster") if event["subject"] == other]
    assert [event["type"].split(".")[2] for event in told] == ["assigned_anew", "assignment"]
    assert stood == (await places_of(service, {"una-2": other}))[1] == {"una-2": {"father of both"}}
    assert [await erase(other), await erase(una)] == [[], []]
    assert await service.rows("select from event_log where body like $1", b'%"u1"%') == []


async def test_the_counts_of_intake_still_agree_with_the_log(service: Running) -> None:
    """Recorded anew, moved and corrected: every event is counted once."""
    rows = await service.rows("select sum(events)::bigint n from intake_count")
    heads = await service.rows("select sum(pos)::bigint n from log_head where log = 'evidence'")

    assert rows[0]["n"] == heads[0]["n"]


async def test_places_follow_merges_in_any_order_and_what_has_ended_stays_ended(service: Running) -> None:
    """Second telling: a learner has the classes and the guardians of all who are merged into it, and its own; none else."""
    classes = [f"room {n}" for n in range(3)]
    for seed in range(3):
        dice = random.Random(seed)
        ids = [f"kid {seed}-{n}" for n in range(5)]
        own = {id: {class_id for class_id in classes if dice.random() < 0.5} for id in ids}
        await say(service, [(class_id, id, class_id in own[id]) for id in ids for class_id in classes])
        people = {id: await learner_of(service, id) for id in ids}
        into = {id: id for id in ids}
        merges: dict[str, str] = {}
        for step in range(20):
            one, other = dice.sample(ids, 2)
            if step == 10:
                ended = dice.choice(classes)
                await say(service, [(ended, id, False) for id in ids])
                for id in ids:
                    own[id].discard(ended)
            elif dice.random() < 0.3:
                came, place = dice.choice(ids), dice.choice(classes)
                await say(service, [(place, came, True)])
                own[came].add(place)
            elif merges and dice.random() < 0.4:
                gone = dice.choice(sorted(merges))
                await undo(service, merges.pop(gone))
                into[gone] = gone
            elif into[other] == other and [id for id in ids if into[id] == one] == [one]:
                merges[one] = (await merge(service, people[one], people[other]))["merge"]
                into[one] = other
            expected = {id: set().union(*(own[each] for each in ids if into[each] == id)) for id in ids}

            assert await places_of(service, people) == (expected, expected), (seed, step)


async def test_a_guardian_goes_along_with_the_days_that_are_set_and_an_end_meanwhile_stays(service: Running) -> None:
    client = service.client()

    async def assign(id: str, **how: str) -> None:
        row = {"person": "g-1", "role": "guardian", "kind": "learner", "target": id, **how}
        answer = await client.post("/v1/roster", json={"source": SOURCE, "assignments": [row]})
        assert answer.is_success, answer.text

    async def days() -> list[tuple[bool, str | None] | None]:
        rows = await service.rows("select key, data from roster_fact where kind = 'attain.roster.assignment.v1'")
        told = {row["key"].rpartition("\x1f")[2]: json.loads(row["data"]) for row in rows}
        return [(told[one]["active"], told[one].get("ends")) if one in told else None for one in (kim, other)]

    await service.submit(piece("kim1", "kim"), piece("kim2", "kim-2"))
    kim, other = await learner_of(service, "kim"), await learner_of(service, "kim-2")
    await assign("kim", ends="2030-06-30")
    made = await merge(service, kim, other)
    merged = await days()
    await assign("kim", ends="2027-01-31")
    await undo(service, made["merge"])
    back = await days()
    made = await merge(service, kim, other)
    await assign("kim", status="inactive")
    await undo(service, made["merge"])

    assert merged == [(False, "2030-06-30"), (True, "2030-06-30")]
    assert back == [(True, "2027-01-31"), None]
    assert [one and one[0] for one in await days()] == [False, None]


async def test_groups_follow_a_merge_and_its_undoing_and_each_keeps_its_own(service: Running) -> None:
    """What a roster says meanwhile is of whom it names, and a group that both are in has the value of who is kept."""

    async def say_groups(**values: str) -> None:
        rows = [{"group": key, "learner": id, "value": value} for id in ("gil", "gil-2")
                for key, value in (one.split("=") for one in values[id.replace("-", "_")].split())]  # fmt: skip
        answer = await service.client().post("/v1/roster", json={"source": SOURCE, "groups": rows})
        assert answer.is_success, answer.text

    async def groups() -> list[dict[str, str]]:
        """Return the groups of both, read one learner a page."""
        found: dict[str, dict[str, str]] = {gil: {}, other: {}}
        after = ""
        while True:
            asked = {"tenant": "demo", "after": after, "limit": "1"}
            page = (await service.client("service").get("/v1/roster/groups", params=asked)).json()
            for each in page["items"]:
                found.setdefault(each["learner"], {})[each["group"]] = each["value"]
            if not page["items"]:
                return [found[gil], found[other]]
            after = page["next"]

    await say_groups(gil="grade=4 lunch=yes", gil_2="grade=5")
    gil, other = await learner_of(service, "gil"), await learner_of(service, "gil-2")
    apart = await groups()
    made = await merge(service, gil, other)
    merged = await groups()
    await say_groups(gil="grade=6 lunch=no", gil_2="grade=5")
    later = await groups()
    await undo(service, made["merge"])

    assert apart == [{"grade": "4", "lunch": "yes"}, {"grade": "5"}]
    assert merged == [{}, {"grade": "5", "lunch": "yes"}]
    assert later == [{}, {"grade": "5", "lunch": "no"}]
    assert await groups() == [{"grade": "6", "lunch": "no"}, {"grade": "5"}]


async def test_a_place_that_ends_by_one_id_goes_on_by_the_other(service: Running) -> None:
    """As a school deletes the second account of somebody who has two, in whichever order the rows come."""
    await say(service, [("hall", "uma", True), ("hall", "uma-2", True)])
    people = {id: await learner_of(service, id) for id in ("uma", "uma-2")}
    await merge(service, people["uma-2"], people["uma"])
    found = []
    for rows in (
        [("uma", True), ("uma-2", False)],
        [("uma-2", False), ("uma", True)],
        [("uma", False), ("uma-2", False)],
    ):
        await say(service, [("hall", id, active) for id, active in rows])
        found.append((await in_classes(service, people))["uma"])

    assert found == [{"hall"}, {"hall"}, set()]


async def test_a_place_that_is_said_of_the_learner_itself_stays_when_a_merge_is_undone(service: Running) -> None:
    """First had by the merge alone, and then by the learner's own id as well."""
    await say(service, [("lab", "ivy", True)])
    await service.submit(piece("ivy-2:1", "ivy-2"))
    people = {id: await learner_of(service, id) for id in ("ivy", "ivy-2")}
    made = await merge(service, people["ivy"], people["ivy-2"])
    merged = await places_of(service, people)
    await say(service, [("lab", "ivy-2", True)])
    await undo(service, made["merge"])

    assert merged == ({"ivy": set(), "ivy-2": {"lab"}},) * 2
    assert await places_of(service, people) == ({"ivy": {"lab"}, "ivy-2": {"lab"}},) * 2


async def say(service: Running, places: list[tuple[str, str, bool]]) -> None:
    """Import enrolments, and guardians that are called as the classes are: (class, source id, whether it is active)."""
    rows = [
        {"class": class_id, "learner": id, "status": "active" if active else "inactive"}
        for class_id, id, active in places
    ]
    guardians = [
        {
            "person": row["class"],
            "role": "guardian",
            "kind": "learner",
            "target": row["learner"],
            "status": row["status"],
        }
        for row in rows
    ]
    given = {"source": SOURCE, "enrolments": rows, "assignments": guardians}
    answer = await service.client().post("/v1/roster", json=given)
    assert answer.is_success, answer.text


async def in_classes(service: Running, people: dict[str, str]) -> dict[str, set[str]]:
    """Return the classes that each is in."""
    return (await places_of(service, people))[0]


async def places_of(service: Running, people: dict[str, str]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return the classes that each is in, and the guardians of each, as a reader of the log sees them."""
    classes: dict[str, set[str]] = {id: set() for id in people}
    guardians: dict[str, set[str]] = {id: set() for id in people}
    named = {learner: id for id, learner in people.items()}
    for event in sorted(await service.feed("roster"), key=lambda one: (one["shard"], one["position"])):
        data = event["data"]
        found, of, place = {
            "attain.roster.enrolment.v1": (classes, "learner", "class_id"),
            "attain.roster.assignment.v1": (guardians, "target", "person"),
        }.get(event["type"], (classes, "", ""))
        if data.get(of) in named:
            of_one = found[named[data[of]]]
            (of_one.add if data["active"] else of_one.discard)(data[place])
    return classes, guardians
