"""What people do with webhooks: agree, look, test, pause, resume, replay, change the secret, end."""

import datetime
import secrets
import uuid
from typing import Any

import msgspec

from services.progression.domain.subscribing import Subscription
from services.progression.handlers.logs import Logs
from services.progression.handlers.posting import Answer, Poster
from services.progression.handlers.requests import request_of, take_up, taken_up
from services.progression.tables import disclosures
from services.progression.tables import webhooks as tables
from shared.database import Connection, Database
from shared.errors import Gone, NotFound, Refused
from shared.events import encode_json, envelope, now
from shared.observability import metrics
from shared.settings import Settings

TEST_TYPE = "attain.webhook.test.v1"
SECRET_BYTES = 32


class Webhooks:
    """The webhooks of all tenants; those that take an id raise `NotFound` for one the tenant has not."""

    def __init__(self, database: Database, logs: Logs, poster: Poster, settings: Settings) -> None:
        self._database = database
        self._logs = logs
        self._poster = poster
        self._settings = settings

    async def add(
        self, given: Subscription, author: str, start: str, cursor: dict[int, int], key: str = ""
    ) -> Subscription:
        """
        Begin a webhook behind a cursor, that of `start`; return it with its id, key and secret, which is shown this once.

        Begun again under the same `key`, it is the one of the first time.

        Raises:
            InvalidEvent: nothing is sent to such a URL.
            Refused: the tenant has as many as it may have, or the author has asked for something else under this key, or
                the secret of what was begun under it is not the first any more.
            Gone: what was begun under this key was ended.
        """
        await self._poster.check(given.tenant, given.url)
        request = request_of(given.tenant, author, key, (given, start))
        id = str(uuid.uuid4()) if request is None else request.id
        new = msgspec.structs.replace(given, id=id, key=_key_of(id), secret=secrets.token_bytes(SECRET_BYTES))
        async with self._database.transaction() as connection:
            if await taken_up(connection, request):
                return await self._begun(connection, new)
            await tables.lock(connection, given.tenant)
            if len(await tables.all_of(connection, given.tenant)) >= self._settings.webhooks_max:
                raise Refused(f"a tenant has at most {self._settings.webhooks_max} webhooks; end one first")
            await tables.add(connection, new, author, cursor)
            await take_up(connection, self._logs.requests, request)
        return new

    async def _begun(self, connection: Connection, again: Subscription) -> Subscription:
        """Return the webhook that is there by this id, if it signs with its first secret still."""
        row = await tables.find(connection, again.tenant, again.id)
        if row is None:
            raise Gone("this webhook was ended since")
        begun = tables.subscription_of(row)
        if begun.key != again.key:
            raise Refused("the secret of this webhook was changed since, and is not shown again", reason="rotated")
        return begun

    async def of_tenant(self, tenant: str) -> list[dict[str, Any]]:
        """Return the tenant's webhooks with their state, without secrets."""
        async with self._database.connection() as connection:
            return [dict(row) for row in await tables.all_of(connection, tenant)]

    async def measure(self) -> None:
        """Measure what of all tenants' webhooks waits for a person; forget secrets whose time is over."""
        async with self._database.connection() as connection:
            await tables.forget_former(connection)
            webhooks, learners = await tables.count_parked(connection)
        metrics.webhooks_parked.labels(what="webhook").set(webhooks)
        metrics.webhooks_parked.labels(what="learner").set(learners)

    async def remove(self, tenant: str, id: str) -> None:
        """End a webhook; what was sent stays sent."""
        async with self._database.transaction() as connection:
            if not await tables.remove(connection, tenant, id):
                raise _unknown()

    async def set_state(self, tenant: str, id: str, state: str) -> None:
        """Pause a webhook, or let it go on where it stopped; then its parked learners are tried again too."""
        async with self._database.transaction() as connection:
            await self._find(connection, tenant, id)
            await tables.set_state(connection, id, state)
            if state == "active":
                await tables.retry_parked(connection, id)

    async def replay(self, tenant: str, id: str, cursor: dict[int, int]) -> None:
        """Send everything behind a cursor again, in order; nobody waits any longer."""
        async with self._database.transaction() as connection:
            await self._find(connection, tenant, id)
            await tables.set_state(connection, id, "active")
            await disclosures.note_unsent(connection, id, cursor)
            await tables.let_go(connection, id)
            await tables.set_cursor(connection, id, cursor)

    async def rotate(
        self, tenant: str, id: str, author: str, key: str = "", overlap: datetime.timedelta = datetime.timedelta()
    ) -> tuple[str, bytes]:
        """
        Sign with a new secret from now on; return its key id and itself, shown this once.

        The secret before it signs too until the overlap is over; one that is older, or has none, signs no more. Asked for again
        under the same `key`, it is the one of the first time.

        Raises:
            Refused: the author has asked for something else under this key, or the secret was changed again since.
        """
        request = request_of(tenant, author, key, ("rotate", id, overlap.total_seconds()))
        new = _key_of(str(uuid.uuid4()) if request is None else request.id)
        async with self._database.transaction() as connection:
            before = tables.subscription_of(await self._find(connection, tenant, id))
            if await taken_up(connection, request):
                begun = await self._begun(connection, msgspec.structs.replace(before, key=new))
                return begun.key, begun.secret
            secret = secrets.token_bytes(SECRET_BYTES)
            former_until = datetime.datetime.now(datetime.UTC) + overlap if overlap else None
            await tables.set_secret(connection, id, new, secret, former_until)
            await take_up(connection, self._logs.requests, request)
        return new, secret

    async def test(self, tenant: str, id: str) -> Answer:
        """Send an event that says nothing, once, whatever the webhook's state, signed by the secret that was made last alone."""
        async with self._database.connection() as connection:
            found = tables.subscription_of(await self._find(connection, tenant, id))
        to = msgspec.structs.replace(found, former=None)
        event = str(uuid.uuid4())
        body = envelope(
            id=event, source="progression", type=TEST_TYPE, tenant=tenant, subject="test", time=now(),
            data=encode_json({"webhook": id, "name": to.name}),
        )  # fmt: skip
        return await self._poster.post(to, event, body, 1)

    async def deliveries(self, tenant: str, id: str, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Return the delivery log, the latest first."""
        async with self._database.connection() as connection:
            await self._find(connection, tenant, id)
            return [dict(row) for row in await tables.deliveries(connection, id, before, limit)]

    async def waiting(self, tenant: str, id: str) -> list[dict[str, Any]]:
        """Return the learners whose events wait, or are parked, with the reason."""
        async with self._database.connection() as connection:
            await self._find(connection, tenant, id)
            return [held._asdict() for held in (await tables.held_of(connection, id)).values()]

    @staticmethod
    async def _find(connection: Connection, tenant: str, id: str) -> Any:
        row = await tables.find(connection, tenant, id)
        if row is None:
            raise _unknown()
        return row


def _key_of(id: str) -> str:
    """Return the name of a secret, by the id of what made it."""
    return f"key-{id[:8]}"


def _unknown() -> NotFound:
    return NotFound("the tenant has no such webhook")
