"""What is told of a district by two groupings and by school gives nobody away: random districts, without a service."""

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import pytest

from services.reporting.domain.equity import Burden, Counts, Group, Pairs, Times, by_group
from services.reporting.domain.watch import SchoolCount, school_watch
from shared.contracts.internal_events import Status
from tests.reporting.subtracting import ALL, SHOWN, Subtracting, Unknown, counted

SMALL = 10
STATUSES: tuple[Status, ...] = ("not_yet", "provisional", "mastered", "credited", "reverify_due")
PEOPLE = ("overridden", "withheld")


class Learner(NamedTuple):
    """A learner: the school, the value of each grouping, the status of each competency, and what people decided."""

    school: str
    values: tuple[str, str]
    statuses: tuple[Status, ...]
    overridden: bool
    withheld: bool


def drawn(seed: int) -> list[Learner]:
    """Return the learners of a random district of few schools and competencies."""
    chance = random.Random(seed)
    schools = [f"s{n}" for n in range(chance.randint(2, 4))]
    weights = {school: [chance.choice((0, 1, 1, 5, 30, 60)) for _ in (*STATUSES, "none")] for school in schools}
    first, second = (chance.choice(((60, 40, 0), (80, 17, 3), (50, 30, 20))) for _ in range(2))
    rates = {value: chance.choice((0, 0.02, 0.1, 0.3, 0.6)) for value in "abcxyz"}
    competencies = chance.randint(1, 3)

    def learner(school: str) -> Learner:
        values = chance.choices("abc", first)[0], chance.choices("xyz", second)[0]
        weight = weights[school] if any(weights[school]) else None
        statuses = [chance.choices((*STATUSES, None), weight)[0] for _ in range(competencies)]
        decided = [chance.random() < rates[value] for value in values]
        return Learner(school, values, tuple(status for status in statuses if status is not None), *decided)

    return [learner(school) for school in schools for _ in range(chance.choice((4, 12, 25, 40, 60)))]


def pairs(learners: Iterable[Learner], *statuses: str) -> Pairs:
    """Return the pairs of learners that have one of some statuses, and the learners in them."""
    each = [sum(status in statuses for status in learner.statuses) for learner in learners]
    return Pairs(sum(each), sum(count > 0 for count in each))


def groups_of(learners: list[Learner], grouping: int) -> list[Group]:
    """Return what is told of the groups of a grouping."""
    of: dict[str, list[Learner]] = {}
    for learner in learners:
        of.setdefault(learner.values[grouping], []).append(learner)
    statuses = {
        label: {status: found for status in STATUSES if (found := pairs(members, status)).pairs}
        for label, members in of.items()
    }
    times = []
    for label, members in of.items():
        everybody = pairs(members, *STATUSES).learners
        sides = ((True, pairs(members, *SHOWN)), (False, pairs(members, *set(STATUSES) - set(SHOWN))))
        times += [Times(label, 5, done, found.pairs, everybody, found.learners) for done, found in sides if found.pairs]
    overridden, withheld = (
        {label: sum(getattr(each, what) for each in members) for label, members in of.items()} for what in PEOPLE
    )
    sizes = {label: len(members) for label, members in of.items()}
    return by_group(Counts(sizes, statuses, times, dict[str, Burden](), [], overridden, withheld), SMALL)


def school_count(school: str, learners: list[Learner]) -> SchoolCount:
    """Count what the watch tells of a school; nothing is set by hand, and no depth is asked for."""
    members = [learner for learner in learners if learner.school == school]
    recorded, due, fresh = pairs(members, *SHOWN), pairs(members, "reverify_due"), pairs(members, *SHOWN[:2])
    seen = pairs(members, *STATUSES).learners
    return SchoolCount(
        school, len(members), seen, seen, recorded.pairs, 0, due.pairs, 0, recorded.learners, due.learners, fresh.learners,
        *(0,) * 6,
    )  # fmt: skip


def know_groups(known: Subtracting, name: str, groups: list[dict[str, Any]], statuses: Iterable[str]) -> None:
    """Know what is told of a grouping; a status that a group does not have is known to be nobody's there."""
    labels = [group["label"] for group in groups]
    known.sum_is([(name, label) for label in labels], ("learners", ALL))
    for status in statuses:
        known.sum_is([(name, label, status) for label in labels], ("pairs", status))
    for what in PEOPLE:
        known.sum_is([(name, label, f"were {what}") for label in labels], (what,))
    for group in groups:
        label = group["label"]
        known.sum_is([(name, label)], group["learners"])
        for what in PEOPLE:
            known.sum_is([(name, label, f"were {what}"), (name, label, f"not {what}")], (name, label))
            known.sum_is([(name, label, f"were {what}")], None if group[what] is None else counted(group[what])[0])
        if group["statuses"] is None:
            continue
        told = {status: group["statuses"].get(status, 0) for status in statuses}
        shares = [share for share in (*told.values(), group["on_record"]) if share]
        known.sum_is([(name, label, each) for each in statuses], counted(shares[0])[1] if shares else None)
        for status, share in told.items():
            known.sum_is([(name, label, status)], counted(share)[0] if share else share)
        shown = [(name, label, status) for status in statuses if status in SHOWN]
        known.sum_is(shown, None if group["on_record"] is None else counted(group["on_record"])[0])
        times = group["time_to_mastery"] or {"cases": None, "happened": None}
        known.sum_is(shown, times["happened"])
        known.sum_is([(name, label, status) for status in statuses], times["cases"])


def few_of(learners: list[Learner]) -> set[Unknown]:
    """Return what nobody may work out of groups and schools."""
    people: dict[Unknown, int] = {}
    for grouping in (0, 1):
        for value in {learner.values[grouping] for learner in learners}:
            members = [learner for learner in learners if learner.values[grouping] == value]
            people[str(grouping), value] = len(members)
            for what in PEOPLE:
                count = sum(getattr(each, what) for each in members)
                people[str(grouping), value, f"were {what}"] = count
                people[str(grouping), value, f"not {what}"] = len(members) - count
            people |= {(str(grouping), value, status): pairs(members, status).learners for status in STATUSES}
    for school in {learner.school for learner in learners}:
        members = [learner for learner in learners if learner.school == school]
        people["due", school] = pairs(members, "reverify_due").learners
    return {unknown for unknown, count in people.items() if 0 < count < SMALL}


@pytest.mark.parametrize(
    "seeds", [range(16), pytest.param(range(16, 400), marks=pytest.mark.long)], ids=["few", "many"]
)
def test_two_groupings_and_the_schools_of_a_district_give_no_small_number_away(seeds: range) -> None:
    for seed in seeds:
        learners = drawn(seed)
        sizes = Counter(learner.school for learner in learners)
        statuses = sorted({status for learner in learners for status in learner.statuses})
        known = Subtracting()
        known.sum_is([("learners", ALL)], len(learners))
        for grouping in (0, 1):
            told = msgspec.to_builtins(groups_of(learners, grouping))
            know_groups(known, str(grouping), told, statuses)
        known.sum_is([("due", school) for school in sizes], ("pairs", "reverify_due"))
        due = pairs(learners, "reverify_due")
        known.sum_is([("pairs", "reverify_due")], None if 0 < due.learners < SMALL else due.pairs)
        for school in school_watch([school_count(school, learners) for school in sizes], len(learners), {}, SMALL):
            share = school.due_for_re_check
            known.sum_is([("due", school.school)], None if share is None else counted(msgspec.to_builtins(share))[0])

        assert not known.worked_out(few_of(learners)), seed
