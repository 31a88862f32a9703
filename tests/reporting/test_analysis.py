"""Growth, survival, shares and small numbers, against reference values and the libraries of the field."""

import datetime
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from services.reporting.domain.growth import _student, growth, theil_sen
from services.reporting.domain.shares import Share, cohen_h, difference, share
from services.reporting.domain.small_numbers import suppress
from services.reporting.domain.survival import kaplan_meier
from shared.school_calendar import SchoolCalendar, school_day_after

DAYS, COUNTS = [0.0, 10, 20, 30, 45, 60, 80, 95], [1.0, 2, 3, 5, 6, 9, 10, 14]
WAITS = [(6.0, True)] * 3 + [(6.0, False), (7.0, True), (9.0, False), (10.0, True), (10.0, False), (11.0, False),
         (13.0, True), (16.0, True), (17.0, False), (19.0, False), (20.0, False), (22.0, True), (23.0, True),
         (25.0, False), (32.0, False), (32.0, False), (34.0, False), (35.0, False)]  # fmt: skip
"""Weeks to relapse under 6-MP, Freireich et al. 1963, the worked example of most texts on survival."""


def test_slopes_are_those_of_scipy_for_any_points() -> None:
    dice = random.Random(5)
    for _ in range(200):
        n = dice.randint(2, 30)
        x = [float(dice.randint(0, 20)) for _ in range(n - 1)] + [21.0]
        y = [dice.choice((dice.gauss(0, 1), float(int(at)))) for at in x]
        assert theil_sen(x, y) == pytest.approx(stats.theilslopes(y, x).slope, abs=1e-9)


@pytest.mark.parametrize("clump", [1, 3], ids=["one by one", "up to five on a day"])
def test_a_pace_and_a_projection_hold_what_they_say_of_learners_whose_pace_is_known(clump: int) -> None:
    """Competencies come at random at a known pace for half a year, and on until ten more have come: told in 80 % or more."""
    dice = random.Random(11)
    paces, projections = [], []
    for _ in range(300):
        day, shown, came, needed = 0.0, [], 0, 0.0
        while came < 10:
            day += dice.expovariate(0.2 / clump)
            count = dice.randint(1, 2 * clump - 1)
            if day < 180:
                shown += [str(datetime.date(2026, 1, 1) + datetime.timedelta(days=int(day)))] * count
            else:
                came, needed = came + count, day - 180
        found = growth([f"{each}T10:00:00Z" for each in shown], remaining=10)
        pace, projection = found.overall, found.projection
        if pace is None or projection is None:  # too few days with something new
            continue
        paces.append(pace.low <= 6 <= pace.high)
        projections.append(projection.least <= needed <= (projection.most or math.inf))

    assert len(paces) > 280
    assert sum(paces) / len(paces) > 0.8
    assert sum(projections) / len(projections) > 0.8


def test_students_t_is_that_of_scipy() -> None:
    assert [_student(n) for n in (2, 3, 10, 100)] == pytest.approx(list(stats.t.ppf(0.95, (2, 3, 10, 100))), rel=0.02)


def test_one_bad_week_does_not_move_a_slope() -> None:
    spoilt = theil_sen(DAYS, [*COUNTS[:-1], -50.0])
    whole = theil_sen(DAYS, COUNTS)

    assert spoilt is not None
    assert whole is not None
    assert abs(spoilt - whole) < 0.03


def test_growth_compares_a_learner_with_the_own_past_and_projects_a_range() -> None:
    slow = [f"2026-0{month}-{day:02}T10:00:00.000000Z" for month in (1, 2, 3) for day in (1, 16)]
    fast = [f"2026-07-{day:02}T10:00:00.000000Z" for day in range(1, 29, 3)]
    found = growth([*fast, *slow], remaining=10)

    assert found.points[0] == ("2026-01-01", 1)
    assert found.points[-1] == ("2026-07-28", 16)
    assert found.recent is not None
    assert found.earlier is not None
    assert found.recent.per_30_days == pytest.approx(10, abs=0.1)
    assert found.earlier.per_30_days == pytest.approx(2, abs=0.3)
    assert found.projection is not None
    assert found.projection.most is not None
    assert 25 <= found.projection.least <= found.projection.most <= 40


def test_a_pace_is_of_school_days_where_the_calendar_is_known() -> None:
    """One competency each second school day, through ten weeks without school: a pace of 15, in calendar days of less."""
    breaks = "2026-06-01/2026-08-09"
    first = datetime.date(2026, 4, 6)
    shown = [f"{school_day_after(first, 2 * n, breaks)}T18:00:00.000000Z" for n in range(40)]
    of_school, of_calendar = growth(shown, 10, SchoolCalendar("America/Chicago", breaks)), growth(shown, 10)

    assert (of_school.days, of_calendar.days) == ("school", "calendar")
    assert of_school.overall is not None
    assert of_calendar.overall is not None
    assert of_school.overall.per_30_days == pytest.approx(15)
    assert of_calendar.overall.per_30_days < 11
    assert of_school.projection is not None
    assert (of_school.projection.least, of_school.projection.most) == (20, 20)
    evening = [f"2026-04-{day:02}T03:00:00.000000Z" for day in (7, 8, 9, 10)]
    assert growth(evening, 1, SchoolCalendar("America/Chicago", "")).points[0][0] == "2026-04-06"


