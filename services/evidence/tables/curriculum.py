"""Statements on the competencies that frameworks have."""

from collections.abc import Sequence

from shared.database import Connection, columns


async def add(connection: Connection, competencies: Sequence[tuple[str, str]]) -> None:
    """Add (tenant, competency); a retired one stays known, because evidence of it may still come."""
    await connection.execute(
        "insert into competency (tenant, competency) select * from unnest($1::text[], $2::text[])"
        " on conflict do nothing",
        *columns(sorted(competencies), 2),
    )


async def among(connection: Connection, competencies: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of (tenant, competency) that a framework has."""
    rows = await connection.fetch(
        "select c.tenant, c.competency from competency c"
        " join unnest($1::text[], $2::text[]) k (tenant, competency) using (tenant, competency)",
        *columns(competencies, 2),
    )
    return {(row["tenant"], row["competency"]) for row in rows}
