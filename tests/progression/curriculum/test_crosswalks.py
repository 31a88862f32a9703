"""Crosswalks: what is credited, that it can be undone, and how state goes over to a new version."""

from hypothesis import given
from hypothesis import strategies as st

from services.progression.domain.curriculum import Framework
from services.progression.domain.curriculum.crosswalks import crosswalks, links, plan
from shared.contracts.internal_events import Association, Competency
from tests.progression.curriculum.builders import case_edge, case_item, package, read
from tests.support.frameworks import read_csv

CODES = [f"c{n}" for n in range(6)]
VERSIONS = st.builds(
    lambda codes, identifiers, edges: Framework(
        "f", "F", tuple(Competency(c, c, n, identifier=i) for n, (c, i) in enumerate(zip(codes, identifiers, strict=False))),
        tuple(Association(a, b, type) for a, b, type in edges if a != b),
    ),
    st.lists(st.sampled_from(CODES), unique=True),
    st.permutations([None, None, "i1", "i2", "i3", "i4"]),
    st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(CODES), st.sampled_from(["exactMatchOf", "replacedBy"])),
             max_size=6, unique=True),
)  # fmt: skip


def test_a_match_credits_both_ways_and_a_replacement_forward():
    here, _ = read(
        package(
            [case_item("a", "A"), case_item("b", "B", statusEndDate="2020-01-01"), case_item("c", "C")],
            [case_edge("a", "exactMatchOf", "z"), case_edge("b", "replacedBy", "c")],
        ),
        "here",
    )
    there, _ = read(package([case_item("z", "Z")]), "there")
    edges = crosswalks([here, there])

    found = links([here, there])

    assert {shown: set(credited) for shown, credited in found.gives.items()} == {
        "here:A": {"there:Z"}, "there:Z": {"here:A"}, "here:B": {"here:C"},
    }  # fmt: skip
    assert {credited: set(shown) for credited, shown in found.receives.items()} == {
        "there:Z": {"here:A"}, "here:A": {"there:Z"}, "here:C": {"here:B"},
    }  # fmt: skip
    assert {edge.strength for edge in edges} == {"full"}
    assert {edge.version for edge in edges} == {here.version}


def test_splits_and_merges_are_partial():
    items = [case_item(i, i) for i in "abcde"]
    edges = [case_edge("a", "replacedBy", "b"), case_edge("a", "replacedBy", "c"), case_edge("d", "replacedBy", "c"),
             case_edge("e", "replacedBy", "b")]  # fmt: skip
    framework, _ = read(package(items, edges))

    assert {edge.strength for edge in crosswalks([framework])} == {"partial"}
    assert links([framework]).gives == {}


@given(VERSIONS, VERSIONS)
def test_every_competency_has_one_way_into_the_next_version(old: Framework, new: Framework):
    kept, moved, retired, fresh = plan(old, new)
    origins, destinations = {move.origin for move in moved}, {move.destination for move in moved}

    assert sorted([*kept, *origins, *retired]) == sorted(old.by_id)
    assert {*kept, *destinations, *fresh} == set(new.by_id)
    assert not set(fresh) & {*kept, *destinations}


@given(VERSIONS)
def test_the_same_version_again_keeps_everything(version: Framework):
    assert plan(version, version) == (tuple(version.by_id), (), (), ())


def test_a_new_code_for_the_same_identifier_is_a_move_and_a_new_identifier_for_a_code_is_not():
    old, _ = read(package([case_item("1", "A"), case_item("2", "B"), case_item("3", "C"), case_item("4", "D")]))
    new, _ = read(
        package([case_item("1", "A.1"), case_item("9", "B"), case_item("2", "C"), case_item("4", "D", statusEndDate="2020-01-01"),
                 case_item("5", "E")],
                [case_edge("4", "replacedBy", "5")])
    )  # fmt: skip
    migration = plan(old, new)

    assert [(m.origin, m.destination, m.type) for m in migration.moved] == [
        ("f:A", "f:A.1", "renamed"), ("f:B", "f:C", "renamed"), ("f:D", "f:E", "replacedBy"),
    ]  # fmt: skip
    assert (migration.kept, migration.retired, migration.new) == ((), ("f:C",), ("f:B",))


def test_frameworks_without_identifiers_are_compared_by_code():
    old, _ = read_csv("f", "", "code,title\nA,a\nB,b\n", "")
    new, _ = read_csv("f", "", "code,title\nB,b2\nC,c\n", "")

    assert plan(old, new) == (("f:B",), (), ("f:A",), ("f:C",))
