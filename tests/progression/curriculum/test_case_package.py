"""CASE packages: what is read, what is passed over and named, what is refused."""

import gzip
import json
import re
from typing import Any

import pytest

from services.progression.domain.curriculum.framework import COMPETENCIES_MAX
from services.progression.domain.curriculum.graph import cycles
from services.progression.domain.curriculum.importing import read_import
from shared.errors import InvalidEvent
from tests.progression.curriculum.builders import SERVER, TODAY, case_edge, case_item, package, read
from tests.support.shared_data import shared_file

TREE = package(
    [
        case_item("d", "MATH"), case_item("b", "M.2", educationLevel=["02"]), case_item("a", "M.1", educationLevel="KG"),
        case_item("c", None, educationLevel=["09", "10", "11", "12"]),
    ],
    [
        case_edge("d", "isChildOf", "doc"), case_edge("b", "isChildOf", "d", sequenceNumber=2),
        case_edge("a", "isChildOf", "d", sequenceNumber=1), case_edge("c", "isChildOf", "d"),
        case_edge("a", "precedes", "b"), case_edge("b", "isRelatedTo", "a"),
    ],
    subject=["Mathematics"],
)  # fmt: skip


def test_items_are_competencies_with_levels_subjects_and_groups_in_the_order_of_the_continuum():
    framework, problems = read(TREE)

    assert [(c.code, c.level, c.subject, c.parent, c.identifier, c.ordinal) for c in framework.competencies] == [
        ("MATH", None, "Mathematics", None, "d", 1),
        ("M.1", "K", "Mathematics", "MATH", "a", 2),
        ("M.2", "2", "Mathematics", "MATH", "b", 3),
        ("c", "9-12", "Mathematics", "MATH", "c", 4),
    ]
    assert framework.title == "Sample"
    assert len(framework.associations) + len(framework.outside) == 6
    assert problems == ["/CFItems/3: without humanCodingScheme, known by c"]


def test_what_version_1_1_adds_is_read_or_ignored():
    """CASE 1.1: caseVersion, frameworkType, subject of items, targetType of links, notes, extensions, isTranslationOf."""
    link = {"title": "T", "uri": f"{SERVER}/CFItems/t", "identifier": "t", "targetType": "CASE", "extensions": {}}
    framework, problems = read(
        package(
            [case_item("a", "A", subject=["Science"], subjectURI=[link], educationLevel=["KG"], extensions={"x": [1]},
                       alternativeLabel="Alpha", licenseURI=link),
             case_item("b", "B", statusStartDate="2026-01-01", CFItemType="Standard")],
            [case_edge("a", "isTranslationOf", link, notes="Spanish", sequenceNumber=1, extensions={"y": None}),
             case_edge("a", "ext:builds-on", "b")],
            caseVersion="1.1", frameworkType="K-12", extensions={"z": {}}, subject=["Mathematics", "Science"],
        ).replace(b'"CFDocument"', b'"CFDefinitions": {"CFSubjects": []}, "CFRubrics": [], "CFDocument"', 1)
    )  # fmt: skip

    assert [(c.code, c.level, c.subject) for c in framework.competencies] == [
        ("A", "K", "Science"), ("B", None, "Mathematics"),
    ]  # fmt: skip
    assert [(e.type, e.identifier) for e in framework.outside] == [("isTranslationOf", "t")]
    assert [(e.origin, e.destination, e.type) for e in framework.associations] == [("A", "B", "ext:builds-on")]
    assert problems == ["/CFAssociations/0: isTranslationOf leads to t, outside the package; kept"]


