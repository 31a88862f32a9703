"""
The individual plan of a learner for one competency, as a person with the right to decides it; its storage format.

It stands until another takes its place or it is ended: a day of review that has passed asks its owner, and ends nothing. What a
plan says is told on no public event.
"""

from typing import Literal

import msgspec

PlanKind = Literal["accommodate", "extend", "substitute", "exempt"]
PlanReason = Literal["iep", "section_504", "language", "medical", "other"]


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What is so for one learner and competency: `accommodate` names `accommodations`, which change no value; `extend` gives so many
    more `pieces` before the work asks for support, and `days` for which pieces suffice; `substitute` asks for `instead` in
    the place of the competency; `exempt` asks for nothing. `review_at` is a day.
    """

    kind: PlanKind
    code: PlanReason
    review_at: str
    instead: str = ""
    pieces: int = 0
    days: int = 0
    accommodations: tuple[str, ...] = ()

    @property
    def retargets(self) -> bool:
        """Whether levels and what follows ask for something else than the competency."""
        return self.kind in ("substitute", "exempt")

    @property
    def extension(self) -> tuple[int, int]:
        """The pieces and days that it gives."""
        return self.pieces, self.days
