"""What a policy would do to recorded evidence: who gains, who loses, and what can be decided at all."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from services.progression.domain.analysis.reach import Counted, Part, Reach
from services.progression.domain.analysis.small_groups import UNKNOWN, hidden_groups
from services.progression.domain.mastery import KeyState, replay
from services.progression.domain.policy import Policy, Rule
from services.progression.domain.rules import Pin
from services.progression.domain.standing import ON_RECORD, lost_dates, rule_of, satisfied_at, shown_at, status_of
from services.progression.domain.states import Decided, Piece, plan_of
from services.progression.domain.sufficiency import lacks
from shared.contracts.internal_events import Status

SCHOOL = "school"
SATISFYING: tuple[Status, ...] = (*ON_RECORD, "credited")
"""Statuses in which a competency counts towards a level; set by hand it may too."""


class Verdict(NamedTuple):
    """What a rule says of a key: the status, when mastery was shown, and the gates that keep its score from deciding."""

    status: Status
    shown_at: str | None
    gates: tuple[str, ...]
    by_hand: bool = False
    """Whether a person has set that it is shown."""
    lost_dates: tuple[str, ...] = ()
    """The dates under which what was taken off the record, and is not back, had stood there: any again is reinstated."""
    target: str | None = None
    """What a plan asks in its place, empty where that asks nothing; None without one."""
    credited_at: str = ""
    """Since when it is credited; empty where it is not, or from the adoption on."""
    former_credit: str = ""
    """Since when it had been credited before that was taken back: credit since then is reinstated."""

    @property
    def satisfied(self) -> bool:
        """Whether it counts towards a level."""
        return self.by_hand or self.status in SATISFYING

    @property
    def on_record(self) -> bool:
        """Whether mastery is on the record, by evidence or by hand."""
        return self.shown_at is not None or self.status == "credited"


def verdict_under(
    policy: Policy | None,
    pin: Pin,
    pieces: Iterable[Piece],
    decisions: Sequence[Decided],
    clock: str,
    extended: tuple[int, ...] = (),
) -> Verdict:
    """
    Return what a policy says of a key's evidence and decisions, as a system that had it from the beginning would.

    `extended` is what plans have given it, which stays on the record where a plan has ended.
    """
    fresh = KeyState(policy=pin.policy, time_zone=pin.time_zone, dok=pin.dok, clock=clock, breaks=pin.breaks)
    fresh.extended = extended
    rule = rule_of(policy, fresh)
    return verdict_of(replay(fresh, pieces, rule, pin.policy, decisions), policy)


def verdict_of(state: KeyState, policy: Policy | None) -> Verdict:
    """Return what a state says under its own policy."""
    rule = rule_of(policy, state)
    status = status_of(state, rule)
    shown = state.crossed_at if status in ON_RECORD else None
    by_hand = status == "overridden" and shown_at(state, status) is not None
    plan = plan_of(state.decided)
    target = plan.instead if plan is not None and plan.retargets else None
    credited = (satisfied_at(state, status, shown) or "") if status == "credited" else ""
    former = next(iter(state.lost_credit), "")
    return Verdict(status, shown, _gates(state, rule, status), by_hand, lost_dates(state), target, credited, former)


def _gates(state: KeyState, rule: Rule | None, status: Status) -> tuple[str, ...]:
    """Return what keeps a score from deciding, each once: two kinds that are wanted are of one gate, as are two depths."""
    if rule is None:
        return ("no_policy",)
    missing = lacks(state, rule.tracks[rule.scored]) if status == "insufficient_evidence" else ()
    return tuple(dict.fromkeys(lack.code for lack in missing))


@dataclasses.dataclass(slots=True)
class Split:
    """Learners and pairs by one property of the learner, such as the school."""

    learners: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    gained: Counter[str] = dataclasses.field(default_factory=Counter)
    lost: Counter[str] = dataclasses.field(default_factory=Counter)
    gaining: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    losing: dict[str, set[str]] = dataclasses.field(default_factory=dict)

    def add(self, value: str, learner: str, *, gains: bool, loses: bool) -> None:
        """Count a learner who has the value, or one pair of theirs."""
        self.learners.setdefault(value, set()).add(learner)
        for does, count, who in ((gains, self.gained, self.gaining), (loses, self.lost, self.losing)):
            if does:
                count[value] += 1
                who.setdefault(value, set()).add(learner)

    def rows(self, name: str, small: int) -> list[dict[str, Any]]:
        """Return a row a value, called `name`; numbers of few learners, and what would give them away, are None."""
        sizes = {value: len(learners) for value, learners in self.learners.items()}
        counted = {"learners": Counter(sizes), "gained": self.gained, "lost": self.lost}
        behind = {"learners": self.learners, "gained": self.gaining, "lost": self.losing}
        hidden = {
            what: hidden_groups({value: len(learners.get(value, ())) for value in sizes}, sizes, small)
            for what, learners in behind.items()
        }
        return [
            {name: value} | {what: None if value in hidden[what] else counts[value] for what, counts in counted.items()}
            for value in sorted(sizes)
        ]


@dataclasses.dataclass(slots=True)
class Splits:
    """The same by the school, and by each of `dimensions`, the groups that learners are in."""

    dimensions: tuple[str, ...]
    of: dict[str, Split] = dataclasses.field(default_factory=dict)

    def add(self, learner: str, places: Mapping[str, str], *, gains: bool, loses: bool) -> None:
        """Count a learner, or one pair of theirs; `places` are the learner's school and groups, by name."""
        for dimension in (SCHOOL, *self.dimensions):
            self.of.setdefault(dimension, Split()).add(
                places.get(dimension, UNKNOWN), learner, gains=gains, loses=loses
            )

    def report(self, small: int) -> dict[str, Any]:
        """Return the rows by school and by group; numbers of few learners are None."""
        return {
            "schools": self.of[SCHOOL].rows(SCHOOL, small) if self.of else [],
            "groups": [
                {"group": dimension, **row}
                for dimension in self.dimensions
                if dimension in self.of
                for row in self.of[dimension].rows("value", small)
            ],
        }


