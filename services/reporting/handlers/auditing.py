"""The rows of the read models, of all tenants, for the audit."""

from typing import Any

import msgspec

from services.reporting.tables.read_models import MODELS
from services.reporting.tables.reads import snapshot
from services.reporting.tables.statements import key_columns
from shared.auth import Identity
from shared.cursors import read_cursor, write_cursor
from shared.database import Database
from shared.errors import NotFound
from shared.settings import Settings


class StateRow(msgspec.Struct, frozen=True):
    """A row of the mastery read model, for the audit."""

    tenant: str
    learner: str
    competency: str
    status: str
    score: float | None
    evidence_count: int
    last_evidence_at: str | None
    mastered_at: str | None
    seq: int


class AuditReader:
    """Reads what is shown, for other services alone."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._page_rows_max = settings.page_rows_max

    async def states(self, caller: Identity, tenant: str | None, after: str, limit: int) -> tuple[list[StateRow], str]:
        """Return a page of all states in key order, and the cursor behind it; an empty page is the end."""
        caller.require("service")
        key = read_cursor(after, tuple[str, str, str]) or ("", "", "")
        async with snapshot(self._database) as view:
            rows = [StateRow(*row) for row in await view.all_states(tenant, key, min(limit, self._page_rows_max))]
        return rows, write_cursor(rows[-1].tenant, rows[-1].learner, rows[-1].competency) if rows else after

    async def rows(
        self, caller: Identity, table: str, tenant: str | None, after: str, limit: int
    ) -> tuple[list[dict[str, Any]], str]:
        """
        Return a page of the rows of a read-model table in key order, without what lies in `data`, and the cursor behind it.

        Raises:
            NotFound: no read model has such a table.
        """
        caller.require("service")
        if table not in {name for tables in MODELS.values() for name in tables}:
            raise NotFound(f"no table {table[:60]!r} in a read model")
        key = [column.name for column in key_columns(table)]
        start = read_cursor(after, list[str | int])
        async with snapshot(self._database) as view:
            page = await view.all_rows(table, key, tenant, start, min(limit, self._page_rows_max))
        found = [msgspec.json.decode(row["row"]) for row in page]
        return found, write_cursor(*(found[-1][name] for name in key)) if found else after
