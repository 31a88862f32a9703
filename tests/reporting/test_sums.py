"""Sums over competencies, told beside each of them, give nothing withheld away: random small districts, without a service."""

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import pytest

from services.reporting.domain import counting
from services.reporting.domain.completeness import by_school
from services.reporting.domain.counting import Count, district_mastery
from services.reporting.domain.equity import Counts, Pairs, Times, by_group
from services.reporting.domain.own_growth import GrownCount, growth_by_school
from services.reporting.domain.testing import PieceCount, told_testing
from services.reporting.domain.watch import SchoolCount, all_are_recent, school_watch
from shared.contracts.internal_events import Status
from tests.reporting.subtracting import ALL, SHOWN, Subtracting, Unknown, counted
from tests.reporting.test_groupings import know_groups

SMALL = 10
STATUSES: tuple[Status, ...] = (
    "insufficient_evidence", "not_yet", "provisional", "mastered", "credited", "presumed", "reverify_due", "overridden",
)  # fmt: skip
RECORDED = (*SHOWN, "overridden")


class Learner(NamedTuple):
    """A learner: the schools, the value of each of two groupings, and by competency the status, None without evidence."""

    schools: frozenset[str]
    values: tuple[str, str]
    statuses: tuple[Status | None, ...]


class District(NamedTuple):
    """Schools, competencies and learners."""

    schools: list[str]
    competencies: list[str]
    learners: list[Learner]

    def of(self, school: str | None) -> list[Learner]:
        """Return the learners of a school, None for all."""
        return [each for each in self.learners if school is None or school in each.schools]


def drawn(seed: int) -> District:
    """Return a random small district, of one to four competencies."""
    chance = random.Random(seed)
    schools = [f"s{n}" for n in range(chance.randint(1, 4))]
    competencies = [f"m:{n}" for n in range(chance.randint(1, 4))]
    used = [status for status in STATUSES if chance.random() < 0.65] or ["mastered"]
    alike = chance.random() < 0.5
    learners = []
    for school in schools:
        weights = [[chance.choice((0, 1, 1, 5, 30, 60)) for _ in (*used, None)] for _ in competencies]
        for _ in range(chance.choice((4, 12, 25, 40, 60))):
            values = chance.choices("abc", (60, 30, 10))[0], chance.choices("xyz", (80, 17, 3))[0]
            places = frozenset((school, chance.choice(schools) if chance.random() < 0.03 else school))
            each = weights[:1] * len(weights) if alike else weights
            statuses = [chance.choices((*used, None), weight if any(weight) else None)[0] for weight in each]
            learners.append(Learner(places, values, tuple(statuses)))
    return District(schools, competencies, learners)


def pairs(learners: Iterable[Learner], *statuses: str) -> Pairs:
    """Return the pairs of learners that have one of some statuses, and the learners in them."""
    each = [sum(status in statuses for status in learner.statuses) for learner in learners]
    return Pairs(sum(each), sum(count > 0 for count in each))


def told_of(district: District) -> dict[str, Any]:
    """Return what is told of a district."""
    columns = (*district.schools, None)
    sizes = {column: len(district.of(column)) for column in columns}
    counts = [
        Count(competency, status, column, learners)
        for column in columns for number, competency in enumerate(district.competencies)
        for status, learners in Counter(each.statuses[number] for each in district.of(column)).items() if status
    ]  # fmt: skip
    titles, everybody = {school: school for school in district.schools}, len(district.learners)
    mastery, no_sums = district_mastery(
        "d", "D", list(titles.items()), day="", sizes=sizes, counts=counts, titles={}, small=SMALL
    )
    schools = [school_count(school, district.of(school)) for school in district.schools]
    came = {each.school: (each.learners, each.lately) for each in schools}
    grown = [
        GrownCount(each, sizes[each], 0, 0, 0, None, pairs(district.of(each), "not_yet").learners) for each in columns
    ]
    confirmed = pairs(district.learners, "mastered", "reverify_due")
    pieces = PieceCount(0, 0, None, confirmed.pairs, 0, confirmed.learners)
    told: dict[str, Any] = msgspec.to_builtins({
        "mastery": mastery,
        "watch": school_watch(schools, everybody, titles, SMALL, no_sums=no_sums),
        "completeness": by_school(came, everybody, titles, SMALL, all_are_recent(schools) if no_sums else ()),
        "growth": growth_by_school(grown, titles, SMALL, no_sums=no_sums),
        "testing": told_testing("d", "", everybody, pieces, SMALL, no_sums=no_sums),
        "equity": [by_group(group_counts(district, number), SMALL, no_sums=no_sums) for number in (0, 1)],
    })  # fmt: skip
    return told


