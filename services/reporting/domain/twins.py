"""
Suppression across the tables of several competencies, because other reports tell sums over all of them.

What is due in a school, or on the record of a group, adds up cells of every competency; a single one of these that is hidden
would follow from the sum and the others. So what one competency hides, another hides too, its twin: two rows by two columns, of
which some learners may be in the other row if as many are in the twin, the other way round. No sum says which it is.
"""

from collections.abc import Iterator, Mapping, Set
from itertools import product
from typing import NamedTuple, TypeAlias

from services.reporting.domain.suppression import Cell, Column

Table: TypeAlias = Mapping[Cell, int]
Axes: TypeAlias = tuple[list[str], list[Column]]
"""The rows and the columns of a table."""


class Square(NamedTuple):
    """Two rows by two columns."""

    row: str
    beside: str
    column: Column
    across: Column

    def sides(self) -> tuple[tuple[Cell, Cell], tuple[Cell, Cell]]:
        """Return the cells that have one learner fewer where the others have one more; a school moves with its district."""
        a, b, c, d = product(self[:2], self[2:])
        return ((a, b), (c, d)) if None in self[2:] else ((a, d), (b, c))


class Choice(NamedTuple):
    """Cells to hide in a competency, and in its twin where it needs one: so many `more` than are hidden already."""

    more: int
    cells: tuple[Cell, ...]
    competencies: tuple[str, ...]


def with_twins(
    tables: Mapping[str, Table], hidden: Mapping[str, Set[Cell]], untold: Set[Column]
) -> tuple[dict[str, set[Cell]], bool]:
    """
    Return what is hidden of each competency, as little more as is found, and whether a hidden cell is left without a twin.

    That is where there is one competency alone, or where nobody has a status in any: no number but zero is possible then.

    Args:
        untold: columns of which no other report tells a sum: what moves between these alone needs no twin.
    """
    found = {competency: set(cells) for competency, cells in hidden.items()}
    safe: dict[str, set[Cell]] = {competency: set() for competency in hidden}
    alone = False
    for competency, cells in hidden.items():
        axes = _axes(tables[competency])
        for cell in sorted(cells, key=lambda cell: (cell[0], cell[1] or "")):
            if cell in safe[competency]:
                continue
            choice = _cheapest(competency, cell, axes, tables, found, untold)
            if choice is None:
                alone = True
                continue
            for each in choice.competencies:
                safe[each].update(choice.cells)
                found[each].update(choice.cells)
    return found, alone


def _axes(table: Table) -> Axes:
    return list(dict.fromkeys(row for row, _ in table)), list(dict.fromkeys(column for _, column in table))


def _cheapest(
    competency: str,
    cell: Cell,
    axes: Axes,
    tables: Mapping[str, Table],
    hidden: Mapping[str, Set[Cell]],
    untold: Set[Column],
) -> Choice | None:
    """Return the choice for a hidden cell of a competency that hides the least more; None where there is none."""
    table, best = tables[competency], None
    for more, square in _squares(cell, axes, hidden[competency]):
        if best is not None and more >= best.more:
            break
        one, other = square.sides()
        # What the twin must have somebody in, for each side of which the competency has.
        ways = [against for side, against in ((one, other), (other, one)) if all(table[each] for each in side)]
        if ways and untold >= {square.column, square.across}:
            best = Choice(more, one + other, (competency,))
        for twin, its in tables.items() if ways else ():
            cost = more + sum(each not in hidden[twin] for each in one + other)
            if twin == competency or (best is not None and cost >= best.more):
                continue
            if any(all(its.get(each) for each in way) for way in ways):
                best = Choice(cost, one + other, (competency, twin))
                if not cost:
                    return best
    return best


def _squares(cell: Cell, axes: Axes, hidden: Set[Cell]) -> Iterator[tuple[int, Square]]:
    """Yield the squares of a cell, each with how many of its cells are not hidden yet, the fewest first."""
    (row, column), (rows, columns) = cell, axes
    # Most cells find a twin in their first squares, so that the others of many schools are not even made.
    besides: tuple[list[str], list[str]] = ([], [])
    acrosses: tuple[list[Column], list[Column]] = ([], [])
    for beside in rows:
        besides[(beside, column) not in hidden].append(beside)
    for across in columns:
        acrosses[(row, across) not in hidden].append(across)
    for more, one, other in product(range(4), range(2), range(2)):
        for beside, across in product(besides[one], acrosses[other]) if 0 <= more - one - other <= 1 else ():
            is_open = (beside, across) not in hidden
            if is_open == more - one - other and beside != row and across != column:
                yield more, Square(row, beside, column, across)
