"""
How the learners of the sample learn, and how it shows: a truth that the product never sees, and evidence drawn from it.

Every learner has an understanding of every competency, 0..1, which is true mastery from `MASTERED` on. It grows in the
weeks in which the learner works on it, at a pace of the learner's own, and fades a little when nothing asks for it. A
learner works on what comes next in each subject, keeps at it for as long as it takes, and goes on from there. Quizzes
and observations show the understanding, with the chance of a lucky guess, a slip, or a generous eye.
"""

import datetime
import itertools
import math
import random
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from deploy.local.sample.people import Person

MASTERED = 0.8
LEFT_AT = 0.9
GOOD_BEFORE_LEFT = 3
"""Work goes on a little beyond mastery, until it has been seen to go well."""
OPENS_NEXT = 0.7
START = 0.15
FIRST_DAY = datetime.date(2024, 9, 2)
HOLIDAY_WEEKS = frozenset((16, 17, 31))
PLACEMENT_WEEKS = 2
WEEKS = 42
"""Of a school year."""
WEEKS_A_YEAR = 52
AT_ONCE = 2
"""Competencies that a learner works on at the same time, in each subject."""
GROWTH_A_WEEK = 0.105
PIECE_A_WEEK = 0.65
OBSERVED = 0.3
REVIEW_A_WEEK = 0.4
RECHECK_A_WEEK = 0.5
PRACTICE = 0.12
ASSISTED = 0.02

Form = Literal["quiz", "observation", "review"]


class Competency(NamedTuple):
    """A competency as the simulation sees it: its level, and what comes directly before it."""

    code: str
    subject: str
    level: int
    needs: tuple[str, ...]


class Showing(NamedTuple):
    """One piece of evidence: `right` of `of` answers, or an observed level of 4."""

    code: str
    week: int
    at: datetime.datetime
    form: Form
    right: int
    of: int
    assisted: bool


class Life(NamedTuple):
    """A learner's years: what was seen, and since when each competency has truly been mastered."""

    showings: tuple[Showing, ...]
    since: dict[str, datetime.date]


def live(person: Person, competencies: Sequence[Competency], seed: str, years: int = 1) -> Life:
    """Return a learner's years; the same seed gives the same ones, whoever else there is."""
    learner = _Learner(person, competencies, random.Random(f"{seed}/{person.id}"))
    showings = list(learner.placement())
    for week in range(PLACEMENT_WEEKS, years * WEEKS_A_YEAR):
        of_year = week % WEEKS_A_YEAR
        if of_year < WEEKS and of_year not in HOLIDAY_WEEKS:
            showings += learner.week(week)
    return Life(tuple(sorted(showings, key=lambda showing: (showing.at, showing.code))), learner.since)


def right_chance(understanding: float) -> float:
    """Return the chance of a right answer: a guess at the least, a slip at the most, steep around mastery."""
    return 0.1 + 0.85 / (1 + math.exp(-11 * (understanding - 0.65)))


def went_well(showing: Showing) -> bool:
    """Tell whether a teacher is content with it: two thirds of the answers, or level 3 of 4."""
    return showing.right * 3 >= showing.of * 2


