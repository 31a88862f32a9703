"""
The events on the levels of one learner: what each says, and what the standing keeps of it once it is told.

When one is due is seen in `level_fold`, whether it still waits to be undone in `held_events`.
"""

import datetime
from collections.abc import Iterable, Iterator, Set
from typing import Any

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import LevelDecided
from services.progression.domain.learner import LearnerState, LevelKind
from services.progression.domain.level_dates import complete_since
from services.progression.domain.levels import Lack, Shown, Terms, lacks_of, missing_of
from services.progression.domain.support_fold import LEADER, SupportFold
from services.progression.domain.telling import EVIDENCE, IDENTITY, WHY, Teller, Told, Trigger
from shared.school_calendar import midnight_after

REVIEW_DAYS = 20
"""School days within which a review is to be decided."""
WEAKEST = 3
NOBODY = {"role": "", "ref": ""}
"""By whom something is told that no person decided, where the contract asks for one."""


class LevelEvents:
    """Tells of one learner's levels; what is told has the cause, and the date of the decision, that the teller has."""

    def __init__(self, standing: LearnerState, terms: Terms, teller: Teller, support: SupportFold) -> None:
        self._standing = standing
        self._terms = terms
        self._teller = teller
        self._support = support

    def caused_by(self, trigger: Trigger) -> "LevelEvents":
        """Return what tells of the same levels what another input has caused."""
        return LevelEvents(self._standing, self._terms, self._teller._replace(trigger=trigger), self._support)

    def lacks(self, framework: Framework, level: str, without: Set[str] = frozenset()) -> tuple[Lack, ...]:
        """Return what a level still asks for, of a learner who has all but `without` of what is satisfied."""
        members, standing, satisfied = framework.levels[level], self._standing, self._standing.satisfied
        power = {member for member in members if framework.by_id[member].power}
        shown = Shown(satisfied.keys() - without if without else satisfied, standing.opened, standing.instead)
        return lacks_of(self._terms(members[0]).require, framework.id, members, power, shown)

    def tell(
        self, kind: LevelKind, framework: Framework, level: str, decision: LevelDecided | None = None
    ) -> Iterator[Told]:
        """Yield an event of a kind, by a person where one decided; nothing of a placement where it changes nothing by now."""
        match kind:
            case "sign_off_requested":
                yield self._sign_off_requested(framework, level)
            case "review_required":
                yield self._review_required(framework, level)
            case "reinstated":
                yield self._reinstated(framework, level, decision)
            case "gaps_cleared" if self._standing.is_without_gaps(level):
                yield self._gaps_cleared(framework, level)
            case "withdrawn" if decision is not None:
                yield self._withdrawn(framework, level, decision)
            case "withheld" if decision is not None:
                yield self._withheld(framework, level, decision)
                yield from self._put_off(framework, level, decision)
            case "placed_with_gaps" if decision is not None:
                yield from self._placed(framework, level, decision)

    def advanced(self, framework: Framework, level: str) -> Iterator[Told]:
        """Yield that a level has advanced, by the signature that it has, and what is ready by that."""
        standing, members = self._standing, framework.levels[level]
        following = next_levels(level, framework)
        terms, signed = self._terms(members[0]), standing.signed.get(level, "")
        since = complete_since(standing, framework, level, terms) or ""
        role, ref, reason = standing.signers.get(level, ("", "", ""))
        counts = framework.credits.get(level)
        credit = {"code": counts.code, "value": counts.value} if counts is not None else None
        told = self._tell(
            "level.advanced", framework, level, reason, basis="sign_off",
            author={"role": role, "ref": ref} if signed and role else None, credit=credit, next=following,
            gaps=[member for member in members if standing.met_since(member) is None],
            effective_at=max(since, signed) or self._teller.trigger.time,
        )  # fmt: skip
        for before in (standing.settling, standing.originals, standing.taken_back, standing.credits):
            before.pop(level, None)
        standing.advanced[level], standing.reached[level] = told.id, told.data["effective_at"]
        standing.dated.pop(level, None)
        if not signed:
            standing.dated[level] = (told.data["effective_at"], terms.no)
        if counts is not None:
            standing.credits[level] = (counts.code, counts.value)
        standing.reviewed.discard(level)
        yield self._moved(told)
        yield from self._support.over(level, "ready_not_placed")
        for other in following:
            if other not in standing.ready and other not in standing.advanced:
                yield self._ready(framework, other)

    def chosen(self, framework: Framework, level: str, decision: LevelDecided) -> Told:
        """Return that a learner has chosen a level, which rests on that alone."""
        told = self._tell(
            "goal.chosen", framework, level, decision.reason, by=_by(decision), options_seen=list(decision.options)
        )
        del told.data["basis"]
        return told

    def sign_off_lapsed(self, framework: Framework, level: str) -> Told:
        """Return that nobody is asked any more to sign a level off, which the framework may have no more."""
        standing = self._standing
        told = self._tell("level.sign_off_lapsed", framework, level, replaces=standing.requested[level])
        standing.lapsed.add(level)
        return self._moved(told)

    def _ready(self, framework: Framework, level: str) -> Told:
        told = self._tell("level.ready", framework, level, options=[level], waiting_since=self._teller.trigger.time)
        self._standing.ready[level] = told.id
        if not any(self._standing.is_begun(code) for code in framework.levels[level]):
            self._support.wait(level, "ready_not_placed")
        return self._moved(told)

    def _sign_off_requested(self, framework: Framework, level: str) -> Told:
        """Ask for a sign-off; once it has waited long enough, a leader as well."""
        standing = self._standing
        role, since, escalate_at = standing.awaiting[level]
        roles = [role] if escalate_at or role == LEADER else [role, LEADER]
        asked = [c for c in framework.levels[level] if standing.by_plan(c) is None]
        weak = [c for c in asked if c in standing.due or not standing.shows(c)]
        earlier: dict[str, Any] = {"replaces": standing.requested[level]} if level in standing.requested else {}
        told = self._tell(
            "level.sign_off_requested", framework, level, approver_roles=roles, escalate_at=escalate_at or None,
            weakest=weak[:WEAKEST], **earlier,
        )  # fmt: skip
        standing.requested[level], standing.asked_of[level] = told.id, role
        standing.asked_since[level] = (since, escalate_at)
        standing.lapsed.discard(level)
        return self._moved(told)

    def _review_required(self, framework: Framework, level: str) -> Told:
        standing, terms = self._standing, self._terms(framework.levels[level][0])
        told = self._tell(
            "level.review_required", framework, level, **_missing(self.lacks(framework, level)),
            replaces=standing.advanced[level], owner=terms.role or "teacher",
            decide_by=terms.days_later(self._teller.trigger.time, REVIEW_DAYS),
        )  # fmt: skip
        if self._teller.trigger.cause == "identity":
            told.data["basis"] = IDENTITY
        standing.reviews[level] = told.id
        return self._moved(told)

    def _withheld(self, framework: Framework, level: str, decision: LevelDecided) -> Told:
        lacks = self.lacks(framework, level)
        return self._tell(
            "level.withheld", framework, level, decision.reason, author=_by(decision), **_missing(lacks),
            smallest_change=lacks[0].words if lacks else None, decided_by=_by(decision),
            appeal_to=decision.appeal_to or None, review_at=decision.review_at,
        )  # fmt: skip

    def _put_off(self, framework: Framework, level: str, decision: LevelDecided) -> Iterator[Told]:
        """Let nobody be asked for a signature that was refused before the day is over on which that is reviewed."""
        standing = self._standing
        if decision.review_at is None or level not in standing.awaiting:
            return
        zone = self._terms(framework.levels[level][0]).zone
        reviewed = midnight_after(datetime.date.fromisoformat(decision.review_at), zone)
        role, since, escalate_at = standing.awaiting[level]
        escalate_at = max(escalate_at, reviewed) if escalate_at else ""
        standing.awaiting[level] = (role, since, escalate_at)
        if level in standing.asked_since:
            standing.asked_since[level] = (since, escalate_at)
        yield from self._support.over(level, "sign_off")
        self._support.wait(level, "sign_off", reviewed)

    def _withdrawn(self, framework: Framework, level: str, decision: LevelDecided) -> Told:
        standing = self._standing
        original = standing.originals.setdefault(level, standing.advanced[level])
        told = self._tell(
            "level.withdrawn", framework, level, decision.reason, author=_by(decision), by=_by(decision),
            original=original, replaces=standing.reviews.get(level, standing.advanced[level]),
        )  # fmt: skip
        standing.taken_back[level] = told.id
        if level in standing.reviews:
            standing.reviewed.add(level)
        del standing.advanced[level]
        standing.reviews.pop(level, None)
        return self._moved(told)

    def _reinstated(self, framework: Framework, level: str, decision: LevelDecided | None) -> Told:
        """Tell that a review is over or a withdrawal undone: with the original date, and by nobody where the cause is undone."""
        standing = self._standing
        original = standing.originals.get(level, standing.advanced.get(level))
        by, reason = (_by(decision), decision.reason) if decision is not None else (None, "")
        told = self._tell(
            "level.reinstated", framework, level, reason or WHY["level.reinstated" if by else "level.stands_again"],
            author=by, by=by or NOBODY, original=original,
            replaces=standing.taken_back.get(level) or standing.reviews.get(level),
            effective_at=standing.reached.get(level, self._teller.trigger.time),
        )  # fmt: skip
        if original is not None:
            standing.originals[level] = original
        standing.advanced[level] = told.id
        standing.taken_back.pop(level, None)
        standing.reviewed.discard(level)
        standing.reviews.pop(level, None)
        return self._moved(told)

    def _placed(self, framework: Framework, level: str, decision: LevelDecided) -> Iterator[Told]:
        """Yield a placement with what of its gaps is not shown yet; without any, the end of a wait that was told."""
        standing, author = self._standing, _by(decision)
        not_yet, unknown = (
            [code for code in codes if standing.met_since(code) is None]
            for codes in (decision.not_yet, decision.unknown)
        )
        gaps = (*not_yet, *unknown)
        if gaps:
            told = self._tell(
                "level.placed_with_gaps", framework, level, decision.reason, author=author, basis="placement",
                not_yet=not_yet, unknown=unknown, checks=list(gaps[:3]),
            )  # fmt: skip
            standing.gaps[level], standing.placed[level] = gaps, told.id
            yield self._moved(told)
        elif level in standing.ready and level not in standing.advanced:
            reason = decision.reason or WHY["level.placed"]
            yield self._gaps_cleared(framework, level, reason, author=author, basis="placement")

    def _gaps_cleared(self, framework: Framework, level: str, reason: str = "", **members: Any) -> Told:
        standing = self._standing
        told = self._tell(
            "level.gaps_cleared", framework, level, reason, replaces=standing.placed.get(level), **members
        )
        standing.gaps.pop(level, None)
        standing.placed.pop(level, None)
        return self._moved(told)

    def _tell(
        self, kind: str, framework: Framework, level: str, reason: str = "", *, author: dict[str, str] | None = None,
        basis: str = "override", **members: Any,
    ) -> Told:  # fmt: skip
        """Return an event that rests on the evidence, or on who decided; to be given as `_moved` where it moves something."""
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


def next_levels(level: str, framework: Framework) -> list[str]:
    """Return the level that follows in the same subject, in the order of the continuum."""
    subject = framework.by_id[framework.levels[level][0]].subject
    line = [other for other, members in framework.levels.items() if framework.by_id[members[0]].subject == subject]
    place = line.index(level) + 1
    return line[place : place + 1]


def _by(decision: LevelDecided) -> dict[str, str]:
    return {"role": decision.role, "ref": decision.author}


def _missing(lacks: Iterable[Lack]) -> dict[str, Any]:
    return {"missing": missing_of(lacks), "asks_for": [lack.words for lack in lacks]}
