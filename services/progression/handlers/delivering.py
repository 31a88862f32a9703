"""
Delivering public events to webhooks: at least once, each learner's in order, a receiver's trouble its own.

A learner whose event was not taken waits with all that follows, and the others go on; failures in a row make the whole webhook
wait, and park it after a limit. Parked is not lost: the cursor stays, and a person resumes it or replays from another.
"""

import asyncio
import contextlib
import datetime
import logging
import random
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from services.progression.domain.subscribing import Address, Subscription, addressed, delay_s
from services.progression.handlers.posting import Answer, Poster
from services.progression.handlers.references import References
from services.progression.tables import disclosures
from services.progression.tables import webhooks as tables
from services.progression.tables.disclosures import Span
from services.progression.tables.webhooks import Attempt, Held
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.events import REDACTED, placed
from shared.settings import Settings

log = logging.getLogger(__name__)
PAGE_ROWS = 100
PAGE_S = 1.0
"""How long what was read is sent before it is read again: of who was forgotten or renamed meanwhile nothing old is sent."""
TRIES_BEFORE_WAITING = 3
"""Failures in a row, of different learners, after which it is the receiver that is unwell."""


class _Scope(msgspec.Struct):
    framework: str = ""


class _Data(msgspec.Struct):
    scope: _Scope = msgspec.field(default_factory=_Scope)


class _Event(msgspec.Struct):
    """What of a stored event decides whether it is sent."""

    id: str
    type: str
    data: _Data


_read = msgspec.json.Decoder(_Event).decode


class Stopped(Exception):
    """The webhook waits, is parked, or was changed: this round is over."""


