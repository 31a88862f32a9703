"""Everything that this service holds of a learner, for the learner to see."""

from typing import Any

import msgspec

from services.evidence.tables import holdings, people
from shared.database import Database
from shared.errors import NotFound


async def holdings_of(database: Database, tenant: str, learner: str) -> dict[str, Any]:
    """
    Return names, source ids, evidence with its events, what waits or was refused, statements, other events, handed-in work,
    merges, roster and groups.

    Raises:
        NotFound: the tenant has no such learner.
    """
    async with database.transaction() as connection:
        identities = await people.identities(connection, tenant, learner)
        if not identities:
            raise NotFound("no such learner")
        names = [(row["source"], row["source_id"]) for row in identities]
        evidence = await holdings.evidence(connection, tenant, learner)
        kept = await holdings.kept(connection, tenant, names)
        statements = await holdings.statements(connection, tenant, names)
        events = await holdings.events(connection, tenant, names)
        works = await holdings.handed_in(connection, tenant, names)
        merges = await holdings.merges(connection, tenant, learner)
        # What the roster tells of whoever was merged stays under that one's own id.
        merged = [str(row["merged"]) for row in merges if str(row["kept"]) == learner and row["undone_at"] is None]
        facts, groups = await holdings.roster(connection, tenant, [learner, *merged])
    return {
        "learner": learner,
        "identities": [dict(row) for row in identities],
        "evidence": [{**dict(row), "private": _json(row["private"]), "body": _json(row["body"])} for row in evidence],
        "kept": [{**dict(row), "original": row["original"].decode("utf-8", "replace")} for row in kept],
        "statements": [{**dict(row), "body": _json(row["body"])} for row in statements],
        "events": [{**dict(row), "body": _json(row["body"])} for row in events],
        "handed_in": [dict(row) for row in works],
        "merges": [dict(row) for row in merges],
        "roster": [_json(data) for data in facts],
        "groups": [dict(row) for row in groups],
    }


def _json(text: bytes | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text)
