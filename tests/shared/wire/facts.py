"""
The same facts for two versions: requests that any version answers, and what the installation that took them in wrote.

A request may name a learner by `{name}`, which stands for the opaque id. What is asked here is what an earlier version had too;
a new kind of event gets its facts when the version that tells it is frozen.
"""

import asyncio
import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

import httpx

SOURCE = "urn:test:lms"
SCOPES = "evidence:write records:read policy:write decisions:write admin service"
LOGS = {"evidence": "evidence", "roster": "evidence", "curriculum": "progression", "progression": "progression",
        "advancement": "progression"}  # fmt: skip
"""The logs whose events cross a service, and the service that writes each."""
LEARNERS = ("ada", "ben", "cy", "dee", "eve", "fay", "gil", "hal", "ivy", "joe", "kim", "lou")
NODES = "code,title,level,subject,power\nA,Adds,1,math,true\nB,Subtracts,1,math,true\nC,Multiplies,2,math,true\n"
EDGES = "from,to\nA,C\n"
STREAK_3 = {"id": "streak-3", "method": {"type": "streak", "n": 3}, "decision": {"latch": "first_crossing"}}
TWO_TIERS = {
    "id": "two-tiers",
    "scale": {"min": 1, "max": 4, "step": 1, "mastery": 3},
    "evidence": {"kinds": {"practice": 0, "self": 0}},
    "provisional": {"method": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 3}},
    "mastered": {
        "any_of": [
            {"sign_off": {"by": "teacher", "of": "provisional"}},
            {"method": {"type": "mean_of_last", "k": 3, "at_or_above": 3}},
        ]
    },
    "decision": {"latch": "first_crossing"},
    "upkeep": {"on_contradiction": {"last": 2, "below": 3}},
    "settle": 0,
    "advancement": {"require": {"power": "mastered"}, "sign_off": {"by": "teacher"}},
}


def _answer(learner: str, n: int, right: bool = True, **more: object) -> dict[str, object]:
    score = {"raw": int(right), "max": 1}
    return _piece(learner, n, "math:c1", score) | more


def _rubric(learner: str, n: int, mark: int, code: str = "A", **more: object) -> dict[str, object]:
    return _piece(learner, n, f"lv:{code}", {"level": mark, "scale": "rubric"}) | {"kind": "performance"} | more


def _piece(learner: str, n: int, competency: str, score: object) -> dict[str, object]:
    return {
        "id": f"{learner}-{competency}-{n}", "source": SOURCE, "learner": learner, "competencies": [competency],
        "score": score, "occurred_at": f"2026-03-{n + 1:02}T10:15:00Z",
    }  # fmt: skip


def _voids(learner: str, n: int, how: str, id: str, **more: object) -> dict[str, object]:
    return {
        "id": f"{learner}-{how}-{n}", "source": SOURCE, "learner": learner, how: id,
        "occurred_at": f"2026-03-{n + 1:02}T12:00:00Z",
    } | more  # fmt: skip