def test_what_precedes_is_a_prerequisite_only_when_asked():
    def imported(**choice: str) -> dict[str, tuple[str, ...]]:
        content = {"id": "f", "format": "case", "package": json.loads(TREE), **choice}
        return read_import(json.dumps(content).encode(), TODAY)[0].prerequisites

    assert imported() == imported(prerequisites="none") == {}
    assert imported(prerequisites="precedes") == {"f:M.2": ("f:M.1",)}
    assert imported(prerequisite_edges="from,to\nM.2,c\n") == {"f:c": ("f:M.2",)}
    assert imported(prerequisite_edges="from,to\nM.2,c\n", prerequisites="precedes") == {
        "f:M.2": ("f:M.1",), "f:c": ("f:M.2",),
    }  # fmt: skip


def test_trap_17_an_association_to_an_item_outside_the_package_is_kept_where_it_may_lead_out_and_named():
    edges = [case_edge("a", "exactMatchOf", "there"), case_edge("a", "precedes", "elsewhere")]
    content = {"id": "f", "format": "case", "prerequisites": "precedes",
               "package": json.loads(package([case_item("a", "A")], edges))}  # fmt: skip
    framework, problems = read_import(json.dumps(content).encode(), TODAY)

    assert [(e.type, e.identifier) for e in framework.outside] == [("exactMatchOf", "there")]
    assert framework.prerequisites == {}
    assert problems == [
        "/CFAssociations/0: exactMatchOf leads to there, outside the package; kept",
        "/CFAssociations/1: precedes, and no item is elsewhere, left out",
    ]


def test_trap_18_cycles_in_precedes_are_named_once_they_are_prerequisites_and_so_are_repetitions():
    edges = [case_edge("a", "precedes", "b"), case_edge("b", "precedes", "a"), case_edge("a", "precedes", "b")]
    content = {"id": "f", "format": "case", "prerequisites": "precedes",
               "package": json.loads(package([case_item("a", "A"), case_item("b", "B")], edges))}  # fmt: skip
    framework, problems = read_import(json.dumps(content).encode(), TODAY)

    assert len(framework.associations) == 2
    assert problems == [
        "/CFAssociations/2: precedes from a to b again, left out", "cycle: A, B: none of these can become ready",
    ]  # fmt: skip


def test_the_version_does_not_depend_on_the_spelling_of_the_json():
    spelled = json.dumps(json.loads(TREE), indent=2, ensure_ascii=True).encode()

    assert read(spelled)[0].version == read(TREE)[0].version
    assert read(TREE.replace(b"Can do a", b"Can do A"))[0].version != read(TREE)[0].version


def test_numbers_that_stand_for_identifiers_and_codes_keep_all_their_digits():
    items = [case_item("item") | {"identifier": number} for number in (12345678, 12345679, 12345680.0)]
    coded = [case_item(f"i{number}", humanCodingScheme=number) for number in (1000001, 1000002, 1234567.5)]
    framework, problems = read(package([*items, *coded], [case_edge(12345678, "precedes", 12345680)]))

    codes = ["12345678", "12345679", "12345680", "1000001", "1000002", "1234567.5"]
    assert sorted(each.code for each in framework.competencies) == sorted(codes)
    assert [(each.origin, each.destination) for each in framework.associations] == [("12345678", "12345680")]
    assert problems == [f"/CFItems/{n}: without humanCodingScheme, known by {code}" for n, code in enumerate(codes[:3])]


def test_items_that_share_a_code_are_told_apart_whatever_their_order():
    items = [case_item("y", "S.1"), case_item("x", "S.1"), case_item("z", "S.1", statusEndDate="2020-01-01")]
    framework, problems = read(package(items))
    turned, _ = read(package(items[::-1]))
    codes = {c.identifier: c.code for c in (*framework.competencies, *framework.retired)}

    assert codes == {"x": "S.1", "y": "y", "z": "z"}
    assert codes == {c.identifier: c.code for c in (*turned.competencies, *turned.retired)}
    assert len(problems) == 2


