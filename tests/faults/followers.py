"""What follows the logs, and what is done in two steps: each thing is done in spite of a crash, and proven done once."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from tests.faults.people import decide
from tests.faults.stimuli import Side
from tests.faults.target import ANSWERS_S_MAX
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until

LEARNERS = 3


async def deliver(side: Side) -> None:
    """Public events sent to a webhook: none is left out, and each learner's come in order, the last one perhaps twice."""
    competencies = [f"{await side.new_framework()}:c0" for _ in range(2)]
    learners = [str(uuid.uuid4()) for _ in range(LEARNERS)]
    async with receiving(Receiver(lambda _: "take")) as receiver:
        agreed = {"name": side.fresh(), "url": receiver.url, "purpose": "what is told in spite of faults"}
        made = await side.ask("POST", "progression", "/v1/webhooks", json=agreed)
        made.raise_for_status()
        for competency in competencies:
            for learner in learners:
                await decide(side, "credits", learner=learner, competency=competency, basis="transfer")
        wanted: dict[str, list[int]] = {}

        async def all_told() -> bool:
            for learner in learners:
                wanted[learner] = [event["position"] for event in await side.told(learner)]
            return {len(positions) for positions in wanted.values()} == {len(competencies)}

        await until(all_told, ANSWERS_S_MAX)
        await until(lambda: _is(receiver.by_learner(), wanted), ANSWERS_S_MAX)
        await asyncio.sleep(0.5)
        assert receiver.by_learner() == wanted
        await side.ask("DELETE", "progression", f"/v1/webhooks/{made.json()['id']}")


async def follow_by_a_shadow(side: Side) -> None:
    """A policy beside the live one: it differs of every learner, those from before and those who come, once each."""
    framework = await side.new_framework()
    competency, query = f"{framework}:c0", {"framework": framework}
    for path, n in (("/v1/policies", 3), ("/v1/policies/shadows", 1)):
        policy = {"id": f"{framework}-{n}", "method": {"type": "streak", "n": n}}
        answer = await side.ask("POST", "progression", path, json=policy, params=query)
        answer.raise_for_status()
        if n == 3:
            learners = [await side.learner_with(competency)]
    shadow = f"/v1/policies/shadows/{answer.json()['hash']}"
    learners.append(await side.learner_with(competency))

    async def differing() -> list[tuple[str, str]]:
        answer = await side.ask("GET", "progression", f"{shadow}/differences")
        answer.raise_for_status()
        return sorted((item["learner"], item["shadow"]) for item in answer.json()["items"])

    wanted = sorted((learner, "mastered") for learner in learners)
    await until(lambda: _equals(differing, wanted), ANSWERS_S_MAX)
    assert (await side.ask("DELETE", "progression", shadow)).status_code == 204


async def adopt(side: Side) -> None:
    """A policy that one person has proposed and another approves: it comes into force in every shard, once."""
    framework = await side.new_framework()
    policy = {"id": framework, "method": {"type": "streak", "n": 2}}
    query = {"framework": framework, "mode": "grandfathered", "reason": "to be tried"}
    proposed = await side.ask("POST", "progression", "/v1/policies/proposals", json=policy, params=query)
    proposed.raise_for_status()
    path = f"/v1/policies/proposals/{proposed.json()['id']}/approve"
    token = side.cluster.token(side.tenant, subject="somebody-else")
    approved = await side.ask("POST", "progression", path, headers={"Authorization": f"Bearer {token}"})
    approved.raise_for_status()
    assert await side.activations("batch", proposed.json()["id"]) == 1


async def take_up_again(side: Side) -> None:
    """A learner who was set apart, whose next piece is journalled alone, and who is then folded again."""
    competency, name = f"{await side.new_framework()}:c0", side.fresh()
    await side.answer_right(name, competency)
    learner = await side.learner(name)
    await until(lambda: _has_pieces(side, learner, competency, 1), ANSWERS_S_MAX)
    await _set_apart(side, learner)
    await side.answer_right(name, competency)
    await until(lambda: _is_journalled(side, learner, 2), ANSWERS_S_MAX)
    assert await _has_pieces(side, learner, competency, 1), "somebody set apart is not folded"
    (await side.ask("POST", "progression", f"/v1/learners/{learner}/redrive")).raise_for_status()
    assert await _has_pieces(side, learner, competency, 2)
    async with side.cluster.admin("progression") as admin:
        assert not await admin.fetchval("select count(*) from blocked_learner where learner = $1", learner)


async def sign(side: Side) -> None:
    """A signed record: however often it is asked for, its entries of the status lists stay theirs alone."""
    competency, learner = f"{await side.new_framework()}:c0", str(uuid.uuid4())
    await decide(side, "credits", learner=learner, competency=competency, basis="transfer")
    path = f"/v1/learners/{learner}/credential"

    async def is_there() -> bool:
        return (await side.ask("GET", "reporting", path)).is_success

    await until(is_there, ANSWERS_S_MAX)
    records = [(await side.ask("GET", "reporting", path)).json() for _ in range(2)]
    assert len({record["credentialStatus"]["statusListIndex"] for record in records}) == 1
    async with side.cluster.admin("reporting") as admin:
        rows = await admin.fetch("select id, list, index from credential where tenant = $1", side.tenant)
        of_learner = await admin.fetchval("select count(*) from credential where learner = $1", learner)
    assert len({(row["list"], row["index"]) for row in rows}) == len(rows)
    assert of_learner == 2, "the badge and the record around it"


async def _set_apart(side: Side, learner: str) -> None:
    """Let a learner be one whose input raised, as a process sees it that starts."""
    pid = side.cluster.pids["progression"]
    async with side.cluster.admin("progression") as admin:
        await admin.execute(
            "insert into blocked_learner (tenant, learner, shard, pos, reason)"
            " select $1, $2, j.shard, (select max(batch) + 1 from journal where shard = j.shard), 'a fault'"
            " from (select distinct shard from journal where tenant = $1 and learner = $2) j",
            side.tenant, learner,
        )  # fmt: skip
    side.cluster.kill("progression")
    async with asyncio.timeout(ANSWERS_S_MAX):
        while side.cluster.pids["progression"] == pid:
            await asyncio.sleep(0.05)
    await side.cluster.ready("progression")


async def _is_journalled(side: Side, learner: str, inputs: int) -> bool:
    async with side.cluster.admin("progression") as admin:
        found = await admin.fetchval("select count(*) from journal where learner = $1", learner)
    return int(found) >= inputs


async def _has_pieces(side: Side, learner: str, competency: str, pieces: int) -> bool:
    state = await side.state(learner, competency)
    return state is not None and state["evidence_count"] == pieces


async def _is(found: object, wanted: object) -> bool:
    return found == wanted


async def _equals(found: Callable[[], Awaitable[object]], wanted: object) -> bool:
    return await found() == wanted
