"""Suppression: what is hidden cannot be worked out from what is told."""

import itertools
import random

import pytest

from services.reporting.domain.counting import Count, class_mastery, district_mastery
from services.reporting.domain.suppression import TWICE, hidden_cells, hidden_totals
from shared.contracts.internal_events import Status

Counts = dict[str, dict[Status, int]]
SMALL = 10


def district(schools: Counts) -> tuple[dict[str, dict[str, int | None]], dict[str, int | None]]:
    """Return (counts by school, "" for the district) and (sizes by school) of one competency."""
    sizes: dict[str | None, int] = {school: sum(counts.values()) for school, counts in schools.items()}
    sizes[None] = sum(sizes.values())
    counts = [Count("m:a", status, s, n) for s, by_status in schools.items() for status, n in by_status.items()]
    statuses = sorted({count.status for count in counts})
    counts += [Count("m:a", s, None, sum(c.learners for c in counts if c.status == s)) for s in statuses]
    told, _ = district_mastery(
        "d", "D", [(s, s) for s in schools], day="2026-03-04", sizes=sizes, counts=counts, titles={}, small=SMALL
    )
    by_school = {school: dict(told.competencies[0].schools[school]) for school in schools}
    learners = {one.school: one.learners for one in told.schools} | {"": told.learners}
    return by_school | {"": dict(told.competencies[0].counts)}, learners  # type: ignore[return-value]


def test_small_numbers_are_null_and_zero_stays_zero() -> None:
    counts, _ = district({"a": {"mastered": 40, "not_yet": 30, "provisional": 3}, "b": {"mastered": 50, "not_yet": 20}})

    assert counts["a"]["provisional"] is None
    assert counts["b"]["provisional"] == 0
    assert counts["a"]["no_evidence"] == 0


def test_a_second_number_is_hidden_so_that_the_total_gives_nothing_away() -> None:
    counts, _ = district({"a": {"mastered": 40, "not_yet": 30, "provisional": 3}, "b": {"mastered": 50, "not_yet": 20}})

    assert list(counts["a"].values()).count(None) >= 2
    assert list(counts[""].values()).count(None) >= 2


def test_a_school_below_the_smallest_number_is_hidden_whole_with_another_ones_size() -> None:
    counts, learners = district({"a": {"mastered": 4, "not_yet": 2}, "b": {"mastered": 30}, "c": {"mastered": 60}})

    assert set(counts["a"].values()) == {None}
    assert learners == {"a": None, "b": None, "c": 60, "": 96}


def test_a_district_below_the_smallest_number_is_hidden_whole() -> None:
    counts, learners = district({"a": {"mastered": 4}, "b": {"mastered": 3}})

    assert {n for by_status in counts.values() for n in by_status.values()} == {None}
    assert set(learners.values()) == {None}


def test_two_hidden_ones_are_not_told_by_their_sum() -> None:
    """1 + 1 of 52 would be known to be one each."""
    counts, _ = district({"a": {"mastered": 50, "not_yet": 1, "provisional": 1}})

    assert counts["a"]["mastered"] is None


@pytest.mark.parametrize("seed", range(60))
def test_no_hidden_number_is_determined_by_the_told_ones(seed: int) -> None:
    """Some other table of whole numbers agrees with everything told and differs in every hidden cell, taken singly."""
    chance = random.Random(seed)
    schools = [f"s{n}" for n in range(chance.randint(1, 5))]
    statuses = ["no_evidence", "not_yet", "provisional", "mastered"][: chance.randint(2, 4)]
    sizes = [0, 1, 3, 9, 12, 40]
    inner: dict[tuple[str, str | None], int] = {
        (status, school): chance.choice(sizes) for status in statuses for school in schools
    }
    totals: dict[str | None, int] = {s: sum(inner[status, s] for status in statuses) for s in schools}
    totals[None] = sum(totals.values())
    cells = inner | {(status, None): sum(inner[status, s] for s in schools) for status in statuses}
    columns = hidden_totals(totals, SMALL)
    hidden = hidden_cells(cells, totals, columns, SMALL)
    free = hidden | {("", column) for column in columns}

    table = cells | {("", column): count for column, count in totals.items()}

    assert all(not 0 < n < SMALL for cell, n in table.items() if cell not in free)
    assert not {cell for cell in free if table[cell] and not _lies_on_a_cycle(cell, free)}


def test_one_learner_in_two_schools_is_not_told_by_the_schools_less_the_district() -> None:
    """50 and 40 learners are 89, and of 30 and 20 who have mastered 49 are left: who is in both is one of them."""
    totals = {"a": 50, "b": 40, None: 89}
    cells = {("mastered", "a"): 30, ("mastered", "b"): 20, ("mastered", None): 49,
             ("not_yet", "a"): 20, ("not_yet", "b"): 20, ("not_yet", None): 40}  # fmt: skip
    columns = hidden_totals(totals, SMALL)
    hidden = hidden_cells(cells, totals, columns, SMALL)

    assert columns
    assert {row for row, _ in hidden} == {"mastered", "not_yet"}