def test_items_that_have_ended_are_retired_and_only_crosswalks_touch_them():
    framework, problems = read(
        package(
            [case_item("old", "A", statusEndDate=TODAY), case_item("new", "B", statusEndDate="2026-03-05T00:00:00Z")],
            [case_edge("old", "replacedBy", "new"), case_edge("old", "precedes", "new")],
        )
    )

    assert [c.code for c in framework.competencies] == ["B"]
    assert [c.code for c in framework.retired] == ["A"]
    assert [(e.origin, e.type, e.destination) for e in framework.associations] == [("A", "replacedBy", "B")]
    assert problems == ["/CFAssociations/1: precedes with an item that has ended, left out"]


@pytest.mark.parametrize(
    ("edge", "problem"),
    [
        (case_edge("a", "isChildOf", "a"), "isChildOf from a to itself, left out"),
        (case_edge("a", "isChildOf", "nowhere"), "isChildOf, and no item is nowhere, left out"),
        (case_edge("here", "isRelatedTo", "there"), "isRelatedTo, and no item is here, left out"),
        (case_edge("a", "exactMatchOf", "elsewhere"), "exactMatchOf leads to elsewhere, outside the package; kept"),
        (case_edge("a", "resembles", "b"), "'resembles' is no type of CASE, left out"),
        (case_edge("a", {"no": "text"}, "b"), "'' is no type of CASE, left out"),
        (case_edge("a", "precedes", {}), "an end has neither identifier nor uri, left out"),
        (case_edge("b", "precedes", "a", sequenceNumber="x") | {"associationType": "Precedes"}, ""),
        ("not an object", "Expected `object`, got `str`, left out"),
    ],
)
def test_associations_that_cannot_be_used_are_named_with_their_pointer(edge: Any, problem: str):
    framework, problems = read(package([case_item("a", "A"), case_item("b", "B")], [edge]))

    assert [p.removeprefix("/CFAssociations/0").partition(": ")[2] for p in problems] == [problem] * bool(problem)
    assert len(framework.associations) + len(framework.outside) == ("kept" in problem or not problem)


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (case_item("a", "AA"), "/CFItems/1/identifier: 'a' again, left out"),
        ({"fullStatement": "Lost"}, "/CFItems/1: neither identifier nor uri, left out"),
        (7, "/CFItems/1: Expected `object`, got `int`, left out"),
        (case_item("b", "B\nC"), "/CFItems/1/humanCodingScheme: no code, known by b"),
        (case_item("b", "B", fullStatement=None), "/CFItems/1: without fullStatement, titled by its code"),
        (case_item("b", "B", statusEndDate="soon"), "/CFItems/1/statusEndDate: not a date, so it does not end"),
    ],
)
def test_items_that_cannot_be_used_as_they_are_are_named(item: Any, problem: str):
    assert read(package([case_item("a", "A"), item]))[1] == [problem]


def test_links_may_be_bare_uris_and_items_may_lack_identifiers():
    framework, problems = read(
        package(
            [{"uri": "https://x.example/CFItems/a/", "humanCodingScheme": 7, "abbreviatedStatement": "Seven"},
             case_item("b", "B")],
            [{"associationType": "is child of", "originNodeURI": "https://x.example/CFItems/a",
              "destinationNodeURI": "https://x.example/CFItems/b"}],
        )
    )  # fmt: skip

    assert [(c.code, c.title, c.parent) for c in framework.competencies] == [
        ("B", "Can do b", None),
        ("7", "Seven", "B"),
    ]
    assert problems == []


def test_groups_that_contain_themselves_are_taken_apart():
    edges = [case_edge("a", "isChildOf", "b"), case_edge("b", "isChildOf", "a"), case_edge("c", "isChildOf", "a")]
    framework, problems = read(package([case_item(i, i) for i in "abc"], edges))

    assert framework.children == {"f:a": ("f:c",)}
    assert problems == ["isChildOf cycle: a, b: isChildOf among them, left out"]


