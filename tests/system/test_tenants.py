"""A tenant is begun, taken along and ended by commands; its neighbours do not notice."""

import json
import zipfile
from collections import Counter
from pathlib import Path

import asyncpg
import httpx

from deploy.local.commands.tenant import WHOLE
from deploy.local.stack import Stack
from tests.support.servers import administrator_url
from tests.system.conftest import Attain
from tests.system.district import SOURCE
from tests.system.isolation.victim import digest_of, settle, settled

PERSONAL = ("Beatrix Beacon", "beehive-activity", "beehive-l1")
LEFT = {
    # Positions of the logs stay dense: tombstones in place of what was said of learners, whole only what is of no person.
    "evidence.event_log", "evidence.event_log_rows", "evidence.evidence", "evidence.evidence_rows", "progression.event_log",
    "progression.event_log_rows", "progression.journal", "progression.journal_rows",
    # What certifies that learners are forgotten, and who did what here.
    "evidence.erased_learner", "evidence.access_log", "reporting.access_log",
    # Rules, and what they are rules of.
    "evidence.competency", "progression.activation", "progression.framework", "progression.policy",
    "progression.policy_proposal", "reporting.competency_v1", "reporting.framework_v1",
    # Classes, schools and terms by their names, and ids of staff; keys that are revoked, by their digests.
    "evidence.roster_fact", "reporting.class_v1", "reporting.school_v1", "reporting.staff_v1", "reporting.term_v1",
    "evidence.api_key",
    # Numbers of pieces, by source and day, and by shard.
    "evidence.intake_count", "evidence.source_day", "reporting.folded_count",
}  # fmt: skip
"""What stays of a tenant that is ended, and why."""


async def test_a_tenant_is_begun_with_a_key_that_writes(stack: Stack, attain: Attain) -> None:
    begun = attain("tenant", "create", "--time-zone", "America/Chicago", "--source", SOURCE, tenant="begun")
    piece = {
        "id": "one", "source": SOURCE, "learner": "l", "competencies": ["math:c1"], "score": {"raw": 1, "max": 1},
        "occurred_at": "2026-03-02T10:00:00Z",
    }  # fmt: skip
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {begun['keys'][SOURCE]}"}) as client:
        answer = await client.post(f"{stack.urls['evidence']}/v1/evidence", json=piece)
        # A piece that waits for its competency makes nobody a learner yet; a roster does.
        await client.post(
            f"{stack.urls['evidence']}/v1/roster",
            json={"source": SOURCE, "learners": [{"source_id": "l"}]},
            headers={"Authorization": f"Bearer {stack.token('begun', 'admin')}"},
        )
    shown = attain("tenant", "show", tenant="begun")
    again = attain("tenant", "create", "--time-zone", "UTC", tenant="begun")

    assert answer.status_code == 202
    assert (shown["time_zone"], shown["learners"], shown["keys"]) == ("America/Chicago", 1, 1)
    assert again["exit"] == 1
    assert "has learners already" in again["error"]


async def test_a_tenant_is_exported_whole_and_then_forgotten(stack: Stack, attain: Attain, tmp_path: Path) -> None:
    victim, neighbour = await settle(stack, "leaving"), await settle(stack, "staying")
    before = await settled(neighbour)
    exported = attain("tenant", "export", "--output", str(tmp_path / "all.zip"), tenant=victim.tenant)
    with zipfile.ZipFile(tmp_path / "all.zip") as bundle:
        texts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    ended = attain("tenant", "delete", "--yes", tenant=victim.tenant)
    left = attain("tenant", "show", tenant=victim.tenant)
    held = await _held(stack, victim.tenant)
    verified = attain("verify", tenant=victim.tenant)

    assert exported["learners"] == 2
    assert {name for name in texts if "/" not in name} == WHOLE.keys()
    assert len(json.loads(texts["proposals.json"])["items"]) == len(json.loads(texts["shadows.json"])["items"]) == 1
    assert "Beatrix Beacon" in texts[f"learners/{victim.values['learner']}/evidence.json"]
    assert {key["name"] for key in json.loads(texts["keys.json"])["items"]} == {"beehive-key"}
    assert [ended[what] for what in ("learners", "evidence", "keys", "webhooks", "shadows")] == [2, 4, 1, 1, 1]
    assert (left["learners"], left["webhooks"]) == (0, 0)
    told = [(table, secret) for table, text in held.items() for secret in PERSONAL if secret in text]
    assert told == []
    assert held.keys() <= LEFT, sorted(held.keys() - LEFT)
    assert verified["ok"], verified
    assert await digest_of(stack, neighbour.tenant) == before


