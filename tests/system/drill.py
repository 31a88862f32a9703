"""A district in which a test turns out to be faulty, and by a plain count whom taking it back concerns, and how."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeVar

from deploy.local.stack import Stack
from tests.system.district import SOURCE, District, Item

FAULTY = "faulty"
NODES = "code,title,level,subject\nc1,One,1,math\nc2,Two,2,math\nc3,Three,2,math\n"
SIGNED = (
    b'{"id": "signed", "method": {"type": "streak", "n": 3}, "decision": {"latch": "first_crossing"},'
    b' "applies_to": {"level": ["2"]},'
    b' "advancement": {"require": {"all": ["math:c2", "math:c3"]}, "sign_off": {"by": "teacher"}}}'
)
SCHOOLS = 3
ENROLLED_AT_ONCE = 5000
SIGNED_AT_ONCE = 1000
DRAINED_S = 300
T = TypeVar("T")
Told = tuple[str, str]
"""The short name of an event, and what it is of."""


@dataclasses.dataclass(frozen=True)
class Learner:
    """
    The learner of a number. Level 1 is advanced by itself, by c1; level 2 where a teacher signs it off, by what c2 and c3 show.

    Of every second learner one of the answers is of the faulty test, of every tenth all are. Some have one right answer more
    than they need, and of some nobody has signed the level off.
    """

    number: int

    @property
    def name(self) -> str:
        return f"l{self.number}"

    @property
    def school(self) -> str:
        return f"school-{self.number % SCHOOLS}"

    @property
    def competencies(self) -> list[str]:
        return ["math:c1"] if self.number % 4 < 2 else ["math:c2", "math:c3"]

    @property
    def level(self) -> str:
        return f"math#math/{len(self.competencies)}"

    @property
    def advances(self) -> bool:
        """Whether the level is advanced: of some who are to be signed off it waits."""
        return self.number % 8 != 7

    @property
    def faulty(self) -> list[bool]:
        """Of each right answer whether it is of the faulty test."""
        if self.number % 10 == 0:
            return [True] * 3
        return [False, False, self.number % 2 == 1] + [False] * (self.number % 6 == 5)

    @property
    def loses(self) -> bool:
        """Whether fewer than three right answers are left."""
        return self.faulty.count(False) < 3

    @property
    def status(self) -> str:
        """The status of the competencies once the faulty test is taken back."""
        if not self.loses:
            return "mastered"
        return "not_yet" if False in self.faulty else "no_evidence"

    @property
    def standing(self) -> str:
        """What is told of the level then."""
        if not self.advances:
            return "in_progress" if self.loses else "sign_off_requested"
        return "review_required" if self.loses else "advanced"

    @property
    def consequences(self) -> Counter[Told]:
        """What is told of the learner when the faulty test is taken back."""
        if not self.loses:
            return Counter()
        reviews = [("level.review_required", self.level)] * self.advances
        return Counter([*(("competency.withdrawn", each) for each in self.competencies), *reviews])

    def work(self) -> list[Item]:
        """Return the answers, a minute apart."""
        return [
            {
                "id": f"{self.name}-{n}", "source": SOURCE, "learner": self.name, "competencies": self.competencies,
                "activity": {"id": FAULTY if faulty else f"quiz-{n}"}, "score": {"raw": 1, "max": 1},
                "occurred_at": f"2026-03-02T10:0{n}:00Z",
            }
            for n, faulty in enumerate(self.faulty)
        ]  # fmt: skip


class Drill:
    """Learners of a district; call `open` before use, and `district.close` after."""

    def __init__(self, stack: Stack, name: str, learners: int) -> None:
        self.district = District(stack, name)
        self.learners = {learner.name: learner for learner in map(Learner, range(learners))}
        self.names: dict[str, str] = {}
        """The name of each opaque id."""

    async def open(self) -> "Drill":
        """Bring everybody to where they stand before anything is known of the fault, levels signed off."""
        district, learners = self.district, list(self.learners.values())
        await district.open(nodes=NODES)
        await district.post("progression", "/v1/policies?framework=math", SIGNED)
        await district.post("evidence", "/v1/roster", {
            "source": SOURCE,
            "schools": [{"school": f"school-{n}", "title": f"School {n}"} for n in range(SCHOOLS)],
            "classes": [{"class": f"class-{n}", "title": f"Class {n}", "school": f"school-{n}"} for n in range(SCHOOLS)],
        })  # fmt: skip
        for some in _cut(learners, ENROLLED_AT_ONCE):
            await district.post("evidence", "/v1/roster", {
                "source": SOURCE, "learners": [{"source_id": each.name} for each in some],
                "enrolments": [{"class": f"class-{each.number % SCHOOLS}", "learner": each.name} for each in some],
            })  # fmt: skip
        await district.produce([item for each in learners for item in each.work()])
        await district.drained(DRAINED_S)
        self.names = district.names()
        signed = [
            {"learner": id, "level": self.learners[name].level}
            for id, name in self.names.items()
            if self.learners[name].advances and len(self.learners[name].competencies) > 1
        ]
        for items in _cut(signed, SIGNED_AT_ONCE):
            await district.post("progression", "/v1/sign-offs", {"items": items})
        await district.drained(DRAINED_S)
        return self

    def told(self, events: Sequence[Item]) -> dict[str, Counter[Told]]:
        """Return what events tell of each learner."""
        found: dict[str, Counter[Told]] = defaultdict(Counter)
        for event in events:
            kind = event["type"].removeprefix("attain.").removesuffix(".v1")
            found[self.names[event["subject"]]][kind, event["data"]["scope"]["id"]] += 1
        return found

    def consequences(self) -> dict[str, Counter[Told]]:
        """Return what is to be told of each learner of whom anything is, once the faulty test is taken back."""
        return {name: learner.consequences for name, learner in self.learners.items() if learner.loses}

    def report(self) -> Item:
        """Return what is foreseen of taking the faulty test back, as the product reports it."""
        concerned = [learner for learner in self.learners.values() if any(learner.faulty)]
        events = sum((learner.consequences for learner in concerned), Counter[Told]())
        kinds: Counter[str] = Counter()
        for (kind, _), count in events.items():
            kinds[f"attain.{kind}.v1"] += count
        moved = Counter({learner.status: 0 for learner in concerned})
        for learner in concerned:
            moved[learner.status] += len(learner.competencies)
        return {
            "pieces": sum(learner.faulty.count(True) for learner in concerned),
            "learners": len(concerned),
            "pairs": moved.total(),
            "events": dict(sorted(kinds.items())),
            "statuses": [{"from": "mastered", "to": status, "pairs": moved[status]}
                         for status in sorted(moved) if status != "mastered"],
            "schools": [_school(school, concerned) for school in sorted({each.school for each in concerned})],
        }  # fmt: skip

    async def standings(self) -> dict[tuple[str, str], str]:
        """Return what is told to those who come late of each learner's levels."""
        found: dict[tuple[str, str], str] = {}
        after = ""
        while True:
            query = f"/v1/standings?limit=5000&after={after}"
            page = await self.district.get("progression", query)
            found |= {(self.names[item["learner"]], item["level"]): item["status"] for item in page["items"]}
            if not page["next"]:
                return found
            after = page["next"]


def _school(school: str, concerned: Sequence[Learner]) -> Item:
    told = [
        (learner, kind)
        for learner in concerned
        if learner.school == school
        for kind, _ in learner.consequences.elements()
    ]
    return {
        "school": school,
        "learners": len({learner for learner in concerned if learner.school == school}),
        "withdrawn": sum(kind == "competency.withdrawn" for _, kind in told),
        "reviews": sum(kind == "level.review_required" for _, kind in told),
    }


def _cut(items: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
