"""What a policy would do to recorded evidence: who gains, who loses, and what can be decided at all."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from services.progression.analysis.small_groups import hidden_groups
from services.progression.mastery import KeyState, replay
from services.progression.policy import Policy
from services.progression.rules import Pin
from services.progression.standing import ON_RECORD, rule_of, status_of
from services.progression.states import Decided, Piece
from services.progression.sufficiency import lacks
from shared.contracts import Status

NO_SCHOOL = "unknown"


class Verdict(NamedTuple):
    """What a rule says of a key: the status, when mastery was shown, and the gates that keep its score from deciding."""

    status: Status
    shown_at: str | None
    gates: tuple[str, ...]

    @property
    def on_record(self) -> bool:
        """Whether mastery is on the record, by evidence or by hand."""
        return self.shown_at is not None or self.status == "credited"


def verdict_under(
    policy: Policy | None, pin: Pin, pieces: Iterable[Piece], decisions: Sequence[Decided], clock: str
) -> Verdict:
    """Return what a policy says of a key's evidence and decisions, as a system that had it from the beginning would."""
    fresh = KeyState(policy=pin.policy, time_zone=pin.time_zone, dok=pin.dok, clock=clock, breaks=pin.breaks)
    rule = rule_of(policy, fresh)
    return verdict_of(replay(fresh, pieces, rule, pin.policy, decisions), policy)


def verdict_of(state: KeyState, policy: Policy | None) -> Verdict:
    """Return what a state says under its own policy."""
    rule = rule_of(policy, state)
    status = status_of(state, rule)
    shown = state.crossed_at if status in ON_RECORD else None
    if rule is None:
        return Verdict(status, shown, ("no_policy",))
    waits = status == "insufficient_evidence"
    return Verdict(status, shown, tuple(lack.code for lack in lacks(state, rule.tracks[rule.scored])) if waits else ())


@dataclasses.dataclass(slots=True)
class Comparison:
    """Counted key by key; `report` gives the outcome."""

    pairs: int = 0
    gained: Counter[str] = dataclasses.field(default_factory=Counter)
    """Pairs by school, as in `lost` and `held`."""
    lost: Counter[str] = dataclasses.field(default_factory=Counter)
    decidable: list[int] = dataclasses.field(default_factory=lambda: [0, 0])
    """Pairs that can be decided before and after."""
    gates: list[Counter[str]] = dataclasses.field(default_factory=lambda: [Counter(), Counter()])
    """Pairs that each missing gate keeps from being decided, before and after; one pair may lack several."""
    moves: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    competencies: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    learners: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    """Learners by school."""
    gaining: set[str] = dataclasses.field(default_factory=set)
    losing: set[str] = dataclasses.field(default_factory=set)
    redated: int = 0
    """Pairs that stay on the record with another date."""

    def add(self, learner: str, competency: str, school: str, before: Verdict, after: Verdict) -> None:
        """Count one pair."""
        self.pairs += 1
        self.learners.setdefault(school, set()).add(learner)
        self.moves[before.status, after.status] += 1
        for number, verdict in enumerate((before, after)):
            self.decidable[number] += not verdict.gates
            self.gates[number].update(verdict.gates)
        counts = self.competencies.setdefault(competency, [0, 0, 0])
        counts[0] += 1
        if after.on_record and not before.on_record:
            self.gained[school] += 1
            self.gaining.add(learner)
            counts[1] += 1
        elif before.on_record and not after.on_record:
            self.lost[school] += 1
            self.losing.add(learner)
            counts[2] += 1
        elif before.shown_at != after.shown_at:
            self.redated += 1

    def report(self) -> dict[str, Any]:
        """Return the outcome as plain data; small numbers of schools are None."""
        sizes = {school: len(learners) for school, learners in self.learners.items()}
        return {
            "learners": len(set().union(*self.learners.values())),
            "pairs": self.pairs,
            "gained": self.gained.total(),
            "lost": self.lost.total(),
            "redated": self.redated,
            "learners_gaining": len(self.gaining),
            "learners_losing": len(self.losing),
            "decidable": {"before": _share(self.decidable[0], self.pairs), "after": _share(self.decidable[1], self.pairs)},
            "undecided_by": {
                when: {gate: _share(count, self.pairs) for gate, count in gates.most_common()}
                for when, gates in zip(("before", "after"), self.gates, strict=True)
            },
            "moves": [
                {"from": before, "to": after, "pairs": count}
                for (before, after), count in self.moves.most_common()
                if before != after
            ],
            "competencies": [
                {"competency": code, "pairs": counts[0], "gained": counts[1], "lost": counts[2]}
                for code, counts in sorted(self.competencies.items())
                if counts[1] or counts[2]
            ],
            "schools": _by_school(sizes, {"gained": self.gained, "lost": self.lost}),
        }  # fmt: skip


def _by_school(sizes: Mapping[str, int], counted: Mapping[str, Counter[str]]) -> list[dict[str, Any]]:
    small = hidden_groups(sizes, sizes)
    hidden = {
        name: hidden_groups({school: counts[school] for school in sizes}, sizes) for name, counts in counted.items()
    }
    return [
        {"school": school, "learners": None if school in small else sizes[school]}
        | {name: None if school in hidden[name] else counted[name][school] for name in counted}
        for school in sorted(sizes)
    ]


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
