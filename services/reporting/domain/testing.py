"""How much evidence a district asks for beyond what confirms mastery."""

from typing import NamedTuple

import msgspec

from services.reporting.domain.small_numbers import is_few


class PieceCount(NamedTuple):
    """What was counted of all a district's pairs of learner and competency; see `analysis.burden`."""

    pieces: int
    surplus: int
    median_pieces: float | None
    confirmed: int
    learners_surplus: int
    learners_confirmed: int


class DistrictTesting(msgspec.Struct, frozen=True):
    """
    Evidence in all of a district: pieces that count, those after confirmation but for re-checks, and their share.

    Each is None where it is of too few learners, or would give away what the district's table by competency hides.
    """

    district: str
    as_of: str
    suppressed_below: int
    pieces: int | None
    surplus: int | None
    over_testing: float | None
    median_pieces_to_confirm: float | None
    pairs_confirmed: int | None


def told_testing(
    district: str, as_of: str, learners: int, count: PieceCount | None, small: int, *, no_sums: bool = False
) -> DistrictTesting:
    """
    Return how much was asked for beyond confirmation; what is of too few learners is None.

    Args:
        no_sums: whether sums of statuses would give away what the table by competency hides.
    """
    if count is None or learners < small:
        return DistrictTesting(district, as_of, small, None, None, None, None, None)
    few = is_few(count.learners_surplus, small)
    of_few = is_few(count.learners_confirmed, small)
    return DistrictTesting(
        district, as_of, small, count.pieces,
        surplus=None if few else count.surplus,
        over_testing=None if few or not count.pieces else count.surplus / count.pieces,
        median_pieces_to_confirm=None if of_few else count.median_pieces,
        pairs_confirmed=None if of_few or no_sums else count.confirmed,
    )  # fmt: skip
