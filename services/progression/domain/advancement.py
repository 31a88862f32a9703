"""
Advancement: the steps of the second fold (`learner_fold`). What happened to competencies, new frameworks, decisions on levels
and ticks give what a learner has satisfied, what is ready, what follows for other competencies, and what happens to levels
(`level_fold`).

What was told as ready stays so.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from services.progression.domain.curriculum import Framework, framework_of, framework_of_level, level_id
from services.progression.domain.curriculum.crosswalks import Links
from services.progression.domain.decisions import ClockTicked, CompetencyDecided, LevelDecided, SupportDecided
from services.progression.domain.following import Following
from services.progression.domain.learner import LearnerState
from services.progression.domain.level_fold import ESCALATES_AFTER, LevelFold
from services.progression.domain.levels import Terms
from services.progression.domain.plan_reviews import PlanReviews
from services.progression.domain.rechecks import Rechecks
from services.progression.domain.support_fold import LEADER, SupportFold
from services.progression.domain.telling import EVIDENCE, Teller, Told, Trigger
from services.progression.domain.transitions import Change, tell
from services.progression.domain.ungraded_fold import UngradedFold
from shared.contracts.handed_in import WorkUngraded


class LevelStep(NamedTuple):
    """A decision on a level or on support, handed-in work, or a tick, to be folded into a learner's standing."""

    tenant: str
    learner: str
    trigger: Trigger
    rules_no: int
    event: LevelDecided | SupportDecided | ClockTicked | WorkUngraded


class Review(NamedTuple):
    """
    A new framework version to hold against what a learner has on the record; `levels_only` where it is the same, and a policy
    asks something else of its levels.
    """

    tenant: str
    learner: str
    trigger: Trigger
    rules_no: int
    framework: Framework
    levels_only: bool = False


class Taken(NamedTuple):
    """
    What a transition did to what is satisfied: newly by whatever there is, gained or lost on the record or by credit; or whether
    a plan for it is another.
    """

    new: bool = False
    gained: bool = False
    lost: bool = False
    planned: bool = False


