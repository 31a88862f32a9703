"""
What a policy does to learners whose true level is known: simulated work through the fold itself, decided piece by piece.

The model, after published simulations of standards-based grading: a learner's level begins somewhere around the lower
side of the cut and rises steadily by the piece; 30 % rise slowly, 40 % typically, 30 % fast. A mark is the level plus an
error of variance 0.40, of which 0.25 belongs to the task (a retake of it has the same) and the rest to the occasion, rounded to
whole points of a rubric from two points below the cut to one above. A quarter of the pieces are retakes. A rule is asked after
each piece and latches, since a snapshot would hide that trying again and again passes by luck. Teachers judge the level with an
error of their own, of which a part stays the same for a learner. Beside its mark a piece has all that the first way to mastery
asks for (kinds, items, depth, another assessor each), so what is seen is what the rule makes of marks, not of work nobody set.

A clear master would be given the cut or better on 75 % of fresh tasks, a clear non-master on less than half. Read directions,
not decimals: this is one model, not your learners.
"""

import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from services.progression.domain.analysis.noise import Noise, point_of
from services.progression.domain.mastery import add, replay, stands_alone
from services.progression.domain.policy.rule import Rule, shifted
from services.progression.domain.probing import looked_at_from
from services.progression.domain.states import KeyState, Piece
from shared.contracts.internal_events import Score

PIECES = 8
DEEPEST = 4
"""The greatest depth of knowledge there is."""
ASKED_AT = (3, 4, 5, 6, 7, 8)
"""Pieces after which it is asked who is still held back."""
PACES = ("slow", "typical", "fast")
START = "2026-01-01T12:00:00.000000Z"
Z_CLEAR = statistics.NormalDist().inv_cdf(0.75)


class Model(NamedTuple):
    """
    Whom and what is simulated, in points of a rubric; levels are relative to the lower edge of the cut's mark.

    The levels and rates are fitted so that at the fifth piece 43 % are clear masters and 32 % clear non-masters, as after a
    unit that was taught.
    """

    level: float = -0.329
    level_sd: float = 0.539
    rates: tuple[float, float, float] = (0.064, 0.15, 0.302)
    """Points that the level rises from piece to piece, of slow, typical and fast learners."""
    rate_spread: float = 0.212
    """Standard deviation of the logarithm of a learner's own rate."""
    shares: tuple[float, float, float] = (0.3, 0.4, 0.3)
    task_variance: float = 0.25
    occasion_variance: float = 0.15
    retakes: float = 0.25
    teacher_sd: float = 0.593
    teacher_bar: float = 0.05
    """Level from which a teacher who sees it exactly confirms."""
    teacher_habit: float = 0.5
    """Share of the variance of a teacher's error that stays the same for a learner."""

    def like(self, noise: Noise) -> "Model":
        """Return the same with the marks and retakes of a district's own evidence."""
        share = noise.task_share
        task = noise.variance * (self.task_variance / self.noise if share is None else share)
        return self._replace(task_variance=task, occasion_variance=noise.variance - task, retakes=noise.retakes)

    @property
    def noise(self) -> float:
        """The variance of a mark about the level."""
        return self.task_variance + self.occasion_variance

    @property
    def clear(self) -> float:
        """The level from which a learner is a clear master."""
        return Z_CLEAR * math.sqrt(self.noise)


class Outcome(NamedTuple):
    """What a rule did to a group; shares are None where there was nobody to count."""

    learners: int
    false_hold: dict[int, float | None]
    """Of the clear masters after so many pieces, the share that is not through."""
    false_advance: float | None
    """Of those who came through, the share who were clear non-masters then."""
    pieces: float | None
    """Mean number of pieces at which those who came through did."""
    through: float
    """Share of the group that came through within `PIECES`."""


class _Life(NamedTuple):
    pace: int
    levels: tuple[float, ...]
    crossings: dict[str, int | None]
    """The piece, from 1, at which each goal was reached."""


def simulate(
    rule: Rule, *, learners: int, seed: int, model: Model | None = None, lived: Callable[[int], None] = lambda _: None
) -> dict[str, dict[str, Outcome]]:
    """
    Return what a policy does, by goal (`provisional` where it has that path, and `mastered`) and by pace (`all` too).

    The same seed gives the same learners and the same work whatever the policy is. `lived` is told of how many are done.
    """
    chosen = model or Model()
    lives = []
    for number in range(learners):
        lives.append(_live(rule, chosen, random.Random(f"{seed}.{number}")))
        lived(number + 1)
    goals = ("provisional", "mastered") if rule.provisional else ("mastered",)
    return {
        goal: {
            pace: _outcome([life for life in lives if pace in ("all", PACES[life.pace])], goal, chosen)
            for pace in ("all", *PACES)
        }
        for goal in goals
    }


