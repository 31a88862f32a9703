"""
What follows for other competencies from what happened to one: re-checks passed by use, and credit by crosswalks.

It is a decision that nobody took, with an id that a re-run gives again; it is journalled and folded like that of a person.
"""

from typing import Any

from services.progression.domain.curriculum import Framework, framework_of
from services.progression.domain.curriculum.crosswalks import Links
from services.progression.domain.decisions import Basis, CompetencyDecided
from services.progression.domain.learner import LearnerState
from services.progression.domain.states import DecidedKind
from services.progression.domain.telling import Trigger
from services.progression.domain.transitions import Change
from shared.shards import stable_id


class Following:
    """One learner's standing while what follows from one input is gathered in `decided`, each with its id."""

    def __init__(
        self, standing: LearnerState, frameworks: dict[str, Framework], links: Links, tenant: str, learner: str,
        trigger: Trigger,
    ) -> None:  # fmt: skip
        self.decided: list[tuple[str, CompetencyDecided]] = []
        self._standing = standing
        self._frameworks = frameworks
        self._links = links
        self._tenant, self._learner, self._trigger = tenant, learner, trigger

    def use(self, framework: Framework, change: Change) -> None:
        """Let success pass the re-checks that are due of what it builds on."""
        for needed in framework.prerequisites.get(change.competency, ()):
            if self._standing.due.get(needed):
                why = f"success on {change.competency}"
                self._decide_of(needed, "check", "evidence", why, evidence=change.state.basis)

    def cross(self, change: Change) -> None:
        """Credit what equals a competency once it is shown, take that back once it is not; only what is shown credits."""
        competency = change.competency
        was_shown, is_shown = change.before.shown_at is not None, change.after.shown_at is not None
        if is_shown and not was_shown:
            for other in self._links.gives.get(competency, ()):
                self._credit(other)
        elif was_shown and not is_shown:
            for other in [c for c, (origin, _) in self._standing.crosswalked.items() if origin == competency]:
                self._renew(other)
        self._credit(competency)

    def cross_anew(self) -> None:
        """Take back credit by crosswalks that are no longer stated of what is still listed, and give that by new ones."""
        standing = self._standing
        for competency, (origin, _) in list(standing.crosswalked.items()):
            stated = origin in self._links.receives.get(competency, ())
            if not stated and self._is_listed(origin) and self._is_listed(competency):
                self._renew(competency)
        for competency in [c for c in standing.satisfied if standing.shows(c)]:
            for other in self._links.gives.get(competency, ()):
                self._credit(other)

    def _is_listed(self, competency: str) -> bool:
        framework = self._frameworks.get(framework_of(competency))
        return framework is not None and competency in framework.listed

    def _credit(self, competency: str) -> None:
        if competency not in self._standing.satisfied and competency not in self._standing.crosswalked:
            self._support(competency)

    def _support(self, competency: str) -> bool:
        """Credit a competency by the first that was shown of those that equal it; tell whether there is one."""
        for origin, edge in self._links.receives.get(competency, {}).items():
            if self._standing.shows(origin):
                provenance = f"{edge.type} {edge.origin} {edge.destination}, {edge.framework}@{edge.version}"
                why = f"{origin} was shown"
                id = self._decide_of(competency, "credit", "substitution", why, provenance=provenance)
                self._standing.crosswalked[competency] = (origin, id)
                return True
        return False

    def _renew(self, competency: str) -> None:
        """Find another reason for a credit whose own is gone, or take it back."""
        origin, id = self._standing.crosswalked.pop(competency)
        if not self._support(competency):
            self._decide_of(competency, "lift", "substitution", f"{origin} no longer credits it", undoes=id)

    def _decide_of(self, competency: str, kind: DecidedKind, basis: Basis, why: str, **members: Any) -> str:
        """Note a decision that nobody took: it follows from what was shown; return its id."""
        trigger = self._trigger
        id = stable_id(self._tenant, self._learner, kind, competency, trigger.id)
        if trigger.cause in ("policy", "framework"):
            members |= {"follows": trigger.cause, "batch": trigger.batch}
        self.decided.append((id, CompetencyDecided(self._learner, competency, kind, "", "", basis, why, **members)))
        return id
