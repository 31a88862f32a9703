"""
The consumer's database as the protocol sees it: rows with locks, transactions, and ends of transactions decided from outside.

A model of what PostgreSQL promises at READ COMMITTED: a statement that wants a locked row waits, then sees what was
committed; a transaction happens whole or not at all; its answer may be lost although it happened.
"""

import asyncio
import contextlib
import dataclasses
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Literal, NamedTuple, Protocol

from shared.errors import Conflict, Unavailable
from shared.ownership import Move, Place
from tests.support.recorder import chained

End = Literal["commit", "rollback", "lost"]
"""It happens; it does not and raises; it happens and raises all the same."""
Key = tuple[str, int]
"""(consumer, shard)."""


class Effect(NamedTuple):
    """A row of a shard's journal: where it stands, what was folded, and the generation of the log it came from."""

    place: int
    input: str
    pos: int
    n: int
    generation: int


@dataclasses.dataclass
class Row:
    """A shard's position row with the effects that are committed with it."""

    epoch: int = 0
    generation: int = 1
    pos: int = 0
    inbox_pos: int = 0
    next_offset: int = 0
    journal: list[Effect] = dataclasses.field(default_factory=list)
    chain: int = 0
    inbox: list[int] = dataclasses.field(default_factory=list)
    lock: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)

    def place(self, shard: int) -> Place:
        """Return the row as the consumer reads it."""
        return Place(shard, self.epoch, self.generation, self.pos, self.inbox_pos, self.next_offset)


def folded(journal: Sequence[Effect]) -> int:
    """Return the reference fold of a journal: another order, a repeat or a gap gives another value."""
    value = 0
    for effect in journal:
        value = chained(value, effect.n)
    return value


class Lockable(Protocol):
    """A row that a transaction may lock."""

    lock: asyncio.Lock


class Session:
    """A lent connection: what it locked and what it will change, and whether the server has seen its end."""

    def __init__(self, store: "Store", database: "Database | None" = None) -> None:
        self.store = store
        self.ended = False
        self._database = database
        self.locked: list[Lockable] = []
        self.changes: list[Callable[[], None]] = []
        self.moved: dict[int, int] = {}
        """Positions that it has moved itself and not committed, by id of the row."""

    def transaction(self) -> contextlib.AbstractAsyncContextManager["Session"]:
        """Begin a transaction in a session that goes on after it."""
        assert self._database is not None
        return self._database.within(self)

    async def lock(self, row: "Lockable") -> None:
        """Wait for a row and keep it until the end of the transaction."""
        if not any(row is held for held in self.locked):
            await row.lock.acquire()
            self.locked.append(row)

    def change(self, change: Callable[[], None]) -> None:
        """Do something when the transaction commits."""
        self.changes.append(change)

    def end(self, *, happened: bool) -> None:
        """Let go of the rows, with or without the changes; a transaction ends once."""
        if happened:
            for change in self.changes:
                change()
        for row in self.locked:
            row.lock.release()
        self.locked, self.changes = [], []


class Store:
    """All rows of one database, and the statements of `shared.ownership` over them."""

    def __init__(self) -> None:
        self.rows: defaultdict[Key, Row] = defaultdict(Row)

    async def claim(self, connection: Session, consumer: str, shards: Collection[int], owner: str) -> list[Place]:
        """Raise the epoch of rows, after whoever holds them."""
        places = []
        rows = [(shard, self.rows[consumer, shard]) for shard in sorted(shards)]
        for _, row in rows:
            await connection.lock(row)
        for shard, row in rows:
            row.epoch += 1
            places.append(row.place(shard))
        connection.end(happened=True)
        return places

    async def places(self, connection: Session, consumer: str, shards: Collection[int]) -> list[Place]:
        """Return committed rows."""
        return [self.rows[consumer, shard].place(shard) for shard in shards]

    async def move(self, connection: Session, consumer: str, moves: Sequence[Move]) -> None:
        """Compare and set, all or nothing."""
        for move in sorted(moves):
            await connection.lock(self.rows[consumer, move.shard])
        for move in moves:
            row = self.rows[consumer, move.shard]
            if not self.agrees(row, move):
                raise Conflict(f"shard {move.shard} has another epoch or position")
            connection.change(lambda row=row, move=move: self.set(row, move))  # type: ignore[misc]

    def agrees(self, row: Row, move: Move) -> bool:
        """Tell whether a row is as the mover thinks."""
        return (row.epoch, row.pos, row.inbox_pos) == (move.epoch, move.old, move.old_inbox)

    @staticmethod
    def set(row: Row, move: Move) -> None:
        """Move a row."""
        row.pos, row.inbox_pos, row.next_offset = move.new, move.new_inbox, move.next_offset


class Database:
    """The pool of one process: how its next transactions end is decided from outside, or held open until told."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ends: deque[End] = deque()
        self.hold = False
        self.held: tuple[Session, asyncio.Future[End]] | None = None

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Session]:
        """Lend a connection outside any transaction."""
        session = Session(self.store)
        try:
            yield session
        finally:
            session.end(happened=False)

    def impatient(self, after_s: float) -> contextlib.AbstractAsyncContextManager[Session]:
        """Lend a connection: nothing blocks for long here."""
        return self.connection()

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend a connection whose end others see."""
        session = Session(self.store, self)
        try:
            yield session
        finally:
            session.ended = True

    def transaction(self) -> contextlib.AbstractAsyncContextManager[Session]:
        """Lend a connection inside a transaction."""
        return self.within(Session(self.store))

    @contextlib.asynccontextmanager
    async def within(self, session: Session) -> AsyncIterator[Session]:
        """Run a transaction in a session."""
        try:
            yield session
            end = await self._end_of(session)
        except BaseException:
            session.end(happened=False)
            raise
        session.end(happened=end != "rollback")
        if end != "commit":
            raise Unavailable(f"the connection broke: {end}")

    async def _end_of(self, session: Session) -> End:
        if not self.hold:
            return self.ends.popleft() if self.ends else "commit"
        self.hold = False
        answer: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self.held = (session, answer)
        try:
            return await answer
        finally:
            self.held = None
