"""A plan whose day of review passes, over a real database: it wakes its shard, asks once, and is forgotten with its learner."""

import datetime
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest_asyncio

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import COMPETENCY_DECIDED, CompetencyDecided
from services.progression.domain.plans import Plan
from services.progression.handlers.planning import plans_of
from shared.contracts.internal_events import Competency
from shared.events import Draft, encode_json, envelope, now, utc
from tests.support.disposable import eventually
from tests.support.hand_fed import HandFed, hand_fed
from tests.support.journal import TENANT
from tests.support.servers import Servers

ADA = str(uuid.UUID(int=7))


@pytest_asyncio.fixture
async def progression(server_addresses: Servers) -> AsyncIterator[HandFed]:
    async with hand_fed(server_addresses) as made:
        await made.decisions.publish_framework(TENANT, Framework("math", "", (Competency("add", "Adding", 1),), ()))
        yield made


async def test_a_day_of_review_that_passes_wakes_the_shard_and_asks_once_and_the_plan_stands(
    progression: HandFed,
) -> None:
    soon = utc(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1))
    plan = Plan("accommodate", "iep", now()[:10], accommodations=("read_aloud",))
    made = CompetencyDecided(ADA, "math:add", "plan", "case_manager", "cm-1", "override", until=soon, plan=plan)
    await _put(progression, made)
    await eventually(lambda: _asked(progression))
    [asked] = await _bodies(progression, "support")
    [stands] = await plans_of(progression.database, TENANT, ADA)
    held = await _holds(progression)
    await progression.erase(ADA)
    await eventually(lambda: _forgotten(progression))

    assert (asked["need"], asked["owner"], asked["scope"]["id"]) == ("plan_review", "case_manager", "math:add")
    assert (stands.overdue, stands.accommodations, stands.by.ref) == (True, ("read_aloud",), "cm-1")
    assert held == {"journal", "mastery", "event_log"}
    assert await _holds(progression) == set()


async def _put(progression: HandFed, decided: CompetencyDecided) -> None:
    """Put a decision into the inbox as it is: requests have to name a later day."""
    body = envelope(id=str(uuid.uuid4()), source="progression", type=COMPETENCY_DECIDED, tenant=TENANT,
                    subject=decided.learner, time=now(), data=encode_json(decided))  # fmt: skip
    async with progression.database.transaction() as connection:
        await progression.logs.decisions.append(connection, [Draft(0, TENANT, decided.learner, body)])
    progression.consumer.wake()


async def _asked(progression: HandFed) -> bool:
    return bool(await _bodies(progression, "support"))


async def _bodies(progression: HandFed, log: str) -> list[dict[str, Any]]:
    async with progression.database.connection() as connection:
        rows = await connection.fetch("select body from event_log where log = $1 order by pos", log)
    return [msgspec.json.decode(row["body"])["data"] for row in rows]


async def _forgotten(progression: HandFed) -> bool:
    return await plans_of(progression.database, TENANT, ADA) == []


async def _holds(progression: HandFed) -> set[str]:
    """Return the tables that hold what the plan says."""
    async with progression.database.connection() as connection:
        rows = await connection.fetch(
            "select 'journal' as t, body from journal union all select 'mastery', state from mastery"
            " union all select 'event_log', body from event_log"
        )
        return {row["t"] for row in rows if b"read_aloud" in row["body"]}
