"""
What follows for other competencies from what happened to one: re-checks passed by use, and credit by crosswalks.

It is a decision that nobody took, with an id that a re-run gives again; it is journalled and folded like that of a person.
"""

from collections.abc import Collection
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
                self._pass(needed, change.competency, evidence=change.state.basis)

    def hold_use(self, change: Change) -> None:
        """Undo the re-checks that a success passed once it is shown no more; once it is again, they are passed as they were."""
        own = self._standing.passed.get(change.competency, {})
        is_lost = change.before.shown_at is not None and change.after.shown_at is None
        for needed, (id, at) in own.items():
            if is_lost and id:
                own[needed] = ("", at)
                others = [
                    (by[needed][1], other) for other, by in self._standing.passed.items() if by.get(needed, ("",))[0]
                ]
                if others:
                    since, other = max(others)
                    self._pass(needed, other, at=since)
                else:
                    why = f"success on {change.competency} is there no more"
                    self._decide_of(needed, "lift", "evidence", why, undoes=id)
            elif change.transition == "reinstated" and not id:
                self._pass(needed, change.competency, evidence=change.state.basis, at=at)

    def _pass(self, needed: str, by: str, **members: Any) -> None:
        id = self._decide_of(needed, "check", "evidence", f"success on {by}", **members)
        self._standing.passed.setdefault(by, {})[needed] = (id, members.get("at") or self._trigger.time)

    def cross(self, change: Change) -> None:
        """Credit what equals a competency once it is shown, take that back once it is not; only what is shown credits."""
        competency = change.competency
        was_shown, is_shown = change.before.shown_at is not None, change.after.shown_at is not None
        if is_shown and not was_shown:
            if change.transition == "mastered":
                self._forget(competency)
            for other in self._links.gives.get(competency, ()):
                self._credit(other, competency if change.transition == "reinstated" else "")
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

    def _credit(self, competency: str, reinstated: str = "") -> None:
        """
        Credit what is neither shown nor credited.

        What is `reinstated` gives back the date that its credit had, also to what is shown by now, or credited otherwise.
        """
        standing = self._standing
        former = standing.uncredited.get(competency, {})
        if competency not in standing.satisfied and competency not in standing.crosswalked:
            self._support(competency, next(reversed(former.values()), "") if reinstated else "")
        elif reinstated in former:
            self._give(competency, reinstated)

    def _support(self, competency: str, since: str = "") -> bool:
        """Credit a competency by the first that was shown of those that equal it; tell whether there is one."""
        for origin in self._links.receives.get(competency, ()):
            if self._standing.shows(origin):
                self._give(competency, origin, since)
                return True
        return False

    def _give(self, competency: str, origin: str, since: str = "") -> None:
        """Credit a competency by what was shown: since that credited it before, else `since`, else from now on."""
        standing, edge = self._standing, self._links.receives[competency][origin]
        at = standing.uncredited.get(competency, {}).get(origin) or since
        if not standing.shows(competency):
            self._forget(origin, competency)
        provenance = f"{edge.type} {edge.origin} {edge.destination}, {edge.framework}@{edge.version}"
        why = f"{origin} was shown"
        id = self._decide_of(competency, "credit", "substitution", why, provenance=provenance, at=at, origin=origin)
        standing.crosswalked[competency] = (origin, id)

    def _renew(self, competency: str) -> None:
        """Find another reason for a credit whose own is gone, or take it back."""
        self.note_credit(competency)
        origin, id = self._standing.crosswalked.pop(competency)
        if not self._support(competency, self._standing.uncredited.get(competency, {}).get(origin, "")):
            self._decide_of(competency, "lift", "substitution", f"{origin} no longer credits it", undoes=id)

    def note_credit(self, competency: str) -> None:
        """Note since when a competency is credited by a crosswalk, as long as it is, for when it is so again."""
        standing = self._standing
        if competency in standing.crosswalked and competency in standing.credited:
            origin, _ = standing.crosswalked[competency]
            standing.uncredited.setdefault(competency, {})[origin] = standing.satisfied[competency]

    def _forget(self, origin: str, *competencies: str) -> None:
        """Forget since when something had credited others, or those that are given."""
        uncredited = self._standing.uncredited
        for competency in competencies or tuple(uncredited):
            former = uncredited.get(competency, {})
            former.pop(origin, None)
            if not former:
                uncredited.pop(competency, None)

    def _decide_of(self, competency: str, kind: DecidedKind, basis: Basis, why: str, **members: Any) -> str:
        """Note a decision that nobody took: it follows from what was shown; return its id."""
        trigger = self._trigger
        id = stable_id(self._tenant, self._learner, kind, competency, trigger.id)
        if trigger.cause in ("policy", "framework"):
            members |= {"follows": trigger.cause, "batch": trigger.batch}
        self.decided.append((id, CompetencyDecided(self._learner, competency, kind, "", "", basis, why, **members)))
        return id


def is_to_be_folded(id: str, decision: CompetencyDecided, credited: Collection[str], standing: LearnerState) -> bool:
    """
    Tell whether a decision that follows from a batch is to be folded: credit by a crosswalk that began in it and ended is not.

    `credited` are those that crosswalks credited before the batch, `standing` is what it leaves.
    """
    if decision.basis != "substitution" or decision.competency in credited:
        return True
    return decision.kind == "credit" and standing.crosswalked.get(decision.competency, ("", ""))[1] == id
