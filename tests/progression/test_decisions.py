"""Decisions that are asked for again: nothing is decided twice, and the answer waits for the same."""

import secrets

from services.progression.handlers.decisions import Decisions
from services.progression.handlers.logs import Logs
from shared.database import Database
from shared.settings import Settings
from tests.support.frameworks import read_csv
from tests.support.servers import Servers

SHARDS = 8
POLICY = b'{"id": "twice", "method": {"type": "streak", "n": 2}}'


async def test_a_repeated_decision_waits_for_the_same_positions_as_the_first(servers: Servers):
    assert servers.stack is not None
    database = await Database.connect(servers.stack.databases["progression"])
    decisions = Decisions(database, Logs(SHARDS), Settings(shards=SHARDS))
    tenant = f"twice-{secrets.token_hex(3)}"
    first, _, told = await decisions.set_policy(tenant, POLICY, "")
    again, _, told_again = await decisions.set_policy(tenant, POLICY, "")
    framework, _ = read_csv("f", "", "code,title\na,A\n", "")
    _, published = await decisions.publish_framework(tenant, framework)
    _, published_again = await decisions.publish_framework(tenant, framework)
    await database.close()

    assert again.hash == first.hash
    assert sorted(told) == list(range(SHARDS))
    assert told_again == told
    assert published_again == published
