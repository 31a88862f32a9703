"""Which schema a service's database has, and whether this version runs on it."""

import functools
import importlib
from pathlib import Path
from typing import NamedTuple

from shared.database import Connection


class Schema(NamedTuple):
    """What a database says of its schema; both are None before the first migration."""

    revision: str | None = None
    came_from: str | None = None
    """The revision that the last upgrade began with: processes of that version may still run, or be run again."""


async def schema_of(connection: Connection) -> Schema:
    """Return which schema a database has."""
    if await connection.fetchval("select to_regclass('alembic_version')") is None:
        return Schema()
    row = await connection.fetchrow(
        "select version_num, obj_description('alembic_version'::regclass, 'pg_class') from alembic_version"
    )
    return Schema() if row is None else Schema(*row)


@functools.cache
def revisions(service: str) -> list[str]:
    """Return the revisions of a service's schema, which are one line, by the names of their files: no start needs Alembic."""
    package = importlib.import_module(f"services.{service}")
    versions = Path(package.__path__[0]) / "migrations" / "versions"
    return sorted(file.name.partition("_")[0] for file in versions.glob("[0-9]*.py"))


def newer_schema(service: str, there: Schema) -> str:
    """Return a newer schema than this version's in words; empty where it is none."""
    known = revisions(service)
    if there.revision is None or there.revision in known:
        return ""
    return f"schema {there.revision}, which is newer than this version ({known[-1]})"


def schema_fault(service: str, there: Schema, *, allow_newer: bool) -> str:
    """
    Return what keeps this version from running on a schema, and what to do; empty where nothing does.

    Migrations add and never take away, so replicas of the version that was upgraded go on, and are started again, beside the
    schema of the next one. A schema that is further ahead has to be allowed.
    """
    *_, wanted = known = revisions(service)
    if there.revision is None:
        return f"its database has no schema: run `migrate {service}` first"
    newer = newer_schema(service, there)
    if not newer and there.revision != wanted:
        return (
            f"its database has schema {there.revision}, this version needs {wanted}:"
            f" run `migrate {service}` of this version first"
        )
    if not newer or allow_newer or there.came_from in known:
        return ""
    return f"its database has {newer}: run the newer version, or, to roll back, set ATTAIN_ALLOW_NEWER_SCHEMA=true"
