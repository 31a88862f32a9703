"""Webhooks by HTTP: agreements to send public events to a receiver (scope `admin`)."""

import base64
import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, Field

from services.progression.domain.subscribing import Subscription, fits, kind_of
from services.progression.entrypoints.answered_subscribers import (
    Delivery,
    NewWebhook,
    Secret,
    State,
    Tested,
    WaitingLearner,
    Webhook,
)
from services.progression.handlers.cursors import head_cursor, read_cursor
from services.progression.handlers.webhooks import Webhooks
from shared.contracts.public_events import ADVANCEMENT_EVENTS
from shared.database import Database
from shared.described import Items, answered
from shared.event_log import EventLog
from shared.web import Caller, Count, Key, Strict, needs


def _told(kind: str) -> str:
    """Return a kind that some public event is of, so that nobody waits for what is never told."""
    if not any(fits(kind, kind_of(type)) for type in ADVANCEMENT_EVENTS):
        kinds = ", ".join(kind_of(type) for type in ADVANCEMENT_EVENTS)
        raise ValueError(f"no event is of type {kind!r}; there are {kinds}, and level.* for all of a kind")
    return kind


Kind = Annotated[str, Field(pattern=r"^[a-z_]+\.(\*|[a-z_]+)$", max_length=100), AfterValidator(_told)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
BEGINNING, NOW = "beginning", "now"


class Agreement(Strict):
    """
    What is agreed with a receiver: what for (`purpose`), what of (`types`, `frameworks`; empty is all,
    and `learner.*` comes always: that learners are merged or erased).

    `source` is the receiver's own source of evidence: its ids of the learners are added to what it is sent. `start` is `now`,
    `beginning`, or a cursor such as the `position` of /v1/standings.
    """

    name: Name
    url: Annotated[str, Field(max_length=2000)]
    purpose: Annotated[str, Field(min_length=10, max_length=1000)]
    types: list[Kind] = Field(default_factory=list, max_length=50)
    frameworks: list[Name] = Field(default_factory=list, max_length=200)
    source: Annotated[str, Field(max_length=512)] = ""
    start: Annotated[str, Field(max_length=4096)] = NOW


class Replay(Strict):
    """Where to begin again: `beginning`, or a cursor."""

    start: Annotated[str, Field(max_length=4096)]


class Rotation(Strict):
    """For how long the old secret signs beside the new one."""

    overlap_s: int = Field(0, ge=0, le=30 * 24 * 3600)


def webhooks_router(webhooks: Webhooks, database: Database, log: EventLog) -> APIRouter:
    """Return the routes; secrets are shown once, when they are made."""
    router = APIRouter(tags=["webhooks"], dependencies=[needs("admin")])

    async def positions(start: str) -> dict[int, int]:
        async with database.connection() as connection:
            heads = await log.heads(connection)
        token = {BEGINNING: "", NOW: head_cursor(heads)}.get(start, start)
        return read_cursor(token, heads)

    @router.post("/v1/webhooks", status_code=201, responses=answered(NewWebhook, "begun", status=201))
    async def add(body: Agreement, caller: Caller, key: Key = "") -> dict[str, Any]:
        """
        Begin a webhook; keep `secret` (base64), it is shown again only to the same request under its `Idempotency-Key`.

        Each request bears `Attain-Signature: t=<Unix second>,k=<key id>,v1=<hexadecimal>`, the HMAC-SHA256 by the secret
        of that key over `<Unix second>.<key id>.<body>`, and `Attain-Event`, the id by which a receiver drops repeats.
        """
        given = Subscription(
            "", caller.tenant, body.name, body.url, body.purpose, tuple(body.types), tuple(body.frameworks),
            body.source, "", b"",
        )  # fmt: skip
        made = await webhooks.add(given, caller.subject, body.start, await positions(body.start), key)
        return {"id": made.id, "key": made.key, "secret": base64.b64encode(made.secret).decode()}

    @router.get("/v1/webhooks", responses=answered(Items[Webhook]))
    async def listed(caller: Caller) -> dict[str, Any]:
        """The tenant's webhooks: scope, state, how far behind, who waits."""
        return {"items": await webhooks.of_tenant(caller.tenant)}

    @router.delete("/v1/webhooks/{id}", status_code=204)
    async def remove(id: str, caller: Caller) -> Response:
        """End a webhook."""
        await webhooks.remove(caller.tenant, id)
        return Response(status_code=204)

    @router.post("/v1/webhooks/{id}/test", responses=answered(Tested))
    async def test(id: str, caller: Caller) -> dict[str, Any]:
        """Send an event of type attain.webhook.test.v1, once, and say what came of it."""
        answer = await webhooks.test(caller.tenant, id)
        return {"taken": answer.failure is None, "status": answer.status, "outcome": answer.outcome, "ms": answer.ms}

    return _further_routes(router, webhooks, positions)


def _further_routes(router: APIRouter, webhooks: Webhooks, positions: Any) -> APIRouter:
    @router.post("/v1/webhooks/{id}/replay", responses=answered(State))
    async def replay(id: str, body: Replay, caller: Caller) -> dict[str, str]:
        """Send everything behind a cursor again, each learner's events in order, with the ids that they had."""
        await webhooks.replay(caller.tenant, id, await positions(body.start))
        return {"state": "active"}

    @router.post("/v1/webhooks/{id}/rotate", responses=answered(Secret))
    async def rotate(id: str, caller: Caller, body: Rotation | None = None, key: Key = "") -> dict[str, str]:
        """
        Sign with a new secret from now on; the key id in the signature tells old from new.

        During an overlap both sign: `t=<Unix second>,k=<new>,v1=…,k=<old>,v1=…`. `/test` is signed by the new one alone.
        """
        overlap = datetime.timedelta(seconds=(body or Rotation()).overlap_s)
        name, secret = await webhooks.rotate(caller.tenant, id, caller.subject, key, overlap)
        return {"key": name, "secret": base64.b64encode(secret).decode()}

    @router.get("/v1/webhooks/{id}/deliveries", responses=answered(Items[Delivery]))
    async def deliveries(
        id: str, caller: Caller, before: Count | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> dict[str, Any]:
        """The delivery log, the latest first; `before` the `no` of a line goes on."""
        return {"items": await webhooks.deliveries(caller.tenant, id, before, limit)}

    @router.get("/v1/webhooks/{id}/waiting", responses=answered(Items[WaitingLearner]))
    async def waiting(id: str, caller: Caller) -> dict[str, Any]:
        """Learners whose events wait behind one that was not taken."""
        return {"items": await webhooks.waiting(caller.tenant, id)}

    @router.post("/v1/webhooks/{id}/{change}", responses=answered(State))
    async def change_state(id: str, change: Literal["pause", "resume"], caller: Caller) -> dict[str, str]:
        """Pause a webhook, or let it go on where it stopped, with those whose events were parked."""
        state = "paused" if change == "pause" else "active"
        await webhooks.set_state(caller.tenant, id, state)
        return {"state": state}

    return router
