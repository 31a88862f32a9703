"""Records, classes, queues, timelines and exports after a random history, held against a second telling of the logs."""

import asyncio
import random
from collections.abc import Collection
from typing import Any

import pytest

from deploy.local.stack import Stack
from tests.system.district import SOURCE, ZERO, District, Item
from tests.system.leaving import Subscriber, hold_what_leaves
from tests.system.telling import QUEUES, STATE, Telling, is_on_record

NODES = (
    "code,title,level,subject,parent\nG,Group,,Number,\nA,Adds,1,Number,G\nB,Subtracts,1,Number,G\nC,Multiplies,2,Number,\n"
    "U,Unit,3,Number,\nI,In it,3,Number,U\nE,Shapes,1,Geometry,\nH,Free,,Number,\n"
)
OTHER = NODES.replace("H,Free,,Number,\n", "") + "J,New,2,Number,\n"
EDGES = "from,to\nA,C\nB,C\nC,I\n"
CODES = [f"math:{code}" for code in "ABCEHUI"]
POLICY: Item = {
    "id": "two-tier", "scale": {"min": 1, "max": 4, "mastery": 3},
    "provisional": {"method": {"type": "latest_at_or_above", "cut": 3}, "sufficiency": {"min_evidence": 1}},
    "mastered": {"any_of": [
        {"sign_off": {"by": "teacher", "of": "provisional"}},
        {"method": {"type": "mean_of_last", "k": 2, "at_or_above": 3}, "sufficiency": {"min_evidence": 2}},
    ]},
    "decision": {"latch": "first_crossing"}, "upkeep": {"on_contradiction": {"last": 1, "below": 3}},
    "override": {"roles": ["teacher"], "may_lower": True},
    "advancement": {"require": {"supporting": {"share": 0.5, "at": "provisional"}}, "sign_off": {"by": "teacher"}},
}  # fmt: skip
CLASSES = ("one", "two")
ZONE = "America/Los_Angeles"