def test_many_problems_of_a_kind_are_counted_not_listed():
    _, problems = read(package([case_item(f"i{n}") for n in range(500)]))

    assert len(problems) == 4
    assert problems[-1] == "items without humanCodingScheme, known by identifier: 500 in all"


def test_several_packages_in_one_file_become_one_framework():
    framework, _ = read(b"[%s,%s]" % (package([case_item("a", "A")], subject="ELA"), package([case_item("b", "B")])))

    assert [(c.code, c.subject) for c in framework.competencies] == [("A", "ELA"), ("B", None)]


def test_long_statements_are_cut_and_nothing_that_cannot_be_stored_is_kept():
    framework, _ = read(package([case_item("a", "A", fullStatement="x\x00y" + "z" * 5000)]))

    assert framework.competencies[0].title.startswith("xyzz")
    assert len(framework.competencies[0].title) == 2000


@pytest.mark.parametrize(
    ("content", "pointer", "detail"),
    [
        (b"[]", "/package", "CASE package is a JSON object"), (b'{"a": 1}', "/package", "CASE package is a JSON object"),
        (b'[{"a": 1}, {}]', "/package", "CASE package is a JSON object"),
        (b"", "/package", "CASE package is a JSON object"), (b"null", "/package", "CASE package is a JSON object"),
        (b'{"CFItems": [', "/package", "truncated"), (b'{"CFItems": {}}', "/package/CFItems", "Expected `array"),
        (b'{"CFItems": [1, tru]}', "/package", "malformed"), (b'[{"CFAssociations": 7}]', "/package/0/CFAssociations", ""),
        (b'{"CFItems": ' + b"[" * 100_000, "/package", "too deeply|truncated"),
        (b'{"CFItems": [%s]}' % b",".join([b"{}"] * (COMPETENCIES_MAX + 1)), "/CFItems", "at most 50,000"),
    ],
)  # fmt: skip
def test_what_is_no_package_is_refused_with_a_pointer(content: bytes, pointer: str, detail: str):
    with pytest.raises(InvalidEvent) as refused:
        read(content)

    assert refused.value.pointer == pointer
    assert re.search(detail, refused.value.detail)


@pytest.mark.parametrize(
    ("name", "items", "associations", "levels"),
    [
        ("AdoptedTestFramework", 1, 1, 0), ("EmptyExternalFramework", 0, 0, 0), ("ItemTypeTestFramework", 1, 1, 0),
        ("MarkdownFramework", 2, 2, 0), ("Ordering", 28, 28, 0), ("SequenceNumberFramework", 2, 2, 0),
        ("SmartLevelFramework", 14, 14, 0), ("Utf8TestFramework", 1, 1, 0),
    ],
)  # fmt: skip
def test_real_packages_are_read_with_all_they_have(name: str, items: int, associations: int, levels: int):
    framework, _ = read(shared_file(f"data/frameworks/opensalt/{name}.json").read_bytes())

    assert len(framework.competencies) == items
    assert len(framework.associations) + len(framework.outside) == associations
    assert len(framework.levels) == levels


def test_real_packages_of_a_test_consortium_are_read_with_all_they_have():
    file = shared_file("data/frameworks/sbac/mockELAPackage.json.gz")
    packages = json.loads(gzip.decompress(file.read_bytes()))

    for each in packages:
        framework, _ = read(json.dumps(each).encode())
        edges = {(a["originNodeURI"]["identifier"], a["destinationNodeURI"]["identifier"], a["associationType"])
                 for a in each["CFAssociations"]}  # fmt: skip

        assert {c.identifier for c in framework.competencies} == {item["identifier"] for item in each["CFItems"]}
        assert len(framework.associations) + len(framework.outside) == len(edges)
        assert cycles(framework.children) == []
        assert all(c.level is None for c in framework.competencies if framework.full_id(c.code) in framework.children)
    together, _ = read(gzip.decompress(file.read_bytes()))

    assert len(together.competencies) == 646
