"""What leaves is whole and of nobody else; who is forgotten is in no export and no table: held against `holding`'s own count."""

import io
import random
import re
import zipfile

import httpx
import pytest

from deploy.local.commands.privacy import closed_terms, write_held
from deploy.local.stack import Stack
from tests.system.district import SOURCE, District
from tests.system.holding import Person, Telling
from tests.system.test_forgetting import databases

MARK = re.compile(r"q[0-9a-f]{8}p\d+m[0-9a-f]{6}")
SAYS_WHO_IS_FORGOTTEN = {
    "evidence.erased_learner", "evidence.event_log", "evidence.learner_merge", "progression.event_log", "progression.journal",
}  # fmt: skip
LEFT = {"evidence.event_log", "progression.journal"}
"""Where pieces stay that another learner had until a merge was undone; the certificate names that one."""


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 12))])
async def test_an_export_is_whole_and_of_one_learner_and_nothing_erased_comes_back(stack: Stack, seed: int) -> None:
    district = await District(stack, f"whole{seed}").open()
    telling = Telling(stack, district, seed, people=4)
    await telling.begin()
    await telling.go_on(40)
    await district.post("progression", "/v1/terms", {"name": "autumn"})
    await district.drained()
    for who in telling.people:
        if who.merged_into is None:
            check(telling, who, exported(stack, district.tenant, who))

    chosen = random.Random(seed).sample([each for each in telling.people if each.merged_into is None], 2)
    gone, stays = [], set()
    for who in chosen:
        answer = await district.http.delete(f"{stack.urls['evidence']}/v1/learners/{who.learner}")
        assert answer.status_code == 200, answer.text
        stays |= set(answer.json()["stays_under"])
        gone += telling.erase(who)
    await district.drained()
    left = await databases(stack)
    again = await district.send([
        {"id": id, "source": SOURCE, "learner": one.source_id, "competencies": ["math:c0"], "score": {"raw": 1, "max": 1},
         "occurred_at": "2026-03-02T10:00:00Z"} for one in gone for id in one.pieces
    ])  # fmt: skip

    under = {other.learner for one in gone for other in one.stood_under if other in telling.people}
    assert stays >= under
    for one in gone:
        found = {table for table, rows in left.items() if one.word in rows}
        assert found <= (LEFT if one.stood_under & set(telling.people) else set()), (one.word, found)
        named = {table for table, rows in left.items() if one.learner in rows}
        assert named <= SAYS_WHO_IS_FORGOTTEN, named - SAYS_WHO_IS_FORGOTTEN
    assert {each["reason"] for each in again} <= {"erased"}
    for who in telling.people:
        if who.merged_into is None:
            check(telling, who, exported(stack, district.tenant, who))
    await district.close()


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
