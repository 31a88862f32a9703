"""What is kept beside the record goes after its days, each tenant's own, and nothing else does."""

import asyncio
import datetime
import uuid
from collections.abc import AsyncIterator

import pytest_asyncio

from services.evidence.app import EXPIRIES
from services.reporting.tables import rights
from shared import retention
from shared.database import Connection, Database
from shared.migrate import migrate_when_there
from shared.retention import Retention
from shared.settings import Settings
from shared.tenant_limits import Limits, TenantLimits
from tests.support.servers import new_database

DAYS = (1, 40)
"""The ages of what every tenant has of each kind."""
ORIGINALS, ACCESSES = "originals_kept_days", "accesses_kept_days"


@pytest_asyncio.fixture
async def evidence(postgres: str) -> AsyncIterator[Database]:
    async with new_database(postgres, f"ret_{uuid.uuid4().hex[:8]}") as url:
        await asyncio.to_thread(migrate_when_there, "evidence", url)
        database = await Database.connect(url)
        async with database.connection() as connection:
            for tenant in ("short", "long", "other"):
                await _fill(connection, tenant)
        yield database
        await database.close()


async def _fill(connection: Connection, tenant: str) -> None:
    for days in DAYS:
        at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
        for status in ("quarantined", "parked"):
            await connection.execute(
                "insert into quarantine (quarantine_id, tenant, status, reason, pointer, detail, way, original, attempts,"
                " received_at) values ($1, $2, $3, 'invalid', '', '', 'http', 'x', 1, $4)",
                uuid.uuid4(), tenant, status, at,
            )  # fmt: skip
        await connection.execute(
            "insert into xapi_statement (statement_key, tenant, source, digest, outcome, received_at, learner_source_id, body)"
            " values ($1, $2, 's', 'd', 'ignored', $3, 'l', 'said')",
            uuid.uuid4(), tenant, at,
        )  # fmt: skip
        await connection.execute(
            "insert into kept_event (event_key, tenant, source, form, reason, received_at, people, body)"
            " values ($1, $2, 's', 'caliper', 'r', $3, '{l}', 'said')",
            uuid.uuid4(), tenant, at,
        )  # fmt: skip
        for act in ("intake", "erasure"):
            await connection.execute(
                "insert into access_log (tenant, at, person, act, target) values ($1, $2, 'p', $3, 't')",
                tenant,
                at,
                act,
            )


async def _kept(database: Database) -> dict[str, tuple[int, ...]]:
    """Return of each tenant how many pieces are quarantined and parked, statements and events whole, accesses, erasures."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select t.tenant, (select count(*) from quarantine q where q.tenant = t.tenant and status = 'quarantined'),"
            " (select count(*) from quarantine q where q.tenant = t.tenant and status = 'parked'),"
            " (select count(*) filter (where body is not null and learner_source_id is not null) from xapi_statement x"
            "   where x.tenant = t.tenant),"
            " (select count(*) filter (where body is not null and people <> '{}') from kept_event k where k.tenant = t.tenant),"
            " (select count(*) from access_log a where a.tenant = t.tenant and act = 'intake'),"
            " (select count(*) from access_log a where a.tenant = t.tenant and act = 'erasure')"
            " from unnest(array['short', 'long', 'other']) t (tenant)"
        )
        ids = await connection.fetchval(
            "select (select count(*) from xapi_statement) + (select count(*) from kept_event)"
        )
    assert ids == 2 * 3 * len(DAYS)  # ids stay taken, or what is sent again would be new
    return {row[0]: tuple(row[1:]) for row in rows}


async def _limits(database: Database, settings: Settings, own: dict[str, Limits]) -> TenantLimits:
    limits = TenantLimits(database, settings, (ORIGINALS, ACCESSES))
    for tenant, given in own.items():
        await limits.set(tenant, given)
    return limits


async def test_each_tenant_keeps_what_is_beside_the_record_for_its_own_days(evidence: Database) -> None:
    own = {
        "short": Limits(originals_kept_days=30, accesses_kept_days=30),
        "long": Limits(originals_kept_days=365, accesses_kept_days=0),
    }
    limits = await _limits(evidence, Settings(), own)
    removed = await Retention(evidence, limits, EXPIRIES).expire()
    again = await Retention(evidence, limits, EXPIRIES).expire()

    everything = (2, 2, 2, 2, 2, 2)
    assert await _kept(evidence) == {"short": (1, 2, 1, 1, 1, 2), "long": everything, "other": everything}
    assert (removed, again) == (4, 0)


async def test_what_an_installation_sets_holds_for_tenants_without_their_own(evidence: Database) -> None:
    retention.ROWS, rows = 1, retention.ROWS
    try:
        limits = await _limits(evidence, Settings(accesses_kept_days=30), {"long": Limits(accesses_kept_days=0)})
        removed = await Retention(evidence, limits, EXPIRIES).expire()
    finally:
        retention.ROWS = rows
    kept = await _kept(evidence)

    assert {tenant: counts[4:] for tenant, counts in kept.items()} == {"short": (1, 2), "long": (2, 2), "other": (1, 2)}
    assert removed == 2


async def test_who_looked_is_kept_for_its_days_too(postgres: str) -> None:
    async with new_database(postgres, f"ret_{uuid.uuid4().hex[:8]}") as url:
        await asyncio.to_thread(migrate_when_there, "reporting", url)
        database = await Database.connect(url)
        async with database.connection() as connection:
            await rights.note_access(connection, "t", "p", "teacher", "record", "old", ["l"])
            await connection.execute("update access_log set at = now() - interval '40 days'")
            await rights.note_access(connection, "t", "p", "teacher", "record", "new", ["l"])
        limits = await _limits(database, Settings(accesses_kept_days=30), {})
        await Retention(database, limits, {ACCESSES: (rights.expire_accesses,)}).expire()
        async with database.connection() as connection:
            left = [row["target"] for row in await rights.accesses(connection, "t", None, 1 << 60, 10)]
        await database.close()

    assert left == ["new"]
