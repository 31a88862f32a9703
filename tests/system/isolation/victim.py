"""A tenant with something in every place, and words in it that nobody else may ever read."""

import asyncio
import base64
import datetime
import hashlib
import json
import re
import secrets
import uuid
from collections import Counter
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
    "Beatrix Beacon", "Bertram Birch", "Beehive Competency", "Beehive Class", "Beehive School", "beehive-activity",
    "beehive-hook", "beehive-key", "beehive-reason", "beehive-e", LEARNER, OTHER,
)  # fmt: skip
OF_PERSONS = ("Beatrix Beacon", "Bertram Birch", "beehive-activity", "beehive-reason", "beehive-e", LEARNER, OTHER)
STATEMENT = "6f1c7a3e-9d2b-4c5f-8a61-0b7d2e4f9c10"
LINE, SESSION, TEACHER = "beehive-line", "2025-beehive", "beehive-teacher"
CALLED = "Bertram Birch"
SMALL = {"small_number": 10}
NAMES = ("Beatrix Beacon", "Bo", "Bee", "Barnaby")
SUPPORTING = {
    "id": "beehive-support", "scale": {"min": 1, "max": 4, "mastery": 3},
    "method": {"type": "mean_of_last", "k": 3, "at_or_above": 3}, "sufficiency": {"min_evidence": 3},
    "support": {"class_work": {"pieces": 4, "below": 3}, "year_ends": "12-31"},
}  # fmt: skip
VIEWED = {
    "type": "ViewEvent", "action": "Viewed", "id": "urn:uuid:0d1f2a3b-4c5d-4e6f-8a9b-1c2d3e4f5a6b",
    "actor": "urn:beehive:app", "object": {"id": "urn:beehive-activity", "type": "WebPage"},
    "eventTime": "2026-03-05T10:00:00.000Z", "extensions": {"seenBy": [{"id": LEARNER, "type": "Person"}]},
}  # fmt: skip
SAID = {
    "id": STATEMENT, "actor": {"account": {"homePage": SOURCE, "name": LEARNER}}, "verb": {"id": "http://adlnet.gov/expapi/verbs/scored"},
    "object": {"id": "beehive:quiz"}, "result": {"score": {"scaled": 1.0}}, "timestamp": "2026-03-02T11:00:00Z",
}  # fmt: skip
SPOILT = {
    "metadata": {"event_name": "learning_outcome_result_created", "event_time": "2026-03-05T10:00:00Z", "root_account_uuid": "R"},
    "body": {"learning_outcome_id": "1", "user_uuid": LEARNER, "score": "much"},
}  # fmt: skip
MOVING = ("access_log", "counted_block", "disclosure", "standing_disclosure", "webhook_delivery", "shadow_cursor")
"""Tables that change by looking, counting or trying again, and not by what anybody sent."""

OF_TENANTS = (
    "select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')"
    " and not c.relispartition and exists(select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant')"
)
"""Tables that name a tenant."""
BY_PARENT = (
    "select c.relname as name, a.attname as mine, p.relname as parent, b.attname as key from pg_constraint k"
    " join pg_class c on c.oid = k.conrelid join pg_class p on p.oid = k.confrelid"
    " join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]"
    " join pg_attribute b on b.attrelid = p.oid and b.attnum = k.confkey[1]"
    " where k.contype = 'f' and not exists(select from pg_attribute t where t.attrelid = c.oid and t.attname = 'tenant')"
)
"""Tables without a tenant of their own: the column that leads to a row of another table, which has one."""


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
        if "/plans/" in path:
            return "plan"
        if "subscribers" in path:
            return "subscriber"
        return "webhook" if "webhooks" in path else "proposal" if "proposals" in path else "decision"


