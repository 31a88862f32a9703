"""The journal whose shards are split: dense in every shard, each learner's inputs in one, decisions for all in each."""

import uuid
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest_asyncio

from services.progression.domain.journal import JournalEntry, in_order, pack_entries
from services.progression.tables.resharding import split
from services.progression.tables.schema import metadata
from shared.events import RESHARDED
from shared.resharding import Split
from shared.shards import shard_of
from tests.support.producer import create_tables
from tests.support.servers import Servers, new_database

OLD, BATCHES, TICKED = 2, 6, "attain.clock.ticked.v1"
LEARNERS = [f"00000000-0000-4000-8000-{number:012}" for number in range(12)]
EMPTIED = "attain.evidence.redacted.v1"


@pytest_asyncio.fixture
async def connection(server_addresses: Servers) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A database of progression with two shards of journal: all kinds of rows in six batches each."""
    async with new_database(server_addresses.postgres, f"reshard_{uuid.uuid4().hex[:8]}") as url:
        await create_tables(url, metadata)
        opened = await asyncpg.connect(url)
        for shard in range(OLD):
            await _fill(opened, shard)
        yield opened
        await opened.close()


async def _fill(connection: "asyncpg.Connection[asyncpg.Record]", shard: int) -> None:
    mine = [learner for learner in LEARNERS if shard_of("t", learner, OLD) == shard]
    pos = evidence = inbox = 0
    rows: list[tuple[object, ...]] = []
    for _ in range(BATCHES):
        groups: list[tuple[str, str, list[JournalEntry]]] = []
        for number, learner in enumerate(mine):
            entries = []
            for kind in ("attain.evidence.recorded.v1", TICKED if number == 0 else "attain.evidence.retracted.v1"):
                pos += 1
                evidence += kind != TICKED
                at = evidence if kind != TICKED else 0
                entries.append(
                    JournalEntry(pos, kind, f"{kind}-{pos}", at, "2026-01-01", msgspec.Raw(b'{"a":"\\u0000"}'))
                )
            # Of two competencies: both rows have the inputs.
            groups += [(learner, "math:c0", entries), (learner, "math:c1", entries)]
        pos, inbox = pos + 1, inbox + 1
        decided = JournalEntry(
            pos, "attain.decision.policy_activated.v1", f"d{pos}", inbox, "2026-01-01", msgspec.Raw(b"{}")
        )
        pos, evidence = pos + 1, evidence + 1
        emptied = JournalEntry(pos, EMPTIED, "", evidence, "2026-01-01", msgspec.Raw(b"{}"))
        groups += [("", "", [decided]), ("", "", [emptied])]
        for no, (learner, competency, entries) in enumerate(groups):
            rows.append((shard, pos, no, "t", learner, competency, pack_entries(entries), 0))
    await connection.copy_records_to_table("journal_rows", records=rows)
    for learner in mine:
        await connection.execute("insert into mastery values ('t', $1, 'math:c0', $2, 1, '')", learner, shard)
    await connection.execute(
        "insert into activation (shard, tenant, no, input_id, pos, time, framework, policy, version)"
        " values ($1, 't', 1, 'a', 1, '', '', '', '')",
        shard,
    )


async def test_every_shard_has_every_position_and_each_learner_is_in_one(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    async def read(shard: int) -> list[tuple[JournalEntry, str, str, list[str]]]:
        return list(
            in_order(await connection.fetch("select * from journal where shard = $1 order by batch, no", shard))
        )

    before = {shard: await read(shard) for shard in range(OLD)}
    for how in (Split(2, 4, 2), Split(4, 12, 3)):
        async with connection.transaction():
            await split(connection, how, lambda _: None)
        after = {shard: await read(shard) for shard in range(how.new)}
        states = await connection.fetch("select learner, shard from mastery")
        activated = await connection.fetch("select shard from activation order by shard")

        for shard, entries in after.items():
            was = before[shard % OLD]
            assert (
                [entry.pos for entry, *_ in entries] == [entry.pos for entry, *_ in was] == list(range(1, len(was) + 1))
            )
            for (entry, tenant, learner, competencies), old in zip(entries, was, strict=True):
                if entry.type.endswith(RESHARDED):
                    origin = "evidence" if old[0].type.startswith("attain.evidence.") else "decision"
                    assert (entry.type, tenant, learner) == (f"attain.{origin}{RESHARDED}", "", "")
                    assert (entry.input_pos, bytes(entry.data)) == (old[0].input_pos, b"{}")
                    assert (old[2] and shard_of("t", old[2], how.new) != shard) or old[0].type == EMPTIED
                else:
                    assert (entry, tenant, learner, sorted(competencies)) == (old[0], old[1], old[2], sorted(old[3]))
                    assert not learner or shard_of("t", learner, how.new) == shard
        assert sum(e.type == EMPTIED for entries in after.values() for e, *_ in entries) == OLD * BATCHES
        decided = [
            s for s, entries in after.items() for e, *_ in entries if e.type.startswith("attain.decision.policy")
        ]
        assert sorted(decided) == sorted([*range(how.new)] * BATCHES)
        assert all(row["shard"] == shard_of("t", row["learner"], how.new) for row in states)
        assert [row["shard"] for row in activated] == list(range(how.new))
