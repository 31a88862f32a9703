"""What is posted to import a framework or to put levels on one, and how it is read."""

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from services.progression.domain.curriculum.case_package import read_case
from services.progression.domain.curriculum.case_values import NOT_JSON, decoded, said
from services.progression.domain.curriculum.crosswalks import Migration
from services.progression.domain.curriculum.csv_files import read_edges, read_nodes_and_edges
from services.progression.domain.curriculum.framework import Framework
from services.progression.domain.curriculum.levels import By, put_levels
from services.progression.domain.curriculum.prerequisites import Choice, choose, note_cycles
from services.progression.domain.curriculum.problems import Problems
from shared.errors import InvalidEvent

NAMED_MAX = 100
"""Moves and retired competencies that an answer names; all are counted."""
Content = TypeVar("Content", bound=msgspec.Struct)
_STEP = re.compile(r"\.([A-Za-z_0-9]+)|\[(\d+|\.\.\.)\]")


class FrameworkImport(msgspec.Struct, forbid_unknown_fields=True):
    """
    A framework to import: CSV text in `nodes` and `edges`, or a CASE package, as JSON or as text that holds it.

    `prerequisites` says which edges are: `precedes` (what CSV has if nothing is said), `none` (what CASE has), or the text
    of a CSV file `from,to` in `prerequisite_edges`, beside none of the source's own.
    """

    id: str
    title: Annotated[str, Meta(max_length=2_000)] = ""
    format: Literal["csv", "case"] = "csv"
    nodes: str = ""
    edges: str = ""
    package: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    prerequisites: Choice | None = None
    prerequisite_edges: str = ""


class LevelsImport(msgspec.Struct, forbid_unknown_fields=True):
    """
    Which levels to put on a framework; `file` is the text of `code,level` for `csv`, `credits` that of
    `level,code,value[,subject]`, what the levels count for.
    """

    by: By
    file: str = ""
    credits: str = ""


def read_import(body: bytes, today: str) -> tuple[Framework, list[str]]:
    """
    Read what was posted; return the framework with the problems that were passed over.

    Raises:
        InvalidEvent: it cannot be used, with the pointer of what is wrong.
    """
    content: FrameworkImport = _decoded(body, FrameworkImport)
    problems = Problems()
    if content.format == "case":
        package = bytes(content.package)
        if package[:1] == b'"':
            package = decoded(package, str, "").removeprefix("\ufeff").encode()
        framework = read_case(content.id, content.title, package, today, problems)
    else:
        framework = read_nodes_and_edges(content.id, content.title, content.nodes, content.edges, problems)
    usual: Choice = "precedes" if content.format == "csv" and not content.prerequisite_edges else "none"
    codes = {competency.code for competency in framework.competencies}
    more = read_edges(content.prerequisite_edges, codes, problems, "/prerequisite_edges")
    framework = choose(framework, content.prerequisites or usual, more)
    note_cycles(framework, problems)
    return framework, problems.lines()


def read_levels_import(body: bytes, framework: Framework) -> tuple[Framework, list[str]]:
    """
    Return the framework with the levels that were posted, and the problems that were passed over.

    Raises:
        InvalidEvent: it cannot be used, with the pointer of what is wrong.
    """
    content: LevelsImport = _decoded(body, LevelsImport)
    problems = Problems()
    return put_levels(framework, content.by, content.file, problems, content.credits), problems.lines()


def _decoded(body: bytes, type: type[Content]) -> Content:
    try:
        return msgspec.json.decode(body, type=type)
    except NOT_JSON as error:
        detail, _, path = said(error).partition(" - at `$")
        pointer = "".join("/" + (name or index) for name, index in _STEP.findall(path))
        raise InvalidEvent(detail, pointer=pointer) from error


def describe(framework: Framework, migration: Migration, problems: list[str]) -> dict[str, Any]:
    """Return what is answered to an import: counts, what becomes of the version before, and the problems."""
    return {
        "framework": framework.id,
        "version": framework.version,
        "title": framework.title,
        "competencies": len(framework.competencies),
        "associations": len(framework.associations) + len(framework.outside),
        "prerequisites": sum(len(needed) for needed in framework.prerequisites.values()),
        "levels": {level: len(members) for level, members in framework.levels.items()},
        "migration": {
            "kept": len(migration.kept),
            "new": len(migration.new),
            "moved": len({move.origin for move in migration.moved}),
            "moves": [move._asdict() for move in migration.moved[:NAMED_MAX]],
            "retired": len(migration.retired),
            "retired_codes": migration.retired[:NAMED_MAX],
        },
        "problems": problems,
    }
