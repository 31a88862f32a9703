"""What a restore brings back of a tenant that is ended goes again, before any webhook is told anything."""

import asyncio
import datetime
import secrets
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from services.progression.handlers.ended_tenants import EndedTenants
from services.progression.tables import shadows
from shared.tasks import Pulse
from tests.reporting.running import served
from tests.support.outlet import SHARDS, TENANT, Outlet
from tests.support.producer import free_port

URL = "http://127.0.0.1:9/"


async def there(outlet: Outlet) -> dict[str, list[str]]:
    """Return what there is, by table: the tenant, and the name or policy."""
    async with outlet.database.connection() as connection:
        hooks = await connection.fetch("select tenant || ' ' || name from webhook order by 1")
        policies = await connection.fetch("select tenant || ' ' || policy from shadow_policy order by 1")
        listed = await connection.fetch("select tenant || ' ' || name from subscriber where until is null order by 1")
    return {name: [row[0] for row in rows] for name, rows in
            (("hooks", hooks), ("shadows", policies), ("readers", listed))}  # fmt: skip


async def begin(outlet: Outlet, tenant: str, name: str) -> None:
    await outlet.subscribe(URL, tenant=tenant, name=name)
    async with outlet.database.connection() as connection:
        await shadows.start(connection, tenant, name, "", "admin", SHARDS)


async def test_of_an_ended_tenant_what_was_begun_before_its_end_goes_and_nothing_else(
    outlet: Outlet, tmp_path: Path
) -> None:
    await begin(outlet, TENANT, "of before")
    await begin(outlet, "neighbour", "of before")
    at = datetime.datetime.now(datetime.UTC).isoformat()
    await begin(outlet, TENANT, "anew")
    nobody = {"learner": "00000000-0000-0000-0000-000000000000", "certificate": "c", "by": "operator"}
    ledger: list[dict[str, Any]] = [
        {"tenant": "neighbour", "learner": "l-1", "certificate": "c", "erased_at": at, "by": "registrar"},
        {"tenant": TENANT, "erased_at": at, "ended": True} | nobody,
    ]
    evidence = FastAPI()

    @evidence.get("/v1/erasures")
    async def erasures() -> list[dict[str, Any]]:
        return ledger

    key = tmp_path / "token.key"
    key.write_text(secrets.token_hex(32))
    port, told = free_port(), list[dict[str, list[str]]]()
    settings = outlet.settings.model_copy(update={"evidence_url": f"http://127.0.0.1:{port}", "token_key_file": key})

    async def deliver() -> None:
        told.append(await there(outlet))

    waits = asyncio.create_task(EndedTenants(outlet.database, settings).then(deliver, Pulse()))
    await asyncio.sleep(0.2)
    before = list(told)
    async with served(evidence, port):
        await asyncio.wait_for(waits, 20)

    assert before == [], "while evidence is away nobody is told anything"
    assert told == [{name: ["neighbour of before", f"{TENANT} anew"] for name in ("hooks", "shadows", "readers")}]
