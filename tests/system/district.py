"""A tenant of the running stack for system tests: a framework, a policy, a load with a plain count of what it must give."""

import asyncio
import dataclasses
import random
import secrets
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import msgspec
from aiokafka import AIOKafkaProducer

from deploy.local.audit.run import audit, digest
from deploy.local.audit.sources import Sources, State
from deploy.local.stack import Stack
from tests.faults.target import answered
from tests.support.described import hold_as_published

SOURCE = "urn:test:lms"
SCOPES = "evidence:write records:read policy:write decisions:write admin service"
STREAK_3 = b'{"id": "streak-3", "method": {"type": "streak", "n": 3}, "decision": {"latch": "first_crossing"}}'
ZERO = (
    "lost", "duplicated", "mismatched_states", "mismatched_standings", "mismatched_read_models", "missing_events",
    "extra_events", "mismatched_events",
)  # fmt: skip
SIX = "code,title\n" + "".join(f"c{n},Competency {n}\n" for n in range(6))
Item = dict[str, Any]


class District:
    """A fresh tenant; call `open` before use and `close` after."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack = stack
        self.tenant = f"{name}-{secrets.token_hex(3)}"
        headers = {"Authorization": f"Bearer {stack.token(self.tenant, SCOPES)}"}
        self.http = httpx.AsyncClient(headers=headers, timeout=60, event_hooks={"response": [hold_as_published]})

    async def open(self, framework: str = "math", nodes: str = SIX, edges: str = "") -> "District":
        """Publish a framework and a policy of three in a row, and wait until every service has them."""
        url = self.stack.urls["progression"]
        files = {"id": framework, "nodes": nodes} | ({"edges": edges} if edges else {})
        (await self.http.post(f"{url}/v1/frameworks", json=files)).raise_for_status()
        (await self.http.post(f"{url}/v1/policies", content=STREAK_3)).raise_for_status()
        await self.drained()
        return self

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def send(self, items: Sequence[Item]) -> list[Item]:
        """Post a batch until it is taken; return the items of the answer."""
        body = b"\n".join(msgspec.json.encode(item) for item in items)
        while True:
            try:
                answer = await self.http.post(
                    f"{self.stack.urls['evidence']}/v1/evidence", content=body,
                    headers={"Content-Type": "application/x-ndjson"},
                )  # fmt: skip
                if answer.status_code == 200:
                    items = answer.json()["items"]
                    return list(items)
                assert answer.status_code == 503, answer.text
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)

    async def produce(self, items: Sequence[Item]) -> None:
        """Send items through the Kafka intake."""
        producer = AIOKafkaProducer(bootstrap_servers=self.stack.kafka, acks="all", linger_ms=5)
        await producer.start()
        headers = [("tenant", self.tenant.encode())]
        futures = [
            await producer.send("attain.evidence.submitted", msgspec.json.encode(item), headers=headers)
            for item in items
        ]
        await asyncio.gather(*futures)
        await producer.stop()

    async def drained(self, timeout_s: float = 90) -> None:
        """Wait until no stage of any service is behind, two looks in a row: what a late stage tells an early one is seen."""
        quiet = 0
        async with asyncio.timeout(timeout_s):
            while quiet < 2:
                quiet = quiet + 1 if await self._is_quiet() else 0
                await asyncio.sleep(0.05)

    async def _is_quiet(self) -> bool:
        for service in ("evidence", "progression", "reporting"):
            try:
                answer = await self.http.get(f"{self.stack.urls[service]}/v1/lag")
                if answer.status_code != 200 or any(stage["behind_events"] != 0 for stage in answer.json()["stages"]):
                    return False
            except httpx.TransportError:
                return False
        return True

    async def post(self, service: str, path: str, content: bytes | Item) -> Item:
        """Post JSON, or bytes as they are; return the answer, which must be a success."""
        url = f"{self.stack.urls[service]}{path}"
        given = {"content": content} if isinstance(content, bytes) else {"json": content}
        answer = await self.http.post(url, **given)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def get(self, service: str, path: str) -> Item:
        """Get an answer, which must be a success."""
        answer = await self.http.get(f"{self.stack.urls[service]}{path}")
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def learner(self, source_id: str) -> str:
        """Return the opaque id of a learner of the source."""
        query = f"/v1/learners?source={SOURCE}&source_id={source_id}"
        return str((await self.get("evidence", query))["learner"])

    async def until(self, holds: Callable[[list[str]], bool], within_s: float = 20) -> None:
        """Wait until a claim on the short names of what was told holds."""
        async with asyncio.timeout(within_s):
            while True:
                told = [
                    event["type"].removeprefix("attain.").removesuffix(".v1") for event in await self.advancements()
                ]
                if holds(told):
                    return
                await asyncio.sleep(0.1)

    async def verify(self) -> Item:
        """Audit the tenant as `attain verify` does."""
        await self.drained()
        with self._sources() as sources:
            return dataclasses.asdict(await asyncio.to_thread(audit, sources, self.tenant, lambda _: None))

    async def position(self) -> str:
        """Return the cursor behind all public events that there are."""
        return str((await self.get("progression", "/v1/standings?limit=1"))["position"])

    async def advancements(self, after: str = "") -> list[Item]:
        """Return the public events of the tenant behind a cursor, also where progression is not there just now."""
        found: list[Item] = []
        url = f"{self.stack.urls['progression']}/v1/advancements"
        while True:
            query = {"after": after, "limit": "500"}
            answer = (await answered(self.http, "GET", url, params=query)).json()
            if not answer["items"]:
                return found
            found += answer["items"]
            after = answer["next"]

    def shown(self) -> dict[tuple[str, str, str], State]:
        """Return what reporting shows, with the tenant left out of the keys, by source's learner id."""
        names = self.names()
        with self._sources() as sources:
            states = sources.states(sources.reporting, self.tenant)
        return {("", names[learner], code): state for (_, learner, code), state in states.items()}

    def names(self) -> dict[str, str]:
        """Return the source's id of each learner, by the opaque one."""
        with self._sources() as sources:
            known = sources.identities(self.tenant)
        return {learner: source_id for (_, learner), (_, source_id) in known.items()}

    def digest(self) -> str:
        """Return a digest of what reporting shows that two tenants with the same evidence have in common."""
        shown = self.shown()
        return digest(shown, {("", learner): (SOURCE, learner) for _, learner, _ in shown})

    def _sources(self) -> "_Clients":
        return _Clients(self.stack, self.tenant)


