"""What more evidence would do: tried on the fold itself, so that it cannot differ from it."""

import datetime
from collections.abc import Iterator

import msgspec

from services.progression.domain.evidence_rules import activity_of, value_of
from services.progression.domain.known import Known
from services.progression.domain.mastery import add, replay
from services.progression.domain.policy.rule import Rule, Track
from services.progression.domain.states import KeyState, Piece
from services.progression.domain.sufficiency import enough
from shared.contracts.internal_events import Score
from shared.events import utc

PROBES_MAX = 12
"""More pieces than that are no small change."""
MORE_THAN_ASKED = 60
"""Pieces beyond those that a policy counts up that a method without a count, such as a probability, is given to rise."""
NOON = "2026-01-01T12:00:00.000000Z"
"""Where a probe begins that follows on nothing."""
SPACINGS_H = (24.0, 3.0)
RETAKEN = 4
"""So many of the latest activities are thought to be taken again, beside the best and the worst."""
JUST_BELOW = 1e-6
"""So far below a mark lies what stands for all that is below it: further than scores are settled."""


def pieces_to_meet(rule: Rule, number: int) -> int | None:
    """Return how many pieces of perfect work of all sorts meet a track, None where no number up to `pieces_tried` does."""
    most = pieces_tried(rule, number)
    spacings = (*SPACINGS_H, rule.gap_s / 3600) if rule.gap_s else SPACINGS_H
    found = [_meets_after(rule, number, most, hours) for hours in spacings]
    return min((pieces for pieces in found if pieces is not None), default=None)


def pieces_tried(rule: Rule, number: int) -> int:
    """Return how many pieces are more than a track that can be met at all would need."""
    track = rule.tracks[number]
    asked = [getattr(part, name, 0) for part in track.method.parts for name in ("n", "k", "min_n", "window_")]
    counts = sum(count for count in asked if isinstance(count, int))
    return 2 * track.need.min_evidence + track.need.min_items + 2 * counts + MORE_THAN_ASKED


def perfect_piece(rule: Rule, number: int, place: int, hours: float, value: float | None = None) -> Piece:
    """
    Return the `place`-th piece of work that has everything that a policy can ask for; they follow each other by `hours`.

    `value` is on the policy's scale, the highest there is where none is given.
    """
    start = looked_at_from(rule) or NOON
    worth = rule.top if value is None else value
    return made_piece(rule, rule.tracks[number], place, worth, later(start, place * hours), f"probe-{place}")


def further_piece(rule: Rule, track: Track, kind: str | None, value: float, after: str, hours: float) -> Piece:
    """Return work of a new activity and of a kind, else with all that a track can ask for, so long after an instant."""
    piece = made_piece(rule, track, 1, value, later(after, hours), "probe-further")
    return msgspec.structs.replace(piece, kind=kind, items=max(piece.items or 0, track.items) or None)


def kinds_apart(rule: Rule) -> tuple[str | None, ...]:
    """Return the kinds of evidence that count and that the policy tells apart, None for all others."""
    weighed = rule.kinds or {}
    named = {*weighed, *(kind for track in rule.tracks for kind in track.kinds)}
    return (None, *sorted(kind for kind in named if weighed.get(kind, 1.0) > 0))


def further_run(rule: Rule, track: Track, value: float, after: str, length: int) -> Iterator[Piece]:
    """Yield so many pieces like `further_piece`, each of an activity of its own and a day after the other."""
    for place in range(1, length + 1):
        yield made_piece(rule, track, place, value, later(after, 24 * place), f"probe-{place}")


def is_steady(rule: Rule) -> bool:
    """Tell whether by every method a higher value of the latest piece never gives a lower score."""
    return all(part.steady for track in rule.tracks for part in track.method.parts)


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


def retakeable(known: Known, rule: Rule) -> list[Piece]:
    """Return the last pieces of the latest activities, of the best and of the worst, where a retake would replace them."""
    if rule.reassess == "append":
        return []
    lasts: dict[tuple[str, str], tuple[float, Piece]] = {}
    for piece in known.pieces:
        counted = value_of(rule, piece)
        if counted is not None and piece.activity != piece.evidence_id:
            lasts.pop(activity_of(piece), None)
            lasts[activity_of(piece)] = (counted.value, piece)
    ranked = sorted(lasts, key=lambda activity: lasts[activity][0])
    chosen = dict.fromkeys((*list(lasts)[-RETAKEN:], *ranked[:1], *ranked[-1:]))
    return [lasts[activity][1] for activity in chosen]


def retake(last: Piece, score: Score, at: str) -> Piece:
    """Return another attempt at the activity of a piece, which may be its last."""
    _, attempt, source, _ = last.order
    id = f"retake-{last.evidence_id}"
    return msgspec.structs.replace(
        last, order=(at, attempt + 1, source, id), evidence_id=id, score=score, assisted=False
    )


def made_piece(rule: Rule, track: Track, place: int, value: float, at: str, activity: str) -> Piece:
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


def later(instant: str, hours: float) -> str:
    """Return the instant so many hours later, in the form that events have."""
    return utc(datetime.datetime.fromisoformat(instant) + datetime.timedelta(hours=hours))