async def settle(stack: Stack, name: str) -> Victim:
    """Fill a tenant through the public edges, and wait until all of it is folded."""
    district = await District(stack, name).open("beemath", "code,title\nc0,Beehive Competency\nc1,Other\n")
    values = {
        "tenant": district.tenant, "source": SOURCE, "source_id": LEARNER, "piece": "beehive-e0", "statement": STATEMENT,
        "line_item": LINE, "sourced_id": "beehive-result", "form": "caliper", "kind": "credits", "competency": "beemath:c0",
        "framework": "beemath", "level": "beemath:1", "supported": "beeart:c2", "change": "resume",
        "class_id": "beehive-class", "school": "beehive-school", "district": "beehive-district", "session": SESSION,
        "person": TEACHER, "queue": "ready", "term": "beehive term", "model": "mastery", "table": "mastery",
    }  # fmt: skip
    values |= await _fill_rules(district)
    values |= await _fill_evidence(district)
    await district.drained()
    values |= await _fill_decisions(stack, district, values["learner"], values["id of webhook"])
    await district.drained()
    await district.close()
    shard = shard_of(district.tenant, values["learner"], 8)
    return Victim(stack, district.tenant, values | {"shard": str(shard)})


async def _fill_rules(district: District) -> dict[str, str]:
    """Set a second framework with a policy that asks for support, a limit, entries of the alignment map, keys and readers."""
    await district.post(
        "progression", "/v1/frameworks",
        {"id": "beeart", "nodes": "code,title\nc0,Zero\nc2,Two\n", "edges": "from,to\nc0,c2\n"},
    )  # fmt: skip
    await district.post("progression", "/v1/policies?framework=beeart", SUPPORTING)
    for service, limit in (("evidence", {"statements_kept": "all"}), ("progression", SMALL), ("reporting", SMALL)):
        set_ = await district.http.put(f"{district.stack.urls[service]}/v1/limits", json=limit)
        assert set_.is_success, set_.text
    entries = [
        {"id": id, "source": SOURCE, "competencies": [{"competency": competency}]}
        for id, competency in ((LINE, "beemath:c0"), ("beehive:quiz", "beemath:c1"))
    ]
    await district.post("evidence", "/v1/alignments", json.dumps(entries).encode())
    await district.post("evidence", "/v1/own-activities", {"activities": ["beehive-own"]})
    key = await district.post("evidence", "/v1/keys", {"source": SOURCE, "name": "beehive-key"})
    hook = await district.post(
        "progression", "/v1/webhooks",
        {"name": "beehive-hook", "url": "http://127.0.0.1:9/", "purpose": "telling the district", "start": "beginning"},
    )  # fmt: skip
    reader = await district.post(
        "progression", "/v1/subscribers", {"via": "kafka", "name": "beehive-hook", "purpose": "telling the district"}
    )
    return {"key_id": key["key_id"], "id of webhook": hook["id"], "id of subscriber": reader["id"]}


