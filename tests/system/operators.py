"""
Some people who administer one tenant at the same time, at random, and what each was answered.

Nothing is agreed between them: one proposes what another approves, erases whom another merges, ends what another has begun.
"""

import asyncio
import dataclasses
import datetime
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.support.described import hold_as_published
from tests.system.district import SCOPES, SOURCE, District, Item
from tests.system.history import CLASSES, CODES, EDGES, NODES, OTHER, POLICY

MOVED = NODES.replace("C,Multiplies,2", "C,Multiplies,1").replace("E,Shapes,1,Geometry", "E,Shapes,2,Geometry")
FRAMEWORKS = (NODES, OTHER, MOVED)
ZONES = ("America/Los_Angeles", "Europe/Madrid", "Asia/Tokyo")
MODELS = ("mastery", "advancement", "roster", "curriculum", "support")
OTHER_SOURCE = "urn:test:other"
ANSWERED_S_MAX = 120.0
QUIET_S = 0.1


@dataclasses.dataclass(frozen=True)
class Answer:
    """What somebody was answered; `unsure` where an earlier sending of the same may have been taken, and its answer lost."""

    who: str
    what: str
    status: int
    body: Any
    unsure: bool

    @property
    def taken(self) -> bool:
        """Whether what was asked for was done."""
        return self.status < 300

    @property
    def deed(self) -> str:
        """What kind of thing was asked for."""
        return self.what.partition(":")[0]

    @property
    def of(self) -> str:
        """What it was asked of."""
        return self.what.partition(":")[2]


class Office:
    """What the people of a tenant have before them: who is there, what was proposed, begun and merged."""

    def __init__(self, district: District, seed: int) -> None:
        self.district = district
        self.seed = seed
        self.names = [f"l{number}" for number in range(10)]
        self.learners: list[str] = []
        self.answers: list[Answer] = []
        self.proposals: dict[str, str] = {}
        """Who proposed each, by the id of the proposal."""
        self.shadows: set[str] = set()
        self.merges: dict[str, tuple[str, str]] = {}
        self.sessions: list[str] = []
        self.keys: dict[str, str] = {}
        self.voided: list[str] = []
        self.number = 0

    def taken(self, deed: str) -> Counter[str]:
        """Return of what, and how often, something was asked for and done."""
        return Counter(each.of for each in self.answers if each.deed == deed and each.taken)

    def next(self) -> int:
        """Return a number that nobody has used."""
        self.number += 1
        return self.number

    async def open(self) -> "Office":
        """Begin the tenant, with a framework, a policy and a roster."""
        await self.district.open(nodes=NODES, edges=EDGES)
        await self.district.post("progression", "/v1/policies?framework=math", POLICY)
        await self.district.post("evidence", "/v1/roster", {
            "source": SOURCE, "schools": [{"school": "s", "title": "S"}],
            "classes": [{"class": name, "title": name, "school": "s"} for name in CLASSES],
            "learners": [{"source_id": name} for name in self.names],
            "enrolments": [{"class": CLASSES[n % 2], "learner": name} for n, name in enumerate(self.names)],
        })  # fmt: skip
        self.learners = [await self.district.learner(name) for name in self.names]
        return self


