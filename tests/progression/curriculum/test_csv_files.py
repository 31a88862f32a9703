"""Frameworks from CSV: what is read, what is passed over and named, what is refused."""

import time

import pytest

from services.progression.domain.curriculum import PART_SIZE, parts
from services.progression.domain.curriculum.csv_files import COLUMNS_MAX, read_levels
from services.progression.domain.curriculum.framework import ASSOCIATIONS_MAX
from services.progression.domain.curriculum.problems import Problems
from shared.errors import InvalidEvent
from tests.support.frameworks import read_csv

NODES = "code,title,level,subject,dok,power\nk1,Counting,K,math,1,yes\na1,Adding,1,math,2,\n"


def test_competencies_keep_the_order_level_and_marks_of_the_file():
    framework, problems = read_csv("math", "Mathematics", NODES, "from,to\nk1,a1\n")

    assert problems == []
    assert [(c.code, c.ordinal, c.level, c.dok, c.power) for c in framework.competencies] == [
        ("k1", 1, "K", 1, True), ("a1", 2, "1", 2, False),
    ]  # fmt: skip
    assert framework.prerequisites == {"math:a1": ("math:k1",)}
    assert framework.dependents == {"math:k1": ("math:a1",)}


def test_the_same_content_has_the_same_version_and_other_content_another():
    first, _ = read_csv("math", "M", NODES, "")
    again, _ = read_csv("math", "M", NODES, "")
    other, _ = read_csv("math", "M", NODES, "from,to\nk1,a1\n")

    assert first.version == again.version != other.version


@pytest.mark.parametrize(
    ("edges", "problem"),
    [
        ("k1,k1", "points to itself"),
        ("k1,zz", "unknown code zz"),
        ("k1,a1\nk1,a1", "again"),
        ("k1,a1\na1,k1", "cycle"),
    ],
)
def test_faulty_edges_are_named_and_never_crash(edges: str, problem: str):
    _, problems = read_csv("math", "M", NODES, f"from,to\n{edges}\n")

    assert len(problems) == 1
    assert problem in problems[0]


def test_a_long_chain_is_not_taken_for_a_cycle():
    nodes = "code,title\n" + "".join(f"c{n},C\n" for n in range(3000))
    edges = "from,to\n" + "".join(f"c{n},c{n + 1}\n" for n in range(2999))

    assert read_csv("long", "", nodes, edges)[1] == []


@pytest.mark.parametrize(
    ("id", "nodes", "pointer"),
    [
        ("a:b", NODES, "/id"), ("m", "name\nx\n", "/nodes"), ("m", "code,title\n", "/nodes"),
        ("m", "code,title,dok\na,A,9\n", "/nodes"), ("m", "code,title\n,A\n", "/nodes"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_framework_is_refused_with_a_pointer(id: str, nodes: str, pointer: str):
    with pytest.raises(InvalidEvent) as refused:
        read_csv(id, "", nodes, "")

    assert refused.value.pointer == pointer


def test_a_large_framework_is_published_in_parts_that_lose_nothing():
    nodes = "code,title\n" + "".join(f"c{n},C\n" for n in range(PART_SIZE * 2 + 1))
    edges = "from,to\n" + "".join(f"c{n},c{n + 1}\n" for n in range(100))
    framework, _ = read_csv("big", "", nodes, edges)
    published = parts(framework)

    assert [part.part for part in published] == [1, 2, 3]
    assert tuple(c for part in published for c in part.competencies) == framework.competencies
    assert tuple(a for part in published for a in part.associations) == framework.associations


@pytest.mark.parametrize(
    ("nodes", "edges", "pointer"),
    [
        ("code,title\n" + "a\n" * 3_000_000, "", "/nodes"),
        ("code,title\na,A\n", "from,to\n" + "a\n" * 300_000, "/edges"),
        ("code,title" + ",x" * COLUMNS_MAX + "\n" + "a\n" * 10_000, "", "/nodes"),
    ],
    ids=["lines", "edges", "columns"],
)
def test_of_a_file_without_an_end_no_more_is_read_than_a_framework_has(nodes: str, edges: str, pointer: str):
    started = time.process_time()
    with pytest.raises(InvalidEvent, match="at most") as refused:
        read_csv("f", "", nodes, edges)

    assert refused.value.pointer == pointer
    assert time.process_time() - started < 10


def test_levels_beyond_what_is_read_are_refused_and_never_left_out():
    with pytest.raises(InvalidEvent, match="at most 250,000 lines"):
        read_levels("code,level\n" + "a\n" * (ASSOCIATIONS_MAX + 1), {"a"}, Problems())