@dataclasses.dataclass(slots=True)
class Comparison:
    """Counted key by key; `report` gives the outcome. `dimensions` are the groups it is split by besides the school."""

    dimensions: dataclasses.InitVar[tuple[str, ...]] = ()
    splits: Splits = dataclasses.field(init=False)
    gained: int = 0
    lost: int = 0
    events: Counter[tuple[str, bool]] = dataclasses.field(default_factory=Counter)
    """Events of a kind that would be told, and whether they are of a pair that stands on the record or is taken off it."""
    before: Counted = dataclasses.field(default_factory=Counted)
    """Of how many pairs what stands can say anything."""
    after: Reach = dataclasses.field(default_factory=Reach)
    """Of how many something could be said then, by subject and grade as well."""
    moves: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    moving: dict[tuple[str, str], set[str]] = dataclasses.field(default_factory=dict)
    competencies: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    gaining: set[str] = dataclasses.field(default_factory=set)
    losing: set[str] = dataclasses.field(default_factory=set)
    redating: set[str] = dataclasses.field(default_factory=set)
    redated: int = 0
    """Pairs that stay on the record with another date."""

    def __post_init__(self, dimensions: tuple[str, ...]) -> None:
        self.splits = Splits(dimensions)

    @property
    def pairs(self) -> int:
        """How many pairs were counted."""
        return self.before.pairs

    def add(
        self, learner: str, competency: str, part: Part, places: Mapping[str, str], before: Verdict, after: Verdict
    ) -> None:
        """Count one pair; `part` is that of the competency, `places` are the learner's school and groups, by name."""
        self.before.add(learner, frozenset(before.gates))
        self.after.add(learner, part, after.gates)
        gains, loses = after.on_record and not before.on_record, before.on_record and not after.on_record
        self.splits.add(learner, places, gains=gains, loses=loses)
        self.events.update(_events(before, after))
        move = (before.status, after.status)
        self.moves[move] += 1
        if before.status != after.status:
            self.moving.setdefault(move, set()).add(learner)
        counts = self.competencies.setdefault(competency, [0, 0, 0])
        counts[0] += 1
        if gains:
            self.gained += 1
            self.gaining.add(learner)
            counts[1] += 1
        elif loses:
            self.lost += 1
            self.losing.add(learner)
            counts[2] += 1
        elif before.shown_at != after.shown_at:
            self.redated += 1
            self.redating.add(learner)

    def report(self, small: int) -> dict[str, Any]:
        """Return the outcome as plain data; small numbers by subject and grade, by school and by group are None."""
        whole = {"before": self.before, "after": self.after.whole}
        return {
            "suppressed_below": small,
            "learners": len(self.before.learners),
            "pairs": self.pairs,
            "gained": self.gained,
            "lost": self.lost,
            "redated": self.redated,
            "learners_gaining": len(self.gaining),
            "learners_losing": len(self.losing),
            "learners_redated": len(self.redating),
            "decidable": {when: counted.share(counted.decidable) for when, counted in whole.items()},
            "undecided_by": {when: counted.shares_of_gates() for when, counted in whole.items()},
            "subjects": self.after.subjects(small),
            "moves": [
                {"from": before, "to": after, "pairs": count, "learners": len(self.moving[before, after])}
                for (before, after), count in self.moves.most_common()
                if before != after
            ],
            "competencies": [
                {"competency": code, "pairs": counts[0], "gained": counts[1], "lost": counts[2]}
                for code, counts in sorted(self.competencies.items())
                if counts[1] or counts[2]
            ],
            **self.splits.report(small),
        }


def _events(before: Verdict, after: Verdict) -> Iterator[tuple[str, bool]]:
    """Yield what would be told of a pair whose standing becomes another, each with whether the record is touched."""
    was, now = before.shown_at is not None, after.shown_at is not None
    if now and not was:
        yield "reinstated" if after.shown_at in before.lost_dates else "mastered", False
    elif not now and (was or (before.status == "credited" != after.status)):
        yield "withdrawn", True
    if after.status == "credited" != before.status:
        is_back = bool(after.credited_at) and after.credited_at == before.former_credit
        yield "reinstated" if is_back else "credited", was
