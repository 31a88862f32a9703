import asyncio
import contextlib
import uuid

import pytest

from services.reporting.tables.reads import snapshot
from services.reporting.tables.writes import CheckpointRow, move_checkpoints
from shared import ownership
from shared.database import Database
from shared.event_log import EventLog
from shared.migrate import migrate_when_there
from shared.restored import Folded, Head, ahead, databases_of, next_generation, raise_generation
from shared.settings import SERVICES, Settings
from tests.support.servers import new_database

HEADS = [Head("evidence", 0, 1, 10), Head("evidence", 1, 1, 5), Head("progression", 0, 1, 7)]


def test_consumers_at_or_behind_their_logs_may_go_on() -> None:
    assert ahead(HEADS, [Folded("progression", "evidence", 0, 10), Folded("reporting", "progression", 0, 3)]) == []


def test_a_consumer_that_knows_what_the_log_has_lost_is_named() -> None:
    (fault,) = ahead(HEADS, [Folded("progression", "evidence", 0, 9), Folded("progression", "evidence", 1, 6)])

    assert fault == "progression has folded evidence shard 1 up to 6, the log ends at 5"


def test_all_three_databases_are_needed() -> None:
    with pytest.raises(SystemExit, match="ATTAIN_PROGRESSION_DATABASE and ATTAIN_REPORTING_DATABASE not set"):
        databases_of(Settings(evidence_database="postgresql://x"))


def test_a_generation_that_ran_after_the_backup_is_not_given_again() -> None:
    backed_up = [Head("evidence", 0, 1, 7), Head("progression", 0, 2, 3)]

    assert next_generation([], 0) == 1
    assert next_generation(backed_up, 0) == 3
    assert next_generation(backed_up, 5) == 6
    assert next_generation(backed_up, 1) == 3


async def test_what_reporting_shows_is_of_the_raised_generation_whenever_it_was_told(postgres: str) -> None:
    """A checkpoint that was folded before the restore, and one of before that is folded after it, as in a rebuild."""
    consumer = "reporting-mastery-v1"
    async with contextlib.AsyncExitStack() as stack:
        urls = {}
        for service in SERVICES:
            urls[service] = await stack.enter_async_context(new_database(postgres, f"res_{uuid.uuid4().hex[:8]}"))
            await asyncio.to_thread(migrate_when_there, service, urls[service])
        evidence, reporting = await Database.connect(urls["evidence"]), await Database.connect(urls["reporting"])
        async with evidence.connection() as producer, reporting.connection() as connection:
            await EventLog("evidence", 2).prepare(producer)
            await ownership.prepare(connection, consumer, "progression", 2)
            await move_checkpoints(connection, consumer, [CheckpointRow(0, 1, 7, 0)])
        await evidence.close()
        await reporting.close()
        generation = await raise_generation(urls)
        reporting = await Database.connect(urls["reporting"])
        async with reporting.connection() as connection:
            await move_checkpoints(connection, consumer, [CheckpointRow(1, 1, 9, 0)])
        async with snapshot(reporting) as view:
            shown = [await view.evidence_position(shard) for shard in range(2)]
        await reporting.close()

    assert generation == 2
    assert shown == [(2, 7), (2, 9)]
