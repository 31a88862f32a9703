"""What the audit reads of the three services, over HTTP."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import msgspec

from deploy.local.client.asking import checked
from services.progression.domain.inputs import Key, Learner
from services.progression.domain.learner import LearnerState
from shared.events import Envelope, decode_envelope

PAGE = 10_000
State = tuple[str, float | None, int, str | None, str | None]
"""(status, score, evidence count, last evidence, mastered at) of a key."""


class Journalled(NamedTuple):
    """An input of progression's journal; those of the evidence log have no `body` there, but their position in that log."""

    pos: int
    tenant: str
    learner: str
    competencies: list[str]
    type: str
    id: str
    input_pos: int
    time: str
    body: str | None


_decode_journalled = msgspec.json.Decoder(Journalled).decode
_decode_standing = msgspec.json.Decoder(tuple[str, str, LearnerState]).decode


class Sources:
    """What the audit reads, over HTTP with scope `service`; `of_tenant` gives a client for one tenant's documents."""

    def __init__(
        self,
        evidence: httpx.Client,
        progression: httpx.Client,
        reporting: httpx.Client,
        of_tenant: Callable[[str], httpx.Client],
    ) -> None:
        self.evidence = evidence
        self.progression = progression
        self.reporting = reporting
        self.of_tenant = of_tenant

    def events(self, client: httpx.Client, log: str, shard: int, head: int) -> Iterator[Envelope]:
        """Yield the events of a shard up to a position."""
        return (event for event, _ in self.lines(client, log, shard, head))

    def lines(self, client: httpx.Client, log: str, shard: int, head: int) -> Iterator[tuple[Envelope, bytes]]:
        """Yield the same, each with the bytes that Kafka has of it."""
        after = 0
        while after < head:
            query: dict[str, str | int] = {"log": log, "shard": shard, "after": after, "limit": PAGE}
            page = checked(client.get("/v1/feed", params=query)).content.splitlines()
            if not page:
                return
            for line in page:
                event = decode_envelope(line)
                if event.position > head:
                    return
                after = event.position
                yield event, line

    def heads(self, client: httpx.Client, log: str) -> dict[int, int]:
        """Return the last position of every shard of a log."""
        return {int(s): head[1] for s, head in checked(client.get("/v1/heads", params={"log": log})).json().items()}

    def journal(self, shard: int) -> Iterator[Journalled]:
        """Yield the inputs of progression's journal of a shard, in order."""
        after = 0
        while True:
            answer = checked(
                self.progression.get("/v1/journal", params={"shard": shard, "after": after, "limit": PAGE})
            )
            inputs = [_decode_journalled(line) for line in answer.content.splitlines()]
            if not inputs:
                return
            yield from inputs
            after = inputs[-1].pos

    def states(self, client: httpx.Client, tenant: str | None) -> dict[Key, State]:
        """Return every state that a service holds, of one tenant or all."""
        found: dict[Key, State] = {}
        for row in map(msgspec.json.decode, self._all_pages(client, "/v1/states", tenant)):
            found[(row["tenant"], row["learner"], row["competency"])] = (
                row["status"], row["score"], row["evidence_count"], row["last_evidence_at"], row["mastered_at"]
            )  # fmt: skip
        return found

    def standings(self, tenant: str | None) -> dict[Learner, LearnerState]:
        """Return what progression has of every learner, of one tenant or of all."""
        lines = self._all_pages(self.progression, "/v1/learner-states", tenant)
        return {(of, learner): state for of, learner, state in map(_decode_standing, lines)}

    def rows(self, table: str, tenant: str | None) -> Iterator[dict[str, Any]]:
        """Yield the rows of one of reporting's read-model tables, of one tenant or of all."""
        return map(msgspec.json.decode, self._all_pages(self.reporting, f"/v1/rows/{table}", tenant))

    def identities(self, tenant: str | None) -> dict[tuple[str, str], tuple[str, str]]:
        """Return the smallest (source, source's learner id) of every (tenant, learner)."""
        smallest: dict[tuple[str, str], tuple[str, str]] = {}
        for row in map(msgspec.json.decode, self._all_pages(self.evidence, "/v1/identities", None)):
            if tenant is None or row["tenant"] == tenant:
                key, pair = (row["tenant"], row["learner"]), (row["source"], row["source_id"])
                smallest[key] = min(smallest.get(key, pair), pair)
        return smallest

    def _all_pages(self, client: httpx.Client, path: str, tenant: str | None) -> Iterator[bytes]:
        """Yield the lines of all pages of a dump, of one tenant or of all."""
        after = ""
        while True:
            query = {"after": after, "limit": str(PAGE)} | ({"tenant": tenant} if tenant is not None else {})
            answer = checked(client.get(path, params=query))
            lines = answer.content.splitlines()
            yield from lines
            after = answer.headers.get("Attain-Next", "")
            if not lines or not after:
                return

    def erasures(self, tenant: str | None) -> set[tuple[str, str]]:
        """Return (tenant, learner) of everyone who is erased, as the ledger and the database of evidence say."""
        return {(row["tenant"], row["learner"]) for row in self._erasures(tenant) if "ended" not in row}

    def left(self, tenant: str | None) -> dict[str, int]:
        """Return how much is there of tenants that the ledger says are ended, of each of which there is anything."""
        return {row["tenant"]: row["left"] for row in self._erasures(tenant) if "left" in row}

    def _erasures(self, tenant: str | None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = checked(self.evidence.get("/v1/erasures")).json()
        return [row for row in found if tenant is None or row["tenant"] == tenant]
