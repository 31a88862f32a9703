"""
Frameworks as CASE packages (CFPackage), versions 1.0 and 1.1, as loosely as they are found.

Source: 1EdTech CASE 1.0 and 1.1, CFPackage. One file may hold several packages as an array: they become one framework.
What cannot be used is left out and named with its JSON Pointer; nothing depends on the order of keys, and unknown
members are ignored.
"""

import datetime
from collections.abc import Iterator
from typing import Any

import msgspec

from services.progression.domain.curriculum.case_edges import Edges
from services.progression.domain.curriculum.case_values import NOT_JSON, decoded, identifier_of, listed, said, text_of
from services.progression.domain.curriculum.framework import ASSOCIATIONS_MAX, COMPETENCIES_MAX, Framework, check_id
from services.progression.domain.curriculum.levels import in_order, level_of, order_of_grades, read_grades
from services.progression.domain.curriculum.problems import CODE_CHARS_MAX, Problems, clean, is_code, too_many
from shared.contracts.internal_events import Competency
from shared.errors import InvalidEvent

PACKAGES_MAX = 1_000
NO_PACKAGE = "a CASE package is a JSON object with CFDocument and CFItems"


class _Document(msgspec.Struct, gc=False):
    identifier: Any = None
    uri: Any = None
    title: Any = None
    subject: Any = None
    subjectURI: Any = None
    adoptionStatus: Any = None


class _Package(msgspec.Struct, gc=False):
    CFDocument: msgspec.Raw = msgspec.Raw(b"{}")
    CFItems: msgspec.Raw = msgspec.Raw(b"[]")
    CFAssociations: msgspec.Raw = msgspec.Raw(b"[]")


_NOTHING = _Package()


class _Item(msgspec.Struct, gc=False):
    identifier: Any = None
    uri: Any = None
    fullStatement: Any = None
    abbreviatedStatement: Any = None
    humanCodingScheme: Any = None
    educationLevel: Any = None
    educationalLevel: Any = None
    statusEndDate: Any = None
    subject: Any = None
    subjectURI: Any = None


class _Node(msgspec.Struct, gc=False):
    """An item that can be used, before it has its code."""

    identifier: str
    scheme: str
    title: str
    subject: str | None
    grades: tuple[str, ...]
    retired: bool
    pointer: str


def read_case(framework: str, title: str, package: bytes, today: str, problems: Problems) -> Framework:
    """
    Read a framework from the JSON of a package, or of an array of packages.

    The code of an item is its humanCodingScheme, or its identifier where it has none or another item has the same. Leaves
    get the level of their education level. Items whose statusEndDate is not after `today` (YYYY-MM-DD) are retired.
    `precedes` associations are kept as such: whether they are prerequisites is a local choice.

    Raises:
        InvalidEvent: not JSON, not a package, or over the limits; with the pointer.
    """
    check_id(framework)
    packages = [(pointer, decoded(raw, _Package, pointer)) for pointer, raw in _packages(package)]
    documents = [(pointer, _document(each, pointer, problems)) for pointer, each in packages]
    nodes: dict[str, _Node] = {}
    for (pointer, each), (_, document) in zip(packages, documents, strict=True):
        subject = _subject(document)
        items = listed(each.CFItems, f"{pointer}/CFItems")
        too_many(len(nodes) + len(items), COMPETENCIES_MAX, "competencies", f"{pointer}/CFItems")
        for place, raw in enumerate(items):
            _take(nodes, raw, f"{pointer}/CFItems/{place}", subject, today, problems)
    if not nodes:
        problems.add("packages without items", "the package has no items that can be used: there is nothing to master")
    codes = _codes(nodes, problems)
    edges = Edges(
        codes,
        {identifier for identifier, node in nodes.items() if node.retired},
        {identifier_of(document.identifier, document.uri) or "" for _, document in documents},
        problems,
    )
    count = 0
    for pointer, each in packages:
        associations = listed(each.CFAssociations, f"{pointer}/CFAssociations")
        count += len(associations)
        too_many(count, ASSOCIATIONS_MAX, "associations", f"{pointer}/CFAssociations")
        for place, raw in enumerate(associations):
            edges.take(raw, f"{pointer}/CFAssociations/{place}")
    if all(each.CFDocument == _NOTHING.CFDocument and each.CFItems == _NOTHING.CFItems for _, each in packages):
        # Any other JSON; as a version of a framework it would retire all of its competencies.
        raise InvalidEvent(NO_PACKAGE, pointer="/package")
    edges.cut_cycles()
    named = next((clean(each.title) for _, each in documents if isinstance(each.title, str) and clean(each.title)), "")
    return _assembled(framework, clean(title) or named or framework, nodes, codes, edges)


def _packages(package: bytes) -> Iterator[tuple[str, msgspec.Raw]]:
    start = package.lstrip()[:1]
    if start == b"{":
        yield "", msgspec.Raw(package)
        return
    if start != b"[":
        raise InvalidEvent(NO_PACKAGE, pointer="/package")
    raws = listed(msgspec.Raw(package), "")
    too_many(len(raws), PACKAGES_MAX, "packages", "")
    for place, raw in enumerate(raws):
        yield f"/{place}", raw


