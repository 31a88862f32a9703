"""What a tenant is answered everywhere: by every route that only reads, of every log and table, and on the pages."""

import httpx

from deploy.local.stack import Stack
from services.reporting.handlers.exporting import TABLES
from shared.permissions import PERMISSIONS
from tests.support.described import hold_as_published
from tests.system.district import SCOPES
from tests.system.isolation.routes import CASES, Route, filled
from tests.system.isolation.test_every_route import STREAMS
from tests.system.isolation.victim import token_of

LOGS = {
    "evidence": ("evidence", "roster", "evidence.quarantined"),
    "progression": ("progression", "advancement", "support", "curriculum"),
}
XAPI = {"X-Experience-API-Version": "1.0.3"}
NOTHING = "00000000-0000-4000-8000-000000000000"


async def answers(stack: Stack, tenant: str, values: dict[str, str], *, of_learners_alone: bool) -> dict[str, str]:
    """
    Return as text what each route, or each that asks of a learner, answers who may see everything.

    What a path or query lacks a value for is of nothing.
    """
    token = token_of(stack, tenant, SCOPES, roles=sorted(PERMISSIONS))
    headers = XAPI | {"Authorization": f"Bearer {token}", "Cookie": f"attain={token}"}
    found: dict[str, list[str]] = {}
    held = {"response": [hold_as_published]}
    async with httpx.AsyncClient(timeout=60, headers=headers, event_hooks=held) as client:
        for route in CASES.values():
            asks = f"{route.path}?{route.query}"
            if of_learners_alone and not ("{learner}" in asks or "{source_id}" in asks):
                continue
            if route.method == "GET" and route.path not in STREAMS:
                for path in _paths(route):
                    answer = await client.get(stack.urls[route.service] + _filled(path, values))
                    assert answer.status_code < 500, (path, answer.text)
                    found.setdefault(route.name, []).append(answer.text)
    return {name: "\n".join(texts) for name, texts in found.items()}


def _paths(route: Route) -> list[str]:
    """Return a route's path and query; of logs, in one shard, and of tables all that there are."""
    if route.path == "/v1/feed":
        return [f"/v1/feed?log={log}&shard={{shard}}&limit=10000" for log in LOGS[route.service]]
    if route.path == "/v1/quarantine":
        return [f"/v1/quarantine?status={each}" for each in ("quarantined", "parked", "redriven", "released")]
    if route.path == "/v1/exports/{table}":
        return [f"/v1/exports/{table}?limit=10000" for table in TABLES]
    return [f"{route.path}?{route.query}" if route.query else route.path]


def _filled(path: str, values: dict[str, str]) -> str:
    path = str(filled(path, values))
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + NOTHING + rest.partition("}")[2]
    return path
