"""
Suppression of small numbers in a table of statuses by schools whose margins are told too.

A count of people below `small` is hidden; zero is told, unless its whole group is below that. Then more is hidden until
nothing hidden can be worked out. A row's cells sum to its district cell and a column's to the school's total, so hidden cells
are the edges of a graph between rows and columns, and one is determined by the others exactly when its edge is a bridge.

Where learners are in several schools, these sum to more than the district, which counts each once. The difference tells about
those learners as a school's numbers would, so it is one more column, which nobody is shown and anybody can work out.

Source: Gusfield 1988, "A graph theoretic approach to statistical data security", SIAM J. Comput. 17(3).
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

Column: TypeAlias = "str | None"
"""A school; None is the district."""
Cell: TypeAlias = "tuple[str, Column]"
TOTAL = ""
"""The row of the totals."""
TWICE = "\0"
"""The column of what the schools together have more than the district; no school is called so."""


def hidden_totals(totals: Mapping[Column, int], small: int) -> set[Column]:
    """Return the columns whose number of learners is not told; the same for all competencies."""
    cells = _with_twice({(TOTAL, column): count for column, count in totals.items()})
    hidden = {cell for cell, count in cells.items() if _is_small(count, small)}
    while True:
        schools = {cell: n for cell, n in cells.items() if cell[1] is not None and cell[1] != TWICE}
        shown_inner = {cell: n for cell, n in schools.items() if cell not in hidden}
        inner = [cells[cell] for cell in hidden if cell[1] is not None]
        if (TOTAL, None) in hidden:
            # A district this small: nothing of it is told.
            return set(totals)
        if not inner or (len(inner) > 1 and sum(schools[cell] for cell in hidden & schools.keys()) >= small):
            return {column for _, column in hidden} - {TWICE}
        candidates = {cell: n for cell, n in shown_inner.items() if n} or {(TOTAL, None): 0}
        hidden.add(_smallest(candidates))


def hidden_cells(
    cells: Mapping[Cell, int], totals: Mapping[Column, int], hidden_columns: set[Column], small: int
) -> set[Cell]:
    """
    Return the cells of (status, school or None) that are not told.

    Args:
        totals: learners by column.
        hidden_columns: where that total is not told.
    """
    table = _with_twice(dict(cells) | {(TOTAL, column): count for column, count in totals.items()})
    if _is_small(table.get((TOTAL, TWICE), 0), small):
        hidden_columns = hidden_columns | {TWICE}
    small_groups = {column for column in hidden_columns if table[TOTAL, column] < small}
    hidden = {(TOTAL, column) for column in hidden_columns}
    hidden |= {
        cell for cell, n in table.items() if cell[0] != TOTAL and (cell[1] in small_groups or _is_small(n, small))
    }
    lines = _lines(table)
    while True:
        more = _too_few(table, lines, hidden, small) or _determined(table, lines, hidden)
        if not more:
            return hidden & cells.keys()
        hidden |= more


def _with_twice(table: dict[Cell, int]) -> dict[Cell, int]:
    """Return a table with the column `TWICE`; as it is where no learner is in two schools, which is no secret."""
    twice = dict.fromkeys(((row, TWICE) for row, _ in table), 0)
    for (row, column), count in table.items():
        twice[row, TWICE] += count if column is not None else -count
    return table | twice if any(twice.values()) else table


def _is_small(count: int, small: int) -> bool:
    """Tell whether a count is hidden; `TWICE` may be below zero, where both schools together show what neither shows alone."""
    return count != 0 and count < small


def _lines(table: Mapping[Cell, int]) -> dict[tuple[str, Column], list[Cell]]:
    """Return the cells of each row and each column."""
    lines: dict[tuple[str, Column], list[Cell]] = {}
    for cell in table:
        lines.setdefault(("row", cell[0]), []).append(cell)
        lines.setdefault(("column", cell[1]), []).append(cell)
    return lines


def _ends(cell: Cell) -> tuple[tuple[str, Column], tuple[str, Column]]:
    return ("row", cell[0]), ("column", cell[1])


def _is_margin(cell: Cell, line: tuple[str, Column]) -> bool:
    return cell[1] is None if line[0] == "row" else cell[0] == TOTAL


def _too_few(
    table: Mapping[Cell, int], lines: Mapping[tuple[str, Column], list[Cell]], hidden: set[Cell], small: int
) -> set[Cell]:
    """Hide one more in lines with a single hidden cell, or with hidden ones so small that their sum gives them away."""
    more: set[Cell] = set()
    for line, cells in lines.items():
        if line == ("row", TOTAL):
            continue
        gone = [cell for cell in cells if cell in hidden]
        inner = [cell for cell in gone if not _is_margin(cell, line)]
        sum_is_told = len(inner) == len(gone)
        # In a row what is counted twice is subtracted: it makes no sum larger.
        added = [table[cell] for cell in inner if line[0] == "column" or cell[1] != TWICE]
        if len(gone) == 1 or (gone and sum_is_told and sum(added) < small and any(table[cell] for cell in inner)):
            more |= _one_more(table, line, cells, hidden)
    return more


def _determined(
    table: Mapping[Cell, int], lines: Mapping[tuple[str, Column], list[Cell]], hidden: set[Cell]
) -> set[Cell]:
    """Hide one more beside a cell that the others determine; nothing where none does."""
    for cell in _bridges(hidden):
        for end in _ends(cell):
            more = _one_more(table, end, lines[end], hidden) if end != ("row", TOTAL) else set()
            if more:
                return more
    return set()


def _one_more(table: Mapping[Cell, int], line: tuple[str, Column], cells: list[Cell], hidden: set[Cell]) -> set[Cell]:
    """
    Choose the smallest cell that is still told, zeros last; totals are decided before and never chosen.

    In a row neither is what is counted twice: how many are in two schools may be known from elsewhere.
    """
    told = {
        cell: table[cell]
        for cell in cells
        if cell not in hidden and cell[0] != TOTAL and (line[0] == "column" or cell[1] != TWICE)
    }
    candidates = {cell: count for cell, count in told.items() if count} or told
    return {_smallest(candidates)} if candidates else set()


def _smallest(cells: Mapping[Cell, int]) -> Cell:
    return min(cells, key=lambda cell: (cell[1] is None, cells[cell], cell[0], cell[1] or ""))


def _bridges(hidden: set[Cell]) -> Iterator[Cell]:
    """Yield the edges on no cycle (Tarjan), in a fixed order; iterative, because districts have many schools."""
    edges: dict[tuple[str, Column], list[Cell]] = {}
    for edge in sorted(hidden, key=lambda cell: (cell[0], cell[1] or "")):
        for end in _ends(edge):
            edges.setdefault(end, []).append(edge)
    seen: dict[tuple[str, Column], int] = {}
    low: dict[tuple[str, Column], int] = {}
    for root, first in edges.items():
        if root in seen:
            continue
        seen[root] = low[root] = len(seen)
        trail: list[tuple[tuple[str, Column], Cell | None, Iterator[Cell]]] = [(root, None, iter(first))]
        while trail:
            here, came_by, rest = trail[-1]
            cell = next(rest, None)
            if cell is None:
                trail.pop()
                if trail and came_by is not None:
                    before = trail[-1][0]
                    low[before] = min(low[before], low[here])
                    if low[here] > seen[before]:
                        yield came_by
            elif cell != came_by:
                there = next(end for end in _ends(cell) if end != here)
                if there in seen:
                    low[here] = min(low[here], seen[there])
                else:
                    seen[there] = low[there] = len(seen)
                    trail.append((there, cell, iter(edges[there])))
