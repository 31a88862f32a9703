"""
Handed-in work on the running stack, from the hand-in to the grade: the adult's turn, asked for after ten school days, seen by
the teacher and by no family, over with the grade, and forgotten with the learner.
"""

import asyncio
import datetime
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from tests.system.conftest import Attain
from tests.system.district import SOURCE, ZERO, District, Item

pytestmark = pytest.mark.long

LINE, LATE = "https://lms.example/line/poster", "https://lms.example/line/essay"
TODAY = datetime.datetime.now(datetime.UTC)
FAR = (TODAY + datetime.timedelta(days=60)).replace(day=15)
POLICY: Item = {
    "id": "waits", "method": {"type": "streak", "n": 3}, "decision": {"latch": "first_crossing"},
    "support": {"waits": {"ungraded": 10}, "year_ends": f"{FAR:%m-%d}"},
}  # fmt: skip
ROSTER: Item = {
    "source": SOURCE, "schools": [{"school": "s", "title": "Brook"}],
    "classes": [{"class": "k", "title": "Five", "school": "s"}],
    "learners": [{"source_id": "ada", "name": "Ada"}], "enrolments": [{"class": "k", "learner": "ada"}],
    "staff": [{"class": "k", "staff": "tea"}],
    "assignments": [{"person": "mum", "role": "guardian", "kind": "learner", "target": "ada"}],
}  # fmt: skip


def days_ago(days: int) -> str:
    return (TODAY - datetime.timedelta(days=days)).isoformat()


def piece(id: str, activity: str, days: int) -> Item:
    return {
        "id": id, "source": SOURCE, "learner": "ada", "competencies": ["math:c0"], "activity": {"id": activity},
        "score": {"raw": 1, "max": 1}, "occurred_at": days_ago(days),
    }  # fmt: skip


def pending(line: str, days: int) -> Item:
    return {
        "userId": "ada", "lineItem": line, "timestamp": days_ago(days), "activityProgress": "Completed",
        "gradingProgress": "PendingManual",
    }  # fmt: skip


class Person:
    """Somebody of the roster who looks at reporting."""

    def __init__(self, district: District, subject: str, scope: str) -> None:
        token = district.stack.token(district.tenant, scope, subject=subject)
        self.client = httpx.AsyncClient(
            base_url=district.stack.urls["reporting"], cookies={"attain": token},
            headers={"Authorization": f"Bearer {token}"}, timeout=60,
        )  # fmt: skip

    async def queue(self) -> list[Item]:
        answer = await self.client.get("/v1/queues/support", params={"class_id": "k"})
        assert answer.status_code == 200, answer.text
        items: list[Item] = answer.json()["items"]
        return items

    async def until(self, waiting: int) -> list[Item]:
        async with asyncio.timeout(60):
            while len(found := await self.queue()) != waiting:
                await asyncio.sleep(0.2)
        return found


@pytest.fixture
async def district(stack: Stack) -> AsyncIterator[District]:
    district = District(stack, "handed-in")
    await district.post("progression", "/v1/frameworks", {"id": "math", "nodes": "code,title\nc0,Zero\n"})
    await district.post("progression", "/v1/policies", POLICY)
    await district.post("evidence", "/v1/roster", ROSTER)
    await district.drained()
    yield district
    await district.close()


async def align(district: District, line: str) -> None:
    entry = {"id": line, "source": SOURCE, "competencies": [{"competency": "math:c0"}]}
    url = f"{district.stack.urls['evidence']}/v1/alignments"
    assert (await district.http.post(url, json=[entry])).status_code == 200


async def say(district: District, score: Item) -> None:
    answer = await district.post("evidence", f"/v1/intake/ags?source={SOURCE}", score)
    assert answer["items"][0]["status"] == "acknowledged", answer


async def test_work_without_a_grade_is_put_before_the_teacher_and_no_family_until_it_is_graded(
    district: District, attain: Attain
) -> None:
    await district.send([piece("first", "quiz", 40)])
    for line, days in ((LINE, 3), (LATE, 30)):
        await say(district, pending(line, days))
    missing = attain("alignment", "missing", tenant=district.tenant)["items"]
    await align(district, LINE)
    await district.drained()
    learner = await district.learner("ada")
    teacher, guardian = Person(district, "tea", "records:read:classes"), Person(district, "mum", "records:read:self")
    early = await teacher.queue()
    await align(district, LATE)
    [asked] = await teacher.until(1)
    explained = attain("explain", learner, "math:c0", "--language", "es", tenant=district.tenant)
    refused = await guardian.client.get("/v1/queues/support", params={"class_id": "k"})
    family = await guardian.client.get(f"/learners/{learner}")
    of_class = await teacher.client.get("/classes/k")

    assert {(item["activity"], item["handed_in"]) for item in missing} == {(LINE, 1), (LATE, 1)}
    assert early == []
    assert (asked["cause"], asked["owner"], asked["side"]) == ("ungraded", "teacher", "school")
    assert (asked["detail"], asked["waiting_since"][:10], asked["overdue"]) == ([LATE, LINE], days_ago(30)[:10], False)
    assert all("calificación" in work["text"] for work in explained["ungraded"])
    assert (refused.status_code, family.status_code) == (403, 200)
    assert "handed in and not graded" in of_class.text
    assert not [word for word in ("not graded", LATE, "suggested", "stuck") if word in family.text]

    await district.send([piece("late", LATE, 0)])
    await teacher.until(0)
    await district.drained()
    summary = (await teacher.client.get("/v1/queues", params={"class_id": "k"})).json()["items"]
    answered = next(row["response"]["answered"] for row in summary if row["queue"] == "support")
    rebuilt = attain("rebuild", "support", tenant=district.tenant)["exit"]
    await nothing_is_wrong(district)
    gone = await district.http.delete(f"{district.stack.urls['evidence']}/v1/learners/{learner}")
    await nothing_is_wrong(district)
    rows = await district.http.get(f"{district.stack.urls['reporting']}/v1/rows/suggestion?tenant={district.tenant}")

    assert (answered, rebuilt, gone.status_code) == (1, 0, 200)
    assert (rows.status_code, rows.text) == (200, "")
    for person in (teacher, guardian):
        await person.client.aclose()


async def nothing_is_wrong(district: District) -> None:
    found: dict[str, Any] = await district.verify()
    assert [found[name] for name in (*ZERO, "erased_found")] == [0] * (len(ZERO) + 1), found["examples"]
