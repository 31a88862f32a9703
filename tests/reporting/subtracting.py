"""
Somebody who holds all that is told of a district side by side, and works out from it what is not told.

Every number that is told is an equation between numbers of people, of which none is below zero; a number is worked out where the
least and the greatest that fit all equations are the same. What is true is never looked at but to choose what to ask for.
"""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

Unknown: TypeAlias = tuple[str, ...]
"""A number that somebody may want to know, by what it counts; a school of "" is the district, of "twice" its double counts."""
ALL, TWICE, TOTAL = "", "twice", "total"
SHOWN = ("mastered", "credited", "reverify_due")
MOST = 100_000
"""More than any number here can be."""
Z2 = NormalDist().inv_cdf(0.975) ** 2


def counted(share: Mapping[str, float]) -> tuple[int, int]:
    """Return (part, whole) of a share that is told with its Wilson interval: its width gives the whole away."""
    p, low, high = share["share"], share["low"], share["high"]
    for whole in range(1, 20_000):
        below = 1 + Z2 / whole
        margin = math.sqrt(Z2 * (p * (1 - p) / whole + Z2 / (4 * whole * whole))) / below
        middle = (p + Z2 / (2 * whole)) / below
        if abs(max(0, middle - margin) - low) < 1e-9 and abs(min(1, middle + margin) - high) < 1e-9:
            return round(p * whole), whole
    raise AssertionError(share)


