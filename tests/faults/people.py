"""
What a person decides of a learner, and what time then does.

Each is a context: it prepares what is needed, lets its block arm a crash point, has the thing done, and finds it told once.
"""

import asyncio
import contextlib
import datetime
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from tests.faults.stimuli import Side
from tests.faults.target import ANSWERS_S_MAX

SIGNED = {
    "provisional": {"method": {"type": "streak", "n": 1}},
    "mastered": {
        "any_of": [{"sign_off": {"by": "teacher", "of": "provisional"}}, {"method": {"type": "streak", "n": 9}}]
    },
    "decision": {"latch": "first_crossing"},
}
"""A policy under which one piece is enough for a teacher, and not for the record."""
EXPIRES_S = 3.0
"""Enough for a point to be armed before the clock reaches the end of an override."""


@contextlib.asynccontextmanager
async def signed_off(side: Side) -> AsyncIterator[None]:
    """A teacher puts on the record what a piece of evidence has shown."""
    framework = await side.new_framework()
    policy = SIGNED | {"id": framework}
    answer = await side.ask("POST", "progression", "/v1/policies", json=policy, params={"framework": framework})
    answer.raise_for_status()
    competency, learner = f"{framework}:c0", await side.learner_with(f"{framework}:c0")
    await _told(side, learner, "attain.competency.provisional.v1")
    yield
    await decide(side, "sign-offs", items=[{"learner": learner, "competency": competency}])
    await _told(side, learner, "attain.competency.mastered.v1")


@contextlib.asynccontextmanager
async def overridden(side: Side) -> AsyncIterator[None]:
    """A teacher sets a competency by hand."""
    competency, learner = f"{await side.new_framework()}:c0", str(uuid.uuid4())
    yield
    await decide(side, "overrides", learner=learner, competency=competency, status="mastered", reason="seen")
    await _told(side, learner, "attain.competency.mastered.v1")


@contextlib.asynccontextmanager
async def credited(side: Side) -> AsyncIterator[None]:
    """What was shown elsewhere is credited."""
    competency, learner = f"{await side.new_framework()}:c0", str(uuid.uuid4())
    yield
    await decide(side, "credits", learner=learner, competency=competency, basis="transfer")
    await _told(side, learner, "attain.competency.credited.v1")


@contextlib.asynccontextmanager
async def chosen(side: Side) -> AsyncIterator[None]:
    """A goal is chosen, which is told each time that it is."""
    framework, learner = await side.new_framework("code,title,level,subject\nc0,One,1,s\n"), str(uuid.uuid4())
    yield
    await decide(side, "goals", learner=learner, level=f"{framework}#s/1")
    await _told(side, learner, "attain.goal.chosen.v1")


@contextlib.asynccontextmanager
async def expired(side: Side) -> AsyncIterator[None]:
    """An override ends by the clock alone, and a re-check is asked for."""
    competency, learner = f"{await side.new_framework()}:c0", str(uuid.uuid4())
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=EXPIRES_S)
    await decide(
        side, "overrides", learner=learner, competency=competency, status="mastered", reason="seen",
        until=until.isoformat(),
    )  # fmt: skip
    await _told(side, learner, "attain.competency.mastered.v1")
    yield
    await _told(side, learner, "attain.competency.reverify_due.v1")


Deed = Callable[[Side], AbstractAsyncContextManager[None]]


async def decide(side: Side, kind: str, **body: object) -> None:
    """Send what a person decides until it is answered, under a key: answered late or again, it is decided once."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    (await side.ask("POST", "progression", f"/v1/{kind}", json=body, headers=headers)).raise_for_status()


async def _told(side: Side, learner: str, type: str) -> None:
    """Wait until something is told of a learner; it is told once, also where the answer to a decision was lost."""
    async with asyncio.timeout(ANSWERS_S_MAX):
        while not (count := [event["type"] for event in await side.told(learner)].count(type)):
            await asyncio.sleep(0.1)
    assert count == 1, f"{type} was told {count} times"
