"""Who is forgotten is found nowhere: no table, log, topic, export or metric; and who is merged and unmerged is as before."""

import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.home import SHARDS, Home
from deploy.local.stack import Stack
from shared.topics import SUBMITTED, TOPICS
from tests.support.cloudevents import check_cloudevent
from tests.system.conftest import Attain
from tests.system.district import SOURCE, ZERO, District, answers
from tests.system.isolation.victim import token_of

NAME, ID = "Zephyrine Quillfeather", "zq-7731"
MARK = "mark-of-zephyrine"
NOBODY = "zq-7732"
"""Whose pieces only wait, so nobody has become a learner by them."""
VIEWED = {
    "type": "ViewEvent", "action": "Viewed", "id": "urn:uuid:3a9bd869-addc-48b1-80f6-a14b2ff591ed",
    "actor": "urn:app", "object": {"id": f"urn:{MARK}", "type": "WebPage"}, "eventTime": "2026-03-05T10:00:00.000Z",
    # Ids of Caliper are IRIs; this learner's is not, so it stands where the form is free.
    "extensions": {"seenBy": [{"id": ID, "type": "Person", "name": NAME}]},
}  # fmt: skip


@pytest.fixture
async def district(stack: Stack) -> AsyncIterator[District]:
    district = await District(stack, "forget").open()
    yield district
    await district.close()


def piece(id: str, learner: str, *, correct: int = 1, day: int = 2, competency: str = "math:c0") -> dict[str, Any]:
    return {
        "id": id, "source": SOURCE, "learner": learner, "competencies": [competency],
        "score": {"raw": correct, "max": 1}, "occurred_at": f"2026-03-{day:02}T10:00:00Z",
    }  # fmt: skip


async def told(district: District) -> list[str]:
    kinds = [event["type"].removeprefix("attain.").removesuffix(".v1") for event in await district.advancements()]
    return [kind for kind in kinds if kind.startswith("learner.")]


TABLES = (
    "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
    " and not relispartition"
)


async def databases(stack: Stack) -> dict[str, str]:
    """Return every row of every table of all services as text, by service and table."""
    run = Home(stack.home).run()
    assert run is not None
    found: dict[str, str] = {}
    for service, url in run.databases.items():
        connection = await asyncpg.connect(url)
        try:
            for (table,) in await connection.fetch(TABLES):
                lines = await connection.fetch(f'select t::text from "{table}" t')
                plain = "\n".join(line[0] for line in lines)
                # Bytes are shown in hex: read them too.
                found[f"{service}.{table}"] = plain + "\n" + _unhexed(plain)
        finally:
            await connection.close()
    return found


def _unhexed(text: str) -> str:
    hexed = re.findall(r"\\x((?:[0-9a-f]{2})+)", text)
    return "\n".join(bytes.fromhex(part).decode("utf-8", "replace") for part in hexed)


async def topics(stack: Stack) -> dict[str, str]:
    """Return what the topics hold, each event of which has to be what CloudEvents allows."""
    found: dict[str, list[str]] = {topic.name(): [] for topic in TOPICS}
    async with AIOKafkaConsumer(bootstrap_servers=stack.kafka, enable_auto_commit=False) as consumer:
        places = [TopicPartition(name, shard) for name in found for shard in range(SHARDS)]
        begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        left = {place: end for place, end in ends.items() if end > begins[place]}
        consumer.assign(list(left))
        for place in left:
            consumer.seek(place, begins[place])
        while left:
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                if place.topic != SUBMITTED.name():
                    for record in records:
                        check_cloudevent(record.value or b"")
                found[place.topic] += [f"{record.key!r} {(record.value or b'').decode()}" for record in records]
                if records[-1].offset + 1 >= left.get(place, 0):
                    left.pop(place, None)
    return {name: "\n".join(lines) for name, lines in found.items()}