async def _held(stack: Stack, tenant: str) -> dict[str, str]:
    """Return all that the three databases hold of a tenant, as text by `service.table`; log bodies are read as text too."""
    held = {}
    for service in stack.databases:
        connection = await asyncpg.connect(administrator_url(stack, service))
        tables = await connection.fetch(
            "select c.table_name from information_schema.columns c join information_schema.tables t"
            " using (table_schema, table_name) where c.column_name = 'tenant' and c.table_schema = 'public'"
            " and t.table_type = 'BASE TABLE' order by 1"
        )
        for (table,) in tables:
            rows = await connection.fetch(f"select to_jsonb(t) as whole, t.* from {table} t where tenant = $1", tenant)
            texts = [
                row["whole"] + "".join(value.decode(errors="replace") for value in row.values() if isinstance(value, bytes))
                for row in rows
            ]  # fmt: skip
            if texts:
                held[f"{service}.{table}"] = "\n".join(texts)
        await connection.close()
    return held


async def test_limits_of_one_tenant_are_set_by_a_command_and_hold_for_it_alone(stack: Stack, attain: Attain) -> None:
    given = (
        "--requests-per-s",
        "2",
        "--small-number",
        "15",
        "--keep-statements",
        "all",
        "--keep-originals-days",
        "400",
        "--keep-accesses-days",
        "730",
        "--keep-deliveries-days",
        "90",
        "--time-zone",
        "America/Denver",
    )
    done = attain("tenant", "set", *given, tenant="limited")
    shown, other = attain("tenant", "show", tenant="limited"), attain("tenant", "show", tenant="unlimited")
    asked = {name: await _ask_often(stack, name) for name in ("limited", "unlimited")}
    back = attain("tenant", "set", "--requests-per-s", "default", tenant="limited")
    wrong = attain("tenant", "set", "--small-number", "1", tenant="limited")
    own = await _set_by_itself(stack, "limited")

    wanted = {
        "requests_per_s": 2, "small_number": 15, "statements_kept": "all", "time_zone": "America/Denver",
        "originals_kept_days": 400, "accesses_kept_days": 730, "deliveries_kept_days": 90,
    }  # fmt: skip
    assert {name: done[name] for name in wanted} == {name: shown[name] for name in wanted} == wanted
    assert set(done["own"]) == wanted.keys() - {"time_zone"}
    assert (other["requests_per_s"], other["small_number"], other["own"]) == (1000, 10, [])
    assert asked["limited"][429] > 0
    assert asked["unlimited"] == {200: 30}
    assert (back["requests_per_s"], set(back["own"])) == (1000, wanted.keys() - {"time_zone", "requests_per_s"})
    assert wrong["exit"] == 1
    assert "small_number" in wrong["error"]
    assert own == 403


async def _ask_often(stack: Stack, tenant: str) -> Counter[int]:
    """Return what a tenant's token is answered in each service, ten times."""
    answered = Counter[int]()
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {stack.token(tenant, 'admin')}"}) as client:
        for url in stack.urls.values():
            for _ in range(10):
                answered[(await client.get(f"{url}/v1/limits")).status_code] += 1
    return answered


async def _set_by_itself(stack: Stack, tenant: str) -> int:
    headers = {"Authorization": f"Bearer {stack.token(tenant, 'admin')}"}
    async with httpx.AsyncClient(headers=headers) as client:
        return (await client.put(f"{stack.urls['evidence']}/v1/limits", json={"requests_per_s": 0})).status_code