def school_count(school: str, learners: list[Learner]) -> SchoolCount:
    """Count what the watch tells of a school; all evidence is of lately, and no depth is asked for."""
    recorded, due, by_hand = pairs(learners, *RECORDED), pairs(learners, "reverify_due"), pairs(learners, "overridden")
    seen = pairs(learners, *STATUSES).learners
    return SchoolCount(
        school, len(learners), seen, seen, recorded.pairs, by_hand.pairs, due.pairs, by_hand.learners,
        pairs(learners, *SHOWN).learners, due.learners, pairs(learners, "mastered", "credited", "overridden").learners,
        *(0,) * 6,
    )  # fmt: skip


def group_counts(district: District, grouping: int) -> Counts:
    """Count what is told of the groups of a grouping."""
    of: dict[str, list[Learner]] = {}
    for learner in district.learners:
        of.setdefault(learner.values[grouping], []).append(learner)
    sides = ((True, SHOWN), (False, set(STATUSES) - set(SHOWN)))
    times = [
        Times(label, 5, done, found.pairs, pairs(members, *STATUSES).learners, found.learners)
        for label, members in of.items() for done, side in sides if (found := pairs(members, *side)).pairs
    ]  # fmt: skip
    statuses = {
        label: {status: found for status in STATUSES if (found := pairs(members, status)).pairs}
        for label, members in of.items()
    }
    overridden = {label: pairs(members, "overridden").learners for label, members in of.items()}
    return Counts({label: len(of[label]) for label in of}, statuses, times, {}, [], overridden, dict.fromkeys(of, 0))


class Known(Subtracting):
    """What is known of a district where sums over its competencies are told beside each of them."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__()
        self.mastery(told["mastery"])
        self._rows = {each["competency"]: list(each["counts"]) for each in told["mastery"]["competencies"]}

    def cells(self, statuses: Iterable[str], school: str) -> list[Unknown]:
        """Return the cells of some statuses in a school, of all competencies."""
        return [(name, status, school) for name, rows in self._rows.items() for status in statuses if status in rows]

    def sum_of(self, statuses: Iterable[str], school: str, pairs_: int | None) -> None:
        """Know how many pairs have one of some statuses."""
        self.sum_is(self.cells(statuses, school), pairs_)

    def people(self, statuses: Iterable[str], school: str, learners: int | None) -> None:
        """Know how many learners have one of some statuses of any competency: no fewer than of each, no more than of all."""
        if learners is None:
            return
        every, name = self.cells(statuses, school), (*statuses, school)
        self.sum_is(every, ("sum", *name))
        self.sum_is([("people", *name), ("over", *name)], ("sum", *name))
        self.sum_is([("people", *name)], learners)
        for competency in self._rows:
            own = [cell for cell in every if cell[0] == competency]
            self.sum_is([*own, ("under", competency, *name)], learners)

    def beside(self, told: dict[str, Any]) -> None:
        """Know all that is told beside the tables by competency."""
        for school in told["watch"]:
            name = school["school"]
            for what, status in (("set_by_hand", "overridden"), ("due_for_re_check", "reverify_due")):
                part, whole = counted(school[what]) if school[what] else (None, None)
                self.sum_of([status], name, part)
                self.sum_of(RECORDED, name, whole)
            self.people(STATUSES, name, counted(school["with_evidence"])[0] if school["with_evidence"] else None)
        for school in told["completeness"]:
            self.people(STATUSES, school["school"], school["with_evidence"])
        everybody, schools = told["growth"]
        for each in (everybody, *schools):
            self.people(("not_yet",), each["school"], each["not_yet"])
        self.sum_of(("mastered", "reverify_due"), ALL, told["testing"]["pairs_confirmed"])
        statuses = sorted({status for rows in self._rows.values() for status in rows} - {"no_evidence"})
        for number, groups in enumerate(told["equity"]):
            know_groups(self, str(number), groups, statuses)


def withheld(told: dict[str, Any]) -> set[Unknown]:
    """Return the numbers that the tables by competency do not tell."""
    return {
        (each["competency"], status, school)
        for each in told["mastery"]["competencies"]
        for school, counts in ({ALL: each["counts"]} | each["schools"]).items()
        for status, count in counts.items() if count is None
    }  # fmt: skip


def given_away(seed: int) -> dict[Unknown, int]:
    """Return what is withheld of a drawn district and can only be what it is, for what is told beside."""
    told = told_of(drawn(seed))
    known = Known(told)
    known.beside(told)
    found = known.worked_out(sorted(withheld(told)))
    if found:
        alone = Known(told).worked_out(sorted(found))
        found = {unknown: count for unknown, count in found.items() if unknown not in alone}
    return found


def test_without_twins_sums_give_withheld_numbers_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack is one: it finds what it should."""
    monkeypatch.setattr(counting, "with_twins", lambda tables, hidden, untold: (hidden, False))

    assert sum(bool(given_away(seed)) for seed in range(3)) >= 2


@pytest.mark.parametrize(
    "seeds", [range(12), pytest.param(range(12, 600), marks=pytest.mark.long)], ids=["few", "many"]
)
def test_sums_over_competencies_give_no_withheld_number_away(seeds: range) -> None:
    assert not {seed: found for seed in seeds if (found := given_away(seed))}
