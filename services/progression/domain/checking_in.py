"""
Check-ins by use: where the first pieces on a competency are low, what it builds on is asked for a re-check.

What is asked follows from what a learner has begun and shown, whatever the order in which it came, and is held against what was
asked before; the difference is decided like all that nobody decided (`following`).
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from services.progression.domain.curriculum import Framework, framework_of
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.learner import LearnerState
from services.progression.domain.states import DecidedKind
from services.progression.domain.telling import Trigger
from services.progression.domain.transitions import Change
from shared.shards import stable_id

Decision: TypeAlias = tuple[str, CompetencyDecided]
"""A decision with its id."""
BEGUN = "The first two pieces on {} are below the cut."
OVER = "The first pieces on {} ask for nothing any more."


class CheckIns:
    """The re-checks by use of one learner while one input is folded."""

    def __init__(
        self, standing: LearnerState, frameworks: dict[str, Framework], tenant: str, learner: str, trigger: Trigger
    ) -> None:
        self._standing = standing
        self._frameworks = frameworks
        self._tenant, self._learner, self._trigger = tenant, learner, trigger

    def follow(self, changes: Sequence[Change], *, anew: bool) -> Iterator[Decision]:
        """Yield what is to be asked, or no longer, after the changes of an input; `anew` looks at all, for a new framework."""
        standing = self._standing
        for change in changes:
            if change.after.low_start:
                standing.low_starts[change.competency] = change.after.low_start
            else:
                standing.low_starts.pop(change.competency, None)
        known = standing.low_starts.keys() | standing.asks.keys()
        if not known:
            return
        concerned = known if anew else known & set(self._concerned(changes))
        shown = {change.competency: change.state.basis for change in changes if change.after.shown_at is not None}
        for competency in sorted(concerned):
            yield from self._settle(competency, shown)

    def _concerned(self, changes: Sequence[Change]) -> Iterator[str]:
        """Yield those of which the beginning may ask something else now: itself, what builds on it, what builds on the same."""
        for competency in dict.fromkeys(change.competency for change in changes):
            yield competency
            yield from self._dependents(competency)
            for needed in self._prerequisites(competency):
                yield from self._dependents(needed)

    def _settle(self, begun: str, shown: dict[str, tuple[str, ...]]) -> Iterator[Decision]:
        """Yield the difference between what the beginning of a competency asks and what it had asked."""
        start = self._standing.low_starts.get(begun, ())
        asks = self._standing.asks.pop(begun, {})
        asked = [needed for needed in self._prerequisites(begun) if start and self._asks(needed, start)]
        for needed in [needed for needed in asks if needed not in asked]:
            id, *since = asks.pop(needed)
            yield self._lift(begun, needed, id, since[-1], shown)
        for needed in asked:
            if asks.get(needed, ("",))[1:] != start:
                why = BEGUN.format(begun)
                decision = self._decide(begun, needed, "ask", why, since=start[0], at=start[-1])
                asks[needed] = (decision[0], *start)
                yield decision
        if asks:
            self._standing.asks[begun] = asks

    def _asks(self, needed: str, start: tuple[str, ...]) -> bool:
        """Tell whether a low start asks for a re-check: what was shown before it, and no success that is newer."""
        standing = self._standing
        return (
            standing.shows(needed)
            and standing.satisfied[needed] < start[0]
            and self._success(needed, start[-1]) is None
        )

    def _success(self, needed: str, after: str) -> str | None:
        """Return what builds on a competency and was shown at an instant or after, None where nothing was."""
        standing = self._standing
        return next((o for o in self._dependents(needed) if standing.shows(o) and standing.satisfied[o] >= after), None)

    def _lift(self, begun: str, needed: str, undoes: str, after: str, shown: dict[str, tuple[str, ...]]) -> Decision:
        other = self._success(needed, after)
        if other is None:
            return self._decide(begun, needed, "lift", OVER.format(begun), undoes=undoes)
        why, evidence = f"success on {other}", shown.get(other, ())
        return self._decide(begun, needed, "lift", why, undoes=undoes, evidence=evidence)

    def _decide(self, begun: str, needed: str, kind: DecidedKind, why: str, **members: Any) -> Decision:
        id = stable_id(self._tenant, self._learner, kind, needed, begun, self._trigger.id)
        return id, CompetencyDecided(self._learner, needed, kind, "", "", "evidence", why, begun=begun, **members)

    def _prerequisites(self, competency: str) -> Sequence[str]:
        framework = self._frameworks.get(framework_of(competency))
        return framework.prerequisites.get(competency, ()) if framework is not None else ()

    def _dependents(self, competency: str) -> Sequence[str]:
        framework = self._frameworks.get(framework_of(competency))
        return framework.dependents.get(competency, ()) if framework is not None else ()
