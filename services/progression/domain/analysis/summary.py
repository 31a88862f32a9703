"""Summaries of a group's scores."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from services.progression.domain.rounding import round_half_up_repr


class Summary(NamedTuple):
    """The mean (to 2 decimals) and the median of a group's scores; where they differ much, the mean hides individuals."""

    mean: float
    median: float


def aggregate(scores: Sequence[float]) -> Summary | None:
    """
    Return the summary of the learners' scores, None for no learners.

    Source: Canvas' class roll-up, mean rounded and median not: 1, 2, 3, 40 gives 11.5 and 2.5.
    """
    if not scores:
        return None
    return Summary(round_half_up_repr(statistics.fmean(scores), 2), float(statistics.median(scores)))
