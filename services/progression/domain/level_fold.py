"""
Levels: what happens to those of one learner while one input is folded.

Nobody is demoted here: a level that was advanced stays so. A loss under it asks for a review, and only a named person takes a
level back.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any

from services.progression.domain.curriculum import Framework, framework_of, level_id
from services.progression.domain.decisions import LevelDecided
from services.progression.domain.learner import LearnerState
from services.progression.domain.levels import Lack, LevelTerms, Shown, lacks_of, level_status, missing_of
from services.progression.domain.policy.rule import minutes_later
from services.progression.domain.support_fold import LEADER, SupportFold
from services.progression.domain.telling import EVIDENCE, IDENTITY, WHY, Teller, Told, is_level

Terms = Callable[[str], LevelTerms]
"""The terms of the level that a competency lies in."""
REVIEW_DAYS = 20
"""School days within which a review is to be decided."""
ESCALATES_AFTER = 5
"""School days that a sign-off waits before a leader may give it as well."""
WEAKEST = 3
NOBODY = {"role": "", "ref": ""}
"""By whom something is told that no person decided, where the contract asks for one."""


class LevelFold:
    """One learner's levels; the methods yield what is to be told."""

    def __init__(
        self,
        standing: LearnerState,
        frameworks: dict[str, Framework],
        terms: Terms,
        teller: Teller,
        support: SupportFold,
    ) -> None:
        self._standing = standing
        self._frameworks = frameworks
        self._terms = terms
        self._teller = teller
        self._support = support

    def settle(self, at: str) -> Iterator[Told]:
        """Yield the levels that no undo has kept from being complete until an instant."""
        for level in [level for level, until in self._standing.settling.items() if until <= at]:
            framework = self._frameworks.get(framework_of_level(level))
            if framework is not None and level in framework.levels:
                yield from self.level(framework, level, settled=True)
            self._standing.settling.pop(level, None)

    def decide(self, framework: Framework, event: LevelDecided) -> Iterator[Told]:
        """Yield what follows from a person's decision on a level; one that no longer applies changes nothing."""
        standing, level = self._standing, event.level
        by = {"role": event.role, "ref": event.author}
        match event.kind:
            case "sign_off" if level in standing.awaiting and may_sign_off(
                standing, level, self._terms(framework.levels[level][0]).role, event.role
            ):
                standing.signed[level] = self._teller.trigger.time
                standing.signers[level] = (event.role, event.author, event.reason)
                yield from self.level(framework, level)
            case "withhold":
                lacks = self._lacks(framework, level)
                yield self._tell(
                    "level.withheld", framework, level, event.reason, author=by, **_missing(lacks),
                    smallest_change=lacks[0].words if lacks else None, decided_by=by,
                    appeal_to=event.appeal_to or None, review_at=event.review_at,
                )  # fmt: skip
            case "lift" if level in standing.signed and level not in standing.advanced:
                self._forget_signature(level)
                standing.settling.pop(level, None)
                yield from self.level(framework, level)
            case "withdraw" | "lift" if level in standing.advanced:
                yield self._withdraw(framework, level, event.reason, by)
            case "reinstate" if level in standing.taken_back:
                yield self._reinstate(framework, level, standing.taken_back[level], event.reason, by)
            case "place":
                yield from self._support.over(level, "ready_not_placed")
                gaps = (*event.not_yet, *event.unknown)
                if gaps:
                    told = self._tell(
                        "level.placed_with_gaps", framework, level, event.reason, author=by, basis="placement",
                        not_yet=list(event.not_yet), unknown=list(event.unknown), checks=list(gaps[:3]),
                    )  # fmt: skip
                    standing.gaps[level], standing.placed[level] = gaps, told.id
                    yield self._moved(told)
                elif level in standing.ready and level not in standing.advanced:
                    # The wait that `level.ready` has told is over, and this is the event that tells of no gap.
                    yield self._placed_without_gaps(framework, level, event.reason, by)
            case "choose":
                yield from self._support.over(level, "ready_not_placed")
                told = self._tell(
                    "goal.chosen", framework, level, event.reason, by=by, options_seen=list(event.options)
                )
                del told.data["basis"]
                yield told

    def level(
        self, framework: Framework, level: str, *, settled: bool = False, lost: bool = False, back: bool = False
    ) -> Iterator[Told]:
        """
        Yield what happened to a level whose competencies, decisions or time have changed.

        `lost`: one of its competencies was taken off the record; `back`: what had done that was undone.
        """
        standing, terms = self._standing, self._terms(framework.levels[level][0])
        lacks = self._lacks(framework, level)
        if back and not lacks and level in standing.reviewed:
            yield self._reinstate(framework, level, standing.taken_back[level])
        status = level_status(lacks, terms.role, signed=level in standing.signed, advanced=level in standing.advanced)
        if status != "eligible_pending_sign_off":
            standing.awaiting.pop(level, None)
            yield from self._support.over(level, "sign_off")
        if status == "advanced":
            yield from self._hold(framework, level, lacks, lost)
        elif status == "not_eligible":
            # What is signed, or to be signed, is there no more: it is asked for anew once it is complete again.
            self._forget_signature(level)
            yield from self._end_request(framework, level)
            standing.settling.pop(level, None)
        elif status == "eligible_pending_sign_off":
            yield from self._request(framework, level, terms)
        elif terms.settle_min and not settled:
            standing.settling.setdefault(level, minutes_later(self._teller.trigger.time, terms.settle_min))
        elif level not in standing.taken_back or level in standing.signed:
            yield from self._complete(framework, level)
        else:
            yield from self._end_request(framework, level)

    def end_gone(self, framework: Framework) -> Iterator[Told]:
        """Yield that nobody is asked any more for the sign-offs of levels that a framework has no more."""
        standing = self._standing
        for level in [level for level in standing.awaiting if is_level(level) and level not in framework.levels]:
            if framework_of_level(level) == framework.id:
                del standing.awaiting[level]
                yield from self._support.over(level, "sign_off")
                yield from self._end_request(framework, level)

    def _request(self, framework: Framework, level: str, terms: LevelTerms) -> Iterator[Told]:
        """Let a level wait for its sign-off; a role is asked for it once."""
        standing, now, role = self._standing, self._teller.trigger.time, terms.role
        asked = standing.awaiting.get(level)
        if asked is None or asked[0] != role:
            escalate_at = terms.days_later(now, ESCALATES_AFTER) if role != LEADER else ""
            standing.awaiting[level] = (role, now, escalate_at)
        self._support.wait(level, "sign_off")
        if level not in standing.requested or level in standing.lapsed or (asked is not None and asked[0] != role):
            earlier = {"replaces": standing.requested[level]} if level in standing.requested else {}
            yield self._ask_for_sign_off(framework, level, [role], standing.awaiting[level][2], **earlier)

    def _end_request(self, framework: Framework, level: str) -> Iterator[Told]:
        """Yield that nobody is asked any more to sign a level off, where that was told, and no withdrawal has said so."""
        asked = self._standing.requested.get(level)
        if asked is not None and level not in self._standing.lapsed:
            told = self._tell("level.sign_off_lapsed", framework, level, replaces=asked)
            self.lapse([level])
            yield self._moved(told)

    def escalate(self, at: str) -> Iterator[Told]:
        """Ask a leader as well for the sign-offs that have waited long enough, by the breaks that are known by now."""
        standing = self._standing
        for scope, (role, since, escalate_at) in list(standing.awaiting.items()):
            if not escalate_at or escalate_at > at:
                continue
            framework = self._frameworks.get(framework_of_level(scope))
            members = framework.levels.get(scope) if framework is not None else None
            late = self._terms(members[0] if members else scope).days_later(since, ESCALATES_AFTER)
            standing.awaiting[scope] = (role, since, late if late > at else "")
            if framework is not None and members and late <= at:
                first = standing.requested.get(scope)
                yield self._ask_for_sign_off(framework, scope, [role, LEADER], "", replaces=first)

    def _ask_for_sign_off(
        self, framework: Framework, level: str, roles: list[str], escalate_at: str, **members: Any
    ) -> Told:
        standing = self._standing
        asked = [c for c in framework.levels[level] if standing.by_plan(c) is None]
        weak = [c for c in asked if c in standing.due or not standing.shows(c)]
        told = self._tell(
            "level.sign_off_requested", framework, level, approver_roles=roles, escalate_at=escalate_at or None,
            weakest=weak[:WEAKEST], **members,
        )  # fmt: skip
        standing.requested[level] = told.id
        standing.lapsed.discard(level)
        return self._moved(told)

    def _hold(self, framework: Framework, level: str, lacks: tuple[Lack, ...], lost: bool) -> Iterator[Told]:
        """Ask for a review where a correction took what an advancement stood on; tell that it is over once that is back."""
        standing = self._standing
        if not lacks:
            if level in standing.reviews:
                yield self._reinstate(framework, level, standing.reviews[level])
        elif (
            lost
            and level not in standing.reviews
            and self._teller.trigger.cause not in ("policy", "framework", "clock")
        ):
            terms = self._terms(framework.levels[level][0])
            told = self._tell(
                "level.review_required", framework, level, **_missing(lacks), replaces=standing.advanced[level],
                owner=terms.role or "teacher", decide_by=terms.days_later(self._teller.trigger.time, REVIEW_DAYS),
            )  # fmt: skip
            if self._teller.trigger.cause == "identity":
                told.data["basis"] = IDENTITY
            standing.reviews[level] = told.id
            yield self._moved(told)

    def _placed_without_gaps(self, framework: Framework, level: str, reason: str, by: dict[str, str]) -> Told:
        standing = self._standing
        told = self._tell(
            "level.gaps_cleared", framework, level, reason or WHY["level.placed"], author=by, basis="placement",
            replaces=standing.placed.get(level),
        )  # fmt: skip
        standing.gaps.pop(level, None)
        standing.placed.pop(level, None)
        return self._moved(told)

    def _withdraw(self, framework: Framework, level: str, reason: str, by: dict[str, str]) -> Told:
        standing = self._standing
        original = standing.originals.setdefault(level, standing.advanced[level])
        told = self._tell(
            "level.withdrawn", framework, level, reason, author=by, by=by, original=original,
            replaces=standing.reviews.get(level, standing.advanced[level]),
        )  # fmt: skip
        standing.taken_back[level] = told.id
        if level in standing.reviews:
            standing.reviewed.add(level)
        del standing.advanced[level]
        self._forget_signature(level)
        self.lapse([level])
        standing.reviews.pop(level, None)
        return self._moved(told)

    def _reinstate(
        self, framework: Framework, level: str, replaces: str, reason: str = "", by: dict[str, str] | None = None
    ) -> Told:
        """Tell that a review is over or a withdrawal undone: with the original date, and by nobody where the cause is undone."""
        standing = self._standing
        original = standing.originals.get(level, standing.advanced.get(level))
        told = self._tell(
            "level.reinstated", framework, level, reason or WHY["level.reinstated" if by else "level.stands_again"],
            author=by, by=by or NOBODY, original=original, replaces=replaces,
            effective_at=standing.reached.get(level, self._teller.trigger.time),
        )  # fmt: skip
        if original is not None:
            standing.originals[level] = original
        standing.advanced[level] = told.id
        standing.taken_back.pop(level, None)
        standing.reviewed.discard(level)
        standing.reviews.pop(level, None)
        return self._moved(told)

    def lapse(self, levels: Iterable[str]) -> None:
        """Note that nobody is asked any more to sign levels off; what has advanced stays so."""
        standing = self._standing
        standing.lapsed.update(level for level in levels if level in standing.requested.keys() - standing.advanced)

    def _forget_signature(self, level: str) -> None:
        self._standing.signed.pop(level, None)
        self._standing.signers.pop(level, None)

    def _complete(self, framework: Framework, level: str) -> Iterator[Told]:
        standing, members = self._standing, framework.levels[level]
        following = next_levels(level, framework)
        when = [at for at in map(standing.met_since, members) if at is not None]
        signed = standing.signed.get(level)
        role, ref, reason = standing.signers.get(level, ("", "", ""))
        told = self._tell(
            "level.advanced", framework, level, reason, basis="sign_off",
            author={"role": role, "ref": ref} if signed and role else None, credit=None, next=following,
            gaps=[member for member in members if standing.met_since(member) is None],
            effective_at=max((*when, *((signed,) if signed else ())), default=self._teller.trigger.time),
        )  # fmt: skip
        standing.advanced[level], standing.reached[level] = told.id, told.data["effective_at"]
        standing.settling.pop(level, None)
        for before in (standing.originals, standing.taken_back):
            before.pop(level, None)
        standing.reviewed.discard(level)
        yield self._moved(told)
        yield from self._support.over(level, "ready_not_placed")
        for other in following:
            if other not in standing.ready and other not in standing.advanced:
                ready = self._tell(
                    "level.ready", framework, other, options=[other], waiting_since=self._teller.trigger.time
                )
                standing.ready[other] = ready.id
                self._support.wait(other, "ready_not_placed")
                yield self._moved(ready)

    def close_gap(self, framework: Framework, competency: str) -> Iterator[Told]:
        """Yield the levels whose last gap a competency was that is shown now."""
        standing = self._standing
        for level, gaps in list(standing.gaps.items()):
            left = tuple(code for code in gaps if code != competency)
            if left == gaps:
                continue
            if left:
                standing.gaps[level] = left
                continue
            told = None
            if level in framework.levels:
                told = self._tell("level.gaps_cleared", framework, level, replaces=standing.placed.get(level))
            del standing.gaps[level]
            standing.placed.pop(level, None)
            if told is not None:
                yield self._moved(told)

    def standing_on(self, competency: str) -> list[str]:
        """
        Return the levels that ask for a competency which is taken off the record: those that have advanced stay so, those of
        which a sign-off was asked are complete no more.
        """
        framework = self._frameworks.get(framework_of(competency))
        entry = framework.by_id.get(competency) if framework is not None else None
        if framework is None or entry is None:
            return []
        standing = self._standing
        told = standing.advanced.keys() | (standing.requested.keys() - standing.lapsed)
        levels = self.levels_with(framework, competency, level_id(framework.id, entry))
        return [level for level in levels if level in told and self._lacks(framework, level, {competency})]

    def _lacks(self, framework: Framework, level: str, without: Set[str] = frozenset()) -> tuple[Lack, ...]:
        members = framework.levels[level]
        power = {member for member in members if framework.by_id[member].power}
        standing, satisfied = self._standing, self._standing.satisfied
        shown = Shown(satisfied.keys() - without if without else satisfied, standing.opened, standing.instead)
        return lacks_of(self._terms(members[0]).require, framework.id, members, power, shown)

    def _tell(
        self, kind: str, framework: Framework, level: str, reason: str = "", *, author: dict[str, str] | None = None,
        basis: str = "override", **members: Any,
    ) -> Told:  # fmt: skip
        """Return an event that rests on the evidence, or on who decided; to be yielded as `_moved` where it moves something."""
        stands = self._standing.told_of(level)[0]
        return self._teller.tell(
            kind, framework, level, reason, before=stands, after=stands,
            basis={"kind": basis, "by": author} if author is not None else EVIDENCE,
            policy=self._terms(framework.levels.get(level, (level,))[0]).named, **members,
        )  # fmt: skip

    def _moved(self, told: Told) -> Told:
        """Return an event with the status that the level has by now."""
        told.data["after"] = self._standing.told_of(told.data["scope"]["id"])[0]
        return told

    def levels_with(self, framework: Framework, competency: str, own: str) -> list[str]:
        """Return the levels that a competency may decide: its own, and where rules name competencies, all of the framework."""
        require = self._terms(competency).require
        if require is not None and (require.all or require.any or require.k_of or require.electives):
            return list(framework.levels)
        return [own] if own in framework.levels else []


def may_sign_off(standing: LearnerState, level: str, asked: str, role: str) -> bool:
    """Tell whether a role may sign a level off: the one that the rule asks for, and once it has escalated a leader."""
    escalated = level in standing.awaiting and not standing.awaiting[level][2]
    return not asked or role == asked or (role == LEADER and escalated)


def _missing(lacks: Iterable[Lack]) -> dict[str, Any]:
    return {"missing": missing_of(lacks), "asks_for": [lack.words for lack in lacks]}


def framework_of_level(level: str) -> str:
    """Return the framework id of a level id."""
    return level.partition("#")[0]


def next_levels(level: str, framework: Framework) -> list[str]:
    """Return the level that follows in the same subject, in the order of the continuum."""
    subject = framework.by_id[framework.levels[level][0]].subject
    line = [other for other, members in framework.levels.items() if framework.by_id[members[0]].subject == subject]
    place = line.index(level) + 1
    return line[place : place + 1]
