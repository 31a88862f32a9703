"""The statements that follow from the tables of a read model: what creates them, and what writes their rows."""

import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from services.reporting.tables.read_models import FIRST_VERSION, MODELS, define_models, table_name
from shared import row_security
from shared.row_security import SERVICE_ROLE, Guarded


@functools.lru_cache(maxsize=64)
def create_statements(model: str, version: int) -> tuple[str, ...]:
    """Return what creates the tables and indexes of a read model in a version, guarded by tenant."""
    tables = define_models(sa.MetaData(), version)
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    statements: list[str] = []
    for name in MODELS[model]:
        statements.append(str(CreateTable(tables[name]).compile(dialect=dialect)))
        statements += [str(CreateIndex(i).compile(dialect=dialect)) for i in sorted(tables[name].indexes, key=str)]
        statements += row_security.statements([Guarded(table_name(name, version), has_tenant=True)])
        # Migrations and later rebuilds change it too, whoever made it.
        statements.append(f"alter table {table_name(name, version)} owner to {SERVICE_ROLE}")
    return tuple(statements)


@functools.lru_cache(maxsize=64)
def key_columns(table: str) -> tuple[sa.Column[Any], ...]:
    """Return the columns of a read-model table's key."""
    return tuple(define_models(sa.MetaData(), FIRST_VERSION)[table].primary_key.columns)


@functools.lru_cache(maxsize=64)
def upsert_statement(rows: str, table: str, version: int) -> str:
    """Return the statement that writes the rows of a table or function into a read-model table, over those of the same keys."""
    columns = define_models(sa.MetaData(), version)[table].columns
    names = ", ".join(column.name for column in columns)
    key = ", ".join(column.name for column in columns if column.primary_key)
    changes = ", ".join(f"{column.name} = excluded.{column.name}" for column in columns if not column.primary_key)
    act = f"update set {changes}" if changes else "nothing"
    return f"insert into {table_name(table, version)} ({names}) select * from {rows} on conflict ({key}) do {act}"


@functools.lru_cache(maxsize=64)
def column_types(table: str, version: int) -> tuple[str, ...]:
    """Return the types of a read-model table's columns, in their order, as PostgreSQL names them."""
    kinds: tuple[tuple[type, str], ...] = (
        (sa.BigInteger, "bigint"), (sa.Integer, "int"), (sa.Double, "float8"), (sa.Boolean, "bool"),
        (sa.LargeBinary, "bytea"), (sa.Text, "text"),
    )  # fmt: skip
    columns = define_models(sa.MetaData(), version)[table].columns
    return tuple(next(name for kind, name in kinds if isinstance(column.type, kind)) for column in columns)