class Operator:
    """One of the people, with a token of their own."""

    def __init__(self, office: Office, name: str) -> None:
        self.office = office
        self.name = name
        self.chance = random.Random(f"{office.seed} {name}")
        token = office.district.stack.token(office.district.tenant, SCOPES, subject=name)
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.AsyncClient(headers=headers, timeout=60, event_hooks={"response": [hold_as_published]})

    async def work(self, deeds: int) -> None:
        """Do so many things, one after the other."""
        for _ in range(deeds):
            await self.chance.choice(self.deeds())()
        await self.http.aclose()

    def deeds(self) -> list[Callable[[], Awaitable[object]]]:
        """Return what a person may do."""
        return [self.publish, self.publish, self.set_policy, self.propose, self.propose, self.approve, self.approve,
                self.approve, self.shadow, self.end_shadow, self.teach, self.teach, self.teach, self.correct, self.correct,
                self.give_back, self.enrol, self.enrol, self.roll_over, self.roll_back, self.merge, self.merge,
                self.part, self.part, self.erase, self.close_term, self.set_up, self.align, self.redrive, self.spoil,
                self.rebuild, self.go_back, self.make_key, self.revoke, self.decide, self.decide, self.decide]  # fmt: skip

    async def ask(self, what: str, method: str, service: str, path: str, **more: Any) -> Answer:
        """Ask until it is answered by something else than that a service is away; note the answer."""
        url, unsure = f"{self.office.district.stack.urls[service]}{path}", False
        async with asyncio.timeout(ANSWERED_S_MAX):
            while True:
                try:
                    answer = await self.http.request(method, url, **more)
                except httpx.TransportError:
                    unsure = True
                else:
                    if answer.status_code != 503:
                        break
                    unsure = True
                await asyncio.sleep(QUIET_S)
        body = answer.json() if answer.content else None
        self.office.answers.append(Answer(self.name, what, answer.status_code, body, unsure))
        return self.office.answers[-1]

    async def publish(self) -> None:
        body = {"id": "math", "nodes": self.chance.choice(FRAMEWORKS), "edges": EDGES}
        await self.ask("publish", "POST", "progression", "/v1/frameworks", json=body)

    def policy(self) -> Item:
        cut = self.chance.choice((2, 3, 4))
        provisional = POLICY["provisional"] | {"method": {"type": "latest_at_or_above", "cut": cut}}
        return POLICY | {"provisional": provisional, "rationale": f"as was said in meeting {self.office.next()}"}

    async def set_policy(self) -> None:
        await self.ask("set policy", "POST", "progression", "/v1/policies?framework=math", json=self.policy())

    async def propose(self) -> None:
        mode = self.chance.choice(("grandfathered", "forward_only", "retroactive"))
        path = f"/v1/policies/proposals?mode={mode}&reason=the board&framework=math"
        key = {"Idempotency-Key": str(uuid.uuid4())}
        answer = await self.ask("propose", "POST", "progression", path, json=self.policy(), headers=key)
        if answer.taken:
            self.office.proposals[answer.body["id"]] = self.name

    async def approve(self) -> None:
        if self.office.proposals:
            id = self.chance.choice(list(self.office.proposals))
            await self.ask(f"approve:{id}", "POST", "progression", f"/v1/policies/proposals/{id}/approve")

    async def shadow(self) -> None:
        path = "/v1/policies/shadows?framework=math"
        answer = await self.ask("shadow", "POST", "progression", path, json=self.policy())
        if answer.taken:
            self.office.shadows.add(answer.body["hash"])

    async def end_shadow(self) -> None:
        if self.office.shadows:
            shadow = self.chance.choice(sorted(self.office.shadows))
            await self.ask("end shadow", "DELETE", "progression", f"/v1/policies/shadows/{shadow}")

    def piece(self, **more: Any) -> Item:
        number = self.office.next()
        at = f"2026-03-{self.chance.randint(1, 28):02}T{number % 24:02}:{number % 60:02}:00Z"
        named = {"competencies": [self.chance.choice(CODES)]} if number % 4 else {}
        score = {"level": self.chance.choice([1, 2, 3, 3, 4]), "scale": "rubric"}
        return {
            "id": f"e{number}", "source": SOURCE, "learner": self.chance.choice(self.office.names),
            "activity": {"id": f"quiz-{number % 5}"}, "score": score, "occurred_at": at, **named,
        } | more  # fmt: skip

    async def teach(self) -> None:
        items = [self.piece() for _ in range(self.chance.randint(1, 12))]
        await self.ask("teach", "POST", "evidence", "/v1/evidence", json=items)

    async def correct(self) -> None:
        """Look what taking a quiz back would do, and perhaps do it."""
        asked = {"source": SOURCE, "activity": f"quiz-{self.chance.randrange(5)}"}
        found = await self.ask("preview", "POST", "progression", "/v1/corrections/preview", json=asked)
        if found.taken and self.chance.random() < 0.7:
            at = "2026-04-01T10:00:00Z"
            items = [{"id": f"void-{each['id']}", "source": SOURCE, "retracts": each["id"], "occurred_at": at}
                     for each in found.body["items"][:20]]  # fmt: skip
            if items:
                await self.ask("correct", "POST", "evidence", "/v1/evidence", json=items)
                self.office.voided += [each["id"] for each in items]

    async def give_back(self) -> None:
        """Take the taking back back."""
        if self.office.voided:
            chosen = self.chance.sample(self.office.voided, min(5, len(self.office.voided)))
            items = [
                {"id": f"un{id}", "source": SOURCE, "retracts": id, "occurred_at": "2026-04-02T10:00:00Z"}
                for id in chosen
            ]
            await self.ask("give back", "POST", "evidence", "/v1/evidence", json=items)

    async def enrol(self) -> None:
        rows = [{"class": self.chance.choice(CLASSES), "learner": name,
                 "status": self.chance.choice(("active", "active", "inactive"))}
                for name in self.chance.sample(self.office.names, self.chance.randint(1, 6))]  # fmt: skip
        body = {"source": SOURCE, "learners": [{"source_id": row["learner"], "name": f"{self.name} says"} for row in rows],
                "people": [{"person": "tea", "name": self.name}],
                "classes": [{"class": f"new {self.office.next()}", "title": "New"}], "enrolments": rows}  # fmt: skip
        await self.ask("enrol", "POST", "evidence", "/v1/roster", json=body)

    async def roll_over(self) -> None:
        session = f"{2026 + self.chance.randrange(4)}"
        body = {"session": session, "goes_on": [self.chance.choice(CLASSES)], "share_max": self.chance.choice((0.1, 1))}
        if (await self.ask(f"roll over:{session}", "POST", "evidence", "/v1/roster/rollovers", json=body)).taken:
            self.office.sessions.append(session)

    async def roll_back(self) -> None:
        if self.office.sessions:
            session = self.chance.choice(self.office.sessions)
            await self.ask(f"roll back:{session}", "POST", "evidence", f"/v1/roster/rollovers/{session}/undo")

    async def merge(self) -> None:
        one, other = self.chance.sample(self.office.learners, 2)
        body = {"into": other, "reason": "the same"}
        answer = await self.ask(f"merge:{one} {other}", "POST", "evidence", f"/v1/learners/{one}/merge", json=body)
        if answer.taken:
            self.office.merges[answer.body["merge"]] = (one, other)

    async def part(self) -> None:
        if self.office.merges:
            merge = self.chance.choice(list(self.office.merges))
            await self.ask(f"part:{merge}", "POST", "evidence", f"/v1/merges/{merge}/undo", json={})

    async def erase(self) -> None:
        learner = self.chance.choice(self.office.learners)
        await self.ask(f"erase:{learner}", "DELETE", "evidence", f"/v1/learners/{learner}")

    async def close_term(self) -> None:
        term = f"term {self.chance.randrange(3)}"
        await self.ask(f"close:{term}", "POST", "progression", "/v1/terms", json={"name": term})

    async def set_up(self) -> None:
        first = datetime.date(2026, 12, self.chance.randint(1, 20))
        given: Item = {"time_zone": self.chance.choice(ZONES)}
        if self.chance.random() < 0.5:
            given = {"breaks": [{"first": str(first), "last": str(first + datetime.timedelta(days=5))}]}
        await self.ask("set up", "PUT", "progression", "/v1/settings", json=given)

    async def align(self) -> None:
        codes = self.chance.sample(CODES[:3], self.chance.randint(1, 2))
        entry = {
            "source": SOURCE,
            "id": f"quiz-{self.chance.randrange(5)}",
            "competencies": [{"competency": c} for c in codes],
        }
        await self.ask("align", "POST", "evidence", "/v1/alignments", json=[entry])

    async def redrive(self) -> None:
        await self.ask("redrive", "POST", "progression", "/v1/redrive")
        kept = await self.ask("quarantined", "GET", "evidence", "/v1/quarantine?limit=100")
        for each in self.chance.sample(kept.body["items"], min(2, len(kept.body["items"]))):
            path = f"/v1/quarantine/{each['quarantine_id']}/redrive"
            await self.ask("redrive a piece", "POST", "evidence", path)

    async def spoil(self) -> None:
        """A piece that nobody can use, and one that waits for a competency."""
        parked = self.piece(competencies=["math:J"])
        await self.ask("spoil", "POST", "evidence", "/v1/evidence", json=[self.piece(kind="nonsense"), parked])

    async def rebuild(self) -> None:
        model = self.chance.choice(MODELS)
        await self.ask(f"rebuild:{model}", "POST", "reporting", f"/v1/rebuild/{model}", json={})

    async def go_back(self) -> None:
        model = self.chance.choice(MODELS)
        await self.ask(f"go back:{model}", "POST", "reporting", f"/v1/rebuild/{model}/rollback", json={})

    async def make_key(self) -> None:
        answer = await self.ask("make key", "POST", "evidence", "/v1/keys", json={"source": OTHER_SOURCE})
        if answer.taken:
            self.office.keys[answer.body["key_id"]] = answer.body["key"]

    async def revoke(self) -> None:
        if self.office.keys:
            key = self.chance.choice(list(self.office.keys))
            await self.ask(f"revoke:{key}", "DELETE", "evidence", f"/v1/keys/{key}")

    async def decide(self) -> None:
        learner, code = self.chance.choice(self.office.learners), self.chance.choice(CODES)
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        body = {"learner": learner, "competency": code, "reason": "seen", "basis": "transfer"}
        await self.ask("credit", "POST", "progression", "/v1/credits", json=body, headers=headers)
