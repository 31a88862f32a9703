"""Statements on the competencies that frameworks have, and had."""

from collections.abc import Sequence

from shared.database import Connection, columns


async def add(connection: Connection, competencies: Sequence[tuple[str, str, str, bool]]) -> None:
    """Add (tenant, competency, framework version, retired); a competency that was retired may come back."""
    await connection.execute(
        "insert into competency (tenant, competency, version, retired)"
        " select * from unnest($1::text[], $2::text[], $3::text[], $4::bool[])"
        " on conflict (tenant, competency) do update set version = excluded.version, retired = excluded.retired",
        *columns(sorted(competencies), 4),
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
