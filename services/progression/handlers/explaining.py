"""Reads what the journal has of one key, to explain its status now or at an earlier moment."""

from itertools import chain
from typing import Any

import msgspec

from services.progression import tables
from services.progression.as_of import Explained, explain_as_of
from services.progression.handlers.memory import read_framework
from services.progression.inputs import Key, decode, input_of
from services.progression.journal import unpack_entries
from services.progression.policy import Policy, policy_from
from services.progression.rules import Activation, cause_of
from services.progression.telling import Trigger
from shared.database import Database
from shared.shards import shard_of


async def explain(database: Database, shards: int, key: Key, as_of: str | None) -> Explained | None:
    """Explain a key's status; see `explain_as_of`."""
    async with database.connection() as connection:
        rows = await tables.load_evidence(connection, [key])
        activated = await tables.load_activations(connection, [shard_of(key[0], key[1], shards)])
    inputs = []
    for entry in chain.from_iterable(unpack_entries(row["body"]) for row in rows):
        event = decode(entry.type, entry.data) if as_of is None or entry.time <= as_of else None
        if event is not None:
            inputs.append(input_of(key[0], entry.id, entry.pos, entry.time, event))
    own = [row for row in activated if row["tenant"] == key[0]]
    policies = _policies(own)
    return explain_as_of(key, inputs, [_activation(row, policies) for row in own], as_of)


def _activation(row: Any, policies: dict[str, Policy]) -> Activation:
    trigger = Trigger(row["input_id"], row["pos"], row["time"], cause_of(row))
    graph = read_framework(row["framework_body"]) if row["framework_body"] is not None else None
    return Activation(row["no"], trigger, row["framework"], policies.get(row["policy"]), graph, row["time_zone"])


def _policies(activated: list[Any]) -> dict[str, Policy]:
    bodies = {row["policy"]: row["policy_body"] for row in activated if row["policy_body"] is not None}
    return {digest: policy_from(msgspec.json.decode(body)) for digest, body in bodies.items()}
