"""CASE packages in few words."""

import json
from typing import Any

from services.progression.domain.curriculum import Framework
from services.progression.domain.curriculum.case_package import read_case
from services.progression.domain.curriculum.problems import Problems

TODAY = "2026-03-04"
SERVER = "https://case.example.edu/ims/case/v1p0"


def case_item(identifier: str, code: str | None = None, **members: Any) -> dict[str, Any]:
    """Return a CFItem; without a code it has no humanCodingScheme."""
    item = {"identifier": identifier, "uri": f"{SERVER}/CFItems/{identifier}", "fullStatement": f"Can do {identifier}"}
    return item | ({"humanCodingScheme": code} if code is not None else {}) | members


def case_edge(origin: Any, type: Any, destination: Any, **members: Any) -> dict[str, Any]:
    """Return a CFAssociation between identifiers, or between links as they are given."""
    ends = [end if isinstance(end, dict) else {"identifier": end} for end in (origin, destination)]
    return {"associationType": type, "originNodeURI": ends[0], "destinationNodeURI": ends[1], **members}


def package(items: list[Any], edges: list[Any] | None = None, **document: Any) -> bytes:
    """Return a CFPackage as JSON."""
    found = {"CFDocument": {"identifier": "doc", "title": "Sample", **document}, "CFItems": items,
             "CFAssociations": edges or []}  # fmt: skip
    return json.dumps(found).encode()


def read(content: bytes, framework: str = "f", today: str = TODAY) -> tuple[Framework, list[str]]:
    """Read a package; return the framework with the problems."""
    problems = Problems()
    return read_case(framework, "", content, today, problems), problems.lines()
