"""
Worked examples of the public and restricted events, as the fold tells them: what `shared/contracts/event_examples.json` holds.

`python -m tests.progression.event_examples` writes them anew where what is told has changed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

import shared.contracts
from services.progression.domain.curriculum.levels import put_levels
from services.progression.domain.curriculum.problems import Problems
from services.progression.domain.decisions import CompetencyDecided, LevelDecided, SupportDecided
from services.progression.domain.identities import told_of
from services.progression.domain.policy import policy_from
from services.progression.domain.recalculation import recalculation
from services.progression.domain.rules import Activation
from services.progression.domain.telling import Told, Trigger
from services.progression.domain.terms import TermDecided
from shared.contracts.internal_events import (
    IDENTITY_ERASED,
    IDENTITY_MERGED,
    IDENTITY_UNMERGED,
    EvidenceRecorded,
    IdentityErased,
    IdentityMerged,
    Score,
)
from shared.events import encode_json, envelope, placed
from tests.support.frameworks import read_csv
from tests.support.journal import TENANT, Decided, Journal, piece, restore, retract

EXAMPLES = Path(shared.contracts.__file__).with_name("event_examples.json")
GRAPH, _ = read_csv(
    "math",
    "Mathematics",
    "code,title,level,subject\nadd,Adding,1,math\nsub,Subtracting,1,math\nmul,Multiplying,2,math\n",
    "from,to\nadd,mul\nsub,mul\n",
)
GRAPH = put_levels(GRAPH, "educationalLevel", "", Problems(), "level,code,value\n1,MATH-1,0.5\n")
LEVEL = "math#math/1"
NEXT_LEVEL = "math#math/2"
POLICY: dict[str, Any] = {
    "id": "classroom",
    "scale": {"min": 1, "max": 4, "mastery": 3},
    "provisional": {"method": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 3}},
    "mastered": {"any_of": [{"method": {"type": "mean_of_last", "k": 3, "at_or_above": 3}}]},
    "decision": {"latch": "first_crossing"},
    "upkeep": {"on_contradiction": {"last": 2, "below": 3}},
    "support": {"owner": "teacher", "respond_days": 5, "class_work": {"pieces": 5, "below": 3}, "year_ends": "06-30"},
    "override": {"roles": ["teacher"]},
    "advancement": {"require": {"supporting": {"share": 1, "at": "mastered"}}, "sign_off": {"by": "teacher"}},
}
LATER = POLICY | {"id": "classroom-2", "upkeep": {"on_contradiction": {"last": 3, "below": 3}}}


def examples() -> dict[str, Any]:
    """Return an example of every type, whole, as readers of the topics get it."""
    told: dict[str, Told] = {}
    for event in _told():
        told.setdefault(event.type, event)
    return {type: _whole(event, number) for number, (type, event) in enumerate(sorted(told.items()), start=1)}


def text() -> str:
    """Return the examples as they are kept."""
    return msgspec.json.format(msgspec.json.encode(examples()), indent=1).decode() + "\n"


def _whole(event: Told, position: int) -> Any:
    body = envelope(
        id=event.id, source="progression", type=event.type, tenant=event.tenant, subject=event.learner, time=event.time,
        data=encode_json(event.data), cause=event.data["cause"]["id"],
    )  # fmt: skip
    return msgspec.json.decode(placed(body, 1, 3, position))


def _work(learner: str, code: str, first: int, *marks: int, month: int = 3) -> list[EvidenceRecorded]:
    return [
        piece(
            n, competency=f"math:{code}", learner=learner, score=Score(level=float(mark)), activity=f"task-{n}",
            occurred_at=f"2026-{month:02}-{n:02}T10:00:00.000000Z",
        )
        for n, mark in enumerate(marks, start=first)
    ]  # fmt: skip


def _told() -> Iterator[Told]:
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy_from(POLICY))])
    _advance(journal)
    _decide(journal)
    journal.fold(_work("cy", "add", 1, 1, 2, 1, 2, 1))
    journal.fold([SupportDecided("cy", "math:add", "plan_changed", "teacher", "t-12", "works in a small group now")])
    journal.fold([Decided(closes=TermDecided("2026-spring", "2026-06-12T20:00:00.000000Z", "p-1"))])
    journal.fold([retract(*_work("ada", "sub", 4, 3), by="r9")])
    yield from journal.told
    yield from _lapsed()
    yield from _identities()
    yield from _recalculations()


def _advance(journal: Journal) -> None:
    """Fold what moves a learner on, and what a correction takes away and gives back."""
    sub = _work("ada", "sub", 4, 3, 4, 3)
    for records in (_work("ada", "add", 1, 3, 3, 4), sub):
        journal.fold(records)
    on_level, on_next = ("ada", LEVEL), ("ada", NEXT_LEVEL)
    journal.fold([LevelDecided(*on_level, "sign_off", "teacher", "t-12", "seen in class")])
    journal.fold([LevelDecided(*on_next, "choose", "learner", "ada", options=(NEXT_LEVEL,))])
    journal.fold(_work("ada", "add", 7, 2, 2)).fold(_work("ada", "add", 9, 4))
    journal.fold([retract(sub[0])]).fold([restore(sub[0])])
    journal.fold([LevelDecided(*on_level, "withdraw", "leader", "p-1", "agreed with the family")])
    journal.fold([LevelDecided(*on_level, "reinstate", "leader", "p-1", "the appeal was right")])
    review = {"review_at": "2026-05-04T12:00:00.000000Z", "appeal_to": "leader"}
    journal.fold([LevelDecided(*on_next, "withhold", "teacher", "t-12", "not shown yet", **review)])  # type: ignore[arg-type]


def _decide(journal: Journal) -> None:
    """Fold what people decide of another learner."""
    by = ("teacher", "t-12")
    journal.fold([LevelDecided("bo", NEXT_LEVEL, "place", *by, "by age", not_yet=("math:add",), unknown=("math:sub",))])
    journal.fold(
        [CompetencyDecided("bo", "math:sub", "credit", *by, "transfer", "of another school", provenance="PS 12")]
    )
    journal.fold(_work("bo", "add", 1, 3, 3, 3))
    mul = CompetencyDecided("bo", "math:mul", "override", *by, "override", "shown at the fair", status="mastered")
    journal.fold([mul]).fold(_work("bo", "mul", 5, 1, 2, month=4))


def _lapsed() -> Iterator[Told]:
    """Fold a policy that asks more of a level than there is when its sign-off was requested."""
    less = {"require": {"all": ["add"]}, "sign_off": {"by": "teacher"}}
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy_from(POLICY | {"advancement": less}))])
    journal.fold(_work("ada", "add", 1, 3, 3, 4)).fold([Decided(policy_from(POLICY))]).sweep()
    yield journal.told[-1]


def _identities() -> Iterator[Told]:
    merge, erased = IdentityMerged("dee", "ada", "merge-1"), IdentityErased("dee", "certificate-1")
    for type, data in ((IDENTITY_MERGED, merge), (IDENTITY_UNMERGED, merge), (IDENTITY_ERASED, erased)):
        told = told_of(type, TENANT, "dee", f"decision-{type}", "2026-04-02T08:00:00.000000Z", encode_json(data))
        if told is not None:
            yield told


def _recalculations() -> Iterator[Told]:
    policy = policy_from(LATER)
    trigger = Trigger("decision-9", 9, "2026-04-03T08:00:00.000000Z", "policy", "proposal-1")
    activation = Activation(2, trigger, "math", policy, mode="retroactive")
    proposal = {"expected": b'{"mastered":4,"withdrawn":1}', "approved_by": "p-2"}
    for moment in ("started", "finished"):
        yield recalculation(moment, TENANT, activation, policy_from(POLICY), proposal, 3, 8)


if __name__ == "__main__":
    EXAMPLES.write_text(text(), encoding="utf-8")
