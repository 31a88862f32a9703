"""Work, corrections, identities, plans, rules and people at once: what is told of levels follows on itself and is still so."""

import random
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import CompetencyDecided, LevelDecided, LevelDecisionKind
from services.progression.domain.learner_fold import deadline_of
from services.progression.domain.levels import Shown, lacks_of
from services.progression.domain.plans import Plan
from services.progression.domain.policy import policy_from
from services.progression.domain.telling import Told
from services.progression.handlers.memory import pack, unpack_learner
from shared.contracts.internal_events import Competency, EvidenceRecorded
from tests.progression.test_level_properties import CODES, GRAPH
from tests.progression.test_settling import CONTENT, SETTLE, Hours
from tests.support.journal import TENANT, Decided, Journal, Record, piece, restore, retract

ALTERNATE = "alt:x"
OTHER = Framework("alt", "Alternate standards", (Competency("x", "An alternate standard", 1),), ())
LEVELS = tuple(GRAPH.levels)
SMALLER = Framework("math", "Mathematics", GRAPH.competencies[:2], ())
LARGER = Framework(
    "math", "Mathematics", (*GRAPH.competencies, Competency("e", "math:e", 5, level="0")), GRAPH.associations
)
REQUIREMENTS: list[dict[str, Any]] = [
    {"power": "mastered", "supporting": {"share": 1}},
    {"any": ["a", "b"]},
    {"k_of": [{"k": 2, "of": ["a", "b", "c", "d"]}]},
    {"any": ["e", ALTERNATE]},
]
ROLES = ("", "teacher", "school_leader")
KINDS: tuple[LevelDecisionKind, ...] = ("sign_off", "withhold", "withdraw", "reinstate", "lift", "place")


def policy(chance: random.Random, settle: int) -> Decided:
    """Return a policy with any requirement and any role to sign off, or none; some apply to all that is on the record."""
    role, is_batch = chance.choice(ROLES), chance.random() < 0.2
    advancement = {"require": chance.choice(REQUIREMENTS)} | ({"sign_off": {"by": role}} if role else {})
    found = policy_from(CONTENT | {"settle": settle, "advancement": advancement})
    return Decided(found, batch="b", mode="retroactive") if is_batch else Decided(found)


def planned(chance: random.Random) -> CompetencyDecided:
    kind = chance.choice(["exempt", "substitute", "", "accommodate"])
    instead = chance.choice([ALTERNATE, "math:d"]) if kind == "substitute" else ""
    plan = Plan(kind, "iep", "2027-09-29", instead=instead) if kind else None  # type: ignore[arg-type]
    return CompetencyDecided(
        "ada", chance.choice(CODES[:3]), "plan", "case_manager", "cm", "override", plan=plan,
        undoes="" if kind else "any",
    )  # fmt: skip


class Pieces:
    """What a learner has, what was taken back and what belongs to somebody else."""

    def __init__(self) -> None:
        self.held: list[EvidenceRecorded] = []
        self.gone: list[EvidenceRecorded] = []
        self.away: list[EvidenceRecorded] = []

    def step(self, chance: random.Random, n: int) -> Record:
        """Return one more piece, or what takes some off the record or gives them back."""
        match chance.randint(0, 7):
            case 0 if self.held:
                self.gone.append(self.held.pop(chance.randrange(len(self.held))))
                return retract(self.gone[-1], by=f"r{n}")
            case 1 if self.gone:
                self.held.append(self.gone.pop())
                return restore(self.held[-1], by=f"b{n}")
            case 2 if self.held:
                left = retract(*self.held, by=f"m{n}")
                self.away, self.held = [*self.away, *self.held], []
                return structs.replace(left, identity="decided")
            case 3 if self.away:
                back = restore(*self.away, by=f"u{n}")
                self.held, self.away = [*self.held, *self.away], []
                return structs.replace(back, identity="undone")
        codes = tuple(chance.sample([*CODES, ALTERNATE], chance.choice([1, 2, 3])))
        self.held.append(piece(n, competencies=codes))
        return self.held[-1]


def steps(chance: random.Random, settle: int) -> Iterator[Record]:
    """Yield what may happen to a learner."""
    pieces = Pieces()
    for n in range(chance.randint(8, 30)):
        match chance.randint(0, 9):
            case 0:
                yield policy(chance, settle)
            case 1:
                yield Decided(framework=chance.choice([GRAPH, SMALLER, LARGER]))
            case 2 | 3:
                yield planned(chance)
            case 4 | 5 | 6:
                level, kind, role = chance.choice(LEVELS), chance.choice(KINDS), chance.choice(ROLES[1:])
                yield LevelDecided("ada", level, kind, role, "t", "seen", unknown=CODES[:2])
            case _:
                yield pieces.step(chance, n)


