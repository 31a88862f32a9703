"""Criteria compiled once into what the fold of a piece looks at: plain slots and bound functions, no model attributes."""

import datetime
import functools
import zoneinfo
from collections.abc import Callable
from typing import Any

from services.progression.domain.methods import Both, Method, State, Value
from services.progression.domain.policy.criteria import Criteria
from services.progression.domain.policy.members import Depth, Path, Sufficiency
from services.progression.domain.policy.values import placing
from services.progression.domain.policy.words import rule_fact
from services.progression.domain.rounding import round_half_up_repr
from shared.events import utc

DAYS_CACHED = 100_000
BASIS_MAX = 20
"""Evidence ids kept of what a crossing rests on."""


class Track:
    """A method with the sufficiency that it is decided on; `pointer` is where it stands in the policy."""

    __slots__ = (
        "activities", "asked", "assessors", "depths", "halves", "items", "kinds", "levels", "method", "more", "need",
        "occasions", "passes", "pointer", "score", "start", "step", "window",
    )  # fmt: skip

    def __init__(self, path: Path, pointer: str, criteria: Criteria, cut: float, dok: int | None) -> None:
        need = path.sufficiency
        decision = criteria.decision.by_own_cuts if path is criteria.provisional else criteria.decision
        assert path.method is not None
        low, high = (criteria.scale.min, criteria.scale.max) if criteria.scale is not None else (0.0, 1.0)
        self.method: Method = path.method.on_scale(low, high)
        self.pointer = pointer
        self.need: Sufficiency = need
        self.start: State = self.method.start()
        self.step: Callable[[State, Value], State] = self.method.step
        self.score = _scoring(self.method, decision.digits)
        self.passes = _passing(self.method, decision.bar, self.score, cut)
        self.asked = rule_fact(self.method.model_dump(by_alias=True), decision, cut)
        self.window: int = min(self.method.window(), BASIS_MAX)
        self.halves = 2 * need.min_evidence
        """`min_evidence` in half pieces."""
        self.activities = need.min_activities
        self.occasions = need.min_occasions
        self.assessors = need.min_assessors
        self.items = need.min_items
        self.kinds = need.kinds_all
        self.depths = tuple(_leveled(depth, dok) for depth in need.depths if depth.level or dok)
        self.levels: tuple[int, ...] = ()
        """The depths that the whole policy counts, in the order of `Tally.deep`."""
        self.more = bool(self.assessors or self.items or self.kinds or self.depths)
        """Whether more than pieces, activities and occasions is asked for."""


class Route:
    """A way to mastery: a track that must be met, and the role of who signs it off (empty: nobody)."""

    __slots__ = ("pointer", "role", "track")

    def __init__(self, track: int, role: str, pointer: str) -> None:
        self.track = track
        self.role = role
        self.pointer = pointer


