"""Everything that this service holds of a learner, for the learner to see."""

from typing import Any

import msgspec

from services.evidence.tables import holdings, people
from shared.database import Connection, Database
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
        by_name = await _by_name(connection, tenant, names)
        merges = await holdings.merges(connection, tenant, learner)
        # What the roster tells of whoever was merged stays under that one's own id.
        merged = [str(row["merged"]) for row in merges if str(row["kept"]) == learner and row["undone_at"] is None]
        facts, groups = await holdings.roster(connection, tenant, [learner, *merged])
    return {
        "learner": learner,
        "identities": [dict(row) for row in identities],
        "evidence": [{**dict(row), "private": _json(row["private"]), "body": _json(row["body"])} for row in evidence],
        **by_name,
        "merges": [dict(row) for row in merges],
        "roster": [_json(data) for data in facts],
        "groups": [dict(row) for row in groups],
    }


async def holdings_of_named(database: Database, tenant: str, source: str, source_id: str) -> dict[str, Any]:
    """
    Return the same of whom a source knows by its own id; of somebody who is no learner yet, what waits, could not be used or was
    stated, with an empty `learner`.

    Raises:
        NotFound: nothing is held of anybody by that id.
    """
    async with database.connection() as connection:
        learner = await people.find(connection, tenant, source, source_id)
        by_name = {} if learner else await _by_name(connection, tenant, [(source, source_id)])
    if learner is not None:
        return await holdings_of(database, tenant, learner)
    if not any(by_name.values()):
        raise NotFound("nothing is held of anybody whom that source calls so")
    nothing: dict[str, Any] = {name: [] for name in ("identities", "evidence", "merges", "roster", "groups")}
    return {"learner": "", **nothing, **by_name}


async def _by_name(connection: Connection, tenant: str, names: holdings.People) -> dict[str, Any]:
    """Return what is held by the ids of sources: of it nobody has to be a learner."""
    kept = await holdings.kept(connection, tenant, names)
    statements = await holdings.statements(connection, tenant, names)
    events = await holdings.events(connection, tenant, names)
    works = await holdings.handed_in(connection, tenant, names)
    return {
        "kept": [{**dict(row), "original": row["original"].decode("utf-8", "replace")} for row in kept],
        "statements": [{**dict(row), "body": _json(row["body"])} for row in statements],
        "events": [{**dict(row), "body": _json(row["body"])} for row in events],
        "handed_in": [dict(row) for row in works],
    }


def _json(text: bytes | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text)
