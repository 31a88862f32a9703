"""
Advancement: the second fold. What a learner has satisfied, the graph, the level rules and what people decide of levels give
`ready` and the level events.

Nobody is demoted here: what was told as ready or advanced stays so. A loss under a level that was advanced asks for a review;
only a named person takes a level back.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from services.progression.curriculum import Framework, framework_of, level_id
from services.progression.curriculum.crosswalks import Links
from services.progression.decisions import ClockTicked, CompetencyDecided, LevelDecided
from services.progression.following import Following
from services.progression.learner import LearnerState
from services.progression.levels import LevelTerms, Shown, level_status, unmet_of
from services.progression.policy.rule import minutes_later, weekdays_later
from services.progression.rechecks import Rechecks, next_asked_at
from services.progression.standing import opened_at
from services.progression.telling import Change, Told, Trigger, common, competency_scope, event_id, level_scope, tell

Terms = Callable[[str], LevelTerms]
"""The terms of the level that a competency lies in."""
REVIEW_DAYS = 20
"""A review is to be decided within so many days."""

ESCALATES_AFTER = 5
"""Days from Monday to Friday that a level waits for its sign-off before a leader may give it as well."""
LEADER = "school_leader"
WEAKEST = 3

REASONS: dict[str, str] = {
    "competency.ready": "All direct prerequisites are on the record, credited or presumed.",
    "level.ready": "The level before it is complete.",
    "level.sign_off_requested": "Everything that the rule computes is complete.",
    "level.advanced": "Everything that the level asks for is met.",
    "level.review_required": "A correction removed what the advancement stood on; nothing changes until a person decides.",
    "level.withheld": "It was asked for and refused.",
    "level.withdrawn": "A person took the advancement back.",
    "level.reinstated": "The decision that took it back was undone.",
    "level.placed_with_gaps": "The learner was placed beyond what is shown.",
    "level.gaps_cleared": "What was not shown at the placement is shown now.",
    "goal.chosen": "The learner chose it.",
}


class LevelStep(NamedTuple):
    """A decision on a level, or a tick, to be folded into a learner's levels."""

    tenant: str
    learner: str
    trigger: Trigger
    rules_no: int
    event: LevelDecided | ClockTicked


class Review(NamedTuple):
    """A new framework version to hold against what a learner has on the record."""

    tenant: str
    learner: str
    trigger: Trigger
    rules_no: int
    framework: Framework


