"""Tables as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence

from fastapi import Response

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With what formulas begin in spreadsheets; the wide forms count in those for Japanese and Chinese."""
Table = tuple[Sequence[str], Iterable[Sequence[object]]]
"""Column names and rows."""


def csv_answer(name: str, table: Table) -> Response:
    """Return a table as a CSV download; a cell that a spreadsheet would take for a formula is told as text."""
    columns, rows = table
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(map(_cell, columns))
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "private, no-cache"}
    return Response(text.getvalue(), headers=headers, media_type="text/csv; charset=utf-8")


def _cell(cell: object) -> str:
    if cell is None:
        return ""
    text = str(cell)
    is_text = isinstance(cell, str)
    return f"'{text}" if is_text and text.startswith(FORMULA) else text