def test_growth_of_few_points_is_not_told() -> None:
    found = growth(["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"], remaining=3)

    assert (found.overall, found.recent, found.projection) == (None, None, None)
    assert growth([], 5).points == []


def test_survival_is_that_of_the_worked_example() -> None:
    found = kaplan_meier(WAITS)
    at = {step.time: step for step in found.steps}

    # Kalbfleisch & Prentice 1980, table 1.2: 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448
    assert [round(step.waiting, 3) for step in found.steps] == [0.857, 0.807, 0.753, 0.69, 0.627, 0.538, 0.448]
    assert (found.people, found.happened, found.median) == (21, 9, 23.0)
    assert (at[6.0].low, at[6.0].high) == pytest.approx((0.6197, 0.9516), abs=1e-3)
    assert at[6.0].at_risk == 21


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")  # where nobody, or everybody, is left
def test_survival_is_that_of_scipy_for_any_times() -> None:
    dice = random.Random(7)
    for _ in range(60):
        times = [(float(dice.randint(0, 15)), dice.random() < 0.7) for _ in range(dice.randint(2, 40))]
        done, waits = ([time for time, happened in times if happened is wanted] for wanted in (True, False))
        expected = stats.ecdf(stats.CensoredData(uncensored=done, right=waits)).sf
        low, high = (side.evaluate for side in expected.confidence_interval(0.95, method="log-log"))
        found = kaplan_meier(times)
        assert [step.time for step in found.steps] == sorted(set(done))
        for step in found.steps:
            assert step.waiting == pytest.approx(expected.evaluate(step.time), abs=1e-9)
            assert not 0 < step.waiting < 1 or (step.low, step.high) == pytest.approx(
                (float(low(step.time)), float(high(step.time))), abs=1e-6
            )
        reached = [time for time in sorted(set(done)) if expected.evaluate(time) <= 0.5 + 1e-9]
        assert found.median == (reached[0] if reached else None)


def test_who_still_waits_is_not_dropped() -> None:
    assert kaplan_meier([(5.0, True), (9.0, False), (9.0, False)]).median is None
    assert kaplan_meier([(5.0, True)]).median == 5.0
    assert kaplan_meier([]).steps == []


def test_a_share_has_its_wilson_interval() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611
    first, none = share(81, 263), share(0, 20)

    assert first is not None
    assert none is not None
    assert (first.low, first.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert (none.low, none.high) == pytest.approx((0, 0.1611), abs=1e-4)
    assert share(0, 0) is None
    with pytest.raises(ValueError, match="cannot be"):
        share(3, 2)


def test_a_difference_has_newcombes_interval() -> None:
    # Newcombe 1998, table II, method 10: 56/70 less 48/80 gives 0.0524 to 0.3339
    one, other = share(56, 70), share(48, 80)
    assert one is not None
    assert other is not None
    found = difference(one, other)

    assert found.share == pytest.approx(0.2, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert isinstance(found, Share)


def test_the_size_of_a_difference_is_cohens() -> None:
    # Cohen 1988, table 6.2.2: phi(.40) = 1.369, phi(.20) = 0.927; and a step near an end counts for more.
    assert cohen_h(0.4, 0.2) == pytest.approx(1.369 - 0.927, abs=1e-3)
    assert cohen_h(0.2, 0.4) == -cohen_h(0.4, 0.2)
    assert cohen_h(0.15, 0.05) > cohen_h(0.55, 0.45)


def test_a_single_hidden_cell_takes_the_next_smallest_with_it() -> None:
    assert suppress({"A": 42, "B": 7, "C": 15}, 10) == {"A": 42, "B": None, "C": None}
    assert suppress({"A": 42, "B": 7, "C": 15}, 10, guard_sum=False) == {"A": 42, "B": None, "C": None}
    assert suppress({"A": 42, "B": 0, "C": 15}, 10) == {"A": 42, "B": 0, "C": 15}
    assert suppress({"A": 42, "B": 7, "C": 0}, 10) == {"A": None, "B": None, "C": 0}
    assert suppress({"A": 42, "B": 2, "C": 3, "D": 20}, 10) == {"A": 42, "B": None, "C": None, "D": None}
    assert suppress({"A": 42, "B": 2, "C": 3, "D": 20}, 10, guard_sum=False)["D"] == 20


@given(st.dictionaries(st.text(max_size=2), st.integers(0, 40), max_size=8), st.integers(2, 20))
def test_nothing_hidden_can_be_worked_out_from_the_total(cells: dict[str, int], small: int) -> None:
    told = suppress(cells, small)
    hidden = {name: cells[name] for name, count in told.items() if count is None}

    assert all(count == 0 or count >= small for count in told.values() if count is not None)
    assert all(count == cells[name] for name, count in told.items() if count is not None)
    assert not hidden or len(hidden) == len(cells) or (len(hidden) > 1 and sum(hidden.values()) >= small)
