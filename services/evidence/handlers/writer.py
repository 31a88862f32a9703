"""
The one writer of this process: commits everything that waits in one transaction, while the next is being validated.

Callers queue submissions and wait for their outcomes. When nothing else is on its way, an item is committed at once; under
load many requests share a commit.
"""

import asyncio
import contextlib
import dataclasses
import datetime
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import asyncpg

from services.evidence.domain.decisions import Decision, Outcome, decide
from services.evidence.domain.evidence import Submission
from services.evidence.handlers.counting import IntakeCounts
from services.evidence.handlers.handed_in import graded
from services.evidence.handlers.storing import ForestNotLocked, load, people_of, store
from services.evidence.tables import merges, pieces, premises, statements
from services.evidence.tables.premises import Premises
from services.evidence.tables.statements import Row as StatementRow
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import AttainError, Conflict, Unavailable
from shared.event_log import EventLog, LogRow, append_all
from shared.events import utc
from shared.tasks import Pulse

TRANSACTION_ITEMS_MAX = 10_000
WAITING_ITEMS_MAX = 40_000
WAIT_FOR_ROOM_S_MAX = 20.0
ATTEMPTS_MAX = 6
DRAIN_S_MAX = 10.0
GATHER_S = 0.01
"""How long a small group waits for requests that are being read, to share its commit: a commit costs about as much."""
GATHER_ITEMS = 1_000
AGAIN = ("parked", "redrive")
"""The ways of what came before, was kept, and is tried again."""


class ErasedLearner(AttainError):
    """Learners among the submissions were erased after they were identified: `learners` are to be identified anew."""

    def __init__(self, learners: set[str]) -> None:
        super().__init__("a learner was erased meanwhile")
        self.learners = learners


class MovedLearners(AttainError):
    """Identities moved between learners after they were looked up: `moves` says how often by now, by tenant."""

    def __init__(self, moves: dict[str, int]) -> None:
        super().__init__("identities moved meanwhile")
        self.moves = moves


class KnownStatements(AttainError):
    """Statements that were taken for new are known: look them up."""

    def __init__(self) -> None:
        super().__init__("statements are known already")


class StaleAlignment(AttainError):
    """The alignment map of `tenants` changed after it was asked: ask again."""

    def __init__(self, tenants: set[str]) -> None:
        super().__init__("the alignment map changed meanwhile")
        self.tenants = tenants


@dataclasses.dataclass(slots=True)
class _Waiting:
    submissions: Sequence[Submission]
    way: str
    statements: Sequence[StatementRow]
    answer: "asyncio.Future[list[tuple[Outcome, str | None]]]"


