"""What operators and their tools ask every service: health, metrics, and how far its stages are behind."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.described import answered, text_of
from shared.errors import AttainError
from shared.lag import Lag, Stage, told
from shared.observability import metrics as measured
from shared.readiness import Readiness
from shared.tenancy import bound_to
from shared.web import Caller

log = logging.getLogger(__name__)
_TEXT = "text/plain"
LAG_TIMEOUT_S = 5.0
"""Below the ten seconds that Prometheus waits for a scrape."""
LOOP_PROBE_S = 0.01


async def _nobody(tenant: str = "") -> int:
    return 0


async def _nothing() -> None:
    pass


def operations_router(
    *,
    ready: Callable[[], Awaitable[Readiness]],
    stuck: Callable[[], Sequence[str]],
    lag: Callable[[], Awaitable[Sequence[Stage]]],
    blocked: Callable[[str], Awaitable[int]] = _nobody,
    measure: Callable[[], Awaitable[None]] = _nothing,
) -> APIRouter:
    """
    Return health, metrics and lag; alive is who has nothing `stuck`, not who answers a ping.

    Args:
        blocked: counts the learners of a tenant, or without a name of all, whose events cannot be folded.
        measure: takes what else the service measures at a scrape only.
    """
    router = APIRouter(tags=["operations"])
    measuring: asyncio.Task[None] | None = None

    @router.get("/livez", response_class=PlainTextResponse, responses=text_of(_TEXT, "no progress", status=503))
    async def livez() -> Response:
        names = ", ".join(stuck())
        if names:
            # Who is restarted for it leaves its log only.
            log.error("no progress: %s", names)
        return PlainTextResponse(f"no progress: {names}" if names else "ok", 503 if names else 200)

    @router.get("/readyz", response_class=PlainTextResponse, responses=text_of(_TEXT, "not ready", status=503))
    async def readyz() -> Response:
        now = await ready()
        return PlainTextResponse(now.text(), 200 if now.is_ready else 503)

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        nonlocal measuring
        # Once for all who ask meanwhile: anybody may, and it asks the database, Kafka and other services.
        if measuring is None or measuring.done():
            measuring = asyncio.create_task(_measure(lag, blocked, measure))
        await asyncio.shield(measuring)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/lag", responses=answered(Lag))
    async def stages(caller: Caller) -> dict[str, Any]:
        """
        How far each stage of this service is behind, in events and seconds, which of its shards, and how many learners are
        blocked: of all tenants for the operator (scope service), else of the caller's.
        """
        caller.require("service", "admin")
        # Of all tenants: stages are not any tenant's.
        with bound_to(None):
            whose = "" if "service" in caller.scopes else caller.tenant
            return {"stages": told(await lag()), "blocked_learners": await blocked(whose)}

    return router


async def _measure(
    lag: Callable[[], Awaitable[Sequence[Stage]]],
    blocked: Callable[[str], Awaitable[int]],
    measure: Callable[[], Awaitable[None]],
) -> None:
    """Take what is measured at a scrape only: how late the event loop is, who is blocked, what else there is, lag."""
    loop = asyncio.get_running_loop()
    due = loop.time() + LOOP_PROBE_S
    await asyncio.sleep(LOOP_PROBE_S)
    measured.loop_delay.set(max(0.0, loop.time() - due))
    try:
        async with asyncio.timeout(LAG_TIMEOUT_S):
            # Of the database: who is blocked stays so when the process ends, and another may have redriven them.
            measured.blocked.set(await blocked(""))
            await measure()
            stages = await lag()
    except (AttainError, TimeoutError, OSError):
        measured.lag_unknown.set(1)
        return
    measured.lag_unknown.set(any(stage.behind_events is None for stage in stages))
    measured.shard_behind_events.clear()
    measured.shard_behind_seconds.clear()
    for stage in stages:
        if stage.behind_events is not None and stage.behind_seconds is not None:
            measured.behind_events.labels(stage=stage.name).set(stage.behind_events)
            measured.behind_seconds.labels(stage=stage.name).set(stage.behind_seconds)
        for shard in stage.shards:
            place = {"stage": stage.name, "shard": shard.shard}
            measured.shard_behind_events.labels(**place).set(shard.behind_events)
            measured.shard_behind_seconds.labels(**place).set(shard.behind_seconds)
