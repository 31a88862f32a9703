"""
Suppression of small numbers in a table of statuses by schools whose margins are told too.

A count of 1 to 9 is hidden; zero is told, unless its whole group is below 10. Then more is hidden until nothing hidden
can be worked out. A row's cells sum to its district cell and a column's to the school's total, so hidden cells are the
edges of a graph between rows and columns, and one is determined by the others exactly when its edge is a bridge.

Source: Gusfield 1988, "A graph theoretic approach to statistical data security", SIAM J. Comput. 17(3).
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from services.reporting.domain.small_numbers import N_MIN

SMALL = N_MIN
"""Counts below this are not told by default; a tenant may set more."""

Column: TypeAlias = "str | None"
"""A school; None is the district."""
Cell: TypeAlias = "tuple[str, Column]"
TOTAL = ""
"""The row of the totals."""


def hidden_totals(totals: Mapping[Column, int], small: int = SMALL) -> set[Column]:
    """Return the columns whose number of learners is not told; the same for all competencies."""
    cells = {(TOTAL, column): count for column, count in totals.items()}
    hidden = {cell for cell, count in cells.items() if 0 < count < small}
    while True:
        shown_inner = {cell: n for cell, n in cells.items() if cell[1] is not None and cell not in hidden}
        inner = [cells[cell] for cell in hidden if cell[1] is not None]
        if (TOTAL, None) in hidden:
            # A district this small: nothing of it is told.
            return set(totals)
        if not inner or (len(inner) > 1 and sum(inner) >= small):
            return {column for _, column in hidden}
        candidates = {cell: n for cell, n in shown_inner.items() if n} or {(TOTAL, None): 0}
        hidden.add(_smallest(candidates))


def hidden_cells(
    cells: Mapping[Cell, int], totals: Mapping[Column, int], hidden_columns: set[Column], small: int = SMALL
) -> set[Cell]:
    """
    Return the cells of (status, school or None) that are not told.

    Args:
        totals: learners by column.
        hidden_columns: where that total is not told.
    """
    table = dict(cells) | {(TOTAL, column): count for column, count in totals.items()}
    small_groups = {column for column in hidden_columns if totals[column] < small}
    hidden = {(TOTAL, column) for column in hidden_columns}
    hidden |= {cell for cell, count in cells.items() if cell[1] in small_groups or 0 < count < small}
    lines = _lines(table)
    while True:
        more = _too_few(table, lines, hidden, small) or _determined(table, lines, hidden)
        if not more:
            return {cell for cell in hidden if cell[0] != TOTAL}
        hidden |= more


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
        inner = [table[cell] for cell in gone if not _is_margin(cell, line)]
        sum_is_told = len(inner) == len(gone)
        if len(gone) == 1 or (gone and sum_is_told and sum(inner) < small and any(inner)):
            more |= _one_more(table, cells, hidden)
    return more


def _determined(
    table: Mapping[Cell, int], lines: Mapping[tuple[str, Column], list[Cell]], hidden: set[Cell]
) -> set[Cell]:
    """Hide one more beside a cell that the others determine; nothing where none does."""
    for cell in _bridges(hidden):
        for end in _ends(cell):
            more = _one_more(table, lines[end], hidden) if end != ("row", TOTAL) else set()
            if more:
                return more
    return set()


def _one_more(table: Mapping[Cell, int], cells: list[Cell], hidden: set[Cell]) -> set[Cell]:
    """Choose the smallest cell that is still told, zeros last; totals are decided before and never chosen."""
    told = {cell: table[cell] for cell in cells if cell not in hidden and cell[0] != TOTAL}
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
