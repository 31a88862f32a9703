"""Frameworks as CSV: `nodes.csv`, `edges.csv`, and files that put levels on a framework."""

import csv
import io
import itertools
import math
from collections.abc import Collection, Sequence

from services.progression.domain.curriculum.framework import (
    ASSOCIATIONS_MAX,
    COMPETENCIES_MAX,
    Framework,
    LevelCredit,
    check_id,
)
from services.progression.domain.curriculum.problems import CODE_CHARS_MAX, Problems, clean, is_code
from shared.contracts.internal_events import Association, Competency
from shared.errors import InvalidEvent

CREDIT_MAX = 1_000
COLUMNS_MAX = 100
"""Sources have columns of their own beside those that are read; each is made for every row, also where that is empty."""
TRUE = frozenset(("true", "1", "yes", "y", "x"))


def read_nodes_and_edges(framework: str, title: str, nodes: str, edges: str, problems: Problems) -> Framework:
    """
    Read a framework from the text of `nodes.csv` and `edges.csv` as it is written, each edge with the type it has there.

    Columns are `code,title[,level,subject,parent,dok,power]` and `from,to[,type]`, of which `prerequisite` is the default.
    Repeated codes and edges, self-loops and edges to unknown codes are left out and named.

    Raises:
        InvalidEvent: the id, the header or a value is not of its form.
    """
    check_id(framework)
    competencies = _read_nodes(nodes, problems)
    associations = read_edges(edges, {competency.code for competency in competencies}, problems)
    return Framework(framework, clean(title) or framework, tuple(competencies), tuple(associations))


def read_edges(text: str, codes: Collection[str], problems: Problems, pointer: str = "/edges") -> list[Association]:
    """
    Read `from,to[,type]`; repeated edges, self-loops and unknown codes are left out and named.

    Raises:
        InvalidEvent: the header is not of its form, or there are too many.
    """
    rows = _rows(text, ("from", "to"), pointer) if text.strip() else []
    found: dict[tuple[str, str, str], Association] = {}
    for line, row in enumerate(rows, start=2):
        edge = (row["from"], row["to"], row.get("type") or "prerequisite")
        where = f"edges line {line}: {edge[0][:80]} -> {edge[1][:80]}"
        unknown = sorted(code for code in set(edge[:2]) if code not in codes)
        if edge in found:
            problems.add("edges again, left out", f"{where} again, left out")
        elif unknown:
            named = ", ".join(code[:80] for code in unknown)
            problems.add("edges with an unknown code, left out", f"{where}: unknown code {named}, left out")
        elif edge[0] == edge[1]:
            problems.add("edges to themselves, left out", f"edges line {line}: {edge[0]} points to itself, left out")
        elif not is_code(edge[2]):
            problems.add("edges of a bad type, left out", f"{where}: its type is no name, left out")
        else:
            found[edge] = Association(*edge)
    return list(found.values())


def read_levels(text: str, codes: Collection[str], problems: Problems) -> dict[str, str]:
    """
    Read `code,level`: the level of each code, in the order of the file; unknown and repeated codes are left out and named.

    Raises:
        InvalidEvent: the header is not of its form.
    """
    found: dict[str, str] = {}
    for line, row in enumerate(_rows(text, ("code", "level"), "/file"), start=2):
        code, level = row["code"], clean(row["level"], CODE_CHARS_MAX)
        if code not in codes:
            problems.add("lines with an unknown code, left out", f"line {line}: unknown code {code[:80]!r}, left out")
        elif code in found:
            problems.add("codes again, left out", f"line {line}: code {code!r} again, left out")
        elif level:
            found[code] = level
    return found


