"""Whole tables for a warehouse, and results for a student information system: page by page, each from one snapshot."""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from services.reporting.domain.oneroster import State, Student
from services.reporting.handlers.access import AccessLog, check_tenant
from services.reporting.tables.exports import states_of
from services.reporting.tables.read_models import FIRST_VERSION, MODELS, define_models
from services.reporting.tables.reads import snapshot
from services.reporting.tables.statements import key_columns
from shared.auth import Identity
from shared.cursors import read_cursor, write_cursor
from shared.database import Database
from shared.errors import NotFound, Refused
from shared.events import now
from shared.peer import Peer
from shared.settings import Settings

TABLES = tuple(table for model, tables in MODELS.items() if model != "support" for table in tables)
"""What can be exported: every table of the read models but the restricted one."""


class Exported(NamedTuple):
    """A page of a table: its columns with their types, its rows, and the cursor behind it, None where it is the last."""

    columns: dict[str, type]
    rows: list[dict[str, Any]]
    next: str | None


class Results(NamedTuple):
    """A page of states, whom the receiver knows their learners as, and the cursor behind it, None where it is the last."""

    states: list[State]
    students: dict[str, list[Student]]
    next: str | None


class Exporter:
    """Answers exports."""

    def __init__(self, database: Database, settings: Settings, evidence: Peer, log: AccessLog) -> None:
        self._database = database
        self._settings = settings
        self._evidence = evidence
        self._log = log

    async def table(self, caller: Identity, table: str, after: str, limit: int) -> Exported:
        """
        Return a page of a tenant's rows of a table in key order.

        Raises:
            NotFound: no read model has such a table.
            Forbidden: the caller may not read the whole tenant.
        """
        role = check_tenant(caller, "export")
        if table not in TABLES:
            raise NotFound(f"no table {table[:60]!r}; there are {', '.join(TABLES)}")
        columns = _columns(table)
        key = [column.name for column in key_columns(table)]
        start, limit = read_cursor(after, list[str | int]), min(limit, self._settings.page_rows_max)
        async with snapshot(self._database) as view:
            found = await view.all_rows(table, key, caller.tenant, start, limit + 1)
        rows = [msgspec.json.decode(row["row"]) for row in found]
        await self._log.note_each(caller, role, "export", table, sorted(set(_learners_in(rows[:limit]))))
        cursor = write_cursor(*(rows[limit - 1][name] for name in key)) if len(rows) > limit else None
        return Exported(columns, [{name: row[name] for name in columns} for row in rows[:limit]], cursor)

    async def results(self, caller: Identity, source: str, after: str, limit: int) -> Results:
        """
        Return a page of states with the ids that a source has of their learners; whom it does not know it is not told of.

        Raises:
            Forbidden: the caller may not read the whole tenant.
            Unavailable: who knows the ids does not answer.
        """
        role = check_tenant(caller, "export")
        key = read_cursor(after, tuple[str, str]) or ("", "")
        limit = min(limit, self._settings.page_rows_max)
        async with snapshot(self._database) as view:
            states = [State(*row) for row in await states_of(view, caller.tenant, key, limit + 1, now())]
        learners = sorted({state.learner for state in states[:limit]})
        students = await self._students(caller.tenant, source, learners) if learners else {}
        await self._log.note_each(caller, role, "export", f"oneroster {source}"[:200], learners)
        cursor = write_cursor(states[limit - 1].learner, states[limit - 1].competency) if len(states) > limit else None
        return Results([state for state in states[:limit] if state.learner in students], students, cursor)

    async def _students(self, tenant: str, source: str, learners: Sequence[str]) -> dict[str, list[Student]]:
        """Return by learner whom a source knows it as, and after them whom it did until a merge, or its undoing."""
        body = {"tenant": tenant, "source": source, "learners": learners}
        known = (await self._evidence.ask("/v1/learners/references", body=body)).json()
        moved = (await self._evidence.ask("/v1/learners/references/former", body=body | {"returned": True})).json()
        students: dict[str, list[Student]] = {}
        for learner in {**known, **moved}:
            ids = moved.get(learner, ())
            since = {each["id"]: each["since"] for each in ids if each.get("returned")}
            students[learner] = [
                *(Student(id, since=since.get(id, "")) for id in known.get(learner, ())),
                *(Student(each["id"], until=each["since"]) for each in ids if not each.get("returned")),
            ]
        return students


def _learners_in(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the learners whom rows of any table are of."""
    for row in rows:
        if "learner" in row:
            yield row["learner"]
            if row.get("kept") is not None:
                yield row["kept"]
        elif row.get("kind") == "learner":
            yield row["target"]


def parquet(page: Exported) -> bytes:
    """
    Return a page as a Parquet file with typed columns.

    Raises:
        Refused: the optional package is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet as writer
    except ImportError:
        raise Refused("Parquet needs the extra `parquet` (pyarrow), which is not installed; csv and json are") from None
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(name, types[of]) for name, of in page.columns.items()])
    target = io.BytesIO()
    writer.write_table(pyarrow.Table.from_pylist(page.rows, schema=schema), target, compression="zstd")
    return target.getvalue()


def table_rows(page: Exported) -> list[Sequence[object]]:
    """Return the rows of a page in the order of its columns."""
    return [list(row.values()) for row in page.rows]


def _columns(table: str) -> dict[str, type]:
    found = define_models(sa.MetaData(), FIRST_VERSION)[table].columns
    return {column.name: column.type.python_type for column in found if column.name not in ("tenant", "data")}