def _live(rule: Rule, model: Model, chance: random.Random) -> _Life:
    pace = chance.choices(range(3), model.shares)[0]
    rate = model.rates[pace] * math.exp(model.rate_spread * chance.gauss() - model.rate_spread**2 / 2)
    start = model.level + model.level_sd * chance.gauss()
    levels = tuple(start + rate * place for place in range(PIECES))
    habit = math.sqrt(model.teacher_habit) * chance.gauss()
    work = list(_work(rule, model, levels, chance))
    fresh = math.sqrt(1 - model.teacher_habit)
    confirms = [level + model.teacher_sd * (habit + fresh * chance.gauss()) >= model.teacher_bar for level in levels]
    return _Life(pace, levels, _crossings(rule, work, confirms))


def _work(rule: Rule, model: Model, levels: Sequence[float], chance: random.Random) -> Iterator[Piece]:
    """Yield a learner's pieces, one a day; a retake is a later attempt at the task before it."""
    task, activity, attempt = 0.0, 0, 0
    kinds = _kinds(rule)
    items = max(rule.min_items, *(track.items for track in rule.tracks)) or None
    for place, level in enumerate(levels):
        if place == 0 or chance.random() >= model.retakes:
            task, activity, attempt = chance.gauss(0.0, math.sqrt(model.task_variance)), place, 0
        attempt += 1
        error = task + chance.gauss(0.0, math.sqrt(model.occasion_variance))
        yield Piece(
            (shifted(looked_at_from(rule) or START, place), attempt, "simulated", f"{place}"),
            f"piece-{place}",
            f"task-{activity}",
            _mark(rule, math.floor(level + error)),
            assisted=False,
            kind=kinds[place % len(kinds)],
            items=items,
            dok=DEEPEST if rule.levels else None,
            assessor=f"teacher-{place}",
            judged=True,
        )


def _kinds(rule: Rule) -> tuple[str | None, ...]:
    """Return the kinds that the work takes turns in: those that the first way to mastery asks for, else one that counts."""
    asked = rule.tracks[rule.scored].kinds
    weights = rule.kinds or {}
    if asked or weights.get("summative", 1.0) > 0:
        return tuple(asked) or ("summative",)
    return (max(weights, key=lambda kind: (weights[kind], kind)) if any(weights.values()) else None,)


def _mark(rule: Rule, points: int) -> Score:
    """Return the mark so many whole points from the cut; without a scale the work is right or wrong."""
    scale = rule.criteria.scale
    if scale is None:
        return Score(raw=1.0 if points >= 0 else 0.0, max=1.0)
    value = rule.cut + point_of(scale) * max(-2, min(1, points))
    return Score(level=max(rule.bottom, min(rule.top, value)))


def _crossings(rule: Rule, work: Sequence[Piece], confirms: Sequence[bool]) -> dict[str, int | None]:
    """Return the pieces at which the provisional path was met, and at which mastery was computed or signed off."""
    state = KeyState()
    found: dict[str, int | None] = {"provisional": None, "mastered": None}
    for number, piece in enumerate(work, start=1):
        if rule.plain or stands_alone(rule, state, piece):
            add(state, piece, rule)
        else:
            state = replay(state, work[:number], rule, "")
        if rule.provisional and found["provisional"] is None and state.met and state.met[0]:
            found["provisional"] = number
        signable = any(route.role and state.met and state.met[route.track] for route in rule.routes)
        if state.crossed_at is not None or (signable and confirms[number - 1]):
            found["mastered"] = number
            break
    if rule.provisional and found["provisional"] is None:
        # Mastery on the record opens what follows as well.
        found["provisional"] = found["mastered"]
    return found


def _outcome(lives: Sequence[_Life], goal: str, model: Model) -> Outcome:
    reached = [(life, number) for life in lives if (number := life.crossings[goal]) is not None]
    held: dict[int, float | None] = {}
    for pieces in ASKED_AT:
        masters = [life.crossings[goal] for life in lives if life.levels[pieces - 1] >= model.clear]
        held[pieces] = _share(sum(number is None or number > pieces for number in masters), len(masters))
    wrong = sum(life.levels[number - 1] < 0 for life, number in reached)
    return Outcome(
        len(lives),
        held,
        _share(wrong, len(reached)),
        statistics.fmean(number for _, number in reached) if reached else None,
        len(reached) / len(lives) if lives else 0.0,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
