"""Statements cost what they touch, however much evidence there is."""

import uuid

import pytest

from services.evidence.domain.evidence import State
from services.evidence.tables import pieces
from shared.database import Connection, Database
from shared.row_security import rows_of
from tests.evidence.builders import LATEST, SOURCE
from tests.evidence.running import Running

STORED = 20_000


async def _rows_read_one_by_one(connection: Connection) -> int:
    """Return how many rows of evidence this transaction has read by going through the table."""
    read: int = await connection.fetchval(
        "select seq_tup_read from pg_stat_xact_user_tables where relname = $1", rows_of("evidence")
    )
    return read


@pytest.mark.parametrize("corrected", [1, 1_000])
async def test_what_a_correction_changes_is_found_without_reading_all_evidence(
    service: Running, corrected: int
) -> None:
    database = await Database.connect(service.config.evidence_database, connections=2)
    ids = [str(uuid.uuid4()) for _ in range(STORED)]
    nobody = str(uuid.UUID(int=0))
    rows = [
        (id, "demo", SOURCE, id, State.ACCEPTED, b"", nobody, 0, pos, True, None, None, LATEST, None, None)
        for pos, id in enumerate(ids)
    ]
    async with database.transaction() as connection:
        await pieces.insert(connection, sorted(rows))
    async with database.transaction() as connection:
        found = await pieces.known_forest(connection, ids[:corrected])
        read = await _rows_read_one_by_one(connection)
    await database.close()

    assert {piece.evidence_id for piece in found} == set(ids[:corrected])
    assert read == 0
