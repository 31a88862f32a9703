"""How far a policy reaches: of which pairs with evidence it can say anything, and which gates keep it from the others."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from services.progression.domain.analysis.small_groups import UNKNOWN, Group, hidden_groups
from services.progression.domain.curriculum.levels import level_of, order_of_grades
from services.progression.domain.policy.lint import Problem
from shared.contracts.internal_events import Competency

ENOUGH = 0.5
"""The share of pairs below which a policy is one for evidence that the district does not have."""


class Part(NamedTuple):
    """Standards of one subject and grade, which is the education level that the framework gives, or else its level."""

    subject: str
    grade: str


def part_of(entry: Competency | None) -> Part:
    """Return the part that a competency is of, with `UNKNOWN` for what its framework does not say."""
    if entry is None:
        return Part(UNKNOWN, UNKNOWN)
    return Part(entry.subject or UNKNOWN, level_of(entry.grades) or entry.level or UNKNOWN)


@dataclasses.dataclass(slots=True)
class Counted:
    """Pairs, and the learners behind each number of them."""

    pairs: int = 0
    decidable: int = 0
    gates: Counter[str] = dataclasses.field(default_factory=Counter)
    """Pairs that each missing gate keeps from being decided; one pair may lack several."""
    learners: set[str] = dataclasses.field(default_factory=set)
    decided: set[str] = dataclasses.field(default_factory=set)
    undecided: set[str] = dataclasses.field(default_factory=set)
    kept_by: dict[str, set[str]] = dataclasses.field(default_factory=dict)

    def add(self, learner: str, gates: frozenset[str]) -> None:
        """Count one pair."""
        self.pairs += 1
        self.decidable += not gates
        self.gates.update(gates)
        self.learners.add(learner)
        (self.undecided if gates else self.decided).add(learner)
        for gate in gates:
            self.kept_by.setdefault(gate, set()).add(learner)

    def share(self, pairs: int) -> float:
        """Return so many of the pairs as a share of them all."""
        return round(pairs / self.pairs, 4) if self.pairs else 0.0

    def shares_of_gates(self) -> dict[str, float]:
        """Return the share of pairs that each missing gate keeps from being decided, the largest first."""
        return {gate: self.share(pairs) for gate, pairs in self.gates.most_common()}

    def besides(self, gate: str) -> int:
        """Return how many pairs only other gates keep from being decided."""
        return self.pairs - self.decidable - self.gates[gate]


@dataclasses.dataclass(slots=True)
class Reach:
    """Counted pair by pair; `report` gives the outcome, `problems` what the lint makes of it."""

    whole: Counted = dataclasses.field(default_factory=Counted)
    parts: dict[Part, Counted] = dataclasses.field(default_factory=dict)

    def add(self, learner: str, part: Part, gates: tuple[str, ...]) -> None:
        """Count a pair that has evidence, with the gates that keep the policy from deciding it."""
        for counted in (self.whole, self.parts.setdefault(part, Counted())):
            counted.add(learner, frozenset(gates))

    def report(self, small: int, *, sees_few: bool = False) -> dict[str, Any]:
        """
        Return the outcome as plain data: the whole, and a row for each subject and grade.

        Numbers of fewer than `small` learners are None, and so is what would give them away; of the whole they are told to
        who sees the learners themselves.
        """
        (whole,) = _told({"": self.whole}, 0 if sees_few or not self.whole.pairs else small).values()
        return {"suppressed_below": small, **whole, "subjects": self.subjects(small)}

    def subjects(self, small: int) -> list[dict[str, Any]]:
        """Return the rows by subject and grade; what tells of fewer than `small` learners where the whole is told is None."""
        told = _told(self.parts, small)
        order = order_of_grades(part.grade for part in self.parts)
        parts = sorted(self.parts, key=lambda part: (part.subject, order[part.grade]))
        return [part._asdict() | told[part] for part in parts]

    def problems(self, report: Mapping[str, Any]) -> list[Problem]:
        """Return what the lint makes of a report that is told: an error where fewer than half of the pairs can be decided."""
        if not self.whole.pairs:
            return [
                Problem("warning", "", "nothing that is recorded would be decided by it, so how far it reaches is open")
            ]
        if report["learners"] is None:
            text = f"evidence of fewer than {report['suppressed_below']} learners does not say how far it reaches"
            return [Problem("warning", "", text)]
        if self.whole.decidable >= ENOUGH * self.whole.pairs:
            return []
        share, (lacking, _) = report["decidable"], self.whole.gates.most_common(1)[0]
        some = f"only {share:.0%}" if share is not None else "few"
        text = f"{some} of the pairs of learner and standard that have evidence can be decided; most often {lacking} is lacking"
        return [Problem("error", "", text)]


def _told(parts: Mapping[Group, Counted], small: int) -> dict[Group, dict[str, Any]]:
    """Return the numbers of each part, with None for what tells of fewer than `small` learners where the total is told."""
    sizes = {part: len(counted.learners) for part, counted in parts.items()}
    gates = sorted({gate for counted in parts.values() for gate in counted.gates})
    of_size = hidden_groups(sizes, sizes, small)
    of_share = set(of_size)
    for counts in (
        {part: len(counted.decided) for part, counted in parts.items()},
        {part: len(counted.undecided) for part, counted in parts.items()},
    ):
        of_share |= hidden_groups(counts, sizes, small)
    of_gates = set(of_share)
    for gate in gates:
        of_gates |= hidden_groups({part: len(each.kept_by.get(gate, ())) for part, each in parts.items()}, sizes, small)
        of_gates |= hidden_groups({part: each.besides(gate) for part, each in parts.items()}, sizes, small)
    return {
        part: {
            "learners": None if part in of_size else len(counted.learners),
            "pairs": None if part in of_size else counted.pairs,
            "decidable": None if part in of_share else counted.share(counted.decidable),
            # Which gates are lacking would tell too: of a part without one it would be known that it has none.
            "undecided_by": dict.fromkeys(gates) if part in of_gates else counted.shares_of_gates(),
        }
        for part, counted in parts.items()
    }
