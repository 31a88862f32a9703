"""What leaves is whole and of nobody else; who is forgotten is in no export and no table: held against `holding`'s own count."""

import io
import random
import re
import zipfile
from collections.abc import Sequence

import httpx
import pytest

from deploy.local.commands.privacy import closed_terms, write_held
from deploy.local.home import SHARDS
from deploy.local.stack import Stack
from shared.shards import shard_of
from tests.system.asked_everywhere import answers
from tests.system.conftest import Attain
from tests.system.district import SOURCE, District
from tests.system.holding import Person, Telling
from tests.system.test_forgetting import databases

MARK = re.compile(r"q[0-9a-f]{8}p\d+m[0-9a-f]{6}")
SAYS_WHO_IS_FORGOTTEN = {
    "evidence.erased_learner", "evidence.event_log", "evidence.learner_merge", "progression.event_log", "progression.journal",
}  # fmt: skip
LEFT = {"evidence.event_log", "progression.journal"}
"""Where pieces stay that another learner had until a merge was undone; the certificate names that one."""


LEFT_BY_ROUTE = {"evidence GET /v1/feed", "progression GET /v1/journal"}
"""Routes of services and operators that tell what is in `LEFT`."""
FORGOTTEN_BY_ROUTE = LEFT_BY_ROUTE | {
    "evidence GET /v1/erasures", "progression GET /v1/feed", "progression GET /v1/advancements",
    "evidence GET /v1/holdings", "evidence GET /v1/learners/{learner}/holdings",
}  # fmt: skip
"""Routes that say by opaque id who is forgotten, or that another learner was once merged with that one."""


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 12))])
async def test_an_export_is_whole_and_of_one_learner_and_nothing_erased_comes_back(
    stack: Stack, attain: Attain, seed: int
) -> None:
    district = await District(stack, f"whole{seed}").open()
    telling = Telling(stack, district, seed, people=4)
    await telling.begin()
    await telling.go_on(40)
    await district.post("progression", "/v1/terms", {"name": "autumn"})
    await district.drained()
    check_exports(telling)

    chosen = random.Random(seed).sample([each for each in telling.people if each.merged_into is None], 2)
    gone, stays = [], set()
    for who in chosen:
        answer = await district.http.delete(f"{stack.urls['evidence']}/v1/learners/{who.learner}")
        assert answer.status_code == 200, answer.text
        stays |= set(answer.json()["stays_under"])
        gone += telling.erase(who)
    if telling.people:
        await telling.go_on(5)
    await district.drained()
    assert stays >= {other.learner for one in gone for other in one.stood_under if other in telling.people}
    check_tables(telling, gone, await databases(stack))
    await check_routes(telling, gone)
    again = await district.send([
        {"id": id, "source": SOURCE, "learner": one.source_id, "competencies": ["math:c0"], "score": {"raw": 1, "max": 1},
         "occurred_at": "2026-03-02T10:00:00Z"} for one in gone for id in one.pieces
    ])  # fmt: skip
    assert {each["reason"] for each in again} <= {"erased"}
    check_exports(telling)

    ended = attain("tenant", "delete", "--yes", tenant=district.tenant)
    await district.drained()
    assert ended["exit"] == 0, ended
    words = [one.word for one in (*gone, *telling.people)]
    left = {table for table, rows in (await databases(stack)).items() if any(word in rows for word in words)}
    assert left == set()
    await district.close()


def check_exports(telling: Telling) -> None:
    """Hold the export of everybody who is there."""
    for who in telling.people:
        if who.merged_into is None:
            check(telling, who, exported(telling.stack, telling.district.tenant, who))


def check_tables(telling: Telling, gone: Sequence[Person], tables: dict[str, str]) -> None:
    """Hold that no table says anything of who is forgotten but that they are; what another had of them is with that one."""
    for one in gone:
        found = {table for table, rows in tables.items() if one.word in rows}
        assert found <= (LEFT if one.stood_under & set(telling.people) else set()), (one.word, found)
        named = {table for table, rows in tables.items() if one.learner in rows}
        assert named <= SAYS_WHO_IS_FORGOTTEN, named - SAYS_WHO_IS_FORGOTTEN


async def check_routes(telling: Telling, gone: Sequence[Person]) -> None:
    """Hold the same of what every route answers, of those who stay and of those who are forgotten."""
    for who in (*telling.people[:1], gone[0]):
        values = {"tenant": telling.district.tenant, "learner": who.learner, "source": SOURCE, "source_id": who.source_id,
                  "class_id": "room", "competency": "math:c0", "framework": "math", "queue": "asked", "term": "autumn",
                  "model": "mastery", "shard": str(shard_of(telling.district.tenant, gone[0].learner, SHARDS))}  # fmt: skip
        told = await answers(telling.stack, telling.district.tenant, values, of_learners_alone=who is gone[0])
        for one in gone:
            # Who asks of a learner by an id is answered with that id; what was looked for by name stays in the field.
            found = {
                route
                for route, text in told.items()
                if one.word in text and not (who is one and route.endswith("/find"))
            }
            assert found <= (LEFT_BY_ROUTE if one.stood_under & set(telling.people) else set()), (one.word, found)
            named = {
                route
                for route, text in told.items()
                if one.learner in text and not (who is one and "{learner}" in route)
            }
            assert named <= FORGOTTEN_BY_ROUTE, named - FORGOTTEN_BY_ROUTE


def check(telling: Telling, who: Person, export: str) -> None:
    """Hold an export against the count: every mark of the learner, and none of anybody else or of what was taken back."""
    held = telling.held_of(who)
    own = {who.word, *(each.word for each in telling.people if each.merged_into is who)}

    missing = {mark for mark in held if mark not in export}
    assert missing == set()
    strangers = {mark for mark in MARK.findall(export) if mark.split("m")[0] not in own}
    assert strangers - held == set()
    assert not [mark for mark in who.gone if mark in export]


def exported(stack: Stack, tenant: str, who: Person) -> str:
    """Return all that the ZIP of a learner says."""
    token = stack.token(tenant, "admin records:read")
    clients = {
        service: httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        for service, url in stack.urls.items()
    }
    with zipfile.ZipFile(io.BytesIO(), "w") as bundle:
        write_held(clients, bundle, who.learner, closed_terms(clients))
        texts = [bundle.read(name).decode() for name in bundle.namelist()]
    for client in clients.values():
        client.close()
    return "".join(texts)