@pytest.mark.parametrize("seed", range(200))
def test_nothing_of_few_learners_in_two_schools_is_determined_by_the_told_numbers(seed: int) -> None:
    """What the schools have more than the district is told nowhere: here a cell of its own in every row."""
    chance = random.Random(seed)
    schools = [f"s{n}" for n in range(chance.randint(2, 5))]
    statuses = ["no_evidence", "not_yet", "provisional", "mastered"][: chance.randint(2, 4)]
    inner: dict[tuple[str, str | None], int] = {
        (status, school): chance.choice([0, 1, 3, 9, 12, 40]) for status in statuses for school in schools
    }
    both = {status: sum(inner[status, school] for school in schools[1:]) for status in statuses}
    twice: dict[tuple[str, str | None], int] = {
        (status, TWICE): min(both[status], chance.choice([0, 0, 1, 3, 12])) for status in statuses
    }
    cells = inner | {(s, None): sum(inner[s, school] for school in schools) - twice[s, TWICE] for s in statuses}
    totals: dict[str | None, int] = {c: sum(cells[status, c] for status in statuses) for c in (*schools, None)}
    columns = hidden_totals(totals, SMALL)
    hidden = hidden_cells(cells, totals, columns, SMALL)

    table = cells | {("", column): count for column, count in totals.items()}
    free = hidden | {("", column) for column in columns}
    if any(twice.values()):
        table |= twice | {("", TWICE): sum(twice.values())}
        free |= {cell for cell in table if cell[1] == TWICE}
    assert all(not 0 < n < SMALL for cell, n in table.items() if cell not in free)
    of_few = {cell for cell in free if cell in hidden or 0 < table[cell] < SMALL}
    assert not {cell for cell in of_few if table[cell] and not _lies_on_a_cycle(cell, free)}


def test_a_cell_between_two_groups_of_hidden_ones_is_not_worked_out_from_their_totals() -> None:
    """A and B in 1 and 2, C and D in 3 and 4, and A in 3: the rows A and B less the columns 1 and 2 give A in 3."""
    small = {*itertools.product("AB", "12"), *itertools.product("CD", "34"), ("A", "3")}
    inner: dict[tuple[str, str | None], int] = {
        (row, column): 6 if (row, column) in small else 50 for row in "ABCD" for column in "1234"
    }
    totals: dict[str | None, int] = {column: sum(inner[row, column] for row in "ABCD") for column in "1234"}
    totals[None] = sum(totals.values())
    cells = inner | {(row, None): sum(inner[row, column] for column in "1234") for row in "ABCD"}
    hidden = hidden_cells(cells, totals, hidden_totals(totals, SMALL), SMALL)

    assert hidden > small
    assert all(_lies_on_a_cycle(cell, hidden) for cell in hidden)


def _lies_on_a_cycle(cell: tuple[str, str | None], free: set[tuple[str, str | None]]) -> bool:
    """Tell whether hidden cells can move along a closed way through this one, rows and columns by turns."""
    rest = free - {cell}
    reached_rows, reached_columns = set(), {cell[1]}
    for _ in range(len(free) + 1):
        reached_rows |= {row for row, column in rest if column in reached_columns}
        reached_columns |= {column for row, column in rest if row in reached_rows}
    return cell[0] in reached_rows


def test_a_class_counts_every_learner_once_for_every_competency() -> None:
    told = class_mastery(
        "c", "C", {"ada": {"m:b": "mastered"}, "bo": {"m:b": "not_yet", "m:a": "mastered"}, "cy": {}},
        order=["m:b", "m:a"], titles={"m:a": "A"},
    )  # fmt: skip

    assert told.competencies == ["m:b", "m:a"]
    assert told.counts == {
        "m:b": {"no_evidence": 1, "not_yet": 1, "mastered": 1},
        "m:a": {"no_evidence": 2, "mastered": 1},
    }
    assert [(row.learner, row.statuses) for row in told.rows] == [
        ("ada", {"m:b": "mastered"}), ("bo", {"m:b": "not_yet", "m:a": "mastered"}), ("cy", {}),
    ]  # fmt: skip
    assert all(sum(counts.values()) == 3 for counts in told.counts.values())


def test_a_large_district_is_protected_in_reasonable_time() -> None:
    chance = random.Random(1)
    statuses: list[Status] = ["not_yet", "provisional", "mastered", "reverify_due"]
    schools: Counts = {f"s{n}": {s: chance.choice([0, 2, 5, 20, 90]) for s in statuses} for n in range(80)}
    counts, _ = district(schools)

    told = list(itertools.chain(*(by_status.values() for by_status in counts.values())))

    assert None in told
    assert not [n for n in told if n is not None and 0 < n < SMALL]