class Advancing:
    """One learner's standing while one input is folded into it; the methods yield what is to be told."""

    def __init__(
        self,
        standing: LearnerState,
        frameworks: dict[str, Framework],
        links: Links,
        terms: Terms,
        cause: Change | LevelStep | Review,
        levels_with: Callable[[str], Sequence[str]],
        lost: set[str],
    ) -> None:
        self._standing = standing
        self._levels_with = levels_with
        self._lost = lost
        self._frameworks = frameworks
        self._teller = Teller(cause.tenant, cause.learner, cause.trigger)
        self._terms = terms
        self._support = SupportFold(standing, frameworks, terms, self._teller)
        self._plans = PlanReviews(standing, frameworks, terms, self._teller)
        self._ungraded = UngradedFold(standing, terms, self._teller, self._support)
        self._levels = LevelFold(standing, frameworks, terms, self._teller, self._support, levels_with, lost)
        self._following = Following(standing, frameworks, links, cause.tenant, cause.learner, cause.trigger)
        self._rechecks = Rechecks(standing, terms, cause.tenant, cause.learner, cause.trigger)
        self._taken = Taken()

    @property
    def decided(self) -> list[tuple[str, CompetencyDecided]]:
        """What follows for other competencies, each with its id."""
        return self._following.decided

    def tell_change(self, change: Change) -> Iterator[Told]:
        """Yield the event of a transition; a re-check may have to wait, and one that was never asked is not cleared."""
        if change.transition == "moved":
            return
        told = tell(change, self._frameworks)
        if change.transition == "withdrawn":
            affected = self._levels.standing_on(change.competency)
            told.data["levels_affected"] = affected
            self._levels.lapse(affected)
        yield from self._rechecks.tell(change, told)

    def take(self, change: Change) -> None:
        """Take a transition of a competency into the standing; `fold_change` looks at what follows once all are taken."""
        standing, competency = self._standing, change.competency
        since, presumed = change.after.satisfied_at, change.after.status == "presumed"
        had, counted = standing.since(competency), competency in standing.satisfied
        if change.after.status != "credited":
            self._following.note_credit(competency)
        standing.satisfied.pop(competency, None)
        standing.presumed.pop(competency, None)
        standing.credited.discard(competency)
        if since is not None:
            (standing.presumed if presumed else standing.satisfied)[competency] = since
            if change.after.shown_at is None and not presumed:
                standing.credited.add(competency)
        standing.targets.pop(competency, None)
        decided = change.after.plan
        if decided is not None and decided.plan is not None and decided.plan.retargets:
            standing.targets[competency] = (decided.plan.instead, decided.at)
        if change.transition == "provisional" or (since is not None and not presumed):
            standing.opened.setdefault(competency, since or change.trigger.time)
        counts = competency in standing.satisfied
        new = had is None and standing.since(competency) is not None
        planned = change.before.plan != change.after.plan
        self._taken = Taken(new, counts and not counted, counted and not counts, planned)
        if self._taken.lost:
            self._lost.update((competency, *standing.stands_for(competency)))

    def fold_change(self, change: Change) -> Iterator[Told]:
        """Yield what became ready by a transition that was taken, and what happened to its level."""
        competency, taken = change.competency, self._taken
        self._following.cross(change)
        self._following.hold_use(change)
        yield from self._await(change)
        yield from self._support.work(change)
        yield from self._plans.review(change)
        if not (any(taken) or change.transition == "provisional"):
            return
        framework = self._frameworks.get(framework_of(competency))
        if framework is not None and taken.gained and change.transition == "mastered":
            self._following.use(framework, change)
        for each in (competency, *self._standing.stands_for(competency)):
            yield from self._affect(each, change)

    def _affect(self, competency: str, change: Change) -> Iterator[Told]:
        """Yield what a transition does for its competency, or for one in the place of which that is asked."""
        framework, taken = self._frameworks.get(framework_of(competency)), self._taken
        if framework is None:
            return
        if taken.new or taken.gained:
            yield from self._ready(framework, framework.dependents.get(competency, ()))
        if taken.gained or taken.planned:
            yield from self._levels.close_gap(framework, competency)
        entry = framework.by_id.get(competency)
        own = level_id(framework.id, entry) if entry else ""
        if not (taken.lost or taken.planned):
            yield from self._support.over(own, "ready_not_placed")
        for level in self._levels_with(competency):
            of_level = self._frameworks[framework_of_level(level)]
            yield from self._levels.level(of_level, level, back=change.transition == "reinstated")

    def _await(self, change: Change) -> Iterator[Told]:
        """Note whether a sign-off alone is missing from a competency, and since when; a leader may give it once it is late."""
        standing, competency, role = self._standing, change.competency, change.after.awaits
        before = standing.awaiting.pop(competency, None)
        if not role:
            yield from self._support.over(competency, "sign_off")
            return
        if before is None or before[0] != role:
            since = change.trigger.time
            late = self._terms(competency).days_later(since, ESCALATES_AFTER) if role != LEADER else ""
            before = (role, since, late)
        standing.awaiting[competency] = before
        # Where a path goes without a sign-off it is not for adults alone that the learner waits.
        if change.rule is not None and all(route.role for route in change.rule.routes):
            self._support.wait(competency, "sign_off")

    def fold_version(self, framework: Framework) -> Iterator[Told]:
        """Yield what a new framework version makes ready or complete; hold credit against its crosswalks."""
        self._following.cross_anew()
        yield from self._ready(framework, sorted(framework.prerequisites))
        yield from self.fold_levels(framework)

    def fold_levels(self, framework: Framework) -> Iterator[Told]:
        """Yield what happened to levels whose competencies or rules are others now: those begun, and those that wait."""
        begun = set(self._standing.awaiting)
        for competency in {*self._standing.satisfied, *self._standing.opened, *self._standing.targets}:
            begun.update(self._levels_with(competency))
        for level in framework.levels:
            if level in begun:
                yield from self._levels.level(framework, level)
        yield from self._levels.end_gone(framework)
        self._support.date_anew(framework)
        self._ungraded.date_anew(framework)

    def fold_step(self, event: LevelDecided | SupportDecided | ClockTicked | WorkUngraded) -> Iterator[Told]:
        """Fold a decision on a level or on support, handed-in work, or a tick under which levels settle."""
        if isinstance(event, ClockTicked):
            yield from self._rechecks.ask_what_waits()
            yield from self._levels.escalate(event.at)
            # What ends with the school year ends before the work of another asks.
            yield from self._support.tick(event.at)
            yield from self._ungraded.tick(event.at)
            yield from self._levels.settle(event.at)
            return
        if isinstance(event, SupportDecided):
            yield from self._support.decide(event)
            return
        if isinstance(event, WorkUngraded):
            yield from self._ungraded.fold(event)
            return
        framework = self._frameworks.get(framework_of_level(event.level))
        if framework is not None and event.level in framework.levels:
            yield from self._levels.decide(framework, event)

    def _ready(self, framework: Framework, candidates: Iterable[str]) -> Iterator[Told]:
        standing = self._standing
        for competency in candidates:
            needed = framework.prerequisites.get(competency, ())
            if competency in standing.ready or competency in standing.satisfied:
                continue
            since = [at for at in map(standing.since, needed) if at is not None]
            if needed and len(since) == len(needed):
                told = self._teller.tell(
                    "competency.ready", framework, competency, because=list(needed),
                    unlocks_count=len(framework.dependents.get(competency, ())), basis=EVIDENCE,
                    policy=self._terms(competency).named, effective_at=max(since),
                )  # fmt: skip
                standing.ready[competency] = told.id
                yield told
