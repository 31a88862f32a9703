"""A database of the first schema, with data in it, is brought to the next one and reconciles from then on."""

import asyncio
import datetime
import importlib
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config

from services.evidence.tables import counts, rollovers
from shared.events import encode_json
from shared.migrate import migrate, migrate_when_there
from shared.revisions import Schema, newer_schema, revisions, schema_fault, schema_of
from tests.support.servers import SERVICES, Servers, columns_of, new_database


def migrate_to(service: str, url: str, revision: str, *, back: bool = False) -> None:
    """Run a service's history up, or back, to a revision."""
    package = importlib.import_module(f"services.{service}")
    config = Config()
    config.set_main_option("script_location", str(Path(package.__path__[0]) / "migrations"))
    config.attributes["url"] = url
    config.attributes["metadata"] = importlib.import_module(f"services.{service}.tables.schema").metadata
    (command.downgrade if back else command.upgrade)(config, revision)


@pytest.mark.parametrize("service", SERVICES)
async def test_the_history_makes_the_schema_of_the_tables(server_addresses: Servers, service: str) -> None:
    metadata = importlib.import_module(f"services.{service}.tables.schema").metadata
    async with new_database(server_addresses.postgres, f"mig_{service}") as url:
        await asyncio.to_thread(migrate_to, service, url, "0001")
        await asyncio.to_thread(migrate, service, url)
        there = await columns_of(url)

    assert there == {(table.name, column.name) for table in metadata.tables.values() for column in table.columns}


