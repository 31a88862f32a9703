"""
Handed-in work that waits for a grade: the adult's turn, never the learner's fault.

Of one learner while one input is folded. It waits from the day on which it was handed in, asks its owner for support after the
school days of the policy, and is over with a grade, when it is taken back, or with the school year. Work that no alignment
names a competency for waits as well and is listed; there is nothing yet that a suggestion could be about.
"""

from collections.abc import Iterable, Iterator

import msgspec

from services.progression.domain.curriculum import Framework, framework_of
from services.progression.domain.learner import NEVER, HandedIn, LearnerState
from services.progression.domain.levels import LevelTerms, Terms
from services.progression.domain.policy.support import Support, waits_of
from services.progression.domain.support_fold import UNGRADED, SupportFold, year_end
from services.progression.domain.telling import Teller, Told
from services.progression.domain.work import TRIED
from shared.contracts.handed_in import WorkUngraded

_DEFAULT = Support()


class UngradedFold:
    """One learner's work without a grade; the methods yield what is to be told."""

    def __init__(self, standing: LearnerState, terms: Terms, teller: Teller, support: SupportFold) -> None:
        self._standing = standing
        self._terms = terms
        self._teller = teller
        self._support = support

    def fold(self, event: WorkUngraded) -> Iterator[Told]:
        """Take in how a work stands; yield what ends where it waits no longer, or not for the same competencies."""
        works, now = self._standing.ungraded, self._teller.trigger.time
        before = works.pop(event.work, None)
        if event.waits:
            ends = self._year_end(event.since, event.competencies)
            if ends > now:
                work = HandedIn(event.source, event.activity, event.since, event.competencies, ends)
                works[event.work] = msgspec.structs.replace(work, due=self._due(work, ""))
        if before is not None:
            yield from self._over(before.competencies, now, "done")

    def date_anew(self, framework: Framework) -> None:
        """Let the rules in force ask about work on a framework of which nobody was asked, as if they had been there before."""
        for id, work in self._standing.ungraded.items():
            if work.due and any(framework_of(competency) == framework.id for competency in work.competencies):
                self._standing.ungraded[id] = msgspec.structs.replace(work, due=self._due(work, ""))

    def tick(self, at: str) -> Iterator[Told]:
        """Yield what has waited too long by an instant, and what ends with the school year."""
        works = self._standing.ungraded
        for id, held in list(works.items()):
            # A later end of the year may have been set meanwhile.
            ends = held.ends if held.ends > at else self._year_end(held.since, held.competencies)
            work = works[id] = msgspec.structs.replace(held, ends=ends)
            if ends <= at:
                del works[id]
                yield from self._over(work.competencies, at, "year_ended")
            elif work.due and work.due <= at:
                works[id] = msgspec.structs.replace(work, due=self._due(work, at))
                for competency in work.competencies:
                    if work.due <= self._due_of(competency, work) <= at:
                        yield from self._suggest(competency)

    def _suggest(self, competency: str) -> Iterator[Told]:
        support, waiting = self._terms(competency).support, self._waiting(competency)
        if support is not None:
            yield from self._support.suggest(
                competency, "school", UNGRADED, support.owner, support, since=waiting[0].since,
                tried=tuple(dict.fromkeys(work.activity for work in waiting))[:TRIED],
            )  # fmt: skip

    def _over(self, competencies: Iterable[str], at: str, outcome: str) -> Iterator[Told]:
        """Close the suggestions on competencies of which no other work has waited too long."""
        for competency in competencies:
            late = (self._due_of(competency, work) for work in self._waiting(competency))
            if not any(due <= at for due in late):
                yield from self._support.close(competency, UNGRADED, outcome)

    def _waiting(self, competency: str) -> list[HandedIn]:
        """Return the work of a competency that waits, the oldest first."""
        found = (work for work in self._standing.ungraded.values() if competency in work.competencies)
        return sorted(found, key=lambda work: (work.since, work.activity))

    def _due(self, work: HandedIn, after: str) -> str:
        """Return the first instant behind another at which the wait asks for support; empty where none comes."""
        coming = (self._due_of(competency, work) for competency in work.competencies)
        return min((due for due in coming if due > after), default="")

    def _due_of(self, competency: str, work: HandedIn) -> str:
        """Return when the wait has lasted too long for a competency, by the breaks that are known."""
        terms = self._terms(competency)
        days = waits_of(terms.support).ungraded
        return terms.days_later(work.since, days) if days is not None else NEVER

    def _year_end(self, since: str, competencies: tuple[str, ...]) -> str:
        """Return the instant at which the school year of a hand-in is over, by the rules of its first competency."""
        terms = self._terms(competencies[0]) if competencies else LevelTerms()
        return year_end(terms, terms.support or _DEFAULT, since)
