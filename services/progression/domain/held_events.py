"""
Events on levels that wait for as long as the policy lets levels settle: what is undone until then is never told.

When one is due is seen in `level_fold`.
"""

from collections.abc import Iterator

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import LevelDecided
from services.progression.domain.learner import Held, LearnerState, LevelKind
from services.progression.domain.level_events import LevelEvents
from services.progression.domain.levels import LevelTerms, Terms
from services.progression.domain.policy.rule import minutes_later
from services.progression.domain.telling import Teller, Told


class HeldEvents:
    """What of one learner's levels waits to be told, as `LearnerState.held` keeps it."""

    def __init__(self, standing: LearnerState, terms: Terms, teller: Teller, events: LevelEvents) -> None:
        self._standing = standing
        self._terms = terms
        self._teller = teller
        self._events = events

    def tell(
        self, kind: LevelKind, framework: Framework, level: str, decision: LevelDecided | None = None
    ) -> Iterator[Told]:
        """Yield an event, or hold it while it may be undone."""
        until = self.waits_until(level, self._terms(framework.levels[level][0]))
        if not until:
            yield from self._events.tell(kind, framework, level, decision)
            return
        held = Held(kind, until, self._teller.trigger._replace(batch=""), decision)
        self._standing.held[level] = (*self._standing.held.get(level, ()), held)

    def waits_until(self, level: str, terms: LevelTerms) -> str:
        """
        Return until when something of a level waits to be undone; empty where it is told at once.

        What a recalculation causes does not wait, since it is told between its start and its end; nothing of a level overtakes
        what changes where it stands.
        """
        trigger = self._teller.trigger
        own = minutes_later(trigger.time, terms.settle_min) if terms.settle_min and not trigger.batch else ""
        return max([own, *(held.until for held in self._standing.changes(level))])

    def undo(self, level: str, kind: LevelKind) -> bool:
        """Drop what is held of a kind; tell whether there was any."""
        for held in self._standing.held.get(level, ()):
            if held.kind == kind:
                self.drop(level, held)
                return True
        return False

    def drop(self, level: str, held: Held) -> None:
        """Forget what is held: it is told now, or never."""
        left = tuple(other for other in self._standing.held[level] if other is not held)
        if left:
            self._standing.held[level] = left
        else:
            del self._standing.held[level]

    def asks_for_sign_off(self, level: str) -> bool:
        """Tell whether a sign-off is asked for once that cannot be undone."""
        return any(held.kind == "sign_off_requested" for held in self._standing.held.get(level, ()))