class History:
    """What happens to eight learners, at random."""

    def __init__(self, district: District, seed: int) -> None:
        self.district = district
        self.chance = random.Random(seed)
        self.names = [f"l{number}" for number in range(8)]
        self.learners: dict[str, str] = {}
        self.pieces: list[Item] = []
        self.decided: list[tuple[str, str, str]] = []
        self.merges: list[str] = []
        self.number = 0

    async def open(self) -> "History":
        await self.district.open(nodes=NODES, edges=EDGES)
        url = f"{self.district.stack.urls['progression']}/v1/settings"
        (await self.district.http.put(url, json={"time_zone": ZONE})).raise_for_status()
        await self.district.post("progression", "/v1/policies?framework=math", POLICY)
        await self.district.post("evidence", "/v1/roster", {
            "source": SOURCE, "schools": [{"school": "s", "title": "S"}],
            "classes": [{"class": name, "title": name, "school": "s"} for name in CLASSES],
            "learners": [{"source_id": name} for name in self.names],
            "enrolments": [{"class": self.chance.choice(CLASSES), "learner": name} for name in self.names],
        })  # fmt: skip
        await self.district.drained()
        self.learners = {name: await self.district.learner(name) for name in self.names}
        return self

    async def go_on(self, steps: int) -> None:
        """Let some things happen; what is refused has not."""
        what = [self.work, self.work, self.correct, self.correct, self.sign, self.sign, self.override, self.credit, self.lift,
                self.place, self.move, self.change_framework, self.adopt, self.merge, self.part]  # fmt: skip
        for _ in range(steps):
            await self.chance.choice(what)()
            if self.chance.random() < 0.4:
                await self.district.drained()

    def piece(self, name: str, code: str, **more: Any) -> Item:
        self.number += 1
        # By half of the hours it is another day here than in the district.
        at = f"2026-03-{self.chance.randint(1, 28):02}T{self.number % 14:02}:{self.number % 60:02}:00Z"
        score = {"level": self.chance.choice([1, 2, 3, 3, 4]), "scale": "rubric"}
        return {"id": f"e{self.number}", "source": SOURCE, "learner": name, "competencies": [code], "score": score,
                "occurred_at": at, **more}  # fmt: skip

    async def work(self) -> None:
        name, code = self.chance.choice(self.names), self.chance.choice(CODES)
        made = [
            self.piece(name, code),
            *(self.piece(self.chance.choice(self.names), self.chance.choice(CODES)) for _ in "ab"),
        ]
        self.pieces += made
        await self.district.send(made)

    async def correct(self) -> None:
        """Take a piece back, replace it, or give it to another learner."""
        if not self.pieces:
            return
        old = self.pieces.pop(self.chance.randrange(len(self.pieces)))
        self.number += 1
        how = self.chance.choice(("retract", "replace", "move"))
        if how == "retract":
            taken = {
                "id": f"r{self.number}",
                "source": SOURCE,
                "retracts": old["id"],
                "occurred_at": old["occurred_at"],
            }
            await self.district.send([taken])
            return
        name = old["learner"] if how == "replace" else self.chance.choice(self.names)
        self.pieces.append(self.piece(name, old["competencies"][0], supersedes=old["id"]))
        await self.district.send(self.pieces[-1:])

    async def decide(self, path: str, **body: Any) -> None:
        learner, code = self.chance.choice(list(self.learners.values())), self.chance.choice(CODES)
        waiting = (await self.district.get("progression", "/v1/sign-offs"))["items"]
        if waiting and path == "/v1/sign-offs":
            chosen = self.chance.choice(waiting)
            learner, code = chosen["learner"], chosen["id"]
            body = {"items": [{"learner": learner, chosen["kind"]: code}]}
        elif path == "/v1/sign-offs":
            return
        else:
            body |= {"learner": learner, "competency": code, "reason": "because"}
        answer = await self.district.http.post(f"{self.district.stack.urls['progression']}{path}", json=body)
        if answer.status_code == 201 and "#" not in code:
            self.decided.append((answer.json()["items"][0]["id"], learner, code))

    async def sign(self) -> None:
        await self.decide("/v1/sign-offs")

    async def override(self) -> None:
        await self.decide("/v1/overrides", status=self.chance.choice(("mastered", "not_yet")))

    async def credit(self) -> None:
        await self.decide("/v1/credits", basis="transfer")

    async def lift(self) -> None:
        if self.decided:
            id, learner, code = self.decided.pop(self.chance.randrange(len(self.decided)))
            body = {"learner": learner, "competency": code, "reason": "undone"}
            await self.district.post("progression", f"/v1/decisions/{id}/lift", body)

    async def place(self) -> None:
        learner = self.chance.choice(list(self.learners.values()))
        level = f"math#Number/{self.chance.randint(1, 3)}"
        await self.district.post(
            "progression", "/v1/placements", {"learner": learner, "level": level, "reason": "moved"}
        )

    async def move(self) -> None:
        row = {"class": self.chance.choice(CLASSES), "learner": self.chance.choice(self.names)}
        status = self.chance.choice(("active", "active", "inactive"))
        await self.district.post("evidence", "/v1/roster", {"source": SOURCE, "enrolments": [row | {"status": status}]})

    async def change_framework(self) -> None:
        body = {"id": "math", "nodes": self.chance.choice((NODES, OTHER)), "edges": EDGES}
        await self.district.post("progression", "/v1/frameworks", body)

    async def adopt(self) -> None:
        cut, share = self.chance.choice((2, 3)), self.chance.choice((0.5, 1))
        require = {"supporting": {"share": share, "at": "provisional"}}
        policy = POLICY | {
            "provisional": POLICY["provisional"] | {"method": {"type": "latest_at_or_above", "cut": cut}},
            "advancement": POLICY["advancement"] | {"require": require},
        }
        mode = self.chance.choice(("grandfathered", "forward_only", "retroactive"))
        path = f"/v1/policies/proposals?mode={mode}&reason=the board&framework=math"
        url = f"{self.district.stack.urls['progression']}/v1/policies/proposals"
        proposed = await self.district.http.post(self.district.stack.urls["progression"] + path, json=policy)
        if proposed.is_success:
            token = self.district.stack.token(self.district.tenant, "policy:write", subject="second")
            headers = {"Authorization": f"Bearer {token}"}
            await self.district.http.post(f"{url}/{proposed.json()['id']}/approve", headers=headers)

    async def merge(self) -> None:
        one, other = self.chance.sample(list(self.learners.values()), 2)
        url = f"{self.district.stack.urls['evidence']}/v1/learners/{one}/merge"
        answer = await self.district.http.post(url, json={"into": other, "reason": "the same"})
        if answer.is_success:
            self.merges.append(answer.json()["merge"])

    async def part(self) -> None:
        if self.merges:
            await self.district.http.post(
                f"{self.district.stack.urls['evidence']}/v1/merges/{self.merges.pop()}/undo", json={}
            )

    async def erase(self) -> list[str]:
        """Forget somebody, and whoever is merged into the same learner; return the ids of all by their source."""
        ids = {name: await self.district.learner(name) for name in self.names}
        chosen = self.learners[self.names[-1]]
        gone = [name for name in self.names if chosen in (ids[name], self.learners[name])]
        self.names = [name for name in self.names if name not in gone]
        self.pieces = [piece for piece in self.pieces if piece["learner"] not in gone]
        self.learners = {name: self.learners[name] for name in self.names}
        url = f"{self.district.stack.urls['evidence']}/v1/learners/{chosen}"
        assert (await self.district.http.delete(url)).is_success
        return gone