async def _fill_evidence(district: District) -> dict[str, str]:
    """Send a roster with a session that ended, and evidence of every outcome: taken, parked, refused, kept, handed in."""
    people = (LEARNER, OTHER, "beehive-l3", "beehive-l4")
    roster = {
        "source": SOURCE,
        "schools": [{"school": "beehive-school", "title": "Beehive School", "district": "beehive-district"}],
        "classes": [{"class": "beehive-class", "title": "Beehive Class", "school": "beehive-school"},
                    {"class": "beehive-past", "title": "Beehive Class of before", "school": "beehive-school"}],
        "learners": [{"source_id": each, "name": name} for each, name in zip(people, NAMES, strict=True)],
        "enrolments": [{"class": "beehive-class", "learner": each} for each in (LEARNER, OTHER)]
        + [{"class": "beehive-past", "learner": LEARNER}],
        "staff": [{"class": "beehive-class", "staff": TEACHER}], "people": [{"person": TEACHER, "name": CALLED}],
        "groups": [{"group": "grade", "learner": LEARNER, "value": "5"}],
        "assignments": [{"person": "beehive-guardian", "role": "guardian", "kind": "learner", "target": LEARNER}],
    }  # fmt: skip
    await district.post("evidence", "/v1/roster", roster)
    rollover = {"session": SESSION, "goes_on": ["beehive-class"], "share_max": 1}
    await district.post("evidence", "/v1/roster/rollovers", rollover)
    # Refused first: what is refused at the door is counted with the next batch.
    refused = await district.http.post(f"{district.stack.urls['evidence']}/canvas/events?source={SOURCE}", json=SPOILT)
    assert refused.status_code == 422, refused.text
    now = datetime.datetime.now(datetime.UTC)
    sent = await district.send([
        *(_piece(number) for number in range(4)),
        *(_piece(number) | {"learner": OTHER} for number in (10, 11)),
        *(_marked(number, now) for number in range(20, 26)),
        _piece(30) | {"competencies": ["beemath:nothing-yet"]},
        _piece(31) | {"score": {"raw": 2, "max": 1, "min": 3}},
    ])  # fmt: skip
    assert Counter(each["status"] for each in sent) == {"accepted": 12, "parked": 1, "rejected": 1}, sent
    score = {
        "userId": LEARNER, "timestamp": now.isoformat(), "activityProgress": "Completed", "gradingProgress": "PendingManual",
    }  # fmt: skip
    await district.post("evidence", f"/lti/lineitems/{LINE}/scores?source={SOURCE}", score)
    await district.post("evidence", f"/v1/intake/caliper?source={SOURCE}", VIEWED)
    as_source = token_of(district.stack, district.tenant, SCOPES, source=SOURCE)
    statement = await district.http.post(
        f"{district.stack.urls['evidence']}/xapi/statements", json=SAID,
        headers={"X-Experience-API-Version": "1.0.3", "Authorization": f"Bearer {as_source}"},
    )  # fmt: skip
    assert statement.status_code == 200, statement.text
    find = f"/v1/learners?source={SOURCE}&source_id="
    learner, other, third, fourth = [(await district.get("evidence", find + each))["learner"] for each in people]
    merge = await district.post("evidence", f"/v1/learners/{third}/merge", {"into": other, "reason": "beehive-reason"})
    gone = await district.http.delete(f"{district.stack.urls['evidence']}/v1/learners/{fourth}")
    assert gone.is_success, gone.text
    quarantined = await district.get("evidence", "/v1/quarantine")
    return {
        "evidence_id": sent[0]["evidence_id"], "learner": learner, "other_learner": other, "merge": merge["merge"],
        "merged": third, "quarantine_id": quarantined["items"][0]["quarantine_id"],
    }  # fmt: skip


async def _fill_decisions(stack: Stack, district: District, learner: str, hook: str) -> dict[str, str]:
    """Decide, try another policy, propose it, close a term, have a record signed; and end what the webhook tries in vain."""
    on = {"learner": learner, "competency": "beemath:c1", "role": "registrar"}
    decided = await _decide(stack, district.tenant, on | {"status": "mastered", "reason": "beehive-reason"})
    policy = {"id": "beehive-shadow", "method": {"type": "streak", "n": 2}}
    shadow = await district.post("progression", "/v1/policies/shadows", policy)
    proposal = await district.post(
        "progression", "/v1/policies/proposals?mode=grandfathered&reason=beehive-reason", policy
    )
    await district.drained()
    asked, planned = await _ask(stack, district.tenant, learner), await _plan(stack, district.tenant, learner)
    await district.get("reporting", f"/v1/learners/{learner}/credential")
    await district.post("progression", "/v1/terms", {"name": "beehive term"})
    while not (await district.get("progression", f"/v1/webhooks/{hook}/deliveries"))["items"]:
        await asyncio.sleep(0.1)
    await district.post("progression", f"/v1/webhooks/{hook}/pause", {})
    await district.get("progression", "/v1/standings")
    return {"policy": shadow["hash"], "id of proposal": proposal["id"], "id of decision": decided,
            "id of request": asked, "id of plan": planned}  # fmt: skip