class Writer:
    """Turns submissions into events and rows; `counts` counts them, `written` gets what each commit has appended."""

    def __init__(
        self, database: Database, log: EventLog, counts: IntakeCounts, written: Callable[[Sequence[LogRow]], None]
    ) -> None:
        self._database = database
        self._log = log
        self._written = written
        self._waiting: deque[_Waiting] = deque()
        self._items = 0
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._generations: dict[int, int] = {}
        self._coming = 0
        """Requests that are being read, and will be written."""
        self._came = asyncio.Event()
        self.counts = counts
        self.pulse = Pulse()

    async def prepare(self) -> None:
        """Read the generation of each shard; a restore raises it while the services are stopped."""
        async with self._database.connection() as connection:
            heads = await self._log.heads(connection)
        self._generations = {shard: head.generation for shard, head in heads.items()}

    @contextlib.contextmanager
    def expecting(self) -> Iterator[None]:
        """Tell that a request is being read, for as long as it is; what waits in its stead waits a little for it."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1
            self._came.set()

    async def write(
        self, submissions: Sequence[Submission], way: str, rows: Sequence[StatementRow] = ()
    ) -> list[tuple[Outcome, str | None]]:
        """
        Return the outcome and the position of each submission, once they are durable, with the rows of statements.

        Raises:
            Unavailable: the database is away, or too much waits already.
            ErasedLearner: nothing was stored; identify again.
            MovedLearners, StaleAlignment: nothing was stored; identify, or align, again.
            KnownStatements: nothing was stored; one of `rows` is not new.
        """
        if not submissions and not rows:
            return []
        try:
            async with asyncio.timeout(WAIT_FOR_ROOM_S_MAX):
                while self._items >= WAITING_ITEMS_MAX:
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError as error:
            raise Unavailable("too much evidence waits to be stored") from error
        waiting = _Waiting(submissions, way, rows, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._items += len(submissions)
        self._work.set()
        return await waiting.answer

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            self.pulse.rest()
            await self._work.wait()
            self.pulse.beat()
            await self._gather()
            group = self._take()
            try:
                await self._answer(group)
            except asyncio.CancelledError:
                _fail(group, Unavailable("the service stops"))
                raise
            finally:
                self._items -= sum(len(waiting.submissions) for waiting in group)
                self._room.set()

    async def drain(self) -> None:
        """Wait, for a bounded time, until nothing waits."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S_MAX):
                while self._items:
                    self._room.clear()
                    await self._room.wait()

    async def _gather(self) -> None:
        """Wait, for a bounded time, for the requests that are being read, unless a commit is worth it already."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GATHER_S):
                while self._coming and self._items < GATHER_ITEMS:
                    self._came.clear()
                    await self._came.wait()

    def _take(self) -> list[_Waiting]:
        group = [self._waiting.popleft()]
        items = len(group[0].submissions)
        while self._waiting and items + len(self._waiting[0].submissions) <= TRANSACTION_ITEMS_MAX:
            group.append(self._waiting.popleft())
            items += len(group[-1].submissions)
        if not self._waiting:
            self._work.clear()
        return group

    async def _answer(self, group: Sequence[_Waiting]) -> None:
        """Commit a group; if something in it cannot be written, each caller is tried alone, so only that one fails."""
        try:
            outcomes = await self._write_with_retries(group)
        except (Unavailable, Conflict) as error:
            _fail(group, error)
            return
        except Exception as error:  # noqa: BLE001  # handed to the caller that it belongs to
            if len(group) == 1:
                _fail(group, error)
                return
            for waiting in group:
                await self._answer([waiting])
            return
        start = 0
        for waiting in group:
            end = start + len(waiting.submissions)
            if not waiting.answer.done():
                waiting.answer.set_result(outcomes[start:end])
            start = end

    async def _write_with_retries(self, group: Sequence[_Waiting]) -> list[tuple[Outcome, str | None]]:
        forests: set[tuple[str, str]] = set()
        for _ in range(ATTEMPTS_MAX):
            self.pulse.beat()
            try:
                return await self._write(group, forests)
            except asyncpg.UniqueViolationError:
                continue  # another replica was first with an id: read it, and decide again
            except ForestNotLocked as error:
                forests |= error.sources
        raise Unavailable("other writers kept changing the same evidence; send it again")

    async def _write(
        self, group: Sequence[_Waiting], forests: set[tuple[str, str]]
    ) -> list[tuple[Outcome, str | None]]:
        submissions = [submission for waiting in group for submission in waiting.submissions]
        now = datetime.datetime.now(datetime.UTC)
        async with self.counts.storing() as refused, self._database.transaction() as connection:
            held = await self._refuse_outdated(connection, submissions)
            if not await statements.add(connection, [row for waiting in group for row in waiting.statements]):
                raise KnownStatements
            known = await load(connection, submissions, forests)
            decision = decide(submissions, known, utc(now))
            decision.drafts += await graded(connection, submissions, decision, held.hand_ins, self._log.shards)
            again = _tried_again(group)
            await self.counts.add(connection, refused, submissions, decision, again=again, now=now)
            appended = await append_all(connection, [(self._log, decision.drafts)])
            positions = [row[2] for row in appended]
            reach("evidence.appended")
            ways = {id(submission): waiting.way for waiting in group for submission in waiting.submissions}
            await store(connection, decision, positions, ways, now)
            if held.moves:
                await merges.set_homes(connection, *people_of(decision))
            reach("evidence.stored")
        reach("evidence.committed")
        self._written(appended)
        return self._placed(decision, positions)

    async def _refuse_outdated(self, connection: Connection, submissions: Sequence[Submission]) -> Premises:
        """
        Refuse what rests on what is no more: an erased learner, an identity that moved, an earlier alignment map.

        Until this transaction ends, nobody erases, moves or publishes. Return what holds.
        """
        seen = {submission.command.tenant: submission.moves for submission in submissions}
        maps = {(s.command.tenant, s.map_seen) for s in submissions if s.map_seen is not None}
        await premises.hold(connection, seen, {tenant for tenant, _ in maps})
        sources = {(submission.command.tenant, submission.command.content.source) for submission in submissions}
        found = await premises.read(connection, list(seen), list({tenant for tenant, _ in maps}), sources)
        moved = {tenant: now for tenant, now in found.moves.items() if any(
            s.moves != now for s in submissions if s.command.tenant == tenant)}  # fmt: skip
        if moved:
            raise MovedLearners(moved)
        if found.has_erased:
            learners = list({submission.learner for submission in submissions if submission.learner is not None})
            erased = await pieces.erased_among(connection, learners)
            if erased:
                raise ErasedLearner(erased)
        stale = {tenant for tenant, version in maps if version != found.maps.get(tenant, 0)}
        if stale:
            raise StaleAlignment(stale)
        return found

    def _placed(self, decision: Decision, positions: Sequence[int]) -> list[tuple[Outcome, str | None]]:
        name, generations, drafts = self._log.name, self._generations, decision.drafts
        answers: list[tuple[Outcome, str | None]] = []
        for outcome in decision.outcomes:
            if outcome.draft is not None:
                shard, pos = drafts[outcome.draft].shard, positions[outcome.draft]
            elif outcome.place is not None:
                shard, pos = outcome.place
            else:
                answers.append((outcome, None))
                continue
            answers.append((outcome, f"{name}.{generations[shard]}.{shard}.{pos}"))
        return answers


def _tried_again(group: Sequence[_Waiting]) -> list[bool]:
    """Return for each submission whether it came before and is tried again; nothing where none is."""
    if not any(waiting.way in AGAIN for waiting in group):
        return []
    return [waiting.way in AGAIN for waiting in group for _ in waiting.submissions]


def _fail(group: Sequence[_Waiting], error: Exception) -> None:
    for waiting in group:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