class Subtracting:
    """What is known of a district's numbers."""

    def __init__(self) -> None:
        self._columns: dict[Unknown, int] = {}
        self._equations: list[tuple[dict[Unknown, float], float]] = []

    def sum_is(self, parts: Iterable[Unknown], whole: Unknown | float | None) -> None:
        """Know that numbers add up to another one, or to a number that is told; nothing where it is None."""
        if whole is None:
            return
        terms: dict[Unknown, float] = defaultdict(float)
        for part in parts:
            terms[part] += 1
        if isinstance(whole, tuple):
            terms[whole] -= 1
        for unknown in terms:
            self._columns.setdefault(unknown, len(self._columns))
        self._equations.append((dict(terms), 0 if isinstance(whole, tuple) else whole))

    def table(self, name: str, rows: Iterable[str], told: Mapping[str, Mapping[str, int | None]]) -> None:
        """Know a table of rows by schools, of which each learner is in one row; `told` are the rows by school."""
        rows, schools = list(rows), [school for school in told if school != ALL]
        for row in (*rows, TOTAL):
            self.sum_is([(name, row, school) for school in schools], (name, row, ALL, TWICE))
            self.sum_is([(name, row, ALL), (name, row, TWICE)], (name, row, ALL, TWICE))
        for school in (*schools, ALL, TWICE):
            self.sum_is([(name, row, school) for row in rows], (name, TOTAL, school))
            self.sum_is([(name, TOTAL, school)], ("learners", school))
        for school, counts in told.items():
            for row, count in counts.items():
                self.sum_is([(name, row, school)], count)

    def mastery(self, told: dict[str, Any]) -> None:
        """Know what is told of statuses."""
        self.sizes({ALL: told["learners"]} | {each["school"]: each["learners"] for each in told["schools"]})
        for each in told["competencies"]:
            self.table(each["competency"], each["counts"], {ALL: each["counts"]} | each["schools"])
        statuses = {status for each in told["competencies"] for status in each["counts"]} - {"no_evidence"}
        for status in statuses:
            cells = [(e["competency"], status, ALL) for e in told["competencies"] if status in e["counts"]]
            self.sum_is(cells, ("pairs", status))

    def sizes(self, told: Mapping[str, int | None]) -> None:
        """Know what is told of how many learners there are."""
        for school, learners in told.items():
            self.sum_is([("learners", school)], learners)

    def levels(self, told: dict[str, Any], members: Mapping[str, list[str]]) -> None:
        """Know what is told of levels; one with a single competency is complete for whom that is on the record."""
        for each in told["levels"]:
            self.table(each["level"], each["counts"], {ALL: each["counts"]} | each["schools"])
            if len(members[each["level"]]) == 1:
                [competency] = members[each["level"]]
                for school in (ALL, *each["schools"]):
                    self.sum_is([(competency, status, school) for status in SHOWN], (each["level"], "complete", school))

    def by_school(self, told: Iterable[Mapping[str, Any]]) -> None:
        """Know the sizes that rows by school tell."""
        self.sizes({each["school"]: each["learners"] for each in told})

    def groups(self, told: dict[str, Any]) -> None:
        """Know the sizes and statuses of groups, of which each learner is in one."""
        groups = told["groups"]
        self.sum_is([("group", each["label"]) for each in groups], ("learners", ALL))
        statuses = {status for each in groups for status in each["statuses"] or ()} - {"no_evidence"}
        for status in statuses:
            self.sum_is([("group", each["label"], status) for each in groups], ("pairs", status))
        for each in groups:
            self.sum_is([("group", each["label"])], each["learners"])
            if each["statuses"] is None:
                continue
            shares = [share for share in (*each["statuses"].values(), each["on_record"]) if share is not None]
            whole = next((counted(share)[1] for share in shares), None)
            self.sum_is([("group", each["label"], status) for status in each["statuses"]], whole)
            for status, share in each["statuses"].items():
                self.sum_is([("group", each["label"], status)], None if share is None else counted(share)[0])
            shown = [("group", each["label"], status) for status in SHOWN if status in each["statuses"]]
            self.sum_is(shown, None if each["on_record"] is None else counted(each["on_record"])[0])

    def worked_out(self, wanted: Iterable[Unknown]) -> dict[Unknown, int]:
        """Return those of the wanted numbers that can only be what they are: there is one whole number between their ends."""
        ends = {unknown: (math.inf, -math.inf) for unknown in wanted if unknown in self._columns}
        chance = random.Random(1)
        # What differs between some ways to fit everything is not worked out; only the rest is asked for one by one.
        for _ in range(8):
            aim = {unknown: chance.uniform(-1, 1) for unknown in ends}
            ends = self._seen(self._seen(ends, aim), {unknown: -weight for unknown, weight in aim.items()})
        found = {}
        for unknown in [*ends]:
            if unknown in ends and unknown in (left := self._seen(self._seen(ends, {unknown: 1}), {unknown: -1})):
                found[unknown] = round(left[unknown][0])
        return found

    def _seen(
        self, ends: dict[Unknown, tuple[float, float]], aim: Mapping[Unknown, float]
    ) -> dict[Unknown, tuple[float, float]]:
        """Return the least and the most of numbers after one more way, which fits an aim best; without those that differ."""
        if not ends:
            return ends
        goal = np.zeros(len(self._columns))
        for unknown, weight in aim.items():
            goal[self._columns[unknown]] = weight
        answer = linprog(
            goal, A_eq=self._matrix(), b_eq=[each for _, each in self._equations], bounds=(0, MOST), method="highs"
        )
        assert answer.status == 0, answer.message
        seen = {unknown: float(answer.x[self._columns[unknown]]) for unknown in ends}
        both = {unknown: (min(low, seen[unknown]), max(high, seen[unknown])) for unknown, (low, high) in ends.items()}
        return {
            unknown: (low, high)
            for unknown, (low, high) in both.items()
            if math.ceil(low - 1e-6) >= math.floor(high + 1e-6)
        }

    def _matrix(self) -> Any:
        rows, columns, values = [], [], []
        for row, (terms, _) in enumerate(self._equations):
            for unknown, times in terms.items():
                rows.append(row)
                columns.append(self._columns[unknown])
                values.append(times)
        return csr_array((values, (rows, columns)), shape=(len(self._equations), len(self._columns)))
