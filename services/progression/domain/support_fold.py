"""
Support instead of "stuck": what happens to it of one learner while one input is folded.

A suggestion is a prompt to an adult with a cause, an owner and a date, told on a restricted topic, and never a label. Its cause
lies on the side of learning (`work.cause_of`), or on that of the school where adults are the wait. It clears itself, and ends
with the school year. Nothing is compared with other learners.
"""

import datetime
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from services.progression.domain.curriculum import Framework, framework_of_level, framework_of_scope, is_level
from services.progression.domain.decisions import SupportDecided
from services.progression.domain.learner import NEVER, LearnerState, Suggestion, Wait
from services.progression.domain.levels import LevelTerms, Terms
from services.progression.domain.policy.phrases import phrases
from services.progression.domain.policy.support import Support, waits_of
from services.progression.domain.telling import Cause, Teller, Told
from services.progression.domain.transitions import Change
from services.progression.domain.work import school_year
from shared.school_calendar import local_day, midnight_after
from shared.shards import stable_id

T = TypeVar("T")
WAITS: dict[Wait, str] = {"sign_off": "sign_off_waits", "ready_not_placed": "ready_and_waiting"}
"""The cause that each wait for adults is."""
_WAIT_OF = {cause: wait for wait, cause in WAITS.items()}
UNGRADED = "ungraded"
"""The cause that handed-in work is which waits for a grade: of all pieces of it that speak to a competency together."""
LEADER = "school_leader"
"""Who is asked where a school lets wait."""
OUTCOMES: dict[Cause, str] = {
    "evidence": "progress", "retraction": "corrected", "correction": "corrected", "identity": "corrected",
    "decision": "decided", "clock": "year_ended", "policy": "rules_changed", "framework": "rules_changed",
    "setting": "rules_changed",
}  # fmt: skip
"""What a suggestion came to, by what closed it."""


