"""Statements on the competencies that frameworks have, and had."""

from collections.abc import Sequence
from operator import itemgetter

from shared.database import Connection, columns


async def add(connection: Connection, competencies: Sequence[tuple[str, str, str, bool, str | None]]) -> None:
    """Add (tenant, competency, framework version, retired, identifier); one that was retired may come back."""
    await connection.execute(
        "insert into competency as c (tenant, competency, version, retired, identifier)"
        " select * from unnest($1::text[], $2::text[], $3::text[], $4::bool[], $5::text[])"
        " on conflict (tenant, competency) do update set version = excluded.version, retired = excluded.retired,"
        "   identifier = coalesce(excluded.identifier, c.identifier)",
        *columns(sorted(competencies, key=itemgetter(0, 1)), 5),
    )


async def retire(connection: Connection, versions: Sequence[tuple[str, str, str]]) -> None:
    """Retire what the version of (tenant, framework, version) does not have; it stays known as retired."""
    # A competency id begins with its framework's id and a colon; the next character is a semicolon.
    await connection.execute(
        "update competency c set retired = true from unnest($1::text[], $2::text[], $3::text[]) f (tenant, id, version)"
        " where c.tenant = f.tenant and c.competency >= f.id || ':' and c.competency < f.id || ';'"
        "   and c.version <> f.version and not c.retired",
        *columns(versions, 3),
    )


async def among(connection: Connection, competencies: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bool]:
    """Return those of (tenant, competency) that a framework has or had, and whether each is retired."""
    rows = await connection.fetch(
        "select c.tenant, c.competency, c.retired from competency c"
        " join unnest($1::text[], $2::text[]) k (tenant, competency) using (tenant, competency)",
        *columns(competencies, 2),
    )
    return {(row["tenant"], row["competency"]): row["retired"] for row in rows}


async def identified(connection: Connection, identifiers: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the competency of each (tenant, identifier); where frameworks share one, the first that is not retired."""
    rows = await connection.fetch(
        "select distinct on (c.tenant, c.identifier) c.tenant, c.identifier, c.competency from competency c"
        " join unnest($1::text[], $2::text[]) k (tenant, identifier) using (tenant, identifier)"
        " order by c.tenant, c.identifier, c.retired, c.competency",
        *columns(identifiers, 2),
    )
    return {(row["tenant"], row["identifier"]): row["competency"] for row in rows}
