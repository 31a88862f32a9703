"""The services of this version take in the facts that an earlier version was told, and find and write the same."""

import json
import secrets
from collections import Counter

import pytest

from deploy.local.stack import Stack
from tests.shared.wire.facts import SCOPES, Written, tell
from tests.shared.wire.frozen import FROZEN, Frozen, shown


@pytest.fixture(scope="module")
async def today(stack: Stack) -> Written:
    """What this version writes of the facts."""
    tenant = f"facts-{secrets.token_hex(3)}"
    return await tell(stack.urls, stack.token(tenant, SCOPES), tenant)


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda each: each.name)
async def test_the_same_facts_come_to_the_same_states_and_are_told_alike(today: Written, frozen: Frozen):
    assert shown(today.logs["progression"], today.learners) == shown(frozen.logs["progression"], frozen.learners)
    assert _happened(today.logs["advancement"], today.learners) == _happened(
        frozen.logs["advancement"], frozen.learners
    )


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda each: each.name)
async def test_the_readers_of_an_earlier_version_take_each_event_that_was_written(today: Written, frozen: Frozen):
    events = [json.loads(line) for lines in today.logs.values() for line in lines]
    known = [event for event in events if frozen.knows(event["type"])]

    assert [fault for event in known for fault in frozen.faults(event["type"], event["data"])] == []
    assert len({event["type"] for event in known}) > 20


def _happened(lines, learners) -> Counter[tuple[str, str, str]]:
    names = {id: name for name, id in learners.items()}
    events = [json.loads(line) for line in lines]
    return Counter(
        (event["type"], names.get(event["data"]["learner"]["id"], ""), event["data"]["scope"]["id"])
        for event in events if "scope" in event["data"]
    )  # fmt: skip
