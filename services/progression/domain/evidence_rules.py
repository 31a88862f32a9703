"""
Which pieces a policy counts, for what, and which of several at one activity.

A policy may make one composite of the rows that an activity gave, and let a later attempt replace an earlier one. A
composite is decided on as a whole; what a retake replaces had counted until the retake.
"""

import functools
import zlib
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from services.progression.domain.methods import Value
from services.progression.domain.policy.facts import Fact, fact
from services.progression.domain.policy.rule import Rule
from services.progression.domain.policy.values import mark_of
from services.progression.domain.rounding import settled
from services.progression.domain.states import KeyState, Piece

SEEN_BYTES_MAX = 1024
"""Marks of 256 activities of one competency; beyond them the history says whether an activity is new."""
MARKS_CACHED = 50_000
_new_tuple = tuple.__new__
Place: TypeAlias = tuple[str, ...]
"""What one composite at the most counts for."""


class Counted(NamedTuple):
    """What a policy counts: a piece, or the composite of several, at the place of the last; `half` a piece or a whole."""

    piece: Piece
    value: Value
    half: bool
    parts: tuple[Piece, ...]


def value_of(rule: Rule, piece: Piece) -> Value | None:
    """Return the value that a policy counts a piece as; None where it does not, for a reason that `why_not` gives."""
    order, assisted = piece.order, piece.assisted
    if (assisted and rule.assisted == "exclude") or order[0] < rule.since:
        return None
    weight = piece.weight
    if rule.kinds is not None:
        of_kind = rule.kinds.get(piece.kind, 1.0)
        if of_kind == 0:
            return None
        weight *= of_kind
    value = rule.place(piece.score)
    if value is None:
        if not rule.missing_counts or mark_of(piece.score) != "missing":
            return None
        value = rule.bottom
    correct = value >= rule.cut
    if assisted and rule.assisted == "incorrect":
        value, correct = rule.bottom, False
    if (rule.halving or piece.partial) and is_half(rule, piece):
        weight *= 0.5
    # As Value(...) would, without the call of its constructor: half of what a piece costs here.
    return _new_tuple(Value, (value, correct, weight, order[1] == 1, piece.judged, piece.activity))


def is_half(rule: Rule, piece: Piece) -> bool:
    """
    Tell whether a counted piece is half a piece: work that speaks to a part of the competency only, a short quiz, or work
    with assistance that counts half.
    """
    short = piece.items is not None and piece.items < rule.min_items
    return piece.partial or short or (piece.assisted and rule.assisted == "half")


def why_not(rule: Rule, piece: Piece) -> Fact:
    """Return why `value_of` gives a piece no value."""
    if piece.assisted and rule.assisted == "exclude":
        return fact("piece.assisted")
    if piece.order[0] < rule.since:
        return fact("piece.before", day=rule.since)
    if rule.kinds is not None and rule.kinds.get(piece.kind, 1.0) == 0:
        return fact("piece.of_kind", kind=piece.kind or "")
    mark = mark_of(piece.score)
    if mark is not None:
        return fact("piece.exempt" if mark == "exempt" else "piece.missing")
    return fact("piece.off_scale")


def mark(piece: Piece) -> bytes:
    """Return the mark by which a state remembers an activity of a source: four bytes, equal for equal activities."""
    return _mark_of(piece.order[2], piece.activity)


def marked(marks: bytes, piece: Piece) -> bytes:
    """Return the marks that a state has with that of a piece, unless it is among them or there is no more room."""
    if len(marks) >= SEEN_BYTES_MAX:
        return marks
    own = mark(piece)
    return marks if own in marks else marks + own


def stands_alone(rule: Rule, state: KeyState, piece: Piece) -> bool:
    """
    Tell whether a piece that sorts last can be folded without the history.

    False where another piece of its activity may have counted before (an equal mark of another activity is a false alarm,
    and only costs time), and where the policy looks back over a window.
    """
    if rule.plain:
        return True
    if not rule.steps:
        return False
    if piece.activity == piece.evidence_id:
        return True
    return len(state.seen) < SEEN_BYTES_MAX and mark(piece) not in state.seen


