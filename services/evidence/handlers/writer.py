"""
The one writer of this process: commits everything that waits in one transaction, while the next is being validated.

Callers queue submissions and wait for their outcomes. When nothing waits, an item is committed at once; under load many
requests share a commit.
"""

import asyncio
import contextlib
import dataclasses
import datetime
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg

from services.evidence.domain.decisions import Decision, Outcome, Row, decide
from services.evidence.domain.evidence import State, Submission
from services.evidence.domain.validity import Piece
from services.evidence.handlers.counting import IntakeCounts
from services.evidence.tables import alignments, merges, pieces, quarantine, statements
from services.evidence.tables.statements import Row as StatementRow
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import AttainError, Conflict, Unavailable
from shared.event_log import EventLog, LogRow, append_all
from shared.events import utc

TRANSACTION_ITEMS_MAX = 10_000
WAITING_ITEMS_MAX = 40_000
WAIT_FOR_ROOM_S_MAX = 20.0
ATTEMPTS_MAX = 6
DRAIN_S_MAX = 10.0


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
    """Turns submissions into events and rows; `written` gets what each commit has appended."""

    def __init__(self, database: Database, log: EventLog, written: Callable[[Sequence[LogRow]], None]) -> None:
        self._database = database
        self._log = log
        self._written = written
        self._waiting: deque[_Waiting] = deque()
        self._items = 0
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._generations: dict[int, int] = {}
        self.counts = IntakeCounts()

    async def prepare(self) -> None:
        """Read the generation of each shard; a restore raises it while the services are stopped."""
        async with self._database.connection() as connection:
            heads = await self._log.heads(connection)
        self._generations = {shard: head.generation for shard, head in heads.items()}

    async def write(
        self, submissions: Sequence[Submission], way: str, rows: Sequence[StatementRow] = ()
    ) -> list[tuple[Outcome, str | None]]:
        """
        Return the outcome and the position of each submission, once they are durable, with the rows of statements.

        Raises:
            Unavailable: the database is away, or too much waits already.
            ErasedLearner: nothing was stored; identify again.
            MovedLearners, StaleAlignment: nothing was stored; identify, or align, again.
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
            await self._work.wait()
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
            try:
                return await self._write(group, forests)
            except asyncpg.UniqueViolationError:
                continue  # another replica was first with an id: read it, and decide again
            except _ForestNotLocked as error:
                forests |= error.sources
        raise Unavailable("other writers kept changing the same evidence; send it again")

    async def _write(
        self, group: Sequence[_Waiting], forests: set[tuple[str, str]]
    ) -> list[tuple[Outcome, str | None]]:
        submissions = [submission for waiting in group for submission in waiting.submissions]
        now = datetime.datetime.now(datetime.UTC)
        async with self.counts.storing() as refused, self._database.transaction() as connection:
            has_moved = await self._refuse_erased(connection, submissions)
            await self._refuse_stale(connection, submissions)
            await statements.add(connection, [row for waiting in group for row in waiting.statements])
            known = await _load(connection, submissions, forests)
            decision = decide(submissions, known, utc(now))
            await self.counts.add(connection, refused, submissions, decision)
            appended = await append_all(connection, [(self._log, decision.drafts)])
            positions = [row[2] for row in appended]
            reach("evidence.appended")
            await _store(connection, decision, positions, group, now)
            if has_moved:
                await merges.set_homes(connection, _people(decision))
            reach("evidence.stored")
        reach("evidence.committed")
        self._written(appended)
        return self._placed(decision, positions)

    async def _refuse_erased(self, connection: Connection, submissions: Sequence[Submission]) -> bool:
        """Let no learner be erased or moved until this transaction ends; return whether any was moved before."""
        seen = {submission.command.tenant: submission.moves for submission in submissions}
        await pieces.lock_against_erasure(connection, seen)
        has_erased, moves = await merges.changes(connection, list(seen))
        stale = {tenant: now for tenant, now in moves.items() if any(
            s.moves != now for s in submissions if s.command.tenant == tenant)}  # fmt: skip
        if stale:
            raise MovedLearners(stale)
        if has_erased:
            learners = list({submission.learner for submission in submissions if submission.learner is not None})
            erased = await pieces.erased_among(connection, learners)
            if erased:
                raise ErasedLearner(erased)
        return bool(moves)

    async def _refuse_stale(self, connection: Connection, submissions: Sequence[Submission]) -> None:
        """Let nobody publish alignments until this transaction ends, and refuse what rests on an earlier map."""
        seen = {(s.command.tenant, s.map_seen) for s in submissions if s.map_seen is not None}
        if seen:
            tenants = {tenant for tenant, _ in seen}
            await alignments.hold(connection, tenants)
            now = await alignments.heads(connection, tenants)
            stale = {tenant for tenant, version in seen if version != now.get(tenant, 0)}
            if stale:
                raise StaleAlignment(stale)

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


class _ForestNotLocked(Exception):
    def __init__(self, sources: set[tuple[str, str]]) -> None:
        self.sources = sources


def _fail(group: Sequence[_Waiting], error: Exception) -> None:
    for waiting in group:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)


async def _load(
    connection: Connection, submissions: Sequence[Submission], forests: set[tuple[str, str]]
) -> list[Piece]:
    """
    Return what is known of the batch. Plain new evidence needs its own ids only, and no lock.

    What changes rows that exist (targets, awaited or parked ids) needs the lock of its source first.
    """
    ids = []
    targets = []
    needed = set(forests)
    for submission in submissions:
        command = submission.command
        ids.append(command.evidence_id)
        if submission.draft is None or command.content.supersedes is not None:
            needed.add((command.tenant, command.content.source))
            if command.target is not None:
                targets.append(command.target)
    if needed:
        await pieces.lock_forests(connection, needed)
    if targets:
        known = await pieces.known_forest(connection, ids + targets)
    else:
        known = await pieces.known(connection, ids)
    waiting = {
        (piece.tenant, piece.source): None for piece in known if piece.state in (State.AWAITED, State.PARKED)
    }.keys()
    if not waiting:
        return known
    if not waiting <= needed:
        raise _ForestNotLocked(set(waiting))
    return known if targets else await pieces.known_forest(connection, ids)


async def _store(
    connection: Connection, decision: Decision, positions: Sequence[int], group: Sequence[_Waiting],
    now: datetime.datetime,
) -> None:  # fmt: skip
    rows = [_row(row, decision, positions) for row in decision.inserts.values()]
    rows.sort(key=_first)
    await pieces.insert(connection, rows)
    await pieces.update(connection, [_row(row, decision, positions) for row in decision.updates.values()])
    await pieces.set_validity(connection, decision.flipped)
    if decision.parked:
        ways = {id(submission): waiting.way for waiting in group for submission in waiting.submissions}
        parked = {}
        for submission, park in decision.parked:
            command, content = submission.command, submission.command.content
            parked[command.evidence_id] = (
                command.evidence_id, command.tenant, content.source, content.id, content.learner, park.reason,
                park.pointer, park.detail, park.awaits, ways[id(submission)], command.original, command.form,
                park.awaits_entry, park.seen,
            )  # fmt: skip
        await quarantine.park(connection, list(parked.values()), now)
    await quarantine.release(connection, decision.released)


def _people(decision: Decision) -> list[tuple[str, str, str, str]]:
    """Return whose the pieces of a batch are, as their sources know them."""
    return [
        (row.piece.evidence_id, row.piece.tenant, row.piece.source, row.submission.command.content.learner)
        for rows in (decision.inserts, decision.updates)
        for row in rows.values()
        if row.submission is not None and row.submission.command.content.learner is not None
    ]


def _row(row: Row, decision: Decision, positions: Sequence[int]) -> tuple[Any, ...]:
    piece, submission = row
    if piece.draft is None:
        shard, pos = None, None
    else:
        shard, pos = decision.drafts[piece.draft].shard, positions[piece.draft]
    if submission is None:
        id, received_at, private, align_by = None, None, None, None
    else:
        command, received_at = submission.command, submission.received_at
        id, private, align_by = command.content.id, command.private, command.content.align_by
    return (
        piece.evidence_id, piece.tenant, piece.source, id, piece.state, piece.digest, piece.learner, shard, pos,
        piece.valid, piece.relation, piece.target, received_at, private, align_by,
    )  # fmt: skip


def _first(row: tuple[Any, ...]) -> str:
    evidence_id: str = row[0]
    return evidence_id
