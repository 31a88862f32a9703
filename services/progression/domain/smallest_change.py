"""The least further evidence that would change a status: tried on the fold itself, so that it cannot differ from it."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from services.progression.domain.evidence_rules import activity_of
from services.progression.domain.known import Known
from services.progression.domain.policy.rule import Rule, Track
from services.progression.domain.probing import (
    JUST_BELOW,
    PROBES_MAX,
    further_from,
    is_steady,
    later,
    made_piece,
    retake,
    retakeable,
    score_at,
)
from services.progression.domain.states import KeyState, Piece, Tally
from services.progression.domain.sufficiency import Lack, lacks
from shared.contracts.internal_events import Status

RETAKES_MAX = 2
AMONG_MAX = 4
"""So many retakes are looked for, among so many pieces: of more, new work alone is a step that can be told and found in time."""
MARKS_MAX = 20
Besides: TypeAlias = tuple[Lack, ...]
Values: TypeAlias = Sequence[tuple[float, float]]


class Asked(NamedTuple):
    """
    What so many pieces were beside their value: of some activities again, on another day.

    `retaken` are the last attempts at activities of which as many pieces are retakes; `other_activity`, `besides` (what they have
    of what a path lacks) and `kind` (where it matters that they weigh more than others) are said of the other pieces.
    """

    pieces: int
    retaken: tuple[Piece, ...]
    other_activity: bool
    other_day: bool
    besides: Besides
    kind: str | None


class Probe(NamedTuple):
    """
    Pieces that were tried, and what they give.

    For the worse any value below `value` does; the lowest there is, where `value` is that one, does itself.
    """

    asked: Asked
    value: float
    gives: Status


def smallest_change(known: Known) -> Probe | None:
    """
    Return the least further evidence that changes the status for the better, or, of what is on the record, for the worse.

    Fewest pieces first, then the fewest demands on them, then the lowest value. None where `PROBES_MAX` pieces change nothing.
    Where a retake replaces what it retakes, up to `RETAKES_MAX` of up to `AMONG_MAX` pieces may be some (see `retakeable`). To be
    one is no greater demand than to be new, but at the same value it is new work that is named. Further evidence comes after
    the instant up to which the status has aged. There is a rule.
    """
    state, pieces, rule = known.state, known.pieces, known.rule
    assert rule is not None
    worse = known.status in ("mastered", "presumed")
    values, again = _values(rule, worse), _retaken(known, rule)
    # Of what a window lets go of, all that a track asks for has to come again.
    known_of = (state, KeyState()) if rule.last or rule.age else (state,)
    tracks = {_besides(held, track): (held, track) for held in known_of for track in rule.tracks}
    lacking = sorted(tracks, key=len)[: 1 if worse else None]
    for count in range(1, PROBES_MAX + 1):
        for kind, (other_activity, other_day), besides in itertools.product(
            _weights(rule), _demands(rule, pieces, worse), lacking
        ):
            if kind is not None and any(lack.code == "kinds_all" for lack in besides):
                continue  # kinds are named already
            new = Asked(count, (), other_activity, other_day, besides, kind)
            more = functools.partial(_more, known, *tracks[besides])
            retaken = again if count <= AMONG_MAX else ()
            for sorts in _sorts(new, retaken, is_first=besides is lacking[0]):
                found = _least(known, sorts, values, more)
                if found is not None:
                    return found
    return None


def _sorts(new: Asked, again: Sequence[tuple[Piece, ...]], *, is_first: bool) -> Iterator[list[Asked]]:
    """
    Yield work of which as much is asked, the least demanding first: all new, or some taken again, or all of it.

    Beside retakes, which may have what a path lacks, nothing else needs to be asked: that is tried once.
    """
    some = [new, *(new._replace(retaken=retaken) for retaken in again if len(retaken) < new.pieces)]
    free = [new._replace(retaken=retaken, other_activity=len(retaken) < new.pieces, besides=()) for retaken in again
            if len(retaken) <= new.pieces and is_first and new.kind is None]  # fmt: skip
    yield from (free, some) if new.besides else ([new, *(free or some[1:])],)


def _least(
    known: Known, sorts: Sequence[Asked], values: Values, more: Callable[[Asked, float], list[Piece]]
) -> Probe | None:
    """Return the work at the least value that changes the status as is wanted, None where none of it does."""
    assert known.rule is not None
    wanted = _GOALS.get(known.status, ("mastered",))
    if is_steady(known.rule):
        # Where the extreme value does nothing, no other does.
        extreme = values[-1][0]
        sorts = [asked for asked in sorts if known.status_with(more(asked, extreme)) in wanted]
    for (value, told), asked in itertools.product(values, sorts):
        gives = known.status_with(more(asked, value))
        if gives in wanted:
            return Probe(asked, told, gives)
    return None


_BESIDES = ("kinds_all", "dok", "min_assessors", "min_items")
"""What a track may ask of work beside its value, its activity and its day."""


def _besides(state: KeyState, track: Track) -> Besides:
    """Return what a track lacks that only work of some sort brings."""
    return tuple(lack for lack in lacks(state, track) if lack.code in _BESIDES)


_GOALS: dict[Status, tuple[Status, ...]] = {
    "no_evidence": ("provisional", "mastered"),
    "insufficient_evidence": ("provisional", "mastered"),
    "not_yet": ("provisional", "mastered"),
    "provisional": ("mastered",),
    "credited": ("mastered",),
    "mastered": ("reverify_due",),
    "reverify_due": ("mastered",),
    "presumed": ("no_evidence", "insufficient_evidence", "not_yet"),
}


def _demands(rule: Rule, pieces: Sequence[Piece], worse: bool) -> Iterator[tuple[bool, bool]]:
    """
    Yield (another activity, another day), the least demanding first; the same activity where that replaces nothing.

    For the worse it is another day: what is lost then is lost on the same day too, which adds no occasion.
    """
    again = bool(pieces) and rule.reassess == "append" and rule.collapse == "none"
    if again and not worse:
        yield False, False
    if not worse:
        yield True, False
    if again:
        yield False, True
    yield True, True


def _retaken(known: Known, rule: Rule) -> list[tuple[Piece, ...]]:
    """Return which activities may be taken again together, the fewest first; none where a retake replaces nothing."""
    lasts = retakeable(known, rule)
    return [some for count in range(1, RETAKES_MAX + 1) for some in itertools.combinations(lasts, count)]


def _weights(rule: Rule) -> tuple[str | None, ...]:
    """Return the kinds to try: any, and the heaviest where it weighs more."""
    kinds = rule.kinds or {}
    heaviest = max(kinds, key=lambda kind: (kinds[kind], kind), default=None)
    return (None, heaviest) if heaviest is not None and kinds[heaviest] > 1 else (None,)


def _values(rule: Rule, worse: bool) -> Values:
    """Return the values to try, from the least to the most extreme, each with the mark that it is told by."""
    scale = rule.criteria.scale
    top, bottom = rule.top, rule.bottom
    marks = {rule.cut, top, bottom}
    if rule.below is not None:
        marks.add(rule.below)
    if scale is not None and scale.step is not None and (top - bottom) / scale.step <= MARKS_MAX:
        count = round((top - bottom) / scale.step)
        marks |= {round(bottom + number * scale.step, 6) for number in range(count + 1)}
    ranked = sorted(mark for mark in marks if bottom <= mark <= top)
    if not worse:
        return [(mark, mark) for mark in ranked]
    return [*((mark - JUST_BELOW, mark) for mark in ranked[:0:-1]), (bottom, bottom)]


def _more(known: Known, held: KeyState, track: Track, asked: Asked, value: float) -> list[Piece]:
    """Return pieces as they are asked for, the retakes first; `besides` are what the track lacks after `held`."""
    rule = known.rule
    assert rule is not None
    start, besides = further_from(known), {lack.code for lack in asked.besides}
    lacking = track.kinds if "kinds_all" in besides else ()
    missing = [kind for kind in lacking if kind not in (held.tally or Tally()).kinds]
    instants = [later(start, 24 * n if asked.other_day else n / 3600) for n in range(1, asked.pieces + 1)]
    again = len(asked.retaken)
    more = [retake(last, score_at(rule, value), at) for last, at in zip(asked.retaken, instants[:again], strict=True)]
    for place, at in enumerate(instants[again:], start=1):
        source, activity = (
            ("probe", f"probe-{place}") if asked.other_activity or not known.pieces else activity_of(known.pieces[-1])
        )
        piece = made_piece(rule, track, len(known.pieces) + place, value, at, activity)
        more.append(
            msgspec.structs.replace(
                piece, order=(at, 1, source, piece.order[3]),
                kind=missing[place - 1] if place <= len(missing) else asked.kind,
                dok=piece.dok if "dok" in besides else None,
                assessor=piece.assessor if "min_assessors" in besides else None,
                items=max(rule.min_items, track.items) if "min_items" in besides else None,
            )
        )  # fmt: skip
    return more
