"""The rules in force: policies and frameworks as the activations of each shard name them, decoded once for all shards."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from services.progression.domain.curriculum import Framework
from services.progression.domain.journal import unpack_entries
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.rules import Activation, Closed, Mode, Rules, batch_of, cause_of
from services.progression.domain.telling import Trigger
from services.progression.domain.terms import CLOSE_TERM, closed_at_position
from services.progression.handlers.memory import Shard, read_framework
from services.progression.tables import journals, rulebook
from shared.database import Connection, Database
from shared.events import Envelope

GRANDFATHERED: Mode = "grandfathered"


def trigger_of(row: Any) -> Trigger:
    """Return the cause that a stored activation is."""
    return Trigger(row["input_id"], row["pos"], row["time"], cause_of(row), row["batch"])


class RuleBook:
    """Puts activations into force in the shards' memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.policies: dict[str, Policy] = {}
        self._frameworks: dict[bytes, Framework] = {}

    async def load(self, shards: Mapping[int, Shard]) -> None:
        """Put into force what the shards have activated and closed; note the tenants whose sweep is not finished."""
        async with self._database.connection() as connection:
            rows = await rulebook.load_activations(connection, shards)
            closings = await journals.load_closings(connection, shards)
        for row in rows:
            shard = shards[row["shard"]]
            trigger = trigger_of(row)
            rules = self._activate(shard, row["tenant"], trigger, row, row["policy_body"], row["framework_body"])
            if row["swept"]:
                rules.swept = row["no"]
        for number, tenant, body in closings:
            shards[number].rules.setdefault(tenant, Rules()).closed += _closed_in(body)
        for shard in shards.values():
            shard.sweep = {tenant: "" for tenant, rules in shard.rules.items() if rules.swept < rules.no}

    async def decide(self, shard: Shard, decision: Envelope) -> tuple[Any, ...]:
        """Put a decision into force at the shard's journal position; return the row of `rulebook.save_activations`."""
        data = msgspec.json.decode(decision.data)
        tenant, policy, framework = decision.tenant, data.get("policy", ""), data.get("framework", "")
        version = data.get("version", "")
        async with self._database.connection() as connection:
            policy_body, framework_body = await rulebook.load_documents(connection, tenant, policy, framework, version)
        batch = batch_of(data)
        trigger = Trigger(decision.id, shard.journal_pos, decision.time, cause_of(data), batch)
        no = self._activate(shard, tenant, trigger, data, policy_body, framework_body).no
        shard.sweep[tenant] = ""
        return (
            shard.number,
            tenant,
            no,
            decision.id,
            trigger.pos,
            decision.time,
            framework,
            policy,
            version,
            data.get("time_zone", ""),
            data.get("breaks", ""),
            data.get("mode", GRANDFATHERED),
            batch,
        )

    def _activate(
        self,
        shard: Shard,
        tenant: str,
        trigger: Trigger,
        data: Mapping[str, Any],
        policy: bytes | None,
        framework: bytes | None,
    ) -> Rules:
        rules = shard.rules.setdefault(tenant, Rules())
        graph = self._framework(framework) if framework is not None else None
        document = self._policy(data["policy"], policy) if policy is not None else None
        framework_id, time_zone, breaks = (data.get(name, "") for name in ("framework", "time_zone", "breaks"))
        mode = data.get("mode", GRANDFATHERED)
        rules.activate(Activation(rules.no + 1, trigger, framework_id, document, graph, time_zone, breaks, mode))
        return rules

    def _policy(self, digest: str, body: bytes) -> Policy:
        if digest not in self.policies:
            self.policies[digest] = policy_from(msgspec.json.decode(body))
        return self.policies[digest]

    def _framework(self, body: bytes) -> Framework:
        digest = hashlib.sha256(body).digest()
        if digest not in self._frameworks:
            self._frameworks[digest] = read_framework(body)
        return self._frameworks[digest]


def _closed_in(body: bytes) -> list[Closed]:
    return [closed_at_position(entry.data, entry.pos) for entry in unpack_entries(body) if entry.type == CLOSE_TERM]


async def policies_of(connection: Connection, tenant: str | None) -> dict[str, Policy]:
    """Return every policy version of a tenant, or of all tenants, by its hash."""
    stored = await rulebook.policies_of(connection, tenant)
    return {digest: policy_from(msgspec.json.decode(body)) for digest, body in stored}


async def activations_of(connection: Connection, tenant: str, shard: int, framework: str | None) -> list[Activation]:
    """Return a tenant's activations on a shard in order; the graphs of other frameworks (None: of none) are left out."""
    rows = await rulebook.tenant_activations(connection, tenant, shard, framework)
    bodies = {row["policy"]: row["policy_body"] for row in rows if row["policy_body"] is not None}
    policies = {digest: policy_from(msgspec.json.decode(body)) for digest, body in bodies.items()}
    return [
        Activation(
            row["no"], trigger_of(row), row["framework"],
            policies.get(row["policy"]), read_framework(row["framework_body"]) if row["framework_body"] else None,
            row["time_zone"], row["breaks"], row["mode"],
        )
        for row in rows
    ]  # fmt: skip


async def rules_of(connection: Connection, tenant: str, framework: str | None) -> Rules:
    """Return what is in force for a framework of a tenant (None: for all), as its first shard has folded it."""
    rules = Rules()
    for activation in await activations_of(connection, tenant, 0, framework):
        rules.activate(activation)
    return rules


async def closed_terms_of(connection: Connection, tenant: str) -> list[Closed]:
    """Return the terms that a tenant has closed, as its first shard has folded it."""
    rows = await journals.load_closings(connection, [0])
    return [term for _, whose, body in rows if whose == tenant for term in _closed_in(body)]
