"""
Row-level security by tenant: a second wall behind the `where tenant = …` of every statement.

Two group roles, the same in all databases. A service logs in as a member of `attain_service`, which reaches all tenants
(it folds them together) but owns nothing and bypasses nothing; the owner of a database only migrates it. What serves a
request of a tenant becomes `attain_tenant`, which sees and writes rows of the tenant in `attain.tenant` alone and, where
that is not set, none. The policy of the service is the constant true, which PostgreSQL plans away.

COPY is refused on a table with row-level security. Tables of the hot path are therefore parents of one partition,
`<table>_rows`, into which only the service copies; every statement names the parent, whose policies then hold.
"""

from collections.abc import Sequence
from typing import NamedTuple

SERVICE_ROLE, TENANT_ROLE = "attain_service", "attain_tenant"
TENANT_SETTING = "attain.tenant"
MAKE_ROLES = f"create role {SERVICE_ROLE} nologin; create role {TENANT_ROLE} nologin"
_OF_TENANT = f"(select current_setting('{TENANT_SETTING}', true))"
"""A subselect is evaluated once a statement, a bare call once a row."""
_SHARED_WRITES = {"log_head": "update"}
"""What a request may change in tables that no tenant owns: appending moves heads."""
_HIDDEN = ("alembic_version",)


class Guarded(NamedTuple):
    """A table to be guarded; `parent` is the foreign key (column, table, column) that leads to the tenant where it has none."""

    name: str
    has_tenant: bool
    parent: tuple[str, str, str] | None = None
    partition: bool = False


def rows_of(table: str) -> str:
    """Return the name of the partition that holds the rows of a table of the hot path."""
    return f"{table}_rows"


def statements(tables: Sequence[Guarded]) -> list[str]:
    """Return what grants and guards tables, run by their owner."""
    return [statement for table in tables for statement in _statements(table)]


def _statements(table: Guarded) -> list[str]:
    name = table.name
    if table.partition:
        return [f"grant insert on {name} to {SERVICE_ROLE}"]
    # The log is only ever added to and redacted.
    written = "select, insert, update" + ("" if name == "event_log" else ", delete")
    mine = f"tenant = {_OF_TENANT}"
    if table.parent is not None:
        column, parent, key = table.parent
        mine = f"{column} in (select {key} from {parent})"
    elif not table.has_tenant:
        read = "" if name in _HIDDEN else ", ".join(filter(None, ("select", _SHARED_WRITES.get(name))))
        return [f"grant {written} on {name} to {SERVICE_ROLE}"] + (
            [f"grant {read} on {name} to {TENANT_ROLE}"] if read else []
        )
    return [
        f"grant {written} on {name} to {SERVICE_ROLE}, {TENANT_ROLE}",
        f"alter table {name} enable row level security",
        f"create policy of_service on {name} to {SERVICE_ROLE} using (true)",
        f"create policy of_tenant on {name} to {TENANT_ROLE} using ({mine})",
    ]
