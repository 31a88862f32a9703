"""
Two learners that are one person: their evidence goes to one of them, and comes back when that turns out wrong.

Each piece is recorded anew for the learner it goes to, under another event id, and taken back from the one it leaves, in
one transaction over both shards; enrolments go the same way, and so does who is a guardian of the learner or assigned to it
otherwise. Pieces that count do so at once, so nothing is shown by some of them that all of them do not show. What comes later
by an identity that moved, evidence or a place, moves back with it.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence

import asyncpg
import msgspec

from services.evidence.domain.roster_facts import Fact, events, placed
from services.evidence.domain.telling import Identity, changed_hands, merged, moved_in
from services.evidence.handlers.counting import IntakeCounts
from services.evidence.handlers.handed_in import followed
from services.evidence.handlers.learners import Learners
from services.evidence.tables import merges, people, roster
from shared.contracts.internal_events import EVIDENCE_RECORDED, EvidenceRecorded, IdentityMerged, Touched
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import InvalidEvent, NotFound, Refused
from shared.event_log import EventLog, LogRow, append_all
from shared.events import Draft, now
from shared.shards import shard_of, stable_id

PIECES_AT_ONCE = 500
"""Pieces that one event takes back from a learner, or gives one."""


class Merged(msgspec.Struct):
    """What a merge, or its undoing, moved."""

    merge: str
    merged: str
    into: str
    pieces: int


class Merging:
    """Merges learners of a tenant and undoes it."""

    def __init__(
        self, database: Database, log: EventLog, roster_log: EventLog, learners: Learners, counts: IntakeCounts,
        written: Callable[[Sequence[LogRow]], None],
    ) -> None:  # fmt: skip
        self._database = database
        self._log = log
        self._roster_log = roster_log
        self._learners = learners
        self._counts = counts
        self._written = written

    async def merge(self, tenant: str, merged: str, into: str, *, reason: str, by: str) -> Merged:
        """
        Give the identities and the evidence of one learner to another, once: while that is in force it is answered again.

        Raises:
            NotFound: the tenant lacks one of them, or it is merged already.
            Refused: one of them is part of a merge in a way that could not be undone.
            InvalidEvent: they are the same.
        """
        if merged == into:
            raise InvalidEvent("a learner is not merged with itself", pointer="/into", reason="invalid")
        merge_id = str(uuid.uuid4())
        async with self._database.transaction() as connection:
            await people.lock(connection, tenant)
            others = await merges.in_force(connection, tenant, [merged])
            for other in others:
                if (other["merged"], other["kept"]) == (merged, into):
                    pieces = await merges.pieces_of(connection, tenant, merged, into)
                    return Merged(other["merge_id"], merged, into, pieces)
            for learner, pointer in ((merged, "/learner"), (into, "/into")):
                if not await people.identities(connection, tenant, learner):
                    raise await nobody(connection, tenant, learner, pointer)
            if others:
                raise Refused(f"undo merge {others[0]['merge_id']} first", reason="is_merged")
            await merges.add(connection, merge_id, tenant, merged, into, reason, by)
            facts = await _enrol(connection, tenant, merge_id, merged, into)
            told = IdentityMerged(merged, into, merge_id)
            again = await merges.was_undone(connection, tenant, merged, into)
            moved, appended = await self._move(
                connection, tenant, told, facts, undone=False, identity="undone" if again else "decided"
            )
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
            await people.lock(connection, tenant)
            row = await merges.undo(connection, tenant, merge_id, by)
            if row is None:
                raise NotFound("no such merge in force")
            merged, into = str(row["merged"]), str(row["kept"])
            facts = await _disenrol(connection, tenant, row)
            told = IdentityMerged(merged, into, merge_id)
            moved, appended = await self._move(connection, tenant, told, facts, undone=True, identity="undone")
            # They were another's all along, and name whom nothing joins to this learner.
            await roster.forget_ended(connection, tenant, into, row["joined_classes"])
            reach("merge.undone")
        self._done(tenant, appended)
        return Merged(merge_id, merged, into, moved)

    async def _move(
        self, connection: Connection, tenant: str, told_as: IdentityMerged, facts: Sequence[Fact], *, undone: bool,
        identity: Identity,
    ) -> tuple[int, Sequence[LogRow]]:  # fmt: skip
        """
        Move all pieces to whom a learner is merged into, or back those that have their home there, and what the roster says.

        Returns how many pieces count, and the rows appended.
        """
        by, away, to, home = told_as.merge, told_as.learner, told_as.into, None
        if undone:
            by, away, to, home = f"{told_as.merge}-undone", told_as.into, told_as.learner, told_as.learner
        await merges.moved(connection, tenant)
        found = await merges.pieces_to_move(connection, tenant, away, home)
        time = now()
        shard = shard_of(tenant, to, self._log.shards)
        told, drafts, counting = [], [], []
        rows: list[tuple[str, str, str | None, int, int, str | None]] = []
        now_home = away if home is None else None
        for row in found:
            data = _recorded(row)
            if data is None:
                rows.append((str(row["evidence_id"]), to, None, row["shard"], row["pos"], now_home))
                continue
            anew, draft = moved_in(data, tenant, to, shard, time, by)
            told.append((str(row["evidence_id"]), anew))
            drafts.append(draft)
            if row["valid"]:
                counting.append((data.competencies, data.evidence_id, anew))
        # The learners' own event stands before those that move the pieces: readers know why they go.
        drafts.append(merged(tenant, shard_of(tenant, told_as.learner, self._log.shards), time, told_as, undone=undone))
        drafts += self._handed_over(tenant, away, to, time, by, identity, counting)
        ungraded = await followed(connection, tenant, [away, to], self._log.shards)
        everything: list[Draft] = [*drafts, *ungraded]
        await self._counts.add_events(connection, tenant, len(everything))
        news = await roster.upsert(connection, tenant, facts)
        enrolled = events(tenant, news, [stable_id(by, fact.key) for fact in news], time, self._roster_log.shards)
        appended = await append_all(connection, [(self._log, everything), (self._roster_log, enrolled)])
        for (evidence_id, anew), stored in zip(told, appended, strict=False):
            rows.append((evidence_id, to, anew, shard, stored[2], now_home))
        await merges.move(connection, rows)
        return len(counting), appended

    def _handed_over(
        self, tenant: str, away: str, to: str, time: str, by: str, identity: Identity,
        counting: list[tuple[tuple[str, ...], str, str]],
    ) -> Iterator[Draft]:  # fmt: skip
        """Yield what lets pieces count for whom they go to: (competencies, id they leave, id they have there)."""
        left, there = (shard_of(tenant, learner, self._log.shards) for learner in (away, to))
        # By competency, so that all pieces of one count at once also where there are very many.
        counting.sort()
        for start in range(0, len(counting), PIECES_AT_ONCE):
            part, of = counting[start : start + PIECES_AT_ONCE], stable_id(by, str(start))
            gone = [Touched(before, named) for named, before, _ in part]
            come = [Touched(anew, named) for named, _, anew in part]
            yield changed_hands(tenant, away, left, time, of, identity, gone=gone)
            yield changed_hands(tenant, to, there, time, of, identity, come=come)

    def _done(self, tenant: str, appended: Sequence[LogRow]) -> None:
        self._learners.forget_tenants({tenant})
        self._written(appended)


async def nobody(connection: Connection, tenant: str, learner: str, pointer: str | None = None) -> NotFound:
    """Return what to answer of who has no identity: of who is merged and not erased, that it is the other that has them."""
    merge = next((m for m in await merges.in_force(connection, tenant, [learner]) if m["merged"] == learner), None)
    if merge is None or await people.erased_at(connection, tenant, merge["kept"]) is not None:
        return NotFound("no such learner", pointer=pointer)
    return NotFound(
        f"the learner is merged into {merge['kept']}: name that one, or undo merge {merge['merge_id']} first",
        pointer=pointer, reason="is_merged",
    )  # fmt: skip


async def _enrol(connection: Connection, tenant: str, merge_id: str, merged: str, into: str) -> list[Fact]:
    """Note which places go from one learner to another, in classes and beside guardians and others, and return the facts."""
    held = await roster.places_of(connection, tenant, [merged, into])
    left, own = held[merged], held[into]
    joined = [place for place in left if place not in own]
    await merges.note_places(connection, merge_id, list(left), joined)
    return [
        *(placed(fact, merged, active=False) for fact in left.values()),
        *(placed(left[place], into, active=True) for place in joined),
    ]


async def _disenrol(connection: Connection, tenant: str, undone: asyncpg.Record) -> list[Fact]:
    """
    Return the facts that give the places back which a merge moved, but for those that have ended since.

    Where another who is merged into the same learner had the place too, the learner keeps it until that is undone.
    """
    merged, into = str(undone["merged"]), str(undone["kept"])
    still = (await roster.places_of(connection, tenant, [into]))[into]
    joined = [place for place in undone["joined_classes"] if place in still]
    others = await merges.hand_on_places(connection, tenant, into, joined)
    return [
        *(placed(still[place], into, active=False) for place in joined if place not in others),
        *(placed(still[place], merged, active=True) for place in undone["left_classes"] if place in still),
    ]


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
