"""What a learner has on the record and was told, over all competencies and levels."""

from typing import Literal

import msgspec

from services.progression.domain.decisions import LevelDecided
from services.progression.domain.telling import Trigger

Wait = Literal["sign_off", "ready_not_placed"]
LevelKind = Literal[
    "sign_off_requested", "review_required", "withheld", "withdrawn", "reinstated", "placed_with_gaps", "gaps_cleared"
]
"""What is told of a level, besides that it has advanced and what is ready by that."""
Stands = Literal["", "advanced", "review_required", "withdrawn"]
_STANDS: dict[LevelKind, Stands] = {
    "review_required": "review_required", "withdrawn": "withdrawn", "reinstated": "advanced"
}  # fmt: skip
NEVER = "never"
"""When a wait asks for support of which no rule does; later than any instant."""


class HandedIn(msgspec.Struct, array_like=True, frozen=True):
    """
    Work that waits for a grade: of which source on what, since when, for which competencies, the instant at which it is
    over with the school year, and the next at which the wait asks for support (empty: it has; or `NEVER`).
    """

    source: str
    activity: str
    since: str
    competencies: tuple[str, ...]
    ends: str
    due: str = ""


class Suggestion(msgspec.Struct, array_like=True, frozen=True):
    """
    Support that is suggested: the id of the event that told it, whose side the cause is on, who owns it since when, by which
    day (YYYY-MM-DD) a response is due, the instant at which it ends with the school year, the prerequisite that is weakest and
    not on the record, and the activities tried last.
    """

    id: str
    side: str
    cause: str
    owner: str
    since: str
    respond_by: str
    ends: str
    weakest: str | None = None
    tried: tuple[str, ...] = ()


class Held(msgspec.Struct, array_like=True, frozen=True):
    """
    An event on a level that is not told yet because it may be undone: until when, the input that caused it, and what a person
    decided, None where nobody did.
    """

    kind: LevelKind
    until: str
    trigger: Trigger
    decision: LevelDecided | None = None