def _marked(number: int, now: datetime.datetime) -> dict[str, Any]:
    """Return a piece below the cut, lately, so that support is suggested; the first two on what it builds upon."""
    return {
        "id": f"beehive-e{number}", "source": SOURCE, "learner": LEARNER, "kind": "formative",
        "competencies": ["beeart:c0" if number < 22 else "beeart:c2"], "score": {"level": 2, "scale": "rubric"},
        "occurred_at": (now - datetime.timedelta(minutes=60 - number)).isoformat(),
    }  # fmt: skip


def _piece(number: int) -> dict[str, Any]:
    return {
        "id": f"beehive-e{number}", "source": SOURCE, "learner": LEARNER, "competencies": ["beemath:c0"],
        "activity": {"id": f"beehive-activity-{number}"}, "score": {"raw": 1, "max": 1},
        "occurred_at": f"2026-03-02T10:{number:02}:00Z", "assessor": {"id": TEACHER, "type": "human"},
    }  # fmt: skip


async def _decide(stack: Stack, tenant: str, body: dict[str, Any]) -> str:
    token = token_of(stack, tenant, SCOPES, roles=["registrar"])
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        answer = await client.post(f"{stack.urls['progression']}/v1/overrides", json=body)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["items"][0]["id"]
    return found


async def _plan(stack: Stack, tenant: str, learner: str) -> str:
    """Make an individual plan, and return its id."""
    review_at = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=100)
    token = token_of(stack, tenant, SCOPES, roles=["case_manager"])
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        answer = await client.post(
            f"{stack.urls['progression']}/v1/plans",
            json={"learner": learner, "competency": "beemath:c0", "kind": "accommodate", "code": "other",
                  "accommodations": ["beehive-reason"], "review_at": review_at.isoformat()},
        )  # fmt: skip
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["items"][0]["id"]
    return made


async def _ask(stack: Stack, tenant: str, learner: str) -> str:
    """Let the learner state something about a review that was refused, ask for another, and return its id."""
    path = f"{stack.urls['reporting']}/v1/learners/{learner}/review-requests"
    own = token_of(stack, tenant, "records:read:self", learner=learner, subject=LEARNER)
    teacher = token_of(stack, tenant, "records:read:classes decisions:write", subject=TEACHER)

    async def send(to: str, body: dict[str, Any], token: str = own) -> str:
        answer = await client.post(path + to, json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.is_success, answer.text
        made: str = answer.json()["id"]
        return made

    async with httpx.AsyncClient(timeout=30) as client:
        refused = await send("", {"competency": "beemath:c1"})
        await send(f"/{refused}/done", {"done": "beehive-reason", "refused": True}, teacher)
        await send(f"/{refused}/statement", {"statement": "beehive-reason of a family"})
        return await send("", {"competency": "beemath:c0", "text": "beehive-reason of a learner"})


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


async def settled(victim: Victim) -> dict[str, frozenset[str]]:
    """Return the digest of the tenant once nothing of it changes by itself any more."""
    before: dict[str, frozenset[str]] = {}
    while (now := await digest_of(victim.stack, victim.tenant)) != before:
        before = now
        await asyncio.sleep(0.5)
    return now


async def digest_of(stack: Stack, tenant: str) -> dict[str, frozenset[str]]:
    """Return a hash of each row of a tenant, by the tables of the three databases."""
    found: dict[str, frozenset[str]] = {}
    for service, url in stack.databases.items():
        connection = await asyncpg.connect(url)
        tables = await connection.fetch(OF_TENANTS)
        for (table,) in tables:
            if table not in MOVING:
                rows = await connection.fetch(f"select t::text from {table} t where tenant = $1", tenant)
                found[f"{service}.{table}"] = frozenset(hashlib.sha256(row[0].encode()).hexdigest() for row in rows)
        await connection.close()
    return found