class SupportFold:
    """One learner's suggestions; the methods yield what is to be told."""

    def __init__(
        self,
        standing: LearnerState,
        frameworks: dict[str, Framework],
        terms: Terms,
        teller: Teller,
    ) -> None:
        self._standing = standing
        self._frameworks = frameworks
        self._terms = terms
        self._teller = teller

    def work(self, change: Change) -> Iterator[Told]:
        """Yield what a change of a learner's work on a competency asks for, and what it clears."""
        before, after = change.before.needs, change.after.needs
        if before == after:
            return
        if before:
            yield from self.close(change.competency, before, OUTCOMES[self._teller.trigger.cause])
        work, policy = change.state.work, change.policy
        if not after or work is None or policy is None or policy.support is None:
            return
        scores = {code: score for code, score in change.scores.items() if self._standing.since(code) is None}
        yield from self.suggest(
            change.competency, "learning", after, policy.support.owner, policy.support,
            year=work.year, weakest=weakest_of(scores), tried=tuple(dict.fromkeys(work.tried)),
        )  # fmt: skip

    def wait(self, scope: str, wait: Wait, since: str = "") -> None:
        """
        Note that a learner waits for adults, since an instant or now, if that is new; a rule asks after some days, once.

        What a person has closed does not come back while the same still waits; what ended with the school year may.
        """
        kept, since = self._waits(scope, wait), since or self._teller.trigger.time
        if scope not in kept:
            kept[scope] = (wait, since, self._due(scope, wait, since))

    def date_anew(self, framework: Framework) -> None:
        """
        Let the rules in force ask about all that waits in a framework, as if they had been there when it began to.

        What they would have asked in a school year that is over has ended with it.
        """
        now = self._teller.trigger.time
        for kept in (self._standing.waits, self._standing.waits_beside):
            for scope, (wait, since, due) in list(kept.items()):
                if not due or framework.id != framework_of_scope(scope):
                    continue
                terms, later = self._terms_of(scope), self._due(scope, wait, since)
                if terms.support is not None and later < now and year_end(terms, terms.support, later) <= now:
                    del kept[scope]
                else:
                    kept[scope] = (wait, since, later)

    def _due(self, scope: str, wait: Wait, since: str) -> str:
        """Return when a wait has lasted too long."""
        terms = self._terms_of(scope)
        waits = waits_of(terms.support)
        days = waits.sign_off if wait == "sign_off" else waits.placement
        return terms.days_later(since, days) if days is not None else NEVER

    def over(self, scope: str, wait: Wait, outcome: str = "") -> Iterator[Told]:
        """Yield what ends where a wait is over: done, unless a correction or other rules have ended it."""
        kept = self._waits(scope, wait)
        if scope in kept and kept[scope][0] == wait:
            del kept[scope]
        by_itself = OUTCOMES[self._teller.trigger.cause]
        done = by_itself if by_itself in ("corrected", "rules_changed") else "done"
        yield from self.close(scope, WAITS[wait], outcome or done)

    def end_gone(self, framework: Framework) -> Iterator[Told]:
        """Yield what ends with the levels that a framework has no more: nobody is placed there."""
        waited = {**self._standing.waits, **self._standing.waits_beside, **dict(self._standing.suggestions())}
        for scope in waited:
            if is_level(scope) and framework_of_level(scope) == framework.id and scope not in framework.levels:
                yield from self.over(scope, "ready_not_placed")

    def tick(self, at: str) -> Iterator[Told]:
        """Yield what is suggested because a wait has lasted too long, and what ends with the school year."""
        standing = self._standing
        for kept in (standing.waits, standing.waits_beside):
            for scope, (wait, since, due) in list(kept.items()):
                if not due or due > at:
                    continue
                support, later = self._terms_of(scope).support, self._due(scope, wait, since)
                if support is None or later > at:
                    # Breaks were set meanwhile.
                    kept[scope] = (wait, since, later)
                else:
                    kept[scope] = (wait, since, "")
                    yield from self.suggest(scope, "school", WAITS[wait], LEADER, support, since=since)
        for scope, open_ in standing.suggestions():
            if open_.ends > at:
                continue
            terms = self._terms_of(scope)
            later = year_end(terms, terms.support, open_.since) if terms.support is not None else ""
            if later > at:
                # A later end of the year was set meanwhile.
                self._kept(scope, open_.cause)[scope] = msgspec.structs.replace(open_, ends=later)
            elif open_.cause in _WAIT_OF:
                # What waits on is noted anew once something happens there: then the learner is at school again.
                yield from self.over(scope, _WAIT_OF[open_.cause], "year_ended")
            else:
                yield from self.close(scope, open_.cause, "year_ended")

    def decide(self, event: SupportDecided) -> Iterator[Told]:
        """Yield what a person closes."""
        open_ = self._standing.suggestion_on(event.scope, event.cause)
        if open_ is not None:
            by = {"role": event.role, "ref": event.author}
            yield from self.close(event.scope, open_.cause, event.outcome, reason=event.reason, by=by)

    def suggest(
        self, scope: str, side: str, cause: str, owner: str, support: Support, *, year: str = "", since: str = "",
        weakest: str | None = None, tried: tuple[str, ...] = (),
    ) -> Iterator[Told]:  # fmt: skip
        """Tell a suggestion, unless there is one of its cause, or it is about work (`year`) of a school year that is over."""
        framework, terms, now = self._framework_of(scope), self._terms_of(scope), self._teller.trigger.time
        this = school_year(local_day(now, terms.zone).isoformat(), support.year_ends)
        if framework is None or self._standing.suggestion_on(scope, cause) is not None or (year and year != this):
            return
        respond_by = terms.day_later(now, support.respond_days)
        kept = self._kept(scope, cause)
        told = self._own(kept, cause, self._teller.tell(
            "support.suggested", framework, scope, phrases("en")(f"support.{cause}"), side=side, need=cause, owner=owner,
            respond_by=respond_by, waiting_since=since or None, weakest_prerequisite=weakest, tried=list(tried),
        ))  # fmt: skip
        kept[scope] = Suggestion(
            told.id, side, cause, owner, now, respond_by, year_end(terms, support, now), weakest, tried
        )  # fmt: skip
        yield told

    def close(self, scope: str, cause: str, outcome: str, **more: Any) -> Iterator[Told]:
        """Tell that a suggestion is over, where there is one of this cause."""
        kept = self._kept(scope, cause)
        open_ = kept.get(scope)
        if open_ is None or open_.cause != cause:
            return
        del kept[scope]
        # A level that the framework has no more is told of all the same: somebody has been asked.
        framework = self._frameworks.get(framework_of_scope(scope))
        if framework is None:
            return
        terms = self._terms_of(scope)
        yield self._own(kept, cause, self._teller.tell(
            "support.closed", framework, scope, outcome=outcome, replaces=open_.id,
            days=terms.days_between(open_.since, self._teller.trigger.time), **more,
        ))  # fmt: skip

    def _kept(self, scope: str, cause: str) -> dict[str, Suggestion]:
        """
        Return where what is suggested of a cause is kept, or is to be.

        There is room for all: of a competency, handed-in work and either low work or a sign-off ask; of a level, its two waits.
        """
        return _of_two(self._standing.support, self._standing.beside, scope, lambda open_: open_.cause == cause)

    def _waits(self, scope: str, wait: Wait) -> dict[str, tuple[Wait, str, str]]:
        """Return where a wait is kept, or is to be."""
        return _of_two(self._standing.waits, self._standing.waits_beside, scope, lambda kept: kept[0] == wait)

    def _own(self, kept: dict[str, Suggestion], cause: str, told: Told) -> Told:
        """Return an event with an id of its own where the same input may tell one on another cause of the same scope."""
        return told._replace(id=stable_id(told.id, cause)) if kept is self._standing.beside else told

    def _framework_of(self, scope: str) -> Framework | None:
        """Return the framework of a scope that it still has."""
        framework = self._frameworks.get(framework_of_scope(scope))
        is_gone = framework is not None and is_level(scope) and scope not in framework.levels
        return None if is_gone else framework

    def _terms_of(self, scope: str) -> LevelTerms:
        framework = self._framework_of(scope)
        if not is_level(scope):
            return self._terms(scope)
        return self._terms(framework.levels[scope][0]) if framework is not None else LevelTerms()


