"""What is kept beside the record goes after its days, each tenant's own, and nothing else does."""

import asyncio
import datetime
import uuid
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
import pytest_asyncio

from services.evidence.app import EXPIRIES
from services.progression.app import EXPIRIES as OF_PROGRESSION
from services.progression.domain.subscribing import Subscription
from services.progression.tables import webhooks
from services.reporting.app import EXPIRIES as OF_REPORTING
from services.reporting.tables import rights
from shared import expiry, retention
from shared.auth import Authenticator
from shared.database import Connection, Database
from shared.migrate import migrate_when_there
from shared.retention import Retention
from shared.settings import Settings
from shared.tenant_limits import Limits, TenantLimits, limit_tenants
from shared.web import make_app
from tests.support.servers import new_database

DAYS = (1, 40)
"""The ages of what every tenant has of each kind."""
ORIGINALS, ACCESSES, DELIVERIES = "originals_kept_days", "accesses_kept_days", "deliveries_kept_days"


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


async def _fill(connection: Connection, tenant: str, ages: Sequence[int] = DAYS) -> None:
    for days in ages:
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


async def _noted(database: Database) -> dict[str, list[tuple[str, str, int, int, int]]]:
    """Return of each tenant what was removed: its kind, setting and days, how many, and how many days ago the newest was."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select tenant, kind, setting, days, rows, (now() at time zone 'UTC')::date - until as ago from expiry_log"
            " where day = (now() at time zone 'UTC')::date order by tenant, kind"
        )
        assert len(rows) == await connection.fetchval("select count(*) from expiry_log")
    noted: dict[str, list[tuple[str, str, int, int, int]]] = {}
    for tenant, *entry in rows:
        noted.setdefault(tenant, []).append(tuple(entry))
    return noted


async def _limits(database: Database, settings: Settings, own: dict[str, Limits]) -> TenantLimits:
    limits = TenantLimits(database, settings, (ORIGINALS, ACCESSES, DELIVERIES))
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
    originals = [(kind, ORIGINALS, 30, 1, 40) for kind in ("events", "quarantined", "statements")]
    assert await _noted(evidence) == {"short": [("accesses", ACCESSES, 30, 1, 40), *originals]}


async def test_a_service_that_starts_removes_by_what_each_tenant_has_set_before(
    evidence: Database, local: Settings
) -> None:
    config = local.model_copy(update={ORIGINALS: 30, ACCESSES: 30})
    await _limits(evidence, config, {"long": Limits(originals_kept_days=0, accesses_kept_days=365)})
    app = make_app("evidence", "", Authenticator(config), None)
    limits = await limit_tenants(app, evidence, config, ORIGINALS, ACCESSES)
    await Retention(evidence, limits, EXPIRIES).expire()
    kept = await _kept(evidence)

    assert kept["long"] == (2, 2, 2, 2, 2, 2)
    assert kept["other"] == (1, 2, 1, 1, 1, 2)


async def test_a_limit_that_a_later_release_has_set_is_passed_over(evidence: Database) -> None:
    limits = await _limits(evidence, Settings(), {"short": Limits(originals_kept_days=30)})
    async with evidence.connection() as connection:
        await connection.execute("insert into tenant_limit values ('short', 'of_a_later_release', '1')")
    await limits.read()

    assert limits.of("short", ORIGINALS) == 30


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
    assert await _noted(evidence) == {tenant: [("accesses", ACCESSES, 30, 1, 40)] for tenant in ("other", "short")}


async def test_what_is_removed_on_one_day_is_one_entry_with_the_last_day_of_it(evidence: Database) -> None:
    retention.ROWS, rows = 1, retention.ROWS
    limits = await _limits(evidence, Settings(), {"short": Limits(originals_kept_days=30)})
    try:
        await Retention(evidence, limits, EXPIRIES).expire()
        async with evidence.connection() as connection:
            await _fill(connection, "short", (33, 35))
        await Retention(evidence, limits, EXPIRIES).expire()
    finally:
        retention.ROWS = rows

    assert await _noted(evidence) == {
        "short": [(kind, ORIGINALS, 30, 3, 33) for kind in ("events", "quarantined", "statements")]
    }


async def test_nothing_is_removed_that_is_not_noted(evidence: Database) -> None:
    limits = await _limits(evidence, Settings(accesses_kept_days=30), {})
    before = await _kept(evidence)
    async with evidence.connection() as connection:
        await connection.execute("alter table expiry_log add check (rows = 0)")
    with pytest.raises(asyncpg.CheckViolationError):
        await Retention(evidence, limits, EXPIRIES).expire()

    assert await _kept(evidence) == before


async def test_who_looked_is_kept_for_its_days_too(postgres: str) -> None:
    async with new_database(postgres, f"ret_{uuid.uuid4().hex[:8]}") as url:
        await asyncio.to_thread(migrate_when_there, "reporting", url)
        database = await Database.connect(url)
        async with database.connection() as connection:
            await rights.note_access(connection, "t", "p", "teacher", "record", "old", ["l"])
            await connection.execute("update access_log set at = now() - interval '40 days'")
            await rights.note_access(connection, "t", "p", "teacher", "record", "new", ["l"])
        limits = await _limits(database, Settings(accesses_kept_days=30), {})
        await Retention(database, limits, OF_REPORTING).expire()
        async with database.connection() as connection:
            left = [row["target"] for row in await rights.accesses(connection, "t", None, 1 << 60, 10)]
        noted = await _noted(database)
        await database.close()

    assert left == ["new"]
    assert noted == {"t": [("accesses", ACCESSES, 30, 1, 40)]}


async def test_deliveries_of_webhooks_are_kept_for_the_days_of_their_tenant(postgres: str) -> None:
    async with new_database(postgres, f"ret_{uuid.uuid4().hex[:8]}") as url:
        await asyncio.to_thread(migrate_when_there, "progression", url)
        database = await Database.connect(url)
        async with database.connection() as connection:
            for tenant in ("short", "other"):
                hook = Subscription(tenant, tenant, "n", "http://r.example", "p", (), (), "", "k", b"s")
                await webhooks.add(connection, hook, "a", {})
                for _ in DAYS:
                    attempt = webhooks.Attempt("e", "t", 0, 1, 1, 200, "taken", 1)
                    await webhooks.log_attempt(connection, hook.id, attempt, 10)
            await connection.execute(
                "update webhook_delivery set at = now() - interval '40 days' where no in (select min(no) from webhook_delivery"
                " group by webhook)"
            )
        limits = await _limits(database, Settings(), {"short": Limits(deliveries_kept_days=30)})
        await Retention(database, limits, OF_PROGRESSION).expire()
        async with database.connection() as connection:
            left = await connection.fetch("select webhook, count(*) from webhook_delivery group by 1 order by 1")
        noted, page = await _noted(database), await _page(database, "short")
        elsewhere = await _page(database, "other")
        await database.close()

    assert [tuple(row) for row in left] == [("other", 2), ("short", 1)]
    assert noted == {"short": [("deliveries", DELIVERIES, 30, 1, 40)]}
    assert [(entry["kind"], entry["rows"], entry["setting"], entry["days"]) for entry in page] == [
        ("deliveries", 1, DELIVERIES, 30)
    ]
    assert elsewhere == []


async def _page(database: Database, tenant: str) -> list[asyncpg.Record]:
    async with database.connection() as connection:
        first = await expiry.page(connection, tenant, 0, 10)
        assert await expiry.page(connection, tenant, first[-1]["no"] if first else 0, 10) == []
    return first
