"""
The peer that does the same work: Quix Streams, exactly-once, around Attain's own fold, with a store and topics of its own.

It keeps what progression keeps (each piece in a journal, each state, each learner's standing) and tells what progression tells
(each state with its explanation, each public event by its id), message by message, as that framework works. Runs in the
peer's environment with the product's packages behind it: python quix_hosting.py BROKER TOPIC OUTPUT STATE_DIR EVENTS DATABASE
TENANT; prints how many advanced and events a second.
"""

import asyncio
import sys
import time
from typing import Any

import asyncpg
from quixstreams import Application

from services.progression.domain.entry import Entry
from services.progression.domain.inputs import decode, input_of
from services.progression.domain.journal import JournalEntry, pack_entries
from services.progression.domain.policy import Policy
from services.progression.domain.rules import Rules
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.telling import Told
from services.progression.handlers.memory import pack, standing_in, unpack_key
from services.progression.handlers.rules import policies_of, rules_of
from shared.contracts.internal_events import MASTERY_UPDATED
from shared.events import decode_envelope, encode_json, envelope

STANDING = "standing"


class Hosted:
    """Attain's fold as a function of one message and its key's state."""

    def __init__(self, rules: dict[str, Rules], policies: dict[str, Policy]) -> None:
        self._rules = rules
        self._policies = policies
        self.advanced = 0
        self.first = self.last = 0.0

    def __call__(self, body: bytes, state: Any) -> list[bytes]:
        """Fold a message; return the events that it makes."""
        self.last = time.perf_counter()
        self.first = self.first or self.last
        event = decode_envelope(body)
        decoded = decode(event.type, event.data)
        assert decoded is not None, event.type
        item = input_of(event.tenant, event.id, event.position, event.time, decoded)
        entry = JournalEntry(event.position, event.type, event.id, event.position, event.time, event.data)
        state.set_bytes(f"journal {event.position}", pack_entries([entry]))
        entries = {}
        for key in item.keys:
            stored = state.get_bytes(key[2])
            if stored is not None:
                entries[key] = Entry(unpack_key(stored), self._rules[event.tenant].no)
        fold = ShardFold(entries, self._rules, self._policies)
        fold.fold(item)
        described = fold.describe_touched()
        told: list[Told] = []
        if fold.changes.noted:
            standing = standing_in(state.get_bytes(STANDING))
            told = fold.tell({item.learner: standing})
            state.set_bytes(STANDING, pack(standing))
        assert not fold.blocked, fold.blocked
        for key in fold.touched:
            state.set_bytes(key[2], pack(entries[key].state))
        self.advanced += len(told)
        events = [
            envelope(id=f"{event.position}.{number}", source="progression", type=MASTERY_UPDATED, tenant=event.tenant,
                     subject=event.subject, time=event.time, data=encode_json(updated))
            for number, updated in enumerate(described.values())
        ]  # fmt: skip
        return events + [
            envelope(id=one.id, source="progression", type=one.type, tenant=one.tenant, subject=one.learner, time=one.time,
                     data=encode_json(one.data), cause=one.data["cause"]["id"])
            for one in told
        ]  # fmt: skip


async def in_force(database: str, tenant: str) -> tuple[dict[str, Rules], dict[str, Policy]]:
    """Return the rules and policies of a tenant, from progression's database."""
    connection = await asyncpg.connect(database)
    try:
        return {tenant: await rules_of(connection, tenant, None)}, await policies_of(connection, tenant)
    finally:
        await connection.close()


def main() -> None:
    """Fold the topic once, until nothing comes any more."""
    broker, topic, output, state_dir, events, database, tenant = sys.argv[1:]
    hosted = Hosted(*asyncio.run(in_force(database, tenant)))
    app = Application(
        broker_address=broker, consumer_group=output, processing_guarantee="exactly-once",
        auto_offset_reset="earliest", state_dir=state_dir, commit_interval=1.0, loglevel="WARNING",
    )  # fmt: skip
    told = app.topic(output, value_serializer="bytes")
    frame = app.dataframe(app.topic(topic, value_deserializer="bytes", key_deserializer="str"))
    frame = frame.apply(hosted, stateful=True, expand=True)
    frame.to_topic(told)
    app.run(timeout=5, collect=False)
    print(hosted.advanced, int(events) / (hosted.last - hosted.first))


main()
