"""Activities that are harder for one group of learners than for others of the same level, from the evidence that is held."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from services.progression.domain.analysis.item_bias import mantel_haenszel
from services.progression.domain.evidence_rules import Counted

ACTIVITIES_MIN = 4
"""Activities of a competency that a learner has done, below which there is no level to compare at."""
STRATA = 5
FOCAL_MIN, BOTH_MIN = 50, 150
"""Learners of the smaller group, and of both, below which an activity is not judged."""
Cell = tuple[str, str, str, str]
"""(competency, activity, dimension, value)."""


@dataclasses.dataclass(slots=True)
class GroupBias:
    """
    Counted pair by pair; `report` gives what is to be looked at.

    A learner's level is the share of a competency's activities at the cut, in fifths: with few activities a learner, equal
    totals would leave the strata empty. An activity counts once, by the first attempt.
    Source: Holland & Thayer 1988; for wider strata Donoghue & Allen 1993.
    """

    right: Counter[tuple[Cell, int]] = dataclasses.field(default_factory=Counter)
    done: Counter[tuple[Cell, int]] = dataclasses.field(default_factory=Counter)

    def add(self, competency: str, units: Sequence[Counted], groups: Mapping[str, str]) -> None:
        """Count one pair: what a policy counts of it in canonical order, and the learner's groups (dimension to value)."""
        first: dict[str, bool] = {}
        for unit in units:
            if unit.piece.activity != unit.piece.evidence_id:
                first.setdefault(unit.piece.activity, unit.value.correct)
        if not groups or len(first) < ACTIVITIES_MIN:
            return
        stratum = min(sum(first.values()) * STRATA // len(first), STRATA - 1)
        for activity, correct in first.items():
            for dimension, value in groups.items():
                cell = (competency, activity, dimension, value)
                self.done[cell, stratum] += 1
                self.right[cell, stratum] += correct

    def report(self) -> list[dict[str, Any]]:
        """
        Return the activities of moderate or large bias (ETS' B and C), the largest first.

        Each group is held against the largest of its dimension; `delta` below 0 favours that.
        """
        sizes: Counter[Cell] = Counter()
        for (cell, _), count in self.done.items():
            sizes[cell] += count
        by_item: dict[tuple[str, str, str], list[str]] = {}
        for competency, activity, dimension, value in sizes:
            by_item.setdefault((competency, activity, dimension), []).append(value)
        found = []
        for item, values in by_item.items():
            reference = max(values, key=lambda value: (sizes[*item, value], value))
            for focal in values:
                smaller, larger = sizes[*item, focal], sizes[*item, reference]
                if focal == reference or smaller < FOCAL_MIN or smaller + larger < BOTH_MIN:
                    continue
                bias = mantel_haenszel([
                    (*self._counts((*item, reference), stratum), *self._counts((*item, focal), stratum))
                    for stratum in range(STRATA)
                ])  # fmt: skip
                if bias is not None and bias.grade != "A":
                    competency, activity, dimension = item
                    found.append({
                        "competency": competency, "activity": activity, "group": dimension, "focal": focal,
                        "reference": reference, "learners": smaller + larger, "delta": round(bias.delta, 2),
                        "grade": bias.grade,
                    })  # fmt: skip
        return sorted(found, key=lambda each: (-abs(each["delta"]), each["competency"], each["activity"]))

    def _counts(self, cell: Cell, stratum: int) -> tuple[int, int]:
        right = self.right[cell, stratum]
        return right, self.done[cell, stratum] - right
