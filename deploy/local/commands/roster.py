"""`attain roster`: import who learns where, from CSV files."""

import csv
import gzip
import io
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
import msgspec

from deploy.local.client.asking import patiently, told
from deploy.local.errors import StackError
from deploy.local.files.oneroster import is_bundle, read_bundle
from deploy.local.files.text import read_text
from deploy.local.options import Commands, Context, command_options
from services.evidence.domain.roster import Identities, Roster

DEFAULT_SOURCE = "urn:attain:roster"
ROWS_A_REQUEST = 5_000
Row = dict[str, str]
Tables = Mapping[str, Sequence[Row]]
# In this order: what a later one names is there already.
COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "schools": (("school", "title"), ("district",)),
    "classes": (("class", "title"), ("school", "subject")),
    "staff": (("class", "staff"), ("role", "status", "starts", "ends")),
    "learners": (("source_id",), ("source", "name")),
    "enrolments": (("class", "learner"), ("status", "source")),
    "groups": (("group", "learner"), ("value", "source")),
    "assignments": (("person", "role", "kind", "target"), ("status", "starts", "ends", "source")),
    "people": (("person",), ("name",)),
}
"""The files, with the columns that a row needs and those that it may have."""
TOLD = "\b\nTheir columns; those in brackets may be missing:\n" + "\n".join(
    f"  {name}.csv  {','.join(needed)}[,{','.join(possible)}]" for name, (needed, possible) in COLUMNS.items()
)


@click.group(cls=Commands)
def roster() -> None:
    """Rosters: schools, classes, learners and who is where."""


@roster.command("import", epilog=TOLD)
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--source", default=DEFAULT_SOURCE, show_default=True, help="Source of learners that name none.")
@command_options
def import_roster(context: Context, folder: Path, source: str) -> None:
    """
    Import the CSV files of a folder: schools, classes, staff, learners, enrolments, groups, assignments, and people, the names
    of staff; each may be missing.

    A folder with users.csv or enrollments.csv is a OneRoster 1.1 or 1.2 bundle.

    What the files do not name stays as it is, and the same import again changes nothing.
    """
    if is_bundle(folder):
        context.emit(send_roster(context, source, read_bundle(folder)))
        return
    tables = {name: read_table(name, folder / f"{name}.csv") for name in COLUMNS if (folder / f"{name}.csv").is_file()}
    if not tables:
        raise StackError(f"{folder} has none of {', '.join(f'{name}.csv' for name in COLUMNS)}")
    context.emit(send_roster(context, source, tables))


def read_table(name: str, file: Path) -> list[Row]:
    """
    Return the rows of one roster file, without cells that are empty.

    Raises:
        StackError: a column or a cell that is needed is missing, or a column is unknown.
    """
    needed, possible = COLUMNS[name]
    reader = csv.DictReader(io.StringIO(read_text(file)))
    header = [column.strip() for column in reader.fieldnames or []]
    reader.fieldnames = header
    missing = [column for column in needed if column not in header]
    unknown = [column for column in header if column not in (*needed, *possible)]
    if missing or unknown:
        what = f"lacks column {missing[0]}" if missing else f"has a column {unknown[0]!r} that is not known"
        raise StackError(f"{file} {what}; there are {','.join((*needed, *possible))}")
    rows = []
    for line in reader:
        row = {column: (cell or "").strip() for column, cell in line.items() if column is not None}
        empty = [column for column in needed if not row[column] and column != "title"]
        if empty:
            raise StackError(f"{file}, line {reader.line_num}: {empty[0]} is empty")
        rows.append({column: cell for column, cell in row.items() if cell or column in needed})
    return rows


def send_roster(context: Context, source: str, tables: Tables) -> dict[str, int]:
    """Send a roster through the HTTP edge in requests of a bounded size; return how many rows of each kind it had."""
    counts: Counter[str] = Counter(dict.fromkeys(("learners", "classes", "enrolments", "staff", "schools"), 0))
    with context.client("evidence") as client:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        for content in requests(source, tables):
            body = gzip.compress(msgspec.json.encode(content), 1)
            answer = told(patiently(client.post, "/v1/roster", content=body, headers=headers))
            counts.update({name: count for name, count in answer.json().items() if isinstance(count, int)})
    return dict(counts)


def named_in(source: str, tables: Tables) -> set[tuple[str, str]]:
    """
    Return whom a roster names, as (source, source id).

    Raises:
        StackError: evidence would refuse a row.
    """
    named = set()
    for content in requests(source, tables):
        try:
            named |= Identities(msgspec.convert(content, Roster)).all()
        except msgspec.ValidationError as error:
            raise StackError(f"the roster would be refused: {error}") from None
    return named


def sources_of(tables: Tables) -> dict[str, str]:
    """Return the source of each learner who has one in the roster, by source id."""
    return {row["source_id"]: row["source"] for row in tables.get("learners", ()) if "source" in row}


def requests(source: str, tables: Tables) -> Iterator[dict[str, object]]:
    """
    Yield the bodies that a roster is sent in.

    Rows that name a learner get the source of that learner, who may be in another request.
    """
    sources = sources_of(tables)
    for name in COLUMNS:
        rows = iter(tables.get(name, ()))
        while page := list(itertools.islice(rows, ROWS_A_REQUEST)):
            if name == "assignments":
                page = [
                    {"source": sources.get(row["target"], source)} | row if row["kind"] == "learner" else row
                    for row in page
                ]
            elif name in ("enrolments", "groups"):
                page = [{"source": sources.get(row["learner"], source)} | row for row in page]
            yield {"source": source, name: page}
