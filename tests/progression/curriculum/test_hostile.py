"""Whatever is imported: a framework that can be told and folded, or a refusal with a pointer; never anything else."""

import contextlib
import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.curriculum import PART_SIZE, Framework, parts
from services.progression.domain.curriculum.crosswalks import crosswalks, plan
from services.progression.domain.curriculum.framework import COMPETENCIES_MAX
from services.progression.domain.curriculum.graph import cycles, frontier
from services.progression.domain.curriculum.importing import describe, read_import, read_levels_import
from services.progression.domain.curriculum.problems import TEXTS_A_KIND
from services.progression.domain.curriculum.publishing import PART_BYTES
from shared.contracts.internal_events import FrameworkPublished
from shared.errors import InvalidEvent
from tests.progression.curriculum.builders import TODAY, case_edge, case_item, package

NAMES = st.sampled_from(["a", "b", "c", "d", "doc", "z", "", "x" * 300, "n\x00l", "ü:/é", " a "])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | NAMES | st.text(max_size=5)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=2) | st.dictionaries(NAMES, v, max_size=2), max_leaves=4)
TYPES = st.sampled_from(["isChildOf", "precedes", "replacedBy", "exactMatchOf", "isRelatedTo", "ext:x", "no"]) | VALUES
LINKS = (
    st.builds(lambda name: {"identifier": name}, NAMES | VALUES) | NAMES.map(lambda name: f"https://x/{name}") | VALUES
)
ITEMS = VALUES | st.fixed_dictionaries(
    {"identifier": NAMES | VALUES},
    optional=dict.fromkeys(
        ("uri", "humanCodingScheme", "fullStatement", "educationLevel", "statusEndDate", "subject", "subjectURI"), NAMES | VALUES
    ),
)  # fmt: skip
EDGES = VALUES | st.fixed_dictionaries(
    {"associationType": TYPES, "originNodeURI": LINKS, "destinationNodeURI": LINKS}, optional={"sequenceNumber": VALUES}
)
PACKAGES = st.fixed_dictionaries(
    {"CFItems": st.lists(ITEMS, max_size=8) | VALUES},
    optional={"CFDocument": VALUES | st.fixed_dictionaries({"identifier": NAMES}, optional={"title": VALUES, "subject": VALUES}),
              "CFAssociations": st.lists(EDGES, max_size=15) | VALUES},
)  # fmt: skip


def imported(**content: Any) -> tuple[Framework, list[str]] | InvalidEvent:
    """Return what an import gives, or the refusal."""
    try:
        return read_import(json.dumps({"id": "f", **content}).encode(), TODAY)
    except InvalidEvent as error:
        refusal = error
    assert refusal.pointer is not None
    assert len(refusal.detail) < 400
    return refusal


def check(framework: Framework, problems: list[str]) -> None:
    """Check that everything that is done with a framework can be done with this one."""
    codes = [c.code for c in (*framework.competencies, *framework.retired)]
    assert len(set(codes)) == len(codes)
    assert [c.ordinal for c in framework.competencies] == list(range(1, len(framework.competencies) + 1))
    assert all(
        "\x00" not in text for c in framework.competencies for text in (c.code, c.title, c.level or "", c.subject or "")
    )
    assert all(edge.origin != edge.destination and {edge.origin, edge.destination} <= set(codes)
               for edge in framework.associations)  # fmt: skip
    assert len(set(framework.associations)) == len(framework.associations)
    assert framework.prerequisites.keys() | framework.dependents.keys() <= framework.by_id.keys()
    told = [msgspec.json.decode(msgspec.json.encode(part), type=FrameworkPublished) for part in parts(framework)]
    assert tuple(c for part in told for c in part.competencies) == framework.competencies
    assert msgspec.json.decode(msgspec.json.encode(framework), type=Framework).version == framework.version
    assert len(problems) <= 20 * (TEXTS_A_KIND + 1)
    frontier(framework, ())
    crosswalks([framework])
    json.dumps(describe(framework, plan(framework, framework), problems))
    for by in ("educationalLevel", "domain"):
        with contextlib.suppress(InvalidEvent):
            levelled, _ = read_levels_import(json.dumps({"by": by}).encode(), framework)
            assert {c.code for c in levelled.competencies} == {c.code for c in framework.competencies}


