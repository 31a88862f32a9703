"""Nobody reads or writes a tenant from outside of it, by any route: all that the services have are tried."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from fastapi.routing import APIRoute

from deploy.local.stack import Stack
from services.reporting import entrypoints as reporting
from shared.auth import issue_token, read_keys
from tests.support.described import hold_as_published
from tests.system.district import SCOPES
from tests.system.isolation.routes import CASES, FOR_VERIFIERS, OPEN, Route, named
from tests.system.isolation.victim import OF_PERSONS, SECRETS, TEACHER, Victim, digest_of, settled, token_of, unsigned

ALL_BUT_SERVICE = SCOPES.replace(" service", "")
BYTES_MAX = 1 << 20
STREAMS = ("/v1/advancements/stream", "/live")
STREAM_S = 0.4
COUNTED = {"evidence.intake_count", "evidence.source_day"}
ADDED_TO = {f"evidence.{table}" for table in ("api_key", "quarantine", "event_log", "evidence", "xapi_statement")}
"""Where another source's key leaves what it sends of its own, what it was refused for, and itself."""
LEAVES = {"key of a source": COUNTED | ADDED_TO, "auditor": {"reporting.told_daily"}}
"""What may change by somebody: a district's figures of the day are computed for the first who asks for them."""


OF_AUDITORS = {"reporting GET /v1/accesses", "progression GET /v1/policies/proposals"}
"""What tells auditors of learners by their ids, and of policies with their reasons: that is their right."""


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=40, event_hooks={"response": [hold_as_published]}) as made:
        yield made


async def test_every_route_has_a_case(stack: Stack, client: httpx.AsyncClient) -> None:
    found = set()
    for service, url in stack.urls.items():
        document = (await client.get(f"{url}/openapi.json")).json()
        found |= {
            f"{service} {method.upper()} {named(path)}" for path, of in document["paths"].items() for method in of
        }
    pages = [route for router in reporting.ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    found |= {f"reporting {method} {named(route.path)}" for route in pages for method in route.methods or ()}

    assert found - OPEN - FOR_VERIFIERS == CASES.keys()


async def test_the_tenant_itself_is_shown_what_others_are_not(victim: Victim, client: httpx.AsyncClient) -> None:
    """Were nothing to be seen, the other tests would prove nothing."""
    token = token_of(victim.stack, victim.tenant, SCOPES, roles=["principal"])
    told = set()
    for route in CASES.values():
        if route.method == "GET" and route.path not in STREAMS:
            status, text = await ask(client, victim, route, token)
            if status == 200 and any(secret in text for secret in SECRETS):
                told.add(route.name)

    assert len(told) >= 25, sorted(told)


@pytest.mark.parametrize("fault", ["nothing", "audience", "issuer", "none", "expired", "key", "garbage"])
async def test_no_route_answers_who_has_no_good_token(victim: Victim, client: httpx.AsyncClient, fault: str) -> None:
    before = await settled(victim)
    token = _spoilt(victim, fault)
    wrong = []
    for route in CASES.values():
        status, text = await ask(client, victim, route, token)
        # Pages send people to sign in, and say so in place of what was asked for.
        allowed = (200, 303, 400, 401, 403) if route.is_page else (401,)
        if status not in allowed or _leaks(text, victim, route, SECRETS):
            wrong.append((route.name, status, text[:200]))

    assert wrong == [], wrong
    assert await digest_of(victim.stack, victim.tenant) == before


@pytest.mark.parametrize(
    "who", ["another tenant", "key of another tenant", "teacher", "learner", "auditor", "key of a source"]
)
async def test_no_route_lets_anybody_reach_into_the_tenant(
    victim: Victim, client: httpx.AsyncClient, stack: Stack, who: str
) -> None:
    before = await settled(victim)
    token, secrets = await _attacker(victim, client, who)
    wrong = []
    for route in CASES.values():
        status, text = await ask(client, victim, route, token)
        is_right = who == "auditor" and route.name in OF_AUDITORS
        if status == 500 or (_leaks(text, victim, route, secrets) and not is_right):
            wrong.append((route.name, status, text[:300]))
    after = await digest_of(victim.stack, victim.tenant)

    assert wrong == [], wrong
    changed = {table for table in before if before[table] != after[table]}
    assert changed <= LEAVES.get(who, set())
    assert all(before[table] < after[table] for table in changed - COUNTED)


async def test_what_is_another_tenants_is_answered_as_what_does_not_exist(
    victim: Victim, client: httpx.AsyncClient
) -> None:
    """Not even whether there is such a learner, class or webhook can be told from outside."""
    made_up, people = victim.with_ids_of_nothing(), _people(victim)
    dead_ends, told_apart = [], []
    for route in CASES.values():
        if "{" not in route.path or route.method != "GET":
            continue
        for claims in people:
            mine, _ = await ask(client, victim, route, token_of(victim.stack, victim.tenant, **claims))
            outside = token_of(victim.stack, "newcomer", **claims | {"scope": claims["scope"].replace(" service", "")})
            status, text = await ask(client, victim, route, outside)
            nothing_status, nothing = await ask(client, made_up, route, outside)
            if (status, victim.without_ids(text)) != (nothing_status, made_up.without_ids(nothing)):
                told_apart.append((route.name, status, text[:300], nothing_status, nothing[:300]))
            if mine == 200:
                break
        else:
            dead_ends.append(route.name)

    assert dead_ends == [], "the ids of the victim lead nowhere, so nothing is proved"
    assert told_apart == [], told_apart


@pytest.mark.parametrize("address", ["evidence/v1/learners", "reporting/v1/people"])
async def test_whoever_asks_for_a_learner_who_was_merged_is_sent_to_whom_that_one_became(
    victim: Victim, client: httpx.AsyncClient, address: str
) -> None:
    service, _, path = address.partition("/")
    headers = {"Authorization": f"Bearer {token_of(victim.stack, victim.tenant, SCOPES)}"}
    url = f"{victim.stack.urls[service]}/{path}/{victim.values['merged']}"
    answer = await client.get(url, headers=headers, follow_redirects=True)

    assert [each.status_code for each in (*answer.history, answer)] == [308, 200]
    assert answer.url.path == f"/{path}/{victim.values['other_learner']}"


def _people(victim: Victim) -> list[dict[str, Any]]:
    """Return the claims of a leader, an integration, a teacher of the roster, and the learner."""
    return [
        {"scope": SCOPES, "roles": ["principal"]},
        {"scope": SCOPES},
        {"scope": "records:read:classes evidence:write decisions:write", "subject": TEACHER},
        {"scope": "records:read:self", "learner": victim.values["learner"]},
    ]


async def ask(client: httpx.AsyncClient, victim: Victim, route: Route, token: str | None) -> tuple[int, str]:
    """Send the route's request; return the status and as much of the answer as there is at once."""
    headers = {"X-Experience-API-Version": "1.0.3"}
    headers |= {} if token is None else {"Authorization": f"Bearer {token}", "Cookie": f"attain={token}"}
    body = victim.body(route)
    given: dict[str, Any] = {} if body is None else {"json": body}
    text = b""
    async with client.stream(route.method, victim.url(route), headers=headers, **given) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return answer.status_code, await _begin(answer)
        async for chunk in answer.aiter_bytes():
            text += chunk
            if len(text) > BYTES_MAX:
                break
    return answer.status_code, text.decode(errors="replace")


async def _begin(answer: httpx.Response) -> str:
    """Return what a stream says at first."""
    text = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STREAM_S):
            async for chunk in answer.aiter_bytes():
                text += chunk
    return text.decode(errors="replace")


