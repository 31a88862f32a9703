"""What more evidence would do: tried on the fold itself, so that it cannot differ from it."""

import datetime
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from services.progression.domain.evidence_rules import activity_of
from services.progression.domain.known import Known
from services.progression.domain.mastery import add, replay
from services.progression.domain.methods import Both
from services.progression.domain.policy.rule import Rule, Track
from services.progression.domain.states import KeyState, Piece, Tally
from services.progression.domain.sufficiency import Lack, enough, lacks
from shared.contracts.internal_events import Score, Status
from shared.events import utc

PROBES_MAX = 12
"""More pieces than that are no small change."""
MARKS_MAX = 20
MORE_THAN_ASKED = 60
"""Pieces beyond those that a policy counts up that a method without a count, such as a probability, is given to rise."""
NOON = "2026-01-01T12:00:00.000000Z"
"""Where a probe begins that follows on nothing."""
SPACINGS_H = (24.0, 3.0)
JUST_BELOW = 1e-6
"""So far below a mark lies what stands for all that is below it: further than scores are settled."""


class Probe(NamedTuple):
    """
    Pieces that were tried: how many, at which value, and what they had to be besides.

    `besides` is what they have of what a path lacks; `kind` is that of all of them, where it matters that they weigh more than
    others. For the worse any value below `value` does; the lowest there is,
    where `value` is that one, does itself.
    """

    pieces: int
    value: float
    other_activity: bool
    other_day: bool
    besides: tuple[Lack, ...]
    kind: str | None
    gives: Status


def pieces_to_meet(rule: Rule, number: int) -> int | None:
    """Return how many pieces of perfect work of all sorts meet a track, None where no number up to `pieces_tried` does."""
    most = pieces_tried(rule, number)
    spacings = (*SPACINGS_H, rule.gap_s / 3600) if rule.gap_s else SPACINGS_H
    found = [_meets_after(rule, number, most, hours) for hours in spacings]
    return min((pieces for pieces in found if pieces is not None), default=None)


def pieces_tried(rule: Rule, number: int) -> int:
    """Return how many pieces are more than a track that can be met at all would need."""
    track = rule.tracks[number]
    parts = (track.method.first, track.method.second) if isinstance(track.method, Both) else (track.method,)
    asked = [getattr(part, name, 0) for part in parts for name in ("n", "k", "min_n", "window_")]
    counts = sum(count for count in asked if isinstance(count, int))
    return 2 * track.need.min_evidence + track.need.min_items + 2 * counts + MORE_THAN_ASKED


def perfect_piece(rule: Rule, number: int, place: int, hours: float, value: float | None = None) -> Piece:
    """
    Return the `place`-th piece of work that has everything that a policy can ask for; they follow each other by `hours`.

    `value` is on the policy's scale, the highest there is where none is given.
    """
    start = looked_at_from(rule) or NOON
    worth = top_of(rule) if value is None else value
    return _piece(rule, rule.tracks[number], place, worth, later(start, place * hours), f"probe-{place}")


def further_piece(rule: Rule, track: Track, kind: str | None, value: float, after: str, hours: float) -> Piece:
    """Return work of a new activity and of a kind, else with all that a track can ask for, so long after an instant."""
    piece = _piece(rule, track, 1, value, later(after, hours), "probe-further")
    return msgspec.structs.replace(piece, kind=kind, items=max(piece.items or 0, track.items) or None)


def kinds_apart(rule: Rule) -> tuple[str | None, ...]:
    """Return the kinds of evidence that count and that the policy tells apart, None for all others."""
    weighed = rule.kinds or {}
    named = {*weighed, *(kind for track in rule.tracks for kind in track.kinds)}
    return (None, *sorted(kind for kind in named if weighed.get(kind, 1.0) > 0))


def further_run(rule: Rule, track: Track, value: float, after: str, length: int) -> Iterator[Piece]:
    """Yield so many pieces like `further_piece`, each of an activity of its own and a day after the other."""
    for place in range(1, length + 1):
        yield _piece(rule, track, place, value, later(after, 24 * place), f"probe-{place}")


def is_steady(rule: Rule) -> bool:
    """Tell whether by every method a higher value of the latest piece never gives a lower score."""
    return all(
        part.steady
        for track in rule.tracks
        for part in ((track.method.first, track.method.second) if isinstance(track.method, Both) else (track.method,))
    )


def further_from(known: Known) -> str:
    """Return the instant behind which further evidence comes: all that is known, and up to which the status has aged."""
    assert known.rule is not None
    state = known.state
    decided = [decision.at for decision in state.decided]
    last = state.last[0] if state.last is not None else NOON
    return max(last, state.crossed_at or "", known.at or "", looked_at_from(known.rule), *decided)


def another_day_h(rule: Rule) -> float:
    """Return after how many hours work is of another occasion, also where a day has 25."""
    return max(25.0, rule.gap_s / 3600)


def _meets_after(rule: Rule, number: int, most: int, hours: float) -> int | None:
    state, work = KeyState(), []
    for count in range(1, most + 1):
        piece = perfect_piece(rule, number, count - 1, hours)
        if rule.steps:
            add(state, piece, rule)
        else:
            work.append(piece)
            # What looks back over a window is replayed: beyond the first pieces, only once.
            if MORE_THAN_ASKED < count < most:
                continue
            state = replay(KeyState(), work, rule, "")
        if state.methods and enough(state, rule.tracks[number]) and rule.tracks[number].passes(state.methods[number]):
            return count
    return None