class _Clients(Sources):
    """The audit's sources with clients that close at the end of a `with`."""

    def __init__(self, stack: Stack, tenant: str) -> None:
        def client(service: str) -> httpx.Client:
            headers = {"Authorization": f"Bearer {stack.token(tenant, 'service records:read')}"}
            return httpx.Client(base_url=stack.urls[service], headers=headers, timeout=60)

        evidence, progression, reporting = (client(name) for name in ("evidence", "progression", "reporting"))
        super().__init__(evidence, progression, reporting, lambda _: progression)
        self._clients = (evidence, progression, reporting)

    def __enter__(self) -> "_Clients":
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()


def answers(count: int, *, learners: int, competencies: int = 6, seed: int = 1) -> list[Item]:
    """Return native evidence in the order in which it happened."""
    chance = random.Random(seed)
    return [
        {
            "id": f"a{number}", "source": SOURCE, "learner": f"l{chance.randrange(learners)}",
            "competencies": [f"math:c{chance.randrange(competencies)}"],
            "score": {"raw": int(chance.random() < 0.65), "max": 1},
            "occurred_at": f"2026-03-02T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        }
        for number in range(count)
    ]  # fmt: skip


def right(learner: str, number: int = 0, competency: str = "math:c1", **more: Any) -> Item:
    """Return a right answer of a learner, the later the higher its number; `more` takes the place of what it has."""
    return {
        "id": f"{learner}-{competency}-{number}", "source": SOURCE, "learner": learner, "competencies": [competency],
        "score": {"raw": 1, "max": 1}, "occurred_at": f"2026-03-02T10:{number:02}:00Z",
    } | more  # fmt: skip


def three_in_a_row(items: Sequence[Item]) -> tuple[int, int]:
    """Return how many (learner, competency) pairs there are, and how many ever have three right answers in a row."""
    runs: dict[tuple[str, str], int] = defaultdict(int)
    mastered = set()
    for item in items:
        pair = (item["learner"], item["competencies"][0])
        runs[pair] = runs[pair] + 1 if item["score"]["raw"] else 0
        if runs[pair] == 3:
            mastered.add(pair)
    return len(runs), len(mastered)
