"""
A second telling of what is held of whom: random deeds of a district, each with a mark of its own, and a plain count of marks.

It shares no code with the services. A mark is one word that a deed leaves somewhere: in an id, a name, a reason, a text. Whose
export has it, who takes it along when merged, and where it may never be found, is counted here by sets alone.
"""

import datetime
import random
import secrets
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from deploy.local.stack import Stack
from tests.system.district import SCOPES, SOURCE, District, Item
from tests.system.isolation.victim import token_of

AT = "2026-03-05T10:00:00Z"
XAPI = {"X-Experience-API-Version": "1.0.3"}
REVIEW_AT = (datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=90)).isoformat()


class Person:
    """A learner of the telling: by which ids, with which marks, and merged into whom."""

    def __init__(self, number: int) -> None:
        self.word = f"q{secrets.token_hex(4)}p{number}"
        self.source_id = f"mailto:{self.word}@example.org"
        self.learner = ""
        self.marks: set[str] = {self.source_id}
        self.gone: set[str] = set()
        """Marks of what was taken back: nowhere any more."""
        self.name = ""
        self.merged_into: Person | None = None
        self.merge = ""
        self.pieces: list[str] = []
        self.stood_under: set[Person] = set()
        self.named_in: list[tuple[Person, str]] = []
        """Whose statements name this one, and the mark that goes with each."""
        self.refused: dict[str, str] = {}
        """What is stated about requests that were refused, by their ids."""

    def mark(self) -> str:
        """Return a new mark of this person; whoever leaves it adds it to those that are held."""
        return f"{self.word}m{secrets.token_hex(3)}"


