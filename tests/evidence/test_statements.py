"""Statements cost what they touch, however much evidence there is."""

import secrets
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.evidence.domain.evidence import State
from services.evidence.tables import holdings, merges, pieces
from shared.contracts.internal_events import EVIDENCE_RECORDED
from shared.database import Connection, Database
from shared.event_log import EventLog
from shared.events import EMPTY, Draft, envelope
from tests.evidence.builders import LATEST, SOURCE
from tests.support.rows_read import rows_read
from tests.support.servers import Servers, migrated_database

STORED, OWN = 20_000, 3
IDS = [str(uuid.UUID(int=n + 1)) for n in range(STORED)]
ADA = str(uuid.uuid4())
RETRACTION = str(uuid.uuid4())


def row(id: str, learner: str | None, pos: int, retracts: str | None = None) -> tuple[Any, ...]:
    relation = None if retracts is None else "retracts"
    return (id, "demo", SOURCE, id, State.ACCEPTED, b"", learner, 0, pos, True, relation, retracts, LATEST, None, None)


def event(id: str, learner: str) -> Draft:
    body = envelope(id=id, source="evidence", type=EVIDENCE_RECORDED, tenant="demo", subject=learner,
                    time=LATEST.isoformat(), data=EMPTY)  # fmt: skip
    return Draft(0, "demo", learner, body)


@pytest.fixture
async def stored(server_addresses: Servers) -> AsyncIterator[Connection]:
    """Give a transaction on 20,000 pieces with their events, each of another learner but three of Ada, one of them retracted."""
    async with migrated_database(server_addresses.postgres, f"stored_{secrets.token_hex(4)}", "evidence") as url:
        database = await Database.connect(url, connections=2)
        learners = [ADA if n < OWN else str(uuid.uuid4()) for n in range(STORED)]
        log = EventLog("evidence", 1)
        async with database.transaction() as connection:
            await log.prepare(connection)
            positions = await log.append(connection, [event(*one) for one in zip(IDS, learners, strict=True)])
            await pieces.insert(connection, [row(*one) for one in zip(IDS, learners, positions, strict=True)])
            await pieces.insert(connection, [row(RETRACTION, None, 0, retracts=IDS[0])])
            # As autovacuum does soon after so many rows have come.
            await connection.execute("analyze evidence, event_log")
        async with database.transaction() as connection:
            yield connection
        await database.close()


@pytest.mark.parametrize("corrected", [1, 1_000])
async def test_what_a_correction_changes_is_found_without_reading_all_evidence(
    stored: Connection, corrected: int
) -> None:
    found = await pieces.known_forest(stored, IDS[OWN : OWN + corrected])

    assert {piece.evidence_id for piece in found} == set(IDS[OWN : OWN + corrected])
    assert await rows_read(stored, "evidence") <= 3 * corrected


async def test_what_there_is_of_a_learner_is_found_without_reading_all_evidence(stored: Connection) -> None:
    moved = await merges.pieces_to_move(stored, "demo", ADA, None)
    held = await holdings.evidence(stored, "demo", ADA)

    assert (len(moved), len(held)) == (OWN, OWN + 1)
    assert await rows_read(stored, "evidence", "event_log") <= 6 * OWN


async def test_a_learner_is_erased_without_reading_all_evidence(stored: Connection) -> None:
    emptied = await pieces.erase(stored, "demo", ADA, [])
    redacted = await EventLog("evidence", 1).redact(stored, 0, "demo", ADA)

    assert (emptied, redacted) == (OWN + 1, OWN)
    assert await rows_read(stored, "evidence", "event_log") <= 10 * OWN