def _leaks(text: str, victim: Victim, route: Route, secrets: tuple[str, ...]) -> bool:
    """Whether an answer tells a secret that the request itself did not."""
    sent = f"{victim.url(route)} {victim.body(route)}"
    return any(secret in text and secret not in sent for secret in secrets)


def _spoilt(victim: Victim, fault: str) -> str | None:
    good = token_of(victim.stack, victim.tenant, SCOPES)
    keys = read_keys(victim.stack.token_key_file.read_text())
    claims = jwt.decode(good, options={"verify_signature": False})
    match fault:
        case "nothing":
            return None
        case "audience":
            return jwt.encode(claims | {"aud": "another"}, keys[0], algorithm="HS256")
        case "issuer":
            return jwt.encode(claims | {"iss": "another"}, keys[0], algorithm="HS256")
        case "none":
            return unsigned(good)
        case "expired":
            return issue_token(keys[0], subject="x", tenant=victim.tenant, scope=SCOPES, expires_s=-1)
        case "key":
            return jwt.encode(claims, b"k" * 32, algorithm="HS256")
        case _:
            return "a.b.c"


async def _attacker(victim: Victim, client: httpx.AsyncClient, who: str) -> tuple[str, tuple[str, ...]]:
    """Return a token and the secrets that it must not bring to light."""
    stack, tenant = victim.stack, victim.tenant
    match who:
        case "another tenant":
            return token_of(stack, "stranger", ALL_BUT_SERVICE, roles=["principal", "registrar"]), SECRETS
        case "key of another tenant":
            return await _key(client, stack, "stranger", "urn:beehive:lms"), SECRETS
        case "teacher":
            scope = "records:read:classes evidence:write decisions:write"
            return token_of(stack, tenant, scope, subject="teacher-of-none", roles=["teacher"]), OF_PERSONS
        case "learner":
            other = "00000000-0000-4000-8000-000000000000"
            scope = "records:read:self evidence:write decisions:write"
            return token_of(stack, tenant, scope, learner=other, roles=["teacher"]), OF_PERSONS
        case "auditor":
            return token_of(stack, tenant, "records:read", roles=["auditor"]), OF_PERSONS
        case _:
            return await _key(client, stack, tenant, "urn:test:another-lms"), SECRETS


async def _key(client: httpx.AsyncClient, stack: Stack, tenant: str, source: str) -> str:
    admin = {"Authorization": f"Bearer {token_of(stack, tenant, 'admin')}"}
    answer = await client.post(f"{stack.urls['evidence']}/v1/keys", json={"source": source}, headers=admin)
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["key"]
    return key