NAMED = re.compile(r"\{(" + "|".join(LEARNERS) + r")\}")
Step = tuple[str, str, str, object]
"""Service, method, path and body of a request."""
FOLDED: Step = ("", "", "", None)
"""What comes next is told when all that was told before is folded."""
FACTS: tuple[Step, ...] = (
    ("progression", "POST", "/v1/frameworks", {"id": "math", "nodes": "code,title\nc1,One\nc2,Two\n"}),
    ("progression", "POST", "/v1/frameworks", {"id": "lv", "nodes": NODES, "edges": EDGES}),
    ("progression", "POST", "/v1/policies", STREAK_3),
    ("progression", "POST", "/v1/policies?framework=lv", TWO_TIERS),
    ("evidence", "POST", "/v1/roster", {
        "source": SOURCE, "schools": [{"school": "s1", "title": "School"}],
        "classes": [{"class": "k1", "title": "Five", "school": "s1"}],
        "learners": [{"source_id": "ada", "name": "Ada"}], "enrolments": [{"class": "k1", "learner": "ada"}],
        "staff": [{"class": "k1", "staff": "t1"}],
        "assignments": [{"person": "g1", "role": "guardian", "kind": "learner", "target": "ada"}],
    }),
    ("evidence", "POST", "/v1/alignments", [{
        "id": "quiz-1", "source": SOURCE,
        "competencies": [{"competency": "math:c2", "weight": 2, "dok": 3}, {"competency": "math:c1", "strength": "hint"}],
    }]),
    FOLDED,
    ("evidence", "POST", "/v1/evidence", [
        *(_answer("ada", n) for n in range(4)),
        *(_answer("ben", n, right=n != 1) for n in range(6)),
        *(_answer("cy", n, attempt=2, items=10, accommodations=["text_to_speech"], dok=2) for n in range(3)),
        _answer("cy", 9, kind="practice", assisted=True, activity={"id": "drill", "name": "Drill"}),
        *(_piece("dee", n, "math:c1", {"scaled": 0.9}) | {"activity": {"id": f"a{n}"}} for n in range(3)),
        *(_piece("dee", n, "math:c2", {"raw": 7, "min": 5, "max": 9}) for n in range(3)),
        {key: value for key, value in _answer("dee", 8, activity={"id": "quiz-1"}).items() if key != "competencies"},
        *(_rubric("eve", n, 1) for n in range(6)),
        *(_rubric(learner, n, 3, code) for learner in ("fay", "gil") for n in range(2) for code in "AB"),
        *(_rubric("hal", n, 4, code) for n in range(3) for code in "ABC"),
        *(_answer(learner, n) for learner in ("ivy", "joe", "kim", "lou") for n in range(2)),
    ]),
    ("evidence", "POST", "/v1/evidence", [
        _voids("ada", 9, "retracts", "ada-math:c1-3"),
        _voids("ada", 10, "retracts", "ada-math:c1-2"),
        _answer("ada", 11),
        {**_answer("ben", 12, right=False), "supersedes": "ben-math:c1-4"},
        *(_rubric("hal", n, 1) for n in (10, 11)),
    ]),
    FOLDED,
    ("progression", "POST", "/v1/sign-offs", {"items": [{"learner": "{fay}", "competency": f"lv:{c}"} for c in "AB"]}),
    FOLDED,
    ("progression", "POST", "/v1/sign-offs", {"items": [{"learner": "{fay}", "level": "lv#math/1"}]}),
    ("progression", "POST", "/v1/overrides", {
        "learner": "{gil}", "competency": "lv:A", "status": "mastered", "reason": "shown at the fair"}),
    ("progression", "POST", "/v1/credits", {
        "learner": "{gil}", "competency": "lv:B", "basis": "transfer", "reason": "elsewhere", "provenance": "a school"}),
    ("progression", "POST", "/v1/placements", {"learner": "{eve}", "level": "lv#math/2", "reason": "by the office"}),
    ("progression", "POST", "/v1/goals", {"learner": "{hal}", "level": "lv#math/2", "options": ["lv#math/1"]}),
    ("evidence", "POST", "/v1/learners/{ivy}/merge", {"into": "{joe}", "reason": "the same person"}),
    ("evidence", "POST", "/v1/evidence", [_answer("joe", 5), _answer("kim", 6)]),
    ("evidence", "DELETE", "/v1/learners/{lou}", None),
    FOLDED,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Written:
    """What an installation wrote: the events of each log in position order, as their bytes, and the learners by name."""

    learners: Mapping[str, str]
    logs: Mapping[str, tuple[bytes, ...]]


async def tell(urls: Mapping[str, str], token: str, tenant: str) -> Written:
    """Tell the facts to an installation, and return what it wrote."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        began = {log: await _heads(client, urls[service], log) for log, service in LOGS.items()}
        learners: dict[str, str] = {}
        for step in FACTS:
            if step is FOLDED:
                await _drained(client, urls)
                continue
            service, method, path, body = step
            text = json.dumps(body)
            if not learners and NAMED.search(path + text):
                learners = {name: await _learner(client, urls, name) for name in LEARNERS}
            answer = await client.request(
                method, urls[service] + _filled(path, learners), json=json.loads(_filled(text, learners))
            )
            assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        logs = {log: await _since(client, urls[LOGS[log]], log, heads, tenant) for log, heads in began.items()}
    return Written(learners, logs)


async def _learner(client: httpx.AsyncClient, urls: Mapping[str, str], name: str) -> str:
    answer = await client.get(f"{urls['evidence']}/v1/learners", params={"source": SOURCE, "source_id": name})
    return str(answer.raise_for_status().json()["learner"])


def _filled(text: str, learners: Mapping[str, str]) -> str:
    return NAMED.sub(lambda found: learners[found[1]], text)


async def _drained(client: httpx.AsyncClient, urls: Mapping[str, str]) -> None:
    """Wait until no stage is behind, three looks in a row."""
    quiet = 0
    async with asyncio.timeout(90):
        while quiet < 3:
            answers = [await client.get(f"{url}/v1/lag") for url in urls.values()]
            stages: list[dict[str, Any]] = [stage for answer in answers for stage in answer.json()["stages"]]
            quiet = quiet + 1 if all(stage["behind_events"] == 0 for stage in stages) else 0
            await asyncio.sleep(0.02)


async def _heads(client: httpx.AsyncClient, url: str, log: str) -> dict[int, int]:
    answer = (await client.get(f"{url}/v1/heads", params={"log": log})).raise_for_status()
    return {int(shard): pos for shard, (_, pos) in answer.json().items()}


async def _since(
    client: httpx.AsyncClient, url: str, log: str, heads: Mapping[int, int], tenant: str
) -> tuple[bytes, ...]:
    lines: list[bytes] = []
    for shard, after in heads.items():
        query: dict[str, str | int] = {"log": log, "shard": shard, "after": after, "limit": 10_000}
        lines += (await client.get(f"{url}/v1/feed", params=query)).raise_for_status().content.split(b"\n")
    return tuple(line for line in lines if line and json.loads(line)["tenant"] == tenant)