def all_alone(pieces: Collection[Piece]) -> bool:
    """Tell whether no two pieces are of one activity: nothing can join or replace anything."""
    # What `activity_of` returns, without the calls.
    return len({(piece.order[2], piece.activity) for piece in pieces}) == len(pieces)


def composites(rule: Rule, ordered: Iterable[Piece]) -> list[Counted]:
    """Return what a policy counts of pieces in canonical order: composites, each at the place of its last piece."""
    found: dict[tuple[str, ...], Counted] = {}
    for piece in ordered:
        value = value_of(rule, piece)
        if value is None:
            continue
        within = piece.evidence_id if rule.collapse == "none" else day_of(rule, piece.order[0])
        attempt = (*activity_of(piece), str(piece.order[1]), within)
        before = found.pop(attempt, None)
        parts = (*before.parts, piece) if before is not None else (piece,)
        if before is not None:
            value = joined_by_points(rule, parts, value)
        found[attempt] = Counted(piece, value, is_half(rule, piece), parts)
    return list(found.values())


def standing_composites(rule: Rule, units: Iterable[Counted]) -> list[Counted]:
    """Return the composites that count at the end, of all in their order."""
    standing: dict[Place, Counted] = {}
    for number, unit in enumerate(units):
        place = place_of(rule, unit, number)
        before = standing.get(place)
        if before is None or replaces(rule, unit, before):
            standing.pop(place, None)
            standing[place] = unit
    return list(standing.values())[-rule.last :]


def place_of(rule: Rule, composite: Counted, number: int) -> Place:
    """Return where the `number`-th composite counts: one at the same place as an earlier one is a retake of it."""
    activity = activity_of(composite.piece)
    return (*activity, str(number)) if rule.reassess == "append" else activity


def replaces(rule: Rule, retake: Counted, earlier: Counted) -> bool:
    """Tell whether a retake counts instead of what stands at its place."""
    return rule.reassess == "replace_latest" or retake.value.value >= earlier.value.value


def rows_of(rule: Rule, composite: Counted) -> Iterable[Counted]:
    """Return what a composite adds to a method: itself, or each of its rows as Canvas does."""
    if rule.collapse != "canvas_compat":
        return (composite,)
    joined = composite.value
    own = ((part, value_of(rule, part)) for part in composite.parts)
    return [
        Counted(part, value._replace(value=joined.value, correct=joined.correct), is_half(rule, part), (part,))
        for part, value in own
        if value is not None
    ]


def activity_of(piece: Piece) -> tuple[str, str]:
    """Return what tells activities apart: the source, and its own id of it."""
    return piece.order[2], piece.activity


@functools.lru_cache(maxsize=MARKS_CACHED)
def _mark_of(source: str, activity: str) -> bytes:
    return zlib.crc32(f"{source}\n{activity}".encode()).to_bytes(4, "big")


def day_of(rule: Rule, instant: str) -> str:
    """Return the local school day of an instant."""
    return instant[:10] if rule.day is None else rule.day(instant)


def joined_by_points(rule: Rule, parts: Sequence[Piece], last: Value) -> Value:
    """
    Return the value of the rows of one activity: their mean, each weighed by its points where all have them.

    Source: the possible-weighted aggregate that Canvas makes of the questions of a quiz aligned to one outcome.
    """
    values = [one for one in (value_of(rule, part) for part in parts) if one is not None]
    points = [part.score.max - part.score.min if part.score.max is not None else 0.0 for part in parts]
    weights = points if all(point > 0 for point in points) else [1.0] * len(parts)
    mean = settled(sum(weight * one.value for weight, one in zip(weights, values, strict=True)) / sum(weights))
    return last._replace(value=mean, correct=mean >= rule.cut)
