"""
What a policy asks of a learner: pieces of work until it is shown, and re-checks in the year after; found by folding work.

The typical learner has it: four pieces in five are at the cut. Marks scatter around the learner's level with a standard
deviation of 0.21 of the scale's width (a variance of 0.40 on marks from 1 to 4); chance has a fixed seed, so that the
same policy always gives the same figures.
"""

import itertools
import random
import statistics
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from services.progression.domain.mastery import replay
from services.progression.domain.policy.rule import Rule, shifted
from services.progression.domain.probing import perfect_piece, pieces_to_meet
from services.progression.domain.standing import due_at, is_due
from services.progression.domain.states import FIRST_PIECES, Decided, KeyState, Piece

LEARNERS = 200
RECHECKED = 60
"""Learners whose year after mastery is gone through: 720 months."""
PIECES_OFTEN = 12
"""Enough for most learners under most policies; who needs more is given all of `PIECES_MAX`."""
PIECES_MAX = 60
AT_THE_CUT = 0.8
Z_AT_THE_CUT = statistics.NormalDist().inv_cdf(AT_THE_CUT)
SCATTER = 0.21
HOURS_BETWEEN = 24.0
DAYS_BETWEEN_LATER = 30
LATER_PIECES = 12
STANDARDS = 40
"""Standards that a learner has on the record in a year, for a figure that a parent can picture."""


class Pieces(NamedTuple):
    """
    Pieces of work until a rule is met; None is more than `PIECES_MAX`.

    `fewest` with perfect work; by `typical` half of the typical learners have met it, by `nine_in_ten` nine in ten.
    """

    fewest: int | None
    typical: int | None
    nine_in_ten: int | None


class Effort(NamedTuple):
    """What a policy asks; `signed` are the roles without whose sign-off nothing is on the record."""

    provisional: Pieces | None
    mastered: Pieces
    signed: tuple[str, ...]
    rechecks_a_year: float
    """Of one standard, with a further piece of work a month, and where a start on what builds on it may ask, one start."""


def effort_of(rule: Rule) -> Effort:
    """Return what a policy asks of a learner."""
    tracks = tuple(dict.fromkeys(route.track for route in rule.routes))
    # The provisional path with a sign-off is a way as well, but an early one: it is not what is typical.
    own = tuple(track for track in tracks if not (rule.provisional and track == 0)) or tracks
    shown = {track: _pieces(rule, track, own) for track in own}
    best = min(own, key=lambda track: shown[track].typical or PIECES_MAX + 1)
    roles = {route.role for route in rule.routes}
    return Effort(
        provisional=_pieces(rule, 0, (0, *own)) if rule.provisional else None,
        mastered=shown[best],
        signed=() if "" in roles else tuple(sorted(roles)),
        rechecks_a_year=_rechecks(rule, best, own),
    )


def _pieces(rule: Rule, number: int, ends: tuple[int, ...]) -> Pieces:
    fewest = pieces_to_meet(rule, number)
    found = sorted(len(work) for work in _shown(rule, number, ends))
    half, most = (found[place] if place < len(found) else None for place in (LEARNERS // 2, LEARNERS * 9 // 10))
    if fewest is not None and not (rule.provisional and number == 0):
        fewest += rule.confirm_on
    return Pieces(fewest, half, most)


def _shown(rule: Rule, number: int, ends: tuple[int, ...]) -> Iterator[list[Piece]]:
    """
    Yield the work of each typical learner up to the piece that meets any of the tracks `ends`.

    It is work as track `number` asks for it; who meets none is left out.
    """
    for learner in range(LEARNERS):
        chance, work = random.Random(f"{number} {learner}"), list[Piece]()
        for pieces in (PIECES_OFTEN, PIECES_MAX):
            work += [
                perfect_piece(rule, number, place, HOURS_BETWEEN, _mark(rule, chance))
                for place in range(len(work), pieces)
            ]
            state = replay(KeyState(), work, rule, "")
            met = [state.met[track] for track in ends if state.met and state.met[track]]
            at = min(met, default=state.crossed_at)
            if at is not None:
                yield [piece for piece in work if piece.order[0] <= at]
                break


def _mark(rule: Rule, chance: random.Random) -> float:
    """Draw a mark of the typical learner, on the grid of the scale where it has one."""
    scale = rule.criteria.scale
    if scale is None:
        return float(chance.random() < AT_THE_CUT)
    step, scatter = scale.step or 0.0, SCATTER * (scale.max - scale.min)
    value = chance.gauss(scale.mastery - step / 2 + Z_AT_THE_CUT * scatter, scatter)
    if step:
        value = scale.min + round((value - scale.min) / step) * step
    return min(max(value, scale.min), scale.max)


def _rechecks(rule: Rule, number: int, ends: tuple[int, ...]) -> float:
    """Return how many re-checks a standard asks for in the year after, each passed at once, one piece a month."""
    if not rule.watches and not rule.checked_by_use:
        return 0.0
    chance = random.Random(0)
    some = itertools.islice(_shown(rule, number, ends), RECHECKED)
    counts = [_rechecks_of(rule, number, work, chance) + _begun_low(rule, chance) for work in some]
    return statistics.fmean(counts) if counts else 0.0


def _begun_low(rule: Rule, chance: random.Random) -> bool:
    """Tell whether the first pieces on a standard that builds on this one ask for a re-check."""
    return rule.checked_by_use and all(_mark(rule, chance) < rule.cut for _ in range(FIRST_PIECES))


def _rechecks_of(rule: Rule, number: int, work: list[Piece], chance: random.Random) -> int:
    shown = work[-1].order[0]
    roles = {route.role for route in rule.routes if route.role}
    held = [Decided(f"signed-{role}", "sign_off", shown, by=role) for role in sorted(roles)]
    state = replay(KeyState(), work, rule, "", held)
    count, was_due = 0, False
    for month in range(1, LATER_PIECES + 1):
        at = shifted(shown, month * DAYS_BETWEEN_LATER)
        aged = due_at(state, rule)
        while aged is not None and aged < at:
            count += 1
            held.append(Decided(f"check-{count}", "check", aged))
            state = replay(KeyState(), work, rule, "", held)
            aged = due_at(state, rule)
        later = perfect_piece(rule, number, len(work) + month, HOURS_BETWEEN, _mark(rule, chance))
        work = [*work, msgspec.structs.replace(later, order=(at, *later.order[1:]))]
        state = replay(KeyState(), work, rule, "", held)
        due = state.crossed_at is not None and is_due(state, rule)
        if due and not was_due:
            count += 1
            if not rule.follows:
                held.append(Decided(f"check-{count}", "check", at))
                state, due = replay(KeyState(), work, rule, "", held), False
        was_due = due
    return count
