"""A database whose shards are split: every event in one shard at the position that it had, and everybody goes on from there."""

import random

from shared import ownership
from shared.database import Connection, Database
from shared.event_log import EventLog, Head
from shared.events import RESHARDED, Draft, decode_envelope, envelope
from shared.reconciliation import Tally
from shared.resharding import Split, go_on, place_names, split_logs
from shared.shards import shard_of
from tests.shared.test_event_log import read_all
from tests.support.cloudevents import check_cloudevent

OLD = 2
SUBJECTS = [f"learner-{number}" for number in range(40)]
WIDE = """position(convert_to('"subject":"everybody"', 'UTF8') in t.body) > 0"""


def draft(shard: int, number: int, subject: str) -> Draft:
    body = envelope(id=str(number), source="test", type="attain.test.v1", tenant="t", subject=subject,
                    time="2026-01-01T00:00:00.000000Z", data=b"{}")  # fmt: skip
    return Draft(shard, "t", subject, body)


async def filled(connection: Connection) -> EventLog:
    """Return a log of two shards with events of forty learners, one for everybody in each shard, and one of somebody erased."""
    log = EventLog("test", OLD)
    await connection.execute("truncate event_log, log_head, relay_cursor, consumer_shard, counted_block")
    await log.prepare(connection)
    await ownership.prepare(connection, "reader", "test", OLD)
    chance = random.Random(1)
    subjects = [chance.choice(SUBJECTS) for _ in range(200)]
    await log.append(connection, [draft(shard_of("t", s, OLD), n, s) for n, s in enumerate(subjects)])
    await log.append(connection, [draft(shard, 1000 + shard, "everybody") for shard in range(OLD)])
    await log.redact(connection, shard_of("t", subjects[0], OLD), "t", subjects[0])
    await connection.execute(
        "update consumer_shard c set pos = h.pos, next_offset = 9 from log_head h where h.shard = c.shard"
    )
    await connection.execute("update relay_cursor set pos = 5")
    return log


async def split(database: Database, how: Split) -> EventLog:
    async with database.transaction() as connection:
        await place_names(connection, how, "select tenant, subject from event_log")
        await split_logs(connection, how, WIDE)
        await go_on(connection, how)
    return EventLog("test", how.new)


async def test_every_event_is_in_the_shard_of_its_learner_at_its_position_and_no_other(database: Database) -> None:
    async with database.connection() as connection:
        log = await filled(connection)
        heads = await log.heads(connection)
        before_counts = await Tally("test").at(connection, {s: head.pos for s, head in heads.items()})
    before = {(e.shard, e.pos): decode_envelope(e.body) for e in await read_all(database, log)}

    for how in (Split(2, 6, 2), Split(6, 12, 3)):
        log = await split(database, how)
        async with database.connection() as connection:
            after_heads = await log.heads(connection)
            places = await ownership.places(connection, "reader", range(how.new))
            cursors = await connection.fetch("select pos from relay_cursor")
            counts = await Tally("test").at(connection, {s: head.pos for s, head in after_heads.items()})
            await log.prepare(connection)
        stored = [e.body for e in await read_all(database, log)]
        entries = [decode_envelope(body) for body in stored]
        said = [event for event in entries if not event.type.endswith(RESHARDED)]
        own = [event for event in said if event.subject != "everybody" and not event.type.endswith(".redacted.v1")]

        sent = [check_cloudevent(body) for body in stored]
        held = [event["id"] for event in sent if event["type"].endswith(RESHARDED)]
        assert len({*held}) == len(held) > 0, "readers take two events of one id and source for the same"
        assert after_heads == {shard: Head(how.generation, heads[shard % OLD].pos) for shard in range(how.new)}
        for shard in range(how.new):
            mine = [event.position for event in entries if event.shard == shard]
            assert mine == list(range(1, after_heads[shard].pos + 1))
        assert all(event.shard == shard_of("t", event.subject, how.new) for event in own)
        assert all(event.id == before[event.shard % OLD, event.position].id for event in said)
        for kind in (".redacted.v1", ".test.v1"):
            once = [e for e in said if e.type.endswith(kind) and e.subject != "everybody"]
            assert len(once) == sum(e.type.endswith(kind) and e.subject != "everybody" for e in before.values()) > 0
        assert sum(event.subject == "everybody" for event in said) == how.new
        assert {(p.generation, p.pos == after_heads[p.shard].pos) for p in places} == {(how.generation, True)}
        assert [p.next_offset for p in sorted(places)] == [9] * OLD + [0] * (how.new - OLD)
        assert {row["pos"] for row in cursors} == {0}
        assert counts["t"] == before_counts["t"] + how.new - OLD
        assert set(counts) == {"t"}


async def test_a_split_log_is_appended_to_behind_its_positions(database: Database) -> None:
    async with database.connection() as connection:
        heads = await (await filled(connection)).heads(connection)
    log = await split(database, Split(OLD, 4, 2))
    async with database.transaction() as connection:
        positions = await log.append(connection, [draft(shard, 5000 + shard, "new") for shard in range(4)])

    assert positions == [heads[shard % OLD].pos + 1 for shard in range(4)]
