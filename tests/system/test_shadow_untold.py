"""A policy in shadow is heard nowhere but in its own log, which is right whatever is killed and however often it begins anew."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Sequence

import httpx
import msgspec
import pytest

from deploy.local.stack import Stack
from tests.faults.target import answered
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until
from tests.system.district import SOURCE, ZERO, District, Item
from tests.system.killing import chosen, kill
from tests.system.test_adoption import bar
from tests.system.test_forgetting import databases, topics

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

LEARNERS = 600
BATCH = 20
KILLS = 3
NODES = "code,title,level,subject\nc1,One,1,math\nc2,Two,2,math\n"
EQUAL = "from,to,type\nc1,c2,exactMatchOf\n"
"""Who shows c1 is credited with c2."""
MARK = "heard-of-by-nobody"
SHADOW = msgspec.json.encode(msgspec.json.decode(bar(0.8)) | {"id": MARK})
OWN = {f"progression.{table}" for table in ("policy", "shadow_policy", "shadow_cursor", "shadow_difference")}
"""Where a shadow stands: as a policy that can be asked for, and with its log."""
FOLLOWED_S = 240
Difference = tuple[str, str, str, str]
"""Learner, competency, what stands, and what the shadow says."""


def piece(name: str, percent: int, **more: str) -> Item:
    return {
        "id": name, "source": SOURCE, "learner": name, "competencies": ["math:c1"],
        "score": {"raw": percent, "max": 100}, "occurred_at": "2026-03-02T10:00:00Z",
    } | more  # fmt: skip


class Subscribers:
    """A webhook, and a reader of the stream who opens it again behind the last id whenever it ends; `texts` is what came."""

    def __init__(self, district: District) -> None:
        self._district = district
        self._receiver = Receiver(lambda _: "take")
        self._streamed: list[str] = []

    @contextlib.asynccontextmanager
    async def subscribed(self) -> AsyncIterator[None]:
        async with receiving(self._receiver):
            agreed = {"name": "sis", "url": self._receiver.url, "purpose": "placement of learners", "source": SOURCE}
            await self._district.post("progression", "/v1/webhooks", agreed)
            listening = asyncio.create_task(self._listen())
            yield
            assert not listening.done()
            listening.cancel()

    async def _listen(self) -> None:
        url, cursor, id = f"{self._district.stack.urls['progression']}/v1/advancements/stream", "", ""
        while True:
            with contextlib.suppress(httpx.TransportError):  # progression is killed, and listened to again
                headers = {"Last-Event-ID": cursor} if cursor else {}
                async with self._district.http.stream("GET", url, headers=headers) as answer:
                    async for line in answer.aiter_lines():
                        if line.startswith("id: "):
                            id = line[4:]
                        elif line.startswith("data: "):
                            self._streamed.append(line[6:])
                            cursor = id
            await asyncio.sleep(0.1)

    def texts(self) -> list[list[str]]:
        """Return what has come by each way."""
        return [self._streamed, [request.body.decode() for request in self._receiver.seen]]

    async def have_heard(self, public: set[str]) -> bool:
        """Tell whether all of these events have come by each way; what else came is for whoever looks at the texts."""
        return all(public <= ids(texts) for texts in self.texts())


def ids(texts: Sequence[str]) -> set[str]:
    return {json.loads(text)["id"] for text in texts}


async def killed(district: District, chance: random.Random) -> None:
    """Kill progression again and again, each time at a random moment after it is there."""
    for _ in range(KILLS):
        await answered(district.http, "GET", f"{district.stack.urls['progression']}/readyz")
        await asyncio.sleep(chance.uniform(0.2, 2.0))
        await kill(district.stack, "progression")


async def begun(district: District) -> str:
    """Begin the shadow, or go on with it; return its hash."""
    return str((await district.post("progression", "/v1/policies/shadows?framework=math", SHADOW))["hash"])


async def differences(district: District, policy: str) -> set[Difference]:
    """Return the log of a shadow once it has followed all that is recorded."""

    async def has_followed() -> bool:
        (shadow,) = (await district.get("progression", "/v1/policies/shadows"))["items"]
        return not shadow["behind"]

    await until(has_followed, FOLLOWED_S)
    listed = await district.get("progression", f"/v1/policies/shadows/{policy}/differences?limit={LEARNERS}")
    names = district.names()
    return {(names[each["learner"]], each["competency"], each["live"], each["shadow"]) for each in listed["items"]}


def expected(percents: dict[str, int]) -> set[Difference]:
    """Return where 70 and 80 percent disagree, of those who have anything."""
    between = [name for name, percent in percents.items() if 70 <= percent < 80]
    return {(name, "math:c1", "mastered", "not_yet") for name in between} | {
        (name, "math:c2", "credited", "no_evidence") for name in between
    }


async def evidence_of(district: District, chance: random.Random) -> dict[str, int]:
    """Send, correct and take back what learners have, with a new live policy in between; return what is left of each."""
    percents = {f"l{n}": chance.choice([65, 70, 75, 80, 85]) for n in range(LEARNERS)}
    await _in_batches(district, [piece(name, percent) for name, percent in percents.items()])
    url = f"{district.stack.urls['progression']}/v1/policies?framework=math"
    (await answered(district.http, "POST", url, content=bar(0.7))).raise_for_status()
    corrected = {name: chance.choice([65, 75, 85]) for name in chance.sample(sorted(percents), LEARNERS // 4)}
    await _in_batches(
        district, [piece(name, percent, id=f"{name}-b", supersedes=name) for name, percent in corrected.items()]
    )
    percents |= corrected
    gone = chance.sample(sorted(percents.keys() - corrected), LEARNERS // 8)
    retracted = {"source": SOURCE, "occurred_at": "2026-03-03T10:00:00Z"}
    await _in_batches(district, [retracted | {"id": f"{name}-r", "retracts": name} for name in gone])
    return {name: percent for name, percent in percents.items() if name not in gone}


async def _in_batches(district: District, items: Sequence[Item]) -> None:
    for start in range(0, len(items), BATCH):
        await district.send(items[start : start + BATCH])
        await asyncio.sleep(0.05)


async def answers_on(district: District, name: str) -> dict[str, str]:
    """Return what the services answer about a learner and about themselves, by address."""
    learner = await district.learner(name)
    paths = {
        "evidence": ["/metrics"],
        "progression": ["/metrics", "/v1/standings", f"/v1/learners/{learner}/mastery"],
        "reporting": ["/metrics", f"/v1/learners/{learner}/record", f"/v1/learners/{learner}/credential"],
    }
    urls = [f"{district.stack.urls[service]}{path}" for service, some in paths.items() for path in some]
    return {url: (await district.http.get(url)).raise_for_status().text for url in urls}


async def test_a_shadow_is_heard_nowhere_and_its_log_is_right(stack: Stack):
    chance = chosen()
    moments = random.Random(chance.random())
    district = await District(stack, "unheard").open(nodes=NODES, edges=EQUAL)
    await district.post("progression", "/v1/policies?framework=math", bar(0.75))
    subscribers = Subscribers(district)
    async with subscribers.subscribed():
        digest = await begun(district)
        percents, _ = await asyncio.gather(evidence_of(district, chance), killed(district, moments))
        await district.drained(FOLLOWED_S)
        public = await district.advancements()
        await until(lambda: subscribers.have_heard({event["id"] for event in public}), FOLLOWED_S)
    found = await differences(district, digest)
    heard = subscribers.texts()
    outlets = {"log": json.dumps(public), "stream": "\n".join(heard[0]), "webhook": "\n".join(heard[1])}
    outlets |= await topics(stack) | await answers_on(district, next(name for name, *_ in found))
    tables = await databases(stack)
    shown = {name for (_, name, code), state in district.shown().items() if (code, state[0]) == ("math:c1", "mastered")}
    (await district.http.delete(f"{stack.urls['progression']}/v1/policies/shadows/{digest}")).raise_for_status()
    await begun(district)
    await killed(district, moments)
    await district.drained(FOLLOWED_S)
    begun_anew = await differences(district, digest)
    verified = await district.verify()
    print({"differences": len(found), "told": len(public)})

    assert found == begun_anew == expected(percents)
    assert [ids(texts) for texts in heard] == [{event["id"] for event in public}] * 2
    assert "shadow" not in {event["data"].get("mode") for event in public}
    assert [outlet for outlet, text in outlets.items() if MARK in text or digest in text] == []
    assert {table for table, rows in tables.items() if digest in rows} == OWN
    assert {table for table, rows in tables.items() if MARK in rows} == {"progression.policy"}
    assert shown == {name for name, percent in percents.items() if percent >= 70}
    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()