class Rule:
    """
    Compiled criteria. `tracks[0]` is the provisional path where `provisional`; every route names the track it needs.

    `steps`: a piece that sorts last can be folded without the history, unless (`groups`) its activity came before.
    """

    __slots__ = (
        "activities",
        "age",
        "assessors",
        "assisted",
        "below",
        "below_last",
        "bottom",
        "breaks",
        "checked_by_use",
        "collapse",
        "confirm_on",
        "criteria",
        "cut",
        "dates",
        "day",
        "follows",
        "gap_s",
        "groups",
        "halving",
        "kinds",
        "last",
        "levels",
        "looks_back",
        "min_items",
        "missing_counts",
        "place",
        "plain",
        "provisional",
        "reassess",
        "reverify_days",
        "routes",
        "scored",
        "since",
        "single",
        "starts",
        "steps",
        "support",
        "tallies",
        "time_zone",
        "top",
        "tracks",
        "watches",
        "window",
    )  # fmt: skip

    def __init__(self, criteria: Criteria, time_zone: str, dok: int | None, breaks: str) -> None:
        """Compile criteria for a time zone, a competency's depth and breaks; `ValueError` for an unknown zone."""
        self.criteria = criteria
        self.time_zone, self.breaks = time_zone, breaks
        self._take_evidence(criteria, time_zone)
        self._take_paths(criteria, dok)
        decision, upkeep = criteria.decision, criteria.upkeep
        self.follows = decision.latch == "current"
        self.confirm_on = decision.confirm_on if decision.latch == "confirm" else 0
        contradiction = upkeep.on_contradiction
        self.below = contradiction.below if contradiction is not None else None
        self.below_last = contradiction.last if contradiction is not None else 0
        lapses = upkeep.on_lapse == "reverify"
        self.reverify_days = upkeep.reverify_after_days if lapses and upkeep.reverify_after_days is not None else 0
        self.checked_by_use = upkeep.check_in_by_use
        self.dates = bool(self.reverify_days) or self.checked_by_use
        """Whether it matters when something on the record was last shown."""
        self.watches = self.follows or self.below is not None or bool(self.reverify_days)
        """Whether pieces after the crossing can make it due for a re-check, or clear one."""
        route = self.routes[0]
        self.single = len(self.tracks) == len(self.routes) == 1 and not route.role and not self.confirm_on
        self.plain = self.steps and not self.groups
        self.support = criteria.support

    def _take_evidence(self, criteria: Criteria, time_zone: str) -> None:
        evidence, scale = criteria.evidence, criteria.scale
        self.place = placing(scale, criteria.normalise)
        self.cut = scale.mastery if scale is not None else 1.0
        self.bottom, self.top = (scale.min, scale.max) if scale is not None else (0.0, 1.0)
        self.kinds: dict[Any, float] | None = dict(evidence.kinds) or None
        self.assisted = evidence.assisted
        self.missing_counts = evidence.missing == "min"
        self.min_items = evidence.min_items or 0
        self.halving = bool(self.min_items) or self.assisted == "half"
        self.collapse, self.reassess = evidence.collapse, evidence.reassess
        self.groups = self.collapse != "none" or self.reassess != "append"
        window = evidence.window
        self.since = window.since.isoformat() if window is not None and window.since is not None else ""
        self.last = window.last or 0 if window is not None else 0
        self.day = day_in(time_zone)
        """The local school day of an instant, None in UTC: there it is the instant's first ten characters."""

    def _take_paths(self, criteria: Criteria, dok: int | None) -> None:
        self.provisional = criteria.provisional is not None
        tracks = [Track(criteria.provisional, "/provisional", criteria, self.cut, dok)] if criteria.provisional else []
        routes = []
        if criteria.mastered is None:
            role = criteria.sign_off.by if criteria.sign_off is not None else ""
            routes.append(Route(len(tracks), role, ""))
            tracks.append(
                Track(Path(method=criteria.method, sufficiency=criteria.sufficiency), "", criteria, self.cut, dok)
            )
        else:
            for number, path in enumerate(criteria.mastered.any_of):
                role = path.sign_off.by if path.sign_off is not None else ""
                pointer = f"/mastered/any_of/{number}"
                routes.append(Route(len(tracks) if path.method is not None else 0, role, pointer))
                if path.method is not None:
                    tracks.append(Track(path, pointer, criteria, self.cut, dok))
        self.tracks, self.routes = tuple(tracks), tuple(routes)
        self.scored = next((r.track for r in routes if not (self.provisional and r.track == 0)), 0)
        """The track whose score is shown."""
        self.starts = tuple(track.start for track in tracks)
        self.window = max(track.window for track in tracks)
        self.activities = max(track.activities for track in tracks)
        self.assessors = max(track.assessors for track in tracks)
        self.levels = tuple(sorted({depth.level for track in tracks for depth in track.depths if depth.level}))
        for track in tracks:
            track.levels = self.levels
        back = [track.method.looks_back() for track in tracks]
        self.looks_back = tuple(back) if all(back) else ()
        """How many of the latest values the state of each track follows from alone; empty where one follows from all."""
        self.tallies = any(track.more for track in tracks)
        self.gap_s = (tracks[0].need.occasion_gap_h or 0.0) * 3600
        self.age = tracks[0].need.max_age_days or 0
        self.steps = not self.last and not self.age


@functools.cache
def day_in(time_zone: str) -> Callable[[str], str] | None:
    """
    Return the function from an instant to its local date; None for UTC, where that is the text's beginning.

    It is one a zone, so what it has found serves all policies.
    """
    if time_zone == "UTC":
        return None
    try:
        zone = zoneinfo.ZoneInfo(time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {time_zone!r}") from error

    @functools.lru_cache(maxsize=DAYS_CACHED)
    def day_at(minute: str) -> str:
        return datetime.datetime.fromisoformat(f"{minute}:00+00:00").astimezone(zone).date().isoformat()

    # No zone changes its offset within a minute.
    return lambda instant: day_at(instant[:16])


def local_date(instant: str, time_zone: str) -> str:
    """Return the date (YYYY-MM-DD) of an instant in a time zone."""
    day = day_in(time_zone)
    return instant[:10] if day is None else day(instant)


def seconds_of(instant: str) -> float:
    """Return an instant as seconds since 1970."""
    return datetime.datetime.fromisoformat(instant).timestamp()


def shifted(instant: str, days: int) -> str:
    """Return the instant so many days later, in the form that events have."""
    return minutes_later(instant, days * 24 * 60)


def minutes_later(instant: str, minutes: int) -> str:
    """Return the instant so many minutes later, in the form that events have."""
    return utc(datetime.datetime.fromisoformat(instant) + datetime.timedelta(minutes=minutes))


def _leveled(depth: Depth, dok: int | None) -> Depth:
    """Return a depth rule with its level: its own, else the standard's."""
    return depth if depth.level is not None else depth.model_copy(update={"level": dok})


def _scoring(method: Method, digits: int | None) -> Callable[[State], float]:
    if digits is None:
        return method.score

    def score(state: State) -> float:
        value = method.score(state)
        return round_half_up_repr(value, digits)

    return score


def _passing(method: Method, bar: float | None, score: Callable[[State], float], cut: float) -> Callable[[State], bool]:
    if bar is None:
        return lambda state: method.passed(state, score(state), cut)
    if isinstance(method, Both):
        return lambda state: score(state) >= bar and method.condition_met(state, cut)
    return lambda state: score(state) >= bar
