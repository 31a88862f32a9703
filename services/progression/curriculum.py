"""
Frameworks: competencies with levels and subjects, and prerequisite edges; read from CSV, versioned by content hash.

A competency id is `<framework id>:<code>`, split at the first colon. Only direct prerequisites ever matter.
"""

import csv
import functools
import hashlib
import io
import re
from collections.abc import Iterable, Sequence

import msgspec

from shared.contracts import Association, Competency, FrameworkPublished
from shared.errors import InvalidEvent

FRAMEWORK_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
COMPETENCIES_MAX = 50_000
PART_SIZE = 500
"""Competencies an event: about 150 KiB, well below Kafka's record limit."""
TRUE = frozenset(("true", "1", "yes", "y", "x"))


class Framework(msgspec.Struct, frozen=True, dict=True):
    """One version of a framework."""

    id: str
    title: str
    competencies: tuple[Competency, ...]
    associations: tuple[Association, ...]

    @functools.cached_property
    def version(self) -> str:
        """The start of the SHA-256 of the content."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]

    @functools.cached_property
    def by_id(self) -> dict[str, Competency]:
        """The competencies by full id."""
        return {f"{self.id}:{competency.code}": competency for competency in self.competencies}

    @functools.cached_property
    def prerequisites(self) -> dict[str, tuple[str, ...]]:
        """The direct prerequisites of every competency that has any, by full id."""
        return self._neighbours((edge.destination, edge.origin) for edge in self._prerequisite_edges())

    @functools.cached_property
    def dependents(self) -> dict[str, tuple[str, ...]]:
        """The competencies that a competency is a direct prerequisite of, by full id."""
        return self._neighbours((edge.origin, edge.destination) for edge in self._prerequisite_edges())

    @functools.cached_property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """The competencies of every level, by level id."""
        found: dict[str, list[str]] = {}
        for full_id, competency in self.by_id.items():
            if competency.level is not None:
                found.setdefault(level_id(self.id, competency), []).append(full_id)
        return {level: tuple(members) for level, members in found.items()}

    def _prerequisite_edges(self) -> list[Association]:
        return [edge for edge in self.associations if edge.type == "prerequisite"]

    def _neighbours(self, pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for here, there in pairs:
            found.setdefault(f"{self.id}:{here}", []).append(f"{self.id}:{there}")
        return {here: tuple(sorted(there)) for here, there in found.items()}


def framework_of(competency: str) -> str:
    """Return the framework id of a competency id."""
    return competency.partition(":")[0]


def level_id(framework: str, competency: Competency) -> str:
    """Return the id of a competency's level: `<framework>#<subject>/<level>`."""
    return f"{framework}#{competency.subject or ''}/{competency.level}"


def read_csv(framework: str, title: str, nodes: str, edges: str) -> tuple[Framework, list[str]]:
    """
    Read a framework from the text of `nodes.csv` and `edges.csv`; return it with the problems that were passed over.

    Columns are `code,title[,level,subject,parent,dok,power]` and `from,to[,type]`. Repeated codes and edges, self-loops and
    edges to unknown codes are left out and named; cycles are named.

    Raises:
        InvalidEvent: the id, the header or a value is not of its form.
    """
    if not FRAMEWORK_ID.fullmatch(framework):
        raise InvalidEvent("a framework id matches [A-Za-z0-9._-]{1,100}", pointer="/id")
    problems: list[str] = []
    competencies = _read_nodes(nodes, problems)
    associations = _read_edges(edges, {competency.code for competency in competencies}, problems)
    result = Framework(framework, title or framework, tuple(competencies), tuple(associations))
    cycle = _cycle(result.prerequisites)
    if cycle:
        problems.append(f"cycle: {' -> '.join(cycle)}: none of these can become ready")
    return result, problems


def _rows(text: str, required: Sequence[str], pointer: str) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    header = reader.fieldnames or []
    lacking = [name for name in required if name not in header]
    if lacking:
        raise InvalidEvent(f"the header lacks {', '.join(lacking)}", pointer=pointer)
    return [{name: (cell or "").strip() for name, cell in row.items() if name} for row in reader]


def _read_nodes(text: str, problems: list[str]) -> list[Competency]:
    rows = _rows(text, ("code", "title"), "/nodes")
    if not rows or len(rows) > COMPETENCIES_MAX:
        raise InvalidEvent(f"a framework has 1 to {COMPETENCIES_MAX} competencies", pointer="/nodes")
    found: dict[str, Competency] = {}
    for line, row in enumerate(rows, start=2):
        code = row["code"]
        if not code or len(code) > 200:
            raise InvalidEvent(f"line {line}: a code has 1 to 200 characters", pointer="/nodes")
        if code in found:
            problems.append(f"nodes line {line}: code {code!r} again, left out")
            continue
        dok = row.get("dok", "")
        if dok and dok not in ("1", "2", "3", "4"):
            raise InvalidEvent(f"line {line}: dok is 1 to 4, not {dok[:20]!r}", pointer="/nodes")
        found[code] = Competency(
            code=code,
            title=row["title"] or code,
            ordinal=len(found) + 1,
            level=row.get("level") or None,
            subject=row.get("subject") or None,
            parent=row.get("parent") or None,
            dok=int(dok) if dok else None,
            power=row.get("power", "").lower() in TRUE,
        )
    return list(found.values())


def _read_edges(text: str, codes: set[str], problems: list[str]) -> list[Association]:
    found: dict[tuple[str, str, str], Association] = {}
    for line, row in enumerate(_rows(text, ("from", "to"), "/edges") if text.strip() else [], start=2):
        edge = (row["from"], row["to"], row.get("type") or "prerequisite")
        if edge in found:
            problems.append(f"edges line {line}: {edge[0]} -> {edge[1]} again, left out")
        elif edge[0] == edge[1]:
            problems.append(f"edges line {line}: {edge[0]} points to itself, left out")
        elif not {edge[0], edge[1]} <= codes:
            unknown = ", ".join(sorted({edge[0], edge[1]} - codes))
            problems.append(f"edges line {line}: unknown code {unknown}, left out")
        else:
            found[edge] = Association(*edge)
    return list(found.values())


def _cycle(prerequisites: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the members of one cycle, or nothing; iterative, so that depth is no limit."""
    done: set[str] = set()
    for root in prerequisites:
        path: list[str] = []
        trail = [(root, iter(prerequisites.get(root, ())))] if root not in done else []
        while trail:
            node, rest = trail[-1]
            if not path or path[-1] != node:
                path.append(node)
            after = next(rest, None)
            if after is None:
                done.add(node)
                trail.pop()
                path.pop()
            elif after in path:
                return [*path[path.index(after) :], after]
            elif after not in done:
                trail.append((after, iter(prerequisites.get(after, ()))))
    return []


def parts(framework: Framework) -> list[FrameworkPublished]:
    """Return the events that publish a framework version; the first carries all associations of its page and so on."""
    pages = [framework.competencies[i : i + PART_SIZE] for i in range(0, len(framework.competencies), PART_SIZE)]
    per_page = -(-len(framework.associations) // len(pages))
    return [
        FrameworkPublished(
            framework=framework.id,
            version=framework.version,
            title=framework.title,
            part=number + 1,
            parts=len(pages),
            competencies=page,
            associations=framework.associations[number * per_page : (number + 1) * per_page],
        )
        for number, page in enumerate(pages)
    ]