class Advancing:
    """One learner's standing while one input is folded into it; the methods yield what is to be told."""

    def __init__(
        self,
        standing: LearnerState,
        frameworks: dict[str, Framework],
        links: Links,
        terms: Terms,
        cause: Change | LevelStep | Review,
    ) -> None:
        self._standing = standing
        self._frameworks = frameworks
        self._terms = terms
        self._tenant, self._learner, self._trigger = cause.tenant, cause.learner, cause.trigger
        self._following = Following(standing, frameworks, links, cause.tenant, cause.learner, cause.trigger)
        self._rechecks = Rechecks(standing, cause.tenant, cause.learner, cause.trigger)

    @property
    def decided(self) -> list[tuple[str, CompetencyDecided]]:
        """What follows for other competencies, each with its id."""
        return self._following.decided

    def tell_change(self, change: Change) -> Iterator[Told]:
        """Yield the event of a transition; a re-check may have to wait, and one that was never asked is not cleared."""
        if change.transition != "moved":
            yield from self._rechecks.tell(change, tell(change, self._frameworks))

    def fold_change(self, change: Change) -> Iterator[Told]:
        """Fold one transition of a competency; yield what became ready, and what happened to its level."""
        standing, competency = self._standing, change.competency
        since, presumed = change.after.satisfied_at, change.after.status == "presumed"
        had, counted = standing.since(competency), competency in standing.satisfied
        standing.satisfied.pop(competency, None)
        standing.presumed.pop(competency, None)
        standing.credited.discard(competency)
        if since is not None:
            (standing.presumed if presumed else standing.satisfied)[competency] = since
            if change.after.shown_at is None and not presumed:
                standing.credited.add(competency)
        self._following.cross(change)
        self._await(change)
        if change.transition == "provisional" or (since is not None and not presumed):
            standing.opened.setdefault(competency, since or change.trigger.time)
        new, lost = since is not None and had is None, counted and competency not in standing.satisfied
        gained = not counted and competency in standing.satisfied
        framework = self._frameworks.get(framework_of(competency))
        if framework is None or not (new or gained or lost or change.transition == "provisional"):
            return
        if new:
            yield from self._ready(framework, framework.dependents.get(competency, ()))
        if gained:
            yield from self._close_gap(framework, competency)
            if change.transition == "mastered":
                self._following.use(framework, change)
        entry = framework.by_id.get(competency)
        for level in self._levels_with(framework, competency, level_id(framework.id, entry) if entry else ""):
            yield from self._level(framework, level)

    def _await(self, change: Change) -> None:
        """Note whether a sign-off alone is missing from a competency."""
        if change.after.awaits:
            since = opened_at(change.state) or change.trigger.time
            self._standing.awaiting[change.competency] = (change.after.awaits, since, "")
        else:
            self._standing.awaiting.pop(change.competency, None)

    def fold_version(self, framework: Framework) -> Iterator[Told]:
        """Yield what a new framework version makes ready or complete; hold credit against its crosswalks."""
        self._following.cross_anew()
        yield from self._ready(framework, sorted(framework.prerequisites))
        for level in framework.levels:
            yield from self._level(framework, level)

    def fold_step(self, event: LevelDecided | ClockTicked) -> Iterator[Told]:
        """Fold a decision on a level, or a tick under which levels settle."""
        if isinstance(event, ClockTicked):
            yield from self._rechecks.ask_what_waits()
            yield from self._escalate(event.at)
            for level in [level for level, at in self._standing.settling.items() if at <= event.at]:
                framework = self._frameworks.get(framework_of_level(level))
                if framework is not None and level in framework.levels:
                    yield from self._level(framework, level, settled=True)
                self._standing.settling.pop(level, None)
            return
        framework = self._frameworks.get(framework_of_level(event.level))
        if framework is not None and event.level in framework.levels:
            yield from self._decide(framework, event)

    def _decide(self, framework: Framework, event: LevelDecided) -> Iterator[Told]:
        standing, level = self._standing, event.level
        by = {"role": event.role, "ref": event.author}
        unmet = list(self._unmet(framework, level))
        match event.kind:
            case "sign_off" if may_sign_off(standing, level, self._terms(framework.levels[level][0]).role, event.role):
                standing.signed[level] = self._trigger.time
                yield from self._level(framework, level)
            case "withhold":
                yield self._tell(
                    "level.withheld", framework, level, event.reason, missing=unmet,
                    smallest_change=unmet[0] if unmet else None, decided_by=by, appeal_to=event.appeal_to or None,
                    review_at=event.review_at,
                )  # fmt: skip
            case "withdraw" if level in standing.advanced:
                told = self._tell(
                    "level.withdrawn", framework, level, event.reason, by=by, original=standing.advanced[level]
                )
                standing.taken_back[level] = told.id
                del standing.advanced[level]
                standing.signed.pop(level, None)
                standing.reviews.pop(level, None)
                yield told
            case "reinstate" if level in standing.taken_back:
                told = self._tell(
                    "level.reinstated", framework, level, event.reason, by=by, original=standing.taken_back[level]
                )
                standing.advanced[level] = told.id
                del standing.taken_back[level]
                yield told
            case "place":
                gaps = (*event.not_yet, *event.unknown)
                if gaps:
                    standing.gaps[level] = gaps
                    yield self._tell(
                        "level.placed_with_gaps", framework, level, event.reason, not_yet=list(event.not_yet),
                        unknown=list(event.unknown), checks=list(gaps[:3]),
                    )  # fmt: skip
            case "choose":
                yield self._tell("goal.chosen", framework, level, event.reason, by=by, options_seen=list(event.options))

    def _ready(self, framework: Framework, candidates: Iterable[str]) -> Iterator[Told]:
        standing = self._standing
        for competency in candidates:
            needed = framework.prerequisites.get(competency, ())
            if competency in standing.ready or competency in standing.satisfied:
                continue
            since = [at for at in map(standing.since, needed) if at is not None]
            if needed and len(since) == len(needed):
                told = self._tell(
                    "competency.ready", framework, competency, because=list(needed),
                    unlocks_count=len(framework.dependents.get(competency, ())),
                    effective_at=max(since),
                )  # fmt: skip
                standing.ready[competency] = told.id
                yield told

    def _level(self, framework: Framework, level: str, *, settled: bool = False) -> Iterator[Told]:
        """Yield what happened to a level whose competencies, decisions or time have changed."""
        standing, terms = self._standing, self._terms(framework.levels[level][0])
        unmet = self._unmet(framework, level)
        status = level_status(unmet, terms.role, signed=level in standing.signed, advanced=level in standing.advanced)
        if status != "eligible_pending_sign_off":
            standing.awaiting.pop(level, None)
        if status == "advanced":
            yield from self._hold(framework, level, unmet)
        elif status == "not_eligible":
            standing.settling.pop(level, None)
        elif status == "eligible_pending_sign_off":
            yield from self._request(framework, level, terms.role)
        elif terms.settle_min and not settled:
            standing.settling.setdefault(level, minutes_later(self._trigger.time, terms.settle_min))
        elif level not in standing.taken_back:
            yield from self._complete(framework, level)

    def _request(self, framework: Framework, level: str, role: str) -> Iterator[Told]:
        """Let a level wait for its sign-off; it is asked for once."""
        standing, now = self._standing, self._trigger.time
        escalate_at = weekdays_later(now, ESCALATES_AFTER) if role != LEADER else ""
        standing.awaiting.setdefault(level, (role, now, escalate_at))
        if level not in standing.requested:
            yield self._ask_for_sign_off(framework, level, [role], escalate_at)

    def _escalate(self, at: str) -> Iterator[Told]:
        """Ask a leader as well for the sign-offs that have waited long enough."""
        standing = self._standing
        for scope, (role, since, escalate_at) in list(standing.awaiting.items()):
            if escalate_at and escalate_at <= at:
                standing.awaiting[scope] = (role, since, "")
                framework = self._frameworks.get(framework_of_level(scope))
                if framework is not None and scope in framework.levels:
                    first = standing.requested.get(scope)
                    yield self._ask_for_sign_off(framework, scope, [role, LEADER], "", replaces=first)

    def _ask_for_sign_off(
        self, framework: Framework, level: str, roles: list[str], escalate_at: str, **members: Any
    ) -> Told:
        standing = self._standing
        weak = [c for c in framework.levels[level] if c in standing.due or not standing.shows(c)]
        told = self._tell(
            "level.sign_off_requested", framework, level, approver_roles=roles, escalate_at=escalate_at or None,
            weakest=weak[:WEAKEST], **members,
        )  # fmt: skip
        standing.requested[level] = told.id
        return told

    def _hold(self, framework: Framework, level: str, unmet: tuple[str, ...]) -> Iterator[Told]:
        """Ask for a review where what an advancement stood on is gone; close it once it is back."""
        standing = self._standing
        if not unmet:
            standing.reviews.pop(level, None)
        elif level not in standing.reviews and self._trigger.cause in (
            "retraction",
            "correction",
            "decision",
            "evidence",
        ):
            decide_by = minutes_later(self._trigger.time, REVIEW_DAYS * 24 * 60)
            told = self._tell(
                "level.review_required", framework, level, missing=list(unmet),
                owner=self._terms(framework.levels[level][0]).role or "teacher", decide_by=decide_by,
            )  # fmt: skip
            standing.reviews[level] = told.id
            yield told

    def _complete(self, framework: Framework, level: str) -> Iterator[Told]:
        standing, members = self._standing, framework.levels[level]
        following = next_levels(level, framework)
        when = [standing.satisfied[member] for member in members if member in standing.satisfied]
        signed = standing.signed.get(level)
        told = self._tell(
            "level.advanced", framework, level, credit=None, next=following,
            gaps=[member for member in members if member not in standing.satisfied],
            effective_at=max((*when, *((signed,) if signed else ())), default=self._trigger.time),
        )  # fmt: skip
        standing.advanced[level] = told.id
        standing.settling.pop(level, None)
        yield told
        for other in following:
            if other not in standing.ready and other not in standing.advanced:
                ready = self._tell("level.ready", framework, other, options=[other], waiting_since=self._trigger.time)
                standing.ready[other] = ready.id
                yield ready

    def _close_gap(self, framework: Framework, competency: str) -> Iterator[Told]:
        standing = self._standing
        for level, gaps in list(standing.gaps.items()):
            left = tuple(code for code in gaps if code != competency)
            if left == gaps:
                continue
            standing.gaps[level] = left
            if not left:
                del standing.gaps[level]
                if level in framework.levels:
                    yield self._tell("level.gaps_cleared", framework, level)

    def _unmet(self, framework: Framework, level: str) -> tuple[str, ...]:
        members = framework.levels[level]
        power = {member for member in members if framework.by_id[member].power}
        shown = Shown(self._standing.satisfied, self._standing.opened)
        return unmet_of(self._terms(members[0]).require, framework.id, members, power, shown)

    def _levels_with(self, framework: Framework, competency: str, own: str) -> list[str]:
        """Return the levels that a competency may decide: its own, and where rules name competencies, all of the framework."""
        require = self._terms(competency).require
        if require is not None and (require.all or require.any or require.k_of or require.electives):
            return list(framework.levels)
        return [own] if own in framework.levels else []

    def _tell(self, kind: str, framework: Framework, scope: str, reason: str = "", **members: Any) -> Told:
        of_level = not kind.startswith("competency.")
        described = level_scope(scope, framework) if of_level else competency_scope(scope, {framework.id: framework})
        type = f"attain.{kind}.v1"
        told_id = event_id(self._tenant, self._learner, type, scope, framework.version, self._trigger)
        code = kind.partition(".")[2]
        data = {
            **common(self._learner, described, self._trigger),
            "effective_at": self._trigger.time,
            "reason": {"code": code, "text": reason or REASONS[kind]},
            **members,
        }
        return Told(told_id, type, self._tenant, self._learner, self._trigger.time, data)


def may_sign_off(standing: LearnerState, level: str, asked: str, role: str) -> bool:
    """Tell whether a role may sign a level off: the one that the rule asks for, and once it has escalated a leader."""
    escalated = level in standing.awaiting and not standing.awaiting[level][2]
    return not asked or role == asked or (role == LEADER and escalated)


def framework_of_level(level: str) -> str:
    """Return the framework id of a level id."""
    return level.partition("#")[0]


def next_levels(level: str, framework: Framework) -> list[str]:
    """Return the level that follows in the same subject, in the order of the continuum."""
    subject = framework.by_id[framework.levels[level][0]].subject
    line = [other for other, members in framework.levels.items() if framework.by_id[members[0]].subject == subject]
    place = line.index(level) + 1
    return line[place : place + 1]


def deadline_of(standing: LearnerState) -> str | None:
    """Return the next instant at which a level settles, a sign-off escalates or a re-check may be asked; None without one."""
    coming = [*standing.settling.values(), *(at for _, _, at in standing.awaiting.values() if at)]
    asked = next_asked_at(standing)
    coming += [asked] if asked is not None else []
    return min(coming, default=None)
