"""
Canvas LMS: the roll-up of one learner's results on one outcome, with its numbers.

The arithmetic is Canvas' own to the last bit (0.01 * 65, not 0.65; sums as of Ruby's Array#sum), since a score is rounded
where half points and round weights make ties: other orders of the same formula differ by 0.01 in 1 of 500 roll-ups.

Source: instructure/canvas-lms, `RollupScore` with its aggregator helper and `LearningOutcomeResult`, as their specifications
(spec/lib/outcomes/result_analytics_spec.rb, spec/models/learning_outcome_result_spec.rb) fix them.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from services.progression.domain.rounding import round_half_up_repr

PRECISION = 2
DEFAULT = "highest"
ALIASES = {"weighted_average": "decaying_average"}
"""The page calls the older method weighted average and the newer one decaying average; these are the database's names."""
INTEGERS = {"decaying_average": (1, 99, 65), "standard_decaying_average": (50, 99, 65), "n_mastery": (1, 10, 5)}
"""Least, most and default of the calculation integer, of the methods that have one."""
WHOLE_QUIZ = frozenset(("latest", "average", "decaying_average", "standard_decaying_average"))
"""Methods under which a question counts as much as its whole quiz."""


class Result(NamedTuple):
    """One row of an outcome's results: of an assignment, or of one question of a quiz."""

    score: float | None = None
    time: float | None = None
    """Seconds, when submitted or else assessed; without one the row sorts first."""
    percent: float | None = None
    """Share of what the outcome asks for, as `percent` gives it; goes before the score."""
    possible: float | None = None
    quiz: tuple[str, str] | None = None
    """Type and id of the quiz that the row is a question of."""


def rollup(
    method: str | None, integer: int | None, results: Sequence[Result], *, points_possible: float, mastery_points: float
) -> float | None:
    """
    Return the score of an outcome, to 2 decimals; None where Canvas has none.

    Under the methods of `WHOLE_QUIZ` each row of a quiz is replaced by the quiz's own share, and each of them still counts: a
    quiz of three questions is three equal rows, of which one is the latest.

    Raises:
        ValueError: no method of Canvas, or an integer that it does not take.
    """
    name = ALIASES.get(method or DEFAULT, method or DEFAULT)
    if name not in FORMULAS:
        raise ValueError(f"Canvas has no method {method!r}")
    number = checked_integer(name, integer)
    scale = points_possible if points_possible > 0 else mastery_points
    ordered = sorted(results, key=lambda row: int(row.time or 0))
    scores = [
        _quiz_score(row, results, scale) if row.quiz and name in WHOLE_QUIZ else _score(row, scale) for row in ordered
    ]
    given = [score for score in scores if score is not None]
    rolled = FORMULAS[name](given, number, mastery_points) if given else None
    return None if rolled is None else round_half_up_repr(rolled, PRECISION)


def checked_integer(method: str, integer: int | None) -> int:
    """Return the calculation integer or its default, 0 for a method without one; raises `ValueError` outside its range."""
    least, most, default = INTEGERS.get(method, (0, 0, 0))
    number = default if integer is None else integer
    if not least <= number <= most or (integer is not None and method not in INTEGERS):
        raise ValueError(f"{method} does not take the calculation integer {integer}")
    return number


def percent(
    score: float,
    possible: float,
    *,
    points_possible: float,
    mastery_points: float,
    alignment_mastery: float | None = None,
) -> float | None:
    """
    Return a score as a share of what its outcome asks for; None where that has no points at all.

    Where the alignment has a cut of its own (a share of its points possible), that is mapped onto the outcome's cut with a
    straight line on either side, to 4 decimals; full marks stay full marks.
    """
    cut = mastery_points / points_possible if points_possible > 0 else 0.0
    if alignment_mastery and cut and possible and abs(cut / alignment_mastery - 1) > math.ulp(1):
        stretch = cut / alignment_mastery
        share = score / possible
        # Above the alignment's cut, what is left up to full marks is spread over what is left there.
        above = max(0.0, share - alignment_mastery) / (1 - alignment_mastery) if alignment_mastery < 1 else 0.0
        return round_half_up_repr(share * stretch + above * (1 - stretch), 4)
    of = next((points for points in (possible, points_possible, mastery_points) if points and points > 0), None)
    return None if of is None else score / of


def _score(row: Result, scale: float) -> float | None:
    return row.score if row.percent is None else row.percent * scale


def _quiz_score(row: Result, results: Sequence[Result], scale: float) -> float | None:
    """Return the score of the row's quiz: the share of its questions, weighted by their points."""
    total = weighted = 0.0
    for other in results:
        if other.quiz == row.quiz and other.possible is not None and other.percent is not None:
            total += other.possible
            weighted += other.possible * other.percent
    return weighted / total * scale if total else None


def _mean(scores: Sequence[float]) -> float:
    return math.fsum(scores) / len(scores)


def _n_mastery(scores: Sequence[float], n: int, mastery: float) -> float | None:
    shown = [score for score in scores if score >= mastery]
    return _mean(shown) if len(shown) >= n else None


def _latest_against_mean(scores: Sequence[float], weight: int, _: float) -> float:
    if len(scores) == 1:
        return scores[0]
    return scores[-1] * (0.01 * weight) + _mean(scores[:-1]) * (0.01 * (100 - weight))


def _recursive(scores: Sequence[float], weight: int, _: float) -> float:
    decayed = scores[0]
    for score in scores[1:]:
        decayed = decayed * (0.01 * (100 - weight)) + score * (0.01 * weight)
    return decayed


FORMULAS: dict[str, Callable[[Sequence[float], int, float], float | None]] = {
    "highest": lambda scores, _, __: max(scores),
    "latest": lambda scores, _, __: scores[-1],
    "average": lambda scores, _, __: _mean(scores),
    "n_mastery": _n_mastery,
    "decaying_average": _latest_against_mean,
    "standard_decaying_average": _recursive,
}
"""Over the scores in the order of time, of which there is at least one."""