class Delivery:
    """One look at what a webhook is to be sent, and the sending of it."""

    def __init__(
        self, row: Any, database: Database, references: References, poster: Poster, settings: Settings
    ) -> None:
        self._to: Subscription = tables.subscription_of(row)
        self._version: int = row["version"]
        self._failures: int = row["failures"]
        self._retry_at: datetime.datetime | None = row["retry_at"]
        self._database = database
        self._references = references
        self._poster = poster
        self._settings = settings
        self._held: dict[str, Held] = {}
        self._passed: dict[int, int] = {}
        """Up to where each shard was looked at, and what is to be sent of it was."""
        self._over = False
        """Whether the webhook has to wait, as the answer to one shard has shown."""

    async def round(self) -> None:
        """Send what waits and is due, then what is new, the shards side by side; raises `Stopped` where it must wait."""
        if self._retry_at is not None and self._retry_at > _now():
            return
        async with self._database.connection() as connection:
            cursor = await tables.cursor_of(connection, self._to.id)
            self._passed = dict(cursor)
            self._held = await tables.held_of(connection, self._to.id)
            heads = await tables.heads(connection)
        for held in list(self._held.values()):
            if not held.parked and held.retry_at <= _now():
                await self._retry(held, cursor[held.shard])
        await _run_all([self._shard(s, pos, heads[s]) for s, pos in cursor.items() if heads.get(s, 0) > pos])

    async def _shard(self, shard: int, pos: int, head: int) -> None:
        """Send a shard's new events in order up to its head, for as long as the webhook need not wait."""
        while pos < head:
            rows, known = await self._page(shard, pos, head, None)
            done = 0
            for row in _while_fresh(rows):
                if self._over:
                    raise Stopped
                await self._new(shard, row, known)
                done += 1
            pos = head if done == len(rows) < PAGE_ROWS else rows[done - 1]["pos"]
            await self._pass(shard, pos)

    async def _new(self, shard: int, row: Any, known: dict[str, Address]) -> None:
        """Send a new event, unless it is out of scope or its learner waits; what follows one that fails waits."""
        learner, event = row["subject"], _event(row["body"])
        if event is None or learner in self._held or not self._to.wants(event.type, event.data.scope.framework):
            return
        answer = await self._send(event, shard, row, known[learner], attempt=1)
        async with self._writing() as connection:
            if answer.failure is not None:
                self._held[learner] = self._waiting(learner, shard, row["pos"], 1, answer)
                await tables.hold(connection, self._to.id, self._held[learner])
            await self._pass_in(connection, shard, row["pos"])
        reach("webhook.stored")
        await self._count(answer)

    async def _retry(self, held: Held, until: int) -> None:
        """Send what waits of one learner, in order; what fails again makes the rest wait on."""
        pos, more = held.pos - 1, True
        while more:
            rows, known = await self._page(held.shard, pos, until, held.learner)
            for row in _while_fresh(rows):
                pos = row["pos"]
                event = _event(row["body"])
                if event is None or not self._to.wants(event.type, event.data.scope.framework):
                    continue
                attempt = held.attempts + 1
                answer = await self._send(event, held.shard, row, known[held.learner], attempt)
                span = Span(held.shard, held.pos - 1, pos)
                if answer.failure is None:
                    held = held._replace(pos=pos + 1, attempts=0)
                else:
                    held = self._waiting(held.learner, held.shard, pos, attempt, answer)
                self._held[held.learner] = held
                async with self._writing() as connection:
                    await tables.hold(connection, self._to.id, held)
                    if answer.failure is None:
                        await self._note(connection, span, held.learner)
                await self._count(answer)
                if answer.failure is not None:
                    return
            more = len(rows) == PAGE_ROWS or (bool(rows) and pos < rows[-1]["pos"])
        self._held.pop(held.learner, None)
        async with self._writing() as connection:
            await tables.let_go(connection, self._to.id, [held.learner])

    async def _pass(self, shard: int, pos: int) -> None:
        async with self._writing() as connection:
            await self._pass_in(connection, shard, pos)

    async def _pass_in(self, connection: Connection, shard: int, pos: int) -> None:
        """Go on behind a position, and log that what lies before it was sent, but for learners who wait."""
        await tables.set_cursor(connection, self._to.id, {shard: pos})
        if pos > self._passed[shard]:
            await self._note(connection, Span(shard, self._passed[shard], pos))
            self._passed[shard] = pos

    async def _note(self, connection: Connection, span: Span, learner: str = "") -> None:
        to = self._to
        await disclosures.note(connection, to.tenant, "webhook", to.id, [span], source=to.source, learner=learner)

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[Connection]:
        """Lend a transaction in which the webhook stays as it was loaded; raises `Stopped` where it no longer is."""
        async with self._database.transaction() as connection:
            if not await tables.unchanged(connection, self._to.id, self._version):
                raise Stopped
            yield connection

    async def _page(
        self, shard: int, after: int, until: int, learner: str | None
    ) -> tuple[list[Any], dict[str, Address]]:
        async with self._database.connection() as connection:
            rows = await tables.events_of(connection, self._to.tenant, shard, after, until, PAGE_ROWS, learner)
        learners = {row["subject"] for row in rows if row["subject"]}
        return rows, await self._references.of(self._to.tenant, self._to.source, learners)

    async def _send(self, event: _Event, shard: int, row: Any, address: Address, attempt: int) -> Answer:
        body = addressed(placed(row["body"], row["generation"], shard, row["pos"]), address)
        answer = await self._poster.post(self._to, event.id, body, attempt)
        reach("webhook.sent")
        line = Attempt(event.id, event.type, shard, row["pos"], attempt, answer.status, answer.outcome, answer.ms)
        async with self._database.connection() as connection:
            await tables.log_attempt(connection, self._to.id, line, self._settings.webhook_log_rows)
        return answer

    def _waiting(self, learner: str, shard: int, pos: int, attempts: int, answer: Answer) -> Held:
        config = self._settings
        parked = attempts >= config.webhook_attempts_max
        if parked:
            log.warning("webhook %s: events of learner %s are parked until somebody resumes it: %s",
                        self._to.id, learner, answer.outcome)  # fmt: skip
        return Held(learner, shard, pos, attempts, _now() + self._delay(attempts, answer), parked, answer.outcome)

    def _delay(self, failures: int, answer: Answer) -> datetime.timedelta:
        config = self._settings
        own = delay_s(failures, config.webhook_backoff_s, config.webhook_backoff_s_max, random.random())
        asked = min(answer.retry_after_s, config.webhook_backoff_s_max)
        return datetime.timedelta(seconds=max(own, asked))

    async def _count(self, answer: Answer) -> None:
        """Count failures in a row; let the webhook wait, or park it, where they say that the receiver is unwell."""
        if answer.failure is None:
            if self._failures == 0:
                return
            self._failures, self._retry_at = 0, None
        else:
            self._failures += 1
        parked = self._reason_to_park(answer)
        waits = answer.failure is not None and self._failures >= TRIES_BEFORE_WAITING
        if waits:
            self._retry_at = _now() + self._delay(self._failures - TRIES_BEFORE_WAITING + 1, answer)
        async with self._database.connection() as connection:
            if parked:
                log.warning("webhook %s is parked until somebody resumes it: %s", self._to.id, parked)
                await tables.park(connection, self._to.id, self._version, parked)
            else:
                await tables.count_failures(connection, self._to.id, self._version, self._failures, self._retry_at)
        if waits or parked:
            self._over = True
            raise Stopped

    def _reason_to_park(self, answer: Answer) -> str:
        if answer.failure == "gone":
            return "the receiver wants no more (410)"
        if self._failures >= self._settings.webhook_failures_max:
            return f"{self._failures} failures in a row, the last: {answer.outcome}"
        return ""


async def _run_all(work: list[Any]) -> None:
    """Run coroutines side by side, each to its end, so that what was just taken is noted; then raise what one has raised."""
    for raised in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(raised, BaseException):
            raise raised


def _while_fresh(rows: list[Any]) -> Iterator[Any]:
    """Yield the rows of a page, at least one of them, for as long as it may be sent."""
    until = time.monotonic() + PAGE_S
    for row in rows:
        yield row
        if time.monotonic() > until:
            return


def _event(body: bytes) -> _Event | None:
    """Return what decides, None for what was erased."""
    event = _read(body)
    return None if event.type.endswith(REDACTED) else event


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
