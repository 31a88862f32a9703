"""The marks that an observation can be given: the points of the scale that the policy in force decides by."""

from collections.abc import Mapping
from typing import Any, NamedTuple

POINTS_MAX = 7
"""More points than this are no longer told apart by an eye, nor reached by a key each."""


class Mark(NamedTuple):
    """A point between `low` and `high`; `label` is the scale's own word, empty where it has none."""

    value: float
    label: str


class Marks(NamedTuple):
    """What can be tapped, from the lowest to the highest; `plain` ones are ours, to be named by the catalogues."""

    low: float
    high: float
    points: tuple[Mark, ...]
    plain: bool

    def score(self, value: float) -> dict[str, float] | None:
        """Return a mark as native evidence has it; None for what is no mark."""
        if value not in {mark.value for mark in self.points}:
            return None
        return {"raw": value, "min": self.low, "max": self.high}


PLAIN = Marks(0, 2, (Mark(0, "not_yet"), Mark(1, "nearly"), Mark(2, "shown")), plain=True)
"""For a policy without a scale, or with one too fine to tap: no, half and full marks."""


def marks_of(scale: Mapping[str, Any] | None) -> Marks:
    """Return the marks of a policy's scale: whole steps from its lowest to its highest point."""
    if scale is None:
        return PLAIN
    low, high, step = float(scale["min"]), float(scale["max"]), float(scale["step"] or 1)
    count = round((high - low) / step) + 1
    if not 2 <= count <= POINTS_MAX or abs(low + (count - 1) * step - high) > 1e-9:
        return PLAIN
    labels = {float(point): str(label) for point, label in scale["labels"].items()}
    values = [round(low + number * step, 6) for number in range(count)]
    return Marks(low, high, tuple(Mark(value, labels.get(value, "")) for value in values), plain=False)