async def paged(
    district: District, path: str, items: str = "items", *, size: int = 7, token: str = "", **query: str
) -> list[Item]:
    """Return the items of all pages, by the cursor in the body or in the header."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    found: list[Item] = []
    after = ""
    while True:
        url, asked = f"{district.stack.urls['reporting']}{path}", query | {"after": after, "limit": str(size)}
        answer = (await district.http.get(url, params=asked, headers=headers)).raise_for_status()
        found += answer.json()[items]
        after = answer.headers.get("Attain-Next") or answer.json().get("next") or ""
        if not after:
            return found


async def hold(district: District, telling: Telling, names: Collection[str], receiver: "Receiver") -> None:
    """Hold every answer against the tellings."""
    subscriber = Subscriber(district, ZONE)
    await district.drained()
    await telling.hear()
    await subscriber.hear()
    for learner in telling.learners():
        shown = await district.get("reporting", f"/v1/learners/{learner}/record")
        items = [{name: item[name] for name in ("competency", "title", *STATE)} for item in shown["items"]]
        levels = [level["counts"] for subject in shown["subjects"] for level in subject["levels"]]
        codes = {name: [step["competency"] for step in shown[name]] for name in ("next", "review")}
        assert {"items": items, "levels": levels} | codes == telling.record(learner)
        assert [each["id"] for each in await paged(district, f"/v1/learners/{learner}/timeline")] == telling.timeline(
            learner
        )
    for learner in telling.erased():
        assert (
            await district.http.get(f"{district.stack.urls['reporting']}/v1/learners/{learner}/record")
        ).status_code == 404
    for name in CLASSES:
        grid = await district.get("reporting", f"/v1/classes/{name}/mastery")
        needs = await district.get("reporting", f"/v1/classes/{name}/needs")
        assert {row["learner"]: row["statuses"] for row in grid["rows"]} == telling.class_(name)
        assert {row["learner"]: sorted(row["review"]) for row in needs["learners"]} == {
            learner: sorted(telling.record(learner)["review"]) for learner in telling.class_(name)
        }
    for queue in QUEUES:
        rows = [(row["learner"], row["scope"]) for row in await paged(district, f"/v1/queues/{queue}")]
        assert (len(rows), set(rows)) == (len(set(rows)), telling.waiting(queue)), queue
    asked = {(row["learner"], row["scope"]) for row in await paged(district, "/v1/queues/sign_off")}
    signing = (await district.get("progression", "/v1/sign-offs"))["items"]
    assert asked == {(row["learner"], row["id"]) for row in signing if row["kind"] == "level"}
    await hold_exports(district, telling, subscriber, names, receiver)
    for learner in telling.learners():
        await hold_what_leaves(district, subscriber, learner)


async def hold_exports(
    district: District, telling: Telling, subscriber: Subscriber, names: Collection[str], receiver: "Receiver"
) -> None:
    states = {(who, code): state for who in telling.learners() for code, state in telling.of(who).items()}
    rows = {(row["learner"], row["competency"]): row for row in await paged(district, "/v1/exports/mastery")}
    learners = {name: await district.learner(name) for name in names}
    await receiver.sync()

    assert {key: (row["status"], row["mastered_at"]) for key, row in rows.items()} == {
        key: (state["status"], state.get("mastered_at")) for key, state in states.items()
    }
    assert receiver.holds(learners) == sorted(
        (name, code, state["status"], subscriber.day(scored_at(state) or subscriber.told[learner, code]))
        for name, learner in learners.items()
        for code, state in telling.of(learner).items()
        if state["status"] != "presumed" and (state["evidence_count"] > 0 or is_on_record(state))
    )


def scored_at(state: Item) -> str | None:
    """Return when the latest piece was, or mastery was shown; None of credit that rests on neither."""
    return max(filter(None, (state.get("last_evidence_at"), state.get("mastered_at"))), default=None)


class Receiver:
    """A student information system that keeps results by their ids until they are to be deleted, and of each the latest."""

    def __init__(self, district: District) -> None:
        self._district = district
        self._held: dict[str, tuple[str, str, str, str]] = {}
        self._dated: dict[str, str] = {}

    async def sync(self) -> None:
        """Take in all results."""
        path = "/v1/exports/oneroster/assessmentResults"
        # Who is a service besides is told no local days.
        token = self._district.stack.token(self._district.tenant, "records:read")
        told = await paged(self._district, path, "assessmentResults", token=token, source=SOURCE)
        assert len({one["sourcedId"] for one in told}) == len(told)
        for one in told:
            if one["dateLastModified"] <= self._dated.get(one["sourcedId"], ""):
                continue
            self._dated[one["sourcedId"]] = one["dateLastModified"]
            self._held.pop(one["sourcedId"], None)
            if one["status"] == "active":
                student, item = one["student"]["sourcedId"], one["assessmentLineItem"]["sourcedId"]
                self._held[one["sourcedId"]] = (student, item, one["textScore"], one["scoreDate"])

    def forget(self, names: Collection[str]) -> None:
        """Delete what is held of those of whom an event tells that they are erased."""
        self._held = {id: one for id, one in self._held.items() if one[0] not in names}

    def holds(self, names: Collection[str]) -> list[tuple[str, str, str, str]]:
        """Return the results of some: who, of what, which status, on which day."""
        return sorted(each for each in self._held.values() if each[0] in names)


async def rebuild(district: District) -> None:
    """Rebuild every read model from its log."""
    url = f"{district.stack.urls['reporting']}/v1/rebuild/"
    for model in ("mastery", "curriculum", "roster", "advancement", "support"):
        (await district.http.post(url + model)).raise_for_status()
        async with asyncio.timeout(60):
            while (done := (await district.http.get(url + model)).json())["state"] == "building":
                await asyncio.sleep(0.05)
        assert done["state"] == "live", done


async def test_what_is_answered_is_what_the_logs_tell(stack: Stack):
    district, history, telling, receiver = await begin(stack, 7)
    await history.go_on(6)
    await district.drained()
    await receiver.sync()
    await history.go_on(6)
    await hold(district, telling, history.names, receiver)
    await district.close()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(20, 30))
async def test_so_it_is_after_an_erasure_and_a_rebuild_of_every_read_model(stack: Stack, seed: int):
    district, history, telling, receiver = await begin(stack, seed)
    await history.go_on(25)
    await hold(district, telling, history.names, receiver)
    receiver.forget(await history.erase())
    await history.go_on(10)
    await hold(district, telling, history.names, receiver)
    await rebuild(district)
    await hold(district, telling, history.names, receiver)
    verified = await district.verify()

    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()


async def begin(stack: Stack, seed: int) -> tuple[District, History, Telling, Receiver]:
    district = District(stack, f"again{seed}")
    return district, await History(district, seed).open(), Telling(district), Receiver(district)