async def test_an_erased_learner_is_found_nowhere(
    district: District, stack: Stack, attain: Attain, tmp_path: Path
) -> None:
    items = [
        piece(f"{MARK}-{n}", ID, day=2 + n) | {"extensions": {"note": MARK}, "activity": {"id": MARK, "name": MARK}}
        for n in range(4)
    ]
    others = answers(200, learners=5)
    await district.send([*items, *others])
    bad = await district.send([{"id": f"{MARK}-bad", "source": SOURCE, "learner": ID, "score": {"raw": 1}}])
    await district.send([piece(f"{MARK}-waits", NOBODY, competency="none:yet")])
    roster = {
        "source": SOURCE, "classes": [{"class": "k1", "title": "Five"}],
        "learners": [{"source_id": ID, "name": NAME}], "enrolments": [{"class": "k1", "learner": ID}],
        "groups": [{"group": "iep", "learner": ID}],
        "assignments": [{"person": "g-1", "role": "guardian", "kind": "learner", "target": ID}],
    }  # fmt: skip
    await district.post("evidence", "/v1/roster", roster)
    learner = await district.learner(ID)
    limits = await district.http.put(f"{stack.urls['evidence']}/v1/limits", json={"statements_kept": "all"})
    seen_page = await district.http.post(
        f"{stack.urls['evidence']}/caliper/v1p2/events", params={"source": SOURCE}, json=VIEWED
    )
    assert (limits.status_code, seen_page.json()["status"]) == (200, "acknowledged")
    override = {"learner": learner, "competency": "math:c1", "status": "mastered", "reason": MARK, "role": "teacher"}
    answer = await district.http.post(f"{stack.urls['progression']}/v1/overrides", json=override)
    assert answer.is_success, answer.text
    await district.drained()
    attain("learner", SOURCE, ID, "--credential", str(tmp_path / "record.json"), tenant=district.tenant)
    attain("term", "close", "spring", tenant=district.tenant)
    await _ask_for_a_review(district, stack, learner)
    await district.send([
        {"id": f"{MARK}-gone-{n}", "source": SOURCE, "learner": ID, "retracts": f"{MARK}-{n}",
         "occurred_at": "2026-03-20T10:00:00Z"}
        for n in range(2)
    ])  # fmt: skip
    await district.drained()
    attain("export", "learner", SOURCE, NOBODY, "--output", str(tmp_path / "nobody.zip"), tenant=district.tenant)
    with zipfile.ZipFile(tmp_path / "nobody.zip") as bundle:
        of_nobody_yet = {name: bundle.read(name).decode() for name in bundle.namelist()}
    before, sent = await databases(stack), await topics(stack)
    seen = {table for table, rows in before.items() if any(mark in rows for mark in (NAME, ID, MARK, learner))}

    certificate = attain("erase", "learner", SOURCE, ID, "--yes", "--topics", tenant=district.tenant)
    of_nobody = attain("erase", "learner", SOURCE, NOBODY, "--yes", tenant=district.tenant)
    await district.drained()
    late = await district.http.post(f"{stack.urls['progression']}/v1/overrides", json=override)
    verified = attain("verify", tenant=district.tenant)
    after = await databases(stack)

    assert (late.status_code, late.json()["reason"], late.json()["pointer"]) == (410, "erased", "/learner")
    assert learner in sent["attain.evidence"]
    assert [f"{MARK}-waits" in text for text in of_nobody_yet.values()] == [True]
    assert bad[0]["status"] == "rejected"
    assert {"evidence.evidence", "evidence.event_log", "progression.mastery", "progression.journal"} <= seen
    assert certificate["records_deleted"] > 0
    assert {"progression.event_log", "reporting.mastery_v1", "reporting.enrolment_v1"} <= seen
    assert {"reporting.credential", "reporting.review_request", "evidence.kept_event"} <= seen
    assert {"reporting.term_record_v1", "reporting.term_snapshot_v1", "reporting.term_amendment_v1"} <= seen
    assert certificate["exit"] == 0
    assert (certificate["learner"], certificate["identities"], certificate["in_ledger"]) == (learner, 1, True)
    assert {name: verified[name] for name in ZERO} == dict.fromkeys(ZERO, 0), verified
    assert verified["ok"], verified
    assert (of_nobody["exit"], of_nobody["identities"], of_nobody["in_ledger"]) == (0, 1, True)
    assert (verified["erased"], verified["erased_found"]) == (2, 0)
    assert await told(district) == ["learner.erased"] * 2
    for mark in (NAME, ID, MARK, NOBODY):
        assert {table for table, rows in after.items() if mark in rows} == set(), mark
    # The opaque id stays where it is said that it is forgotten, and nowhere else.
    said = {"evidence.erased_learner", "evidence.event_log", "progression.event_log", "progression.journal"}
    assert {table for table, rows in after.items() if learner in rows} == said
    await _nothing_in_topics(stack, learner)
    for file in Home(stack.home).logs.iterdir():
        assert not any(mark in file.read_text(errors="replace") for mark in (NAME, ID, MARK, learner)), file
    for service in ("evidence", "progression", "reporting"):
        metrics = (await district.http.get(f"{stack.urls[service]}/metrics")).text
        assert not any(mark in metrics for mark in (NAME, ID, MARK, learner))
    for path in (f"/v1/learners/{learner}/record", "/v1/classes/k1/mastery"):
        shown = await district.http.get(f"{stack.urls['reporting']}{path}")
        assert shown.status_code == 404 or learner not in shown.text
    again = await district.send([items[0]])
    assert again[0]["reason"] == "erased"


