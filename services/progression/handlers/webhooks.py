"""What people do with webhooks: agree, look, test, pause, resume, replay, change the secret, end."""

import datetime
import secrets
import uuid
from typing import Any

import msgspec

from services.progression.domain.subscribing import Subscription
from services.progression.handlers.posting import Answer, Poster
from services.progression.tables import disclosures
from services.progression.tables import webhooks as tables
from shared.database import Connection, Database
from shared.errors import NotFound, Refused
from shared.events import encode_json, envelope, now
from shared.observability import metrics
from shared.settings import Settings

TEST_TYPE = "attain.webhook.test.v1"
SECRET_BYTES = 32


class Webhooks:
    """The webhooks of all tenants; those that take an id raise `NotFound` for one the tenant has not."""

    def __init__(self, database: Database, poster: Poster, settings: Settings) -> None:
        self._database = database
        self._poster = poster
        self._settings = settings

    async def add(self, given: Subscription, author: str, cursor: dict[int, int]) -> Subscription:
        """
        Begin a webhook behind a cursor; return it with its id, key and secret, which is shown this once.

        Raises:
            InvalidEvent: nothing is sent to such a URL.
            Refused: the tenant has as many as it may have.
        """
        await self._poster.check(given.tenant, given.url)
        new = msgspec.structs.replace(
            given, id=str(uuid.uuid4()), key=_new_key(), secret=secrets.token_bytes(SECRET_BYTES)
        )
        async with self._database.transaction() as connection:
            await tables.lock(connection, given.tenant)
            if len(await tables.all_of(connection, given.tenant)) >= self._settings.webhooks_max:
                raise Refused(f"a tenant has at most {self._settings.webhooks_max} webhooks; end one first")
            await tables.add(connection, new, author, cursor)
        return new

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
        self, tenant: str, id: str, overlap: datetime.timedelta = datetime.timedelta()
    ) -> tuple[str, bytes]:
        """
        Sign with a new secret from now on; return its key id and itself, shown this once.

        The secret before it signs too until the overlap is over; one that is older, or has none, signs no more.
        """
        key, secret = _new_key(), secrets.token_bytes(SECRET_BYTES)
        former_until = datetime.datetime.now(datetime.UTC) + overlap if overlap else None
        async with self._database.transaction() as connection:
            await self._find(connection, tenant, id)
            await tables.set_secret(connection, id, key, secret, former_until)
        return key, secret

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


def _new_key() -> str:
    return f"key-{secrets.token_hex(4)}"


def _unknown() -> NotFound:
    return NotFound("the tenant has no such webhook")
