"""Reads what the journal has of one key, to explain its status now or at an earlier moment."""

from itertools import chain

from services.progression.domain.as_of import Explained, explain_as_of
from services.progression.domain.curriculum import framework_of
from services.progression.domain.inputs import Key, decode, input_of
from services.progression.domain.journal import unpack_entries
from services.progression.handlers.rules import activations_of
from services.progression.tables import journals
from shared.database import Database
from shared.shards import shard_of


async def explain(database: Database, shards: int, key: Key, as_of: str | None) -> Explained | None:
    """Explain a key's status; see `explain_as_of`."""
    tenant, learner, competency = key
    async with database.instant() as connection:
        rows = await journals.load_evidence(connection, [key])
        shard = shard_of(tenant, learner, shards)
        activations = await activations_of(connection, tenant, shard, framework_of(competency))
    inputs = []
    for entry in chain.from_iterable(unpack_entries(row["body"]) for row in rows):
        event = decode(entry.type, entry.data) if as_of is None or entry.time <= as_of else None
        if event is not None:
            inputs.append(input_of(tenant, entry.id, entry.pos, entry.time, event))
    return explain_as_of(key, inputs, activations, as_of)
