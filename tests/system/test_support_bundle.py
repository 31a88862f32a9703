"""A support bundle of a stack in which everything bears a mark: it says how the stack is, and has no mark and no secret."""

import json
import secrets
import zipfile
from pathlib import Path

import httpx

from deploy.local.home import Home
from deploy.local.stack import Stack
from tests.support.secrets_in_logs import secrets_of, shown_in
from tests.system.conftest import Attain
from tests.system.district import District

MARK = "zzmark"
OPAQUE = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


async def test_a_bundle_tells_how_an_installation_is_and_of_nobody_in_it(
    stack: Stack, attain: Attain, tmp_path: Path
) -> None:
    planted = await _planted(stack)
    log = tmp_path / f"{MARK}.log"
    log.write_text("\n".join(f"evidence-1  | 2026-11-29 05:45:42,120 ERROR attain {text}" for text in planted.values()))
    file = tmp_path / "bundle.zip"
    made = attain("support-bundle", "--output", str(file), "--log", str(log))
    with zipfile.ZipFile(file) as bundle:
        bundle.extractall(tmp_path / "bundle")
        told = {name: bundle.read(name).decode() for name in bundle.namelist()}

    assert (made["exit"], made["files"]) == (0, list(told))
    assert not [name for name, text in told.items() if MARK in (name + text).lower()]
    assert shown_in(tmp_path / "bundle", secrets_of(stack) | planted) == []
    assert not [name for name, text in told.items() if str(Home(stack.home).folder) in text]
    checks = {check["name"]: check["ok"] for check in json.loads(told["doctor.json"])}
    assert checks["schema of progression"]
    assert checks["Kafka"]
    status = json.loads(told["status.json"])
    assert {stage["name"] for stage in status["stages"]} >= {"intake", "progression", "reporting"}
    assert status["counts"]["folded"]["expected"] > 0
    assert json.loads(told["settings.json"])["shards"] == 8
    assert all("attain_stage_behind_events" in told[f"metrics/{name}.txt"] for name in stack.urls)
    assert "progression claimed shards" in told["logs/progression.txt"]


async def _planted(stack: Stack) -> dict[str, str]:
    """Bring names, ids, texts and keys into a tenant by as many ways as there are; return what must not come out."""
    district = await District(stack, f"{MARK}-tenant").open(framework=f"{MARK}-framework")
    source = f"urn:{MARK}:source"
    key = await district.post("evidence", "/v1/keys", {"source": source, "name": f"{MARK} key"})
    piece = {
        "id": f"{MARK}-id", "source": source, "learner": f"{MARK}-learner", "competencies": [f"{MARK}-framework:c0"],
        "activity": {"id": f"{MARK}-quiz", "name": f"{MARK} quiz"}, "score": {"raw": 1, "max": 1},
        "occurred_at": "2026-03-04T10:15:00Z",
    }  # fmt: skip
    await district.send([piece])
    await district.produce([piece | {"id": f"{MARK}-bad", "score": {"raw": f"{MARK} score", "max": 1}}])
    await district.drained()
    # A stack that has only just started has counted nothing yet.
    await district.post("progression", "/v1/reconciliation", {})
    found = await district.http.get(
        f"{stack.urls['evidence']}/v1/learners", params={"source": source, "source_id": f"{MARK}-learner"}
    )
    token = stack.token(district.tenant, "admin")
    async with httpx.AsyncClient() as client:
        for url in stack.urls.values():
            await client.get(f"{url}/v1/{MARK}?name={MARK}", headers={"Authorization": f"Bearer {token}"})
    await district.close()
    return {
        "tenant": district.tenant, "learner": found.json()["learner"], "key": key["key"], "token": token,
        "name": f"{MARK} {secrets.token_hex(4)}",
    }  # fmt: skip
