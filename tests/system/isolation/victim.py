"""A tenant with something in every place, and words in it that nobody else may ever read."""

import asyncio
import base64
import hashlib
import json
import re
import secrets
import uuid
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from deploy.local.stack import Stack
from shared.auth import issue_token, read_keys
from shared.shards import shard_of
from tests.system.district import SCOPES, District
from tests.system.isolation.routes import Route, filled

SOURCE = "urn:beehive:lms"
LEARNER, OTHER = "beehive-l1", "beehive-l2"
SECRETS = (
    "Beatrix Beacon", "Beehive Competency", "Beehive Class", "Beehive School", "beehive-activity", "beehive-hook",
    "beehive-key", "beehive-reason", "beehive-e", LEARNER, OTHER,
)  # fmt: skip
OF_PERSONS = ("Beatrix Beacon", "beehive-activity", "beehive-reason", "beehive-e", LEARNER, OTHER)
MOVING = ("access_log", "counted_block", "webhook_delivery", "shadow_cursor")
"""Tables that change by looking, counting or trying again, and not by what anybody sent."""


@dataclass
class Victim:
    """The tenant, and the ids by which its things are reached."""

    stack: Stack
    tenant: str
    values: dict[str, str]

    def url(self, route: Route) -> str:
        """Return the URL by which a route is asked for this tenant's things."""
        values = self.values | {"id": self.values[f"id of {self._kind(route.path)}"]}
        path = filled(route.path, values)
        query = filled(route.query, values)
        return f"{self.stack.urls[route.service]}{path}" + (f"?{query}" if query else "")

    def body(self, route: Route) -> Any:
        """Return the body with this tenant's ids."""
        return filled(route.body, self.values)

    def with_ids_of_nothing(self) -> "Victim":
        """Return the same with ids of the same form in place of those that lead to something."""
        values = {name: self._nothing(name, value) for name, value in self.values.items()}
        return Victim(self.stack, self.tenant, values)

    def without_ids(self, text: str) -> str:
        """Return a text with every id replaced by its name, and no times."""
        for name, value in sorted(self.values.items(), key=lambda item: -len(item[1])):
            if len(value) > 6:
                text = text.replace(value, f"<{name}>")
        return re.sub(r"\d{4}-\d\d-\d\d(T[\d:.]+Z?)?", "<time>", text)

    @staticmethod
    def _nothing(name: str, value: str) -> str:
        if name in ("tenant", "form", "change", "queue", "model", "table", "shard", "kind"):
            return value
        if re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", value):
            return str(uuid.uuid4())
        if re.fullmatch(r"[0-9a-f]{16,}", value):
            return secrets.token_hex(len(value) // 2)
        return f"{value}-of-nobody" if not value.isdigit() else "999999999"

    @staticmethod
    def _kind(path: str) -> str:
        if "review-requests" in path:
            return "request"
        return "webhook" if "webhooks" in path else "proposal" if "proposals" in path else "decision"


async def settle(stack: Stack, name: str) -> Victim:
    """Fill a tenant through the public edges."""
    district = await District(stack, name).open("beemath", "code,title\nc0,Beehive Competency\nc1,Other\n")
    roster = {
        "source": SOURCE,
        "schools": [{"school": "beehive-school", "title": "Beehive School", "district": "beehive-district"}],
        "classes": [{"class": "beehive-class", "title": "Beehive Class", "school": "beehive-school"}],
        "learners": [{"source_id": LEARNER, "name": "Beatrix Beacon"}, {"source_id": OTHER, "name": "Bo"}],
        "enrolments": [{"class": "beehive-class", "learner": each} for each in (LEARNER, OTHER)],
        "staff": [{"class": "beehive-class", "staff": "beehive-teacher"}],
        "groups": [{"group": "grade", "learner": LEARNER, "value": "5"}],
    }
    await district.post("evidence", "/v1/roster", roster)
    sent = await district.send([_piece(number) for number in range(4)])
    find = f"/v1/learners?source={SOURCE}&source_id="
    learner, other = [(await district.get("evidence", find + each))["learner"] for each in (LEARNER, OTHER)]
    key = await district.post("evidence", "/v1/keys", {"source": SOURCE, "name": "beehive-key"})
    hook = await district.post(
        "progression", "/v1/webhooks",
        {"name": "beehive-hook", "url": "http://127.0.0.1:9/", "purpose": "telling the district"},
    )  # fmt: skip
    await district.post("progression", f"/v1/webhooks/{hook['id']}/pause", {})
    on = {"learner": learner, "competency": "beemath:c1", "role": "registrar"}
    decided = await _decide(stack, district.tenant, on | {"status": "mastered", "reason": "beehive-reason"})
    policy = {"id": "beehive-shadow", "method": {"type": "streak", "n": 2}}
    shadow = await district.post("progression", "/v1/policies/shadows", policy)
    proposal = await district.post(
        "progression", "/v1/policies/proposals?mode=grandfathered&reason=beehive-reason", policy
    )
    await district.post("progression", "/v1/terms", {"name": "beehive term"})
    await district.drained()
    asked = await _ask(stack, district.tenant, learner)
    await district.close()
    return Victim(stack, district.tenant, {
        "tenant": district.tenant, "source": SOURCE, "source_id": LEARNER, "piece": "beehive-e0",
        "evidence_id": sent[0]["evidence_id"], "learner": learner, "other_learner": other,
        "quarantine_id": "1", "merge": learner, "key_id": key["key_id"], "line_item": "beehive-line",
        "sourced_id": "beehive-result", "form": "caliper", "kind": "credits", "competency": "beemath:c0", "framework": "beemath",
        "level": "beemath:1", "policy": shadow["hash"], "change": "resume", "class_id": "beehive-class",
        "school": "beehive-school", "district": "beehive-district", "session": "2025-beehive", "queue": "ready",
        "term": "beehive term", "model": "mastery", "table": "mastery", "shard": str(shard_of(district.tenant, learner, 8)),
        "id of webhook": hook["id"], "id of proposal": proposal["id"], "id of decision": decided,
        "id of request": asked,
    })  # fmt: skip


def _piece(number: int) -> dict[str, Any]:
    return {
        "id": f"beehive-e{number}", "source": SOURCE, "learner": LEARNER, "competencies": ["beemath:c0"],
        "activity": {"id": f"beehive-activity-{number}"}, "score": {"raw": 1, "max": 1},
        "occurred_at": f"2026-03-02T10:0{number}:00Z",
    }  # fmt: skip


async def _decide(stack: Stack, tenant: str, body: dict[str, Any]) -> str:
    token = token_of(stack, tenant, SCOPES, roles=["registrar"])
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        answer = await client.post(f"{stack.urls['progression']}/v1/overrides", json=body)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["items"][0]["id"]
    return found


async def _ask(stack: Stack, tenant: str, learner: str) -> str:
    """Let the learner ask for a review, and return its id."""
    token = token_of(stack, tenant, "records:read:self", learner=learner, subject=LEARNER)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        answer = await client.post(
            f"{stack.urls['reporting']}/v1/learners/{learner}/review-requests",
            json={"competency": "beemath:c0", "text": "beehive-reason of a learner"},
        )
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


def token_of(stack: Stack, tenant: str, scope: str, **claims: Any) -> str:
    """Return a token with further claims, signed as the stack's own are."""
    key = read_keys(stack.token_key_file.read_text())[0]
    return issue_token(
        key, subject=claims.pop("subject", "somebody"), tenant=tenant, scope=scope, expires_s=600, **claims
    )


def unsigned(token: str) -> str:
    """Return a token with its signature taken away and `alg` set to none."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    return f"{header}.{token.split('.')[1]}."


async def settled(victim: Victim) -> dict[str, str]:
    """Return the digest of the tenant once nothing of it changes by itself any more."""
    before: dict[str, str] = {}
    while (now := await digest_of(victim.stack, victim.tenant)) != before:
        before = now
        await asyncio.sleep(0.5)
    return now


async def digest_of(stack: Stack, tenant: str) -> dict[str, str]:
    """Return a hash a table over all rows of a tenant in the three databases."""
    found: dict[str, str] = {}
    for service, url in stack.databases.items():
        connection = await asyncpg.connect(url)
        tables = await connection.fetch(
            "select c.table_name from information_schema.columns c join pg_class t on t.relname = c.table_name"
            " where c.table_schema = 'public' and c.column_name = 'tenant' and not t.relispartition"
        )
        for (table,) in tables:
            if table not in MOVING:
                rows = await connection.fetch(f"select t::text from {table} t where tenant = $1 order by 1", tenant)
                text = "\n".join(row[0] for row in rows)
                found[f"{service}.{table}"] = hashlib.sha256(text.encode()).hexdigest()
        await connection.close()
    return found