async def _ask_for_a_review(district: District, stack: Stack, learner: str) -> None:
    token = token_of(stack, district.tenant, "records:read:self", learner=learner)
    answer = await district.http.post(
        f"{stack.urls['reporting']}/v1/learners/{learner}/review-requests", json={"competency": "math:c1", "text": MARK},
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text


async def _nothing_in_topics(stack: Stack, learner: str) -> None:
    """The topics are empty, and what comes to them from now on is not about the learner."""
    for name, text in (await topics(stack)).items():
        assert not any(mark in text for mark in (NAME, ID, MARK, learner)), name


async def test_merge_evidence_and_unmerge_give_the_original_digests(district: District, attain: Attain) -> None:
    first = [*answers(60, learners=3, seed=4), *(piece(f"x{n}", "l1", day=20 + n) for n in range(3))]
    await district.send(first)
    roster = {
        "source": SOURCE, "classes": [{"class": "k1", "title": "Five"}, {"class": "k2", "title": "Six"}],
        "learners": [{"source_id": "l1"}, {"source_id": "l2"}],
        "enrolments": [{"class": "k1", "learner": "l1"}, {"class": "k2", "learner": "l1"}, {"class": "k2", "learner": "l2"}],
    }  # fmt: skip
    await district.post("evidence", "/v1/roster", roster)
    await district.drained()
    original = attain("verify", tenant=district.tenant)
    places = await _places(district)
    one, other = await district.learner("l1"), await district.learner("l2")

    merge = attain("merge", one, other, "--reason", "same person", tenant=district.tenant)
    await district.drained()
    merged = attain("verify", tenant=district.tenant)
    joined = await _places(district)
    attain("unmerge", merge["merge"], tenant=district.tenant)
    await district.drained()
    back = attain("verify", tenant=district.tenant)

    assert (original["ok"], merged["ok"], back["ok"]) == (True, True, True), (merged, back)
    assert merged["state_digest"] != original["state_digest"]
    assert back["state_digest"] == original["state_digest"]
    assert places == {(one, "k1"), (one, "k2"), (other, "k2")}
    assert joined == {(other, "k1"), (other, "k2")}
    assert await _places(district) == places
    events = [event for event in await district.advancements() if event["type"].startswith("attain.learner.")]
    assert [event["type"] for event in events] == ["attain.learner.merged.v1", "attain.learner.unmerged.v1"]
    assert all((event["data"]["from"], event["data"]["into"]) == (one, other) for event in events)


async def _places(district: District) -> set[tuple[str, str]]:
    """Return (learner, class) of everyone who is in a class, as reporting shows it."""
    found = set()
    for class_id in ("k1", "k2"):
        shown = await district.get("reporting", f"/v1/classes/{class_id}/mastery")
        found |= {(one if isinstance(one, str) else one["learner"], class_id) for one in shown["learners"]}
    return found
