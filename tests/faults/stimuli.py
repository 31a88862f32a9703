"""What makes the services do something rare, each until it is answered, and the proof that it was done once."""

import asyncio
import json
import secrets
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer

from shared.shards import shard_of
from shared.topics import SUBMITTED, Topic
from tests.faults.cluster import Cluster
from tests.faults.target import ANSWERS_S_MAX, answered
from tests.support.disposable import Topics

SOURCE = "urn:attain:faults:side"
NODES = "code,title\nc0,One\n"
REBUILT_S_MAX = 45.0
"""Less than an attempt needs to count as one that stands still."""


class Side:
    """A tenant beside the load's, for what the load's oracle does not know."""

    def __init__(self, cluster: Cluster, tenant: str) -> None:
        self.cluster = cluster
        self.tenant = tenant
        self._client = cluster.client(tenant, 10)
        self._count = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def fresh(self) -> str:
        """Return a name that was not used yet."""
        self._count += 1
        return f"n{self._count}"

    async def ask(self, method: str, service: str, path: str, **more: Any) -> httpx.Response:
        """Send a request until it is answered by something else than 503."""
        return await answered(self._client, method, self.cluster.urls[service] + path, **more)

    async def new_framework(self, nodes: str = NODES) -> str:
        """Publish a framework of one competency, c0; return its id."""
        name = self.fresh()
        await self._publish(name, nodes)
        return name

    async def learner_with(self, competency: str) -> str:
        """Return the id of a new learner of whom a right answer is recorded."""
        name = self.fresh()
        await self.answer_right(name, competency)
        return await self.learner(name)

    async def answer_right(self, source_id: str, competency: str) -> None:
        """Record a right answer of a learner as the source knows them."""
        piece = self._piece(f"l-{self.fresh()}", competency, learner=source_id)
        (await self.ask("POST", "evidence", "/v1/evidence", json=piece)).raise_for_status()

    async def state(self, learner: str, competency: str) -> dict[str, Any] | None:
        """Return what progression holds of a learner and a competency, once it holds anything."""
        query = {"tenant": self.tenant, "limit": "50000"}
        page = (await self.ask("GET", "progression", "/v1/states", params=query)).text
        rows = [row for row in map(json.loads, page.splitlines()) if row["learner"] == learner]
        return next((row for row in rows if row["competency"] == competency), None)

    async def publish_framework(self) -> None:
        """A framework, which is told to every shard, to evidence and to reporting."""
        name = await self.new_framework()
        assert await self.activations("framework", name) == 1
        query = {"log": "curriculum", "after": "0"}
        told = 0
        for shard in range(8):
            page = await self.ask("GET", "progression", "/v1/feed", params=query | {"shard": str(shard)})
            told += page.text.count(f'"framework":"{name}"')
        assert told == 1

    async def set_policy(self) -> None:
        """A policy, which is told to every shard."""
        policy = {"id": self.fresh(), "method": {"type": "streak", "n": 2}}
        answer = await self.ask("POST", "progression", "/v1/policies", json=policy)
        answer.raise_for_status()
        assert await self.activations("policy", answer.json()["hash"]) == 1

    async def import_roster(self) -> None:
        """A class and an enrolment of a learner who was not met yet."""
        name = self.fresh()
        body = {
            "source": SOURCE, "classes": [{"class": name, "title": "Class"}], "learners": [{"source_id": name}],
            "enrolments": [{"class": name, "learner": name}],
        }  # fmt: skip
        (await self.ask("POST", "evidence", "/v1/roster", json=body)).raise_for_status()
        told = 0
        for shard in range(8):
            query = {"log": "roster", "shard": str(shard), "after": "0"}
            told += (await self.ask("GET", "evidence", "/v1/feed", params=query)).text.count(f'"class_id":"{name}"')
        assert told == 2, "the class and the enrolment, once each"

    async def flow_parked(self) -> None:
        """A piece that waits for a competency, and the framework that brings it."""
        name = self.fresh()
        piece = self._piece(f"p-{name}", f"{name}:c0")
        assert (await self.ask("POST", "evidence", "/v1/evidence", json=piece)).status_code in (202, 200)
        await self._publish(name)
        async with asyncio.timeout(ANSWERS_S_MAX):
            while await self.recorded(f'"id":"p-{name}"') == 0:
                await asyncio.sleep(0.2)
        assert await self.recorded(f'"id":"p-{name}"') == 1

    async def quarantine(self) -> str:
        """A record that cannot be used; returns its id in quarantine."""
        name = self.fresh()
        producer = AIOKafkaProducer(bootstrap_servers=self.cluster.kafka, acks="all")
        await producer.start()
        try:
            value = json.dumps({"id": name, "source": SOURCE, "nonsense": True}).encode()
            await producer.send_and_wait(SUBMITTED.name(), value, headers=[("tenant", self.tenant.encode())])
        finally:
            await producer.stop()
        async with asyncio.timeout(ANSWERS_S_MAX):
            while not (kept := await self._kept(name)):
                await asyncio.sleep(0.1)
        # Delivered again after a crash it is still one.
        await asyncio.sleep(0.5)
        assert len(await self._kept(name)) == len(kept) == 1
        return str(kept[0]["quarantine_id"])

    async def redrive(self) -> None:
        """Another attempt at what was quarantined."""
        kept = await self.quarantine()
        answer = await self.ask("POST", "evidence", f"/v1/quarantine/{kept}/redrive")
        assert answer.json()["status"] == "rejected"

    async def erase(self) -> None:
        """A learner is forgotten."""
        name = self.fresh()
        piece = self._piece(f"e-{name}", "none:c0", learner=name)
        assert (await self.ask("POST", "evidence", "/v1/evidence", json=piece)).status_code in (200, 202)
        await self.ask("POST", "evidence", "/v1/roster", json={"source": SOURCE, "learners": [{"source_id": name}]})
        learner = await self.learner(name)
        assert (await self.ask("DELETE", "evidence", f"/v1/learners/{learner}")).status_code in (200, 404)
        assert (await self.ask("GET", "evidence", f"/v1/learners/{learner}")).status_code == 404
        assert (await self.ask("GET", "evidence", "/v1/learners", params=_who(name))).status_code == 404

    async def merge(self) -> None:
        """Two learners become one, and two again."""
        competency = f"{await self.new_framework()}:c0"
        merged, kept = [await self.learner_with(competency) for _ in range(2)]
        asked = {"into": kept, "reason": "the same person"}
        answer = await self.ask("POST", "evidence", f"/v1/learners/{merged}/merge", json=asked)
        assert answer.status_code == 200, answer.text
        undone = await self.ask("POST", "evidence", f"/v1/merges/{answer.json()['merge']}/undo")
        assert undone.status_code in (200, 404), undone.text
        shown = await self.ask("GET", "evidence", f"/v1/learners/{merged}", follow_redirects=False)
        assert shown.status_code == 200, shown.text

    async def roll_over(self) -> None:
        """A school year begins, and is undone: what was ended comes back."""
        name = self.fresh()
        enrolled = {
            "source": SOURCE, "classes": [{"class": f"k-{name}", "title": "Ends"}], "learners": [{"source_id": name}],
            "enrolments": [{"class": f"k-{name}", "learner": name}],
        }  # fmt: skip
        assert (await self.ask("POST", "evidence", "/v1/roster", json=enrolled)).is_success
        begun = {"session": name, "goes_on": [], "share_max": 1}
        ended = await self.ask("POST", "evidence", "/v1/roster/rollovers", json=begun)
        undone = await self.ask("POST", "evidence", f"/v1/roster/rollovers/{name}/undo")
        assert ended.status_code == undone.status_code == 200, (ended.text, undone.text)
        assert undone.json()["enrolments"] == ended.json()["enrolments"] > 0

    async def rebuild(self, how: str = "") -> None:
        """A read model is built anew, or gone back with; one whose process died has failed, and is begun again at once."""
        path = "/v1/rebuild/mastery"
        before = (await self.ask("GET", "reporting", path)).json()["live"]
        wanted = before - 1 if how else before + 1
        await self.ask("POST", "reporting", path + how)
        async with asyncio.timeout(REBUILT_S_MAX):
            while (status := (await self.ask("GET", "reporting", path)).json())["live"] == before:
                if status["state"] == "failed":
                    await self.ask("POST", "reporting", path + how)
                await asyncio.sleep(0.3)
        assert (status["live"], status["state"]) == (wanted, "live")

    async def roll_back(self) -> None:
        """A read model is built anew, if it has no version before, and gone back with."""
        if (await self.ask("GET", "reporting", "/v1/rebuild/mastery")).json()["live"] == 1:
            await self.rebuild()
        await self.rebuild("/rollback")

    async def lose_topic(self, topic: Topic) -> None:
        """A topic is deleted, and created again, empty."""
        topics = Topics(self.cluster.kafka, 8)
        await topics.delete(topic.name())
        await self.cluster.create_topics()

    async def _publish(self, framework: str, nodes: str = NODES) -> None:
        body = {"id": framework, "nodes": nodes}
        (await self.ask("POST", "progression", "/v1/frameworks", json=body)).raise_for_status()

    async def learner(self, source_id: str) -> str:
        """Return the id of a learner, who is met when a piece that waited for its competency is recorded."""
        async with asyncio.timeout(ANSWERS_S_MAX):
            while (answer := await self.ask("GET", "evidence", "/v1/learners", params=_who(source_id))).is_error:
                await asyncio.sleep(0.1)
        return str(answer.json()["learner"])

    def _piece(self, id: str, competency: str, learner: str = "side") -> dict[str, Any]:
        return {
            "id": id, "source": SOURCE, "learner": learner, "competencies": [competency],
            "score": {"raw": 1, "max": 1}, "occurred_at": "2026-03-02T10:00:00Z",
        }  # fmt: skip

    async def recorded(self, text: str) -> int:
        """Return how often the evidence log has a piece of JSON."""
        found = 0
        for shard in range(8):
            query = {"log": "evidence", "shard": str(shard), "after": "0", "limit": "10000"}
            found += (await self.ask("GET", "evidence", "/v1/feed", params=query)).text.count(text)
        return found

    async def events(self, service: str, log: str) -> list[dict[str, Any]]:
        """Return the events of a log that are of this tenant, in the order of each shard."""
        found = []
        for shard in range(8):
            query = {"log": log, "shard": str(shard), "after": "0", "limit": "10000"}
            page = await self.ask("GET", service, "/v1/feed", params=query)
            found += [event for event in map(json.loads, page.text.splitlines()) if event["tenant"] == self.tenant]
        return found

    async def told(self, learner: str) -> list[dict[str, Any]]:
        """Return the public events of a learner."""
        query = {"log": "advancement", "shard": str(shard_of(self.tenant, learner, 8)), "after": "0", "limit": "10000"}
        page = (await self.ask("GET", "progression", "/v1/feed", params=query)).text
        return [event for event in map(json.loads, page.splitlines()) if event["subject"] == learner]

    async def _kept(self, id: str) -> list[dict[str, Any]]:
        answer = await self.ask("GET", "evidence", "/v1/quarantine", params={"limit": "1000"})
        return [item for item in answer.json()["items"] if item["id"] == id]

    async def activations(self, member: str, value: str) -> int:
        """Return how often a decision is in the journal, if that is the same in every shard."""
        counts = set()
        for shard in range(8):
            rows = await self.ask("GET", "progression", "/v1/journal", params={"shard": str(shard), "limit": "50000"})
            counts.add(sum(json.loads(row[8]).get(member) == value
                           for row in map(json.loads, rows.text.splitlines()) if row[8]))  # fmt: skip
        assert len(counts) == 1, counts
        return int(counts.pop())


def _who(source_id: str) -> dict[str, str]:
    return {"source": SOURCE, "source_id": source_id}


def new_side(cluster: Cluster) -> Side:
    """Return a tenant of its own."""
    return Side(cluster, f"side-{secrets.token_hex(3)}")
