"""
Rebuilding a read model while it is read and folded: the next version beside the live one, from the feed, then a switch.

The live version's positions are the aim. Once the build is close, the live consumers are held by their position rows,
the rest is folded, both versions stand at the same positions and are compared, and one transaction switches.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Any

from services.reporting.handlers.folds import EDITIONS, FOLDS, Fold
from services.reporting.tables import rebuilds
from services.reporting.tables.read_models import INPUT_LOGS
from services.reporting.tables.rebuilds import Attempt, Progress
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import AttainError, NotFound, Refused, Unavailable
from shared.feed import FeedClient
from shared.handling import ShardBatch
from shared.settings import Settings
from shared.tasks import Pulse
from shared.tenancy import bound_to

log = logging.getLogger(__name__)
CLOSE_EVENTS = 2000
"""Events behind at which the live consumers are held for the rest: well below a second of folding."""
ROUNDS_MAX = 20
"""After so many rounds the live consumers are held even if the build is not close, so that it ends."""
FEED_PATIENCE = 30
"""Seconds that a build waits for a feed that is away before it gives up."""
RENEW_S, RENEW_S_MAX = 10.0, 300.0
"""How long after a look at what is outdated the next one is: twice as long after each attempt, up to that where nothing is."""


class Rebuilder:
    """Runs rebuilds as tasks of this process; another replica's are seen and respected by the row of the model."""

    def __init__(self, database: Database, feeds: dict[str, FeedClient], settings: Settings) -> None:
        self._database = database
        self._feeds = feeds
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()
        self.renewing = Pulse(slower=RENEW_S_MAX / RENEW_S)

    async def renew(self) -> None:
        """Rebuild what an earlier edition of its fold has made, as an upgrade leaves it, until cancelled."""
        wait_s = RENEW_S
        while True:
            self.renewing.beat()
            try:
                async with self._database.connection() as connection:
                    outdated = await rebuilds.outdated(connection, EDITIONS)
                for model in outdated:
                    # Another replica may be at it.
                    with suppress(Refused):
                        await self.begin(model, accept_differences=True)
                        wait_s = min(2 * wait_s, RENEW_S_MAX)
            except Unavailable as error:
                log.warning("cannot see which read models are outdated: %s", error)
            else:
                if not outdated:
                    wait_s = RENEW_S_MAX
            await asyncio.sleep(wait_s)

    async def begin(self, model: str, *, accept_differences: bool) -> dict[str, Any]:
        """
        Begin a rebuild and return its status.

        Args:
            accept_differences: switch although the versions differ in content, as after an erasure.

        Raises:
            NotFound: no such read model.
            Refused: it is being rebuilt already.
        """
        return await self._start(model, rebuilds.begin, accept_differences)

    async def roll_back(self, model: str) -> dict[str, Any]:
        """
        Begin to go back to the version before, and return the status.

        That version is brought to where the live one is before it is switched to, so that no reader sees a position go
        back; it takes as long as what came since the last switch. Differences are accepted: they are the reason.

        Raises:
            NotFound: no such read model.
            Refused: it is being rebuilt, or has no version before.
        """
        return await self._start(model, rebuilds.begin_rollback, accept_differences=True)

    async def _start(
        self, model: str, begin: Callable[[Connection, str], Awaitable[Attempt]], accept_differences: bool
    ) -> dict[str, Any]:
        """Begin an attempt, tied to a session of its own, so that one whose process dies has failed at once."""
        _check(model)
        with bound_to(None):
            async with AsyncExitStack() as stack:
                session = await stack.enter_async_context(self._database.session())
                async with session.transaction():
                    attempt = await begin(session, model)
                    await rebuilds.tie(session, attempt)
                reach("rebuild.begun")
                task = asyncio.create_task(self._run(attempt, accept_differences, stack.pop_all()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return await self.status(model)

    async def status(self, model: str) -> dict[str, Any]:
        """Return the state of a read model and how far its rebuild is; raises `NotFound`."""
        _check(model)
        async with self._database.connection() as connection:
            status = dict(await rebuilds.status(connection, model) or {})
        if status["state"] == "live":
            status["folded"] = status["target"]
        return status

    async def stop(self) -> None:
        """Cancel what runs; the live version stays as it is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, attempt: Attempt, accept_differences: bool, session: AsyncExitStack) -> None:
        async with session:
            try:
                await self._build(attempt, accept_differences)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # told by the status, changes nothing
                log.warning("rebuild of %s ends: %s: %s", attempt.model, type(error).__name__, error)
                detail = error.detail if isinstance(error, AttainError) else f"{type(error).__name__}: {error}"
                # Where the database is away the end of the session says it.
                with suppress(Unavailable):
                    async with self._database.connection() as connection:
                        await rebuilds.fail(connection, attempt, detail)

    async def _build(self, attempt: Attempt, accept_differences: bool) -> None:
        fold = FOLDS[attempt.model](attempt.version, self._settings.blocked_learners_max)
        for _ in range(ROUNDS_MAX):
            async with self._database.connection() as connection:
                shards = await rebuilds.progress(connection, attempt)
            if sum(shard.target - shard.pos for shard in shards) <= CLOSE_EVENTS:
                break
            for shard in shards:
                await self._catch_up(attempt, fold, shard)
        async with self._database.transaction() as connection:
            await rebuilds.hold(connection, attempt)
            for shard in await rebuilds.progress(connection, attempt, stop_live=True):
                await self._catch_up(attempt, fold, shard, connection)
            detail = await self._compared(connection, attempt, accept_differences)
            await rebuilds.switch(connection, attempt, detail, fold.edition)
            reach("rebuild.switched")
        reach("rebuild.live")
        log.info("read model %s is live in version %s", attempt.model, attempt.version)

    async def _catch_up(
        self, attempt: Attempt, fold: Fold, shard: Progress, within: "Connection | None" = None
    ) -> None:
        """Fold a shard up to where the live version is, a transaction a page, or within the one given."""
        pos = shard.pos
        async with aclosing(self._pages(attempt.model, shard)) as pages:
            async for batch in pages:
                write = await fold.fold([batch], _nothing_in_flight)
                if within is not None:
                    await rebuilds.move(within, attempt, shard.shard, pos, batch.last)
                    await write(within)
                else:
                    async with self._database.transaction() as connection:
                        await rebuilds.hold(connection, attempt)
                        await rebuilds.leave_to_the_switch(connection)
                        await rebuilds.move(connection, attempt, shard.shard, pos, batch.last)
                        await write(connection)
                    reach("rebuild.copied")
                pos = batch.last

    async def _pages(self, model: str, shard: Progress) -> AsyncGenerator[ShardBatch]:
        """Yield what a shard misses; the next page is read while one is folded and written."""
        pos, coming = shard.pos, None
        try:
            while pos < shard.target:
                batch = await (coming or self._page(model, shard, pos))
                pos = batch.last
                coming = asyncio.create_task(self._page(model, shard, pos)) if pos < shard.target else None
                yield batch
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait([coming])

    async def _page(self, model: str, shard: Progress, pos: int) -> ShardBatch:
        """
        Read the next events from the feed; waits a while for one that is away.

        Raises:
            Unavailable: it stays away, or does not have the next position.
        """
        limit = min(self._settings.batch_records, shard.target - pos)
        for patience in reversed(range(FEED_PATIENCE)):
            try:
                events = await self._feeds[model].read(INPUT_LOGS[model], shard.shard, pos, limit)
                break
            except Unavailable:
                if not patience:
                    raise
                await asyncio.sleep(1)
        if [event.position for event in events] != list(range(pos + 1, pos + 1 + len(events))) or not events:
            raise Unavailable(f"the feed of {INPUT_LOGS[model]} does not have {pos + 1} of shard {shard.shard}")
        if any(event.generation != shard.generation for event in events):
            raise Refused(f"shard {shard.shard} goes on in another generation; accept it in the live version first")
        return ShardBatch(shard.shard, [], events, events[-1].position, shard.generation)

    async def _compared(self, connection: Connection, attempt: Attempt, accept_differences: bool) -> str:
        """
        Verify the build and return what was found, in words.

        Raises:
            Refused: a shard stands before the live one, or rows differ and that was not accepted.
        """
        behind = [shard for shard in await rebuilds.progress(connection, attempt) if shard.pos < shard.target]
        if behind:
            raise Refused(f"shards {[shard.shard for shard in behind]} are behind the live version")
        found = await rebuilds.fingerprints(connection, attempt)
        counts = {table: (live.rows, other.rows) for table, (live, other) in found.items()}
        different = [table for table, (live, other) in found.items() if live != other]
        if different and not accept_differences:
            raise Refused(f"the contents of {', '.join(different)} differ; rows (table: live, built): {counts}")
        equal = f"differs in {', '.join(different)}" if different else "equal in content"
        return f"{equal}; rows (table: live, built): {counts}"


def _check(model: str) -> None:
    if model not in FOLDS:
        raise NotFound(f"no read model {model[:60]!r}; there are {', '.join(FOLDS)}")


async def _nothing_in_flight() -> None:
    return None
