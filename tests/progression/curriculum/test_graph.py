"""Facts of the graph equal a plain computation, on the map of real standards and on any graph."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.curriculum import Framework
from services.progression.domain.curriculum.graph import (
    cycles,
    frontier,
)
from shared.contracts.internal_events import Association, Competency
from tests.support.frameworks import read_csv
from tests.support.shared_data import shared_file

CODES = [f"c{n}" for n in range(9)]
PAIRS = st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(CODES)).filter(lambda p: p[0] != p[1]), max_size=25)
Pairs = list[tuple[str, str]]


def graph(prerequisites: Pairs, children: Pairs = []) -> Framework:  # noqa: B006
    """Return a framework of all codes: (before, after) and (child, group)."""
    edges = [Association(*pair) for pair in dict.fromkeys(prerequisites)]
    edges += [Association(*pair, "isChildOf") for pair in dict.fromkeys(children)]
    return Framework("f", "F", tuple(Competency(code, code, n) for n, code in enumerate(CODES)), tuple(edges))


@pytest.fixture(scope="module")
def standards() -> tuple[Framework, dict[str, str]]:
    """The map of mathematics standards, and the grade of each by full id."""
    with shared_file("data/frameworks/coherence_map/standards.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    with shared_file("data/frameworks/coherence_map/prerequisite_edges.csv").open(encoding="utf-8-sig") as file:
        edges = "from,to\n" + "".join(f"{row['from_code']},{row['to_code']}\n" for row in csv.DictReader(file))
    nodes = "code,title,level\n" + "".join(f"{row['code']},x,{row['grade']}\n" for row in rows)
    framework, problems = read_csv("ccss", "", nodes, edges)
    assert problems == []
    return framework, {f"ccss:{row['code']}": row["grade"] for row in rows}


@pytest.mark.parametrize(("grades", "count"), [("K", 8), ("K1", 10), ("K12", 9)])
def test_what_the_first_grades_open_on_the_map_of_standards(
    standards: tuple[Framework, dict[str, str]], grades: str, count: int
):
    framework, grade = standards
    satisfied = {code for code in grade if grade[code] in set(grades)}
    roots = {code for code in grade if code not in framework.prerequisites} - satisfied

    assert (len(framework.competencies), len(framework.associations)) == (480, 757)
    outer = set(frontier(framework, satisfied).outer)
    assert len(outer & framework.prerequisites.keys()) == count
    assert outer - framework.prerequisites.keys() == roots
    assert cycles(framework.prerequisites) == []


@given(PAIRS, st.sets(st.sampled_from(CODES)), st.sets(st.sampled_from(CODES)))
def test_the_frontier_equals_a_plain_computation(pairs: Pairs, codes: set[str], presumed: set[str]):
    framework = graph(pairs)
    before = {code: {a for a, b in pairs if b == code} for code in CODES}
    after = {code: {b for a, b in pairs if a == code} for code in CODES}
    found = frontier(framework, {f"f:{code}" for code in codes} | {"other:c1"}, {f"f:{code}" for code in presumed})

    assert found.outer == tuple(f"f:{c}" for c in CODES if c not in codes and before[c] <= codes | presumed)
    assert found.inner == tuple(f"f:{c}" for c in CODES if c in codes and not after[c] & codes)
    assert found.missing == {
        f"f:{c}": tuple(f"f:{a}" for a in sorted(before[c] - codes - presumed))
        for c in codes if before[c] - codes - presumed
    }  # fmt: skip


@given(PAIRS)
def test_cycles_are_the_groups_that_reach_each_other(pairs: Pairs):
    reach = {a: {b for x, b in pairs if x == a} for a in CODES}
    for middle in CODES:
        for code in CODES:
            if middle in reach[code]:
                reach[code] |= reach[middle]
    plain = {tuple(sorted(b for b in CODES if b == a or (b in reach[a] and a in reach[b]))) for a in CODES}
    edges: dict[str, list[str]] = {}
    for a, b in pairs:
        edges.setdefault(a, []).append(b)

    assert sorted(cycles(edges)) == sorted(group for group in plain if len(group) > 1)


def test_a_group_is_no_root_of_the_frontier_but_stays_in_it_with_prerequisites():
    assert frontier(graph([], [("c1", "c0")]), set()).outer == tuple(f"f:{code}" for code in CODES[1:])
    assert "f:c0" in frontier(graph([("c2", "c0")], [("c1", "c0")]), {"f:c2"}).outer


def test_neither_length_nor_a_long_cycle_is_a_danger():
    chain = {str(n): [str(n + 1)] for n in range(100_000)}

    assert cycles(chain) == []
    assert [len(group) for group in cycles(chain | {"100000": ["0"]})] == [100_001]
