"""Where a score lies on a policy's scale."""

from bisect import bisect_right
from collections.abc import Callable
from typing import Literal

from services.progression.domain.policy.members import Normalise, Scale
from shared.contracts.internal_events import WAIVED, Score

Place = Callable[[Score], float | None]
MISSING = frozenset(("missing", "not submitted", "not_submitted"))
EXEMPT = frozenset(("exempt", "excused", WAIVED))


def mark_of(score: Score) -> Literal["missing", "exempt"] | None:
    """Tell a level that stands for work not handed in, or not asked for."""
    if not isinstance(score.level, str):
        return None
    word = score.level.casefold()
    return "missing" if word in MISSING else "exempt" if word in EXEMPT else None


def share_of(score: Score) -> float | None:
    """Return the share of full marks within 0..1, None where the score has none; a negative `scaled` is 0."""
    raw, top = score.raw, score.max
    if raw is not None and top is not None:
        share = (raw - score.min) / (top - score.min)
    elif score.scaled is not None:
        share = score.scaled
    else:
        return None
    return 0.0 if share < 0 else 1.0 if share > 1 else share


def placing(scale: Scale | None, normalise: Normalise | None) -> Place:
    """
    Return the function that puts a score on the scale; None where it cannot be placed.

    A number as `level` is a point of the scale itself, a word the point that it labels. Without a scale the value is the share.
    """
    if scale is None:
        return share_of
    low, span = scale.min, scale.max - scale.min
    labels = {name.casefold(): float(point) for point, name in scale.labels.items()}
    anchors = normalise.anchors if normalise is not None else None

    def place(score: Score) -> float | None:
        level = score.level
        if level is not None:
            return labels.get(level.casefold()) if isinstance(level, str) else min(max(float(level), low), scale.max)
        share = share_of(score)
        if share is None:
            return None
        return low + share * span if anchors is None else along(anchors, share)

    return place


def along(anchors: tuple[tuple[float, float], ...], share: float) -> float:
    """Return the value at a share on the straight lines between the anchors."""
    right = bisect_right(anchors, share, key=lambda anchor: anchor[0])
    if right == 0:
        return anchors[0][1]
    if right == len(anchors):
        return anchors[-1][1]
    (x0, y0), (x1, y1) = anchors[right - 1], anchors[right]
    return y0 + (share - x0) / (x1 - x0) * (y1 - y0)
