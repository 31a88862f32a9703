"""
Canvas' numbers beside ours, under policies that calculate as Canvas does, and why a number differs.

Canvas' number is that of a rollup file where there is one, and else what Canvas' own formula gives of the report's rows.
"""

import datetime
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from deploy.local.files.canvas import NO_DATE, Export, Outcome, Result
from services.progression.domain.compat import canvas

SAME = 0.005
"""Half of the last digit that Canvas shows."""
Pair = tuple[str, str]
"""(learner, code of the outcome)."""


class Difference(NamedTuple):
    """One pair whose numbers are not the same, and why."""

    learner: str
    outcome: str
    canvas: float | None
    ours: float | None
    cause: str


class Parity(NamedTuple):
    """How many pairs have the same number, and those that do not."""

    same: int
    different: list[Difference]

    @property
    def by_cause(self) -> dict[str, int]:
        """How many pairs differ for which reason, the most frequent first."""
        return dict(Counter(one.cause for one in self.different).most_common())


def policy_of(outcome: Outcome, framework: str, competencies: Sequence[str]) -> dict[str, Any]:
    """Return the policy that calculates outcomes as Canvas does; `competencies` are those with the same calculation."""
    integer = canvas.checked_integer(outcome.method, outcome.integer)
    methods: dict[str, dict[str, Any]] = {
        "decaying_average": {"type": "wda", "latest_weight": integer / 100},
        "standard_decaying_average": {"type": "sda", "weight": integer / 100},
        "n_mastery": {"type": "n_mastery", "n": integer, "at_or_above": outcome.mastery},
        "highest": {"type": "highest"}, "latest": {"type": "latest"}, "average": {"type": "mean"},
    }  # fmt: skip
    return {
        "id": f"canvas-{outcome.method}-{integer}-{outcome.mastery:g}-of-{outcome.points:g}".replace(".", "_"),
        "rationale": "Canvas' own calculation of these outcomes, to compare with.",
        "applies_to": {"framework": framework, "competencies": list(competencies)},
        "scale": {"min": 0, "max": outcome.points, "mastery": outcome.mastery},
        "evidence": {"collapse": "canvas_compat", "reassess": "replace_latest"},
        "method": methods[outcome.method],
        "decision": {"at_least": outcome.mastery, "rounding": "half_up_2", "latch": "current"},
    }


def compare(export: Export, held: Mapping[Pair, tuple[float | None, int]]) -> Parity:
    """Compare the pairs of an export with what we hold: the score and the number of pieces of each."""
    results: dict[Pair, list[Result]] = defaultdict(list)
    for result in export.results:
        if result.outcome is not None:
            results[result.learner, result.outcome.code].append(result)
    outcomes = {outcome.code: outcome for outcome in export.outcomes}
    same, different = 0, []
    for pair, rows in sorted(results.items()):
        formula = rolled(outcomes[pair[1]], rows)
        theirs = export.rollups.get(pair, formula)
        ours, pieces = held.get(pair, (None, 0))
        if outcomes[pair[1]].method == "n_mastery" and theirs is None and not ours:
            ours = None
        if theirs == ours or (theirs is not None and ours is not None and abs(theirs - ours) < SAME):
            same += 1
        else:
            different.append(
                Difference(*pair, theirs, ours, _cause(outcomes[pair[1]], rows, theirs, formula, ours, pieces))
            )
    return Parity(same, different)


def rolled(outcome: Outcome, rows: Sequence[Result]) -> float | None:
    """Return what Canvas' formula gives of the rows of a report."""
    given = [
        canvas.Result(
            score=row.score, time=_seconds(row.at), possible=outcome.points, percent=row.score / outcome.points,
            quiz=("quiz", row.activity) if row.quiz else None,
        )
        for row in _latest(rows)
    ]  # fmt: skip
    return canvas.rollup(
        outcome.method, outcome.integer, given, points_possible=outcome.points, mastery_points=outcome.mastery
    )


def _latest(rows: Sequence[Result]) -> list[Result]:
    """Return the rows that stand: a later attempt at an activity takes the place of the earlier."""
    attempts: dict[str, int] = {}
    for row in rows:
        attempts[row.activity] = max(attempts.get(row.activity, 0), row.attempt)
    return [row for row in rows if row.attempt == attempts[row.activity]]


def _cause(
    outcome: Outcome,
    rows: Sequence[Result],
    theirs: float | None,
    formula: float | None,
    ours: float | None,
    pieces: int,
) -> str:
    if pieces == 0:
        return "nothing of it is held here: its evidence was refused, or waits"
    if pieces < len(rows):
        return "some of its results were refused, or wait"
    if pieces > len(rows):
        return "evidence of it came by other ways too"
    if theirs != formula and ours == formula:
        return "Canvas counts results that the report does not have, or counts some no more"
    if any(row.score > outcome.points for row in rows):
        return "a result is above the outcome's points"
    dates = [row.at for row in _latest(rows)]
    if len({_seconds(at) for at in dates}) < len(dates):
        return "results of the same second, or without a date: Canvas leaves their order open"
    if theirs is not None and ours is not None and abs(theirs - ours) <= 0.01 + SAME:
        return "rounding"
    return "not explained"


def _seconds(at: str) -> float | None:
    if at == NO_DATE:
        return None
    return datetime.datetime.fromisoformat(at).timestamp()
