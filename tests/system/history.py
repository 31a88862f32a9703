"""A random history of a district, for tests that tell again what is answered after it."""

import datetime
import random
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx

from tests.system.district import SCOPES, SOURCE, District, Item
from tests.system.isolation.victim import token_of

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
LEVELS = [f"math#Number/{number}" for number in (1, 2, 3)] + ["math#Geometry/1"]
YEAR_ENDS = (datetime.date.today().replace(day=1) + datetime.timedelta(days=62)).replace(day=1)
CLASSES = ("one", "two")
ZONE = "America/Los_Angeles"
Deed = Callable[[], Awaitable[None]]


class Decision(NamedTuple):
    """What a person decided and why, as it was answered."""

    learner: str
    id: str
    reason: str


class History:
    """What happens to eight learners, at random."""

    policy: Item = POLICY

    def __init__(self, district: District, seed: int) -> None:
        self.district = district
        self.chance = random.Random(seed)
        self.names = [f"l{number}" for number in range(8)]
        self.learners: dict[str, str] = {}
        self.pieces: list[Item] = []
        self.decided: list[tuple[str, str, str]] = []
        self.merges: list[str] = []
        self.noted: list[Decision] = []
        self.sent: dict[str, str] = {}
        """Whose each item is that was taken, by their names."""
        self.number = 0

    async def open(self) -> "History":
        await self.district.open(nodes=NODES, edges=EDGES)
        url = f"{self.district.stack.urls['progression']}/v1/settings"
        (await self.district.http.put(url, json={"time_zone": ZONE})).raise_for_status()
        await self.district.post("progression", "/v1/policies?framework=math", self.policy)
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
        for _ in range(steps):
            await self.chance.choice(self.deeds())()
            if self.chance.random() < 0.4:
                await self.district.drained()

    def deeds(self) -> list[Deed]:
        """Return what may happen."""
        return [self.work, self.work, self.correct, self.correct, self.sign, self.sign, self.override, self.credit, self.lift,
                self.place, self.move, self.change_framework, self.adopt, self.merge, self.part]  # fmt: skip

    def piece(self, name: str, code: str, **more: Any) -> Item:
        self.number += 1
        # By half of the hours it is another day here than in the district.
        at = f"2026-03-{self.chance.randint(1, 28):02}T{self.number % 14:02}:{self.number % 60:02}:00Z"
        score = {"level": self.chance.choice([1, 2, 3, 3, 4]), "scale": "rubric"}
        return {"id": f"e{self.number}", "source": SOURCE, "learner": name, "competencies": [code], "score": score,
                "occurred_at": at} | more  # fmt: skip

    async def work(self) -> None:
        name, code = self.chance.choice(self.names), self.chance.choice(CODES)
        made = [
            self.piece(name, code),
            *(self.piece(self.chance.choice(self.names), self.chance.choice(CODES)) for _ in "ab"),
        ]
        self.pieces += made
        await self.send(made)

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
            await self.send([taken], old["learner"])
            return
        name = old["learner"] if how == "replace" else self.chance.choice(self.names)
        self.pieces.append(self.piece(name, old["competencies"][0], supersedes=old["id"]))
        await self.send(self.pieces[-1:])

    async def send(self, items: list[Item], of: str = "") -> None:
        """Send items, and note whose they are."""
        for item, said in zip(items, await self.district.send(items), strict=True):
            assert said["status"] in ("accepted", "corrected", "parked"), said
            self.sent[item["id"]] = item.get("learner", of)

    async def decide(self, path: str, **body: Any) -> None:
        """Decide something of anybody's competency."""
        learner, code = self.chance.choice(list(self.learners.values())), self.chance.choice(CODES)
        made = await self.said(path, body | {"learner": learner, "competency": code})
        if made:
            self.decided.append((made, learner, code))

    async def said(self, path: str, body: Item, learner: str = "", **more: Any) -> str:
        """Decide, and note what was decided of whom and why; return its id, empty where it was refused."""
        self.number += 1
        reason = f"because {self.number}"
        url = f"{self.district.stack.urls['progression']}{path}"
        answer: httpx.Response = await self.district.http.post(url, json=body | {"reason": reason}, **more)
        if answer.status_code != 201:
            return ""
        # A placement presumes what lies below, each by a decision of its own.
        made = [str(each["id"]) for each in answer.json()["items"]]
        self.noted += [Decision(learner or body["learner"], id, reason) for id in made]
        return made[0]

    async def sign(self) -> None:
        waiting = (await self.district.get("progression", "/v1/sign-offs"))["items"]
        if waiting:
            chosen = self.chance.choice(waiting)
            body = {"items": [{"learner": chosen["learner"], chosen["kind"]: chosen["id"]}]}
            made = await self.said("/v1/sign-offs", body, chosen["learner"])
            if made and chosen["kind"] == "competency":
                self.decided.append((made, chosen["learner"], chosen["id"]))

    async def override(self) -> None:
        await self.decide("/v1/overrides", status=self.chance.choice(("mastered", "not_yet")))

    async def credit(self) -> None:
        await self.decide("/v1/credits", basis="transfer")

    async def lift(self) -> None:
        if self.decided:
            id, learner, code = self.decided.pop(self.chance.randrange(len(self.decided)))
            body = {"learner": learner, "competency": code}
            await self.said(f"/v1/decisions/{id}/lift", body)

    async def place(self) -> None:
        learner, level = self.chance.choice(list(self.learners.values())), f"math#Number/{self.chance.randint(1, 3)}"
        assert await self.said("/v1/placements", {"learner": learner, "level": level})

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
        policy = self.policy | {
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
        chosen = ids[self.names[-1]]
        gone = [name for name in self.names if ids[name] == chosen]
        self.names = [name for name in self.names if name not in gone]
        self.pieces = [piece for piece in self.pieces if piece["learner"] not in gone]
        self.learners = {name: self.learners[name] for name in self.names}
        url = f"{self.district.stack.urls['evidence']}/v1/learners/{chosen}"
        assert (await self.district.http.delete(url)).is_success
        return gone


class LongHistory(History):
    """
    The same over some school years: with plans, goals, support, what is decided of levels, terms that are closed and rollovers.
    """

    policy = POLICY | {"support": {"class_work": {"pieces": 2, "below": 2}, "year_ends": f"{YEAR_ENDS:%m-%d}"}}

    def __init__(self, district: District, seed: int) -> None:
        super().__init__(district, seed)
        self.plans: dict[tuple[str, str], Item] = {}
        """The plans in force, by learner and competency."""
        self.terms: list[str] = []
        self.sessions: list[str] = []
        self.closings: list[str] = []
        """Why people have closed suggestions of support."""

    def deeds(self) -> list[Deed]:
        return [*super().deeds(), self.plan, self.plan, self.end_plan, self.choose, self.fall_behind, self.close_support,
                self.decide_level, self.decide_level, self.close_term, self.roll_over, self.roll_back]  # fmt: skip

    async def plan(self) -> None:
        learner, code = self.chance.choice(list(self.learners.values())), self.chance.choice(CODES)
        kind, more = self.chance.choice(
            (("exempt", {}), ("extend", {"pieces": 2}), ("accommodate", {"accommodations": [f"quiet room {self.number}"]}),
             ("substitute", {"instead": "math:E"}))
        )  # fmt: skip
        review_at = str(datetime.date.today() + datetime.timedelta(days=self.chance.randint(2, 90)))
        body = {"learner": learner, "competency": code, "kind": kind, "code": "iep", "review_at": review_at, **more}
        answer = await self._planned("/v1/plans", body)
        if answer.is_success:
            self.plans[learner, code] = body | {"id": answer.json()["items"][0]["id"]}
            self.noted.append(Decision(learner, self.plans[learner, code]["id"], ""))

    async def end_plan(self) -> None:
        if not self.plans:
            return
        (learner, code), plan = self.chance.choice(list(self.plans.items()))
        answer = await self._planned(f"/v1/plans/{plan['id']}/end", {"learner": learner, "competency": code})
        # One that is not folded yet is not in force.
        if answer.is_success:
            del self.plans[learner, code]
            self.noted.append(Decision(learner, answer.json()["items"][0]["id"], ""))

    async def fall_behind(self) -> None:
        """Two low pieces of today, which an adult is asked about unless something was shown."""
        name, code, now = self.chance.choice(self.names), self.chance.choice(CODES), datetime.datetime.now(datetime.UTC)
        low = {"score": {"level": 1, "scale": "rubric"}, "kind": "formative", "occurred_at": now.isoformat()}
        made = [self.piece(name, code, **low) for _ in "ab"]
        self.pieces += made
        await self.send(made)

    async def close_support(self) -> None:
        waiting = (await self.district.get("progression", "/v1/support"))["items"]
        if waiting:
            chosen, reason = self.chance.choice(waiting), f"help of {len(self.closings)}."
            body = {"scope": chosen["scope"], "outcome": "plan_changed", "reason": reason}
            url = f"{self.district.stack.urls['progression']}/v1/learners/{chosen['learner']}/support/close"
            if (await self.district.http.post(url, json=body)).is_success:
                self.closings.append(reason)

    async def choose(self) -> None:
        learner, level = self.chance.choice(list(self.learners.values())), self.chance.choice(LEVELS)
        url = f"{self.district.stack.urls['progression']}/v1/goals"
        answer = await self.district.http.post(url, json={"learner": learner, "level": level})
        if answer.is_success:
            self.noted.append(Decision(learner, answer.json()["items"][0]["id"], ""))

    async def decide_level(self) -> None:
        learner, level = self.chance.choice(list(self.learners.values())), self.chance.choice(LEVELS)
        kind = self.chance.choice(("withhold", "withdraw", "reinstate", "lift"))
        await self.said("/v1/level-decisions", {"learner": learner, "level": level, "kind": kind})

    async def close_term(self) -> None:
        if len(self.terms) < 3:
            self.terms.append(f"term {len(self.terms) + 1}")
            await self.district.post("progression", "/v1/terms", {"name": self.terms[-1]})

    async def roll_over(self) -> None:
        session = f"{2026 + len(self.sessions)}"
        body = {"session": session, "goes_on": [self.chance.choice(CLASSES)], "share_max": 1}
        await self.district.post("evidence", "/v1/roster/rollovers", body)
        self.sessions.append(session)

    async def roll_back(self) -> None:
        if self.sessions:
            url = f"{self.district.stack.urls['evidence']}/v1/roster/rollovers/{self.chance.choice(self.sessions)}/undo"
            await self.district.http.post(url)

    async def _planned(self, path: str, body: Item) -> httpx.Response:
        token = token_of(self.district.stack, self.district.tenant, SCOPES, roles=["case_manager"])
        url = f"{self.district.stack.urls['progression']}{path}"
        return await self.district.http.post(url, json=body, headers={"Authorization": f"Bearer {token}"})
