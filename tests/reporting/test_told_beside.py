"""Numbers told beside each other, and figures of few people: none gives away what is between or behind."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reporting.domain.equity import Burden, Counts, Middle, Pairs, Times, by_group, reference
from services.reporting.domain.group_statuses import hidden_statuses
from services.reporting.domain.shares import share
from services.reporting.domain.small_numbers import told_beside
from services.reporting.domain.testing import PieceCount, told_testing
from services.reporting.domain.watch import DepthShown, SchoolCount, school_watch
from shared.contracts.internal_events import Status

N = 10


@given(st.lists(st.integers(0, 200), min_size=1, max_size=6))
def test_no_told_number_and_no_difference_of_two_is_few(counts: list[int]) -> None:
    told = [count for count in told_beside(counts, N) if count is not None]

    assert not [count for count in told if 0 < count < N]
    assert not [(one, other) for one in told for other in told if 0 < abs(one - other) < N]


@pytest.mark.parametrize(
    ("counts", "told"),
    [((100, 69, 70), [100, 69, None]), ((100, 60, 80), [100, 60, 80]), ((100, 70, 70), [100, 70, 70]),
     ((100, 95, 80), [100, None, 80]), ((100, 0, 0), [100, 0, 0]), ((100, 100, 100), [100, 100, 100])],
)  # fmt: skip
def test_what_is_told_beside(counts: tuple[int, ...], told: list[int | None]) -> None:
    assert told_beside(counts, N) == told


def _school(**changed: Any) -> SchoolCount:
    count = SchoolCount("s", 100, 80, 60, 200, 50, 40, 30, 70, 25, 80, 30, 90, 20, 15, 60, 12)
    return count._replace(**changed)


def test_a_school_is_told_whole_where_nothing_is_of_few() -> None:
    (told,) = school_watch([_school()], 100, {}, N)

    assert (told.with_evidence, told.with_evidence_lately) == (share(80, 100), share(60, 100))
    assert (told.set_by_hand, told.due_for_re_check) == (share(50, 200), share(40, 200))
    found = share(30, 120)
    assert found is not None
    assert told.below_depth == DepthShown(found.share, found.low, found.high, 30, 120, 20)


@pytest.mark.parametrize(
    ("changed", "hidden"),
    [({"with_evidence": 70, "lately": 69}, {"with_evidence"}), ({"by_hand": 1, "learners_by_hand": 1}, {"set_by_hand"}),
     ({"by_hand": 199, "learners_not_by_hand": 1}, {"set_by_hand"}), ({"learners_due": 9}, {"due_for_re_check"}),
     ({"learners_below": 9}, {"below_depth"}), ({"learners_reaching": 1}, {"below_depth"}),
     ({"lately": 9}, {"with_evidence_lately"}), ({"learners_not_due": 3}, {"due_for_re_check"})],
)  # fmt: skip
def test_a_share_that_tells_of_few_learners_is_not_told(changed: dict[str, int], hidden: set[str]) -> None:
    (told,) = school_watch([_school(**changed)], 100, {}, N)

    shares = ("with_evidence", "with_evidence_lately", "set_by_hand", "due_for_re_check", "below_depth")
    assert {name for name in shares if getattr(told, name) is None} == hidden


def test_masteries_without_a_depth_of_few_learners_are_not_told_beside_the_others() -> None:
    (few,) = school_watch([_school(learners_untagged=3)], 100, {}, N)
    (none,) = school_watch([_school(below=0, learners_below=0, reaching=0, learners_reaching=0)], 100, {}, N)

    assert few.below_depth is not None
    assert (few.below_depth.below, few.below_depth.tagged, few.below_depth.untagged) == (30, 120, None)
    assert none.below_depth == DepthShown(None, None, None, 0, 0, 20)


def test_pieces_after_confirmation_of_few_learners_are_not_told() -> None:
    whole = told_testing("d", "", 100, PieceCount(400, 50, 4.0, 90, 30, 60), N)
    few = told_testing("d", "", 100, PieceCount(400, 5, 4.0, 9, 1, 9), N)

    assert (whole.surplus, whole.over_testing, whole.median_pieces_to_confirm, whole.pairs_confirmed) == (
        50,
        0.125,
        4.0,
        90,
    )
    assert (few.surplus, few.over_testing, few.median_pieces_to_confirm, few.pairs_confirmed) == (None,) * 4


def _group(statuses: dict[Status, Pairs], **changed: Any) -> Counts:
    counts = Counts({"a": 50}, {"a": statuses}, [], {"a": Burden(300, 30, 4.0, 20, 30)}, [], {"a": 20}, {"a": 0})
    return counts._replace(**changed)


@pytest.mark.parametrize(
    ("statuses", "hidden", "side"),
    [
        ({"mastered": Pairs(50, 40), "not_yet": Pairs(50, 40)}, set(), True),
        ({"mastered": Pairs(50, 40), "not_yet": Pairs(48, 40), "provisional": Pairs(40, 30), "overridden": Pairs(1, 1)},
         {"overridden", "provisional"}, True),
        ({"mastered": Pairs(50, 40), "credited": Pairs(2, 2), "not_yet": Pairs(48, 40)}, {"mastered", "credited"}, True),
        ({"mastered": Pairs(2, 2), "not_yet": Pairs(98, 45), "provisional": Pairs(30, 20)},
         {"mastered", "provisional", "not_yet"}, False),
    ],
)  # fmt: skip
def test_a_status_of_few_learners_is_not_told_and_cannot_be_worked_out(
    statuses: dict[Status, Pairs], hidden: set[str], side: bool
) -> None:
    (told,) = by_group(_group(statuses), N)

    assert told.statuses is not None
    assert {status for status, shown in told.statuses.items() if shown is None} == hidden
    assert (told.on_record is not None) == side
    shown = [each for each in told.statuses.values() if each is not None]
    assert all(each.low <= each.share <= each.high and each.low < each.high for each in shown)


def test_medians_and_times_of_few_learners_are_not_told() -> None:
    waits = [Times("a", 4, True, 11, 12, 11), Times("a", 9, False, 1, 12, 1)]
    (few,) = by_group(_group({}, sign_offs=[Times("a", 4, True, 1, 1, 1)], burden={"a": Burden(300, 9, 4.0, 3, 9)}), N)
    (told,) = by_group(_group({}, sign_offs=waits), N)

    assert (few.sign_off_wait, few.median_pieces, few.over_testing) == (None, None, None)
    assert (told.median_pieces, told.over_testing) == (4.0, 0.1)
    assert told.sign_off_wait is not None
    # 11 of 12 happened: how many is not told, for it would tell of the one who waits.
    assert told.sign_off_wait == Middle(4, 4, 4, 12, None)


def test_pairs_of_few_learners_are_not_told_by_the_times_they_took() -> None:
    """A single learner has shown twelve competencies: the share is hidden, so how many were shown is too."""
    statuses: dict[Status, Pairs] = {"mastered": Pairs(12, 1), "not_yet": Pairs(88, 50)}
    times = [Times("a", 4, True, 12, 50, 1), Times("a", 9, False, 88, 50, 50)]
    (told,) = by_group(_group(statuses, mastery=times), N)

    assert told.on_record is None
    assert told.time_to_mastery is not None
    assert (told.time_to_mastery.cases, told.time_to_mastery.happened) == (None, None)


def test_what_people_decided_of_one_group_does_not_follow_from_another_grouping() -> None:
    """Another grouping tells that forty were overridden in all, so a group of which three were is hidden with one beside it."""
    counts = Counts({"a": 60, "b": 50, "c": 40}, {}, [], {}, [], {"a": 37, "b": 3, "c": 0}, {"a": 20, "b": 11, "c": 38})
    told = {group.label: group for group in by_group(counts, N)}

    assert {label for label, group in told.items() if group.overridden is None} == {"a", "b"}
    assert {label for label, group in told.items() if group.withheld is None} == {"b", "c"}


def test_what_is_hidden_of_one_group_does_not_follow_from_the_others() -> None:
    """The groups sum to the district, of which each status is told."""
    groups: dict[str, dict[Status, int]] = {
        "big": {"mastered": 40, "provisional": 30, "not_yet": 20},
        "mid": {"mastered": 30, "provisional": 7, "not_yet": 25},
    }
    hidden = hidden_statuses(groups, (), N)

    assert hidden["mid"].statuses == hidden["big"].statuses == {"provisional", "not_yet"}
    assert not hidden["mid"].on_record


def test_a_status_that_only_one_group_has_does_not_follow_from_the_district() -> None:
    groups: dict[str, dict[Status, int]] = {
        "big": {"mastered": 40, "provisional": 12, "presumed": 3},
        "mid": {"mastered": 30, "not_yet": 25},
    }
    hidden = hidden_statuses(groups, (), N)

    assert hidden["big"].statuses == hidden["mid"].statuses == {"provisional", "presumed", "not_yet"}


def test_what_is_on_the_record_of_one_group_does_not_follow_from_the_others() -> None:
    groups: dict[str, dict[Status, int]] = {
        "big": {"mastered": 60, "not_yet": 20},
        "mid": {"mastered": 6, "not_yet": 40},
        "gone": {"mastered": 2},
    }
    beside = hidden_statuses({label: groups[label] for label in ("big", "mid")}, (), N)
    with_others = hidden_statuses(groups, ("gone",), N)

    assert [beside[label].on_record for label in ("big", "mid")] == [True, True]
    assert [beside[label].statuses for label in ("big", "mid")] == [{"mastered", "not_yet"}] * 2
    assert [with_others[label].on_record for label in ("big", "mid")] == [False, True]


def test_what_is_due_in_one_school_does_not_follow_from_the_district() -> None:
    counts = [_school(school=f"s{n}", learners_due=people, due=people) for n, people in enumerate((40, 3, 20))]
    told = {each.school: each for each in school_watch(counts, 300, {}, N)}

    assert {school for school, each in told.items() if each.due_for_re_check is None} == {"s1", "s2"}
    assert {school for school, each in told.items() if each.set_by_hand is None} == set()


def test_groups_stand_beside_the_largest_that_is_told() -> None:
    """The smaller of two groups with an interval, and the hidden ones with none: the learners of unknown group too."""
    learners = {"big": 60, "mid": 40, "few": 3, "": 30}
    statuses: dict[str, dict[Status, Pairs]] = {
        "big": {"mastered": Pairs(56, 50), "not_yet": Pairs(14, 12)},
        "mid": {"mastered": Pairs(48, 30), "not_yet": Pairs(32, 20)},
        "few": {"mastered": Pairs(3, 3)},
    }
    burden = {"big": Burden(100, 0, 4.0, 0, 50), "mid": Burden(100, 0, 6.0, 0, 30)}
    groups = by_group(Counts(learners, statuses, [], burden, [], {}, {}), N)
    told = {group.label: group.gap for group in groups}
    beside, gap = reference(groups), told["mid"]

    assert beside is not None
    assert beside.label == "big"
    # Newcombe 1998, table II, method 10, the other way round.
    assert gap is not None
    assert (gap.share, gap.low, gap.high) == pytest.approx((-0.2, -0.3339, -0.0524), abs=1e-4)
    assert gap.burden_ratio == 1.5
    assert (told["big"], told["few"], told[""]) == (None, None, None)
