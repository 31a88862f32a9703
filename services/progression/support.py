"""
When a learner is to be helped, and by whom: a prompt to an adult with a name and a date, never a label.

Two sides. Learning: practice of ten items on two days without the bar, or five pieces of class work of which none of the last
three is at the cut. School: adults are the wait, where a sign-off, a grade or a place is overdue. Nothing is compared with other
learners, and nothing of it is stored: it is computed from what is recorded, so it clears itself with the next piece that is at
the cut, the mark that comes in, or the end of the school year.

Source of the numbers: of learners whose last three of five pieces are below the cut 82 % are truly not there, and 38 % of them
make it later all the same; ten opportunities are the definition of Beck & Gong 2013 for practice alone.
"""

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from services.progression.evidence_rules import composites
from services.progression.mastery import replay
from services.progression.policy.rule import Rule
from services.progression.probing import later, top_of
from services.progression.school_calendar import days_of
from services.progression.standing import ON_RECORD, score_of, status_of
from services.progression.states import Decided, KeyState, Piece
from shared.contracts import Score

Side = Literal["learning", "school"]
Cause = Literal["practice_without_progress", "work_below_the_cut", "sign_off_waits", "grade_waits", "ready_and_waiting"]
Wait = Literal["sign_off", "ungraded", "ready_not_placed"]
PRACTICE_ITEMS, PRACTICE_DAYS = 10, 2
CLASS_PIECES, CLASS_LAST = 5, 3
WAITS: dict[Wait, tuple[Cause, int]] = {
    "sign_off": ("sign_off_waits", 5),
    "ungraded": ("grade_waits", 10),
    "ready_not_placed": ("ready_and_waiting", 10),
}
"""Which wait is whose cause, and after how many school days."""
RESPOND_DAYS = 5
"""School days in which the owner is to respond."""


class Suggestion(NamedTuple):
    """What is suggested: whose side the cause is on, who owns it, and until which day (YYYY-MM-DD) a response is due."""

    side: Side
    cause: Cause
    owner: str
    respond_by: str
    weakest_prerequisite: str | None = None
    tried: tuple[str, ...] = ()
    """Activities of the pieces that gave the cause, the latest last."""


class Calendar(NamedTuple):
    """A school year: the day after its last (YYYY-MM-DD), and the tenant's breaks as `school_calendar` writes them."""

    ends: str
    breaks: str = ""

    def is_school_day(self, day: datetime.date) -> bool:
        """Tell whether there is school: Monday to Friday, and in no break."""
        return day.weekday() < 5 and not any(first <= day <= last for first, last in days_of(self.breaks))

    def school_days(self, since: str, until: str) -> int:
        """Return the school days after one day up to another."""
        day, last = datetime.date.fromisoformat(since[:10]), datetime.date.fromisoformat(until[:10])
        count = 0
        while day < last:
            day += datetime.timedelta(days=1)
            count += self.is_school_day(day)
        return count

    def after(self, day: str, school_days: int) -> str:
        """Return the day so many school days later."""
        found, left = datetime.date.fromisoformat(day[:10]), school_days
        while left:
            found += datetime.timedelta(days=1)
            left -= self.is_school_day(found)
        return found.isoformat()


def learning_support(
    rule: Rule,
    pieces: Iterable[Piece],
    today: str,
    calendar: Calendar,
    owner: str,
    prerequisites: Mapping[str, float | None],
    decisions: Iterable[Decided] = (),
) -> Suggestion | None:
    """
    Return what a learner's work on one competency asks of an adult, None where nothing.

    `prerequisites` are those that are not on the record, with their scores where there is evidence.
    """
    ordered = sorted(pieces, key=lambda piece: piece.order)
    status = status_of(replay(KeyState(), ordered, rule, "", decisions), rule)
    if today >= calendar.ends or status in (*ON_RECORD, "provisional", "credited", "overridden"):
        return None
    practice = [piece for piece in ordered if piece.kind == "practice"]
    class_work = composites(rule, (piece for piece in ordered if piece.kind not in ("practice", "self")))
    recent = class_work[-CLASS_LAST:]
    cause: Cause
    if len(class_work) >= CLASS_PIECES and not any(unit.value.correct for unit in recent):
        cause, tried = "work_below_the_cut", [unit.piece for unit in recent]
    elif not class_work and _spins(practice):
        cause, tried = "practice_without_progress", practice[-CLASS_LAST:]
    else:
        return None
    activities = tuple(dict.fromkeys(piece.activity for piece in tried))
    weakest = weakest_of(prerequisites)
    return Suggestion("learning", cause, owner, calendar.after(today, RESPOND_DAYS), weakest, activities)


def _spins(practice: Sequence[Piece]) -> bool:
    items = sum(piece.items or 1 for piece in practice)
    return items >= PRACTICE_ITEMS and len({piece.order[0][:10] for piece in practice}) >= PRACTICE_DAYS


def school_support(wait: Wait, since: str, today: str, calendar: Calendar, owner: str) -> Suggestion | None:
    """Return what a wait of a learner for adults asks of its owner, None while it is not overdue."""
    cause, longest = WAITS[wait]
    if today >= calendar.ends or calendar.school_days(since, today) <= longest:
        return None
    return Suggestion("school", cause, owner, calendar.after(today, RESPOND_DAYS))


def weakest_of(prerequisites: Mapping[str, float | None]) -> str | None:
    """Return the prerequisite with the lowest score; what has no evidence comes after what has, since unknown is no gap."""
    return min(
        prerequisites, key=lambda code: (prerequisites[code] is None, prerequisites[code] or 0.0, code), default=None
    )


def is_settled(rule: Rule, pieces: Collection[Piece], decisions: Iterable[Decided] = ()) -> bool:
    """Tell whether there is enough evidence: one more test, however it turns out, would not change the verdict."""
    held, ordered = tuple(decisions), sorted(pieces, key=lambda piece: piece.order)
    if not ordered:
        return False
    now = status_of(replay(KeyState(), ordered, rule, "", held), rule)
    return all(
        status_of(replay(KeyState(), [*ordered, _next(rule, ordered[-1], value)], rule, "", held), rule) == now
        for value in (rule.bottom, top_of(rule))
    )


def running_score(rule: Rule, pieces: Iterable[Piece]) -> float | None:
    """Return the running score, for `prerequisites` of `learning_support`; None without evidence."""
    return score_of(replay(KeyState(), pieces, rule, ""), rule)


def _next(rule: Rule, last: Piece, value: float) -> Piece:
    """Return a full test on another day, with all that a policy can ask of a piece."""
    kinds = [kind for track in rule.tracks for kind in track.kinds]
    return msgspec.structs.replace(
        last,
        order=(later(last.order[0], 24), 1, last.order[2], f"{last.order[3]}-next"),
        evidence_id=f"{last.evidence_id}-next",
        activity=f"{last.activity}-next",
        score=Score(level=value) if rule.policy.scale is not None else Score(raw=value, max=1.0),
        kind=kinds[0] if kinds else "summative",
        items=max(rule.min_items, 1),
        assisted=False,
        assessor=f"{last.assessor or ''}-next",
        judged=True,
    )