class Receiver:
    """What somebody has who was told everything: where each level stands, and which requests are open, to whom."""

    def __init__(self) -> None:
        self.stands: dict[str, str] = {}
        self.seqs: dict[str, int] = {}
        self.open: dict[str, tuple[str, list[str]]] = {}
        self.changed: dict[str, str] = {}

    def take(self, event: Told, now: str) -> None:
        kind, data = event.type.split(".", 1)[1], event.data
        for level in data.get("levels_affected", ()):
            if self.open.pop(level, None) is not None:
                del self.stands[level]
        level = data["scope"]["id"]
        if data["scope"]["kind"] != "level" or not kind.startswith("level."):
            return
        assert data["before"] == self.stands.get(level, data["before"]), (kind, level)
        assert data["seq"] > self.seqs.get(level, 0)
        self.stands[level], self.seqs[level] = data["after"], data["seq"]
        open_ = self.open.get(level)
        match kind.split(".")[1]:
            case "sign_off_requested":
                assert open_ is None or data["replaces"] == open_[0], "no two are open"
                assert open_ is None or open_[1] != data["approver_roles"], "nobody is asked twice"
                self.open[level] = (event.id, data["approver_roles"])
            case "sign_off_lapsed":
                assert open_ is not None, "what was not asked is not over"
                assert data["replaces"] == open_[0]
                del self.open[level]
            case "advanced":
                self.open.pop(level, None)
                self.changed.pop(level, None)
            case "withdrawn" | "review_required":
                self.changed[level] = now
            case "reinstated":
                self.open.pop(level, None)
                assert data["before"] in ("review_required", "withdrawn")
                assert data["decided_at"] >= self.changed.pop(level), "what is undone in time is told to nobody"


def is_held_against(receiver: Receiver, hours: Hours) -> None:
    """Hold what was told against what is so: what is complete has advanced or waits, and who is waited for was asked."""
    standing, rules = hours.standing, hours.journal.rules[TENANT]
    framework = rules.frameworks[rules.no]["math"]
    begun = {level for code in (*standing.opened, *standing.targets) for level in rules.levels_with(code, rules.no)}
    assert unpack_learner(pack(standing)) == standing
    for level in {*LEVELS, *receiver.open} - standing.held.keys() - standing.settling.keys():
        waits = standing.awaiting.get(level)
        assert (level in receiver.open) == (waits is not None)
        assert waits is None or waits[0] in receiver.open[level][1]
        assert waits is None or ("school_leader" in receiver.open[level][1]) == (waits[2] == "")
        if members := framework.levels.get(level):
            terms = rules.level_terms(members[0], rules.no)
            shown = Shown(standing.satisfied, standing.opened, standing.instead)
            is_complete = not lacks_of(terms.require, framework.id, members, (), shown)
            assert waits is None or (is_complete and waits[0] == terms.role)
            assert not (is_complete and level in begun) or waits is not None or standing.stands(level) != ""
            assert not standing.is_without_gaps(level)
    for code, needed in framework.prerequisites.items():
        if needed and all(standing.since(each) for each in needed):
            assert code in standing.ready or code in standing.opened


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), settle=st.sampled_from([0, SETTLE]))
def test_what_is_told_of_levels_is_true_whatever_comes_together(seed, settle):
    chance = random.Random(seed)
    hours = Hours(Decided(framework=OTHER), policy(chance, settle))
    receiver, seen = Receiver(), 0
    for record in steps(chance, settle):
        for wait, records in ((chance.choice([0, 10, 30, SETTLE]), ()), (0, (record,)), (0, ())):
            hours.after(wait, *records)
            for event in hours.journal.told[seen:]:
                receiver.take(event, hours.now)
            seen = len(hours.journal.told)
        is_held_against(receiver, hours)
    hours.after(3 * SETTLE)
    for event in hours.journal.told[seen:]:
        receiver.take(event, hours.now)
    is_held_against(receiver, hours)
    assert (hours.standing.held, hours.standing.settling) == ({}, {})
    deadline = deadline_of(hours.standing)
    assert deadline is None or deadline > hours.now
    assert len({event.id for event in hours.journal.told}) == len(hours.journal.told)
    assert hours.standing.seqs.keys() == receiver.seqs.keys()
    assert all(seq >= receiver.seqs[level] for level, seq in hours.standing.seqs.items()), "another date raises it"

    again, left = Journal(), list(hours.journal.records)
    while left:
        size = chance.randint(1, 6)
        again.fold(left[:size], drop_cache=chance.random() < 0.5)
        left = left[size:]
    assert (again.told, again.learners, again.states) == (
        hours.journal.told, hours.journal.learners, hours.journal.states
    )  # fmt: skip
