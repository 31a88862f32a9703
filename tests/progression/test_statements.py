"""Statements on one learner, or on a tenant's decisions, cost what there is of these, however long the logs are."""

import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from services.progression.handlers.logs import SETTINGS_ACTIVATED
from services.progression.tables import disclosures, published, rulebook, webhooks
from shared.database import Connection, Database
from shared.event_log import EventLog
from shared.events import EMPTY, Draft, envelope, now
from tests.support.journal import TENANT
from tests.support.rows_read import rows_read
from tests.support.servers import Servers, migrated_database

STORED, OWN = 20_000, 3
ADA = str(uuid.uuid4())


def event(subject: str) -> Draft:
    body = envelope(id=str(uuid.uuid4()), source="progression", type=SETTINGS_ACTIVATED, tenant=TENANT,
                    subject=subject, time=now(), data=EMPTY)  # fmt: skip
    return Draft(0, TENANT, subject, body)


@pytest.fixture
async def stored(server_addresses: Servers) -> AsyncIterator[Connection]:
    """Give a transaction on two logs of 20,000 events, each of another learner but three of Ada and three of the tenant."""
    async with migrated_database(server_addresses.postgres, f"stored_{secrets.token_hex(4)}", "progression") as url:
        database = await Database.connect(url, connections=2)
        others = [str(uuid.uuid4()) for _ in range(STORED)]
        async with database.transaction() as connection:
            for log in (EventLog("decisions", 1), EventLog("advancement", 1)):
                await log.prepare(connection)
                await log.append(connection, [event(subject) for subject in (*others, *["decision", ADA] * OWN)])
            # As autovacuum does soon after so many rows have come.
            await connection.execute("analyze event_log")
        async with database.transaction() as connection:
            yield connection
        await database.close()


async def redacted(connection: Connection) -> int:
    return sum([await EventLog(log, 1).redact(connection, 0, TENANT, ADA) for log in ("decisions", "advancement")])


async def decided(connection: Connection) -> int:
    _, places = await rulebook.last_decision(connection, TENANT, SETTINGS_ACTIVATED, b"{}")
    return len(places)


async def disclosed(connection: Connection) -> int:
    return len(await disclosures.events_of(connection, TENANT, 0, ADA))


async def asked(connection: Connection) -> int:
    return len(await published.public_events(connection, TENANT, ADA, {0: 0}, 100))


async def delivered(connection: Connection) -> int:
    return len(await webhooks.events_of(connection, TENANT, 0, 0, 2 * STORED, 100, ADA))


@pytest.mark.parametrize(
    ("run", "found"), [(redacted, 2 * OWN), (decided, 1), (disclosed, OWN), (asked, OWN), (delivered, OWN)]
)
async def test_what_is_of_one_subject_is_found_without_reading_the_log(
    stored: Connection, run: Callable[[Connection], Awaitable[int]], found: int
) -> None:
    assert await run(stored) == found
    assert await rows_read(stored, "event_log") <= 6 * OWN
