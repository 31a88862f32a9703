"""A term is closed on the running stack: its record stays, later work is of the next term, a correction is an amendment."""

import asyncio
import csv
import hashlib
import io
import os
import signal
from typing import Any

import pytest

from deploy.local import stack as local_stack
from deploy.local.stack import Stack
from shared.migrate import migrate
from tests.support.servers import administrator_url
from tests.system.conftest import Attain
from tests.system.district import SOURCE, ZERO, District, right
from tests.system.test_migrations import migrate_to

TERM = "2025-26 spring"
NODES = "code,title,level,subject\nc0,Zero,1,math\nc1,One,2,math\nc2,Two,2,math\n"
LEVELS = {"math#math/1": "advanced", "math#math/2": "ready"}
CLASS = {
    "source": SOURCE, "classes": [{"class": "room/3", "title": "Room 3"}],
    "learners": [{"source_id": name, "name": name} for name in ("ada", "bo")],
    "enrolments": [{"class": "room/3", "learner": name} for name in ("ada", "bo")],
}  # fmt: skip


async def ended_with(district: District, learner: str) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """Return the statuses and scores of a learner's term, and its amendments."""
    found = await district.get("reporting", f"/v1/terms/{TERM}/learners/{learner}")
    items = {item["competency"]: (item["status"], item["score"], item["evidence_count"]) for item in found["items"]}
    levels = {level["level"]: level["status"] for level in found["levels"]}
    return items | levels, [(event["scope"], event["before"], event["after"]) for event in found["amendments"]]


def digest_by_hand(found: dict[str, Any]) -> str:
    """Return the digest of a term's record as whoever has it computes it."""
    lines = [f"competency\t{i['competency']}\t{i['status']}\t{i['mastered_at'] or ''}\n" for i in found["items"]]
    lines += [f"level\t{level['level']}\t{level['status']}\t{level['event']}\n" for level in found["levels"]]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


async def test_a_closed_term_stays_and_is_amended_by_a_retraction_and_by_late_evidence(stack: Stack, attain: Attain):
    district = await District(stack, "terms").open(nodes=NODES)
    await district.post("evidence", "/v1/roster", CLASS)
    first = [right(learner, n, "math:c0") for learner in ("ada", "bo") for n in range(3)]
    await district.send([*first, *(right("bo", n) for n in range(2))])
    await district.drained()
    ada, bo = [await district.learner(name) for name in ("ada", "bo")]
    closed = attain("term", "close", TERM, tenant=district.tenant)
    again = attain("term", "close", TERM, tenant=district.tenant)
    await district.drained()
    before = {learner: await ended_with(district, learner) for learner in (ada, bo)}
    later = "2026-03-03T10:00:00Z"
    await district.send([right("bo", 2), right("ada", 0, "math:c2"), *(right("ada", n) for n in range(2))])
    await district.send(
        [{"id": "gone", "source": SOURCE, "learner": "ada", "retracts": "ada-math:c0-2", "occurred_at": later}]
    )
    await district.drained()
    after = {learner: await ended_with(district, learner) for learner in (ada, bo)}
    listed = attain("term", "list", tenant=district.tenant)
    grid = await district.get("reporting", f"/v1/terms/{TERM}/classes/room/3")
    record = await district.get("reporting", f"/v1/terms/{TERM}/learners/{ada}")
    table = await district.http.get(f"{stack.urls['reporting']}/v1/terms/{TERM}/learners/{ada}?format=csv")
    missing = await district.http.get(f"{stack.urls['reporting']}/v1/terms/another/learners/{ada}")
    told = [event for event in await district.advancements() if ".snapshot." in event["type"]]
    snapshots = {event["data"]["learner"]["id"]: event["data"] for event in told if "closed" in event["type"]}
    amended = [event["data"] for event in told if "amended" in event["type"]]
    standings = (await district.get("progression", "/v1/standings"))["snapshots"]
    rebuilt = [attain("rebuild", model, tenant=district.tenant)["exit"] for model in ("mastery", "advancement")]
    verified = await district.verify()

    assert closed == again
    assert (before[ada], before[bo]) == (
        ({"math:c0": ("mastered", 1.0, 3)} | LEVELS, []),
        ({"math:c0": ("mastered", 1.0, 3), "math:c1": before[bo][0]["math:c1"]} | LEVELS, []),
    )
    assert before[bo][0]["math:c1"][2] == 2
    assert (after[ada][0], after[bo][0]) == (before[ada][0], before[bo][0])
    assert after[ada][1] == [("math:c0", "mastered", "not_yet")]
    assert after[bo][1] == [("math:c1", "not_yet", "mastered")]
    assert [(each["term"], each["complete"]) for each in listed["items"]] == [(TERM, True)]
    assert grid["mastery"]["counts"]["math:c0"] == {"mastered": 2}
    assert "math:c2" not in grid["mastery"]["competencies"]
    assert sorted(event["learner"] for event in grid["amendments"]) == sorted((ada, bo))
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["scope"], row["status"], row["amended_status"]) for row in rows] == [
        ("math:c0", "mastered", "not_yet"), ("math#math/1", "advanced", ""), ("math#math/2", "ready", "")
    ]  # fmt: skip
    assert missing.status_code == 404
    assert snapshots.keys() == {ada, bo}
    assert digest_by_hand(record) == record["digest"] == snapshots[ada]["digest"]
    assert [(each["session"], each["cause"]["kind"]) for each in amended if each["learner"]["id"] == ada] == [
        (TERM, "retraction")
    ]
    assert [each["digest"] for each in record["amendments"]] == [
        each["digest"] for each in amended if each["learner"]["id"] == ada
    ]
    assert {(each["learner"], each["session"], each["digest"]) for each in standings} == {
        (each["learner"]["id"], TERM, each["digest"]) for each in amended
    }
    assert rebuilt == [0, 0]
    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()


@pytest.mark.long
async def test_after_an_upgrade_who_was_where_is_filled_in_without_a_hand(stack: Stack):
    """From a schema that does not note when learners come and go: brought to today's, and the service started again."""
    district = await District(stack, "upgraded").open(nodes=NODES)
    await district.post("evidence", "/v1/roster", CLASS)
    await district.drained()
    url = administrator_url(stack, "reporting")
    before = await district.get("reporting", "/v1/rebuild/roster")
    await asyncio.to_thread(migrate_to, "reporting", url, "0018", back=True)
    await asyncio.to_thread(migrate, "reporting", url)
    stages = (await district.get("reporting", "/v1/lag"))["stages"]
    running = local_stack.running(stack.home)
    assert running is not None
    os.kill(running.pids["reporting"], signal.SIGKILL)
    await district.drained()
    after = await district.get("reporting", "/v1/rebuild/roster")
    verified = await district.verify()

    assert {stage["name"] for stage in stages if stage["behind_events"]} == {"reporting-roster", "reporting-curriculum"}
    assert after["live"] > before["live"]
    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()