def smallest_change(known: Known) -> Probe | None:
    """
    Return the least further evidence that changes the status for the better, or, of what is on the record, for the worse.

    Fewest pieces first, then the fewest demands on them, then the lowest value. None where `PROBES_MAX` pieces change nothing.
    None of them is a retake that would replace what it retakes. Further evidence comes after the instant up to which the status
    has aged. There is a rule.
    """
    state, pieces, rule = known.state, known.pieces, known.rule
    assert rule is not None
    wanted = _GOALS.get(known.status, ("mastered",))
    worse = known.status in ("mastered", "presumed")
    start, values, steady = further_from(known), _values(rule, worse), is_steady(rule)
    # Of what a window lets go of, all that a track asks for has to come again.
    known_of = (state, KeyState()) if rule.last or rule.age else (state,)
    tracks = {_besides(held, track): (held, track) for held in known_of for track in rule.tracks}
    asked = sorted(tracks, key=len)[: 1 if worse else None]
    for count in range(1, PROBES_MAX + 1):
        for kind, (other_activity, other_day), besides in itertools.product(
            _weights(rule), _demands(rule, pieces), asked
        ):
            if kind is not None and any(lack.code == "kinds_all" for lack in besides):
                continue  # kinds are named already
            tried = functools.partial(_more, known, *tracks[besides], count, start, other_activity, other_day, kind)
            # Where the extreme value does nothing, no other does.
            if steady and known.status_with(tried(values[-1][0])) not in wanted:
                continue
            for value, told in values:
                gives = known.status_with(tried(value))
                if gives in wanted:
                    return Probe(count, told, other_activity, other_day, besides, kind, gives)
    return None


_BESIDES = ("kinds_all", "dok", "min_assessors", "min_items")
"""What a track may ask of work beside its value, its activity and its day."""


def _besides(state: KeyState, track: Track) -> tuple[Lack, ...]:
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


def _demands(rule: Rule, pieces: Sequence[Piece]) -> Iterator[tuple[bool, bool]]:
    """Yield (another activity, another day), the least demanding first; what would be a retake comes last."""
    again = bool(pieces) and rule.reassess == "append" and rule.collapse == "none"
    if again:
        yield False, False
    yield True, False
    if again:
        yield False, True
    yield True, True


def _weights(rule: Rule) -> tuple[str | None, ...]:
    """Return the kinds to try: any, and the heaviest where it weighs more."""
    kinds = rule.kinds or {}
    heaviest = max(kinds, key=lambda kind: (kinds[kind], kind), default=None)
    return (None, heaviest) if heaviest is not None and kinds[heaviest] > 1 else (None,)


def _values(rule: Rule, worse: bool) -> list[tuple[float, float]]:
    """Return the values to try, from the least to the most extreme, each with the mark that it is told by."""
    scale = rule.criteria.scale
    top, bottom = top_of(rule), rule.bottom
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


def _more(
    known: Known, held: KeyState, track: Track, count: int, start: str, other_activity: bool, other_day: bool,
    kind: str | None, value: float,
) -> list[Piece]:  # fmt: skip
    """Return so many pieces that have, of all that can be asked of work beside its value, what a track lacks after `held`."""
    rule = known.rule
    assert rule is not None
    besides = {lack.code for lack in _besides(held, track)}
    missing = [kind for kind in track.kinds if kind not in (held.tally or Tally()).kinds]
    more = []
    for place in range(1, count + 1):
        at = later(start, 24 * place if other_day else place / 3600)
        source, activity = (
            ("probe", f"probe-{place}") if other_activity or not known.pieces else activity_of(known.pieces[-1])
        )
        piece = _piece(rule, track, len(known.pieces) + place, value, at, activity)
        more.append(
            msgspec.structs.replace(
                piece, order=(at, 1, source, piece.order[3]),
                kind=missing[place - 1] if place <= len(missing) else kind, dok=piece.dok if "dok" in besides else None,
                assessor=piece.assessor if "min_assessors" in besides else None,
                items=max(rule.min_items, track.items) if "min_items" in besides else None,
            )
        )  # fmt: skip
    return more


def _piece(rule: Rule, track: Track, place: int, value: float, at: str, activity: str) -> Piece:
    items = getattr(track.method, "items", None)
    if isinstance(items, dict) and items:
        activity = list(items)[place % len(items)]
    return Piece(
        (at, 1, "probe", f"probe-{place:06}"),
        f"probe-{place}",
        activity,
        score_at(rule, value),
        assisted=False,
        kind=track.kinds[place % len(track.kinds)] if track.kinds else None,
        items=max(rule.min_items, 1) if rule.min_items or track.items else None,
        dok=4 if rule.levels else None,
        assessor=f"assessor-{place}",
        judged=True,
    )


def score_at(rule: Rule, value: float) -> Score:
    """Return the score that a policy places at a value."""
    return Score(level=value) if rule.criteria.scale is not None else Score(raw=value, max=1.0)


def looked_at_from(rule: Rule) -> str:
    """Return an instant from which on work is looked at; empty where all is."""
    return f"{rule.since}T12:00:00.000000Z" if rule.since else ""


def top_of(rule: Rule) -> float:
    """Return the highest value there is."""
    return rule.criteria.scale.max if rule.criteria.scale is not None else 1.0


def later(instant: str, hours: float) -> str:
    """Return the instant so many hours later, in the form that events have."""
    return utc(datetime.datetime.fromisoformat(instant) + datetime.timedelta(hours=hours))