class LearnerState(msgspec.Struct, array_like=True):
    """What a learner has on the record and was told; mutable like `KeyState`. Ids are those of the events that told it."""

    satisfied: dict[str, str] = {}
    """Competencies on the record or credited, with since when."""
    ready: dict[str, str] = {}
    """Ids by competency, and by level for level.ready."""
    advanced: dict[str, str] = {}
    """Ids by level."""
    opened: dict[str, str] = {}
    """Competencies that met the provisional path, with when; never taken back."""
    requested: dict[str, str] = {}
    signed: dict[str, str] = {}
    """When a level was signed off; forgotten where it is complete no more before it has advanced."""
    settling: dict[str, str] = {}
    """Levels that are complete and still wait for an undo, with until when."""
    reviews: dict[str, str] = {}
    """Open reviews, ids by level."""
    taken_back: dict[str, str] = {}
    """
    Advancements that a person took back, ids of the withdrawal by level, empty where none was told; one that was shown anew is
    none of them.
    """
    gaps: dict[str, tuple[str, ...]] = {}
    """What was not shown at a placement, by level, until it was told that all of it is."""
    due: dict[str, bool] = {}
    """Competencies of which a re-check was asked, and whether success on what builds on them is one."""
    asked: tuple[str, ...] = ()
    """When re-checks were asked in the last week."""
    waiting: dict[str, tuple[int, bytes]] = {}
    """Re-checks that wait because so many were asked this week, with the data of what will be told, as JSON."""
    presumed: dict[str, str] = {}
    """Competencies presumed at a placement, with since when: they satisfy prerequisites, and never a level."""

    credited: set[str] = set()
    """Those of `satisfied` that were not shown."""
    awaiting: dict[str, tuple[str, str, str]] = {}
    """What waits for a sign-off: the role that gives it, since when, and when it escalates (empty: it has)."""
    crosswalked: dict[str, tuple[str, str]] = {}
    """Competencies credited by a crosswalk: what was shown, and the id of the decision that credits."""
    support: dict[str, Suggestion] = {}
    """Open suggestions, by competency or level."""
    waits: dict[str, tuple[Wait, str, str]] = {}
    """Waits for adults, by competency or level: which, since when, and when it asks for support (empty: it has; or `NEVER`)."""
    reached: dict[str, str] = {}
    """Since when what an advanced level asked for was there, by what is known; kept where the level is taken back."""
    ended: dict[str, str] = {}
    """The digest of each term that is closed, its amendments in it."""

    ungraded: dict[str, HandedIn] = {}
    """Handed-in work that waits for a grade, by its id."""
    losses: dict[str, int] = {}
    """How often competencies and levels were taken off the record and not reinstated: each time an episode ended."""
    low_starts: dict[str, tuple[str, ...]] = {}
    """When the first pieces on a competency occurred, where each was below the cut (`states.low_start`)."""
    asks: dict[str, dict[str, tuple[str, ...]]] = {}
    """Re-checks asked by use: by competency begun and competency asked of, the id of the decision and the low start."""
    uncredited: dict[str, dict[str, str]] = {}
    """Competencies whose credit by a crosswalk lost its ground: by what had been shown, since when it credited."""
    originals: dict[str, str] = {}
    """Ids of the advancements of levels that were taken back or reviewed since, by level."""
    reviewed: set[str] = set()
    """Those of `taken_back` of which a review was open."""
    placed: dict[str, str] = {}
    """Placements of which something is open, ids by level."""
    signers: dict[str, tuple[str, str, str]] = {}
    """Who has given the signatures in `signed`: role, subject and reason."""
    lapsed: set[str] = set()
    """Those of `requested` that were complete no more since: their sign-off is asked for anew."""
    targets: dict[str, tuple[str, str]] = {}
    """Competencies that a plan asks another in the place of, or nothing (empty), with since when."""
    plan_reviews: dict[str, Suggestion] = {}
    """Plans whose day of review has passed, as their owners were told, by competency."""

    held: dict[str, tuple[Held, ...]] = {}
    """What is to be told of levels unless it is undone, in order; all else here is what was told."""
    seqs: dict[str, int] = {}
    """The sequence number of what was told of each level last."""
    credits: dict[str, tuple[str, float]] = {}
    """The credit, as code and value, that levels have advanced with; kept where one is taken back."""

    passed: dict[str, dict[str, tuple[str, str]]] = {}
    """Re-checks passed by use: by what was shown and what it builds on, the decision (empty: undone) and since when."""
    asked_of: dict[str, str] = {}
    """The role that the sign-offs in `requested` were asked of first, by level."""
    dated: dict[str, tuple[str, int]] = {}
    """Levels that have advanced unsigned: since when, as was told, and the activation by whose rules (`level_dates`)."""
    asked_since: dict[str, tuple[str, str]] = {}
    """Since when those sign-offs had waited, and when they were to escalate (empty: a leader was asked as well)."""

    removed: dict[str, tuple[str, ...]] = {}
    """What corrections took that levels had advanced with and lack since, by level: nothing else keeps a review open."""
    beside: dict[str, Suggestion] = {}
    """Open suggestions that were told while `support` had one of another cause, by competency or level."""
    waits_beside: dict[str, tuple[Wait, str, str]] = {}
    """Waits that began while `waits` had the other one, by level."""

    def suggestions(self) -> list[tuple[str, Suggestion]]:
        """Return what is suggested and open, each with its competency or level."""
        return [*self.support.items(), *self.beside.items()]

    def suggestion_on(self, scope: str, cause: str = "") -> Suggestion | None:
        """Return what is open on a competency or level: of a cause, or without one what was suggested first."""
        here = [kept[scope] for kept in (self.support, self.beside) if scope in kept]
        of_cause = (open_ for open_ in here if cause in ("", open_.cause))
        return min(of_cause, key=lambda open_: open_.since, default=None)

    def shows(self, competency: str) -> bool:
        """Tell whether mastery of a competency is on the record, and not only credited."""
        return competency in self.satisfied and competency not in self.credited

    def told_of(self, level: str) -> tuple[str, str | None]:
        """Return what was told of a level last, and the id of the event that told it."""
        for status, told in (("review_required", self.reviews), ("advanced", self.advanced)):
            if told.get(level):
                return status, told[level]
        status, id = self.short_of(level)
        if not id and level in self.gaps:
            return "placed_with_gaps", self.placed.get(level)
        return status, id or None

    def complete(self) -> dict[str, str]:
        """Return the levels that have advanced, with since when; one older than this date is kept is older than any other."""
        return {level: self.reached.get(level, "") for level in self.advanced}

    def short_of(self, level: str) -> tuple[str, str]:
        """Return what was told of a level besides that it has advanced, and the id of the event that told it."""
        for status, told in (
            ("withdrawn", self.taken_back),
            ("sign_off_requested", self.requested if self.is_requested(level) else {}),
            ("ready", self.ready),
        ):
            if told.get(level):
                return status, told[level]
        return "in_progress", ""

    def is_requested(self, level: str) -> bool:
        """Tell whether somebody was asked to sign a level off, and not told that this is over."""
        return level in self.requested and level not in self.lapsed

    @property
    def instead(self) -> dict[str, str]:
        """What plans ask in the place of competencies, empty where they ask nothing."""
        return {competency: instead for competency, (instead, _) in self.targets.items()}

    def by_plan(self, competency: str) -> str | None:
        """Return since when a plan lets a competency be met: nothing is asked, or what is asked in its place is there."""
        instead, since = self.targets.get(competency, ("", None))
        return self.satisfied.get(instead) if instead else since

    def met_since(self, competency: str) -> str | None:
        """Return since when a competency is no gap of its level."""
        return self.satisfied.get(competency) or self.by_plan(competency)

    def changes(self, level: str) -> list[Held]:
        """Return what is held of a level that changes where it stands on the record."""
        return [held for held in self.held.get(level, ()) if held.kind in _STANDS]

    def stands(self, level: str) -> Stands:
        """Return where a level stands on the record, as it will be told; empty for one that has not advanced."""
        return self._stands_after(level, self.changes(level))

    def stood(self, level: str) -> Stands:
        """Return where a level stood before the last change that is held."""
        return self._stands_after(level, self.changes(level)[:-1])

    def _stands_after(self, level: str, changes: list[Held]) -> Stands:
        if changes:
            return _STANDS[changes[-1].kind]
        if level in self.advanced:
            return "review_required" if level in self.reviews else "advanced"
        return "withdrawn" if level in self.taken_back else ""

    def is_without_gaps(self, level: str) -> bool:
        """Tell whether all is shown by now that was not at a placement whose gaps were told."""
        return level in self.gaps and all(self.met_since(code) is not None for code in self.gaps[level])

    def since(self, competency: str) -> str | None:
        """Return since when a competency satisfies prerequisites."""
        return self.met_since(competency) or self.presumed.get(competency)

    def is_begun(self, competency: str) -> bool:
        """Tell whether something was ever shown, credited or opened of a competency, or is presumed."""
        return competency in self.opened or competency in self.presumed

    def stands_for(self, competency: str) -> list[str]:
        """Return what a competency is asked for in the place of."""
        return [code for code, (instead, _) in self.targets.items() if instead == competency]