def read_credits(text: str, framework: Framework, problems: Problems) -> dict[str, LevelCredit]:
    """
    Read `level,code,value[,subject]`: the credit of each level, of all subjects where none is named; the first that is given
    holds, and what names no level is left out and named.

    Raises:
        InvalidEvent: the header is not of its form, or a value is no number from 0 to 1,000.
    """
    places = {level: framework.by_id[members[0]] for level, members in framework.levels.items()}
    found: dict[str, LevelCredit] = {}
    for line, row in enumerate(_rows(text, ("level", "code", "value"), "/credits") if text.strip() else (), start=2):
        name, subject = row["level"], row.get("subject", "")
        named = [id for id, first in places.items() if first.level == name and subject in ("", first.subject)]
        if not named:
            problems.add("credits of no level, left out", f"line {line}: no level {name[:80]!r}, left out")
        credit = LevelCredit(_credit_code(row["code"], line), _credit_value(row["value"], line))
        for level in named:
            if found.setdefault(level, credit) != credit:
                problems.add("credits again, left out", f"line {line}: another credit of {level[:80]!r}, left out")
    return found


def _credit_code(text: str, line: int) -> str:
    if not is_code(text):
        raise InvalidEvent(f"line {line}: the code of a credit is missing or too long", pointer="/credits")
    return text


def _credit_value(text: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= CREDIT_MAX:
        raise InvalidEvent(
            f"line {line}: a credit's value is a number from 0 to {CREDIT_MAX:,}, not {text[:20]!r}", pointer="/credits"
        )
    return value


def _rows(text: str, required: Sequence[str], pointer: str, limit: int = ASSOCIATIONS_MAX) -> list[dict[str, str]]:
    """Return the rows of a file; raises `InvalidEvent` where there are more, of which none is read."""
    try:
        reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
        header = [name.strip() for name in reader.fieldnames or []]
        if len(header) > COLUMNS_MAX:
            raise InvalidEvent(f"a file has at most {COLUMNS_MAX} columns", pointer=pointer)
        lacking = [name for name in required if name not in header]
        if lacking:
            raise InvalidEvent(f"the header lacks {', '.join(lacking)}", pointer=pointer)
        reader.fieldnames = header
        rows = [
            {name: (cell or "").strip() for name, cell in row.items() if name}
            for row in itertools.islice(reader, limit + 1)
        ]
    except csv.Error as error:
        # Behind the dash it says how a program should have opened the file.
        raise InvalidEvent(f"not CSV: {str(error).partition(' - ')[0]}", pointer=pointer) from error
    if len(rows) > limit:
        raise InvalidEvent(f"a file has at most {limit:,} lines here", pointer=pointer)
    return rows


def _read_nodes(text: str, problems: Problems) -> list[Competency]:
    rows = _rows(text, ("code", "title"), "/nodes", COMPETENCIES_MAX)
    if not rows:
        raise InvalidEvent(f"a framework has 1 to {COMPETENCIES_MAX:,} competencies", pointer="/nodes")
    found: dict[str, Competency] = {}
    for line, row in enumerate(rows, start=2):
        code, dok = row["code"], row.get("dok", "")
        if not is_code(code):
            raise InvalidEvent(
                f"line {line}: a code has 1 to {CODE_CHARS_MAX} characters, none of them a control character",
                pointer="/nodes",
            )
        if code in found:
            problems.add("codes again, left out", f"nodes line {line}: code {code!r} again, left out")
            continue
        if dok and dok not in ("1", "2", "3", "4"):
            raise InvalidEvent(f"line {line}: dok is 1 to 4, not {dok[:20]!r}", pointer="/nodes")
        found[code] = Competency(
            code=code,
            title=clean(row["title"]) or code,
            ordinal=len(found) + 1,
            level=clean(row.get("level", ""), CODE_CHARS_MAX) or None,
            subject=clean(row.get("subject", ""), CODE_CHARS_MAX) or None,
            parent=clean(row.get("parent", ""), CODE_CHARS_MAX) or None,
            dok=int(dok) if dok else None,
            power=row.get("power", "").lower() in TRUE,
        )
    return list(found.values())