async def test_a_version_that_was_rolled_back_to_leaves_a_newer_schema_as_it_is(server_addresses: Servers) -> None:
    """Installations migrate before they start what serves: where that failed nothing would start at all."""
    async with new_database(server_addresses.postgres, "mig_newer") as url:
        await asyncio.to_thread(migrate, "evidence", url)
        connection = await asyncpg.connect(url)
        await connection.execute("update alembic_version set version_num = '9999'")
        told = await asyncio.to_thread(migrate, "evidence", url)
        there = await connection.fetchval("select version_num from alembic_version")
        await connection.close()

    assert told.startswith("schema 9999, which is newer than this version")
    assert told.endswith("stays as it is")
    assert there == "9999"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_replica_that_is_not_upgraded_yet_may_be_started_again_once_the_schema_is(
    server_addresses: Servers, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node may go away in the middle of an upgrade, or before one that never gets ready is taken back."""
    *known, before, newest = revisions(service)
    found = []
    async with new_database(server_addresses.postgres, f"mig_restart_{service}") as url:
        connection = await asyncpg.connect(url)
        await asyncio.to_thread(migrate_to, service, url, before)
        for _ in range(2):
            await asyncio.to_thread(migrate, service, url)
            found.append(await schema_of(connection))
        await connection.close()

    assert found == [Schema(newest, before)] * 2, "also once what is migrated already is migrated again"
    for version, starts in ((known, False), ([*known, before], True), ([*known, before, newest], True)):
        monkeypatch.setattr("shared.revisions.revisions", lambda _, version=version: version)
        assert (schema_fault(service, found[-1], allow_newer=False) == "") is starts
        assert bool(newer_schema(service, found[-1])) is (version[-1] != newest)


async def test_a_migration_that_waits_for_what_waits_for_it_begins_anew(server_addresses: Servers) -> None:
    """Services write meanwhile, in an order of their own: an upgrade must not end by that."""
    blocked = "select count(*) from pg_locks where not granted and relation = 'event_log'::regclass"
    async with new_database(server_addresses.postgres, "mig_deadlock") as url:
        await asyncio.to_thread(migrate_to, "evidence", url, "0021")
        writer, other = await asyncpg.connect(url), await asyncpg.connect(url)
        # That the server gives up on the other.
        await writer.execute("set deadlock_timeout = '1min'")
        async with writer.transaction():
            await writer.execute("lock table event_log in row exclusive mode")
            migrating = asyncio.create_task(asyncio.to_thread(migrate_when_there, "evidence", url))
            while not await other.fetchval(blocked):
                await asyncio.sleep(0.01)
            await writer.execute("lock table evidence in row exclusive mode")
        told = await migrating
        there = await schema_of(other)
        for connection in (writer, other):
            await connection.close()

    assert (told, there) == ("schema is current", Schema(revisions("evidence")[-1], "0021"))


async def test_evidence_that_is_there_is_counted_once(server_addresses: Servers) -> None:
    async with new_database(server_addresses.postgres, "mig_counts") as url:
        await asyncio.to_thread(migrate_to, "evidence", url, "0001")
        connection = await asyncpg.connect(url)
        for tenant, state, relation in (
            ("a", 2, None), ("a", 2, None), ("a", 3, None), ("a", 2, "supersedes"), ("a", 1, None), ("a", 0, None),
            ("b", 2, None),
        ):  # fmt: skip
            await connection.execute(
                "insert into evidence (evidence_id, tenant, source, state, relation, valid)"
                " values (gen_random_uuid(), $1, 's', $2, $3, true)", tenant, state, relation,
            )  # fmt: skip
        await connection.execute(
            "insert into event_log select 'evidence', 0, n, 'a', 's', '' from generate_series(1, 4) n"
        )
        await asyncio.to_thread(migrate, "evidence", url)
        found = await counts.totals(connection)
        await connection.close()

    assert found == {
        "a": {"received": 5, "accepted": 3, "duplicate": 0, "corrected": 1, "parked": 1, "rejected": 0, "events": 4},
        "b": {"received": 1, "accepted": 1, "duplicate": 0, "corrected": 0, "parked": 0, "rejected": 0, "events": 0},
    }


async def test_what_a_school_year_ended_is_found_by_digests_after_the_upgrade(server_addresses: Servers) -> None:
    """The keys themselves name learners, who may be forgotten."""
    kind, keys = "attain.roster.enrolment.v1", ["c 1\x1fada", 'c "2"\x1fben']
    async with new_database(server_addresses.postgres, "mig_rollover") as url:
        await asyncio.to_thread(migrate_to, "evidence", url, "0023")
        connection = await asyncpg.connect(url)
        for session, ended in (("year", keys), ("none", [])):
            await connection.execute(
                "insert into rollover (tenant, session, ended, done_by) values ('a', $1, $2, 'x')",
                session, encode_json([(kind, key) for key in ended]),
            )  # fmt: skip
        for key in keys:
            await connection.execute("insert into roster_fact values ('a', $1, $2, 'l', '')", kind, key)
        await asyncio.to_thread(migrate, "evidence", url)
        kept = await connection.fetch("select convert_from(ended, 'UTF8') from rollover")
        now = datetime.datetime.now(datetime.UTC)
        noted = [await rollovers.undo(connection, "a", session, now) for session in ("year", "none")]
        found = [await rollovers.facts(connection, "a", each or []) for each in noted]
        await connection.close()

    assert [name for row in kept for name in ("ada", "ben") if name in row[0]] == []
    assert [[row["key"] for row in rows] for rows in found] in ([keys, []], [keys[::-1], []])


async def test_journal_rows_are_counted_as_the_fold_counts_them(server_addresses: Servers) -> None:
    """Each event of the evidence log once, however many keys it concerns; decisions and ticks not at all."""
    recorded, decided, ticked = "attain.evidence.recorded.v1", "attain.decision.competency.v1", "attain.clock.ticked.v1"
    rows = [
        (0, 3, 0, "a", [[1, recorded], [2, decided], [3, recorded]]),
        (0, 3, 1, "b", [[1, recorded]]),
        (0, 4, 0, "b", [[4, ticked]]),
        (1, 1, 0, "a", [[1, recorded]]),
    ]  # fmt: skip
    async with new_database(server_addresses.postgres, "mig_journal") as url:
        await asyncio.to_thread(migrate_to, "progression", url, "0003")
        connection = await asyncpg.connect(url)
        for shard, batch, no, competency, entries in rows:
            body = encode_json([(pos, kind, "id", pos, "2026-01-01T00:00:00.000000Z", {}) for pos, kind in entries])
            await connection.execute(
                "insert into journal values ($1, $2, $3, 't', 'l', $4, $5)", shard, batch, no, competency, body
            )
        await asyncio.to_thread(migrate, "progression", url)
        found = await connection.fetch("select shard, batch, no, events from journal order by shard, batch, no")
        await connection.close()

    assert [tuple(row) for row in found] == [(0, 3, 0, 2), (0, 3, 1, 0), (0, 4, 0, 0), (1, 1, 0, 1)]


async def test_what_reporting_folded_before_counting_began_is_left_out_of_both_sides(server_addresses: Servers) -> None:
    async with new_database(server_addresses.postgres, "mig_began") as url:
        await asyncio.to_thread(migrate_to, "reporting", url, "0001")
        connection = await asyncpg.connect(url)
        await connection.execute(
            "insert into consumer_shard (consumer, shard, log, pos) values ('reporting-mastery-v1', 0, 'progression', 0),"
            " ('reporting-mastery-v1', 1, 'progression', 7), ('reporting-roster-v1', 1, 'roster', 3)"
        )
        await asyncio.to_thread(migrate, "reporting", url)
        rows = await connection.fetch("select shard, tenant, events from folded_count")
        await connection.close()

    assert [tuple(row) for row in rows] == [(1, "", -7)]


async def test_a_read_model_that_joins_after_a_restore_follows_the_generation_of_the_others(
    server_addresses: Servers,
) -> None:
    async with new_database(server_addresses.postgres, "mig_generation") as url:
        await asyncio.to_thread(migrate_to, "reporting", url, "0014")
        connection = await asyncpg.connect(url)
        await connection.execute(
            "insert into consumer_shard (consumer, shard, log, generation, pos)"
            " select 'reporting-advancement-v1', s, 'advancement', 3, 40 from generate_series(0, 1) s"
        )
        await asyncio.to_thread(migrate, "reporting", url)
        rows = await connection.fetch(
            "select shard, log, generation, pos from consumer_shard where consumer = 'reporting-support-v1' order by 1"
        )
        await connection.close()

    assert [tuple(row) for row in rows] == [(0, "support", 3, 0), (1, "support", 3, 0)]


async def test_what_an_earlier_edition_of_a_fold_has_made_is_of_the_first_and_is_rebuilt_by_itself(
    server_addresses: Servers,
) -> None:
    """
    A roster that lacks when learners came, any curriculum, any states, and queues beside a withdrawal or in which something ever
    waited; not what was rebuilt by hand, or what nothing was told of.
    """
    async with new_database(server_addresses.postgres, "mig_editions") as url:
        await asyncio.to_thread(migrate_to, "reporting", url, "0019")
        connection = await asyncpg.connect(url)
        await connection.execute(
            "insert into enrolment_v1 (tenant, class, learner, active) values ('t', 'c', 'l', true);"
            "insert into competency_v1 (tenant, framework, version, code, title, ordinal, power, position)"
            " values ('t', 'm', 'v', 'a', 'A', 1, false, 1);"
            "insert into advancement_v1"
            " values ('t', 'l', 1, 'e', 'competency.withdrawn', 'competency', 'm:a', 'm', 64, '', '', '');"
            "insert into waiting_v1 (tenant, learner, scope, queue, opened_at, owner, detail)"
            " values ('t', 'l', 'm#/1', 'sign_off', '2026-01-01', 'teacher', '');"
            "insert into mastery_v1 (tenant, learner, competency, status, evidence_count, seq, data)"
            " values ('t', 'l', 'm:a', 'mastered', 1, 64, '')"
        )
        found = []
        for more in (
            "insert into enrolment_change_v1 values ('t', 'c', 'l', '2026-01-01', true)",
            "truncate competency_v1, advancement_v1",
            "truncate waiting_v1, mastery_v1",
        ):
            await asyncio.to_thread(migrate, "reporting", url)
            rows = await connection.fetch("select name, edition from read_model where edition > 1 order by 1")
            found.append([tuple(row) for row in rows])
            await asyncio.to_thread(migrate_to, "reporting", url, "0019", back=True)
            await connection.execute(more)
        await asyncio.to_thread(migrate, "reporting", url)
        rows = await connection.fetch("select name, edition from read_model where edition > 1 order by 1")
        await connection.close()

    assert found == [[], [("roster", 3)], [("curriculum", 2), ("roster", 3)]]
    assert [tuple(row) for row in rows] == [("advancement", 3), ("curriculum", 2), ("mastery", 2), ("roster", 3)]
