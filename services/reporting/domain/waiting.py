"""
What waits for somebody, with its age and its owner: a fold of the public events. Support is read apart (`domain.support`), and
so is what families ask (`domain.review_requests`).

An event opens and closes entries by (learner, scope, queue) and says all about them, so an entry is what the last event on
it says. What is lost without an event, such as a provisional status, is told apart when the queue is read, and holds of
competencies are told by states.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from services.reporting.domain.standing import on_record
from services.reporting.domain.told import Person, Told
from shared.contracts.internal_events import Status

Queue = Literal[
    "sign_off", "confirm", "ready", "review", "withheld", "reverify", "contested", "gaps", "asked", "support"
]
QUEUES: dict[Queue, str] = {
    "sign_off": "levels that are complete and wait for a signature",
    "confirm": "competencies that are shown and wait to be confirmed",
    "ready": "what a learner is ready for and has not begun",
    "review": "advancements whose ground was corrected away: a person decides",
    "withheld": "refusals and holds, with a date on which they are looked at again",
    "reverify": "what is on the record and asks for a re-check",
    "contested": "decisions by hand that newer evidence disagrees with",
    "gaps": "placements beyond what is shown, with what is still open",
    "asked": "standings that a learner or family asks to have looked at again",
    "support": "support that is suggested: an adult is asked, with a cause and a date; for few eyes",
}
"""Every queue, and what waits in it."""

OWNER = "teacher"
"""Who looks after what names nobody."""
_CLOSES: dict[str, tuple[Queue, ...]] = {
    "competency.provisional": ("ready",),
    "competency.mastered": ("confirm", "ready", "reverify", "contested", "withheld"),
    "competency.credited": ("confirm", "ready", "reverify", "contested", "withheld"),
    "competency.reinstated": ("confirm", "ready", "withheld"),
    "competency.withdrawn": ("confirm", "reverify", "contested", "withheld"),
    "competency.reverified": ("reverify", "contested"),
    "level.sign_off_requested": ("withheld",),
    "level.sign_off_lapsed": ("sign_off",),
    "level.advanced": ("sign_off", "ready", "review", "withheld"),
    "level.reinstated": ("review", "withheld"),
    "level.withdrawn": ("review",),
    "level.withheld": ("sign_off",),
    "level.placed_with_gaps": ("ready",),
    "level.gaps_cleared": ("gaps", "ready"),
    "goal.chosen": ("ready",),
}


class Entry(NamedTuple):
    """Something that waits: since when, until when it should be done, for whom, and what would do it, in words."""

    opened_at: str
    due_by: str | None
    owner: str
    detail: tuple[str, ...]


def waits(kind: str, told: Told) -> Iterator[tuple[str, Queue, Entry | None]]:
    """Yield what an event says of the queues of its learner, by scope; None closes."""
    scope, opened = told.scope.id, _opened(kind, told)
    for queue in _CLOSES.get(kind, ()):
        yield scope, queue, None
    for level in told.levels_affected:
        # What was to be signed is complete no more.
        yield level, "sign_off", None
    if opened is not None:
        yield scope, *opened


def _opened(kind: str, told: Told) -> tuple[Queue, Entry] | None:
    shown = told.effective_at or told.decided_at
    match kind:
        case "level.sign_off_requested":
            owner = next(iter(told.approver_roles), OWNER)
            return "sign_off", Entry(told.decided_at, told.escalate_at, owner, ())
        case "competency.provisional":
            return "confirm", Entry(shown, None, OWNER, told.confirms_by)
        case "competency.ready":
            return "ready", Entry(shown, None, OWNER, told.because)
        case "level.ready":
            return "ready", Entry(told.waiting_since or shown, None, OWNER, ())
        case "level.review_required":
            return "review", Entry(told.decided_at, told.decide_by, told.owner or OWNER, told.asks_for or told.missing)
        case "level.withheld":
            owner = _owner(told.decided_by)
            return "withheld", Entry(told.decided_at, told.review_at, owner, told.asks_for or told.missing)
        case "competency.withdrawn" if told.review_at is not None:
            owner = _owner(told.basis.by if told.basis is not None else None)
            return "withheld", Entry(told.decided_at, told.review_at, owner, ())
        # A path is told once as met: of what comes off the record and waits as before nothing else tells.
        case "competency.withdrawn" if told.after == "provisional":
            return "confirm", Entry(shown, None, OWNER, ())
        case "competency.reverify_due":
            detail = tuple(text for text in (told.why, told.smallest_check) if text)
            return "reverify", Entry(told.decided_at, told.due_by, OWNER, detail)
        case "competency.override_contested":
            owner = _owner(told.override.by if told.override is not None else None)
            return "contested", Entry(told.decided_at, None, owner, ())
        case "level.placed_with_gaps":
            return "gaps", Entry(told.decided_at, None, OWNER, (*told.not_yet, *told.unknown))
    return None


def _owner(author: Person | None) -> str:
    """Return who looks after what somebody decided."""
    return (author.role if author is not None else "") or OWNER


def still_waits(queue: Queue, status: Status | None, mastered_at: str | None, *, begun: bool, missing: int) -> bool:
    """
    Tell whether an open entry is still so, by the state of what it is about.

    Args:
        status: of the competency, None where there is none or the entry is on a level.
        begun: there is evidence on the competency, or on any of the level's.
        missing: how much of what the entry names is not on the record, a choice among competencies counted in any case.
    """
    match queue:
        case "confirm":
            return status == "provisional"
        case "ready":
            return not begun and not (status is not None and on_record(status, mastered_at))
        case "review":
            return missing > 0
        case "reverify":
            return status is None or status in ("reverify_due", "overridden")
        case "contested" | "withheld":
            return status is None or status == "overridden"
    return True
