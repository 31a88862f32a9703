"""
Two learners that are one person: their evidence goes to one of them, and comes back when that turns out wrong.

Each piece is recorded anew for the learner it goes to, under another event id, and taken back from the one it leaves, in
one transaction over both shards. Evidence that comes later by an identity that moved, moves back with it.
"""

import datetime
import uuid
from collections.abc import Callable, Sequence

import asyncpg
import msgspec

from services.evidence.domain.evidence import moved_away, moved_in
from services.evidence.handlers.counting import IntakeCounts
from services.evidence.handlers.directory import Learners
from services.evidence.tables import merges, people
from services.evidence.tables.pieces import ERASURE_LOCK
from shared.contracts import EVIDENCE_RECORDED, EvidenceRecorded, Touched
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import InvalidEvent, NotFound, Refused
from shared.event_log import EventLog, LogRow, append_all
from shared.events import Draft, utc
from shared.shards import shard_of, stable_id

AWAY_PIECES = 500
"""Pieces that one event takes back from a learner."""


class Merged(msgspec.Struct):
    """What a merge, or its undoing, moved."""

    merge: str
    merged: str
    into: str
    pieces: int


class Merging:
    """Merges learners of a tenant and undoes it."""

    def __init__(
        self, database: Database, log: EventLog, learners: Learners, counts: IntakeCounts,
        written: Callable[[Sequence[LogRow]], None],
    ) -> None:  # fmt: skip
        self._database = database
        self._log = log
        self._learners = learners
        self._counts = counts
        self._written = written

    async def merge(self, tenant: str, merged: str, into: str, *, reason: str, by: str) -> Merged:
        """
        Give the identities and the evidence of one learner to another.

        Raises:
            NotFound: the tenant lacks one of them.
            Refused: one of them is part of a merge in a way that could not be undone.
            InvalidEvent: they are the same.
        """
        if merged == into:
            raise InvalidEvent("a learner is not merged with itself", pointer="/into", reason="invalid")
        merge_id = str(uuid.uuid4())
        async with self._database.transaction() as connection:
            await merges.lock(connection, ERASURE_LOCK, tenant)
            for learner, pointer in ((merged, "/learner"), (into, "/into")):
                if not await people.identities(connection, tenant, learner):
                    raise NotFound("no such learner", pointer=pointer)
            for other in await merges.in_force(connection, tenant, [merged]):
                raise Refused(f"undo merge {other['merge_id']} first", reason="is_merged")
            await merges.add(connection, merge_id, tenant, merged, into, reason, by)
            moved, appended = await self._move(connection, tenant, merge_id, merged, into, home=None)
            reach("merge.appended")
        self._done(tenant, appended)
        return Merged(merge_id, merged, into, moved)

    async def undo(self, tenant: str, merge_id: str, *, by: str) -> Merged:
        """
        Give back what a merge moved, and what came since by the identities that it moved.

        Raises:
            NotFound: the tenant has no such merge in force.
        """
        async with self._database.transaction() as connection:
            await merges.lock(connection, ERASURE_LOCK, tenant)
            row = await merges.undo(connection, tenant, merge_id, by)
            if row is None:
                raise NotFound("no such merge in force")
            merged, into = str(row["merged"]), str(row["kept"])
            moved, appended = await self._move(connection, tenant, f"{merge_id}-undone", into, merged, home=merged)
            reach("merge.undone")
        self._done(tenant, appended)
        return Merged(merge_id, merged, into, moved)

    async def _move(
        self, connection: Connection, tenant: str, by: str, away: str, to: str, *, home: str | None
    ) -> tuple[int, Sequence[LogRow]]:
        """Move all pieces, or those with a home, between learners; return how many count and the rows appended."""
        await merges.moved(connection, tenant)
        found = await merges.pieces_to_move(connection, tenant, away, home)
        time = utc(datetime.datetime.now(datetime.UTC))
        shard = shard_of(tenant, to, self._log.shards)
        told, drafts, gone = [], [], []
        rows: list[tuple[str, str, str | None, int, int, str | None]] = []
        now_home = away if home is None else None
        for row in found:
            data = _recorded(row)
            if data is None:
                rows.append((str(row["evidence_id"]), to, None, row["shard"], row["pos"], now_home))
                continue
            anew, draft = moved_in(data, tenant, to, shard, time, by, valid=row["valid"])
            told.append((str(row["evidence_id"]), anew))
            drafts.append(draft)
            if row["valid"]:
                gone.append(Touched(data.evidence_id, data.competencies))
        away_drafts = [
            moved_away(tenant, away, shard_of(tenant, away, self._log.shards), time, stable_id(by, str(at)),
                       gone[at : at + AWAY_PIECES])
            for at in range(0, len(gone), AWAY_PIECES)
        ]  # fmt: skip
        everything: list[Draft] = [*drafts, *away_drafts]
        await self._counts.add_events(connection, tenant, len(everything))
        appended = await append_all(connection, [(self._log, everything)])
        for (evidence_id, anew), placed in zip(told, appended, strict=False):
            rows.append((evidence_id, to, anew, shard, placed[2], now_home))
        await merges.move(connection, rows)
        return len(gone), appended

    def _done(self, tenant: str, appended: Sequence[LogRow]) -> None:
        self._learners.forget_tenants({tenant})
        self._written(appended)


class _Body(msgspec.Struct):
    type: str
    data: msgspec.Raw


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_recorded = msgspec.json.Decoder(EvidenceRecorded).decode


def _recorded(row: asyncpg.Record) -> EvidenceRecorded | None:
    """Return what a piece is told as; None of a retraction."""
    if row["relation"] == "retracts" or row["body"] is None:
        return None
    body = _decode_body(row["body"])
    return _decode_recorded(body.data) if body.type == EVIDENCE_RECORDED else None