def _document(package: _Package, pointer: str, problems: Problems) -> _Document:
    try:
        document = msgspec.json.decode(package.CFDocument, type=_Document)
    except NOT_JSON as error:
        problems.add("documents that cannot be read", f"{pointer}/CFDocument: {said(error)}, left out")
        return _Document()
    if document.adoptionStatus == "Deprecated":
        problems.add("deprecated documents", f"{pointer}/CFDocument/adoptionStatus: the publisher calls it Deprecated")
    return document


def _take(
    nodes: dict[str, _Node], raw: msgspec.Raw, pointer: str, subject: str | None, today: str, problems: Problems
) -> None:
    try:
        item = msgspec.json.decode(raw, type=_Item)
    except NOT_JSON as error:
        problems.add("items that cannot be read, left out", f"{pointer}: {said(error)}, left out")
        return
    scheme = text_of(item.humanCodingScheme)
    identifier = identifier_of(item.identifier, item.uri) or (scheme if is_code(scheme) else None)
    if identifier is None:
        problems.add("items without identifier, left out", f"{pointer}: neither identifier nor uri, left out")
        return
    if identifier in nodes:
        problems.add("identifiers again, left out", f"{pointer}/identifier: {identifier!r} again, left out")
        return
    statement = clean(text_of(item.fullStatement)) or clean(text_of(item.abbreviatedStatement))
    if not statement:
        problems.add("items without fullStatement", f"{pointer}: without fullStatement, titled by its code")
    given = item.educationLevel if item.educationLevel is not None else item.educationalLevel
    nodes[identifier] = _Node(
        identifier=identifier,
        scheme=scheme,
        title=statement,
        subject=_subject(item) or subject,
        grades=read_grades(
            [clean(text_of(value), 40) for value in (given if isinstance(given, list) else [given])][:40]
        ),
        retired=_has_ended(item.statusEndDate, today, pointer, problems),
        pointer=pointer,
    )


def _subject(found: _Document | _Item) -> str | None:
    """Return the first subject, or the title of the first link to one."""
    for given in (found.subject, found.subjectURI):
        first = given[0] if isinstance(given, list) and given else given
        named = clean(text_of(first.get("title") if isinstance(first, dict) else first), CODE_CHARS_MAX)
        if named:
            return named
    return None


def _has_ended(value: Any, today: str, pointer: str, problems: Problems) -> bool:
    if value is None or value == "":
        return False
    try:
        return datetime.date.fromisoformat(text_of(value)[:10]).isoformat() <= today
    except ValueError:
        problems.add("dates that are none", f"{pointer}/statusEndDate: not a date, so it does not end")
        return False


def _codes(nodes: dict[str, _Node], problems: Problems) -> dict[str, str]:
    """Return the code of every identifier; where several share one, the live one with the least identifier keeps it."""
    owner: dict[str, str] = {}
    for node in sorted(nodes.values(), key=lambda node: (node.retired, node.identifier)):
        if not node.scheme:
            problems.add("items without humanCodingScheme, known by identifier",
                         f"{node.pointer}: without humanCodingScheme, known by {node.identifier}")  # fmt: skip
        elif not is_code(node.scheme) or (node.scheme in nodes and node.scheme != node.identifier):
            problems.add("humanCodingSchemes that are no codes",
                         f"{node.pointer}/humanCodingScheme: no code, known by {node.identifier}")  # fmt: skip
        elif node.scheme in owner:
            problems.add("humanCodingSchemes again",
                         f"{node.pointer}/humanCodingScheme: {node.scheme[:80]!r} again, known by {node.identifier}")  # fmt: skip
        else:
            owner[node.scheme] = node.identifier
    by_owner = {identifier: scheme for scheme, identifier in owner.items()}
    return {identifier: by_owner.get(identifier, identifier) for identifier in nodes}


def _assembled(framework: str, title: str, nodes: dict[str, _Node], codes: dict[str, str], edges: Edges) -> Framework:
    parent = edges.first_parents()
    groups = {edge.destination for edge in edges.inside if edge.type == "isChildOf"}
    by_code = {code: nodes[identifier] for identifier, code in codes.items()}
    live: list[Competency] = []
    retired: list[Competency] = []
    for code in edges.in_tree_order(by_code):
        node = by_code[code]
        (retired if node.retired else live).append(Competency(
            code=code, title=node.title or code, ordinal=0, subject=node.subject, parent=parent.get(code),
            level=None if code in groups else level_of(node.grades), identifier=node.identifier, grades=node.grades,
        ))  # fmt: skip
    read = Framework(framework, title, tuple(live), tuple(edges.inside), tuple(retired), tuple(edges.outside))
    ordered = in_order(live, read.parents, framework, order_of_grades(c.level for c in live))
    return msgspec.structs.replace(read, competencies=ordered)