class Telling:
    """Random deeds of a tenant; `people` say what has to be held of whom."""

    def __init__(self, stack: Stack, district: District, seed: int, people: int) -> None:
        self.stack = stack
        self.district = district
        self.random = random.Random(seed)
        self.people = [Person(number) for number in range(people)]
        self.reasons: list[tuple[str, Person, Person]] = []
        """Why two learners were one, as long as both are there."""
        self.as_source = token_of(stack, district.tenant, SCOPES, source=SOURCE)

    def held_of(self, who: Person) -> set[str]:
        """Return the marks of all that is held of a learner, with those of whoever is merged into it."""
        return who.marks.union(*(each.marks for each in self.people if each.merged_into is who))

    def erase(self, who: Person) -> list[Person]:
        """Note that a learner is forgotten, and return everyone who is with it; of what others said of them nothing is left."""
        gone = [who, *(each for each in self.people if each.merged_into is who)]
        for one in gone:
            self.people.remove(one)
            for other, mark in one.named_in:
                other.marks.discard(mark)
        for mark, *both in self.reasons:
            if set(both) & set(gone):
                for each in both:
                    each.marks.discard(mark)
        return gone

    async def begin(self) -> None:
        """Enrol everybody under a name, and keep what is said in full."""
        await self._ask("PUT", "evidence", "/v1/limits", {"statements_kept": "all"}, scope="service")
        for each in self.people:
            each.name = self._left(each)
        names = {each.source_id: each.name for each in self.people}
        roster = {
            "source": SOURCE, "classes": [{"class": name, "title": name} for name in ("room", "other")],
            "learners": [{"source_id": id, "name": name} for id, name in names.items()],
            "enrolments": [{"class": "room", "learner": id} for id in names],
            "staff": [{"class": "room", "staff": "tea", "role": "teacher"}],
            "assignments": [
                {"person": self._left(each), "role": "guardian", "kind": "learner", "target": each.source_id}
                for each in self.people
            ],
        }  # fmt: skip
        await self._ask("POST", "evidence", "/v1/roster", roster)
        for each in self.people:
            each.learner = await self.district.learner(each.source_id)
            await self.piece(each)
        await self.district.drained()

    async def go_on(self, deeds: int) -> None:
        """Do so many deeds, each to somebody."""
        kinds: list[Callable[[Person], Awaitable[None]]] = [
            self.piece, self.correct, self.move, self.retract, self.wait, self.spoil, self.say, self.view, self.hand_in,
            self.result, self.override, self.credit, self.plan, self.take_back_first, self.rename, self.re_enrol,
            self.ask, self.withdraw, self.merge, self.unmerge,
        ]  # fmt: skip
        for _ in range(deeds):
            await self.random.choice(kinds)(self.random.choice(self.people))

    async def piece(self, who: Person, *, by: str = "", **more: Any) -> None:
        """A piece by its own words: its id, its activity, what the source adds."""
        id = by or self._left(who)
        one = {
            "id": id, "source": SOURCE, "learner": who.source_id, "competencies": [f"math:c{self.random.randrange(3)}"],
            "activity": {"id": self._left(who), "name": self._left(who)}, "score": {"raw": 1, "max": 1},
            "occurred_at": f"2026-03-{self.random.randrange(1, 28):02}T10:00:00Z", "extensions": {"note": self._left(who)},
        }  # fmt: skip
        [said] = await self.district.send([one | more])
        assert said["status"] in ("accepted", "corrected", "parked"), said
        if said["status"] != "parked":
            who.pieces.append(id)

    async def correct(self, who: Person) -> None:
        """A piece in the place of another of the same learner; both are held."""
        if who.pieces:
            await self.piece(who, supersedes=who.pieces[-1])

    async def move(self, who: Person) -> None:
        """A piece of another learner in the place of one of this one."""
        other = self.random.choice(self.people)
        if who.pieces and other is not who:
            await self.piece(other, supersedes=who.pieces.pop())

    async def retract(self, who: Person) -> None:
        """A piece is taken back; that it was there is held."""
        if who.pieces:
            one = {"id": self._left(who), "source": SOURCE, "retracts": who.pieces.pop(), "occurred_at": AT}
            [said] = await self.district.send([one])
            assert said["status"] == "corrected", said

    async def take_back_first(self, who: Person) -> None:
        """What takes a piece back comes before it, and names nobody."""
        id, back = self._left(who), self._left(who)
        one = {"id": back, "source": SOURCE, "retracts": id, "occurred_at": AT, "extensions": {"note": self._left(who)}}
        [said] = await self.district.send([one])
        assert said["status"] == "corrected", said
        await self.piece(who, by=id)
        who.pieces.remove(id)

    async def rename(self, who: Person) -> None:
        """The roster has another name; the one before is nowhere any more."""
        who.marks.discard(who.name)
        who.gone.add(who.name)
        who.name = self._left(who)
        roster = {"source": SOURCE, "learners": [{"source_id": who.source_id, "name": who.name}]}
        await self._ask("POST", "evidence", "/v1/roster", roster)

    async def re_enrol(self, who: Person) -> None:
        """The learner comes into a class or leaves it, and somebody else is a guardian too."""
        status = self.random.choice(("active", "inactive"))
        roster = {
            "source": SOURCE, "enrolments": [{"class": "other", "learner": who.source_id, "status": status}],
            "assignments": [{"person": self._left(who), "role": "guardian", "kind": "learner", "target": who.source_id}],
        }  # fmt: skip
        await self._ask("POST", "evidence", "/v1/roster", roster)

    async def wait(self, who: Person) -> None:
        """A piece for a competency that nobody has waits."""
        await self.piece(who, competencies=["math:later"])

    async def spoil(self, who: Person) -> None:
        """Canvas sends what cannot be used, and is not answered by anybody: it is quarantined."""
        body = {"learning_outcome_id": "1", "user_uuid": who.source_id, "score": "much", "note": self._left(who)}
        metadata = {"event_name": "learning_outcome_result_created", "event_time": AT, "root_account_uuid": "R"}
        event = {"metadata": metadata, "body": body}
        await self._ask("POST", "evidence", f"/canvas/events?source={SOURCE}", event, expected=422)

    async def say(self, who: Person) -> None:
        """A statement that is no evidence; at times it names another learner, whom it is not of."""
        other, id = self.random.choice(self.people), str(uuid.uuid4())
        name = self._left(who)
        said = {
            "id": id, "actor": {"mbox": who.source_id, "name": name},
            "verb": {"id": "http://adlnet.gov/expapi/verbs/commented"}, "object": {"id": "urn:wall"}, "timestamp": AT,
        }  # fmt: skip
        if other is not who:
            said["context"] = {"instructor": {"mbox": other.source_id}}
            other.named_in.append((who, name))
        await self._ask("POST", "evidence", "/xapi/statements", said, token=self.as_source, headers=XAPI)

    async def view(self, who: Person) -> None:
        """A Caliper event that is no evidence and is kept."""
        event = {
            "type": "ViewEvent", "action": "Viewed", "id": f"urn:uuid:{uuid.uuid4()}", "eventTime": "2026-03-05T10:00:00.000Z",
            "actor": {"id": who.source_id, "type": "Person"}, "object": {"id": f"urn:{self._left(who)}", "type": "WebPage"},
        }  # fmt: skip
        await self._ask("POST", "evidence", f"/v1/intake/caliper?source={SOURCE}", event)

    async def hand_in(self, who: Person) -> None:
        """Work that waits for a grade."""
        score = {
            "userId": who.source_id,
            "timestamp": AT,
            "activityProgress": "Completed",
            "gradingProgress": "PendingManual",
        }
        await self._ask("POST", "evidence", f"/lti/lineitems/{self._left(who)}/scores?source={SOURCE}", score)

    async def result(self, who: Person) -> None:
        """A OneRoster result, of what no alignment names."""
        line = self._left(who)
        body = {
            "lineItems": [{"sourcedId": line, "resultValueMin": 0, "resultValueMax": 10}],
            "results": [{"sourcedId": self._left(who), "status": "active", "dateLastModified": AT, "score": 8,
                         "lineItem": {"sourcedId": line, "type": "lineItem"}, "scoreStatus": "fully graded",
                         "student": {"sourcedId": who.source_id, "type": "user"}, "scoreDate": "2026-03-05"}],
        }  # fmt: skip
        await self._ask("POST", "evidence", f"/oneroster/v1p2/results?source={SOURCE}", body)

    async def override(self, who: Person) -> None:
        """A standing by hand, twice: the second changes nothing, and its reason is held all the same."""
        if who.merged_into is None:
            for _ in range(2):
                body = {
                    "learner": who.learner,
                    "competency": "math:c4",
                    "status": "mastered",
                    "reason": self._left(who),
                    "role": "teacher",
                }
                await self._ask("POST", "progression", "/v1/overrides", body, expected=201)

    async def credit(self, who: Person) -> None:
        """Credit for what was shown elsewhere, which is lifted again."""
        if who.merged_into is None:
            body = {"learner": who.learner, "competency": "math:c3", "basis": "transfer", "role": "teacher"}
            given = body | {"reason": self._left(who), "provenance": self._left(who)}
            made = await self._ask("POST", "progression", "/v1/credits", given, expected=201)
            lift = {"learner": who.learner, "competency": "math:c3", "reason": self._left(who), "role": "teacher"}
            await self._ask("POST", "progression", f"/v1/decisions/{made['items'][0]['id']}/lift", lift, expected=201)

    async def plan(self, who: Person) -> None:
        """An individual plan in the place of the one before it, of which is held what it said."""
        if who.merged_into is None:
            body = {"learner": who.learner, "competency": "math:c5", "kind": "accommodate", "code": "other",
                    "accommodations": [self._left(who)], "review_at": REVIEW_AT, "role": "case_manager"}  # fmt: skip
            token = token_of(self.stack, self.district.tenant, SCOPES, roles=["case_manager"])
            await self._ask("POST", "progression", "/v1/plans", body, token=token, expected=201)

    async def ask(self, who: Person) -> None:
        """A family asks, is refused, and states something."""
        if who.merged_into is not None:
            return
        if who.stood_under:
            # Its enrolment comes back with the roster, by which a teacher answers.
            await self.district.drained()
        path, own = f"/v1/learners/{who.learner}/review-requests", self._own(who)
        asked = await self._ask(
            "POST", "reporting", path, {"competency": "math:c0", "text": self._left(who)}, token=own, expected=201
        )
        teacher = token_of(self.stack, self.district.tenant, "records:read:classes decisions:write", subject="tea")
        answer = {"done": self._left(who), "refused": True}
        await self._ask("POST", "reporting", f"{path}/{asked['id']}/done", answer, token=teacher)
        stated = who.refused[asked["id"]] = self._left(who)
        await self._ask("POST", "reporting", f"{path}/{asked['id']}/statement", {"statement": stated}, token=own)

    async def withdraw(self, who: Person) -> None:
        """A family takes back what it stated."""
        if who.refused and who.merged_into is None:
            id, stated = who.refused.popitem()
            path = f"/v1/learners/{who.learner}/review-requests/{id}/statement"
            await self._ask("DELETE", "reporting", path, None, token=self._own(who))
            who.marks.discard(stated)
            who.gone.add(stated)

    async def merge(self, who: Person) -> None:
        """Two learners are one: what is held of this one is held of the other."""
        others = [each for each in self.people if each is not who and each.merged_into is None]
        if who.merged_into is None and others and not any(each.merged_into is who for each in self.people):
            into = self.random.choice(others)
            body = {"into": into.learner, "reason": self._left(who)}
            into.marks.add(body["reason"])
            self.reasons.append((body["reason"], who, into))
            who.merge = (await self._ask("POST", "evidence", f"/v1/learners/{who.learner}/merge", body))["merge"]
            who.merged_into = into

    async def unmerge(self, who: Person) -> None:
        """They are not: each is who it was, and both are told why they were one."""
        if who.merged_into is not None:
            await self._ask("POST", "evidence", f"/v1/merges/{who.merge}/undo", {})
            who.stood_under.add(who.merged_into)
            who.merged_into = None

    def _left(self, who: Person) -> str:
        mark = who.mark()
        who.marks.add(mark)
        return mark

    def _own(self, who: Person) -> str:
        return token_of(self.stack, self.district.tenant, "records:read:self", learner=who.learner, subject="own")

    async def _ask(
        self, method: str, service: str, path: str, body: Any, *, token: str = "", scope: str = SCOPES,
        expected: int | None = None, headers: dict[str, str] | None = None,
    ) -> Item:  # fmt: skip
        token = token or self.stack.token(self.district.tenant, scope)
        async with httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"} | (headers or {}), timeout=60
        ) as client:
            answer = await client.request(method, f"{self.stack.urls[service]}{path}", json=body)
        assert answer.status_code == expected if expected else answer.is_success, (
            path,
            answer.status_code,
            answer.text,
        )
        found = answer.json()
        return found if isinstance(found, dict) else {}