def _of_two(first: dict[str, T], second: dict[str, T], scope: str, is_own: Callable[[T], bool]) -> dict[str, T]:
    """Return which of two has something of a scope, or is to have it: the second while the first has something else."""
    if scope in second and is_own(second[scope]):
        return second
    return first if scope not in first or is_own(first[scope]) else second


def year_end(terms: LevelTerms, support: Support, since: str) -> str:
    """Return the instant at which the school year is over that another instant lies in."""
    last = school_year(local_day(since, terms.zone).isoformat(), support.year_ends)
    return midnight_after(datetime.date.fromisoformat(last), terms.zone)


def weakest_of(prerequisites: Mapping[str, float | None]) -> str | None:
    """Return the prerequisite with the lowest score; what has no evidence comes after what has, since unknown is no gap."""
    return min(
        prerequisites, key=lambda code: (prerequisites[code] is None, prerequisites[code] or 0.0, code), default=None
    )


def next_due(standing: LearnerState) -> list[str]:
    """Return the instants at which a wait has lasted too long, or a suggestion or handed-in work ends with its year."""
    waits = (*standing.waits.values(), *standing.waits_beside.values())
    works = standing.ungraded.values()
    asking = [due for due in (*(due for _, _, due in waits), *(work.due for work in works)) if due not in ("", NEVER)]
    return asking + [open_.ends for _, open_ in standing.suggestions()] + [work.ends for work in works if work.ends]