class _Learner:
    def __init__(self, person: Person, competencies: Sequence[Competency], dice: random.Random) -> None:
        self._dice = dice
        self._competencies = {each.code: each for each in competencies}
        subjects = sorted({each.subject for each in competencies})
        self._of = {subject: [each for each in competencies if each.subject == subject] for subject in subjects}
        self._pace = {subject: math.exp(dice.gauss(0.0, 0.35)) for subject in subjects}
        self._begins = {subject: person.home.level + dice.choice((-1, 0, 0, 0, 0, 1)) for subject in subjects}
        self._fading = max(0.0, dice.gauss(0.006, 0.007))
        self._known: dict[str, float] = {}
        self._left: dict[str, None] = {}
        self._good: dict[str, int] = {}
        self._recheck: list[str] = []
        self.since: dict[str, datetime.date] = {}

    def placement(self) -> Iterator[Showing]:
        """Yield what the first two weeks show of earlier levels: nothing is presumed, each is looked at three times."""
        for each in self._competencies.values():
            if each.level < self._begins[each.subject]:
                self._set(each.code, self._dice.choice((0.95, 0.95, 0.92, 0.9, 0.86, 0.7)), 0)
                if self._known[each.code] >= MASTERED:
                    self._left[each.code] = None
                yield self._show(each.code, "quiz", 0, self._dice.randrange(2))
                yield self._show(each.code, "observation", 0, 3)
                yield self._show(each.code, "quiz", 1, self._dice.randrange(5))

    def week(self, week: int) -> Iterator[Showing]:
        """Yield what one week shows."""
        dice, known, fading = self._dice, self._known, 2 * self._fading
        for code in self._left:
            known[code] = max(0.3, known[code] - fading * dice.random())
        for code in [code for subject in self._pace for code in self._working_on(subject)]:
            pace = self._pace[self._competencies[code].subject]
            self._set(code, known.get(code, START) + GROWTH_A_WEEK * pace * dice.uniform(0.5, 1.5), week)
            if dice.random() < PIECE_A_WEEK:
                form: Form = "observation" if dice.random() < OBSERVED else "quiz"
                showing = self._show(code, form, week, dice.randrange(5))
                self._good[code] = self._good.get(code, 0) + went_well(showing)
                yield showing
            if known[code] >= LEFT_AT and self._good.get(code, 0) >= GOOD_BEFORE_LEFT:
                self._left[code] = None
        yield from self._reviews(week)

    def _reviews(self, week: int) -> Iterator[Showing]:
        """Yield a look back at something earlier; what shows weakly is practised and looked at again."""
        dice, again = self._dice, self._recheck
        self._recheck = []
        for code in again:
            if dice.random() > RECHECK_A_WEEK:
                self._recheck.append(code)
                continue
            self._set(code, self._known[code] + PRACTICE, week)
            yield from self._look_back(code, week)
        rest = [code for code in self._left if code not in again]
        if rest and dice.random() < REVIEW_A_WEEK:
            yield from self._look_back(dice.choice(rest), week)

    def _look_back(self, code: str, week: int) -> Iterator[Showing]:
        showing = self._show(code, "review", week, self._dice.randrange(5))
        if not went_well(showing):
            self._recheck.append(code)
        yield showing

    def _working_on(self, subject: str) -> list[str]:
        """Return what comes next: not left yet, and what it needs is there."""
        known, left = self._known, self._left
        coming = (
            each.code
            for each in self._of[subject]
            if each.code not in left and all(known.get(code, 0) >= OPENS_NEXT for code in each.needs)
        )
        return list(itertools.islice(coming, AT_ONCE))

    def _set(self, code: str, understanding: float, week: int) -> None:
        self._known[code] = min(understanding, 0.98)
        if understanding >= MASTERED:
            self.since.setdefault(code, FIRST_DAY + datetime.timedelta(weeks=week))

    def _show(self, code: str, form: Form, week: int, day: int) -> Showing:
        dice, understanding = self._dice, self._known[code]
        assisted = dice.random() < ASSISTED
        if assisted:
            understanding = min(0.98, understanding + 0.2)
        if form == "observation":
            seen = understanding + dice.gauss(0, 0.06)
            right, of = 1 + (seen >= 0.5) + (seen >= 0.78) + (seen >= 0.93), 4
        else:
            of = dice.choice((8, 9, 10, 12))
            chance = right_chance(understanding)
            right = sum(dice.random() < chance for _ in range(of))
        date = FIRST_DAY + datetime.timedelta(weeks=week, days=day)
        time = datetime.time(8 + dice.randrange(6), dice.choice((5, 20, 35, 50)), tzinfo=datetime.UTC)
        return Showing(code, week, datetime.datetime.combine(date, time), form, right, of, assisted)
