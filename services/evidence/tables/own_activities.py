"""Statements on the activities that Attain itself writes to."""

from collections.abc import Sequence

from shared.database import Connection


async def add(connection: Connection, tenant: str, activities: Sequence[str], by: str) -> None:
    """Note activities; what is noted already stays as it is."""
    await connection.execute(
        "insert into own_activity (tenant, activity, noted_by) select $1, a, $3 from unnest($2::text[]) a"
        " on conflict do nothing",
        tenant,
        sorted(set(activities)),
        by,
    )


async def among(connection: Connection, tenant: str, activities: Sequence[str]) -> set[str]:
    """Return those of the activities that are noted."""
    rows = await connection.fetch(
        "select activity from own_activity where tenant = $1 and activity = any($2)", tenant, activities
    )
    return {row["activity"] for row in rows}