@settings(max_examples=300)
@given(PACKAGES | st.lists(PACKAGES, max_size=2), st.sampled_from(["precedes", "none"]))
def test_any_json_is_a_framework_or_refused(content: Any, prerequisites: str):
    result = imported(format="case", package=content, prerequisites=prerequisites)

    if not isinstance(result, InvalidEvent):
        check(*result)
        assert cycles(result[0].children) == []


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 400))
def test_a_torn_or_spoilt_package_is_a_framework_or_refused(junk: bytes, start: int, length: int):
    whole = package([case_item("a", "A"), case_item("b", "B")], [case_edge("a", "isChildOf", "b")])
    spoilt = whole[:start] + junk + whole[start + length :]

    for text in (spoilt.decode("latin-1"), spoilt.decode("utf-8", "ignore")):
        result = imported(format="case", package=text)

        if not isinstance(result, InvalidEvent):
            check(*result)


@given(
    st.text(st.sampled_from('ab,"\n\r\t;\x00é\ufeff'), max_size=60), st.text(st.sampled_from('ab,"\n\x00'), max_size=60)
)
def test_any_csv_is_a_framework_or_refused(nodes: str, edges: str):
    for head in ("code,title,parent,level\n", ""):
        result = imported(nodes=head + nodes, edges="from,to,type\n" + edges)

        if not isinstance(result, InvalidEvent):
            check(*result)


@given(st.binary(max_size=100))
def test_any_body_is_refused_with_a_pointer(body: bytes):
    with pytest.raises(InvalidEvent) as refused:
        read_import(body, TODAY)
    assert refused.value.pointer is not None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"id": 7}', "/id"), (b'{"id": "f", "format": "xml"}', "/format"), (b'{"id": "f", "colour": 1}', ""),
        (b'{"id": "f:g", "nodes": "code,title\\na,A"}', "/id"), (b'{"id": "f", "format": "case"}', "/package"),
        (b'{"id": "f", "format": "case", "package": "\\ud800"}', ""), (b'{"id": "f", "title": 1}', "/title"),
        (b'{"id": "f", "format": "case", "package": {"CFItems": [{}]}, "prerequisite_edges": "a,b"}', "/prerequisite_edges"),
        (b'{"id": "f", "nodes": "code,title\\n' + b"x" * 200_000 + b',A"}', "/nodes"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_body_is_pointed_at(body: bytes, pointer: str):
    with pytest.raises(InvalidEvent) as refused:
        read_import(body, TODAY)
    assert refused.value.pointer == pointer


def test_the_largest_framework_is_read_and_told_in_seconds():
    """A third of it is a chain, a third a ring, and a third a star."""
    count = COMPETENCIES_MAX
    ring, star = count // 3, 2 * count // 3

    def after(n: int) -> int:
        if n >= star:
            return star
        return max(0, n - 1) if n < ring else ring + (n - ring - 1) % (star - ring)

    items = [case_item(f"i{n}", f"C{n}", fullStatement="s" * 100) for n in range(count)]
    edges = [case_edge(f"i{n}", type, f"i{after(n)}") for n in range(count) for type in ("isChildOf", "precedes")]
    started = time.process_time()
    result = imported(format="case", package=json.loads(package(items, edges)), prerequisites="precedes")
    assert not isinstance(result, InvalidEvent)
    framework = result[0]
    told = parts(framework)

    assert time.process_time() - started < 20
    assert len(framework.competencies) == sum(len(part.competencies) for part in told) == count
    assert all(len(part.associations) <= PART_SIZE for part in told)


def test_a_part_fits_a_record_however_long_the_statements_are():
    items = [case_item(f"i{n}", fullStatement="é" * 9_000) for n in range(600)]
    result = imported(format="case", package=json.loads(package(items)))
    assert not isinstance(result, InvalidEvent)

    assert all(len(msgspec.json.encode(part)) < 2 * PART_BYTES for part in parts(result[0]))
